"""Is an answer about as fast as the hidden solution? A race in pairs, judged by an interval.

The student's worker and the twin (the hidden solution in a worker of its own) get the same fresh inputs, in random
order within each pair. The clock is the CPU time of the process, read from outside; the student's own clock is never
asked. A call is timed in three steps (stage the arguments, run, fetch the result) so that copying is not counted;
time that an answer shifts into staging or fetching is counted, since the twin shows what these steps cost.
"""

from dataclasses import dataclass

import numpy as np

from autograder.remote import cpu_clock

WARM_UP = 3  # pairs that are not counted: the processes take their memory here
PAIRS = 15  # in one round
ROUNDS = 3  # at most, while the interval straddles the limit


@dataclass(frozen=True)
class Pace:
    """CPU seconds of the answer over CPU seconds of the hidden solution: median of the pairs with a 95 % interval."""

    ratio: float
    low: float
    high: float
    pairs: int

    def __str__(self):
        return f"{self.ratio:.2f} times the hidden solution's time (95 % interval {self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Lap:
    """CPU seconds of one call: the run itself, and the staging and fetching around it."""

    run: float
    around: float
    value: object


def lap(worker, name, args, kwargs):
    """One timed call in a worker.

    What the worker did since its last lap, while the other one was timed, counts as time around this one: an honest
    worker waits, and does nothing.
    """
    start = getattr(worker, "lapped", None) or cpu_clock(worker.pid)
    worker.value(name, {"op": "stage", "name": name}, {"args": args, "kwargs": kwargs})
    before = cpu_clock(worker.pid)
    worker.value(name, {"op": "run"})
    after = cpu_clock(worker.pid)
    value = worker.value(name, {"op": "fetch"})
    end = worker.lapped = cpu_clock(worker.pid)
    return Lap(after - before, end - after + before - start, value)


def bootstrap_median(ratios, rng, level=0.95, draws=2000):
    """Percentile interval of the median of `ratios`, shape (n,)."""
    medians = np.median(rng.choice(ratios, size=(draws, len(ratios))), axis=1)
    tail = (1 - level) / 2
    return float(np.quantile(medians, tail)), float(np.quantile(medians, 1 - tail))


def race(runner, twin, limit, rng):
    """Race until the interval of the ratio lies on one side of the limit, or ROUNDS are over.

    Parameters
    ----------
    runner, twin : callable
        Number of the pair -> Lap; both get the same inputs for the same number.
    limit : float
        Largest accepted ratio.
    rng : numpy.random.Generator

    Returns
    -------
    verdict : "passed" | "failed" | "undecided"
    pace : Pace
    """
    ratios = []
    for pair in range(-WARM_UP, PAIRS * ROUNDS):
        laps = {}
        for who in rng.permutation(2):
            laps[who] = (runner, twin)[who](pair)
        if pair < 0:
            continue
        shifted = max(0.0, laps[0].around - laps[1].around)  # work that an answer does outside the timed call
        ratios.append((laps[0].run + shifted) / max(laps[1].run, 1e-9))
        if (pair + 1) % PAIRS == 0:
            low, high = bootstrap_median(np.array(ratios), rng)
            pace = Pace(float(np.median(ratios)), low, high, len(ratios))
            if high <= limit:
                return "passed", pace
            if low > limit:
                return "failed", pace
    return "undecided", pace
