"""Slips in `standardize(train, test) -> (train_z, test_z)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "standardize"


def scores(x, like, axis=0, ddof=0):
    """Standardize x with the statistics of `like`; a feature without spread is divided by 1."""
    mean, std = like.mean(axis=axis, keepdims=True), like.std(axis=axis, ddof=ddof, keepdims=True)
    return (x - mean) / np.where(std == 0, 1, std)


@mutant(
    TASK,
    says="You standardized the test set with its own mean and deviation. That hides every shift between the two sets, "
    "and lets the test set speak: use the statistics of train for both.",
)
def test_statistics_used(train, test):
    return scores(train, train), scores(test, test)


@mutant(
    TASK,
    says="You took the statistics from both sets together. Then the test set has a say in what the model sees in "
    "training, a leak: only train may be measured.",
)
def pooled_statistics(train, test):
    both = np.concatenate([train, test])
    return scores(train, both), scores(test, both)


@mutant(TASK, says="You subtracted the test set's own mean from it. The mean comes from train, for both results.")
def test_mean_used(train, test):
    return scores(train, train), scores(test - test.mean(axis=0) + train.mean(axis=0), train)


@mutant(TASK, says="You divided test by its own standard deviation. The deviation comes from train, for both results.")
def test_deviation_used(train, test):
    std = test.std(axis=0)
    return scores(train, train), (test - train.mean(axis=0)) / np.where(std == 0, 1, std)


@mutant(TASK, says="You measured both sets with the statistics of test. It is train that may be measured.")
def sets_exchanged(train, test):
    return scores(train, test), scores(test, test)


@mutant(
    TASK,
    says="Your test_z is test, unchanged. Apply the mean and the deviation of train to it (not those of train_z, "
    "which are 0 and 1).",
)
def test_untouched(train, test):
    return scores(train, train), test.copy()


@mutant(
    TASK,
    says="You standardized each sample over its features (axis 1). Each feature has its own mean and deviation, taken "
    "over the N samples: axis 0.",
)
def rows_standardized(train, test):
    return scores(train, train, axis=1), scores(test, test, axis=1)


@mutant(
    TASK,
    says="You took one mean and one deviation over the whole array. Each feature has its own: axis 0.",
)
def whole_array(train, test):
    return scores(train, train, axis=None), scores(test, train, axis=None)


@mutant(
    TASK,
    says="You divided by N - 1 (ddof=1). Here, as in batch normalization, the deviation is taken with 1/N, so that "
    "train_z has mean square 1.",
)
def unbiased_deviation(train, test):
    return scores(train, train, ddof=1), scores(test, train, ddof=1)


@mutant(TASK, says="You divided by the variance. The standard deviation is its root and has the units of the feature.")
def variance_for_deviation(train, test):
    var = train.var(axis=0)
    scale = np.where(var == 0, 1, var)
    return (train - train.mean(axis=0)) / scale, (test - train.mean(axis=0)) / scale


@mutant(
    TASK,
    says="You divided by a standard deviation of 0: a feature that is constant in train gives NaN or infinity. Divide "
    "such a feature by 1.",
)
def constant_divided_by_zero(train, test):
    mean, std = train.mean(axis=0), train.std(axis=0)
    return (train - mean) / std, (test - mean) / std


@mutant(
    TASK,
    says="You added a small number to the deviation. For a feature that is constant in train the division then makes "
    "huge values out of any change in test: divide it by 1.",
)
def tiny_number_added(train, test):
    mean, std = train.mean(axis=0), train.std(axis=0) + 1e-8
    return (train - mean) / std, (test - mean) / std


@mutant(
    TASK,
    says="You divide by 1 wherever the deviation is below 1. Only a feature with deviation exactly 0 is divided by 1; "
    "np.where(std > 0, std, 1) leaves the small ones alone.",
)
def deviation_at_least_one(train, test):
    mean, std = train.mean(axis=0), np.maximum(train.std(axis=0), 1)
    return (train - mean) / std, (test - mean) / std


@mutant(
    TASK,
    says="You set the feature that is constant in train to 0 in test too. Centre it and divide it by 1, so that a "
    "change in test stays visible.",
)
def constant_set_to_zero(train, test):
    varies = train.std(axis=0) > 0
    return np.where(varies, scores(train, train), 0), np.where(varies, scores(test, train), 0).astype(test.dtype)


@mutant(
    TASK,
    says="You left the feature that is constant in train as it is. Centre it as well, and divide it by 1.",
)
def constant_not_centred(train, test):
    varies = train.std(axis=0) > 0
    return np.where(varies, scores(train, train), train), np.where(varies, scores(test, train), test)


@mutant(TASK, says="You did not subtract the mean. Standardized features have mean 0 on train.")
def mean_not_subtracted(train, test):
    std = train.std(axis=0)
    scale = np.where(std == 0, 1, std)
    return train / scale, test / scale


@mutant(TASK, says="You centred the features and did not divide. Standardized features have deviation 1 on train.")
def deviation_not_divided(train, test):
    return train - train.mean(axis=0), test - train.mean(axis=0)


@mutant(TASK, says="You multiplied by the standard deviation. Divide by it.")
def multiplied_by_deviation(train, test):
    mean, std = train.mean(axis=0), train.std(axis=0)
    scale = np.where(std == 0, 1, std)
    return (train - mean) * scale, (test - mean) * scale


@mutant(TASK, says="You subtracted the mean after dividing. It has the units of the feature, so subtract it first.")
def mean_subtracted_late(train, test):
    mean, std = train.mean(axis=0), train.std(axis=0)
    scale = np.where(std == 0, 1, std)
    return train / scale - mean, test / scale - mean


@mutant(
    TASK,
    says="You mapped each feature to the range from 0 to 1. Standardizing means: mean 0 and standard deviation 1 on "
    "train.",
)
def range_scaled(train, test):
    low, width = train.min(axis=0), np.ptp(train, axis=0)
    width = np.where(width == 0, 1, width)
    return (train - low) / width, (test - low) / width


@mutant(TASK, says="You returned the pair the other way round: first train_z, then test_z.")
def order_swapped(train, test):
    return scores(test, train), scores(train, train)


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero two huge numbers nearly cancel, and few "
    "digits of their difference are right: subtract the mean first, then square.",
)
def one_pass_variance(train, test):
    mean = train.mean(axis=0)
    var = (train * train).mean(axis=0) - mean * mean
    scale = np.sqrt(np.where(np.abs(var) < 1e-12, 1, var))
    return (train - mean) / scale, (test - mean) / scale


@mutant(
    TASK,
    says="The parentheses are missing: train - mean / std divides the mean alone. Divide the distance from the mean: "
    "(train - mean) / std.",
)
def mean_alone_divided(train, test):
    mean, std = train.mean(axis=0), train.std(axis=0)
    shift = mean / np.where(std == 0, 1, std)
    return train - shift, test - shift


@mutant(
    TASK,
    says="You took the root of the standard deviation. It is a root already, that of the variance: divide by std.",
)
def root_taken_twice(train, test):
    mean, std = train.mean(axis=0), train.std(axis=0)
    scale = np.sqrt(np.where(std == 0, 1, std))
    return (train - mean) / scale, (test - mean) / scale
