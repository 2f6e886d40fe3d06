"""Is the noise of batch statistics a regularizer? Full-batch gradients; only the batch of the statistics varies."""

import nets
import numpy as np
import torch
import variants
from lab import Experiment, main

IMAGES, VALIDATION = 192, 400  # those of validation choose a rate
SIZES = [192, 96, 48, 16, 8, 4]  # of a ghost batch; 192 is the whole set
RATES = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
SEEDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


class Reordered(nets.Batches):
    """All rows in every step, in an order drawn anew: which rows share a ghost batch is the only chance."""

    def next(self):
        orders = {seed: rng.permutation(self.n) for seed, rng in self.rngs.items()}
        return torch.tensor(np.stack([orders[seed] for seed in self.seeds]))


def small_sets(seed):
    """x, y, x, y: a training set and a validation set; each seed has its own."""
    x, y, _, _ = nets.digits()
    order = torch.tensor(np.random.default_rng([seed, 4]).permutation(len(x)))
    rows, others = order[: IMAGES + VALIDATION].split([IMAGES, VALIDATION])
    return x[rows], y[rows], x[others], y[others]


def run(case):
    """Train with one size of ghost batches at all rates and seeds."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    x, y, x_valid, y_valid = (torch.stack(parts) for parts in zip(*(small_sets(seed) for seed in seeds)))
    _, _, x_test, y_test = nets.digits()
    replicas = variants.build(case["norm"], seeds, depth=4)
    if case["norm"] == "ghost":
        replicas.size = case["size"]
    source = Reordered(seeds, IMAGES, IMAGES)
    data = (x, y, x_test, y_test)
    history = nets.train(replicas, rates, case["steps"], every=0, data=data, source=source)
    if case["norm"] == "ghost":
        with torch.no_grad():  # statistics for evaluation: of all training images, for every size of ghost batch
            replicas.size = IMAGES
            replicas.forward(x, training=True, momentum=1.0)
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": replicas.accuracy(x_test, y_test).round(4).reshape(shape),
        "validation": replicas.accuracy(x_valid, y_valid).round(4).reshape(shape),
        "fitted": replicas.accuracy(x, y).round(4).reshape(shape),
        "loss_end": history["loss"][:, -20:].mean(1).reshape(shape),
    }


def cases():
    """Six sizes and no normalization, and a short case for checks."""
    common = {"rates": RATES, "seeds": SEEDS, "steps": 200}
    grid = [{"norm": "ghost", "size": size, **common} for size in SIZES] + [{"norm": "none", "size": 0, **common}]
    return [*grid, {"norm": "ghost", "size": 8, "rates": [0.3], "seeds": [0, 1], "steps": 15}]


EXPERIMENT = Experiment(
    name="ghost_batches",
    claim="Batch normalization regularizes: statistics of smaller batches give better test accuracy.",
    cases=cases(),
    run=run,
    part=(7,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
