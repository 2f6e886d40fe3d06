"""The hidden solutions of notebook 05 against torch, and against each other where they must agree."""

import contextlib
import io

import numpy as np
import pytest
import torch
from bnlab import check_gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from autograder.authoring.script import Script

with contextlib.redirect_stdout(io.StringIO()):
    OURS = Script.of("05_convolution").references()
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
SHAPES = settings(max_examples=60, deadline=None)

shapes = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
seeds = st.integers(0, 10**6)
epsilons = st.sampled_from([1e-3, 0.1, 0.5])


class Drawn:
    """Images and parameters, in NumPy and in torch."""

    def __init__(self, shape, seed, dtype=np.float64):
        rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.x = (rng.normal(size=(1, *shape[1:2], *[1] * (len(shape) - 2))) + rng.normal(size=shape)).astype(dtype)
        self.dy = rng.normal(size=shape).astype(dtype)
        self.gamma, self.beta = (rng.normal(size=shape[1]).astype(dtype) for _ in range(2))

    def torch(self, *names, grad=False):
        return [torch.tensor(getattr(self, name), requires_grad=grad) for name in names]

    def close(self, got, expected, scale=1.0):
        assert got.dtype == self.dtype
        exact = self.dtype == np.float64
        expected = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
        assert got.shape == expected.shape
        size = max(scale, np.abs(expected).max())
        np.testing.assert_allclose(got, expected, rtol=1e-9 if exact else 1e-3, atol=size * (1e-10 if exact else 1e-4))


def by_torch(x, gamma, beta, eps):
    """torch's batch normalization in training; it refuses a single value, whose x_hat is 0."""
    if x.numel() == x.shape[1]:
        return 0 * x + beta[None, :, None, None]
    return functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


@DTYPES
@given(shape=shapes, seed=seeds, eps=epsilons)
@SHAPES
def test_batchnorm2d(dtype, shape, seed, eps):
    drawn = Drawn(shape, seed, dtype)
    x, gamma, beta = drawn.torch("x", "gamma", "beta", grad=True)
    expected = by_torch(x, gamma, beta, eps)
    y, cache = OURS["batchnorm2d_train"](drawn.x, drawn.gamma, drawn.beta, eps)
    drawn.close(y, expected)
    x_hat, inv_std, kept = cache
    assert x_hat.shape == shape and inv_std.shape == kept.shape == (shape[1],)
    drawn.close(inv_std, 1 / torch.sqrt(x.var((0, 2, 3), correction=0) + eps))
    expected.backward(torch.tensor(drawn.dy))
    size = max(1.0, float(np.abs(drawn.gamma * inv_std).max() * np.abs(drawn.dy).max()) * drawn.x[:, 0].size)
    for got, wanted in zip(OURS["batchnorm2d_backward"](drawn.dy, cache), (x, gamma, beta)):
        if wanted.grad is not None:
            drawn.close(got, wanted.grad, scale=size)


@given(seed=seeds, eps=st.sampled_from([0.1, 0.5]))
@settings(max_examples=20, deadline=None)
def test_backward_against_differences(seed, eps):
    drawn = Drawn((4, 3, 2, 5), seed)
    rest = (drawn.gamma, drawn.beta, eps)
    _, cache = OURS["batchnorm2d_train"](drawn.x, *rest)
    dx = OURS["batchnorm2d_backward"](drawn.dy, cache)[0]
    assert check_gradient(lambda x: OURS["batchnorm2d_train"](x, *rest)[0], drawn.x, drawn.dy, dx)


@DTYPES
@given(shape=shapes, seed=seeds, eps=epsilons)
@SHAPES
def test_layer_and_group_norm(dtype, shape, seed, eps):
    drawn = Drawn(shape, seed, dtype)
    x, gamma, beta = drawn.torch("x", "gamma", "beta")
    for groups in [g for g in range(1, shape[1] + 1) if shape[1] % g == 0]:
        got = OURS["group_norm"](drawn.x, groups, drawn.gamma, drawn.beta, eps)
        if drawn.x[:, 0].size > 1:  # torch refuses a single value for each channel
            drawn.close(got, functional.group_norm(x, groups, gamma, beta, eps))
    rows = np.ascontiguousarray(drawn.x[:, :, 0, 0])
    expected = functional.layer_norm(torch.tensor(rows), shape[1:2], gamma, beta, eps)
    drawn.close(OURS["layer_norm"](rows, drawn.gamma, drawn.beta, eps), expected)


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=5), seed=seeds, eps=epsilons, data=st.data())
@SHAPES
def test_any_axes(shape, seed, eps, data):
    x = np.random.default_rng(seed).normal(size=shape)
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
    t = torch.tensor(x)
    var, mu = torch.var_mean(t, dim=axes, correction=0, keepdim=True)
    got = OURS["normalize_over"](x, axes, eps)
    np.testing.assert_allclose(got, ((t - mu) / torch.sqrt(var + eps)).numpy(), rtol=1e-9, atol=1e-11)


@given(shape=shapes, seed=seeds, eps=epsilons)
@SHAPES
def test_relatives_agree(shape, seed, eps):
    """GN with 1 group is LN over (C, H, W), with C groups IN; BN2d of single pixels is BN of features; C statistics."""
    drawn = Drawn(shape, seed)
    one, zero = np.ones(shape[1]), np.zeros(shape[1])
    over = {axes: OURS["normalize_over"](drawn.x, axes, eps) for axes in ((0, 2, 3), (1, 2, 3), (2, 3))}
    drawn.close(OURS["group_norm"](drawn.x, 1, one, zero, eps), over[1, 2, 3])
    drawn.close(OURS["group_norm"](drawn.x, shape[1], one, zero, eps), over[2, 3])
    y, (x_hat, inv_std, _) = OURS["batchnorm2d_train"](drawn.x, one, zero, eps)
    drawn.close(y, over[0, 2, 3])
    assert inv_std.size == shape[1]
    pixels = np.moveaxis(drawn.x, 1, -1).reshape(-1, shape[1])
    drawn.close(np.moveaxis(y, 1, -1).reshape(pixels.shape), OURS["normalize_over"](pixels, (0,), eps))
    flat = OURS["batchnorm2d_train"](pixels[:, :, None, None], one, zero, eps)[0][:, :, 0, 0]
    drawn.close(flat, OURS["normalize_over"](pixels, (0,), eps))
    drawn.close(OURS["layer_norm"](pixels, one, zero, eps), OURS["normalize_over"](pixels, (1,), eps))
