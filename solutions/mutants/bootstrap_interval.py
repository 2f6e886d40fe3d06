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
    says="Your interval is one for the standard deviation. Take the mean of each resample.",
)
def spread_for_mean(values, rng, level=0.95):
    return ends(resamples(values, rng).std(axis=1), level)


@mutant(
    TASK,
    says="Your means run over the resamples, not over the values of each: there are as many of them as values. Take "
    "the mean of each resample.",
)
def averaged_over_the_resamples(values, rng, level=0.95):
    return ends(resamples(values, rng).mean(axis=0), level)


@mutant(TASK, says="Your interval is one for the median. Take the mean of each resample.")
def median_for_mean(values, rng, level=0.95):
    return ends(np.median(resamples(values, rng), axis=1), level)


@mutant(TASK, says="Your interval always has the level 0.95. Compute the two quantiles from `level`.")
def level_ignored(values, rng, level=0.95):
    return ends(resamples(values, rng).mean(axis=1), 0.95)


@mutant(
    TASK,
    says="You left 1 - level out at each end. That share is for both ends together: each gets (1 - level) / 2.",
)
def tails_too_large(values, rng, level=0.95):
    low, high = np.quantile(resamples(values, rng).mean(axis=1), sorted([1 - level, level]))
    return low, high


@mutant(
    TASK,
    says="Your quantiles are in the unit of the other function: np.percentile wants per cent, np.quantile shares "
    "between 0 and 1.",
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
    says="Your interval does not change with rng. Draw the resamples from the generator that is given.",
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


@mutant(TASK, says="Your resamples are larger than the data. Draw as many values as there are, n, for each resample.")
def resamples_too_large(values, rng, level=0.95):
    return ends(rng.choice(values, size=(2000, 10 * len(values))).mean(axis=1), level)


@mutant(TASK, says="Your resamples have two values each. Draw as many as there are, n, for each resample.")
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
    says="Your interval is one-sided: all that level leaves out lies at one end. Leave out (1 - level) / 2 at each.",
)
def one_sided(values, rng, level=0.95):
    means = resamples(values, rng).mean(axis=1)
    return np.quantile(means, 1 - level), means.max()


@mutant(
    TASK,
    says="You returned the distances from the mean. Asked for are the ends themselves, in the unit of the values.",
)
def distances_for_ends(values, rng, level=0.95):
    low, high = ends(resamples(values, rng).mean(axis=1), level)
    return low - values.mean(), high - values.mean()


@mutant(
    TASK,
    says="Each of your resamples has 2000 values, so its mean moves too little. A resample is as large as the values "
    "are many; 2000 is the number of resamples.",
)
def resamples_of_two_thousand(values, rng, level=0.95):
    return ends(rng.choice(values, size=(2000, 2000)).mean(axis=1), level)


@mutant(
    TASK,
    says="Your means come from a normal distribution. Draw resamples of the values themselves: their means lean to one "
    "side where the values do.",
)
def drawn_from_a_normal(values, rng, level=0.95):
    return ends(rng.normal(values.mean(), values.std() / np.sqrt(len(values)), size=2000), level)


@mutant(
    TASK,
    says="You took the mean plus and minus a multiple of the standard error, as a normal distribution has it. Asked "
    "for are quantiles of resampled means.",
)
def standard_errors(values, rng, level=0.95):
    far = statistics.NormalDist().inv_cdf((1 + level) / 2) * values.std() / np.sqrt(len(values))
    return values.mean() - far, values.mean() + far


@mutant(
    TASK,
    says="You reflected the quantiles at the mean, which is the basic bootstrap interval. Asked for are the quantiles "
    "as they are.",
)
def reflected(values, rng, level=0.95):
    low, high = ends(resamples(values, rng).mean(axis=1), level)
    return 2 * values.mean() - high, 2 * values.mean() - low
