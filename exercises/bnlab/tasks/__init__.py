"""The graded tasks: what each asks for, its public cases and its hints.

One module a notebook, with its name in NOTEBOOK and its tasks in TASKS; `find(task_id)` looks a task up. A module
whose tasks need more than NumPy names it: LIBRARIES = ("torch",).
Hidden cases live with the solutions, not here.
"""

import difflib
import functools
import importlib
import json
import pkgutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bnlab.gpu_drivers import WHERE

BOOK = "https://bn-course.github.io/bn-course/book"
UNTIMED = "Only the values were checked: the points depend on the time, which is compared when the notebook is graded."


@dataclass(frozen=True)
class Case:
    """One question to a function.

    name : str
        Said to the student: "a batch of 5 samples with 3 features, eps = 0.5".
    inputs : callable
        rng -> dict of the named arguments.
    tolerance : float, optional
        In place of the default of `bnlab.compare.difference`.
    suspect : str, optional
        The slip to name where this is the only kind of case that fails and no slip matches to the digit
        (rounding errors are not reproducible).
    """

    name: str
    inputs: Callable
    tolerance: float | None = None
    suspect: str | None = None


@dataclass(frozen=True)
class Task:
    """One graded task.

    id : str
        kebab-case, the grade_id of its answer cell.
    answer : str
        Name of the function or class that the student defines.
    parameters, options : tuple of str
        Required parameters (passed by position) and those with a default (passed by keyword).
    returns : str, tuple or dict
        Template of the result, see `bnlab.compare.flatten`.
    cases : tuple of Case
        The public ones.
    hints : tuple of str
        A ladder of three, the last a pointer to an equation of the book.
    page : str
        Page of the book, with anchor: "06_transform.html#algorithm".
    observe : callable, optional
        (answer, inputs) -> result; by default the answer is called on the inputs.
    driver : callable, optional
        (function, inputs) -> result, a function at the top of a module of bnlab, in place of `observe`: it runs where
        the answer lives (in the autograder: in the worker), for what a test cannot do from outside, such as following
        a gradient through the answer. Its result is a claim and is compared like any other.
    driver_of_many : callable, optional
        (functions, inputs) -> list of results, None for one that raised: the driver for several trusted functions
        at once, where starting it is what takes the time.
    by_hand : bool
        The answer may not hand the work to a library's normalization layer: a person looks where its source names one.
    prepare : callable, optional
        (answer, inputs) -> inputs as the answer is called on them: what cannot be stored, such as a generator.
    tidy : callable, optional
        What the answer returned -> result as the template describes it, where the task leaves a choice of types.
    remarks : tuple of callables, optional
        (inputs, expected, got) -> sentence or None, both dicts of leaves: what an identity tells about a wrong answer
        that no known slip explains.
    partial : bool
        Each leaf of the result earns its share of the points.
    detail : str
        A leaf of the result that is not compared: words that explain the others, where there are any.
    note : str
        Said after a `check` that passes.
    pace : callable, optional
        Generator -> inputs of the size on which the answer is timed: `check` tells how many passes it takes.
    """

    id: str
    answer: str
    parameters: tuple
    returns: object
    cases: tuple
    hints: tuple
    page: str
    options: tuple = ()
    observe: Callable = None
    driver: Callable = None
    driver_of_many: Callable = None
    by_hand: bool = False
    prepare: Callable = None
    tidy: Callable = None
    remarks: tuple = field(default=())
    partial: bool = False
    detail: str = ""
    note: str = ""
    pace: Callable = None

    def __post_init__(self):
        if isinstance(self.returns, tuple) and len(self.returns) < 2:
            raise ValueError(f"the task {self.id}: a single result is named by a string, as in returns='y'")
        if self.observe is None:
            object.__setattr__(self, "observe", self.call)

    def call(self, answer, inputs):
        """answer(required by position, optional by keyword), or the driver at work with the answer."""
        if self.driver:
            return answer.drive(self.driver, inputs)
        inputs = self.prepare(answer, inputs) if self.prepare else inputs
        options = {name: inputs[name] for name in self.options if name in inputs}
        value = answer(*(inputs[name] for name in self.parameters), **options)
        return self.tidy(value) if self.tidy else value

    @property
    def on_device(self):
        """Whether the answer works on arrays of a GPU."""
        return isinstance(self.returns, dict) and WHERE in self.returns

    @property
    def link(self):
        """Where to read on."""
        return f"{BOOK}/{self.page}"


@functools.cache
def modules():
    """The modules with tasks, in the order of the notebooks."""
    found = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return sorted(found, key=lambda module: module.NOTEBOOK)


@functools.cache
def all_tasks():
    """Every task of the course, in the order of the notebooks: id -> Task."""
    return {task.id: task for module in modules() for task in module.TASKS}


def libraries(notebook):
    """Modules beyond NumPy that the tasks of a notebook need, loaded before a worker starts: ("torch", ...) or ()."""
    return next((getattr(module, "LIBRARIES", ()) for module in modules() if notebook == module.NOTEBOOK), ())


def find(task_id):
    """The task of that id.

    Raises
    ------
    KeyError
        With the one that may be meant.
    """
    tasks = all_tasks()
    if task_id not in tasks:
        raise KeyError(f"there is no task {task_id!r}; {meant(task_id)}")
    return tasks[task_id]


@functools.cache
def questions():
    """Written answer -> its question; the release writes them."""
    file = Path(__file__).parents[1] / "questions.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def notebooks():
    """The names of all notebooks, in their order."""
    return list(_points())


def points_of(notebook):
    """Task -> points of a notebook, in its order; the release writes them.

    Raises
    ------
    KeyError
        With the notebooks that exist.
    """
    if notebook not in _points():
        raise KeyError(f"there is no notebook {notebook!r}; the course has {', '.join(_points())}")
    return _points()[notebook]


@functools.cache
def _points():
    return json.loads((Path(__file__).parents[1] / "points.json").read_text(encoding="utf-8"))


def meant(name):
    """What a student may have meant by a name that is no task's: a question, or a sentence."""
    name = getattr(name, "__name__", str(name))
    for task in all_tasks().values():
        if task.answer == name:
            return f"do you mean {task.id!r}, the task of {name}?"
    if name in questions():
        return "it is a written answer, which a person reads; its notebook names the chapter."
    near = difflib.get_close_matches(name, [*all_tasks(), *questions()], n=1)
    return f"do you mean {near[0]!r}?" if near else "each exercise cell begins with the name of its task."


def public_rng(task_id, position):
    """The generator of a public case: the same numbers on every machine."""
    return np.random.default_rng([zlib.crc32(task_id.encode()), position])
