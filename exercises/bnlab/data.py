"""The data of the course: handwritten digits that travel inside scikit-learn."""

from __future__ import annotations

import numpy as np

N_TRAIN, N_TEST = 1347, 450


def load_digits(seed: int = 0, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the 8x8 digits, shuffled by `seed` and split once. Nothing is downloaded.

    Parameters
    ----------
    seed : int
        Seed of the shuffle that decides which images are held out.
    dtype : numpy floating type
        Type of the two image arrays.

    Returns
    -------
    x_train : ndarray, shape (1347, 64), `dtype`
        Pixel intensities from 0 (paper) to 1 (ink), row by row; not standardized.
    y_train : ndarray, shape (1347,), int64
        The digit, 0 to 9.
    x_test : ndarray, shape (450, 64), `dtype`
    y_test : ndarray, shape (450,), int64

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn is not installed.

    Examples
    --------
    >>> x_train, y_train, x_test, y_test = load_digits()
    >>> x_train.shape, y_train.shape, x_test.shape, y_test.shape
    ((1347, 64), (1347,), (450, 64), (450,))
    """
    from sklearn.datasets import load_digits as load

    images, labels = load(return_X_y=True)
    order = np.random.default_rng(seed).permutation(N_TRAIN + N_TEST)
    x = (images[order] / 16.0).astype(dtype)
    y = labels[order].astype(np.int64)
    return x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], y[N_TRAIN:]
