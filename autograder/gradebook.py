"""nbgrader as a library: one configuration, the same as on its command line, and calls that say what went wrong."""

import contextlib
import functools
import io
import logging
import sys
import types
import warnings
from pathlib import Path

import jsonschema
from nbgrader import api
from nbgrader.apps import NbGraderAPI
from nbgrader.apps.baseapp import NbGrader
from nbgrader.nbgraderformat import common
from traitlets.config import PyFileConfigLoader

from autograder import course, cures, interrupts


def configuration(root=None):
    """The traitlets configuration of nbgrader_config.py.

    Parameters
    ----------
    root : Path, optional
        Another course folder.
    """
    config = PyFileConfigLoader(course.CONFIG.name, str(course.CONFIG.parent)).load_config()
    if root is not None:
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.db_url = f"sqlite:///{root}/gradebook.db"
    return config


@functools.cache
def newest_schema():
    """The newest version of nbgrader's schema, as its migrations tell it; a new gradebook is given it."""
    from alembic.script import ScriptDirectory  # here: most commands find a gradebook

    return ScriptDirectory(str(Path(api.__file__).with_name("alembic"))).get_current_head()


api.get_alembic_version = newest_schema  # nbgrader starts a program for it, which takes seconds


class Course:
    """nbgrader on a course folder."""

    def __init__(self, root=None):
        warnings.filterwarnings("ignore", module="nbgrader|sqlalchemy|nbformat|traitlets")
        self.root = root or course.course_folder()
        self.root.mkdir(parents=True, exist_ok=True)
        if root is None:
            refuse_an_emptied_file(self.root)
        app = NbGrader.instance() if NbGrader.initialized() else NbGrader()
        app.config.merge(configuration(root))
        app.log.setLevel(logging.CRITICAL)
        logging.getLogger("tornado.application").setLevel(logging.CRITICAL)  # what nbgrader.api logs, it raises too
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)  # nbgrader calls it critical that this machine has no exchange
        try:
            self.api = NbGraderAPI(config=configuration(root))
        finally:
            logging.disable(before)
        self.api.log.setLevel(logging.CRITICAL)

    def call(self, verb, *args, **kwargs):
        """A call of nbgrader's API; its log becomes the error where it fails.

        Raises
        ------
        CourseError
        Exception
            As it came, where the disk or the database is what fails: it would fail for the next student too.
        """
        # nbgrader would take Ctrl-C for an error of the one notebook, and go on
        with contextlib.redirect_stderr(io.StringIO()), interrupts.later(), first_error(self.api.log) as first:
            answer = getattr(self.api, verb)(*args, **kwargs)
        if not answer["success"]:
            if cures.concerns_everybody(first.error):
                raise first.error
            raise course.CourseError(f"nbgrader {verb} {' '.join(map(str, args))}: {reason_of(answer, first.error)}")

    def gradebook(self):
        """nbgrader's gradebook; a context manager."""
        return self.api.gradebook


def grades(book, name, *columns):
    """A query over all grades of a notebook, whosever and of whichever cell.

    Parameters
    ----------
    book : nbgrader.api.Gradebook
        Open.
    name : str
    columns
        What each row holds: attributes of SubmittedAssignment, GradeCell and Grade.

    Returns
    -------
    sqlalchemy.orm.Query
    """
    return (
        book.db.query(*columns)
        .select_from(api.SubmittedAssignment)
        .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
        .join(api.SubmittedNotebook, api.SubmittedNotebook.assignment_id == api.SubmittedAssignment.id)
        .join(api.Grade, api.Grade.notebook_id == api.SubmittedNotebook.id)
        .join(api.GradeCell, api.GradeCell.id == api.Grade.cell_id)
        .filter(api.Assignment.name == name)
    )


def refuse_an_emptied_file(root):
    """Nobody goes on in silence with an empty gradebook where grades had been written into it.

    Raises
    ------
    CourseError
    """
    path = course.sqlite_file(course.database_url()) if course.database_url().startswith("sqlite:///") else None
    if path and path.is_file() and not path.stat().st_size and any(root.glob("committed/*.json")):
        raise course.CourseError(cures.damaged(path, "it is empty"))


class _First(logging.Handler):
    """Keeps the first error that is logged: nbgrader's own last words are "see the above traceback"."""

    error = None

    def emit(self, record):
        self.error = self.error or sys.exc_info()[1]


@contextlib.contextmanager
def first_error(log):
    """Within it a log reaches nobody else, and the first error that it tells of is kept."""
    first, level, handlers, propagate = _First(), log.level, log.handlers, log.propagate
    log.handlers, log.propagate = [first], False
    log.setLevel(logging.ERROR)
    try:
        yield first
    finally:
        log.handlers, log.propagate = handlers, propagate
        log.setLevel(level)


def reason_of(answer, error):
    """Why a call of nbgrader failed, in one line."""
    if isinstance(error, api.MissingEntry):
        return f"{error} in the gradebook; grade that notebook again"
    if error is not None:
        return cures.told(error) or f"{type(error).__name__}: {error}".strip().splitlines()[0]
    lines = [line for line in (answer.get("error") or answer.get("log") or "").splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "ERROR" in line or "Error" in line), (lines or [""])[-1]).strip()


@contextlib.contextmanager
def kept_open():
    """Within it nbgrader keeps the gradebook open instead of opening it anew for each of its steps.

    For one submission nbgrader opens its gradebook nine times: nine engines, each of which looks for all tables and
    compiles every statement again; and it checks the schema of the cells' metadata for each cell. Both are done once
    here. What is read and written is the same: a session still starts fresh for each step and ends with it.
    """
    opened, begin, end, schema = {}, api.Gradebook.__init__, api.Gradebook.close, common.jsonschema

    def open_once(self, db_url, course_id="default_course", authenticator=None):
        if (db_url, course_id) in opened:
            self.__dict__.update(opened[db_url, course_id].__dict__)
        else:
            begin(self, db_url, course_id, authenticator)
            self.db.session_factory.configure(expire_on_commit=False)  # or each commit makes it read all again
            self.db.remove()
            opened[db_url, course_id] = self

    api.Gradebook.__init__, api.Gradebook.close = open_once, lambda self: self.db.remove()
    common.jsonschema = types.SimpleNamespace(validate=_Validators())
    try:
        yield
    finally:
        api.Gradebook.__init__, api.Gradebook.close, common.jsonschema = begin, end, schema
        for book in opened.values():
            book.close()


class _Validators:
    """`jsonschema.validate` that checks and prepares a schema when it first comes."""

    def __init__(self):
        self.known = []  # (schema, validator); the one schema of nbgrader's metadata, read again for each notebook

    def __call__(self, instance, schema):
        validator = next((made for known, made in self.known if known == schema), None)
        if validator is None:
            kind = jsonschema.validators.validator_for(schema)
            kind.check_schema(schema)
            validator = kind(schema)
            self.known.append((schema, validator))
        problem = jsonschema.exceptions.best_match(validator.iter_errors(instance))
        if problem is not None:
            raise problem
