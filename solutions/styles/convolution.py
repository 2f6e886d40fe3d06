"""Right answers to the tasks of notebook 05 in other styles."""

import numpy as np

from solutions.styles import style


@style("batchnorm2d-train")
def kept_axes(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=(0, 2, 3), keepdims=True)
    var = np.mean((x - mu) ** 2, axis=(0, 2, 3), keepdims=True)
    inv = 1.0 / np.sqrt(var + eps)
    x_hat = (x - mu) * inv
    return gamma.reshape(1, -1, 1, 1) * x_hat + beta.reshape(1, -1, 1, 1), (x_hat, inv[0, :, 0, 0], gamma)


@style("batchnorm2d-train")
def flattened(x, gamma, beta, eps=1e-5):
    """As features: the channels last, all else in one axis, and back."""
    n, c, h, w = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(n * h * w, c)
    inv_std = 1 / np.sqrt(rows.var(axis=0) + eps)
    hat_rows = (rows - rows.mean(axis=0)) * inv_std

    def back(flat):
        return flat.reshape(n, h, w, c).transpose(0, 3, 1, 2)

    return back(hat_rows * gamma + beta), (back(hat_rows), inv_std, gamma)


@style("batchnorm2d-train")
def einsum_images(x, gamma, beta, eps=1e-5):
    m = x.size // x.shape[1]
    centred = x - (np.einsum("nchw->c", x) / m)[None, :, None, None]
    inv_std = (np.einsum("nchw,nchw->c", centred, centred) / m + eps) ** -0.5
    x_hat = np.einsum("nchw,c->nchw", centred, inv_std)
    return np.einsum("nchw,c->nchw", x_hat, gamma) + beta[:, np.newaxis, np.newaxis], (x_hat, inv_std, gamma)


@style("batchnorm2d-train")
def channel_by_channel(x, gamma, beta, eps=1e-5):
    x_hat, y, inv_std = np.empty_like(x), np.empty_like(x), np.empty(x.shape[1], x.dtype)
    for c in range(x.shape[1]):
        plane = x[:, c]
        inv_std[c] = 1 / np.sqrt(plane.var() + eps)
        x_hat[:, c] = (plane - plane.mean()) * inv_std[c]
        y[:, c] = gamma[c] * x_hat[:, c] + beta[c]
    return y, (x_hat, inv_std, gamma)


@style("batchnorm2d-train")
def channels_first(x, gamma, beta, eps=1e-5):
    rows = np.swapaxes(x, 0, 1).reshape(x.shape[1], -1)
    std = np.sqrt(np.var(rows, axis=1) + eps)
    hats = (rows - np.mean(rows, axis=1)[:, None]) / std[:, None]
    x_hat = hats.reshape(x.shape[1], x.shape[0], *x.shape[2:]).swapaxes(0, 1)
    return x_hat * gamma[:, None, None] + beta[:, None, None], (x_hat, 1 / std, gamma.copy())


@style("batchnorm2d-backward", "batchnorm2d-speed")
def einsum_images_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    dgamma, dbeta = np.einsum("nchw,nchw->c", dy, x_hat), np.einsum("nchw->c", dy)
    scale = gamma * inv_std
    slope, offset = (scale * dgamma / m)[:, None, None], (scale * dbeta / m)[:, None, None]
    return dy * scale[:, None, None] - x_hat * slope - offset, dgamma, dbeta


@style("batchnorm2d-backward", "batchnorm2d-speed")
def kept_axes_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    over = dict(axis=(0, 2, 3), keepdims=True)
    inside = dy - dy.mean(**over) - x_hat * np.mean(dy * x_hat, **over)
    dgamma = np.sum(dy * x_hat, axis=(0, 2, 3))
    return (gamma * inv_std).reshape(1, -1, 1, 1) * inside, dgamma, np.sum(dy, axis=(0, 2, 3))


@style("batchnorm2d-backward", "batchnorm2d-speed")
def flattened_backward(dy, cache):
    """As features: the channels last, all else in one axis, and back. Copies, but no loop."""
    x_hat, inv_std, gamma = cache
    n, c, h, w = dy.shape
    rows, hats = (values.transpose(0, 2, 3, 1).reshape(-1, c) for values in (dy, x_hat))
    m = len(rows)
    dbeta, dgamma = rows.sum(axis=0), (rows * hats).sum(axis=0)
    dx = (gamma * inv_std / m) * (m * rows - dbeta - hats * dgamma)
    return dx.reshape(n, h, w, c).transpose(0, 3, 1, 2), dgamma, dbeta


@style("batchnorm2d-backward", "batchnorm2d-speed")
def channels_first_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    n, c, h, w = dy.shape
    rows, hats = (values.swapaxes(0, 1).reshape(c, -1) for values in (dy, x_hat))
    dbeta, dgamma = rows.sum(axis=1), np.einsum("cm,cm->c", rows, hats)
    dx = rows - (dbeta[:, None] + hats * dgamma[:, None]) / rows.shape[1]
    dx *= (gamma * inv_std)[:, None]
    return np.ascontiguousarray(dx.reshape(c, n, h, w).swapaxes(0, 1)), dgamma, dbeta


@style("batchnorm2d-backward", "batchnorm2d-speed")
def node_by_node_images(dy, cache):
    """Through the gradients of x_hat, var and mu."""
    x_hat, inv_std, gamma = cache
    axes, m = (0, 2, 3), dy.shape[0] * dy.shape[2] * dy.shape[3]
    dx_hat = dy * gamma[None, :, None, None]
    dvar = -0.5 * np.sum(dx_hat * x_hat, axis=axes) * inv_std**2
    dmu = -np.sum(dx_hat, axis=axes) * inv_std
    direct = dx_hat * inv_std[None, :, None, None]
    dx = direct + x_hat * (2 * dvar / inv_std / m)[None, :, None, None] + (dmu / m)[None, :, None, None]
    return dx, np.sum(dy * x_hat, axis=axes), np.sum(dy, axis=axes)


@style("batchnorm2d-backward")
def image_by_image(dy, cache):
    """Two loops over images and channels: right, and slow."""
    x_hat, inv_std, gamma = cache
    n, c, h, w = dy.shape
    dgamma, dbeta, dx = np.zeros(c, dy.dtype), np.zeros(c, dy.dtype), np.empty(dy.shape, dy.dtype)
    for i in range(n):
        for j in range(c):
            dgamma[j] += np.sum(dy[i, j] * x_hat[i, j])
            dbeta[j] += np.sum(dy[i, j])
    for i in range(n):
        for j in range(c):
            rest = dy[i, j] - dbeta[j] / (n * h * w) - x_hat[i, j] * dgamma[j] / (n * h * w)
            dx[i, j] = gamma[j] * inv_std[j] * rest
    return dx, dgamma, dbeta


@style("normalize-over")
def squares_of_centred(x, axes, eps=1e-5):
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=axes, keepdims=True) + eps)


@style("normalize-over")
def expanded(x, axes, eps=1e-5):
    mu, var = np.expand_dims(np.mean(x, axis=axes), axes), np.expand_dims(np.var(x, axis=axes), axes)
    return (x - mu) * (var + eps) ** -0.5


@style("normalize-over")
def moved_to_the_end(x, axes, eps=1e-5):
    """The named axes last and flat, one reduction over the last axis, and back."""
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
    hats = (rows - rows.mean(axis=-1, keepdims=True)) / np.sqrt(rows.var(axis=-1)[..., None] + eps)
    return np.moveaxis(hats.reshape(moved.shape), last, axes)


@style("normalize-over")
def counted_sums(x, axes, eps=1e-5):
    count = np.prod([x.shape[axis] for axis in axes])
    mu = np.sum(x, axis=tuple(axes), keepdims=True) / count.astype(x.dtype)
    var = np.sum((x - mu) ** 2, axis=tuple(axes), keepdims=True) / count.astype(x.dtype)
    return np.divide(x - mu, np.sqrt(var + eps))


@style("layer-norm")
def kept_axis(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=-1, keepdims=True)
    var = ((x - mu) ** 2).mean(axis=-1, keepdims=True)
    return (x - mu) / np.sqrt(var + eps) * gamma + beta


@style("layer-norm")
def transposed(x, gamma, beta, eps=1e-5):
    columns = x.T
    x_hat = (columns - columns.mean(axis=0)) / np.sqrt(columns.var(axis=0) + eps)
    return gamma * x_hat.T + beta


@style("layer-norm")
def sample_by_sample(x, gamma, beta, eps=1e-5):
    return np.stack([gamma * (row - row.mean()) / np.sqrt(row.var() + eps) + beta for row in x])


@style("layer-norm")
def einsum_layer_norm(x, gamma, beta, eps=1e-5):
    centred = x - (np.einsum("nc->n", x) / x.shape[1])[:, None]
    inv_std = 1 / np.sqrt(np.einsum("nc,nc->n", centred, centred) / x.shape[1] + eps)
    return np.einsum("nc,n,c->nc", centred, inv_std, gamma) + beta


@style("group-norm")
def flat_groups(x, num_groups, gamma, beta, eps=1e-5):
    rows = x.reshape(x.shape[0], num_groups, -1)
    hats = (rows - rows.mean(axis=2, keepdims=True)) / np.sqrt(rows.var(axis=2, keepdims=True) + eps)
    return hats.reshape(x.shape) * gamma[None, :, None, None] + beta[None, :, None, None]


@style("group-norm")
def group_by_group(x, num_groups, gamma, beta, eps=1e-5):
    y, size = np.empty_like(x), x.shape[1] // num_groups
    for start in range(0, x.shape[1], size):
        part = slice(start, start + size)
        mu = x[:, part].mean(axis=(1, 2, 3), keepdims=True)
        std = np.sqrt(x[:, part].var(axis=(1, 2, 3), keepdims=True) + eps)
        y[:, part] = gamma[part, None, None] * (x[:, part] - mu) / std + beta[part, None, None]
    return y


@style("group-norm")
def split_and_joined(x, num_groups, gamma, beta, eps=1e-5):
    parts = []
    for part in np.split(x, num_groups, axis=1):
        centred = part - part.mean(axis=(1, 2, 3), keepdims=True)
        parts.append(centred / np.sqrt((centred**2).mean(axis=(1, 2, 3), keepdims=True) + eps))
    return np.concatenate(parts, axis=1) * gamma.reshape(-1, 1, 1) + beta.reshape(-1, 1, 1)


@style("group-norm")
def five_axes(x, num_groups, gamma, beta, eps=1e-5):
    n, c, h, w = x.shape
    groups = x.reshape(n, num_groups, c // num_groups, h, w)
    mu = np.einsum("ngkhw->ng", groups)[:, :, None, None, None] / (c // num_groups * h * w)
    var = np.var(groups, axis=(2, 3, 4))[:, :, None, None, None]
    scale, shift = (values.reshape(num_groups, -1, 1, 1) for values in (gamma, beta))
    return ((groups - mu) / np.sqrt(var + eps) * scale + shift).reshape(n, c, h, w)
