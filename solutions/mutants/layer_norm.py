"""Slips in `layer_norm(x, gamma, beta, eps=1e-5) -> y`, x of shape (N, C)."""

import numpy as np

from solutions.mutants import mutant

TASK = "layer-norm"


def scaled(x, gamma, beta, std):
    """The mean of each sample and the last line done right, with a given width."""
    return gamma * (x - x.mean(axis=1, keepdims=True)) / std + beta


def widths(x, eps):
    """The standard deviation of each sample, done right."""
    return np.sqrt(x.var(axis=1, keepdims=True) + eps)


@mutant(
    TASK,
    says="You took the statistics over the batch (axis 0): that is batch normalization. Layer normalization takes them "
    "over the features of each sample: axis 1.",
)
def over_the_batch(x, gamma, beta, eps=1e-5):
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta


@mutant(TASK, says="You took one mean and one variance over the whole array. Each of the N samples has its own.")
def whole_array(x, gamma, beta, eps=1e-5):
    return gamma * (x - x.mean()) / np.sqrt(x.var() + eps) + beta


@mutant(
    TASK,
    says="The mean is that of each sample, but the variance runs over the batch. Both run over the features: axis 1.",
)
def variance_over_the_batch(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, beta, np.sqrt(x.var(axis=0) + eps))


@mutant(
    TASK,
    says="The variance is that of each sample, but the mean runs over the batch. Both run over the features: axis 1.",
)
def mean_over_the_batch(x, gamma, beta, eps=1e-5):
    return gamma * (x - x.mean(axis=0)) / widths(x, eps) + beta


@mutant(
    TASK,
    says="The statistics of shape (N,) were combined with the features: NumPy lines shapes up from the right. Give "
    "them the shape (N, 1), with keepdims=True or [:, None].",
)
def axis_not_kept(x, gamma, beta, eps=1e-5):
    return gamma * (x - x.mean(axis=1)) / np.sqrt(x.var(axis=1) + eps) + beta


@mutant(
    TASK,
    says="You combined gamma and beta with the samples. They belong to the C features: with the shape (C,) they fit "
    "the last axis as they are.",
)
def gamma_per_sample(x, gamma, beta, eps=1e-5):
    x_hat = (x - x.mean(axis=1, keepdims=True)) / widths(x, eps)
    return gamma[:, None] * x_hat + beta[:, None]


@mutant(TASK, says="You divided by C - 1. Normalization uses the biased variance, the mean of the squares over C.")
def unbiased_variance(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, beta, np.sqrt(x.var(axis=1, keepdims=True, ddof=1) + eps))


@mutant(
    TASK,
    says="You divided the sum of squares by N. The mean over a sample divides by C, the number of its features.",
)
def samples_for_features(x, gamma, beta, eps=1e-5):
    var = x.var(axis=1, keepdims=True) * (x.shape[1] / x.shape[0])
    return scaled(x, gamma, beta, np.sqrt(var + eps))


@mutant(
    TASK,
    says="You divided by the root of the sum of squares. The variance is their mean: divide the sum by C under the "
    "root.",
)
def sum_for_variance(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, beta, np.sqrt(x.var(axis=1, keepdims=True) * x.shape[1] + eps))


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits: subtract the "
    "mean first, then square.",
)
def one_pass_variance(x, gamma, beta, eps=1e-5):
    var = (x * x).mean(axis=1, keepdims=True) - x.mean(axis=1, keepdims=True) ** 2
    return scaled(x, gamma, beta, np.sqrt(var + eps))


@mutant(TASK, says="You added eps after the root: sqrt(var) + eps. It belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, beta, x.std(axis=1, keepdims=True) + eps)


@mutant(TASK, says="You left eps out: divide by sqrt(var + eps). Without it a constant sample divides by zero.")
def eps_missing(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, beta, x.std(axis=1, keepdims=True))


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, beta, widths(x, 1e-5))


@mutant(TASK, says="You subtracted eps from the variance. It is added, so that the root can never meet a zero.")
def eps_subtracted(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, beta, widths(x, -eps))


@mutant(
    TASK,
    says="You divided by var + eps without the root. The standard deviation, sqrt(var + eps), has the units of x.",
)
def sqrt_missing(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, beta, x.var(axis=1, keepdims=True) + eps)


@mutant(TASK, says="You did not subtract the mean of the sample. Layer normalization centres before it scales.")
def mean_not_subtracted(x, gamma, beta, eps=1e-5):
    return gamma * x / widths(x, eps) + beta


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta.")
def gamma_forgotten(x, gamma, beta, eps=1e-5):
    return scaled(x, np.ones_like(gamma), beta, widths(x, eps))


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta.")
def beta_forgotten(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, 0 * beta, widths(x, eps))


@mutant(TASK, says="You returned x_hat: gamma and beta are still to come, y is gamma * x_hat + beta.")
def gamma_and_beta_forgotten(x, gamma, beta, eps=1e-5):
    return (x - x.mean(axis=1, keepdims=True)) / widths(x, eps)


@mutant(TASK, says="You exchanged gamma and beta: gamma scales, beta shifts.")
def gamma_and_beta_swapped(x, gamma, beta, eps=1e-5):
    return scaled(x, beta, gamma, widths(x, eps))


@mutant(TASK, says="You added beta before multiplying by gamma. First scale, then shift: gamma * x_hat + beta.")
def beta_before_gamma(x, gamma, beta, eps=1e-5):
    return scaled(x, gamma, gamma * beta, widths(x, eps))
