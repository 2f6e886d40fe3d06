"""Three measures of internal covariate shift on the same networks, with and without batch normalization."""

import nets
import numpy as np
import torch
from lab import Experiment, main

SEEDS = [0, 1, 2, 3, 4]
RATES = {"relu": [0.01, 0.03, 0.1, 0.3, 1.0], "sigmoid": [0.03, 0.1, 0.3, 1.0, 3.0]}
WINDOWS = [(0, 20), (20, 100), (100, 300)]
PROBES, EVERY = 200, 10


def by_layer(replicas, x, y, rates):
    """For each layer's weights G, and G' after the layers before it have taken their step; arrays (R, weights)."""
    layers = [replicas.parameters_of(layer) for layer in range(replicas.net.depth + 1)]
    everything = [parameter for layer in layers for parameter in layer]

    def slopes_of(some):
        return torch.autograd.grad(nets.losses(replicas.forward(x, momentum=0), y).sum(), some)

    slopes = slopes_of(everything)
    position, pairs, old = 0, [], [parameter.detach().clone() for parameter in everything]
    for layer in layers:
        # At this point, and no other, all layers before this one have taken their step and none behind it has.
        (changed,) = slopes_of(layer[:1])
        pairs.append((slopes[position].flatten(1), changed.flatten(1)))
        with torch.no_grad():
            for parameter in layer:
                parameter -= rates * slopes[position]
                position += 1
    with torch.no_grad():
        for parameter, value in zip(everything, old):
            parameter.copy_(value)
    return pairs


def turns(pairs):
    """Cosine and l2 distance of G and G', and the length of G; arrays (layers, R)."""
    cosine = [(g * after).sum(1) / (g.norm(dim=1) * after.norm(dim=1)) for g, after in pairs]  # nan for a zero gradient
    distance = [(g - after).norm(dim=1) for g, after in pairs]
    return [torch.stack(part).numpy() for part in (cosine, distance, [g.norm(dim=1) for g, _ in pairs])]


def moves(before, now):
    """How far a layer's units moved between two records (R, N, C): percentiles, W1, W1 in deviations; each (R,)."""
    share = torch.tensor([0.15, 0.5, 0.85], dtype=before.dtype)
    percentiles = (torch.quantile(now, share, dim=1) - torch.quantile(before, share, dim=1)).abs().mean((0, 2))
    way = (now.sort(dim=1).values - before.sort(dim=1).values).abs().mean(1)
    spread = before.std(dim=1, correction=0)
    return [percentiles.numpy(), way.mean(1).numpy(), (way / (spread + 1e-12)).median(1).values.numpy()]


def run(case):
    """Train one kind of network at all rates and seeds, and measure it every few steps."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    net = nets.Net(**{key: case[key] for key in ("depth", "width", "activation", "norm", "std")})
    replicas = nets.Replicas(net, seeds, dtype=torch.float64)
    data = nets.digits(torch.float64)
    probes = nets.Batches(seeds, len(data[0]), 60)
    sizes = torch.tensor(rates, dtype=torch.float64)[:, None, None]
    records, turned, moved = [], [], []

    def watch(step, replicas):
        rows = probes.next()  # the batches of the training itself, drawn from the same seeds
        if step % EVERY:
            return
        kept = []
        with torch.no_grad():
            replicas.forward(data[0][:PROBES], momentum=0, keep=kept)
        if records:
            moved.append(np.array([moves(a, b) for a, b in zip(records[-1], kept)]))  # (layers, 3, R)
        records[:] = [kept]
        if step < case["steps"]:
            turned.append(np.array(turns(by_layer(replicas, data[0][rows], data[1][rows], sizes))))  # (3, layers, R)

    history = nets.train(replicas, rates, case["steps"], data=data, every=0, watch=watch)
    return summary(case, history["loss"], np.array(turned), np.array(moved))


def summary(case, loss, turned, moved):
    """Means of the windows; arrays (rates, seeds, windows, layers)."""
    shape = (len(case["rates"]), len(case["seeds"]))
    inside = [slice(a // EVERY, b // EVERY) for a, b in WINDOWS if b <= case["steps"]]
    cosine, distance, length = (part.transpose(0, 2, 1) for part in turned.transpose(1, 0, 2, 3))  # (T, R, layers)
    with np.errstate(invalid="ignore"):  # of replicas that have diverged
        relative = distance / length
    found = {
        "cosine": cosine,
        "l2": distance,
        "l2_relative": relative,
        **dict(zip(("percentiles", "wasserstein", "wasserstein_relative"), moved.transpose(2, 0, 3, 1))),
    }
    means = {key: np.stack([part[window].mean(0) for window in inside], 1) for key, part in found.items()}
    return {
        **{key: value.reshape(*shape, len(inside), -1) for key, value in means.items()},
        "loss": np.stack([loss[:, a:b].mean(1) for a, b in WINDOWS if b <= case["steps"]], 1).reshape(*shape, -1),
        "loss_end": loss[:, -50:].mean(1).reshape(shape),
    }


def cases():
    """Four kinds of network, and a short one for checks."""
    kinds = {"relu": {"depth": 8, "width": 64, "std": "he"}, "sigmoid": {"depth": 6, "width": 50, "std": "xavier"}}
    grid = [
        {"activation": activation, **kind, "norm": norm, "rates": RATES[activation], "seeds": SEEDS, "steps": 300}
        for activation, kind in kinds.items()
        for norm in ("none", "batch")
    ]
    return [*grid, {**grid[1], "rates": [0.1], "seeds": [0, 1], "steps": 20}]


EXPERIMENT = Experiment(
    name="shift_measures",
    claim="Batch normalization reduces internal covariate shift, whichever way it is measured.",
    cases=cases(),
    run=run,
    part=(4,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
