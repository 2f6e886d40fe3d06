"""Slips in `batchnorm_eval_backward(dy, x, gamma, running_mean, running_var, eps=1e-5) -> (dx, dgamma, dbeta)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "backward-eval"


def assemble(dy, gamma, x_hat, inv_std):
    """The three gradients, done right once x_hat and inv_std are."""
    return dy * (gamma * inv_std), (dy * x_hat).sum(axis=0), dy.sum(axis=0)


def population(x, running_mean, running_var, eps):
    """x_hat and inv_std from the running statistics, done right."""
    inv_std = 1 / np.sqrt(running_var + eps)
    return (x - running_mean) * inv_std, inv_std


def coupled(dy, gamma, x_hat, inv_std, mean, variance):
    """dx with the corrections of training."""
    corrections = mean * dy.mean(axis=0) + variance * x_hat * (dy * x_hat).mean(axis=0)
    return gamma * inv_std * (dy - corrections)


@mutant(
    TASK,
    says="You used the backward pass of training. In evaluation the statistics are constants, so nothing is "
    "subtracted: dx = dy * gamma * inv_std.",
)
def training_backward(dy, x, gamma, running_mean, running_var, eps=1e-5):
    inv_std = 1 / np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) * inv_std
    return coupled(dy, gamma, x_hat, inv_std, 1, 1), (dy * x_hat).sum(axis=0), dy.sum(axis=0)


@mutant(
    TASK,
    says="You kept the two corrections of training. The running statistics do not depend on x, so no gradient flows "
    "through them: dx = dy * gamma * inv_std.",
)
def corrections_kept(dy, x, gamma, running_mean, running_var, eps=1e-5):
    x_hat, inv_std = population(x, running_mean, running_var, eps)
    _, dgamma, dbeta = assemble(dy, gamma, x_hat, inv_std)
    return coupled(dy, gamma, x_hat, inv_std, 1, 1), dgamma, dbeta


@mutant(TASK, says="You subtracted the mean of dy. That is training's path through mu; running_mean is a constant.")
def mean_correction_kept(dy, x, gamma, running_mean, running_var, eps=1e-5):
    x_hat, inv_std = population(x, running_mean, running_var, eps)
    _, dgamma, dbeta = assemble(dy, gamma, x_hat, inv_std)
    return coupled(dy, gamma, x_hat, inv_std, 1, 0), dgamma, dbeta


@mutant(
    TASK,
    says="You used the statistics of the batch. In evaluation mean and variance are running_mean and running_var, on"
    " the way back too.",
)
def batch_statistics_used(dy, x, gamma, running_mean, running_var, eps=1e-5):
    return assemble(dy, gamma, *population(x, x.mean(axis=0), x.var(axis=0), eps))


@mutant(
    TASK,
    says="You subtracted the mean of the batch in dgamma. x_hat of evaluation is (x - running_mean) * inv_std.",
)
def batch_mean_used(dy, x, gamma, running_mean, running_var, eps=1e-5):
    return assemble(dy, gamma, *population(x, x.mean(axis=0), running_var, eps))


@mutant(TASK, says="You divided by the spread of the batch. In evaluation the variance is running_var.")
def batch_variance_used(dy, x, gamma, running_mean, running_var, eps=1e-5):
    return assemble(dy, gamma, *population(x, running_mean, x.var(axis=0), eps))


@mutant(TASK, says="You forgot gamma in dx: y = gamma * x_hat + beta, so dy passes through gamma.")
def gamma_missing(dy, x, gamma, running_mean, running_var, eps=1e-5):
    x_hat, inv_std = population(x, running_mean, running_var, eps)
    return (dy * inv_std, *assemble(dy, gamma, x_hat, inv_std)[1:])


@mutant(TASK, says="inv_std is missing in dx: x_hat = (x - running_mean) * inv_std.")
def inv_std_missing(dy, x, gamma, running_mean, running_var, eps=1e-5):
    x_hat, inv_std = population(x, running_mean, running_var, eps)
    return (dy * gamma, *assemble(dy, gamma, x_hat, inv_std)[1:])


@mutant(TASK, says="You returned dy as dx. Each feature is still multiplied by gamma * inv_std.")
def dy_passed_on(dy, x, gamma, running_mean, running_var, eps=1e-5):
    x_hat, inv_std = population(x, running_mean, running_var, eps)
    return (dy.copy(), *assemble(dy, gamma, x_hat, inv_std)[1:])


@mutant(TASK, says="You divided dx by N. Each x feeds its own y and nothing else, so there is no mean in dx.")
def divided_by_n(dy, x, gamma, running_mean, running_var, eps=1e-5):
    dx, dgamma, dbeta = assemble(dy, gamma, *population(x, running_mean, running_var, eps))
    return dx / len(dy), dgamma, dbeta


@mutant(TASK, says="You left eps out: inv_std is 1 / sqrt(running_var + eps).")
def eps_missing(dy, x, gamma, running_mean, running_var, eps=1e-5):
    return assemble(dy, gamma, *population(x, running_mean, running_var, 0))


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(dy, x, gamma, running_mean, running_var, eps=1e-5):
    return assemble(dy, gamma, *population(x, running_mean, running_var, 1e-5))


@mutant(TASK, says="You added eps after the root: it belongs inside, sqrt(running_var + eps).")
def eps_outside_sqrt(dy, x, gamma, running_mean, running_var, eps=1e-5):
    inv_std = 1 / (np.sqrt(running_var) + eps)
    return assemble(dy, gamma, (x - running_mean) * inv_std, inv_std)


@mutant(
    TASK,
    says="You subtracted eps from the variance. The forward pass adds it, so the backward pass has running_var + eps"
    " as well.",
)
def eps_subtracted(dy, x, gamma, running_mean, running_var, eps=1e-5):
    return assemble(dy, gamma, *population(x, running_mean, running_var, -eps))


@mutant(TASK, says="Your inv_std has no root: it is 1 / sqrt(running_var + eps).")
def sqrt_missing(dy, x, gamma, running_mean, running_var, eps=1e-5):
    inv_std = 1 / (running_var + eps)
    return assemble(dy, gamma, (x - running_mean) * inv_std, inv_std)


@mutant(TASK, says="dgamma uses x. gamma multiplies x_hat = (x - running_mean) * inv_std.")
def dgamma_uses_x(dy, x, gamma, running_mean, running_var, eps=1e-5):
    _, inv_std = population(x, running_mean, running_var, eps)
    return assemble(dy, gamma, x, inv_std)


@mutant(
    TASK,
    says="dgamma uses x - running_mean. gamma multiplies x_hat, which is also divided by the standard deviation.",
)
def dgamma_uses_centred_x(dy, x, gamma, running_mean, running_var, eps=1e-5):
    _, inv_std = population(x, running_mean, running_var, eps)
    return assemble(dy, gamma, x - running_mean, inv_std)


@mutant(TASK, says="You did not subtract running_mean in dgamma: x_hat is (x - running_mean) * inv_std.")
def dgamma_mean_not_subtracted(dy, x, gamma, running_mean, running_var, eps=1e-5):
    return assemble(dy, gamma, *population(x, 0, running_var, eps))


@mutant(TASK, says="dgamma contains gamma. It is the sum of dy * x_hat.")
def dgamma_times_gamma(dy, x, gamma, running_mean, running_var, eps=1e-5):
    dx, dgamma, dbeta = assemble(dy, gamma, *population(x, running_mean, running_var, eps))
    return dx, dgamma * gamma, dbeta


@mutant(TASK, says="You averaged dgamma. gamma is shared by the N samples, and their gradients add up: sum.")
def dgamma_averaged(dy, x, gamma, running_mean, running_var, eps=1e-5):
    dx, dgamma, dbeta = assemble(dy, gamma, *population(x, running_mean, running_var, eps))
    return dx, dgamma / len(dy), dbeta


@mutant(TASK, says="You averaged dbeta. beta is shared by the N samples, and their gradients add up: sum.")
def dbeta_averaged(dy, x, gamma, running_mean, running_var, eps=1e-5):
    dx, dgamma, dbeta = assemble(dy, gamma, *population(x, running_mean, running_var, eps))
    return dx, dgamma, dbeta / len(dy)


@mutant(
    TASK,
    says="You averaged dgamma and dbeta. The parameters are shared by the N samples, and their gradients add up: sum.",
)
def dgamma_and_dbeta_averaged(dy, x, gamma, running_mean, running_var, eps=1e-5):
    dx, dgamma, dbeta = assemble(dy, gamma, *population(x, running_mean, running_var, eps))
    return dx, dgamma / len(dy), dbeta / len(dy)


@mutant(TASK, says="You exchanged dgamma and dbeta. The order is (dx, dgamma, dbeta).")
def dgamma_and_dbeta_swapped(dy, x, gamma, running_mean, running_var, eps=1e-5):
    dx, dgamma, dbeta = assemble(dy, gamma, *population(x, running_mean, running_var, eps))
    return dx, dbeta, dgamma
