"""In front of the nonlinearity or behind it? Three nonlinearities, six rates, the same initial weights."""

import nets
import numpy as np
from lab import Experiment, main

RATES = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
SEEDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def run(case):
    """Train one nonlinearity with one placement at all rates, with all seeds."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    net = nets.Net(depth=4, width=50, activation=case["activation"], norm="batch", after=case["after"], bias=True)
    replicas = nets.Replicas(net, seeds, dtype=nets.precision(case))
    history = nets.train(replicas, rates, case["steps"], every=0)
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": np.round(history["final"], 4).reshape(shape),  # None where it diverged
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """Each nonlinearity with each placement, and a short case for checks."""
    grid = [
        {"activation": activation, "after": after, "rates": RATES, "seeds": SEEDS, "steps": 300, "precision": 32}
        for activation in ("relu", "tanh", "sigmoid")
        for after in (False, True)
    ]
    short = {"activation": "relu", "after": True, "rates": [0.1], "seeds": [0, 1], "steps": 20, "precision": 64}
    return [*grid, short]


EXPERIMENT = Experiment(
    name="placement",
    claim="Batch normalization belongs in front of the nonlinearity.",
    cases=cases(),
    run=run,
    part=(6,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
