"""Phase 1 of grading for a class: find the submissions, and execute them in parallel, here or on a cluster."""

import contextlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

from autograder import collect, course, logs, processes, sheets
from autograder.result import records, unreadable_verdicts
from autograder.script import Script
from autograder.submitted import OnDisk, files
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
            for student, result in outcomes:
                result = _failed(name, student, result) if isinstance(result, str) else result
                finished[student] = {**result, "printed": {}}  # the stored result keeps it, for the feedback page
                logs.line(account(result))
                if then is not None:
                    then(student, finished[student])
                bar.advance(line)
    logs.line(f"{len(finished)} graded in {time.monotonic() - started:.2f} s")
    return {student: finished[student] for student in submissions}


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


def _failed(name, student, reason):
    """A result that says why there is none."""
    script = Script.of(name)
    verdicts = [asdict(verdict) for verdict in unreadable_verdicts(script, reason)]
    return {
        "key": "",
        "student": student,
        "assignment": name,
        "problem": reason,
        "repairs": [],
        "flags": [],
        "isolation": "none",
        "seconds": 0.0,
        "verdicts": verdicts,
        "printed": {},
    }


def write_json(path, results):
    """Write the records of all results (student -> result), whole or not at all.

    Raises
    ------
    CourseError
    """
    rows = [record for result in results.values() for record in records(result)]
    sheets.write_text(path, json.dumps(rows, indent=1) + "\n")
