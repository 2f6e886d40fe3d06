"""Judge an answer on a list of cases and name the slip.

The order is: exists, signature, runs, structure, shape, dtype, finite, values; then, for a wrong value, the bank of
known slips, a constant ratio, the task's own remarks. One engine serves the student at home and the autograder.
"""

from dataclasses import dataclass, field

import numpy as np

from bnlab.answers import AnswerError
from bnlab.compare import close, constant_ratio, difference, flatten, leaves_of, with_article


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

    @property
    def passed(self):
        return self.verdict in ("passed", "undecided")

    def __str__(self):
        if self.passed:
            return f"{self.task}: correct ({self.cases} cases)." + (f" {self.problem}" if self.problem else "")
        head = {"missing": "not answered yet", "partial": f"partly right ({self.fraction:.0%} of the points)"}
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
    wrong: tuple  # leaves that differ


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
    observations, first = [], None
    for position, case in enumerate(cases):
        inputs = case.inputs(rng_of(position))
        try:
            result = task.observe(answer, inputs)
        except AnswerError as error:
            if first is None:
                report.verdict = {"raised": "failed", "changed": "failed"}.get(error.kind, error.kind)
                report.fraction, report.tested, report.problem = 0.0, case.name, error.text
                first = error
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
            _failed(report, case.name, first.text, first)
        observations.append(_Observation(case, inputs, truth, got, tuple(gap.leaf for gap in gaps)))
    if first is not None:
        _diagnose(report, observations, oracle.messages, task)
    if report.verdict == "failed" and task.partial:
        _share(report, observations, task, len(cases))
    return report


def signature_problem(task, answer):
    """A sentence on a name or signature that differs from what the task asks for, or None."""
    kind = answer.kind()
    if kind not in ("function", "class"):
        found = "not defined" if kind == "missing" else with_article(kind)
        return f"{answer.name} is {found}; expected a function {task.answer}."
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
    failing_cases = {observations[i].case for i, _ in unexplained}
    while unexplained:
        candidates = {name: _explained(name, observations, unexplained) for name in messages}
        best = max(candidates, key=lambda name: (len(candidates[name][0]), -candidates[name][1]), default=None)
        if best is None or not candidates[best][0]:
            break
        report.slips.append(best)
        unexplained -= candidates[best][0]
    if not report.slips:
        suspects = {case.suspect for case in failing_cases}
        if len(suspects) == 1 and None not in suspects:
            report.slips = list(suspects)
    if report.slips:
        report.likely = " Also: ".join(messages.get(name, name) for name in report.slips[:2])
    else:
        report.likely = _remark(observations, task)


def _explained(name, observations, unexplained):
    """(the wrong leaves that a slip reproduces, the number of leaves that speak against it)."""
    explained, against = set(), 0
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
    return explained, against


def _alike(a, b, tolerance):
    """Whether two leaves are the same value, shapes included; ten times the tolerance of a pass."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if np.shape(a) != np.shape(b):
            return False
        wide = tolerance or (1e-3 if getattr(b, "dtype", None) == np.float32 else 1e-6)
        try:
            return bool(close(a, b, wide).all())
        except (TypeError, ValueError):
            return False
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return bool(close(a, b, tolerance or 1e-6))
    return type(a) is type(b) and a == b


def _remark(observations, task):
    """What a constant ratio or the task's identities tell about the first wrong leaf."""
    for seen in observations:
        if not seen.wrong:
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


def _name_number(ratio, inputs):
    """Which size of the inputs a ratio is: ", and N = 7"."""
    x = next((inputs[name] for name in ("x", "dy") if isinstance(inputs.get(name), np.ndarray)), None)
    if x is None or x.ndim < 2:
        return ""
    count = x.size // x.shape[1]
    known = {
        "m": count,
        "1/m": 1 / count,
        "m/(m-1)": count / max(count - 1, 1),
        "(m-1)/m": (count - 1) / count,
        "-1": -1,
    }
    name = next((name for name, value in known.items() if np.isclose(ratio, value, rtol=1e-4)), None)
    return f", and {name} = {ratio:.6g} for m = {count} samples" if name else ""


def _share(report, observations, task, cases):
    """Partial credit: the share of the result's leaves that are right in every case."""
    names = leaves_of(task.returns)
    right = [
        name for name in names if len(observations) == cases and not any(name in seen.wrong for seen in observations)
    ]
    if right:
        report.verdict, report.fraction = "partial", len(right) / len(names)
        wrong = [name for name in names if name not in right]
        report.problem += f" Right: {', '.join(right)}; not yet: {', '.join(wrong)}."
