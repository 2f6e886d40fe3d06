"""A small convolution to try folding on: what deep-learning libraries call conv2d, without stride and padding."""

import numpy as np


def convolve2d(x, weight, bias):
    """Slide a kernel over images.

    y[n, o, h, w] = bias[o] + sum over c, i, j of weight[o, c, i, j] * x[n, c, h + i, w + j]

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
    weight : ndarray, shape (O, C, kh, kw)
    bias : ndarray, shape (O,)

    Returns
    -------
    y : ndarray, shape (N, O, H - kh + 1, W - kw + 1)

    Raises
    ------
    ValueError
        Where the channels of x and weight differ, or the kernel is larger than the image.

    Examples
    --------
    >>> x = np.arange(6.0).reshape(1, 1, 2, 3)
    >>> convolve2d(x, np.ones((1, 1, 2, 2)), np.array([10.0]))
    array([[[[18., 22.]]]])
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(f"x has shape {x.shape}, weight {weight.shape}; expected (N, C, H, W) and (O, C, kh, kw)")
    kernel = weight.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))  # (N, C, H', W', kh, kw)
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]
