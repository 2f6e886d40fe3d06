"""Slips in `wasserstein_drift(a, b) -> (C,)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "wasserstein-drift"


def gaps(a, b):
    """How far each grain travels: differences of the sorted columns."""
    return np.sort(a, axis=0) - np.sort(b, axis=0)


@mutant(
    TASK,
    says="You compared row n of a with row n of b. The order of the samples carries no meaning: sort each column of "
    "both first.",
)
def not_sorted(a, b):
    return np.abs(a - b).mean(axis=0)


@mutant(
    TASK,
    says="You compared the means only. Two distributions with the same mean can still differ in width and form: "
    "average the distances, not the samples.",
)
def means_only(a, b):
    return np.abs(a.mean(axis=0) - b.mean(axis=0))


@mutant(
    TASK,
    says="You compared standard deviations. The distance takes in centre, width and form: compare the sorted samples.",
)
def deviations_only(a, b):
    return np.abs(a.std(axis=0) - b.std(axis=0))


@mutant(
    TASK,
    says="You sorted and averaged over the whole array. Each feature has a distribution of its own, and its own "
    "distance: axis 0.",
)
def whole_array(a, b):
    one = np.abs(np.sort(a, axis=None) - np.sort(b, axis=None)).mean()
    return np.full(a.shape[1], one)


@mutant(
    TASK,
    says="You sorted within each sample (axis 1, NumPy's default is the last axis). Sort each feature over the "
    "samples: axis 0.",
)
def sorted_within_samples(a, b):
    return np.abs(np.sort(a, axis=1) - np.sort(b, axis=1)).mean(axis=0)


@mutant(TASK, says="You averaged over the features. Average over the N samples, so that C distances remain.")
def averaged_over_features(a, b):
    return np.abs(gaps(a, b)).mean(axis=1)


@mutant(TASK, says="You sorted a and not b. Both have to be sorted, so that the smallest meets the smallest.")
def only_first_sorted(a, b):
    return np.abs(np.sort(a, axis=0) - b).mean(axis=0)


@mutant(
    TASK,
    says="You sorted b downwards. The cheapest plan sends the smallest to the smallest; yours is the most costly.",
)
def sorted_against(a, b):
    return np.abs(np.sort(a, axis=0) - np.sort(b, axis=0)[::-1]).mean(axis=0)


@mutant(TASK, says="You averaged the squares. The Wasserstein-1 distance averages the absolute differences.")
def squares_averaged(a, b):
    return (gaps(a, b) ** 2).mean(axis=0)


@mutant(
    TASK,
    says="You took the root of the mean square: that is the Wasserstein-2 distance. Wasserstein-1 averages the "
    "absolute differences.",
)
def wasserstein_two(a, b):
    return np.sqrt((gaps(a, b) ** 2).mean(axis=0))


@mutant(TASK, says="You summed the distances. Divide by N: each sample carries 1/N of the mass.")
def sum_for_mean(a, b):
    return np.abs(gaps(a, b)).sum(axis=0)


@mutant(
    TASK,
    says="You averaged with the sign, so moves up and moves down cancel and only the difference of the means is left. "
    "Take absolute values first.",
)
def sign_kept(a, b):
    return gaps(a, b).mean(axis=0)


@mutant(TASK, says="You took the largest distance that any sample travels. The result is the mean over all samples.")
def longest_way(a, b):
    return np.abs(gaps(a, b)).max(axis=0)


@mutant(
    TASK,
    says="You took the median of the distances that the samples travel. The result is their mean: every sample counts.",
)
def median_way(a, b):
    return np.median(np.abs(gaps(a, b)), axis=0)


@mutant(
    TASK,
    says="You divided by the standard deviation of a. That is a sensible second number, but the distance asked for "
    "has the units of the feature.",
)
def divided_by_deviation(a, b):
    return np.abs(gaps(a, b)).mean(axis=0) / a.std(axis=0)


@mutant(
    TASK,
    says="You centred both batches first, so a shift does not count. The distance compares them as they are.",
)
def centred_first(a, b):
    return np.abs(gaps(a - a.mean(axis=0), b - b.mean(axis=0))).mean(axis=0)


@mutant(TASK, says="You divided by the number of features. The mean runs over the N samples.")
def features_for_samples(a, b):
    return np.abs(gaps(a, b)).sum(axis=0) / a.shape[1]


@mutant(
    TASK,
    says="You averaged the distances between all pairs of samples. That is not 0 for equal batches; pair the sorted "
    "samples one to one.",
)
def all_pairs(a, b):
    return np.abs(a[:, None, :] - b[None, :, :]).mean(axis=(0, 1))


@mutant(
    TASK,
    says="You compared places, not activations: np.argsort gives the order as indices. np.sort gives the values in "
    "that order.",
)
def places_compared(a, b):
    return np.abs(np.argsort(a, axis=0, kind="stable") - np.argsort(b, axis=0, kind="stable")).mean(axis=0)


@mutant(TASK, says="You divided by N - 1. The distance is a plain mean over the N pairs.")
def divided_by_one_less(a, b):
    return np.abs(gaps(a, b)).sum(axis=0) / (len(a) - 1)
