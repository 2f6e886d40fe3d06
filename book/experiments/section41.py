"""The founding paper's section 4.1: three hidden layers of 100 sigmoids, 60 images a step; Fashion-MNIST and digits.

Digits are everywhere; for Fashion-MNIST see fashion.py. Its images are made binary, as those of the paper were.
"""

import functools

import fashion
import nets
import numpy as np
import torch
import variants
from lab import Experiment, main

RATES = [0.1, 0.5, 2.0, 8.0]
SEEDS = [0, 1, 2, 3, 4]
SHARES = (0.15, 0.5, 0.85)
WATCHED = 10  # units of the last hidden layer whose inputs are followed; the paper shows one


@functools.cache
def data(name):
    """x_train, y_train, x_test, y_test as tensors; of Fashion-MNIST's test images 1000."""
    if name == "digits":
        return nets.digits()
    x, y, x_test, y_test = (torch.from_numpy(part.copy()) for part in fashion.load_fashion())
    return (x > 0.5).float(), y, (x_test[:1000] > 0.5).float(), y_test[:1000]


def run(case):
    """Train without or with batch normalization at all rates and seeds."""
    x, y, x_test, y_test = data(case["data"])
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    net = {"depth": 3, "width": 100, "activation": "sigmoid", "std": 0.1, "n_in": x.shape[1]}
    replicas = variants.build(case["norm"], seeds, **net)
    marks, paths = [], []

    def watch(step, replicas):
        if step % case["every"]:
            return
        kept = []
        with torch.no_grad():
            replicas.forward(x_test[:200], training=False, momentum=0, keep=kept)
        marks.append(step)
        paths.append(np.quantile(kept[-1][:, :, :WATCHED].numpy(), SHARES, axis=1))  # (3, R, units)

    watch = watch if case["paths"] else None
    everything = (x, y, x_test, y_test)
    history = nets.train(replicas, rates, case["steps"], data=everything, every=case["every"], watch=watch)
    shape = (len(case["rates"]), len(case["seeds"]))
    out = {
        "measured_at": history["steps"],
        "accuracy": np.round(history["accuracy"], 4).reshape(*shape, -1),
        "loss_end": history["loss"][:, -100:].mean(1).reshape(shape),
    }
    if case["paths"]:
        path = np.stack(paths).reshape(len(marks), 3, *shape, WATCHED)  # every time, share, rate, seed, unit
        out["percentiles"] = np.moveaxis(path[:, :, :, 0], 0, -1).round(3)  # of the first seed: (3, rates, units, T)
    return out


def cases():
    """All rates for a while, then one rate for long with the percentiles; a short case for checks."""
    grid = []
    for name, steps in (("fashion", 600), ("digits", 1200)):
        for norm in ("none", "batch"):
            common = {"data": name, "norm": norm, "every": 25}
            grid.append({**common, "rates": RATES, "seeds": SEEDS, "steps": steps, "paths": False})
    watched = {"every": 50, "paths": True}
    for norm in ("none", "batch"):
        grid.append({"data": "fashion", "norm": norm, "rates": [0.1], "seeds": [0], "steps": 2000, **watched})
    short = {"data": "digits", "norm": "batch", "rates": [0.1], "seeds": [0, 1], "steps": 30, "every": 10}
    grid.append({**short, "paths": True})
    return grid


EXPERIMENT = Experiment(
    name="section41",
    claim="The network of section 4.1 learns faster and better with batch normalization, and its inputs hold still.",
    cases=cases(),
    run=run,
    part=(6,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    if fashion.folder() is None:
        raise SystemExit(f"{fashion.CURE}; book/results/section41.json stays as it is")
    main(EXPERIMENT)
