"""How deep can a plain network be? Sigmoid, tanh and ReLU, several scales of the initial weights, 1 to 12 layers."""

import math

import nets
from lab import Experiment, main

RATES = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
SEEDS = [0, 1, 2, 3, 4]
DEPTHS = [1, 2, 3, 5, 8, 12]
WIDTH = 50
# (nonlinearity, normalization, gain): the initial weights have the standard deviation gain / sqrt(fan in)
KINDS = [
    ("sigmoid", "none", 1.0),
    ("sigmoid", "none", 4.0),
    ("sigmoid", "none", 10.0),
    ("sigmoid", "batch", 1.0),
    ("tanh", "none", 1.0),
    ("relu", "none", 1.0),
    ("relu", "none", math.sqrt(2)),
]


def run(case):
    """Train one kind of network at one depth, all rates and seeds at once."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    net = nets.Net(depth=case["depth"], width=WIDTH, activation=case["activation"], norm=case["norm"], std="xavier")
    replicas = nets.Replicas(net, seeds, dtype=nets.precision(case))
    for weights in replicas.weights[:-1]:
        weights.data *= case["gain"]
    history = nets.train(replicas, rates, case["steps"], every=0)
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": history["final"].reshape(shape),  # None where it diverged
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """One case a kind and depth, and a short one for checks."""
    named = [{"activation": a, "norm": n, "gain": g} for a, n, g in KINDS]
    grid = [{**kind, "depth": d, "rates": RATES, "seeds": SEEDS, "steps": 400} for kind in named for d in DEPTHS]
    return [*grid, {**named[3], "depth": 3, "rates": [0.1, 1.0], "seeds": [0, 1], "steps": 20, "precision": 64}]


EXPERIMENT = Experiment(
    name="depth_wall",
    claim="A plain network trains as deep as differences between images survive its untrained layers.",
    cases=cases(),
    run=run,
    part=(42,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
