"""Where does weight decay leave weights in front of a normalization? Their length and how far a step turns them."""

import nets
import numpy as np
import torch
from lab import Experiment, main

RATES = [0.1, 0.3, 1.0]
DECAYS = [1e-3, 3e-3, 1e-2, 3e-2]
SEEDS = [0, 1, 2, 3, 4]
LAYER = 1  # the weights that are watched


def run(case):
    """Train all rates, decays and seeds; note length and turn of a weight matrix over the run."""
    rates, decays, seeds = nets.grid(case["rates"], case["decays"], case["seeds"])
    replicas = nets.Replicas(
        nets.Net(depth=3, width=64, norm="batch", std=case["std"]), seeds, dtype=nets.precision(case)
    )
    lengths, turns, before = [], [], []

    def watch(step, replicas):
        now = replicas.weights[LAYER].detach().flatten(1).double()
        lengths.append(now.norm(dim=1))
        if before:
            cosine = torch.nn.functional.cosine_similarity(before[0], now, dim=1)
            turns.append(torch.arccos(cosine.clamp(-1, 1)))
        before[:] = [now.clone()]

    history = nets.train(replicas, rates, case["steps"], decay=decays, every=0, watch=watch)
    shape = (len(case["rates"]), len(case["decays"]), len(case["seeds"]))
    length, turn = torch.stack(lengths, 1).numpy(), torch.stack(turns, 1).numpy()
    last = min(500, case["steps"] // 2)
    return {
        "measured_at": np.arange(0, case["steps"] + 1, 100),
        "length": length[:, ::100].reshape(*shape, -1),
        "turn": np.sqrt((turn[:, -last:] ** 2).mean(1)).reshape(shape),  # radians a step, root mean square
        "accuracy": np.round(history["final"], 4).reshape(shape),
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """From the usual initial weights and from others five times as large, and a short case for checks."""
    common = {"rates": RATES, "decays": DECAYS, "seeds": SEEDS, "steps": 1500, "precision": 32}
    large = {"std": 1.0, **common, "rates": [0.3], "decays": [3e-3, 1e-2, 3e-2]}
    short = {"std": "he", "rates": [0.3], "decays": [0.0, 1e-2], "seeds": [0, 1], "steps": 20, "precision": 64}
    return [{"std": "he", **common}, large, short]


EXPERIMENT = Experiment(
    name="decay_equilibrium",
    claim="Weight decay fixes how far a step turns the weights, and nothing else.",
    cases=cases(),
    run=run,
    part=(2,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
