"""Seven decades of learning rate on the weights in front of a normalization, all else at 0.1."""

import nets
import numpy as np
import torch
from lab import Experiment, main

RATES = [1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0]
SEEDS = [0, 1, 2, 3, 4]
REST = 0.1


def run(case):
    """Train all rates and seeds of one kind of network; watch the length of the first hidden weights."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = nets.Replicas(nets.Net(depth=3, width=64, norm=case["norm"]), seeds, dtype=nets.precision(case))
    lengths, marks = [], []

    def watch(step, replicas):
        if step in (0, 1, 2, 3) or step % 50 == 0:
            marks.append(step)
            with torch.no_grad():
                lengths.append([weight.flatten(1).norm(dim=1).numpy() for weight in replicas.weights[:-1]])

    history = nets.train(replicas, [REST] * len(seeds), case["steps"], hidden_rates=rates, every=0, watch=watch)
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "measured_at": marks,
        "length": np.moveaxis(np.array(lengths), (0, 1, 2), (1, 2, 0)).reshape(*shape, len(marks), -1)[..., 1],
        "accuracy": np.round(history["final"], 4).reshape(shape),
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """Batch, layer and no normalization, and a short case for checks."""
    common = {"rates": RATES, "seeds": SEEDS, "steps": 1000, "precision": 32}
    short = {"norm": "batch", "rates": [0.01, 100.0], "seeds": [0, 1], "steps": 12, "precision": 64}
    return [*({"norm": norm, **common} for norm in ("batch", "layer", "none")), short]


EXPERIMENT = Experiment(
    name="rate_decades",
    claim="Weights in front of a normalization learn at any learning rate.",
    cases=cases(),
    run=run,
    part=(3,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
