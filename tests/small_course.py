"""A gradebook with a few students and made-up results, for tests of what happens after grading."""

import atexit
import datetime
import functools
import shutil
import tempfile
from pathlib import Path

import nbformat

from autograder import course
from autograder.authoring.cells import grade_id
from autograder.gradebook import Course
from autograder.grading import execute
from autograder.grading.result import store_result

NAME = "04_backward"
DUE = datetime.datetime(2026, 10, 5, 22, 0)
HOSTILE = "=cmd|' /C calc'!A0"


def verdict(cell, score, most, verdict="passed", message="", slips=()):
    """As the referee writes it."""
    return {
        "cell": cell,
        "task": cell.removesuffix("-test"),
        "max_score": most,
        "score": score,
        "verdict": verdict,
        "message": message or f"{cell}: correct (3 cases).",
        "seconds": 0.1,
        "slips": list(slips),
        "broken": False,
    }


SLIP = (
    "backward: not yet right.\n  tested   a batch\n  found    dx[1, 1]: expected 1.5, got 2.5.\n"
    "  likely   You forgot <i>the mean path</i>. Really."
)
SPEED = (
    "backward-speed: correct (15 cases). Your answer took 1.25 times the hidden solution's time (95 % interval 1 to 2)."
)
VERDICTS = {
    "ann": [verdict("backward-test", 12, 12), verdict("backward-speed-test", 5, 5, message=SPEED)],
    "bob@example.org": [
        verdict("backward-test", 0, 12, "failed", SLIP, ["mean_path_missing"]),
        verdict(
            "backward-speed-test", 0, 5, "crashed", "backward-speed: x\n  found    <script>alert(1)</script> it died."
        ),
    ],
    "Zoë Ó Brien": [
        verdict("backward-test", 0, 12, "failed", SLIP, ["mean_path_missing"]),
        verdict("derive-dx", 0, 8, "needs-person", "written answer, graded by a person."),
    ],
}


def build(folder):
    """Write the course into a folder."""
    shutil.copytree(template(), folder)


@functools.cache
def template():
    """The course, made once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="bn-small-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with Course(folder).gradebook() as book:
        book.add_assignment(NAME, duedate=DUE)
        book.add_notebook(NAME, NAME)
        cells = {one["cell"]: one["max_score"] for rows in VERDICTS.values() for one in rows}
        for cell, most in cells.items():
            kind = "markdown" if cell == "derive-dx" else "code"
            book.add_grade_cell(cell, NAME, NAME, max_score=most, cell_type=kind)
        book.add_solution_cell("derive-dx", NAME, NAME)
        for days, (student, rows) in enumerate(VERDICTS.items()):
            book.add_student(student)
            when = DUE + datetime.timedelta(days=days - 0.5)
            submission = book.add_submission(NAME, student)
            submission.timestamp = when
            for cell in cells:
                book.find_grade(cell, NAME, NAME, student).needs_manual_grade = False
            for one in rows:
                grade = book.find_grade(one["cell"], NAME, NAME, student)
                grade.auto_score = one["score"]
                grade.needs_manual_grade = one["verdict"] == "needs-person"
            book.db.commit()
            hand_in(folder, student, rows)
        book.add_student("absent", last_name=HOSTILE, first_name='Quote", Comma')
    return folder


def hand_in(folder, student, rows):
    """A submission, its result and everything else that a course keeps of a student."""
    notebook = nbformat.read(course.released(NAME), as_version=4)
    for cell in notebook.cells:
        if grade_id(cell) == "backward":
            cell.source += f"\n# {student}"
    for place in ("submitted", "autograded", "feedback", "replaced/20261005T220000"):
        path = folder / place / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(notebook), encoding="utf-8")
    rebuilt, _ = execute.read_submission(NAME, path.read_bytes())
    key = execute.result_key(NAME, student, rebuilt)
    common = {"key": key, "student": student, "assignment": NAME, "problem": "", "repairs": [], "isolation": "S3"}
    common |= {"version": execute.grader_version(NAME), "run": "", "flags": []}
    common["submission"] = execute.submission_key(NAME, student, rebuilt)
    store_result(folder / "results", {**common, "seconds": 1.0, "verdicts": rows, "printed": {}})
