"""What the hidden kernels have to give: batch normalization in float64, and how far a tier is off from it."""

from __future__ import annotations

import numpy as np

from solutions.kernels.launch import STORAGE

DIGITS = {"float32": 2e-6, "float16": 2e-3, "bfloat16": 1.2e-2}  # of the largest value: a few roundings of the storage
EPS, MOMENTUM = 1e-3, 0.3  # unlike everybody's defaults, so that one that is not passed on shows


def stored(values, storage):
    """Numbers as they lie in memory."""
    if storage != "bfloat16":
        return values.astype(STORAGE[storage][1])
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def wide(array, storage):
    """What lies in memory as float64."""
    if storage != "bfloat16":
        return array.astype(float)
    return (array.astype(np.uint32) << 16).view(np.float32).astype(float)


def batchnorm(x, dy, gamma, beta, channel, eps):
    """Both passes in float64.

    Returns
    -------
    y, mean, inv_std, unbiased variance, dx, dgamma, dbeta
    """
    axes = tuple(axis for axis in range(x.ndim) if axis != channel)
    count = x.size // x.shape[channel]
    mean, var = (f(x, axis=axes, keepdims=True) for f in (np.mean, np.var))
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = (x - mean) * inv_std
    gamma, beta = gamma.reshape(mean.shape), beta.reshape(mean.shape)
    dgamma, dbeta = (dy * x_hat).sum(axes), dy.sum(axes)
    dx = gamma * inv_std * (dy - dbeta.reshape(mean.shape) / count - x_hat * dgamma.reshape(mean.shape) / count)
    unbiased = var.ravel() * count / max(count - 1, 1)
    return gamma * x_hat + beta, mean.ravel(), inv_std.ravel(), unbiased, dx, dgamma, dbeta


def differences(kernels, shape, tier, offset=3.0, scale=2.0, seed=0):
    """Run a tier of a launch.Kernels in both directions on the device in use.

    Returns
    -------
    dict
        Name of a result -> largest error, relative to the largest value.
    """
    xp, storage, rng = kernels.gpu.xp, kernels.storage, np.random.default_rng(seed)
    channel = 1 if kernels.layout == "images" else len(shape) - 1
    c = shape[channel]
    x, dy = (stored(values, storage) for values in (offset + scale * rng.normal(size=shape), rng.normal(size=shape)))
    gamma, beta = rng.uniform(0.5, 1.5, c).astype("f"), rng.normal(size=c).astype("f")
    x_there, dy_there, *weights = map(xp.asarray, (x, dy, gamma, beta))
    running = xp.full(c, 0.5, "f"), xp.full(c, 2.0, "f")
    y, mean, inv_std = kernels.forward(x_there, *weights, *running, eps=EPS, momentum=MOMENTUM, tier=tier)
    dx, dgamma, dbeta = kernels.backward(dy_there, x_there, weights[0], mean, inv_std, tier=tier)
    got = dict(y=y, mean=mean, inv_std=inv_std, running_mean=running[0], running_var=running[1])
    got = {name: xp.asnumpy(value) for name, value in (got | dict(dx=dx, dgamma=dgamma, dbeta=dbeta)).items()}
    got |= {name: wide(got[name], storage) for name in ("y", "dx")}
    true = batchnorm(wide(x, storage), wide(dy, storage), gamma, beta, channel, EPS)
    moved = (1 - MOMENTUM) * 0.5 + MOMENTUM * true[1], (1 - MOMENTUM) * 2.0 + MOMENTUM * true[3]
    expected = zip(got, (*true[:3], *moved, *true[4:]), strict=True)
    return {name: np.abs(got[name] - right).max() / max(np.abs(right).max(), 1e-3) for name, right in expected}
