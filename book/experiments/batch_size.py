"""How small may a batch be? The same number of images at batch sizes from 2 to 128, every kind at its best rate."""

import nets
import numpy as np
import variants
from lab import Experiment, main

BATCHES = [2, 4, 8, 32, 128]
RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
SEEDS = [0, 1, 2, 3, 4]
IMAGES = 4 * 1347  # seen in all, at every batch size


def run(case):
    """Train at all rates and seeds with one batch size; evaluate in three ways."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    x, y, x_test, y_test = nets.digits()
    replicas = variants.build(case["norm"], seeds, depth=4)
    steps = max(case["images"] // case["batch"], 1)
    if case["norm"] == "renorm":
        replicas.total = steps
    weight = 0.1 if steps < 200 else 0.02  # of the new batch: small batches need a longer memory
    history = nets.train(replicas, rates, steps, batch=case["batch"], every=0, momentum=weight)
    shape = (len(case["rates"]), len(case["seeds"]))
    out = {
        "running": np.round(history["final"], 4).reshape(shape),
        "loss_end": history["loss"][:, -max(steps // 10, 1) :].mean(1).reshape(shape),
        "steps": steps,
    }
    if case["norm"] in ("batch", "renorm"):
        company = len(x_test) // case["batch"] * case["batch"]  # the test images in batches as small as in training
        answers = [
            replicas.accuracy(x_test[start : start + case["batch"]], y_test[start : start + case["batch"]], True)
            for start in range(0, company, case["batch"])
        ]
        out["company"] = np.mean(answers, 0).round(4).reshape(shape)
    if case["norm"] == "batch":
        replicas.precise(x)
        out["precise"] = np.round(replicas.accuracy(x_test, y_test), 4).reshape(shape)
    return out


def cases():
    """Four kinds at five batch sizes, and a short case for checks."""
    common = {"rates": RATES, "seeds": SEEDS, "images": IMAGES}
    kinds = ("none", "batch", "layer", "renorm")
    grid = [{"norm": norm, "batch": batch, **common} for norm in kinds for batch in BATCHES]
    return [*grid, {"norm": "renorm", "batch": 8, "rates": [0.03, 0.1], "seeds": [0, 1], "images": 200}]


EXPERIMENT = Experiment(
    name="batch_size",
    claim="The benefits of batch normalization do not depend on the size of the batch.",
    cases=cases(),
    run=run,
    part=(20,),
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(EXPERIMENT)
