"""Record networks with batch normalization for notebook 02: inputs of units, gradients before and after a step.

Writes exercises/bnlab/recorded/{digits_sample,batchnorm_runs}.npz; the twins without batch normalization are trained
by `bnlab.traces.train_plain`, from the same initial weights, on the same batches, at the same learning rate.

    python book/experiments/internal_shift.py            # 10 s on one core
    python book/experiments/internal_shift.py --check    # train again and compare with what is stored
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "exercises"))

from bnlab import traces
from bnlab.data import load_digits


def digits():
    """The arrays of digits_sample.npz."""
    images, labels, _, _ = load_digits()
    return {"images": np.rint(16 * images[:600]).astype(np.uint8), "labels": labels[:600].astype(np.uint8)}


def build(activation, batchnorm, rng):
    """A network whose parts are its layers; with batch normalization the linear maps have no bias."""
    nonlinear = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}[activation]
    weights = traces.first_weights(activation, rng)
    layers = []
    for position, matrix in enumerate(weights):
        fan_in, fan_out = matrix.shape
        hidden = position < len(weights) - 1
        linear = nn.Linear(fan_in, fan_out, bias=not (hidden and batchnorm))
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(matrix.T))
            if linear.bias is not None:
                linear.bias.zero_()
        before = [linear, nn.BatchNorm1d(fan_out)] if hidden and batchnorm else [linear]
        layers.append(nn.Sequential(*before, *([nonlinear()] if hidden else [])))
    return nn.Sequential(*layers)


def gradients(network, images, labels):
    """The loss and its gradients, one for each parameter."""
    loss = nn.functional.cross_entropy(network(images), labels)
    return loss.item(), torch.autograd.grad(loss, list(network.parameters()))


def before_and_after(network, images, labels, lr):
    """(G, G') of each layer's weights: G' after the layers before it have taken their step."""
    parameters = list(network.parameters())
    old = [parameter.detach().clone() for parameter in parameters]
    _, slopes = gradients(network, images, labels)
    pairs, moved = [], 0
    for layer in network:
        with torch.no_grad():
            for position, parameter in enumerate(parameters):
                parameter.copy_(old[position] - lr * slopes[position] if position < moved else old[position])
        _, changed = gradients(network, images, labels)
        pairs.append((slopes[moved].T.numpy(), changed[moved].T.numpy()))
        moved += len(list(layer.parameters()))
    with torch.no_grad():
        for parameter, value in zip(parameters, old):
            parameter.copy_(value)
    return pairs


def inputs_of(network, layer, images):
    """What a layer, counted from 1, puts into its nonlinearity."""
    with torch.no_grad():
        for part in network[: layer - 1]:
            images = part(images)
        return network[layer - 1][:-1](images)[:, : traces.UNITS].numpy()


def train(activation, batchnorm, seed):
    """Train one network as `bnlab.traces.train_plain` does; a bnlab.traces.Run."""
    images, labels = (torch.tensor(part) for part in traces.digits_sample())
    rng = np.random.default_rng(seed)
    network = build(activation, batchnorm, rng)
    lr = traces.LEARNING_RATES[activation]
    losses, steps, pairs = [], [], {}
    inputs = {layer: [] for layer in traces.WATCHED}
    for step in range(traces.STEPS + 1):
        chosen = torch.tensor(rng.integers(0, len(images), traces.BATCH))
        batch = images[chosen], labels[chosen]
        if step % traces.EVERY == 0:
            steps.append(step)
            for layer in traces.WATCHED:
                inputs[layer].append(inputs_of(network, layer, images[: traces.PROBES]))
        if step in traces.GRADIENT_STEPS:
            pairs[step] = before_and_after(network, *batch, lr)
        loss, slopes = gradients(network, *batch)
        losses.append(loss)
        with torch.no_grad():
            for parameter, slope in zip(network.parameters(), slopes):
                parameter -= lr * slope
    kept = {layer: np.array(values) for layer, values in inputs.items()}
    return traces.Run(np.array(losses), np.array(steps), kept, pairs)


def packed(run):
    """A run as small arrays: inputs in float16, gradients in float16 with a scale."""
    arrays = {"losses": run.losses.astype(np.float16)}
    arrays |= {f"inputs|{layer}": values.astype(np.float16) for layer, values in run.inputs.items()}
    pairs = [list(zip(*run.gradients[step])) for step in traces.GRADIENT_STEPS]  # (steps, 2, layers) of arrays
    scales = np.array([[[np.abs(value).max() for value in part] for part in pair] for pair in pairs], np.float32)
    flat = np.array([[np.concatenate([value.ravel() for value in part]) for part in pair] for pair in pairs])
    arrays["gradients"] = (flat / np.repeat(scales, traces.LENGTHS, axis=-1)).astype(np.float16)
    return arrays | {"scales": scales}


def cosine(before, after):
    """Of the angle between two arrays, flattened."""
    return np.vdot(before, after) / np.sqrt(np.vdot(before, before) * np.vdot(after, after))


def table(runs):
    """Cosines (seeds, steps, layers) and losses (seeds, 4) of several runs."""
    cosines = [[[cosine(*pair) for pair in run.gradients[step]] for step in traces.GRADIENT_STEPS] for run in runs]
    losses = [[run.losses[end - 20 : end].mean() for end in (20, 60, 200, 300)] for run in runs]
    return {"cosines": np.array(cosines, np.float32), "losses": np.array(losses, np.float32)}


def record():
    """The arrays of batchnorm_runs.npz."""
    arrays = {}
    for activation in traces.LEARNING_RATES:
        for kind in ("plain", "batchnorm"):
            runs = [train(activation, kind == "batchnorm", seed) for seed in traces.SEEDS]
            arrays |= {f"table|{activation}|{kind}|{part}": value for part, value in table(runs).items()}
            if kind == "batchnorm":
                arrays |= {f"{activation}|{part}": value for part, value in packed(runs[0]).items()}
    return arrays


def main():
    """Write or check the two files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with what is stored, write nothing")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    started = time.time()
    path = traces.RECORDED / "digits_sample.npz"
    if not check:
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, **digits())
    arrays = record()
    path = traces.RECORDED / "batchnorm_runs.npz"
    seconds = round(time.time() - started, 1)
    if check:
        with np.load(path, allow_pickle=False) as stored:
            # chaos multiplies rounding: late in training two machines agree to a few digits only
            worst = max(np.abs(stored[key].astype(float) - value).max() for key, value in arrays.items())
        print(f"largest difference from {path.name}: {worst:.1e} ({seconds} s)")
        sys.exit(int(worst > 0.1))
    about = {
        "seeds": list(traces.SEEDS),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "seconds": seconds,
    }
    np.savez_compressed(path, about=np.array(json.dumps(about)), **arrays)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB in {seconds} s")


if __name__ == "__main__":
    main()
