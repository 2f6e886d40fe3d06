"""Judge an answer on a list of cases and name the slip.

The order is: exists, signature, runs, structure, shape, dtype, finite, values; then, for a wrong value, the bank of
known slips, a constant ratio, the task's own remarks. One engine serves the student at home and the autograder.
"""

import functools
import re
from dataclasses import dataclass, field

from bnlab.advice_on_errors import on_an_error
from bnlab.answers import AnswerError
from bnlab.compare import FORGOTTEN, difference, flatten, leaves_of, with_article
from bnlab.diagnosis import Observation, diagnose
from bnlab.gpu_drivers import COPIED, HOST, PASSES, WHERE
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
        indent = "\n" + " " * 11  # a compiler's words and the checker's have several lines
        lines += [f"  {name:8} {text}".replace("\n", indent) for name, text in rows if text]
        return "\n".join(lines)


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
                right = functools.partial(_expected, oracle, task, case, inputs)
                first, advice = error, on_an_error(error.text, inputs, right)
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
            text = first.text.replace(FORGOTTEN, "") if task.partial else first.text  # there None may stand
            text = _on_device(task, first, text) if task.on_device else text
            _failed(report, case.name, _with_detail(task, got, first, text), first)
        observations.append(Observation(case, inputs, truth, got, tuple(gaps)))
    if first is not None:
        diagnose(report, observations, oracle.messages, task)
        report.likely = report.likely if report.slips else advice or report.likely
    if report.verdict == "failed" and task.partial:
        _share(report, observations, task, len(cases))
    return report


def _expected(oracle, task, case, inputs):
    return oracle.truth(task, case, inputs).expected


def _blame(task, answer, error):
    """The text of an error; where a task is unfinished because it calls another one's answer, that one is named."""
    named = re.search(r" is not written yet \(([\w-]+)\)", error.text) if error.kind == "missing" else None
    other = named and named[1]
    if other in all_tasks() and all_tasks()[other].answer != task.answer:
        return f"{answer.name} calls {all_tasks()[other].answer}, which is not written yet ({other})."
    return error.text


def _on_device(task, difference, text):
    """The same of arrays that live on a device."""
    if difference.kind == "finite":
        who = ": did a thread write this number, and not only add to it?" if task.detail else "."
        who = ": does the kernel assign it, as in y = ...?" if PASSES in task.returns and not task.detail else who
        text += f" On the simulated GPU `xp.empty` is nan until something is written{who}"
        text += " The square root of a negative number and 0 / 0 are nan as well."
    if difference.where == WHERE and difference.got == repr(COPIED):
        text += (
            " `float()`, `.get()`, `.item()`, `if` and `print` of an array copy it to the host, and a NumPy array mixed"
            " with device arrays is on the host already."
        )
    if difference.where == WHERE and difference.got == repr(HOST):
        text += " `.get()`, `xp.asnumpy` and `np` give arrays on the host: return arrays that `xp` made."
    return text.replace("expected a NumPy array", "expected a device array")


def _with_detail(task, got, first, text):
    """The text of a difference with what the test drive says of it: in its place where the drive itself failed."""
    words = got.get(task.detail)
    if type(words) is not str or not words:
        return text
    return words if first.leaf == leaves_of(task.returns)[0] else f"{text} {words}"


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
