"""What the student types: `check("forward-train", batchnorm_train)` and `hint("forward-train")`."""

import contextvars
import os

from bnlab.answers import LocalAnswer
from bnlab.examiner import Report, examine_answer
from bnlab.oracles import Fingerprints, Functions
from bnlab.seal import sealed
from bnlab.tasks import Case, find, meant, public_rng
from bnlab.timing import passes
from bnlab.waiting import patiently

# The autograder's referee sets its own examiner here; at home there is none.
referee = contextvars.ContextVar("referee", default=None)
found_right = {}  # task -> the answer that its last check found right, for `progress`; at home alone


class CheckFailed(AssertionError):
    """An answer did not pass; carries the Report. Jupyter shows the report alone, without a traceback."""

    def __init__(self, report):
        super().__init__(str(report))
        self.report = report

    def _render_traceback_(self):
        return [str(self)]


def check(task_id, answer):
    """Check an answer on the task's public cases.

    Prints one line where it is right; otherwise raises CheckFailed, which says what was tested, what was expected,
    what came, and the likely slip.

    Parameters
    ----------
    task_id : str
        As in the comment `# answer: ...` at the top of the answer's cell.
    answer : function or class
        The name that you defined, without parentheses.

    Raises
    ------
    CheckFailed
    KeyError
        For an unknown task.
    """
    if os.environ.get("BN_GRADING"):
        return  # in a student's own cell, while it is graded: the tests come later, and a cell is run to its end
    judge(task_id, answer, _pace)


def judge(task_id, answer, remark=lambda task, answer: ""):
    """What `check` does; a remark is made on an answer that is right."""
    if callable(task_id) and isinstance(answer, str):
        raise TypeError(f'the name of the task comes first: check("{answer}", {getattr(task_id, "__name__", "...")})')
    task = find(task_id)
    if type(answer).__name__ == task.answer:
        problem = f"you passed an object; pass the class: check({task.id!r}, {task.answer}), without parentheses."
        return _conclude(Report(task.id, "failed", 0.0, tested="what was passed", problem=problem, link=task.link))
    if getattr(getattr(answer, "__self__", None), "__name__", None) == task.answer:
        passed = f"you passed {task.answer}.{answer.__name__}"
        problem = f"{passed}; pass the class itself, not its {answer.__name__}: check({task.id!r}, {task.answer})."
        return _conclude(Report(task.id, "failed", 0.0, tested="what was passed", problem=problem, link=task.link))
    if referee.get() is not None:  # it has limits of its own, and asks for the rest as well
        return _conclude(_examine(task, answer, task.cases, "public"))
    found_right[task.id] = None
    with patiently(task.id, getattr(answer, "__name__", task.answer), lambda text: CheckFailed(_stopped(task, text))):
        report = _examine(task, answer, task.cases, "public")
        found_right[task.id] = answer if report.passed else None
        note = f"{task.note}{remark(task, answer)} {sealed(answer)}" if report.passed else ""
        _conclude(report, note.strip())


def examine(task_id, answer, cases):
    """Check an answer on further cases; used by the course's hidden tests.

    Without a referee there is no hidden solution: the answer itself, in float64, is the reference, so that only
    dtypes, layouts, purity and finiteness are tested.

    Parameters
    ----------
    task_id : str
    answer : function or class
    cases : dict
        Name of the case -> function from a generator to the inputs, or a list of `bnlab.tasks.Case`.
    """
    if isinstance(cases, dict):
        cases = [Case(name, inputs) for name, inputs in cases.items()]
    return _conclude(_examine(find(task_id), answer, tuple(cases), "hidden"))


def race(task_id, answer, inputs, limit):
    """Time an answer against the hidden solution; used by the course's hidden tests.

    Without a referee there is nothing to race against: the answer's time is printed in passes over its largest array.

    Parameters
    ----------
    task_id : str
    answer : function
    inputs : callable
        Generator -> dict of the named arguments.
    limit : float
        Largest accepted ratio of CPU times.
    """
    task = find(task_id)
    if referee.get() is not None:
        return _conclude(referee.get().race(task, answer, inputs, limit))
    print(f"{task.answer}: about {_passes(task, answer, inputs):.0f} passes over its largest array.")


def race_on_gpu(
    task_id, answer, inputs, fresh, returns, least, limit, shape, small=(4, 6, 14, 14), cases=(), fastest=False
):
    """Time an answer against the hidden solution on a GPU; used by the course's hidden tests.

    Without a referee there is nothing to race against. A referee without a GPU leaves the points open.

    Parameters
    ----------
    task_id : str
    answer : function
    inputs : callable
        shape -> (generator -> dict of arrays): the base from which every timed call gets inputs of its own.
    fresh : "train" | "backward"
        How, see `bnlab.gpu.timing`.
    returns : tuple
        Template of the result; leaves whose names begin with "_" are not compared.
    least : float
        What has to be moved at least, in copies of the first argument (a copy reads it once and writes it once).
    limit : float
        Largest accepted ratio of times.
    shape, small : tuple of int
        Of the images on a GPU, and on the stand-in of the grader's own tests.
    cases : list of Case
        Checked on the GPU before anything is timed.
    fastest : bool
        Tell afterwards how far away the fastest kernels are that a referee has. No points depend on them.
    """
    task, judge = find(task_id), referee.get()
    if judge is None:
        return print(f"{task.id}: the time is compared on a GPU when the notebook is graded.")
    event = {"answer": task.answer, "inputs": inputs, "fresh": fresh, "returns": returns, "least": least}
    event |= {"shape": shape, "small": small, "fastest": fastest}
    return _conclude(judge.race_on_gpu(task, answer, event, limit, tuple(cases)))


def hidden_solution(task_id, answer):
    """The hidden solution of a task where a referee holds one, else the answer itself; used by the hidden tests.

    Parameters
    ----------
    task_id : str
    answer : function or class
        As in `check`.
    """
    judge = referee.get()
    return answer if judge is None else judge.reference(find(task_id))


def once(key, compute):
    """What depends on our own solutions alone: a referee computes it once for all students; used by the hidden tests.

    Parameters
    ----------
    key : str
        Names the value within its test cell.
    compute : callable
        () -> value
    """
    judge = referee.get()
    return compute() if judge is None else judge.once(key, compute)


def hint(task_id=None, step=None):
    """Show the next hint of a task: three steps, the last one points to the equation. `step` asks for one of them."""
    if task_id is None:
        return print('Name the task, as in hint("forward-train"): its name is in the first line of its cell.')
    try:
        task = find(task_id)
    except KeyError:
        return print(f"There are no hints for {getattr(task_id, '__name__', task_id)!r}: {meant(task_id)}")
    if step is None:
        step = _shown.get(task_id, 0) + 1
    step = min(max(int(step), 1), len(task.hints))
    _shown[task_id] = step
    last = " (the last one)" if step == len(task.hints) else ""
    print(f"Hint {step} of {len(task.hints)}{last}: {task.hints[step - 1]}")
    if step == len(task.hints):
        print(f"Read on: {task.link}")


_shown = {}


def _passes(task, answer, inputs):
    values = inputs(public_rng(task.id, 0))
    values = task.prepare(answer, values) if task.prepare else values
    return passes(answer, *(values[name] for name in (*task.parameters, *task.options) if name in values))


def _pace(task, answer):
    """A sentence on how long an answer takes, where its time is graded; nothing where it cannot be told."""
    if task.pace is None:
        return ""
    try:
        count = _passes(task, answer, task.pace)
    except Exception:  # the answer was right on small arrays: that has been said, and the grader tells the rest
        return ""
    return (
        f" Here it took as long as {count:.0f} additions to its largest array; answers that work on whole arrays take "
        "a few tens, loops take hundreds."
    )


def _stopped(task, text):
    return Report(task.id, "timeout", 0.0, tested="whether it ends", problem=text, link=task.link)


def _examine(task, answer, cases, kind):
    if referee.get() is not None:
        return referee.get().examine(task, answer, cases, kind)
    if kind == "public":
        oracle = Fingerprints(task.id)
    else:
        oracle = Functions(answer)
    name = getattr(answer, "__name__", task.answer)
    return examine_answer(task, LocalAnswer(answer, name), cases, oracle, lambda i: public_rng(task.id, i))


def _conclude(report, note=""):
    if not report.passed:
        raise CheckFailed(report)
    print(report, note, sep=" " if note else "")
