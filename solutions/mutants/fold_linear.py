"""Slips in `fold_linear(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5) -> (weight, bias)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "fold-linear"


def factor(gamma, running_var, eps):
    """The factor of each output, done right."""
    return gamma / np.sqrt(running_var + eps)


def folded(weight, bias, scale, beta, running_mean):
    """The two last lines, done right."""
    return weight * scale[:, None], (bias - running_mean) * scale + beta


@mutant(
    TASK,
    says="The factors were combined with the inputs: NumPy lines shapes up from the right. There is one factor for "
    "each output, a row of the weight: give them the shape (out, 1).",
)
def columns_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return weight * scale, folded(weight, bias, scale, beta, running_mean)[1]


@mutant(
    TASK, says="You left the weight as it was. The factors multiply W x, so each row of W is multiplied by its own."
)
def weight_not_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return weight.copy(), folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean)[1]


@mutant(
    TASK,
    says="You left the bias as it was. It passes through batch normalization too: (bias - running_mean) * factor + "
    "beta.",
)
def bias_unchanged(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return weight * factor(gamma, running_var, eps)[:, None], bias.copy()


@mutant(
    TASK,
    says="You forgot the old bias. The layer gives W x + bias, and all of it is normalized: (bias - running_mean) * "
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
    return weight * scale[:, None], bias - running_mean * scale + beta


@mutant(TASK, says="You subtracted running_mean without its factor: (bias - running_mean) * factor + beta.")
def mean_not_scaled(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return weight * scale[:, None], bias * scale - running_mean + beta


@mutant(TASK, says="You added running_mean. It is subtracted: (bias - running_mean) * factor + beta.")
def mean_added(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, factor(gamma, running_var, eps), beta, -running_mean)


@mutant(
    TASK,
    says="Your difference is reversed, running_mean - bias: the new bias is (bias - running_mean) * factor + beta.",
)
def difference_turned(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return weight * scale[:, None], (running_mean - bias) * scale + beta


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


@mutant(TASK, says="You returned the weight transposed. Its shape stays (out, in).")
def weight_transposed(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    weight, bias = folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean)
    return weight.T.copy(), bias


@mutant(TASK, says="You returned the pair the other way round: first weight, then bias.")
def order_swapped(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    weight, bias = folded(weight, bias, factor(gamma, running_var, eps), beta, running_mean)
    return bias, weight


@mutant(
    TASK,
    says="You folded as if batch normalization came before the layer. Here it follows: its factors belong to the "
    "outputs, the rows of the weight, and nothing is multiplied by the weight's columns.",
)
def folded_from_the_front(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = factor(gamma, running_var, eps)
    return weight * scale, bias + weight @ (beta - running_mean * scale)


@mutant(
    TASK,
    says="Your factor is upside down: batch normalization multiplies by gamma and divides by the standard deviation, "
    "gamma / sqrt(running_var + eps).",
)
def factor_upside_down(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    return folded(weight, bias, 1 / factor(gamma, running_var, eps), beta, running_mean)
