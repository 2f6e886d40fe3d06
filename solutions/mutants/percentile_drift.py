"""Slips in `percentile_drift(trace, q) -> (T, len(q))`."""

import numpy as np

from solutions.mutants import mutant

TASK = "percentile-drift"


def by_step(rows, q, **options):
    """The right answer for a list of rows, one for each step."""
    return np.array([np.percentile(row, q, **options) for row in rows])


@mutant(
    TASK,
    says="You took the percentiles over the steps (axis 0). Each step is a sample of N activations of its own: axis 1.",
)
def wrong_axis(trace, q):
    return by_step(trace.T, q)


@mutant(
    TASK,
    says="Your result is right, but transposed: np.percentile puts q first, and the task wants the shape (T, len(q)).",
)
def transposed(trace, q):
    return by_step(trace, q).T.copy()


@mutant(
    TASK,
    says="You pooled each step with all the steps before it. That hides the drift: take each step on its own.",
)
def cumulative(trace, q):
    return by_step([trace[: t + 1].ravel() for t in range(len(trace))], q)


@mutant(TASK, says="You took the percentiles of the whole trace. Then nothing can drift: take each step on its own.")
def whole_trace(trace, q):
    return by_step([trace.ravel()] * len(trace), q)


@mutant(
    TASK,
    says="You divided q by 100 for a function that wants percent. np.percentile takes 0 to 100, np.quantile 0 to 1.",
)
def fractions_for_percent(trace, q):
    return by_step(trace, np.asarray(q) / 100)


@mutant(
    TASK,
    says="You rounded down to an activation that occurs. Between two of them a percentile is interpolated linearly.",
)
def rounded_down(trace, q):
    return by_step(trace, q, method="lower")


@mutant(
    TASK,
    says="You took the sorted activation at place int(q / 100 * N). Places run from 0 to N - 1, so percentile q stands "
    "at q / 100 * (N - 1), and between two activations it is interpolated linearly.",
)
def place_of_n_rounded_down(trace, q):
    places = np.minimum(np.asarray(q) * trace.shape[1] // 100, trace.shape[1] - 1).astype(int)
    return np.sort(trace, axis=1)[:, places]


@mutant(
    TASK,
    says="You took the nearest activation that occurs. Between two of them a percentile is interpolated linearly.",
)
def nearest_taken(trace, q):
    return by_step(trace, q, method="nearest")


@mutant(
    TASK,
    says="You took the next larger activation that occurs. Between two of them a percentile is interpolated linearly.",
)
def rounded_up(trace, q):
    return by_step(trace, q, method="higher")


@mutant(
    TASK,
    says="You used N places for the percentiles, or N + 1. The smallest activation is number 0 and the largest N - 1, "
    "so percentile q stands at place q/100 * (N - 1), NumPy's default.",
)
def places_counted_otherwise(trace, q):
    return by_step(trace, q, method="weibull")


@mutant(
    TASK,
    says="You interpolated in the middle between two activations, whatever q. The place q/100 * (N - 1) says how far "
    "to go from one to the next.",
)
def midpoint_taken(trace, q):
    return by_step(trace, q, method="midpoint")


@mutant(TASK, says="You sorted q. The columns of the result stand in the order in which q was given.")
def q_sorted(trace, q):
    return by_step(trace, sorted(q))


@mutant(TASK, says="You counted from the top: percentile q is the value below which q percent of the activations lie.")
def counted_from_the_top(trace, q):
    return by_step(trace, [100 - value for value in q])


@mutant(
    TASK,
    says="You did not sort the activations of a step before picking from the row: a percentile is a place in the "
    "sorted row.",
)
def not_sorted(trace, q):
    places = np.asarray(q) / 100 * (trace.shape[1] - 1)
    return np.array([np.interp(places, np.arange(len(row)), row) for row in trace]).astype(trace.dtype)


@mutant(
    TASK,
    says="You subtracted the first step. The percentiles themselves are asked for; the drift is what one sees when "
    "they are drawn.",
)
def first_step_subtracted(trace, q):
    values = by_step(trace, q)
    return values - values[0]


@mutant(
    TASK,
    says="You returned the change from step to step. The percentiles themselves are asked for, one row for each step.",
)
def changes_returned(trace, q):
    values = by_step(trace, q)
    return np.diff(values, axis=0, prepend=values[:1])


@mutant(TASK, says="You subtracted the mean of each step. Then the centre cannot drift: use the trace as it comes.")
def steps_centred(trace, q):
    return by_step(trace - trace.mean(axis=1, keepdims=True), q)


@mutant(
    TASK,
    says="You computed the percentiles from mean and deviation, as if the activations were normally distributed. They "
    "need not be: use the activations themselves.",
)
def normal_assumed(trace, q):
    from statistics import NormalDist

    z = np.array([NormalDist().inv_cdf(value / 100) for value in q], trace.dtype)
    return trace.mean(axis=1, keepdims=True) + trace.std(axis=1, keepdims=True) * z


@mutant(
    TASK,
    says="You took the percentiles over the steps (axis 0), and q came first. Each step is a sample of its own: axis 1"
    ", and then the transpose, for the result has shape (T, len(q)).",
)
def wrong_axis_and_q_first(trace, q):
    return by_step(trace.T, q).T.copy()


@mutant(
    TASK,
    says="You pooled all steps: without an axis np.percentile takes the array as one long row. Each step has its own "
    "percentiles: axis=1.",
)
def axis_left_out(trace, q):
    return np.percentile(trace, q)
