"""Tasks of notebook 07: a deep network trained on digits, and how to judge what came of it."""

import numpy as np

from bnlab.answers import AnswerError, strided, student_errors
from bnlab.compare import describe
from bnlab.rig import near, parameters, part_name
from bnlab.sampling import affine
from bnlab.tasks import UNTIMED, Case, Task

NOTEBOOK = "07_training"


# -- build_network ----------------------------------------------------------------------------------------------------
def build_inputs(sizes, activation, batchnorm=True):
    """Inputs of `build_network`: rng -> {"sizes", "activation", "batchnorm", "seed"}; the stand-in is ScaleShift."""
    return lambda rng: {
        "sizes": sizes,
        "activation": activation,
        "batchnorm": "ScaleShift" if batchnorm else None,
        "seed": int(rng.integers(2**31)),
    }


def prepare_build(answer, inputs):
    """The classes and the generator that `build_network` is called with."""
    slot = inputs["batchnorm"]
    return {
        "sizes": inputs["sizes"],
        "activation": near(answer, "network", inputs["activation"]),
        "batchnorm": slot and near(answer, "network", slot),
        "rng": np.random.default_rng(inputs["seed"]),
    }


def observe_build(answer, inputs):
    """Build a network and describe it: the parts in order, their sizes, their weights."""
    layers = BUILD.call(answer, inputs)
    if type(layers) not in (list, tuple) or not layers:
        raise AnswerError("raised", f"build_network returned {describe(layers)}; expected a list of layers.")
    names = [part_name(layer) for layer in layers]
    with student_errors("build_network"):
        found = [parameters(layer) for layer in layers]
        for number, layer in enumerate(layers):
            layer.number = number
        numbers = [layer.number for layer in layers]
    linear = [values for name, values in zip(names, found) if name == "Linear"]
    weights = [values.get("weight", np.zeros(0)) for values in linear] or [np.zeros(0)]
    inner = [weight.ravel() for weight in weights[1:-1]] or [np.zeros(0)]
    return {
        "the list of layers": ", ".join(names),
        "the list of weight shapes": ", ".join(str(weight.shape) for weight in weights),
        "the list of biases": ", ".join("yes" if "bias" in values else "no" for values in linear),
        "the list of features normalized": str([len(v["gamma"]) for v in found if "gamma" in v]),
        "the number of separate objects": sum(number == place for place, number in enumerate(numbers)),
        "weight of the first layer": weights[0],
        "weights between": np.concatenate(inner),
        "weight of the last layer": weights[-1],
    }


BUILD_LEAVES = (
    "the list of layers",
    "the list of weight shapes",
    "the list of biases",
    "the list of features normalized",
    "the number of separate objects",
    "weight of the first layer",
    "weights between",
    "weight of the last layer",
)


# -- train ------------------------------------------------------------------------------------------------------------
def train_inputs(
    sizes, activation="ReLU", *, batchnorm=True, dropout=None, n=40, steps=20, batch_size=8, lr=0.3, dtype=np.float64,
    layout="C", held_out=60,
):  # fmt: skip
    """Inputs of `train`: rng -> {"parts", "data", "lr", "steps", "batch_size", "seed"}.

    sizes : tuple of int
        Features, units of the hidden layers, classes.
    batchnorm : bool
        Whether a ScaleShift stands where batch normalization would.
    dropout : float, optional
        Rate of a dropout before the last layer, which behaves differently in training and in evaluation.
    n, held_out : int
        Images to train on, and images to measure the accuracy on.
    """

    def inputs(rng):
        directions = rng.normal(size=(sizes[0], sizes[-1]))
        x = rng.normal(size=(n + held_out, sizes[0])).astype(dtype)
        y = np.argmax(x @ directions + 0.5 * rng.normal(size=(len(x), sizes[-1])), axis=1)
        x_train = strided(x[:n]) if layout == "strided" else np.asfortranarray(x[:n]) if layout == "F" else x[:n]
        return {
            "parts": random_parts(rng, sizes, activation, batchnorm, dropout, dtype),
            "data": (x_train, y[:n], x[n:], y[n:]),
            "lr": lr,
            "steps": steps,
            "batch_size": batch_size,
            "seed": int(rng.integers(2**31)),
        }

    return inputs


def random_parts(rng, sizes, activation, batchnorm, dropout=None, dtype=np.float64):
    """A network as `bnlab.rig.assemble` wants it, with parameters off their defaults."""
    parts = []
    for place, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
        last = place == len(sizes) - 2
        if last and dropout:
            parts.append(("Dropout", {"rate": dropout, "seed": int(rng.integers(2**31))}))
        weight = rng.normal(size=(fan_in, fan_out)) * np.sqrt(2 / fan_in)
        parts.append(("Linear", {"weight": weight.astype(dtype)}))
        if last or not batchnorm:
            parts[-1][1]["bias"] = 0.1 * rng.normal(size=fan_out).astype(dtype)
        if not last:
            if batchnorm:
                gamma, beta = affine(rng, fan_out, dtype)
                parts.append(("ScaleShift", {"gamma": gamma, "beta": beta}))
            parts.append((activation, {}))
    return parts


def prepare_train(answer, inputs):
    """The layers, built where the answer lives, and the generator that `train` is called with."""
    layers = near(answer, "rig", "assemble")(inputs["parts"])
    return {**inputs, "layers": layers, "rng": np.random.default_rng(inputs["seed"])}


def tidy_history(history):
    """The three lists of a history as arrays.

    Raises
    ------
    AnswerError
        Where something else came back.
    """
    if type(history) is not dict:
        text = f"train returned {describe(history)}; expected a dict with the keys loss, step and accuracy."
        raise AnswerError("raised", text + (" Is a `return` missing?" if history is None else ""))
    tidied = dict(history)
    for key, dtype in (("loss", np.float64), ("step", np.int64), ("accuracy", np.float64)):
        if key not in history:
            raise AnswerError("raised", f"the history lacks the key {key!r}; it needs loss, step and accuracy.")
        try:
            tidied[key] = np.asarray(history[key], dtype)
        except (TypeError, ValueError, OverflowError):
            raise AnswerError("raised", f"history[{key!r}] is {describe(history[key])}; expected numbers.") from None
    return tidied


# what a line of the loop calls -> what is due there, where it raised
CURES = {
    ".backward(": " The last layer comes first, and each gets what the one after it returned: dh = layer.backward(dh).",
    ".forward(": " Each layer gets what the one before it returned: h = layer.forward(h).",
    "cross_entropy(": " It takes the logits of the batch and the labels of the same rows, y_train[rows].",
    "y_test": " The class of an image is where its row of logits is largest: argmax(axis=1).",
}


def observe_train(answer, inputs):
    """Train a network and report the history and the parameters at the ends of the network."""
    prepared = prepare_train(answer, inputs)
    try:
        history = tidy_history(answer(*(prepared[name] for name in TRAIN.parameters)))
    except AnswerError as error:
        cure = next((cure for call, cure in CURES.items() if call in error.text), "") if error.kind == "raised" else ""
        raise AnswerError(error.kind, error.text + cure) from None
    dtype = inputs["data"][0].dtype
    nothing = np.zeros(0, dtype)  # of what this network does not have
    found = [
        (kind, parameters(layer, like))
        for layer, (kind, like) in zip(prepared["layers"], inputs["parts"])
        if kind in ("Linear", "ScaleShift")
    ]
    linear = [values for kind, values in found if kind == "Linear"]
    slots = [values for kind, values in found if kind == "ScaleShift"] or [{}]
    return {
        "loss": history["loss"].astype(dtype),
        "step": history["step"],
        "accuracy": history["accuracy"].astype(dtype),
        "weight of the first layer": linear[0]["weight"],
        "bias of the first layer": linear[0].get("bias", nothing),
        "gamma": slots[0].get("gamma", nothing),
        "beta": slots[0].get("beta", nothing),
        "weight of the last layer": linear[-1]["weight"],
        "bias of the last layer": linear[-1]["bias"],
    }


def where_it_parts(inputs, expected, got):
    """Remark on `train`: which is the first loss that is another, and what is left where none is."""
    if np.shape(got["loss"]) != expected["loss"].shape:
        return None
    other = ~np.isclose(got["loss"], expected["loss"], rtol=1e-5)
    if not other.any():
        return "All your losses are right: look at how the accuracy is measured, and at what happens at the last step."
    if other[0]:
        return (
            "Your first loss already differs. It is noted before the update: look at where you note it, at the forward "
            "pass, and at the batch, whose rows are rng.choice(N, batch_size, replace=False), drawn once per step, "
            "and nothing else is drawn."
        )
    first = int(np.argmax(other))
    right = "The first loss is" if first == 1 else f"The first {first} losses are"
    return f"{right} right, the next one is not: look at the update, and at what changes from one step to the next."


TRAIN_LEAVES = (
    "loss",
    "step",
    "accuracy",
    "weight of the first layer",
    "bias of the first layer",
    "gamma",
    "beta",
    "weight of the last layer",
    "bias of the last layer",
)


def leaves(names):
    """A template in which each leaf is called by its name."""
    return {name: name for name in names}


BUILD = Task(
    id="build-network",
    answer="build_network",
    parameters=("sizes", "activation", "batchnorm", "rng"),
    returns=leaves(BUILD_LEAVES),
    prepare=prepare_build,
    observe=observe_build,
    cases=(
        Case("sizes (7, 5, 4, 3), ReLU, with a normalizing layer", build_inputs((7, 5, 4, 3), "ReLU")),
        Case("sizes (6, 5, 4, 3), ReLU, without", build_inputs((6, 5, 4, 3), "ReLU", False)),
        Case("sizes (8, 5, 6), Sigmoid, with a normalizing layer", build_inputs((8, 5, 6), "Sigmoid")),
    ),
    hints=(
        "Take the sizes in pairs. Every pair gives a Linear; for all pairs but the last, more layers follow it.",
        "For a hidden layer: Linear (without bias if a normalizing layer follows), that layer, the activation. The "
        "weights' standard deviation is the activation's gain over the root of fan_in; the last layer has gain 1.",
        "Chapter 6, sections `Where the layer goes` and `The bias in front is dead weight`.",
    ),
    page="06_transform.html#where-the-layer-goes",
)

TRAIN = Task(
    id="train",
    answer="train",
    parameters=("layers", "data", "lr", "steps", "batch_size", "rng"),
    returns=leaves(TRAIN_LEAVES),
    prepare=prepare_train,
    observe=observe_train,
    cases=(
        Case("20 steps, ReLU, gamma and beta, dropout", train_inputs((5, 6, 4), dropout=0.5)),
        Case(
            "24 steps, Sigmoid, no gamma and beta",
            train_inputs((4, 7, 3), "Sigmoid", batchnorm=False, steps=24, lr=0.5, batch_size=6),
        ),
    ),
    hints=(
        "One step has five parts: draw rows, forward through all layers, the loss and its gradient, backward through "
        "the layers in reverse, and one small move against the gradient for every entry of every `params`.",
        "Accuracy is measured on the held-out images with training = False, before the first step and after every "
        "tenth one; set training = True again before you go on.",
        "Chapter 12, section `The protocol`: the update of gradient descent, and what is measured when.",
    ),
    page="12_claims_on_trial.html#the-protocol",
    remarks=(where_it_parts,),
)

SPEED = Task(
    id="train-speed",
    answer="train",
    parameters=TRAIN.parameters,
    returns=leaves(("loss", "step", "accuracy")),
    prepare=prepare_train,
    tidy=tidy_history,
    cases=(
        Case("20 steps of a small network", train_inputs((5, 7, 4), dropout=0.5, steps=20)),
        Case("14 steps of a smaller one", train_inputs((4, 6, 3), "Sigmoid", batchnorm=False, steps=14)),
    ),
    hints=(
        "Where does the time of a step go? Print the shape of the arrays that you send through the layers.",
        "Only batch_size rows go forward and backward in a step; the held-out images go forward every tenth step only.",
        "Chapter 12, section `The protocol`: what one step costs, and what a measurement of the accuracy costs.",
    ),
    page="12_claims_on_trial.html#the-protocol",
    note=UNTIMED,
)

TASKS = [BUILD, TRAIN, SPEED]
