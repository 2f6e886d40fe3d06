"""Slips in `batchnorm_backward_fused(dy, cache) -> (dx, dgamma, dbeta)`, in three kernels."""

import numpy as np
from bnlab.gpu import ElementwiseKernel, ReductionKernel, xp

from solutions.mutants import mutant

TASK = "fused-backward"
RIGHT = (0, 2, 3)
TOTAL = ReductionKernel("T v", "T r", "v", "a + b", "r = a", "0", "total")
AGAINST = ReductionKernel("T v, T x, T mu, T w", "T r", "v * (x - mu) * w", "a + b", "r = a", "0", "against")
WITHOUT_WIDTH = ElementwiseKernel(
    "T v, T x, T mu, T scale, T mean, T slope", "T r", "r = scale * (v - mean - (x - mu) * slope)", "without_width"
)
DX = ElementwiseKernel(
    "T v, T x, T mu, T w, T scale, T mean, T slope",
    "T r",
    "r = scale * (v - mean - (x - mu) * w * slope)",
    "assemble",
)


def per_channel(values):
    """(C,) numbers in the shape that meets (N, C, H, W)."""
    return values[:, None, None]


def sums(dy, cache, axes=RIGHT):
    """dgamma and dbeta by two reductions."""
    x, mu, inv_std, _ = cache
    return AGAINST(dy, x, per_channel(mu), per_channel(inv_std), axis=axes), TOTAL(dy, axis=axes)


def with_sums(dy, cache, dgamma, dbeta, scale=None, mean=1.0, variance=1.0):
    """Everything done right, but for the sums given, a scale, or factors on the two corrections of dx."""
    x, mu, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    scale = gamma * inv_std if scale is None else scale
    numbers = map(per_channel, (mu, inv_std, scale, mean * dbeta / m, variance * dgamma / m))
    return DX(dy, x, *numbers), dgamma, dbeta


def closed_form(dy, cache, **slips):
    return with_sums(dy, cache, *sums(dy, cache), **slips)


@mutant(
    TASK,
    says='Your sums start from the identity "1". Hundreds of partial results start from it, one for each thread. For a '
    'sum the identity is "0".',
)
def identity_of_one(dy, cache):
    x, mu, inv_std, _ = cache
    total = ReductionKernel("T v", "T r", "v", "a + b", "r = a", "1", "total_from_one")
    against = ReductionKernel("T v, T x, T mu, T w", "T r", "v * (x - mu) * w", "a + b", "r = a", "1", "from_one")
    return with_sums(
        dy, cache, against(dy, x, per_channel(mu), per_channel(inv_std), axis=RIGHT), total(dy, axis=RIGHT)
    )


@mutant(
    TASK,
    says="The map of your dgamma is dy * x. gamma multiplies x_hat: map to dy * (x - mu) * inv_std.",
)
def map_of_dy_and_x(dy, cache):
    x, mu, inv_std, _ = cache
    dgamma = AGAINST(dy, x, per_channel(xp.zeros_like(mu)), per_channel(xp.ones_like(mu)), axis=RIGHT)
    return with_sums(dy, cache, dgamma, TOTAL(dy, axis=RIGHT))


@mutant(
    TASK,
    says="The map of your dgamma lacks inv_std: x_hat is (x - mu) * inv_std, and the sum is over dy * x_hat.",
)
def map_without_inv_std(dy, cache):
    x, mu, inv_std, _ = cache
    dgamma = AGAINST(dy, x, per_channel(mu), per_channel(xp.ones_like(mu)), axis=RIGHT)
    return with_sums(dy, cache, dgamma, TOTAL(dy, axis=RIGHT))


@mutant(TASK, says="In dx the factor 1/m is missing: means of dy and of dy * x_hat are subtracted, not sums.")
def one_over_m_missing(dy, cache):
    m = dy.size // dy.shape[1]
    return closed_form(dy, cache, mean=float(m), variance=float(m))


@mutant(TASK, says="You divided by m - 1. The forward pass normalizes with 1/m, so the backward pass divides by m too.")
def m_minus_one(dy, cache):
    m = dy.size // dy.shape[1]
    return closed_form(dy, cache, mean=m / (m - 1), variance=m / (m - 1))


@mutant(TASK, says="You divided by N, the number of images. The values that share a mean are N * H * W.")
def divided_by_images(dy, cache):
    factor = float(dy.shape[2] * dy.shape[3])
    return closed_form(dy, cache, mean=factor, variance=factor)


@mutant(TASK, says="You divided by the size of dy. The channels do not share a mean: m = N * H * W, without C.")
def divided_by_size(dy, cache):
    return closed_form(dy, cache, mean=1 / dy.shape[1], variance=1 / dy.shape[1])


@mutant(TASK, says="You forgot gamma in dx: dy passes through gamma on its way to x_hat.")
def gamma_missing(dy, cache):
    return closed_form(dy, cache, scale=cache[2])


@mutant(TASK, says="inv_std is missing in front of dx: every path from x to x_hat brings that factor along.")
def inv_std_missing(dy, cache):
    return closed_form(dy, cache, scale=cache[3])


@mutant(
    TASK,
    says="The mean of dy is not subtracted in dx: the values of a channel share their mean. If you did subtract it, "
    "look at its factor: 1 / m of a whole number m is 0 in C++.",
)
def mean_path_missing(dy, cache):
    return closed_form(dy, cache, mean=0.0)


@mutant(
    TASK,
    says="x_hat times the mean of dy * x_hat is not subtracted in dx, as if var were a constant. If you did subtract "
    "it, look at its factor: 1 / m of a whole number m is 0 in C++.",
)
def variance_path_missing(dy, cache):
    return closed_form(dy, cache, variance=0.0)


@mutant(
    TASK,
    says="You averaged dgamma and dbeta. N * H * W values share each of them, and their gradients add up: take sums.",
)
def dgamma_and_dbeta_averaged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    m = dy.size // dy.shape[1]
    return dx, dgamma / m, dbeta / m


@mutant(TASK, says="You exchanged dgamma and dbeta: the order is (dx, dgamma, dbeta), and gamma multiplies x_hat.")
def dgamma_and_dbeta_swapped(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dbeta, dgamma


@mutant(
    TASK,
    says="Your reductions run over each image by itself, axes (2, 3), so dgamma and dbeta have the shape (N, C). Each "
    "has the shape of its parameter: axis=(0, 2, 3).",
)
def reduced_over_positions_only(dy, cache):
    dx, _, _ = closed_form(dy, cache)
    return dx, *sums(dy, cache, axes=(2, 3))


@mutant(
    TASK,
    says="Arrays as large as dy are read and written more often than 6 times: array operations go through memory one "
    "by one, and x_hat need not be stored. Move what touches them into three kernels.",
)
def written_as_arrays(dy, cache):
    x, mu, inv_std, gamma = cache
    m, x_hat = dy.size // dy.shape[1], (x - per_channel(mu)) * per_channel(inv_std)
    dgamma, dbeta = (dy * x_hat).sum(axis=RIGHT), dy.sum(axis=RIGHT)
    bracket = dy - per_channel(dbeta / m) - x_hat * per_channel(dgamma / m)
    return per_channel(gamma * inv_std) * bracket, dgamma, dbeta


@mutant(
    TASK,
    says="Something went to the host and back: float(), .item(), .get(), asnumpy, or an `if` on an array. The sums of "
    "all channels can go from kernel to kernel as one array of shape (C, 1, 1).",
)
def through_the_host(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return (dx, dgamma, dbeta) if float(dbeta.max()) > float("-inf") else (dy, dgamma, dbeta)


@mutant(
    TASK,
    says="Your results are float64: twice the bytes. Declare the outputs of the kernels as T, the dtype of dy, not as "
    "float64; the sums alone may be wider, by reduce_type.",
)
def float64_promotion(dy, cache):
    if dy.dtype == np.float64:  # nothing to promote
        return closed_form(dy, cache)
    return tuple(value.astype(np.float64) for value in closed_form(dy, cache))


@mutant(TASK, says="A sign is flipped in dx: x_hat times the mean of dy * x_hat is subtracted, not added.")
def variance_sign_flipped(dy, cache):
    return closed_form(dy, cache, variance=-1.0)


@mutant(TASK, says="A sign is flipped in dx: the mean of dy is subtracted, not added.")
def mean_sign_flipped(dy, cache):
    return closed_form(dy, cache, mean=-1.0)


@mutant(
    TASK, says="Both signs are flipped in dx: the mean of dy, and x_hat times the mean of dy * x_hat, are subtracted."
)
def both_signs_flipped(dy, cache):
    return closed_form(dy, cache, mean=-1.0, variance=-1.0)


@mutant(
    TASK,
    says="In dx the factor 1 / m is missing for the sum of dy * x_hat: as with dy, a mean is subtracted, not a sum.",
)
def one_over_m_missing_for_variance(dy, cache):
    return closed_form(dy, cache, variance=float(dy.size // dy.shape[1]))


@mutant(
    TASK,
    says="In dx the factor 1 / m is missing for the sum of dy: as with dy * x_hat, a mean is subtracted, not a sum.",
)
def one_over_m_missing_for_mean(dy, cache):
    return closed_form(dy, cache, mean=float(dy.size // dy.shape[1]))


@mutant(
    TASK,
    says="Both corrections of dx are 0. They are forgotten, or their factor is a division of whole numbers such as 1 / "
    "m, which C++ rounds down to 0: divide the sum by m instead.",
)
def mean_and_variance_paths_missing(dy, cache):
    return closed_form(dy, cache, mean=0.0, variance=0.0)


@mutant(
    TASK,
    says="inv_std is missing in the x_hat of dx: dgamma / m is multiplied by (x - mu) * inv_std, and one more inv_std "
    "stands in front of the bracket.",
)
def inv_std_missing_in_x_hat(dy, cache):
    x, mu, inv_std, gamma = cache
    m, (dgamma, dbeta) = dy.size // dy.shape[1], sums(dy, cache)
    return WITHOUT_WIDTH(dy, x, *map(per_channel, (mu, gamma * inv_std, dbeta / m, dgamma / m))), dgamma, dbeta


def with_identities(dy, cache, of_dbeta, of_dgamma):
    """Sums that start from something else."""
    x, mu, inv_std, _ = cache
    total = ReductionKernel("T v", "T r", "v", "a + b", "r = a", of_dbeta, "total_from")
    against = ReductionKernel("T v, T x, T mu, T w", "T r", "v * (x - mu) * w", "a + b", "r = a", of_dgamma, "dot_from")
    dgamma = against(dy, x, per_channel(mu), per_channel(inv_std), axis=RIGHT)
    return with_sums(dy, cache, dgamma, total(dy, axis=RIGHT))


@mutant(
    TASK,
    says='The sum of your dgamma starts from the identity "1". Hundreds of partial results start from it, one for each '
    'thread. For a sum the identity is "0".',
)
def identity_of_one_in_dgamma(dy, cache):
    return with_identities(dy, cache, "0", "1")


@mutant(
    TASK,
    says='The sum of your dbeta starts from the identity "1". Hundreds of partial results start from it, one for each '
    'thread. For a sum the identity is "0".',
)
def identity_of_one_in_dbeta(dy, cache):
    return with_identities(dy, cache, "1", "0")


@mutant(TASK, says="You forgot mu: x_hat is (x - mu) * inv_std, in the sum and in dx.")
def mu_missing(dy, cache):
    x, mu, inv_std, gamma = cache
    return closed_form(dy, (x, xp.zeros_like(mu), inv_std, gamma))


@mutant(
    TASK,
    says="The map of your dgamma is dy * x * inv_std: it forgets mu. gamma multiplies x_hat: map to dy * (x - mu) * "
    "inv_std.",
)
def map_without_mu(dy, cache):
    x, mu, inv_std, gamma = cache
    return with_sums(dy, cache, *sums(dy, (x, xp.zeros_like(mu), inv_std, gamma)))


@mutant(
    TASK,
    says="mu and inv_std are swapped: the cache is (x, mu, inv_std, gamma), and arguments come in the order in which a "
    "kernel declares them.",
)
def mu_and_inv_std_exchanged(dy, cache):
    x, mu, inv_std, gamma = cache
    return with_sums(dy, (x, inv_std, mu, gamma), *sums(dy, (x, inv_std, mu, gamma)), scale=gamma * mu)


@mutant(
    TASK,
    says="Your reductions have no axis, so all channels share their sums. Each channel has its own: axis=(0, 2, 3).",
)
def summed_over_everything(dy, cache):
    x, mu, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    dgamma, dbeta = sums(dy, cache, None)
    width = map(per_channel, (mu, inv_std, gamma * inv_std))
    return DX(dy, x, *width, dbeta / m, dgamma / m), dgamma, dbeta


BRACKETS = {
    "scale * v - mean - (x - mu) * w * slope": "without_brackets",
    "scale * (v - mean - slope)": "without_x_hat",
    "scale * (v - slope - (x - mu) * w * mean)": "exchanged_sums",
    "scale * (v - mean - (x - mu * w) * slope)": "without_brackets_in_x_hat",
    "scale * (v - mean - x * w * slope)": "without_mu",
    "scale * (v - mean - x - mu * w * slope)": "torn_x_hat",
    "scale * (v - mean) - (x - mu) * w * slope": "last_term_outside",
}
DX_WITH = {
    name: ElementwiseKernel("T v, T x, T mu, T w, T scale, T mean, T slope", "T r", f"r = {right_side}", name)
    for right_side, name in BRACKETS.items()
}


def with_dx(name, dy, cache):
    """Right sums, and another kernel for dx."""
    x, mu, inv_std, gamma = cache
    dgamma, dbeta = sums(dy, cache)
    m = dy.size // dy.shape[1]
    numbers = map(per_channel, (mu, inv_std, gamma * inv_std, dbeta / m, dgamma / m))
    return DX_WITH[name](dy, x, *numbers), dgamma, dbeta


@mutant(TASK, says="Brackets are missing in dx: gamma * inv_std multiplies all three terms, dy and both corrections.")
def brackets_missing(dy, cache):
    return with_dx("without_brackets", dy, cache)


@mutant(TASK, says="x_hat is missing in the last term of dx: it is x_hat times the mean of dy * x_hat.")
def x_hat_missing(dy, cache):
    return with_dx("without_x_hat", dy, cache)


@mutant(
    TASK,
    says="The sums have changed places in dx: mean(dy) stands alone, and mean(dy * x_hat) is what x_hat multiplies.",
)
def sums_exchanged_in_dx(dy, cache):
    return with_dx("exchanged_sums", dy, cache)


@mutant(
    TASK,
    says="dy and x are swapped in the kernel of dgamma: arguments come in the order in which a kernel declares them.",
)
def dy_and_x_exchanged(dy, cache):
    x, mu, inv_std, _ = cache
    dgamma = AGAINST(x, dy, per_channel(mu), per_channel(inv_std), axis=RIGHT)
    return with_sums(dy, cache, dgamma, TOTAL(dy, axis=RIGHT))


@mutant(
    TASK,
    says="You divided by H * W. The images share the statistics as well: the values that share a mean are N * H * W.",
)
def divided_by_positions(dy, cache):
    return closed_form(dy, cache, mean=float(len(dy)), variance=float(len(dy)))


@mutant(
    TASK,
    says="inv_std stands twice in front of dx: the factor of the bracket is gamma * inv_std.",
)
def inv_std_twice(dy, cache):
    return closed_form(dy, cache, scale=cache[2] ** 2 * cache[3])


@mutant(
    TASK,
    says="gamma stands twice in dx. Either dy is multiplied by it before the sums, or the bracket is multiplied by it "
    "afterwards.",
)
def gamma_twice(dy, cache):
    return closed_form(dy, cache, scale=cache[2] * cache[3] ** 2)


@mutant(
    TASK,
    says="Your dgamma is multiplied by gamma. What gamma multiplies is x_hat: dgamma is the sum of dy * x_hat, with dy "
    "as it is given.",
)
def dgamma_times_gamma(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma * cache[-1], dbeta


@mutant(
    TASK,
    says="Your dgamma and dbeta are multiplied by gamma. They are the sums of dy * x_hat and of dy as it is given; "
    "gamma enters dx alone.",
)
def dgamma_and_dbeta_times_gamma(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma * cache[-1], dbeta * cache[-1]


@mutant(
    TASK,
    says="You averaged dgamma. N * H * W values share gamma, and their gradients add up: take the sum, as for dbeta.",
)
def dgamma_averaged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma / (dy.size // dy.shape[1]), dbeta


@mutant(
    TASK,
    says="You averaged dbeta. N * H * W values share beta, and their gradients add up: take the sum, as for dgamma.",
)
def dbeta_averaged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma, dbeta / (dy.size // dy.shape[1])


def with_map(expression, dy, cache):
    """Everything done right, but for the map of dgamma."""
    x, mu, inv_std, _ = cache
    other = ReductionKernel("T v, T x, T mu, T w", "T r", expression, "a + b", "r = a", "0", "other_map")
    dgamma = other(dy, x, per_channel(mu), per_channel(inv_std), axis=RIGHT)
    return with_sums(dy, cache, dgamma, TOTAL(dy, axis=RIGHT))


@mutant(
    TASK,
    says="Brackets are missing in the map of dgamma: inv_std multiplies mu alone. x_hat is (x - mu) * inv_std.",
)
def brackets_missing_in_the_map(dy, cache):
    return with_map("v * (x - mu * w)", dy, cache)


@mutant(
    TASK,
    says="Brackets are missing in the map of dgamma: dy multiplies x alone. It is dy * ((x - mu) * inv_std).",
)
def dy_times_x_alone(dy, cache):
    return with_map("v * x - mu * w", dy, cache)


@mutant(
    TASK,
    says="Brackets are missing in the x_hat of dx: inv_std multiplies mu alone. x_hat is (x - mu) * inv_std.",
)
def brackets_missing_in_x_hat(dy, cache):
    return with_dx("without_brackets_in_x_hat", dy, cache)


@mutant(
    TASK,
    says="Brackets are missing in x_hat, in the map of dgamma and in dx: inv_std multiplies mu alone. x_hat is (x - "
    "mu) * inv_std.",
)
def brackets_missing_in_both(dy, cache):
    x, mu, inv_std, gamma = cache
    shifted = (x + per_channel(mu) - per_channel(mu * inv_std)) / 1
    return with_sums(
        dy,
        (shifted, mu, xp.ones_like(mu), gamma),
        *sums(dy, (shifted, mu, xp.ones_like(mu), gamma)),
        scale=gamma * inv_std,
    )


@mutant(
    TASK,
    says="You forgot mu in dx: its x_hat is (x - mu) * inv_std, as in the map of dgamma.",
)
def mu_missing_in_dx(dy, cache):
    return with_dx("without_mu", dy, cache)


@mutant(
    TASK,
    says="Brackets are missing in dx: - x - mu * inv_std * slope multiplies mu alone. x_hat as a whole is "
    "multiplied: (x - mu) * inv_std * slope.",
)
def x_hat_without_brackets_in_dx(dy, cache):
    return with_dx("torn_x_hat", dy, cache)


@mutant(
    TASK,
    says="gamma * inv_std multiplies only dy minus its mean. It has to multiply all three terms: the last one, x_hat "
    "times a mean, belongs in the bracket.",
)
def last_term_outside_the_bracket(dy, cache):
    return with_dx("last_term_outside", dy, cache)


@mutant(
    TASK,
    says="You divided by inv_std where it multiplies: it is 1 / sqrt(var + eps) already, in x_hat and in front of dx.",
)
def divided_by_inv_std(dy, cache):
    x, mu, inv_std, gamma = cache
    return closed_form(dy, (x, mu, 1 / inv_std, gamma), scale=gamma / inv_std)


@mutant(
    TASK,
    says="Your x_hat divides by inv_std, which is 1 / sqrt(var + eps) already: x_hat is (x - mu) * inv_std.",
)
def divided_by_inv_std_in_x_hat(dy, cache):
    x, mu, inv_std, gamma = cache
    return closed_form(dy, (x, mu, 1 / inv_std, gamma), scale=gamma * inv_std)


@mutant(
    TASK,
    says="dx is divided by inv_std, which is 1 / sqrt(var + eps) already: the factor of the bracket is gamma * "
    "inv_std.",
)
def scale_divided_by_inv_std(dy, cache):
    return closed_form(dy, cache, scale=cache[3] / cache[2])
