"""How far a notebook is: each task checked, its points, one small table."""

import contextlib
import io
import json
import os
import warnings
from pathlib import Path

from bnlab.checking import CheckFailed, found_right, judge
from bnlab.handed_in import empty_answers, is_cell, texts
from bnlab.tasks import all_tasks, points_of

STATES = {"passed": "correct", "undecided": "correct", "partial": "partly right", "missing": "not answered"}
STATES |= {"waits": "right so far: more is asked when it is graded", "person": "read by a person"}
STATES |= {"stopped": "its cell ends in an error", "timeout": "did not end"}


def states(notebook, namespace):
    """Check every task of a notebook.

    Parameters
    ----------
    notebook : str
        "03_forward".
    namespace : dict
        `globals()` of the notebook.

    Returns
    -------
    dict
        task -> (state, points): "passed", "missing", "failed", "partial", "waits" where only the grader can tell the
        rest, such as the time that an answer takes, or "person" for a written answer.
    """
    tasks = all_tasks()
    found = {}
    for name, points in points_of(notebook).items():
        if name not in tasks:
            found[name] = ("person", points)
            continue
        found[name] = (state(name, namespace.get(tasks[name].answer)), points)
    return found


def state(task, answer):
    """The state of one task, see `states`; answer is None where there is none."""
    try:
        if answer is None:
            raise LookupError
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the check below the answer shows them
            judge(task, answer)
        return "waits" if all_tasks()[task].note else "passed"
    except LookupError:
        return "missing"
    except CheckFailed as failed:
        return failed.report.verdict
    except Exception:  # whatever one answer does, the table shows the others
        return "failed"


def table(found):
    """The table of `states` as text."""
    width = max(len(name) for name in found)
    lines = [
        f"{name:{width}}  {points:>4g}  {STATES.get(state, 'not yet right')}" for name, (state, points) in found.items()
    ]
    sure = sum(points for state, points in found.values() if state in ("passed", "undecided"))
    later = sum(points for state, points in found.values() if state in ("waits", "person"))
    total = f"{sum(points for _, points in found.values()):g}" + (
        f"; {later:g} more are decided when it is graded" if later else ""
    )
    return "\n".join([f"{'task':{width}}  {'pts':>4}", *lines, f"{'public checks':{width}}  {sure:>4g}  of {total}"])


def progress(notebook, namespace):
    """Print how far the notebook is.

    Parameters
    ----------
    notebook : str
    namespace : dict
        `globals()`.
    """
    if os.environ.get("BN_GRADING"):
        return  # the grader asks each question itself
    before = dict(found_right)
    found, told = states(notebook, namespace), []
    found_right.update(before)  # the checks below the answers count, not those of this moment
    for task, (verdict, points) in found.items():  # a name that it uses may stand for something else by now
        if verdict in ("failed", "partial") and before.get(task) is namespace.get(all_tasks()[task].answer):
            found[task] = ("waits" if all_tasks()[task].note else "passed", points)
    saved = _saved(notebook, namespace)
    if saved:
        for task in empty_answers(saved, notebook):
            found[task] = ("missing", found[task][1])
        told = texts(saved, notebook)
    print(table(found))
    for text in told:
        print(f"  {text} (in the file as it was last saved)")


def _saved(notebook, namespace):
    """The notebook as its file has it, or None where nobody says where the file is."""
    places = (os.environ.get("JPY_SESSION_NAME"), namespace.get("__vsc_ipynb_file__"), f"{notebook}.ipynb")
    for place in places:
        try:
            found = json.loads(Path(place).read_text(encoding="utf-8-sig"))
            if all(map(is_cell, found["cells"])):
                return found
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return None
