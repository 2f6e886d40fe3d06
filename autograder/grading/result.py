"""A result: the verdicts of one submission, and the file in which they are kept.

Its key is a hash of all that it depends on (execute.py), so that what exists already is not computed again.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autograder import writing

VERDICTS = ("passed", "failed", "partial", "timeout", "crashed", "missing", "needs-gpu", "needs-person", "undecided")
PARTS = {  # of a stored result, and their types; older versions wrote fewer
    **dict.fromkeys(("student", "assignment", "version", "submission", "run", "problem", "isolation"), str),
    **dict.fromkeys(("repairs", "flags", "verdicts"), list),
    **dict.fromkeys(("printed", "on_gpu"), dict),
    "seconds": (int, float),
}
MAX_FLAGS = 30  # lines on what one submission tried


@dataclass
class Verdict:
    """The result of one graded cell.

    verdict : one of VERDICTS
    message : said to the student
    seconds : wall time of the test cell
    slips : names of the recognized slips
    broken : whether our own test broke, so that a person has to look
    """

    cell: str
    task: str
    max_score: float
    score: float = 0.0
    verdict: str = "missing"
    message: str = "not answered."
    seconds: float = 0.0
    slips: list = field(default_factory=list)
    broken: bool = False


def unreadable_verdicts(script, problem):
    """0 points for every graded cell of a file that cannot be read, with the reason."""
    message = f"could not be graded: {problem}."
    cells = script.of_kind("test", "answer")
    return [Verdict(cell.id, script.task_of(cell.id), float(cell.points), message=message) for cell in cells]


def without_grading(script, student, problem, isolation="none"):
    """A whole result that says why there is none."""
    return {
        "key": "",
        "student": student,
        "assignment": script.name,
        "version": "",
        "submission": None,
        "run": "",
        "problem": problem,
        "repairs": [],
        "flags": [],
        "isolation": isolation,
        "seconds": 0.0,
        "verdicts": [asdict(verdict) for verdict in unreadable_verdicts(script, problem)],
        "printed": {},
        "on_gpu": {},
    }


def load_result(results, key, cells=None):
    """A stored result, or None; a damaged file counts as none, and one without a verdict on each of these cells."""
    if results is None:
        return None
    try:
        found = json.loads((Path(results) / f"{key}.json").read_text())
        whole = found["key"] == key and _is_result(found)
        return found if whole and (cells is None or cells == [one["cell"] for one in found["verdicts"]]) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _is_result(found):
    """Whether what a file holds has the form of a result; an error where it has not even its parts."""
    of_verdict = {name: type(value) for name, value in asdict(Verdict("", "", 0.0)).items()}
    of_verdict |= dict.fromkeys(("score", "max_score", "seconds"), (int, float))
    parts = all(isinstance(found[name], kind) for name, kind in PARTS.items() if name in found)
    judged = all(
        one["verdict"] in VERDICTS and all(isinstance(one[name], kind) for name, kind in of_verdict.items())
        for one in found["verdicts"]
    )
    return bool(found["verdicts"] and found["isolation"]) and "printed" in found and parts and judged


def store_result(results, result):
    """Write a result so that no reader ever sees half of it."""
    if results is None:
        return
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    writing.replace_text(folder / f"{result['key']}.json", json.dumps(result, indent=1))


def records(result):
    """The records of `grade --json`: one per graded cell."""
    common = {"student": result["student"], "assignment": result["assignment"]}
    keep = ("cell", "task", "score", "max_score", "verdict", "message", "seconds", "slips")
    return [
        {
            **common,
            **{key: verdict[key] for key in keep},
            "isolation": result["isolation"],
            "repairs": result["repairs"],
            "flags": result["flags"],
        }
        for verdict in result["verdicts"]
    ]


def keep_what_a_gpu_found(result, known):
    """A result whose cells that wait for a GPU have the verdicts that a machine with one gave to the same answers.

    A machine without a GPU that grades again would take these points away otherwise.

    known : dict or None
        The result under the same name from before.
    """
    found = {} if known is None else known.get("on_gpu", {})
    old = {one["cell"]: one for one in known["verdicts"] if one["cell"] in found and not one["broken"]} if found else {}
    kept = {one["cell"] for one in result["verdicts"] if one["verdict"] == "needs-gpu"} & old.keys()
    if not kept:
        return result
    verdicts = [old[one["cell"]] if one["cell"] in kept else one for one in result["verdicts"]]
    flags = list(dict.fromkeys([*result["flags"], *known["flags"]]))[:MAX_FLAGS]
    return {**result, "verdicts": verdicts, "flags": flags, "on_gpu": {cell: found[cell] for cell in kept}}
