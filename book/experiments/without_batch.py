"""Can we do without? Eight ways to train the same deep network at five rates: clipping, DyT, standardized weights."""

import nets
import numpy as np
import torch
import variants
from lab import Experiment, main

RATES = [0.03, 0.1, 0.3, 1.0, 3.0]
SEEDS = [0, 1, 2, 3, 4]


def unit_lengths(array):
    """Length of what enters each unit, (R, 1, units): columns of weights, and each bias by itself."""
    return array.square().sum(1, keepdim=True).sqrt()


def adaptive_clipping(share):
    """Adaptive gradient clipping (Brock et al., 2021): no unit's gradient is longer than a share of its weights.

    Nothing is done to the last layer, as in the paper, nor to anything but weight matrices.
    """

    def reshape(parameters, slopes):
        clipped = []
        for parameter, slope in zip(parameters, slopes):
            if slope.shape[1] > 1 and slope.shape[2] > 10:
                limit = share * unit_lengths(parameter).clamp_min(1e-3)
                slope = slope * (limit / unit_lengths(slope).clamp_min(1e-30)).clamp_max(1.0)
            clipped.append(slope)
        return clipped

    return reshape


def norm_clipping(limit):
    """The usual clipping: all gradients of a replica together are no longer than the limit."""

    def reshape(parameters, slopes):
        length = torch.stack([s.flatten(1).square().sum(1) for s in slopes]).sum(0).sqrt()
        factor = (limit / length.clamp_min(1e-30)).clamp_max(1.0)[:, None, None]
        return [slope * factor for slope in slopes]

    return reshape


#: name: kind of network, what happens to the gradients
KINDS = {
    "none": ("none", None),
    "batch": ("batch", None),
    "layer": ("layer", None),
    "dyt": ("dyt", None),
    "weights": ("weights", None),
    "clipping 1": ("none", norm_clipping(1.0)),
    "adaptive 0.1": ("none", adaptive_clipping(0.1)),
    "adaptive 0.02": ("none", adaptive_clipping(0.02)),
}


def run(case):
    """Train one way at all rates and seeds."""
    kind, reshape = KINDS[case["kind"]]
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = variants.build(kind, seeds, dtype=nets.precision(case), depth=6)
    history = nets.train(replicas, rates, case["steps"], every=0, reshape=reshape)
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": np.round(history["final"], 4).reshape(shape),
        "loss_end": history["loss"][:, -30:].mean(1).reshape(shape),
    }


def cases():
    """One case a way, and a short case for checks."""
    grid = [{"kind": kind, "rates": RATES, "seeds": SEEDS, "steps": 200} for kind in KINDS]
    return [*grid, {"kind": "adaptive 0.1", "rates": [0.1, 1.0], "seeds": [0, 1], "steps": 20, "precision": 64}]


EXPERIMENT = Experiment(
    name="without_batch",
    claim="What batch normalization does for training can be had without it.",
    cases=cases(),
    run=run,
    part=(8,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
