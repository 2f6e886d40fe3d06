"""Relatives of batch normalization for `nets.Replicas`: noisy, ghost batches, batch renormalization, DyT, and more.

Each is a subclass that says how a layer is normalized; everything else is that of `nets`.
"""

from __future__ import annotations

import nets
import numpy as np
import torch


def batch_statistics(z):
    """Mean and biased variance over the rows of each replica, (R, 1, C)."""
    mean = z.mean(1, keepdim=True)
    return mean, (z - mean).square().mean(1, keepdim=True)


class Noisy(nets.Replicas):
    """Batch normalization whose outputs get a new random mean and scale for each unit at every step.

    The recipe is that of Santurkar et al. (2018): what batch normalization has made stable is made unstable again.
    mean_t ~ U(-shift, shift) and scale_t ~ U(1, stretch) for each unit and step, and for each sample a little around
    them, by `jitter`. In evaluation there is no noise.
    """

    shift, stretch, jitter = 0.5, 1.25, 0.1

    def __init__(self, net, seeds, **options):
        super().__init__(net, seeds, **options)
        self.dice = {seed: np.random.default_rng([seed, 3]) for seed in self.seeds}

    def normalize(self, z, layer, training, momentum):
        y = super().normalize(z, layer, training, momentum)
        if not training:
            return y
        draws = {seed: self.draw(dice, *z.shape[1:]) for seed, dice in self.dice.items()}
        scale, mean = (
            torch.tensor(np.stack([draws[seed][part] for seed in self.seeds]), dtype=self.dtype) for part in (0, 1)
        )
        return y * scale + mean

    def draw(self, dice, rows, units):
        """Scales and means, (rows, units) each."""
        scale, mean = dice.uniform(1, self.stretch, units), dice.uniform(-self.shift, self.shift, units)
        around = dice.uniform(-self.jitter, self.jitter, (2, rows, units))
        return scale + around[0], mean + around[1]


class Ghosts(nets.Replicas):
    """Batch normalization whose statistics come from ghost batches of `size` rows; the rows are taken in order."""

    size = 16

    def normalize(self, z, layer, training, momentum):
        count, rows, units = z.shape
        if not training or self.size >= rows:
            return super().normalize(z, layer, training, momentum)
        pieces = z.reshape(count * (rows // self.size), self.size, units)
        mean, var = batch_statistics(pieces)
        x_hat = ((pieces - mean) * torch.rsqrt(var + self.net.eps)).reshape(z.shape)
        return x_hat * self.gammas[layer] + self.betas[layer]


class Renorm(nets.Replicas):
    """Batch renormalization (Ioffe, 2017): outputs of training that are those of evaluation, within limits.

    The limits of r and d are 1 and 0 during the first fifth of `total` calls and grow linearly to r_max and d_max until
    half of them; the paper's final values are 3 and 5.
    """

    r_max, d_max, total = 3.0, 5.0, 400

    def __init__(self, net, seeds, **options):
        super().__init__(net, seeds, **options)
        self.calls = 0

    def limits(self):
        """(r_max, d_max) at this step."""
        opened = np.clip((self.calls / self.total - 0.2) / 0.3, 0, 1)
        return 1 + opened * (self.r_max - 1), opened * self.d_max

    def forward(self, x, training=True, momentum=0.1, keep=None):
        out = super().forward(x, training, momentum, keep)
        self.calls += bool(training and momentum)
        return out

    def normalize(self, z, layer, training, momentum):
        if not training:
            return super().normalize(z, layer, training, momentum)
        mean, var = batch_statistics(z)
        old_mean, old_var = self.running[layer]
        r_max, d_max = self.limits()
        with torch.no_grad():
            spread = (old_var + self.net.eps).sqrt()
            r = ((var + self.net.eps).sqrt() / spread).clamp(1 / r_max, r_max)
            d = ((mean - old_mean) / spread).clamp(-d_max, d_max)
            if momentum:
                self.track(layer, mean, var, z.shape[1], momentum)
        x_hat = (z - mean) * torch.rsqrt(var + self.net.eps)
        return (x_hat * r + d) * self.gammas[layer] + self.betas[layer]


class DyT(nets.Replicas):
    """Dynamic tanh (Zhu et al., 2025): gamma * tanh(alpha * z) + beta, one learned alpha a layer, no statistics."""

    def __init__(self, net, seeds, **options):
        super().__init__(net, seeds, **options)
        start = torch.full((len(self.seeds), 1, 1), 0.5, dtype=self.dtype)
        self.alphas = [start.clone().requires_grad_() for _ in range(net.depth)]

    def parameters(self):
        return [*super().parameters(), *getattr(self, "alphas", [])]

    def normalize(self, z, layer, training, momentum):
        return torch.tanh(self.alphas[layer] * z) * self.gammas[layer] + self.betas[layer]


class StandardizedWeights(nets.Replicas):
    """No statistics of activations: each unit's weights are centred and scaled before use, with a learned gain.

    The fixed factor sqrt(2 / (1 - 1/pi)) gives a ReLU's output variance 1 for Gaussian inputs (Brock et al., 2021).
    """

    def normalize(self, z, layer, training, momentum):
        raise NotImplementedError("this network normalizes weights")

    def forward(self, x, training=True, momentum=0.1, keep=None):
        x = x if x.ndim == 3 else x.expand(len(self.seeds), *x.shape)
        for layer in range(self.net.depth):
            weight = self.weights[layer]
            var, mean = torch.var_mean(weight, dim=1, keepdim=True, correction=0)
            unit = (weight - mean) * torch.rsqrt(var * weight.shape[1] + 1e-8)
            z = x @ unit * self.gammas[layer] + self.betas[layer]
            if keep is not None:
                keep.append(z)
            x = torch.relu(z) * (2 / (1 - 1 / np.pi)) ** 0.5
        return x @ self.weights[-1] + self.biases[-1]


KINDS = {
    "noisy": Noisy,
    "ghost": Ghosts,
    "renorm": Renorm,
    "dyt": DyT,
    "weights": StandardizedWeights,
}


def build(kind, seeds, dtype=torch.float32, **net):
    """Replicas of one kind: "none", "batch", "layer", "stop" of nets, or one of KINDS."""
    if kind in KINDS:
        return KINDS[kind](nets.Net(norm="batch", **net), seeds, dtype=dtype)
    return nets.Replicas(nets.Net(norm=kind, **net), seeds, dtype=dtype)
