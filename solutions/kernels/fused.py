"""Three kernels each way, made once, under the names of notebook 09's tasks: what the benches compare."""

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
