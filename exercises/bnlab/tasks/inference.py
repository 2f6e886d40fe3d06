"""Tasks of notebook 06: statistics put together from parts, layers that fold, and batches inside batches."""

import numpy as np

from bnlab.answers import AnswerError
from bnlab.sampling import affine, batch
from bnlab.tasks import Case, Task
from bnlab.tasks.convolution import laid_out
from bnlab.tasks.forward import ONE_PASS, population

NOTEBOOK = "06_inference"

RAW_MOMENTS = "raw_moments"  # the one-pass slip of merging; its rounding errors differ from machine to machine


def parts_inputs(counts, c, *, mean=0.0, between=2.0, dtype=np.float64):
    """Inputs of `merge_statistics`: rng -> {"parts"}, one (n, mean, m2) for each of the counts.

    between : float
        Standard deviation of the parts' means.
    """

    def inputs(rng):
        parts = []
        for n in counts:
            centre = mean + between * rng.normal(size=c)
            squares = (n - 1) * rng.uniform(0.5, 4.0, size=c)  # a single sample has no distance from its mean
            parts.append((n, centre.astype(dtype), squares.astype(dtype)))
        return {"parts": parts}

    return inputs


def batches_inputs(sizes, c, *, mean=1.0, std=2.0, between=2.0, dtype=np.float64, layout="C"):
    """Inputs of `precise_statistics`: rng -> {"batches"}, batches of the given sizes that differ in their means."""

    def inputs(rng):
        batches = []
        for size in sizes:
            x = batch(rng, size, c, mean=0.0, std=std) + mean + between * rng.normal(size=c)
            batches.append(laid_out(x.astype(dtype), layout))
        return {"batches": batches}

    return inputs


def fold_inputs(shape, *, eps=None, dtype=np.float64, layout="C"):
    """Inputs of `fold_linear` and `fold_conv2d`: a layer, parameters and statistics; "eps" unless it is None.

    shape : tuple
        Of the weight: (out, in) or (out, in, kh, kw).
    """

    def inputs(rng):
        weight = laid_out((rng.normal(size=shape) + 0.2).astype(dtype), layout)
        gamma, beta = affine(rng, shape[0], dtype)
        running_mean, running_var = population(rng, shape[0], dtype)
        layer = {"weight": weight, "bias": (rng.normal(size=shape[0]) + 0.7).astype(dtype)}
        statistics = {"running_mean": running_mean + dtype(0.5), "running_var": running_var}
        return layer | {"gamma": gamma, "beta": beta} | statistics | ({} if eps is None else {"eps": eps})

    return inputs


def ghost_inputs(n, c, ghost_size, *, eps=None, constant=None, **options):
    """Inputs of `ghost_batchnorm`: rng -> {"x", "ghost_size", "gamma", "beta"} and "eps" unless it is None.

    constant : float, optional
        Value of every entry of the last feature.
    """

    def inputs(rng):
        x = batch(rng, n, c, **options)
        if constant is not None:
            x[:, -1] = constant
        gamma, beta = affine(rng, c, x.dtype)
        drawn = {"x": x, "ghost_size": ghost_size, "gamma": gamma, "beta": beta}
        return drawn | ({} if eps is None else {"eps": eps})

    return inputs


# For each feature: spread of the batch over that of the population, and distance of the means in units of the latter.
RENORM_PATTERN = ((1.2, 0.3), (4.0, -0.2), (0.25, 0.3), (0.85, 4.0), (1.1, -4.0), (0.9, -0.3))


def renorm_inputs(n, c, *, r_max, d_max, eps=None, constant=None, **options):
    """Inputs of `batch_renorm`: a batch, parameters, statistics near and far from the batch's, and the two limits."""

    def inputs(rng):
        x = batch(rng, n, c, **options)
        if constant is not None:
            x[:, -1] = constant
        gamma, beta = affine(rng, c, x.dtype)
        ratio, distance = np.resize(RENORM_PATTERN, (c, 2)).T * rng.uniform(0.9, 1.1, size=(2, c))
        width = np.maximum(np.ptp(x, axis=0), 1.0) / 3 / ratio
        running_mean = np.median(x, axis=0) - distance * width
        statistics = {"running_mean": running_mean.astype(x.dtype), "running_var": (width**2).astype(x.dtype)}
        limits = {"r_max": r_max, "d_max": d_max} | ({} if eps is None else {"eps": eps})
        return {"x": x, "gamma": gamma, "beta": beta} | statistics | limits

    return inputs


def observe_merge(answer, inputs):
    """Call `merge_statistics`; a count that is whole may come as any kind of number."""
    result = MERGE.call(answer, inputs)
    if type(result) in (tuple, list) and len(result) == 3:
        n, *rest = result
        scalar = isinstance(n, (float, np.integer, np.floating)) or (type(n) is np.ndarray and n.ndim == 0)
        if scalar and np.isfinite(n) and n == int(n):
            return (int(n), *rest)
    return result


def observe_ghosts(answer, inputs):
    """Call `ghost_batchnorm`; an error where the last ghost batch is smaller is told with that circumstance."""
    try:
        return GHOST.call(answer, inputs)
    except AnswerError as error:
        left = len(inputs["x"]) % inputs["ghost_size"]
        if error.kind != "raised" or not left:
            raise
        size = inputs["ghost_size"]
        cure = (
            f" Here the last ghost batch has {left} samples instead of {size}: {len(inputs['x'])} is no multiple of it."
        )
        raise AnswerError("raised", error.text + cure) from None


def merged_mean(inputs, expected, got):
    """Remark on `merge_statistics`: a right mean leaves only the distances."""
    if np.shape(got["mean"]) != expected["mean"].shape or np.shape(got["m2"]) != expected["m2"].shape:
        return None
    if not isinstance(got["n"], int) or got["n"] != expected["n"]:
        return None
    if not np.allclose(got["mean"], expected["mean"], rtol=1e-6):
        return "Look at the mean first: it is the mean of all samples, so each part counts in proportion to its n."
    total = got["m2"] < sum(part[2] for part in inputs["parts"]) * (1 - 1e-6)
    if np.any(total):
        return (
            "Your m2 is smaller than the sum of the parts' m2. Measured from the common mean, no sum of squares can "
            "shrink."
        )
    return "Your mean is right, so the slip is in m2, in the term for the distance between the parts' means."


def sizes_of_precise(inputs, expected, got):
    """Remark on `precise_statistics`: a right mean leaves only the variance."""
    if np.shape(got["mean"]) != expected["mean"].shape or np.shape(got["var"]) != expected["var"].shape:
        return None
    if np.allclose(got["mean"], expected["mean"], rtol=1e-6):
        return "Your mean is right. The variance is that of all samples together, around this mean, with divisor n - 1."
    return None


def straight_line_of_fold(inputs, expected, got):
    """Remark on the folding tasks: which of weight and bias is off, and what enters it."""
    weight, bias = (np.shape(got[leaf]) == expected[leaf].shape for leaf in ("weight", "bias"))
    if not (weight and bias):
        return None
    weight, bias = (np.allclose(got[leaf], expected[leaf], rtol=1e-4) for leaf in ("weight", "bias"))
    if weight and not bias:
        return "Your weight is right. For the bias, ask what the two layers return for an input of zeros."
    if bias and not weight:
        return "Your bias is right. The weight gets the same factor, one for each output."
    return None


def ghosts_that_are_right(inputs, expected, got):
    """Remark on `ghost_batchnorm`: which ghost batches are off."""
    if np.shape(got["y"]) != expected["y"].shape:
        return None
    size, gap = inputs["ghost_size"], np.abs(got["y"] - expected["y"]).max(axis=1)
    off = gap > 1e-4 * np.abs(expected["y"]).max()
    starts = [start for start in range(0, len(off), size) if off[start : start + size].any()]
    count = -(-len(off) // size)
    if len(starts) == count:
        return None
    names = ", ".join(str(start // size) for start in starts)
    return f"Of the {count} ghost batches, counted from 0, these are off: {names}. The others are right."


def corrections_of_renorm(inputs, expected, got):
    """Remark on `batch_renorm`: for each feature y is a straight line in x; which part of it is off."""
    x, y, right = inputs["x"], got["y"], expected["y"]
    if np.shape(y) != right.shape or len(x) < 3 or not np.isfinite(y).all():
        return None
    slopes, offsets = [], []
    for j in range(x.shape[1]):
        line, wanted = np.polyfit(x[:, j], y[:, j], 1), np.polyfit(x[:, j], right[:, j], 1)
        slopes.append(not np.isclose(line[0], wanted[0], rtol=1e-3))
        offsets.append(not np.allclose(line, wanted, rtol=1e-3, atol=1e-3))
    if any(slopes):
        off = np.flatnonzero(slopes).tolist()
        return f"The slope of y over x is off for the features {off}, counted from 0: look at r and its limits."
    if any(offsets):
        off = np.flatnonzero(offsets).tolist()
        return f"The slopes of y over x are right, the height is off for the features {off}, counted from 0: look at d."
    return None


MERGE = Task(
    id="merge-statistics",
    answer="merge_statistics",
    parameters=("parts",),
    returns=("n", "mean", "m2"),
    observe=observe_merge,
    cases=(
        Case("3 parts with 4, 7 and 2 samples of 3 features", parts_inputs((4, 7, 2), 3)),
        Case("2 parts with 5 samples each", parts_inputs((5, 5), 4, mean=3.0)),
        Case("4 parts, one of them a single sample", parts_inputs((6, 1, 3, 9), 2)),
        Case("3 parts around 10,000,000", parts_inputs((8, 5, 6), 3, mean=1e7), 1e-6, RAW_MOMENTS),
    ),
    hints=(
        "Begin with two parts. How far is the common mean from each of the two, and in what direction?",
        "Measured from a point other than the mean, a sum of squares is larger by n times the squared distance of that "
        "point from the mean. With more than two parts, merge the result with the next one.",
        "Chapter 14, section `Statistics from several machines`: the rule for two parts.",
    ),
    page="14_when_it_fails.html#statistics-from-several-machines",
    remarks=(merged_mean,),
)

PRECISE = Task(
    id="precise-statistics",
    answer="precise_statistics",
    parameters=("batches",),
    returns=("mean", "var"),
    cases=(
        Case("batches of 4, 7 and 2 samples of 3 features", batches_inputs((4, 7, 2), 3)),
        Case("4 batches of 5 samples", batches_inputs((5, 5, 5, 5), 2, mean=-3.0)),
        Case(
            "batches around 10,000 in float32",
            batches_inputs((16, 8), 3, mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
    ),
    hints=(
        "The result must be the same however the samples were cut into batches: imagine one large batch.",
        "Go through the batches twice: first for the mean of all samples, then for their squared distances from it.",
        "Chapter 9, section `Precise statistics`: its equation.",
    ),
    page="09_inference.html#precise-statistics",
    remarks=(sizes_of_precise,),
)

FOLD_HINTS = (
    "In evaluation batch normalization is a straight line for each output: a factor times z, plus a constant.",
    "Put z = W x + b into that line and sort the terms: what multiplies x is the new weight, the rest is the new bias.",
)

FOLD_LINEAR = Task(
    id="fold-linear",
    answer="fold_linear",
    parameters=("weight", "bias", "gamma", "beta", "running_mean", "running_var"),
    options=("eps",),
    returns=("weight", "bias"),
    cases=(
        Case("4 outputs, 6 inputs, eps = 0.5", fold_inputs((4, 6), eps=0.5)),
        Case("3 outputs, 3 inputs, eps = 0.1", fold_inputs((3, 3), eps=0.1)),
        Case("5 outputs, 2 inputs, default eps", fold_inputs((5, 2))),
    ),
    hints=(*FOLD_HINTS, "Chapter 9, section `Folding`: the two equations for the new weight and the new bias."),
    page="09_inference.html#folding",
    remarks=(straight_line_of_fold,),
)

FOLD_CONV = Task(
    id="fold-conv2d",
    answer="fold_conv2d",
    parameters=("weight", "bias", "gamma", "beta", "running_mean", "running_var"),
    options=("eps",),
    returns=("weight", "bias"),
    cases=(
        Case("weight of shape (4, 3, 2, 5), eps = 0.5", fold_inputs((4, 3, 2, 5), eps=0.5)),
        Case("weight of shape (3, 3, 3, 3), eps = 0.1", fold_inputs((3, 3, 3, 3), eps=0.1)),
        Case("a kernel of one pixel, default eps", fold_inputs((5, 2, 1, 1))),
    ),
    hints=(
        FOLD_HINTS[0],
        "All kernels that make output channel o are multiplied by its factor. Which axis of the weight counts the "
        "outputs?",
        "Chapter 9, section `Folding`: the equations for a linear layer, and what the indices are for a convolution.",
    ),
    page="09_inference.html#folding",
    remarks=(straight_line_of_fold,),
)

GHOST = Task(
    id="ghost-batchnorm",
    answer="ghost_batchnorm",
    parameters=("x", "ghost_size", "gamma", "beta"),
    options=("eps",),
    returns="y",
    cases=(
        Case("10 samples, ghost batches of 4 (the last has 2), eps = 0.5", ghost_inputs(10, 3, 4, eps=0.5)),
        Case("12 samples, ghost batches of 3, eps = 0.1", ghost_inputs(12, 5, 3, eps=0.1)),
        Case("9 samples, ghost batches of 4 (the last has 1), default eps", ghost_inputs(9, 2, 4)),
        Case("8 samples, a single ghost batch", ghost_inputs(8, 3, 8, eps=0.5)),
        Case("16 samples around 10,000 in float32", ghost_inputs(16, 3, 8, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
    ),
    hints=(
        "Cut the batch along axis 0 into pieces and normalize each as if it were the whole batch.",
        "A piece is made of neighbours: rows 0 to ghost_size - 1 are the first, and so on. The last one takes what is "
        "left.",
        "Chapter 14, section `Ghost batches`: its definition; for each piece the equations of chapter 6, section `The "
        "transform in four lines`.",
    ),
    page="14_when_it_fails.html#ghost-batches",
    observe=observe_ghosts,
    remarks=(ghosts_that_are_right,),
)

RENORM = Task(
    id="batch-renorm",
    answer="batch_renorm",
    parameters=("x", "gamma", "beta", "running_mean", "running_var", "r_max", "d_max"),
    options=("eps",),
    returns="y",
    cases=(
        Case(
            "8 samples of 6 features, r_max = 2, d_max = 1, eps = 0.5",
            renorm_inputs(8, 6, r_max=2.0, d_max=1.0, eps=0.5),
        ),
        Case(
            "7 samples of 6 features, r_max = 1.5, d_max = 0.5, eps = 0.1",
            renorm_inputs(7, 6, r_max=1.5, d_max=0.5, eps=0.1),
        ),
        Case("limits that are never reached, eps = 0.5", renorm_inputs(5, 6, r_max=100.0, d_max=100.0, eps=0.5)),
        Case("r_max = 1 and d_max = 0, default eps", renorm_inputs(6, 4, r_max=1.0, d_max=0.0)),
        Case(
            "16 samples around 10,000 in float32",
            renorm_inputs(16, 6, r_max=3.0, d_max=5.0, mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
    ),
    hints=(
        "Begin with the x_hat of training. Which factor and which shift turn it into the x_hat of evaluation?",
        "r is a ratio of standard deviations, so its limits are 1 / r_max and r_max; d is a distance in units of the "
        "population's standard deviation, with limits -d_max and d_max.",
        "Chapter 14, section `Batch renormalization`: the equations for r, d and y.",
    ),
    page="14_when_it_fails.html#batch-renormalization",
    remarks=(corrections_of_renorm,),
)

TASKS = [MERGE, PRECISE, FOLD_LINEAR, FOLD_CONV, GHOST, RENORM]
