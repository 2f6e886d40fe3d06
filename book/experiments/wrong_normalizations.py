"""Networks whose gradient does not know about the normalization: what they learn, and what drifts meanwhile."""

import nets
import numpy as np
import torch
from lab import Experiment, main

RATES = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
SEEDS = [0, 1, 2, 3, 4]
EVERY, CALIBRATION = 20, 240


class Outside(nets.Replicas):
    """Normalized with constants, which are measured on a part of the training set between two steps."""

    calibrating = False

    def normalize(self, z, layer, training, momentum):
        return super().normalize(z, layer, training and self.calibrating, momentum)

    def calibrate(self, x):
        self.calibrating = True
        self.precise(x)
        self.calibrating = False


def run(case):
    """Train all rates and seeds of one way to normalize."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    outside = case["way"] == "outside"
    norm = "stop" if case["way"] == "stop" else "batch"
    net = nets.Net(depth=5, width=64, norm=norm, affine=case["affine"], bias=True)
    data, seen = nets.digits(nets.precision(case)), []
    replicas = (Outside if outside else nets.Replicas)(net, seeds, dtype=nets.precision(case))

    def watch(step, replicas):
        if outside:
            replicas.calibrate(data[0][:CALIBRATION])
        if step % EVERY == 0:
            with torch.no_grad():
                biases = torch.cat([b.flatten(1) for b in replicas.biases[:-1]], 1).pow(2).mean(1).sqrt()
                lengths = torch.stack([w.flatten(1).norm(dim=1) for w in replicas.weights[:-1]])
            seen.append(np.concatenate([biases[None], lengths]))  # (1 + layers, R)

    history = nets.train(replicas, rates, case["steps"], data=data, every=0, watch=watch)
    shape = (len(case["rates"]), len(case["seeds"]))
    trace = np.array(seen)
    binned = history["loss"].reshape(len(rates), -1, EVERY).mean(2)
    return {
        "loss": binned.reshape(*shape, -1),
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape),
        "accuracy": history["final"].reshape(shape),
        "bias": trace[:, 0].T.reshape(*shape, -1),  # root of the mean square of the hidden biases, which have no effect
        "length": trace[:, 1].T.reshape(*shape, -1),  # of the first layer's weights
        "growth": (trace[-1, 1:] / trace[0, 1:]).T.reshape(*shape, -1),  # of each layer's weights
        "measured_at": np.arange(0, case["steps"] + 1, EVERY),
    }


def cases():
    """Three ways, with and without gamma and beta, and a short one for checks."""
    grid = [
        {"way": way, "affine": affine, "rates": RATES, "seeds": SEEDS, "steps": 600}
        for affine in (True, False)
        for way in ("batch", "stop", "outside")
    ]
    return [*grid, {**grid[1], "rates": [0.1], "seeds": [0, 1], "steps": 40, "precision": 64}]


EXPERIMENT = Experiment(
    name="wrong_normalizations",
    claim="Normalizing without telling the gradient lets parameters without effect grow, and may blow the model up.",
    cases=cases(),
    run=run,
    part=(6,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
