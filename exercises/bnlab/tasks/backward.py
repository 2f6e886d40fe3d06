"""Tasks of notebook 04: batch normalization backward, from finite differences to one line."""

import numpy as np

from bnlab.answers import strided
from bnlab.sampling import affine, batch
from bnlab.tasks import UNTIMED, Case, Task
from bnlab.tasks.forward import population

NOTEBOOK = "04_backward"


def function_inputs(f, shape, *, h=None, layout="C", dy_shape=None):
    """Inputs of `numerical_gradient`: rng -> {"f", "x", "dy"} and "h" unless it is None.

    dy_shape : tuple, optional
        Shape of f(x), where it differs from that of x.
    """

    def inputs(rng):
        x = rng.normal(size=shape)
        x = strided(x) if layout == "strided" else np.asfortranarray(x) if layout == "F" else x
        drawn = {"f": f, "x": x, "dy": rng.normal(size=shape if dy_shape is None else dy_shape)}
        return drawn | ({} if h is None else {"h": h})

    return inputs


def coupled(a):
    """A function in which each output depends on every sample, as in batch normalization."""
    return np.tanh(a) * (a * a).mean(axis=0)


def cube(a):
    return a**3


def turned(a):
    """A view of its argument: who writes into a later writes into this result too."""
    return a.T


def graph_inputs(n, c, *, eps=None, **options):
    """Inputs of `batchnorm_backward_graph`: rng -> {"dy", "x", "gamma"} and "eps" unless it is None."""

    def inputs(rng):
        x = batch(rng, n, c, **options)
        drawn = {"dy": upstream(rng, x), "x": x, "gamma": affine(rng, c, x.dtype)[0]}
        return drawn | ({} if eps is None else {"eps": eps})

    return inputs


def cache_inputs(n, c, *, eps=0.5, dtype=np.float64, layout="C"):
    """Inputs of `batchnorm_backward`: rng -> {"dy", "cache"}."""

    def inputs(rng):
        cache = plausible_cache(rng, n, c, eps, dtype, layout)
        return {"dy": upstream(rng, cache[0]), "cache": cache}

    return inputs


def eval_backward_inputs(n, c, *, eps=None, **options):
    """Inputs of `batchnorm_eval_backward`: those of the graph and "running_mean", "running_var"."""

    def inputs(rng):
        drawn = graph_inputs(n, c, eps=eps, **options)(rng)
        running_mean, running_var = population(rng, c, drawn["x"].dtype)
        return drawn | {"running_mean": running_mean, "running_var": running_var}

    return inputs


def upstream(rng, x):
    """A random upstream gradient: for a constant one batch normalization answers dx = 0 whatever the code does."""
    return (rng.normal(size=x.shape) + 0.3).astype(x.dtype)


def plausible_cache(rng, n, c, eps, dtype=np.float64, layout="C"):
    """A cache as a forward pass leaves it, without a forward pass.

    Each column of x_hat is a mixture of cosines over the n samples, so that its mean is 0; its mean square is
    1 - eps * inv_std**2, that is var / (var + eps).
    """
    inv_std = rng.uniform(0.3, 0.9, size=c)
    waves = np.arange(1, min((n - 1) // 2, 16) + 1)
    weights = rng.normal(size=(len(waves), c))
    weights *= np.sqrt(2 * (1 - eps * inv_std**2) / (weights**2).sum(axis=0))
    phases = rng.uniform(0, 2 * np.pi, size=(len(waves), c))
    angles = 2 * np.pi * np.arange(n)[:, None] * waves / n  # (n, waves)
    x_hat = np.cos(angles) @ (weights * np.cos(phases)) - np.sin(angles) @ (weights * np.sin(phases))  # cos(a + phase)
    x_hat = x_hat.astype(dtype)
    x_hat = strided(x_hat) if layout == "strided" else np.asfortranarray(x_hat) if layout == "F" else x_hat
    return x_hat, inv_std.astype(dtype), affine(rng, c, dtype)[0]


def missing_path(inputs, expected, got):
    """Remark on a wrong dx: which path of the graph is lacking, by projection on 1 and x_hat."""
    x_hat = inputs["cache"][0] if "cache" in inputs else inputs["x"] - inputs["x"].mean(axis=0)
    dx, right = got["dx"], expected["dx"]
    if np.shape(dx) != right.shape or not np.isfinite(dx).all() or np.allclose(dx, right, rtol=1e-5, atol=1e-9):
        return None
    gap, size = dx - right, np.abs(right).max()
    along_one = np.abs(gap.mean(axis=0)).max() > 1e-4 * size
    along_x_hat = np.abs((gap * x_hat).mean(axis=0)).max() > 1e-4 * size
    rest = gap - gap.mean(axis=0) - x_hat * (gap * x_hat).sum(axis=0) / (x_hat**2).sum(axis=0)
    if np.abs(rest).max() > 1e-4 * size:
        return None
    if along_one and not along_x_hat:
        return "Only the column means of your dx are off; a right dx has column means 0: look at the path through mu."
    if along_x_hat and not along_one:
        return "Your dx differs by a multiple of x_hat in each column: look at the path through var."
    return "Your dx differs by a constant and a multiple of x_hat in each column: look at the paths through mu and var."


NUMERIC = Task(
    id="numerical-gradient",
    answer="numerical_gradient",
    parameters=("f", "x", "dy"),
    options=("h",),
    returns="dx",
    cases=(
        Case(
            "a function that couples the samples, x of shape (4, 3), h = 0.01",
            function_inputs(coupled, (4, 3), h=0.01),
            1e-6,
        ),
        Case("y = x**3 with the wide step h = 0.1", function_inputs(cube, (3, 2), h=0.1), 1e-6),
        Case("f(x) = x.T, a view of its argument", function_inputs(turned, (2, 4), dy_shape=(4, 2)), 1e-6),
        Case("y = x**3, x with three axes, of shape (2, 3, 2)", function_inputs(cube, (2, 3, 2), h=0.1), 1e-6),
    ),
    hints=(
        "Move one entry of a copy of x up by h, then down by h. How does the single number sum(dy * f(x)) respond?",
        "Visit every index of x, start each time from a fresh copy of x, and divide by the whole distance, 2h.",
        "Chapter 7, section `How to measure a derivative`: its equation is the function that you write.",
    ),
    page="07_backward_graph.html#how-to-measure-a-derivative",
)

GRAPH = Task(
    id="backward-graph",
    answer="batchnorm_backward_graph",
    parameters=("dy", "x", "gamma"),
    options=("eps",),
    returns={name: name for name in ("dx_hat", "dvar", "dmu", "dx", "dgamma", "dbeta")},
    partial=True,
    cases=(
        Case("a batch of 7 samples with 3 features, eps = 0.5", graph_inputs(7, 3, eps=0.5)),
        Case("8 samples with 2 features, default eps", graph_inputs(8, 2, mean=-2.0, std=0.1)),
    ),
    hints=(
        "Walk from y back to x. The gradient at a node is the gradient that arrives times the local derivative, summed "
        "over all the entries that the node feeds.",
        "x feeds three nodes: x_hat, var and mu. dx is the sum of what comes back from the three.",
        "Chapter 7, section `One rule per node`: one equation for each key of the dict.",
    ),
    page="07_backward_graph.html#one-rule-per-node",
    remarks=(missing_path,),
)

BACKWARD = Task(
    id="backward",
    answer="batchnorm_backward",
    parameters=("dy", "cache"),
    returns=("dx", "dgamma", "dbeta"),
    cases=(
        Case("a batch of 7 samples with 3 features", cache_inputs(7, 3)),
        Case("8 samples with 5 features, small eps", cache_inputs(8, 5, eps=1e-5)),
    ),
    hints=(
        "dgamma and dbeta are sums over the batch, and the two averages that dx needs are these sums divided by N.",
        "dx is dy minus its mean, minus x_hat times the mean of dy * x_hat; then comes one factor for each feature.",
        "Chapter 8, section `Six equations become one`: the last of its equations.",
    ),
    page="08_backward_one_line.html#six-equations-become-one",
    remarks=(missing_path,),
)

SPEED = Task(
    id="backward-speed",
    answer="batchnorm_backward",
    parameters=("dy", "cache"),
    returns=("dx", "dgamma", "dbeta"),
    cases=(Case("a batch of 17 samples with 9 features", cache_inputs(17, 9)),),
    hints=(
        "Count the passes over (N, C) arrays: each `*`, `+` or `sum` over one of them reads it all from memory.",
        "Arrays of shape (C,) cost next to nothing: combine those first, and the large ones as seldom as you can.",
        "Chapter 8, section `What it costs`: arrays read and written by the graph and by the closed form.",
    ),
    page="08_backward_one_line.html#what-it-costs",
    note=UNTIMED,
    pace=cache_inputs(300, 1000),
)

EVAL = Task(
    id="backward-eval",
    answer="batchnorm_eval_backward",
    parameters=("dy", "x", "gamma", "running_mean", "running_var"),
    options=("eps",),
    returns=("dx", "dgamma", "dbeta"),
    cases=(
        Case("a batch of 7 samples with 3 features, eps = 0.5", eval_backward_inputs(7, 3, eps=0.5)),
        Case("6 samples with 4 features, default eps", eval_backward_inputs(6, 4)),
    ),
    hints=(
        "Which quantities in the formula depend on x? In evaluation the statistics do not.",
        "For each feature y is a straight line in x, so dx is dy times its slope; dgamma and dbeta stay sums.",
        "Chapter 8, section `In evaluation the samples part`: one equation for each gradient.",
    ),
    page="08_backward_one_line.html#in-evaluation-the-samples-part",
)

TASKS = [NUMERIC, GRAPH, BACKWARD, SPEED, EVAL]
