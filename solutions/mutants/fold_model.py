"""Slips in `fold_model(model) -> model`.

Each is `fold` with one step replaced: which pairs are folded, with which numbers, and what stands there afterwards.
"""

import copy
import itertools

import torch
import torch.nn as nn

from solutions.mutants import mutant

TASK = "fold-model"
LINEAR = (nn.Linear, nn.Conv2d)
NORM = (nn.BatchNorm1d, nn.BatchNorm2d)


def numbers(norm):
    """gamma, beta, mean, var + eps of a normalization."""
    gamma = torch.ones_like(norm.running_mean) if norm.weight is None else norm.weight
    beta = torch.zeros_like(norm.running_mean) if norm.bias is None else norm.bias
    return gamma, beta, norm.running_mean, norm.running_var + norm.eps


def merge(layer, norm):
    gamma, beta, mean, var = numbers(norm)
    rescale(layer, gamma * var**-0.5, lambda bias, scale: (bias - mean) * scale + beta)


def rescale(layer, scale, offset):
    bias = torch.zeros_like(scale) if layer.bias is None else layer.bias
    layer.weight = nn.Parameter(rows(layer.weight, scale))
    layer.bias = nn.Parameter(offset(bias, scale))


def rows(weight, scale):
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1))


def neighbours(model):
    """(container, name of the normalization, layer, normalization) of each pair in a row."""
    for part in list(model.modules()):
        if isinstance(part, nn.Sequential):
            for (_, layer), (name, norm) in itertools.pairwise(list(part.named_children())):
                if isinstance(layer, LINEAR) and isinstance(norm, NORM) and norm.running_mean is not None:
                    yield part, name, layer, norm


@torch.no_grad()
def fold(model, merge=merge, pairs=neighbours):
    model = copy.deepcopy(model).eval()
    for part, name, layer, norm in list(pairs(model)):
        merge(layer, norm)
        setattr(part, name, nn.Identity())
    return model


@mutant(TASK, says="Your scale acts on the inputs of the weight. It belongs to the outputs, which are axis 0.")
def scale_on_inputs(model):
    def columns(layer, norm):
        gamma, beta, mean, var = numbers(norm)
        scale = gamma * var**-0.5
        weight = layer.weight
        if weight.shape[1] == len(scale):
            spread = scale.reshape(1, -1, *[1] * (weight.ndim - 2))
            merge(layer, norm)
            layer.weight = nn.Parameter(weight * spread)
        else:
            merge(layer, norm)

    return fold(model, columns)


@mutant(TASK, says="eps is missing in your folded weights: the layer divides by sqrt(running_var + eps).")
def eps_missing(model):
    def without_eps(layer, norm):
        gamma, beta, mean, _ = numbers(norm)
        rescale(layer, gamma * norm.running_var**-0.5, lambda bias, scale: (bias - mean) * scale + beta)

    return fold(model, without_eps)


@mutant(TASK, says="You used 1e-5 for eps. Each normalization brings its own: norm.eps.")
def eps_hard_coded(model):
    def with_default_eps(layer, norm):
        gamma, beta, mean, _ = numbers(norm)
        rescale(layer, gamma * (norm.running_var + 1e-5) ** -0.5, lambda bias, scale: (bias - mean) * scale + beta)

    return fold(model, with_default_eps)


@mutant(TASK, says="You divided by running_var + eps without the root. The scale is gamma / sqrt(running_var + eps).")
def sqrt_missing(model):
    def variance(layer, norm):
        gamma, beta, mean, var = numbers(norm)
        rescale(layer, gamma / var, lambda bias, scale: (bias - mean) * scale + beta)

    return fold(model, variance)


@mutant(TASK, says="gamma is missing in your scale, gamma / sqrt(running_var + eps).")
def gamma_forgotten(model):
    def plain(layer, norm):
        _, beta, mean, var = numbers(norm)
        rescale(layer, var**-0.5, lambda bias, scale: (bias - mean) * scale + beta)

    return fold(model, plain)


@mutant(TASK, says="beta is missing in your folded bias: (bias - running_mean) * scale + beta.")
def beta_forgotten(model):
    def unshifted(layer, norm):
        gamma, _, mean, var = numbers(norm)
        rescale(layer, gamma * var**-0.5, lambda bias, scale: (bias - mean) * scale)

    return fold(model, unshifted)


@mutant(TASK, says="running_mean is missing in your folded bias: (bias - running_mean) * scale + beta.")
def mean_forgotten(model):
    def uncentred(layer, norm):
        gamma, beta, _, var = numbers(norm)
        rescale(layer, gamma * var**-0.5, lambda bias, scale: bias * scale + beta)

    return fold(model, uncentred)


@mutant(
    TASK,
    says="The old bias goes through the normalization, too, so it has to be scaled: (bias - running_mean) * scale + "
    "beta.",
)
def bias_not_scaled(model):
    def added(layer, norm):
        gamma, beta, mean, var = numbers(norm)
        rescale(layer, gamma * var**-0.5, lambda bias, scale: bias - mean * scale + beta)

    return fold(model, added)


@mutant(
    TASK,
    says="Where the linear layer has no bias, your offset is lost. Give it one: the normalization shifts its output "
    "in any case.",
)
def offset_lost_without_bias(model):
    def only_with_bias(layer, norm):
        had_none = layer.bias is None
        merge(layer, norm)
        if had_none:
            layer.bias = None

    return fold(model, only_with_bias)


@mutant(
    TASK, says="The normalizations are still there, so the model normalizes twice: put nn.Identity() in their place."
)
@torch.no_grad()
def normalization_kept(model):
    model = copy.deepcopy(model).eval()
    for _, _, layer, norm in neighbours(model):
        merge(layer, norm)
    return model


@mutant(
    TASK,
    says="Your folded model is in training mode. What you folded is the transform of evaluation: return it after "
    ".eval().",
)
def left_in_training_mode(model):
    return fold(model).train()


@mutant(TASK, says="The model that you were given has changed. Work on copy.deepcopy(model).")
@torch.no_grad()
def given_model_changed(model):
    model.eval()
    for part, name, layer, norm in list(neighbours(model)):
        merge(layer, norm)
        setattr(part, name, nn.Identity())
    return model


@mutant(
    TASK,
    says="You folded a normalization into a layer that does not stand directly before it. An activation in between is "
    "not a straight line, so that normalization has to stay.",
)
def folded_across_activations(model):
    def previous_linear(model):
        for part in list(model.modules()):
            last = None
            for name, child in list(part.named_children()) if isinstance(part, nn.Sequential) else []:
                last = child if isinstance(child, LINEAR) else last
                if isinstance(child, NORM) and last is not None:
                    yield part, name, last, child

    return fold(model, pairs=previous_linear)


@mutant(
    TASK,
    says="You removed every normalization, even those without a linear layer directly before them. What is not folded "
    "has to stay in the model.",
)
def all_removed(model):
    model = fold(model)
    for part in list(model.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, NORM):
                setattr(part, name, nn.Identity())
    return model


@mutant(TASK, says="You folded the first pair only. Go on to the end of the model.")
def first_pair_only(model):
    return fold(model, pairs=lambda given: itertools.islice(neighbours(given), 1))


@mutant(TASK, says="You folded linear layers but no convolutions. Both are linear maps: nn.Linear and nn.Conv2d.")
def convolutions_skipped(model):
    return fold(model, pairs=lambda given: [pair for pair in neighbours(given) if isinstance(pair[2], nn.Linear)])


@mutant(
    TASK,
    says="You folded with the statistics of a fresh layer, mean 0 and variance 1. Use running_mean and running_var.",
)
def statistics_forgotten(model):
    def fresh(layer, norm):
        gamma, beta, _, _ = numbers(norm)
        rescale(layer, gamma * (1 + norm.eps) ** -0.5, lambda bias, scale: bias * scale + beta)

    return fold(model, fresh)


@mutant(
    TASK,
    says="Nothing is folded in the model that you returned. Look at each pair of neighbours in a Sequential, a linear "
    "layer and then a normalization, and return the copy in which you changed them.",
)
def nothing_folded(model):
    return copy.deepcopy(model).eval()


@mutant(
    TASK,
    says="You called eval() on the model that you were given. Its mode is a part of it: copy it first, then call "
    "eval() on the copy.",
)
def mode_of_given_model_changed(model):
    return fold(model.eval())


@mutant(TASK, says="You added running_mean in the folded bias. It is subtracted: (bias - running_mean) * scale + beta.")
def mean_added(model):
    def plus(layer, norm):
        gamma, beta, mean, var = numbers(norm)
        rescale(layer, gamma * var**-0.5, lambda bias, scale: (bias + mean) * scale + beta)

    return fold(model, plus)


@mutant(TASK, says="gamma is missing in your folded bias: the scale with gamma multiplies all of bias - running_mean.")
def gamma_missing_in_bias(model):
    def without(layer, norm):
        gamma, beta, mean, var = numbers(norm)
        rescale(layer, gamma * var**-0.5, lambda bias, scale: (bias - mean) * var**-0.5 + beta)

    return fold(model, without)


@mutant(TASK, says="You folded convolutions but no linear layers. Both are linear maps: nn.Linear and nn.Conv2d.")
def linear_layers_skipped(model):
    return fold(model, pairs=lambda given: [pair for pair in neighbours(given) if isinstance(pair[2], nn.Conv2d)])


@mutant(
    TASK,
    says="You skip layers without a bias. They can be folded too: take zeros for the missing bias, and give the layer "
    "the new one.",
)
def layers_without_bias_skipped(model):
    return fold(model, pairs=lambda given: [pair for pair in neighbours(given) if pair[2].bias is not None])


@mutant(
    TASK,
    says="You walked through the outermost Sequential only. Pairs may stand at any depth: model.modules() visits all "
    "parts.",
)
def outermost_alone(model):
    return fold(model, pairs=lambda model: (found for found in neighbours(model) if found[0] is model))


@mutant(
    TASK,
    says="You left a normalization with affine=False unfolded. Its gamma is 1 and its beta 0; mean and variance are "
    "there all the same.",
)
def without_affine_skipped(model):
    return fold(model, pairs=lambda model: (found for found in neighbours(model) if found[3].weight is not None))
