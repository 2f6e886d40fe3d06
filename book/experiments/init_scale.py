"""How careful must the initial weights be? Six ReLU layers, five decades of scale, with and without normalization."""

import nets
from lab import Experiment, main

RATES = {  # the best rate of a plain network falls steeply with its weights
    "none": [float(f"1e{power}") for power in range(-12, -2)] + [0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
    "batch": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
}
SEEDS = [0, 1, 2, 3, 4]
GAINS = [0.001, 0.01, 0.1, 0.5, 1.0, 1.4, 2.0, 10.0, 100.0]  # weights have the std gain * sqrt(2 / fan in)


def run(case):
    """Train all scales, rates and seeds of one kind of network at once."""
    gains, rates, seeds = nets.grid(case["gains"], case["rates"], case["seeds"])
    replicas = nets.Replicas(nets.Net(depth=6, width=50, norm=case["norm"]), seeds, dtype=nets.precision(case))
    for weights in replicas.weights[:-1]:
        for replica, gain in enumerate(gains):
            weights.data[replica] *= gain
    history = nets.train(replicas, rates, case["steps"], every=0)
    shape = (len(case["gains"]), len(case["rates"]), len(case["seeds"]))
    return {
        "accuracy": history["final"].reshape(shape),  # None where it diverged
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
    }


def cases():
    """One case a kind of network, and a short one for checks."""
    grid = [{"norm": norm, "gains": GAINS, "rates": RATES[norm], "seeds": SEEDS, "steps": 250} for norm in RATES]
    return [
        *grid,
        {"norm": "batch", "gains": [0.1, 1.0], "rates": [0.3], "seeds": [0, 1], "steps": 20, "precision": 64},
    ]


EXPERIMENT = Experiment(
    name="init_scale",
    claim="Batch normalization trains from initial weights of nearly any scale, a plain network from a narrow range.",
    cases=cases(),
    run=run,
    part=(2,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
