"""Measures of shift and wrong normalizations: the experiments compute what their chapters define."""

import nets
import pytest
import running_lag
import shift_measures
import torch
from torch import nn


@pytest.fixture
def batch():
    x, y, *_ = nets.digits(torch.float64)
    return x[None, :40], y[None, :40]


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_layers_share_out_all_parameters(norm, bias, affine):
    replicas = nets.Replicas(nets.Net(depth=3, width=5, norm=norm, bias=bias, affine=affine), [0])
    shared = [id(parameter) for layer in range(4) for parameter in replicas.parameters_of(layer)]
    assert sorted(shared) == sorted(id(parameter) for parameter in replicas.parameters())


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_gradients_before_and_after_against_torch_modules(norm, batch):
    rate = 0.3
    replicas = nets.Replicas(nets.Net(depth=2, width=6, norm=norm), [3], dtype=torch.float64)
    layers = []
    for weight in replicas.weights:
        linear = nn.Linear(*weight.shape[1:], bias=norm == "none" or weight is replicas.weights[-1]).double()
        with torch.no_grad():
            linear.weight.copy_(weight[0].T)
            if linear.bias is not None:
                linear.bias.zero_()
        hidden = [*([nn.BatchNorm1d(6).double()] if norm == "batch" else []), nn.ReLU()]
        layers.append(nn.Sequential(linear, *(hidden if len(layers) < 2 else [])))
    network, (x, y) = nn.Sequential(*layers), batch

    def slopes():
        loss = nn.functional.cross_entropy(network(x[0]), y[0])
        return torch.autograd.grad(loss, list(network.parameters()))

    old, first = [p.detach().clone() for p in network.parameters()], slopes()
    pairs = shift_measures.by_layer(replicas, *batch, torch.full((1, 1, 1), rate, dtype=torch.float64))
    position = 0
    for layer, (before, after) in zip(layers, pairs):
        torch.testing.assert_close(before[0], first[position].T.flatten())
        torch.testing.assert_close(after[0], slopes()[position].T.flatten())
        for parameter in layer.parameters():  # this layer takes its step before the next is measured
            parameter.data = old[position] - rate * first[position]
            position += 1
    assert not torch.equal(pairs[-1][0], pairs[-1][1])
    assert all(torch.equal(weight[0].T, value) for weight, value in zip(replicas.weights[:1], old[:1])), "not put back"


def test_a_bias_in_front_has_a_slope_only_where_the_gradient_stops(batch):
    sizes = {}
    for norm in ("batch", "stop"):
        replicas = nets.Replicas(nets.Net(depth=2, width=6, norm=norm, bias=True), [0], dtype=torch.float64)
        loss = nets.losses(replicas.forward(batch[0], momentum=0), batch[1]).sum()
        sizes[norm] = torch.autograd.grad(loss, replicas.biases[0])[0].abs().max().item()
    assert sizes["batch"] < 1e-12 < 1e-3 < sizes["stop"]


def test_memories_are_those_of_torch(batch):
    replicas = running_lag.Several(nets.Net(depth=1, width=6, norm="batch"), [0], dtype=torch.float64)
    layers = {m: nn.BatchNorm1d(6, momentum=m or None).double() for m in replicas.memories}
    for rows in (slice(0, 9), slice(9, 20), slice(20, 40)):
        x = batch[0][:, rows]
        replicas.forward(x)
        for layer in layers.values():
            layer((x @ replicas.weights[0])[0])
    exact = replicas.population(batch[0][0])  # must leave the memories alone
    for momentum, layer in layers.items():
        mean, var = replicas.memories[momentum][0]
        torch.testing.assert_close(mean[0, 0], layer.running_mean)
        torch.testing.assert_close(var[0, 0], layer.running_var)
    torch.testing.assert_close(exact[0][0][0, 0], (batch[0] @ replicas.weights[0])[0].mean(0))
