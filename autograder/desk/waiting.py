"""Points that wait for a GPU, as nbgrader's gradebook holds them: no score, and a cell that somebody has to grade."""

from nbgrader import api

from autograder.authoring.script import Script
from autograder.recording import ledger


def for_a_gpu(book, name):
    """The open points of a notebook: student -> {cell: points}.

    What a GPU found too fast to be true waits for a person, as its result says, and is none of them.
    """
    found = {}
    for student, cell, most, score, verdict in _ungraded_by_hand(book, name):
        if score is None and verdict != "needs-person":
            found.setdefault(student, {})[cell] = most
    return found


def judged_elsewhere(book, name):
    """Students with points in the gradebook for answers that still wait for a GPU in the results that are here."""
    found = _ungraded_by_hand(book, name)
    return sorted({student for student, _, _, score, verdict in found if score is not None and verdict == "needs-gpu"})


def _ungraded_by_hand(book, name):
    """(student, cell, points of the cell, score or None, verdict of the result that is here or "")."""
    from autograder.gradebook import grades

    cells = [cell.id for cell in Script.of(name).cells if cell.is_timed_on_gpu]
    if not cells:
        return []
    columns = api.SubmittedAssignment.student_id, api.GradeCell.name, api.GradeCell.max_score, api.Grade.auto_score
    rows = grades(book, name, *columns).filter(api.GradeCell.name.in_(cells), api.Grade.manual_score.is_(None))
    verdicts = {student: _verdicts(entry) for student, entry in ledger.read(name).items()}
    return [(*row, verdicts.get(row[0], {}).get(row[1], "")) for row in rows]


def _verdicts(entry):
    """cell -> verdict in the result that an entry of the ledger is about."""
    result = ledger.result_of(entry)
    return {verdict["cell"]: verdict["verdict"] for verdict in result["verdicts"]} if result else {}


def for_a_person(submission, cells):
    """Whether a cell of a submission needs a grade besides those that wait for a GPU."""
    grades = (grade for one in submission.notebooks for grade in one.grades)
    return any(grade.needs_manual_grade and grade.name not in cells for grade in grades)


def settled(verdict, score):
    """A verdict that waits for a GPU, where the gradebook has a score from a machine whose results are not here.

    Parameters
    ----------
    verdict : dict
        "task", "max_score", "verdict", "message", ...
    score : float or None
        What the gradebook has.
    """
    if verdict["verdict"] != "needs-gpu" or score is None:
        return verdict
    word = "passed" if score == verdict["max_score"] else "partial" if score else "failed"
    return {**verdict, "score": score, "verdict": word, "message": f"{verdict['task']}: measured on another machine."}
