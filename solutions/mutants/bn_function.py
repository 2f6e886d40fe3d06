"""Slips in `class BatchNormFunction(torch.autograd.Function)`.

`Right` has both passes right; each slip replaces the one in which it goes wrong.
"""

import torch

from solutions.mutants import mutant

TASK = "bn-function"


class Right(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        var, mu = torch.var_mean(x, dim=0, correction=0)
        inv_std = 1 / torch.sqrt(var + eps)
        ctx.save_for_backward((x - mu) * inv_std, inv_std, gamma, x)
        return (x - mu) * inv_std * gamma + beta

    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx, dgamma, dbeta, None


def gradients(ctx, dy):
    x_hat, inv_std, gamma, _ = ctx.saved_tensors
    dx_hat = dy * gamma
    dx = inv_std * (dx_hat - dx_hat.mean(0) - x_hat * (dx_hat * x_hat).mean(0))
    return dx, (dy * x_hat).sum(0), dy.sum(0)


@mutant(
    TASK,
    says="Your dx is that of evaluation: mu and var are treated as constants. In training both depend on every sample,"
    " so two more terms are due.",
)
class mean_and_variance_paths_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        _, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return dy * gamma * inv_std, dgamma, dbeta, None


@mutant(TASK, says="Your dx lacks the path through mu: subtract the mean of dy over the samples inside the bracket.")
class mean_path_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return gamma * inv_std * (dy - x_hat * (dy * x_hat).mean(0)), dgamma, dbeta, None


@mutant(TASK, says="Your dx lacks the path through var: subtract x_hat times the mean of dy * x_hat in the bracket.")
class variance_path_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        _, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return gamma * inv_std * (dy - dy.mean(0)), dgamma, dbeta, None


@mutant(TASK, says="Your dx subtracts sums where the formula has means: divide both of them by N.")
class one_over_n_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return gamma * inv_std * (dy - dbeta - x_hat * dgamma), dgamma, dbeta, None


@mutant(
    TASK, says="The last term of your dx has a sum where the formula has a mean: divide the sum of dy * x_hat by N."
)
class last_mean_is_a_sum(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return gamma * inv_std * (dy - dy.mean(0) - x_hat * dgamma), dgamma, dbeta, None


@mutant(TASK, says="The last term of your dx is added: both means are subtracted from dy.")
class sign_flipped(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return gamma * inv_std * (dy - dy.mean(0) + x_hat * (dy * x_hat).mean(0)), dgamma, dbeta, None


@mutant(TASK, says="The last term of your dx lacks x_hat: it is x_hat times the mean of dy * x_hat.")
class x_hat_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return gamma * inv_std * (dy - dy.mean(0) - (dy * x_hat).mean(0)), dgamma, dbeta, None


@mutant(TASK, says="gamma is missing in your dx. It scales y, so it scales what comes back to x.")
class gamma_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx / ctx.saved_tensors[2], dgamma, dbeta, None


@mutant(TASK, says="Your dgamma is a mean over the samples. gamma acts on every sample, so its gradient is the sum.")
class dgamma_averaged(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx, dgamma / len(dy), dbeta, None


@mutant(TASK, says="Your dbeta is a mean over the samples. beta is added to every sample, so its gradient is the sum.")
class dbeta_averaged(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx, dgamma, dbeta / len(dy), None


@mutant(TASK, says="Your dgamma is the sum of dy * x. What gamma multiplies in the forward pass is x_hat.")
class dgamma_uses_x(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, _, dbeta = gradients(ctx, dy)
        return dx, (dy * ctx.saved_tensors[3]).sum(0), dbeta, None


@mutant(
    TASK,
    says="Your gradients of gamma and beta are exchanged: backward returns them in the order of forward's arguments, "
    "dx, dgamma, dbeta.",
)
class gradients_exchanged(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx, dbeta, dgamma, None


@mutant(
    TASK,
    says="backward has to return one value for each argument of forward after ctx, four in all: None stands for eps, "
    "which is a number and has no gradient.",
)
class none_for_eps_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        return gradients(ctx, dy)


@mutant(
    TASK,
    says="You read ctx.needs_input_grad one place too far: its first entry belongs to x, ctx itself is not counted.",
)
class needs_input_grad_shifted(Right):
    @staticmethod
    def backward(ctx, dy):
        found = gradients(ctx, dy)
        asked = ctx.needs_input_grad[1:]
        return *(gradient if needed else None for gradient, needed in zip(found, asked)), None


@mutant(
    TASK,
    says="Your dx comes only when gamma needs a gradient, too. Each of the three is asked for on its own: a frozen "
    "gamma does not stop the gradient to x.",
)
class frozen_gamma_stops_dx(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx if ctx.needs_input_grad[1] else None, dgamma, dbeta, None


@mutant(
    TASK,
    says="Your forward pass divides by N - 1, which is torch's default in x.var(). Training normalizes with 1/N: "
    "correction=0.",
)
class unbiased_variance(Right):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        var, mu = torch.var_mean(x, dim=0)
        inv_std = 1 / torch.sqrt(var + eps)
        ctx.save_for_backward((x - mu) * inv_std, inv_std, gamma, x)
        return (x - mu) * inv_std * gamma + beta


@mutant(TASK, says="You added eps after the root. It belongs inside: sqrt(var + eps).")
class eps_outside_sqrt(Right):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        var, mu = torch.var_mean(x, dim=0, correction=0)
        inv_std = 1 / (torch.sqrt(var) + eps)
        ctx.save_for_backward((x - mu) * inv_std, inv_std, gamma, x)
        return (x - mu) * inv_std * gamma + beta


@mutant(TASK, says="You used 1e-5 whatever eps was given. It is the fourth argument of forward.")
class eps_hard_coded(Right):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        return Right.forward(ctx, x, gamma, beta, 1e-5)


@mutant(TASK, says="Your y is x_hat: scale it with gamma and shift it with beta.")
class gamma_and_beta_forgotten(Right):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        return (Right.forward(ctx, x, gamma, beta, eps) - beta) / gamma


@mutant(
    TASK,
    says="Your statistics are taken over the features of each sample, which is layer normalization. Each feature is "
    "normalized over the samples: dim=0.",
)
class wrong_axis(Right):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        var, mu = torch.var_mean(x, dim=1, keepdim=True, correction=0)
        inv_std = 1 / torch.sqrt(var + eps)
        ctx.save_for_backward((x - mu) * inv_std, inv_std, gamma, x)
        return (x - mu) * inv_std * gamma + beta
