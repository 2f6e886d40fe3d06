"""Where things are, and the errors that people see.

The folder of the running course (gradebook, submissions, results) is autograder/course, or $BN_COURSE.
"""

import contextlib
import difflib
import os
import secrets
import shlex
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
EXERCISES = REPOSITORY / "exercises"
SOLUTIONS = REPOSITORY / "solutions"
CONFIG = REPOSITORY / "autograder" / "nbgrader_config.py"


class CourseError(Exception):
    """Something a person can mend; the text is one line that says how."""

    code = 1  # with which a command ends


class UsageError(CourseError):
    """A command was typed in a way that can mean nothing."""

    code = 2


def course_folder():
    """nbgrader's root: source, release, submitted, autograded, feedback, gradebook.db, results."""
    return Path(os.environ.get("BN_COURSE") or REPOSITORY / "autograder" / "course").resolve()


def require_folder():
    """Refuse a course folder that is not there: a misspelt one would be made, and be empty.

    Raises
    ------
    CourseError
    """
    if not course_folder().is_dir():
        said = "BN_COURSE says so" if os.environ.get("BN_COURSE") else "BN_COURSE would name another one"
        raise CourseError(
            f"there is no course folder {course_folder()} ({said}); correct that, or begin with `collect`"
        )


def database_url():
    """Where the gradebook is: $BN_DATABASE, by default SQLite in the course folder.

    Raises
    ------
    CourseError
        Where that in the course folder was copied elsewhere: nobody goes on with the old one in silence.
    """
    if os.environ.get("BN_DATABASE"):
        return driven(os.environ["BN_DATABASE"])
    if copied_to():
        raise CourseError(
            f"the gradebook was copied to {copied_to()}, and BN_DATABASE names none; export BN_DATABASE="
            f"{shlex.quote(copied_to())} or, to go back to gradebook.db as it was then, remove {moved_file()}"
        )
    return in_folder()


def in_folder():
    """The URL of the gradebook with which a course begins."""
    return f"sqlite:///{course_folder() / 'gradebook.db'}"


def moved_file():
    """The file in which `copy-gradebook` writes the new address."""
    return course_folder() / "gradebook.db.moved"


def copied_to():
    """The address, without its password, to which this gradebook was copied; "" where it was not.

    Raises
    ------
    CourseError
    """
    try:
        return moved_file().read_text(encoding="utf-8").strip() if moved_file().is_file() else ""
    except UnicodeDecodeError:
        raise CourseError(
            f"{moved_file()} is not UTF-8, so nobody can read to which address the gradebook was copied; write the "
            "address into it or, to go back to gradebook.db as it was then, remove it"
        ) from None


def driven(url):
    """A database URL that names the driver of this course where it names none: psycopg for PostgreSQL.

    Raises
    ------
    CourseError

    Examples
    --------
    >>> driven("postgresql://me@host/grades"), driven("sqlite:///gradebook.db")
    ('postgresql+psycopg://me@host/grades', 'sqlite:///gradebook.db')
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        shown = repr(url.rpartition("@")[2])  # what stands before an @ may be a password
        raise CourseError(f"{shown} is no database URL; write postgresql://ME@HOST/DATABASE or sqlite:////a/file.db")
    return f"postgresql+psycopg{mark}{rest}" if scheme in ("postgres", "postgresql") else url


def sqlite_file(url):
    """The file of a SQLite URL."""
    return Path(url.partition(":///")[2])


def public_repository():
    """The address of the repository for readers, from _config.yml; `make address` carries it to all other files."""
    import yaml

    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"].rstrip("/")


def notebook_names():
    """Names of the notebooks that have a source, in order: ["03_forward", ...]."""
    return sorted(path.stem for path in SOLUTIONS.glob("[0-9][0-9]_*.py"))


def require_notebook(name):
    """The name, if there is such a notebook; a path or .ipynb ending is forgiven.

    Raises
    ------
    UsageError
    """
    short = Path(name).name.removesuffix(".ipynb").removesuffix(".py")
    if short not in notebook_names():
        near = difflib.get_close_matches(short, notebook_names(), n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no notebook {name!r}; {meant}the course has {', '.join(notebook_names())}")
    return short


def released(name):
    """The notebook that students get.

    Raises
    ------
    CourseError
        Where it was not released yet.
    """
    path = EXERCISES / f"{name}.ipynb"
    if not path.exists():
        raise CourseError(f"exercises/{name}.ipynb does not exist yet; run `python -m autograder release {name}`")
    return path


def submitted(student, name):
    """Where a student's submission lies; its time stands in timestamp.txt beside it."""
    return course_folder() / "submitted" / student / name / f"{name}.ipynb"


def secret():
    """The key from which the inputs of tests are drawn; made once for a course and readable by its owner only."""
    folder = course_folder()
    path = folder / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        temporary = folder / f".secret.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)  # whoever is first makes it, whole or not at all
        temporary.unlink()
    return path.read_bytes()
