"""Right answers to the tasks of notebook 06 in other styles."""

import functools

import numpy as np

from solutions.styles import style


@style("merge-statistics")
def all_at_once(parts):
    """Weighted mean of the means, then the squared distances around it."""
    n = np.array([part[0] for part in parts])
    means, squares = np.stack([part[1] for part in parts]), np.stack([part[2] for part in parts])
    mean = np.average(means, axis=0, weights=n).astype(means.dtype)
    m2 = squares.sum(axis=0) + (n[:, None].astype(means.dtype) * (means - mean) ** 2).sum(axis=0)
    return n.sum(), mean, m2


@style("merge-statistics")
def folded_pairs(parts):
    def two(a, b):
        n = a[0] + b[0]
        delta = b[1] - a[1]
        return n, (a[0] * a[1] + b[0] * b[1]) / n, a[2] + b[2] + delta * delta * (a[0] * b[0] / n)

    return functools.reduce(two, parts)


@style("merge-statistics")
def as_a_tree(parts):
    """Neighbours are merged pair by pair, as many machines would do it."""
    parts = [tuple(part) for part in parts]
    while len(parts) > 1:
        (n_a, mean_a, a), (n_b, mean_b, b), *rest = parts
        n = n_a + n_b
        step = (mean_b - mean_a) / n
        parts = [*rest, (n, mean_a + n_b * step, a + b + step**2 * n * n_a * n_b)]
    return parts[0]


@style("merge-statistics")
def moved_to_common_mean(parts):
    n = sum(part[0] for part in parts)
    anchor = parts[0][1]
    mean = anchor + sum(part[0] * (part[1] - anchor) for part in parts) / n
    return float(n), mean, sum(part[2] + part[0] * np.square(part[1] - mean) for part in parts)


@style("precise-statistics")
def one_large_batch(batches):
    x = np.concatenate(batches, axis=0)
    return np.mean(x, axis=0), np.var(x, axis=0, ddof=1)


@style("precise-statistics")
def two_passes(batches):
    n = sum(len(x) for x in batches)
    mean = sum(np.sum(x, axis=0) for x in batches) / n
    return mean, sum(np.sum((x - mean) ** 2, axis=0) for x in batches) / (n - 1)


@style("precise-statistics")
def welford_by_sample(batches):
    """One sample after the other."""
    n, mean, m2 = 0, np.zeros_like(batches[0][0]), np.zeros_like(batches[0][0])
    for x in batches:
        for row in x:
            n += 1
            delta = row - mean
            mean = mean + delta / n
            m2 = m2 + delta * (row - mean)
    return mean, m2 / (n - 1)


@style("precise-statistics")
def between_and_within(batches):
    sizes = np.array([[len(x)] for x in batches]).astype(batches[0].dtype)
    means, variances = np.array([x.mean(0) for x in batches]), np.array([x.var(0) for x in batches])
    total = sizes.sum()
    mean = (sizes * means).sum(0) / total
    return mean, (sizes * (variances + (means - mean) ** 2)).sum(0) / (total - 1)


@style("fold-linear")
def steep_and_shift(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    a = gamma / np.sqrt(running_var + eps)
    return a[:, None] * weight, a * bias + (beta - a * running_mean)


@style("fold-linear")
def diagonal(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    matrix = np.diag(gamma * (running_var + eps) ** -0.5)
    return matrix @ weight, matrix @ (bias - running_mean) + beta


@style("fold-linear")
def transposed_weight(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    std = np.sqrt(running_var + eps)
    return (weight.T * gamma / std).T, gamma * (bias - running_mean) / std + beta


@style("fold-linear")
def output_by_output(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    new_weight, new_bias = np.empty_like(weight), np.empty_like(bias)
    for i in range(len(bias)):
        factor = gamma[i] / np.sqrt(running_var[i] + eps)
        new_weight[i] = factor * weight[i]
        new_bias[i] = factor * (bias[i] - running_mean[i]) + beta[i]
    return new_weight, new_bias


@style("fold-conv2d")
def reshaped_factor(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    a = gamma / np.sqrt(running_var + eps)
    return weight * a.reshape(-1, 1, 1, 1), beta + a * (bias - running_mean)


@style("fold-conv2d")
def einsum_fold(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    a = gamma * (running_var + eps) ** -0.5
    return np.einsum("ocij,o->ocij", weight, a), np.einsum("o,o->o", bias - running_mean, a) + beta


@style("fold-conv2d")
def as_a_matrix(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    a = gamma / np.sqrt(running_var + eps)
    rows = weight.reshape(weight.shape[0], -1) * a[:, np.newaxis]
    return rows.reshape(weight.shape), bias * a - running_mean * a + beta


@style("fold-conv2d")
def channel_by_channel_fold(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    std = np.sqrt(running_var + eps)
    kernels = [w * g / s for w, g, s in zip(weight, gamma, std)]
    return np.stack(kernels), (bias - running_mean) / std * gamma + beta


@style("ghost-batchnorm")
def in_place_of_slices(x, ghost_size, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for start in range(0, x.shape[0], ghost_size):
        piece = x[start : start + ghost_size]
        mu = piece.mean(axis=0)
        var = ((piece - mu) ** 2).mean(axis=0)
        y[start : start + ghost_size] = gamma * (piece - mu) / np.sqrt(var + eps) + beta
    return y


@style("ghost-batchnorm")
def split_at_cuts(x, ghost_size, gamma, beta, eps=1e-5):
    pieces = np.split(x, np.arange(ghost_size, len(x), ghost_size))
    hats = [(piece - piece.mean(0)) * (piece.var(0) + eps) ** -0.5 for piece in pieces]
    return np.vstack(hats) * gamma + beta


@style("ghost-batchnorm")
def full_ones_at_once(x, ghost_size, gamma, beta, eps=1e-5):
    """The full ghost batches by one reshape, the rest by itself."""
    full = len(x) // ghost_size * ghost_size

    def hats(a, axis):
        return (a - a.mean(axis=axis, keepdims=True)) / np.sqrt(a.var(axis=axis, keepdims=True) + eps)

    parts = []
    if full:
        parts.append(hats(x[:full].reshape(-1, ghost_size, x.shape[1]), 1).reshape(full, x.shape[1]))
    if full < len(x):
        parts.append(hats(x[full:], 0))
    return gamma * np.concatenate(parts) + beta


@style("ghost-batchnorm")
def by_membership(x, ghost_size, gamma, beta, eps=1e-5):
    """Sums by a matrix that says which sample belongs to which ghost batch."""
    ghost = np.arange(len(x)) // ghost_size
    member = (ghost[:, None] == np.arange(ghost[-1] + 1)).astype(x.dtype)  # (N, ghosts)
    share = member / member.sum(axis=0)
    centred = x - (share.T @ x)[ghost]
    var = (share.T @ centred**2)[ghost]
    return gamma * centred / np.sqrt(var + eps) + beta


@style("batch-renorm")
def written_out(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    mu, sigma_b, sigma = x.mean(axis=0), np.sqrt(x.var(axis=0) + eps), np.sqrt(running_var + eps)
    r = np.maximum(np.minimum(sigma_b / sigma, r_max), 1 / r_max)
    d = np.maximum(np.minimum((mu - running_mean) / sigma, d_max), -d_max)
    return gamma * ((x - mu) / sigma_b * r + d) + beta


@style("batch-renorm")
def as_a_line(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    """One factor and one offset for each feature, on the centred batch."""
    mu = np.mean(x, axis=0)
    inv_b = (np.mean((x - mu) ** 2, axis=0) + eps) ** -0.5
    inv = (running_var + eps) ** -0.5
    r, d = (inv / inv_b).clip(1 / r_max, r_max), ((mu - running_mean) * inv).clip(-d_max, d_max)
    return (x - mu) * (gamma * inv_b * r) + (gamma * d + beta)


@style("batch-renorm")
def by_where(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    sigma_b, sigma = np.sqrt(x.var(0) + eps), np.sqrt(running_var + eps)
    r, d = sigma_b / sigma, (x.mean(0) - running_mean) / sigma
    r = np.where(r > r_max, r_max, np.where(r < 1 / r_max, 1 / r_max, r)).astype(x.dtype)
    d = np.where(np.abs(d) > d_max, np.sign(d) * d_max, d).astype(x.dtype)
    x_hat = (x - x.mean(0)) / sigma_b
    return x_hat * r * gamma + d * gamma + beta


@style("batch-renorm")
def feature_by_feature(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    columns = []
    for j in range(x.shape[1]):
        column = x[:, j]
        spread, known = np.sqrt(column.var() + eps), np.sqrt(running_var[j] + eps)
        r = min(max(spread / known, 1 / r_max), r_max)
        d = min(max((column.mean() - running_mean[j]) / known, -d_max), d_max)
        columns.append(gamma[j] * ((column - column.mean()) / spread * r + d) + beta[j])
    return np.stack(columns, axis=1).astype(x.dtype)
