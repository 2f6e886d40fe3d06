"""How long a function takes, in a unit that means the same on every machine: passes over its largest array."""

import time

import numpy as np

ENOUGH = 1.0  # seconds after which no further call is made: of slow code one says it


def passes(function, *args, repeats=15):
    """Time of a call divided by the time of one elementwise addition over the largest array among its arguments.

    Both are timed in turn, the median of the pairs' ratios is returned; one thread or many, a loaded machine slows
    both. The closed-form backward pass needs a handful of passes, a step-by-step one several times as many.

    Parameters
    ----------
    function : callable
    *args : arrays, or tuples of arrays
    repeats : int
        Number of pairs at most; slow code is called less often, at least once.

    Returns
    -------
    float
    """
    arrays = [
        item for arg in args for item in (arg if isinstance(arg, tuple) else (arg,)) if isinstance(item, np.ndarray)
    ]
    largest = max(arrays, key=lambda array: array.nbytes)
    out = np.empty_like(largest)
    ratios, end = [], time.perf_counter() + ENOUGH
    while len(ratios) <= repeats and (not ratios or time.perf_counter() < end):
        start = time.perf_counter()
        np.add(largest, largest, out=out)
        middle = time.perf_counter()
        function(*args)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    return float(np.median(ratios[1:] or ratios))  # the first call also warms up
