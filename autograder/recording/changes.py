"""What a new version of the grader changes: per student and task, the old points and the new, and why.

A result is kept under a name that contains the grader's version. Where a submission has a result in the gradebook by
an older version, and the same cells have another one now, the two are compared.
"""

import json
from dataclasses import dataclass

from autograder import course
from autograder.collecting import reading
from autograder.recording import ledger


@dataclass(frozen=True)
class Change:
    """One task of one student that another version of the grader judges differently."""

    student: str
    task: str
    before: dict  # verdict of the older version: score, verdict, message
    after: dict

    def __str__(self):
        before, most = (verdict["max_score"] for verdict in (self.before, self.after))
        of = "" if before == most else f" of {before:g}"
        points = f"{earned(self.before)}{of} -> {earned(self.after)} of {most:g} points"
        verdicts = f"{self.before['verdict']} -> {self.after['verdict']}"
        return "\n".join(
            [
                f"{self.student}, {self.task}: {points} ({verdicts})",
                f"    before: {reason(self.before)}",
                f"    now:    {reason(self.after)}",
            ]
        )


def earned(verdict):
    """The points of a verdict, which are no zero where it is open."""
    return "open" if verdict["verdict"] == "needs-gpu" else f"{verdict['score']:g}"


def reason(verdict):
    """The message of a verdict on one line: the slip or what was found rather than the headline."""
    lines = [" ".join(line.split()) for line in verdict["message"].splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("found", "likely"))] or lines[:1]
    return "; ".join(telling)[:300]


def graded(name, student):
    """What `plugins` wrote into the graded notebook: hash of the file, hash of its answers, version; {} if nothing."""
    root = course.course_folder() / "autograded"
    data = reading.file_bytes(root / student / name / f"{name}.ipynb", root)
    try:
        found = json.loads(data)["metadata"]["autograder"]
        return found if {"file", "submission", "version"} <= set(found) else {}
    except (ValueError, TypeError, KeyError):
        return {}


def before(result, committed):
    """The result that is in the gradebook for the same cells of the same student by another version, or None."""
    entry = committed.get(result["student"], "")
    if result["problem"] or ledger.key_of(entry) == result["key"]:
        return None
    stored = ledger.result_of(entry)
    same = stored is not None and stored.get("submission") == result["submission"]
    return stored if same and stored["version"] != result["version"] else None


def same_answers(name, result, committed):
    """Whether the grade in the gradebook is for the same cells of a student as a result."""
    wanted = result.get("submission")
    here = wanted is not None and graded(name, result["student"]).get("submission") == wanted
    return here or before(result, committed) is not None


def since(results, committed):
    """Compare results with those of an older version.

    Parameters
    ----------
    results : dict
        student -> result of `execute.execute`
    committed : dict
        What the ledger said before.

    Returns
    -------
    changes : list of Change
    again : int
        Number of submissions that were graded again because the grader is another one.
    """
    changes, again = [], 0
    for student, result in results.items():
        old = before(result, committed)
        if old is None:
            continue
        again += 1
        known = {verdict["cell"]: verdict for verdict in old["verdicts"]}
        for verdict in result["verdicts"]:
            earlier = known.get(verdict["cell"])
            if earlier and any(earlier[key] != verdict[key] for key in ("score", "max_score", "verdict")):
                changes.append(Change(student, verdict["task"], earlier, verdict))
    return changes, again


def report(results, committed):
    """Lines for the instructor, as `since`; none where no submission was graded again by another version."""
    changes, again = since(results, committed)
    if not again:
        return []
    head = f"the grader has changed: {again} submissions were graded again, "
    if not changes:
        return [f"{head}no score is another one"]
    return [
        f"{head}{len({change.student for change in changes})} of them with other points or another verdict:",
        *map(str, changes),
    ]
