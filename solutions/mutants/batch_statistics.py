"""Slips in `batch_statistics(x) -> (mu, var)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "batch-statistics"


@mutant(
    TASK,
    says="You averaged over the features of each sample (axis 1). Each feature has its own mean and variance, taken "
    "over the N samples: axis 0.",
)
def wrong_axis(x):
    return x.mean(axis=1), x.var(axis=1)


@mutant(TASK, says="You divided by N - 1: training normalizes with 1/N. Only the running variance is corrected.")
def unbiased_variance(x):
    return x.mean(axis=0), x.var(axis=0, ddof=1)


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero two huge numbers nearly cancel, and few "
    "digits of their difference are right: subtract the mean first, then square.",
)
def one_pass_variance(x):
    mu = x.mean(axis=0)
    return mu, (x * x).mean(axis=0) - mu * mu


@mutant(
    TASK,
    says="Your variance is 0 up to rounding: the distances from the mean add up to 0. Square each of them first, then "
    "take the average.",
)
def squared_after_the_sum(x):
    return x.mean(axis=0), np.zeros(x.shape[1], x.dtype)


@mutant(TASK, says="You took one mean and one variance over the whole array. Each of the C features has its own.")
def whole_array(x):
    return np.full(x.shape[1], x.mean()), np.full(x.shape[1], x.var())


@mutant(
    TASK,
    says="You returned the standard deviation. The variance is its square; the root comes later, when eps has been "
    "added.",
)
def standard_deviation(x):
    return x.mean(axis=0), x.std(axis=0)


@mutant(TASK, says="You returned the pair the other way round: first mu, then var.")
def order_swapped(x):
    return x.var(axis=0), x.mean(axis=0)


@mutant(TASK, says="Your mu is the sum of the samples: divide by N.")
def sum_for_mean(x):
    return x.sum(axis=0), x.var(axis=0)


@mutant(
    TASK,
    says="Your var is the sum of the squared distances: divide by N, so that it does not grow with the batch.",
)
def sum_for_variance(x):
    return x.mean(axis=0), x.var(axis=0) * len(x)


@mutant(TASK, says="You squared x itself. The variance is the mean of the squared distances from mu.")
def mean_not_subtracted(x):
    return x.mean(axis=0), (x * x).mean(axis=0)


@mutant(TASK, says="You averaged the absolute distances from mu. The variance averages their squares.")
def absolute_distance(x):
    mu = x.mean(axis=0)
    return mu, np.abs(x - mu).mean(axis=0)


@mutant(
    TASK,
    says="You divided by the number of features. The mean over a batch divides by N, the number of samples.",
)
def features_for_samples(x):
    mu = x.sum(axis=0) / x.shape[1]
    return mu, ((x - mu) ** 2).sum(axis=0) / x.shape[1]


@mutant(
    TASK,
    says="Your var contains eps. eps belongs to the step that divides; the variance itself stays what it is.",
)
def eps_in_variance(x):
    return x.mean(axis=0), x.var(axis=0) + 1e-5
