"""Does scaling the inputs help a network as it helps least squares? Five versions of the digits, eight rates."""

import nets
import numpy as np
import torch
from lab import Experiment, main
from scipy.linalg import fractional_matrix_power
from sklearn.preprocessing import StandardScaler

RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
SEEDS = [0, 1, 2, 3, 4]
VERSIONS = ["10 added", "as they are", "centred", "standardized", "whitened"]


def prepare(version: str, x, x_test):
    """Both sets, float arrays (N, C), prepared with the statistics of the training set x."""
    if version == "as they are":
        return x, x_test
    if version == "10 added":
        return x + 10, x_test + 10
    scaler = StandardScaler(with_std=version == "standardized").fit(x)  # a constant feature is divided by 1
    x, x_test = scaler.transform(x), scaler.transform(x_test)
    if version == "whitened":
        covariance = np.cov(x.T, bias=True) + 1e-3 * np.eye(x.shape[1])
        matrix = fractional_matrix_power(covariance, -0.5)
        x, x_test = x @ matrix, x_test @ matrix
    return x, x_test


def run(case):
    """Train a network with two hidden layers at all rates and seeds on one version of the digits."""
    x, y, x_test, y_test = nets.digits(torch.float64)
    x, x_test = (
        torch.tensor(part, dtype=nets.precision(case)) for part in prepare(case["version"], x.numpy(), x_test.numpy())
    )
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    replicas = nets.Replicas(nets.Net(depth=2, width=64, norm=case["norm"]), seeds, dtype=nets.precision(case))
    history = nets.train(replicas, rates, case["steps"], data=(x, y, x_test, y_test))
    shape = (len(case["rates"]), len(case["seeds"]), -1)
    return {
        "accuracy": history["accuracy"].reshape(shape),  # (rates, seeds, T); None where it diverged
        "accuracy_batch": replicas.accuracy(x_test, y_test, training=True).reshape(shape[:2]),
        "loss_end": history["loss"][:, -50:].mean(1).reshape(shape[:2]),
        "measured_at": history["steps"],
    }


def cases():
    """One case a version of the inputs, without and with batch normalization, and a short one for checks."""
    grid = [
        {"version": version, "norm": norm, "rates": RATES, "seeds": SEEDS, "steps": 300}
        for norm in ("none", "batch")
        for version in VERSIONS
    ]
    return [
        *grid,
        {"version": "whitened", "norm": "none", "rates": [0.03, 0.3], "seeds": [0, 1], "steps": 20, "precision": 64},
    ]


EXPERIMENT = Experiment(
    name="input_scaling",
    claim="Centred and scaled inputs let a network train faster and at larger learning rates.",
    cases=cases(),
    run=run,
    part=(10,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
