"""Is an answer about as fast as the hidden solution? A race in pairs, judged by an interval.

The student's worker and the twin (the hidden solution in a worker of its own) get the same fresh inputs, in random
order within each pair. The clock is the CPU time of the process, read from outside; the student's own clock is never
asked. A call is timed in three steps (stage the arguments, run, fetch the result) so that copying is not counted;
time that an answer shifts into staging or fetching is counted, since the twin shows what these steps cost.

A race is over as soon as the interval of the ratio lies on one side of the limit: a few pairs where the answer is
clear, many where it is close. It may know both workers' times and nothing else.
"""

from dataclasses import dataclass

import numpy as np

from autograder.grading.worker import cpu_clock

WARM_UP = 2  # laps of the answer that are not counted: its process takes its memory here
LOOKS = (4, 6, 9, 13, 19, 28, 40, 60)  # numbers of pairs after which a race may end
ENOUGH = 9  # pairs from which the interval decides; before, only where no pair comes near the limit:
NEAR, FAR = 0.8, 2.5  # times the limit; all pairs below the one pass early, all above the other fail early
LEVEL = 0.99  # of the interval at each look
SLACK = 0.1  # share of the time around a run that counts as noise


@dataclass(frozen=True)
class Pace:
    """CPU seconds of the answer over CPU seconds of the hidden solution: median of the pairs with its interval."""

    ratio: float
    low: float
    high: float
    pairs: int

    def __str__(self):
        interval = f"{LEVEL:.0%} interval {self.low:.2f} to {self.high:.2f}"
        return f"{self.ratio:.2f} times the hidden solution's time ({interval})"


@dataclass(frozen=True)
class Lap:
    """CPU seconds of one call: the run itself, and the staging and fetching around it."""

    run: float
    around: float
    value: object


def lap(worker, name, args):
    """One timed call in a worker.

    What the worker did since its last lap, while the other one was timed, counts as time around this one: an honest
    worker waits, and does nothing.
    """
    start = getattr(worker, "lapped", None) or cpu_clock(worker.pid)
    worker.value(name, {"op": "stage", "name": name}, {"args": args, "kwargs": {}})
    before = cpu_clock(worker.pid)
    worker.value(name, {"op": "run"})
    after = cpu_clock(worker.pid)
    value = worker.value(name, {"op": "fetch"})
    end = worker.lapped = cpu_clock(worker.pid)
    return Lap(after - before, end - after + before - start, value)


def ratio(laps, chosen=None):
    """Ratio of CPU times over pairs of laps.

    The median ratio of the runs, and what the answer spends around its runs beyond what the twin spends there (its
    median, so that the noise of copying cancels) where that is more than SLACK of it.

    Parameters
    ----------
    laps : ndarray, shape (n, 4)
        Seconds of each pair: run and around of the answer, run and around of the twin.
    chosen : ndarray, shape (draws, n), int, optional
        Rows to take for each of several ratios.

    Returns
    -------
    float, or ndarray of shape (draws,)
    """
    run, around, twin_run, twin_around = (column if chosen is None else column[chosen] for column in laps.T)
    twin_run = np.maximum(twin_run, 1e-9)
    shifted = np.median(around - (1 + SLACK) * twin_around, axis=-1) / np.median(twin_run, axis=-1)
    return np.median(run / twin_run, axis=-1) + np.maximum(0.0, shifted)


def pace_of(laps, rng, level=LEVEL, draws=1000):
    """The ratio of `laps` with its percentile bootstrap interval over the pairs."""
    many = ratio(laps, rng.integers(len(laps), size=(draws, len(laps))))
    low, high = np.quantile(many, [(1 - level) / 2, (1 + level) / 2])
    return Pace(float(ratio(laps)), float(low), float(high), len(laps))


def verdict_of(pace, limit, ratios):
    """ "passed" or "failed" where the interval is clear of the limit, "" while it is not.

    ratios : ndarray
        Of the runs, pair by pair.
    """
    enough = pace.pairs >= ENOUGH
    if pace.high <= limit and (enough or ratios.max() <= NEAR * limit):
        return "passed"
    return "failed" if pace.low > limit and (enough or ratios.min() > FAR * limit) else ""


def race(runner, twin, limit, rng):
    """Race until the interval of the ratio lies on one side of the limit, or the last look is over.

    Parameters
    ----------
    runner, twin : callable
        Number of the pair -> Lap; both get the same inputs for the same number. Negative numbers are warm-up laps.
    limit : float
        Largest accepted ratio.
    rng : numpy.random.Generator

    Returns
    -------
    verdict : "passed" | "failed" | "undecided"
    pace : Pace
    """
    for lap_number in range(WARM_UP):
        runner(-1 - lap_number)
    twin(-1)
    rows = []
    for look in LOOKS:
        while len(rows) < look:
            laps = {}
            for who in rng.permutation(2):
                laps[who] = (runner, twin)[who](len(rows))
            rows.append((laps[0].run, laps[0].around, laps[1].run, laps[1].around))
        laps = np.array(rows)
        pace = pace_of(laps, rng)
        verdict = verdict_of(pace, limit, laps[:, 0] / np.maximum(laps[:, 2], 1e-9))
        if verdict:
            return verdict, pace
    return "undecided", pace
