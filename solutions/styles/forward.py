"""Right answers to the tasks of notebook 03 in other styles."""

import math

import numpy as np

from solutions.styles import style


@style("batch-statistics")
def numpy_methods(x):
    return x.mean(axis=0), x.var(axis=0)


@style("batch-statistics")
def einsum_statistics(x):
    n = len(x)
    mu = np.einsum("nc->c", x) / n
    return mu, np.einsum("nc,nc->c", x - mu, x - mu) / n


@style("batch-statistics")
def welford(x):
    """One pass over the samples: update mean and sum of squares together."""
    mean, m2 = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for count, row in enumerate(x.astype(np.float64), start=1):
        delta = row - mean
        mean = mean + delta / count
        m2 = m2 + delta * (row - mean)
    return mean.astype(x.dtype), (m2 / len(x)).astype(x.dtype)


@style("batch-statistics")
def shifted_one_pass(x):
    """mean(z**2) - mean(z)**2 is safe when z is x less its first row."""
    z = x - x[0]
    mean = z.mean(axis=0)
    return x[0] + mean, (z**2).mean(axis=0) - mean**2


@style("batch-statistics")
def feature_by_feature(x):
    mu, var = np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
    for j, column in enumerate(x.T):
        values = [float(value) for value in column]
        mu[j] = math.fsum(values) / len(values)
        var[j] = math.fsum((value - float(np.mean(values))) ** 2 for value in values) / len(values)
    return mu, var


@style("forward-train")
def two_pass(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0, keepdims=True)
    var = np.var(x, axis=0, keepdims=True)
    inv_std = (var + eps) ** -0.5
    x_hat = (x - mu) * inv_std
    return x_hat * gamma[None, :] + beta[None, :], (x_hat, inv_std[0], gamma)


@style("forward-train")
def einsum_train(x, gamma, beta, eps=1e-5):
    centred = x - np.einsum("nc->c", x) / x.shape[0]
    inv_std = 1.0 / np.sqrt(np.einsum("nc,nc->c", centred, centred) / x.shape[0] + eps)
    x_hat = np.einsum("nc,c->nc", centred, inv_std)
    return np.einsum("nc,c->nc", x_hat, gamma) + beta, (x_hat, inv_std, gamma)


@style("forward-train")
def welford_train(x, gamma, beta, eps=1e-5):
    """Mean and sum of squares updated sample by sample."""
    mean, m2 = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for count, row in enumerate(x.astype(np.float64), start=1):
        delta = row - mean
        mean += delta / count
        m2 += delta * (row - mean)
    inv_std = 1.0 / np.sqrt(m2 / len(x) + eps)
    x_hat = ((x - mean) * inv_std).astype(x.dtype)
    return x_hat * gamma + beta, (x_hat, inv_std.astype(x.dtype), gamma)


@style("forward-train")
def cached_sigma(x, gamma, beta, eps=1e-5):
    mu, var = x.mean(0), x.var(0)
    sigma = np.sqrt(var + eps)
    x_hat = (x - mu) / sigma
    return gamma * x_hat + beta, (x_hat, 1 / sigma, gamma)


@style("forward-train")
def features_first(x, gamma, beta, eps=1e-5):
    """Work on the transpose and turn the result back."""
    rows = x.T
    centred = rows - rows.mean(axis=1, keepdims=True)
    inv_std = 1 / np.sqrt((centred**2).mean(axis=1) + eps)
    x_hat = (centred * inv_std[:, None]).T
    return gamma * x_hat + beta, (x_hat, inv_std, gamma.copy())


@style("forward-train")
def in_double(x, gamma, beta, eps=1e-5):
    """Statistics in float64, results in the dtype of x, and a list for the cache."""
    wide = x.astype(np.float64)
    inv_std = 1 / np.sqrt(wide.var(axis=0) + eps)
    x_hat = (wide - wide.mean(axis=0)) * inv_std
    y = (gamma * x_hat + beta).astype(x.dtype)
    return y, [x_hat.astype(x.dtype), inv_std.astype(x.dtype), gamma]


@style("forward-running")
def interpolated(running_mean, running_var, x, momentum=0.1):
    if x.shape[0] < 2:
        raise ValueError(f"x has {x.shape[0]} samples; the unbiased variance needs 2")
    mean = running_mean + momentum * (x.mean(axis=0) - running_mean)
    return mean, running_var + momentum * (x.var(axis=0, ddof=1) - running_var)


@style("forward-running")
def biased_then_corrected(running_mean, running_var, x, momentum=0.1):
    n = len(x)
    if n == 1:
        raise ValueError("a batch of one sample has no unbiased variance")
    var = ((x - x.mean(axis=0)) ** 2).mean(axis=0)
    new_mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)
    return new_mean, (1 - momentum) * running_var + momentum * n / (n - 1) * var


@style("forward-running")
def einsum_running(running_mean, running_var, x, momentum=0.1):
    if not len(x) > 1:
        raise ValueError("too few samples")
    mu = np.einsum("nc->c", x) / len(x)
    var = np.einsum("nc,nc->c", x - mu, x - mu) / (len(x) - 1)
    return running_mean * (1 - momentum) + mu * momentum, running_var * (1 - momentum) + var * momentum


@style("forward-running")
def pairwise_differences(running_mean, running_var, x, momentum=0.1):
    """The unbiased variance as half the mean squared distance between two different samples."""
    n = len(x)
    if n < 2:
        raise ValueError("no pairs in a batch of one")
    gaps = x[:, None, :] - x[None, :, :]  # (N, N, C)
    var = (gaps**2).sum(axis=(0, 1)) / (2 * n * (n - 1))
    blend = np.array([1 - momentum, momentum], x.dtype)
    return blend @ np.stack([running_mean, x.mean(axis=0)]), blend @ np.stack([running_var, var])


@style("forward-eval")
def straight_line(x, gamma, beta, running_mean, running_var, eps=1e-5):
    """Fold everything into a slope and an offset for each feature."""
    slope = gamma / np.sqrt(running_var + eps)
    return x * slope + (beta - running_mean * slope)


@style("forward-eval")
def step_by_step(x, gamma, beta, running_mean, running_var, eps=1e-5):
    x_hat = (x - running_mean) / np.sqrt(running_var + eps)
    return gamma * x_hat + beta


@style("forward-eval")
def einsum_eval(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return np.einsum("nc,c,c->nc", x - running_mean, gamma, (running_var + eps) ** -0.5) + beta


@style("forward-eval")
def row_by_row(x, gamma, beta, running_mean, running_var, eps=1e-5):
    y = np.empty_like(x)
    for i, row in enumerate(x):
        y[i] = gamma * (row - running_mean) / np.sqrt(running_var + eps) + beta
    return y


@style("forward-eval")
def diagonal_matrix(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return (x - running_mean) @ np.diag(gamma / np.sqrt(running_var + eps)) + beta


@style("forward-layer")
class BranchInCall:
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.training = True
        self.gamma = np.ones(num_features)
        self.beta = np.zeros(num_features)
        self.running_mean = np.zeros(num_features)
        self.running_var = np.ones(num_features)

    def __call__(self, x):
        if not self.training:
            return self.gamma * (x - self.running_mean) / np.sqrt(self.running_var + self.eps) + self.beta
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        unbiased = var * x.shape[0] / (x.shape[0] - 1)
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mu
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * unbiased
        return self.gamma * (x - mu) / np.sqrt(var + self.eps) + self.beta


@style("forward-layer")
class UpdatedInPlace:
    """Writes into its own arrays, and updates after normalizing."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.settings = (eps, momentum)
        self.training, self.gamma, self.beta = True, np.full(num_features, 1.0), np.full(num_features, 0.0)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)

    def __call__(self, x):
        eps, momentum = self.settings
        mu, var = (x.mean(axis=0), x.var(axis=0)) if self.training else (self.running_mean, self.running_var)
        y = (x - mu) / np.sqrt(var + eps) * self.gamma + self.beta
        if self.training:
            self.running_mean *= 1 - momentum
            self.running_mean += momentum * mu
            self.running_var *= 1 - momentum
            self.running_var += momentum * x.var(axis=0, ddof=1)
        return y


class Module:
    def __init__(self):
        self.training = True

    def __call__(self, x):
        return self.forward(x)


@style("forward-layer")
class WithForwardMethod(Module):
    """A base class with `forward`, as in deep learning libraries."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones((num_features,)), np.zeros((num_features,))
        self.running_mean, self.running_var = np.zeros((num_features,)), np.ones((num_features,))

    def forward(self, x):
        mu, var = self.statistics(x)
        slope = self.gamma / np.sqrt(var + self.eps)
        return (x - mu) * slope + self.beta

    def statistics(self, x):
        if not self.training:
            return self.running_mean, self.running_var
        mu, var = x.mean(axis=0), x.var(axis=0)
        for name, new in (("running_mean", mu), ("running_var", x.var(axis=0, ddof=1))):
            setattr(self, name, getattr(self, name) + self.momentum * (new - getattr(self, name)))
        return mu, var


@style("forward-layer")
class WithProperties:
    """Keeps its memory in one array and shows it through properties."""

    training = True

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self._eps, self._momentum = eps, momentum
        self._memory = np.stack([np.zeros(num_features), np.ones(num_features)])
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)

    @property
    def running_mean(self):
        return self._memory[0]

    @property
    def running_var(self):
        return self._memory[1]

    def __call__(self, x):
        mu, var = self._memory
        if self.training:
            mu, var = x.mean(axis=0), x.var(axis=0)
            new = np.stack([mu, x.var(axis=0, ddof=1)])
            self._memory = (1 - self._momentum) * self._memory + self._momentum * new
        return self.gamma * ((x - mu) / np.sqrt(var + self._eps)) + self.beta
