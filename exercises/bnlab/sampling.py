"""Random inputs for checks: parameters off their defaults, so that no slip can hide behind a 0 or a 1."""

import numpy as np

from bnlab.answers import strided


def batch(rng, n, c, *, mean=1.0, std=2.0, dtype=np.float64, layout="C"):
    """A batch of n samples with c features of different centres and widths.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, c : int
    mean : float
        Centre of the features' means.
    std : float
        Typical standard deviation of a feature.
    dtype : numpy dtype
    layout : {"C", "F", "strided"}
        Memory layout of the result.

    Returns
    -------
    x : ndarray, shape (n, c)
    """
    centre = mean + rng.normal(size=c)
    width = std * rng.uniform(0.5, 1.5, size=c)
    x = (centre + width * rng.normal(size=(n, c))).astype(dtype)
    if layout == "F":
        return np.asfortranarray(x)
    return strided(x) if layout == "strided" else x


def affine(rng, c, dtype=np.float64):
    """gamma and beta of shape (c,), away from 1 and 0, with both signs."""
    gamma = rng.uniform(0.5, 2.0, size=c) * rng.choice([-1.0, 1.0], size=c)
    beta = rng.normal(size=c) + 0.5
    return gamma.astype(dtype), beta.astype(dtype)
