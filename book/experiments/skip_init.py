"""Deep residual networks: nothing, batch normalization on the branch, or a factor that starts at 0 (SkipInit)."""

import nets
import numpy as np
import torch
from lab import Experiment, main

RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
SMALL = [float(f"1e{power}") for power in range(-12, -2)]  # for the network without any cure
SEEDS = [0, 1, 2, 3, 4]


class Residual(nets.Replicas):
    """h + a * ReLU(norm(h W)) B in each block: two matrices, one of them of the branch's end.

    kind : "none" (a = 1), "batch" (batch normalization in front of the ReLU, a = 1), "skip" (a is learned, from 0),
    "depth" (a = 1 / sqrt(number of blocks), fixed).
    """

    def __init__(self, blocks, width, kind, seeds):
        norm = "batch" if kind == "batch" else "none"
        super().__init__(nets.Net(depth=blocks, width=width, norm=norm, n_in=width), seeds)
        self.kind = kind
        rngs = [np.random.default_rng([seed, 5]) for seed in self.seeds]

        def drawn(fan_in, fan_out, gain):
            values = np.stack([rng.standard_normal((fan_in, fan_out)) for rng in rngs]) * (gain / fan_in) ** 0.5
            return torch.tensor(values, dtype=self.dtype).requires_grad_()

        self.entry = drawn(64, width, 1)
        self.ends = [drawn(width, width, 1) for _ in range(blocks)]
        start = {"skip": 0.0, "depth": blocks**-0.5}.get(kind, 1.0)
        self.factors = [torch.full((len(self.seeds), 1, 1), start) for _ in range(blocks)]
        if kind == "skip":
            for factor in self.factors:
                factor.requires_grad_()

    def parameters(self):
        more = [self.entry, *self.ends] if hasattr(self, "ends") else []
        return [*super().parameters(), *more, *(self.factors if getattr(self, "kind", "") == "skip" else [])]

    def forward(self, x, training=True, momentum=0.1, keep=None):
        x = x if x.ndim == 3 else x.expand(len(self.seeds), *x.shape)
        h = x @ self.entry
        for block in range(self.net.depth):
            z = h @ self.weights[block]
            z = z + self.biases[block] if self.kind != "batch" else self.normalize(z, block, training, momentum)
            branch = self.factors[block] * (torch.relu(z) @ self.ends[block])
            if keep is not None:
                keep.append((h, branch))
            h = h + branch
        return h @ self.weights[-1] + self.biases[-1]


def start_of(replicas, x):
    """At the start: mean variance of the stream after each block, and of branch over stream, (R, blocks)."""
    kept = []
    with torch.no_grad():
        replicas.forward(x, momentum=0, keep=kept)
    stream, ratio = [], []
    for h, branch in kept:
        stream.append((h + branch).var(1).mean(1))
        ratio.append(branch.var(1).mean(1) / h.var(1).mean(1))
    return torch.stack(stream, 1), torch.stack(ratio, 1)


def run(case):
    """Measure one kind of network before training, and train it at all rates and seeds."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = Residual(case["blocks"], 48, case["kind"], seeds)
    stream, ratio = start_of(replicas, nets.digits()[0][:256])
    history = nets.train(replicas, rates, case["steps"], batch=32, every=0)
    shape = (len(case["rates"]), len(case["seeds"]))
    first = slice(0, len(case["seeds"]))  # the start does not depend on the rate
    return {
        "stream": stream[first],
        "ratio": ratio[first],
        "accuracy": np.round(history["final"], 4).reshape(shape),
        "loss_end": history["loss"][:, -20:].mean(1).reshape(shape),
    }


def cases():
    """Four kinds at three depths, and a short case for checks."""
    grids = {"none": SMALL + RATES[1:], "batch": RATES, "skip": RATES, "depth": RATES}
    grid = [
        {"kind": kind, "blocks": blocks, "rates": rates, "seeds": SEEDS, "steps": 150}
        for kind, rates in grids.items()
        for blocks in (4, 16, 50)
    ]
    return [*grid, {"kind": "skip", "blocks": 4, "rates": [0.03], "seeds": [0, 1], "steps": 15}]


EXPERIMENT = Experiment(
    name="skip_init",
    claim="Batch normalization makes deep residual networks trainable by making their branches small at the start.",
    cases=cases(),
    run=run,
    part=(12,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
