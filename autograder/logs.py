"""One log file for each run of a command that changes the course: what was asked, what became of each submission.

They lie in `logs` of the course folder, named by the run's id: 20261005T220301Z-grade-3f2a.log. Results, and the report
made of them, bear the id of the run that computed them. `forget` takes a student's lines out; nothing is ever sent.
"""

import datetime
import logging
import os
import platform
import re
import sys
import time
import unicodedata

from autograder import __version__, course

KEPT = 200  # log files; older ones are removed
COMMANDS = "collect grade feedback report roster export written copy-gradebook".split()  # that are logged
PASSWORD = re.compile(r"(?<=//)([^:/@\s]*):\S*(?=@)|(?<=password)(=)[^&\s]+")
LOG = logging.getLogger("autograder.run")
LOG.setLevel(logging.INFO)
LOG.propagate = False


def folder():
    """Where the logs lie."""
    return course.course_folder() / "logs"


def runs():
    """The log files, the newest first."""
    return sorted(folder().glob("*.log"), key=lambda path: _begun(path.stem), reverse=True)


def _begun(run):
    """When a run began, from its id: the second at its beginning, the share of it at its end."""
    return run.partition("-")[0], run.rpartition("-")[2]


def run_id(command):
    """A new id: when, what, and the microsecond, which tells two runs of one second apart."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{command}-{now.microsecond:06}"


class _File(logging.Handler):
    """Writes to the run's file, which is made with its first line, where the course folder can be written."""

    def __init__(self, name):
        super().__init__()
        self.path, self.broken = folder() / f"{name}.log", False

    def emit(self, record):
        if self.broken:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(f"{datetime.datetime.now(datetime.UTC):%H:%M:%S} {plain(record.getMessage())}\n")
        except OSError:
            self.broken = True  # a log keeps no command from its work


def plain(text):
    """One line without passwords and control characters, whatever a student's name or an error holds."""
    words = " | ".join(part for part in text.splitlines() if part.strip())
    words = PASSWORD.sub(lambda found: f"{found[1]}:..." if found[2] is None else "=...", words)
    return "".join(mark if unicodedata.category(mark)[0] != "C" else "?" for mark in words)


class Run:
    """A run of one command; a context manager that logs its beginning and its end.

    command : str
    words : list of str
        What was typed.
    """

    def __init__(self, command, words):
        self.id, self.words, self.code, self.said = run_id(command), words, None, False
        self.logged = command in COMMANDS
        self.started, self.handler = time.monotonic(), _File(self.id)

    def __enter__(self):
        global _current
        LOG.addHandler(self.handler)
        os.environ["BN_RUN"] = self.id  # for the processes that grade
        _current = self
        return self

    def begin(self):
        """The first lines; not before there is something to tell, so that a mistyped command leaves no file."""
        self.said = True
        LOG.info("python -m autograder %s", " ".join(self.words))
        LOG.info(
            "autograder %s, Python %s, %s on %s", __version__, platform.python_version(), sys.platform, platform.node()
        )

    def __exit__(self, kind, error, trace):
        if isinstance(error, course.CourseError):
            self.code = error.code  # what `main` is going to end with
        if kind is not None and course.course_folder().exists():
            line(f"ended by {kind.__name__}: {error}")
        if self.said:
            code = "" if self.code is None else f", exit code {self.code}"
            LOG.info("ended after %.1f s%s", time.monotonic() - self.started, code)
        LOG.removeHandler(self.handler)
        os.environ.pop("BN_RUN", None)
        for old in runs()[KEPT:]:
            old.unlink(missing_ok=True)


_current = None


def line(text):
    """Write one line into the log of this run."""
    if _current is not None and _current.logged and _current.handler in LOG.handlers:
        if not _current.said:
            _current.begin()
        LOG.info("%s", text)


def say(text):
    """Print a line and log it."""
    print(text)
    line(text)


def warn(text):
    """Say a line to the person beside what a command prints, and log it."""
    print(f"autograder: {text}", file=sys.stderr)
    line(text)


def where():
    """The line with which a command ends: the run's id and its log; "" where nothing was logged."""
    if _current is None or not _current.said or _current.handler.broken:
        return ""
    return f"run {_current.id}; its log: {_current.handler.path}"
