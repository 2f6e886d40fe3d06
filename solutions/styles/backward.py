"""Right answers to the tasks of notebook 04 in other styles."""

import numpy as np

from solutions.styles import style


@style("numerical-gradient")
def fresh_copies(f, x, dy, h=1e-5):
    dx = np.zeros_like(x, dtype=np.float64)
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        dx[index] = np.sum(dy * f(up) - dy * f(down)) / (2 * h)
    return dx


@style("numerical-gradient")
def one_copy_put_back(f, x, dy, h=1e-5):
    work, dx = np.array(x, dtype=np.float64), np.empty(x.shape)
    it = np.nditer(work, flags=["multi_index"])
    for _ in it:
        index = it.multi_index
        old = work[index]
        work[index] = old + h
        plus = float((dy * f(work)).sum())
        work[index] = old - h
        minus = float((dy * f(work)).sum())
        work[index] = old
        dx[index] = (plus - minus) / (2 * h)
    return dx


@style("numerical-gradient")
def basis_vectors(f, x, dy, h=1e-5):
    basis = np.eye(x.size).reshape((x.size,) + x.shape)
    slopes = [np.vdot(dy, f(x + h * e) - f(x - h * e)) / (2 * h) for e in basis]
    return np.array(slopes).reshape(x.shape)


@style("numerical-gradient")
def flat_loop(f, x, dy, h=1e-5):
    flat = x.flatten()
    dx = np.zeros(flat.size)

    def loss(values):
        return np.sum(f(values.reshape(x.shape)) * dy)

    for i in range(flat.size):
        nudge = np.zeros(flat.size)
        nudge[i] = h
        dx[i] = (loss(flat + nudge) - loss(flat - nudge)) / h / 2
    return dx.reshape(x.shape)


@style("backward-graph")
def staged(dy, x, gamma, eps=1e-5):
    """Nine stages of a graph with inverse, root and square as nodes of their own."""
    n = x.shape[0]
    centred = x - x.mean(axis=0)
    std = np.sqrt((centred**2).mean(axis=0) + eps)
    inverse = 1 / std
    x_hat = centred * inverse
    dbeta, dgamma = dy.sum(axis=0), (dy * x_hat).sum(axis=0)
    dx_hat = dy * gamma
    dinverse = (dx_hat * centred).sum(axis=0)
    dstd = -dinverse / std**2
    dvar = 0.5 * dstd / std
    dcentred = dx_hat * inverse + dvar * 2 * centred / n
    dmu = -dcentred.sum(axis=0)
    return {"dx_hat": dx_hat, "dvar": dvar, "dmu": dmu, "dx": dcentred + dmu / n, "dgamma": dgamma, "dbeta": dbeta}


@style("backward-graph")
def equations_of_the_paper(dy, x, gamma, eps=1e-5):
    m = len(x)
    mu, var = x.mean(0), x.var(0)
    x_hat = (x - mu) / np.sqrt(var + eps)
    dx_hat = dy * gamma
    dvar = np.sum(dx_hat * (x - mu) * -0.5 * (var + eps) ** -1.5, axis=0)
    dmu = np.sum(dx_hat * -1 / np.sqrt(var + eps), axis=0) + dvar * np.sum(-2 * (x - mu), axis=0) / m
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / m + dmu / m
    return dict(dx_hat=dx_hat, dvar=dvar, dmu=dmu, dx=dx, dgamma=np.sum(dy * x_hat, 0), dbeta=np.sum(dy, 0))


@style("backward-graph")
def einsum_graph(dy, x, gamma, eps=1e-5):
    n = len(x)
    centred = x - x.mean(axis=0)
    inv_std = 1 / np.sqrt(np.einsum("nc,nc->c", centred, centred) / n + eps)
    dx_hat = np.einsum("nc,c->nc", dy, gamma)
    dvar = -np.einsum("nc,nc,c->c", dx_hat, centred, inv_std**3) / 2
    dmu = -np.einsum("nc,c->c", dx_hat, inv_std)
    dx = dx_hat * inv_std + (2 * dvar * centred + dmu) / n
    dgamma = np.einsum("nc,nc,c->c", dy, centred, inv_std)
    return {"dbeta": dy.sum(axis=0), "dgamma": dgamma, "dx": dx, "dmu": dmu, "dvar": dvar, "dx_hat": dx_hat}


@style("backward-graph")
def closed_form_for_dx(dy, x, gamma, eps=1e-5):
    inv_std = (x.var(axis=0) + eps) ** -0.5
    x_hat = (x - x.mean(axis=0)) * inv_std
    dbeta, dgamma = dy.sum(axis=0), (dy * x_hat).sum(axis=0)
    dx = gamma * inv_std * (dy - dy.mean(axis=0) - x_hat * (dy * x_hat).mean(axis=0))
    dvar, dmu = -0.5 * gamma * dgamma * inv_std**2, -gamma * dbeta * inv_std
    return {"dx_hat": gamma * dy, "dvar": dvar, "dmu": dmu, "dx": dx, "dgamma": dgamma, "dbeta": dbeta}


@style("backward", "backward-speed")
def einsum_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    n = len(dy)
    dgamma, dbeta = np.einsum("nc,nc->c", dy, x_hat), dy.sum(axis=0)
    scale = gamma * inv_std
    return dy * scale - x_hat * (scale * dgamma / n) - scale * dbeta / n, dgamma, dbeta


@style("backward", "backward-speed")
def one_fraction(dy, cache):
    x_hat, inv_std, gamma = cache
    n = dy.shape[0]
    dbeta = dy.sum(axis=0)
    dgamma = np.sum(dy * x_hat, axis=0)
    return (gamma * inv_std / n) * (n * dy - dbeta - x_hat * dgamma), dgamma, dbeta


@style("backward", "backward-speed")
def work_in_one_buffer(dy, cache):
    x_hat, inv_std, gamma = cache
    dbeta = np.add.reduce(dy, axis=0)
    buffer = dy * x_hat
    dgamma = np.add.reduce(buffer, axis=0)
    np.multiply(x_hat, dgamma / len(dy), out=buffer)
    np.subtract(dy, buffer, out=buffer)
    buffer -= dbeta / len(dy)
    buffer *= gamma * inv_std
    return buffer, dgamma, dbeta


@style("backward", "backward-speed")
def matrix_vector(dy, cache):
    x_hat, inv_std, gamma = cache
    ones = np.ones(len(dy), dy.dtype)
    dbeta, dgamma = ones @ dy, ones @ (dy * x_hat)
    dx = dy - (x_hat * dgamma + dbeta) / len(dy)
    dx *= gamma * inv_std
    return dx, dgamma, dbeta


@style("backward")
def node_by_node(dy, cache):
    """The long way round, from the cache: right, and several times slower."""
    x_hat, inv_std, gamma = cache
    n = len(dy)
    std = 1 / inv_std
    centred = x_hat * std
    dbeta = np.sum(dy, axis=0)
    dgamma = np.sum(dy * x_hat, axis=0)
    dx_hat = dy * gamma
    dinverse = np.sum(dx_hat * centred, axis=0)
    dcentred_direct = dx_hat * inv_std
    dstd = -dinverse / std**2
    dvar = 0.5 * dstd / std
    dsquares = np.ones(dy.shape, dy.dtype) * dvar / n
    dcentred = dcentred_direct + 2 * centred * dsquares
    dmu = -np.sum(dcentred, axis=0)
    return dcentred + np.ones(dy.shape, dy.dtype) * dmu / n, dgamma, dbeta


@style("backward")
def loop_over_features(dy, cache):
    """One feature at a time: right, and slow."""
    x_hat, inv_std, gamma = cache
    dx, dgamma, dbeta = np.empty(dy.shape, dy.dtype), np.empty(dy.shape[1], dy.dtype), np.empty(dy.shape[1], dy.dtype)
    for j in range(dy.shape[1]):
        dbeta[j], dgamma[j] = dy[:, j].sum(), dy[:, j] @ x_hat[:, j]
        dx[:, j] = gamma[j] * inv_std[j] * (dy[:, j] - dbeta[j] / len(dy) - x_hat[:, j] * dgamma[j] / len(dy))
    return dx, dgamma, dbeta


@style("backward-eval")
def plain_eval_backward(dy, x, gamma, running_mean, running_var, eps=1e-5):
    std = np.sqrt(running_var + eps)
    return dy * gamma / std, np.sum(dy * (x - running_mean) / std, axis=0), np.sum(dy, axis=0)


@style("backward-eval")
def einsum_eval_backward(dy, x, gamma, running_mean, running_var, eps=1e-5):
    inv_std = (running_var + eps) ** -0.5
    dgamma = np.einsum("nc,nc,c->c", dy, x - running_mean, inv_std)
    return np.einsum("nc,c,c->nc", dy, gamma, inv_std), dgamma, np.einsum("nc->c", dy)


@style("backward-eval")
def two_sums(dy, x, gamma, running_mean, running_var, eps=1e-5):
    """dgamma from sum(dy * x) and sum(dy)."""
    inv_std = 1 / np.sqrt(running_var + eps)
    dbeta = dy.sum(axis=0)
    return dy * (gamma * inv_std), inv_std * ((dy * x).sum(axis=0) - running_mean * dbeta), dbeta


@style("backward-eval")
def row_by_row_backward(dy, x, gamma, running_mean, running_var, eps=1e-5):
    dx = np.zeros_like(dy)
    dgamma, dbeta = np.zeros_like(gamma), np.zeros_like(gamma)
    inv_std = 1 / np.sqrt(running_var + eps)
    for i in range(len(dy)):
        dx[i] = dy[i] * gamma * inv_std
        dgamma += dy[i] * (x[i] - running_mean) * inv_std
        dbeta += dy[i]
    return dx, dgamma, dbeta
