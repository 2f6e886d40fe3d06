"""Grade a class: execute every submission in parallel, then commit the results to nbgrader's gradebook one by one."""

import concurrent.futures
import json
import multiprocessing
import os
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import nbformat
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autograder import changes, collect, course, execute, reading, submission


def submitted(name, students=()):
    """The submissions in the course folder.

    Returns
    -------
    dict
        student -> bytes; None where the file is missing or no regular file.
    """
    folder = course.course_folder() / "submitted"
    found = {}
    for path in sorted(folder.glob(f"*/{name}")):
        file = path / f"{name}.ipynb"
        found[path.parent.name] = reading.file_bytes(file, folder)
    return _only(
        found, students, f"submission of {name} in {folder}; run `python -m autograder collect {name} --from ...`"
    )


def in_folder(folder, name, students=()):
    """The submissions in any folder, as `collect` finds them, and what it leaves out."""
    if not Path(folder).is_dir():
        raise course.CourseError(f"there is no folder {folder}")
    found, problems = collect.find(folder, name)
    return _only(found, students, f"submission of {name} in {folder}"), problems


def _only(found, students, what):
    unknown = [student for student in students if student not in found]
    if unknown:
        raise course.CourseError(f"there is no submission of {unknown[0]!r}; there are {', '.join(found) or 'none'}")
    if not found:
        raise course.CourseError(f"there is no {what}")
    return {student: data for student, data in found.items() if not students or student in students}


def progress():
    """A progress bar with the time left."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    return Progress(*columns, transient=True)


def execute_all(name, submissions, jobs=None, results=None, again=False):
    """Phase 1 for many submissions.

    Parameters
    ----------
    submissions : dict
        student -> bytes or None
    jobs : int, optional
        Number of processes; by default one a core.
    results : Path, optional
    again : bool
        Grade anew what has a result already.

    Returns
    -------
    dict
        student -> result of `execute.execute`
    """
    course.released(name)
    course.secret()
    jobs = max(1, min(jobs or os.cpu_count() or 1, len(submissions)))
    finished = {}
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(
        jobs, mp_context=context, initializer=end_with, initargs=(os.getpid(),)
    )
    with pool, progress() as bar:
        line = bar.add_task(f"grading {name}", total=len(submissions))
        waiting = {
            pool.submit(execute.execute, name, who, data, results, again): who for who, data in submissions.items()
        }
        try:
            for future in concurrent.futures.as_completed(waiting):
                who = waiting[future]
                finished[who] = _outcome(name, who, future)
                bar.advance(line)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {who: finished[who] for who in submissions}


def end_with(parent):
    """In a grading process: end when the command ends, however it ends."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _outcome(name, who, future):
    """The result of a submission; where our own process failed, a result that says so and costs nobody else's grade."""
    try:
        return future.result()
    except BrokenProcessPool:
        reason = "the grading process ended; run the command again"
    except Exception as error:
        reason = f"the grader failed with {type(error).__name__}: {error}"
    script = execute.Script(course.SOLUTIONS / f"{name}.py")
    verdicts = [execute.asdict(verdict) for verdict in execute.unreadable_verdicts(script, reason)]
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


def commit(name, results):
    """Phase 2: the real `nbgrader autograde` for each student, which replays the stored results.

    A student whose result is in the gradebook already is left alone, so that points given by hand stay as they are.

    Parameters
    ----------
    name : str
    results : dict
        student -> result of `execute.execute`

    Returns
    -------
    dict
        student -> error text, for those that nbgrader refused.
    """
    from autograder.gradebook import Course, kept_open

    nbgrader = Course()
    if stale_source(name, nbgrader):
        from autograder.release import release_notebook

        release_notebook(name, nbgrader)
    record = nbgrader.root / "committed" / f"{name}.json"
    committed = changes.committed(name)
    with nbgrader.gradebook() as book:
        known = {one.student.id for one in book.assignment_submissions(name)}
    failed, by_hand = {}, hand_scores(name)
    with progress() as bar, kept_open():
        line = bar.add_task("writing the gradebook", total=len(results))
        for student, result in results.items():
            current = committed.get(student) == result["key"] and student in known and not result["problem"]
            if not current:
                try:
                    same_answers = changes.before(result, committed) is not None
                    nbgrader.call("autograde", name, student, force=True)
                    if same_answers:
                        settle(nbgrader, name, student, [cell for who, cell in by_hand if who == student])
                    committed[student] = result["key"]
                    record.parent.mkdir(exist_ok=True)
                    replace_text(record, json.dumps(committed, indent=1))
                except course.CourseError as error:
                    failed[student] = str(error)
            bar.advance(line)
    return failed


def settle(nbgrader, name, student, cells):
    """Answers that a person has graded need no other look where only the grader is another one."""
    with nbgrader.gradebook() as book:
        for cell in cells:
            book.find_grade(cell, name, name, student).needs_manual_grade = False
        book.db.commit()


def stale_source(name, nbgrader):
    """Whether nbgrader's source of a notebook is missing, half in the gradebook, or older than the solution script."""
    from nbgrader.api import MissingEntry

    from autograder.release import source_notebook

    path = nbgrader.root / "source" / name / f"{name}.ipynb"
    wanted = source_notebook(execute.Script(course.SOLUTIONS / f"{name}.py"))
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
    from autograder.gradebook import Course

    with Course().gradebook() as book:
        grades = [
            (one.student.id, grade)
            for one in book.assignment_submissions(name)
            for notebook in one.notebooks
            for grade in notebook.grades
        ]
        return {
            (student, grade.name): grade.score
            for student, grade in grades
            if grade.manual_score is not None and not grade.needs_manual_grade
        }


def replace_text(path, text):
    """Write a file so that no reader ever sees half of it."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_json(path, results, keep=False):
    """Write the records of all results, whole or not at all.

    Parameters
    ----------
    path : str or Path
    results : dict
        student -> result
    keep : bool
        Only find out, before long work, whether the file can be written; what is in it stays.

    Raises
    ------
    CourseError
    """
    rows = [record for result in results.values() for record in execute.records(result)]
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        if keep:
            return path.with_name(f".{path.name}.new").touch()
        replace_text(path, json.dumps(rows, indent=1) + "\n")
    except OSError as error:
        raise course.CourseError(f"cannot write {path}: {error.strerror}") from None
