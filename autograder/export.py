"""Scores out of nbgrader's gradebook."""

import csv
from pathlib import Path

from autograder import course
from autograder.gradebook import Course


def export_csv(name, target=None):
    """Write one line a student: scores from the gradebook, manual ones and penalties included.

    Returns
    -------
    path : Path
    rows : int

    Raises
    ------
    CourseError
    """
    target = Path(target) if target else course.course_folder() / f"{name}.csv"
    rows = []
    with Course().gradebook() as book:
        for submission in book.assignment_submissions(name):
            rows.append(
                {
                    "student": submission.student.id,
                    "assignment": name,
                    "score": submission.score,
                    "max_score": submission.max_score,
                    "needs_manual_grade": submission.needs_manual_grade,
                    "late_submission_penalty": submission.late_submission_penalty,
                    "timestamp": submission.timestamp,
                }
            )
    if not rows:
        raise course.CourseError(f"the gradebook has no scores of {name}; run `python -m autograder grade {name}`")
    try:
        with open(target, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(sorted(rows, key=lambda row: row["student"]))
    except OSError as error:
        raise course.CourseError(f"cannot write {target}: {error.strerror}") from None
    return target, len(rows)
