"""Is it the stable distributions? Batch normalization with noise that makes them unstable again (Santurkar, 2018)."""

import nets
import numpy as np
import torch
import variants
from lab import Experiment, main

RATES = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
SEEDS = [0, 1, 2, 3, 4]
NETS = {"sigmoid": {"depth": 6, "activation": "sigmoid", "std": 0.1}, "relu": {"depth": 8, "activation": "relu"}}
GOAL = 0.3  # training loss in nats, smoothed over 10 steps


class Drift:
    """How far the mean of a unit's inputs moves from step to step, in units of their standard deviation.

    Measured in training mode on the batches themselves would be sampling noise as well; here 200 fixed images are used.
    """

    def __init__(self, every=10):
        self.every, self.before, self.moves = every, None, []
        self.images = nets.digits()[0][:200]

    def __call__(self, step, replicas):
        if step % self.every > 1:
            return
        kept = []
        with torch.no_grad():
            replicas.forward(self.images, training=True, momentum=0, keep=kept)
        means = torch.stack([z.mean(1) for z in kept])  # (layers, R, width)
        spread = torch.stack([z.std(1) for z in kept])
        if step % self.every == 1:
            self.moves.append(((means - self.before).abs() / spread.clamp_min(1e-12)).mean((0, 2)).numpy())
        self.before = means


def first_below(loss, goal, window=10):
    """First step at which the mean of the last `window` losses is below the goal; nan if never."""
    smooth = np.apply_along_axis(lambda row: np.convolve(row, np.ones(window) / window, "valid"), 1, loss)
    below = np.nan_to_num(smooth, nan=np.inf) < goal
    return np.where(below.any(1), below.argmax(1) + window, np.nan)


def run(case):
    """Train one kind of network at all rates and seeds."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas, drift = variants.build(case["norm"], seeds, **NETS[case["net"]]), Drift()
    history = nets.train(replicas, rates, case["steps"], every=0, watch=drift)
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "to_goal": first_below(history["loss"], GOAL).reshape(shape),
        "loss_end": history["loss"][:, -30:].mean(1).reshape(shape),
        "drift": np.mean(drift.moves, 0).reshape(shape),
        "curve": history["loss"].reshape(*shape, -1, 10).mean(3).round(4),  # (rates, seeds, steps / 10)
    }


def cases():
    """Three kinds of two networks, and a short case for checks."""
    common = {"rates": RATES, "seeds": SEEDS, "steps": 300}
    grid = [{"net": net, "norm": norm, **common} for net in NETS for norm in ("none", "batch", "noisy")]
    return [*grid, {"net": "relu", "norm": "noisy", "rates": [0.03, 0.3], "seeds": [0, 1], "steps": 20}]


EXPERIMENT = Experiment(
    name="noisy_norm",
    claim="Batch normalization helps because it keeps the distributions of the layers' inputs stable.",
    cases=cases(),
    run=run,
    part=(6,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
