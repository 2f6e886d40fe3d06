"""Right answers to the tasks of notebook 09 in other styles."""

import math

import numpy as np
from bnlab.gpu import ElementwiseKernel, ReductionKernel, xp

from solutions.styles import style


@style("cupy-train")
def kept_axes(x, gamma, beta, eps=1e-5):
    over = dict(axis=(0, 2, 3), keepdims=True)
    inv = 1 / xp.sqrt(x.var(**over) + eps)
    x_hat = (x - x.mean(**over)) * inv
    return gamma.reshape(1, -1, 1, 1) * x_hat + beta.reshape(1, -1, 1, 1), (x_hat, inv.ravel(), gamma)


@style("cupy-train")
def flattened(x, gamma, beta, eps=1e-5):
    """As features: the channels last, all else in one axis, and back."""
    n, c, h, w = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, c)
    inv_std = (xp.var(rows, axis=0) + eps) ** -0.5
    hats = (rows - rows.mean(axis=0)) * inv_std

    def back(flat):
        return xp.ascontiguousarray(flat.reshape(n, h, w, c).transpose(0, 3, 1, 2))

    return back(hats * gamma + beta), (back(hats), inv_std, gamma)


@style("cupy-train")
def einsum_images(x, gamma, beta, eps=1e-5):
    m = math.prod(x.shape) // x.shape[1]
    centred = x - (xp.einsum("nchw->c", x) / m)[None, :, None, None]
    inv_std = 1 / xp.sqrt(xp.einsum("nchw,nchw->c", centred, centred) / m + eps)
    x_hat = xp.einsum("nchw,c->nchw", centred, inv_std)
    return xp.einsum("nchw,c->nchw", x_hat, gamma) + beta[:, None, None], (x_hat, inv_std, gamma)


@style("cupy-train")
def filled_channel_by_channel(x, gamma, beta, eps=1e-5):
    """A loop over channels, slow on a GPU, but nothing leaves the device."""
    x_hat, y, inv_std = xp.empty_like(x), xp.empty_like(x), xp.empty(x.shape[1], x.dtype)
    for c in range(x.shape[1]):
        inv_std[c] = 1 / xp.sqrt(x[:, c].var() + eps)
        x_hat[:, c] = (x[:, c] - x[:, c].mean()) * inv_std[c]
        y[:, c] = gamma[c] * x_hat[:, c] + beta[c]
    return y, (x_hat, inv_std, gamma)


@style("cupy-train")
def statistics_in_float64(x, gamma, beta, eps=1e-5):
    """Sums in float64, and back before they meet the images."""
    mu = x.mean(axis=(0, 2, 3), dtype=xp.float64, keepdims=True)
    centred = x - mu.astype(x.dtype)
    var = xp.mean(centred**2, axis=(0, 2, 3), dtype=xp.float64)
    inv_std = (1 / xp.sqrt(var + eps)).astype(x.dtype)
    x_hat = centred * inv_std[:, None, None]
    return x_hat * gamma[:, None, None] + beta[:, None, None], (x_hat, inv_std, gamma.copy())


@style("cupy-backward")
def kept_axes_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    over = dict(axis=(0, 2, 3), keepdims=True)
    inside = dy - dy.mean(**over) - x_hat * xp.mean(dy * x_hat, **over)
    return (gamma * inv_std).reshape(1, -1, 1, 1) * inside, xp.sum(dy * x_hat, axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))


@style("cupy-backward")
def einsum_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    m = math.prod(dy.shape) // dy.shape[1]
    dgamma, dbeta = xp.einsum("nchw,nchw->c", dy, x_hat), xp.einsum("nchw->c", dy)
    scale = gamma * inv_std
    slope, offset = (scale * dgamma / m)[:, None, None], (scale * dbeta / m)[:, None, None]
    return dy * scale[:, None, None] - x_hat * slope - offset, dgamma, dbeta


@style("cupy-backward")
def channels_first_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    n, c, h, w = dy.shape
    rows, hats = (values.swapaxes(0, 1).reshape(c, -1) for values in (dy, x_hat))
    dbeta, dgamma = rows.sum(axis=1), (rows * hats).sum(axis=1)
    dx = (rows - (dbeta[:, None] + hats * dgamma[:, None]) / rows.shape[1]) * (gamma * inv_std)[:, None]
    return xp.ascontiguousarray(dx.reshape(c, n, h, w).swapaxes(0, 1)), dgamma, dbeta


@style("cupy-backward")
def node_by_node_on_device(dy, cache):
    """Through the gradients of x_hat, var and mu."""
    x_hat, inv_std, gamma = cache
    axes, m = (0, 2, 3), dy.size // dy.shape[1]
    dx_hat = dy * gamma[None, :, None, None]
    dvar = -0.5 * xp.sum(dx_hat * x_hat, axis=axes) * inv_std**2
    dmu = -xp.sum(dx_hat, axis=axes) * inv_std
    direct = dx_hat * inv_std[None, :, None, None]
    dx = direct + x_hat * (2 * dvar / inv_std / m)[None, :, None, None] + (dmu / m)[None, :, None, None]
    return dx, xp.sum(dy * x_hat, axis=axes), xp.sum(dy, axis=axes)


@style("bytes-moved")
def table_of_passes(shape, dtype, direction):
    n, c, h, w = shape
    return n * c * h * w * np.dtype(dtype).itemsize * dict(forward=3, backward=5)[direction]


@style("bytes-moved")
def reads_and_writes(shape, dtype, direction):
    inputs = 1 if direction == "forward" else 2
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    reads, writes = 2 * inputs * size, size
    return reads + writes


@style("bytes-moved")
def one_array_of_the_dtype(shape, dtype, direction):
    size = math.prod(shape) * np.empty(0, dtype).itemsize
    if direction == "forward":
        return 3 * size
    if direction == "backward":
        return 5 * size
    raise ValueError(f"direction is {direction!r}; expected forward or backward")


@style("bytes-moved")
def numpy_integers(shape, dtype, direction):
    bits = {"float16": 16, "float32": 32, "float64": 64}[dtype]
    return np.prod(np.array(shape, np.int64)) * (bits // 8) * (3 if direction == "forward" else 5)


@style("achieved-bandwidth")
def scaled_first(num_bytes, seconds):
    return (num_bytes * 1e-9) / seconds


@style("achieved-bandwidth")
def divided_once(num_bytes, seconds):
    return num_bytes / (seconds * 10**9)


@style("achieved-bandwidth")
def numpy_number(num_bytes, seconds):
    return np.float64(num_bytes) / seconds / 1000**3


@style("achieved-bandwidth")
def by_the_nanosecond(num_bytes, seconds):
    """A byte a nanosecond is a gigabyte a second."""
    nanoseconds = 1e9 * seconds
    return float(num_bytes) / nanoseconds


SUM = ReductionKernel("T x", "T s", "x", "a + b", "s = a", "0", "sum")
SQUARED = ReductionKernel("T x, T k", "T s", "(x - k) * (x - k)", "a + b", "s = a", "0", "squared")
LINE = ElementwiseKernel("T x, T k, T a, T b", "T y", "y = (x - k) * a + b", "line")
HAT = ElementwiseKernel(
    "T dy, T x, T mu, T w, T g, T s, T t, T m",
    "T dx",
    "T hat = (x - mu) * w; dx = g * w * (dy - s / m - hat * t / m)",
    "hat",
)
DOT = ReductionKernel("T p, T q, T k", "T s", "p * (q - k)", "a + b", "s = a", "0", "dot")


@style("fused-train", "fused-train-speed")
def sums_divided_outside(x, gamma, beta, eps=1e-5):
    """Kernels that add up; everything of C numbers in array operations; a straight line for y."""
    m, shape = x.size // x.shape[1], (1, -1, 1, 1)
    mu = SUM(x, axis=(0, 2, 3)) / m
    var = SQUARED(x, mu.reshape(shape), axis=(0, 2, 3)) / m
    inv_std = 1 / xp.sqrt(var + eps)
    return LINE(x, *(v.reshape(shape) for v in (mu, gamma * inv_std, beta))), (x, mu, inv_std, gamma)


@style("fused-train")
def kept_axes_fused(x, gamma, beta, eps=1e-5):
    m = x.dtype.type(x.size // x.shape[1])
    mean = ReductionKernel("T x, T m", "T s", "x / m", "a + b", "s = a", "0", "mean_of_parts")
    width = ReductionKernel("T x, T k, T m", "T s", "(x - k) * (x - k) / m", "a + b", "s = a", "0", "var_of_parts")
    mu = mean(x, m, axis=(0, 2, 3), keepdims=True)
    inv = 1 / xp.sqrt(width(x, mu, m, axis=(0, 2, 3), keepdims=True) + eps)
    y = LINE(x, mu, inv * gamma[:, None, None], beta[:, None, None])
    return y, (x, mu.ravel(), inv.ravel(), gamma)


@style("fused-train", "fused-train-speed")
def array_means_and_a_kernel(x, gamma, beta, eps=1e-5):
    """xp.sum reads x once as well: not each pass has to be a kernel of one's own."""
    m = x.size // x.shape[1]
    mu = xp.sum(x, axis=(0, 2, 3)) / m
    inv_std = (SQUARED(x, mu[:, None, None], axis=(0, 2, 3)) / m + eps) ** -0.5
    return LINE(x, mu[:, None, None], (gamma * inv_std)[:, None, None], beta[:, None, None]), (x, mu, inv_std, gamma)


@style("fused-train", "fused-train-speed")
def shifted_sums(x, gamma, beta, eps=1e-5):
    """Both sums of the distances from one number of each channel; the variance is that of the shifted values."""
    m, shift = x.size // x.shape[1], x[:1, :, :1, :1]
    step = ReductionKernel("T x, T k", "T s", "x - k", "a + b", "s = a", "0", "step")
    first, second = step(x, shift, axis=(0, 2, 3)) / m, SQUARED(x, shift, axis=(0, 2, 3)) / m
    mu, inv_std = shift.ravel() + first, 1 / xp.sqrt(second - first * first + eps)
    return LINE(x, mu[:, None, None], (gamma * inv_std)[:, None, None], beta[:, None, None]), (x, mu, inv_std, gamma)


@style("fused-train", "fused-train-speed")
def written_into_place(x, gamma, beta, eps=1e-5):
    """Outputs given to the kernels."""
    m, c = x.size // x.shape[1], x.shape[1]
    mu, var, y = xp.empty(c, x.dtype), xp.empty(c, x.dtype), xp.empty_like(x)
    SUM(x, mu, axis=(0, 2, 3))
    mu /= m
    SQUARED(x, mu[:, None, None], var, axis=(0, 2, 3))
    inv_std = 1 / xp.sqrt(var / m + eps)
    LINE(x, mu[:, None, None], (gamma * inv_std)[:, None, None], beta[:, None, None], y)
    return y, (x, mu, inv_std, gamma)


@style("fused-backward", "fused-backward-speed")
def hat_in_the_kernel(dy, cache):
    x, *others = cache
    mu, inv_std, gamma = (values[:, None, None] for values in others)
    m = dy.dtype.type(dy.size // dy.shape[1])
    dbeta = SUM(dy, axis=(0, 2, 3))
    dgamma = DOT(dy, x, mu, axis=(0, 2, 3)) * cache[2]
    dx = HAT(dy, x, mu, inv_std, gamma, dbeta[:, None, None], dgamma[:, None, None], m)
    return dx, dgamma, dbeta


@style("fused-backward", "fused-backward-speed")
def kept_axes_dx(dy, cache):
    x, mu, inv_std, gamma = (values if values.ndim == 4 else values.reshape(1, -1, 1, 1) for values in cache)
    over = dict(axis=(0, 2, 3), keepdims=True)
    dbeta, dgamma = SUM(dy, **over), DOT(dy, x, mu, **over) * inv_std
    m = dy.dtype.type(dy.size // dy.shape[1])
    return HAT(dy, x, mu, inv_std, gamma, dbeta, dgamma, m), dgamma.ravel(), dbeta.ravel()


@style("fused-backward")
def straight_line_in_two_inputs(dy, cache):
    """dx = p * dy + q * (x - mu) + r with C numbers p, q, r worked out in array operations."""
    x, mu, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    dbeta, dgamma = SUM(dy, axis=(0, 2, 3)), DOT(dy, x, mu[:, None, None], axis=(0, 2, 3)) * inv_std
    p = gamma * inv_std
    q, r = -p * inv_std * dgamma / m, -p * dbeta / m
    plane = ElementwiseKernel("T u, T x, T k, T p, T q, T r", "T z", "z = p * u + (q * (x - k) + r)", "plane")
    return plane(dy, x, *(v[:, None, None] for v in (mu, p, q, r))), dgamma, dbeta


@style("fused-backward", "fused-backward-speed")
def array_sum_and_kernels(dy, cache):
    """xp.sum reads dy once as well; the other passes are kernels."""
    x, mu, inv_std, gamma = cache
    m = dy.dtype.type(dy.size // dy.shape[1])
    dbeta, dgamma = dy.sum(axis=(0, 2, 3)), inv_std * DOT(dy, x, mu[:, None, None], axis=(0, 2, 3))
    numbers = (values[:, None, None] for values in (mu, inv_std, gamma, dbeta, dgamma))
    return HAT(dy, x, *numbers, m), dgamma, dbeta


AGAINST = ReductionKernel("T p, T q, T k, T w", "T s", "p * ((q - k) * w)", "a + b", "s = a", "0", "against")


@style("fused-backward", "fused-backward-speed")
def three_launches_and_no_more(dy, cache):
    x, *others = cache
    mu, inv_std, gamma = (values[:, None, None] for values in others)
    dbeta, dgamma = SUM(dy, axis=(0, 2, 3)), AGAINST(dy, x, mu, inv_std, axis=(0, 2, 3))
    sums = dbeta[:, None, None], dgamma[:, None, None]
    return HAT(dy, x, mu, inv_std, gamma, *sums, dy.dtype.type(dy.size // dy.shape[1])), dgamma, dbeta
