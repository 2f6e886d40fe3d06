"""The hidden solutions of notebooks 01 and 02 against SciPy, scikit-learn and torch; the recorded networks too."""

import contextlib
import importlib.util
import io

import numpy as np
import pytest
import torch
from bnlab import traces
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from autograder import course
from autograder.authoring.script import Script

with contextlib.redirect_stdout(io.StringIO()):
    SHIFT, INTERNAL = (Script.of(name).references() for name in ("01_covariate_shift", "02_internal_covariate_shift"))
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
SHAPES = settings(max_examples=30, deadline=None)

shapes = st.tuples(st.integers(1, 20), st.integers(1, 9))
seeds = st.integers(0, 10**6)


def drawn(shape, seed, dtype=np.float64):
    """Features with centres and widths of their own."""
    rng = np.random.default_rng(seed)
    centres, widths = rng.normal(size=shape[-1]), rng.uniform(0.5, 2, size=shape[-1])
    return (centres + widths * rng.normal(size=shape)).astype(dtype)


def agree(got, expected, dtype=np.float64, scale=1.0):
    exact = dtype == np.float64
    assert np.asarray(got).dtype == dtype
    expected = np.asarray(expected)
    size = max(scale, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(got, expected, rtol=1e-8 if exact else 1e-3, atol=size * (1e-9 if exact else 1e-3))


@DTYPES
@given(shape=shapes, rows=st.integers(1, 9), seed=seeds, constant=st.booleans())
@SHAPES
def test_standardize(dtype, shape, rows, seed, constant):
    train, test = drawn(shape, seed, dtype), 2 * drawn((rows, shape[1]), seed + 1, dtype)
    if constant:
        train[:, 0] = 2
    scaler = StandardScaler().fit(train.astype(np.float64))
    for got, raw in zip(SHIFT["standardize"](train, test), (train, test)):
        if len(train) != 2:  # two samples may lie so close that float32 sees little of their distance
            agree(got, scaler.transform(raw.astype(np.float64)), dtype)


@given(n=st.integers(1, 30), seed=seeds, far=st.booleans())
@SHAPES
def test_importance_weights(n, seed, far):
    rng = np.random.default_rng(seed)
    (m0, m1), (s0, s1) = rng.normal(size=2), rng.uniform(0.5, 2, size=2)
    x = m0 + s0 * rng.normal(size=n)
    s1 = s0 if far else s1
    x = x + 45 * s0 if far else x
    expected = np.exp(stats.norm.logpdf(x, m1, s1) - stats.norm.logpdf(x, m0, s0))
    got = SHIFT["importance_weights"](x, (float(m0), float(s0)), (float(m1), float(s1)))
    np.testing.assert_allclose(got, expected, rtol=1e-8)


@DTYPES
@given(p=st.integers(1, 6), extra=st.integers(3, 20), seed=seeds)
@SHAPES
def test_weighted_least_squares(dtype, p, extra, seed):
    rng = np.random.default_rng(seed)
    features, y = rng.normal(size=(p + extra, p)).astype(dtype), rng.normal(size=p + extra).astype(dtype)
    w = rng.uniform(0.1, 3, size=p + extra).astype(dtype)
    exact = [part.astype(np.float64) for part in (features, y, w)]
    fitted = LinearRegression(fit_intercept=False).fit(exact[0], exact[1], sample_weight=exact[2])
    theta = SHIFT["weighted_least_squares"](features, y, w)
    if np.linalg.cond(features) < 50:
        agree(theta, fitted.coef_, dtype)
    slope = exact[0].T @ (exact[2] * (exact[0] @ theta.astype(np.float64) - exact[1]))
    np.testing.assert_allclose(slope, 0, atol=1e-8 if dtype == np.float64 else 1e-2)


@DTYPES
@given(shape=shapes, seed=seeds, eps=st.sampled_from([0.01, 0.1, 0.5]))
@SHAPES
def test_zca(dtype, shape, seed, eps):
    x = drawn(shape, seed, dtype)
    wide = x.astype(np.float64)
    covariance = np.cov(wide, rowvar=False, bias=True).reshape(shape[1], shape[1])
    root = np.real(linalg.sqrtm(covariance + eps * np.eye(shape[1])))
    agree(SHIFT["zca_whiten"](x, eps), (wide - wide.mean(axis=0)) @ np.linalg.inv(root), dtype)


@given(shape=shapes, seed=seeds)
@SHAPES
def test_max_stable_lr(shape, seed):
    features = drawn(shape, seed)
    largest = torch.linalg.svdvals(torch.tensor(features))[0].item()
    limit = SHIFT["max_stable_lr"](features)
    assert type(limit) is float
    np.testing.assert_allclose(limit, 2 * shape[0] / largest**2, rtol=1e-9)
    theta = torch.tensor(np.random.default_rng(seed).normal(size=shape[1]), requires_grad=True)
    loss = ((torch.tensor(features) @ theta) ** 2).mean() / 2
    (slope,) = torch.autograd.grad(loss, theta)  # the curvature that the limit speaks of is that of this loss
    np.testing.assert_allclose(slope.numpy(), features.T @ (features @ theta.detach().numpy()) / shape[0], atol=1e-9)


@DTYPES
@given(shape=shapes, seed=seeds, q=st.lists(st.floats(0, 100), min_size=1, max_size=5))
@SHAPES
def test_percentiles(dtype, shape, seed, q):
    trace = drawn(shape[::-1], seed, dtype)
    expected = torch.quantile(torch.tensor(trace.astype(np.float64)), torch.tensor(q, dtype=torch.float64) / 100, dim=1)
    got = INTERNAL["percentile_drift"](trace, tuple(q))
    agree(got.astype(dtype), expected.T.numpy(), dtype)


@DTYPES
@given(shape=shapes, seed=seeds)
@SHAPES
def test_wasserstein(dtype, shape, seed):
    a, b = drawn(shape, seed, dtype), 2 * drawn(shape, seed + 1, dtype)
    expected = [stats.wasserstein_distance(a[:, c], b[:, c]) for c in range(shape[1])]
    agree(INTERNAL["wasserstein_drift"](a, b), expected, dtype)


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=seeds)
@SHAPES
def test_gradient_shift(shape, seed):
    rng = np.random.default_rng(seed)
    g, h = rng.normal(size=shape), rng.normal(size=shape)
    cosine, l2 = INTERNAL["gradient_shift"](g, h)
    flat = [torch.tensor(part).flatten() for part in (g, h)]
    np.testing.assert_allclose(cosine, torch.nn.functional.cosine_similarity(*flat, dim=0, eps=0).item(), atol=1e-12)
    np.testing.assert_allclose(l2, torch.linalg.vector_norm(flat[0] - flat[1]).item())


# -- the networks of notebook 02 --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def experiment():
    """book/experiments/internal_shift.py as a module, torch in float64 while it is used."""
    path = course.REPOSITORY / "book" / "experiments" / "internal_shift.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    yield module
    torch.set_default_dtype(before)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("activation", traces.LEARNING_RATES)
def test_the_numpy_network_is_the_one_of_torch(experiment, activation):
    ours, theirs = traces.train_plain(activation), experiment.train(activation, False, 0)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-6)
    np.testing.assert_array_equal(ours.steps, theirs.steps)
    for layer in traces.WATCHED:
        np.testing.assert_allclose(ours.inputs[layer], theirs.inputs[layer], rtol=1e-5, atol=1e-6)
    for step in traces.GRADIENT_STEPS:
        for pair, other in zip(ours.gradients[step], theirs.gradients[step]):
            np.testing.assert_allclose(pair, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("activation", traces.LEARNING_RATES)
def test_the_recorded_network_is_the_one_of_torch(experiment, activation):
    stored, fresh = traces.recorded(activation), experiment.train(activation, True, 0)
    assert len(stored.losses) == len(fresh.losses) == traces.STEPS + 1
    np.testing.assert_allclose(stored.losses, fresh.losses, rtol=0.01, atol=0.01)
    for layer in traces.WATCHED:
        assert stored.inputs[layer].shape == (16, traces.PROBES, traces.UNITS)
        np.testing.assert_allclose(stored.inputs[layer], fresh.inputs[layer], atol=0.02)
    cosines = traces.seeds_table(activation, True)[0]
    for position, step in enumerate(traces.GRADIENT_STEPS):
        measured = [INTERNAL["gradient_shift"](*pair)[0] for pair in stored.gradients[step]]
        np.testing.assert_allclose(measured, cosines[0, position], atol=2e-3)
        assert measured[0] == pytest.approx(1, abs=1e-12)
        np.testing.assert_array_equal(*stored.gradients[step][0])


def test_recorded_files_are_small_and_are_the_digits():
    from bnlab.data import load_digits

    assert all(path.stat().st_size < 100_000 for path in traces.RECORDED.glob("*.npz"))
    images, labels = traces.digits_sample()
    x_train, y_train, _, _ = load_digits()
    np.testing.assert_array_equal(images, x_train[:600])
    np.testing.assert_array_equal(labels, y_train[:600])


def test_an_unknown_activation_is_named():
    for make in (traces.train_plain, traces.recorded):
        with pytest.raises(ValueError, match="'tanh'; expected 'relu' or 'sigmoid'"):
            make("tanh")
