"""Slips in `batchnorm2d_train(x, gamma, beta, eps=1e-5) -> (y, (x_hat, inv_std, gamma))` for images."""

import numpy as np

from solutions.mutants import mutant

TASK = "batchnorm2d-train"
RIGHT = (0, 2, 3)


def per_channel(values):
    """(C,) numbers in the shape that meets (N, C, H, W)."""
    return values[:, None, None]


def normalized_over(x, gamma, beta, eps, axes):
    """Everything done right, but for the axes; the statistics lose these axes in the cache."""
    inv_std = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
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
    says="You averaged over the images alone (axis 0): a mean for each position of each channel. A convolution treats "
    "all positions alike, so all positions of a channel share one mean: axes (0, 2, 3).",
)
def statistics_per_position(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (0,))


@mutant(
    TASK,
    says="You averaged over images and rows, axes (0, 2), and kept the columns apart. A channel has one mean: axes (0, "
    "2, 3).",
)
def columns_kept_apart(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (0, 2))


@mutant(
    TASK,
    says="You averaged over images and columns, axes (0, 3), and kept the rows apart. A channel has one mean: axes (0, "
    "2, 3).",
)
def rows_kept_apart(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (0, 3))


@mutant(
    TASK,
    says="You took the statistics of each image by itself, axes (2, 3). That is instance normalization; batch "
    "normalization also runs over the images: axes (0, 2, 3).",
)
def statistics_per_image(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (2, 3))


@mutant(
    TASK,
    says="You averaged over the channels (axis 1). Each channel is normalized on its own: reduce over axes (0, 2, 3), "
    "so that axis 1 stays.",
)
def over_the_channels(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (1,))


@mutant(
    TASK,
    says="You averaged over all of an image, axes (1, 2, 3). That is layer normalization; batch normalization has one "
    "mean for each channel: axes (0, 2, 3).",
)
def over_whole_images(x, gamma, beta, eps=1e-5):
    return normalized_over(x, gamma, beta, eps, (1, 2, 3))


@mutant(TASK, says="You took one mean and one variance over the whole array. Each of the C channels has its own.")
def whole_array(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = normalized_over(x, gamma, beta, eps, (0, 1, 2, 3))
    return y, (x_hat, np.full(x.shape[1], inv_std, x.dtype), gamma)


@mutant(
    TASK,
    says="You treated the last axis as the channels: reducing over axes (0, 1, 2) leaves the width. Here a batch has "
    "the shape (N, C, H, W), so the channels are axis 1 and the means run over axes (0, 2, 3).",
)
def channels_taken_last(x, gamma, beta, eps=1e-5):
    inv_std = 1 / np.sqrt(x.var(axis=(0, 1, 2)) + eps)
    x_hat = (x - x.mean(axis=(0, 1, 2))) * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="You reshaped to (N * H * W, C) without moving the channels to the end first. A reshape keeps the order in "
    "memory, so each column holds values of several channels: transpose, then reshape.",
)
def reshaped_without_transposing(x, gamma, beta, eps=1e-5):
    rows = x.reshape(-1, x.shape[1])
    inv_std = 1 / np.sqrt(rows.var(axis=0) + eps)
    x_hat = (rows - rows.mean(axis=0)) * inv_std
    return (gamma * x_hat + beta).reshape(x.shape), (x_hat.reshape(x.shape), inv_std, gamma)


@mutant(
    TASK,
    says="You reshaped to (C, N * H * W) without moving the channels to the front first. A reshape keeps the order in "
    "memory, so each row holds values of several channels: swap the first two axes, then reshape.",
)
def reshaped_without_swapping(x, gamma, beta, eps=1e-5):
    rows = x.reshape(x.shape[1], -1)
    inv_std = 1 / np.sqrt(rows.var(axis=1) + eps)
    x_hat = ((rows - rows.mean(axis=1)[:, None]) * inv_std[:, None]).reshape(x.shape)
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="On the way back you reshaped to (N, C, H, W) at once. The rows of the flat array are in the order n, h, w: "
    "reshape to (N, H, W, C), then move the channels back to axis 1.",
)
def reshaped_back_without_transposing(x, gamma, beta, eps=1e-5):
    rows = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
    inv_std = 1 / np.sqrt(rows.var(axis=0) + eps)
    x_hat = (rows - rows.mean(axis=0)) * inv_std
    return (gamma * x_hat + beta).reshape(x.shape), (x_hat.reshape(x.shape), inv_std, gamma)


@mutant(
    TASK,
    says="Height and width changed places on the way back: after transpose(0, 2, 3, 1) the way back is transpose(0, 3, "
    "1, 2).",
)
def height_and_width_exchanged(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, gamma, beta, eps)
    return y.swapaxes(2, 3).copy(), (x_hat.swapaxes(2, 3).copy(), inv_std, gamma)


@mutant(
    TASK,
    says="gamma and beta were combined with the last axis, the width. They belong to the channels: give them the "
    "shape (C, 1, 1) first.",
)
def gamma_on_the_last_axis(x, gamma, beta, eps=1e-5):
    _, cache = right(x, gamma, beta, eps)
    return gamma * cache[0] + beta, cache


@mutant(
    TASK,
    says="The C statistics were combined with the last axis, the width, and so were gamma and beta. They belong to "
    "the channels: give all four the shape (C, 1, 1) first.",
)
def everything_on_the_last_axis(x, gamma, beta, eps=1e-5):
    inv_std = 1 / np.sqrt(x.var(axis=RIGHT) + eps)
    x_hat = (x - x.mean(axis=RIGHT)) * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="You divided the sums by N. A mean is shared by all N * H * W values of a channel: m = N * H * W.",
)
def divided_by_images(x, gamma, beta, eps=1e-5):
    mu = x.sum(axis=RIGHT, keepdims=True) / len(x)
    inv_std = 1 / np.sqrt(((x - mu) ** 2).sum(axis=RIGHT) / len(x) + eps)
    x_hat = (x - mu) * per_channel(inv_std)
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="You divided the sum of squares by N. The variance is a mean over the N * H * W values of a channel.",
)
def variance_divided_by_images(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / np.sqrt(x.var(axis=RIGHT) * (x.size / x.shape[1] / len(x)) + eps))


@mutant(
    TASK,
    says="You averaged the variances of the single images. The images differ in their means too, and this is part of "
    "the variance: take it over axes (0, 2, 3) at once.",
)
def variance_between_images_missing(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / np.sqrt(x.var(axis=(2, 3)).mean(axis=0) + eps))


@mutant(
    TASK,
    says="You divided by m - 1, with m = N * H * W. Training normalizes with 1/m; only the running variance uses 1/(m "
    "- 1).",
)
def unbiased_variance(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / np.sqrt(x.var(axis=RIGHT, ddof=1) + eps))


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits and can turn "
    "negative: subtract the mean first, then square.",
)
def one_pass_variance(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / np.sqrt((x * x).mean(axis=RIGHT) - x.mean(axis=RIGHT) ** 2 + eps))


@mutant(TASK, says="You added eps after the root: sqrt(var) + eps. It belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / (x.std(axis=RIGHT) + eps))


@mutant(TASK, says="You left eps out: inv_std is 1 / sqrt(var + eps). Without it a constant channel divides by zero.")
def eps_missing(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / x.std(axis=RIGHT))


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(x, gamma, beta, eps=1e-5):
    return right(x, gamma, beta, 1e-5)


@mutant(TASK, says="You subtracted eps from the variance. It is added, so that the root can never meet a zero.")
def eps_subtracted(x, gamma, beta, eps=1e-5):
    return right(x, gamma, beta, -eps)


@mutant(
    TASK,
    says="You divided by var + eps without the root. The standard deviation, sqrt(var + eps), has the units of x.",
)
def sqrt_missing(x, gamma, beta, eps=1e-5):
    return with_width(x, gamma, beta, 1 / (x.var(axis=RIGHT) + eps))


@mutant(TASK, says="You did not subtract the mean: x_hat is (x - mu) * inv_std.")
def mean_not_subtracted(x, gamma, beta, eps=1e-5):
    _, (_, inv_std, _) = right(x, gamma, beta, eps)
    x_hat = x * per_channel(inv_std)
    return per_channel(gamma) * x_hat + per_channel(beta), (x_hat, inv_std, gamma)


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta, with one gamma for each channel.")
def gamma_forgotten(x, gamma, beta, eps=1e-5):
    _, cache = right(x, gamma, beta, eps)
    return cache[0] + per_channel(beta), cache


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta, with one beta for each channel.")
def beta_forgotten(x, gamma, beta, eps=1e-5):
    return right(x, gamma, 0 * beta, eps)


@mutant(TASK, says="You returned x_hat as y: gamma and beta are still to come, y is gamma * x_hat + beta.")
def gamma_and_beta_forgotten(x, gamma, beta, eps=1e-5):
    _, cache = right(x, gamma, beta, eps)
    return cache[0].copy(), cache


@mutant(TASK, says="You exchanged gamma and beta: gamma scales, beta shifts.")
def gamma_and_beta_swapped(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, beta, gamma, eps)
    return y, (x_hat, inv_std, gamma)


@mutant(
    TASK,
    says="The inv_std in your cache has the shape (1, C, 1, 1). The contract says (C,): reduce without keepdims for "
    "what you store, or take it with inv_std[0, :, 0, 0].",
)
def axes_kept_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, gamma, beta, eps)
    return y, (x_hat, inv_std.reshape(1, -1, 1, 1), gamma)


@mutant(
    TASK,
    says="inv_std and gamma in your cache have the shape (1, C, 1, 1). The contract says (C,): store them before you "
    "reshape.",
)
def axes_kept_in_all_of_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, gamma, beta, eps)
    return y, (x_hat, inv_std.reshape(1, -1, 1, 1), gamma.reshape(1, -1, 1, 1))


@mutant(
    TASK,
    says="The gamma in your cache has the shape (1, C, 1, 1). The contract says (C,): store it before you reshape.",
)
def gamma_reshaped_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, gamma, beta, eps)
    return y, (x_hat, inv_std, gamma.reshape(1, -1, 1, 1))


@mutant(
    TASK,
    says="The x_hat in your cache is the flat array of shape (N * H * W, C). The contract says (N, C, H, W): bring it "
    "back as you brought back y.",
)
def flat_x_hat_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, gamma, beta, eps)
    return y, (np.moveaxis(x_hat, 1, -1).reshape(-1, x.shape[1]), inv_std, gamma)


@mutant(
    TASK,
    says="Your cache holds the standard deviation. Store inv_std = 1 / sqrt(var + eps): the backward pass multiplies "
    "by it.",
)
def std_in_cache(x, gamma, beta, eps=1e-5):
    y, (x_hat, inv_std, _) = right(x, gamma, beta, eps)
    return y, (x_hat, 1 / inv_std, gamma)


@mutant(
    TASK,
    says="Your cache holds x. Store x_hat, the normalized images: the backward pass needs nothing else of x.",
)
def x_in_cache(x, gamma, beta, eps=1e-5):
    y, (_, inv_std, _) = right(x, gamma, beta, eps)
    return y, (x.copy(), inv_std, gamma)
