"""Slips in `batchnorm_backward(dy, cache) -> (dx, dgamma, dbeta)`, the closed form."""

from solutions.mutants import mutant

TASK = "backward"


def sums(dy, x_hat):
    """dgamma and dbeta, done right."""
    return (dy * x_hat).sum(axis=0), dy.sum(axis=0)


def closed_form(dy, cache, scale=None, mean=1.0, variance=1.0):
    """The closed form, done right but for a scale in place of gamma * inv_std and factors on its two corrections."""
    x_hat, inv_std, gamma = cache
    dgamma, dbeta = sums(dy, x_hat)
    scale = gamma * inv_std if scale is None else scale
    return scale * (dy - mean * dbeta / len(dy) - variance * x_hat * dgamma / len(dy)), dgamma, dbeta


@mutant(TASK, says="You forgot gamma in dx: dy passes through gamma on its way to x_hat.")
def gamma_missing(dy, cache):
    return closed_form(dy, cache, scale=cache[1])


@mutant(TASK, says="You multiplied dx by gamma twice: once is right, for y = gamma * x_hat + beta.")
def gamma_twice(dy, cache):
    return closed_form(dy, cache, scale=cache[1] * cache[2] ** 2)


@mutant(TASK, says="gamma is missing in the two corrections: it multiplies all three terms of dx.")
def gamma_missing_in_corrections(dy, cache):
    x_hat, inv_std, gamma = cache
    dgamma, dbeta = sums(dy, x_hat)
    return inv_std * (gamma * dy - dbeta / len(dy) - x_hat * dgamma / len(dy)), dgamma, dbeta


@mutant(
    TASK,
    says="The brackets are missing: gamma * inv_std multiplies dy alone in your dx. It multiplies all three terms, "
    "gamma * inv_std * (dy - ... - ...).",
)
def brackets_missing(dy, cache):
    x_hat, inv_std, gamma = cache
    dgamma, dbeta = sums(dy, x_hat)
    return gamma * inv_std * dy - dbeta / len(dy) - x_hat * dgamma / len(dy), dgamma, dbeta


@mutant(
    TASK,
    says="The two means in your dx are taken over the whole array. Each feature has its own: .mean(axis=0), or dbeta "
    "and dgamma divided by N.",
)
def means_over_the_whole_array(dy, cache):
    x_hat, inv_std, gamma = cache
    dgamma, dbeta = sums(dy, x_hat)
    return gamma * inv_std * (dy - dy.mean() - x_hat * (dy * x_hat).mean()), dgamma, dbeta


@mutant(TASK, says="inv_std is missing in dx: x_hat = (x - mu) * inv_std, so every path brings that factor along.")
def inv_std_missing(dy, cache):
    return closed_form(dy, cache, scale=cache[2])


@mutant(TASK, says="You used inv_std squared in dx. One factor is right; all others are already inside x_hat.")
def inv_std_squared(dy, cache):
    return closed_form(dy, cache, scale=cache[2] * cache[1] ** 2)


@mutant(TASK, says="You divided by inv_std. It is already one over the standard deviation: multiply by it.")
def divided_by_inv_std(dy, cache):
    return closed_form(dy, cache, scale=cache[2] / cache[1])


@mutant(
    TASK,
    says="You treated mu as a constant: the N samples are coupled by their mean, so subtract the mean of dy.",
)
def mean_path_missing(dy, cache):
    return closed_form(dy, cache, mean=0)


@mutant(
    TASK,
    says="You treated var as a constant: the N samples are coupled by their spread, so subtract x_hat times the mean "
    "of dy * x_hat (of the products: the mean of x_hat alone is 0).",
)
def variance_path_missing(dy, cache):
    return closed_form(dy, cache, variance=0)


@mutant(
    TASK,
    says="You treated mu and var as constants. They are made of x, and both send a gradient back; a gradient that "
    "ignores them does not belong to this function.",
)
def mean_and_variance_paths_missing(dy, cache):
    return closed_form(dy, cache, mean=0, variance=0)


@mutant(
    TASK,
    says="The factor 1/N is missing in the two corrections of dx: what is subtracted are the means of dy and of dy *"
    " x_hat, not their sums.",
)
def one_over_n_missing(dy, cache):
    return closed_form(dy, cache, mean=len(dy), variance=len(dy))


@mutant(TASK, says="The factor 1/N is missing where you subtract from dy: subtract its mean, not its sum.")
def one_over_n_missing_for_mean(dy, cache):
    return closed_form(dy, cache, mean=len(dy))


@mutant(TASK, says="The factor 1/N is missing in the term with x_hat: it takes the mean of dy * x_hat, not the sum.")
def one_over_n_missing_for_variance(dy, cache):
    return closed_form(dy, cache, variance=len(dy))


@mutant(
    TASK,
    says="Your dx is N times too large: if you write N * dy - sum(dy) - x_hat * sum(dy * x_hat), divide all of it by"
    " N.",
)
def n_times_too_large(dy, cache):
    return closed_form(dy, cache, scale=len(dy) * cache[1] * cache[2])


@mutant(
    TASK,
    says="You divided by N - 1. The forward pass normalizes with 1/N, so the means of the backward pass divide by N "
    "too.",
)
def n_minus_one(dy, cache):
    factor = len(dy) / (len(dy) - 1)
    return closed_form(dy, cache, mean=factor, variance=factor)


@mutant(
    TASK,
    says="You divided by N - 1 in the term with x_hat. The forward pass normalizes with 1/N, so this is a mean over N.",
)
def n_minus_one_for_variance(dy, cache):
    return closed_form(dy, cache, variance=len(dy) / (len(dy) - 1))


@mutant(TASK, says="You divided by the number of features. The means run over the N samples, axis 0.")
def features_for_samples(dy, cache):
    factor = len(dy) / dy.shape[1]
    return closed_form(dy, cache, mean=factor, variance=factor)


@mutant(
    TASK,
    says="You added the mean of dy. It is subtracted: shifting all samples together changes nothing, so dx must sum "
    "to 0.",
)
def mean_sign_flipped(dy, cache):
    return closed_form(dy, cache, mean=-1)


@mutant(
    TASK,
    says="You added the term with x_hat. It is subtracted: stretching the batch changes almost nothing, so dx has "
    "hardly any part along x_hat.",
)
def variance_sign_flipped(dy, cache):
    return closed_form(dy, cache, variance=-1)


@mutant(TASK, says="The sign of dx is flipped: dy comes with a plus, and the two corrections are subtracted from it.")
def sign_flipped(dy, cache):
    return closed_form(dy, cache, scale=-cache[1] * cache[2])


@mutant(
    TASK,
    says="The term with x_hat comes twice in your dx. The 2 from the derivative of the square cancels the 1/2 from "
    "that of the root.",
)
def variance_path_doubled(dy, cache):
    return closed_form(dy, cache, variance=2)


@mutant(
    TASK,
    says="The factor x_hat is missing in the last term, which is x_hat * mean(dy * x_hat): a different number for "
    "each sample.",
)
def x_hat_missing_in_last_term(dy, cache):
    x_hat, inv_std, gamma = cache
    dgamma, dbeta = sums(dy, x_hat)
    return gamma * inv_std * (dy - dbeta / len(dy) - dgamma / len(dy)), dgamma, dbeta


@mutant(
    TASK,
    says="You averaged dgamma and dbeta. gamma and beta are shared by the N samples, and their gradients add up: sum.",
)
def dgamma_and_dbeta_averaged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma / len(dy), dbeta / len(dy)


@mutant(TASK, says="You averaged dgamma. gamma is shared by the N samples, and their gradients add up: sum.")
def dgamma_averaged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma / len(dy), dbeta


@mutant(TASK, says="You averaged dbeta. beta is shared by the N samples, and their gradients add up: sum.")
def dbeta_averaged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma, dbeta / len(dy)


@mutant(
    TASK,
    says="You exchanged dgamma and dbeta. The order is (dx, dgamma, dbeta); gamma multiplies x_hat, beta is only "
    "added.",
)
def dgamma_and_dbeta_swapped(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dbeta, dgamma


@mutant(
    TASK,
    says="dgamma contains gamma. It is the sum of dy * x_hat: y is linear in gamma, so gamma itself drops out.",
)
def dgamma_times_gamma(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma * cache[2], dbeta


@mutant(TASK, says="dgamma uses x - mu, that is x_hat without its inv_std. gamma multiplies x_hat: sum dy * x_hat.")
def dgamma_uses_centred_x(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma / cache[1], dbeta


@mutant(TASK, says="dbeta contains gamma. beta is added after the scaling, so dbeta is the sum of dy.")
def dbeta_times_gamma(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma, dbeta * cache[2]


@mutant(
    TASK,
    says="You summed along the features (axis 1). All sums of the backward pass run over the samples, axis 0.",
)
def wrong_axis(dy, cache):
    x_hat, inv_std, gamma = cache
    dgamma, dbeta = (dy * x_hat).sum(axis=1), dy.sum(axis=1)
    correction = dbeta[:, None] + x_hat * dgamma[:, None]
    return gamma * inv_std * (dy - correction / dy.shape[1]), dgamma, dbeta


@mutant(
    TASK,
    says="You exchanged x_hat and inv_std. The cache holds (x_hat, inv_std, gamma), in this order.",
)
def cache_unpacked_otherwise(dy, cache):
    inv_std, x_hat, gamma = cache
    dgamma, dbeta = sums(dy, x_hat)
    return gamma * inv_std * (dy - dbeta / len(dy) - x_hat * dgamma / len(dy)), dgamma, dbeta
