# %% [markdown]
# # 09 CuPy: the same transform where memory is far away
#
# In this notebook you move batch normalization to the GPU. You start with array operations that never look back at the
# host, then you count the bytes they move, and then you fuse the passes into three kernels.
#
# - Time: about 90 minutes.
# - Read first: [chapter 15, On the GPU](https://bn-course.github.io/bn-course/book/15_gpu.html).
# - The *device* is the GPU, with a memory of its own; the *host* is the processor that runs Python.
# - `x` has shape (N, C, H, W) and lives on the device; `gamma` and `beta` have shape (C,).
# - You need no GPU. With one, `xp` is CuPy; without one, `xp` is a simulated GPU with the same names, which also counts
#   what your code moves, and from section 5 on asks for a C++ compiler (g++; Colab has it). The set-up cell says which
#   of the two you have, and what is missing. Only section 7 grades speed.
# - Functions return new arrays and leave their arguments alone; results have the dtype of `x` or `dy`.
# - No task needs the answer of another. Stuck? `hint("cupy-train")` gives a first hint, and a further one each time you
#   run it.

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
from bnlab.gpu import ElementwiseKernel, ReductionKernel, device, simulate, xp

print(f"bnlab {bnlab.__version__}, NumPy {np.__version__}")

# %% [markdown]
# ## 1. Arrays on the device
#
# Write the transform of training with the array operations of `xp`, which go by NumPy's names.
# Nothing may go to the host on the way. `float(a)`, `a.item()`, `a.get()`, `xp.asnumpy(a)`, and what asks an array
# for a truth, such as `if` or Python's own `max(a, b)`: each of these stops the program until the device has finished,
# and copies the value to the host.
# On the device even the mean of all numbers is still an array, of shape ().
#
# $$\hat{x}_{nchw} = \frac{x_{nchw} - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}}, \qquad
# y_{nchw} = \gamma_c \hat{x}_{nchw} + \beta_c,$$
#
# with the mean $\mu_c$ and the biased variance $\sigma_c^2$ over the $m = N H W$ values of channel c.
#
# Example with N = 1, C = 2, H = 1, W = 2 and eps = 0: channel 0 is (1, 3), with mean 2 and variance 1;
# channel 1 is (0, 8), with mean 4 and variance 16. So `x_hat` is (-1, 1) in both, and `inv_std` is (1, 1/4).
# With gamma = (3, 1) and beta = (0, 5), `y` is (-3, 3) in channel 0 and (4, 6) in channel 1.
#
# **Predict first.** A loop over 256 channels computes `float(x[:, c].mean())` for each.
# How often does the program wait for the device?
#
# <details><summary>Never: CuPy collects the work and does it at the end</summary>
#
# It does queue up work: a call returns before the device is done.
# But `float` needs the number now, so Python has to wait for it.
#
# </details>
# <details><summary>Once, at the end of the loop</summary>
#
# That would be so if the means stayed on the device, in one array, which is copied at the end.
#
# </details>
# <details><summary>256 times</summary>
#
# Right, once for each `float`. Between two of them the device has one small thing to do, and then nothing.
#
# </details>


# %% solution="cupy-train"
def batchnorm_train(x, gamma, beta, eps=1e-5):
    """Normalize images with the statistics of their batch, then scale and shift.

    x_hat = (x - mu) / sqrt(var + eps),  y = gamma * x_hat + beta
    (Ioffe and Szegedy 2015, section 3.2)

    Parameters
    ----------
    x : device array, shape (N, C, H, W), float32 or float64
    gamma, beta : device array, shape (C,), dtype of x
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : device array, shape (N, C, H, W), dtype of x
    cache : tuple (x_hat, inv_std, gamma)
        Device arrays of shape (N, C, H, W), (C,), (C,) and the dtype of x;
        inv_std = 1 / sqrt(var + eps).
    """
    ### BEGIN SOLUTION
    centred = x - xp.mean(x, axis=(0, 2, 3), keepdims=True)
    inv_std = 1 / xp.sqrt(xp.mean(centred * centred, axis=(0, 2, 3)) + eps)
    x_hat = centred * inv_std[:, None, None]
    return gamma[:, None, None] * x_hat + beta[:, None, None], (x_hat, inv_std, gamma)
    ### END SOLUTION


# %% test="cupy-train-test" points=8
check("cupy-train", batchnorm_train)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import image_inputs
from bnlab.tasks.forward import ONE_PASS

examine(
    "cupy-train",
    batchnorm_train,
    [
        Case("16 images with 5 channels of 7 x 7, eps = 0.5", image_inputs((16, 5, 7, 7), eps=0.5, dtype=np.float32)),
        Case("3 images with 7 channels of 5 x 2 in float64", image_inputs((3, 7, 5, 2), eps=0.1)),
        Case("a single channel", image_inputs((6, 1, 5, 3), eps=0.5, dtype=np.float32)),
        Case("a single image, eps = 0.5", image_inputs((1, 4, 3, 5), eps=0.5, dtype=np.float32)),
        Case("images of one pixel, eps = 0.5", image_inputs((6, 4, 1, 1), eps=0.5, dtype=np.float32)),
        Case("every second image of a larger array", image_inputs((5, 4, 2, 3), layout="strided", dtype=np.float32)),
        Case("a constant channel", image_inputs((4, 3, 2, 5), constant=-2.0, dtype=np.float32)),
        Case(
            "other images around 10,000 in float32",
            image_inputs((4, 3, 5, 6), mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
    ],
)
### END HIDDEN TESTS

# %%
# Play: how much does your version move, in units of B, the bytes of x?
# The simulated GPU counts; on a real one nothing is counted.
rng = np.random.default_rng(0)
x = xp.asarray(rng.normal(size=(8, 16, 14, 14)).astype(np.float32))
gamma, beta = xp.ones(16, xp.float32), xp.zeros(16, xp.float32)
with simulate() as log:
    y, cache = batchnorm_train(x, gamma, beta)
counted = f"{len(log.launches)} operations, {log.transfers} copies to the host"
moved = f"{log.bytes / x.nbytes:.1f} B moved"
print(f"{counted}, {moved}" if device.simulated else "a real GPU: nothing counted")

# %% [markdown]
# ## 2. Its gradient
#
# Return the gradients of task 1, computed from the cache, with array operations that stay on the device.
#
# $$dx = \gamma\, \text{inv std} \left( dy - \frac{1}{m} \sum dy - \hat{x}\, \frac{1}{m} \sum dy\, \hat{x} \right),
# \qquad d\gamma = \sum dy\, \hat{x}, \qquad d\beta = \sum dy,$$
#
# where each sum runs over the $m = N H W$ values of a channel.
#
# Example with one channel: x_hat = (-1, 1), inv_std = 1/2, gamma = 4, dy = (1, 0).
# Then dbeta = 1, dgamma = -1, the two means are 1/2 and -1/2, and dx = 2 * (1 - 1/2 - 1/2, 0 - 1/2 + 1/2) = (0, 0).
# No wonder: with two values and eps = 0, x_hat is (-1, 1) or (1, -1) whatever x is, so a small change of x has
# no effect.
#
# **Predict first.** Which of these has to wait for the device: (a) `dy.size // dy.shape[1]`, (b) `dy.sum() / m`,
# (c) `if dy.sum() == 0:`?
#
# <details><summary>(a)</summary>
#
# Shape and size are kept on the host, beside the address of the memory. Reading them costs nothing.
#
# </details>
# <details><summary>(b)</summary>
#
# The sum is an array of shape () on the device, and so is the quotient. Nothing is copied.
#
# </details>
# <details><summary>(c)</summary>
#
# Right. Python decides the `if` on the host, so it waits for the sum and fetches it.
#
# </details>


# %% solution="cupy-backward"
def batchnorm_backward(dy, cache):
    """Return the gradients of the transform of training, in closed form.

    dx = gamma * inv_std * (dy - mean(dy) - x_hat * mean(dy * x_hat)),
    with means over the N * H * W values of a channel

    Parameters
    ----------
    dy : device array, shape (N, C, H, W), float32 or float64
        Upstream gradient.
    cache : tuple (x_hat, inv_std, gamma)
        Device arrays from the forward pass, of shape (N, C, H, W), (C,), (C,)
        and the dtype of dy.

    Returns
    -------
    dx : device array, shape (N, C, H, W), dtype of dy
    dgamma, dbeta : device array, shape (C,), dtype of dy
        Sums over images and positions.
    """
    ### BEGIN SOLUTION
    x_hat, inv_std, gamma = cache
    m = dy.size // dy.shape[1]
    dbeta, dgamma = xp.sum(dy, axis=(0, 2, 3)), xp.sum(dy * x_hat, axis=(0, 2, 3))
    bracket = dy - (dbeta / m)[:, None, None] - x_hat * (dgamma / m)[:, None, None]
    return (gamma * inv_std)[:, None, None] * bracket, dgamma, dbeta
    ### END SOLUTION


# %% test="cupy-backward-test" points=7
check("cupy-backward", batchnorm_backward)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import image_cache_inputs

examine(
    "cupy-backward",
    batchnorm_backward,
    [
        Case("12 images with 5 channels of 7 x 7", image_cache_inputs((12, 5, 7, 7), dtype=np.float32), 1e-3),
        Case("3 images with 7 channels of 5 x 2 in float64", image_cache_inputs((3, 7, 5, 2), eps=1e-5)),
        Case("a single channel", image_cache_inputs((6, 1, 5, 3), dtype=np.float32), 1e-3),
        Case("a single image", image_cache_inputs((1, 4, 3, 5), dtype=np.float32), 1e-3),
        Case("images of one pixel", image_cache_inputs((9, 4, 1, 1), dtype=np.float32), 1e-3),
        Case("every second image of a larger array", image_cache_inputs((5, 4, 2, 3), layout="strided")),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Counting bytes
#
# Before you make something faster, count what it has to move.
# A *kernel* is a function that the device runs for many numbers at once; each array operation is at least one kernel.
# A *fused* kernel does several operations on a number while it has it.
#
# Write B for the number of bytes of `x`. In the forward pass, kernels that fuse all they can read `x` once for the
# statistics and once more for the output, and write `y`. In the backward pass they read `x` and `dy` once for the two
# sums and once more for `dx`, which they write. The numbers per channel are left out: there are only C of them, against
# N * H * W * C.
#
# Example: shape (2, 3, 4, 5) in float32 has 120 numbers, so B = 480 bytes: 1440 forward, 2400 backward.
#
# **Predict first.** Someone stores activations in float16 instead of float32, and still computes in float32 inside the
# kernels. The time can be no shorter than it takes to move the bytes. By how much does this lower bound shrink?
#
# <details><summary>Not at all: the arithmetic is the same</summary>
#
# The arithmetic is the same, but it was never the bound. The bytes are halved.
#
# </details>
# <details><summary>To a half</summary>
#
# Right: B is half as large, and everything that is counted here is a multiple of B.
#
# </details>
# <details><summary>To a quarter</summary>
#
# Each number takes half as many bytes, but there are as many numbers as before.
#
# </details>


# %% solution="bytes-moved"
def bytes_moved(shape, dtype, direction):
    """Count the bytes that fused kernels of batch normalization read and write.

    Forward: x is read twice, y is written once.
    Backward: x and dy are read twice each, dx is written once.

    Parameters
    ----------
    shape : tuple of int
        (N, C, H, W), of x.
    dtype : str
        Of x, y, dy and dx: "float16", "float32" or "float64".
    direction : {"forward", "backward"}

    Returns
    -------
    bytes : int
    """
    ### BEGIN SOLUTION
    size = np.dtype(dtype).itemsize
    for length in shape:
        size *= length
    return {"forward": 2 + 1, "backward": 2 * 2 + 1}[direction] * size
    ### END SOLUTION


# %% test="bytes-moved-test" points=5
check("bytes-moved", bytes_moved)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cupy import bytes_inputs

examine(
    "bytes-moved",
    bytes_moved,
    [
        Case(f"{direction}, {shape} in {dtype}", bytes_inputs(shape, dtype, direction))
        for shape in ((32, 64, 112, 112), (1, 1, 7, 7), (256, 512, 56, 56))  # of the last more than 2**31 bytes move
        for dtype in ("float16", "float32", "float64")
        for direction in ("forward", "backward")
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Achieved bandwidth
#
# A kernel that is bound by memory is judged by its bandwidth: the bytes that it has to move, divided by the seconds
# that it took, in gigabytes a second. This is compared with what a plain copy reaches on the same device.
# Write the function that converts bytes and seconds to gigabytes a second.
#
# Example: 6,000,000 bytes in 0.002 s are 3,000,000,000 bytes a second, or 3 GB/s.
#
# **Predict first.** A kernel reads `x` three times where two reads would do, and moves its bytes at 90 percent of a
# copy's bandwidth. You divide the bytes that are *needed* (3 B) by its time. What do you get, in percent of a
# copy's bandwidth?
#
# <details><summary>90</summary>
#
# That is what the memory delivers. But a quarter of it, one of three reads and a write, was not needed.
#
# </details>
# <details><summary>About 68</summary>
#
# Right: 90 times 3/4. Judged by the bytes that are needed, a kernel gets no credit for moving more of them.
#
# </details>
# <details><summary>120</summary>
#
# That is 90 times 4/3, as if the additional read had been free. It took time and gained nothing.
#
# </details>


# %% solution="achieved-bandwidth"
def achieved_bandwidth(num_bytes, seconds):
    """Convert bytes and seconds to gigabytes a second.

    Parameters
    ----------
    num_bytes : int
        Bytes read and written.
    seconds : float
        Time that it took, greater than 0.

    Returns
    -------
    bandwidth : float
        In GB/s; 1 GB = 10**9 bytes.
    """
    ### BEGIN SOLUTION
    return num_bytes / seconds / 1e9
    ### END SOLUTION


# %% test="achieved-bandwidth-test" points=3
check("achieved-bandwidth", achieved_bandwidth)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cupy import timing_inputs

examine(
    "achieved-bandwidth",
    achieved_bandwidth,
    [
        Case("some bytes in a nanosecond", timing_inputs(200, 1e-9)),
        Case("some kilobytes in minutes", timing_inputs(5e3, 300)),
        Case("some terabytes in seconds", timing_inputs(3e12, 2)),
    ],
)
### END HIDDEN TESTS

# %%
# Play: the bandwidth of a copy on the host of this machine.
# On a GPU, cupyx.profiler.benchmark measures the seconds.
from timeit import repeat

source = np.ones(4_000_000, np.float32)
seconds = min(repeat(source.copy, number=5, repeat=5)) / 5
print(f"a copy in NumPy: {achieved_bandwidth(2 * source.nbytes, seconds):.1f} GB/s")

# %% [markdown]
# ## 5. Three kernels forward
#
# Each array operation reads its operands from memory and writes its result back. A fused kernel does more with each
# number while it is on the chip. CuPy has two kinds of kernel for which you write no CUDA, only an expression in C++.
#
# - `ElementwiseKernel(inputs, outputs, operation, name)` computes each output from the inputs at the same place.
# - `ReductionKernel(inputs, outputs, map, join, finish, identity, name)` maps the inputs at each place to a value,
#   joins two values `a` and `b` into one until a single value `a` is left, and finishes with that one.
#
# ```python
# # arrays meet by broadcasting, as everywhere
# double_and_add = ElementwiseKernel(
#     "T x, T y", "T z", "z = 2 * x + y", "double_and_add"
# )
# double_and_add(x, y)
#
# largest = ReductionKernel(
#     "T x", "T z", "abs(x)", "max(a, b)", "z = a", "0", "largest"
# )
# largest(x, axis=(0, 2, 3))
#
# # center has shape (C,): one number for each channel
# farthest = ReductionKernel(
#     "T x, T c", "T z", "abs(x - c)", "max(a, b)", "z = a", "0", "farthest"
# )
# farthest(x, center[:, None, None], axis=(0, 2, 3))
# ```
#
# - The *identity* is what each partial result starts from. There are hundreds of partial results, so the identity
#   enters hundreds of times. It must not change anything.
# - Names that begin with `_`, and `i` and `n`, belong to CuPy: call yours something else.
# - `T` is the dtype of the argument. Write `T` rather than `float`, and the result keeps the dtype of `x`.
# - Expressions are C++: there is no `**`, so a square is `d * d`, and `1 / m` is 0 for a whole number m.
# - The map knows all arguments, and one of them may be a number such as m. The finishing expression knows only `a` and
#   two numbers: `_in_ind.size()`, the number of all elements, and `_out_ind.size()`, the number of results.
# - Give each of your kernels a name, and make them inside the function or above it. The very first one takes some
#   seconds, because the simulated GPU is compiled once.
#
# Write the transform with such kernels. All reads and writes of arrays as large as `x`, taken together, may be at
# most 4 (the simulated GPU counts them). To stay within this limit, the cache holds `x` itself and the statistics
# instead of `x_hat`.
#
# Example: channel (1, 3) with eps = 3. The first kernel gives mu = (1 + 3) / 2 = 2, the second
# var = ((1 - 2)^2 + (3 - 2)^2) / 2 = 1, so inv_std = 1/2; the third gives y = gamma * (-1/2, 1/2) + beta.
#
# **Predict first.** A reduction that adds up starts from the identity "1" instead of "0". What comes out for a channel?
#
# <details><summary>The sum, plus 1</summary>
#
# That would be so if there were one partial result. There is one for each thread of a block.
#
# </details>
# <details><summary>The sum, plus the number of partial results</summary>
#
# Right: plus 512 in the simulated GPU, and on a real one plus a number that depends on the launch.
#
# </details>
# <details><summary>The sum, because the first value replaces the identity</summary>
#
# Each partial result begins with the identity and joins the first value to it.
# An empty identity, "", is no way around this: it stands for `T()`, which is 0.
#
# </details>


# %% solution="fused-train"
def batchnorm_train_fused(x, gamma, beta, eps=1e-5):
    """Normalize a batch of images in at most 4 passes over arrays as large as x.

    Parameters
    ----------
    x : device array, shape (N, C, H, W), float32 or float64
    gamma, beta : device array, shape (C,), dtype of x
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : device array, shape (N, C, H, W), dtype of x
    cache : tuple (x, mu, inv_std, gamma)
        Device arrays; mu and inv_std = 1 / sqrt(var + eps) have shape (C,)
        and the dtype of x.
    """
    ### BEGIN SOLUTION
    finish = "out = a / (_in_ind.size() / _out_ind.size())"
    mean_of = ReductionKernel("T x", "T out", "x", "a + b", finish, "0", "channel_mean")
    spread_of = ReductionKernel("T x, T mu", "T out", "(x - mu) * (x - mu)", "a + b", finish, "0", "channel_var")
    to_y = ElementwiseKernel(
        "T x, T mu, T inv_std, T gamma, T beta", "T y", "y = gamma * ((x - mu) * inv_std) + beta", "to_y"
    )
    mu = mean_of(x, axis=(0, 2, 3))
    inv_std = 1 / xp.sqrt(spread_of(x, mu[:, None, None], axis=(0, 2, 3)) + eps)
    return to_y(x, *(v[:, None, None] for v in (mu, inv_std, gamma, beta))), (x, mu, inv_std, gamma)
    ### END SOLUTION


# %% test="fused-train-test" points=10
check("fused-train", batchnorm_train_fused)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import image_inputs
from bnlab.tasks.forward import ONE_PASS

examine(
    "fused-train",
    batchnorm_train_fused,
    [
        Case("16 images with 5 channels of 7 x 7, eps = 0.5", image_inputs((16, 5, 7, 7), eps=0.5, dtype=np.float32)),
        Case("9 images with 2 channels of 11 x 13", image_inputs((9, 2, 11, 13), eps=0.1, dtype=np.float32)),
        Case("3 images with 7 channels of 5 x 2 in float64", image_inputs((3, 7, 5, 2), eps=0.5)),
        Case("a single channel", image_inputs((6, 1, 5, 3), eps=0.5, dtype=np.float32)),
        Case("a single image, eps = 0.5", image_inputs((1, 4, 3, 5), eps=0.5, dtype=np.float32)),
        Case("a constant channel", image_inputs((4, 3, 2, 5), constant=-2.0, dtype=np.float32)),
        Case("other images around 10,000", image_inputs((4, 3, 5, 6), mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
    ],
)
### END HIDDEN TESTS

# %%
# Play: the bytes of both versions, in the simulated GPU.
# The count of task 3 is 3 B: where does the fourth B come from?
rng = np.random.default_rng(1)
x = xp.asarray(rng.normal(size=(8, 16, 14, 14)).astype(np.float32))
gamma, beta = xp.ones(16, xp.float32), xp.zeros(16, xp.float32)
for version in (batchnorm_train, batchnorm_train_fused):
    with simulate() as log:
        version(x, gamma, beta)
    counted = f"{len(log.launches):3} launches, {log.bytes / x.nbytes:5.2f} B"
    if not device.simulated:
        counted = "a real GPU: nothing counted"
    print(f"{version.__name__:22} {counted}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The mean has to be known before the squares of the distances can be added up, so two reductions read `x`.
# One kernel can do both if it subtracts another number near the mean:
# [chapter 15, section Digits](https://bn-course.github.io/bn-course/book/15_gpu.html#digits). For that you have to
# write the kernel yourself.
#
# </details>
#
# ## 6. Three kernels backward
#
# Now the same for the gradient: two reductions and an elementwise kernel, with at most 6 passes (reads or writes)
# over arrays as large as `dy`. The cache holds `x` and the statistics; compute `x_hat = (x - mu) * inv_std` inside
# the kernels that need it.
#
# Example with one channel: x = (3, 7), mu = 5 and inv_std = 1/2, so x_hat = (-1, 1), without being stored anywhere.
# With dy = (2, 5): dbeta = 7, dgamma = -2 + 5 = 3, and dx = gamma / 2 * (2 - 3.5 + 1.5, 5 - 3.5 - 1.5) = (0, 0).
#
# **Predict first.** Both sums need `dy`. How many reads and writes of arrays as large as `dy` do the three
# kernels make in all?
#
# <details><summary>5</summary>
#
# That is the count of task 3, where one kernel makes both sums. Here each reduction reads `dy` for itself.
#
# </details>
# <details><summary>6</summary>
#
# Right: `dy` for dbeta; `dy` and `x` for dgamma; `dy` and `x` for dx; and dx is written.
#
# </details>
# <details><summary>8</summary>
#
# Then one kernel would write `x_hat` and another one read it. Computed where it is needed, it never touches memory.
#
# </details>


# %% solution="fused-backward"
def batchnorm_backward_fused(dy, cache):
    """Return the gradients in at most 6 passes over arrays as large as dy.

    Parameters
    ----------
    dy : device array, shape (N, C, H, W), float32 or float64
        Upstream gradient.
    cache : tuple (x, mu, inv_std, gamma)
        Device arrays from the forward pass, of shape (N, C, H, W), (C,), (C,), (C,)
        and the dtype of dy.

    Returns
    -------
    dx : device array, shape (N, C, H, W), dtype of dy
    dgamma, dbeta : device array, shape (C,), dtype of dy
        Sums over images and positions.
    """
    ### BEGIN SOLUTION
    x, mu, inv_std, gamma = cache
    m, axes = dy.size // dy.shape[1], (0, 2, 3)
    total = ReductionKernel("T dy", "T out", "dy", "a + b", "out = a", "0", "total")
    against = ReductionKernel(
        "T dy, T x, T mu, T inv_std", "T out", "dy * ((x - mu) * inv_std)", "a + b", "out = a", "0", "against_x_hat"
    )
    to_dx = ElementwiseKernel(
        "T dy, T x, T mu, T inv_std, T scale, T mean, T slope",
        "T dx",
        "dx = scale * (dy - mean - (x - mu) * inv_std * slope)",
        "to_dx",
    )
    center, width = mu[:, None, None], inv_std[:, None, None]
    dbeta, dgamma = total(dy, axis=axes), against(dy, x, center, width, axis=axes)
    corrections = (values[:, None, None] for values in (gamma * inv_std, dbeta / m, dgamma / m))
    return to_dx(dy, x, center, width, *corrections), dgamma, dbeta
    ### END SOLUTION


# %% test="fused-backward-test" points=10
check("fused-backward", batchnorm_backward_fused)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cupy import fused_cache_inputs

examine(
    "fused-backward",
    batchnorm_backward_fused,
    [
        Case("12 images with 5 channels of 7 x 7", fused_cache_inputs((12, 5, 7, 7), dtype=np.float32), 1e-3),
        Case("9 images with 2 channels of 11 x 13", fused_cache_inputs((9, 2, 11, 13), dtype=np.float32), 1e-3),
        Case("3 images with 7 channels of 5 x 2 in float64", fused_cache_inputs((3, 7, 5, 2), eps=0.1)),
        Case("a single channel", fused_cache_inputs((6, 1, 5, 3), dtype=np.float32), 1e-3),
        Case("a single image", fused_cache_inputs((1, 4, 3, 5), dtype=np.float32), 1e-3),
        Case("images around 100", fused_cache_inputs((5, 3, 4, 6), mean=100.0, dtype=np.float32), 1e-2),
    ],
)
### END HIDDEN TESTS

# %%
# Play: what the log says about each kernel.
rng = np.random.default_rng(2)
x, dy = xp.asarray(rng.normal(size=(2, 8, 16, 14, 14)).astype(np.float32))
statistics = x.mean(axis=(0, 2, 3)), 1 / xp.sqrt(x.var(axis=(0, 2, 3)) + 1e-5)
with simulate() as log:
    batchnorm_backward_fused(dy, (x, *statistics, xp.ones(16, xp.float32)))
print(log)

# %% [markdown]
# ## 7. How fast
#
# The points of this section depend on the time that your two fused functions take on a GPU, compared with our three
# kernels: you earn them if you take at most 1.25 times as long. The grader measures both in turn, on the same inputs,
# and flushes all caches before each call. If the grader has no GPU, these points wait until it has one.
# There is nothing to write. If you have a GPU, the next cell shows how you compare with a plain copy.
#
# **Predict first.** Three kernels move 4 B forward, while a copy of `x` moves 2 B, which is also the least that a
# forward pass has to move. If each kernel runs as fast as the memory allows, what share of a copy's pace do the
# three reach?
#
# <details><summary>About 1</summary>
#
# That takes one read and one write in all. No chain of kernels can do it, since the mean is known only after the
# last read.
#
# </details>
# <details><summary>About 1/2</summary>
#
# Right: 2 B over 4 B. The kernels of notebook 10 come closer.
#
# </details>
# <details><summary>About 1/4</summary>
#
# That would be so if a copy moved B. It reads B and writes B.
#
# </details>
#
# If the cell shows you a few hundredths instead, the assumption does not hold: one of your kernels is slower than the
# memory. Look at the sums. A reduction over the axes 0, 2 and 3 at once has only C results, and
# [chapter 15](https://bn-course.github.io/bn-course/book/15_gpu.html#how-fast-they-are) shows what CuPy made of that on
# one GPU. Try two steps, which read the images no more often: first over the positions, which lie side by side, with
# `x.reshape(N, C, -1)` and `axis=2`, and then over the images.

# %%
# Play: needs a GPU; a simulated one has no speed.
from bnlab.gpu.timing import share_of_copy

rng = np.random.default_rng(3)
x = rng.normal(size=(32, 64, 56, 56)).astype(np.float32)
gamma, beta = np.ones(64, np.float32), np.zeros(64, np.float32)
inputs = {"x": x, "gamma": gamma, "beta": beta}
share = share_of_copy(batchnorm_train_fused, inputs, "train", least=1)
print("no GPU, no time" if share is None else f"{share:.2f} of a copy's pace")

# %% test="fused-train-speed-test" points=5
check("fused-train-speed", batchnorm_train_fused)
### BEGIN HIDDEN TESTS
from bnlab import race_on_gpu
from bnlab.gpu_drivers import TRAIN_FUSED
from bnlab.tasks import Case
from bnlab.tasks.convolution import image_inputs

race_on_gpu(
    "fused-train-speed",
    batchnorm_train_fused,
    inputs=lambda shape: image_inputs(shape, dtype=np.float32),
    fresh="train",
    returns=TRAIN_FUSED,
    least=1,
    limit=1.25,
    shape=(32, 64, 56, 56),
    cases=[
        Case("on the GPU, 9 images of 11 x 13", image_inputs((9, 2, 11, 13), eps=0.1, dtype=np.float32), 1e-4),
        Case("on the GPU, a single channel", image_inputs((33, 1, 7, 7), eps=0.1, dtype=np.float32), 1e-4),
    ],
)
### END HIDDEN TESTS

# %% test="fused-backward-speed-test" points=5
check("fused-backward-speed", batchnorm_backward_fused)
### BEGIN HIDDEN TESTS
from bnlab import race_on_gpu
from bnlab.gpu_drivers import BACKWARD
from bnlab.tasks import Case
from bnlab.tasks.cupy import fused_cache_inputs

race_on_gpu(
    "fused-backward-speed",
    batchnorm_backward_fused,
    inputs=lambda shape: fused_cache_inputs(shape, dtype=np.float32),
    fresh="backward",
    returns=BACKWARD,
    least=1.5,
    limit=1.25,
    shape=(32, 64, 56, 56),
    cases=[
        Case("on the GPU, 9 images of 11 x 13", fused_cache_inputs((9, 2, 11, 13), dtype=np.float32), 1e-3),
        Case("on the GPU, a single channel", fused_cache_inputs((33, 1, 7, 7), dtype=np.float32), 1e-3),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# You now have batch normalization on the device, in three kernels each way, and a number to judge them by.
# What is left is to save the third read. For that you write CUDA, in
# [notebook 10](https://bn-course.github.io/bn-course/exercises/10_cuda.html).
# [Chapter 15](https://bn-course.github.io/bn-course/book/15_gpu.html#four-plans-for-a-channel) has four plans.

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("09_cupy", globals())
