"""Slips in `precise_statistics(batches) -> (mean, var)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "precise-statistics"


def pooled(batches):
    """All samples in one batch, (sum of N, C)."""
    return np.concatenate(batches)


def averaged(values, batches, weighted):
    """The average of one row of numbers a batch, with the batches' sizes as weights or without."""
    weights = np.array([len(x) if weighted else 1 for x in batches], batches[0].dtype)
    return (weights[:, None] * np.array(values)).sum(axis=0) / weights.sum()


def means(batches):
    return [x.mean(axis=0) for x in batches]


def moving(batches, statistic):
    """A running average with momentum 0.1 over the batches, started at the first one."""
    kept = statistic(batches[0])
    for x in batches[1:]:
        kept = 0.9 * kept + 0.1 * statistic(x)
    return kept.astype(batches[0].dtype)


@mutant(
    TASK,
    says="You averaged the variances of the batches. That forgets how far the batches' means lie from each other: take "
    "the squared distances of all samples from the mean of all samples.",
)
def average_of_variances(batches):
    return pooled(batches).mean(axis=0), averaged([x.var(axis=0) for x in batches], batches, False)


@mutant(
    TASK,
    says="You averaged the unbiased variances of the batches. The correction is right, but the distances between the "
    "batches' means are missing: use the mean of all samples.",
)
def average_of_unbiased_variances(batches):
    return pooled(batches).mean(axis=0), averaged([x.var(axis=0, ddof=1) for x in batches], batches, False)


@mutant(
    TASK,
    says="You averaged the variances of the batches with their sizes as weights. That forgets how far the batches' "
    "means lie from each other: take the distances from the mean of all samples.",
)
def weighted_average_of_variances(batches):
    return pooled(batches).mean(axis=0), averaged([x.var(axis=0) for x in batches], batches, True)


@mutant(
    TASK,
    says="You measured each sample from the mean of its own batch and divided by n - 1. Measure it from the mean of "
    "all samples.",
)
def distances_within_batches(batches):
    squares = sum(((x - x.mean(axis=0)) ** 2).sum(axis=0) for x in batches)
    return pooled(batches).mean(axis=0), squares / (sum(map(len, batches)) - 1)


@mutant(
    TASK,
    says="You averaged means and variances of the batches as if all were of the same size. The result must not depend "
    "on how the samples were cut: weight by the sizes, and add the spread between batches.",
)
def averages_without_weights(batches):
    return averaged(means(batches), batches, False), averaged([x.var(axis=0) for x in batches], batches, False)


@mutant(
    TASK,
    says="You averaged means and unbiased variances of the batches as if all were of the same size. Weight by the "
    "sizes, and add the spread between batches too.",
)
def unbiased_averages_without_weights(batches):
    variances = [x.var(axis=0, ddof=1) for x in batches]
    return averaged(means(batches), batches, False), averaged(variances, batches, False)


@mutant(
    TASK,
    says="Your mean is the average of the batches' means without weights. A small batch counts less: divide the sum of "
    "all samples by their number.",
)
def mean_without_weights(batches):
    x = pooled(batches)
    return averaged(means(batches), batches, False), x.var(axis=0, ddof=1)


@mutant(
    TASK,
    says="You took the distances from the unweighted average of the batches' means. The mean of all samples weights "
    "each batch with its size.",
)
def distances_from_unweighted_mean(batches):
    mean = averaged(means(batches), batches, False)
    x = pooled(batches)
    return mean, ((x - mean) ** 2).sum(axis=0) / (len(x) - 1)


@mutant(
    TASK,
    says="Your variance is the biased one, with divisor n. Evaluation needs an estimate for the population, so divide "
    "the sum of squares of all n samples by n - 1.",
)
def biased_variance(batches):
    x = pooled(batches)
    return x.mean(axis=0), x.var(axis=0)


@mutant(
    TASK,
    says="You divided by n minus the number of batches. One mean is fitted to all samples, so the divisor is n - 1.",
)
def one_less_for_each_batch(batches):
    x = pooled(batches)
    return x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).sum(axis=0) / (len(x) - len(batches))


@mutant(
    TASK,
    says="You used a running average with momentum 0.1. It weights the last batches most; precise statistics give "
    "every sample the same weight.",
)
def running_average(batches):
    return moving(batches, lambda x: x.mean(axis=0)), moving(batches, lambda x: x.var(axis=0, ddof=1))


@mutant(
    TASK,
    says="You used running statistics from 0 and 1 with momentum 0.1. They are far behind after a few batches, and "
    "weight the last ones most; precise statistics give every sample the same weight.",
)
def running_statistics_from_the_start(batches):
    mean, var = np.zeros_like(batches[0][0]), np.ones_like(batches[0][0])
    for x in batches:
        mean, var = 0.9 * mean + 0.1 * x.mean(axis=0), 0.9 * var + 0.1 * x.var(axis=0, ddof=1)
    return mean.astype(x.dtype), var.astype(x.dtype)


@mutant(
    TASK,
    says="You used a running average of biased variances with momentum 0.1. Precise statistics give every sample the "
    "same weight, and the variance is unbiased.",
)
def running_average_of_biased_variances(batches):
    return moving(batches, lambda x: x.mean(axis=0)), moving(batches, lambda x: x.var(axis=0))


@mutant(TASK, says="You used only the last batch: the statistics are those of all batches.")
def last_batch_only(batches):
    return batches[-1].mean(axis=0), batches[-1].var(axis=0, ddof=1)


@mutant(TASK, says="You used only the first batch: the statistics are those of all batches.")
def first_batch_only(batches):
    return batches[0].mean(axis=0), batches[0].var(axis=0, ddof=1)


@mutant(TASK, says="You used the variance of the batches' means. Most of the spread lies within the batches.")
def variance_of_means(batches):
    return pooled(batches).mean(axis=0), np.var(means(batches), axis=0, ddof=1)


@mutant(TASK, says="You returned the standard deviation. The variance is its square.")
def standard_deviation(batches):
    x = pooled(batches)
    return x.mean(axis=0), x.std(axis=0, ddof=1)


@mutant(TASK, says="You returned the pair the other way round: first mean, then var.")
def order_swapped(batches):
    x = pooled(batches)
    return x.var(axis=0, ddof=1), x.mean(axis=0)


@mutant(TASK, says="Your var is the sum of the squared distances: divide by n - 1.")
def sum_for_variance(batches):
    x = pooled(batches)
    return x.mean(axis=0), x.var(axis=0) * len(x)


@mutant(TASK, says="You took one mean and one variance over all features. Each of the C features has its own.")
def whole_array(batches):
    x = pooled(batches)
    return np.full(x.shape[1], x.mean(), x.dtype), np.full(x.shape[1], x.var(ddof=1), x.dtype)


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits: find the mean "
    "first, then the squared distances from it.",
)
def one_pass_variance(batches):
    x = pooled(batches)
    mean, n = x.mean(axis=0), len(x)
    return mean, ((x * x).mean(axis=0) - mean * mean) * (n / (n - 1))
