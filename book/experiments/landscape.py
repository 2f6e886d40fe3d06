"""Is the loss smoother? Loss and gradient along the direction of descent, in raw steps and in steps of equal length.

A raw step is a multiple of the gradient. A normalized step moves each weight matrix by a given share of its own length,
so that two networks, or one network with doubled weights, are asked the same question.
"""

import nets
import numpy as np
import torch
import variants
from lab import Experiment, main

SEEDS = [0, 1, 2, 3, 4]
RAW = [0.02, 0.05, 0.1, 0.2, 0.4]
RELATIVE = [0.001, 0.003, 0.01, 0.03, 0.1]


def slopes_at(replicas, batch, labels):
    """Losses (R,) and gradients of all parameters."""
    loss = nets.losses(replicas.forward(batch, momentum=0), labels)
    return loss.detach(), torch.autograd.grad(loss.sum(), replicas.parameters())


def lengths(arrays):
    """Length of all arrays of a replica together, (R,)."""
    return torch.stack([a.flatten(1).square().sum(1) for a in arrays]).sum(0).sqrt()


def probe(replicas, batch, labels):
    """What one batch sees around the present weights: dict of arrays (R, steps) for each kind of step."""
    parameters, matrices = replicas.parameters(), len(replicas.weights)
    start = [p.detach().clone() for p in parameters]
    loss, slopes = slopes_at(replicas, batch, labels)
    norm = lengths(slopes)

    def scaled(index, slope):
        """A step of relative length 1: weights by their own length, the others not at all."""
        if index >= matrices:
            return torch.zeros_like(slope)
        own = slope.flatten(1).norm(dim=1).clamp_min(1e-30)
        return slope * (start[index].flatten(1).norm(dim=1) / own)[:, None, None]

    directions = {"raw": (RAW, slopes), "relative": (RELATIVE, [scaled(i, g) for i, g in enumerate(slopes)])}
    found = {}
    for kind, (sizes, direction) in directions.items():
        seen = []
        for size in sizes:
            with torch.no_grad():
                for parameter, value, step in zip(parameters, start, direction):
                    parameter.copy_(value - size * step)
            there, changed = slopes_at(replicas, batch, labels)
            turn = lengths([a - b for a, b in zip(changed, slopes)])
            seen.append(torch.stack([there, turn / norm, turn / (size * lengths(direction))]))
        found[kind] = torch.stack(seen, 2)  # (3, R, sizes): loss, change of the gradient, the same over the distance
    with torch.no_grad():
        for parameter, value in zip(parameters, start):
            parameter.copy_(value)
    return loss, norm, found


def run(case):
    """Train at one rate, and probe every 20 steps on the next batch."""
    seeds = case["seeds"]
    replicas = variants.build(case["norm"], seeds, depth=6)
    x, y, _, _ = nets.digits()
    source = nets.Batches([1000 + seed for seed in seeds], len(x), 60)  # not the batches of training
    kept = []

    def watch(step, replicas):
        if step and step % 20 == 0:
            rows = source.next()
            kept.append(probe(replicas, x[rows], y[rows]))

    nets.train(replicas, [case["rate"]] * len(seeds), case["steps"], every=0, watch=watch)
    out = {"loss": torch.stack([k[0] for k in kept], 1), "slope": torch.stack([k[1] for k in kept], 1)}
    for kind in ("raw", "relative"):
        parts = torch.stack([k[2][kind] for k in kept], 2).numpy()  # (3, R, probes, sizes)
        names = ("loss", "turn", "smoothness")
        out |= {f"{kind}_{name}": np.vectorize(lambda v: float(f"{v:.4g}"))(part) for name, part in zip(names, parts)}
    return out


def cases():
    """Plain, batch and layer normalization at equal rates, and each at the rate it likes best; a short case."""
    common = {"seeds": SEEDS, "steps": 200}
    grid = [{"norm": norm, "rate": rate, **common} for norm in ("none", "batch", "layer") for rate in (0.03, 0.1)]
    more = [{"norm": norm, "rate": 1.0, **common} for norm in ("batch", "layer")]
    return [*grid, *more, {"norm": "batch", "rate": 0.1, "seeds": [0, 1], "steps": 20}]


EXPERIMENT = Experiment(
    name="landscape",
    claim="Batch normalization makes the loss smoother along the direction of descent.",
    cases=cases(),
    run=run,
    part=(8,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
