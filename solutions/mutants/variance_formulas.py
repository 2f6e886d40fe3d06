"""Slips in `variances(x) -> {"naive", "welford", "shifted"}`, three formulas in float32."""

import numpy as np

from solutions.mutants import mutant

TASK = "variance-formulas"


def naive(values):
    return (values * values).mean(axis=1) - values.mean(axis=1) ** 2


def welford(x, first=1, old=False):
    mean, squares = np.zeros(len(x), x.dtype), np.zeros(len(x), x.dtype)
    for i in range(x.shape[1]):
        step = x[:, i] - mean
        mean = mean + step / x.dtype.type(i + first)
        squares = squares + step * (step if old else x[:, i] - mean)
    return squares / x.dtype.type(x.shape[1])


def answer(x, **wrong):
    """The right formulas, but for those given."""
    return {"naive": naive(x), "welford": welford(x), "shifted": naive(x - x[:, :1])} | wrong


@mutant(
    TASK,
    says="Your naive formula keeps digits where it has none in float32. Either it works in float64, or it subtracts "
    "the mean first, as x.var does. Take the mean of the squares minus the square of the mean, in the dtype of x.",
)
def naive_in_float64(x):
    return answer(x, naive=naive(x.astype(np.float64)).astype(np.float32))


@mutant(
    TASK,
    says="What you subtract in the shifted formula is not near the numbers of each row, so far from zero no digit is "
    "left, as in the naive formula. Each row has a K of its own, its first number: x[:, :1], and not x[0, 0].",
)
def shifted_by_nothing(x):
    return answer(x, shifted=naive(x))


@mutant(
    TASK,
    says="In the shifted formula the second term is missing: S_2 / m - (S_1 / m)^2. K is near the mean, but not "
    "equal to it.",
)
def second_term_missing(x):
    d = x - x[:, :1]
    return answer(x, shifted=(d * d).mean(axis=1))


@mutant(
    TASK,
    says="In Welford's formula you added the square of the old distance. It is the distance from the old mean times "
    "the distance from the new one.",
)
def old_distance_squared(x):
    return answer(x, welford=welford(x, old=True))


@mutant(
    TASK,
    says="In Welford's formula number i, counted from 1, moves the mean by the fraction 1 / i: your count is off by "
    "one.",
)
def counted_from_two(x):
    return answer(x, welford=welford(x, first=2))


@mutant(TASK, says="Welford's sum of squares is not yet the variance: divide it by m at the end.")
def sum_not_divided(x):
    return answer(x, welford=welford(x) * np.float32(x.shape[1]))


@mutant(TASK, says="You divided by m - 1. The variance that normalizes is the biased one, 1 / m.")
def unbiased(x):
    factor = np.float32(x.shape[1] / (x.shape[1] - 1))
    return {name: value * factor for name, value in answer(x).items()}


@mutant(TASK, says="Your formulas give the standard deviation. The task asks for the variance: leave out the root.")
def standard_deviations(x):
    return {name: np.sqrt(np.maximum(value, 0)) for name, value in answer(x).items()}


@mutant(TASK, says="Your naive formula has its two terms exchanged: the mean of the squares comes first.")
def terms_exchanged(x):
    return answer(x, naive=-naive(x))


def unbiased_alone(x, name):
    return answer(x, **{name: answer(x)[name] * np.float32(x.shape[1] / (x.shape[1] - 1))})


@mutant(TASK, says="You divided by m - 1 in Welford's formula. The variance that normalizes is the biased one, 1 / m.")
def unbiased_welford(x):
    return unbiased_alone(x, "welford")


@mutant(TASK, says="You divided by m - 1 in the naive formula. The variance that normalizes is the biased one, 1 / m.")
def unbiased_naive(x):
    return unbiased_alone(x, "naive")


@mutant(
    TASK, says="You divided by m - 1 in the shifted formula. The variance that normalizes is the biased one, 1 / m."
)
def unbiased_shifted(x):
    return unbiased_alone(x, "shifted")


@mutant(
    TASK,
    says="You subtracted the first row from each row, x[0]. K is one number for each row: the first of the row itself, "
    "x[:, :1].",
)
def shifted_by_the_first_row(x):
    return answer(x, shifted=naive(x - x[0]))


@mutant(
    TASK,
    says="In Welford's formula you added the square of the new distance. It is the distance from the old mean times "
    "the distance from the new one: keep the old mean until then.",
)
def new_distance_squared(x):
    mean, squares = np.zeros(len(x), x.dtype), np.zeros(len(x), x.dtype)
    for i in range(x.shape[1]):
        mean = mean + (x[:, i] - mean) / x.dtype.type(i + 1)
        squares = squares + (x[:, i] - mean) ** 2
    return answer(x, welford=squares / x.dtype.type(x.shape[1]))


@mutant(
    TASK,
    says="Welford's loop leaves out the first number of each row: the mean starts at 0, and the first number moves it "
    "all the way, by 1 / 1.",
)
def first_number_left_out(x):
    m = x.dtype.type(x.shape[1])
    return answer(x, welford=welford(x[:, 1:]) * (m - 1) / m)


@mutant(
    TASK,
    says="Welford's mean is not finite. Its first step is divided by 1: i counts the numbers so far, so it is 1 where "
    "Python's index is 0.",
)
def counted_from_zero(x):
    return answer(x, welford=welford(x, first=0))


@mutant(
    TASK,
    says="Your naive and your shifted formula have each other's name: the shifted one subtracts K first and keeps "
    "digits far from zero, the naive one does not.",
)
def naive_and_shifted_exchanged(x):
    return answer(x, naive=naive(x - x[:, :1]), shifted=naive(x))


@mutant(
    TASK,
    says="In your naive formula the squares are added up and not averaged: it is the mean of the squares minus the "
    "square of the mean.",
)
def squares_not_divided(x):
    return answer(x, naive=(x * x).sum(axis=1) - x.mean(axis=1) ** 2)


@mutant(
    TASK,
    says="In your naive formula the mean is not squared: it is the mean of the squares minus the square of the mean.",
)
def mean_not_squared(x):
    return answer(x, naive=(x * x).mean(axis=1) - x.mean(axis=1))


@mutant(
    TASK,
    says="You added K to the shifted variance. A shift moves the mean but leaves the variance as it is: nothing has to "
    "be added back.",
)
def shift_added_again(x):
    return answer(x, shifted=naive(x - x[:, :1]) + x[:, 0])
