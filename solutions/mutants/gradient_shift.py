"""Slips in `gradient_shift(grad, grad_after) -> (cosine, l2)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "gradient-shift"


def length(v):
    """The root of the sum of all squares."""
    return float(np.sqrt(np.vdot(v, v)))


def angle_cosine(g, h):
    """The right cosine."""
    return float(np.vdot(g, h)) / (length(g) * length(h))


@mutant(
    TASK,
    says="You forgot to divide by the two norms. The cosine compares directions: dot product over the product of the "
    "lengths, between -1 and 1.",
)
def norms_forgotten(grad, grad_after):
    return float(np.vdot(grad, grad_after)), length(grad - grad_after)


@mutant(TASK, says="You divided by one of the norms only. Divide the dot product by the product of both.")
def one_norm_only(grad, grad_after):
    return float(np.vdot(grad, grad_after)) / length(grad), length(grad - grad_after)


@mutant(
    TASK,
    says="You divided by the squared norm of grad. Divide by the norm of grad times the norm of grad_after.",
)
def same_norm_twice(grad, grad_after):
    return float(np.vdot(grad, grad_after)) / length(grad) ** 2, length(grad - grad_after)


@mutant(
    TASK,
    says="You divided by the squared norms. The norm is the root of the sum of squares; the root is missing.",
)
def norms_squared(grad, grad_after):
    return angle_cosine(grad, grad_after) / (length(grad) * length(grad_after)), length(grad - grad_after)


@mutant(TASK, says="You returned the angle. Its cosine is asked for: leave the arccos out.")
def angle_returned(grad, grad_after):
    return float(np.arccos(angle_cosine(grad, grad_after))), length(grad - grad_after)


@mutant(TASK, says="You returned 1 - cosine, a distance. The cosine itself is asked for: 1 means no turn.")
def cosine_distance(grad, grad_after):
    return 1 - angle_cosine(grad, grad_after), length(grad - grad_after)


@mutant(TASK, says="You took the absolute value. A negative cosine is worth knowing: the two gradients point apart.")
def sign_lost(grad, grad_after):
    return abs(angle_cosine(grad, grad_after)), length(grad - grad_after)


@mutant(
    TASK,
    says="You subtracted the means first: that is a correlation. The cosine compares the gradients as they are.",
)
def correlation_returned(grad, grad_after):
    return angle_cosine(grad - grad.mean(), grad_after - grad_after.mean()), length(grad - grad_after)


@mutant(
    TASK,
    says="You took a cosine for each row and averaged them. The layer's gradient is one vector: flatten it, then take "
    "one cosine.",
)
def averaged_over_rows(grad, grad_after):
    cosines = [angle_cosine(g, h) for g, h in zip(grad, grad_after)]
    return float(np.mean(cosines)), length(grad - grad_after)


@mutant(TASK, says="Your l2 is squared: take the root of the sum of squares.")
def l2_squared(grad, grad_after):
    return angle_cosine(grad, grad_after), length(grad - grad_after) ** 2


@mutant(
    TASK,
    says="You divided the difference by the norm of grad. That is a sensible number too, but l2 is the plain length "
    "of the difference.",
)
def relative_l2(grad, grad_after):
    return angle_cosine(grad, grad_after), length(grad - grad_after) / length(grad)


@mutant(TASK, says="You averaged the squares. l2 is the root of their sum: it grows with the number of weights.")
def mean_of_squares(grad, grad_after):
    return angle_cosine(grad, grad_after), length(grad - grad_after) / grad.size**0.5


@mutant(
    TASK,
    says="You took the spectral norm: np.linalg.norm(..., 2) of a matrix is its largest singular value. Flatten the "
    "difference first, or leave the 2 out.",
)
def spectral_norm(grad, grad_after):
    return angle_cosine(grad, grad_after), float(np.linalg.norm(grad - grad_after, 2))


@mutant(TASK, says="You summed absolute values, the L1 norm. l2 is the root of the sum of squares.")
def l1_norm(grad, grad_after):
    return angle_cosine(grad, grad_after), float(np.abs(grad - grad_after).sum())


@mutant(TASK, says="You took the largest difference. l2 is the root of the sum of all squared differences.")
def largest_difference(grad, grad_after):
    return angle_cosine(grad, grad_after), float(np.abs(grad - grad_after).max())


@mutant(
    TASK,
    says="You subtracted the lengths. Two gradients of the same length can point apart: take the length of the "
    "difference.",
)
def difference_of_lengths(grad, grad_after):
    return angle_cosine(grad, grad_after), abs(length(grad) - length(grad_after))


@mutant(
    TASK,
    says="You divided both gradients by their lengths before subtracting, so l2 says the same as the cosine. Subtract "
    "them as they are.",
)
def directions_subtracted(grad, grad_after):
    gap = grad / length(grad) - grad_after / length(grad_after)
    return angle_cosine(grad, grad_after), length(gap)


@mutant(TASK, says="You added the gradients. l2 is the length of their difference.")
def sum_for_difference(grad, grad_after):
    return angle_cosine(grad, grad_after), length(grad + grad_after)


@mutant(TASK, says="You returned the pair the other way round: first the cosine, then l2.")
def order_swapped(grad, grad_after):
    return length(grad - grad_after), angle_cosine(grad, grad_after)
