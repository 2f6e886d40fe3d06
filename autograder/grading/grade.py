"""Phase 1 of grading for a class: find the submissions, and execute them in parallel, here or on a cluster."""

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from autograder import course, logs, writing
from autograder.authoring.script import Script
from autograder.collecting import collect
from autograder.collecting.submitted import OnDisk, files
from autograder.grading import processes
from autograder.grading.result import records, without_grading
from autograder.terminal import progress


def find(name, folder=None, students=()):
    """The submissions that are to be graded.

    Parameters
    ----------
    name : str
    folder : str or Path, optional
        Where `collect` finds them; by default what lies in the course folder.
    students : list of str
        These alone; by default all.

    Returns
    -------
    submissions : OnDisk
    problems : list of str
        What `collect` leaves out of the folder.

    Raises
    ------
    CourseError
        Where there are none, or one of the students has none.
    """
    if folder is None:
        found, problems = files(name), []
        cure = f"{course.course_folder() / 'submitted'}; run `python -m autograder collect {name} --from ...`"
    elif Path(folder).is_dir():
        submissions, problems = collect.find(folder, name)
        found, cure = submissions.files, f"{folder}; expected STUDENT/{name}.ipynb"
    else:
        raise course.CourseError(f"there is no folder {folder}; name the one that holds STUDENT/{name}.ipynb")
    unknown = [student for student in students if student not in found]
    if unknown:
        raise course.CourseError(f"there is no submission of {unknown[0]!r}; there are {', '.join(found) or 'none'}")
    if not found:
        raise course.CourseError(f"there is no submission of {name} in {cure}")
    return OnDisk({student: read for student, read in found.items() if not students or student in students}), problems


@dataclass(frozen=True)
class How:
    """How a class is executed.

    Attributes
    ----------
    results : Path or None
        Folder of finished results, which are read and written there.
    again : bool
        Whether what has a result already is graded anew.
    only : str
        The verdict of the cells that are judged again, and no others: "needs-gpu"; "" for all cells.
    jobs : int or None
        Number of processes; by default one a core.
    scheduler : str or None
        Address of a Dask scheduler, whose workers grade in place of local processes.
    """

    results: Path | None = None
    again: bool = False
    only: str = ""
    jobs: int | None = None
    scheduler: str | None = None


def execute_all(name, submissions, how, then, meanwhile):
    """Phase 1 for many submissions, on this machine or on a Dask cluster.

    Parameters
    ----------
    name : str
    submissions : Mapping
        student -> bytes or None
    how : How
    then : callable
        Given each student and result as it comes, while others are executed.
    meanwhile : callable
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
        outcomes = _outcomes(name, submissions, how, meanwhile, bar.console.print)
        with contextlib.closing(outcomes):
            for student, result in outcomes:
                result = without_grading(Script.of(name), student, result) if isinstance(result, str) else result
                finished[student] = {**result, "printed": {}}  # the stored result keeps it, for the feedback page
                logs.line(account(result))
                then(student, finished[student])
                bar.advance(line)
    logs.line(f"{len(finished)} graded in {time.monotonic() - started:.2f} s")
    return {student: finished[student] for student in submissions}


def _outcomes(name, submissions, how, meanwhile, say):
    """Pairs (student, result or a sentence on why there is none), in the order in which they are finished."""
    if how.scheduler is None:
        return processes.outcomes(name, submissions, how, meanwhile)
    from autograder.grading import cluster

    meanwhile(None)
    return cluster.outcomes(name, submissions, how, say)


def account(result):
    """What the log says of one submission."""
    points, most = (sum(verdict[key] for verdict in result["verdicts"]) for key in ("score", "max_score"))
    where = f" on {result['host']}" if "host" in result else ""
    how = f"{result['seconds']:.2f} s, {result['isolation']}{where}, run {result.get('run') or '-'}"
    return f"{result['student']}: {points:g} of {most:g}; {result['problem'] or how}"


def write_json(path, results):
    """Write the records of all results (student -> result), whole or not at all.

    Raises
    ------
    CourseError
    """
    rows = [record for result in results.values() for record in records(result)]
    writing.write_text(path, json.dumps(rows, indent=1) + "\n")
