"""Gradient check by central differences along random directions."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GradientCheck:
    """Result of `check_gradient`.

    analytic, numeric : float
        The slope along the worst direction, from dx and from central differences.
    relative_error : float
        |analytic - numeric| / max(|analytic|, |numeric|, norm of dx): a slope that happens to be small is no excuse.
    """

    analytic: float
    numeric: float
    relative_error: float

    def __bool__(self):
        return self.relative_error < 1e-6

    def __str__(self):
        verdict = "agree" if self else "DISAGREE"
        return (
            f"slopes {verdict}: from dx {self.analytic:.9g}, by central differences {self.numeric:.9g}, "
            f"relative error {self.relative_error:.1e}"
        )

    __repr__ = __str__


def check_gradient(f, x, dy, dx, *, h=1e-5, directions=10, rng=None):
    """Compare a gradient with central differences along random directions.

    The slope of the scalar sum(dy * f(x + t v)) at t = 0 is sum(dx * v) for every direction v,
    and (sum(dy * f(x + h v)) - sum(dy * f(x - h v))) / (2 h) up to an error of order h**2.

    Parameters
    ----------
    f : callable
        x -> y, arrays of float64.
    x : ndarray, float64
    dy : ndarray, shape of f(x)
        Upstream gradient; random, never constant (batch normalization answers a constant dy with dx = 0).
    dx : ndarray, shape of x
        The gradient to test.
    h : float
        Step, in units of the largest |x|.
    directions : int
        Number of random directions; the worst one is returned.
    rng : numpy.random.Generator, optional

    Returns
    -------
    GradientCheck
        True where the relative error is below 1e-6.

    Raises
    ------
    ValueError
        Where a shape or dtype makes the comparison meaningless.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> dy = np.array([[1.0, -1.0], [0.5, 2.0]])
    >>> bool(check_gradient(np.square, x, dy, 2 * x * dy))
    True
    >>> bool(check_gradient(np.square, x, dy, x * dy))
    False
    """
    x, dy, dx = np.asarray(x), np.asarray(dy), np.asarray(dx)
    if x.dtype != np.float64:
        raise ValueError(f"x is {x.dtype}; differences need float64: pass x.astype(np.float64)")
    if dx.shape != x.shape:
        raise ValueError(f"dx has shape {dx.shape}; expected {x.shape}, the shape of x")
    rng = rng or np.random.default_rng(0)
    step = h * max(1.0, float(np.abs(x).max(initial=0.0)))
    worst = GradientCheck(0.0, 0.0, 0.0)
    for _ in range(directions):
        v = rng.standard_normal(x.shape)
        numeric = float(np.sum(dy * f(x + step * v)) - np.sum(dy * f(x - step * v))) / (2 * step)
        analytic = float(np.sum(dx * v))
        size = max(abs(analytic), abs(numeric), float(np.linalg.norm(dx)))
        error = abs(analytic - numeric) / size if size else 0.0
        if error >= worst.relative_error or not np.isfinite(error):
            worst = GradientCheck(analytic, numeric, float("inf") if not np.isfinite(error) else error)
    return worst
