"""Networks for tests: built where an answer lives, and what comes back from it, read with care.

An answer of the autograder lives in another process. Its layers do too; the test holds handles of them. At home the
same code holds the layers themselves.
"""

import importlib

import numpy as np

from bnlab import network
from bnlab.answers import AnswerError
from bnlab.compare import describe


def near(answer, module, name):
    """A function or class of bnlab in the process of an answer, for use as its argument."""
    if hasattr(answer, "library"):
        return answer.library(module, name)
    return getattr(importlib.import_module(f"bnlab.{module}"), name)


def assemble(parts):
    """Build layers from plain values, which can be stored and sent.

    Parameters
    ----------
    parts : list of (str, dict)
        Class of `bnlab.network` and its parameters ("weight", "bias"; "gamma", "beta") or settings ("rate", "seed").

    Returns
    -------
    list of layers

    Examples
    --------
    >>> [type(layer).__name__ for layer in assemble([("Linear", {"weight": np.eye(2)}), ("ReLU", {})])]
    ['Linear', 'ReLU']
    """
    layers = []
    for kind, values in parts:
        if kind == "Dropout":
            layer = network.Dropout(values["rate"], np.random.default_rng(values["seed"]))
        else:
            layer = object.__new__(getattr(network, kind))
            network.Layer.__init__(layer)
            layer.params = {name: array.copy() for name, array in values.items()}
        layers.append(layer)
    return layers


def part_name(layer):
    """Name of the class of a layer, also of one that is only held by a handle."""
    known = getattr(layer, "__dict__", {})
    return known.get("type_name") or known.get("_name") or type(layer).__name__


def parameters(layer, like=None):
    """The parameters of a layer as a dict of arrays.

    Parameters
    ----------
    layer : a layer, or a handle of one
    like : dict, optional
        Arrays that they must resemble in name and shape.

    Raises
    ------
    AnswerError
        Where they are something else.
    """
    found = arrays_of(layer, "params")
    for name, array in (like or {}).items():
        if name not in found or found[name].shape != array.shape:
            got = describe(found[name]) if name in found else "missing"
            raise AnswerError("raised", f"params[{name!r}] of a {part_name(layer)} is {got}; expected {array.shape}.")
    return found


def arrays_of(layer, attribute):
    """A dict of float arrays that is an attribute of a layer; AnswerError where it is not."""
    try:
        found = getattr(layer, attribute)
    except AttributeError:
        kind = part_name(layer)
        cure = {
            "type": " A layer stands there, not its class: activation(), with parentheses.",
            "list": " The layers stand side by side in one list.",
        }.get(kind, "")
        raise AnswerError("raised", f"a {kind} has no attribute {attribute}.{cure}") from None
    if type(found) is not dict:
        raise AnswerError("raised", f"{attribute} of a {part_name(layer)} is {describe(found)}; expected a dict.")
    for name, array in found.items():
        if type(array) is not np.ndarray or array.dtype.kind != "f":
            raise AnswerError(
                "raised", f"{attribute}[{name!r}] of a {part_name(layer)} is {describe(array)}; expected an array."
            )
    return found


class Seat(network.Layer):
    """A student's layer in a network of the test: a part like any other, whatever process the layer lives in.

    The parameters are kept here, given to the layer before each forward pass, and its gradients are fetched after
    each backward pass.

    Parameters
    ----------
    layer : object
        With params, grads, training, forward, backward.
    """

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.params = parameters(layer)
        self.call_forward, self.call_backward = layer.forward, layer.backward  # one look-up, not one a step
        self.set_to = None

    def forward(self, x):
        if self.training != self.set_to:
            self.layer.training = self.set_to = self.training
        self.layer.params = dict(self.params)
        return _like(self.call_forward(x), x, "forward")

    def backward(self, dy):
        dx = _like(self.call_backward(dy), dy, "backward")
        grads = arrays_of(self.layer, "grads")
        for name, array in self.params.items():
            if name not in grads or grads[name].shape != array.shape:
                raise AnswerError("raised", f"after backward, grads lacks {name!r} in the shape {array.shape}.")
        self.grads = grads
        return dx


def _like(got, x, method):
    """What a layer returned, if it is an array of the shape of x."""
    if type(got) is not np.ndarray or got.shape != x.shape or got.dtype.kind != "f":
        raise AnswerError("raised", f"{method} returned {describe(got)}; expected an array of shape {x.shape}.")
    return got
