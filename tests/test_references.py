"""The hidden solutions against independent judges: torch, and central differences."""

import contextlib
import io

import numpy as np
import pytest
import torch
from bnlab import check_gradient
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.authoring.script import Script

with contextlib.redirect_stdout(io.StringIO()):
    FORWARD, BACKWARD = (Script.of(name).references() for name in ("03_forward", "04_backward"))
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
SHAPES = settings(max_examples=60, deadline=None)

shapes = st.tuples(st.integers(3, 20), st.integers(1, 9))
seeds = st.integers(0, 10**6)
epsilons = st.sampled_from([1e-5, 1e-3, 0.1, 0.5])
momenta = st.sampled_from([0.01, 0.1, 0.7, 1.0])


class Drawn:
    """A batch, parameters and statistics, in NumPy and in torch."""

    def __init__(self, shape, seed, dtype):
        rng = np.random.default_rng(seed)
        channels = shape[1]
        self.dtype = dtype
        self.x = (rng.normal(size=channels) + rng.uniform(0.5, 2, size=channels) * rng.normal(size=shape)).astype(dtype)
        self.dy = rng.normal(size=shape).astype(dtype)
        self.gamma, self.beta, self.mean = (rng.normal(size=channels).astype(dtype) for _ in range(3))
        self.var = rng.uniform(0.3, 3, size=channels).astype(dtype)

    def torch(self, *names, grad=False):
        return [torch.tensor(getattr(self, name), requires_grad=grad) for name in names]

    def close(self, got, expected, scale=1.0):
        assert got.dtype == self.dtype
        exact = self.dtype == np.float64
        expected = expected.detach().numpy()
        size = max(scale, np.abs(expected).max())
        np.testing.assert_allclose(got, expected, rtol=1e-9 if exact else 1e-3, atol=size * (1e-10 if exact else 1e-4))


@DTYPES
@given(shape=shapes, seed=seeds, eps=epsilons, momentum=momenta)
@SHAPES
def test_training_and_running_statistics(dtype, shape, seed, eps, momentum):
    drawn = Drawn(shape, seed, dtype)
    mean, var = drawn.torch("mean", "var")
    x, gamma, beta = drawn.torch("x", "gamma", "beta")
    expected = torch.nn.functional.batch_norm(x, mean, var, gamma, beta, training=True, momentum=momentum, eps=eps)
    y, (x_hat, inv_std, kept) = FORWARD["batchnorm_train"](drawn.x, drawn.gamma, drawn.beta, eps)
    drawn.close(y, expected)
    drawn.close(x_hat, torch.nn.functional.batch_norm(x, None, None, training=True, eps=eps))
    drawn.close(inv_std, 1 / torch.sqrt(x.var(0, correction=0) + eps))
    np.testing.assert_array_equal(kept, drawn.gamma)
    new_mean, new_var = FORWARD["update_running"](drawn.mean, drawn.var, drawn.x, momentum)
    drawn.close(new_mean, mean)
    drawn.close(new_var, var)


@DTYPES
@given(shape=shapes, seed=seeds)
@SHAPES
def test_statistics(dtype, shape, seed):
    drawn = Drawn(shape, seed, dtype)
    mu, var = FORWARD["batch_statistics"](drawn.x)
    expected_var, expected_mu = torch.var_mean(drawn.torch("x")[0], dim=0, correction=0)
    drawn.close(mu, expected_mu)
    drawn.close(var, expected_var)


@DTYPES
@given(shape=shapes, seed=seeds, eps=epsilons)
@SHAPES
def test_evaluation(dtype, shape, seed, eps):
    drawn = Drawn(shape, seed, dtype)
    x, mean, var, gamma, beta = drawn.torch("x", "mean", "var", "gamma", "beta")
    expected = torch.nn.functional.batch_norm(x, mean, var, gamma, beta, training=False, eps=eps)
    drawn.close(FORWARD["batchnorm_eval"](drawn.x, drawn.gamma, drawn.beta, drawn.mean, drawn.var, eps), expected)


@given(shape=shapes, seed=seeds, eps=epsilons, momentum=momenta)
@SHAPES
def test_the_layer(shape, seed, eps, momentum):
    drawn = Drawn(shape, seed, np.float64)
    theirs = torch.nn.BatchNorm1d(shape[1], eps=eps, momentum=momentum, dtype=torch.float64)
    ours = FORWARD["BatchNorm"](shape[1], eps=eps, momentum=momentum)
    ours.gamma, ours.beta = drawn.gamma, drawn.beta
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(drawn.gamma))
        theirs.bias.copy_(torch.tensor(drawn.beta))
    for batch in (drawn.x, 2 * drawn.dy + 1):
        drawn.close(ours(batch), theirs(torch.tensor(batch)))
    theirs.eval()
    ours.training = False
    drawn.close(ours(drawn.x), theirs(torch.tensor(drawn.x)))
    drawn.close(ours.running_mean, theirs.running_mean)
    drawn.close(ours.running_var, theirs.running_var)


@DTYPES
@given(shape=shapes, seed=seeds, eps=epsilons)
@SHAPES
def test_backward(dtype, shape, seed, eps):
    drawn = Drawn(shape, seed, dtype)
    x, gamma, beta = drawn.torch("x", "gamma", "beta", grad=True)
    mu = x.mean(0)
    mu.retain_grad()
    var = ((x - mu) ** 2).mean(0)
    var.retain_grad()
    x_hat = (x - mu) / torch.sqrt(var + eps)
    x_hat.retain_grad()
    y = gamma * x_hat + beta
    y.backward(torch.tensor(drawn.dy))
    _, cache = FORWARD["batchnorm_train"](drawn.x, drawn.gamma, drawn.beta, eps)
    size = float(np.abs(drawn.gamma * cache[1]).max() * np.abs(drawn.dy).max())
    dx, dgamma, dbeta = BACKWARD["batchnorm_backward"](drawn.dy, cache)
    nodes = BACKWARD["batchnorm_backward_graph"](drawn.dy, drawn.x, drawn.gamma, eps)
    for name, ours in (("dx", dx), ("dgamma", dgamma), ("dbeta", dbeta)):
        expected = {"dx": x, "dgamma": gamma, "dbeta": beta}[name].grad
        drawn.close(ours, expected, scale=max(size, 1.0))
        drawn.close(nodes[name], expected, scale=max(size, 1.0))
    for name, node in (("dx_hat", x_hat), ("dvar", var), ("dmu", mu)):
        drawn.close(nodes[name], node.grad, scale=max(size * shape[0], 1.0))


@DTYPES
@given(shape=shapes, seed=seeds, eps=epsilons)
@SHAPES
def test_backward_in_evaluation(dtype, shape, seed, eps):
    drawn = Drawn(shape, seed, dtype)
    x, gamma, beta = drawn.torch("x", "gamma", "beta", grad=True)
    mean, var = drawn.torch("mean", "var")
    y = torch.nn.functional.batch_norm(x, mean, var, gamma, beta, training=False, eps=eps)
    y.backward(torch.tensor(drawn.dy))
    ours = BACKWARD["batchnorm_eval_backward"](drawn.dy, drawn.x, drawn.gamma, drawn.mean, drawn.var, eps)
    for got, expected in zip(ours, (x, gamma, beta)):
        drawn.close(got, expected.grad)


@given(shape=shapes, seed=seeds, eps=st.sampled_from([1e-3, 0.1, 0.5]))
@SHAPES
def test_backward_against_differences(shape, seed, eps):
    drawn = Drawn(shape, seed, np.float64)
    forward, rest = FORWARD["batchnorm_train"], (drawn.gamma, drawn.beta, eps)
    _, cache = forward(drawn.x, *rest)
    dx, dgamma, _ = BACKWARD["batchnorm_backward"](drawn.dy, cache)
    if drawn.x.shape[0] > 3 and drawn.x.std(axis=0).min() > 0.2:  # narrow batches bend more than a step can follow
        assert check_gradient(lambda x: forward(x, *rest)[0], drawn.x, drawn.dy, dx)
    assert check_gradient(lambda gamma: forward(drawn.x, gamma, *rest[1:])[0], drawn.gamma, drawn.dy, dgamma)
    numeric = BACKWARD["numerical_gradient"](
        lambda x: FORWARD["batchnorm_eval"](x, *rest[:2], drawn.mean, drawn.var), drawn.x, drawn.dy
    )
    exact = BACKWARD["batchnorm_eval_backward"](drawn.dy, drawn.x, drawn.gamma, drawn.mean, drawn.var)[0]
    np.testing.assert_allclose(numeric, exact, rtol=1e-6, atol=1e-7)


@given(shape=st.lists(st.integers(1, 4), min_size=0, max_size=3), seed=seeds)
@SHAPES
def test_numerical_gradient_of_any_shape(shape, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=shape), rng.normal(size=shape)
    x, dy = np.asarray(x), np.asarray(dy)
    numeric = BACKWARD["numerical_gradient"](np.sin, x, dy)
    np.testing.assert_allclose(numeric, dy * np.cos(x), rtol=1e-6, atol=1e-8)


def test_planted_slips_are_seen_by_differences():
    """check_gradient refuses the wrong gradients that it can see at all."""
    from solutions.mutants import bank

    drawn = Drawn((8, 3), 5, np.float64)
    forward = FORWARD["batchnorm_train"]
    _, cache = forward(drawn.x, drawn.gamma, drawn.beta, 0.5)
    right = BACKWARD["batchnorm_backward"](drawn.dy, cache)[0]
    refused = 0
    for slip, _ in bank("backward").values():
        dx = slip(drawn.dy, cache)[0]
        if not np.allclose(dx, right):
            refused += 1
            assert not check_gradient(lambda x: forward(x, drawn.gamma, drawn.beta, 0.5)[0], drawn.x, drawn.dy, dx)
    assert refused >= 15
