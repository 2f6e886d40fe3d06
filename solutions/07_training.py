# %% [markdown]
# # 07 Training: your layer at work
#
# You build deep networks from ready-made parts and your own batch normalization and train them on handwritten digits.
# Then you judge the result: how many steps to a target, which learning rates are stable, and how sure you can be.
#
# - Time: about 120 minutes.
# - Read first: [chapter 12, Claims on trial](https://bn-course.github.io/bn-course/book/12_claims_on_trial.html);
#   where the layer goes is in [chapter 6](https://bn-course.github.io/bn-course/book/06_transform.html).
# - The parts are in `bnlab.network`: `Linear`, `ReLU`, `Sigmoid`, `ScaleShift`, `Dropout` and the loss `cross_entropy`.
#   Everything runs in NumPy; the checks use float64, the experiments float32.
# - Each task is graded on its own: the tests of `build_network` and `train` bring their own layers,
#   and your layer is trained by the tests' own loop.
# - Stuck? `hint("train")` gives you a first hint, and one more each time you run it.

# %% readonly="setup"
# @title Set-up: run this cell first
import os
import sys
from importlib.util import find_spec
from pathlib import Path

# Networks this small are fastest on one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# bnlab lies beside the notebook, or it is installed.
for folder in (".", "../exercises", "exercises"):
    if (Path(folder) / "bnlab" / "__init__.py").exists():
        sys.path.insert(0, str(Path(folder).resolve()))
        break
if not find_spec("bnlab"):  # on Colab
    # %pip install -q --no-deps "bnlab @ git+https://github.com/bn-course/bn-course"
    if not find_spec("bnlab"):
        archive = "https://github.com/bn-course/bn-course (Code, Download ZIP)"
        cure = f"unpack {archive}, open this notebook in its exercises/"
        raise ModuleNotFoundError(f"bnlab is missing: {cure}")
import bnlab
import numpy as np
from bnlab import check, hint  # noqa: F401
from bnlab.network import (  # noqa: F401
    Dropout,
    Linear,
    ReLU,
    ScaleShift,
    Sigmoid,
    cast,
    cross_entropy,
)

print(f"bnlab {bnlab.__version__}, NumPy {np.__version__}")

# %% [markdown]
# ## 1. Build a network
#
# Assemble a deep network from parts, with or without batch normalization.
# Where the layers stand, which of them have a bias and how widely the weights are spread decides what can be learned.
#
# Every part has the same five attributes and methods.
# A forward pass calls `forward` of each layer in order, a backward pass calls `backward` in reverse order.
#
# | name | meaning |
# |---|---|
# | `params` | dict from names to arrays: what training changes (`weight`, `bias`; `gamma`, `beta`) |
# | `grads` | dict with the same names: the gradients, filled in by `backward` |
# | `training` | True while the network learns, False in evaluation |
# | `forward(x)` | takes (N, inputs), returns (N, outputs), and remembers what `backward` needs |
# | `backward(dy)` | takes (N, outputs), returns (N, inputs) |
#
# The network for `sizes` $= (n_0, n_1, \dots, n_L)$ has $L$ linear layers; number $l$ maps $n_{l-1}$ features to $n_l$.
# Each but the last is followed by batch normalization, if there is any, and then by the activation.
# The last one stands alone: its outputs are the logits, the inputs of the loss.
#
# - A linear layer has no bias if batch normalization follows it: the mean would take the bias away again, and `beta`
#   does its work. All other linear layers have one.
# - The weights have the standard deviation $\text{gain} / \sqrt{n_{l-1}}$. The gain is `activation.gain`, which is
#   $\sqrt{2}$ for ReLU and 1 for Sigmoid; the last layer, with no activation after it, has gain 1.
#
# `Linear(fan_in, fan_out, std, rng, bias=True)` draws its weights from `rng`; activations are made without arguments.
#
# Example: `build_network((64, 50, 10), ReLU, BatchNorm, rng)` is a list of four layers:
# a `Linear` from 64 to 50 without bias and with standard deviation $\sqrt{2/64} \approx 0.177$, a `BatchNorm(50)`,
# a `ReLU()`, and a `Linear` from 50 to 10 with bias and with standard deviation $\sqrt{1/50} \approx 0.141$.
# They have 3200 + 100 + 500 + 10 = 3810 parameters.
#
# **Predict first.** A batch goes through 20 linear layers of 100 units without bias, each followed by a ReLU.
# The weights have the standard deviation $\sqrt{g/100}$.
# If the inputs have a root mean square of 1, what is that of the outputs for $g = 1$, $2$ and $4$?
#
# <details><summary>0.5, 1 and 2</summary>
#
# These are the factors by which *one* layer changes the mean square. There are 20 layers, and their factors multiply.
#
# </details>
# <details><summary>0.001, 1 and 1000</summary>
#
# Right: the mean square changes by a factor of $2^{\pm 20}$, a millionth or a million, and its root by a thousandth
# or a thousand.
#
# </details>
# <details><summary>About 1 in all three cases</summary>
#
# Then the initial weights would not matter. But nothing in this network resets the scale.
#
# </details>

# %%
# Play: try other depths, and Sigmoid() in place of ReLU().
rng = np.random.default_rng(0)
for g in (1, 2, 4):
    h = rng.normal(size=(200, 100))
    for _ in range(20):
        h = ReLU().forward(Linear(100, 100, np.sqrt(g / 100), rng).forward(h))
    print(f"g = {g}: root mean square after 20 layers {np.sqrt(np.mean(h**2)):.2g}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Roughly 0.001, 1 and 1000: a ReLU lets half of the mean square pass, so each layer multiplies it by $g/2$.
# Twenty layers do not forgive a careless factor. Batch normalization resets the scale after every linear layer;
# that is one way out, and a gain of $\sqrt{2}$ is another.
#
# </details>


# %% solution="build-network"
def build_network(sizes, activation, batchnorm, rng):
    """Return the layers of a deep network.

    Parameters
    ----------
    sizes : tuple of int
        Features of the input, units of each hidden layer, classes.
    activation : class
        ReLU or Sigmoid; `activation()` makes one, `activation.gain` is its gain.
    batchnorm : class or None
        `batchnorm(num_features)` makes a normalizing layer; None: there are none.
    rng : numpy.random.Generator
        Handed to each `Linear`, which draws its weights from it; the layer at the
        input comes first.

    Returns
    -------
    layers : list
        Linear, [batchnorm,] activation, ..., Linear; a new object for each place.
    """
    ### BEGIN SOLUTION
    layers = []
    for fan_in, fan_out in zip(sizes[:-2], sizes[1:-1]):
        std = activation.gain / np.sqrt(fan_in)
        layers.append(Linear(fan_in, fan_out, std, rng, bias=batchnorm is None))
        if batchnorm is not None:
            layers.append(batchnorm(fan_out))
        layers.append(activation())
    layers.append(Linear(sizes[-2], sizes[-1], 1 / np.sqrt(sizes[-2]), rng))
    return layers
    ### END SOLUTION


# %% test="build-network-test" points=7
check("build-network", build_network)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.training import build_inputs

examine(
    "build-network",
    build_network,
    [
        Case(
            "sizes (64, 50, 50, 50, 50, 10), ReLU, with a normalizing layer",
            build_inputs((64, 50, 50, 50, 50, 10), "ReLU"),
        ),
        Case("sizes (9, 8, 7, 6, 5), Sigmoid, without", build_inputs((9, 8, 7, 6, 5), "Sigmoid", False)),
        Case("sizes (12, 11, 3), ReLU, with a normalizing layer", build_inputs((12, 11, 3), "ReLU")),
        Case("no hidden layer, with a normalizing layer", build_inputs((6, 4), "ReLU")),
        Case("no hidden layer, without", build_inputs((5, 3), "Sigmoid", False)),
        Case("a hidden layer of one unit", build_inputs((4, 1, 3), "Sigmoid")),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Train it
#
# Write the loop of mini-batch gradient descent for any list of such layers, and measure as you go.
# Every curve and every claim in the rest of this notebook comes out of this loop.
#
# One step has five parts: draw a batch; go forward; get the loss and the gradient of the logits from
# `loss, dlogits = cross_entropy(logits, labels)`; go backward; and move every array in every layer's `params`
# a little against its gradient,
#
# $$\theta \leftarrow \theta - \text{lr} \cdot \frac{\partial \text{loss}}{\partial \theta}.$$
#
# | name | meaning |
# |---|---|
# | `data` | the tuple `(x_train, y_train, x_test, y_test)`: images (N, features), labels (N,) from 0 |
# | `history["loss"]` | list of `steps` numbers: the loss of each step's batch, before the step's update |
# | `history["step"]` | the list 0, 10, 20, ... up to at most `steps` |
# | `history["accuracy"]` | the share of `x_test` that is classified correctly after each of these numbers of updates |
#
# - The rows of a batch are `rng.choice(len(x_train), batch_size, replace=False)`, drawn once per step:
#   with the same generator everybody trains on the same batches, and runs can be compared digit by digit.
# - The network's answer is the class with the largest logit.
#   Accuracy is measured with `training = False` on all of `x_test`. Learning needs `training = True`.
# - `train` changes the layers that it is given and nothing else. In which mode it leaves them is up to you.
#
# Example: one `Linear` from 1 to 2 without bias, both weights 0, and the batch x = 1 with label 0.
# The logits are (0, 0), so both classes get the probability 1/2, and the loss is $\log 2 \approx 0.693$.
# The gradient of the logits is (-1/2, 1/2), that of the weights is the same,
# and with lr = 0.2 the weights become (0.1, -0.1).
# After this update the loss of the same batch is $\log(1 + e^{-0.2}) \approx 0.598$.
#
# **Predict first.** A falling training loss is a weak test: it hides three of these four slips.
# Which one does it give away?
#
# <details><summary>(a) Plus instead of minus</summary>
#
# Right, this one shows: the loss climbs from the first step on.
#
# </details>
# <details><summary>(b) The same batch in every step</summary>
#
# The loss falls, and even faster than it should: the network learns that one batch by heart.
#
# </details>
# <details><summary>(c) Gamma and beta are never updated</summary>
#
# The loss still falls, perhaps a little more slowly. Nothing in the curve tells you why.
#
# </details>
# <details><summary>(d) Accuracy is measured in training mode</summary>
#
# The training loss does not show it. Yet with batch normalization the test images then enter the running statistics,
# and the answer for each image depends on the other images of the test set.
#
# </details>


# %% solution="train"
def train(layers, data, lr, steps, batch_size, rng):
    """Train a network by mini-batch gradient descent; changes the layers.

    Parameters
    ----------
    layers : list
        With params, grads, training, forward and backward.
    data : tuple (x_train, y_train, x_test, y_test)
        Arrays of shape (N, features), (N,), (M, features), (M,); the labels are
        integers from 0.
    lr : float
        Learning rate.
    steps : int
        Number of updates.
    batch_size : int
        Rows in a batch, at most N.
    rng : numpy.random.Generator
        Asked once per step: rng.choice(N, batch_size, replace=False).

    Returns
    -------
    history : dict
        "loss": `steps` numbers, each from before its update;
        "step": the numbers 0, 10, 20, ... up to at most `steps`;
        "accuracy": on the test images, in evaluation mode, after that many updates.
    """
    ### BEGIN SOLUTION
    x_train, y_train, x_test, y_test = data
    history = {"loss": [], "step": [], "accuracy": []}

    def measure(step):
        h = x_test
        for layer in layers:
            layer.training = False
            h = layer.forward(h)
        history["step"].append(step)
        history["accuracy"].append(float(np.mean(h.argmax(axis=1) == y_test)))

    measure(0)
    for step in range(1, steps + 1):
        rows = rng.choice(len(x_train), batch_size, replace=False)
        h = x_train[rows]
        for layer in layers:
            layer.training = True
            h = layer.forward(h)
        loss, dh = cross_entropy(h, y_train[rows])
        history["loss"].append(loss)
        for layer in reversed(layers):
            dh = layer.backward(dh)
        for layer in layers:
            for name in layer.params:
                layer.params[name] = layer.params[name] - lr * layer.grads[name]
        if step % 10 == 0:
            measure(step)
    return history
    ### END SOLUTION


# %% test="train-test" points=10
check("train", train)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.checking import hidden_solution, once
from bnlab.data import load_digits
from bnlab.rig import near, parameters
from bnlab.tasks import Case
from bnlab.tasks.training import random_parts, train_inputs

examine(
    "train",
    train,
    [
        Case("30 steps of a deep network with dropout", train_inputs((6, 8, 7, 5, 4), dropout=0.3, steps=30)),
        Case("7 steps, Sigmoid", train_inputs((5, 4, 3), "Sigmoid", steps=7, lr=1.0)),
        Case("12 steps with one row each", train_inputs((5, 6, 4), steps=12, batch_size=1, lr=0.05)),
        Case("10 steps with all rows", train_inputs((5, 6, 4), steps=10, batch_size=40, dropout=0.5)),
        Case("11 steps in float32", train_inputs((5, 6, 4), steps=11, dtype=np.float32), 1e-3),
        Case("images in Fortran order", train_inputs((5, 6, 4), steps=13, layout="F")),
        Case("images as every second row of a larger array", train_inputs((5, 6, 4), steps=13, layout="strided")),
        Case("no step at all", train_inputs((5, 6, 4), steps=0)),
    ],
)
x_train, y_train, x_test, y_test = load_digits(seed=11)


def steps_to_target(answer, seed, most):
    """Steps until a deep plain network, trained ten steps at a time, has 85 % of held-out digits right.

    The weights come back after every ten steps; the accuracy is computed here, on images that `answer` never sees.
    """
    parts = random_parts(np.random.default_rng(seed), (64, 50, 50, 50, 50, 10), "ReLU", batchnorm=False)
    layers = near(answer, "rig", "assemble")(parts)
    for step in range(10, most + 1, 10):
        data = (x_train, y_train, x_train[:20], y_train[:20])
        answer(layers, data, 0.1, 10, 60, np.random.default_rng([seed, step]))
        h = x_test
        for layer, (kind, like) in zip(layers, parts):
            values = parameters(layer, like)
            h = h @ values["weight"] + values["bias"] if kind == "Linear" else np.maximum(h, 0)
        if np.mean(h.argmax(axis=1) == y_test) >= 0.85:
            return step
    return None


for seed in (1, 2, 3):
    ours = once(f"seed {seed}", lambda seed=seed: steps_to_target(hidden_solution("train", train), seed, 300))
    needed = steps_to_target(train, seed, int(1.3 * ours))
    assert needed is not None, (
        f"on digits, seed {seed}, your training did not bring a deep ReLU network to 85 % of the held-out images "
        f"within {int(1.3 * ours)} steps; ours needs {ours}"
    )
### END HIDDEN TESTS

# %%
# Play: load the digits and train a shallow network. Try more units, or another lr.
from bnlab.data import load_digits

data = load_digits(dtype=np.float32)
layers = build_network((64, 50, 10), ReLU, None, np.random.default_rng(1))
layers = cast(layers, np.float32)
history = train(layers, data, 0.3, 200, 60, np.random.default_rng(2))
right = history["accuracy"]
for step in (0, 10, 50, 100, 200):
    print(f"after {step:3} steps: {right[step // 10]:.3f} of the test images right")

# %% [markdown]
# ## 3. Fast enough
#
# There is nothing new to write here: your function of task 2 is timed on 20 steps with 100 rows each.
# The network has two hidden layers of 128 units, and 1000 images are held out.
# It gets full points if it takes at most twice as long as our solution;
# the two run side by side, several times, on the same machine.
#
# A step with a batch of $B$ rows costs about $6 B P$ operations for a network with $P$ weights:
# for each weight and row, two on the way forward and four on the way back.
# Measuring the accuracy costs $2 M P$ for $M$ test images.
#
# Example: with $B = 60$, $P = 11{,}200$ and $M = 450$ a step costs 4 million operations and a measurement 10 million.
# One measurement in ten steps adds a quarter to the operations; one in every step would more than triple them.
#
# **Predict first.** The batches grow from 8 rows to 64 and then to 512.
# What happens to the number of images per second?
#
# <details><summary>It stays the same: each image costs what it costs</summary>
#
# For the arithmetic that is true. But with 8 rows most of the time goes into calling NumPy,
# and a call costs as much for 8 rows as for 64.
#
# </details>
# <details><summary>It becomes 8 times as large both times</summary>
#
# Only if a training step took the same time whatever the number of rows. At 512 rows the arithmetic counts.
#
# </details>
# <details><summary>It grows, but less the second time</summary>
#
# Right. Run the cell to see where your machine reaches its limit.
#
# </details>

# %%
# Play: try other widths, or float64 by leaving out the cast.
from time import perf_counter

rng = np.random.default_rng(3)
x, y = rng.normal(size=(600, 64)).astype(np.float32), rng.integers(10, size=600)
for batch_size in (8, 64, 512):
    layers = cast(build_network((64, 128, 128, 10), ReLU, None, rng), np.float32)
    start = perf_counter()
    train(layers, (x, y, x[:1], y[:1]), 0.1, 60, batch_size, rng)
    seconds = perf_counter() - start
    print(f"{batch_size:3} rows: {60 * batch_size / seconds:,.0f} images a second")

# %% [markdown]
# <details><summary>Answer</summary>
#
# It grows, several times from 8 to 64 rows and less after that: with few rows most of the time goes into calling
# NumPy, with many into arithmetic, where the machine reaches its limit.
# More images per second need not mean faster learning: a step on 8 times as many images is rarely worth 8 steps.
#
# </details>

# %% test="train-speed-test" points=4
check("train-speed", train)
### BEGIN HIDDEN TESTS
from bnlab import race
from bnlab.tasks.training import train_inputs

inputs = train_inputs((64, 128, 128, 10), n=1000, held_out=1000, steps=20, batch_size=100, lr=0.05)
race("train-speed", train, inputs=inputs, limit=2)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Your layer, and three deep networks
#
# Turn the batch normalization that you wrote in notebooks 03 and 04 into a part of a network:
# paste your functions above the class and call them, or write the arithmetic anew.
# The test trains deep networks with your layer on digits and counts the steps to a target.
#
# | name | shape | meaning |
# |---|---|---|
# | `params` | | dict with `gamma`, ones at the start, and `beta`, zeros at the start, both (C,) float64 |
# | `grads` | | dict with the gradients under the same names, set by `backward` |
# | `training` | | True at the start |
# | `running_mean`, `running_var` | (C,) | zeros and ones at the start; `forward` updates them in training |
# | `forward(x)` | (N, C) | y, by the transform of training or of evaluation, as `training` says |
# | `backward(dy)` | (N, C) | dx for the last forward pass in training |
#
# Look gamma and beta up in `params` in each call, because `train` puts new arrays there.
#
# Example, the same as in notebooks 03 and 04: eps = 4, momentum = 0.1, and gamma = 6 and beta = 10 in `params`.
# For the column (1, 3, 5, 7) `forward` returns (4, 8, 12, 16), and the running statistics become 0.4 and 1.567.
# For (1, 0, 0, 0) `backward` returns (1, -2/3, -1/3, 0) and leaves -1 for gamma and 1 for beta in `grads`.
#
# The test puts your layer into networks with four hidden layers of 50 units, one with ReLU (lr 0.1) and one with
# Sigmoid (lr 0.3). Each is trained from three seeds with batches of 60 until it gets 90 % of the held-out digits right,
# which may take at most 1.3 times as many steps as with our layer.
# The third network has no normalization; the tests of task 2 train it with your loop.
#
# **Predict first.** Take four hidden layers, 120 steps, and the learning rate 0.1 for ReLU and 0.3 for Sigmoid.
# Which of the four networks (ReLU or Sigmoid, with or without batch normalization) are above 90 % at the end?
#
# <details><summary>Both with batch normalization, neither without</summary>
#
# Nearly. But look at the plain ReLU network: with weights of a good size, four layers are not too deep for it.
#
# </details>
# <details><summary>Both with batch normalization, and plain ReLU or nearly so</summary>
#
# Right, as a rule. The plain ReLU network needs more steps to get there.
#
# </details>
# <details><summary>All four</summary>
#
# The plain Sigmoid network starts with gradients so small that 120 steps get it nowhere.
#
# </details>


# %% solution="train-steps"
class BatchNorm:
    """Batch normalization as a part of a network.

    Parameters
    ----------
    num_features : int
        C, the number of features.
    eps : float
        Added to the variance, inside the root.
    momentum : float
        Weight of the new batch in the running statistics; its variance enters
        unbiased, with divisor N - 1.

    Attributes
    ----------
    params, grads : dict
        "gamma" and "beta", arrays of shape (C,); ones and zeros at the start.
    training : bool
        True at the start; set from outside.
    running_mean, running_var : ndarray, shape (C,)
        Zeros and ones at the start.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        ### BEGIN SOLUTION
        self.eps, self.momentum, self.training = eps, momentum, True
        self.params = {"gamma": np.ones(num_features), "beta": np.zeros(num_features)}
        self.grads = {}
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        ### END SOLUTION

    def forward(self, x):
        """Return y, shape (N, C), in the mode that `training` says.

        In training N is at least 2.
        """
        ### BEGIN SOLUTION
        gamma, beta = self.params["gamma"], self.params["beta"]
        if not self.training:
            return gamma * (x - self.running_mean) / np.sqrt(self.running_var + self.eps) + beta
        n, keep = len(x), 1 - self.momentum
        mean = x.mean(axis=0)
        var = ((x - mean) ** 2).mean(axis=0)
        self.running_mean = keep * self.running_mean + self.momentum * mean
        self.running_var = keep * self.running_var + self.momentum * (n / (n - 1)) * var
        self.inv_std = 1 / np.sqrt(var + self.eps)
        self.x_hat = (x - mean) * self.inv_std
        return gamma * self.x_hat + beta
        ### END SOLUTION

    def backward(self, dy):
        """Return dx, shape (N, C), and put dgamma and dbeta into `grads`.

        All three belong to the last forward pass in training.
        """
        ### BEGIN SOLUTION
        n = len(dy)
        dgamma, dbeta = (dy * self.x_hat).sum(axis=0), dy.sum(axis=0)
        self.grads = {"gamma": dgamma, "beta": dbeta}
        return self.params["gamma"] * self.inv_std * (dy - dbeta / n - self.x_hat * (dgamma / n))
        ### END SOLUTION


# %% test="train-steps-test" points=9
check("train-steps", BatchNorm)
### BEGIN HIDDEN TESTS
from functools import partial

from bnlab import examine
from bnlab.checking import hidden_solution, once
from bnlab.data import load_digits
from bnlab.network import ReLU, Sigmoid
from bnlab.rig import Seat
from bnlab.tasks import Case
from bnlab.tasks.training_layer import layer_inputs

examine(
    "train-steps",
    BatchNorm,
    [
        Case("batches of 60 samples with 50 features, default eps", layer_inputs(60, 50, eps=1e-5, momentum=0.1)),
        Case("batches of 4 samples with 3 features", layer_inputs(4, 3)),
        Case("one feature", layer_inputs(8, 1, momentum=0.3)),
        Case("batches in float32", layer_inputs(16, 5, dtype=np.float32), 1e-3),
        Case("batches in Fortran order", layer_inputs(9, 4, layout="F")),
        Case("batches as every second row of a larger array", layer_inputs(9, 4, layout="strided")),
        Case("batches around 1,000", layer_inputs(9, 4, mean=1e3)),
    ],
)
x_train, y_train, x_test, y_test = load_digits(seed=12)
our_layer, our_train = hidden_solution("train-steps", BatchNorm), hidden_solution("train", train)
our_build = hidden_solution("build-network", build_network)


def evaluated(seat, h):
    """The forward pass in evaluation by our own layer, with the parameters and statistics of the student's."""
    layer = our_layer(h.shape[1])
    layer.training, layer.params = False, seat.params
    layer.running_mean, layer.running_var = seat.layer.running_mean, seat.layer.running_var
    return layer.forward(h)


def steps_to_target(layer_class, activation, lr, seed, most):
    """Steps until a deep network with this layer, trained five steps at a time, has 90 % of held-out digits right.

    The loop and all parts but the layer are ours. The accuracy is computed from what the layer has stored, on images
    that it has not seen.
    """
    sizes = (64, 50, 50, 50, 50, 10)
    layers = our_build(sizes, activation, lambda c: Seat(layer_class(c)), np.random.default_rng(seed))
    for step in range(5, most + 1, 5):
        data = (x_train, y_train, x_train[:2], y_train[:2])
        our_train(layers, data, lr, 5, 60, np.random.default_rng([seed, step]))
        h = x_test
        for layer in layers:
            h = evaluated(layer, h) if isinstance(layer, Seat) else layer.forward(h)
        if np.mean(h.argmax(axis=1) == y_test) >= 0.9:
            return step
    return None


for activation, lr in ((ReLU, 0.1), (Sigmoid, 0.3)):
    for seed in (1, 2, 3):
        ours = once(f"{activation.__name__} {seed}", partial(steps_to_target, our_layer, activation, lr, seed, 200))
        needed = steps_to_target(BatchNorm, activation, lr, seed, int(1.3 * ours))
        assert needed is not None, (
            f"a deep {activation.__name__} network with your layer, seed {seed}, did not reach 90 % of the held-out "
            f"digits within {int(1.3 * ours)} steps; with our layer it takes {ours}"
        )
### END HIDDEN TESTS

# %%
# Play: try other depths, rates and seeds. This takes a few seconds.
from bnlab.data import load_digits

data, sizes = load_digits(dtype=np.float32), (64, 50, 50, 50, 50, 10)
for activation, lr in ((ReLU, 0.1), (Sigmoid, 0.3)):
    for norm in (None, BatchNorm):
        name = "with batch normalization" if norm else "without"
        print(f"{activation.__name__:8} {name:24}", end="")
        for seed in (1, 2, 3):
            start, batches = (np.random.default_rng([seed, i]) for i in range(2))
            layers = cast(build_network(sizes, activation, norm, start), np.float32)
            history = train(layers, data, lr, 120, 60, batches)
            print(f" {history['accuracy'][-1]:.3f}", end="")
        print()

# %% [markdown]
# <details><summary>Answer</summary>
#
# As a rule both networks with batch normalization are above 90 %, and the plain ReLU network is, or nearly so;
# it needs about twice as many steps.
# The plain Sigmoid network is still guessing, near 10 %, and it still does after 400 steps at any rate from 0.03 to 3.
# Each sigmoid passes on at most a quarter of the gradient, and with these initial weights
# hardly any of the differences between images reach the end of the network.
# With weights four times as wide it learns without batch normalization, up to 96 to 98 % in 400 steps at lr 1.
# So this table is evidence about deep sigmoid networks *from this start*, and about no others.
#
# </details>

# %% [markdown]
# ## 5. Steps to a target
#
# Read off from a history how many steps it took to reach a target accuracy.
# If a single number has to stand for the speed of learning, this is a fair one:
# it does not depend on the machine, and it asks the same quality of every network.
#
# Example: `history["step"]` is [0, 10, 20, 30] and `history["accuracy"]` is [0.10, 0.85, 0.92, 0.89].
# For the target 0.9 the answer is 20, although the accuracy falls below 0.9 afterwards. For 0.95 it is None.
#
# **Predict first.** Two networks reach 0.90 after 40 and 80 steps, and 0.95 after 100 and 105 steps.
# Is the first one "twice as fast"?
#
# <details><summary>Yes: 40 steps instead of 80</summary>
#
# To 0.90 it is. To 0.95 it is hardly faster at all, and nothing says that you have to stop at 0.90.
#
# </details>
# <details><summary>No: 100 steps against 105</summary>
#
# To 0.95 it is hardly faster. But to 0.90 it is, and that may be the target that counts.
#
# </details>
# <details><summary>That depends on the target</summary>
#
# Right. A speedup belongs to a target, and a target chosen after a look at the curves can show almost anything.
# Choose it before, and say which one it is.
#
# </details>


# %% solution="steps-to-accuracy"
def steps_to_accuracy(history, target):
    """Return the first recorded step at which the accuracy is at least the target.

    Parameters
    ----------
    history : dict
        From `train`; entry i of "accuracy" was measured at entry i of "step".
    target : float

    Returns
    -------
    int or None
        An entry of history["step"], or None if the target is never reached.
    """
    ### BEGIN SOLUTION
    for step, accuracy in zip(history["step"], history["accuracy"]):
        if accuracy >= target:
            return step
    return None
    ### END SOLUTION


# %% test="steps-to-accuracy-test" points=4
check("steps-to-accuracy", steps_to_accuracy)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.training_results import history_inputs

examine(
    "steps-to-accuracy",
    steps_to_accuracy,
    [
        Case("one entry, above the target", history_inputs([0.5], 0.4)),
        Case("one entry, below the target", history_inputs([0.5], 0.6)),
        Case("an accuracy every step", history_inputs([0.1, 0.3, 0.2, 0.7, 0.6, 0.8], 0.65, every=1)),
        Case("reached at the last step", history_inputs([0.1, 0.3, 0.5, 0.9], 0.9)),
        Case("reached once, early", history_inputs([0.1, 0.92, 0.5, 0.3, 0.2], 0.9)),
        Case("a target of 1", history_inputs([0.9, 0.99, 1.0, 0.99], 1.0, every=7)),
        Case("a target of 0", history_inputs([0.0, 0.5], 0.0)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. The largest stable learning rate
#
# Find the largest learning rate in a sweep that can be trusted.
# "Batch normalization allows higher learning rates" is a claim about this number.
#
# A run is **stable** if all its losses are finite and the mean of its last 10 losses is below 0.9 times its first loss.
# A rate is stable if its runs are stable for every seed.
# The answer is the largest rate such that it and all smaller rates of the sweep are stable:
# a rate that works although a smaller one fails has been lucky.
#
# | name | shape | meaning |
# |---|---|---|
# | `results` | list of tuples `(lr, losses)` | one for each rate, in any order |
# | `losses` | (S, T) | `history["loss"]` of S seeds with T steps each; it may hold nan or inf |
#
# Example with 2 seeds: at 0.1 the losses of both fall from 2.4 to 0.3; at 0.3 one seed ends in nan;
# at 1 both end at 0.4.
# The answer is 0.1. If 0.1 had failed too, it would be 0.0, which means that no rate can be trusted.
#
# **Predict first.** Towards the end of a run the loss is 2.303 in every step, with no nan in sight. What has happened?
#
# <details><summary>It has converged: the loss does not move any more</summary>
#
# It does not move, but $2.303 \approx \log 10$ is what guessing costs with ten classes. Converged to what?
#
# </details>
# <details><summary>It has died: every class gets the same probability</summary>
#
# Right. As a rule one step was so large that no ReLU lets anything pass any more, and without a gradient nothing can
# recover. The run is finite and yet dead, so a finite loss is not enough.
# The first loss of our networks is 2.4 or 2.5, and $0.9 \cdot 2.5 = 2.25$ lies below $\log 10$:
# an end below 0.9 times the start shows that something has been learned.
#
# </details>
# <details><summary>It has not started: the learning rate is too small</summary>
#
# With a tiny rate the loss would still stand where it began, at 2.4 or 2.5, and creep down from there.
#
# </details>


# %% solution="largest-stable-lr"
def largest_stable_lr(results):
    """Return the largest learning rate that is stable with all smaller ones.

    A rate is stable if, for every seed, all losses are finite and the mean of the
    last 10 is below 0.9 times the first.

    Parameters
    ----------
    results : list of tuple (lr, losses)
        In any order; losses is an array of shape (S, T): S seeds, T steps, T >= 10.

    Returns
    -------
    float
        One of the rates, or 0.0 if the smallest rate is not stable.
    """
    ### BEGIN SOLUTION
    best = 0.0
    for lr, losses in sorted(results, key=lambda result: result[0]):
        finite = np.isfinite(losses).all()
        if not finite or not (losses[:, -10:].mean(axis=1) < 0.9 * losses[:, 0]).all():
            break
        best = lr
    return best
    ### END SOLUTION


# %% test="largest-stable-lr-test" points=5
check("largest-stable-lr", largest_stable_lr)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.training_results import sweep_inputs

examine(
    "largest-stable-lr",
    largest_stable_lr,
    [
        Case("every rate is stable, one seed", sweep_inputs(*["good"] * 7)),
        Case(
            "from the largest rate to the smallest",
            sweep_inputs(*["good good"] * 5, "inf nan", order=[5, 4, 3, 2, 1, 0]),
        ),
        Case(
            "an island of two rates, in another order",
            sweep_inputs("good", "dead", "good", "good", "nan", order=[3, 0, 4, 1, 2]),
        ),
        Case("one rate, stable", sweep_inputs("good good good")),
        Case("one rate, not stable", sweep_inputs("good good blip")),
        Case("five seeds, the last one is slow", sweep_inputs("good good good good good", "good good good good slow")),
        Case("a spike in every seed", sweep_inputs("spike spike", "spike spike", "dip dip")),
        Case("every seed learns and dies later", sweep_inputs("good", "good", "relapse", order=[1, 2, 0])),
    ],
)
### END HIDDEN TESTS

# %%
# Play: a sweep of your own. Try more rates or other depths. It takes a few seconds.
from bnlab.data import load_digits

data, sizes = load_digits(dtype=np.float32), (64, 50, 50, 50, 50, 10)
for norm in (None, BatchNorm):
    print("with batch normalization" if norm else "without")
    results = []
    for lr in (0.03, 0.1, 0.3, 1, 3, 10):
        losses = []
        for seed in (1, 2, 3):
            start, batches = (np.random.default_rng([seed, i]) for i in range(2))
            layers = cast(build_network(sizes, ReLU, norm, start), np.float32)
            with np.errstate(all="ignore"):  # a run that diverges overflows
                losses.append(train(layers, data, lr, 100, 60, batches)["loss"])
        losses = np.array(losses)
        results.append((lr, losses))
        print(f"lr {lr:<5} final losses {losses[:, -10:].mean(axis=1).round(2)}")
    print(f"largest stable learning rate {largest_stable_lr(results)}\n")

# %% [markdown]
# ## 7. How sure are you?
#
# Compute an interval for a mean by the bootstrap, from nothing but the values themselves.
# The results of three seeds are three numbers out of very many that could have come;
# the interval says how much that matters.
#
# Treat the $n$ values as if they were the whole population: draw $n$ of them with replacement and note their mean.
# Do this 2000 times.
# The interval reaches from the quantile $(1 - \text{level})/2$ of these means to the quantile $(1 + \text{level})/2$.
#
# | name | shape | meaning |
# |---|---|---|
# | `values` | (n,) | one number for each seed |
# | `level` | number between 0 and 1 | share of the means that lie inside the interval |
# | `low`, `high` | numbers | the two ends of the interval |
#
# Example: the values (1, 2, 6) have the mean 3 and 27 equally likely resamples, from (1, 1, 1) to (6, 6, 6).
# One of them has the mean 1, three have the mean 4/3, and so on up to one with the mean 6.
# For level = 0.8 the interval is (4/3, 14/3).
#
# **Predict first.** You make 100 intervals with level 0.9, each from 4 new values of a normal distribution.
# How many of them contain the true mean: all 100, about 90, or fewer?
#
# <details><summary>100</summary>
#
# A level below 1 means that some of them may miss it.
#
# </details>
# <details><summary>About 90</summary>
#
# That is what the level promises, and with 30 values the promise is nearly kept. But four values are few.
#
# </details>
# <details><summary>Fewer</summary>
#
# Right: four values show little of the tails of their population, so the intervals come out too narrow.
#
# </details>


# %% solution="bootstrap-interval"
def bootstrap_interval(values, rng, level=0.95):
    """Return the percentile bootstrap interval for the mean.

    Parameters
    ----------
    values : ndarray, shape (n,), float
    rng : numpy.random.Generator
        All random numbers come from it: the same seed gives the same interval.
    level : float
        Between 0 and 1; the share of the resampled means inside the interval, with
        equal shares outside at both ends.

    Returns
    -------
    low, high : float
        Quantiles of the means of 2000 resamples of n values each, drawn with
        replacement.
    """
    ### BEGIN SOLUTION
    means = rng.choice(values, size=(2000, len(values))).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return low, high
    ### END SOLUTION


# %% test="bootstrap-interval-test" points=6
check("bootstrap-interval", bootstrap_interval)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.training_results import BOOTSTRAP_TOLERANCE, interval_inputs, outlier_inputs

examine(
    "bootstrap-interval",
    bootstrap_interval,
    [
        Case("40 values around 100, level 0.9", interval_inputs(40, level=0.9, mean=100, std=15), BOOTSTRAP_TOLERANCE),
        Case("10 values, level 0.6", interval_inputs(10, level=0.6), BOOTSTRAP_TOLERANCE),
        Case("30 values in float32, level 0.8", interval_inputs(30, level=0.8, dtype=np.float32), BOOTSTRAP_TOLERANCE),
        Case("15 negative values, default level", interval_inputs(15, mean=-3), BOOTSTRAP_TOLERANCE),
        Case("7 values of 1 and one of 0, default level", outlier_inputs(8, 1, 0), BOOTSTRAP_TOLERANCE),
    ],
)
same = bootstrap_interval(np.full(6, 0.25), np.random.default_rng(1))
np.testing.assert_allclose(same, 0.25, err_msg="six equal values leave no doubt: both ends are that value")
one = bootstrap_interval(np.array([0.7]), np.random.default_rng(1))
np.testing.assert_allclose(one, 0.7, err_msg="a single value can only be drawn again: both ends are that value")
values = np.random.default_rng(3).normal(size=20)  # 2000 resamples fix an end to 0.05 standard errors, 100 to 0.2
lows = [bootstrap_interval(values, np.random.default_rng([3, number]))[0] for number in range(20)]
scatter = float(np.std(lows) * np.sqrt(20) / values.std())
assert scatter < 0.1, (
    f"the lower end scatters by {scatter:.2f} standard errors from generator to generator; 2000 resamples give 0.05"
)
inside, sets = 0, 20
for number in range(sets):  # coverage: how often does an interval contain the true mean?
    rng = np.random.default_rng([2, number])
    low, high = bootstrap_interval(rng.normal(3, 2, size=20), rng, level=0.8)
    inside += low <= 3 <= high
assert 0.6 <= inside / sets <= 0.95, (
    f"of {sets} intervals with level 0.8 from synthetic data {inside} contain the true mean; expected about 16"
)
### END HIDDEN TESTS

# %%
# Play: try n = 30, other levels, or values with a long tail:
# rng.exponential(size=n), whose true mean is 1.
n, rng, inside = 4, np.random.default_rng(4), 0
for _ in range(100):
    low, high = bootstrap_interval(rng.normal(size=n), rng, level=0.9)
    inside += low <= 0 <= high
print(f"{n} values: {inside} of 100 intervals with level 0.9 contain the true mean")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Fewer, about 75. Four values show little of the tails of their population. Besides, resampling puts the biased
# variance, with divisor $n$, in the place of the unbiased one, which alone makes the interval too narrow by a factor of
# $\sqrt{3/4}$. With 30 values the count is close to 90.
# Read a bootstrap interval from very few seeds as "at least this uncertain".
#
# </details>

# %% [markdown] answer="claims-ledger" points=5
# ## 8. A ledger of claims
#
# Judge these four claims by your own runs in this notebook. For each of them, write down
#
# - what you measured: networks, rates, seeds, and numbers with an interval or a range;
# - your verdict: *holds*, *holds if ...*, *open here* or *does not hold*;
# - what your runs cannot show.
#
# 1. With batch normalization a deep network learns in fewer steps.
# 2. Batch normalization allows higher learning rates.
# 3. Batch normalization makes deep networks with saturating activations trainable.
# 4. Batch normalization helps because it reduces internal covariate shift.
#
# A few lines for each claim are enough.
# Compare the two sides at equal learning rates *and* with the best rate for each.
#
# ### BEGIN SOLUTION
# All runs: digits, 4 hidden layers of 50 units, batches of 60, seeds 1 to 3 (the range is given), up to 150 steps.
#
# 1. *Holds if* the rate is the same and not tiny. ReLU at lr 0.1: 90 % after 40 to 60 steps with, 80 to 110 without.
#    With the best rate for each (about 1 and 0.3) the factor is larger, but the plain network then fails for a seed,
#    so the comparison depends on the target and on how the rate is chosen. With lr 0.03 both are slow.
#    Three seeds, one data set, one width: the factor itself is worth little elsewhere.
# 2. *Holds* here, within limits. The largest stable rate of the sweep is 0.3 without and 3 with batch
#    normalization, and 10 fails for both. The range is wider, not unlimited, and the best accuracy at the best rates
#    differs by a few points only. Larger batches or residual networks were not tried.
# 3. *Holds if* the start is careless. Sigmoid at lr 0.3 to 3: near 10 % without, 92 to 97 % with. But initial weights
#    four times as wide make the plain sigmoid network learn as well, so normalization is one remedy, not the only one.
# 4. *Open here*: none of these runs measures a shift of distributions, and none of them changes the shift while leaving
#    everything else alone, so they cannot say why it helps. Notebook 02 measures the shift; published experiments with
#    noise injected after the layer speak against this explanation, others in favour of a part of it. A better curve
#    is no evidence for a mechanism.
#
# === BEGIN MARK SCHEME ===
# - 1 point: claim 1 with own numbers from at least 3 seeds, at an equal rate and with a best rate for each side, or a
#   sentence that one of the two is missing and what that leaves open.
# - 1 point: claim 2 with the two largest stable rates of a sweep, and a limit (a rate that fails with batch
#   normalization too, or the conditions under which it was measured).
# - 1 point: claim 3 with numbers for sigmoid with and without, and initialization named as another remedy or as a
#   condition of the verdict.
# - 1 point: claim 4: says that these runs do not test the mechanism, or names the experiment that would.
#   No point for "because it reduces internal covariate shift".
# - 1 point: honesty throughout: seeds and spread are given, and what the runs cannot show is said at least twice.
# - The sign of a result earns nothing: a run that shows no advantage, reported well, gets full points.
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("07_training", globals())
