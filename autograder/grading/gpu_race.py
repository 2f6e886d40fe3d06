"""Speed on a GPU: the answer against the hidden solution, each in a process of its own, timed from a third one.

The clock is the wall clock of this process, which runs no student code: from the request to run until the worker says
that the device has nothing left to do. A lap is a row of calls on fresh inputs, each behind a flushed cache; what
these two take is measured with a function that does nothing, and subtracted. So nobody gains by patching clocks or
events, by other streams or threads, by one call that does the work of all; a result that is remembered or comes later
is wrong or costs time (bnlab/gpu/timing.py). One lap is compared with the other by numbers at positions that are told
after the run. A time below FLOOR of that of a plain copy of the bytes that have to be moved is no time.

What is subtracted, the copy and the hidden solution alone are measured before a process of the student's is there
(`alone_with`). An answer that slows down the hidden solution beside it gains nothing: it has to keep within the limit
of that time, too.
"""

from dataclasses import dataclass

import numpy as np
from bnlab.checking import CheckFailed
from bnlab.compare import difference, flatten
from bnlab.examiner import Report
from bnlab.gpu.timing import recipe

from autograder.grading import speed
from autograder.grading.gpu import SECONDS

PICKS = 1000  # positions that are compared in each array of each call
FLOOR = 0.8  # of the time of a copy: below it a time is not believed
HASTE = 0.7  # of the time that fresh inputs and flushes take: below it they were left out
NOISE = 1.1  # times its time alone: that the hidden solution takes more in a race may be the answer's doing
TOLERANCE = 1e-3  # of float32 results: sums in another order


@dataclass(frozen=True)
class Event:
    """What is raced: a task's answer on one shape.

    Attributes
    ----------
    answer : str
        Name of the function.
    inputs : dict
        Base arrays, from which each call gets its own.
    fresh : "train" | "backward"
        How, see bnlab.gpu.timing.
    returns : tuple
        Template of the result; a name that begins with "_" is left alone.
    least : float
        Bytes that have to be moved at least, in copies of the first argument (one copy: read once, written once).
    """

    answer: str
    inputs: dict
    fresh: str
    returns: tuple
    least: float


def event_of(given, gpu, rng):
    """The event of a test cell's words (bnlab.checking.race_on_gpu), with base arrays drawn."""
    shape = given["small" if gpu.stand_in else "shape"]
    inputs = {name: value for name, value in given["inputs"](shape)(rng).items() if name != "eps"}
    if "cache" in inputs:
        inputs["x"], inputs["gamma"] = inputs["cache"][0], inputs.pop("cache")[-1]
    return Event(given["answer"], inputs, given["fresh"], given["returns"], given["least"])


@dataclass(frozen=True)
class Alone:
    """Seconds of a call of three functions beside which no student's process stands.

    Attributes
    ----------
    idle : float
        Of one that does nothing.
    copy, solution : float
        Of a plain copy of the first argument and of the hidden solution, idle subtracted.
    """

    idle: float
    copy: float
    solution: float


def alone_with(event, twin, rng, laps=9):
    """What only our own functions take: medians of laps in turn, after two that warm the device up."""
    twin.step("load", event.inputs)
    names = ("nothing", "copied", event.answer)
    times = [[twin.lap(name, *draw(event, twin.gpu, rng)).run for name in names] for _ in range(laps)]
    idle, copy, solution = map(float, np.median(times[2:], axis=0))
    return Alone(idle, max(copy - idle, 0.0), max(solution - idle, 1e-9))


def draw(event, gpu, rng):
    """(fresh, early and late recipes, positions) of a lap; nobody knows them before."""
    size = max(value.size for value in flat(event.inputs) if isinstance(value, np.ndarray))
    early, late = ([recipe(rng, size) for _ in range(gpu.calls)] for _ in range(2))
    return event.fresh, early, late, rng.integers(0, 1 << 40, PICKS)


class Heat:
    """One race; `race` tells how it went.

    Parameters
    ----------
    event : Event
    student, twin : Lane
    alone : Alone
    rng : numpy.random.Generator
        Secret.
    """

    def __init__(self, event, student, twin, alone, rng):
        self.event, self.student, self.twin, self.alone, self.rng = event, student, twin, alone, rng
        self.given, self.values, self.runs = {}, {}, {student: [], twin: []}
        twin.worker.allow(SECONDS, "the hidden solution")
        for lane in (twin, student):
            lane.step("load", event.inputs)

    def answer(self, pair):
        return self._lap(self.student, pair)

    def solution(self, pair):
        return self._lap(self.twin, pair)

    def _lap(self, lane, pair):
        if pair not in self.given:
            self.given[pair] = draw(self.event, lane.gpu, self.rng)
        lap = lane.lap(self.event.answer, *self.given[pair])
        both = self.values.setdefault(pair, {})
        both[lane] = lap.value
        if len(both) == 2:
            self.compare(both[self.student], both[self.twin])
            del self.values[pair], self.given[pair]
        if pair >= 0:
            self.runs[lane].append(lap.run)
        return speed.Lap(max(lap.run - self.alone.idle, 1e-9), lap.around, None)

    def middle(self, lane):
        """Median seconds of a call in the race."""
        return float(np.median(self.runs[lane]))

    def compare(self, got, expected):
        """Raises CheckFailed where the numbers of a lap are not those of the hidden solution."""
        for call, (mine, theirs) in enumerate(zip(claimed(got, "results", expected), expected["results"])):
            problem = differing(mine, theirs, self.event.returns, self.event.answer)
            if problem:
                self.fail(f"timed call {call + 1} of {len(expected['results'])}: {problem}")
        for mine, theirs in zip(claimed(got, "arguments", expected), expected["arguments"]):
            pairs = list(zip(flat(mine), flat(theirs)))
            if len(pairs) != len(list(flat(theirs))) or any(not alike(a, b) for a, b in pairs):
                self.fail("the arguments of a timed call were changed in place; return new arrays")

    def fail(self, problem):
        raise CheckFailed(Report("", "failed", 0.0, tested="timed calls on a GPU", problem=problem))

    def race(self, limit):
        """Race until it is decided.

        Returns
        -------
        verdict, pace
            Of autograder.grading.speed.race.
        share : float
            Pace at which the answer moves the bytes that have to be moved, over the pace of a copy.

        Raises
        ------
        CheckFailed
            Where a timed call was wrong.
        """
        verdict, pace = speed.race(self.answer, self.solution, limit, self.rng)
        idle, middle = self.alone.idle, self.middle(self.student)
        if middle < HASTE * idle:
            self.fail("the timed calls took less time than the fresh inputs and flushes of the cache between them")
        return verdict, pace, self.event.least * self.alone.copy / max(middle - idle, 1e-9)

    def slowed(self, pace, limit):
        """Time of the hidden solution in the race over its time alone, where the answer keeps within the limit of the
        former and not of the latter; else 0.

        The device itself may have been faster before the race: so it is measured once more, without the answer.
        """
        factor = self._slowed(self.alone, pace, limit)
        if factor:
            self.student.close()
            again = self._slowed(alone_with(self.event, self.twin, self.rng), pace, limit)
            factor = min(factor, again)
        return factor

    def _slowed(self, alone, pace, limit):
        if self.student.gpu.stand_in:
            return 0.0  # CPU time of a process: no other one adds to it
        factor = (self.middle(self.twin) - alone.idle) / alone.solution
        return factor if factor > NOISE and pace.ratio * factor > limit else 0.0


def claimed(value, key, expected):
    """A list of a worker's claim; an empty one where it is something else."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) and len(found) == len(expected[key]) else [None] * len(expected[key])


def differing(got, expected, template, name):
    """In words, where numbers differ from those of the hidden solution; "" where they agree."""
    right, problem = flatten(expected, template)
    if problem:
        raise RuntimeError(problem.text)
    leaves, problem = flatten(got, template, name)
    for leaf, value in right.items():
        if problem is None and not leaf.startswith("_"):
            problem = difference(leaf, leaves[leaf], value, TOLERANCE)
    return problem.text if problem else ""


def flat(value):
    """The leaves of nested dicts, tuples and lists."""
    if isinstance(value, (tuple, list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from flat(part)
    else:
        yield value


def alike(a, b):
    """Whether two samples of an argument are the same, but for rounding."""
    same = isinstance(a, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype
    return same and bool(np.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True))
