"""Read `solutions/NN_topic.py`, the percent script that is the only source of an exercise.

The one reader of percent scripts: the release step, the referee and the tests all see cells through `Script`.
"""

import ast
import contextlib
import functools
import io
import linecache
import math
from dataclasses import dataclass
from pathlib import Path

import jupytext
from jupytext.magics import comment_magic

from autograder import course
from autograder.course import CourseError

KINDS = ("solution", "test", "answer", "readonly")


@dataclass(frozen=True)
class Cell:
    """One cell of a script.

    kind : "solution" | "test" | "answer" | "readonly" | "markdown" | "code"
        The first four are tags in the cell's first line; the last two are the types of cells without a tag.
    id : str
        The value of the tag, which is the grade_id of the cell; "" without a tag.
    points : int or float
        0 where the tag names none.
    source : str
        As in the notebook: magics are live (`%pip ...`), Markdown has no leading `#`.
    """

    kind: str
    id: str
    points: float
    source: str

    @property
    def is_code(self):
        return self.kind not in ("markdown", "answer")

    @property
    def is_timed(self):
        """Whether it is a test that races."""
        return self.kind == "test" and "race(" in self.source

    @property
    def is_timed_on_gpu(self):
        """Whether it is a test whose points need a GPU."""
        return self.kind == "test" and "race_on_gpu(" in self.source

    @functools.cached_property
    def python(self):
        """The source with magics commented out, so that plain Python runs it."""
        return "\n".join(comment_magic(self.source.split("\n")))

    @functools.cached_property
    def names(self):
        """The names that the cell uses."""
        return {node.id for node in ast.walk(ast.parse(self.python)) if isinstance(node, ast.Name)}

    def run(self, namespace, name=None):
        """Execute the cell in `namespace`; tracebacks show its lines.

        Examples
        --------
        >>> space = {}
        >>> Cell("code", "", 0, "x = 1 + 1").run(space)
        >>> space["x"]
        2
        """
        file = f"<{name or self.id or 'cell'}>"  # two notebooks have cells of one name: the last that ran is shown
        linecache.cache[file] = (len(self.python), None, self.python.splitlines(keepends=True), file)
        exec(_compiled(self.python, file), namespace)


@functools.lru_cache(1024)
def _compiled(python, name):
    return compile(python, name, "exec")


class Script:
    """The cells of a percent script.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    CourseError
        Where a tag cannot be read or has no id, an id occurs twice, or a graded cell has no points.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.stem
        about = self.path.stat()
        self.cells = _cells(self.path, about.st_mtime_ns, about.st_size)
        self._check()

    @classmethod
    def of(cls, name):
        """The script of a notebook: solutions/NAME.py."""
        return cls(course.SOLUTIONS / f"{name}.py")

    def _check(self):
        seen = set()
        for cell in self.cells:
            if cell.kind not in KINDS:
                continue
            if not cell.id or cell.id in seen:
                raise CourseError(f"{self._source}: the id {cell.id!r} of a {cell.kind} cell is empty or used twice")
            if cell.kind in ("test", "answer") and not is_points(cell.points):
                what = f"points={cell.points!r}" if cell.points or cell.points != 0 else "no points"
                raise CourseError(f"{self._source}: {cell.id} has {what}; write a number above 0 in its tag: points=5")
            seen.add(cell.id)

    @property
    def _source(self):
        return f"{self.path.parent.name}/{self.path.name}"

    def of_kind(self, *kinds):
        """The cells of these kinds, in order."""
        return [cell for cell in self.cells if cell.kind in kinds]

    def cell(self, cell_id):
        """The cell with that id; KeyError where there is none."""
        for cell in self.cells:
            if cell.id == cell_id:
                return cell
        raise KeyError(f"{self.path.name} has no cell {cell_id!r}")

    def task_of(self, test_cell_id):
        """The task of a graded cell: "forward-train" for "forward-train-test"; written answers name themselves."""
        return self.cell(test_cell_id).id.removesuffix("-test")

    def answer_names(self):
        """Names that the answer cells define -> id of the cell."""
        names = {}
        for cell in self.of_kind("solution"):
            for node in ast.parse(cell.python).body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    names[node.name] = cell.id
                elif isinstance(node, ast.Assign):
                    names.update({target.id: cell.id for target in node.targets if isinstance(target, ast.Name)})
        return names

    def references(self):
        """Run the read-only and the answer cells and return their namespace: the reference solutions by name."""
        namespace = {"__name__": self.name}
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in self.of_kind("readonly", "solution"):
                cell.run(namespace)
        return namespace


@functools.lru_cache(64)
def _cells(path, changed, size):
    """The cells of a script, read again only where the file has changed."""
    cells = jupytext.read(path, fmt="py:percent").cells
    for cell in cells:
        if tag := cell.metadata.get("incorrectly_encoded_metadata"):
            raise CourseError(
                f'{path.parent.name}/{path.name}: the tag `# %% {tag}` cannot be read; write it as test="ID" points=5'
            )
    return tuple(map(_cell, cells))


def is_points(value):
    """Whether a tag's points are a number above 0."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _cell(cell):
    kind = next((kind for kind in KINDS if kind in cell.metadata), cell.cell_type)
    return Cell(kind, str(cell.metadata.get(kind, "")), cell.metadata.get("points", 0), cell.source)
