"""How large may the learning rate be? Deep ReLU networks at eight rates, with and without normalization, 400 steps."""

import nets
import numpy as np
from lab import Experiment, main

RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
SEEDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def run(case):
    """Train all rates and seeds of one kind of network."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = nets.Replicas(nets.Net(depth=6, width=64, norm=case["norm"]), seeds, dtype=nets.precision(case))
    history = nets.train(replicas, rates, case["steps"], batch=case["batch"], every=10)
    shape = (len(case["rates"]), len(case["seeds"]))
    loss = history["loss"]
    return {
        "measured_at": history["steps"],
        "accuracy": np.round(history["accuracy"], 4).reshape(*shape, -1),  # (rates, seeds, T); None where it diverged
        "loss_first": loss[:, 0].reshape(shape),
        "loss_end": loss[:, -10:].mean(1).reshape(shape),
        "finite": np.isfinite(loss).all(1).reshape(shape),
    }


def cases():
    """One case a kind of network and batch size, and a short one for checks."""
    kinds = [("none", 60), ("batch", 60), ("layer", 60), ("none", 8), ("batch", 8)]
    grid = [
        {"norm": norm, "batch": batch, "rates": RATES, "seeds": SEEDS, "steps": 400, "precision": 32}
        for norm, batch in kinds
    ]
    short = {"norm": "batch", "batch": 60, "rates": [0.03, 0.3], "seeds": [0, 1], "steps": 20, "precision": 64}
    return [*grid, short]


EXPERIMENT = Experiment(
    name="rate_sweep",
    claim="Batch normalization trains at learning rates at which the plain network diverges.",
    cases=cases(),
    run=run,
    part=(5,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
