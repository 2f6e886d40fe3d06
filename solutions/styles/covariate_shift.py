"""Right answers to the tasks of notebook 01 in other styles."""

import math

import numpy as np

from solutions.styles import style


@style("standardize")
def two_pass(train, test):
    n = train.shape[0]
    mean = train.sum(axis=0) / n
    var = ((train - mean) ** 2).sum(axis=0) / n
    std = np.sqrt(var)
    std[std == 0] = 1
    return (train - mean) / std, (test - mean) / std


@style("standardize")
def column_by_column(train, test):
    train_z, test_z = np.empty_like(train), np.empty_like(test)
    for c in range(train.shape[1]):
        mean, std = train[:, c].mean(), train[:, c].std()
        if std == 0:
            std = 1
        train_z[:, c] = (train[:, c] - mean) / std
        test_z[:, c] = (test[:, c] - mean) / std
    return train_z, test_z


@style("standardize")
def stacked(train, test):
    both = np.vstack([train, test])
    z = both - np.mean(train, axis=0)
    std = np.std(train, axis=0)
    z = np.divide(z, std, out=z.copy(), where=std > 0)
    return z[: len(train)], z[len(train) :]


@style("standardize")
def inverse_std_first(train, test):
    mean, var = np.mean(train, 0), np.var(train, 0)
    inverse = np.ones_like(var)
    inverse[var > 0] = 1 / np.sqrt(var[var > 0])
    return inverse * (train - mean), inverse * (test - mean)


@style("importance-weights")
def logs_of_densities(x, source, target):
    def log_density(x, mean, std):
        return -((x - mean) ** 2) / (2 * std**2) - math.log(std * math.sqrt(2 * math.pi))

    return np.exp(log_density(x, *target) - log_density(x, *source))


@style("importance-weights")
def one_exponential(x, source, target):
    z0 = (x - source[0]) / source[1]
    z1 = (x - target[0]) / target[1]
    return np.exp(np.log(source[1] / target[1]) + (z0 - z1) * (z0 + z1) / 2)


@style("importance-weights")
def number_by_number(x, source, target):
    (m0, s0), (m1, s1) = source, target
    w = [s0 / s1 * math.exp(((v - m0) / s0) ** 2 / 2 - ((v - m1) / s1) ** 2 / 2) for v in x.tolist()]
    return np.array(w, dtype=x.dtype)


@style("importance-weights")
def parabola(x, source, target):
    """The difference of two parabolas is a parabola."""
    (m0, s0), (m1, s1) = source, target
    x64 = np.asarray(x, np.float64)
    square = 0.5 / s0**2 - 0.5 / s1**2
    slope = m1 / s1**2 - m0 / s0**2
    constant = 0.5 * (m0 / s0) ** 2 - 0.5 * (m1 / s1) ** 2 + np.log(s0) - np.log(s1)
    return np.exp(square * x64**2 + slope * x64 + constant)


@style("weighted-least-squares")
def normal_equations(features, y, w):
    wf = features * w[:, np.newaxis]
    return np.linalg.solve(wf.T @ features, wf.T @ y)


@style("weighted-least-squares")
def einsum_normal_equations(features, y, w):
    matrix = np.einsum("n,np,nq->pq", w, features, features)
    return np.linalg.solve(matrix, np.einsum("n,np,n->p", w, features, y))


@style("weighted-least-squares")
def pseudo_inverse(features, y, w):
    root = np.diag(np.sqrt(w))
    return np.linalg.pinv(root @ features) @ (root @ y)


@style("weighted-least-squares")
def by_qr(features, y, w):
    root = np.sqrt(w)
    q, r = np.linalg.qr(features * root.reshape(-1, 1))
    return np.linalg.solve(r, q.T @ (root * y))


@style("weighted-least-squares")
def shares(features, y, w):
    """Weights that sum to 1 give the same minimum."""
    p = w / w.sum()
    return np.linalg.inv((features.T * p) @ features) @ (features.T @ (p * y))


@style("zca-whiten")
def by_covariance(x, eps):
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False, bias=True).reshape(x.shape[1], x.shape[1]))
    matrix = vectors @ np.diag(1 / np.sqrt(np.maximum(values, 0) + eps)) @ vectors.T
    return ((x - x.mean(axis=0)) @ matrix).astype(x.dtype)


@style("zca-whiten")
def by_svd_of_the_batch(x, eps):
    centred = x - x.mean(axis=0)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    return (left * (values / np.sqrt(values**2 / len(x) + eps))) @ right


@style("zca-whiten")
def by_svd_of_the_covariance(x, eps):
    centred = x - np.mean(x, axis=0, keepdims=True)
    u, s, _ = np.linalg.svd(np.dot(centred.T, centred) / centred.shape[0])
    return np.dot(centred, np.dot(np.dot(u, np.diag(1.0 / np.sqrt(s + eps)).astype(x.dtype)), u.T))


@style("zca-whiten")
def eps_on_the_diagonal(x, eps):
    n, c = x.shape
    centred = x - x.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / n + eps * np.eye(c, dtype=x.dtype))
    return np.einsum("nc,ck,k,dk->nd", centred, vectors, values**-0.5, vectors)


@style("max-stable-lr")
def by_singular_value(features):
    return 2 * features.shape[0] / np.linalg.svd(features, compute_uv=False).max() ** 2


@style("max-stable-lr")
def by_spectral_norm(features):
    n = len(features)
    return float(2 / np.linalg.norm(features.T @ features / n, ord=2))


@style("max-stable-lr")
def by_general_eigenvalues(features):
    n = features.shape[0]
    values = np.linalg.eigvals(np.dot(features.T, features) / n)
    return 2 / max(values.real)


@style("max-stable-lr")
def by_the_smaller_gram_matrix(features):
    n, c = features.shape
    gram = features @ features.T if n < c else features.T @ features
    return np.float64(2 * n / np.linalg.eigvalsh(gram).max())


@style("max-stable-lr")
def by_power_iteration(features):
    x = features.astype(np.float64)
    matrix = x.T @ x / len(x)
    for _ in range(30):  # squared each time: a power of 2**30, along the steepest direction alone
        matrix = matrix @ matrix
        matrix = matrix / np.abs(matrix).max()
    v = matrix[np.diag(matrix).argmax()]
    return float(2 * np.sum(v**2) / np.mean((x @ v) ** 2))
