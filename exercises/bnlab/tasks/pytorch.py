"""Tasks of notebook 08: batch normalization in PyTorch, for one process, for two, and for none (folded away)."""

import numpy as np

from bnlab.answers import strided
from bnlab.sampling import affine, batch
from bnlab.tasks import Case, Task
from bnlab.tasks.backward import upstream
from bnlab.tasks.forward import ONE_PASS, population
from bnlab.torch_drivers import (
    FOLD_LEAVES,
    FUNCTION_LEAVES,
    MODULE_LEAVES,
    drive_fold,
    drive_function,
    drive_many_sync,
    drive_module,
    drive_sync,
)

NOTEBOOK = "08_pytorch"
LIBRARIES = ("torch", "torch._dynamo")  # gradcheck and TorchDispatchMode load the second when they first run, in 1.5 s


# -- bn-function ------------------------------------------------------------------------------------------------------
def function_inputs(n, c, *, eps=0.5, gradcheck=False, constant=None, **options):
    """Inputs of `BatchNormFunction`: rng -> {"x", "gamma", "beta", "eps", "dy", "gradcheck"}.

    constant : float, optional
        Value of every entry of the last feature.
    """

    def inputs(rng):
        x = batch(rng, n, c, **options)
        if constant is not None:
            x[:, -1] = constant
        gamma, beta = affine(rng, c, x.dtype)
        drawn = {"x": x, "gamma": gamma, "beta": beta, "eps": eps, "dy": upstream(rng, x)}
        return drawn | {"gradcheck": gradcheck}

    return inputs


# -- bn-module --------------------------------------------------------------------------------------------------------
def module_inputs(
    *shape, eps=0.5, momentum=0.7, steps=3, with_affine=True, track=True, mean=1.0, dtype=np.float64, layout="C"
):
    """Inputs of the module's test drive; shape is (N, C) or (N, C, H, W)."""

    def inputs(rng):
        n, c = shape[:2]
        batches = [images(rng, (n + step % 2, *shape[1:]), mean, dtype, layout) for step in range(steps)]
        weight, bias = affine(rng, c, dtype)
        running_mean, running_var = population(rng, c, dtype)
        state = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
        return {
            "eps": eps,
            "momentum": momentum,
            "affine": with_affine,
            "track_running_stats": track,
            "state": state | {"num_batches_tracked": np.array(rng.integers(2, 50))},
            "batches": batches,
            "dy": upstream(rng, batches[-1]),
            "x_eval": images(rng, (n + 1, *shape[1:]), mean, dtype, layout),
        }

    return inputs


def images(rng, shape, mean=1.0, dtype=np.float64, layout="C"):
    """A batch of any shape with channels on axis 1, of different centres and widths."""
    others = (shape[0], *shape[2:])
    x = np.moveaxis(batch(rng, int(np.prod(others)), shape[1], mean=mean).T.reshape(shape[1], *others), 0, 1)
    x = np.ascontiguousarray(x, dtype)
    return strided(x) if layout == "strided" else np.asfortranarray(x) if layout == "F" else x


# -- sync-statistics --------------------------------------------------------------------------------------------------
def sync_inputs(sizes, c, *, groups=None, mean=1.0, apart=2.0, dtype=np.float64, layout="C"):
    """Inputs of `sync_batch_statistics`: rng -> {"shards"} and "groups" unless it is None.

    apart : float
        How far the shards' means lie from one another: what is lost where only variances are averaged.
    """

    def inputs(rng):
        offsets = apart * np.arange(len(sizes))
        shards = [batch(rng, n, c, mean=mean + off, dtype=dtype, layout=layout) for n, off in zip(sizes, offsets)]
        return {"shards": shards} | ({} if groups is None else {"groups": groups})

    return inputs


# -- fold-model -------------------------------------------------------------------------------------------------------
def fold_inputs(model, *shape, training=False, dtype=np.float64):
    """Inputs of `fold_model`: rng -> {"model", "state", "x", "training"}; model is a name of `bnlab.torch_models`."""

    def inputs(rng):
        from bnlab.torch_models import MODELS

        state = {}
        for name, value in MODELS[model]().state_dict().items():
            if value.is_floating_point():
                positive = name.endswith("running_var")
                drawn = rng.uniform(0.3, 3, size=value.shape) if positive else rng.normal(size=value.shape)
                state[name] = drawn.astype(dtype)
        return {"model": model, "state": state, "x": images(rng, shape, 0.0, dtype), "training": training}

    return inputs


FUNCTION = Task(
    id="bn-function",
    answer="BatchNormFunction",
    parameters=(),
    returns={leaf: leaf for leaf in FUNCTION_LEAVES},
    driver=drive_function,
    by_hand=True,
    cases=(
        Case("a batch of 7 samples with 3 features, eps = 0.5", function_inputs(7, 3, gradcheck=True)),
        Case("a batch of 4 samples with 5 features, eps = 0.1", function_inputs(4, 5, eps=0.1, mean=-2.0)),
        Case("16 samples with 3 features in float32", function_inputs(16, 3, dtype=np.float32), 1e-3),
    ),
    hints=(
        "forward and backward have no common `self`: what does backward need from forward, and how does it get there?",
        "backward returns one gradient for each argument of forward after ctx, in their order, and None for eps.",
        "Chapter 8, section `Six equations become one`: the closed form of dx; dgamma and dbeta are sums over samples.",
    ),
    page="08_backward_one_line.html#six-equations-become-one",
)

MODULE = Task(
    id="bn-module",
    answer="BatchNorm",
    parameters=("num_features",),
    options=("eps", "momentum", "affine", "track_running_stats"),
    returns={leaf: leaf for leaf in MODULE_LEAVES},
    driver=drive_module,
    by_hand=True,
    cases=(
        Case("3 batches of 4 or 5 samples with 3 features, eps = 0.5, momentum = 0.7", module_inputs(4, 3)),
        Case(
            "2 batches of images of shape (2, 3, 4, 5), eps = 0.1, momentum = 0.2",
            module_inputs(2, 3, 4, 5, eps=0.1, momentum=0.2, steps=2),
        ),
        Case("2 batches of 6 or 7 samples, track_running_stats=False", module_inputs(6, 2, track=False, steps=2)),
        Case("2 batches of 5 or 6 samples, affine=False", module_inputs(5, 4, with_affine=False, steps=2)),
        Case("a batch of one image, shape (1, 2, 3, 4)", module_inputs(1, 2, 3, 4, steps=1)),
    ),
    hints=(
        "Which of the five entries of the state does the optimizer change, and which only the layer itself? "
        "torch has a place for each kind.",
        "y needs statistics that the gradient can flow through; the running ones take a copy without a graph.",
        "Chapter 9, section `What a layer remembers`: the table of the five entries of a state_dict.",
    ),
    page="09_inference.html#what-a-layer-remembers",
)

SYNC = Task(
    id="sync-statistics",
    answer="sync_batch_statistics",
    parameters=("x",),
    options=("group",),
    returns={
        "process 0": ("process 0, mean", "process 0, var"),
        "the last process": ("last process, mean", "last process, var"),
    },
    driver=drive_sync,
    driver_of_many=drive_many_sync,
    by_hand=True,
    cases=(
        Case("two processes with 5 and 3 samples of 4 features", sync_inputs((5, 3), 4)),
        Case("three processes in two groups, {0, 2} and {1}", sync_inputs((2, 6, 5), 3, groups=[[0, 2], [1]])),
        Case(
            "two processes with 16 and 8 samples around 10,000 in float32",
            sync_inputs((16, 8), 3, mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
    ),
    hints=(
        "A process knows only its own samples. Which sums, added up over the processes, give the mean of all samples?",
        "The variance needs distances from the mean of ALL samples: first agree on it, then add up squared distances.",
        "Chapter 14, section `Batches in several places`: the equation that merges counts, means, squared distances.",
    ),
    page="14_when_it_fails.html#batches-in-several-places",
)

FOLD = Task(
    id="fold-model",
    answer="fold_model",
    parameters=("model",),
    returns={leaf: leaf for leaf in FOLD_LEAVES},
    driver=drive_fold,
    cases=(
        Case("Linear, BatchNorm1d, ReLU, Linear", fold_inputs("linear", 6, 5)),
        Case("a square Linear without bias, in training mode", fold_inputs("square", 5, 4, training=True)),
        Case("two convolutions, each with its BatchNorm2d", fold_inputs("convolution", 2, 3, 6, 7)),
        Case("layers that have to stay, and one that does not", fold_inputs("apart", 5, 4)),
        Case("Sequentials within a Sequential", fold_inputs("nested", 2, 2, 6, 6)),
        Case("a BatchNorm1d with affine=False", fold_inputs("without_affine", 6, 5)),
        Case("a BatchNorm1d without running statistics", fold_inputs("untracked", 6, 4)),
    ),
    hints=(
        "In evaluation a normalization scales and shifts each channel. Which numbers of the layer before can do that?",
        "Make a deep copy in evaluation mode; then go through the children of each Sequential in neighbouring pairs.",
        "Chapter 9, section `Folding`: the equations for weight and bias, and which axis the scale belongs to.",
    ),
    page="09_inference.html#folding",
)

TASKS = [FUNCTION, MODULE, SYNC, FOLD]
