"""Many calls in a row on fresh inputs, each behind a flushed cache: what is timed in a race on a GPU.

`Track` looks at no clock: whoever asks for the steps does, and the grader from outside of the process. A lap is

    stage    make the arguments of all calls on the device, but for the first one, x or dy: there its memory is made
    run      the timed part: make the first argument, from base arrays and numbers that come with this step, flush the
             cache, call, and again; at the end wait for everything that the device was given
    keep     copy every result, but for arguments among them
    fetch    numbers at positions that are told after the run, from every copy and every argument

A result that comes out of a memory of earlier calls is wrong for its own inputs, and so is one that was worked out
while the arguments were made; what is computed after the run comes too late for the copies, or takes its time there;
an argument that was written to is found out.
"""

import time

import numpy as np

from bnlab.gpu import settings

CACHES = 4  # the flush writes this many times the second-level cache


class Track:
    """Steps of a race on the device of this process.

    What it needs of the device is taken when it is made: before a student's first cell runs.
    """

    def __init__(self):
        from bnlab.gpu import device, xp

        self.xp, self.device, self.array = xp, device, xp.ndarray
        self.asarray, self.asnumpy, self.take, self.join = xp.asarray, xp.asnumpy, xp.take, xp.concatenate
        self.wait = xp.cuda.Device().synchronize
        self.cache = xp.zeros(max(CACHES * device.l2, 1 << 20) // 4, xp.float32)
        self.flush, self.empty = self.cache.fill, settings.simulate
        self.blend = xp.ElementwiseKernel("T a, T b, T mix, T scale", "T x", "x = (a + mix * b) * scale", "blend")
        self.blend(*(self.cache[:1],) * 2, *(xp.float32(1),) * 2)  # compiled now
        self.base, self.first = {}, None
        self.calls, self.results, self.kept = [], [], []

    def about(self, function, given):
        """What was found: whether it is simulated, and its name."""
        return {"simulated": self.device.simulated, "name": self.device.name, "line": self.device.line}

    def load(self, function, given):
        """Put the base arrays on the device: a dict of arrays, tuples of arrays, and numbers."""
        self.base = {name: self._place(value) for name, value in given.items()}
        first = self.base.get("dy", self.base["x"]).ravel()
        self.first = self.join([first, first])  # a part of it is the array, turned

    def _place(self, value):
        if isinstance(value, tuple):
            return tuple(map(self._place, value))
        return self.asarray(value) if hasattr(value, "shape") else value

    def stage(self, function, given):
        """Arguments for one call a recipe; what earlier results left in memory becomes NaN."""
        for leaf in leaves(self.results):
            if type(leaf) is self.array and leaf.dtype.kind == "f":
                leaf.fill(float("nan"))
        self.results, self.kept, self.calls = [], [], []
        fresh = {"train": fresh_train, "backward": fresh_backward}[given["fresh"]]
        self.calls = [fresh(self.xp, self.base, recipe) for recipe in given["recipes"]]
        self.wait()

    def run(self, function, given):
        """The timed part."""
        calls, results, flush, make = list(zip(self.calls, given["recipes"])), [], self.flush, self._make
        with self.empty(checked=False):
            for arguments, recipe in calls:
                make(arguments[0], recipe)
                flush(0.0)
                results.append(opened(function(*arguments)))
            self.wait()
        self.results = results

    def _make(self, array, recipe):
        """Write the first argument of a call: base numbers with a shifted copy of themselves added, in one kernel."""
        turned = (self.first[recipe[name] :][: array.size].reshape(array.shape) for name in ("shift", "other"))
        self.blend(*turned, *(array.dtype.type(recipe[name]) for name in ("mix", "scale")), array)

    def keep(self, function, given):
        """Copy what the run gave, but for the arguments.

        Raises
        ------
        TypeError
            Where a result holds anything but arrays of the device, of exactly that type.
        """
        for leaf in leaves(self.results):
            if type(leaf) is not self.array:
                raise TypeError(f"a timed call returned {type(leaf).__name__}; expected device arrays")
        given = {id(leaf) for leaf in leaves(self.calls)}

        def kept(array):
            return array if id(array) in given else array.copy()

        self.kept = [each(kept, result) for result in self.results]
        self.wait()

    def fetch(self, function, given):
        """Numbers at the given positions, counted modulo the size of each array.

        Returns
        -------
        dict
            "results" and "arguments": for each call what was returned or passed, each array replaced by its numbers.
        """
        picks = {}

        def picked(array):
            if array.size not in picks:
                picks[array.size] = self.asarray(given["positions"] % max(array.size, 1))
            return self.take(array, picks[array.size]) if array.size else array.ravel()

        found = [[each(picked, value) for value in values] for values in (self.kept, self.calls)]
        numbers = iter(self._on_host(list(leaves(found))))
        results, arguments = ([each(lambda _: next(numbers), value) for value in values] for values in found)
        return {"results": results, "arguments": arguments}

    def _on_host(self, arrays):
        """Copies on the host, of one dtype all in one: what this takes is what an answer could hide in."""
        if len({array.dtype for array in arrays}) > 1:
            return map(self.asnumpy, arrays)
        return np.split(self.asnumpy(self.join(arrays)), np.cumsum([array.size for array in arrays])[:-1])


def opened(value):
    """Nested tuples and lists as plain tuples; those of a class of their own are not asked what they hold."""
    for kind in (tuple, list):
        if isinstance(value, kind):
            return tuple(map(opened, kind.__iter__(value)))
    return value


def each(function, value):
    """A function of every leaf of nested tuples."""
    return tuple(each(function, part) for part in value) if type(value) is tuple else function(value)


def leaves(value):
    """Everything in nested tuples and lists."""
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def mixed(xp, array, recipe):
    """The array with a shifted copy of itself added: other values, and other statistics in every channel."""
    flat = array.ravel()
    blend = xp.roll(flat, recipe["shift"]) + xp.roll(flat, recipe["other"]) * recipe["mix"]
    return (blend * recipe["scale"]).reshape(array.shape)


def turned(xp, values, recipe):
    """Numbers of the channels, in another order and of another size."""
    return xp.roll(values, recipe["turn"]) * recipe["scale"]


def fresh_train(xp, base, recipe):
    """Arguments (x, gamma, beta) of a forward pass; x is written later."""
    return xp.empty_like(base["x"]), turned(xp, base["gamma"], recipe), turned(xp, base["beta"], recipe)


def fresh_backward(xp, base, recipe):
    """Arguments (dy, (x, mu, inv_std, gamma)) of a backward pass; dy is written later."""
    x, moments = fresh_statistics(xp, base, recipe)
    return xp.empty_like(base["dy"]), (x, *moments, turned(xp, base["gamma"], recipe))


def fresh_statistics(xp, base, recipe, eps=1e-5):
    """Fresh images with their means and 1 / deviations."""
    x = mixed(xp, base["x"], recipe)
    return x, (x.mean(axis=(0, 2, 3)), (x.var(axis=(0, 2, 3)) + eps) ** -0.5)


def share_of_copy(function, inputs, fresh, least, calls=20, laps=9):
    """The pace at which a function brings the bytes that have to be moved, over the pace of a plain copy.

    Parameters
    ----------
    function : callable
    inputs : dict of ndarray
        Base arrays: "x", "gamma" and "beta", or "x", "dy" and "gamma".
    fresh : "train" | "backward"
        What each call gets: (x, gamma, beta); (dy, (x, mu, inv_std, gamma)).
    least : float
        Bytes that have to be moved, in copies of x: 1 forward, 1.5 backward.
    calls, laps : int
        Calls that are timed together, and how often; the median of all laps but the first two counts.

    Returns
    -------
    float or None
        1 at the pace of a copy, 0.5 at half of it; None on a simulated GPU, which has no speed.
    """
    track, rng = Track(), np.random.default_rng()
    if track.device.simulated:
        return None
    track.load(None, inputs)

    def seconds(function):
        times = []
        for _ in range(laps):
            first, then = ([recipe(rng, inputs["x"].size) for _ in range(calls)] for _ in range(2))
            track.stage(None, {"fresh": fresh, "recipes": first})
            start = time.perf_counter()
            track.run(function, {"recipes": then})
            times.append((time.perf_counter() - start) / calls)
        return float(np.median(times[2:]))

    idle = seconds(lambda *arguments: ())
    return least * (seconds(lambda first, *others: first.copy()) - idle) / max(seconds(function) - idle, 1e-9)


def recipe(rng, size):
    """Numbers by which one call gets inputs of its own."""
    numbers = {name: int(rng.integers(size)) for name in ("shift", "other", "turn")}
    return numbers | {"mix": float(rng.uniform(0.3, 0.9)), "scale": float(rng.uniform(0.5, 2))}
