"""Tasks of notebook 05: batch normalization for images, and the other axes that one can normalize over."""

from itertools import combinations

import numpy as np

from bnlab.answers import strided
from bnlab.sampling import affine, batch
from bnlab.tasks import UNTIMED, Case, Task
from bnlab.tasks.backward import missing_path, plausible_cache, upstream
from bnlab.tasks.forward import ONE_PASS, scale_is_right

NOTEBOOK = "05_convolution"


def images(rng, shape, *, mean=1.0, std=2.0, dtype=np.float64, layout="C"):
    """Images of shape (N, C, H, W) whose channels, and whose images, differ in centre and width.

    layout : {"C", "F", "strided"}
        Memory layout, as in `bnlab.sampling.batch`.
    """
    n, c, h, w = shape
    x = batch(rng, h * w, n * c, mean=mean, std=std).T.reshape(shape).astype(dtype)
    return laid_out(x, layout)


def laid_out(x, layout):
    """The same values in C order, in Fortran order, or as every second entry of axis 0 of a larger array."""
    if layout == "F":
        return np.asfortranarray(x)
    return strided(x) if layout == "strided" else np.ascontiguousarray(x)


def image_inputs(shape, *, eps=None, constant=None, groups=None, **options):
    """Inputs of `batchnorm2d_train`: rng -> {"x", "gamma", "beta"} and "eps" unless it is None.

    constant : float, optional
        Value of every entry of the last channel.
    groups : int, optional
        Adds "num_groups", for `group_norm`.
    """

    def inputs(rng):
        x = images(rng, shape, **options)
        if constant is not None:
            x[:, -1] = constant
        gamma, beta = affine(rng, shape[1], x.dtype)
        drawn = {"x": x, "gamma": gamma, "beta": beta} | ({} if groups is None else {"num_groups": groups})
        return drawn | ({} if eps is None else {"eps": eps})

    return inputs


def image_cache_inputs(shape, *, eps=0.5, dtype=np.float64, layout="C"):
    """Inputs of `batchnorm2d_backward`: rng -> {"dy", "cache"}."""

    def inputs(rng):
        n, c, h, w = shape
        x_hat, inv_std, gamma = plausible_cache(rng, n * h * w, c, eps, dtype)
        x_hat = laid_out(x_hat.reshape(n, h, w, c).transpose(0, 3, 1, 2), layout)
        return {"dy": laid_out(upstream(rng, x_hat), layout), "cache": (x_hat, inv_std, gamma)}

    return inputs


def axes_inputs(shape, axes, *, eps=None, constant=None, mean=1.0, std=2.0, dtype=np.float64, layout="C"):
    """Inputs of `normalize_over`: rng -> {"x", "axes"} and "eps" unless it is None.

    The centre and the width of x change along every axis, so that no choice of axes looks like another.
    """

    def inputs(rng):
        x = rng.normal(size=shape)
        for axis, length in enumerate(shape):
            along = [length if other == axis else 1 for other in range(len(shape))]
            x = x * rng.uniform(0.6, 1.6, size=along) + rng.normal(size=along)
        x = (mean + std * x).astype(dtype)
        if constant is not None:
            x[...] = constant
        return {"x": laid_out(x, layout), "axes": axes} | ({} if eps is None else {"eps": eps})

    return inputs


def layer_norm_inputs(n, c, *, eps=None, constant=None, **options):
    """Inputs of `layer_norm`: rng -> {"x", "gamma", "beta"} and "eps" unless it is None.

    constant : float, optional
        Value of every entry of the last sample.
    """

    def inputs(rng):
        x = batch(rng, n, c, **options)
        if constant is not None:
            x[-1] = constant
        gamma, beta = affine(rng, c, x.dtype)
        return {"x": x, "gamma": gamma, "beta": beta} | ({} if eps is None else {"eps": eps})

    return inputs


def one_pair_per_channel(inputs, expected, got):
    """Remark on `batchnorm2d_train`: how many statistics there are."""
    n, c, h, w = inputs["x"].shape
    found = np.size(got["inv_std"])
    if found == c:
        return None
    return (
        f"Your inv_std holds {found} numbers. Each of the {c} channels has one mean and one variance, "
        f"taken over its N * H * W = {n * h * w} values."
    )


def missing_path_of_images(inputs, expected, got):
    """Remark on `batchnorm2d_backward`: that of the flat version, one column a channel."""

    def flat(values):
        return np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])

    if np.shape(got["dx"]) != expected["dx"].shape:
        return None
    x_hat, inv_std, gamma = inputs["cache"]
    text = missing_path({"cache": (flat(x_hat), inv_std, gamma)}, *({"dx": flat(of["dx"])} for of in (expected, got)))
    return text and text.replace("column", "channel")


def centred_over(x_hat):
    """The smallest set of axes over which all means of x_hat are 0, or None."""
    if not np.isfinite(x_hat).all():
        return None
    size = np.abs(x_hat).max(initial=0.0)
    for count in range(1, x_hat.ndim + 1):
        for axes in combinations(range(x_hat.ndim), count):
            if np.abs(x_hat.mean(axis=axes)).max() < 1e-4 * size:
                return axes
    return None


def other_axes(inputs, expected, got):
    """Remark on `normalize_over`: over which axes the result is centred."""
    x_hat, axes = got["x_hat"], tuple(inputs["axes"])
    if np.shape(x_hat) != expected["x_hat"].shape:
        return None
    found = centred_over(np.asarray(x_hat, np.float64))
    if found is None:
        return f"Over the axes {axes} the means of x_hat have to be 0; yours are not 0 over any axes."
    if found != axes:
        return f"The means of your x_hat are 0 over the axes {found}; they have to be 0 over {axes}."
    return "Your x_hat has mean 0 over the right axes, so the slip is in the width: the variance, eps or the root."


def other_axes_under_gamma(inputs, expected, got):
    """Remark on `layer_norm` and `group_norm`: over which axes (y - beta) / gamma is centred."""
    x, y = inputs["x"], got["y"]
    if np.shape(y) != x.shape:
        return None
    along = (-1,) + (1,) * (x.ndim - 2)
    found = centred_over((y - inputs["beta"].reshape(along)) / inputs["gamma"].reshape(along))
    wanted = centred_over((expected["y"] - inputs["beta"].reshape(along)) / inputs["gamma"].reshape(along))
    if found is None or found == wanted:
        return None
    return f"Before gamma and beta, your result has mean 0 over the axes {found} of x."


TRAIN = Task(
    id="batchnorm2d-train",
    answer="batchnorm2d_train",
    parameters=("x", "gamma", "beta"),
    options=("eps",),
    returns=("y", ("x_hat", "inv_std", "gamma")),
    cases=(
        Case("5 images with 3 channels of 4 x 6, eps = 0.5", image_inputs((5, 3, 4, 6), eps=0.5)),
        Case("2 images with 4 channels of 3 x 4, eps = 0.1", image_inputs((2, 4, 3, 4), eps=0.1)),
        Case("4 images with 3 channels of 3 x 5, default eps", image_inputs((4, 3, 3, 5), mean=0.0, std=0.01)),
        Case(
            "3 images around 10,000 in float32", image_inputs((3, 2, 4, 5), mean=1e4, dtype=np.float32), 1e-2, ONE_PASS
        ),
    ),
    hints=(
        "A channel of the batch is N pictures of H x W numbers. Over which axes do you average so that C means remain?",
        "NumPy can reduce over several axes at once. To be combined with x, C numbers need the shape (C, 1, 1).",
        "Chapter 10, section `One mean per channel`: its first equation, with m = N * H * W.",
    ),
    page="10_convolutions_and_relatives.html#one-mean-per-channel",
    remarks=(one_pair_per_channel, scale_is_right),
)

BACKWARD = Task(
    id="batchnorm2d-backward",
    answer="batchnorm2d_backward",
    parameters=("dy", "cache"),
    returns=("dx", "dgamma", "dbeta"),
    cases=(
        Case("5 images with 3 channels of 4 x 6", image_cache_inputs((5, 3, 4, 6))),
        Case("3 images with 4 channels of 5 x 4, small eps", image_cache_inputs((3, 4, 5, 4), eps=1e-5)),
    ),
    hints=(
        "It is the closed form for features; only the sums run over more axes, and the count m is larger.",
        "m is the number of values that share a mean: N * H * W. dgamma and dbeta are sums over the same values.",
        "Chapter 10, section `The gradient for images`; the flat formula is the last equation of chapter 8, section "
        "`Six equations become one`.",
    ),
    page="10_convolutions_and_relatives.html#the-gradient-for-images",
    remarks=(missing_path_of_images,),
)

SPEED = Task(
    id="batchnorm2d-speed",
    answer="batchnorm2d_backward",
    parameters=("dy", "cache"),
    returns=("dx", "dgamma", "dbeta"),
    cases=(
        Case("6 images with 5 channels of 7 x 5", image_cache_inputs((6, 5, 7, 5))),
        Case("4 images with 3 channels of 2 x 8", image_cache_inputs((4, 3, 2, 8))),
    ),
    hints=(
        "A Python loop over images, channels or pixels makes many small NumPy calls: let one call do the work of all.",
        "Moving the channels to the end and reshaping copies every array. A sum can run over several axes as they are.",
        "Chapter 8, section `What it costs`, and chapter 10, section `The gradient for images`.",
    ),
    page="10_convolutions_and_relatives.html#the-gradient-for-images",
    note=UNTIMED,
    pace=image_cache_inputs((9, 60, 21, 23)),
)

OVER = Task(
    id="normalize-over",
    answer="normalize_over",
    parameters=("x", "axes"),
    options=("eps",),
    returns="x_hat",
    cases=(
        Case("shape (5, 3, 4, 6) over the axes (1, 2, 3), eps = 0.5", axes_inputs((5, 3, 4, 6), (1, 2, 3), eps=0.5)),
        Case("shape (4, 3, 2, 5) over the axes (0, 2, 3), eps = 0.1", axes_inputs((4, 3, 2, 5), (0, 2, 3), eps=0.1)),
        Case("shape (4, 4) over the axes (1,), eps = 0.5", axes_inputs((4, 4), (1,), eps=0.5)),
        Case("shape (2, 3, 5) over the axes (0, 1), default eps", axes_inputs((2, 3, 5), (0, 1), std=0.01)),
        Case(
            "around 10,000 in float32, over the axes (2, 3)",
            axes_inputs((2, 3, 4, 5), (2, 3), mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
    ),
    hints=(
        "Two means over the same axes, one subtraction, one division. NumPy's reductions accept a tuple of axes.",
        "A reduction removes the axes it runs over. NumPy can keep them, with length 1: then the result still fits x.",
        "Chapter 10, section `One function, four names`: its equation, with the table of axes under it.",
    ),
    page="10_convolutions_and_relatives.html#one-function-four-names",
    remarks=(other_axes,),
)

LAYER = Task(
    id="layer-norm",
    answer="layer_norm",
    parameters=("x", "gamma", "beta"),
    options=("eps",),
    returns="y",
    cases=(
        Case("5 samples with 7 features, eps = 0.5", layer_norm_inputs(5, 7, eps=0.5)),
        Case("4 samples with 4 features, eps = 0.1", layer_norm_inputs(4, 4, eps=0.1)),
        Case("3 samples with 6 features, default eps", layer_norm_inputs(3, 6)),
        Case(
            "3 samples around 10,000 in float32", layer_norm_inputs(3, 16, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS
        ),
    ),
    hints=(
        "Each sample is normalized by itself: its mean is taken over its own C features.",
        "The statistics belong to samples and need the shape (N, 1); gamma and beta belong to features, shape (C,).",
        "Chapter 10, section `Layer norm`: its equation.",
    ),
    page="10_convolutions_and_relatives.html#layer-norm",
    remarks=(other_axes_under_gamma,),
)

GROUP = Task(
    id="group-norm",
    answer="group_norm",
    parameters=("x", "num_groups", "gamma", "beta"),
    options=("eps",),
    returns="y",
    cases=(
        Case("3 images with 6 channels of 4 x 5 in 2 groups, eps = 0.5", image_inputs((3, 6, 4, 5), groups=2, eps=0.5)),
        Case("2 images with 6 channels of 3 x 6 in 3 groups, eps = 0.1", image_inputs((2, 6, 3, 6), groups=3, eps=0.1)),
        Case("2 images with 8 channels of 3 x 2 in 2 groups, default eps", image_inputs((2, 8, 3, 2), groups=2)),
        Case(
            "images around 10,000 in float32",
            image_inputs((2, 4, 3, 5), groups=2, mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
        Case("pale images, default eps", image_inputs((2, 6, 3, 4), groups=3, std=0.003)),
    ),
    hints=(
        "A group of an image holds C / num_groups neighbouring channels with all their pixels, under one mean.",
        "A reshape can split the channel axis, so that the groups get an axis of their own. gamma and beta come last, "
        "when the shape is (N, C, H, W) again.",
        "Chapter 10, section `Groups of channels`: its equation and the picture of a reshape.",
    ),
    page="10_convolutions_and_relatives.html#groups-of-channels",
    remarks=(other_axes_under_gamma,),
)

TASKS = [TRAIN, BACKWARD, SPEED, OVER, LAYER, GROUP]
