"""Small networks in training, for the notebook on internal covariate shift: what units and gradients did.

A network without batch normalization is trained here, in NumPy, in a second. For one with batch normalization the
same things were recorded once, by `book/experiments/internal_shift.py`, and are read from a file.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bnlab.network import cross_entropy

RECORDED = Path(__file__).parent / "recorded"

SIZES = (64, 16, 16, 16, 16, 16, 16, 10)  # pixels, six hidden layers, digits
SHAPES = tuple(zip(SIZES[:-1], SIZES[1:]))  # of the layers' weights
LENGTHS = [fan_in * fan_out for fan_in, fan_out in SHAPES]
BATCH, PROBES, UNITS = 60, 60, 5
STEPS, EVERY = 300, 20
GRADIENT_STEPS = (10, 50, 200)
WATCHED = (2, 6)  # hidden layers whose inputs are kept, counted from 1
LEARNING_RATES = {"relu": 0.1, "sigmoid": 0.3}
SEEDS = (0, 1, 2, 3, 4)


class Run(NamedTuple):
    """What was seen while a network was trained.

    losses : ndarray, shape (S + 1,)
        Cross-entropy of the batch at each step, in nats; ln 10 = 2.30 is guessing.
    steps : ndarray, shape (T,), int
        Steps at which the inputs of units were recorded.
    inputs : dict
        Layer -> ndarray, shape (T, N, C): what C units of it put into their nonlinearity for N probe images.
    gradients : dict
        Step -> list of (G, G'), one pair for each layer: the gradient of the loss with respect to the layer's weights,
        and the same after all layers before it have taken their step.
    """

    losses: np.ndarray
    steps: np.ndarray
    inputs: dict
    gradients: dict


def digits_sample():
    """600 handwritten digits of 8 x 8 pixels: the first training images of `bnlab.data.load_digits()`.

    Returns
    -------
    images : ndarray, shape (600, 64), float64
        From 0 (paper) to 1 (ink). Some pixels are 0 in every image.
    labels : ndarray, shape (600,), int64

    Notes
    -----
    Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0.

    Examples
    --------
    >>> images, labels = digits_sample()
    >>> images.shape, float(images.max()), labels[:5].tolist()
    ((600, 64), 1.0, [6, 6, 6, 2, 5])
    """
    with np.load(RECORDED / "digits_sample.npz", allow_pickle=False) as stored:
        return stored["images"] / 16.0, stored["labels"].astype(np.int64)


def first_weights(activation, rng):
    """The weights at the start, one array (fan_in, fan_out) for each layer; biases start at 0."""
    gains = [2.0 if activation == "relu" else 1.0] * (len(SIZES) - 2) + [1.0]
    return [
        np.sqrt(gain / fan_in) * rng.normal(size=(fan_in, fan_out)) for gain, (fan_in, fan_out) in zip(gains, SHAPES)
    ]


def train_plain(activation="relu", lr=None, steps=STEPS, seed=0):
    """Train a network without normalization by gradient descent on batches, and watch it.

    Parameters
    ----------
    activation : {"relu", "sigmoid"}
    lr : float, optional
        Learning rate; by default that of the recorded networks.
    steps : int
    seed : int
        Of the initial weights and of the batches; the recorded networks have the same ones.

    Returns
    -------
    Run

    Examples
    --------
    >>> run = train_plain("relu", steps=40)
    >>> run.inputs[6].shape, sorted(run.gradients)
    ((3, 60, 5), [10])
    """
    if activation not in LEARNING_RATES:
        raise ValueError(f"activation is {activation!r}; expected 'relu' or 'sigmoid'")
    lr = LEARNING_RATES[activation] if lr is None else lr
    images, labels = digits_sample()
    rng = np.random.default_rng(seed)
    weights = first_weights(activation, rng)
    biases = [np.zeros(matrix.shape[1]) for matrix in weights]
    losses, steps_seen, inputs, gradients = [], [], {layer: [] for layer in WATCHED}, {}
    for step in range(steps + 1):
        chosen = rng.integers(0, len(images), BATCH)
        batch = images[chosen], labels[chosen]
        if step % EVERY == 0:
            steps_seen.append(step)
            sums, _ = _forward(activation, weights, biases, images[:PROBES])
            for layer in WATCHED:
                inputs[layer].append(sums[layer - 1][:, :UNITS])
        loss, slopes = _slopes(activation, weights, biases, *batch)
        losses.append(loss)
        next_weights = [matrix - lr * slope for matrix, (slope, _) in zip(weights, slopes)]
        next_biases = [offset - lr * slope for offset, (_, slope) in zip(biases, slopes)]
        if step in GRADIENT_STEPS:
            gradients[step] = []
            for layer, (slope, _) in enumerate(slopes):
                mixed = next_weights[:layer] + weights[layer:], next_biases[:layer] + biases[layer:]
                gradients[step].append((slope, _slopes(activation, *mixed, *batch)[1][layer][0]))
        weights, biases = next_weights, next_biases
    kept = {layer: np.array(values) for layer, values in inputs.items()}
    return Run(np.array(losses), np.array(steps_seen), kept, gradients)


def draw_percentiles(steps, lines):
    """Draw three percentiles over training, one panel for each network; only in a notebook, where it can be seen.

    On the course's website, which runs Python without matplotlib, the picture is told in words.

    Parameters
    ----------
    steps : ndarray, shape (T,)
    lines : dict
        Name of the network -> ndarray, shape (T, 3): 15th, 50th and 85th percentile.
    """
    words = "; ".join(
        f"{name}: the median runs between {values[:, 1].min():.2f} and {values[:, 1].max():.2f}"
        for name, values in lines.items()
    )
    words = f"Percentiles of one unit over {steps[-1]} steps. {words}."
    if sys.platform == "emscripten":
        print(f"(At home or on Colab, a picture.) {words}")
    shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    if shell is None or shell() is None:
        return
    import matplotlib.pyplot as plt

    from bnlab.style import MEANING, show, use_course_style

    use_course_style()
    figure, panels = plt.subplots(1, len(lines), figsize=(8, 3), sharey=True, squeeze=False)
    for panel, (name, values) in zip(panels[0], lines.items()):
        color = MEANING.get(name, MEANING["other"])["color"]
        for column, label in enumerate(("15 %", "median", "85 %")):
            panel.plot(steps, values[:, column], color=color, linestyle="-" if column == 1 else "--")
            panel.annotate(label, (steps[-1], values[-1, column]), textcoords="offset points", xytext=(4, -3))
        panel.set(title=name, xlabel="step")
        panel.margins(x=0.2)
    panels[0, 0].set_ylabel("input of the nonlinearity")
    show(figure, words)


def _forward(activation, weights, biases, images):
    """(what each layer puts into its nonlinearity, what comes out of it); the last layer has none."""
    sums, outputs = [], [images]
    for matrix, offset in zip(weights, biases):
        sums.append(outputs[-1] @ matrix + offset)
        outputs.append(np.maximum(sums[-1], 0) if activation == "relu" else 1 / (1 + np.exp(-sums[-1])))
    return sums, outputs


def _slopes(activation, weights, biases, images, labels):
    """The loss of a batch, and for each layer its slopes with respect to weights and biases."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums, outputs = _forward(activation, weights, biases, images)
        loss, error = cross_entropy(sums[-1], labels)
        slopes = []
        for layer in reversed(range(len(weights))):
            slopes.insert(0, (outputs[layer].T @ error, error.sum(axis=0)))
            if layer:
                out = outputs[layer]
                error = (error @ weights[layer].T) * ((out > 0) if activation == "relu" else out * (1 - out))
        return loss, slopes


def recorded(activation="relu"):
    """The network of `train_plain(activation)` with batch normalization before each nonlinearity.

    Same initial weights, batches and learning rate (seed 0); recorded in PyTorch, rounded to three digits or so.

    Parameters
    ----------
    activation : {"relu", "sigmoid"}

    Returns
    -------
    Run
    """
    with np.load(RECORDED / "batchnorm_runs.npz", allow_pickle=False) as stored:
        arrays = {key.split("|", 1)[1]: stored[key] for key in stored.files if key.startswith(f"{activation}|")}
    if not arrays:
        raise ValueError(f"activation is {activation!r}; expected 'relu' or 'sigmoid'")
    inputs = {layer: arrays[f"inputs|{layer}"].astype(np.float64) for layer in WATCHED}
    scaled = arrays["gradients"].astype(np.float64) * np.repeat(arrays["scales"], LENGTHS, axis=-1)
    gradients = {
        step: [
            (before.reshape(shape), after.reshape(shape))
            for before, after, shape in zip(*(np.split(part, np.cumsum(LENGTHS)[:-1]) for part in pair), SHAPES)
        ]
        for step, pair in zip(GRADIENT_STEPS, scaled)
    }
    return Run(arrays["losses"].astype(np.float64), np.arange(0, STEPS + 1, EVERY), inputs, gradients)


def seeds_table(activation, batchnorm):
    """Cosines between G and G' and losses of five networks, recorded in PyTorch.

    Parameters
    ----------
    activation : {"relu", "sigmoid"}
    batchnorm : bool

    Returns
    -------
    cosines : ndarray, shape (5 seeds, 3 steps, 7 layers)
        At the steps of GRADIENT_STEPS.
    losses : ndarray, shape (5 seeds, 4)
        Mean loss over the 20 steps before step 20, 60, 200 and 300.
    """
    kind = "batchnorm" if batchnorm else "plain"
    with np.load(RECORDED / "batchnorm_runs.npz", allow_pickle=False) as stored:
        return tuple(stored[f"table|{activation}|{kind}|{part}"].astype(np.float64) for part in ("cosines", "losses"))
