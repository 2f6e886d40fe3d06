# %% [markdown]
# # 05 Convolution: one mean per channel, and its relatives
#
# You write batch normalization for images, forward and backward, and make it fast.
# Then you change a single thing, the axes over which the mean is taken,
# and out come layer, instance and group normalization.
#
# - Time: about 90 minutes.
# - Read first: [chapter 10, Convolutions and relatives](https://bn-course.github.io/bn-course/book/10_convolutions_and_relatives.html).
# - A batch of images `x` has shape (N, C, H, W): N images, C channels, height H, width W.
# - Functions return new arrays and leave their arguments unchanged; results have the dtype of `x` or `dy`.
# - No task needs your answer to another one.
# - Stuck? `hint("group-norm")` gives you a first hint, and one more each time you run it.

# %% readonly="setup"
# @title Set-up: run this cell first
import sys
from importlib.util import find_spec
from pathlib import Path

# bnlab lies beside the notebook, or it is installed.
for folder in (".", "../exercises", "exercises"):
    if (Path(folder) / "bnlab" / "__init__.py").exists():
        sys.path.insert(0, str(Path(folder).resolve()))
        break
if not find_spec("bnlab"):  # on Colab
    # %pip install -q --no-deps "bnlab @ git+https://github.com/bn-course/bn-course"
    if not find_spec("bnlab"):
        archive = "https://github.com/bn-course/bn-course (Code, Download ZIP)"
        cure = f"unpack {archive}, open this notebook in its exercises/"
        raise ModuleNotFoundError(f"bnlab is missing: {cure}")
import bnlab
import numpy as np
from bnlab import check, hint  # noqa: F401

print(f"bnlab {bnlab.__version__}, NumPy {np.__version__}")

# %% [markdown]
# ## 1. One mean per channel
#
# Normalize a batch of images as in training, with the statistics of the batch itself.
# A convolution treats all positions of an image alike,
# so within a channel all positions of all images share one mean and one variance.
#
# $$\mu_c = \frac{1}{m} \sum_{n,h,w} x_{nchw}, \qquad \sigma_c^2 = \frac{1}{m} \sum_{n,h,w} (x_{nchw} - \mu_c)^2,
# \qquad m = N H W,$$
#
# $$\hat{x}_{nchw} = \frac{x_{nchw} - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}}, \qquad
# y_{nchw} = \gamma_c \hat{x}_{nchw} + \beta_c.$$
#
# | name | shape | meaning |
# |---|---|---|
# | `x`, `x_hat`, `y` | (N, C, H, W) | input, normalized input, output |
# | `gamma`, `beta` | (C,) | scale and shift, learned |
# | `inv_std` | (C,) | $1 / \sqrt{\sigma_c^2 + \epsilon}$ |
#
# Example with N = 2 images, C = 2 channels, H = 1, W = 2 and eps = 4:
#
# | channel | first image | second image | mean | variance | `inv_std` | `x_hat` |
# |---|---|---|---|---|---|---|
# | 0 | (1, 3) | (5, 7) | 4 | 5 | 1/3 | (-1, -1/3), (1/3, 1) |
# | 1 | (3, 15) | (13, 9) | 10 | 21 | 1/5 | (-1.4, 1), (0.6, -0.2) |
#
# With gamma = (6, 5) and beta = (10, 0), `y` is (4, 8), (12, 16) in channel 0 and (-7, 5), (3, -1) in channel 1.
#
# **Predict first.** `x` has the shape (8, 3, 5, 7). How many means does batch normalization take?
#
# <details><summary>3</summary>
#
# Right: one for each channel, each over $8 \cdot 5 \cdot 7 = 280$ values.
#
# </details>
# <details><summary>24</summary>
#
# That is one for each channel of each image. This exists too, and is called instance normalization; see task 4.
#
# </details>
# <details><summary>105</summary>
#
# That is one for each position of each channel, over 8 values each. It treats an image as 105 unrelated features:
# a pixel of the sky would be normalized differently from the pixel beside it.
#
# </details>
# <details><summary>840</summary>
#
# Then every number would be its own mean, and `x_hat` would be 0 everywhere.
#
# </details>


# %% solution="batchnorm2d-train"
def batchnorm2d_train(x, gamma, beta, eps=1e-5):
    """Normalize images by the batch's statistics per channel, then scale and shift.

    x_hat = (x - mu) / sqrt(var + eps),  y = gamma * x_hat + beta,
    mu and var over the N * H * W values of a channel
    (Ioffe and Szegedy 2015, section 3.2)

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W), float
        A batch of images; N, H and W may be 1 and a channel may be constant.
    gamma, beta : ndarray, shape (C,)
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : ndarray, shape (N, C, H, W), dtype of x
    cache : tuple (x_hat, inv_std, gamma)
        Arrays of shape (N, C, H, W), (C,), (C,); inv_std = 1 / sqrt(var + eps).
    """
    ### BEGIN SOLUTION
    axes = (0, 2, 3)
    centred = x - x.mean(axis=axes, keepdims=True)
    inv_std = 1 / np.sqrt((centred**2).mean(axis=axes) + eps)  # (C,)
    x_hat = centred * inv_std[:, None, None]
    return gamma[:, None, None] * x_hat + beta[:, None, None], (x_hat, inv_std, gamma)
    ### END SOLUTION


# %% test="batchnorm2d-train-test" points=13
check("batchnorm2d-train", batchnorm2d_train)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import ONE_PASS, image_inputs

examine(
    "batchnorm2d-train",
    batchnorm2d_train,
    [
        Case("16 images with 5 channels of 6 x 7, eps = 0.5", image_inputs((16, 5, 6, 7), eps=0.5)),
        Case("3 images with 7 channels of 5 x 2 in float32", image_inputs((3, 7, 5, 2), dtype=np.float32)),
        Case("a single image, eps = 0.5", image_inputs((1, 4, 3, 5), eps=0.5)),
        Case("images of one pixel, eps = 0.5", image_inputs((6, 4, 1, 1), eps=0.5)),
        Case("a single image of one pixel", image_inputs((1, 3, 1, 1))),
        Case("one channel", image_inputs((4, 1, 3, 5), eps=0.5)),
        Case("images in Fortran order", image_inputs((4, 3, 5, 2), eps=0.1, layout="F")),
        Case("every second image of a larger array", image_inputs((5, 4, 2, 3), layout="strided")),
        Case("a constant channel", image_inputs((4, 3, 2, 5), constant=3.0)),
        Case("a constant channel in float32", image_inputs((4, 3, 2, 5), constant=-2.0, dtype=np.float32)),
        Case(
            "other images around 10,000 in float32",
            image_inputs((4, 3, 5, 6), mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
        Case("images around 1,000,000", image_inputs((3, 2, 4, 5), mean=1e6), 1e-6, ONE_PASS),
    ],
)
rng = np.random.default_rng(4)
x, gamma, beta = rng.normal(size=(5, 4, 3, 6)), rng.uniform(0.5, 2, size=4), rng.normal(size=4)
y, (x_hat, inv_std, kept) = batchnorm2d_train(x, gamma, beta, eps=0.5)
assert inv_std.size == 4, f"{inv_std.size} statistics for 4 channels; each channel has one mean and one variance"
rows = y.transpose(0, 2, 3, 1).reshape(-1, 4)
np.testing.assert_allclose(rows.mean(axis=0), beta, atol=1e-12, err_msg="each channel of y has the mean beta")
turned = batchnorm2d_train(x[:, :, ::-1, :], gamma, beta, eps=0.5)[0]
np.testing.assert_allclose(turned, y[:, :, ::-1, :], atol=1e-12, err_msg="turning the images upside down turns y")
flat = x.transpose(0, 2, 3, 1).reshape(-1, 4, 1, 1)
np.testing.assert_allclose(
    batchnorm2d_train(flat, gamma, beta, eps=0.5)[0].reshape(-1, 4),
    rows,
    atol=1e-12,
    err_msg="N * H * W images of one pixel have the statistics of N images of H x W pixels",
)
### END HIDDEN TESTS

# %% [markdown]
# **Predict first.** Suppose someone normalizes each position by itself, over the images alone.
# Would the test "every channel of the result has mean 0 and standard deviation 1" notice?

# %%
# Play: try other shapes, or a whole edge in place of the corner.
rng = np.random.default_rng(0)
x = rng.normal(size=(8, 3, 5, 7))
x[:, :, 0, 0] += 20  # a bright corner in every image
apart = x - np.average(x, axis=0)
apart = apart / np.sqrt(np.average(apart**2, axis=0))
y, _ = batchnorm2d_train(x, np.ones(3), np.zeros(3))
for name, result in (("each position by itself", apart), ("your function", y)):
    channel = result[:, 0]
    corner = channel[:, 0, 0].mean()
    # z: no minus before 0.000
    print(f"{name:24} mean {channel.mean():z6.3f}", end=", ")
    print(f"std {channel.std():.3f}, corner {corner:z6.3f}")

# %% [markdown]
# <details><summary>Yes</summary>
#
# It would not: every position has mean 0 and variance 1, so the whole channel has too.
# The first line above passes that test, and yet its bright corner has vanished: what tells positions apart is lost.
#
# </details>
# <details><summary>No</summary>
#
# Right. Each position has mean 0 and variance 1, hence so has the whole channel.
# The difference shows only if you compare with the right values, or count the statistics:
# under batch normalization the corner, which is brighter in every image, stays bright.
#
# </details>

# %% [markdown]
# ## 2. The gradient for images
#
# Compute the gradients of the transform of task 1 from its cache and the upstream gradient `dy`.
# The formula is the closed form for features; only the sums now run over images and positions,
# and the count $m$ is larger.
#
# $$dx_{nchw} = \frac{\gamma_c}{\sqrt{\sigma_c^2 + \epsilon}} \left( dy_{nchw} - \frac{1}{m} \sum_{n,h,w} dy_{nchw}
# - \hat{x}_{nchw} \frac{1}{m} \sum_{n,h,w} dy_{nchw}\, \hat{x}_{nchw} \right), \qquad m = N H W,$$
#
# and `dgamma` and `dbeta` are the sums of $dy\, \hat{x}$ and of $dy$ over the same values.
#
# | name | shape |
# |---|---|
# | `dy`, `x_hat`, `dx` | (N, C, H, W) |
# | `inv_std`, `gamma`, `dgamma`, `dbeta` | (C,) |
#
# Example, with channel 1 of task 1: x_hat = (-1.4, 1), (0.6, -0.2), inv_std = 1/5, gamma = 5, and dy = (0, 1), (0, 0).
# Then dbeta = 1 and dgamma = 1, so both means are 1/4. The factor in front is 1, and
# dx = dy - 1/4 - x_hat / 4 = (0.1, 0.5), (-0.4, -0.2).
#
# **Predict first.** The loss depends on one pixel of one channel of one image: `dy` is 0 everywhere else.
# In a batch of shape (4, 3, 5, 6), how many entries of `dx` differ from 0, as a rule?
#
# <details><summary>1</summary>
#
# That would be so if the statistics were constants, as they are in evaluation.
# In training the pixel shares its mean and its variance with others.
#
# </details>
# <details><summary>30</summary>
#
# Those are the entries of its own channel in its own image. But the statistics run over the images too.
#
# </details>
# <details><summary>120</summary>
#
# Right: all $4 \cdot 5 \cdot 6$ values of that channel, in every image. The other two channels get nothing.
#
# </details>
# <details><summary>360</summary>
#
# Channels do not share statistics, so the other two channels get nothing. Within the channel you are right.
#
# </details>


# %% solution="batchnorm2d-backward"
def batchnorm2d_backward(dy, cache):
    """Return the gradients of the transform of training for images, in closed form.

    dx = gamma * inv_std * (dy - mean(dy) - x_hat * mean(dy * x_hat)),
    means over the N * H * W values of a channel

    Parameters
    ----------
    dy : ndarray, shape (N, C, H, W), float
        Upstream gradient.
    cache : tuple (x_hat, inv_std, gamma)
        From the forward pass, shapes (N, C, H, W), (C,), (C,).

    Returns
    -------
    dx : ndarray, shape (N, C, H, W), dtype of dy
    dgamma, dbeta : ndarray, shape (C,), dtype of dy
        Sums over images and positions.
    """
    ### BEGIN SOLUTION
    x_hat, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    dgamma, dbeta = (dy * x_hat).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
    mean, slope, scale = (values[:, None, None] for values in (dbeta / m, dgamma / m, gamma * inv_std))
    return scale * (dy - mean - x_hat * slope), dgamma, dbeta
    ### END SOLUTION


# %% test="batchnorm2d-backward-test" points=11
check("batchnorm2d-backward", batchnorm2d_backward)
### BEGIN HIDDEN TESTS
from bnlab import check_gradient, examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import image_cache_inputs

examine(
    "batchnorm2d-backward",
    batchnorm2d_backward,
    [
        Case("12 images with 5 channels of 6 x 7", image_cache_inputs((12, 5, 6, 7))),
        Case("3 images with 7 channels of 5 x 2, small eps", image_cache_inputs((3, 7, 5, 2), eps=1e-5)),
        Case("a single image", image_cache_inputs((1, 4, 3, 5))),
        Case("images of one pixel", image_cache_inputs((9, 4, 1, 1))),
        Case("one channel", image_cache_inputs((4, 1, 3, 5))),
        Case("4 images in float32", image_cache_inputs((4, 5, 3, 6), dtype=np.float32), 1e-3),
        Case("images in Fortran order", image_cache_inputs((4, 3, 5, 2), eps=0.1, layout="F")),
        Case("every second image of a larger array", image_cache_inputs((5, 4, 2, 3), layout="strided")),
    ],
)
rng = np.random.default_rng(5)
x, dy, gamma = rng.normal(size=(4, 3, 2, 5)), rng.normal(size=(4, 3, 2, 5)), rng.uniform(0.5, 2, size=3)
over = dict(axis=(0, 2, 3), keepdims=True)


def forward(a):
    """The transform of training for images with eps = 0.5 and beta = 0, for the comparison with differences."""
    return gamma[:, None, None] * (a - a.mean(**over)) / np.sqrt(a.var(**over) + 0.5)


inv_std = 1 / np.sqrt(x.var(axis=(0, 2, 3)) + 0.5)
x_hat = forward(x) / gamma[:, None, None]
dx, dgamma, dbeta = batchnorm2d_backward(dy, (x_hat, inv_std, gamma))
agreement = check_gradient(forward, x, dy, dx)
assert agreement, f"dx and central differences: {agreement}"
np.testing.assert_allclose(
    dx.sum(axis=(0, 2, 3)), 0, atol=1e-12, err_msg="each channel of dx sums to 0: x + c gives the same y as x"
)


def pixels(a):
    """Images as N * H * W images of one pixel."""
    return a.transpose(0, 2, 3, 1).reshape(-1, 3, 1, 1)


one_pixel = batchnorm2d_backward(pixels(dy), (pixels(x_hat), inv_std, gamma))
np.testing.assert_allclose(
    one_pixel[0].reshape(4, 2, 5, 3).transpose(0, 3, 1, 2),
    dx,
    atol=1e-12,
    err_msg="N * H * W images of one pixel have the gradient of N images of H x W pixels",
)
### END HIDDEN TESTS

# %%
# Play: let dy be 1 at another pixel, or at two of them.
x_hat = np.random.default_rng(6).normal(size=(4, 3, 5, 6))
dy = np.zeros(x_hat.shape)
dy[2, 1, 0, 3] = 1
dx, dgamma, dbeta = batchnorm2d_backward(dy, (x_hat, np.ones(3), np.ones(3)))
counts = [int(np.count_nonzero(dx[:, c])) for c in range(3)]
print("entries of dx that are not 0, by channel:", counts)
print("dgamma:", dgamma, " dbeta:", dbeta)

# %% [markdown]
# ## 3. Fast enough
#
# There is nothing new to write here: your function of task 2 is timed on 9 images with 60 channels of 21 x 23 pixels.
# It gets full points if it takes at most 4 times as long as our solution;
# the two run side by side, several times, on the same machine.
#
# Example: a loop over images and channels calls NumPy $9 \cdot 60 = 540$ times for each expression,
# each time for only 483 numbers. The call costs more than the arithmetic.
#
# **Predict first.** There are three ways to sum each channel of such a batch:
# (a) one sum over the axes (0, 2, 3);
# (b) move the channels to the end, reshape to (N * H * W, C), and sum over axis 0;
# (c) a Python loop over images and channels.
# Which is the fastest, and which the slowest?
#
# <details><summary>(a) is the fastest, (c) the slowest</summary>
#
# Right, as a rule, for this shape. Run the cell to see the factors on your machine.
#
# </details>
# <details><summary>(b) is the fastest: it sums one axis only</summary>
#
# The sum over axis 0 is quick. But before it, every number has to be copied into that order.
#
# </details>
# <details><summary>(c) is the fastest: each sum runs over memory in one piece</summary>
#
# It does, but there are 540 calls, and each costs some microseconds whatever it sums.
# With a few large images the loop would do much better.
#
# </details>

# %%
# Play: try other shapes, say 2 images with 3 channels of 200 x 200 pixels.
from timeit import repeat

a = np.random.default_rng(7).normal(size=(9, 60, 21, 23))


def looped(a):
    """The sum of each channel, one image after the other."""
    return [sum(float(np.sum(image[c])) for image in a) for c in range(a.shape[1])]


ways = {
    "(a) several axes at once": lambda: np.sum(a, axis=(0, 2, 3)),
    "(b) moved and reshaped": lambda: np.moveaxis(a, 1, 3).reshape(-1, 60).sum(0),
    "(c) a loop": lambda: looped(a),
}
for name, way in ways.items():
    print(f"{name:26} {1e3 * min(repeat(way, number=3, repeat=5)) / 3:.2f} ms")

# %% [markdown]
# <details><summary>Answer</summary>
#
# (a) is the fastest: it reads the array once, in the order in which it lies in memory.
# (b) has the same sums to do, but first copies the whole array into another order, which costs more than the sums.
# (c) is the slowest here, with its 540 calls of a few microseconds each.
# With a few large images the loop becomes cheap, for then each call has a lot to do.
#
# </details>

# %% test="batchnorm2d-speed-test" points=5
check("batchnorm2d-speed", batchnorm2d_backward)
### BEGIN HIDDEN TESTS
from bnlab import race
from bnlab.tasks.convolution import image_cache_inputs

race("batchnorm2d-speed", batchnorm2d_backward, inputs=image_cache_inputs((9, 60, 21, 23)), limit=4)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. One function, four names
#
# Normalize an array of any shape over the axes that are given.
# Batch, layer and instance normalization are this function with different axes;
# group normalization (task 6) is the fourth, once the channels have been split into groups.
#
# $$\hat{x} = \frac{x - \text{mean}(x)}{\sqrt{\text{mean}\left((x - \text{mean}(x))^2\right) + \epsilon}},$$
#
# where the means run over `axes`, and each choice of the remaining indices has a mean and a variance of its own.
#
# | name | axes for (N, C) | axes for (N, C, H, W) | number of means |
# |---|---|---|---|
# | batch normalization | (0,) | (0, 2, 3) | C |
# | layer normalization | (1,) | (1, 2, 3) | N |
# | instance normalization | | (2, 3) | N C |
#
# | argument | shape | meaning |
# |---|---|---|
# | `x`, `x_hat` | any | input and result |
# | `axes` | tuple of int, from 0 to x.ndim - 1, ascending | the axes that share a mean |
#
# Example: x = ((1, 3), (5, 7)).
# Over both axes, (0, 1), and with eps = 4: the mean is 4 and the variance 5, so x_hat = ((-1, -1/3), (1/3, 1)).
# Over (1,) and with eps = 3: the means are 2 and 6, the variances 1, so x_hat = ((-1/2, 1/2), (-1/2, 1/2)).
#
# **Predict first.** Which of these need only the image itself, in training and in evaluation alike,
# and no stored statistics? There may be more than one.
#
# <details><summary>Batch normalization, axes (0, 2, 3)</summary>
#
# Axis 0 is among its axes, so what comes out depends on which other images are in the batch.
# That is why evaluation needs stored statistics.
#
# </details>
# <details><summary>Layer normalization, axes (1, 2, 3)</summary>
#
# Right: axis 0 is not among its axes. Each image is normalized by itself, and training and evaluation are the same.
#
# </details>
# <details><summary>Instance normalization, axes (2, 3)</summary>
#
# Right, for the same reason. It also keeps the channels apart, so the average brightness of each one is lost.
#
# </details>


# %% solution="normalize-over"
def normalize_over(x, axes, eps=1e-5):
    """Subtract the mean over some axes and divide by the standard deviation.

    x_hat = (x - mean) / sqrt(var + eps),  mean and biased variance over `axes`

    Parameters
    ----------
    x : ndarray, any shape, float
    axes : tuple of int
        The axes that share a mean, ascending, each from 0 to x.ndim - 1.
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    x_hat : ndarray, shape and dtype of x
    """
    ### BEGIN SOLUTION
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)
    ### END SOLUTION


# %% test="normalize-over-test" points=7
check("normalize-over", normalize_over)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import ONE_PASS, axes_inputs

examine(
    "normalize-over",
    normalize_over,
    [
        Case("shape (6, 4, 5, 7) over the axes (2, 3), eps = 0.5", axes_inputs((6, 4, 5, 7), (2, 3), eps=0.5)),
        Case("shape (9, 4) over the axes (0,), eps = 0.1", axes_inputs((9, 4), (0,), eps=0.1)),
        Case("shape (3, 4, 2, 5, 2) over the axes (2, 3, 4)", axes_inputs((3, 4, 2, 5, 2), (2, 3, 4))),
        Case("shape (3, 5, 4) over the axes (0, 2), eps = 0.5", axes_inputs((3, 5, 4), (0, 2), eps=0.5)),
        Case("a single axis", axes_inputs((12,), (0,), eps=0.5)),
        Case("float32", axes_inputs((5, 3, 4, 6), (1, 2, 3), eps=0.5, dtype=np.float32)),
        Case("Fortran order", axes_inputs((4, 3, 5, 2), (0, 2, 3), eps=0.1, layout="F")),
        Case("every second entry of a larger array", axes_inputs((4, 6, 3), (1, 2), layout="strided")),
        Case("axes of length 1", axes_inputs((3, 4, 1, 1), (2, 3))),
        Case("a constant array", axes_inputs((3, 4, 5), (1, 2), constant=3.0)),
        Case(
            "around 10,000 in float32, over the axes (0, 2, 3)",
            axes_inputs((4, 3, 5, 6), (0, 2, 3), mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
        Case("around 1,000,000, over the axes (1,)", axes_inputs((4, 9), (1,), mean=1e6), 1e-6, ONE_PASS),
    ],
)
x = np.random.default_rng(8).normal(size=(5, 4, 3, 6))
for axes in ((0,), (0, 2, 3), (1, 2, 3), (2, 3)):
    x_hat = normalize_over(x, axes, eps=0.5)
    np.testing.assert_allclose(x_hat.mean(axis=axes), 0, atol=1e-12, err_msg=f"over the axes {axes} the means are 0")
    var = x.var(axis=axes)
    np.testing.assert_allclose(
        (x_hat**2).mean(axis=axes), var / (var + 0.5), err_msg="the mean square is var / (var + eps)"
    )
as_features = x.transpose(0, 2, 3, 1).reshape(-1, 4)
np.testing.assert_allclose(
    normalize_over(as_features, (0,)).reshape(5, 3, 6, 4).transpose(0, 3, 1, 2),
    normalize_over(x, (0, 2, 3)),
    atol=1e-12,
    err_msg="batch normalization of images is that of features, with pixels as samples",
)
### END HIDDEN TESTS

# %%
# Play: add other axes. How many values share a mean? Does the batch matter?
x = np.random.default_rng(9).normal(size=(8, 6, 5, 7))
family = {"batch": (0, 2, 3), "layer": (1, 2, 3), "instance": (2, 3)}
for name, axes in family.items():
    alone, together = normalize_over(x[:1], axes)[0], normalize_over(x, axes)[0]
    shared = np.prod([x.shape[axis] for axis in axes])
    print(f"{name:9} {x.size // shared:3} means of {shared:3} values;", end=" ")
    print(f"alone, the first image changes by {np.abs(alone - together).max():.2f}")

# %% [markdown]
# ## 5. Layer normalization
#
# Normalize each sample over its own features, then give each feature its scale and shift.
# A sample is never compared with other samples, so the batch does not matter;
# transformers normalize in this way, or with a variant of it.
#
# $$y_{nc} = \gamma_c \frac{x_{nc} - \mu_n}{\sqrt{\sigma_n^2 + \epsilon}} + \beta_c, \qquad
# \mu_n = \frac{1}{C} \sum_c x_{nc}, \qquad \sigma_n^2 = \frac{1}{C} \sum_c (x_{nc} - \mu_n)^2.$$
#
# | name | shape | meaning |
# |---|---|---|
# | `x`, `y` | (N, C) | N samples, C features |
# | `gamma`, `beta` | (C,) | one scale and one shift for each feature |
#
# Example with one sample, C = 4 and eps = 4: the row (1, 3, 5, 7) has mean 4 and variance 5,
# so x_hat = (-1, -1/3, 1/3, 1).
# With gamma = (6, 3, 3, 6) and beta = (10, 0, 0, 0) the result is y = (4, -1, 1, 6).
#
# **Predict first.** One sample of the batch is replaced by 3 times itself plus 100. What happens to `y`?
#
# <details><summary>Only the row of that sample changes, and it changes a lot</summary>
#
# Only that row can change, true. But it hardly does: its mean and its standard deviation follow the change.
#
# </details>
# <details><summary>Next to nothing changes</summary>
#
# Right. The other rows do not see the change, and the row's own mean and standard deviation follow it:
# only eps makes a tiny difference.
#
# </details>
# <details><summary>All rows change</summary>
#
# That is batch normalization, where the samples share their statistics. Here each row is on its own.
#
# </details>


# %% solution="layer-norm"
def layer_norm(x, gamma, beta, eps=1e-5):
    """Normalize each sample over its features, then scale and shift each feature.

    y = gamma * (x - mu) / sqrt(var + eps) + beta,
    mu and var of each sample over its C features (Ba et al. 2016)

    Parameters
    ----------
    x : ndarray, shape (N, C), float
        N may be 1; a sample may be constant.
    gamma, beta : ndarray, shape (C,)
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : ndarray, shape (N, C), dtype of x
    """
    ### BEGIN SOLUTION
    centred = x - x.mean(axis=1, keepdims=True)
    inv_std = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)  # (N, 1)
    return gamma * (centred * inv_std) + beta
    ### END SOLUTION


# %% test="layer-norm-test" points=6
check("layer-norm", layer_norm)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import ONE_PASS, layer_norm_inputs

examine(
    "layer-norm",
    layer_norm,
    [
        Case("10 samples with 64 features, eps = 0.5", layer_norm_inputs(10, 64, eps=0.5)),
        Case("a single sample", layer_norm_inputs(1, 5, eps=0.5)),
        Case("7 samples with 5 features in float32", layer_norm_inputs(7, 5, dtype=np.float32)),
        Case("a batch in Fortran order", layer_norm_inputs(4, 9, eps=0.1, layout="F")),
        Case("every second row of a larger array", layer_norm_inputs(5, 8, layout="strided")),
        Case("a constant sample", layer_norm_inputs(4, 6, constant=3.0)),
        Case("a constant sample in float32", layer_norm_inputs(4, 6, constant=-2.0, dtype=np.float32)),
        Case("one feature", layer_norm_inputs(5, 1)),
        Case("around 10,000 in float32", layer_norm_inputs(5, 32, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
        Case("around 1,000,000", layer_norm_inputs(5, 9, mean=1e6), 1e-6, ONE_PASS),
    ],
)
rng = np.random.default_rng(10)
x, gamma, beta = rng.normal(size=(6, 5)), rng.uniform(0.5, 2, size=5), rng.normal(size=5)
y = layer_norm(x, gamma, beta, eps=0.5)
np.testing.assert_allclose(
    layer_norm(x[2:3], gamma, beta, eps=0.5)[0], y[2], atol=1e-12, err_msg="a sample does not depend on its neighbours"
)
np.testing.assert_allclose(
    ((y - beta) / gamma).mean(axis=1), 0, atol=1e-12, err_msg="before gamma and beta each sample has mean 0"
)
### END HIDDEN TESTS

# %%
# Play: change another sample, or multiply this one by 0.001. Why does y change now?
x = np.random.default_rng(11).normal(size=(4, 6))
gamma, beta = np.ones(6), np.zeros(6)
changed = x.copy()
changed[2] = 3 * x[2] + 100
gap = np.abs(layer_norm(changed, gamma, beta) - layer_norm(x, gamma, beta))
changes = ", ".join(f"{change:.6f}" for change in gap.max(axis=1))
print("largest change of each row of y:", changes)

# %% [markdown]
# ## 6. Group normalization
#
# Normalize each image over groups of neighbouring channels.
# This lies between layer and instance normalization, and like them it does not depend on the batch.
#
# With $G$ groups, counted from 0, group $g$ of an image holds the channels from $g\,C/G$ to $(g + 1)\,C/G - 1$
# with all their pixels: $(C/G) \cdot H \cdot W$ values that share one mean and one variance.
# `gamma` and `beta` still have one entry for each channel.
#
# | name | shape | meaning |
# |---|---|---|
# | `x`, `y` | (N, C, H, W) | images |
# | `num_groups` | int | G, a divisor of C |
# | `gamma`, `beta` | (C,) | one scale and one shift for each channel |
#
# Example with one image, C = 4 channels, H = 1, W = 2, two groups and eps = 4:
# the channels (1, 3), (5, 7), (3, 15), (13, 9) form the groups (1, 3, 5, 7) and (3, 15, 13, 9),
# with means 4 and 10 and variances 5 and 21, so they are divided by $\sqrt{5 + 4} = 3$ and $\sqrt{21 + 4} = 5$.
# With gamma = (6, 6, 5, 5) and beta = (10, 10, 0, 0), `y` is (4, 8), (12, 16), (-7, 5), (3, -1).
#
# **Predict first.** What is group normalization with as many groups as there are channels?
#
# <details><summary>Batch normalization</summary>
#
# Batch normalization also keeps the channels apart, but its means run over all images.
# Group normalization stays within one image.
#
# </details>
# <details><summary>Layer normalization</summary>
#
# That is the other end: one group with all channels, $G = 1$.
#
# </details>
# <details><summary>Instance normalization</summary>
#
# Right: each group is one channel of one image. And with a single group it is layer normalization over (C, H, W).
#
# </details>


# %% solution="group-norm"
def group_norm(x, num_groups, gamma, beta, eps=1e-5):
    """Normalize each image over groups of channels, then scale and shift.

    y = gamma * (x - mu) / sqrt(var + eps) + beta,
    mu and var over the C / num_groups * H * W values of a group in one image
    (Wu and He 2018)

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W), float
        N may be 1; a group may be constant.
    num_groups : int
        A divisor of C. Group 0 holds the first C / num_groups channels, and so on.
    gamma, beta : ndarray, shape (C,)
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : ndarray, shape (N, C, H, W), dtype of x
    """
    ### BEGIN SOLUTION
    groups = x.reshape(x.shape[0], num_groups, -1)  # C-order: neighbouring channels stay together
    centred = groups - groups.mean(axis=2, keepdims=True)
    x_hat = centred / np.sqrt((centred**2).mean(axis=2, keepdims=True) + eps)
    return gamma[:, None, None] * x_hat.reshape(x.shape) + beta[:, None, None]
    ### END SOLUTION


# %% test="group-norm-test" points=9
check("group-norm", group_norm)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import ONE_PASS, image_inputs

examine(
    "group-norm",
    group_norm,
    [
        Case("5 images with 12 channels in 4 groups, eps = 0.5", image_inputs((5, 12, 3, 7), groups=4, eps=0.5)),
        Case("a single image in 3 groups", image_inputs((1, 9, 2, 5), groups=3, eps=0.5)),
        Case("one group", image_inputs((3, 4, 2, 5), groups=1, eps=0.5)),
        Case("as many groups as channels", image_inputs((3, 4, 2, 5), groups=4, eps=0.5)),
        Case("images of one pixel", image_inputs((3, 8, 1, 1), groups=2, eps=0.5)),
        Case("float32", image_inputs((3, 6, 5, 2), groups=3, dtype=np.float32)),
        Case("images in Fortran order", image_inputs((4, 6, 5, 2), groups=2, eps=0.1, layout="F")),
        Case("every second image of a larger array", image_inputs((5, 4, 2, 3), groups=2, layout="strided")),
        Case("a constant channel as a group of its own", image_inputs((4, 3, 2, 5), groups=3, constant=3.0)),
        Case(
            "other images around 10,000 in float32",
            image_inputs((2, 6, 5, 4), groups=3, mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
        Case("images around 1,000,000", image_inputs((3, 4, 4, 5), groups=2, mean=1e6), 1e-6, ONE_PASS),
    ],
)


def over(x, axes):
    """Normalized over some axes with eps = 0.5."""
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + 0.5)


rng = np.random.default_rng(12)
x, gamma, beta = rng.normal(size=(5, 6, 3, 4)), rng.uniform(0.5, 2, size=6), rng.normal(size=6)
scale, shift = gamma[:, None, None], beta[:, None, None]
np.testing.assert_allclose(
    group_norm(x, 1, gamma, beta, eps=0.5),
    scale * over(x, (1, 2, 3)) + shift,
    atol=1e-12,
    err_msg="with one group it is layer normalization over (C, H, W)",
)
np.testing.assert_allclose(
    group_norm(x, 6, gamma, beta, eps=0.5),
    scale * over(x, (2, 3)) + shift,
    atol=1e-12,
    err_msg="with C groups it is instance normalization",
)
y = group_norm(x, 3, gamma, beta, eps=0.5)
np.testing.assert_allclose(
    group_norm(x[1:2], 3, gamma, beta, eps=0.5)[0], y[1], atol=1e-12, err_msg="an image does not depend on the others"
)
moved = x.copy()
moved[:, 2:4] += 10
np.testing.assert_allclose(
    group_norm(moved, 3, gamma, beta, eps=0.5), y, atol=1e-9, err_msg="a shift of a whole group changes nothing"
)
### END HIDDEN TESTS

# %% [markdown]
# **Predict first.** The same image is normalized together with 32, 8 or 2 other images, drawn anew each time.
# For which of the two, batch or group normalization, does its `y` vary with the company it keeps?
#
# <details><summary>Both vary, and more in small batches</summary>
#
# Group normalization takes its statistics from one image. Which other image could make a difference?
#
# </details>
# <details><summary>Batch normalization varies, more so in small batches; group normalization does not</summary>
#
# Right: the noise of a mean grows as fewer values share it.
#
# </details>
# <details><summary>Neither varies: the image is the same</summary>
#
# In training the other images of the batch take part in the mean and the variance of batch normalization.
#
# </details>

# %%
# Play: try larger images. Which of the two cares?
rng = np.random.default_rng(13)
image, gamma, beta = rng.normal(size=(1, 8, 2, 3)), np.ones(8), np.zeros(8)
for others in (32, 8, 2):
    ys = {"batch": [], "group": []}
    for _ in range(50):
        x = np.concatenate([image, rng.normal(size=(others, 8, 2, 3))])
        ys["batch"].append(normalize_over(x, (0, 2, 3))[0])
        ys["group"].append(group_norm(x, 4, gamma, beta)[0])
    batch, group = (np.std(ys[name], axis=0).mean() for name in ("batch", "group"))
    print(f"{others:2} others: std of y {batch:.3f} (batch), {group:.3f} (group)")

# %% [markdown]
# <details><summary>Answer</summary>
#
# For batch normalization the spread grows as the batch shrinks, roughly as one over the root of the number of values
# that share a mean. This noise is part of what batch normalization does in training, for better or worse.
# For group normalization it is 0, because no other image enters; for the same reason nothing has to be stored for
# evaluation. With larger images batch normalization calms down too, for $m = N H W$ counts the pixels as well.
#
# </details>
#
# You now have batch normalization for images, and its relatives.
# Next: [06 Inference](https://bn-course.github.io/bn-course/exercises/06_inference.html).

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("05_convolution", globals())
