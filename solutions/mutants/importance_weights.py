"""Slips in `importance_weights(x, source, target) -> w`."""

import numpy as np

from solutions.mutants import mutant

TASK = "importance-weights"


def exponent(x, given):
    """-z**2 / 2, the exponent of a normal density."""
    return -0.5 * ((x - given[0]) / given[1]) ** 2


def density(x, given):
    """The normal density; 0 far out, where it is smaller than any number."""
    return np.exp(exponent(x, given)) / (given[1] * 2.5066282746310002)


def right(x, source, target):
    """The weights as they should be."""
    return np.exp(exponent(x, target) - exponent(x, source)) * (source[1] / target[1])


@mutant(
    TASK,
    says="Your ratio is upside down. The weight is target density over source density: points that are more common in "
    "the target count more.",
)
def ratio_upside_down(x, source, target):
    return right(x, target, source)


@mutant(
    TASK,
    says="You left out the 1/std in front of each density. Without it the two bells do not have the same area 1, and "
    "all weights are off by source std / target std.",
)
def std_factor_missing(x, source, target):
    return np.exp(exponent(x, target) - exponent(x, source))


@mutant(
    TASK,
    says="Your factor in front is upside down. Each density has 1/std in front, so the ratio has source std / target "
    "std.",
)
def std_factor_upside_down(x, source, target):
    return np.exp(exponent(x, target) - exponent(x, source)) * (target[1] / source[1])


@mutant(TASK, says="You forgot the square: the exponent of a normal density is -((x - mean) / std)**2 / 2.")
def square_forgotten(x, source, target):
    near, far = (-0.5 * (x - mean) / std for mean, std in (target, source))
    return np.exp(near - far) * (source[1] / target[1])


@mutant(
    TASK,
    says="You took the absolute value in place of the square: the exponent of a normal density is -((x - mean) / "
    "std)**2 / 2.",
)
def absolute_for_square(x, source, target):
    near, far = (-0.5 * np.abs(x - mean) / std for mean, std in (target, source))
    return np.exp(near - far) * (source[1] / target[1])


@mutant(TASK, says="You forgot the 1/2 in the exponent of the densities: -((x - mean) / std)**2 / 2.")
def half_forgotten(x, source, target):
    return np.exp(2 * (exponent(x, target) - exponent(x, source))) * (source[1] / target[1])


@mutant(TASK, says="You did not square std in the exponent. It belongs under the square: (x - mean)**2 / (2 * std**2).")
def std_not_squared(x, source, target):
    near, far = (-0.5 * (x - mean) ** 2 / std for mean, std in (target, source))
    return np.exp(near - far) * (source[1] / target[1])


@mutant(
    TASK,
    says="You took the second number for a variance. source and target are pairs (mean, std): square the std.",
)
def variance_taken_for_std(x, source, target):
    return right(x, *((mean, std**0.5) for mean, std in (source, target)))


@mutant(
    TASK,
    says="You squared std in front of the densities too. It is squared in the exponent only; the factor in front is "
    "1/std.",
)
def variance_in_front(x, source, target):
    return np.exp(exponent(x, target) - exponent(x, source)) * (source[1] / target[1]) ** 2


@mutant(TASK, says="The sign of your exponents is flipped: a density falls with the distance from its mean.")
def sign_of_exponent(x, source, target):
    return np.exp(exponent(x, source) - exponent(x, target)) * (source[1] / target[1])


@mutant(TASK, says="You returned the logarithm of the weights. Take exp of it as the last step.")
def logarithm_returned(x, source, target):
    return exponent(x, target) - exponent(x, source) + np.log(source[1] / target[1]).astype(x.dtype)


@mutant(
    TASK,
    says="You divided the weights by their sum. The weight is the plain ratio of the two densities at x; it does not "
    "depend on the other points.",
)
def scaled_to_sum_one(x, source, target):
    w = right(x, source, target)
    return w / w.sum()


@mutant(
    TASK,
    says="You divided the weights by their mean. The weight is the plain ratio of the two densities at x; it does not "
    "depend on the other points.",
)
def scaled_to_mean_one(x, source, target):
    w = right(x, source, target)
    return w / w.mean()


@mutant(
    TASK,
    says="You returned the target density alone. Divide it by the source density, which says how common such points "
    "are in your data.",
)
def target_density_alone(x, source, target):
    return density(x, target)


@mutant(TASK, says="You returned 1 over the source density. The target density belongs on top.")
def source_density_inverted(x, source, target):
    return np.exp(-exponent(x, source)) * (source[1] * 2.5066282746310002)


@mutant(TASK, says="You subtracted the densities. The weight is their ratio, target over source.")
def difference_for_ratio(x, source, target):
    return density(x, target) - density(x, source)


@mutant(TASK, says="You took the root of the ratio. Roots come in later, when squared errors are weighted.")
def root_taken(x, source, target):
    return np.sqrt(right(x, source, target))


@mutant(
    TASK,
    says="Far out both of your densities underflow to 0, and 0/0 is not a number. Subtract the exponents first and "
    "take exp of the difference.",
)
def densities_underflow(x, source, target):
    return density(x, target) / density(x, source)


@mutant(
    TASK,
    says="Far out your weights are 0. Both densities underflow there, and a small number in the denominator or "
    "nan_to_num only hides the 0/0: subtract the exponents first and take exp of the difference.",
)
def small_number_in_denominator(x, source, target):
    return density(x, target) / (density(x, source) + 1e-12)


@mutant(
    TASK,
    says="Your exponent is multiplied by std**2: / 2 * std**2 divides by the 2 alone. Write / (2 * std**2).",
)
def multiplied_by_variance(x, source, target):
    near, far = (-0.5 * (x - mean) ** 2 * std**2 for mean, std in (target, source))
    return np.exp(near - far) * (source[1] / target[1])
