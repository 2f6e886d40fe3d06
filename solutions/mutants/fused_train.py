"""Slips in `batchnorm_train_fused(x, gamma, beta, eps=1e-5) -> (y, (x, mu, inv_std, gamma))`, in three kernels."""

import numpy as np
from bnlab.gpu import ElementwiseKernel, ReductionKernel, xp

from solutions.mutants import mutant

TASK = "fused-train"
RIGHT = (0, 2, 3)
MEAN = ReductionKernel("T x, T m", "T r", "x / m", "a + b", "r = a", "0", "mean")
SQUARES = ReductionKernel("T x, T k, T m", "T r", "(x - k) * (x - k) / m", "a + b", "r = a", "0", "squares")
Y = ElementwiseKernel("T x, T mu, T w, T g, T b", "T y", "y = g * ((x - mu) * w) + b", "normalize")


def per_channel(values):
    """(C,) numbers in the shape that meets (N, C, H, W)."""
    return values[:, None, None]


def count(x):
    """m as a number of the dtype of x."""
    return x.dtype.type(x.size // x.shape[1])


def finished(x, mu, inv_std, gamma, beta):
    """The third kernel, and the cache."""
    return Y(x, *map(per_channel, (mu, inv_std, gamma, beta))), (x, mu, inv_std, gamma)


def with_var(x, gamma, beta, eps, var, mu=None):
    """Everything done right, but for the variance or the mean, both of shape (C,)."""
    mu = MEAN(x, count(x), axis=RIGHT) if mu is None else mu
    return finished(x, mu, 1 / xp.sqrt(var + eps), gamma, beta)


def right(x, gamma, beta, eps):
    mu = MEAN(x, count(x), axis=RIGHT)
    return with_var(x, gamma, beta, eps, SQUARES(x, per_channel(mu), count(x), axis=RIGHT), mu)


@mutant(
    TASK,
    says='Your sums start from the identity "1". Hundreds of partial results start from it, one for each thread, so '
    'the sum is too large by as many. For a sum the identity is "0".',
)
def identity_of_one(x, gamma, beta, eps=1e-5):
    total = ReductionKernel("T x, T m", "T r", "x / m", "a + b", "r = a", "1", "mean_from_one")
    mu = total(x, count(x), axis=RIGHT)
    centred = ReductionKernel("T x, T k, T m", "T r", "(x - k) * (x - k) / m", "a + b", "r = a", "1", "var_from_one")
    return with_var(x, gamma, beta, eps, centred(x, per_channel(mu), count(x), axis=RIGHT), mu)


@mutant(
    TASK,
    says='You join two values by their average, "(a + b) / 2". The order of joining depends on the launch, and values '
    "joined late weigh most. Add up, and divide once at the end.",
)
def averages_of_averages(x, gamma, beta, eps=1e-5):
    halves = ReductionKernel("T x", "T r", "x", "(a + b) / 2", "r = a", "0", "halves")
    mu = halves(x, axis=RIGHT)
    return with_var(x, gamma, beta, eps, SQUARES(x, per_channel(mu), count(x), axis=RIGHT), mu)


@mutant(
    TASK,
    says="Your variance is 0. Either its map does not square, and distances from the mean add up to 0, or its factor "
    "divides whole numbers, such as _out_ind.size() / _in_ind.size(), which C++ rounds down to 0.",
)
def map_without_square(x, gamma, beta, eps=1e-5):
    return with_var(x, gamma, beta, eps, xp.zeros(x.shape[1], x.dtype))


@mutant(
    TASK,
    says="Your variance is the mean of x * x. Its map has to subtract the mean of the channel first: (x - mu) * (x - "
    "mu).",
)
def map_without_mean(x, gamma, beta, eps=1e-5):
    return with_var(x, gamma, beta, eps, SQUARES(x, x.dtype.type(0), count(x), axis=RIGHT))


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. That needs no mean beforehand, but loses all digits "
    "far from zero. Map to the squared distance from the mean.",
)
def one_pass_variance(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x), axis=RIGHT)
    return with_var(x, gamma, beta, eps, SQUARES(x, x.dtype.type(0), count(x), axis=RIGHT) - mu * mu, mu)


@mutant(TASK, says="Your variance is a sum: divide by m = N * H * W, in the map or in the expression that finishes.")
def sum_for_variance(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x), axis=RIGHT)
    return with_var(x, gamma, beta, eps, SQUARES(x, per_channel(mu), x.dtype.type(1), axis=RIGHT), mu)


@mutant(
    TASK,
    says="You divided by the number of all elements, _in_ind.size(). There are C results, and each is a mean over "
    "N * H * W: divide by _in_ind.size() / _out_ind.size().",
)
def divided_by_all_elements(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, x.dtype.type(x.size), axis=RIGHT)
    return with_var(x, gamma, beta, eps, SQUARES(x, per_channel(mu), x.dtype.type(x.size), axis=RIGHT), mu)


@mutant(TASK, says="You divided by m - 1, with m = N * H * W. Training normalizes with the biased variance, 1/m.")
def unbiased_variance(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x), axis=RIGHT)
    return with_var(x, gamma, beta, eps, SQUARES(x, per_channel(mu), count(x) - 1, axis=RIGHT), mu)


@mutant(
    TASK,
    says="Your reductions run over one image each, axes (2, 3). The images of a batch share the statistics of a "
    "channel: axis=(0, 2, 3).",
)
def reduced_over_positions_only(x, gamma, beta, eps=1e-5):
    size = x.dtype.type(x.shape[2] * x.shape[3])
    mu = MEAN(x, size, axis=(2, 3))
    inv_std = 1 / xp.sqrt(SQUARES(x, mu[:, :, None, None], size, axis=(2, 3)) + eps)
    y = Y(x, mu[:, :, None, None], inv_std[:, :, None, None], per_channel(gamma), per_channel(beta))
    return y, (x, mu, inv_std, gamma)


@mutant(TASK, says="You added eps outside the root: sqrt(var) + eps. It belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x), axis=RIGHT)
    var = SQUARES(x, per_channel(mu), count(x), axis=RIGHT)
    return finished(x, mu, 1 / (xp.sqrt(var) + eps), gamma, beta)


@mutant(TASK, says="You left eps out: inv_std is 1 / sqrt(var + eps). Without it a constant channel divides by zero.")
def eps_missing(x, gamma, beta, eps=1e-5):
    return right(x, gamma, beta, 0.0)


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta, with one gamma for each channel.")
def gamma_forgotten(x, gamma, beta, eps=1e-5):
    y, (_, mu, inv_std, _) = right(x, xp.ones_like(gamma), beta, eps)
    return y, (x, mu, inv_std, gamma)


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta, with one beta for each channel.")
def beta_forgotten(x, gamma, beta, eps=1e-5):
    return right(x, gamma, xp.zeros_like(beta), eps)


@mutant(
    TASK,
    says="Arrays as large as x are read and written more than 4 times: array operations go through memory one by one. "
    "Move what touches x into three kernels, and look at the log of `simulate()`.",
)
def written_as_arrays(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=RIGHT)
    centred = x - per_channel(mu)
    inv_std = 1 / xp.sqrt((centred * centred).mean(axis=RIGHT) + eps)
    return per_channel(gamma) * (centred * per_channel(inv_std)) + per_channel(beta), (x, mu, inv_std, gamma)


@mutant(
    TASK,
    says="Something went to the host and back: float(), .item(), .get(), asnumpy, or an `if` on an array. The "
    "statistics of all channels can pass from kernel to kernel as one array of shape (C, 1, 1).",
)
def through_the_host(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, gamma) = right(x, gamma, beta, eps)
    return y, (x, mu, inv_std, gamma) if float(inv_std.max()) > 0 else ()


@mutant(
    TASK,
    says="Your results are float64: twice the bytes. Declare the outputs of the kernels as T, the dtype of x, not as "
    "float64; the sums alone may be wider, by reduce_type.",
)
def float64_promotion(x, gamma, beta, eps=1e-5):
    if x.dtype == np.float64:  # nothing to promote
        return right(x, gamma, beta, eps)
    y, (x, mu, inv_std, gamma) = right(x, gamma, beta, eps)
    return y.astype(np.float64), (x, mu.astype(np.float64), inv_std.astype(np.float64), gamma)


@mutant(TASK, says="Your cache holds the standard deviation. Store inv_std = 1 / sqrt(var + eps).")
def std_in_cache(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, gamma) = right(x, gamma, beta, eps)
    return y, (x, mu, 1 / inv_std, gamma)


@mutant(
    TASK,
    says="Your mean is 0. Its factor is a division of whole numbers, such as 1 / m or _out_ind.size() / "
    "_in_ind.size(), which C++ rounds down to 0: divide the sum itself, a / (...).",
)
def whole_division_in_the_mean(x, gamma, beta, eps=1e-5):
    mu = xp.zeros(x.shape[1], x.dtype)
    return with_var(x, gamma, beta, eps, SQUARES(x, x.dtype.type(0), count(x), axis=RIGHT), mu)


@mutant(
    TASK,
    says="Your mean and your variance are 0. Their factor is a division of whole numbers, such as 1 / m or "
    "_out_ind.size() / _in_ind.size(), which C++ rounds down to 0: divide the sum itself, a / (...).",
)
def whole_division(x, gamma, beta, eps=1e-5):
    return with_var(x, gamma, beta, eps, xp.zeros(x.shape[1], x.dtype), xp.zeros(x.shape[1], x.dtype))


OVER_M = "r = a / (_in_ind.size() / _out_ind.size())"
OVER_ALL = "r = a / _in_ind.size()"


def divided_at_the_end(x, gamma, beta, eps, identities=("0", "0"), of_mean=OVER_M, of_var=OVER_M):
    """Sums that are divided in the expression that finishes."""
    total = ReductionKernel("T x", "T r", "x", "a + b", of_mean, identities[0], "mean_from")
    squares = ReductionKernel("T x, T k", "T r", "(x - k) * (x - k)", "a + b", of_var, identities[1], "squares_from")
    mu = total(x, axis=RIGHT)
    return with_var(x, gamma, beta, eps, squares(x, per_channel(mu), axis=RIGHT), mu)


@mutant(
    TASK,
    says='The identity of your reductions is "1". Each of hundreds of partial results starts from it, and the sum is '
    'too large by as many. For a sum the identity is "0".',
)
def identity_of_one_before_the_division(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, ("1", "1"))


@mutant(
    TASK,
    says='The sum for your mean starts from the identity "1". Hundreds of partial results start from it, one for each '
    'thread. For a sum the identity is "0".',
)
def identity_of_one_in_the_mean(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, ("1", "0"))


@mutant(
    TASK,
    says='The sum for your variance starts from the identity "1". Hundreds of partial results start from it, one for '
    'each thread. For a sum the identity is "0".',
)
def identity_of_one_in_the_variance(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, ("0", "1"))


@mutant(TASK, says="Your mean is a sum: divide by m = N * H * W, in the map or in the expression that finishes.")
def sum_for_mean(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, of_mean="r = a")


@mutant(
    TASK,
    says="Your mean and your variance are sums: divide each by m = N * H * W, in the map or in the expression that "
    "finishes.",
)
def sums_for_both(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, of_mean="r = a", of_var="r = a")


@mutant(
    TASK,
    says="You divided your mean by the number of all elements, _in_ind.size(). There are C results, and each is a mean "
    "over N * H * W: divide by _in_ind.size() / _out_ind.size().",
)
def mean_over_all_elements(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, of_mean=OVER_ALL)


@mutant(
    TASK,
    says="You divided your variance by the number of all elements, _in_ind.size(). There are C results, and each is a "
    "mean over N * H * W: divide by _in_ind.size() / _out_ind.size().",
)
def variance_over_all_elements(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, of_var=OVER_ALL)


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument eps.")
def eps_hard_coded(x, gamma, beta, eps=1e-5):
    return right(x, gamma, beta, 1e-5)


@mutant(
    TASK,
    says="Your cache holds x_hat. Store x, which is there already: writing x_hat costs one more pass, and the backward "
    "pass computes it from x, mu and inv_std.",
)
def x_hat_in_cache(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, gamma) = right(x, gamma, beta, eps)
    return y, ((x - per_channel(mu)) * per_channel(inv_std), mu, inv_std, gamma)


@mutant(
    TASK,
    says="Your reductions have no axis, so all channels share one mean and one variance. Each channel has its own: "
    "axis=(0, 2, 3).",
)
def over_everything(x, gamma, beta, eps=1e-5):
    size = x.dtype.type(x.size)
    mu = MEAN(x, size)
    inv_std = 1 / xp.sqrt(SQUARES(x, mu, size) + eps)
    return Y(x, mu, inv_std, per_channel(gamma), per_channel(beta)), (x, mu, inv_std, gamma)


@mutant(TASK, says="You divided by the variance. The root is missing: inv_std = 1 / sqrt(var + eps).")
def sqrt_missing(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x), axis=RIGHT)
    var = SQUARES(x, per_channel(mu), count(x), axis=RIGHT)
    return finished(x, mu, 1 / (var + eps), gamma, beta)


@mutant(TASK, says="Your cache holds the variance. Store inv_std = 1 / sqrt(var + eps).")
def variance_in_cache(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, gamma) = right(x, gamma, beta, eps)
    return y, (x, mu, SQUARES(x, per_channel(mu), count(x), axis=RIGHT), gamma)


@mutant(
    TASK,
    says="gamma and beta are swapped on their way to the kernel: arguments come in the order in which the kernel "
    "declares them.",
)
def gamma_and_beta_exchanged(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, _) = right(x, beta, gamma, eps)
    return y, (x, mu, inv_std, gamma)


@mutant(
    TASK,
    says="mu and inv_std are swapped on their way to the kernel that makes y: arguments come in the order in which it "
    "declares them.",
)
def mu_and_inv_std_exchanged(x, gamma, beta, eps=1e-5):
    _, (x, mu, inv_std, gamma) = right(x, gamma, beta, eps)
    y, _ = finished(x, inv_std, mu, gamma, beta)
    return y, (x, mu, inv_std, gamma)


@mutant(
    TASK,
    says="Your sums are taken over everything, all channels together, and divided by the m of one channel: without "
    "axis=(0, 2, 3) a reduction has one result.",
)
def summed_over_everything(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x))
    inv_std = 1 / xp.sqrt(SQUARES(x, mu, count(x)) + eps)
    return Y(x, mu, inv_std, per_channel(gamma), per_channel(beta)), (x, mu, inv_std, gamma)


@mutant(
    TASK,
    says="Your variance squares where two values are joined, a * a + b * b, so what was squared is squared again. The "
    "square belongs in the map, (x - mu) * (x - mu), and values are joined by a + b.",
)
def squared_where_joined(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x), axis=RIGHT)
    joined = ReductionKernel("T x, T k", "T r", "x - k", "a * a + b * b", "r = a", "0", "squared_where_joined")
    return with_var(x, gamma, beta, eps, joined(x, per_channel(mu), axis=RIGHT) / count(x), mu)


@mutant(
    TASK,
    says="eps is in the map, so it is added to each of the m values. Add it once, to the variance.",
)
def eps_in_the_map(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x), axis=RIGHT)
    return with_var(x, gamma, beta, eps * float(count(x)), SQUARES(x, per_channel(mu), count(x), axis=RIGHT), mu)


def with_y(expression, x, gamma, beta, eps):
    """Right statistics, and another third kernel."""
    _, (x, mu, inv_std, gamma) = right(x, gamma, beta, eps)
    other = ElementwiseKernel("T x, T mu, T w, T g, T b", "T y", f"y = {expression}", "other_y")
    return other(x, *map(per_channel, (mu, inv_std, gamma, beta))), (x, mu, inv_std, gamma)


@mutant(
    TASK,
    says="inv_std multiplies the mean alone: x - mu * inv_std. Brackets are missing: x_hat is (x - mu) * inv_std.",
)
def brackets_missing(x, gamma, beta, eps=1e-5):
    return with_y("g * (x - mu * w) + b", x, gamma, beta, eps)


@mutant(
    TASK,
    says="gamma multiplies beta as well: gamma * (x_hat + beta). y is gamma * x_hat + beta.",
)
def beta_scaled(x, gamma, beta, eps=1e-5):
    return with_y("g * ((x - mu) * w + b)", x, gamma, beta, eps)


@mutant(
    TASK,
    says="You divided by inv_std, or multiplied by the standard deviation. inv_std is 1 / sqrt(var + eps) already: "
    "x_hat is (x - mu) * inv_std.",
)
def divided_by_inv_std(x, gamma, beta, eps=1e-5):
    return with_y("g * ((x - mu) / w) + b", x, gamma, beta, eps)


@mutant(
    TASK,
    says="The mean is not subtracted in the kernel that makes y: it is gamma * (x - mu) * inv_std + beta.",
)
def mu_missing(x, gamma, beta, eps=1e-5):
    return with_y("g * (x * w) + b", x, gamma, beta, eps)


@mutant(
    TASK,
    says="You divided by N, the number of images. The values that share a mean and a variance are N * H * W.",
)
def divided_by_images(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, x.dtype.type(len(x)), axis=RIGHT)
    return with_var(x, gamma, beta, eps, SQUARES(x, per_channel(mu), x.dtype.type(len(x)), axis=RIGHT), mu)


@mutant(
    TASK,
    says="You divided by _out_ind.size(), which is the number of channels. The count of values of a channel is "
    "_in_ind.size() / _out_ind.size().",
)
def divided_by_the_results(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, of_mean="r = a / _out_ind.size()", of_var="r = a / _out_ind.size()")


@mutant(
    TASK,
    says="You divided your mean by _out_ind.size(), which is the number of channels. The count of values of a "
    "channel is _in_ind.size() / _out_ind.size().",
)
def mean_divided_by_the_results(x, gamma, beta, eps=1e-5):
    return divided_at_the_end(x, gamma, beta, eps, of_mean="r = a / _out_ind.size()")


@mutant(
    TASK,
    says="Your variance is the mean of the absolute distances from the mean. Its map squares them: (x - mu) * (x - "
    "mu).",
)
def absolute_distances(x, gamma, beta, eps=1e-5):
    mu = MEAN(x, count(x), axis=RIGHT)
    absolute = ReductionKernel("T x, T k, T m", "T r", "abs(x - k) / m", "a + b", "r = a", "0", "absolute")
    return with_var(x, gamma, beta, eps, absolute(x, per_channel(mu), count(x), axis=RIGHT), mu)


@mutant(
    TASK,
    says="Your y is right, but the inv_std in your cache lacks eps. Store the one that y was made with: 1 / sqrt(var + "
    "eps).",
)
def eps_missing_in_cache(x, gamma, beta, eps=1e-5):
    y, (x, mu, _, gamma) = right(x, gamma, beta, eps)
    return y, (x, mu, 1 / xp.sqrt(SQUARES(x, per_channel(mu), count(x), axis=RIGHT)), gamma)
