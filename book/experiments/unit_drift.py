"""How the inputs of sigmoids wander while a network learns: three layers of 100, with and without normalization."""

import nets
import numpy as np
import torch
from lab import Experiment, main

RATES = [0.1, 0.5, 2.0, 8.0]
SEEDS = [0, 1, 2, 3, 4]
PROBES, EVERY = 200, 20
SHARES = [0.15, 0.5, 0.85]


def run(case):
    """Train all rates and seeds of one kind of network; percentiles of what enters the last hidden layer's sigmoids."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    net = nets.Net(depth=3, width=100, activation="sigmoid", norm=case["norm"], std=0.1)
    data, seen = nets.digits(nets.precision(case)), []
    replicas = nets.Replicas(net, seeds, dtype=nets.precision(case))
    shares = torch.tensor(SHARES, dtype=nets.precision(case))

    def watch(step, replicas):
        if step % EVERY == 0:
            kept = []
            with torch.no_grad():
                replicas.forward(data[0][:PROBES], momentum=0, keep=kept)
            seen.append(torch.quantile(kept[-1], shares, dim=1).permute(1, 2, 0).numpy())  # (R, units, 3)

    history = nets.train(replicas, rates, case["steps"], data=data, every=EVERY, watch=watch)
    trace = np.array(seen)  # (T, R, units, 3)
    shape = (len(case["rates"]), len(case["seeds"]))
    width = trace[..., 2] - trace[..., 0]
    beta = [b.detach().numpy().reshape(*shape, -1) for b in replicas.betas[-1:]]  # the mean of each unit, where trained
    return {
        "unit": trace[:, :, 0].transpose(1, 0, 2).reshape(*shape, len(trace), 3),  # the first unit, not a chosen one
        "displaced": np.abs(trace[-1, ..., 1] - trace[0, ..., 1]).reshape(*shape, -1),  # of the median, all units
        "travelled": np.abs(np.diff(trace[..., 1], axis=0)).sum(0).reshape(*shape, -1),
        "widened": (width[-1] / width[0]).reshape(*shape, -1),
        "beta": beta[0] if beta else None,
        "measured_at": history["steps"],
        "accuracy": history["accuracy"].reshape(*shape, -1),
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """With and without, and a short one for checks."""
    grid = [{"norm": norm, "rates": RATES, "seeds": SEEDS, "steps": 1000} for norm in ("none", "batch")]
    return [*grid, {"norm": "batch", "rates": [0.5], "seeds": [0, 1], "steps": 20, "precision": 64}]


EXPERIMENT = Experiment(
    name="unit_drift",
    claim="Without batch normalization the inputs of a sigmoid drift during training, with it they stay near a place.",
    cases=cases(),
    run=run,
    part=(2,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
