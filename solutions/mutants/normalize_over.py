"""Slips in `normalize_over(x, axes, eps=1e-5) -> x_hat`."""

import numpy as np

from solutions.mutants import mutant

TASK = "normalize-over"


def over(x, axes, eps):
    """The function done right."""
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


def divided(x, axes, width):
    """Centred rightly, then divided by a given width."""
    return (x - x.mean(axis=axes, keepdims=True)) / width


@mutant(
    TASK,
    says="You took the statistics over the axes that were not given. `axes` are the ones to average over; all others "
    "remain.",
)
def other_axes(x, axes, eps=1e-5):
    return over(x, tuple(axis for axis in range(x.ndim) if axis not in axes), eps)


@mutant(TASK, says="You used the first of the axes and left the others out: pass the whole tuple on.")
def first_axis_only(x, axes, eps=1e-5):
    return over(x, axes[:1], eps) if len(axes) > 1 else over(x, axes, eps)


@mutant(TASK, says="You used the last of the axes and left the others out: pass the whole tuple on.")
def last_axis_only(x, axes, eps=1e-5):
    return over(x, axes[-1:], eps)


@mutant(TASK, says="You normalized over the whole array, whatever axes were given. Use the argument.")
def whole_array(x, axes, eps=1e-5):
    return over(x, None, eps)


@mutant(TASK, says="You normalized over axis 0, whatever axes were given. Use the argument.")
def always_axis_zero(x, axes, eps=1e-5):
    return over(x, (0,), eps)


@mutant(
    TASK,
    says="You normalized over one axis after the other. The values that share a mean are those of all the axes "
    "together: one mean and one variance over the whole tuple.",
)
def one_axis_after_the_other(x, axes, eps=1e-5):
    for axis in axes:
        x = over(x, axis, eps)
    return x


@mutant(
    TASK,
    says="You averaged variances taken over one axis. The means along that axis differ too, and this is part of the "
    "variance: take it over all the axes at once.",
)
def variance_axis_by_axis(x, axes, eps=1e-5):
    var = x.var(axis=axes[-1], keepdims=True)
    var = var.mean(axis=axes[:-1], keepdims=True) if len(axes) > 1 else var
    return divided(x, axes, np.sqrt(var + eps))


@mutant(
    TASK,
    says="The statistics lost their axes and were then combined with other axes of x: NumPy lines shapes up from the "
    "right. Keep the axes with length 1 (keepdims=True).",
)
def axes_not_kept(x, axes, eps=1e-5):
    return (x - x.mean(axis=axes)) / np.sqrt(x.var(axis=axes) + eps)


@mutant(TASK, says="You divided by the count minus 1. Normalization uses the biased variance, a mean of squares.")
def unbiased_variance(x, axes, eps=1e-5):
    return divided(x, axes, np.sqrt(x.var(axis=axes, keepdims=True, ddof=1) + eps))


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits: subtract the "
    "mean first, then square.",
)
def one_pass_variance(x, axes, eps=1e-5):
    var = (x * x).mean(axis=axes, keepdims=True) - x.mean(axis=axes, keepdims=True) ** 2
    return divided(x, axes, np.sqrt(var + eps))


@mutant(TASK, says="You added eps after the root: sqrt(var) + eps. It belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(x, axes, eps=1e-5):
    return divided(x, axes, x.std(axis=axes, keepdims=True) + eps)


@mutant(TASK, says="You left eps out: divide by sqrt(var + eps). Without it constant values divide by zero.")
def eps_missing(x, axes, eps=1e-5):
    return divided(x, axes, x.std(axis=axes, keepdims=True))


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(x, axes, eps=1e-5):
    return over(x, axes, 1e-5)


@mutant(TASK, says="You subtracted eps from the variance. It is added, so that the root can never meet a zero.")
def eps_subtracted(x, axes, eps=1e-5):
    return over(x, axes, -eps)


@mutant(
    TASK,
    says="You divided by var + eps without the root. The standard deviation, sqrt(var + eps), has the units of x.",
)
def sqrt_missing(x, axes, eps=1e-5):
    return divided(x, axes, x.var(axis=axes, keepdims=True) + eps)


@mutant(TASK, says="You did not subtract the mean: x_hat is (x - mu) / sqrt(var + eps).")
def mean_not_subtracted(x, axes, eps=1e-5):
    return x / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


@mutant(
    TASK,
    says="The parentheses are missing: x - mu / sqrt(var + eps) divides the mean alone. Write (x - mu) / "
    "sqrt(var + eps).",
)
def mean_alone_divided(x, axes, eps=1e-5):
    return x - x.mean(axis=axes, keepdims=True) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


@mutant(TASK, says="You subtracted the mean and stopped there: divide by sqrt(var + eps) too.")
def centred_only(x, axes, eps=1e-5):
    return x - x.mean(axis=axes, keepdims=True)


@mutant(TASK, says="You multiplied by the standard deviation. Divide by it, so that the spread becomes 1.")
def multiplied_by_std(x, axes, eps=1e-5):
    return (x - x.mean(axis=axes, keepdims=True)) * np.sqrt(x.var(axis=axes, keepdims=True) + eps)


@mutant(
    TASK,
    says="You divided the sum of squares by the length of the first axis. The variance is a mean over all the values "
    "that share it: divide by the product of the lengths of all the axes.",
)
def count_of_first_axis(x, axes, eps=1e-5):
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).sum(axis=axes, keepdims=True) / x.shape[axes[0]] + eps)
