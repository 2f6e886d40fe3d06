"""Tasks of notebook 02: three ways to measure internal covariate shift."""

import numpy as np

from bnlab.answers import strided
from bnlab.sampling import batch
from bnlab.tasks import Case, Task
from bnlab.tasks.covariate_shift import narrowed

NOTEBOOK = "02_internal_covariate_shift"


def trace_inputs(steps, n, q, *, dtype=np.float64, layout="C", mean=0.0):
    """Inputs of `percentile_drift`: rng -> {"trace", "q"}; a unit whose activations move and widen."""

    def inputs(rng):
        moves = mean + rng.normal(size=(steps, 1)).cumsum(axis=0)
        width = rng.uniform(0.5, 2.0, size=(steps, 1))
        trace = (moves + width * rng.gumbel(size=(steps, n))).astype(dtype)  # lopsided, as activations are
        trace = strided(trace) if layout == "strided" else np.asfortranarray(trace) if layout == "F" else trace
        return {"trace": trace, "q": tuple(q)}

    return inputs


def observe_percentiles(answer, inputs):
    """Call `percentile_drift`; for a float32 trace the float64 numbers that np.percentile gives are welcome."""
    return narrowed(PERCENTILES.call(answer, inputs), inputs["trace"])


def pair_inputs(n, c, **options):
    """Inputs of `wasserstein_drift`: rng -> {"a", "b"}; b is a wider batch elsewhere, some features overlap with a."""

    def inputs(rng):
        a, b = batch(rng, n, c, **options), batch(rng, n, c, **options)
        return {"a": a, "b": b}

    return inputs


def gradient_inputs(shape, *, against=False, dtype=np.float64, layout="C"):
    """Inputs of `gradient_shift`: rng -> {"grad", "grad_after"}.

    against : bool
        Whether the second gradient points away from the first.
    """

    def inputs(rng):
        grad = rng.normal(size=shape) + 0.2
        after = rng.uniform(0.4, 0.9) * (-grad if against else grad) + 0.6 * rng.normal(size=shape)
        pair = [part.astype(dtype) for part in (grad, after)]
        if layout != "C":
            pair = [strided(part) if layout == "strided" else np.asfortranarray(part) for part in pair]
        return {"grad": pair[0], "grad_after": pair[1]}

    return inputs


def inside_the_row(inputs, expected, got):
    """Remark on `percentile_drift`: a percentile lies between the smallest and the largest value of its step."""
    values, trace = got["percentiles"], inputs["trace"]
    if np.shape(values) != expected["percentiles"].shape or not np.isfinite(values).all():
        return None
    low, high = trace.min(axis=1, keepdims=True), trace.max(axis=1, keepdims=True)
    outside = np.argwhere((values < low - 1e-6) | (values > high + 1e-6))
    if len(outside):
        t, j = outside[0]
        return (
            f"At step {t} all activations lie between {low[t, 0]:.4g} and {high[t, 0]:.4g}, but your percentile "
            f"number {j} there is {values[t, j]:.4g}: use the activations of that step and no others."
        )
    return "Your values lie within each step's range: look at how you get from q to a place in the sorted row."


def under_a_shift(inputs, expected, got):
    """Remark on `wasserstein_drift`: the distance is at least that of the means."""
    value, right = got["distance"], expected["distance"]
    if np.shape(value) != right.shape or not np.isfinite(value).all():
        return None
    floor = np.abs(inputs["a"].mean(axis=0, dtype=np.float64) - inputs["b"].mean(axis=0, dtype=np.float64))
    small = np.argwhere(value < floor * (1 - 1e-4) - 1e-6)
    if len(small):
        c = int(small[0, 0])
        return (
            f"The means of feature {c} differ by {floor[c]:.4g}, so its distance is at least that; yours is "
            f"{value[c]:.4g}."
        )
    return (
        "Your distances are larger than the difference of the means, as they should be; look at which samples you pair."
    )


def which_number(inputs, expected, got):
    """Remark on `gradient_shift`: one of the two numbers is right."""
    close = {leaf: np.shape(got[leaf]) == () and np.isclose(got[leaf], value) for leaf, value in expected.items()}
    if close["cosine"] and not close["l2"]:
        return "Your cosine is right. l2 is the root of the sum of all squared differences, one number for the layer."
    if close["l2"] and not close["cosine"]:
        return "Your l2 is right. The cosine is the sum of the products over the product of the two norms."
    return None


PERCENTILES = Task(
    id="percentile-drift",
    answer="percentile_drift",
    parameters=("trace", "q"),
    returns="percentiles",
    observe=observe_percentiles,
    cases=(
        Case("5 steps of 9 activations, q = (15, 50, 85)", trace_inputs(5, 9, (15, 50, 85))),
        Case("4 steps of 6 activations, q = (90, 10)", trace_inputs(4, 6, (90, 10))),
        Case("3 steps of 8 activations in float32, q = (25, 60)", trace_inputs(3, 8, (25, 60), dtype=np.float32)),
    ),
    hints=(
        "Each step is a sample of its own. Which axis holds the activations, and has to disappear?",
        "NumPy has a function for this. Its result has the percentiles first, but the steps are wanted first.",
        "Chapter 4, section `Percentiles of a unit`: its equation, and the three lines of its figure.",
    ),
    page="04_internal_covariate_shift.html#percentiles-of-a-unit",
    remarks=(inside_the_row,),
)

WASSERSTEIN = Task(
    id="wasserstein-drift",
    answer="wasserstein_drift",
    parameters=("a", "b"),
    returns="distance",
    cases=(
        Case("7 samples with 3 features", pair_inputs(7, 3)),
        Case("12 samples with 2 features whose means hardly differ", pair_inputs(12, 2, mean=0.0, std=4.0)),
        Case("8 samples with 5 features in float32", pair_inputs(8, 5, dtype=np.float32)),
    ),
    hints=(
        "Think of piles of sand: how far must each grain of a travel, at the least, until the piles are those of b?",
        "In one dimension the cheapest plan never crosses: the smallest goes to the smallest, the next to the next.",
        "Chapter 4, section `A distance between distributions`: the equation for two samples of the same size.",
    ),
    page="04_internal_covariate_shift.html#a-distance-between-distributions",
    remarks=(under_a_shift,),
)

GRADIENTS = Task(
    id="gradient-shift",
    answer="gradient_shift",
    parameters=("grad", "grad_after"),
    returns=("cosine", "l2"),
    cases=(
        Case("the weights of a layer with 4 inputs and 3 outputs", gradient_inputs((4, 3))),
        Case("gradients that point against each other", gradient_inputs((3, 5), against=True)),
        Case("the weights of a convolution, four axes", gradient_inputs((2, 3, 3, 2))),
        Case("5 inputs and 6 outputs in float32", gradient_inputs((5, 6), dtype=np.float32), 1e-4),
    ),
    hints=(
        "Treat each gradient as one long vector, whatever its shape: the layer takes one step with all its weights.",
        "The cosine compares directions, so both lengths are divided out; l2 is the length of the difference.",
        "Chapter 4, section `Gradients before and after`: its two definitions.",
    ),
    page="04_internal_covariate_shift.html#gradients-before-and-after",
    remarks=(which_number,),
)

TASKS = [PERCENTILES, WASSERSTEIN, GRADIENTS]
