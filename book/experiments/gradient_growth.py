"""Do gradients grow through layers with batch normalization? Slopes at the start, and what deep networks then learn."""

import nets
import numpy as np
import torch
from lab import Experiment, main

SEEDS = [0, 1, 2, 3, 4]
RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]


def slopes(case):
    """Length of the gradient of each weight matrix of untrained networks, and the factor a layer that fits it."""
    depth, width = case["depth"], case["width"]
    std = "he" if case["activation"] == "relu" else "xavier"
    net = nets.Net(depth, width, case["activation"], case["norm"], std, n_in=width)
    replicas = nets.Replicas(net, case["seeds"])
    rng = np.random.default_rng(7)
    x = torch.tensor(rng.standard_normal((case["batch"], width)), dtype=torch.float32)
    y = torch.tensor(rng.integers(0, 10, (len(case["seeds"]), case["batch"])))
    loss = nets.losses(replicas.forward(x, momentum=0), y)
    gradients = torch.autograd.grad(loss.sum(), replicas.weights[1:-1])  # the first and last have other shapes
    size = torch.stack([g.flatten(1).norm(dim=1) for g in gradients], 1).numpy()  # (seeds, depth - 1)
    layer = np.arange(size.shape[1])
    middle = slice(size.shape[1] // 5, -(size.shape[1] // 5))  # away from both ends
    fit = np.polyfit(layer[middle], np.log(size[:, middle]).T, 1)[0]
    return {"size": size, "factor": np.exp(-fit)}


def training(case):
    """Train deep networks at all rates and seeds."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = nets.Replicas(nets.Net(depth=case["depth"], width=case["width"], norm=case["norm"]), seeds)
    history = nets.train(replicas, rates, case["steps"], every=0)
    shape = (len(case["rates"]), len(case["seeds"]))
    loss = history["loss"]
    return {
        "accuracy": history["final"].reshape(shape),
        "loss_end": loss[:, -20:].mean(1).reshape(shape),
        "first": loss[:, :10].reshape(*shape, -1).round(4),
    }


def run(case):
    """One of the two questions."""
    return {"slopes": slopes, "training": training}[case["ask"]](case)


def cases():
    """Slopes of four networks, of three widths and batch sizes; training at five depths; short cases."""
    first = {"ask": "slopes", "depth": 40, "width": 256, "batch": 128, "seeds": SEEDS}
    kinds = [("relu", "batch"), ("tanh", "batch"), ("sigmoid", "batch"), ("linear", "batch"), ("relu", "none")]
    grid = [{**first, "activation": activation, "norm": norm} for activation, norm in kinds]
    relu = {**first, "activation": "relu", "norm": "batch"}
    grid += [{**relu, "width": width} for width in (64, 512)] + [{**relu, "batch": batch} for batch in (8, 32, 512)]
    deep = {"ask": "training", "width": 48, "rates": RATES, "seeds": SEEDS, "steps": 150}
    grid += [{**deep, "depth": depth, "norm": norm} for norm in ("none", "batch") for depth in (4, 8, 16, 24, 32)]
    small = {**first, "depth": 12, "width": 64, "batch": 32, "activation": "relu", "norm": "batch"}
    return [*grid, small, {**deep, "depth": 4, "norm": "batch", "rates": [0.03], "seeds": [0, 1], "steps": 10}]


EXPERIMENT = Experiment(
    name="gradient_growth",
    claim="Batch normalization keeps the singular values of a layer's Jacobian near 1, and gradients in their size.",
    cases=cases(),
    run=run,
    part=(20, 21),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
