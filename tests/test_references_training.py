"""Notebook 07 against independent judges: torch, scipy, brute force; and what must not earn points in training."""

import numpy as np
import pytest
import torch
from bnlab import checking, network
from bnlab.rig import assemble
from bnlab.tasks.training import random_parts
from bnlab.tasks.training_results import losses
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import grade, references

from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote
from autograder.sandbox import wire

OURS = references("07_training")
seeds = st.integers(0, 10**6)
ACTIVATIONS = {"ReLU": torch.nn.ReLU, "Sigmoid": torch.nn.Sigmoid}


def close(got, expected, scale=1.0):
    expected = expected.detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-10 * max(scale, np.abs(expected).max(initial=0)))


class ScaleShift(torch.nn.Module):
    """The stand-in of bnlab.network, by torch."""

    def __init__(self, gamma, beta):
        super().__init__()
        self.gamma, self.beta = (torch.nn.Parameter(torch.tensor(value)) for value in (gamma, beta))

    def forward(self, x):
        return x * self.gamma + self.beta


def by_torch(parts):
    """The network of `assemble` as a torch module."""
    modules = []
    for kind, values in parts:
        if kind == "Linear":
            module = torch.nn.Linear(*values["weight"].shape, bias="bias" in values, dtype=torch.float64)
            with torch.no_grad():
                module.weight.copy_(torch.tensor(values["weight"].T))
                if "bias" in values:
                    module.bias.copy_(torch.tensor(values["bias"]))
        else:
            module = ScaleShift(**values) if kind == "ScaleShift" else ACTIVATIONS[kind]()
        modules.append(module)
    return torch.nn.Sequential(*modules)


sizes_of = st.lists(st.integers(1, 7), min_size=2, max_size=5)
kinds_of = st.sampled_from(sorted(ACTIVATIONS))


@given(sizes=sizes_of, kind=kinds_of, slot=st.booleans(), n=st.integers(2, 12), steps=st.integers(0, 13), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_parts_and_training(sizes, kind, slot, n, steps, seed):
    rng = np.random.default_rng(seed)
    parts = random_parts(rng, [*sizes, 3], kind, slot)
    x, y = rng.normal(size=(n, sizes[0])), rng.integers(3, size=n)
    batch_size = int(rng.integers(1, n + 1))
    layers, theirs = assemble(parts), by_torch(parts)
    history = OURS["train"](layers, (x, y, x, y), 0.1, steps, batch_size, np.random.default_rng(seed))
    optimizer, rng, expected = torch.optim.SGD(theirs.parameters(), lr=0.1), np.random.default_rng(seed), []
    for _ in range(steps):
        rows = rng.choice(n, batch_size, replace=False)
        loss = torch.nn.functional.cross_entropy(theirs(torch.tensor(x[rows])), torch.tensor(y[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-8)
    assert history["step"] == list(range(0, steps + 1, 10)) and len(history["accuracy"]) == len(history["step"])
    for layer, module in zip(layers, theirs):
        for name, value in layer.params.items():
            close(value.T if name == "weight" else value, getattr(module, name), scale=10.0)
    h = x
    for layer in layers:
        h = layer.forward(h)
    close(h, theirs(torch.tensor(x)), scale=10.0)
    assert steps % 10 or history["accuracy"][-1] == pytest.approx(np.mean(h.argmax(axis=1) == y))


@given(n=st.integers(3, 20), c=st.integers(1, 8), eps=st.sampled_from([1e-5, 0.1, 0.5]), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_the_layer(n, c, eps, seed):
    rng = np.random.default_rng(seed)
    momentum = float(rng.choice([0.01, 0.1, 0.7]))
    ours = OURS["BatchNorm"](c, eps=eps, momentum=momentum)
    theirs = torch.nn.BatchNorm1d(c, eps=eps, momentum=momentum, dtype=torch.float64)
    ours.params = {"gamma": rng.normal(size=c), "beta": rng.normal(size=c)}
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(ours.params["gamma"]))
        theirs.bias.copy_(torch.tensor(ours.params["beta"]))
    for _ in range(2):
        x, dy = rng.normal(size=c) + rng.normal(size=(n, c)), rng.normal(size=(n, c))
        inputs = torch.tensor(x, requires_grad=True)
        outputs = theirs(inputs)
        theirs.zero_grad()
        outputs.backward(torch.tensor(dy))
        close(ours.forward(x), outputs)
        close(ours.backward(dy), inputs.grad, scale=float(np.abs(ours.params["gamma"] * ours.inv_std).max()) * 10)
        close(ours.grads["gamma"], theirs.weight.grad, scale=n)
        close(ours.grads["beta"], theirs.bias.grad, scale=n)
    ours.training = False
    theirs.eval()
    close(ours.forward(x), theirs(torch.tensor(x)))
    close(ours.running_mean, theirs.running_mean)
    close(ours.running_var, theirs.running_var)


@given(sizes=st.lists(st.integers(1, 40), min_size=2, max_size=6), kind=kinds_of, slot=st.booleans(), seed=seeds)
@settings(max_examples=40, deadline=None)
def test_built_networks(sizes, kind, slot, seed):
    batchnorm = network.ScaleShift if slot else None
    layers = OURS["build_network"](tuple(sizes), getattr(network, kind), batchnorm, np.random.default_rng(seed))
    normals = np.random.default_rng(seed)
    linear = [layer for layer in layers if isinstance(layer, network.Linear)]
    assert len(layers) == (len(sizes) - 2) * (3 if slot else 2) + 1
    for place, (layer, shape) in enumerate(zip(linear, zip(sizes, sizes[1:]), strict=True)):
        last = place == len(sizes) - 2
        variance = (1 if last or kind == "Sigmoid" else 2) / shape[0]
        expected = torch.tensor(normals.standard_normal(shape)) * variance**0.5
        close(layer.params["weight"], expected)
        assert ("bias" in layer.params) == (last or not slot)


@given(st.lists(st.sampled_from([0.1, 0.5, 0.85, 0.9, 0.95]), min_size=1, max_size=8), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_steps(accuracy, every):
    history = {"step": [every * place for place in range(len(accuracy))], "accuracy": accuracy, "loss": []}
    reached = [step for step, value in zip(history["step"], accuracy) if value >= 0.9]
    assert OURS["steps_to_accuracy"](history, 0.9) == (min(reached) if reached else None)


KINDS = st.lists(st.sampled_from("good good good nan inf blip dead slow spike dip".split()), min_size=2, max_size=2)


@given(st.lists(KINDS, min_size=1, max_size=6), seeds)
@settings(max_examples=60, deadline=None)
def test_largest_stable_rate(kinds, seed):
    rng = np.random.default_rng(seed)
    rates = np.sort(rng.uniform(0.01, 3, size=len(kinds)))
    results = [(float(rate), losses(rng, kind)) for rate, kind in zip(rates, kinds)]
    count = next((i for i, kind in enumerate(kinds) if not set(kind) <= {"good", "spike"}), len(kinds))
    shuffled = [results[place] for place in rng.permutation(len(results))]
    assert OURS["largest_stable_lr"](shuffled) == (results[count - 1][0] if count else 0.0)


@given(n=st.integers(4, 30), level=st.sampled_from([0.5, 0.8, 0.95]), seed=seeds)
@settings(max_examples=30, deadline=None)
def test_bootstrap_against_scipy(n, level, seed):
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(seed).exponential(size=n)
    options = dict(n_resamples=4000, method="percentile", confidence_level=level, vectorized=True)
    theirs = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(1), **options).confidence_interval
    ours = OURS["bootstrap_interval"](values, np.random.default_rng(2), level)
    np.testing.assert_allclose(ours, theirs, atol=0.35 * values.std() / np.sqrt(n))


def test_coverage_of_the_hidden_solution():
    inside = 0
    for number in range(400):
        rng = np.random.default_rng([7, number])
        low, high = OURS["bootstrap_interval"](rng.normal(1, 3, size=40), rng, level=0.9)
        inside += low <= 1 <= high
    assert 0.84 < inside / 400 < 0.94


# -- what must not earn points ----------------------------------------------------------------------------------------
def forged(layers, data, lr, steps, batch_size, rng):
    """The history of a training that took place on copies; the layers stay as they are."""
    import copy

    return OURS["train"](copy.deepcopy(layers), data, lr, steps, batch_size, rng)


def slow_on_digits(layers, data, lr, steps, batch_size, rng):
    return OURS["train"](layers, data, lr / 20 if data[0].shape[1] == 64 else lr, steps, batch_size, rng)


class TiresSoon(OURS["BatchNorm"]):
    """A layer that is right for a few calls only."""

    calls = 0

    def backward(self, dy):
        self.calls += 1
        return super().backward(dy) * (self.calls < 8)


def test_a_forged_history_earns_nothing():
    with pytest.raises(checking.CheckFailed, match="weight of the first layer"):
        grade("train", forged, seed=4)


def test_real_training_is_measured_on_held_out_digits():
    with pytest.raises(AssertionError, match="on digits, seed 1"):
        grade("train", slow_on_digits, seed=4)
    with pytest.raises(AssertionError, match="did not reach 90 %"):
        grade("train-steps", TiresSoon, seed=4)


def test_generators_reach_a_worker_only():
    rng = np.random.default_rng(3)
    rng.integers(5, dtype=np.int32)  # half of a 64-bit word is kept for the next draw
    node = wire.generator(rng)
    arrived = wire.Decoder(b"", callback=lambda number: None).decode(node)
    assert (
        arrived.integers(1000, size=9, dtype=np.int32).tolist() == rng.integers(1000, size=9, dtype=np.int32).tolist()
    )
    for broken in (node[:3], ["r", "zz", "1", "0", "0"], ["r", 1, 2, 3, 4], ["r", "-1", "1", "0", "0"]):
        with pytest.raises(wire.WireError):
            wire.Decoder(b"", callback=lambda number: None).decode(broken)
    with pytest.raises(wire.WireError):
        wire.Decoder(b"").decode(node)
    with pytest.raises(TypeError, match="MT19937"):
        wire.generator(np.random.Generator(np.random.MT19937(1)))


def test_layers_live_in_the_worker():
    zygote = Zygote()
    worker = Worker(zygote)
    try:
        worker.allow(20, "a test")
        worker.run_cell("answer", "def draw(layer, rng):\n    layer.params['weight'] += 1\n    return rng.normal()")
        answer = RemoteAnswer(lambda: worker, "draw")
        (layer,) = answer.library("rig", "assemble")([("Linear", {"weight": np.zeros((2, 3))})])
        assert answer(layer, np.random.default_rng(5)) == np.random.default_rng(5).normal()
        np.testing.assert_array_equal(layer.params["weight"], np.ones((2, 3)))
        np.testing.assert_array_equal(layer.forward(np.ones((1, 2))), [[2, 2, 2]])
    finally:
        worker.close()
        zygote.close()
