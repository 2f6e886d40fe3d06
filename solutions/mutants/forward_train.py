"""Slips in `batchnorm_train(x, gamma, beta, eps=1e-5) -> (y, (x_hat, inv_std, gamma))`."""

import numpy as np

from solutions.mutants import mutant

TASK = "forward-train"


def finish(x, gamma, beta, mu, inv_std):
    """The last two lines, done right."""
    x_hat = (x - mu) * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)


def inverse_root(x, eps):
    """inv_std, done right."""
    return 1 / np.sqrt(x.var(axis=0) + eps)


@mutant(
    TASK,
    says="You took the statistics along the features of each sample (axis 1). Batch normalization takes them for "
    "each feature over the samples: axis 0.",
)
def wrong_axis(x, gamma, beta, eps=1e-5):
    mu, inv_std = x.mean(axis=1), 1 / np.sqrt(x.var(axis=1) + eps)
    x_hat = (x - mu[:, None]) * inv_std[:, None]
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="The parentheses are missing: x - mu / sqrt(var + eps) divides the mean alone. Divide the distance from the "
    "mean: (x - mu) / sqrt(var + eps).",
)
def mean_alone_divided(x, gamma, beta, eps=1e-5):
    inv_std = inverse_root(x, eps)
    x_hat = x - x.mean(axis=0) * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)


@mutant(TASK, says="You divided by N - 1: training normalizes with 1/N. Only the running variance is corrected.")
def unbiased_variance(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), 1 / np.sqrt(x.var(axis=0, ddof=1) + eps))


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits and can turn "
    "negative: subtract the mean first, then square.",
)
def one_pass_variance(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    return finish(x, gamma, beta, mu, 1 / np.sqrt((x * x).mean(axis=0) - mu * mu + eps))


@mutant(TASK, says="You added eps after the root: sqrt(var) + eps. It belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), 1 / (x.std(axis=0) + eps))


@mutant(TASK, says="You left eps out: inv_std is 1 / sqrt(var + eps). Without it a constant feature divides by zero.")
def eps_missing(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), 1 / x.std(axis=0))


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, 1e-5))


@mutant(TASK, says="You subtracted eps from the variance. It is added, so that the root can never meet a zero.")
def eps_subtracted(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, -eps))


@mutant(
    TASK,
    says="You divided by var + eps without the root. The standard deviation, sqrt(var + eps), has the units of x.",
)
def sqrt_missing(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), 1 / (x.var(axis=0) + eps))


@mutant(TASK, says="You took one mean and one variance over the whole array. Each of the C features has its own.")
def whole_array(x, gamma, beta, eps=1e-5):
    inv_std = np.full(x.shape[1], 1 / np.sqrt(x.var() + eps), x.dtype)
    return finish(x, gamma, beta, x.mean(), inv_std)


@mutant(TASK, says="You did not subtract the mean: x_hat is (x - mu) * inv_std.")
def mean_not_subtracted(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, 0, inverse_root(x, eps))


@mutant(
    TASK,
    says="You multiplied by the standard deviation. Divide by it, or multiply by inv_std, so that the spread becomes"
    " 1.",
)
def multiplied_by_std(x, gamma, beta, eps=1e-5):
    inv_std = inverse_root(x, eps)
    x_hat = (x - x.mean(axis=0)) / inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta.")
def gamma_forgotten(x, gamma, beta, eps=1e-5):
    _, cache = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return cache[0] + beta, cache


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta.")
def beta_forgotten(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, 0 * beta, x.mean(axis=0), inverse_root(x, eps))


@mutant(TASK, says="You returned x_hat as y: gamma and beta are still to come, y is gamma * x_hat + beta.")
def gamma_and_beta_forgotten(x, gamma, beta, eps=1e-5):
    _, cache = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return cache[0].copy(), cache


@mutant(TASK, says="You exchanged gamma and beta: gamma scales, beta shifts.")
def gamma_and_beta_swapped(x, gamma, beta, eps=1e-5):
    _, cache = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return beta * cache[0] + gamma, cache


@mutant(TASK, says="You added beta before multiplying by gamma. First scale, then shift: gamma * x_hat + beta.")
def beta_before_gamma(x, gamma, beta, eps=1e-5):
    _, cache = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return gamma * (cache[0] + beta), cache


@mutant(
    TASK,
    says="Your cache holds the standard deviation. Store inv_std = 1 / sqrt(var + eps): the backward pass multiplies"
    " by it.",
)
def std_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return y, (x_hat, 1 / inv_std, gamma)


@mutant(
    TASK,
    says="Your cache holds the variance. Store inv_std = 1 / sqrt(var + eps): the backward pass multiplies by it.",
)
def var_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, _, _) = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return y, (x_hat, x.var(axis=0), gamma)


@mutant(
    TASK,
    says="Your cache holds x. Store x_hat, the normalized batch: the backward pass needs nothing else of x.",
)
def x_in_cache(x, gamma, beta, eps=1e-5):
    y, (_, inv_std, _) = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return y, (x.copy(), inv_std, gamma)


@mutant(TASK, says="Your cache holds x - mu. Store x_hat, which is also divided by the standard deviation.")
def centred_in_cache(x, gamma, beta, eps=1e-5):
    y, (_, inv_std, _) = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return y, (x - x.mean(axis=0), inv_std, gamma)


@mutant(TASK, says="Your cache holds y where x_hat belongs. x_hat is the batch before gamma and beta.")
def y_in_cache(x, gamma, beta, eps=1e-5):
    y, (_, inv_std, _) = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return y, (y.copy(), inv_std, gamma)


@mutant(TASK, says="Your cache ends with beta. The backward pass needs gamma; beta does not occur in any gradient.")
def beta_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = finish(x, gamma, beta, x.mean(axis=0), inverse_root(x, eps))
    return y, (x_hat, inv_std, beta)


@mutant(
    TASK,
    says="You took one variance over the whole array, x.var(). Each of the C features has its own: axis 0.",
)
def one_variance_for_all(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), np.full(x.shape[1], 1 / np.sqrt(x.var() + eps), x.dtype))


@mutant(
    TASK,
    says="You added eps to the finished fraction: 1 / sqrt(var) + eps. It belongs under the root, 1 / sqrt(var + eps).",
)
def eps_after_the_fraction(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), 1 / x.std(axis=0) + eps)


@mutant(TASK, says="You took the larger of var and eps. eps is added to every variance: sqrt(var + eps).")
def eps_as_a_floor(x, gamma, beta, eps=1e-5):
    return finish(x, gamma, beta, x.mean(axis=0), 1 / np.sqrt(np.maximum(x.var(axis=0), eps)))
