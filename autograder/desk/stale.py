"""Grades that are not those of what was handed in last: they are named wherever grades leave the course.

`grade` brings them up to date; `export`, `feedback`, `report` and `written` only say so. What a grade was given for
stands in the notebook that nbgrader keeps in `autograded`, and in the ledger where an older version has written that
notebook.
"""

from nbgrader.api import MissingEntry

from autograder import course, logs
from autograder.collecting import people, reading, submitted
from autograder.desk import waiting
from autograder.grading import execute
from autograder.grading.result import load_result
from autograder.recording import changes, ledger

CURES = {"elsewhere": "copy `results` from the machine that has it into this course folder, then "}
SAYS = {
    "newer": ("submission of {name} is newer than its grade", "submissions of {name} are newer than their grades"),
    "never": ("submission of {name} was never graded", "submissions of {name} were never graded"),
    "older": ("grade of {name} is by an earlier grader", "grades of {name} are by an earlier grader"),
    "elsewhere": (
        "student has points of {name} from a GPU whose results are not here",
        "students have points of {name} from a GPU whose results are not here",
    ),
    "lost": ("result of {name} is missing or damaged", "results of {name} are missing or damaged"),
}


def find(name):
    """The students whose grade is not that of what they handed in last.

    Returns
    -------
    dict
        Some of "newer" (handed in again after grading), "never" (never graded), "older" (graded by another version
        of the grader or of the tests) and "elsewhere" (points in the gradebook from a GPU whose results are not here)
        -> list of student ids.
    """
    from autograder.gradebook import Course

    with Course().gradebook() as book:
        try:
            known = {submission.student_id for submission in book.assignment_submissions(name)}
        except MissingEntry:
            known = set()
        elsewhere = waiting.judged_elsewhere(book, name)
    committed, found = ledger.read(name), {}
    for student, read in submitted.files(name).items():
        kind = kind_of(name, student, read(), committed.get(student, "")) if student in known else "never"
        kind = kind or ("elsewhere" if student in elsewhere else "")
        if kind:
            found.setdefault(kind, []).append(student)
    return found


def kind_of(name, student, data, entry):
    """What is wrong with a student's grade, "" where it is up to date.

    data : bytes or None
        What was handed in last.
    entry : str
        The student's in the ledger, "" where `grade` has written nothing into the gradebook.
    """
    graded = changes.graded(name, student)
    if not graded:
        graded = ledger.result_of(entry) or {}
    if not graded.get("file") or graded["file"] != reading.digest(data):
        rebuilt, _ = execute.read_submission(name, data)
        now = execute.submission_key(name, student, rebuilt)
        if "submission" not in graded:  # an earlier version of the course: the result's name says both
            this = execute.result_key(name, student, rebuilt)
            same = load_result(course.course_folder() / "results", this) or ledger.key_of(entry) == this
            return "" if same else "newer"
        if graded["submission"] != now:
            return "newer"
    return "" if graded["version"] == execute.grader_version(name) else "older"


def lines(name, found):
    """What to say of the students that `find` has found: how many, the first of them, and the cure."""
    said = []
    for kind, students in found.items():
        words = SAYS[kind][len(students) > 1].format(name=name)
        cure = f"{CURES.get(kind, '')}run `python -m autograder grade {name}`"
        said.append(f"{len(students)} {words} ({people.some(students)}); {cure}")
    return said


LEFT_OUT = {
    "newer": "handed in again after grading",
    "never": "never graded",
    "older": "graded by another version of the grader, whose files may differ from those of this repository",
}


def left_out(name, kind, students):
    """What to say of students whose open points cannot be filled in, as no finished result is there."""
    why = LEFT_OUT.get(kind, "no finished result is here")
    first = f"`python -m autograder grade {name}` first, here or where you grade"
    cure = f"use the same version as where you grade, or run {first}" if kind == "older" else f"run {first}"
    return f"{people.some(students)}: {why}; {cure}"


def warn(name):
    """Say it beside what a command writes."""
    for line in lines(name, find(name)):
        logs.warn(line)
