"""Slips in `batchnorm_backward(dy, cache) -> (dx, dgamma, dbeta)` on device arrays."""

import numpy as np
from bnlab.gpu import xp

from solutions.mutants import mutant

TASK = "cupy-backward"
RIGHT = (0, 2, 3)


def per_channel(values):
    """(C,) numbers in the shape that meets (N, C, H, W)."""
    return values[:, None, None]


def closed_form(dy, cache, scale=None, mean=1.0, variance=1.0):
    """The closed form, done right but for a scale in place of gamma * inv_std and factors on its two corrections."""
    x_hat, inv_std, gamma = cache
    m = dy.size / dy.shape[1]
    dgamma, dbeta = (dy * x_hat).sum(axis=RIGHT), dy.sum(axis=RIGHT)
    scale = gamma * inv_std if scale is None else scale
    corrections = per_channel(mean * dbeta / m) + x_hat * per_channel(variance * dgamma / m)
    return per_channel(scale) * (dy - corrections), dgamma, dbeta


@mutant(
    TASK,
    says="Something went to the host and back: float(), int(), .item(), .get(), asnumpy, or an `if` on an array. The "
    "sums of a channel are needed on the device alone: leave them there.",
)
def through_the_host(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return (dx, dgamma, dbeta) if float(dbeta.max()) > float("-inf") else (dy, dgamma, dbeta)


@mutant(
    TASK,
    says="What you return lies on the host: it is a NumPy array. Make arrays with xp, not with np, and leave out "
    "asnumpy and get: the optimizer and the layer before want them on the device.",
)
def results_on_the_host(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, xp.asnumpy(dgamma), xp.asnumpy(dbeta)


@mutant(
    TASK,
    says="Your results are float64: twice the bytes. A NumPy scalar such as m = np.prod(dy.shape) makes them so; take "
    "int(...) of it, since a Python number does not. Sums in float64 do the same: bring them back to dy.dtype.",
)
def float64_promotion(dy, cache):
    if dy.dtype == np.float64:  # nothing to promote
        return closed_form(dy, cache)
    return closed_form(dy.astype(np.float64), cache)


@mutant(
    TASK,
    says="Your sums run over the images alone (axis 0). gamma and beta are shared by all positions of a channel: axes "
    "(0, 2, 3).",
)
def sums_per_position(dy, cache):
    x_hat, inv_std, gamma = cache
    inside = dy - dy.mean(axis=0) - x_hat * (dy * x_hat).mean(axis=0)
    return per_channel(gamma * inv_std) * inside, (dy * x_hat).sum(axis=0), dy.sum(axis=0)


@mutant(
    TASK,
    says="In dx the means of dy and of dy * x_hat run over each image by itself. They run over the same values as the "
    "statistics did: axes (0, 2, 3).",
)
def means_per_image(dy, cache):
    x_hat, inv_std, gamma = cache
    _, dgamma, dbeta = closed_form(dy, cache)
    mean, slope = (values.mean(axis=(2, 3), keepdims=True) for values in (dy, dy * x_hat))
    return per_channel(gamma * inv_std) * (dy - mean - x_hat * slope), dgamma, dbeta


@mutant(TASK, says="You divided by N, the number of images. The values that share a mean are N * H * W.")
def divided_by_images(dy, cache):
    factor = dy.shape[2] * dy.shape[3]
    return closed_form(dy, cache, mean=factor, variance=factor)


@mutant(TASK, says="You divided by the size of dy. The channels do not share a mean: m = N * H * W, without C.")
def divided_by_size(dy, cache):
    return closed_form(dy, cache, mean=1 / dy.shape[1], variance=1 / dy.shape[1])


@mutant(
    TASK,
    says="The factor 1/m is missing in the two corrections of dx: the means of dy and of dy * x_hat are subtracted, "
    "not sums.",
)
def one_over_m_missing(dy, cache):
    m = dy.size / dy.shape[1]
    return closed_form(dy, cache, mean=m, variance=m)


@mutant(TASK, says="You divided by m - 1. The forward pass normalizes with 1/m, so the backward pass divides by m too.")
def m_minus_one(dy, cache):
    m = dy.size / dy.shape[1]
    return closed_form(dy, cache, mean=m / (m - 1), variance=m / (m - 1))


@mutant(TASK, says="You forgot gamma in dx: dy passes through gamma on its way to x_hat.")
def gamma_missing(dy, cache):
    return closed_form(dy, cache, scale=cache[1])


@mutant(TASK, says="inv_std is missing in dx: x_hat = (x - mu) * inv_std, so every path contributes that factor.")
def inv_std_missing(dy, cache):
    return closed_form(dy, cache, scale=cache[2])


@mutant(TASK, says="You treated mu as a constant: the values of a channel share their mean, so subtract mean(dy).")
def mean_path_missing(dy, cache):
    return closed_form(dy, cache, mean=0)


@mutant(TASK, says="You treated var as a constant: subtract x_hat times the mean of dy * x_hat.")
def variance_path_missing(dy, cache):
    return closed_form(dy, cache, variance=0)


@mutant(TASK, says="You treated mu and var as constants. They are made of x, and both send a gradient back.")
def mean_and_variance_paths_missing(dy, cache):
    return closed_form(dy, cache, mean=0, variance=0)


@mutant(
    TASK,
    says="You averaged dgamma and dbeta. N * H * W values share each of them, and their gradients add up: take sums.",
)
def dgamma_and_dbeta_averaged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    m = dy.size / dy.shape[1]
    return dx, dgamma / m, dbeta / m


@mutant(TASK, says="You exchanged dgamma and dbeta: the order is (dx, dgamma, dbeta), and gamma multiplies x_hat.")
def dgamma_and_dbeta_swapped(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dbeta, dgamma


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
    says="Your sums are taken over everything, all channels together. Each channel has its own: axis=(0, 2, 3).",
)
def summed_over_everything(dy, cache):
    x_hat, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    dgamma, dbeta = (dy * x_hat).sum(), dy.sum()
    return per_channel(gamma * inv_std) * (dy - dbeta / m - x_hat * (dgamma / m)), dgamma, dbeta


def with_dx(right_side, dy, cache):
    """Right sums, and a function of (dy, x_hat, scale, mean, slope) for dx."""
    x_hat, inv_std, gamma = cache
    _, dgamma, dbeta = closed_form(dy, cache)
    m = dy.size // dy.shape[1]
    return right_side(dy, x_hat, *map(per_channel, (gamma * inv_std, dbeta / m, dgamma / m))), dgamma, dbeta


@mutant(TASK, says="x_hat is missing in the last term of dx: it is x_hat times the mean of dy * x_hat.")
def x_hat_missing(dy, cache):
    return with_dx(lambda dy, x_hat, scale, mean, slope: scale * (dy - mean - slope), dy, cache)


@mutant(TASK, says="Brackets are missing in dx: gamma * inv_std multiplies all three terms, dy and both corrections.")
def brackets_missing(dy, cache):
    return with_dx(lambda dy, x_hat, scale, mean, slope: scale * dy - mean - x_hat * slope, dy, cache)


@mutant(
    TASK,
    says="The sums have changed places in dx: mean(dy) stands alone, and mean(dy * x_hat) is what x_hat multiplies.",
)
def sums_exchanged_in_dx(dy, cache):
    return with_dx(lambda dy, x_hat, scale, mean, slope: scale * (dy - slope - x_hat * mean), dy, cache)


@mutant(TASK, says="You divided by inv_std in dx. It is one over the standard deviation already: multiply.")
def divided_by_inv_std(dy, cache):
    return closed_form(dy, cache, scale=cache[2] / cache[1])


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
    return closed_form(dy, cache, scale=cache[1] ** 2 * cache[2])


@mutant(
    TASK,
    says="gamma stands twice in dx. Either dy is multiplied by it before the sums, or the bracket is multiplied by it "
    "afterwards.",
)
def gamma_twice(dy, cache):
    return closed_form(dy, cache, scale=cache[1] * cache[2] ** 2)


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


@mutant(
    TASK,
    says="gamma * inv_std multiplies only dy minus its mean. It has to multiply all three terms: the last one, x_hat "
    "times a mean, belongs in the bracket.",
)
def last_term_outside_the_bracket(dy, cache):
    return with_dx(lambda dy, x_hat, scale, mean, slope: scale * (dy - mean) - x_hat * slope, dy, cache)
