"""Grade a class: execute the submissions in parallel, and write each result into nbgrader's gradebook as it comes."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import nbformat
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autograder import changes, collect, course, cures, execute, logs, processes, reading, sheets, submission
from autograder.script import Script

RECORD_EVERY = 1.0  # seconds


def submitted_files(name):
    """student -> callable that returns the bytes of the submission in the course folder."""
    folder = course.course_folder() / "submitted"
    return {
        path.parent.name: functools.partial(reading.file_bytes, path / f"{name}.ipynb", folder)
        for path in sorted(folder.glob(f"*/{name}"))
    }


def submitted(name, students=()):
    """The submissions in the course folder, as `collect.OnDisk`."""
    folder, found = course.course_folder() / "submitted", submitted_files(name)
    return _only(
        found, students, f"submission of {name} in {folder}; run `python -m autograder collect {name} --from ...`"
    )


def in_folder(folder, name, students=()):
    """The submissions in any folder, as `collect` finds them, and what it leaves out."""
    if not Path(folder).is_dir():
        raise course.CourseError(f"there is no folder {folder}; name the one that holds STUDENT/{name}.ipynb")
    found, problems = collect.find(folder, name)
    return _only(found.files, students, f"submission of {name} in {folder}; expected STUDENT/{name}.ipynb"), problems


def _only(found, students, what):
    unknown = [student for student in students if student not in found]
    if unknown:
        raise course.CourseError(f"there is no submission of {unknown[0]!r}; there are {', '.join(found) or 'none'}")
    if not found:
        raise course.CourseError(f"there is no {what}")
    return collect.OnDisk({student: read for student, read in found.items() if not students or student in students})


def progress():
    """A progress bar with the time left."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    return Progress(*columns, transient=True)


def execute_all(
    name, submissions, jobs=None, results=None, again=False, scheduler=None, only="", then=None, meanwhile=None
):
    """Phase 1 for many submissions, on this machine or on a Dask cluster.

    Parameters
    ----------
    submissions : Mapping
        student -> bytes or None
    jobs : int, optional
        Number of processes; by default one a core.
    results : Path, optional
    again : bool
        Grade anew what has a result already.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers grade in place of local processes.
    only : str
        Judge again the cells with this verdict alone: "needs-gpu".
    then : callable, optional
        Given each student and result as it comes, while others are executed.
    meanwhile : callable, optional
        Called before anything is graded, while the grading processes start, which takes them a second or two; given
        a callable that waits for their isolation (`canaries.Isolation`), or None on a cluster.

    Returns
    -------
    dict
        student -> result of `execute.execute`, without what cells printed
    """
    course.released(name)
    course.secret()
    finished, started = {}, time.monotonic()
    with progress() as bar:
        line = bar.add_task(f"grading {name}", total=len(submissions))
        outcomes = _outcomes(name, submissions, jobs, results, again, scheduler, only, meanwhile, bar.console.print)
        with contextlib.closing(outcomes):
            for who, result in outcomes:
                result = _failed(name, who, result) if isinstance(result, str) else result
                finished[who] = {**result, "printed": {}}  # the stored result keeps it, for the feedback page
                logs.line(account(result))
                if then is not None:
                    then(who, finished[who])
                bar.advance(line)
    logs.line(f"{len(finished)} graded in {time.monotonic() - started:.2f} s")
    return {who: finished[who] for who in submissions}


def _outcomes(name, submissions, jobs, results, again, scheduler, only, meanwhile, say):
    """Pairs (student, result or a sentence on why there is none), in the order in which they are finished."""
    if scheduler is None:
        return processes.outcomes(name, submissions, jobs, results, again, only, meanwhile)
    from autograder import cluster

    if meanwhile is not None:
        meanwhile(None)
    return cluster.outcomes(scheduler, name, submissions, results, again, os.environ.get("BN_RUN", ""), say)


def account(result):
    """What the log says of one submission."""
    points, most = (sum(verdict[key] for verdict in result["verdicts"]) for key in ("score", "max_score"))
    where = f" on {result['host']}" if "host" in result else ""
    how = f"{result['seconds']:.2f} s, {result['isolation']}{where}, run {result.get('run') or '-'}"
    return f"{result['student']}: {points:g} of {most:g}; {result['problem'] or how}"


def _failed(name, who, reason):
    """A result that says why there is none."""
    script = Script.of(name)
    verdicts = [asdict(verdict) for verdict in execute.unreadable_verdicts(script, reason)]
    return {
        "key": "",
        "student": who,
        "assignment": name,
        "problem": reason,
        "repairs": [],
        "flags": [],
        "isolation": "none",
        "seconds": 0.0,
        "verdicts": verdicts,
        "printed": {},
    }


def ready(name):
    """Find out before long work whether its results can be kept and written into the gradebook.

    Raises
    ------
    Exception
        What `cures` tells of.
    """
    from autograder.desk import late
    from autograder.gradebook import Course
    from autograder.release import refuse_other_cells

    late.check()
    for place in ("results", "committed"):
        course.writable(course.course_folder() / place)
    refuse_other_cells(name, Course())


class IntoGradebook:
    """Phase 2: the real `nbgrader autograde` for one student after the other, which replays the stored results.

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
        self.nbgrader, self.seconds = None, 0.0
        self.closing = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.closing.__exit__(*error)
        if self.nbgrader is not None:
            logs.line(f"{self.seconds:.2f} s of this writing the gradebook")

    def _open(self):
        """With the first result: by then others are being executed."""
        from autograder.gradebook import Course, kept_open

        nbgrader = Course()
        if stale_source(self.name, nbgrader):
            from autograder.release import release_notebook

            release_notebook(self.name, nbgrader)
        self.committed = changes.committed(self.name)
        with nbgrader.gradebook() as book:
            self.known = {one.student_id: one.timestamp for one in book.assignment_submissions(self.name)}
        for line in lost(self.committed, set(self.known)):
            logs.warn(line)
        self.by_hand = hand_scores(self.name)
        self.closing.enter_context(kept_open())
        self.keep = self.closing.enter_context(written_now_and_then(changes.record_of(self.name), self.committed))
        self.nbgrader = nbgrader

    def write(self, student, result):
        """Write one result of `execute.execute`, unless it is there already."""
        started = time.monotonic()
        if self.nbgrader is None:
            self._open()
        version = version_of(result)
        current = self.committed.get(student) == version and student in self.known and not result["problem"]
        try:
            when = require_time(self.nbgrader.root / "submitted" / student / self.name / "timestamp.txt")
            other_time = student in self.known and self.known[student] != when
            if not current or (other_time and when and not self.same_files):
                same_answers = changes.same_answers(self.name, result, self.committed)
                if self.same_files and other_time:
                    raise course.CourseError(
                        f"the gradebook has the submission of {self.known[student]} UTC, this course folder that of "
                        f"{when} UTC; copy `submitted` and `results` here again from where the gradebook is written"
                    )
                self.nbgrader.call("autograde", self.name, student, force=True)
                if same_answers:
                    settle(self.nbgrader, self.name, student, [cell for who, cell in self.by_hand if who == student])
                self.committed[student] = version
                self.keep()
        except course.CourseError as error:
            self.refused[student] = str(error)
        self.seconds += time.monotonic() - started


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


@contextlib.contextmanager
def written_now_and_then(path, content):
    """A function that writes a dict as JSON where the last time is a while ago; in the end it is written in any case.

    Written after each of 3,000 students it would take longer than grading them. Who is not in it yet when everything
    ends at once is committed again by the next run, with the same result.
    """
    path.parent.mkdir(exist_ok=True)
    last = time.monotonic()

    def keep():
        nonlocal last
        if time.monotonic() - last > RECORD_EVERY:
            course.replace_text(path, json.dumps(content, indent=1))
            last = time.monotonic()

    try:
        yield keep
    finally:
        course.replace_text(path, json.dumps(content, indent=1))


def settle(nbgrader, name, student, cells):
    """Answers that a person has graded need no other look where only the grader is another one."""
    with nbgrader.gradebook() as book:
        for cell in cells:
            book.find_grade(cell, name, name, student).needs_manual_grade = False
        book.db.commit()


def version_of(result):
    """What the gradebook was told of a result: another text where the same answers were judged otherwise since.

    A race may end otherwise when it is run again, and a GPU fills in what waited for one.
    """
    told = [[verdict[key] for key in ("cell", "score", "verdict", "message")] for verdict in result["verdicts"]]
    return f"{result['key']}, {hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"


def stale_source(name, nbgrader):
    """Whether nbgrader's source of a notebook is missing, half in the gradebook, or older than the solution script."""
    from nbgrader.api import MissingEntry

    from autograder.release import source_notebook

    path = nbgrader.root / "source" / name / f"{name}.ipynb"
    wanted = source_notebook(Script.of(name))
    if not path.exists() or path.read_text(encoding="utf-8").strip() != nbformat.writes(wanted).strip():
        return True
    with nbgrader.gradebook() as book:
        try:
            saved = {cell.name for cell in book.find_notebook(name, name).source_cells}
        except MissingEntry:
            return True
    return saved != {submission.grade_id(cell) for cell in wanted.cells if submission.grade_id(cell)}


def hand_scores(name):
    """Points given by hand: (student, cell) -> score, for cells that a person has graded."""
    from nbgrader import api

    from autograder.gradebook import Course

    with Course().gradebook() as book:
        rows = (
            book.db.query(api.SubmittedAssignment.student_id, api.BaseCell.name, api.Grade.score)
            .join(api.SubmittedNotebook, api.SubmittedNotebook.assignment_id == api.SubmittedAssignment.id)
            .join(api.Grade, api.Grade.notebook_id == api.SubmittedNotebook.id)
            .join(api.BaseCell, api.BaseCell.id == api.Grade.cell_id)
            .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
            .filter(api.Assignment.name == name)
            .filter(api.Grade.manual_score.is_not(None), api.Grade.needs_manual_grade.is_(False))
        )
        return {(student, cell): score for student, cell, score in rows}


def require_writable(path):
    """Find out before long work whether `write_json` will be able to write a file; what is in it stays.

    Raises
    ------
    CourseError
    """
    probe = Path(path).with_name(f".{Path(path).name}.{os.getpid()}")
    try:
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise course.CourseError(cures.of_file(error, Path(path)) or f"cannot write {path}: {error.strerror}") from None


def write_json(path, results):
    """Write the records of all results (student -> result), whole or not at all.

    Raises
    ------
    CourseError
    """
    rows = [record for result in results.values() for record in execute.records(result)]
    sheets.write_text(path, json.dumps(rows, indent=1) + "\n")
