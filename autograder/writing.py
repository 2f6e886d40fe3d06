"""Files that are written whole or not at all, and whether they can be, found out before long work."""

import contextlib
import errno
import os
from pathlib import Path

from autograder import course


def writable(folder):
    """Find out before long work whether files can be written into a folder, which is made where there is none.

    Raises
    ------
    OSError
    """
    probe = Path(folder) / f".probe.{os.getpid()}"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_text("x")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def replace_text(path, text):
    """Write a file so that no reader ever sees half of it, and nothing is left beside it where that fails.

    Raises
    ------
    OSError
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="")
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Write a file whole or not at all.

    Raises
    ------
    CourseError
    """
    path = Path(path)
    try:
        if path.is_relative_to(course.course_folder()):  # elsewhere a misspelt folder is not made
            path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    except OSError as error:
        raise _told(error, path) from None


def require_writable(path):
    """Find out before long work whether `write_text` will be able to write a file; what is in it stays.

    Raises
    ------
    CourseError
    """
    path = Path(path)
    probe = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _told(error, path) from None


def _told(error, path):
    from autograder import cures  # which loads a database's library, for one sentence

    return course.CourseError(cures.of_file(error, path) or f"cannot write {path}: {error.strerror}")
