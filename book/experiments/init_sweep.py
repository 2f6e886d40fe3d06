"""How careful must the initial weights be? Five decades of their standard deviation, each at its best learning rate.

The best rate of a plain network falls with about the fifth power of its weights, so its grid reaches far down.
"""

import nets
import numpy as np
from lab import Experiment, main

STDS = [1e-4, 1e-3, 0.01, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 3.0, 10.0]
RATES = {  # normalization: a grid that holds the best rate of every standard deviation inside
    "none": [float(f"{digit}e{power}") for power in range(-11, 1) for digit in (1, 3)],
    "batch": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
}
SEEDS = [0, 1, 2, 3, 4]


def run(case):
    """Train one kind of network from all initial weights, at all rates, with all seeds."""
    stds, rates, seeds = nets.grid(case["stds"], case["rates"], case["seeds"])
    net = nets.Net(depth=6, width=64, norm=case["norm"], eps=case["eps"])
    history = nets.train(nets.Replicas(net, seeds, stds, dtype=nets.precision(case)), rates, case["steps"], every=0)
    shape = (len(case["stds"]), len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": np.round(history["final"], 4).reshape(shape),  # None where it diverged
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """Without, with, and with a larger eps, which small weights feel; and a short case for checks."""
    kinds = [("none", 1e-5), ("batch", 1e-5), ("batch", 1e-2)]
    common = {"stds": STDS, "seeds": SEEDS, "steps": 300, "precision": 32}
    grid = [{"norm": norm, "eps": eps, "rates": RATES[norm], **common} for norm, eps in kinds]
    short = {"stds": [0.01, 1.0], "rates": [0.1], "seeds": [0, 1], "steps": 20, "precision": 64}
    return [*grid, {"norm": "batch", "eps": 1e-5, **short}]


EXPERIMENT = Experiment(
    name="init_sweep",
    claim="With batch normalization the scale of the initial weights hardly matters.",
    cases=cases(),
    run=run,
    part=(3,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
