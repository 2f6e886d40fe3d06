"""Slips in `batchnorm_eval(x, gamma, beta, running_mean, running_var, eps=1e-5) -> y`."""

import numpy as np

from solutions.mutants import mutant

TASK = "forward-eval"


@mutant(
    TASK,
    says="You normalized with the statistics of the batch. In evaluation a row must not depend on its neighbours: "
    "use running_mean and running_var.",
)
def batch_statistics_used(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta


@mutant(TASK, says="You subtracted the mean of the batch. In evaluation the mean is running_mean.")
def batch_mean_used(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - x.mean(axis=0)) / np.sqrt(running_var + eps) + beta


@mutant(TASK, says="You divided by the spread of the batch. In evaluation the variance is running_var.")
def batch_variance_used(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) / np.sqrt(x.var(axis=0) + eps) + beta


@mutant(
    TASK,
    says="You added eps after the root: sqrt(running_var) + eps. It belongs inside, sqrt(running_var + eps), as in "
    "training.",
)
def eps_outside_sqrt(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) / (np.sqrt(running_var) + eps) + beta


@mutant(TASK, says="You left eps out: divide by sqrt(running_var + eps), as training does.")
def eps_missing(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) / np.sqrt(running_var) + beta


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) / np.sqrt(running_var + 1e-5) + beta


@mutant(TASK, says="You divided by running_var + eps without the root. The standard deviation has the units of x.")
def sqrt_missing(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) / (running_var + eps) + beta


@mutant(
    TASK,
    says="You took running_var for a standard deviation. It is a variance: divide by sqrt(running_var + eps).",
)
def variance_taken_for_std(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) / np.sqrt(running_var**2 + eps) + beta


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta in evaluation too.")
def gamma_forgotten(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return (x - running_mean) / np.sqrt(running_var + eps) + beta


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta in evaluation too.")
def beta_forgotten(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) / np.sqrt(running_var + eps)


@mutant(
    TASK,
    says="You left out gamma and beta. What the network learned about scale and shift holds in evaluation too.",
)
def gamma_and_beta_forgotten(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return (x - running_mean) / np.sqrt(running_var + eps)


@mutant(TASK, says="You exchanged gamma and beta: gamma scales, beta shifts.")
def gamma_and_beta_swapped(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return beta * (x - running_mean) / np.sqrt(running_var + eps) + gamma


@mutant(TASK, says="You added beta before multiplying by gamma. First scale, then shift: gamma * x_hat + beta.")
def beta_before_gamma(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * ((x - running_mean) / np.sqrt(running_var + eps) + beta)


@mutant(TASK, says="You did not subtract running_mean.")
def mean_not_subtracted(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * x / np.sqrt(running_var + eps) + beta


@mutant(TASK, says="You added running_mean. It is subtracted, so that the population's centre goes to 0.")
def mean_added(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x + running_mean) / np.sqrt(running_var + eps) + beta


@mutant(TASK, says="You subtracted running_mean after dividing. It has the units of x, so subtract it first.")
def mean_subtracted_late(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x / np.sqrt(running_var + eps) - running_mean) + beta


@mutant(
    TASK,
    says="You corrected running_var by N/(N-1). The update has already done that; evaluation takes it as it is.",
)
def variance_corrected_again(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) / np.sqrt(running_var * (len(x) / max(len(x) - 1, 1)) + eps) + beta


@mutant(
    TASK,
    says="You normalized the batch a second time after using the running statistics. One normalization is enough, "
    "and y may have any mean.",
)
def normalized_twice(x, gamma, beta, running_mean, running_var, eps=1e-5):
    z = (x - running_mean) / np.sqrt(running_var + eps)
    return gamma * (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + eps) + beta


@mutant(TASK, says="You multiplied by the standard deviation. Divide by it.")
def multiplied_by_std(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean) * np.sqrt(running_var + eps) + beta


@mutant(
    TASK,
    says="The parentheses are missing: x - running_mean / sqrt(running_var + eps) divides the mean alone. Divide the "
    "distance from the mean.",
)
def mean_alone_divided(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return gamma * (x - running_mean / np.sqrt(running_var + eps)) + beta
