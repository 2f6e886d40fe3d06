"""Slips in `zca_whiten(x, eps) -> z`."""

import numpy as np

from solutions.mutants import mutant

TASK = "zca-whiten"


def spectrum(matrix):
    """Eigenvalues and eigenvectors; of each vector the largest entry is positive, so that every machine agrees."""
    values, vectors = np.linalg.eigh(matrix)
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
    return values, vectors * np.sign(largest)


def covariance(x, divisor=None):
    """With 1/N unless another divisor is given."""
    centred = x - x.mean(axis=0)
    return centred.T @ centred / (len(x) if divisor is None else divisor)


def symmetric(matrix, function):
    """The function of a symmetric matrix: eigenvectors kept, eigenvalues replaced."""
    values, vectors = spectrum(matrix)
    return (vectors * function(values)) @ vectors.T


def wide(x):
    """In float64: in float32 what follows would be noise, which differs from machine to machine."""
    return x.astype(np.float64)


def inverse_root(eps):
    return lambda values: 1 / np.sqrt(values + eps)


@mutant(
    TASK,
    says="You stayed in the coordinates of the eigenvectors: that is PCA whitening, a rotated ZCA. Rotate back with "
    "the transposed eigenvectors, so that each column of z stays close to its feature.",
)
def pca_rotation(x, eps):
    values, vectors = spectrum(covariance(x))
    return (x - x.mean(axis=0)) @ vectors / np.sqrt(values + eps)


@mutant(
    TASK,
    says="You used a Cholesky factor. Its result is white as well, but rotated; ZCA uses the symmetric root of the "
    "inverse covariance.",
)
def cholesky_used(x, eps):
    factor = np.linalg.cholesky(covariance(x) + eps * np.eye(x.shape[1], dtype=x.dtype))
    return np.linalg.solve(factor, (x - x.mean(axis=0)).T).T


@mutant(
    TASK,
    says="You mixed up rows and columns: the covariance is taken over the N samples and has shape (C, C). Centre with "
    "axis 0 and multiply centred.T @ centred.",
)
def rows_and_columns_mixed_up(x, eps):
    flipped = x.T
    return ((flipped - flipped.mean(axis=0)) @ symmetric(covariance(flipped), inverse_root(eps))).T


@mutant(
    TASK,
    says="You exchanged V and V.T: the eigenvectors are the COLUMNS of the matrix that eigh returns, so the "
    "whitening matrix is V D V.T.",
)
def eigenvectors_as_rows(x, eps):
    values, vectors = spectrum(covariance(x))
    return (x - x.mean(axis=0)) @ ((vectors.T / np.sqrt(values + eps)) @ vectors)


@mutant(
    TASK,
    says="You added eps outside the root: sqrt(eigenvalue) + eps. It belongs inside, sqrt(eigenvalue + eps), as in "
    "batch normalization.",
)
def eps_outside_root(x, eps):
    return (x - x.mean(axis=0)) @ symmetric(covariance(x), lambda values: 1 / (np.sqrt(np.abs(values)) + eps))


@mutant(TASK, says="You left eps out: divide by sqrt(eigenvalue + eps).")
def eps_missing(x, eps):
    return (x - x.mean(axis=0)) @ symmetric(covariance(x), lambda values: 1 / np.sqrt(values))


@mutant(TASK, says="You used 1e-5 whatever eps was given. Use the argument.")
def eps_hard_coded(x, eps):
    return (x - x.mean(axis=0)) @ symmetric(covariance(x), inverse_root(1e-5))


@mutant(TASK, says="You took no root: divide by sqrt(eigenvalue + eps), which has the units of x.")
def root_missing(x, eps):
    return (x - x.mean(axis=0)) @ symmetric(covariance(x), lambda values: 1 / (values + eps))


@mutant(TASK, says="You multiplied by sqrt(eigenvalue + eps). Whitening divides by it.")
def multiplied_by_root(x, eps):
    return (x - x.mean(axis=0)) @ symmetric(covariance(x), lambda values: np.sqrt(values + eps))


@mutant(
    TASK,
    says="You did not centre at all: x.T @ x is not a covariance as long as the means are in it. Subtract the mean of "
    "each feature first.",
)
def not_centred(x, eps):
    return (wide(x) @ symmetric(wide(x).T @ wide(x) / len(x), inverse_root(eps))).astype(x.dtype)


@mutant(TASK, says="Your covariance is right, but you whitened x itself. Apply the matrix to the centred x.")
def only_covariance_centred(x, eps):
    return x @ symmetric(covariance(x), inverse_root(eps))


@mutant(
    TASK,
    says="You centred x, but took x.T @ x / N of the uncentred x for the covariance. Use the centred x for both.",
)
def covariance_not_centred(x, eps):
    second_moment = wide(x).T @ wide(x) / len(x)
    return ((wide(x) - wide(x).mean(axis=0)) @ symmetric(second_moment, inverse_root(eps))).astype(x.dtype)


@mutant(TASK, says="You centred with one mean of the whole array. Each feature has its own mean: axis 0.")
def one_mean_for_all(x, eps):
    centred = x - x.mean()
    return centred @ symmetric(centred.T @ centred / len(x), inverse_root(eps))


@mutant(
    TASK,
    says="You divided the covariance by N - 1. Here it is 1/N, as in batch normalization (np.cov needs bias=True for "
    "that).",
)
def n_minus_one(x, eps):
    return (x - x.mean(axis=0)) @ symmetric(covariance(x, len(x) - 1), inverse_root(eps))


@mutant(TASK, says="You forgot to divide by N: the covariance is a mean over the samples, not a sum.")
def division_by_n_missing(x, eps):
    return (x - x.mean(axis=0)) @ symmetric(covariance(x, 1), inverse_root(eps))


@mutant(TASK, says="You divided the covariance by the number of features. It is a mean over the N samples.")
def features_for_samples(x, eps):
    return (x - x.mean(axis=0)) @ symmetric(covariance(x, x.shape[1]), inverse_root(eps))


@mutant(
    TASK,
    says="You divided each feature by its own deviation. That is standardizing: the features are still correlated. "
    "Whitening needs the whole covariance matrix.",
)
def standardized_only(x, eps):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)


@mutant(
    TASK,
    says="You used singular values where eigenvalues belong. An eigenvalue of the covariance is the square of a "
    "singular value of the centred x, divided by N.",
)
def singular_values_not_squared(x, eps):
    left, values, right = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return (left * (values / np.sqrt(values + eps))) @ right


@mutant(
    TASK,
    says="You returned the whitening matrix. Apply it to the centred x and return z, which has the shape of x.",
)
def matrix_returned(x, eps):
    return symmetric(covariance(x), inverse_root(eps))


@mutant(
    TASK,
    says="You computed the covariance as mean(x x.T) minus the product of the means. Far from zero huge numbers "
    "nearly cancel, and few digits are right: centre first, then multiply.",
)
def one_pass_covariance(x, eps):
    mu = x.mean(axis=0)
    return (x - mu) @ symmetric(x.T @ x / len(x) - np.outer(mu, mu), inverse_root(eps))


@mutant(
    TASK,
    says="You added eps to every entry of the covariance. It belongs to the eigenvalues, that is to the diagonal: "
    "covariance + eps * np.eye(C).",
)
def eps_on_every_entry(x, eps):
    centred = wide(x - x.mean(axis=0))
    matrix = covariance(wide(x)) + eps
    return (centred @ symmetric(matrix, lambda values: 1 / np.sqrt(values))).astype(x.dtype)
