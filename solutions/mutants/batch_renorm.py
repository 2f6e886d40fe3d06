"""Slips in `batch_renorm(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5) -> y`."""

import numpy as np

from solutions.mutants import mutant

TASK = "batch-renorm"


def widths(x, running_var, eps):
    """The standard deviations of batch and population, done right."""
    return np.sqrt(x.var(axis=0) + eps), np.sqrt(running_var + eps)


def limited_r(r, r_max):
    return np.clip(r, 1 / r_max, r_max)


def limited_d(d, d_max):
    return np.clip(d, -d_max, d_max)


def corrections(x, running_mean, running_var, r_max, d_max, eps):
    """r and d, done right."""
    batch_std, std = widths(x, running_var, eps)
    return limited_r(batch_std / std, r_max), limited_d((x.mean(axis=0) - running_mean) / std, d_max)


def normalized(x, eps):
    """x_hat of training, done right."""
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)


def finish(x, gamma, beta, r, d, eps):
    """The last line, done right."""
    return gamma * (normalized(x, eps) * r + d) + beta


def with_statistics(x, gamma, beta, batch_std, std, running_mean, r_max, d_max):
    """All done right, but for the two standard deviations."""
    mean = x.mean(axis=0)
    r, d = limited_r(batch_std / std, r_max), limited_d((mean - running_mean) / std, d_max)
    return gamma * ((x - mean) / batch_std * r + d) + beta


@mutant(TASK, says="You exchanged r and d: r multiplies x_hat, d is added.")
def r_and_d_swapped(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, d = corrections(x, running_mean, running_var, r_max, d_max, eps)
    return finish(x, gamma, beta, d, r, eps)


@mutant(TASK, says="You did not limit r. It stays between 1 / r_max and r_max.")
def r_not_clipped(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    _, d = corrections(x, running_mean, running_var, r_max, d_max, eps)
    batch_std, std = widths(x, running_var, eps)
    return finish(x, gamma, beta, batch_std / std, d, eps)


@mutant(TASK, says="You did not limit d. It stays between -d_max and d_max.")
def d_not_clipped(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, _ = corrections(x, running_mean, running_var, r_max, d_max, eps)
    return finish(x, gamma, beta, r, (x.mean(axis=0) - running_mean) / widths(x, running_var, eps)[1], eps)


@mutant(
    TASK,
    says="You limited neither r nor d, and so computed the transform of evaluation. r stays between 1 / r_max and "
    "r_max, d between -d_max and d_max.",
)
def nothing_clipped(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    return gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta


@mutant(
    TASK,
    says="You returned the transform of training. r and d correct it towards the one of evaluation, as far as r_max "
    "and d_max allow.",
)
def corrections_missing(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    return finish(x, gamma, beta, 1, 0, eps)


@mutant(
    TASK, says="You forgot r: x_hat is multiplied by the limited ratio of the standard deviations, then d is added."
)
def r_missing(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    return finish(x, gamma, beta, 1, corrections(x, running_mean, running_var, r_max, d_max, eps)[1], eps)


@mutant(TASK, says="You forgot d: the limited distance of the means is added to x_hat * r.")
def d_missing(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    return finish(x, gamma, beta, corrections(x, running_mean, running_var, r_max, d_max, eps)[0], 0, eps)


@mutant(
    TASK,
    says="The lower limit of your r is too low to act, for r is never negative. A factor of 1/2 is as far from 1 as a "
    "factor of 2: the limits are 1 / r_max and r_max.",
)
def r_clipped_at_zero(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    batch_std, std = widths(x, running_var, eps)
    d = corrections(x, running_mean, running_var, r_max, d_max, eps)[1]
    return finish(x, gamma, beta, np.clip(batch_std / std, 0, r_max), d, eps)


@mutant(
    TASK,
    says="You kept r from falling below 1. The population may be wider than the batch: the limits are 1 / r_max and "
    "r_max.",
)
def r_clipped_at_one(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    batch_std, std = widths(x, running_var, eps)
    d = corrections(x, running_mean, running_var, r_max, d_max, eps)[1]
    return finish(x, gamma, beta, np.clip(batch_std / std, 1, r_max), d, eps)


@mutant(
    TASK,
    says="You kept d from falling below 0. The batch may lie on either side of the population: the limits are -d_max "
    "and d_max.",
)
def d_clipped_at_zero(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r = corrections(x, running_mean, running_var, r_max, d_max, eps)[0]
    d = np.clip((x.mean(axis=0) - running_mean) / widths(x, running_var, eps)[1], 0, d_max)
    return finish(x, gamma, beta, r, d, eps)


@mutant(TASK, says="You limited d from above only: the limits are -d_max and d_max.")
def d_clipped_above_only(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r = corrections(x, running_mean, running_var, r_max, d_max, eps)[0]
    d = np.minimum((x.mean(axis=0) - running_mean) / widths(x, running_var, eps)[1], d_max)
    return finish(x, gamma, beta, r, d, eps)


@mutant(TASK, says="You exchanged the limits: r_max is the limit of r, d_max that of d.")
def limits_exchanged(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, d = corrections(x, running_mean, running_var, d_max, r_max, eps)
    return finish(x, gamma, beta, r, d, eps)


@mutant(
    TASK,
    says="You divided the distance of the means by the standard deviation of the batch. d is measured in units of the "
    "population: sqrt(running_var + eps).",
)
def d_divided_by_batch_std(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r = corrections(x, running_mean, running_var, r_max, d_max, eps)[0]
    d = limited_d((x.mean(axis=0) - running_mean) / widths(x, running_var, eps)[0], d_max)
    return finish(x, gamma, beta, r, d, eps)


@mutant(TASK, says="You did not divide the distance of the means: d is in units of sqrt(running_var + eps).")
def d_not_divided(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r = corrections(x, running_mean, running_var, r_max, d_max, eps)[0]
    return finish(x, gamma, beta, r, limited_d(x.mean(axis=0) - running_mean, d_max), eps)


@mutant(
    TASK,
    says="Your r is upside down. It is the batch's standard deviation over that of the population, and x_hat is "
    "multiplied by it.",
)
def r_upside_down(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, d = corrections(x, running_mean, running_var, r_max, d_max, eps)
    return finish(x, gamma, beta, 1 / r, d, eps)


@mutant(TASK, says="The sign of your d is reversed: it is the mean of the batch minus running_mean, and it is added.")
def d_sign_flipped(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, d = corrections(x, running_mean, running_var, r_max, d_max, eps)
    return finish(x, gamma, beta, r, -d, eps)


@mutant(TASK, says="Your r is a ratio of variances. Take the root of both: r is a ratio of standard deviations.")
def ratio_of_variances(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    d = corrections(x, running_mean, running_var, r_max, d_max, eps)[1]
    r = limited_r((x.var(axis=0) + eps) / (running_var + eps), r_max)
    return finish(x, gamma, beta, r, d, eps)


@mutant(TASK, says="You added d before multiplying by r. First x_hat * r, then + d.")
def d_before_r(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, d = corrections(x, running_mean, running_var, r_max, d_max, eps)
    return finish(x, gamma, beta, r, d * r, eps)


@mutant(TASK, says="You added d after gamma. It corrects x_hat, so gamma multiplies it too: gamma * (x_hat * r + d).")
def d_outside_gamma(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, d = corrections(x, running_mean, running_var, r_max, d_max, eps)
    return finish(x, gamma, beta + d, r, 0, eps)


@mutant(
    TASK,
    says="You corrected the x_hat of evaluation. Start from that of the batch: x_hat = (x - mean of the batch) / "
    "sqrt(var of the batch + eps).",
)
def evaluation_corrected(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, d = corrections(x, running_mean, running_var, r_max, d_max, eps)
    return gamma * ((x - running_mean) / np.sqrt(running_var + eps) * r + d) + beta


@mutant(TASK, says="You divided by N - 1. x_hat of training uses the biased variance, and so does r.")
def unbiased_variance(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    batch_std = np.sqrt(x.var(axis=0, ddof=1) + eps)
    return with_statistics(x, gamma, beta, batch_std, widths(x, running_var, eps)[1], running_mean, r_max, d_max)


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits: subtract the "
    "mean first, then square.",
)
def one_pass_variance(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    batch_std = np.sqrt((x * x).mean(axis=0) - x.mean(axis=0) ** 2 + eps)
    return with_statistics(x, gamma, beta, batch_std, np.sqrt(running_var + eps), running_mean, r_max, d_max)


@mutant(
    TASK,
    says="eps is missing in the population's standard deviation: only with sqrt(running_var + eps) is the result "
    "exactly that of evaluation where no limit acts.",
)
def eps_missing_in_population(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    batch_std, _ = widths(x, running_var, eps)
    return with_statistics(x, gamma, beta, batch_std, np.sqrt(running_var), running_mean, r_max, d_max)


@mutant(TASK, says="eps is missing in the batch's standard deviation: it is sqrt(var + eps).")
def eps_missing_in_batch(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    _, std = widths(x, running_var, eps)
    return with_statistics(x, gamma, beta, x.std(axis=0), std, running_mean, r_max, d_max)


@mutant(TASK, says="You left eps out: both standard deviations are sqrt(variance + eps).")
def eps_missing(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    return with_statistics(x, gamma, beta, x.std(axis=0), np.sqrt(running_var), running_mean, r_max, d_max)


@mutant(TASK, says="You added eps after the roots. It belongs inside: sqrt(variance + eps), for both.")
def eps_outside_sqrt(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    batch_std, std = x.std(axis=0) + eps, np.sqrt(running_var) + eps
    return with_statistics(x, gamma, beta, batch_std, std, running_mean, r_max, d_max)


@mutant(TASK, says="You forgot gamma: y is gamma * (x_hat * r + d) + beta.")
def gamma_forgotten(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    return finish(x, 1, beta, *corrections(x, running_mean, running_var, r_max, d_max, eps), eps)


@mutant(TASK, says="You forgot beta: y is gamma * (x_hat * r + d) + beta.")
def beta_forgotten(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    return finish(x, gamma, 0, *corrections(x, running_mean, running_var, r_max, d_max, eps), eps)


@mutant(TASK, says="You returned x_hat * r + d: gamma and beta are still to come, y is gamma * (...) + beta.")
def gamma_and_beta_forgotten(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    return finish(x, 1, 0, *corrections(x, running_mean, running_var, r_max, d_max, eps), eps)


@mutant(
    TASK,
    says="You took the batch's statistics over the features of each sample, axis 1. Each feature has its own mean and "
    "variance, over the samples: axis 0.",
)
def features_of_a_sample(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    batch_std, std = np.sqrt(x.var(axis=1, keepdims=True) + eps), np.sqrt(running_var + eps)
    mean = x.mean(axis=1, keepdims=True)
    r, d = limited_r(batch_std / std, r_max), limited_d((mean - running_mean) / std, d_max)
    return gamma * ((x - mean) / batch_std * r + d) + beta


@mutant(
    TASK,
    says="You subtracted running_mean from x. x_hat is centred with the mean of the batch; d alone moves it towards "
    "the population.",
)
def centred_on_running_mean(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    r, d = corrections(x, running_mean, running_var, r_max, d_max, eps)
    return gamma * ((x - running_mean) / np.sqrt(x.var(axis=0) + eps) * r + d) + beta
