"""Training goes on with frozen statistics: which learning rates does the network stand without its batches?"""

import nets
import numpy as np
from lab import Experiment, main

RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
SEEDS = [0, 1, 2, 3, 4]
FREEZE = [0, 20, 100, 400]  # the last is never
STEPS = 400


class Freezable(nets.Replicas):
    """From some step on, training normalizes with the stored statistics and lets the gradient know it."""

    frozen = False

    def normalize(self, z, layer, training, momentum):
        return super().normalize(z, layer, training and not self.frozen, momentum)


def run(case):
    """Train all rates and seeds; freeze the statistics of the training set after some steps."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    data = nets.digits(nets.precision(case))
    replicas = Freezable(nets.Net(depth=6, width=64, norm="batch"), seeds, dtype=nets.precision(case))

    def watch(step, replicas):
        if step == case["freeze"] and step < STEPS:
            replicas.precise(data[0])
            replicas.frozen = True

    history = nets.train(replicas, rates, case["steps"], data=data, every=0, watch=watch)
    if not replicas.frozen:
        replicas.precise(data[0])
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": replicas.accuracy(*data[2:]).reshape(shape),
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
        "finite": np.isfinite(history["loss"]).all(1).reshape(shape),
    }


def cases():
    """One case a step at which to freeze, and a short one for checks."""
    grid = [{"freeze": freeze, "rates": RATES, "seeds": SEEDS, "steps": STEPS} for freeze in FREEZE]
    return [*grid, {"freeze": 10, "rates": [0.1], "seeds": [0, 1], "steps": 30, "precision": 64}]


EXPERIMENT = Experiment(
    name="frozen_statistics",
    claim="With frozen statistics a network does not stand the learning rates of batch normalization.",
    cases=cases(),
    run=run,
    part=(4,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
