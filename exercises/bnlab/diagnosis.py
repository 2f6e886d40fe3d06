"""Name the slips that explain a wrong answer, by comparing it with what each known slip would return."""

from dataclasses import dataclass

import numpy as np

from bnlab.advice import other_order, remark
from bnlab.compare import alike, as_array


@dataclass(frozen=True)
class Observation:
    """What an answer gave on one case, beside what is right."""

    case: object
    inputs: dict
    truth: object
    got: dict
    gaps: tuple  # bnlab.compare.Difference of each leaf that differs

    @property
    def wrong(self):
        return [gap.leaf for gap in self.gaps]


def diagnose(report, observations, messages, task):
    """Name the slips that explain the wrong leaves, the one that explains most first.

    Parameters
    ----------
    report : bnlab.examiner.Report
        Its `slips` and `likely` are filled in.
    observations : list of Observation
    messages : dict
        Name of a slip -> its words.
    task : bnlab.tasks.Task
    """
    unexplained = {(i, leaf) for i, seen in enumerate(observations) for leaf in seen.wrong}
    failing = [seen for seen in observations if seen.gaps]
    first = failing[0].gaps[0] if failing else None
    if first and first.kind == "type" and failing[0].got[first.leaf] is not None:
        return  # what came is no array: its values say nothing; nothing at all may be a known slip
    possible = [name for name in messages if not _contradicted(name, failing, first)]
    possible = [name for name in possible if not any(_spoils(name, seen) for seen in observations if not seen.gaps)]
    while unexplained:
        candidates = {name: _explained(name, observations, unexplained) for name in possible}
        best = max(candidates, key=lambda name: _weight(*candidates[name]), default=None)
        if best is None or not candidates[best][0]:
            break
        report.slips.append(best)
        unexplained -= candidates[best][0]
    told = observations.index(failing[0]) if failing else None
    says = first and (first.kind == "shape" or isinstance(failing[0].got[first.leaf], str))
    if says and (told, first.leaf) in unexplained and all(_words_alone(name, observations) for name in report.slips):
        report.slips = []  # what else is said of results of another shape, or made in another place, follows from it
    order = other_order(failing[0], task) if any(i == told for i, _ in unexplained) else ""
    if order:
        report.slips, report.likely = [], order
        return
    if not report.slips:
        suspects = {seen.case.suspect for seen in failing}
        by_value = all(gap.kind in ("value", "finite") for seen in failing for gap in seen.gaps)
        if by_value and len(suspects) == 1 and None not in suspects:
            report.slips = list(suspects)
    if report.slips:
        report.likely = _in_words(report, observations, messages, failing, task)
    elif failing and failing[0].gaps[0].kind == "dtype":
        if failing[0].got[first.leaf].dtype.kind == "c":
            report.likely = "Complex numbers come from np.linalg.eig. A symmetric matrix has real ones: np.linalg.eigh."
            return
        report.likely = "A step of yours changes the dtype; give the result back in the argument's, with `.astype`."
    else:
        report.likely = remark(failing, task, report.tested)


def _in_words(report, observations, messages, failing, task):
    """The messages of the first two slips; one that leaves the case that is told unexplained is told with its own."""
    every = {(i, leaf) for i, seen in enumerate(observations) for leaf in seen.wrong}
    words, near = [], False
    for name in report.slips[:2]:
        explained = sorted(i for i, _ in _explained(name, observations, every)[0])
        cases = [observations[i].case.name for i in explained] or [report.tested]
        here = report.tested in cases
        text = messages.get(name, name)
        words.append(text if here else f'In the case "{cases[0]}": {text}')
        near = near or here
    nearest = failing[:1] if not near and failing[0].case.name == report.tested else []
    return " Also: ".join(filter(None, [remark(nearest, task, report.tested), *words]))


def _contradicted(name, failing, first):
    """Whether a slip cannot be the answer's.

    It spoils what is right before the first wrong leaf, it makes of this leaf something else that is wrong while it
    explains no other one of the case, or it gives a value where nothing came.
    """
    for seen in failing:
        slip = seen.truth.slips.get(name, {})
        for leaf, expected in seen.truth.expected.items():
            if leaf in seen.wrong:
                break
            if leaf in slip and not alike(slip[leaf], expected, seen.case.tolerance):
                return True
    if first is not None and failing[0].case.suspect is None and _denied(name, failing[0], first.leaf):
        return True
    nothing = first is not None and failing[0].got[first.leaf] is None
    return nothing and failing[0].truth.slips.get(name, {}).get(first.leaf, "") is not None


def _spoils(name, seen):
    """Whether a slip would have given other numbers in a case where the answer is right."""
    slip, right = seen.truth.slips.get(name, {}), seen.truth.expected
    if seen.case.suspect is not None:
        return False
    numbers = [leaf for leaf in right if leaf in slip and not isinstance(slip[leaf], (str, type(None)))]
    return not all(alike(slip[leaf], right[leaf], seen.case.tolerance) for leaf in numbers)


def _denied(name, seen, leaf):
    """Whether a slip would have made another wrong value of a leaf, and no value of the case is as it would have it."""
    slip, right, tolerance = seen.truth.slips.get(name, {}), seen.truth.expected, seen.case.tolerance
    if leaf not in slip or any(alike(slip[leaf], value, tolerance) for value in (right[leaf], seen.got[leaf])):
        return False
    return not any(one in slip and alike(slip[one], seen.got[one], tolerance) for one in seen.wrong)


def _words_alone(name, observations):
    """Whether a slip explains no more than words."""
    every = {(i, leaf) for i, seen in enumerate(observations) for leaf in seen.wrong}
    return all(isinstance(observations[i].got[leaf], str) for i, leaf in _explained(name, observations, every)[0])


def _weight(explained, against, gap):
    """What makes one slip likelier than another: more is explained, less speaks against it, it comes nearer."""
    return len(explained), -against, -gap


def _explained(name, observations, unexplained):
    """(the wrong leaves that a slip reproduces, how much speaks against it, how far it is off).

    A leaf without numbers, such as the verdict of a gradient check or nothing at all, and one of zeros or nan alone may
    have many reasons: where something speaks against a slip, they count for nothing. A slip that would have made
    something else of more leaves than it reproduces is not the answer's.
    """
    explained, all_of_them, against, denied, gap = set(), [], 0, 0, 0.0
    for i, seen in enumerate(observations):
        slip = seen.truth.slips.get(name)
        if slip is None:  # it is right there, or it raises: the answer does neither, if it is wrong
            against += len(seen.gaps) if name != seen.case.suspect else 0
            continue
        for leaf, expected in seen.truth.expected.items():
            would = slip.get(leaf, expected)
            if alike(would, expected, seen.case.tolerance):
                against += leaf in seen.wrong and leaf in slip
            elif not alike(seen.got[leaf], would, seen.case.tolerance):
                against += 2  # it would have made something else of the leaf; a right one may be a second slip's
                denied += seen.case.suspect is None
            else:
                all_of_them.append(seen.got[leaf])
                if (i, leaf) in unexplained:
                    explained.add((i, leaf))
                    gap += _gap(seen.got[leaf], would)
    if against and sum(not _says_little(value) for value in all_of_them) < max(1, denied):
        explained = set()
    return explained, against, gap


def _says_little(value):
    """Whether a leaf has no numbers, or none but zeros and what is not finite."""
    value = as_array(value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf" and not value[np.isfinite(value)].any()
    return isinstance(value, (str, bool, type(None)))


def _gap(a, b):
    """How far two leaves that are alike lie apart, as a share of the largest number."""
    try:
        a, b = (np.nan_to_num(np.asarray(as_array(value), dtype=np.float64)) for value in (a, b))
    except (TypeError, ValueError, RuntimeError):  # no numbers
        return 0.0
    return float(np.abs(a - b).max(initial=0.0) / max(np.abs(b).max(initial=0.0), 1e-300))
