"""Tasks of notebook 07 that judge what training gave: steps to a target, a stable learning rate, an interval."""

import numpy as np

from bnlab.answers import AnswerError
from bnlab.compare import describe
from bnlab.tasks import Case, Task
from bnlab.tasks.training import NOTEBOOK, leaves

__all__ = ["NOTEBOOK", "TASKS"]


# -- steps_to_accuracy ------------------------------------------------------------------------------------------------
def history_inputs(accuracy, target, every=10):
    """Inputs of `steps_to_accuracy`: rng -> {"history", "target"}.

    accuracy : list of float
        On the held-out images, before the first step and after every `every` steps.
    """

    def inputs(rng):
        steps = [every * place for place in range(len(accuracy))]
        falling = 2.3 * np.exp(-0.02 * np.arange(steps[-1])) + 0.05 * rng.random(steps[-1])
        return {"history": {"loss": falling.tolist(), "step": steps, "accuracy": list(accuracy)}, "target": target}

    return inputs


def observe_steps(answer, inputs):
    """The number of steps; NumPy's integers are as good as Python's."""
    steps = STEPS.call(answer, inputs)
    return int(steps) if isinstance(steps, np.integer) else steps


# -- largest_stable_lr ------------------------------------------------------------------------------------------------
def losses(rng, kinds, steps=30):
    """Losses of one learning rate, one row a seed, shape (len(kinds), steps).

    kinds : list of str
        "good", "nan", "inf", "blip" (one loss is infinite, the end is good), "dead" (ends at log 10, above its
        start), "slow" (falls by 5 %), "spike" (good but for the last loss), "dip" (dead but for the last loss),
        "relapse" (good at first, dead from half of the steps on), "gap" (one loss is nan, the end is good), "early"
        (falls by 20 % at once and stays there).
    """
    step = np.arange(steps)
    rows = []
    for kind in kinds:
        row = 2.4 * np.exp(-step / 6) + 0.1 + 0.02 * rng.random(steps)
        if kind in ("dead", "dip"):
            row = 2.303 - 0.1 * np.exp(-step / 3) + 0.01 * rng.random(steps)
        if kind == "slow":
            row = 2.4 - 0.12 * np.minimum(step / 10, 1) + 0.01 * rng.random(steps)
        if kind in ("nan", "inf"):
            row[5:] = float(kind)
        if kind == "blip":
            row[4] = np.inf
        if kind == "gap":
            row[4] = np.nan
        if kind == "early":
            row = np.where(step == 0, 2.4, 1.9) + 0.01 * rng.random(steps)
        if kind == "spike":
            row[-1] = 2.6
        if kind == "dip":
            row[-1] = 0.3
        if kind == "relapse":
            row[steps // 2 :] = 2.303 + 0.01 * rng.random(steps - steps // 2)
        rows.append(row)
    return np.array(rows)


def sweep_inputs(*kinds_of_rate, order=None):
    """Inputs of `largest_stable_lr`: rng -> {"results"}, rates 0.01, 0.03, 0.1, ... with the given kinds of losses.

    kinds_of_rate : str
        The kinds of the seeds of one rate, separated by spaces: "good nan good".
    order : list of int, optional
        In which order the rates are listed.
    """

    def inputs(rng):
        rates = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
        results = [(rate, losses(rng, kinds.split())) for rate, kinds in zip(rates, kinds_of_rate)]
        return {"results": [results[place] for place in order] if order else results}

    return inputs


# -- bootstrap_interval -----------------------------------------------------------------------------------------------
def interval_inputs(n, *, level=None, mean=0.1, std=0.05, dtype=np.float64):
    """Inputs of `bootstrap_interval`: rng -> {"values", "seed", "other"} and "level" unless it is None.

    The values have a long tail upwards, so that their median is not their mean.
    """

    def inputs(rng):
        values = (mean + std * (rng.exponential(size=n) - 1)).astype(dtype)
        drawn = {"values": values, "seed": int(rng.integers(2**31)), "other": int(rng.integers(2**31))}
        return drawn | ({} if level is None else {"level": level})

    return inputs


def outlier_inputs(n, low, high):
    """Inputs of `bootstrap_interval`: n - 1 values `low` and one value `high`, whose resampled means are on a grid."""

    def inputs(rng):
        values = np.full(n, float(low))
        values[int(rng.integers(n))] = high
        return {"values": values, "seed": int(rng.integers(2**31)), "other": int(rng.integers(2**31))}

    return inputs


def observe_interval(answer, inputs):
    """Three intervals, two of them from generators in the same state; ends in standard errors from the mean.

    Resamples are random: in this unit the ends of two right answers differ by a few hundredths.
    """
    values = inputs["values"].astype(np.float64)
    error = values.std() / np.sqrt(len(values))
    options = {"level": inputs["level"]} if "level" in inputs else {}
    ends = []
    for seed in (inputs["seed"], inputs["seed"], inputs["other"]):
        interval = answer(inputs["values"], np.random.default_rng(seed), **options)
        if type(interval) not in (tuple, list) or len(interval) != 2:
            text = f"bootstrap_interval returned {describe(interval)}; expected the tuple (low, high)."
            raise AnswerError("raised", text)
        try:
            ends.append([float(end) for end in interval])
        except (TypeError, ValueError):
            raise AnswerError("raised", "low and high have to be numbers.") from None
    low, high = ((end - values.mean()) / error for end in ends[0])
    same, differs = ends[0] == ends[1], ends[0] != ends[2]
    return dict(zip(INTERVAL_LEAVES, (float(low), float(high), same, differs)))


INTERVAL_LEAVES = (
    "low, in standard errors from the mean",
    "high, in standard errors from the mean",
    "the same generator gives the same interval",
    "another generator gives another interval",
)
BOOTSTRAP_TOLERANCE = 0.15  # four standard deviations of the difference of two right answers, and more

STEPS = Task(
    id="steps-to-accuracy",
    answer="steps_to_accuracy",
    parameters=("history", "target"),
    returns="the number of steps",
    observe=observe_steps,
    cases=(
        Case("the target is crossed twice", history_inputs([0.1, 0.4, 0.91, 0.88, 0.93, 0.95], 0.9)),
        Case("the target is never reached", history_inputs([0.1, 0.3, 0.5, 0.6], 0.9)),
        Case("the target is met exactly", history_inputs([0.1, 0.5, 0.75, 0.8], 0.75)),
        Case("the target is reached before the first step", history_inputs([0.12, 0.4, 0.8], 0.1)),
        Case("a late fall below the target", history_inputs([0.1, 0.95, 0.96, 0.97, 0.2, 0.98], 0.9)),
        Case("an accuracy every 25 steps", history_inputs([0.1, 0.2, 0.85, 0.97, 0.96], 0.9, every=25)),
    ),
    hints=(
        "Two lists of the history belong together: one says at which step, the other how accurate.",
        "Go through them in order and stop at the first accuracy that is at least the target.",
        "Chapter 12, section `Steps to a target`: its definition is one line.",
    ),
    page="12_claims_on_trial.html#steps-to-a-target",
)

LR = Task(
    id="largest-stable-lr",
    answer="largest_stable_lr",
    parameters=("results",),
    returns="the learning rate",
    cases=(
        Case(
            "stable up to 0.1, then one seed in three diverges", sweep_inputs(*["good good good"] * 3, "good nan good")
        ),
        Case(
            "an island: 1 is stable again above an unstable 0.3",
            sweep_inputs(*["good good good"] * 3, "dead good dead", "good good good", "nan inf nan"),
        ),
        Case("rates in another order", sweep_inputs(*["good good"] * 4, "nan nan", order=[2, 4, 0, 3, 1])),
        Case("no rate is stable", sweep_inputs("slow slow", "dead nan", "inf inf")),
        Case("spikes and dips at the last step", sweep_inputs("good good", "spike good", "dip good", "good good")),
        Case("a loss that is infinite once", sweep_inputs("good good", "good good", "good blip")),
        Case("a rate that learns too little", sweep_inputs("good good", "good good", "slow good")),
        Case("a rate that learns and dies later", sweep_inputs("good good", "good relapse", "good good")),
        Case("a loss that is nan once", sweep_inputs("good good", "gap good", "good good")),
        Case("a rate that learns in one step all it learns", sweep_inputs("good good", "early good", "inf inf")),
    ),
    hints=(
        "First decide for a single rate whether it is stable: all losses finite, and for every seed a low enough end.",
        "Then climb from the smallest rate and stop at the first one that is not stable.",
        "Chapter 12, section `The largest stable learning rate`: the rule, and why an island above it does not count.",
    ),
    page="12_claims_on_trial.html#the-largest-stable-learning-rate",
)

BOOTSTRAP = Task(
    id="bootstrap-interval",
    answer="bootstrap_interval",
    parameters=("values", "rng"),
    options=("level",),
    returns=leaves(INTERVAL_LEAVES),
    observe=observe_interval,
    cases=(
        Case("12 values, level 0.8", interval_inputs(12, level=0.8), BOOTSTRAP_TOLERANCE),
        Case("20 values, level 0.6", interval_inputs(20, level=0.6), BOOTSTRAP_TOLERANCE),
        Case("9 values, default level", interval_inputs(9), BOOTSTRAP_TOLERANCE),
        Case("7 values of 0 and one of 1, default level", outlier_inputs(8, 0, 1), BOOTSTRAP_TOLERANCE),
    ),
    hints=(
        "Treat the values as the population: draw a sample of the same size from them, many times over.",
        "Each resample is drawn with replacement and gives one mean; the interval leaves (1 - level) / 2 of the means "
        "out at either end.",
        "Chapter 12, section `An interval by resampling`: three lines, the last one has the two quantiles.",
    ),
    page="12_claims_on_trial.html#an-interval-by-resampling",
)

TASKS = [STEPS, LR, BOOTSTRAP]
