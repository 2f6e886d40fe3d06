"""How large may the learning rate be? Deep ReLU networks at eight rates, with and without normalization, 400 steps."""

import nets
from lab import Experiment, main

RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
SEEDS = [0, 1, 2, 3, 4]


def run(case):
    """Train all rates and seeds of one kind of network."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = nets.Replicas(nets.Net(depth=6, width=64, norm=case["norm"]), seeds)
    history = nets.train(replicas, rates, case["steps"])
    shape = (len(case["rates"]), len(case["seeds"]), -1)
    return {
        "accuracy": history["final"].reshape(shape[:2]),  # (rates, seeds); None where it diverged
        "curves": history["accuracy"].reshape(shape).mean(1),  # (rates, T)
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape[:2]),
        "measured_at": history["steps"],
    }


def cases():
    """One case a kind of network, and a short one for checks."""
    grid = [{"norm": norm, "rates": RATES, "seeds": SEEDS, "steps": 400} for norm in ("none", "batch", "layer")]
    return [*grid, {"norm": "batch", "rates": [0.03, 0.3], "seeds": [0, 1], "steps": 20}]


EXPERIMENT = Experiment(
    name="rate_sweep",
    claim="Batch normalization trains at learning rates at which the plain network diverges.",
    cases=cases(),
    run=run,
    part=(3,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
