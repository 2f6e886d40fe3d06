"""Curves to play with: learning rates and batch sizes, with and without batch normalization, 300 steps."""

import nets
import numpy as np
from lab import Experiment, main

RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
BATCHES = [2, 4, 8, 16, 64, 256]
SEEDS = [0, 1, 2, 3, 4]
EVERY = 10


def run(case):
    """Train all rates and seeds at one batch size; mean losses of EVERY steps."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = nets.Replicas(nets.Net(depth=6, width=64, norm=case["norm"]), seeds)
    history = nets.train(replicas, rates, case["steps"], batch=case["batch"], every=0)
    loss = history["loss"].reshape(len(case["rates"]), len(case["seeds"]), -1, EVERY).mean(-1)
    return {"loss": np.round(loss, 4)}  # (rates, seeds, steps / EVERY); None where it diverged


EXPERIMENT = Experiment(
    name="playground",
    claim="In batches of 16 and more, batch normalization trains at rates at which the plain network diverges.",
    cases=[
        {"norm": norm, "batch": batch, "rates": RATES, "seeds": SEEDS, "steps": 300}
        for norm in ("none", "batch")
        for batch in BATCHES
    ]
    + [{"norm": "batch", "batch": 16, "rates": [0.1], "seeds": [0, 1], "steps": 20}],
    run=run,
    part=(12,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
