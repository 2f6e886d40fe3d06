"""Answers in float64 for tasks whose hidden solution computes in float32 alone: a kernel is not its own judge."""

import numpy as np
from bnlab import cuda_drivers as drivers

AXES, EXACT = (0, 2, 3), {}


def exact(task_id):
    """The exact answer of a task.

    Returns
    -------
    callable or None
        inputs -> leaves of the result, arrays in float64; None where the hidden solution computes in float64 itself.
    """
    return EXACT.get(task_id)


def of(*task_ids, drive=None):
    """Register a function of the inputs, given in float64, for these tasks."""

    def register(function):
        for task_id, words in zip(task_ids, drive or [None] * len(task_ids)):
            EXACT[task_id] = lambda inputs, words=words: (words.right_words() if words else {}) | function(inputs)
        return function

    return register


def per_channel(values):
    """(C,) numbers in the shape that meets (N, C, H, W)."""
    return values[:, None, None]


@of("channel-sums", "warp-sums", "split-sums", drive=(drivers.CHANNEL_SUMS, drivers.WARP_SUMS, drivers.SPLIT_SUMS))
def sums(inputs):
    centred = inputs["x"] - per_channel(inputs["shift"])
    return {"s1": centred.sum(axis=AXES), "s2": (centred**2).sum(axis=AXES)}


@of("cuda-train", "cuda-train-speed", "one-read", drive=(drivers.FORWARD, drivers.FORWARD, drivers.ONCE))
def train(inputs):
    x, gamma = inputs["x"], inputs["gamma"]
    mu, inv_std = x.mean(axis=AXES), 1 / np.sqrt(x.var(axis=AXES) + inputs.get("eps", 1e-5))
    y = per_channel(gamma * inv_std) * (x - per_channel(mu)) + per_channel(inputs["beta"])
    return {"y": y, "x": x, "mu": mu, "inv_std": inv_std, "gamma": gamma}


@of("vector-loads", drive=(drivers.APPLY,))
def apply(inputs):
    scale, centred = inputs["gamma"] * inputs["inv_std"], inputs["x"] - per_channel(inputs["mu"])
    return {"y": per_channel(scale) * centred + per_channel(inputs["beta"])}


@of("cuda-backward", "cuda-backward-speed", drive=(drivers.BACKWARDS, drivers.BACKWARDS))
def backward(inputs):
    dy, (x, mu, inv_std, gamma) = inputs["dy"], inputs["cache"]
    x_hat, m = (x - per_channel(mu)) * per_channel(inv_std), dy.size // dy.shape[1]
    dgamma, dbeta = (dy * x_hat).sum(axis=AXES), dy.sum(axis=AXES)
    bracket = dy - per_channel(dbeta / m) - x_hat * per_channel(dgamma / m)
    return {"dx": per_channel(gamma * inv_std) * bracket, "dgamma": dgamma, "dbeta": dbeta}


@of("variance-formulas")
def variances(inputs):
    x, names = inputs["x"], (drivers.NAIVE, drivers.WELFORD, drivers.SHIFTED)
    if np.abs(x).mean() < 1000:
        return dict.fromkeys(names, x.var(axis=1)) | dict.fromkeys((f"{n} {drivers.FAR}" for n in names), "not asked")
    words = dict(zip((f"{n} {drivers.FAR}" for n in names), (drivers.TOO_FEW, *[drivers.TWO_DIGITS] * 2)))
    return dict.fromkeys(names, np.zeros(len(x))) | words
