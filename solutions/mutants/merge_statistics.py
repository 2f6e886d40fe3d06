"""Slips in `merge_statistics(parts) -> (n, mean, m2)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "merge-statistics"


def columns(parts):
    """The counts (K, 1), means (K, C) and sums of squares (K, C) of all parts."""
    n, mean, m2 = zip(*parts)
    return np.array(n).reshape(-1, 1), np.array(mean), np.array(m2)


def merged(parts):
    """The merge done right."""
    n, means, m2 = columns(parts)
    mean = (n * means).sum(axis=0) / n.sum()
    return int(n.sum()), mean, m2.sum(axis=0) + (n * (means - mean) ** 2).sum(axis=0)


def pairwise(parts, between, weight=lambda n_a, n_b: n_b / (n_a + n_b)):
    """Part after part; between(n_a, n_b, delta) is added to m2, the mean moves by weight(n_a, n_b) * delta."""
    n_a, mean_a, m2_a = parts[0]
    for n_b, mean_b, m2_b in parts[1:]:
        delta = mean_b - mean_a
        mean_a = mean_a + delta * weight(n_a, n_b)
        m2_a = m2_a + m2_b + between(n_a, n_b, delta)
        n_a += n_b
    return n_a, mean_a, m2_a


@mutant(
    TASK,
    says="Between-shard variance missing: you added the m2 of the parts and stopped. The means of the parts differ "
    "too, and that adds spread around the common mean: delta**2 * n_a * n_b / (n_a + n_b).",
)
def between_shard_variance_missing(parts):
    n, mean, _ = merged(parts)
    return n, mean, columns(parts)[2].sum(axis=0)


@mutant(
    TASK,
    says="You averaged the means as if all parts were of the same size. Weight each mean with its n, the number of "
    "samples.",
)
def unweighted_means(parts):
    n, means, m2 = columns(parts)
    mean = means.mean(axis=0)
    return int(n.sum()), mean, m2.sum(axis=0) + (n * (means - mean) ** 2).sum(axis=0)


@mutant(
    TASK,
    says="You averaged the means without weights and added the m2 of the parts: the sizes do not enter, and the spread "
    "between the parts' means is missing.",
)
def unweighted_and_between_missing(parts):
    n, means, m2 = columns(parts)
    return int(n.sum()), means.mean(axis=0), m2.sum(axis=0)


@mutant(
    TASK,
    says="You took the midpoint of the mean so far and the next one, so the last part counts for half and the order "
    "matters. Move by n_b / (n_a + n_b) of the distance.",
)
def middle_of_two(parts):
    return pairwise(parts, lambda n_a, n_b, delta: delta**2 * n_a * n_b / (n_a + n_b), lambda n_a, n_b: 0.5)


@mutant(
    TASK,
    says="You exchanged the weights of the two means. The larger part pulls more: move from mean_a by n_b / (n_a + "
    "n_b) of the distance.",
)
def weights_exchanged(parts):
    return pairwise(
        parts, lambda n_a, n_b, delta: delta**2 * n_a * n_b / (n_a + n_b), lambda n_a, n_b: n_a / (n_a + n_b)
    )


@mutant(
    TASK,
    says="The counts are missing in the term between the parts: multiply delta**2 by n_a * n_b / (n_a + n_b).",
)
def counts_missing_between(parts):
    return pairwise(parts, lambda n_a, n_b, delta: delta**2)


@mutant(
    TASK,
    says="Each mean counts once in your m2, however many samples it stands for: add n_b * (mean_b - mean)**2 for "
    "each of the parts.",
)
def distances_counted_once(parts):
    n, mean, m2 = merged(parts)
    _, means, inner = columns(parts)
    return n, mean, inner.sum(axis=0) + ((means - mean) ** 2).sum(axis=0)


@mutant(
    TASK,
    says="In the term between the parts you did not divide by n_a + n_b: it is delta**2 * n_a * n_b / (n_a + n_b).",
)
def not_divided_by_total(parts):
    return pairwise(parts, lambda n_a, n_b, delta: delta**2 * n_a * n_b)


@mutant(
    TASK,
    says="Your term between the parts comes to delta**2 * n_b: n_a is missing, or n had grown before you used it. It "
    "is delta**2 * n_a * n_b / (n_a + n_b), with the count n_a from before the merge.",
)
def only_new_count_between(parts):
    return pairwise(parts, lambda n_a, n_b, delta: delta**2 * n_b)


@mutant(
    TASK,
    says="You did not square the distance between the means. m2 is a sum of squares: delta**2 * n_a * n_b / (n_a + "
    "n_b).",
)
def distance_not_squared(parts):
    return pairwise(parts, lambda n_a, n_b, delta: np.abs(delta) * n_a * n_b / (n_a + n_b))


@mutant(
    TASK,
    says="You subtracted the term between the parts. Spread between the parts adds to the spread within them.",
)
def between_subtracted(parts):
    return pairwise(parts, lambda n_a, n_b, delta: -(delta**2) * n_a * n_b / (n_a + n_b))


@mutant(
    TASK,
    says="You took delta after the mean had moved. It is the distance between the two old means: compute it first.",
)
def delta_after_update(parts):
    return pairwise(parts, lambda n_a, n_b, delta: (delta * n_a / (n_a + n_b)) ** 2 * n_a * n_b / (n_a + n_b))


@mutant(
    TASK,
    says="You updated the count too early: in delta**2 * n_a * n_b / (n_a + n_b), n_a is the count before this part "
    "is added.",
)
def count_updated_too_early(parts):
    return pairwise(parts, lambda n_a, n_b, delta: delta**2 * (n_a + n_b) * n_b / (n_a + 2 * n_b))


@mutant(
    TASK,
    says="You used the count of the first part throughout. After a merge the running count is the sum of both: n_a + "
    "n_b.",
)
def count_not_updated(parts):
    n_a, mean, m2 = parts[0]
    total = n_a
    for n_b, mean_b, m2_b in parts[1:]:
        delta = mean_b - mean
        mean = mean + delta * n_b / (n_a + n_b)
        m2 = m2 + m2_b + delta**2 * n_a * n_b / (n_a + n_b)
        total += n_b
    return total, mean, m2


@mutant(TASK, says="Your n is the number of parts. It counts samples: the sum of the parts' n.")
def number_of_parts(parts):
    _, mean, m2 = merged(parts)
    return len(parts), mean, m2


@mutant(TASK, says="Your n is that of the first part. All samples are in the result: the sum of the parts' n.")
def count_of_first_part(parts):
    _, mean, m2 = merged(parts)
    return parts[0][0], mean, m2


@mutant(
    TASK,
    says="You returned a variance. m2 is the sum of the squared distances; it is divided by n or n - 1 only when a "
    "variance is needed.",
)
def variance_returned(parts):
    n, mean, m2 = merged(parts)
    return n, mean, m2 / n


@mutant(
    TASK,
    says="You returned the unbiased variance. m2 is the sum of the squared distances; the division comes later.",
)
def unbiased_variance_returned(parts):
    n, mean, m2 = merged(parts)
    return n, mean, m2 / (n - 1)


@mutant(TASK, says="You returned the standard deviation. m2 is the sum of the squared distances: no division, no root.")
def standard_deviation_returned(parts):
    n, mean, m2 = merged(parts)
    return n, mean, np.sqrt(m2 / n)


@mutant(
    TASK,
    says="You took m2 for a variance and multiplied it by n. It is a sum already: add the m2 as they are.",
)
def m2_taken_for_variance(parts):
    return merged([(n, mean, n * m2) for n, mean, m2 in parts])


@mutant(TASK, says="You averaged the m2 of the parts. They are sums over samples, and sums add up.")
def m2_averaged(parts):
    n, means, m2 = columns(parts)
    mean = (n * means).sum(axis=0) / n.sum()
    return int(n.sum()), mean, m2.mean(axis=0) + (n * (means - mean) ** 2).sum(axis=0)


@mutant(TASK, says="You merged the first two parts and left out the others: go on until the list is used up.")
def first_two_only(parts):
    return merged(parts[:2])


@mutant(TASK, says="You left out the last part: the loop ends one step too early.")
def last_part_dropped(parts):
    return merged(parts[:-1])


@mutant(TASK, says="You returned m2 before mean. The order is (n, mean, m2).")
def order_swapped(parts):
    n, mean, m2 = merged(parts)
    return n, m2, mean


@mutant(
    TASK,
    says="You went through sums of squares and subtracted n * mean**2 in the end. Far from zero two huge numbers "
    "cancel and few digits are left: use the distances between the means.",
)
def raw_moments(parts):
    n, means, m2 = columns(parts)
    mean = (n * means).sum(axis=0) / n.sum()
    return int(n.sum()), mean, (m2 + n * means**2).sum(axis=0) - n.sum() * mean**2


@mutant(
    TASK,
    says="The sign of your delta is reversed, so the mean moves away from the new part. delta is mean_b - mean_a: it "
    "points from the old mean to the new one.",
)
def delta_turned_round(parts):
    def between(n_a, n_b, delta):
        return delta**2 * n_a * n_b / (n_a + n_b)

    return pairwise(parts, between, weight=lambda n_a, n_b: -n_b / (n_a + n_b))
