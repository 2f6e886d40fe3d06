"""Right answers to the judging tasks of notebook 07 in other styles."""

import math

import numpy as np

from solutions.styles import style


# -- steps_to_accuracy ------------------------------------------------------------------------------------------------
@style("steps-to-accuracy")
def with_next(history, target):
    pairs = zip(history["step"], history["accuracy"])
    return next((step for step, accuracy in pairs if accuracy >= target), None)


@style("steps-to-accuracy")
def with_argmax(history, target):
    reached = np.array(history["accuracy"]) >= target
    return np.array(history["step"])[reached.argmax()] if reached.any() else None


@style("steps-to-accuracy")
def with_nonzero(history, target):
    (places,) = np.nonzero(np.asarray(history["accuracy"]) >= target)
    if places.size == 0:
        return None
    return int(history["step"][places[0]])


@style("steps-to-accuracy")
def with_while(history, target):
    place = 0
    while place < len(history["accuracy"]):
        if not history["accuracy"][place] < target:
            return history["step"][place]
        place += 1


@style("steps-to-accuracy")
def with_min(history, target):
    found = [step for step, accuracy in zip(history["step"], history["accuracy"]) if accuracy >= target]
    return min(found) if found else None


# -- largest_stable_lr ------------------------------------------------------------------------------------------------
@style("largest-stable-lr")
def smallest_failure_first(results):
    def works(losses):
        return np.isfinite(losses).all() and np.all(losses[:, -10:].mean(axis=1) / 0.9 < losses[:, 0])

    failed = min((lr for lr, losses in results if not works(losses)), default=math.inf)
    return max((lr for lr, _ in results if lr < failed), default=0.0)


@style("largest-stable-lr")
def seed_by_seed(results):
    largest = 0.0
    for lr in sorted(lr for lr, _ in results):
        (losses,) = (found for rate, found in results if rate == lr)
        for row in losses:
            row = [float(loss) for loss in row]
            if not all(math.isfinite(loss) for loss in row) or sum(row[-10:]) / 10 >= row[0] * 0.9:
                return largest
        largest = float(lr)
    return largest


@style("largest-stable-lr")
def with_arrays(results):
    rates = np.array([lr for lr, _ in results])
    order = np.argsort(rates)
    good = []
    for place in order:
        losses = results[place][1]
        ends = losses[:, -10:].mean(axis=1) / losses[:, 0]
        good.append(bool(np.isfinite(losses).all() and ends.max() < 0.9))
    count = int(np.cumprod(good).sum())
    return rates[order][count - 1] if count else 0.0


@style("largest-stable-lr")
def from_a_dict(results):
    table = dict(results)
    best = 0
    for lr in sorted(table):
        losses = table[lr]
        bad = ~np.isfinite(losses).all(axis=1)
        worst = np.where(bad, np.inf, losses[:, -10:].mean(axis=1) - 0.9 * losses[:, 0])
        if worst.max() >= 0:
            break
        best = lr
    return best


# -- bootstrap_interval -----------------------------------------------------------------------------------------------
@style("bootstrap-interval")
def with_indices(values, rng, level=0.95):
    n = len(values)
    means = values[rng.integers(0, n, size=(2000, n))].mean(axis=1)
    tail = 100 * (1 - level) / 2
    return tuple(np.percentile(means, [tail, 100 - tail]))


@style("bootstrap-interval")
def in_a_loop(values, rng, level=0.95):
    means = []
    for _ in range(2000):
        means.append(np.mean(rng.choice(values, len(values), replace=True)))
    return np.quantile(means, (1 - level) / 2), np.quantile(means, 1 - (1 - level) / 2)


@style("bootstrap-interval")
def by_sorting(values, rng, level=0.95):
    means = np.sort(rng.choice(values, size=(4000, len(values))).mean(axis=1))
    outside = int(round(4000 * (1 - level) / 2))
    return float(means[outside]), float(means[-1 - outside])


@style("bootstrap-interval")
def by_counts(values, rng, level=0.95):
    """How often each value is drawn is multinomial."""
    n = len(values)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=3000)
    low, high = np.quantile(counts @ values.astype(np.float64) / n, [0.5 - level / 2, 0.5 + level / 2])
    return [low, high]
