"""Does batch normalization replace dropout? Few images, clean at two batch sizes, and with wrong labels.

The rate is chosen by validation images, which neither training nor test uses: training loss rewards overfitting.
"""

import nets
import numpy as np
import torch
from lab import Experiment, main

RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
SEEDS = [0, 1, 2, 3, 4, 5, 6, 7]
KINDS = {"none": ("none", 0.0), "dropout": ("none", 0.5), "batch": ("batch", 0.0), "both": ("batch", 0.5)}
VALIDATION = 400


def small_sets(seed, images, wrong, dtype):
    """x, y, x, y: a training set, a share `wrong` of its labels replaced by another class; a clean validation set."""
    x, y, _, _ = nets.digits(dtype)
    rng = np.random.default_rng([seed, 2])
    rows, others = torch.tensor(rng.permutation(len(x))[: images + VALIDATION]).split([images, VALIDATION])
    labels = y[rows].clone()
    changed = torch.tensor(rng.permutation(images)[: round(wrong * images)])
    labels[changed] = (labels[changed] + torch.tensor(rng.integers(1, 10, len(changed)))) % 10
    return x[rows], labels, x[others], y[others]


def run(case):
    """Train one kind of network at all rates, each seed on a training set of its own."""
    norm, dropout = KINDS[case["kind"]]
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    dtype = nets.precision(case)
    sets = (small_sets(seed, case["images"], case["wrong"], dtype) for seed in seeds)
    x, y, x_valid, y_valid = (torch.stack(parts) for parts in zip(*sets))
    _, _, x_test, y_test = nets.digits(dtype)
    replicas = nets.Replicas(nets.Net(depth=2, width=64, norm=norm, dropout=dropout), seeds, dtype=dtype)
    data = (x, y, x_test, y_test)
    history = nets.train(replicas, rates, case["steps"], batch=case["batch"], every=0, data=data)
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": np.round(history["final"], 4).reshape(shape),  # on the test set
        "validation": np.round(replicas.accuracy(x_valid, y_valid), 4).reshape(shape),
        "fitted": np.round(replicas.accuracy(x, y), 4).reshape(shape),  # on its own training labels
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """Clean labels at two batch sizes, one label in five wrong at one; and a short case for checks."""
    common = {"rates": RATES, "seeds": SEEDS, "steps": 1000, "precision": 32}
    clean = {"images": 200, "wrong": 0.0, **common}
    small = [{"kind": kind, "batch": 8, **clean} for kind in ("none", "batch")]
    usual = [{"kind": kind, "batch": 32, **clean} for kind in KINDS]
    noisy = [{"kind": kind, "batch": 32, "images": 400, "wrong": 0.2, **common} for kind in KINDS]
    short = {"kind": "both", "images": 100, "wrong": 0.2, "batch": 16}
    short |= {"rates": [0.1], "seeds": [0, 1], "steps": 20, "precision": 64}
    return [*small, *usual, *noisy, short]


EXPERIMENT = Experiment(
    name="regularization",
    claim="Batch normalization regularizes and makes dropout unnecessary.",
    cases=cases(),
    run=run,
    part=(10,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
