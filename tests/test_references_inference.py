"""The hidden solutions of notebook 06 against torch, against whole batches, and in their limiting cases."""

import contextlib
import io

import numpy as np
import pytest
import torch
from bnlab.convolve import convolve2d
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from autograder.authoring.script import Script

with contextlib.redirect_stdout(io.StringIO()):
    OURS = Script.of("06_inference").references()
PRECISION = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
SHAPES = settings(max_examples=60, deadline=None)

shapes = st.tuples(st.integers(1, 20), st.integers(1, 6))
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=6)
seeds = st.integers(0, 10**6)
epsilons = st.sampled_from([1e-3, 0.1, 0.5])


def features(rng, n, c):
    return rng.normal(size=c) + rng.uniform(0.5, 2, size=c) * rng.normal(size=(n, c))


def parameters(rng, c, dtype=np.float64):
    """gamma, beta, running_mean, running_var."""
    drawn = rng.normal(size=c), rng.normal(size=c), rng.normal(size=c), rng.uniform(0.3, 3, size=c)
    return [values.astype(dtype) for values in drawn]


def training(x, gamma, beta, eps):
    """torch's batch normalization in training; it refuses a single sample, whose x_hat is 0."""
    if len(x) == 1:
        return beta[None, :]
    tensors = (torch.tensor(values) for values in (gamma, beta))
    return functional.batch_norm(torch.tensor(x), None, None, *tensors, training=True, eps=eps).numpy()


def evaluation(x, gamma, beta, mean, var, eps):
    x, gamma, beta, mean, var = (torch.tensor(values) for values in (x, gamma, beta, mean, var))
    return functional.batch_norm(x, mean, var, gamma, beta, training=False, eps=eps).numpy()


@given(counts=sizes, c=st.integers(1, 4), seed=seeds, centre=st.sampled_from([0.0, 100.0]), data=st.data())
@SHAPES
def test_parts_and_batches_are_one_batch(counts, c, seed, centre, data):
    rng = np.random.default_rng(seed)
    batches = [centre + features(rng, n, c) for n in counts]
    x = torch.tensor(np.concatenate(batches))
    parts = [(len(a), a.mean(axis=0), ((a - a.mean(axis=0)) ** 2).sum(axis=0)) for a in batches]
    var, mean = torch.var_mean(x, dim=0, correction=0)
    size = float(x.std(0, correction=0).max()) ** 2 + 1e-12
    for order in (range(len(parts)), data.draw(st.permutations(range(len(parts))))):
        n, merged, m2 = OURS["merge_statistics"]([parts[i] for i in order])
        assert n == len(x)
        np.testing.assert_allclose(merged, mean, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(m2 / n, var, rtol=1e-12, atol=1e-12 * size)
    if n > 1:
        precise_mean, precise_var = OURS["precise_statistics"](batches)
        np.testing.assert_allclose(precise_mean, mean, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(precise_var, torch.var(x, dim=0), rtol=1e-10, atol=1e-12 * size)


@PRECISION
@given(out=st.integers(1, 7), into=st.integers(1, 7), seed=seeds, eps=epsilons)
@SHAPES
def test_folded_linear_layers(dtype, tolerance, out, into, seed, eps):
    rng = np.random.default_rng(seed)
    weight, bias, x = (rng.normal(size=shape).astype(dtype) for shape in ((out, into), (out,), (9, into)))
    statistics = parameters(rng, out, dtype)
    new_weight, new_bias = OURS["fold_linear"](weight, bias, *statistics, eps=eps)
    assert new_weight.dtype == new_bias.dtype == dtype
    z = functional.linear(torch.tensor(x), torch.tensor(weight), torch.tensor(bias)).numpy()
    two = evaluation(z, *statistics, eps)
    scale = max(1.0, np.abs(new_weight).max(), np.abs(new_bias).max())
    np.testing.assert_allclose(x @ new_weight.T + new_bias, two, rtol=tolerance, atol=tolerance * scale)


@PRECISION
@given(channels=st.tuples(st.integers(1, 4), st.integers(1, 4)), kernel=st.tuples(*[st.integers(1, 3)] * 2), seed=seeds)
@SHAPES
def test_folded_convolutions(dtype, tolerance, channels, kernel, seed):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(*channels, *kernel)).astype(dtype)
    bias, x = rng.normal(size=channels[0]).astype(dtype), rng.normal(size=(2, channels[1], 5, 4)).astype(dtype)
    statistics = parameters(rng, channels[0], dtype)
    z = functional.conv2d(torch.tensor(x), torch.tensor(weight), torch.tensor(bias), padding=1).numpy()
    new = OURS["fold_conv2d"](weight, bias, *statistics, eps=0.1)
    one = functional.conv2d(torch.tensor(x), *map(torch.tensor, new), padding=1).numpy()
    scale = max(1.0, *(np.abs(values).max() for values in new))
    np.testing.assert_allclose(one, evaluation(z, *statistics, 0.1), rtol=tolerance, atol=tolerance * scale)
    plain = functional.conv2d(torch.tensor(x), torch.tensor(weight), torch.tensor(bias)).numpy()
    np.testing.assert_allclose(convolve2d(x, weight, bias), plain, rtol=tolerance, atol=tolerance)


def test_convolve2d_says_what_is_odd():
    with pytest.raises(ValueError, match="expected"):
        convolve2d(np.zeros((1, 2, 4, 4)), np.zeros((3, 1, 2, 2)), np.zeros(3))


@given(shape=shapes, ghost_size=st.integers(1, 24), seed=seeds, eps=epsilons)
@SHAPES
def test_ghost_batches(shape, ghost_size, seed, eps):
    rng = np.random.default_rng(seed)
    x, (gamma, beta, _, _) = features(rng, *shape), parameters(rng, shape[1])
    pieces = [training(x[i : i + ghost_size], gamma, beta, eps) for i in range(0, len(x), ghost_size)]
    got = OURS["ghost_batchnorm"](x, ghost_size, gamma, beta, eps)
    np.testing.assert_allclose(got, np.concatenate(pieces), rtol=1e-9, atol=1e-9)
    whole = OURS["ghost_batchnorm"](x, len(x), gamma, beta, eps)
    np.testing.assert_allclose(whole, training(x, gamma, beta, eps), rtol=1e-9, atol=1e-9)


@given(shape=shapes, seed=seeds, eps=epsilons, r_max=st.floats(1, 4), d_max=st.floats(0, 4))
@SHAPES
def test_batch_renormalization(shape, seed, eps, r_max, d_max):
    rng = np.random.default_rng(seed)
    x, known = features(rng, *shape), parameters(rng, shape[1])
    gamma, beta, mean, var = known
    batch_std, std = (torch.sqrt(torch.tensor(v) + eps) for v in (x.var(axis=0), var))
    r = (batch_std / std).clamp(1 / r_max, r_max)
    d = ((torch.tensor(x.mean(axis=0)) - torch.tensor(mean)) / std).clamp(-d_max, d_max)
    x_hat = training(x, np.ones(shape[1]), np.zeros(shape[1]), eps)
    expected = torch.tensor(gamma) * (torch.tensor(x_hat) * r + d) + torch.tensor(beta)
    got = OURS["batch_renorm"](x, *known, r_max, d_max, eps)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-8, atol=1e-8)
    plain = OURS["batch_renorm"](x, *known, 1.0, 0.0, eps)
    np.testing.assert_allclose(plain, training(x, gamma, beta, eps), rtol=1e-9, atol=1e-9)
    free = OURS["batch_renorm"](x, *known, 1e4, 1e4, eps)
    np.testing.assert_allclose(free, evaluation(x, gamma, beta, mean, var, eps), rtol=1e-8, atol=1e-8)
