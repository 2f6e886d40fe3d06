"""Name the slips that explain a wrong answer, by comparing it with what each known slip would return."""

import itertools
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

    def by_slip(self, name):
        """What a slip would have returned, leaf -> value; {} where it is right, or raises."""
        return self.truth.slips.get(name, {})


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
    failing = [seen for seen in observations if seen.gaps]
    if not failing or _is_no_array(failing[0]):
        return
    slips, left = _candidates(messages, observations, failing[0])
    order = other_order(failing[0], task) if left else ""
    if order:
        report.likely = order
        return
    report.slips = slips or _suspects(failing)
    if report.slips:
        report.likely = _in_words(report, observations, failing[0], messages, task)
    else:
        report.likely = _without_a_slip(report, failing, task)


def _is_no_array(seen):
    """Whether what came is no array, so that its values say nothing; nothing at all may be a known slip."""
    return seen.gaps[0].kind == "type" and seen.got[seen.wrong[0]] is not None


def _candidates(messages, observations, first):
    """(slips that explain the answer together, whether they leave a wrong leaf of the observation `first`)."""
    possible = [name for name in messages if not _contradicted(name, observations, first)]
    slips, unexplained = _chosen(possible, observations)
    left = {leaf for i, leaf in unexplained if observations[i] is first}
    if first.wrong[0] in left and _says_enough(first) and all(_words_alone(name, observations) for name in slips):
        slips = []  # what else is said of results of another shape, or made in another place, follows from it
    return slips, bool(left)


def _says_enough(seen):
    """Whether the first wrong leaf tells by itself what is wrong: it has another shape, or is a word."""
    return seen.gaps[0].kind == "shape" or isinstance(seen.got[seen.wrong[0]], str)


def _words_alone(name, observations):
    """Whether a slip explains no more than words."""
    explained, *_ = _explained(name, observations, _wrong_leaves(observations))
    return all(isinstance(observations[i].got[leaf], str) for i, leaf in explained)


def _suspects(failing):
    """The one slip that all failing cases are made for, where they fail by values, in a list; or []."""
    suspects = {seen.case.suspect for seen in failing}
    by_value = all(gap.kind in ("value", "finite") for seen in failing for gap in seen.gaps)
    return list(suspects) if by_value and len(suspects) == 1 and None not in suspects else []


def _contradicted(name, observations, first):
    """Whether a slip cannot be the answer's, which went wrong first in the observation `first`."""
    return (
        any(_spoils_what_came_before(name, seen) for seen in observations if seen.gaps)
        or _denied(name, first)
        or _gives_more(name, first)
        or any(_spoils(name, seen) for seen in observations if not seen.gaps)  # last: to run kernels takes seconds
    )


def _spoils(name, seen):
    """Whether a slip would have given other numbers in a case where the answer is right."""
    if seen.case.suspect is not None:
        return False
    slip, right = seen.by_slip(name), seen.truth.expected
    numbers = [leaf for leaf in right if leaf in slip and not isinstance(slip[leaf], (str, type(None)))]
    return not all(alike(slip[leaf], right[leaf], seen.case.tolerance) for leaf in numbers)


def _spoils_what_came_before(name, seen):
    """Whether a slip spoils what is right before the first wrong leaf of a case."""
    slip, right = seen.by_slip(name), seen.truth.expected
    before = itertools.takewhile(lambda leaf: leaf not in seen.wrong, right)
    return not all(alike(slip[leaf], right[leaf], seen.case.tolerance) for leaf in before if leaf in slip)


def _denied(name, seen):
    """Whether a slip makes another wrong value of the first wrong leaf, and no value of the case is as it has it."""
    slip, right, tolerance, leaf = seen.by_slip(name), seen.truth.expected, seen.case.tolerance, seen.wrong[0]
    if seen.case.suspect is not None or leaf not in slip:
        return False
    if any(alike(slip[leaf], value, tolerance) for value in (right[leaf], seen.got[leaf])):
        return False
    return not any(one in slip and alike(slip[one], seen.got[one], tolerance) for one in seen.wrong)


def _gives_more(name, seen):
    """Whether a slip gives a value where nothing came."""
    leaf = seen.wrong[0]
    return seen.got[leaf] is None and seen.by_slip(name).get(leaf, "") is not None


def _chosen(possible, observations):
    """(the slips that explain wrong leaves, the one that explains most first; the leaves that none of them explains)"""
    chosen, unexplained = [], _wrong_leaves(observations)
    while unexplained and possible:
        found = {name: _explained(name, observations, unexplained) for name in possible}
        best = max(found, key=lambda name: _weight(*found[name]))
        explained, *_ = found[best]
        if not explained:
            break
        chosen.append(best)
        unexplained -= explained
    return chosen, unexplained


def _wrong_leaves(observations):
    """The wrong leaves as (position of the observation, leaf)."""
    return {(i, leaf) for i, seen in enumerate(observations) for leaf in seen.wrong}


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


def _in_words(report, observations, first, messages, task):
    """The messages of the first two slips; one that leaves the case that is told unexplained is told with its own."""
    told = report.tested
    cases = {name: _cases_of(name, observations) or [told] for name in report.slips[:2]}
    words = [
        messages.get(name, name) if told in own else f'In the case "{own[0]}": {messages.get(name, name)}'
        for name, own in cases.items()
    ]
    if first.case.name == told and not any(told in own for own in cases.values()):
        words.insert(0, remark([first], task, told))
    return " Also: ".join(filter(None, words))


def _cases_of(name, observations):
    """Names of the cases where a slip explains a wrong leaf."""
    explained, *_ = _explained(name, observations, _wrong_leaves(observations))
    return [observations[i].case.name for i, _ in sorted(explained)]


def _without_a_slip(report, failing, task):
    """What can be said where no known slip explains the answer."""
    first = failing[0].gaps[0]
    if first.kind != "dtype":
        return remark(failing, task, report.tested)
    if failing[0].got[first.leaf].dtype.kind == "c":
        return "Complex numbers come from np.linalg.eig. A symmetric matrix has real ones: np.linalg.eigh."
    return "A step of yours changes the dtype; give the result back in the argument's, with `.astype`."
