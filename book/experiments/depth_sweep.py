"""How deep can networks of saturating units be? Sigmoid and tanh, with, without, and from better initial weights."""

import nets
import numpy as np
from lab import Experiment, main

DEPTHS = [1, 2, 4, 8, 12]
RATES = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
SEEDS = [0, 1, 2, 3, 4]

#: name: nonlinearity, normalization, standard deviation times sqrt(fan in)
KINDS = {
    "sigmoid": ("sigmoid", "none", 1.0),
    "sigmoid, batch": ("sigmoid", "batch", 1.0),
    "sigmoid, 4 times": ("sigmoid", "none", 4.0),
    "sigmoid, 10 times": ("sigmoid", "none", 10.0),
    "tanh": ("tanh", "none", 1.0),
    "tanh, batch": ("tanh", "batch", 1.0),
}


def run(case):
    """Train one kind of network of one depth at all rates, with all seeds."""
    activation, norm, gain = KINDS[case["kind"]]
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    net = nets.Net(depth=case["depth"], width=50, activation=activation, norm=norm, std="xavier")
    replicas = nets.Replicas(net, seeds, dtype=nets.precision(case))
    for weight in replicas.weights[:-1]:
        weight.data *= gain
    history = nets.train(replicas, rates, case["steps"], every=0)
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": np.round(history["final"], 4).reshape(shape),
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """One case a kind and depth, and a short one for checks."""
    grid = [
        {"kind": kind, "depth": depth, "rates": RATES, "seeds": SEEDS, "steps": 300, "precision": 32}
        for kind in KINDS
        for depth in DEPTHS
    ]
    short = {"kind": "sigmoid, batch", "depth": 3, "rates": [0.3], "seeds": [0, 1], "steps": 20, "precision": 64}
    return [*grid, short]


EXPERIMENT = Experiment(
    name="depth_sweep",
    claim="Batch normalization makes deep networks of saturating units trainable.",
    cases=cases(),
    run=run,
    part=(30,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
