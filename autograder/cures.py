"""What a disk, a file or a database that fails means for a person: one line that names the cure.

Commands meet them anywhere, so they are told in one place: `__main__` and `gradebook.Course.call` ask here.
"""

import errno
import os
import re
import traceback
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, SQLAlchemyError

from autograder import course

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
PLACES = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
CELL = re.compile(r"<((?!frozen|string|stdin)[\w-]+)>")  # the name under which a cell of a source runs
TASKS = course.EXERCISES / "bnlab" / "tasks"
AGAIN = "run the same command again: what was finished is kept"


def cause(error):
    """The error behind nbgrader's own, which hide what happened."""
    while error is not None and type(error).__module__.startswith("nbgrader"):
        error = error.__cause__ or error.__context__
    return error


def told(error):
    """The line for an error that no change of the grader's code would mend; "" for any other.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
    """
    error = cause(error)
    if isinstance(error, course.CourseError):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        return of_database(error)
    return (of_file(error) if isinstance(error, OSError) else "") or of_source(error)


def of_source(error):
    """The line for an error in what instructors write (solutions, mutants, styles, tasks); "" for one elsewhere."""
    place = None
    if isinstance(error, SyntaxError):
        place = (error.filename, error.lineno)
    elif error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        place = next(((frame.filename, frame.lineno) for frame in reversed(frames) if _is_source(frame.filename)), None)
    if place is None or not _is_source(place[0]):
        return ""
    name, line = place
    cell = CELL.fullmatch(name)
    where = f"the cell {cell[1]} of a notebook's source" if cell else os.path.relpath(name, course.REPOSITORY)
    what = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}".splitlines()[0]
    return f"{where}, line {line}: {what[:300]}; mend it there and run the same command again"


def _is_source(name):
    """Whether a file is in solutions/ or holds tasks, or is a cell that `script.Cell.run` has run."""
    return bool(name) and (
        Path(name).is_relative_to(course.SOLUTIONS)
        or Path(name).is_relative_to(TASKS)
        and Path(name).stem != "__init__"
        or bool(CELL.fullmatch(name))
    )


def concerns_everybody(error):
    """Whether it is the disk or the database that fails, and not what one student handed in."""
    error = cause(error)
    if isinstance(error, OSError):
        return error.errno in (*FULL, errno.EROFS)
    return isinstance(error, (OperationalError, InterfaceError)) or type(error) is DatabaseError


def first_line(error):
    """What a database said, in one line without the statement."""
    return (str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__])[0][:200]


def of_file(error, path=None):
    """The line for an error of the operating system; "" where it is about no file.

    path : Path, optional
        The file that was meant, where the error names a temporary one.
    """
    if error.errno not in (*FULL, *FORBIDDEN, *PLACES, errno.EIO):
        return ""
    path = path or (Path(os.fsdecode(error.filename)) if error.filename else course.course_folder())
    why = error.strerror or os.strerror(error.errno)
    if error.errno in FULL:
        return f"cannot write {path}: {why}; free some space, then {AGAIN}"
    if error.errno == errno.EIO:
        return f"cannot use {path}: {why}; look after the disk, then {AGAIN}"
    if error.errno in FORBIDDEN:
        what = "read" if error.errno != errno.EROFS and _is_closed(path) else "write"
        return f"cannot {what} {path}: {why}; give yourself the right to, or {_elsewhere(path)}"
    if error.errno == errno.ENOENT and path.parent.is_dir():
        return f"cannot find {path}; name one that exists"
    return f"cannot write {path}: {why}; {_elsewhere(path)}"


def _is_closed(path):
    """Whether a file or folder is there, or hidden in a folder, that this user may not even read."""
    closed = next((parent for parent in path.parents if os.path.isdir(parent)), path)
    may = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK
    return not os.access(path, may) if os.path.exists(path) else not os.access(closed, os.X_OK)


def _elsewhere(path):
    inside = course.course_folder() in (path, *path.parents)
    return "set BN_COURSE to a folder of yours" if inside else "name another"


def of_database(error, url=None):
    """The line for an error of a database, by default the gradebook's."""
    try:
        url = make_url(url or course.database_url())
    except (course.CourseError, SQLAlchemyError) as wrong:
        return f"BN_DATABASE is no database URL ({wrong}); write postgresql://ME@HOST/DATABASE"
    said = first_line(error)
    if url.get_backend_name() == "sqlite":
        return of_sqlite(Path(url.database or "gradebook.db"), said)
    shown = url.render_as_string(hide_password=True)
    if "password" in said or "authentication" in said:
        return f"{shown} does not let you in: {said}; the password belongs into ~/.pgpass (HOST:PORT:DATABASE:ME:...)"
    if "does not exist" in said:
        return f"cannot use {shown}: {said}; make it first (createdb, createuser), or correct BN_DATABASE"
    return f"cannot use {shown}: {said}; is the server running and BN_DATABASE right? Then {AGAIN}"


def of_sqlite(path, said):
    """The line for an error of a gradebook in a file."""
    low = said.lower()
    if path.is_file() and not path.stat().st_size:
        return damaged(path, "it is empty")
    if any(words in low for words in ("not a database", "malformed", "encrypted")):
        return damaged(path, said)
    if "locked" in low:
        return f"{path} is in use: wait until the other command has ended, then {AGAIN}"
    if "full" in low or "i/o" in low:
        return f"cannot write {path}: {said}; free some space, then {AGAIN}"
    if "readonly" in low or "unable to open" in low:
        return f"cannot write {path}: {said}; give yourself the right to, or {_elsewhere(path)}"
    if "no such" in low:
        return f"{path} is of another nbgrader ({said}); copy it, then run `nbgrader db upgrade` in `autograder`"
    return f"cannot use {path}: {said}; `python -m autograder doctor` looks at it"


def damaged(path, said):
    """What to do with a gradebook that cannot be read, and what that costs."""
    return (
        f"{path} is damaged ({said}); put its newest backup in its place and grade again. Without one, move it away "
        "and grade again: the grader's points come back, points given by hand and the roster do not (sheets of "
        "`written` and the roster can be taken again)"
    )
