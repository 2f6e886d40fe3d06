"""Slips in `group_norm(x, num_groups, gamma, beta, eps=1e-5) -> y`, x of shape (N, C, H, W)."""

import numpy as np

from solutions.mutants import mutant

TASK = "group-norm"


def per_channel(values):
    """(C,) numbers in the shape that meets (N, C, H, W)."""
    return values[:, None, None]


def grouped(x, num_groups):
    """x with an axis for the groups: (N, G, C / G, H, W)."""
    n, c, h, w = x.shape
    return x.reshape(n, num_groups, c // num_groups, h, w)


def normalized(x, eps, axes):
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


def by_groups(x, num_groups, eps, axes=(2, 3, 4)):
    """x_hat, done right but for the axes of the grouped array."""
    return normalized(grouped(x, num_groups), eps, axes).reshape(x.shape)


def finish(x_hat, gamma, beta):
    """The last line, done right."""
    return per_channel(gamma) * x_hat + per_channel(beta)


def with_width(x, num_groups, gamma, beta, width):
    """Centred by groups, then divided by width(grouped x)."""
    groups = grouped(x, num_groups)
    centred = groups - groups.mean(axis=(2, 3, 4), keepdims=True)
    return finish((centred / width(groups)).reshape(x.shape), gamma, beta)


def variance(groups, ddof=0):
    return groups.var(axis=(2, 3, 4), keepdims=True, ddof=ddof)


@mutant(
    TASK,
    says="Your groups take every num_groups-th channel. A group holds channels that follow one another: reshape to (N, "
    "num_groups, C / num_groups, H, W), with the groups first.",
)
def groups_interleaved(x, num_groups, gamma, beta, eps=1e-5):
    n, c, h, w = x.shape
    groups = x.reshape(n, c // num_groups, num_groups, h, w)
    return finish(normalized(groups, eps, (1, 3, 4)).reshape(x.shape), gamma, beta)


@mutant(
    TASK,
    says="You made groups of num_groups channels. num_groups is how many groups there are; each has C / num_groups "
    "channels.",
)
def number_taken_for_size(x, num_groups, gamma, beta, eps=1e-5):
    return finish(by_groups(x, x.shape[1] // num_groups, eps), gamma, beta)


@mutant(
    TASK,
    says="You let the images share statistics. Group normalization treats each image by itself: keep axis 0 out of "
    "the mean.",
)
def over_the_batch_too(x, num_groups, gamma, beta, eps=1e-5):
    return finish(by_groups(x, num_groups, eps, (0, 2, 3, 4)), gamma, beta)


@mutant(
    TASK,
    says="You normalized each pixel by itself, over the channels of its group. The pixels count too: a group shares "
    "one mean over C / num_groups * H * W values.",
)
def pixels_kept_apart(x, num_groups, gamma, beta, eps=1e-5):
    return finish(by_groups(x, num_groups, eps, (2,)), gamma, beta)


@mutant(
    TASK,
    says="You normalized each channel by itself, which is instance normalization. The channels of a group share one "
    "mean and one variance.",
)
def channels_kept_apart(x, num_groups, gamma, beta, eps=1e-5):
    return finish(normalized(x, eps, (2, 3)), gamma, beta)


@mutant(
    TASK,
    says="You normalized over all channels of an image, as with one group. Use num_groups: each group has statistics "
    "of its own.",
)
def one_group_for_all(x, num_groups, gamma, beta, eps=1e-5):
    return finish(normalized(x, eps, (1, 2, 3)), gamma, beta)


@mutant(
    TASK,
    says="You normalized each channel over the batch, which is batch normalization. Group normalization takes its "
    "statistics within one image.",
)
def batch_normalization(x, num_groups, gamma, beta, eps=1e-5):
    return finish(normalized(x, eps, (0, 2, 3)), gamma, beta)


@mutant(
    TASK,
    says="Your reshape put the groups last, so they hold pixels instead of channels. Split the channel axis: (N, "
    "num_groups, C / num_groups, H, W).",
)
def groups_of_pixels(x, num_groups, gamma, beta, eps=1e-5):
    groups = x.reshape(len(x), -1, num_groups)
    return finish(normalized(groups, eps, (1,)).reshape(x.shape), gamma, beta)


@mutant(
    TASK,
    says="You used one gamma and one beta for a whole group. Only the statistics are shared; gamma and beta have an "
    "entry for each of the C channels.",
)
def gamma_per_group(x, num_groups, gamma, beta, eps=1e-5):
    size = x.shape[1] // num_groups
    first, start = (np.repeat(values[:num_groups], size) for values in (gamma, beta))
    return finish(by_groups(x, num_groups, eps), first, start)


@mutant(
    TASK,
    says="gamma and beta were combined with the last axis, the width. They belong to the channels: give them the "
    "shape (C, 1, 1) first.",
)
def gamma_on_the_last_axis(x, num_groups, gamma, beta, eps=1e-5):
    return gamma * by_groups(x, num_groups, eps) + beta


@mutant(
    TASK,
    says="You averaged the variances of the channels. The channels differ in their means too, and this is part of the "
    "variance of the group: take it over the whole group at once.",
)
def variance_between_channels_missing(x, num_groups, gamma, beta, eps=1e-5):
    def width(groups):
        return np.sqrt(groups.var(axis=(3, 4), keepdims=True).mean(axis=2, keepdims=True) + eps)

    return with_width(x, num_groups, gamma, beta, width)


@mutant(TASK, says="You divided by the count minus 1. Normalization uses the biased variance, a mean of squares.")
def unbiased_variance(x, num_groups, gamma, beta, eps=1e-5):
    return with_width(x, num_groups, gamma, beta, lambda groups: np.sqrt(variance(groups, ddof=1) + eps))


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits: subtract the "
    "mean first, then square.",
)
def one_pass_variance(x, num_groups, gamma, beta, eps=1e-5):
    def width(groups):
        mean, square = (values.mean(axis=(2, 3, 4), keepdims=True) for values in (groups, groups * groups))
        return np.sqrt(square - mean**2 + eps)

    return with_width(x, num_groups, gamma, beta, width)


@mutant(TASK, says="You added eps after the root: sqrt(var) + eps. It belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(x, num_groups, gamma, beta, eps=1e-5):
    return with_width(x, num_groups, gamma, beta, lambda groups: np.sqrt(variance(groups)) + eps)


@mutant(TASK, says="You left eps out: divide by sqrt(var + eps). Without it a constant group divides by zero.")
def eps_missing(x, num_groups, gamma, beta, eps=1e-5):
    return finish(by_groups(x, num_groups, 0), gamma, beta)


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(x, num_groups, gamma, beta, eps=1e-5):
    return finish(by_groups(x, num_groups, 1e-5), gamma, beta)


@mutant(
    TASK,
    says="You divided by var + eps without the root. The standard deviation, sqrt(var + eps), has the units of x.",
)
def sqrt_missing(x, num_groups, gamma, beta, eps=1e-5):
    return with_width(x, num_groups, gamma, beta, lambda groups: variance(groups) + eps)


@mutant(TASK, says="You did not subtract the mean of the group. Centre first, then divide.")
def mean_not_subtracted(x, num_groups, gamma, beta, eps=1e-5):
    groups = grouped(x, num_groups)
    return finish((groups / np.sqrt(variance(groups) + eps)).reshape(x.shape), gamma, beta)


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta, with one gamma for each channel.")
def gamma_forgotten(x, num_groups, gamma, beta, eps=1e-5):
    return finish(by_groups(x, num_groups, eps), np.ones_like(gamma), beta)


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta, with one beta for each channel.")
def beta_forgotten(x, num_groups, gamma, beta, eps=1e-5):
    return finish(by_groups(x, num_groups, eps), gamma, 0 * beta)


@mutant(TASK, says="You returned x_hat: gamma and beta are still to come, y is gamma * x_hat + beta.")
def gamma_and_beta_forgotten(x, num_groups, gamma, beta, eps=1e-5):
    return by_groups(x, num_groups, eps)


@mutant(TASK, says="You exchanged gamma and beta: gamma scales, beta shifts.")
def gamma_and_beta_swapped(x, num_groups, gamma, beta, eps=1e-5):
    return finish(by_groups(x, num_groups, eps), beta, gamma)


@mutant(
    TASK,
    says="Your groups run over several images: reshape(num_groups, -1) cuts the whole batch. Keep the images apart, "
    "with (N, num_groups, -1).",
)
def batch_cut_into_groups(x, num_groups, gamma, beta, eps=1e-5):
    return finish(normalized(x.reshape(num_groups, -1), eps, 1).reshape(x.shape), gamma, beta)
