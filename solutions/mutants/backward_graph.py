"""Slips in `batchnorm_backward_graph(dy, x, gamma, eps=1e-5) -> dict`.

`walk` is the right walk back through the graph; each slip replaces one step of it, and what depends on that step
follows, as it would in a student's code.
"""

import numpy as np

from solutions.mutants import mutant

TASK = "backward-graph"


def walk(dy, x, gamma, eps, **replaced):
    """Walk from y back to x.

    replaced : dict
        Name of a step -> function of the dict of all steps so far, used in place of the right one.
    """
    s = {"dy": dy, "x": x, "gamma": gamma, "eps": eps, "n": len(x)}
    for name, step in (STEPS | replaced).items():
        s[name] = step(s)
    return {name: s[name] for name in ("dx_hat", "dvar", "dmu", "dx", "dgamma", "dbeta")}


STEPS = {
    "centred": lambda s: s["x"] - s["x"].mean(axis=0),
    "var": lambda s: (s["centred"] ** 2).mean(axis=0),
    "inv_std": lambda s: 1 / np.sqrt(s["var"] + s["eps"]),
    "x_hat": lambda s: s["centred"] * s["inv_std"],
    "dbeta": lambda s: s["dy"].sum(axis=0),
    "dgamma": lambda s: (s["dy"] * s["x_hat"]).sum(axis=0),
    "dx_hat": lambda s: s["dy"] * s["gamma"],
    "dvar": lambda s: -0.5 * (s["dx_hat"] * s["centred"]).sum(axis=0) * s["inv_std"] ** 3,
    "dmu": lambda s: -s["dx_hat"].sum(axis=0) * s["inv_std"] - 2 * s["dvar"] * s["centred"].mean(axis=0),
    "direct": lambda s: s["dx_hat"] * s["inv_std"],
    "through_var": lambda s: s["dvar"] * 2 * s["centred"] / s["n"],
    "through_mu": lambda s: s["dmu"] / s["n"],
    "dx": lambda s: s["direct"] + s["through_var"] + s["through_mu"],
}


@mutant(TASK, says="You forgot gamma in dx_hat: y = gamma * x_hat + beta, so dx_hat = gamma * dy.")
def gamma_missing(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dx_hat=lambda s: s["dy"].copy())


@mutant(TASK, says="You multiplied by gamma twice: it is in dx_hat already and comes along from there.")
def gamma_twice(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dx=lambda s: s["gamma"] * (s["direct"] + s["through_var"] + s["through_mu"]))


@mutant(
    TASK,
    says="The factor 1/2 is missing in dvar: the derivative of (var + eps)**(-1/2) is -1/2 (var + eps)**(-3/2).",
)
def half_missing_in_dvar(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dvar=lambda s: -(s["dx_hat"] * s["centred"]).sum(axis=0) * s["inv_std"] ** 3)


@mutant(
    TASK,
    says="The sign of dvar is flipped: a larger variance makes x_hat smaller, so the derivative of (var + "
    "eps)**(-1/2) is negative.",
)
def dvar_sign_flipped(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dvar=lambda s: 0.5 * (s["dx_hat"] * s["centred"]).sum(axis=0) * s["inv_std"] ** 3)


@mutant(
    TASK,
    says="dvar has inv_std to the first power: differentiating (var + eps)**(-1/2) lowers the exponent to -3/2, "
    "which is inv_std**3.",
)
def dvar_power_one(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dvar=lambda s: -0.5 * (s["dx_hat"] * s["centred"]).sum(axis=0) * s["inv_std"])


@mutant(
    TASK,
    says="dvar has inv_std squared: differentiating (var + eps)**(-1/2) lowers the exponent to -3/2, which is "
    "inv_std**3.",
)
def dvar_power_two(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dvar=lambda s: -0.5 * (s["dx_hat"] * s["centred"]).sum(axis=0) * s["inv_std"] ** 2)


@mutant(
    TASK,
    says="You used x_hat and inv_std**3 in dvar, which counts inv_std once too often: (x - mu) * inv_std**3 is x_hat"
    " * inv_std**2.",
)
def dvar_power_four(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dvar=lambda s: -0.5 * (s["dx_hat"] * s["x_hat"]).sum(axis=0) * s["inv_std"] ** 3)


@mutant(
    TASK,
    says="You used x in dvar where x - mu belongs: x_hat is (x - mu) * inv_std, and only the last factor depends on "
    "var.",
)
def dvar_not_centred(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dvar=lambda s: -0.5 * (s["dx_hat"] * s["x"]).sum(axis=0) * s["inv_std"] ** 3)


@mutant(
    TASK,
    says="You averaged in dvar. var is used by all N samples, and the gradients of all its uses add up: sum.",
)
def dvar_averaged(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dvar=lambda s: -0.5 * (s["dx_hat"] * s["centred"]).mean(axis=0) * s["inv_std"] ** 3)


@mutant(
    TASK,
    says="In dmu the path through x_hat is missing, and it is the one that counts: each x_hat contains -mu * inv_std. "
    "The path through var adds nothing, because the distances from mu sum to 0.",
)
def dmu_without_x_hat(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dmu=lambda s: -2 * s["dvar"] * s["centred"].mean(axis=0))


@mutant(
    TASK,
    says="In dmu the path through var came out different from 0. It is dvar times the mean of -2 (x - mu), and the "
    "distances from mu sum to 0. Check that you subtracted mu.",
)
def dmu_var_path_wrong(dy, x, gamma, eps=1e-5):
    return walk(
        dy, x, gamma, eps, dmu=lambda s: -s["dx_hat"].sum(axis=0) * s["inv_std"] - 2 * s["dvar"] * s["x"].mean(axis=0)
    )


@mutant(TASK, says="You counted the path from mu through x_hat twice.")
def dmu_counted_twice(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dmu=lambda s: -2 * s["dx_hat"].sum(axis=0) * s["inv_std"])


@mutant(TASK, says="The sign of dmu is flipped: mu enters x_hat with a minus.")
def dmu_sign_flipped(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dmu=lambda s: s["dx_hat"].sum(axis=0) * s["inv_std"])


@mutant(
    TASK,
    says="inv_std is missing in dmu: x_hat = (x - mu) * inv_std, so each sample sends back -inv_std times its dx_hat.",
)
def dmu_without_inv_std(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dmu=lambda s: -s["dx_hat"].sum(axis=0))


@mutant(TASK, says="You averaged in dmu. mu is used by all N samples, and the gradients of all its uses add up: sum.")
def dmu_averaged(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dmu=lambda s: -s["dx_hat"].mean(axis=0) * s["inv_std"])


@mutant(
    TASK,
    says="You treated mu and var as constants. They are made of x, so dx has three parts: direct, through var, "
    "through mu.",
)
def mean_and_variance_paths_missing(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dx=lambda s: s["direct"])


@mutant(TASK, says="dx lacks the path through mu: add dmu / N. The N samples are coupled by their mean.")
def mean_path_missing(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dx=lambda s: s["direct"] + s["through_var"])


@mutant(
    TASK,
    says="dx lacks the path through var: add dvar * 2 (x - mu) / N. The N samples are coupled by their variance.",
)
def variance_path_missing(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dx=lambda s: s["direct"] + s["through_mu"])


@mutant(
    TASK,
    says="Your direct path starts from dy. It comes through x_hat: dx_hat * inv_std, and dx_hat is gamma * dy.",
)
def direct_path_from_dy(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, direct=lambda s: s["dy"] * s["inv_std"])


@mutant(TASK, says="Your dmu adds up dy. The gradient reaches mu through x_hat: add up dx_hat, which is gamma * dy.")
def dmu_from_dy(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dmu=lambda s: -s["dy"].sum(axis=0) * s["inv_std"])


@mutant(TASK, says="dx lacks the direct path, dx_hat * inv_std.")
def direct_path_missing(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dx=lambda s: s["through_var"] + s["through_mu"])


@mutant(TASK, says="The factor 2 is missing on the path through var: the derivative of (x - mu)**2 is 2 (x - mu).")
def factor_two_missing(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, through_var=lambda s: s["dvar"] * s["centred"] / s["n"])


@mutant(
    TASK,
    says="The factor 1/N is missing in dx: mu and var are means, so a single sample has a share of 1/N in each.",
)
def one_over_n_missing(dy, x, gamma, eps=1e-5):
    without = {"through_var": lambda s: s["dvar"] * 2 * s["centred"], "through_mu": lambda s: s["dmu"]}
    return walk(dy, x, gamma, eps, **without)


@mutant(
    TASK,
    says="The factor 1/N is missing on the path through mu: mu is a mean, so a single sample has a share of 1/N in it.",
)
def one_over_n_missing_for_mu(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, through_mu=lambda s: s["dmu"])


@mutant(TASK, says="The factor 1/N is missing on the path through var: var is a mean of squares.")
def one_over_n_missing_for_var(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, through_var=lambda s: s["dvar"] * 2 * s["centred"])


@mutant(
    TASK,
    says="You divided by N - 1 on the path through var. The forward pass normalizes with 1/N, so the backward pass "
    "has 1/N too.",
)
def n_minus_one(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, through_var=lambda s: s["dvar"] * 2 * s["centred"] / (s["n"] - 1))


@mutant(TASK, says="You rebuilt the forward pass with the variance divided by N - 1: training normalizes with 1/N.")
def unbiased_variance(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, var=lambda s: (s["centred"] ** 2).sum(axis=0) / (s["n"] - 1))


@mutant(TASK, says="You averaged dgamma. gamma is shared by the N samples, and their gradients add up: sum.")
def dgamma_averaged(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dgamma=lambda s: (s["dy"] * s["x_hat"]).mean(axis=0))


@mutant(TASK, says="You averaged dbeta. beta is shared by the N samples, and their gradients add up: sum.")
def dbeta_averaged(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dbeta=lambda s: s["dy"].mean(axis=0))


@mutant(TASK, says="dgamma uses x. gamma multiplies x_hat, so dgamma is the sum of dy * x_hat.")
def dgamma_uses_x(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dgamma=lambda s: (s["dy"] * s["x"]).sum(axis=0))


@mutant(TASK, says="dgamma uses x - mu. gamma multiplies x_hat, which is also divided by the standard deviation.")
def dgamma_uses_centred_x(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dgamma=lambda s: (s["dy"] * s["centred"]).sum(axis=0))


@mutant(TASK, says="You computed dgamma from dx_hat, which contains gamma already. It is the sum of dy * x_hat.")
def dgamma_uses_dx_hat(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dgamma=lambda s: (s["dy"] * s["gamma"] * s["x_hat"]).sum(axis=0))


@mutant(TASK, says="You exchanged dgamma and dbeta: gamma multiplies x_hat, beta is only added.")
def dgamma_and_dbeta_swapped(dy, x, gamma, eps=1e-5):
    right = walk(dy, x, gamma, eps)
    return right | {"dgamma": right["dbeta"], "dbeta": right["dgamma"]}


@mutant(
    TASK,
    says="You subtracted eps from the variance on the way back. The forward pass adds it, so the backward pass has "
    "var + eps as well.",
)
def eps_subtracted(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, inv_std=lambda s: 1 / np.sqrt(s["var"] - s["eps"]))


@mutant(TASK, says="You left eps out: inv_std is 1 / sqrt(var + eps) on the way back as well.")
def eps_missing(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, inv_std=lambda s: 1 / np.sqrt(s["var"]))


@mutant(TASK, says="You added eps after the root: it belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, inv_std=lambda s: 1 / (np.sqrt(s["var"]) + s["eps"]))


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, 1e-5)


@mutant(TASK, says="Your inv_std has no root: it is 1 / sqrt(var + eps).")
def sqrt_missing(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, inv_std=lambda s: 1 / (s["var"] + s["eps"]))


@mutant(
    TASK,
    says="You took the mean along the features (axis 1). All sums and means of batch normalization run over the "
    "samples, axis 0.",
)
def wrong_axis(dy, x, gamma, eps=1e-5):
    return walk(
        dy,
        x,
        gamma,
        eps,
        centred=lambda s: s["x"] - s["x"].mean(axis=1, keepdims=True),
        var=lambda s: (s["centred"] ** 2).mean(axis=1, keepdims=True),
    )


@mutant(
    TASK,
    says="Your dx_hat has inv_std in it already. It is gamma * dy; inv_std belongs to the next step, from x_hat to x.",
)
def dx_hat_a_step_too_far(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, dx_hat=lambda s: s["dy"] * s["gamma"] * s["inv_std"])


@mutant(
    TASK,
    says="You used x in the path through var where x - mu belongs: var is the mean of (x - mu)**2, so each sample "
    "moves it by 2 (x - mu) / N.",
)
def through_var_not_centred(dy, x, gamma, eps=1e-5):
    return walk(dy, x, gamma, eps, through_var=lambda s: s["dvar"] * 2 * s["x"] / s["n"])
