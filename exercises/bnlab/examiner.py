"""Judge an answer on a list of cases and name the slip.

The order is: exists, signature, runs, structure, shape, dtype, finite, values; then, for a wrong value, the bank of
known slips, a constant ratio, the task's own remarks. One engine serves the student at home and the autograder.
"""

import re
from dataclasses import dataclass, field

import numpy as np

from bnlab.answers import AnswerError
from bnlab.compare import as_array, close, constant_ratio, difference, flatten, leaves_of, with_article
from bnlab.tasks import all_tasks


@dataclass
class Report:
    """What an examination found.

    verdict : "passed" | "failed" | "partial" | "missing" | "timeout" | "crashed" | "undecided"
    fraction : float
        Share of the points earned, in [0, 1].
    tested, expected, got, problem : str
        The first case that failed and how.
    slips : list of str
        Names of the recognized slips, the most likely first.
    likely : str
        Their messages.
    right : list of str
        The leaves that were right in every case, where each earns its share.
    """

    task: str
    verdict: str = "passed"
    fraction: float = 1.0
    cases: int = 0
    tested: str = ""
    problem: str = ""
    expected: str = ""
    got: str = ""
    slips: list = field(default_factory=list)
    likely: str = ""
    link: str = ""
    right: list = field(default_factory=list)

    @property
    def passed(self):
        return self.verdict in ("passed", "undecided")

    def __str__(self):
        if self.passed:
            count = f"{self.cases} case{'s' if self.cases != 1 else ''}"
            return " ".join([f"{self.task}: correct ({count}).", *filter(None, [self.problem])])
        head = {
            "missing": "not answered yet",
            "needs-person": "a person will look at it",
            "needs-gpu": "right, as far as can be told without a GPU",
            "partial": f"partly right ({self.fraction:.0%} of the points)",
        }
        lines = [f"{self.task}: {head.get(self.verdict, 'not yet right')}."]
        rows = [("tested", self.tested), ("found", self.problem), ("likely", self.likely), ("read on", self.link)]
        lines += [f"  {name:8} {text}" for name, text in rows if text]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Observation:
    case: object
    inputs: dict
    truth: object
    got: dict
    gaps: tuple  # bnlab.compare.Difference of each leaf that differs

    @property
    def wrong(self):
        return [gap.leaf for gap in self.gaps]


def examine_answer(task, answer, cases, oracle, rng_of):
    """Examine one answer.

    Parameters
    ----------
    task : bnlab.tasks.Task
    answer : LocalAnswer or the autograder's proxy
    cases : sequence of bnlab.tasks.Case
    oracle : Fingerprints or Functions
    rng_of : callable
        Position of a case -> numpy.random.Generator for its inputs.

    Returns
    -------
    Report
    """
    report = Report(task.id, cases=len(cases), link=task.link)
    problem = signature_problem(task, answer)
    if problem:
        return _failed(report, "the signature", problem)
    observations, first, advice = [], None, ""
    for position, case in enumerate(cases):
        inputs = case.inputs(rng_of(position))
        try:
            result = task.observe(answer, inputs)
        except AnswerError as error:
            if first is None:
                report.verdict = {"raised": "failed", "changed": "failed"}.get(error.kind, error.kind)
                report.fraction, report.tested, report.problem = 0.0, case.name, _blame(task, answer, error)
                first, advice = error, _of_shapes(error.text, inputs)
            if error.kind not in ("raised", "changed"):
                return report  # unwritten, too slow or dead: the other cases would only say it again
            continue
        got, problem = flatten(result, task.returns, answer.name)
        if problem:
            if first is None:
                _failed(report, case.name, problem.text, problem)
            return report
        truth = oracle.truth(task, case, inputs)
        gaps = [difference(leaf, got[leaf], value, case.tolerance) for leaf, value in truth.expected.items()]
        gaps = [gap for gap in gaps if gap]
        if gaps and first is None:
            first = gaps[0]
            _failed(report, case.name, _in_detail(task, got) or first.text, first)
        observations.append(_Observation(case, inputs, truth, got, tuple(gaps)))
    if first is not None:
        _diagnose(report, observations, oracle.messages, task)
        report.likely = report.likely or advice
    if report.verdict == "failed" and task.partial:
        _share(report, observations, task, len(cases))
    return report


def _blame(task, answer, error):
    """The text of an error; where a task is unfinished because it calls another one's answer, that one is named."""
    named = re.search(r" is not written yet \(([\w-]+)\)", error.text) if error.kind == "missing" else None
    other = named and named[1]
    if other in all_tasks() and all_tasks()[other].answer != task.answer:
        return f"{answer.name} calls {all_tasks()[other].answer}, which is not written yet ({other})."
    return error.text


def _in_detail(task, got):
    """What the answer's test drive says in words beside the results, "" where it says nothing."""
    words = got.get(task.detail)
    return words if type(words) is str else ""


def signature_problem(task, answer):
    """A sentence on a name or signature that differs from what the task asks for, or None."""
    kind = answer.kind()
    if kind not in ("function", "class"):
        found = "not defined" if kind == "missing" else with_article(kind)
        return f"{answer.name} is {found}; expected a function {task.answer}."
    if kind == "class" and task.answer.islower():
        return f"{answer.name} is a class; expected a function: `def {task.answer}(...)`."
    names = answer.parameters()
    wanted = list(task.parameters) + list(task.options)
    if names is not None and names[: len(wanted)] != wanted:
        return f"{answer.name} takes ({', '.join(names)}); expected ({', '.join(wanted)})."
    return None


def _failed(report, tested, problem, gap=None):
    report.verdict, report.fraction = "failed", 0.0
    report.tested, report.problem = tested, problem
    if gap is not None:
        report.expected, report.got = gap.expected, gap.got
    return report


def _diagnose(report, observations, messages, task):
    """Name the slips that explain the wrong leaves, the one that explains most first."""
    unexplained = {(i, leaf) for i, seen in enumerate(observations) for leaf in seen.wrong}
    failing = [seen for seen in observations if seen.gaps]
    first = failing[0].gaps[0] if failing else None
    if first and first.kind == "type" and failing[0].got[first.leaf] is not None:
        return  # what came is no array: its values say nothing; nothing at all may be a known slip
    possible = [name for name in messages if not _contradicted(name, failing, first)]
    while unexplained:
        candidates = {name: _explained(name, observations, unexplained) for name in possible}
        best = max(candidates, key=lambda name: _weight(*candidates[name]), default=None)
        if best is None or not candidates[best][0]:
            break
        report.slips.append(best)
        unexplained -= candidates[best][0]
    if not report.slips:
        suspects = {seen.case.suspect for seen in failing}
        by_value = all(gap.kind in ("value", "finite") for seen in failing for gap in seen.gaps)
        if by_value and len(suspects) == 1 and None not in suspects:
            report.slips = list(suspects)
    if report.slips:
        report.likely = " Also: ".join(messages.get(name, name) for name in report.slips[:2])
    elif failing and failing[0].gaps[0].kind == "dtype":
        report.likely = "A step of yours changes the dtype; give the result back in the argument's, with `.astype`."
    else:
        report.likely = _remark(failing, task)


def _contradicted(name, failing, first):
    """Whether a slip cannot be the answer's: it spoils what is right before the first wrong leaf, or gives too much."""
    for seen in failing:
        slip = seen.truth.slips.get(name, {})
        for leaf, expected in seen.truth.expected.items():
            if leaf in seen.wrong:
                break
            if leaf in slip and not _alike(slip[leaf], expected, seen.case.tolerance):
                return True
    nothing = first is not None and failing[0].got[first.leaf] is None
    return nothing and failing[0].truth.slips.get(name, {}).get(first.leaf, "") is not None


def _weight(explained, against, gap):
    """What makes one slip likelier than another: more is explained, less speaks against it, it comes nearer."""
    return len(explained), -against, -gap


def _explained(name, observations, unexplained):
    """(the wrong leaves that a slip reproduces, the number of leaves that speak against it, how far it is off).

    A leaf without numbers, such as the verdict of a gradient check or nothing at all, may have many reasons: where
    something speaks against a slip, it explains nothing.
    """
    explained, against, gap = set(), 0, 0.0
    for i, seen in enumerate(observations):
        slip = seen.truth.slips.get(name)
        if slip is None:
            continue
        for leaf, expected in seen.truth.expected.items():
            would = slip.get(leaf, expected)
            if _alike(would, expected, seen.case.tolerance):
                against += leaf in seen.wrong and leaf in slip
            elif not _alike(seen.got[leaf], would, seen.case.tolerance):
                against += 1
            elif (i, leaf) in unexplained:
                explained.add((i, leaf))
                gap += _gap(seen.got[leaf], would)
    if against and all(isinstance(observations[i].got[leaf], (str, bool, type(None))) for i, leaf in explained):
        explained = set()
    return explained, against, gap


def _gap(a, b):
    """How far two leaves that are alike lie apart, as a share of the largest number."""
    try:
        a, b = (np.nan_to_num(np.asarray(as_array(value), dtype=np.float64)) for value in (a, b))
    except (TypeError, ValueError, RuntimeError):  # no numbers
        return 0.0
    return float(np.abs(a - b).max(initial=0.0) / max(np.abs(b).max(initial=0.0), 1e-300))


def _alike(a, b, tolerance):
    """Whether two leaves are the same value, shapes included; ten times the tolerance of a pass."""
    a, b = as_array(a), as_array(b)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.shape != b.shape:
            return False
        if (a.dtype.kind == "f") != (b.dtype.kind == "f"):
            return False
        wide = tolerance or (1e-3 if b.dtype == np.float32 else 1e-6)
        try:
            return bool(close(a, b, wide).all())
        except (TypeError, ValueError):
            return False
    if isinstance(a, (tuple, list)) or isinstance(b, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(_alike(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return bool(close(a, b, tolerance or 1e-6))
    return type(a) is type(b) and bool(a == b)


def _remark(failing, task):
    """What the task's identities or a constant ratio tell about the first wrong values."""
    for seen in failing:
        shapes = [gap.leaf for gap in seen.gaps if gap.kind == "shape"]
        texts = [_of_samples_left(leaf, seen.got[leaf], seen.truth.expected[leaf], seen.case) for leaf in shapes]
        if any(texts):
            return next(filter(None, texts))
        if any(gap.kind != "value" for gap in seen.gaps):
            continue
        for remark in task.remarks:
            text = remark(seen.inputs, seen.truth.expected, seen.got)
            if text:
                return text
        leaf = seen.wrong[0]
        ratio = constant_ratio(seen.got[leaf], seen.truth.expected[leaf])
        if ratio is not None:
            return f"Every entry of {leaf} is {ratio:.6g} times the expected one{_name_number(ratio, seen.inputs)}."
    return ""


def _of_samples_left(leaf, got, expected, case):
    """A sentence on a leaf that lacks no more than its sum or mean over the samples, or ""."""
    got, expected = as_array(got), as_array(expected)
    if expected.ndim != 1 or got.ndim not in (2, 4) or got.shape[1:2] != expected.shape or got.dtype.kind != "f":
        return ""
    axes = (0,) if got.ndim == 2 else (0, 2, 3)
    over = "samples, axis 0" if got.ndim == 2 else "images and positions, axes 0, 2 and 3"
    if got.size == expected.size:
        return ""
    for verb, value in (("sum", got.sum(axis=axes)), ("average", got.mean(axis=axes))):
        if _alike(value, expected, case.tolerance):
            return f"The {verb} over the {over}, is missing in {leaf}: the numbers in it are right before it is taken."
    return ""


def _of_shapes(text, inputs):
    """A sentence on an error of broadcasting that statistics of the samples make, or ""; text tells the error."""
    told = re.search(r"shapes \((\d+),\s*(\d+)\) \((\d+),\)|shapes \((\d+),\) \((\d+),\s*(\d+)\)", text)
    if not told:
        return ""
    n, c, count = (told[1], told[2], told[3]) if told[1] else (told[5], told[6], told[4])
    known = {value.shape for value in inputs.values() if isinstance(value, np.ndarray)}
    if (int(n), int(c)) not in known or count != n:
        return ""
    return (
        f"One of the two has a number for each of the {n} samples, as axis=1 gives it. Statistics are taken over the "
        f"samples, axis=0, and have one for each of the {c} features."
    )


def _name_number(ratio, inputs):
    """Which size of the inputs a ratio is: ", and N = 7"."""
    x = next((inputs[name] for name in ("x", "dy") if isinstance(inputs.get(name), np.ndarray)), None)
    if x is None or x.ndim < 2:
        return ""
    count = x.size // x.shape[1]
    n = "N" if x.ndim == 2 else "m"
    known = {n: count, f"1/{n}": 1 / count, f"{n}/({n}-1)": count / max(count - 1, 1), f"({n}-1)/{n}": 1 - 1 / count}
    name = next((name for name, value in known.items() if np.isclose(ratio, value, rtol=1e-4)), None)
    what = "samples" if x.ndim == 2 else "values of a channel"
    return f": that is {name}, for {n} = {count} {what}" if name else ""


def _share(report, observations, task, cases):
    """Partial credit: the share of the result's leaves that are right in every case."""
    if len(observations) == cases:
        wrong = {name for seen in observations for name in seen.wrong}
        share(report, task, [name for name in leaves_of(task.returns) if name not in wrong])


def share(report, task, right):
    """Give a failed report the share of the points that the right leaves earn."""
    names = leaves_of(task.returns)
    report.right = [name for name in names if name in right]
    report.fraction = len(report.right) / len(names)
    report.verdict = "partial" if right else "failed"
    if right:
        wrong = [name for name in names if name not in right]
        report.problem = report.problem.split(" Right: ")[0]
        report.problem += f" Right: {', '.join(report.right)}; not yet: {', '.join(wrong)}."
