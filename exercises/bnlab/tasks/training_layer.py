"""The task of notebook 07 that is about the student's layer: batch normalization as a part of a network."""

import numpy as np

from bnlab.answers import AnswerError, copy_arguments
from bnlab.compare import describe
from bnlab.sampling import affine, batch
from bnlab.tasks import Case, Task
from bnlab.tasks.forward import population
from bnlab.tasks.training import NOTEBOOK, leaves

__all__ = ["NOTEBOOK", "TASKS"]


def layer_inputs(n, c, *, eps=0.5, momentum=0.7, **options):
    """Inputs of the layer's test drive: batches with upstream gradients, one for another layer, one for evaluation."""

    def inputs(rng):
        batches = [batch(rng, n, c, **options) for _ in range(2)]
        dtype = batches[0].dtype
        running_mean, running_var = population(rng, c, dtype)
        return {
            "eps": eps,
            "momentum": momentum,
            "parameters": [dict(zip(("gamma", "beta"), affine(rng, c, dtype))) for _ in batches],
            "running_mean": running_mean,
            "running_var": running_var,
            "batches": batches,
            "upstream": [(rng.normal(size=x.shape) + 0.3).astype(dtype) for x in batches],
            "x_other": batch(rng, n, c, **options),
            "x_eval": batch(rng, n + 1, c, **options),
        }

    return inputs


def drive_layer(answer, inputs):
    """Build a layer and a second one, run two batches forward and backward, evaluate, and note what was seen."""
    settings = {"eps": inputs["eps"], "momentum": inputs["momentum"]}
    dtype = inputs["x_eval"].dtype
    layer, other = (answer(len(inputs["running_mean"]), **settings) for _ in range(2))
    start = [layer.training, *_entries(layer, "params"), layer.running_mean, layer.running_var]
    seen = [value.astype(dtype) if type(value) is np.ndarray else value for value in start]
    layer.running_mean, layer.running_var = inputs["running_mean"], inputs["running_var"]
    layer.training = True
    for x, dy, parameter in zip(inputs["batches"], inputs["upstream"], inputs["parameters"]):
        layer.params = copy_arguments(parameter)
        other.params = copy_arguments(parameter)
        seen.append(copy_arguments(layer.forward(x)))
        other.forward(inputs["x_other"])
        seen.append(copy_arguments(layer.backward(dy)))
        seen += copy_arguments(_entries(layer, "grads"))
    seen += copy_arguments([*_entries(layer, "params"), layer.running_mean, layer.running_var])
    layer.training = False
    seen.append(copy_arguments(layer.forward(inputs["x_eval"])))
    seen += copy_arguments([layer.running_mean, layer.running_var])
    return dict(zip(LAYER_LEAVES, seen))


def _entries(layer, attribute):
    """gamma and beta of a layer's params or grads."""
    found = getattr(layer, attribute)
    if type(found) is not dict:
        raise AnswerError("raised", f"{attribute} of your layer is {describe(found)}; expected a dict.")
    missing = [name for name in ("gamma", "beta") if name not in found]
    if missing:
        raise AnswerError("raised", f"{attribute} of your layer lacks {missing[0]!r}; it needs gamma and beta.")
    return [found["gamma"], found["beta"]]


LAYER_LEAVES = (
    "training at the start",
    "gamma at the start",
    "beta at the start",
    "running_mean at the start",
    "running_var at the start",
    "y of the first batch",
    "dx of the first batch",
    "grads['gamma'] of the first batch",
    "grads['beta'] of the first batch",
    "y of the second batch",
    "dx of the second batch",
    "grads['gamma'] of the second batch",
    "grads['beta'] of the second batch",
    "gamma after backward",
    "beta after backward",
    "running_mean after training",
    "running_var after training",
    "y in evaluation",
    "running_mean after evaluation",
    "running_var after evaluation",
)


LAYER = Task(
    id="train-steps",
    answer="BatchNorm",
    parameters=("num_features",),
    options=("eps", "momentum"),
    returns=leaves(LAYER_LEAVES),
    observe=drive_layer,
    cases=(
        Case("two batches of 7 samples with 3 features, eps = 0.5, momentum = 0.7", layer_inputs(7, 3)),
        Case(
            "two batches of 5 samples with 4 features, eps = 0.1, momentum = 0.2",
            layer_inputs(5, 4, eps=0.1, momentum=0.2),
        ),
    ),
    hints=(
        "Your functions of notebooks 03 and 04 do the arithmetic. The layer keeps gamma and beta in params, the cache "
        "between forward and backward, and the running statistics.",
        "forward looks at training, then reads params; backward puts the two gradients into grads and returns dx.",
        "Chapter 8, section `Six equations become one`: the last of its equations; chapter 6 has the forward pass.",
    ),
    page="08_backward_one_line.html#six-equations-become-one",
    note="Only the layer was checked: when the notebook is graded, it is trained and its steps to the target count.",
)

TASKS = [LAYER]
