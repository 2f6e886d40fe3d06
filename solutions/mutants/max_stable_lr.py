"""Slips in `max_stable_lr(features) -> float`."""

import numpy as np

from solutions.mutants import mutant

TASK = "max-stable-lr"


def curvature(features):
    """The matrix of second derivatives of the loss."""
    return features.T @ features / len(features)


def steepest(matrix):
    """The largest eigenvalue."""
    return float(np.linalg.eigvalsh(matrix)[-1])


@mutant(
    TASK,
    says="You returned 1 / the largest eigenvalue. That rate is stable, and the fastest along its direction, but the "
    "limit is twice as large: 1 - lr * eigenvalue reaches -1 at 2 / eigenvalue.",
)
def one_over_lambda_max(features):
    return 1 / steepest(curvature(features))


@mutant(
    TASK,
    says="You took the smallest eigenvalue. The steepest direction diverges first, and it belongs to the largest one.",
)
def smallest_eigenvalue(features):
    return float(2 / np.linalg.eigvalsh(curvature(features))[0])


@mutant(TASK, says="You forgot to divide by N: the loss is a mean over the samples, and so is its curvature.")
def n_missing(features):
    return 2 / steepest(features.T @ features)


@mutant(
    TASK,
    says="You used the largest singular value of the features without squaring it. An eigenvalue of features.T @ "
    "features is the square of a singular value.",
)
def singular_value_not_squared(features):
    return float(2 * len(features) / np.linalg.norm(features, 2))


@mutant(
    TASK,
    says="You returned 2 / the largest singular value. Square it and divide by N: that is the eigenvalue in question.",
)
def singular_value_alone(features):
    return float(2 / np.linalg.norm(features, 2))


@mutant(TASK, says="You took the root of the eigenvalue. The limit is 2 / eigenvalue, without a root.")
def root_of_eigenvalue(features):
    return 2 / steepest(curvature(features)) ** 0.5


@mutant(
    TASK,
    says="You returned the largest eigenvalue itself. The steeper the bowl, the smaller the rate: return 2 / "
    "eigenvalue.",
)
def eigenvalue_returned(features):
    return steepest(curvature(features))


@mutant(TASK, says="Your fraction is upside down: the limit is 2 / eigenvalue, not eigenvalue / 2.")
def upside_down(features):
    return steepest(curvature(features)) / 2


@mutant(
    TASK,
    says="You centred the features first. The loss sees them as they come, and a mean far from 0 is what makes the "
    "limit small.",
)
def centred_first(features):
    return 2 / steepest(curvature(features - features.mean(axis=0)))


@mutant(TASK, says="You divided by the number of features. The loss is a mean over the N samples, axis 0.")
def features_for_samples(features):
    return 2 * features.shape[1] / steepest(features.T @ features)


@mutant(TASK, says="You divided by N - 1. The loss is a mean over N samples, nothing is estimated here.")
def n_minus_one(features):
    return 2 * (len(features) - 1) / steepest(features.T @ features)


@mutant(
    TASK,
    says="You used the trace, the sum of all eigenvalues. That is a safe rate, but the limit belongs to the largest "
    "eigenvalue alone.",
)
def trace_used(features):
    return float(2 / np.trace(curvature(features)))


@mutant(
    TASK,
    says="You used the largest entry of the diagonal, the steepest feature. A direction between the features can be "
    "steeper still: take the largest eigenvalue.",
)
def largest_diagonal_entry(features):
    return float(2 / np.diag(curvature(features)).max())


@mutant(TASK, says="You averaged the eigenvalues. The steepest direction diverges first: take the largest.")
def mean_eigenvalue(features):
    return float(2 / np.linalg.eigvalsh(curvature(features)).mean())


@mutant(
    TASK,
    says="You returned 4 / eigenvalue, as if the curvature had one more factor of 1/2. It is features.T @ features / "
    "N.",
)
def four_over_lambda_max(features):
    return 4 / steepest(curvature(features))


@mutant(
    TASK,
    says="You returned the condition number, largest over smallest eigenvalue. It tells how slow gradient descent is, "
    "not which rates are stable.",
)
def condition_number(features):
    return float(np.linalg.cond(curvature(features)))
