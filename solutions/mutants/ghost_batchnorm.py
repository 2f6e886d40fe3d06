"""Slips in `ghost_batchnorm(x, ghost_size, gamma, beta, eps=1e-5) -> y`."""

import numpy as np

from solutions.mutants import mutant

TASK = "ghost-batchnorm"


def normalized(x, eps):
    """x_hat of one batch, done right."""
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)


def cut(x, size):
    """Pieces of neighbouring rows, the last with what is left."""
    return [x[start : start + size] for start in range(0, len(x), size)]


def by_ghosts(x, ghost_size, function):
    """A function of each piece, put together."""
    return np.concatenate([function(piece) for piece in cut(x, ghost_size)])


def finish(x_hat, gamma, beta):
    return gamma * x_hat + beta


def right(x, ghost_size, eps):
    return by_ghosts(x, ghost_size, lambda piece: normalized(piece, eps))


def with_width(x, ghost_size, gamma, beta, width):
    """Centred by ghost batches, then divided by width(piece)."""
    return finish(by_ghosts(x, ghost_size, lambda piece: (piece - piece.mean(axis=0)) / width(piece)), gamma, beta)


@mutant(
    TASK,
    says="You normalized the whole batch at once. Each ghost batch of ghost_size samples has statistics of its own.",
)
def whole_batch(x, ghost_size, gamma, beta, eps=1e-5):
    return finish(normalized(x, eps), gamma, beta)


@mutant(
    TASK,
    says="Your ghost batches take every k-th sample. A ghost batch is a piece of neighbours: rows 0 to ghost_size - "
    "1, and so on.",
)
def strided_ghosts(x, ghost_size, gamma, beta, eps=1e-5):
    x_hat, count = np.empty_like(x), -(-len(x) // ghost_size)
    for first in range(count):
        x_hat[first::count] = normalized(x[first::count], eps)
    return finish(x_hat, gamma, beta)


@mutant(
    TASK,
    says="You dropped the last ghost batch because it is smaller. Every sample needs its output: the last ghost batch "
    "takes what is left.",
)
def last_ghost_dropped(x, ghost_size, gamma, beta, eps=1e-5):
    return finish(right(x[: len(x) // ghost_size * ghost_size], ghost_size, eps), gamma, beta)


@mutant(
    TASK,
    says="You left the rows of the last, smaller ghost batch at zero. It is normalized like the others, with the "
    "statistics of the rows that are left.",
)
def last_ghost_left_at_zero(x, ghost_size, gamma, beta, eps=1e-5):
    y, full = np.zeros_like(x), len(x) // ghost_size * ghost_size
    y[:full] = finish(right(x[:full], ghost_size, eps), gamma, beta)
    return y


@mutant(
    TASK,
    says="You left the rows of the last, smaller ghost batch as they were. It is normalized like the others, with the "
    "statistics of the rows that are left.",
)
def last_ghost_left_as_it_is(x, ghost_size, gamma, beta, eps=1e-5):
    y, full = x.copy(), len(x) // ghost_size * ghost_size
    y[:full] = finish(right(x, ghost_size, eps), gamma, beta)[:full]
    return y


@mutant(
    TASK,
    says="You joined the rows that are left over to the ghost batch before them. They form a smaller ghost batch, "
    "with statistics of its own.",
)
def last_ghost_joined(x, ghost_size, gamma, beta, eps=1e-5):
    start = max(len(x) // ghost_size - 1, 0) * ghost_size
    parts = [right(x[:start], ghost_size, eps)] if start else []
    return finish(np.concatenate([*parts, normalized(x[start:], eps)]), gamma, beta)


@mutant(
    TASK,
    says="You filled the last ghost batch up with zeros before taking its statistics. Zeros are samples too, and move "
    "the mean: use the rows that are left and no others.",
)
def last_ghost_padded(x, ghost_size, gamma, beta, eps=1e-5):
    padding = np.zeros((-len(x) % ghost_size, x.shape[1]), x.dtype)
    return finish(right(np.concatenate([x, padding]), ghost_size, eps)[: len(x)], gamma, beta)


@mutant(
    TASK,
    says="You filled the last ghost batch up with the rows before it. Then these count twice: use the rows that are "
    "left and no others.",
)
def last_ghost_overlaps(x, ghost_size, gamma, beta, eps=1e-5):
    x_hat, left = right(x, ghost_size, eps), len(x) % ghost_size
    if left:
        x_hat[-left:] = normalized(x[-ghost_size:], eps)[-left:]
    return finish(x_hat, gamma, beta)


@mutant(
    TASK,
    says="You cut the batch into pieces of nearly equal size. All ghost batches have ghost_size samples, except for "
    "the last, which takes what is left.",
)
def evenly_split(x, ghost_size, gamma, beta, eps=1e-5):
    pieces = np.array_split(x, -(-len(x) // ghost_size))
    return finish(np.concatenate([normalized(piece, eps) for piece in pieces]), gamma, beta)


@mutant(TASK, says="You made ghost_size ghost batches. ghost_size is the number of samples in each of them.")
def size_taken_for_number(x, ghost_size, gamma, beta, eps=1e-5):
    return finish(right(x, -(-len(x) // ghost_size), eps), gamma, beta)


@mutant(
    TASK,
    says="You used the statistics of the first ghost batch for all of them. Each has its own.",
)
def statistics_of_first_ghost(x, ghost_size, gamma, beta, eps=1e-5):
    first = x[:ghost_size]
    return finish((x - first.mean(axis=0)) / np.sqrt(first.var(axis=0) + eps), gamma, beta)


@mutant(
    TASK,
    says="The means are those of the ghost batches, but the variance is that of the whole batch. Both belong to the "
    "ghost batch.",
)
def variance_of_whole_batch(x, ghost_size, gamma, beta, eps=1e-5):
    return with_width(x, ghost_size, gamma, beta, lambda piece: np.sqrt(x.var(axis=0) + eps))


@mutant(
    TASK,
    says="The variances are those of the ghost batches, but the mean is that of the whole batch. Both belong to the "
    "ghost batch.",
)
def mean_of_whole_batch(x, ghost_size, gamma, beta, eps=1e-5):
    centre = x.mean(axis=0)
    return finish(
        by_ghosts(x, ghost_size, lambda piece: (piece - centre) / np.sqrt(piece.var(axis=0) + eps)), gamma, beta
    )


@mutant(
    TASK,
    says="You normalized with the averages of the ghost batches' means and variances. Each ghost batch uses its own.",
)
def averaged_statistics(x, ghost_size, gamma, beta, eps=1e-5):
    pieces = cut(x, ghost_size)
    mean = np.mean([piece.mean(axis=0) for piece in pieces], axis=0)
    var = np.mean([piece.var(axis=0) for piece in pieces], axis=0)
    return finish((x - mean) / np.sqrt(var + eps), gamma, beta)


@mutant(
    TASK,
    says="You cut along the features. A ghost batch is a piece of the batch, with ghost_size samples and all features.",
)
def features_cut(x, ghost_size, gamma, beta, eps=1e-5):
    pieces = [x[:, start : start + ghost_size] for start in range(0, x.shape[1], ghost_size)]
    hats = [(piece - piece.mean()) / np.sqrt(piece.var() + eps) for piece in pieces]
    return finish(np.concatenate(hats, axis=1), gamma, beta)


@mutant(
    TASK,
    says="You took one mean and one variance for all features of a ghost batch. Each feature has its own.",
)
def features_share_statistics(x, ghost_size, gamma, beta, eps=1e-5):
    hats = by_ghosts(x, ghost_size, lambda piece: (piece - piece.mean()) / np.sqrt(piece.var() + eps))
    return finish(hats, gamma, beta)


@mutant(
    TASK,
    says="You divided by the size of the ghost batch minus 1. Training normalizes with the biased variance.",
)
def unbiased_variance(x, ghost_size, gamma, beta, eps=1e-5):
    return with_width(x, ghost_size, gamma, beta, lambda piece: np.sqrt(piece.var(axis=0, ddof=1) + eps))


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2. Far from zero it loses all its digits: subtract the "
    "mean first, then square.",
)
def one_pass_variance(x, ghost_size, gamma, beta, eps=1e-5):
    def width(piece):
        return np.sqrt((piece * piece).mean(axis=0) - piece.mean(axis=0) ** 2 + eps)

    return with_width(x, ghost_size, gamma, beta, width)


@mutant(TASK, says="You added eps after the root: sqrt(var) + eps. It belongs inside, sqrt(var + eps).")
def eps_outside_sqrt(x, ghost_size, gamma, beta, eps=1e-5):
    return with_width(x, ghost_size, gamma, beta, lambda piece: piece.std(axis=0) + eps)


@mutant(TASK, says="You left eps out. A ghost batch of one sample has the variance 0: divide by sqrt(var + eps).")
def eps_missing(x, ghost_size, gamma, beta, eps=1e-5):
    return finish(right(x, ghost_size, 0), gamma, beta)


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(x, ghost_size, gamma, beta, eps=1e-5):
    return finish(right(x, ghost_size, 1e-5), gamma, beta)


@mutant(
    TASK,
    says="You divided by var + eps without the root. The standard deviation, sqrt(var + eps), has the units of x.",
)
def sqrt_missing(x, ghost_size, gamma, beta, eps=1e-5):
    return with_width(x, ghost_size, gamma, beta, lambda piece: piece.var(axis=0) + eps)


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta, with the same gamma in all ghost batches.")
def gamma_forgotten(x, ghost_size, gamma, beta, eps=1e-5):
    return right(x, ghost_size, eps) + beta


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta, with the same beta in all ghost batches.")
def beta_forgotten(x, ghost_size, gamma, beta, eps=1e-5):
    return gamma * right(x, ghost_size, eps)


@mutant(TASK, says="You returned x_hat: gamma and beta are still to come, y is gamma * x_hat + beta.")
def gamma_and_beta_forgotten(x, ghost_size, gamma, beta, eps=1e-5):
    return right(x, ghost_size, eps)


@mutant(TASK, says="You exchanged gamma and beta: gamma scales, beta shifts.")
def gamma_and_beta_swapped(x, ghost_size, gamma, beta, eps=1e-5):
    return finish(right(x, ghost_size, eps), beta, gamma)


@mutant(
    TASK,
    says="You took the statistics over the features of each sample, axis 1, which is layer normalization. In a ghost "
    "batch they run over its samples, axis 0.",
)
def features_of_a_sample(x, ghost_size, gamma, beta, eps=1e-5):
    return finish(normalized(x.T, eps).T, gamma, beta)


@mutant(
    TASK,
    says="You cut the batch into N // ghost_size equal pieces, so they are larger than ghost_size. Each ghost batch "
    "has ghost_size samples, and the rows left over form a smaller one.",
)
def fewer_and_larger(x, ghost_size, gamma, beta, eps=1e-5):
    pieces = np.split(x, max(1, len(x) // ghost_size))
    return finish(np.concatenate([normalized(piece, eps) for piece in pieces]), gamma, beta)


@mutant(
    TASK,
    says="The last, smaller ghost batch is normalized with the statistics of the one before it. It has its own, those "
    "of the rows that are left.",
)
def last_borrows_statistics(x, ghost_size, gamma, beta, eps=1e-5):
    pieces = cut(x, ghost_size)
    lenders = pieces if len(pieces[-1]) == ghost_size else [*pieces[:-1], (pieces[-2:] or pieces)[0]]
    both = zip(pieces, lenders)
    x_hat = [(piece - lent.mean(axis=0)) / np.sqrt(lent.var(axis=0) + eps) for piece, lent in both]
    return finish(np.concatenate(x_hat), gamma, beta)
