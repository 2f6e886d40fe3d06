"""Can a network learn what no image can tell? The label says whether an image is of the class that fills half a batch.

Which class that is changes from batch to batch, so an image by itself says nothing: half of the answers are right by
guessing. Whatever a network knows beyond that, it has from the other images of the batch.
"""

import nets
import numpy as np
import torch
import variants
from lab import Experiment, main

RATES = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
SEEDS = [0, 1, 2, 3, 4]
BATCH = 40


def draw(rng, members):
    """Rows and labels of a batch: half from one class (label 1), half from the others (label 0)."""
    chosen, half = rng.integers(10), BATCH // 2
    others = np.concatenate([rows for k, rows in enumerate(members) if k != chosen])
    return np.concatenate([rng.choice(members[chosen], half), rng.choice(others, half)])


def answers(replicas, x, labels, members, training, rounds=40):
    """Share of right answers on test batches, statistics of the batch or running ones, (R,)."""
    rng, rights = np.random.default_rng(99), []
    for _ in range(rounds):
        rights.append(replicas.accuracy(x[draw(rng, members)], labels, training=training))
    return np.mean(rights, 0)


def run(case):
    """Train one kind of network at all rates and seeds."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    x, y, x_test, y_test = nets.digits()
    members, members_test = ([np.flatnonzero(part.numpy() == k) for k in range(10)] for part in (y, y_test))
    labels = torch.tensor([1] * (BATCH // 2) + [0] * (BATCH // 2))
    replicas = variants.build(case["norm"], seeds, depth=4, n_out=2)
    dice = {seed: np.random.default_rng([seed, 6]) for seed in seeds}
    steps, history = torch.tensor(rates)[:, None, None], []
    for _ in range(case["steps"]):
        rows = {seed: draw(rng, members) for seed, rng in dice.items()}
        rows = torch.tensor(np.stack([rows[seed] for seed in seeds]))
        loss = nets.losses(replicas.forward(x[rows], momentum=0.05), labels.expand(len(seeds), -1))
        slopes = torch.autograd.grad(loss.sum(), replicas.parameters())
        history.append(loss.detach().numpy())
        with torch.no_grad():
            for parameter, slope in zip(replicas.parameters(), slopes):
                parameter -= steps * slope
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "loss_end": np.stack(history, 1)[:, -30:].mean(1).reshape(shape),
        "in_batch": answers(replicas, x_test, labels, members_test, True).round(4).reshape(shape),
        "alone": answers(replicas, x_test, labels, members_test, False).round(4).reshape(shape),
    }


def cases():
    """Three kinds of networks, and a short case for checks."""
    grid = [{"norm": norm, "rates": RATES, "seeds": SEEDS, "steps": 300} for norm in ("none", "layer", "batch")]
    return [*grid, {"norm": "batch", "rates": [0.1], "seeds": [0, 1], "steps": 15}]


EXPERIMENT = Experiment(
    name="leak",
    claim="The answer for an image depends on that image alone.",
    cases=cases(),
    run=run,
    part=(3,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
