"""Phase 2 of grading: results into nbgrader's gradebook, each as it comes, by the real `nbgrader autograde`."""

import contextlib
import time

import nbformat

from autograder import course, logs, writing
from autograder.authoring.cells import grade_id
from autograder.authoring.release import refuse_other_cells, release_notebook, source_notebook
from autograder.authoring.script import Script
from autograder.recording import changes, ledger


class Nowhere(contextlib.nullcontext):
    """In place of `IntoGradebook` where a folder is graded and the gradebook is left alone."""

    refused = {}

    def prepare(self):
        pass

    def write(self, student, result):
        pass

    def what_changed(self, results):
        return []

    def hand_scores(self):
        return {}


class IntoGradebook:
    """`nbgrader autograde` for one student after the other, which replays the stored results.

    A context manager. A student whose result is in the gradebook already, with the time of the submission, is left
    alone, so that points given by hand stay as they are.

    Parameters
    ----------
    name : str
        The notebook.
    same_files : bool
        Refuse who has another submission in the gradebook than in this course folder, which may be a copy of an
        earlier day.

    Attributes
    ----------
    refused : dict
        student -> error text, for those that nbgrader refused.
    """

    def __init__(self, name, same_files=False):
        self.name, self.same_files, self.refused = name, same_files, {}
        self.before, self.committed = {}, {}  # the ledger: as it was, and as it becomes
        self.known, self.by_hand = {}, {}  # student -> time, (student, cell) -> score: what the gradebook has
        self.by_gpu = {}  # (student, cell) -> score that a race gave
        self.nbgrader, self.keep, self.seconds = None, None, 0.0
        self.closing = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.closing.__exit__(*error)
        if self.nbgrader is not None:
            logs.line(f"{self.seconds:.2f} s of this writing the gradebook")

    def prepare(self):
        """Find out before long work whether its results can be kept and written into the gradebook.

        Raises
        ------
        Exception
            What `cures` tells of.
        """
        from autograder.gradebook import Course

        for place in ("results", "committed"):
            writing.writable(course.course_folder() / place)
        refuse_other_cells(self.name, Course())
        for line in ledger.put_aside(self.name):
            logs.warn(line)
        self.before = ledger.read(self.name)

    def _open(self):
        """With the first result: by then others are being executed."""
        from autograder.gradebook import Course, kept_open

        nbgrader = Course()
        if stale_source(self.name, nbgrader):
            release_notebook(self.name, nbgrader)
        self.committed = ledger.read(self.name)
        with nbgrader.gradebook() as book:
            self.known = {one.student_id: one.timestamp for one in book.assignment_submissions(self.name)}
        for line in lost(self.committed, set(self.known)):
            logs.warn(line)
        self.by_hand, self.by_gpu = hand_scores(self.name), gpu_scores(self.name)
        self.closing.enter_context(kept_open())
        self.keep = self.closing.enter_context(ledger.written_now_and_then(self.name, self.committed))
        self.nbgrader = nbgrader

    def write(self, student, result):
        """Write one result of `execute.execute`, unless it is there already."""
        started = time.monotonic()
        if self.nbgrader is None:
            self._open()
        try:
            self._write(student, result, ledger.entry_of(result))
        except course.CourseError as error:
            self.refused[student] = str(error)
        self.seconds += time.monotonic() - started

    def _write(self, student, result, entry):
        when = require_time(course.submitted(student, self.name).with_name("timestamp.txt"))
        other_time = student in self.known and self.known[student] != when
        current = self.committed.get(student) == entry and student in self.known and not result["problem"]
        if current and (self.same_files or not (other_time and when)):
            return
        if self.same_files and other_time:
            raise course.CourseError(
                f"the gradebook has the submission of {self.known[student]} UTC, this course folder that of {when} "
                "UTC; copy `submitted` and `results` here again from where the gradebook is written"
            )
        same_answers = changes.same_answers(self.name, result, self.committed)  # asked while the old grade is there
        self._keep_what_a_gpu_gave(student, result, same_answers, when)
        self.nbgrader.call("autograde", self.name, student, force=True)
        if same_answers:
            settle(self.nbgrader, self.name, student, [cell for who, cell in self.by_hand if who == student])
        self.committed[student] = entry
        self.keep()

    def _keep_what_a_gpu_gave(self, student, result, same_answers, when):
        """Refuse to open points again that a race gave to the same answers, where the result of it is not here.

        Where the graded notebook is not here either, answers of the same time count as the same.
        """
        seen = changes.graded(self.name, student)
        same = same_answers and seen["version"] == result["version"] if seen else self.known.get(student) == when
        waiting = [one["cell"] for one in result["verdicts"] if one["verdict"] == "needs-gpu"]
        points = [self.by_gpu[student, cell] for cell in waiting if (student, cell) in self.by_gpu]
        if same and points:
            raise course.CourseError(
                f"the gradebook has what a GPU measured for these answers ({sum(points):g} points), and `results` does "
                "not, so the grade stays as it is; copy `results` here from the machine that has it, or run `python -m "
                f"autograder grade {self.name} --only needs-gpu` on one with a GPU"
            )

    def what_changed(self, results):
        """Lines on what another version of the grader has changed in these results (student -> result)."""
        return changes.report(results, self.before)

    def hand_scores(self):
        """As `hand_scores`, for this notebook."""
        return hand_scores(self.name)


def require_time(path):
    """When something was handed in, which nbgrader has to be able to read, and says little where it cannot.

    Returns
    -------
    datetime or None
        In UTC without a zone; None where there is no such file.

    Raises
    ------
    CourseError
    """
    from nbgrader.utils import parse_utc

    try:
        text = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        return parse_utc(text or None)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise course.CourseError(
            f"{path} holds no time; write when it was handed in, as 2026-10-05 21:59:00 UTC, or remove the file, which "
            "counts as in time, and run the same command again"
        ) from None


def lost(committed, known):
    """What to say where a gradebook does not hold what had been written into it."""
    gone = sorted(set(committed) - known)
    if not gone:
        return []
    return [
        f"the gradebook has lost {len(gone)} submissions ({', '.join(gone[:5])}{', ...' if len(gone) > 5 else ''}): "
        "they are written again, without points given by hand; a backup of the gradebook has these"
    ]


def settle(nbgrader, name, student, cells):
    """Answers that a person has graded need no other look where only the grader is another one."""
    with nbgrader.gradebook() as book:
        for cell in cells:
            book.find_grade(cell, name, name, student).needs_manual_grade = False
        book.db.commit()


def stale_source(name, nbgrader):
    """Whether nbgrader's source of a notebook is missing, half in the gradebook, or older than the solution script."""
    from nbgrader.api import MissingEntry

    path = nbgrader.root / "source" / name / f"{name}.ipynb"
    wanted = source_notebook(Script.of(name))
    if not path.exists() or path.read_text(encoding="utf-8").strip() != nbformat.writes(wanted).strip():
        return True
    with nbgrader.gradebook() as book:
        try:
            saved = {cell.name for cell in book.find_notebook(name, name).source_cells}
        except MissingEntry:
            return True
    return saved != {grade_id(cell) for cell in wanted.cells if grade_id(cell)}


def hand_scores(name):
    """Points given by hand: (student, cell) -> score, for cells that a person has graded."""
    from nbgrader import api

    return _scores(name, api.Grade.score, api.Grade.manual_score.is_not(None), api.Grade.needs_manual_grade.is_(False))


def gpu_scores(name):
    """Points that races on a GPU gave: (student, cell) -> score; without one no machine gives any."""
    from nbgrader import api

    cells = [cell.id for cell in Script.of(name).cells if cell.is_timed_on_gpu]
    measured = api.Grade.auto_score > 0, api.GradeCell.name.in_(cells)
    return _scores(name, api.Grade.auto_score, *measured) if cells else {}


def _scores(name, column, *conditions):
    """(student, cell) -> score in the gradebook, where these conditions hold."""
    from nbgrader import api

    from autograder.gradebook import Course, grades

    columns = api.SubmittedAssignment.student_id, api.GradeCell.name, column
    with Course().gradebook() as book:
        return {(student, cell): score for student, cell, score in grades(book, name, *columns).filter(*conditions)}
