"""Points that wait for a GPU, as nbgrader's gradebook holds them: no score, and a cell that somebody has to grade."""

from nbgrader import api

from autograder import changes, course, execute
from autograder.referee import is_timed_on_gpu
from autograder.script import Script


def for_a_gpu(book, name):
    """The open points of a notebook: student -> {cell: points}.

    What a GPU found too fast to be true waits for a person, as its result says, and is none of them.
    """
    cells = [cell.id for cell in Script(course.SOLUTIONS / f"{name}.py").cells if is_timed_on_gpu(cell)]
    if not cells:
        return {}
    rows = (
        book.db.query(api.SubmittedAssignment.student_id, api.GradeCell.name, api.GradeCell.max_score)
        .join(api.SubmittedNotebook, api.SubmittedNotebook.assignment_id == api.SubmittedAssignment.id)
        .join(api.Grade, api.Grade.notebook_id == api.SubmittedNotebook.id)
        .join(api.GradeCell, api.GradeCell.id == api.Grade.cell_id)
        .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
        .filter(api.Assignment.name == name, api.GradeCell.name.in_(cells))
        .filter(api.Grade.needs_manual_grade, api.Grade.auto_score.is_(None), api.Grade.manual_score.is_(None))
    )
    committed, found = changes.committed(name), {}
    for student, cell, most in rows:
        key = committed.get(student, "").partition(",")[0]
        result = execute.load_result(course.course_folder() / "results", key) or {"verdicts": []}
        told = {verdict["cell"]: verdict["verdict"] for verdict in result["verdicts"]}
        if told.get(cell) != "needs-person":
            found.setdefault(student, {})[cell] = most
    return found


def for_a_person(submission, cells):
    """Whether a cell of a submission needs a grade besides those that wait for a GPU."""
    grades = (grade for one in submission.notebooks for grade in one.grades)
    return any(grade.needs_manual_grade and grade.name not in cells for grade in grades)
