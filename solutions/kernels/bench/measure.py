"""Seconds of calls on a GPU, in turn and behind flushed caches; ratios with intervals. For code that is trusted.

On the simulated GPU the clock is that of the process: what it tells is how long the simulation takes, nothing else.
"""

from __future__ import annotations

import time

import numpy as np

CACHES = 4  # a flush writes this many times the second-level cache
HIDE = 4e-4  # seconds for which flushes keep the GPU busy, while Python prepares the call behind them


class Stopwatch:
    """Times calls on the device of bnlab.gpu."""

    def __init__(self):
        from bnlab import gpu

        self.xp, self.device = gpu.xp, gpu.device
        self.cache = self.xp.zeros(max(CACHES * self.device.l2, 1 << 20) // 4, np.float32)
        self.flushes = 1
        if not self.device.simulated:
            once = min(self.seconds(lambda: self.cache.fill(0.0)) for _ in range(5))
            self.flushes = max(1, round(HIDE / once))

    def flush(self):
        """Write over all caches, and over memory for a while."""
        for _ in range(self.flushes):
            self.cache.fill(0.0)

    def started(self, call):
        """Begin one timed call; returns what gives its seconds once the device has finished."""
        self.flush()
        if self.device.simulated:
            start = time.perf_counter()
            call()
            taken = time.perf_counter() - start
            return lambda: taken
        cuda = self.xp.cuda
        start, end = cuda.Event(), cuda.Event()
        start.record()
        call()
        end.record()
        return lambda: cuda.get_elapsed_time(start, end) / 1e3

    def seconds(self, call):
        """Seconds of one call."""
        read = self.started(call)
        self.xp.cuda.Device().synchronize()
        return read()

    def in_turn(self, calls, rounds, rng):
        """Time several calls round by round, in random order within a round.

        Parameters
        ----------
        calls : dict
            Name -> callable without arguments.
        rounds : int
            Counted; two more come first.
        rng : numpy.random.Generator

        Returns
        -------
        dict
            Name -> ndarray, shape (rounds,), seconds.
        """
        found = {name: [] for name in calls}
        for _ in range(rounds + 2):
            reads = {}
            for name in rng.permutation(list(calls)):
                reads[name] = self.started(calls[name])
            self.xp.cuda.Device().synchronize()
            for name, read in reads.items():
                found[name].append(read())
        return {name: np.array(seconds[2:]) for name, seconds in found.items()}


def middle(values, rng=None, draws=1000, level=0.95):
    """Median with its percentile bootstrap interval.

    Returns
    -------
    median, low, high : float
    """
    values, rng = np.asarray(values), rng or np.random.default_rng(0)
    many = np.median(values[rng.integers(len(values), size=(draws, len(values)))], axis=1)
    low, high = np.quantile(many, [(1 - level) / 2, (1 + level) / 2])
    return float(np.median(values)), float(low), float(high)


def geometric_mean(values):
    """Of positive numbers; nan of none."""
    return float(np.exp(np.mean(np.log(values)))) if len(values) else float("nan")
