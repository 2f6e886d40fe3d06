"""Right answers to the tasks of notebook 02 in other styles."""

import math

import numpy as np

from solutions.styles import style


@style("percentile-drift")
def step_by_step(trace, q):
    return np.stack([np.percentile(activations, q) for activations in trace])


@style("percentile-drift")
def by_quantile(trace, q):
    return np.quantile(trace, np.array(q, trace.dtype) / 100, axis=1).transpose().astype(trace.dtype)


@style("percentile-drift")
def sorted_and_interpolated(trace, q):
    ranked = np.sort(trace, axis=1)
    place = np.asarray(q, np.float64) / 100 * (trace.shape[1] - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, trace.shape[1] - 1)
    return (ranked[:, low] + (place - low) * (ranked[:, high] - ranked[:, low])).astype(trace.dtype)


@style("percentile-drift")
def one_percentile_at_a_time(trace, q):
    columns = [np.percentile(trace, value, axis=-1) for value in q]
    return np.column_stack(columns)


@style("percentile-drift")
def filled(trace, q):
    out = np.zeros((trace.shape[0], len(q)), dtype=trace.dtype)
    grid = np.linspace(0, 100, trace.shape[1]) if trace.shape[1] > 1 else np.array([0.0])
    for t, row in enumerate(trace):
        out[t] = np.interp(q, grid, np.sort(row))
    return out


@style("wasserstein-drift")
def feature_by_feature(a, b):
    distance = np.empty(a.shape[1], dtype=a.dtype)
    for c in range(a.shape[1]):
        distance[c] = np.mean(np.abs(np.sort(a[:, c]) - np.sort(b[:, c])))
    return distance


@style("wasserstein-drift")
def between_distribution_functions(a, b):
    """The area between the two distribution functions."""
    result = []
    for u, v in zip(a.T, b.T):
        places = np.sort(np.concatenate([u, v]))
        below_u = np.searchsorted(np.sort(u), places[:-1], side="right") / len(u)
        below_v = np.searchsorted(np.sort(v), places[:-1], side="right") / len(v)
        result.append(np.sum(np.abs(below_u - below_v) * np.diff(places)))
    return np.array(result, dtype=a.dtype)


@style("wasserstein-drift")
def by_argsort(a, b):
    ranked_a = np.take_along_axis(a, np.argsort(a, axis=0), axis=0)
    ranked_b = np.take_along_axis(b, np.argsort(b, axis=0), axis=0)
    return abs(ranked_a - ranked_b).sum(axis=0) / len(a)


@style("wasserstein-drift")
def on_transposed(a, b):
    at, bt = np.sort(a.T), np.sort(b.T)
    return np.linalg.norm(at - bt, ord=1, axis=1) / at.shape[1]


@style("gradient-shift")
def flattened(grad, grad_after):
    g, h = grad.ravel(), grad_after.ravel()
    return (g @ h) / (np.linalg.norm(g) * np.linalg.norm(h)), np.linalg.norm(g - h)


@style("gradient-shift")
def sums(grad, grad_after):
    dot = np.sum(grad * grad_after)
    cosine = dot / np.sqrt(np.sum(grad**2) * np.sum(grad_after**2))
    return cosine, np.sqrt(np.sum((grad - grad_after) ** 2))


@style("gradient-shift")
def unit_vectors(grad, grad_after):
    u = grad / np.linalg.norm(grad)
    v = grad_after / np.linalg.norm(grad_after)
    return float((u * v).sum()), float(np.linalg.norm((grad_after - grad).reshape(-1), 2))


@style("gradient-shift")
def law_of_cosines(grad, grad_after):
    gg, hh, gh = (float(np.vdot(*pair)) for pair in ((grad, grad), (grad_after, grad_after), (grad, grad_after)))
    gap = (grad_after - grad).flatten()
    return gh / math.sqrt(gg * hh), math.sqrt(math.fsum(gap.astype(float) ** 2))


@style("gradient-shift")
def by_einsum(grad, grad_after):
    g, h = np.reshape(grad, -1), np.reshape(grad_after, -1)
    norms = np.sqrt(np.einsum("i,i", g, g)) * np.sqrt(np.einsum("i,i", h, h))
    return np.einsum("i,i", g, h) / norms, np.hypot.reduce(g - h)
