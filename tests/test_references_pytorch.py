"""The answers to notebook 08 against torch's own layers, over random shapes and settings."""

import contextlib
import copy
import io

import numpy as np
import torch
from bnlab import torch_models
from bnlab.distributed import run_all
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.authoring.script import Script

with contextlib.redirect_stdout(io.StringIO()):
    SPACE = Script.of("08_pytorch").references()
seeds = st.integers(0, 10**6)
epsilons = st.sampled_from([1e-5, 1e-3, 0.1, 0.5])
momenta = st.sampled_from([0.01, 0.1, 0.7, 1.0])
features = st.tuples(st.integers(3, 20), st.integers(1, 9))
images = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(2, 5), st.integers(1, 5))


def drawn(seed, *shapes, dtype=torch.float64):
    """Tensors of normal numbers, a little off 0."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) + 0.5 for shape in shapes]


def close(got, expected, tolerance=1e-9):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    scale = max(1.0, float(expected.detach().abs().max()))
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance * scale)


@settings(max_examples=80, deadline=None)
@given(features, seeds, epsilons)
def test_the_function_is_torchs(shape, seed, eps):
    x, dy, gamma, beta = drawn(seed, shape, shape, shape[1:], shape[1:])
    ours, theirs = ([value.clone().requires_grad_() for value in (x, gamma, beta)] for _ in range(2))
    y = SPACE["BatchNormFunction"].apply(*ours, eps)
    expected = torch.nn.functional.batch_norm(theirs[0], None, None, *theirs[1:], training=True, eps=eps)
    close(y, expected)
    y.backward(dy)
    expected.backward(dy)
    for mine, other in zip(ours, theirs):
        close(mine.grad, other.grad, 1e-7)  # a narrow batch makes dx large and its terms cancel


@settings(max_examples=15, deadline=None)
@given(features, seeds)
def test_the_function_passes_gradcheck(shape, seed):
    x, gamma, beta = (value.requires_grad_() for value in drawn(seed, shape, shape[1:], shape[1:]))
    assert torch.autograd.gradcheck(SPACE["BatchNormFunction"].apply, (x, gamma, beta, 0.5))


@settings(max_examples=80, deadline=None)
@given(features | images, seeds, epsilons, momenta, st.booleans(), st.booleans(), st.sampled_from(["32", "64"]))
def test_the_module_is_torchs(shape, seed, eps, momentum, affine, track, bits):
    dtype, tolerance = (torch.float32, 1e-3) if bits == "32" else (torch.float64, 1e-7)
    kind = torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d
    options = {"eps": eps, "momentum": momentum, "affine": affine, "track_running_stats": track}
    ours = SPACE["BatchNorm"](shape[1], **options).to(dtype)
    theirs = kind(shape[1], **options).to(dtype)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name])
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(seed))
    ours.load_state_dict(theirs.state_dict())
    for x, dy in (drawn(seed + step, shape, shape, dtype=dtype) for step in range(3)):
        mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
        ys = ours(mine), theirs(other)
        close(*ys, tolerance)
        for y in ys:
            y.backward(dy)
        if bits == "64":
            close(mine.grad, other.grad, 1e-6)
            assert all(torch.allclose(a.grad, b.grad) for a, b in zip(ours.parameters(), theirs.parameters()))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        close(ours.state_dict()[name], value, tolerance)
    (x,) = drawn(seed, shape, dtype=dtype)
    back = kind(shape[1], **options).to(dtype)
    back.load_state_dict(ours.state_dict())
    close(ours.eval()(x), theirs.eval()(x), tolerance)
    close(back.eval()(x), theirs(x), tolerance)


def test_deepcopy_and_devices_keep_the_state():
    layer = SPACE["BatchNorm"](3)
    layer(torch.randn(8, 3))
    twin = copy.deepcopy(layer).to(torch.float64)
    assert twin.running_mean.dtype == torch.float64 and twin.num_batches_tracked.dtype == torch.int64
    assert torch.allclose(twin.running_var, layer.running_var.double())


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=3), st.integers(1, 5), seeds)
def test_synchronized_statistics_are_those_of_the_full_batch(sizes, c, seed):
    shards = [shard + 3 * rank for rank, shard in enumerate(drawn(seed, *[(n, c) for n in sizes]))]
    (found,) = run_all([SPACE["sync_batch_statistics"]], shards)
    full = torch.cat(shards)
    for mean, var in found:
        np.testing.assert_allclose(mean, full.mean(0), rtol=1e-6)
        np.testing.assert_allclose(var, full.var(0, correction=0), rtol=1e-6)


INPUTS = {
    "linear": (5,),
    "square": (4,),
    "convolution": (3, 6, 7),
    "apart": (4,),
    "nested": (2, 6, 5),
    "grouped": (4, 5, 6),
    "residual": (3, 5, 4),
    "without_affine": (5,),
    "untracked": (4,),
    "with_dropout": (5,),
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(torch_models.MODELS)), st.integers(2, 6), seeds)
def test_a_folded_model_predicts_the_same(name, n, seed):
    model = torch_models.MODELS[name]().double()
    generator = torch.Generator().manual_seed(seed)
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + (0.2 if key.endswith("var") else -0.5))
    (x,) = drawn(seed, (n, *INPUTS[name]))
    folded = SPACE["fold_model"](model)
    kept = sum(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in folded.modules())
    assert kept == {"apart": 2, "untracked": 1}.get(name, 0)
    assert model.training and not folded.training
    close(folded(x), model.eval()(x))


def test_all_models_are_covered():
    assert INPUTS.keys() == torch_models.MODELS.keys()
