"""Three kernels each way, made once, under the names of notebook 09's tasks, and the same with sums in two steps."""

from bnlab.gpu import ElementwiseKernel, ReductionKernel, xp

MEAN = "out = a / (_in_ind.size() / _out_ind.size())"
mean_of = ReductionKernel("T x", "T out", "x", "a + b", MEAN, "0", "rival_mean")
variance_of = ReductionKernel("T x, T mu", "T out", "(x - mu) * (x - mu)", "a + b", MEAN, "0", "rival_var")
to_y = ElementwiseKernel("T x, T mu, T scale, T beta", "T y", "y = scale * (x - mu) + beta", "rival_y")
total = ReductionKernel("T dy", "T out", "dy", "a + b", "out = a", "0", "rival_total")
against = ReductionKernel("T dy, T x, T mu", "T out", "dy * (x - mu)", "a + b", "out = a", "0", "rival_against")
to_dx = ElementwiseKernel(
    "T dy, T x, T mu, T scale, T mean, T slope", "T dx", "dx = scale * (dy - mean - (x - mu) * slope)", "rival_dx"
)
AXES = (0, 2, 3)


def over(values):
    """C numbers against images."""
    return values[:, None, None]


def batchnorm_train_fused(x, gamma, beta, eps=1e-5):
    """As the task of notebook 09."""
    mu = mean_of(x, axis=AXES)
    inv_std = 1 / xp.sqrt(variance_of(x, over(mu), axis=AXES) + eps)
    return to_y(x, over(mu), over(gamma * inv_std), over(beta)), (x, mu, inv_std, gamma)


def batchnorm_backward_fused(dy, cache):
    """As the task of notebook 09."""
    x, mu, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    dbeta, dgamma = total(dy, axis=AXES), against(dy, x, over(mu), axis=AXES) * inv_std
    dx = to_dx(dy, x, *map(over, (mu, gamma * inv_std, dbeta / m, dgamma * inv_std / m)))
    return dx, dgamma, dbeta


def staged(kernel, *arrays):
    """A reduction over images and positions in two steps, first along what lies side by side in memory: (N, C, H, W) or
    (C,) each -> (N, C)."""
    return kernel(*(a.reshape(*a.shape[:2], -1) if a.ndim == 4 else a[:, None] for a in arrays), axis=2)


def batchnorm_train_staged(x, gamma, beta, eps=1e-5):
    """As batchnorm_train_fused, with sums in two steps."""
    mu = staged(mean_of, x).mean(axis=0)
    inv_std = 1 / xp.sqrt(staged(variance_of, x, mu).mean(axis=0) + eps)
    return to_y(x, over(mu), over(gamma * inv_std), over(beta)), (x, mu, inv_std, gamma)


def batchnorm_backward_staged(dy, cache):
    """As batchnorm_backward_fused, with sums in two steps."""
    x, mu, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    dbeta, dgamma = staged(total, dy).sum(axis=0), staged(against, dy, x, mu).sum(axis=0) * inv_std
    dx = to_dx(dy, x, *map(over, (mu, gamma * inv_std, dbeta / m, dgamma * inv_std / m)))
    return dx, dgamma, dbeta
