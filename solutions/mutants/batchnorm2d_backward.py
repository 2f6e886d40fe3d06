"""Slips in `batchnorm2d_backward(dy, cache) -> (dx, dgamma, dbeta)` for images."""

import numpy as np

from solutions.mutants import mutant

TASK = "batchnorm2d-backward"
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


def means_over(dy, cache, axes):
    """Both means taken over other axes; dgamma and dbeta are right."""
    x_hat, inv_std, gamma = cache
    _, dgamma, dbeta = closed_form(dy, cache)
    mean, slope = (values.mean(axis=axes, keepdims=True) for values in (dy, dy * x_hat))
    return per_channel(gamma * inv_std) * (dy - mean - x_hat * slope), dgamma, dbeta


def sums_over(dy, cache, axes):
    """Everything over other axes, dgamma and dbeta too."""
    dx, _, _ = means_over(dy, cache, axes)
    return dx, (dy * cache[0]).sum(axis=axes), dy.sum(axis=axes)


@mutant(
    TASK,
    says="Your sums run over the images alone (axis 0). gamma and beta are shared by all positions of a channel, and "
    "so are the mean and the variance: axes (0, 2, 3).",
)
def sums_per_position(dy, cache):
    return sums_over(dy, cache, (0,))


@mutant(
    TASK,
    says="Your sums run over each image by itself, axes (2, 3). The images of the batch share mu and var: axes (0, 2, "
    "3).",
)
def sums_per_image(dy, cache):
    return sums_over(dy, cache, (2, 3))


@mutant(TASK, says="Your sums run over images and rows, axes (0, 2), and leave the columns apart: axes (0, 2, 3).")
def columns_kept_apart(dy, cache):
    return sums_over(dy, cache, (0, 2))


@mutant(TASK, says="You summed over the channels (axis 1). Each channel has sums of its own: axes (0, 2, 3).")
def over_the_channels(dy, cache):
    return sums_over(dy, cache, (1,))


@mutant(
    TASK,
    says="In dx the means of dy and of dy * x_hat run over the images alone. They run over the same values as mu and "
    "var did: axes (0, 2, 3).",
)
def means_per_position(dy, cache):
    return means_over(dy, cache, (0,))


@mutant(
    TASK,
    says="In dx the means of dy and of dy * x_hat run over each image by itself. They run over the same values as mu "
    "and var did: axes (0, 2, 3).",
)
def means_per_image(dy, cache):
    return means_over(dy, cache, (2, 3))


@mutant(
    TASK,
    says="You divided by N, the number of images. The values that share a mean are N * H * W: m = N * H * W.",
)
def divided_by_images(dy, cache):
    factor = dy.shape[2] * dy.shape[3]
    return closed_form(dy, cache, mean=factor, variance=factor)


@mutant(
    TASK,
    says="You divided by H * W, the size of one image. The mean runs over the images too: m = N * H * W.",
)
def divided_by_pixels(dy, cache):
    return closed_form(dy, cache, mean=len(dy), variance=len(dy))


@mutant(
    TASK,
    says="You divided by the size of dy. The C channels do not share a mean, so m = N * H * W, not N * C * H * W.",
)
def divided_by_size(dy, cache):
    return closed_form(dy, cache, mean=1 / dy.shape[1], variance=1 / dy.shape[1])


@mutant(
    TASK,
    says="The factor 1/m is missing in the two corrections of dx: what is subtracted are the means of dy and of dy * "
    "x_hat, not their sums.",
)
def one_over_m_missing(dy, cache):
    m = dy.size / dy.shape[1]
    return closed_form(dy, cache, mean=m, variance=m)


@mutant(
    TASK,
    says="Your dx is m times too large: if you write m * dy - sum(dy) - x_hat * sum(dy * x_hat), divide all of it by "
    "m.",
)
def m_times_too_large(dy, cache):
    return closed_form(dy, cache, scale=dy.size / dy.shape[1] * cache[1] * cache[2])


@mutant(
    TASK,
    says="You divided by m - 1. The forward pass normalizes with 1/m, so the means of the backward pass divide by m "
    "too.",
)
def m_minus_one(dy, cache):
    m = dy.size / dy.shape[1]
    return closed_form(dy, cache, mean=m / (m - 1), variance=m / (m - 1))


@mutant(
    TASK,
    says="gamma * inv_std was combined with the last axis, the width. These numbers belong to the channels: give them "
    "the shape (C, 1, 1) first.",
)
def scale_on_the_last_axis(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache, scale=np.ones_like(cache[1]))
    return cache[1] * cache[2] * dx, dgamma, dbeta


@mutant(
    TASK,
    says="The C numbers of each term were combined with the last axis, the width. They belong to the channels: give "
    "gamma, inv_std and both means the shape (C, 1, 1) first.",
)
def everything_on_the_last_axis(dy, cache):
    x_hat, inv_std, gamma = cache
    _, dgamma, dbeta = closed_form(dy, cache)
    m = dy.size / dy.shape[1]
    return gamma * inv_std * (dy - dbeta / m - x_hat * dgamma / m), dgamma, dbeta


@mutant(
    TASK,
    says="You reshaped to (N * H * W, C) without moving the channels to the end first. A reshape keeps the order in "
    "memory, so each column holds values of several channels: transpose, then reshape.",
)
def reshaped_without_transposing(dy, cache):
    x_hat, inv_std, gamma = cache
    rows, x_rows = dy.reshape(-1, dy.shape[1]), x_hat.reshape(-1, dy.shape[1])
    dgamma, dbeta = (rows * x_rows).sum(axis=0), rows.sum(axis=0)
    dx = gamma * inv_std * (rows - dbeta / len(rows) - x_rows * dgamma / len(rows))
    return dx.reshape(dy.shape), dgamma, dbeta


@mutant(
    TASK,
    says="On the way back you reshaped dx to (N, C, H, W) at once. The rows of the flat array are in the order n, h, "
    "w: reshape to (N, H, W, C), then move the channels back to axis 1.",
)
def reshaped_back_without_transposing(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return np.moveaxis(dx, 1, -1).reshape(dy.shape), dgamma, dbeta


@mutant(
    TASK,
    says="Height and width of dx changed places on the way back: after transpose(0, 2, 3, 1) the way back is "
    "transpose(0, 3, 1, 2).",
)
def height_and_width_exchanged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx.swapaxes(2, 3).copy(), dgamma, dbeta


@mutant(TASK, says="You forgot gamma in dx: dy passes through gamma on its way to x_hat.")
def gamma_missing(dy, cache):
    return closed_form(dy, cache, scale=cache[1])


@mutant(TASK, says="inv_std is missing in dx: x_hat = (x - mu) * inv_std, so every path brings that factor along.")
def inv_std_missing(dy, cache):
    return closed_form(dy, cache, scale=cache[2])


@mutant(TASK, says="You divided by inv_std. It is already one over the standard deviation: multiply by it.")
def divided_by_inv_std(dy, cache):
    return closed_form(dy, cache, scale=cache[2] / cache[1])


@mutant(
    TASK,
    says="The brackets are missing: gamma * inv_std multiplies dy alone in your dx. It multiplies all three terms, "
    "gamma * inv_std * (dy - ... - ...).",
)
def brackets_missing(dy, cache):
    x_hat, inv_std, gamma = cache
    corrections = dy - closed_form(dy, cache, scale=np.ones_like(gamma))[0]
    return per_channel(gamma * inv_std) * dy - corrections, (dy * x_hat).sum(axis=RIGHT), dy.sum(axis=RIGHT)


@mutant(
    TASK,
    says="The two means in your dx are taken over the whole array. Each channel has its own: axis=(0, 2, 3), or dbeta "
    "and dgamma divided by m.",
)
def means_over_the_whole_array(dy, cache):
    return means_over(dy, cache, (0, 1, 2, 3))


@mutant(
    TASK,
    says="You treated mu as a constant: the values of a channel are coupled by their mean, so subtract the mean of dy.",
)
def mean_path_missing(dy, cache):
    return closed_form(dy, cache, mean=0)


@mutant(
    TASK,
    says="You treated var as a constant: the values of a channel are coupled by their spread, so subtract x_hat times "
    "the mean of dy * x_hat.",
)
def variance_path_missing(dy, cache):
    return closed_form(dy, cache, variance=0)


@mutant(
    TASK,
    says="You treated mu and var as constants. Both are computed from x, so both pass a gradient back to it: subtract "
    "the two means as well.",
)
def mean_and_variance_paths_missing(dy, cache):
    return closed_form(dy, cache, mean=0, variance=0)


@mutant(
    TASK,
    says="You averaged dgamma and dbeta. They are shared by the N * H * W values of a channel, and gradients add up: "
    "sum.",
)
def dgamma_and_dbeta_averaged(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    m = dy.size / dy.shape[1]
    return dx, dgamma / m, dbeta / m


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
    says="dgamma and dbeta have the shape (1, C, 1, 1). A gradient has the shape of its parameter, (C,): reduce "
    "without keepdims for what you return.",
)
def axes_kept(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, dgamma.reshape(1, -1, 1, 1), dbeta.reshape(1, -1, 1, 1)


@mutant(
    TASK,
    says="Your dgamma and dbeta are summed over the images but not over the positions. Each has the shape of its "
    "parameter, (C,): sum over axes (0, 2, 3).",
)
def parameters_per_position(dy, cache):
    dx, _, _ = closed_form(dy, cache)
    return dx, (dy * cache[0]).sum(axis=0), dy.sum(axis=0)


@mutant(
    TASK,
    says="gamma appears twice in your dx: once in dy * gamma, and once more in front of the bracket. One of the two is "
    "enough.",
)
def gamma_twice(dy, cache):
    _, inv_std, gamma = cache
    return closed_form(dy, cache, gamma**2 * inv_std)


@mutant(
    TASK,
    says="You summed dy * gamma for dgamma and dbeta. gamma enters only on the way back to x: dgamma is the sum of dy "
    "* x_hat, dbeta the sum of dy.",
)
def parameters_from_dx_hat(dy, cache):
    dx, dgamma, dbeta = closed_form(dy, cache)
    return dx, cache[2] * dgamma, cache[2] * dbeta
