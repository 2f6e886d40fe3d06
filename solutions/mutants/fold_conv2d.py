"""Slips in `fold_conv2d(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5) -> (weight, bias)`,
weight of shape (out, in, kh, kw)."""

import numpy as np

from solutions.mutants import mutant

TASK = "fold-conv2d"


def factor(gamma, running_var, eps):
    """The factor of each output, done right."""
    return gamma / np.sqrt(running_var + eps)


def folded(weight, bias, scale, beta, running_mean):
    """The two last lines, done right."""
    return weight * scale[:, None, None, None], (bias - running_mean) * scale + beta


def scaled_along(axis, weight, bias, gamma, beta, running_mean, running_var, eps):
    """The bias done right, the weight scaled along some axis."""
    scale = factor(gamma, running_var, eps)
    shape = [len(scale) if other == axis else 1 for other in range(4)]
    return weight * scale.reshape(shape), folded(weight, bias, scale, beta, running_mean)[1]


@mutant(
    TASK,
    says="The factors were combined with the last axis, the columns of the kernel. There is one factor for each "
    "output channel, axis 0: give them the shape (out, 1, 1, 1).",
)
def kernel_columns_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return scaled_along(3, weight, bias, gamma, beta, running_mean, running_var, eps)


@mutant(
    TASK,
    says="The factors were combined with the rows of the kernel. There is one factor for each output channel, axis 0: "
    "give them the shape (out, 1, 1, 1).",
)
def kernel_rows_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return scaled_along(2, weight, bias, gamma, beta, running_mean, running_var, eps)


@mutant(
    TASK,
    says="The factors were combined with the input channels, axis 1. Batch normalization follows the convolution, so "
    "its factors belong to the output channels, axis 0: shape (out, 1, 1, 1).",
)
def input_channels_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return scaled_along(1, weight, bias, gamma, beta, running_mean, running_var, eps)


@mutant(
    TASK,
    says="You left the weight as it was. The factor multiplies what the kernels return, so all kernels of an output "
    "channel are multiplied by its factor.",
)
def weight_not_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return weight.copy(), folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean)[1]


@mutant(
    TASK,
    says="You left the bias as it was. It passes through batch normalization too: (bias - running_mean) * factor + "
    "beta.",
)
def bias_unchanged(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return weight * factor(gamma, running_var, eps)[:, None, None, None], bias.copy()


@mutant(
    TASK,
    says="You forgot the old bias. The convolution adds it before the normalization: (bias - running_mean) * "
    "factor + beta.",
)
def old_bias_forgotten(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, 0 * bias, factor(gamma, running_var, eps), beta, running_mean)


@mutant(
    TASK,
    says="You added the old bias without its factor. Batch normalization scales the whole output, bias included: (bias "
    "- running_mean) * factor + beta.",
)
def old_bias_not_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return weight * scale[:, None, None, None], bias - running_mean * scale + beta


@mutant(TASK, says="You subtracted running_mean without its factor: (bias - running_mean) * factor + beta.")
def mean_not_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return weight * scale[:, None, None, None], bias * scale - running_mean + beta


@mutant(TASK, says="You added running_mean. It is subtracted: (bias - running_mean) * factor + beta.")
def mean_added(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(gamma, running_var, eps), beta, -running_mean)


@mutant(
    TASK,
    says="Your difference is reversed, running_mean - bias: the new bias is (bias - running_mean) * factor + beta.",
)
def difference_turned(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return weight * scale[:, None, None, None], (running_mean - bias) * scale + beta


@mutant(TASK, says="You forgot running_mean: the new bias is (bias - running_mean) * factor + beta.")
def mean_forgotten(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(gamma, running_var, eps), beta, 0 * running_mean)


@mutant(TASK, says="You forgot beta: the new bias is (bias - running_mean) * factor + beta.")
def beta_forgotten(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(gamma, running_var, eps), 0 * beta, running_mean)


@mutant(TASK, says="You scaled beta. It is added after the factor: (bias - running_mean) * factor + beta.")
def beta_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return folded(weight, bias, scale, beta * scale, running_mean)


@mutant(TASK, says="You forgot gamma: the factor is gamma / sqrt(running_var + eps).")
def gamma_forgotten(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(1, running_var, eps), beta, running_mean)


@mutant(TASK, says="gamma is missing in the bias: all of bias - running_mean gets the factor gamma / sqrt(...).")
def gamma_missing_in_bias(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    weight, _ = folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean)
    return weight, (bias - running_mean) * factor(1, running_var, eps) + beta


@mutant(TASK, says="You exchanged gamma and beta: gamma scales, beta shifts.")
def gamma_and_beta_swapped(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(beta, running_var, eps), gamma, running_mean)


@mutant(TASK, says="You left eps out: the factor is gamma / sqrt(running_var + eps).")
def eps_missing(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(gamma, running_var, 0), beta, running_mean)


@mutant(TASK, says="You added eps after the root. It belongs inside: sqrt(running_var + eps).")
def eps_outside_sqrt(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, gamma / (np.sqrt(running_var) + eps), beta, running_mean)


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(gamma, running_var, 1e-5), beta, running_mean)


@mutant(
    TASK,
    says="You divided by running_var + eps without the root. Batch normalization divides by the standard deviation.",
)
def sqrt_missing(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, gamma / (running_var + eps), beta, running_mean)


@mutant(TASK, says="You multiplied by the standard deviation. Divide by it: gamma / sqrt(running_var + eps).")
def multiplied_by_std(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, gamma * np.sqrt(running_var + eps), beta, running_mean)


@mutant(TASK, says="You exchanged the axes of outputs and inputs in the result. The shape stays (out, in, kh, kw).")
def outputs_and_inputs_exchanged(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    weight, bias = folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean)
    return weight.swapaxes(0, 1).copy(), bias


@mutant(
    TASK,
    says="You flipped the kernels. What deep learning calls a convolution does not flip them, and folding only scales.",
)
def kernel_flipped(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    weight, bias = folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean)
    return weight[:, :, ::-1, ::-1].copy(), bias


@mutant(
    TASK,
    says="You multiplied running_mean by the sum of the kernel. It is already a mean of the convolution's output: "
    "subtract it as it is.",
)
def mean_through_the_kernel(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean * weight.sum(axis=(1, 2, 3)))


@mutant(TASK, says="You returned the pair the other way round: first weight, then bias.")
def order_swapped(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    weight, bias = folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean)
    return bias, weight


@mutant(
    TASK,
    says="You folded as if batch normalization came before the convolution. Here it follows: its factors belong to the "
    "output channels, axis 0 of the weight, and nothing passes through the kernels.",
)
def folded_from_the_front(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return weight * scale[:, None, None], bias + weight.sum(axis=(2, 3)) @ (beta - running_mean * scale)


@mutant(
    TASK,
    says="You reshaped the weight to (-1, out). A reshape keeps the order in memory, and the output channels come "
    "first in it: reshape to (out, -1), or give the factors the shape (out, 1, 1, 1).",
)
def reshaped_to_columns(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    columns = weight.reshape(-1, len(scale)) * scale
    return columns.reshape(weight.shape), folded(weight, bias, scale, beta, running_mean)[1]
