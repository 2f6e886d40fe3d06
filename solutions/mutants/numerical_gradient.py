"""Slips in `numerical_gradient(f, x, dy, h=1e-5) -> dx`."""

import numpy as np

from solutions.mutants import mutant

TASK = "numerical-gradient"


def differences(f, x, dy, h, quotient):
    """Fill dx entry by entry with quotient(loss, plus, x, minus), where loss(a) is sum(dy * f(a))."""
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        dx[index] = quotient(lambda a: np.sum(dy * f(a)), x + step, x.copy(), x - step)
    return dx


@mutant(
    TASK,
    says="You took a one-sided difference, (loss(x + h) - loss(x)) / h. Its error is of order h; step to both sides "
    "and it is of order h**2.",
)
def one_sided_difference(f, x, dy, h=1e-5):
    return differences(f, x, dy, h, lambda loss, plus, x, minus: (loss(plus) - loss(x)) / h)


@mutant(
    TASK,
    says="You stepped to the lower side only, (loss(x) - loss(x - h)) / h. Step to both sides: the error falls from "
    "order h to order h**2.",
)
def one_sided_from_below(f, x, dy, h=1e-5):
    return differences(f, x, dy, h, lambda loss, plus, x, minus: (loss(x) - loss(minus)) / h)


@mutant(TASK, says="You divided by h. The two points are 2h apart, so your gradient is twice as large as it should be.")
def factor_two_missing(f, x, dy, h=1e-5):
    return differences(f, x, dy, h, lambda loss, plus, x, minus: (loss(plus) - loss(minus)) / h)


@mutant(
    TASK,
    says="You stepped to one side only but divided by 2h: your gradient is about half of the right one. Step to x - "
    "h as well.",
)
def half_a_step(f, x, dy, h=1e-5):
    return differences(f, x, dy, h, lambda loss, plus, x, minus: (loss(plus) - loss(x)) / (2 * h))


@mutant(
    TASK,
    says="You wrote / 2 * h, which divides by 2 and then multiplies by h. The whole distance is 2h: / (2 * h).",
)
def multiplied_by_h(f, x, dy, h=1e-5):
    return differences(f, x, dy, h, lambda loss, plus, x, minus: (loss(plus) - loss(minus)) / 2 * h)


@mutant(
    TASK,
    says="dy multiplies only the first of your two values: dy * f(x + h) - f(x - h). It multiplies both: dy * (f(x + "
    "h) - f(x - h)).",
)
def dy_on_one_side(f, x, dy, h=1e-5):
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        dx[index] = (np.sum(dy * f(x + step)) - np.sum(f(x - step))) / (2 * h)
    return dx


@mutant(TASK, says="Your sign is flipped: loss(x + h) comes first, and loss(x - h) is subtracted from it.")
def sign_flipped(f, x, dy, h=1e-5):
    return differences(f, x, dy, h, lambda loss, plus, x, minus: (loss(minus) - loss(plus)) / (2 * h))


@mutant(TASK, says="You forgot to divide by 2h: a gradient is the change per unit of x.")
def division_missing(f, x, dy, h=1e-5):
    return differences(f, x, dy, h, lambda loss, plus, x, minus: loss(plus) - loss(minus))


@mutant(TASK, says="You used 1e-5 whatever h was given. Use the argument.")
def step_hard_coded(f, x, dy, h=1e-5):
    return differences(f, x, dy, 1e-5, lambda loss, plus, x, minus: (loss(plus) - loss(minus)) / 2e-5)


@mutant(
    TASK,
    says="You forgot dy. The slope that counts is that of sum(dy * f(x)): dy says how much the loss depends on each "
    "output.",
)
def upstream_forgotten(f, x, dy, h=1e-5):
    ones = np.ones(dy.shape)
    return differences(f, x, ones, h, lambda loss, plus, x, minus: (loss(plus) - loss(minus)) / (2 * h))


@mutant(TASK, says="You averaged dy * f(x). The gradients of all outputs add up: sum it.")
def mean_for_sum(f, x, dy, h=1e-5):
    return differences(f, x, dy / dy.size, h, lambda loss, plus, x, minus: (loss(plus) - loss(minus)) / (2 * h))


@mutant(
    TASK,
    says="You moved all entries of x at once. That mixes their effects: move one entry at a time, and let all "
    "outputs answer.",
)
def all_entries_at_once(f, x, dy, h=1e-5):
    return dy * (f(x + h) - f(x - h)) / (2 * h)


@mutant(
    TASK,
    says="You looked only at the output that stands where the moved entry stands. An entry of x can change every "
    "output: sum over all of them.",
)
def own_output_only(f, x, dy, h=1e-5):
    if f(x).shape != x.shape:
        raise ValueError("needs an output for each input")
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        dx[index] = dy[index] * (f(x + step)[index] - f(x - step)[index]) / (2 * h)
    return dx


@mutant(
    TASK,
    says="You did not take the step back: from the second entry on, the earlier ones stay moved. Start each entry "
    "from an untouched copy of x.",
)
def step_not_taken_back(f, x, dy, h=1e-5):
    dx, moved = np.zeros(x.shape), x.copy()
    for index in np.ndindex(x.shape):
        moved[index] += h
        plus = np.sum(dy * f(moved.copy()))
        moved[index] -= h
        moved[index] -= h
        dx[index] = (plus - np.sum(dy * f(moved.copy()))) / (2 * h)
    return dx


@mutant(
    TASK,
    says="You took the step back only half way: after the minus side the entry stays h above x. Start each entry "
    "from an untouched copy of x.",
)
def step_back_too_far(f, x, dy, h=1e-5):
    dx, moved = np.zeros(x.shape), x.copy()
    for index in np.ndindex(x.shape):
        moved[index] += h
        plus = np.sum(dy * f(moved.copy()))
        moved[index] -= 2 * h
        dx[index] = (plus - np.sum(dy * f(moved.copy()))) / (2 * h)
        moved[index] += 2 * h
    return dx


@mutant(
    TASK,
    says="f may return a view of what it is given, and you changed that array before you had used the result. Hand f"
    " a fresh array each time, or take the sum before the next step.",
)
def result_overwritten(f, x, dy, h=1e-5):
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] = x[index] + h
        plus = f(moved)
        moved[index] = x[index] - h
        dx[index] = np.sum(dy * (plus - f(moved))) / (2 * h)
    return dx


@mutant(
    TASK,
    says="You multiplied the step by the size of the entry. Here h is the step itself, the same for every entry.",
)
def step_scaled_by_entry(f, x, dy, h=1e-5):
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h * max(1.0, abs(x[index]))
        dx[index] = np.sum(dy * (f(x + step) - f(x - step))) / (2 * step[index])
    return dx


@mutant(
    TASK,
    says="You loop over the first axis alone, so a whole row of x moves at once, and dx gets one number for all of "
    "it. np.ndindex(x.shape) visits every index.",
)
def first_axis_alone(f, x, dy, h=1e-5):
    dx = np.zeros(x.shape)
    for i in range(x.shape[0]):
        step = np.zeros(x.shape)
        step[i] = h
        dx[i] = (np.sum(dy * f(x + step)) - np.sum(dy * f(x - step))) / (2 * h)
    return dx


@mutant(
    TASK,
    says="You loop over two axes, but x may have one, three or more: with three, x[i, j] is a whole row, which then "
    "moves at once. np.ndindex(x.shape) visits every index of any shape.",
)
def two_axes_alone(f, x, dy, h=1e-5):
    dx = np.zeros(x.shape)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            step = np.zeros(x.shape)
            step[i, j] = h
            dx[i, j] = (np.sum(dy * f(x + step)) - np.sum(dy * f(x - step))) / (2 * h)
    return dx


@mutant(
    TASK,
    says="You filled the first row only: dx has an entry for every index of x, of any shape. np.ndindex visits them "
    "all.",
)
def first_row_only(f, x, dy, h=1e-5):
    dx = differences(f, x, dy, h, lambda loss, plus, x, minus: (loss(plus) - loss(minus)) / (2 * h))
    dx[1:] = 0
    return dx


@mutant(
    TASK,
    says="Your two copies are made once, before the loop, so the steps of all earlier entries stay in them. Start each "
    "entry from fresh copies of x.",
)
def copies_made_once(f, x, dy, h=1e-5):
    dx, plus, minus = np.zeros(x.shape), x.copy(), x.copy()
    for index in np.ndindex(x.shape):
        plus[index] += h
        minus[index] -= h
        dx[index] = np.sum(dy * (f(plus.copy()) - f(minus.copy()))) / (2 * h)
    return dx
