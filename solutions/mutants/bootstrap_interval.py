"""Slips in `bootstrap_interval(values, rng, level=0.95)`."""

import statistics

import numpy as np

from solutions.mutants import mutant

TASK = "bootstrap-interval"


def resamples(values, rng, count=2000):
    return rng.choice(values, size=(count, len(values)))


def ends(statistics, level):
    """The two quantiles, done right."""
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2])
    return low, high


@mutant(
    TASK,
    says="Yours is an interval for the standard deviation. Take the mean of each resample.",
)
def spread_for_mean(values, rng, level=0.95):
    return ends(resamples(values, rng).std(axis=1), level)


@mutant(
    TASK,
    says="You averaged across the resamples, so you have one mean for each place instead of one for each resample. "
    "Take the mean of each resample.",
)
def averaged_over_the_resamples(values, rng, level=0.95):
    return ends(resamples(values, rng).mean(axis=0), level)


@mutant(TASK, says="Yours is an interval for the median. Take the mean of each resample.")
def median_for_mean(values, rng, level=0.95):
    return ends(np.median(resamples(values, rng), axis=1), level)


@mutant(TASK, says="Your interval always has the level 0.95. Compute the two quantiles from `level`.")
def level_ignored(values, rng, level=0.95):
    return ends(resamples(values, rng).mean(axis=1), 0.95)


@mutant(
    TASK,
    says="You left out the share 1 - level at each end. That is the share of both ends together: leave out (1 - "
    "level) / 2 at each.",
)
def tails_too_large(values, rng, level=0.95):
    low, high = np.quantile(resamples(values, rng).mean(axis=1), sorted([1 - level, level]))
    return low, high


@mutant(
    TASK,
    says="You mixed up two functions: np.percentile takes percentages from 0 to 100, np.quantile shares from 0 to 1.",
)
def shares_as_percent(values, rng, level=0.95):
    low, high = np.percentile(resamples(values, rng).mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return low, high


@mutant(
    TASK,
    says="You drew without replacement: each resample is then the same values in another order, and all means are "
    "equal. Draw with replacement.",
)
def without_replacement(values, rng, level=0.95):
    return ends(np.array([rng.permutation(values).mean() for _ in range(2000)]), level)


@mutant(
    TASK,
    says="Your interval does not change with rng. Draw the resamples from the given generator.",
)
def rng_ignored(values, rng, level=0.95):
    return ends(resamples(values, np.random.default_rng(0)).mean(axis=1), level)


@mutant(
    TASK,
    says="The same generator gives two different intervals. Draw from the given rng, not from a new or a global one, "
    "or nobody can repeat your result.",
)
def fresh_generator(values, rng, level=0.95):
    return ends(resamples(values, np.random.default_rng()).mean(axis=1), level)


@mutant(
    TASK,
    says="Your interval holds the middle of the values themselves, not of their mean. Average each resample first; "
    "means vary less than single values.",
)
def quantiles_of_the_values(values, rng, level=0.95):
    return ends(resamples(values, rng).ravel(), level)


@mutant(TASK, says="Your resamples are larger than the data. Draw n values, as many as there are, for each resample.")
def resamples_too_large(values, rng, level=0.95):
    return ends(rng.choice(values, size=(2000, 10 * len(values))).mean(axis=1), level)


@mutant(TASK, says="Your resamples have two values each. Draw n values, as many as there are, for each resample.")
def resamples_too_small(values, rng, level=0.95):
    return ends(rng.choice(values, size=(2000, 2)).mean(axis=1), level)


@mutant(TASK, says="You returned (high, low). The lower end comes first.")
def ends_exchanged(values, rng, level=0.95):
    low, high = ends(resamples(values, rng).mean(axis=1), level)
    return high, low


@mutant(
    TASK,
    says="You took the smallest and the largest resampled mean. The interval leaves (1 - level) / 2 of them out at "
    "each end.",
)
def all_the_means(values, rng, level=0.95):
    means = resamples(values, rng).mean(axis=1)
    return means.min(), means.max()


@mutant(
    TASK,
    says="Your interval is one-sided: all that is left out lies at one end. Leave out (1 - level) / 2 of the means at "
    "each end.",
)
def one_sided(values, rng, level=0.95):
    means = resamples(values, rng).mean(axis=1)
    return np.quantile(means, 1 - level), means.max()


@mutant(
    TASK,
    says="You returned distances from the mean. Return the ends of the interval themselves.",
)
def distances_for_ends(values, rng, level=0.95):
    low, high = ends(resamples(values, rng).mean(axis=1), level)
    return low - values.mean(), high - values.mean()


@mutant(
    TASK,
    says="Each of your resamples has 2000 values, so its mean varies too little. A resample has as many values as "
    "there are, n; 2000 is the number of resamples.",
)
def resamples_of_two_thousand(values, rng, level=0.95):
    return ends(rng.choice(values, size=(2000, 2000)).mean(axis=1), level)


@mutant(
    TASK,
    says="Your means come from a normal distribution. Draw resamples of the values themselves: where the values are "
    "skewed, their means are too.",
)
def drawn_from_a_normal(values, rng, level=0.95):
    return ends(rng.normal(values.mean(), values.std() / np.sqrt(len(values)), size=2000), level)


@mutant(
    TASK,
    says="You took the mean plus and minus a multiple of the standard error, as for a normal distribution. Take "
    "quantiles of the resampled means.",
)
def standard_errors(values, rng, level=0.95):
    far = statistics.NormalDist().inv_cdf((1 + level) / 2) * values.std() / np.sqrt(len(values))
    return values.mean() - far, values.mean() + far


@mutant(
    TASK,
    says="You reflected the quantiles at the mean, which gives the basic bootstrap interval. Return the quantiles as "
    "they are.",
)
def reflected(values, rng, level=0.95):
    low, high = ends(resamples(values, rng).mean(axis=1), level)
    return 2 * values.mean() - high, 2 * values.mean() - low
