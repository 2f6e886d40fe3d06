"""Slips in `build_network(sizes, activation, batchnorm, rng)`.

`assembled` builds a network from the decisions in which slips differ; `std` takes (gain, fan_in, fan_out).
"""

import numpy as np
from bnlab.network import Linear

from solutions.mutants import mutant

TASK = "build-network"


def he(gain, fan_in, fan_out):
    return gain / np.sqrt(fan_in)


def assembled(sizes, activation, batchnorm, rng, std=he, bias=None, last_bias=True, last_gain=1.0):
    """The network done right, but for what the arguments say."""
    layers = []
    bias = batchnorm is None if bias is None else bias
    for fan_in, fan_out in zip(sizes[:-2], sizes[1:-1]):
        layers.append(Linear(fan_in, fan_out, std(activation.gain, fan_in, fan_out), rng, bias=bias))
        layers += [activation()] if batchnorm is None else [batchnorm(fan_out), activation()]
    spread = std(last_gain, sizes[-2], sizes[-1])
    return layers + [Linear(sizes[-2], sizes[-1], spread, rng, bias=last_bias)]


@mutant(
    TASK,
    says="A normalizing layer follows your last Linear. The logits must be free to take any value, so nothing comes "
    "after it.",
)
def batchnorm_after_last(sizes, activation, batchnorm, rng):
    layers = assembled(sizes, activation, batchnorm, rng)
    return layers + ([] if batchnorm is None else [batchnorm(sizes[-1])])


@mutant(
    TASK,
    says="An activation follows your last Linear. Its outputs are the logits, which the loss wants as they are, "
    "negative ones too.",
)
def activation_after_last(sizes, activation, batchnorm, rng):
    return [*assembled(sizes, activation, batchnorm, rng), activation()]


@mutant(TASK, says="Your last Linear is treated like the inner ones. It stands alone: no normalization, no activation.")
def last_like_the_others(sizes, activation, batchnorm, rng):
    layers = assembled(sizes, activation, batchnorm, rng)
    return layers + ([] if batchnorm is None else [batchnorm(sizes[-1])]) + [activation()]


@mutant(
    TASK,
    says="Your normalizing layers come after the activation. Here they stand between Linear and activation, as in the "
    "paper.",
)
def batchnorm_after_activation(sizes, activation, batchnorm, rng):
    layers = assembled(sizes, activation, batchnorm, rng)
    if batchnorm is not None:
        for place in range(1, len(layers) - 1, 3):
            layers[place], layers[place + 1] = layers[place + 1], layers[place]
    return layers


@mutant(
    TASK,
    says="Your normalizing layers come before Linear. They normalize what Linear returns, so they stand after it.",
)
def batchnorm_before_linear(sizes, activation, batchnorm, rng):
    layers = assembled(sizes, activation, None, rng, bias=batchnorm is None)
    if batchnorm is not None:
        for place in range(len(sizes) - 3, -1, -1):
            layers.insert(2 * place, batchnorm(sizes[place]))
    return layers


@mutant(
    TASK,
    says="Your inner Linear layers keep their bias in front of a normalizing layer. The mean takes it away again, so "
    "leave it out: bias=False.",
)
def bias_kept(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, bias=True)


@mutant(
    TASK,
    says="Your network without normalizing layers has no bias in its inner layers. A bias is superfluous only where a "
    "mean is subtracted right after it.",
)
def bias_always_left_out(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, bias=False)


@mutant(
    TASK,
    says="Your last Linear has lost its bias. No normalizing layer follows it, so nothing else could shift the logits.",
)
def last_bias_forgotten(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, last_bias=batchnorm is None)


@mutant(TASK, says="None of your Linear layers has a bias. Only those in front of a normalizing layer have none.")
def no_bias_anywhere(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, bias=False, last_bias=False)


@mutant(
    TASK,
    says="Your weights are scaled by fan_out, the number of outputs. Each output sums over fan_in inputs, so the "
    "spread is gain / sqrt(fan_in).",
)
def scaled_by_fan_out(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, std=lambda gain, fan_in, fan_out: gain / np.sqrt(fan_out))


@mutant(
    TASK,
    says="You divided the gain by fan_in. The variances of fan_in terms add up, so the standard deviation has the "
    "root of fan_in: gain / sqrt(fan_in).",
)
def root_forgotten(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, std=lambda gain, fan_in, fan_out: gain / fan_in)


@mutant(
    TASK,
    says="You passed the variance gain**2 / fan_in where Linear expects the standard deviation: gain / sqrt(fan_in).",
)
def variance_for_std(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, std=lambda gain, fan_in, fan_out: gain**2 / fan_in)


@mutant(
    TASK,
    says="The gain is missing in your inner weights. Multiply by activation.gain, which makes up for what the "
    "activation takes away.",
)
def gain_ignored(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, std=lambda gain, fan_in, fan_out: 1 / np.sqrt(fan_in))


@mutant(
    TASK,
    says="Your inner weights have the gain of ReLU, the root of 2, whatever the activation is. Use activation.gain, "
    "which is 1 for Sigmoid.",
)
def gain_of_relu_for_all(sizes, activation, batchnorm, rng):
    layers = assembled(sizes, activation, batchnorm, rng)
    for layer in layers[:-1]:
        if isinstance(layer, Linear):
            layer.params["weight"] = layer.params["weight"] * (np.sqrt(2) / activation.gain)
    return layers


@mutant(
    TASK,
    says="Your last layer has the gain of the activation, but none follows it: its standard deviation is "
    "1 / sqrt(fan_in).",
)
def gain_in_the_last_layer(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, last_gain=activation.gain)


@mutant(
    TASK,
    says="Your weights have the standard deviation 1, whatever the sizes. Outputs would grow with every layer: use "
    "gain / sqrt(fan_in).",
)
def standard_deviation_one(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng, std=lambda gain, fan_in, fan_out: 1.0)


@mutant(
    TASK,
    says="Your weights do not come from the given rng. Pass rng on to Linear, or nobody can repeat your run or vary "
    "its seed.",
)
def rng_ignored(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, np.random.default_rng(0))


@mutant(
    TASK,
    says="You draw the last layer's weights before the others. Draw layer by layer from the input on, so that the same "
    "seed means the same network.",
)
def last_drawn_first(sizes, activation, batchnorm, rng):
    last = Linear(sizes[-2], sizes[-1], 1 / np.sqrt(sizes[-2]), rng)
    return [*assembled(sizes, activation, batchnorm, rng)[:-1], last]


@mutant(
    TASK,
    says="All your activations are one and the same object. An activation remembers its forward pass, so make a new "
    "one, activation(), for every place.",
)
def activation_shared(sizes, activation, batchnorm, rng):
    layers = assembled(sizes, activation, batchnorm, rng)
    shared = activation()
    return [shared if isinstance(layer, activation) else layer for layer in layers]


@mutant(
    TASK,
    says="Your network ends before the last layer: it needs as many outputs as there are classes, sizes[-1].",
)
def last_layer_missing(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, batchnorm, rng)[:-1]


@mutant(
    TASK, says="Your network has no normalizing layers although a class for them was given: call batchnorm(fan_out)."
)
def batchnorm_forgotten(sizes, activation, batchnorm, rng):
    return assembled(sizes, activation, None, rng, bias=batchnorm is None)


@mutant(
    TASK,
    says="Only your first hidden layer is normalized. Every Linear but the last is followed by a normalizing layer.",
)
def only_the_first_normalized(sizes, activation, batchnorm, rng):
    layers = assembled(sizes, activation, batchnorm, rng)
    slots = [place for place in range(1, len(layers) - 1, 3)] if batchnorm is not None else []
    return [layer for place, layer in enumerate(layers) if place not in slots[1:]]


@mutant(
    TASK,
    says="The Linear that stands alone comes one place too early in your network. It is the last one; each of the "
    "others is followed by the layers of a hidden layer.",
)
def bare_linear_too_early(sizes, activation, batchnorm, rng):
    layers, last = [], len(sizes) - 3
    for place, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:])):
        gain, bias = (1.0, True) if place == last else (activation.gain, batchnorm is None)
        layers.append(Linear(fan_in, fan_out, he(gain, fan_in, fan_out), rng, bias=bias))
        if place != last:
            layers += [activation()] if batchnorm is None else [batchnorm(fan_out), activation()]
    return layers
