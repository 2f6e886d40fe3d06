"""Batches whose images are not independent: two classes a batch. What is learned, and from whom?"""

import nets
import numpy as np
import torch
import variants
from lab import Experiment, main

RATES = [0.03, 0.1, 0.3, 1.0, 3.0]
SEEDS = [0, 1, 2, 3, 4]
CLASSES = {"mixed": 10, "two": 2}


class FewClasses(nets.Batches):
    """Mini-batches that hold images of `classes` classes only, drawn anew for each batch."""

    def __init__(self, seeds, labels, batch, classes):
        super().__init__(seeds, len(labels), batch)
        self.classes = classes
        self.members = [np.flatnonzero(labels == k) for k in range(10)]

    def draw(self, rng):
        chosen = rng.choice(10, self.classes, replace=False)
        share = self.batch // self.classes
        return np.concatenate([rng.choice(self.members[k], share) for k in chosen])

    def next(self):
        rows = {seed: self.draw(rng) for seed, rng in self.rngs.items()}
        return torch.tensor(np.stack([rows[seed] for seed in self.seeds]))


def in_company(replicas, x, y, batch, classes, rounds=30):
    """Accuracy on test images that are normalized with the others of their batch, (R,)."""
    source, rights = FewClasses([99], y.numpy(), batch, classes), []
    for _ in range(rounds):
        rows = source.next()[0]
        rights.append(replicas.accuracy(x[rows], y[rows], training=True))
    return np.mean(rights, 0)


def run(case):
    """Train with one kind of batches; evaluate with running statistics, precise ones, and in two kinds of company."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    x, y, x_test, y_test = nets.digits()
    replicas = variants.build(case["norm"], seeds, depth=4)
    if case["norm"] == "renorm":
        replicas.total = case["steps"]
    source = FewClasses(seeds, y.numpy(), case["batch"], CLASSES[case["batches"]])
    history = nets.train(replicas, rates, case["steps"], every=0, momentum=0.05, source=source)
    shape = (len(case["rates"]), len(case["seeds"]))
    out = {"running": history["final"], "loss_end": history["loss"][:, -30:].mean(1)}
    if case["norm"] in ("batch", "renorm"):
        out |= {f"among_{name}": in_company(replicas, x_test, y_test, case["batch"], k) for name, k in CLASSES.items()}
    if case["norm"] == "batch":
        replicas.precise(x)
        out["precise"] = replicas.accuracy(x_test, y_test)
    return {key: value.round(4).reshape(shape) for key, value in out.items()}


def cases():
    """Four kinds on mixed batches and on batches of two classes, one of them for long, and a short case for checks."""
    common = {"rates": RATES, "seeds": SEEDS, "batch": 40, "steps": 400}
    kinds = ("none", "layer", "batch", "renorm")
    grid = [{"norm": norm, "batches": batches, **common} for batches in CLASSES for norm in kinds]
    grid.append({**common, "norm": "batch", "batches": "two", "rates": RATES[:3], "steps": 16 * common["steps"]})
    return [*grid, {**common, "norm": "batch", "batches": "two", "rates": [0.1], "seeds": [0, 1], "steps": 15}]


EXPERIMENT = Experiment(
    name="company",
    claim="A batch may be composed in any way, since normalization treats every image alike.",
    cases=cases(),
    run=run,
    part=(9,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
