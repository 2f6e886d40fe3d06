"""Tasks of notebook 03: batch normalization forward, in training and in evaluation."""

import numpy as np

from bnlab.answers import AnswerError, copy_arguments
from bnlab.sampling import affine, batch
from bnlab.tasks import Case, Task

NOTEBOOK = "03_forward"

ONE_PASS = "one_pass_variance"  # its rounding errors differ from machine to machine


def statistics_inputs(n, c, **options):
    """Inputs of `batch_statistics`: rng -> {"x"}."""
    return lambda rng: {"x": batch(rng, n, c, **options)}


def train_inputs(n, c, *, eps=None, constant=None, **options):
    """Inputs of `batchnorm_train`: rng -> {"x", "gamma", "beta"} and "eps" unless it is None.

    constant : float, optional
        Value of every entry of the last feature.
    """

    def inputs(rng):
        x = batch(rng, n, c, **options)
        if constant is not None:
            x[:, -1] = constant
        gamma, beta = affine(rng, c, x.dtype)
        return {"x": x, "gamma": gamma, "beta": beta} | ({} if eps is None else {"eps": eps})

    return inputs


def running_inputs(n, c, *, momentum=None, **options):
    """Inputs of `update_running`: rng -> {"running_mean", "running_var", "x"} and "momentum" unless it is None."""

    def inputs(rng):
        x = batch(rng, n, c, **options)
        running_mean, running_var = population(rng, c, x.dtype)
        stored = {"running_mean": running_mean, "running_var": running_var, "x": x}
        return stored | ({} if momentum is None else {"momentum": momentum})

    return inputs


def eval_inputs(n, c, *, eps=None, **options):
    """Inputs of `batchnorm_eval`: those of `batchnorm_train` and "running_mean", "running_var"."""

    def inputs(rng):
        drawn = train_inputs(n, c, eps=eps, **options)(rng)
        running_mean, running_var = population(rng, c, drawn["x"].dtype)
        return drawn | {"running_mean": running_mean, "running_var": running_var}

    return inputs


def layer_inputs(n, c, *, eps=0.5, momentum=0.7, steps=3, **options):
    """Inputs of the layer's test drive: rng -> {"batches", "x_eval", "gamma", "beta", "eps", "momentum"}."""

    def inputs(rng):
        gamma, beta = affine(rng, c)
        batches = [batch(rng, n, c, **options) for _ in range(steps)]
        settings = {"eps": eps, "momentum": momentum, "gamma": gamma, "beta": beta}
        return settings | {"batches": batches, "x_eval": batch(rng, n + 1, c, **options)}

    return inputs


def population(rng, c, dtype=np.float64):
    """A running mean and a running variance that differ from those of any batch."""
    return rng.normal(size=c).astype(dtype), rng.uniform(0.3, 3.0, size=c).astype(dtype)


def observe_running(answer, inputs):
    """Call `update_running`; for a batch of one sample the result is the name of the error, twice."""
    try:
        return RUNNING.call(answer, inputs)
    except AnswerError as error:
        if error.kind != "raised" or len(inputs["x"]) > 1:
            raise
        name = error.text.split(" raised ", 1)[-1].split(":", 1)[0]
        return name, name


LAYER_LEAVES = (
    "training at the start",
    "gamma at the start",
    "beta at the start",
    "running_mean at the start",
    "running_var at the start",
    "y of the first batch",
    "y of the last batch",
    "running_mean after training",
    "running_var after training",
    "y in evaluation",
    "running_mean after evaluation",
    "running_var after evaluation",
    "running_mean of another layer",
)


def drive_layer(answer, inputs):
    """Build two layers, train one on some batches, evaluate it, and note what was seen of both on the way."""
    settings = {"eps": inputs["eps"], "momentum": inputs["momentum"]}
    features = len(inputs["gamma"])

    def stored(layer, *names):
        return [copy_arguments(getattr(layer, name)) for name in names]

    layer, other = (answer(features, **settings) for _ in range(2))
    seen = stored(layer, "training", "gamma", "beta", "running_mean", "running_var")
    layer.gamma, layer.beta = inputs["gamma"], inputs["beta"]
    ys = [copy_arguments(layer(x)) for x in inputs["batches"]]
    seen += [ys[0], ys[-1], *stored(layer, "running_mean", "running_var")]
    layer.training = False
    layer.gamma, layer.beta = -inputs["gamma"], inputs["beta"] + 1.0  # as a step of training would change them
    seen += [copy_arguments(layer(inputs["x_eval"])), *stored(layer, "running_mean", "running_var")]
    seen += stored(other, "running_mean")
    return dict(zip(LAYER_LEAVES, seen))


def scale_is_right(inputs, expected, got):
    """Remark on `batchnorm_train`: a right x_hat leaves only the line with gamma and beta."""

    def alike(leaf):
        return np.shape(got[leaf]) == expected[leaf].shape and np.allclose(got[leaf], expected[leaf], rtol=1e-4)

    if alike("x_hat") and not alike("y"):
        return "Your x_hat is right, so the slip is in the step from x_hat to y, where gamma and beta come in."
    if alike("y") and not (alike("x_hat") and alike("inv_std")):
        return "Your y is right; the cache has to be (x_hat, inv_std, gamma), in this order."
    return None


def straight_line(inputs, expected, got):
    """Remark on `batchnorm_eval`: y is a straight line in x for each feature; which part of it is off."""
    x, y, right = inputs["x"], got["y"], expected["y"]
    if np.shape(y) != right.shape or len(x) < 3 or not np.isfinite(y).all():
        return None
    for j in range(x.shape[1]):
        line, wanted = np.polyfit(x[:, j], y[:, j], 1), np.polyfit(x[:, j], right[:, j], 1)
        if not np.allclose(line, wanted, rtol=1e-3, atol=1e-3):
            part = "slope" if abs(line[0] - wanted[0]) > 1e-3 * abs(wanted[0]) else "offset"
            cause = "gamma, running_var or eps" if part == "slope" else "running_mean or beta"
            value, right_value = (line[0], wanted[0]) if part == "slope" else (line[1], wanted[1])
            return (
                f"For each feature y is a straight line in x. For feature {j} the {part} of yours is {value:.6g}, "
                f"expected {right_value:.6g}: look at what you do with {cause}."
            )
    return None


STATISTICS = Task(
    id="batch-statistics",
    answer="batch_statistics",
    parameters=("x",),
    returns=("mu", "var"),
    cases=(
        Case("a batch of 7 samples with 3 features", statistics_inputs(7, 3)),
        Case("a batch of 4 samples with 5 features", statistics_inputs(4, 5, mean=-2.0, std=0.7)),
        Case(
            "16 samples around 10,000 in float32", statistics_inputs(16, 3, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS
        ),
    ),
    hints=(
        "Each feature has statistics of its own: which axis of an (N, C) array has to disappear?",
        "The variance is the mean of the squared distances from mu, so subtract mu before you square.",
        "Chapter 6, section `The transform in four lines`: its first two equations.",
    ),
    page="06_transform.html#the-transform-in-four-lines",
)

TRAIN = Task(
    id="forward-train",
    answer="batchnorm_train",
    parameters=("x", "gamma", "beta"),
    options=("eps",),
    returns=("y", ("x_hat", "inv_std", "gamma")),
    cases=(
        Case("a batch of 7 samples with 3 features, eps = 0.5", train_inputs(7, 3, eps=0.5)),
        Case("4 samples with 2 features that hardly vary, default eps", train_inputs(4, 2, mean=0.0, std=0.01)),
        Case("16 samples around 10,000 in float32", train_inputs(16, 3, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
        Case("5 samples whose variance is below eps", train_inputs(5, 3, mean=0.0, std=0.01, eps=1e-3)),
    ),
    hints=(
        "Three steps: centre the batch, divide by its width, then let gamma and beta move it where training wants it.",
        "eps is added to the variance, and the root is taken of the sum; gamma and beta act on x_hat.",
        "Chapter 6, section `The transform in four lines`: the third equation is x_hat, the fourth is y.",
    ),
    page="06_transform.html#the-transform-in-four-lines",
    remarks=(scale_is_right,),
)

RUNNING = Task(
    id="forward-running",
    answer="update_running",
    parameters=("running_mean", "running_var", "x"),
    options=("momentum",),
    returns=("running_mean", "running_var"),
    observe=observe_running,
    cases=(
        Case("a batch of 4 samples with 3 features, momentum = 0.7", running_inputs(4, 3, momentum=0.7)),
        Case("a batch of 6 samples with 2 features, default momentum", running_inputs(6, 2, mean=3.0)),
        Case("16 samples around 10,000 in float32", running_inputs(16, 3, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
        Case("a single sample, which has no spread to measure", running_inputs(1, 3)),
    ),
    hints=(
        "Both results are weighted averages of the old value and of what this batch says; the weights sum to 1.",
        "momentum is the weight of the new batch, and the variance that goes in is the unbiased one.",
        "Chapter 6: the first equation of `Training and inference`; for the variance, that of `The divisor is N, and "
        "it matters twice`.",
    ),
    page="06_transform.html#training-and-inference",
)

EVAL = Task(
    id="forward-eval",
    answer="batchnorm_eval",
    parameters=("x", "gamma", "beta", "running_mean", "running_var"),
    options=("eps",),
    returns="y",
    cases=(
        Case("a batch of 6 samples with 3 features, eps = 0.5", eval_inputs(6, 3, eps=0.5)),
        Case("4 samples with 5 features, default eps", eval_inputs(4, 5)),
    ),
    hints=(
        "The formula is that of training; only the mean and the variance come from elsewhere.",
        "No statistic of x appears: what happens to one row must not depend on the other rows.",
        "Chapter 6, section `Training and inference`: its second equation.",
    ),
    page="06_transform.html#training-and-inference",
    remarks=(straight_line,),
)

LAYER = Task(
    id="forward-layer",
    answer="BatchNorm",
    parameters=("num_features",),
    options=("eps", "momentum"),
    returns={leaf: leaf for leaf in LAYER_LEAVES},
    observe=drive_layer,
    cases=(
        Case("3 batches of 4 samples with 3 features, eps = 0.5, momentum = 0.7", layer_inputs(4, 3)),
        Case(
            "2 batches of 7 samples with 2 features, eps = 0.1, momentum = 0.2",
            layer_inputs(7, 2, eps=0.1, momentum=0.2, steps=2),
        ),
        Case("2 batches around 1,000,000", layer_inputs(8, 3, steps=2, mean=1e6), 1e-6, ONE_PASS),
    ),
    hints=(
        "The object remembers four arrays of C numbers and one switch; the call reads the switch first.",
        "In training, use the batch's own statistics and update the running ones; in evaluation, only read those.",
        "Chapter 6, section `Training and inference`: the update and the evaluation, one equation each.",
    ),
    page="06_transform.html#training-and-inference",
)

TASKS = [STATISTICS, TRAIN, RUNNING, EVAL, LAYER]
