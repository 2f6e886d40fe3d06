"""Five sigmoid layers with small initial weights: does the network learn, with batch normalization and without?"""

import nets
from lab import Experiment, main

SIGMOIDS = {"depth": 5, "width": 50, "activation": "sigmoid", "bias": True}
NETS = {
    "plain": nets.Net(**SIGMOIDS, std=0.1),
    "wide": nets.Net(**SIGMOIDS, std=0.6),  # larger initial weights
    "batchnorm": nets.Net(**SIGMOIDS, std=0.1, norm="batch"),
}
RATES = [0.1, 0.5, 2.0]
SEEDS = [0, 1, 2, 3, 4]


def run(case):
    """Train all rates and seeds of one network at once."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = nets.Replicas(NETS[case["net"]], seeds, dtype=nets.precision(case))
    history = nets.train(replicas, rates, case["steps"], every=case["every"])
    shape = (len(case["rates"]), len(case["seeds"]))
    return {
        "measured": history["steps"],
        "accuracy": history["accuracy"].reshape(*shape, -1),
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """One case a network, and a short one for checks."""
    grid = {"rates": RATES, "seeds": SEEDS, "steps": 400, "every": 20}
    check = {"net": "batchnorm", "rates": [0.5], "seeds": [0, 1], "steps": 20, "every": 10, "precision": 64}
    return [*({"net": name, **grid} for name in NETS), check]


EXPERIMENT = Experiment(
    name="stall",
    claim="Deep sigmoid networks with small initial weights learn nothing, and learn with batch normalization.",
    cases=cases(),
    run=run,
    part=(3,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
