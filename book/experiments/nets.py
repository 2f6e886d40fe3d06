"""Many small networks trained at once: one array dimension holds the replicas, seeds times settings.

A replica is one network with its own seed, learning rate and scale of the initial weights. All replicas of a call share
depth, width, nonlinearity and normalization, so a sweep over eight rates and five seeds is one run of batched products.
The same seed gives the same initial weights and the same mini-batches, whatever the rest is. A replica that diverges
ends in numbers that are not finite and disturbs no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "linear": lambda z: z}


@dataclass(frozen=True)
class Net:
    """A multilayer perceptron.

    Parameters
    ----------
    depth : int
        Hidden layers.
    width : int
        Units of each.
    activation : str
        "relu", "sigmoid", "tanh" or "linear".
    norm : str
        In front of each nonlinearity: "none"; "batch"; "layer" (each row over its features); "stop" (batch
        normalization whose mean and variance are treated as constants).
    std : str or float
        Of the initial weights: "he" sqrt(2 / fan in), "xavier" sqrt(1 / fan in), or a number.
    n_in, n_out : int
    eps : float
    affine : bool
        Whether gamma and beta are trained; otherwise they stay 1 and 0.
    bias : bool
        Whether a normalized layer keeps the bias in front, which can have no effect.
    after : bool
        Whether the normalization stands behind the nonlinearity instead of in front of it.
    dropout : float
        Share of the hidden outputs that training sets to 0; the others are divided by 1 - dropout.
    """

    depth: int = 6
    width: int = 64
    activation: str = "relu"
    norm: str = "none"
    std: str | float = "he"
    n_in: int = 64
    n_out: int = 10
    eps: float = 1e-5
    affine: bool = True
    bias: bool = False
    after: bool = False
    dropout: float = 0.0

    @property
    def sizes(self) -> list[int]:
        return [self.n_in] + [self.width] * self.depth + [self.n_out]


class Replicas:
    """The parameters of R networks of one kind, and what batch normalization keeps for evaluation.

    Attributes
    ----------
    weights : list of Tensor, shape (R, fan_in, fan_out)
    biases, gammas, betas : list of Tensor, shape (R, 1, fan_out)
        A normalized layer has gamma and beta and, unless net.bias is set, no bias; the others have a bias.
    running : list of (mean, var), Tensor, shape (R, 1, width)
    """

    def __init__(self, net: Net, seeds, stds=None, dtype=torch.float32):
        self.net, self.seeds, self.dtype = net, list(seeds), dtype
        self.weights, self.biases, self.gammas, self.betas, self.running = [], [], [], [], []
        rngs = [np.random.default_rng(seed) for seed in self.seeds]
        count = len(self.seeds)
        for layer, (fan_in, fan_out) in enumerate(zip(net.sizes, net.sizes[1:])):
            drawn = np.stack([rng.standard_normal((fan_in, fan_out)) for rng in rngs])
            scale = np.full(count, initial_std(net.std, fan_in)) if stds is None else np.asarray(stds, float)
            self.weights.append(torch.tensor(drawn * scale[:, None, None], dtype=dtype))
            row = torch.zeros(count, 1, fan_out, dtype=dtype)
            normalized = layer < net.depth and net.norm != "none"
            if normalized:
                self.gammas.append(row + 1)
                self.betas.append(row.clone())
                self.running.append((row.clone(), row + 1))
            if net.bias or not normalized:
                self.biases.append(row.clone())
        for parameter in self.parameters():
            parameter.requires_grad_()
        self.coins = {seed: torch.Generator().manual_seed(seed) for seed in self.seeds}  # for dropout

    def parameters(self) -> list[torch.Tensor]:
        """All that is trained."""
        scales = [*self.gammas, *self.betas] if self.net.affine else []
        return [*self.weights, *self.biases, *scales]

    def parameters_of(self, layer):
        """What layer number `layer` (0 to depth, the last is the output) trains; its weights come first."""
        net, found = self.net, [self.weights[layer]]
        normalized = layer < net.depth and net.norm != "none"
        if not normalized or net.bias:
            found.append(self.biases[layer if net.bias or net.norm == "none" else -1])
        return found + [self.gammas[layer], self.betas[layer]] if normalized and net.affine else found

    def forward(self, x, training=True, momentum=0.1, keep=None):
        """Logits, shape (R, N, n_out), of inputs x, shape (R, N, n_in) or (N, n_in).

        keep : list, optional
            Gets what enters each nonlinearity, (R, N, width), in order.
        """
        count, net = len(self.seeds), self.net
        x = x if x.ndim == 3 else x.expand(count, *x.shape)
        for layer in range(net.depth):
            z = x @ self.weights[layer]
            if net.norm == "none" or net.bias:
                z = z + self.biases[layer]
            if net.norm != "none" and not net.after:
                z = self.normalize(z, layer, training, momentum)
            if keep is not None:
                keep.append(z)
            x = ACTIVATIONS[net.activation](z)
            if net.norm != "none" and net.after:
                x = self.normalize(x, layer, training, momentum)
            if net.dropout and training:
                x = x * self.mask(x.shape[1])
        return x @ self.weights[-1] + self.biases[-1]

    def normalize(self, z, layer, training, momentum):
        """Normalize z, shape (R, N, C), over the batch or over the features."""
        axis = 2 if self.net.norm == "layer" else 1
        if self.net.norm != "layer" and not training:
            mean, var = self.running[layer]
            centred = z - mean
        else:
            mean = z.mean(axis, keepdim=True)
            centred = z - (mean.detach() if self.net.norm == "stop" else mean)
            var = (centred * centred).mean(axis, keepdim=True)  # five times faster than torch.var_mean along axis 1
            if self.net.norm == "stop":
                var = var.detach()
            if momentum and self.net.norm != "layer":
                self.track(layer, mean.detach(), var.detach(), z.shape[1], momentum)
        return centred * (torch.rsqrt(var + self.net.eps) * self.gammas[layer]) + self.betas[layer]

    def mask(self, rows):
        """Dropout for one hidden layer, (R, rows, width): 0 or 1 / (1 - dropout), drawn by each seed for itself."""
        shape, rate = (rows, self.net.width), self.net.dropout
        drawn = {seed: torch.rand(shape, generator=coins, dtype=self.dtype) for seed, coins in self.coins.items()}
        return torch.stack([(drawn[seed] >= rate) / (1 - rate) for seed in self.seeds]).to(self.dtype)

    def track(self, layer, mean, var, n, momentum):
        """Move the running statistics towards a batch of n rows; the variance is stored unbiased."""
        old_mean, old_var = self.running[layer]
        unbiased = var * (n / max(n - 1, 1))
        self.running[layer] = (old_mean + momentum * (mean - old_mean), old_var + momentum * (unbiased - old_var))

    def precise(self, x):
        """Set the running statistics to those of the whole set x, shape (N, n_in), layer after layer."""
        with torch.no_grad():
            self.forward(x, training=True, momentum=1.0)

    def accuracy(self, x, y, training=False):
        """The share of right answers, ndarray of shape (R,); nan for a replica whose logits are not finite."""
        with torch.no_grad():
            logits = self.forward(x, training=training, momentum=0)
        right = (logits.argmax(2) == y).double().mean(1)
        right[~torch.isfinite(logits).all(2).all(1)] = torch.nan
        return right.numpy()


def initial_std(std, fan_in: int) -> float:
    """The standard deviation of initial weights."""
    return {"he": (2 / fan_in) ** 0.5, "xavier": (1 / fan_in) ** 0.5}[std] if isinstance(std, str) else float(std)


def precision(case: dict) -> torch.dtype:
    """The number format of a case: float64 where "precision" is 64, as in parts that two machines have to agree on."""
    return {32: torch.float32, 64: torch.float64}[case.get("precision", 32)]


def digits(dtype=torch.float32):
    """x_train (1347, 64), y_train, x_test (450, 64), y_test as tensors."""
    import lab  # noqa: F401  (puts bnlab on the path)
    from bnlab.data import load_digits

    x_train, y_train, x_test, y_test = load_digits()
    return (
        torch.tensor(x_train, dtype=dtype),
        torch.tensor(y_train),
        torch.tensor(x_test, dtype=dtype),
        torch.tensor(y_test),
    )


class Batches:
    """Mini-batches, drawn by each replica from its own seed: rows (R, batch) of a set of n."""

    def __init__(self, seeds, n: int, batch: int):
        self.rngs = {seed: np.random.default_rng([seed, 1]) for seed in seeds}
        self.seeds, self.n, self.batch = list(seeds), n, batch

    def next(self) -> torch.Tensor:
        rows = {seed: rng.integers(0, self.n, self.batch) for seed, rng in self.rngs.items()}
        return torch.tensor(np.stack([rows[seed] for seed in self.seeds]))


def losses(logits, y):
    """Mean cross-entropy of each replica, shape (R,), for logits (R, N, n_out) and y (R, N)."""
    count, rows, classes = logits.shape
    each = torch.nn.functional.cross_entropy(logits.reshape(-1, classes), y.reshape(-1), reduction="none")
    return each.reshape(count, rows).mean(1)


def train(
    replicas: Replicas,
    rates,
    steps: int,
    batch: int = 60,
    data=None,
    every: int = 20,
    momentum=0.1,
    decay=0.0,
    watch=None,
    hidden_rates=None,
    source=None,
    reshape=None,
):
    """Train all replicas by plain stochastic gradient descent.

    Parameters
    ----------
    replicas : Replicas
    rates : sequence of float, length R
        Learning rates.
    steps, batch : int
    data : tuple of Tensor, optional
        x_train, y_train, x_test, y_test; by default the digits. A training set with one axis more, (R, n, n_in) and
        (R, n), gives each replica a set of its own.
    every : int
        Steps between measurements of test accuracy, step 0 and the last included; 0 for the last alone.
    momentum : float
        Weight of the new batch in the running statistics.
    decay : float or sequence of float, length R
        Weight decay: gradient of the weights plus decay times the weights.
    watch : callable, optional
        watch(step, replicas) before each step and after the last.
    hidden_rates : sequence of float, length R, optional
        Learning rates of all weight matrices but the last; by default those of everything else.
    source : Batches, optional
        What draws the mini-batches; by default each replica draws `batch` rows from its own seed.
    reshape : callable, optional
        reshape(parameters, slopes) -> slopes, between the gradients and the step; clipping, for one.

    Returns
    -------
    dict
        "loss" (R, steps), "steps" (T,), "accuracy" (R, T), "final" (R,): ndarrays; nan where a replica has diverged.
    """
    x, y, x_test, y_test = data or digits(replicas.dtype)
    source = source or Batches(replicas.seeds, y.shape[-1], batch)
    own = torch.arange(len(replicas.seeds))[:, None] if y.ndim == 2 else None
    step_sizes, hidden_sizes, decay = (
        torch.tensor(np.broadcast_to(values, len(replicas.seeds)).astype(float), dtype=replicas.dtype)[:, None, None]
        for values in (rates, rates if hidden_rates is None else hidden_rates, decay)
    )
    parameters, decayed = replicas.parameters(), len(replicas.weights) if decay.any() else 0
    history, marks, accuracy = [], [], []
    for step in range(steps + 1):
        if watch is not None:
            watch(step, replicas)
        if step == steps or (every and step % every == 0):
            marks.append(step)
            accuracy.append(replicas.accuracy(x_test, y_test))
        if step == steps:
            break
        rows = source.next() if own is None else (own, source.next())
        loss = losses(replicas.forward(x[rows], momentum=momentum), y[rows])
        slopes = torch.autograd.grad(loss.sum(), parameters)
        history.append(loss.detach().numpy())
        with torch.no_grad():
            slopes = slopes if reshape is None else reshape(parameters, slopes)
            for position, (parameter, slope) in enumerate(zip(parameters, slopes)):
                if position < decayed:
                    slope = slope + decay * parameter
                parameter -= (hidden_sizes if position < replicas.net.depth else step_sizes) * slope
    curve = np.stack(accuracy, 1)
    return {"loss": np.stack(history, 1), "steps": np.array(marks), "accuracy": curve, "final": curve[:, -1]}


def grid(*axes):
    """All combinations of several sequences as parallel lists, the last varying fastest.

    Examples
    --------
    >>> grid([0.1, 1.0], [0, 1, 2])
    [[0.1, 0.1, 0.1, 1.0, 1.0, 1.0], [0, 1, 2, 0, 1, 2]]
    """
    import itertools

    return [list(axis) for axis in zip(*itertools.product(*axes))]
