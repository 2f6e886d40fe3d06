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


def with_corrections(ctx, dy, mean=1.0, variance=1.0):
    """What backward returns, right but for factors on the two corrections of dx."""
    x_hat, inv_std, gamma, _ = ctx.saved_tensors
    _, dgamma, dbeta = gradients(ctx, dy)
    dx = gamma * inv_std * (dy - mean * dy.mean(0) - variance * x_hat * (dy * x_hat).mean(0))
    return dx, dgamma, dbeta, None


@mutant(
    TASK,
    says="Your dx is that of evaluation: it treats mu and var as constants. In training both depend on every sample, "
    "so dx needs two more terms.",
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


@mutant(TASK, says="gamma is missing in your dx. It scales y, so it also scales the gradient that comes back to x.")
class gamma_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx / ctx.saved_tensors[2], dgamma, dbeta, None


@mutant(TASK, says="Your dx subtracts the sum of dy where the formula has its mean: divide that term by N.")
class one_over_n_missing_for_mean(Right):
    @staticmethod
    def backward(ctx, dy):
        return with_corrections(ctx, dy, mean=len(dy))


@mutant(
    TASK,
    says="The term with x_hat in your dx takes the sum of dy * x_hat where the formula has its mean: divide it by N.",
)
class one_over_n_missing_for_variance(Right):
    @staticmethod
    def backward(ctx, dy):
        return with_corrections(ctx, dy, variance=len(dy))


@mutant(
    TASK,
    says="Your dx divides by N - 1. The forward pass normalizes with 1/N, so the two means of the backward pass divide "
    "by N as well.",
)
class n_minus_one(Right):
    @staticmethod
    def backward(ctx, dy):
        factor = len(dy) / (len(dy) - 1)
        return with_corrections(ctx, dy, factor, factor)


@mutant(
    TASK,
    says="Your dx adds the mean of dy. It is subtracted: a shift of all samples together changes nothing, so dx sums "
    "to 0.",
)
class mean_sign_flipped(Right):
    @staticmethod
    def backward(ctx, dy):
        return with_corrections(ctx, dy, mean=-1)


@mutant(
    TASK,
    says="Your dx adds the term with x_hat. It is subtracted: stretching the batch changes almost nothing, so dx has "
    "hardly any part along x_hat.",
)
class variance_sign_flipped(Right):
    @staticmethod
    def backward(ctx, dy):
        return with_corrections(ctx, dy, variance=-1)


@mutant(
    TASK,
    says="The term with x_hat counts twice in your dx. The derivative of the square gives a factor 2 and that of the "
    "root a factor 1/2: together they are 1.",
)
class variance_path_doubled(Right):
    @staticmethod
    def backward(ctx, dy):
        return with_corrections(ctx, dy, variance=2)


@mutant(
    TASK,
    says="The factor x_hat is missing in the last term of your dx. The term is x_hat times the mean of dy * x_hat, a "
    "different number for each sample.",
)
class x_hat_missing_in_last_term(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return gamma * inv_std * (dy - dy.mean(0) - (dy * x_hat).mean(0)), dgamma, dbeta, None


@mutant(
    TASK,
    says="The two means in your dx run over the features of each sample, dim=1. They run over the N samples: dim=0.",
)
class means_over_features(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        means = dy.mean(1, keepdim=True) + x_hat * (dy * x_hat).mean(1, keepdim=True)
        return gamma * inv_std * (dy - means), dgamma, dbeta, None


@mutant(TASK, says="The mean of dy in your dx runs over the features, dim=1. It runs over the N samples: dim=0.")
class mean_of_dy_over_features(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        means = dy.mean(1, keepdim=True) + x_hat * (dy * x_hat).mean(0)
        return gamma * inv_std * (dy - means), dgamma, dbeta, None


@mutant(
    TASK,
    says="The mean of dy * x_hat in your dx runs over the features, dim=1. It runs over the N samples: dim=0.",
)
class mean_of_product_over_features(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        means = dy.mean(0) + x_hat * (dy * x_hat).mean(1, keepdim=True)
        return gamma * inv_std * (dy - means), dgamma, dbeta, None


@mutant(
    TASK,
    says="gamma is missing in the two corrections of your dx: it multiplies all three terms in the bracket.",
)
class gamma_missing_in_corrections(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return inv_std * (gamma * dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0)), dgamma, dbeta, None


@mutant(TASK, says="inv_std is missing in your dx: x_hat = (x - mu) * inv_std, so every path contributes that factor.")
class inv_std_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx / ctx.saved_tensors[1], dgamma, dbeta, None


@mutant(TASK, says="The sign of your dx is flipped.")
class sign_flipped(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return -dx, dgamma, dbeta, None


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
    says="The sum over the samples is missing in your dbeta: beta stands in every row of y, so its gradient is "
    "dy.sum(0). torch adds it up silently.",
)
class dbeta_not_summed(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, _ = gradients(ctx, dy)
        return dx, dgamma, dy, None


@mutant(
    TASK,
    says="The sum over the samples is missing in your dgamma: gamma scales every row of y, so its gradient is (dy * "
    "x_hat).sum(0). torch adds it up silently.",
)
class dgamma_not_summed(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, _, dbeta = gradients(ctx, dy)
        return dx, dy * ctx.saved_tensors[0], dbeta, None


@mutant(
    TASK,
    says="The sums over the samples are missing in your dgamma and dbeta: each has one number for each feature. torch "
    "adds them up silently, but a gradient should have the shape of what it belongs to.",
)
class dgamma_and_dbeta_not_summed(Right):
    @staticmethod
    def backward(ctx, dy):
        return gradients(ctx, dy)[0], dy * ctx.saved_tensors[0], dy, None


@mutant(
    TASK,
    says="Your gradients of gamma and beta are swapped: backward returns them in the order of forward's arguments, dx, "
    "dgamma, dbeta.",
)
class gradients_exchanged(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dx, dbeta, dgamma, None


@mutant(
    TASK,
    says="backward has to return one value for each argument of forward after ctx, four in all. The fourth is None: "
    "eps is a number and has no gradient.",
)
class none_for_eps_missing(Right):
    @staticmethod
    def backward(ctx, dy):
        return gradients(ctx, dy)


@mutant(
    TASK,
    says="You read ctx.needs_input_grad one place too far: its first entry belongs to x, because ctx itself does not "
    "count.",
)
class needs_input_grad_shifted(Right):
    @staticmethod
    def backward(ctx, dy):
        found = gradients(ctx, dy)
        asked = ctx.needs_input_grad[1:]
        return *(gradient if needed else None for gradient, needed in zip(found, asked)), None


@mutant(
    TASK,
    says="You return dx only if gamma needs a gradient, too. Each of the three gradients is requested on its own: a "
    "frozen gamma does not stop the gradient of x.",
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


@mutant(TASK, says="You added eps outside the root. It belongs inside: sqrt(var + eps).")
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


@mutant(
    TASK,
    says="What your backward returns counts as a single gradient, as do a list, a lone tensor and nothing at all. "
    "Return the tuple dx, dgamma, dbeta, None.",
)
class one_thing_returned(Right):
    @staticmethod
    def backward(ctx, dy):
        return gradients(ctx, dy)[0]


@mutant(
    TASK,
    says="Your backward returns dgamma and dbeta before dx. The order is that of forward's arguments: x, gamma, beta, "
    "eps.",
)
class dx_after_the_others(Right):
    @staticmethod
    def backward(ctx, dy):
        dx, dgamma, dbeta = gradients(ctx, dy)
        return dgamma, dbeta, dx, None


@mutant(TASK, says="You left eps out: divide by sqrt(var + eps). Without it a constant feature divides by zero.")
class eps_missing(Right):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        return Right.forward(ctx, x, gamma, beta, 0.0)


@mutant(
    TASK,
    says="In dx you averaged over the whole tensor: dy.mean() is one number for all features. Each feature has its own "
    "mean, over the samples: dim=0.",
)
class means_over_everything(Right):
    @staticmethod
    def backward(ctx, dy):
        x_hat, inv_std, gamma, _ = ctx.saved_tensors
        _, dgamma, dbeta = gradients(ctx, dy)
        return gamma * inv_std * (dy - dy.mean() - x_hat * (dy * x_hat).mean()), dgamma, dbeta, None
