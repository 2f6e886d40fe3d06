"""Slips in `update_running(running_mean, running_var, x, momentum=0.1) -> (running_mean, running_var)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "forward-running"


def blend(old, new, weight):
    """The weighted average, done right."""
    return (1 - weight) * old + weight * new


def spread(x, axis=0):
    """The unbiased variance; a single sample is refused."""
    if len(x) < 2:
        raise ValueError("one sample has no unbiased variance")
    return x.var(axis=axis, ddof=1)


@mutant(
    TASK,
    says="Your momentum is the weight of the old value. Here, as in PyTorch, it is the weight of the NEW batch: (1 -"
    " momentum) * running + momentum * batch.",
)
def momentum_flipped(running_mean, running_var, x, momentum=0.1):
    return blend(x.mean(axis=0), running_mean, momentum), blend(spread(x), running_var, momentum)


@mutant(
    TASK,
    says="You stored the biased variance. The running variance speaks for the whole population, so a batch of N "
    "brings in N/(N-1) times its own.",
)
def biased_variance_stored(running_mean, running_var, x, momentum=0.1):
    spread(x)
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, x.var(axis=0), momentum)


@mutant(TASK, says="You returned the old values: the batch has to come in with weight momentum.")
def never_updated(running_mean, running_var, x, momentum=0.1):
    spread(x)
    return running_mean.copy(), running_var.copy()


@mutant(
    TASK,
    says="You returned the statistics of this batch alone. What was known before keeps the weight 1 - momentum.",
)
def overwritten(running_mean, running_var, x, momentum=0.1):
    return x.mean(axis=0), spread(x)


@mutant(TASK, says="You used 0.1 whatever momentum was given. Use the argument.")
def momentum_ignored(running_mean, running_var, x, momentum=0.1):
    return blend(running_mean, x.mean(axis=0), 0.1), blend(running_var, spread(x), 0.1)


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits: subtract the "
    "mean first, then square.",
)
def one_pass_variance(running_mean, running_var, x, momentum=0.1):
    spread(x)
    mu, n = x.mean(axis=0), len(x)
    var = ((x * x).mean(axis=0) - mu * mu) * (n / (n - 1))
    return blend(running_mean, mu, momentum), blend(running_var, var, momentum)


@mutant(
    TASK,
    says="You added the batch to the old value without making room for it: the old value keeps the weight 1 - "
    "momentum, so that the weights sum to 1.",
)
def old_value_kept_whole(running_mean, running_var, x, momentum=0.1):
    return running_mean + momentum * x.mean(axis=0), running_var + momentum * spread(x)


@mutant(TASK, says="You updated the variance and forgot the mean.")
def mean_not_updated(running_mean, running_var, x, momentum=0.1):
    return running_mean.copy(), blend(running_var, spread(x), momentum)


@mutant(TASK, says="You updated the mean and forgot the variance.")
def variance_not_updated(running_mean, running_var, x, momentum=0.1):
    spread(x)
    return blend(running_mean, x.mean(axis=0), momentum), running_var.copy()


@mutant(TASK, says="You mixed in the standard deviation. running_var is a variance: no root.")
def standard_deviation_stored(running_mean, running_var, x, momentum=0.1):
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, np.sqrt(spread(x)), momentum)


@mutant(
    TASK,
    says="You corrected twice. One factor N/(N-1) turns the biased variance into the unbiased one; with ddof=1 it is "
    "already included.",
)
def corrected_twice(running_mean, running_var, x, momentum=0.1):
    n = len(x)
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, spread(x) * n / max(n - 1, 1), momentum)


@mutant(
    TASK,
    says="Your correction is upside down: the unbiased variance is larger than the biased one, so the factor is "
    "N/(N-1).",
)
def correction_upside_down(running_mean, running_var, x, momentum=0.1):
    spread(x)
    var = x.var(axis=0) * ((len(x) - 1) / len(x))
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, var, momentum)


@mutant(
    TASK,
    says="You corrected the mixture. The factor N/(N-1) belongs to the variance of this batch alone; the old running "
    "value has been corrected already.",
)
def mixture_corrected(running_mean, running_var, x, momentum=0.1):
    spread(x)
    mixed = blend(running_var, x.var(axis=0), momentum)
    return blend(running_mean, x.mean(axis=0), momentum), mixed * (len(x) / (len(x) - 1))


@mutant(TASK, says="You used the number of features for N. N is the number of samples, the length of axis 0.")
def features_for_samples(running_mean, running_var, x, momentum=0.1):
    spread(x)
    n = x.shape[1]
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, x.var(axis=0) * (n / (n - 1)), momentum)


@mutant(
    TASK,
    says="You measured the spread around the running mean. The variance of a batch is taken around its own mean.",
)
def spread_around_running_mean(running_mean, running_var, x, momentum=0.1):
    spread(x)
    var = ((x - running_mean) ** 2).sum(axis=0) / (len(x) - 1)
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, var, momentum)


@mutant(
    TASK,
    says="You measured the spread around the running mean that you had computed a line before. The variance of a batch "
    "is taken around the mean of the batch: give the two means two names.",
)
def spread_around_new_running_mean(running_mean, running_var, x, momentum=0.1):
    spread(x)
    mean = blend(running_mean, x.mean(axis=0), momentum)
    return mean, blend(running_var, ((x - mean) ** 2).sum(axis=0) / (len(x) - 1), momentum)


@mutant(
    TASK,
    says="The old values are missing: you returned momentum * batch alone. They keep the weight 1 - momentum.",
)
def old_value_left_out(running_mean, running_var, x, momentum=0.1):
    return momentum * x.mean(axis=0), momentum * spread(x)


@mutant(TASK, says="You returned the pair the other way round: first running_mean, then running_var.")
def order_swapped(running_mean, running_var, x, momentum=0.1):
    return blend(running_var, spread(x), momentum), blend(running_mean, x.mean(axis=0), momentum)


@mutant(
    TASK,
    says="A single sample has no unbiased variance (its N - 1 is 0), so NaN went into the running variance and would"
    " stay there. Raise a ValueError before you divide.",
)
def single_sample_gives_nan(running_mean, running_var, x, momentum=0.1):
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, x.var(axis=0, ddof=1), momentum)


@mutant(TASK, says="For a single sample N - 1 is 0, and your division failed. Check N first, and raise a ValueError.")
def single_sample_divides_by_zero(running_mean, running_var, x, momentum=0.1):
    factor = len(x) / (len(x) - 1)
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, x.var(axis=0) * factor, momentum)


@mutant(
    TASK,
    says="You accepted a batch of one sample, and its spread of 0 went into the running variance. Raise a ValueError: "
    "one sample says nothing about spread.",
)
def single_sample_counts_as_zero(running_mean, running_var, x, momentum=0.1):
    var = x.var(axis=0) * (len(x) / max(len(x) - 1, 1))
    return blend(running_mean, x.mean(axis=0), momentum), blend(running_var, var, momentum)


@mutant(
    TASK,
    says="You took one mean and one variance over the whole batch. Each feature has its own: axis 0.",
)
def whole_array(running_mean, running_var, x, momentum=0.1):
    spread(x)
    return blend(running_mean, x.mean(), momentum), blend(running_var, x.var(ddof=1), momentum)


@mutant(
    TASK,
    says="The parentheses are missing: 1 - momentum * running subtracts from the number 1. The old value has the "
    "weight (1 - momentum).",
)
def weight_without_parentheses(running_mean, running_var, x, momentum=0.1):
    mean, var = 1 - momentum * running_mean, 1 - momentum * running_var
    return mean + momentum * x.mean(axis=0), var + momentum * spread(x)


@mutant(
    TASK,
    says="Your momentum is right for the mean and reversed for the variance. Both give the NEW batch the weight "
    "momentum.",
)
def momentum_flipped_for_variance(running_mean, running_var, x, momentum=0.1):
    return blend(running_mean, x.mean(axis=0), momentum), blend(spread(x), running_var, momentum)
