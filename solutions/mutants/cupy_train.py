"""Slips in `batchnorm_train(x, gamma, beta, eps=1e-5) -> (y, (x_hat, inv_std, gamma))` on device arrays."""

import numpy as np
from bnlab.gpu import xp

from solutions.mutants import mutant

TASK = "cupy-train"
RIGHT = (0, 2, 3)


def per_channel(values):
    """(C,) numbers in the shape that meets (N, C, H, W)."""
    return values[:, None, None]


def normalized_over(x, gamma, beta, eps, axes):
    """Everything done right, but for the axes; the statistics lose these axes in the cache."""
    inv_std = 1 / xp.sqrt(x.var(axis=axes, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=axes, keepdims=True)) * inv_std
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std.squeeze(axes), gamma)


def with_width(x, gamma, beta, inv_std):
    """Everything done right, but for inv_std, shape (C,)."""
    x_hat = (x - x.mean(axis=RIGHT, keepdims=True)) * per_channel(inv_std)
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std, gamma)


def right(x, gamma, beta, eps):
    return normalized_over(x, gamma, beta, eps, RIGHT)


@mutant(
    TASK,
    says="Something went to the host and back: float(), int(), .item(), .get(), asnumpy, or an `if` on an array. Each "
    "waits for the device. Keep single numbers as arrays, and let all channels share one call.",
)
def through_the_host(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, kept) = right(x, gamma, beta, eps)
    if float(inv_std.max()) > 0:
        return y, (x_hat, inv_std, kept)
    return x, (x, inv_std, kept)


@mutant(
    TASK,
    says="What you return lies on the host: it is a NumPy array. Make arrays with xp, not with np, and leave out "
    "asnumpy and get: the next layer wants its input on the device.",
)
def results_on_the_host(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, kept) = right(x, gamma, beta, eps)
    return xp.asnumpy(y), (xp.asnumpy(x_hat), xp.asnumpy(inv_std), kept)


@mutant(
    TASK,
    says="Your results are float64: twice the bytes. A NumPy scalar such as m = np.prod(x.shape) makes them so; take "
    "int(...) of it, since a Python number does not. Statistics in float64 do the same: bring them back to x.dtype.",
)
def float64_promotion(x, gamma, beta, eps=1e-5):
    if x.dtype == np.float64:  # nothing to promote
        return right(x, gamma, beta, eps)
    return right(x.astype(np.float64), gamma, beta, eps)


@mutant(
    TASK,
    says="You averaged over the images alone (axis 0): a mean for each position. All positions of a channel share one "
    "mean: axes (0, 2, 3).",
)
def statistics_per_position(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (0,))


@mutant(
    TASK,
    says="You averaged each image by itself, axes (2, 3). The images of a batch share the statistics of a channel: "
    "axes (0, 2, 3).",
)
def statistics_per_image(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (2, 3))


@mutant(TASK, says="You averaged along the channels (axis 1). Each channel has statistics of its own: axes (0, 2, 3).")
def over_the_channels(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (1,))


@mutant(TASK, says="You divided by m - 1, with m = N * H * W. Training normalizes with the biased variance, 1/m.")
def unbiased_variance(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / xp.sqrt(x.var(axis=RIGHT, ddof=1) + eps))


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. That saves a pass but loses digits: in float32, far "
    "from zero, all of them. Subtract the mean first, then square.",
)
def one_pass_variance(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / xp.sqrt((x * x).mean(axis=RIGHT) - x.mean(axis=RIGHT) ** 2 + eps))


@mutant(TASK, says="You added eps outside the root: sqrt(var) + eps. It belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / (x.std(axis=RIGHT) + eps))


@mutant(TASK, says="You left eps out: inv_std is 1 / sqrt(var + eps). Without it a constant channel divides by zero.")
def eps_missing(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / x.std(axis=RIGHT))


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument eps.")
def eps_hard_coded(x, gamma, beta, eps=1e-5):
    return right(x, gamma, beta, 1e-5)


@mutant(TASK, says="You divided by var + eps without the root. The standard deviation is sqrt(var + eps).")
def sqrt_missing(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / (x.var(axis=RIGHT) + eps))


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta, with one gamma for each channel.")
def gamma_forgotten(x, gamma, beta, eps=1e-5):
    _, cache = right(x, gamma, beta, eps)
    return cache[0] + per_channel(beta), cache


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta, with one beta for each channel.")
def beta_forgotten(x, gamma, beta, eps=1e-5):
    return right(x, gamma, 0 * beta, eps)


@mutant(TASK, says="Your cache holds the standard deviation. Store inv_std = 1 / sqrt(var + eps).")
def std_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, gamma, beta, eps)
    return y, (x_hat, 1 / inv_std, gamma)


@mutant(TASK, says="Your cache holds x. Store x_hat, the normalized images.")
def x_in_cache(x, gamma, beta, eps=1e-5):
    y, (_, inv_std, _) = right(x, gamma, beta, eps)
    return y, (x.copy(), inv_std, gamma)


@mutant(
    TASK,
    says="The x_hat in your cache is y: y *= gamma or y += beta writes into the array that x_hat names, too. Make y a "
    "new array, with * and +.",
)
def x_hat_overwritten(x, gamma, beta, eps=1e-5):
    y, (_, inv_std, gamma) = right(x, gamma, beta, eps)
    return y, (y, inv_std, gamma)


@mutant(
    TASK,
    says="The x_hat in your cache is multiplied by gamma: y *= gamma writes into the array that x_hat names, too. Make "
    "y a new array, with *.",
)
def x_hat_scaled_in_place(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, gamma) = right(x, gamma, beta, eps)
    return y, (x_hat * per_channel(gamma), inv_std, gamma)


@mutant(TASK, says="Your mean is a sum: divide by m = N * H * W.")
def sum_for_mean(x, gamma, beta, eps=1e-5):
    centred = x - x.sum(axis=RIGHT, keepdims=True)
    inv_std = 1 / xp.sqrt((centred * centred).mean(axis=RIGHT) + eps)
    x_hat = centred * per_channel(inv_std)
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std, gamma)


@mutant(TASK, says="Your variance is a sum: divide by m = N * H * W.")
def sum_for_variance(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / xp.sqrt(x.var(axis=RIGHT) * (x.size // x.shape[1]) + eps))


@mutant(
    TASK,
    says="Your mean and your variance are taken over everything, all channels together. Each channel has its own: "
    "axis=(0, 2, 3).",
)
def over_everything(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (0, 1, 2, 3))


@mutant(TASK, says="Your cache holds the variance. Store inv_std = 1 / sqrt(var + eps).")
def variance_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, _, gamma) = right(x, gamma, beta, eps)
    return y, (x_hat, x.var(axis=RIGHT), gamma)


@mutant(TASK, says="gamma and beta are swapped: y is gamma * x_hat + beta.")
def gamma_and_beta_exchanged(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, beta, gamma, eps)
    return y, (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="The mean is not subtracted: x_hat is (x - mu) * inv_std, with one mu for each channel.",
)
def mu_missing(x, gamma, beta, eps=1e-5):
    inv_std = 1 / xp.sqrt(x.var(axis=RIGHT) + eps)
    x_hat = x * per_channel(inv_std)
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="inv_std multiplies the mean alone: x - mu * inv_std. Brackets are missing: x_hat is (x - mu) * inv_std.",
)
def brackets_missing(x, gamma, beta, eps=1e-5):
    inv_std = 1 / xp.sqrt(x.var(axis=RIGHT) + eps)
    x_hat = x - per_channel(x.mean(axis=RIGHT) * inv_std)
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="gamma multiplies beta as well: gamma * (x_hat + beta). y is gamma * x_hat + beta.",
)
def beta_scaled(x, gamma, beta, eps=1e-5):
    _, cache = right(x, gamma, beta, eps)
    return per_channel(gamma) * (cache[0] + per_channel(beta)), cache


@mutant(
    TASK,
    says="You divided by inv_std, or multiplied by the standard deviation. inv_std is 1 / sqrt(var + eps) already: "
    "x_hat is (x - mu) * inv_std.",
)
def divided_by_inv_std(x, gamma, beta, eps=1e-5):
    inv_std = 1 / xp.sqrt(x.var(axis=RIGHT) + eps)
    x_hat = (x - x.mean(axis=RIGHT, keepdims=True)) / per_channel(inv_std)
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="Your y is right, but the inv_std in your cache lacks eps. Store the one that y was made with: 1 / sqrt(var + "
    "eps).",
)
def eps_missing_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, _, gamma) = right(x, gamma, beta, eps)
    return y, (x_hat, 1 / xp.sqrt(x.var(axis=RIGHT)), gamma)


@mutant(
    TASK,
    says="You averaged the variances of the images. Images differ in their means too, and that is a part of the "
    "variance: take it once, over axis=(0, 2, 3).",
)
def mean_of_the_images_variances(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / xp.sqrt(x.var(axis=(2, 3)).mean(axis=0) + eps))


@mutant(
    TASK,
    says="You took the variance of the images' means. Take the variance of all values of a channel at once, over "
    "axis=(0, 2, 3).",
)
def variance_of_the_images_means(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / xp.sqrt(x.mean(axis=(2, 3)).var(axis=0) + eps))


@mutant(
    TASK,
    says="Your variance divides by N, the number of images. The values that share it are N * H * W.",
)
def variance_divided_by_images(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / xp.sqrt(x.var(axis=RIGHT) * (x.shape[2] * x.shape[3]) + eps))
