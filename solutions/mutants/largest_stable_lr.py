"""Slips in `largest_stable_lr(results)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "largest-stable-lr"


def ends(losses):
    return losses[:, -10:].mean(axis=1)


def stable(losses):
    """The rule, done right."""
    return bool(np.isfinite(losses).all() and (ends(losses) < 0.9 * losses[:, 0]).all())


def climbed(results, rule):
    """The largest rate below the first one that breaks a rule."""
    best = 0.0
    for lr, losses in sorted(results, key=lambda result: result[0]):
        if not rule(losses):
            break
        best = lr
    return best


@mutant(TASK, says="You returned the largest rate of the sweep, stable or not. Look at the losses of each rate.")
def largest_of_all(results):
    return max(lr for lr, _ in results)


@mutant(
    TASK,
    says="You count a rate that is stable above an unstable one. Such an island is luck: stop at the first rate that "
    "is not stable.",
)
def island_counts(results):
    return max((lr for lr, losses in results if stable(losses)), default=0.0)


@mutant(
    TASK,
    says="You returned the rate with the lowest final loss. The best rate and the largest stable rate are two "
    "different questions.",
)
def best_rate(results):
    final = {lr: np.nan_to_num(ends(losses), nan=np.inf).mean() for lr, losses in results if stable(losses)}
    return min(final, key=final.get) if final else 0.0


@mutant(
    TASK,
    says="Runs that end in nan pass your test. Every comparison with nan is False, be it < or >=: first ask "
    "np.isfinite of all losses.",
)
def nan_counts_as_stable(results):
    return climbed(results, lambda losses: not (ends(losses) >= 0.9 * losses[:, 0]).any())


@mutant(
    TASK,
    says="For you one stable seed is enough. A rate that fails for one seed of three is not stable: all seeds have to "
    "pass.",
)
def one_seed_is_enough(results):
    def rule(losses):
        finite = np.isfinite(losses).all(axis=1)
        return bool((finite & (ends(losses) < 0.9 * losses[:, 0])).any())

    return climbed(results, rule)


@mutant(
    TASK,
    says="You averaged over the seeds before you judged, so a good seed hides a bad one. Judge every seed on its own.",
)
def averaged_over_seeds(results):
    def rule(losses):
        return bool(np.isfinite(losses).all() and ends(losses).mean() < 0.9 * losses[:, 0].mean())

    return climbed(results, rule)


@mutant(
    TASK,
    says="You took the rates in the order in which they are listed. Sort them first, from the smallest to the largest.",
)
def order_assumed(results):
    best = 0.0
    for lr, losses in results:
        if not stable(losses):
            break
        best = lr
    return best


@mutant(
    TASK,
    says="You judged by the last loss alone. One batch may be easy or hard: take the mean of the last 10.",
)
def last_loss_alone(results):
    return climbed(results, lambda losses: np.isfinite(losses).all() and (losses[:, -1] < 0.9 * losses[:, 0]).all())


@mutant(
    TASK,
    says="For you a finite loss is enough. A dead network has one too: the end must be below 0.9 times the start.",
)
def finite_is_enough(results):
    return climbed(results, lambda losses: bool(np.isfinite(losses).all()))


@mutant(
    TASK,
    says="For you any end below the start is enough. The mean of the last 10 losses must be below 0.9 times the "
    "first one.",
)
def below_the_start(results):
    return climbed(results, lambda losses: bool(np.isfinite(losses).all() and (ends(losses) < losses[:, 0]).all()))


@mutant(
    TASK,
    says="You looked for nan and inf at the end only. A run that overflows on the way is not stable, even if it "
    "recovers: all losses have to be finite.",
)
def finite_at_the_end(results):
    return climbed(results, lambda losses: bool((ends(losses) < 0.9 * losses[:, 0]).all()))


@mutant(TASK, says="You returned the first rate that is not stable. Return the one before it.")
def first_unstable(results):
    rates = sorted(results, key=lambda result: result[0])
    return next((lr for lr, losses in rates if not stable(losses)), rates[-1][0])


@mutant(TASK, says="You returned the smallest stable rate. Climb on as long as the rates are stable.")
def smallest_stable(results):
    lr, losses = min(results, key=lambda result: result[0])
    return lr if stable(losses) else 0.0


@mutant(TASK, says="Where no rate is stable you returned None. The answer is then 0.0.")
def none_for_nothing(results):
    return climbed(results, stable) or None


@mutant(TASK, says="Where no rate is stable you returned the smallest one. It has failed: the answer is 0.0.")
def smallest_for_nothing(results):
    return climbed(results, stable) or min(lr for lr, _ in results)


@mutant(
    TASK,
    says="You averaged the first 10 losses. A run can learn and die later: the end counts, losses[:, -10:].",
)
def first_ten_judged(results):
    def rule(losses):
        return bool(np.isfinite(losses).all() and (losses[:, :10].mean(axis=1) < 0.9 * losses[:, 0]).all())

    return climbed(results, rule)


@mutant(TASK, says="You returned a position in the sorted sweep. Return the learning rate at that position.")
def position_for_rate(results):
    best = climbed(results, stable)
    return float(max(0, sum(lr <= best for lr, _ in results) - 1))


@mutant(TASK, says="You looked for nan alone. A loss of inf is not finite either: np.isfinite finds both.")
def nan_alone(results):
    return climbed(
        results, lambda losses: bool(not np.isnan(losses).any() and (ends(losses) < 0.9 * losses[:, 0]).all())
    )


@mutant(
    TASK, says="You compared the end with the mean of the first 10 losses. The start is the first loss, losses[:, 0]."
)
def first_ten_as_start(results):
    return climbed(
        results, lambda losses: bool(np.isfinite(losses).all() and (ends(losses) < 0.9 * losses[:, :10].mean(1)).all())
    )
