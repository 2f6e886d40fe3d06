"""nbgrader as a library: one configuration, the same as on its command line, and calls that say what went wrong."""

import contextlib
import io
import logging
import os
import sys
import warnings

from nbgrader.apps import NbGraderAPI
from nbgrader.apps.baseapp import NbGrader
from traitlets.config import PyFileConfigLoader

from autograder import course


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


class Course:
    """nbgrader on a course folder."""

    def __init__(self, root=None):
        warnings.filterwarnings("ignore", module="nbgrader|sqlalchemy|nbformat|traitlets")
        # nbgrader starts `alembic` by name: it must be the one of this environment
        os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
        self.root = root or course.course_folder()
        self.root.mkdir(parents=True, exist_ok=True)
        app = NbGrader.instance() if NbGrader.initialized() else NbGrader()
        app.config.merge(configuration(root))
        app.log.setLevel(logging.CRITICAL)
        self.api = NbGraderAPI(config=configuration(root))
        self.api.log.setLevel(logging.CRITICAL)

    def call(self, verb, *args, **kwargs):
        """A call of nbgrader's API; its log becomes the error where it fails.

        Raises
        ------
        CourseError
        """
        with contextlib.redirect_stderr(io.StringIO()):
            answer = getattr(self.api, verb)(*args, **kwargs)
        if not answer["success"]:
            log = answer.get("error") or answer.get("log") or ""
            lines = [line for line in log.strip().splitlines() if line.strip()]
            reason = next(
                (line for line in reversed(lines) if "ERROR" in line or "Error" in line), lines[-1] if lines else ""
            )
            raise course.CourseError(f"nbgrader {verb} {' '.join(map(str, args))}: {reason.strip()}")

    def gradebook(self):
        """nbgrader's gradebook; a context manager."""
        return self.api.gradebook
