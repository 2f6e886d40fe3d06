# %% [markdown]
# # 10 CUDA: one kernel a pass
#
# In this notebook you write batch normalization in CUDA C. You add up a channel in shared memory, then by warps; you
# put the whole forward pass and the whole backward pass into one kernel each; you load four numbers at once and split
# a channel among several blocks; and at last you read everything only once.
#
# - Time: about 150 minutes, in two sittings: after task 4 is a good place to stop. Each task stands on its own; tasks
#   1, 3 and 4 are the heart of the notebook.
# - Read first: [chapter 15, On the GPU](https://bn-course.github.io/bn-course/book/15_gpu.html).
# - `x` has shape (N, C, H, W), lies in memory in that order without gaps, and is float32, as are all other arrays.
#   `gamma`, `beta`, `mu`, `inv_std` and `shift` have shape (C,). m = N * H * W is the number of values in a channel.
# - You need no GPU. With one, kernels run by way of CuPy; without one, the same source runs on a simulated GPU, which
#   watches every access and names the line of a race, a missing barrier or an index out of bounds. It asks for a C++
#   compiler (g++; Colab has it). The set-up cell says which of the two you have, and what is missing.
# - Your instructor's tests run on the simulated GPU, in three orders of threads. A real one often gives the right
#   result in spite of a race. So if you have one, hand in only what the simulated one accepts too: restart the kernel,
#   and begin with `%env BNLAB_GPU=simulator`. The same helps after an illegal address or a kernel that did not end.
# - Functions return new arrays and leave their arguments alone.
# - Stuck? `hint("channel-sums")` gives a first hint, and a further one each time you run it.

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
from bnlab.gpu import RawKernel, device, simulate, xp  # noqa: F401

print(f"bnlab {bnlab.__version__}, NumPy {np.__version__}")

# %% [markdown]
# ## A kernel to start from
#
# A *kernel* is a function in C++ that many threads run at once. Threads form *blocks*. Each thread knows its
# number within its block, `threadIdx.x`, the number of its block, `blockIdx.x`, and how many threads a block
# has, `blockDim.x`.
# The threads of a block share a little memory, declared `__shared__`, and can wait for each other at a *barrier*,
# `__syncthreads()`, which all of them have to reach. Blocks run in any order and do not wait for each other.
#
# You have never written C++? This much will do for the whole notebook:
#
# - A name gets its type where it first appears, `const int c = blockIdx.x;` or `float sum = 0.f;`, and is known up to
#   the brace `}` that closes the code around that line. `const` means that its value never changes. A statement ends
#   with `;`, and a comment begins with `//`.
# - `const float* x` is an array without a shape. `x[k]` is its number k, counted as the numbers lie in memory. Beware
#   of `x[n, c, p]`: it is not an error, but means `x[p]`. Number p of channel c in image n is
#   `x[(n * C + c) * H * W + p]`.
# - `/` of whole numbers rounds down, so `1 / m` is 0. `%` is the remainder. There is no `**`: a square is `d * d`.
# - `0.f` is a float32 and `0.` a float64. The functions for float32 end with f, too: `sqrtf`, `fmaxf`, `fabsf`.
# - `for (int i = t; i < m; i += 128)` is `for i in range(t, m, 128)`, and `t < 4 ? a : b` is `a if t < 4 else b`.
# - A kernel that Python launches begins with `extern "C" __global__ void` and its name. `RawKernel(source, name)`
#   compiles the string.
#
# The next cell finds the largest number of each channel, with one block of 128 threads for each channel. Run it, then
# read it. (The first kernel takes some seconds, because the simulated GPU is compiled once; later ones take about one.)
# Each thread walks through the channel in steps of 128, so that neighbouring threads read neighbouring numbers. Then
# the threads meet in shared memory, and half of them drop out in each round. The kernel is launched as
# `kernel(grid, block, arguments)`: the number of blocks, the number of threads in a block, and what the kernel
# is given.

# %%
LARGEST = r"""
extern "C" __global__ void largest(const float* x, float* result,
                                   int images, int channels, int positions) {
  // a place for each thread; this block has channel c
  __shared__ float best[128];
  const int t = threadIdx.x, c = blockIdx.x;
  float mine = -3e38f;
  // i counts the numbers of the channel
  for (int i = t; i < images * positions; i += blockDim.x) {
    const int image = i / positions, place = i % positions;
    mine = fmaxf(mine, x[((long long)image * channels + c) * positions + place]);
  }
  best[t] = mine;
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    // all threads of the block come here, and wait until all have written
    __syncthreads();
    if (t < half) best[t] = fmaxf(best[t], best[t + half]);
  }
  if (t == 0) result[c] = best[0];
}"""


def largest_of_channels(x):
    """The largest number of each channel: an example of a kernel and its launch."""
    n, c, h, w = x.shape
    result = xp.empty(c, xp.float32)
    # a kernel's int takes int32, its float takes float32
    sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w))
    RawKernel(LARGEST, "largest")((c,), (128,), (x, result, *sizes))
    return result


rng = np.random.default_rng(0)
images = xp.asarray(rng.normal(size=(4, 3, 7, 7)).astype(np.float32))
with simulate() as log:
    found = largest_of_channels(images)
print(found, "expected", images.max(axis=(0, 2, 3)))
print(log)

# %% [markdown]
# [Chapter 15](https://bn-course.github.io/bn-course/book/15_gpu.html#what-a-thread-should-read) explains what the log
# prints. You will meet the complaints of the simulator often, so have a look at some now: the next cell breaks the
# kernel in three ways. First guess what each change does. One of them leaves the result right: what does it spoil?

# %%
# Play: break it, in the simulated GPU; a real one would say nothing, or hang.
# Put in changes of your own, too.
from bnlab.gpu import KernelError

CHANGES = {
    "__syncthreads();": "",
    "best[128]": "best[64]",
    "i += blockDim.x": "i += 64",
}
for old, new in CHANGES.items() if device.simulated else ():
    broken, result = LARGEST.replace(old, new), xp.empty(3, xp.float32)
    arguments = (images, result, xp.int32(4), xp.int32(3), xp.int32(49))
    try:
        with simulate() as log:
            RawKernel(broken, "largest")((3,), (128,), arguments)
        said = f"{result}, x loaded {log.loaded(images):.2f} times"
    except KernelError as error:
        said = str(error).splitlines()[0]
    print(f"{old} -> {new}\n  {said}\n")

# %% [markdown]
# ## 1. Sums of a channel
#
# Write one kernel that computes for each channel the sum of `x - shift` and the sum of its square, with one block for
# each channel and with shared memory. It reads `x` only once: that is what a kernel of your own is good for.
# If every thread added to the result with an `atomicAdd`, an addition that no other thread can interrupt, the result
# would be right, too, but slow: all threads would wait for each other at one address. So the block adds up first; after
# that, at most 2 atomics for each warp (32 threads) may go to global memory, which is that of the arrays.
#
# With $K_c$ for `shift[c]`,
#
# $$S_{1,c} = \sum_{n,h,w} (x_{nchw} - K_c), \qquad S_{2,c} = \sum_{n,h,w} (x_{nchw} - K_c)^2 .$$
#
# Example with one channel: for x = (1, 3, 8) and K = 2 the differences are (-1, 1, 6), so S_1 = 6 and S_2 = 38.
#
# **Predict first.** The block has 128 threads, as in the kernel above, and a channel has 15 numbers. What must the
# other 113 threads do?
#
# <details><summary>Return at once, since they have nothing to add</summary>
#
# Then 15 threads wait at the barrier for 113 that never come. Every thread of the block has to reach it.
#
# </details>
# <details><summary>Write what a sum starts from, and come to every barrier</summary>
#
# Right: their loop makes no step, they write 0, and they take part in the rounds.
#
# </details>
# <details><summary>Nothing: the launch should have 15 threads</summary>
#
# It could, but the rounds halve a power of 2, and a warp has 32 threads in any case.
#
# </details>


# %% solution="channel-sums"
def channel_sums(x, shift):
    """Add up x - shift and its square, one block a channel, in shared memory.

    Parameters
    ----------
    x : device array, shape (N, C, H, W), float32
    shift : device array, shape (C,), float32

    Returns
    -------
    s1, s2 : device array, shape (C,), float32
        Sums over images and positions. x is read once, with at most 2 atomics
        a warp in global memory.
    """
    ### BEGIN SOLUTION
    code = r"""
    extern "C" __global__ void sums(const float* x, const float* shift, float* s1, float* s2, int images, int channels,
                                    int positions) {
      __shared__ float one[128], two[128];
      const int t = threadIdx.x, c = blockIdx.x;
      float a = 0.f, b = 0.f;
      for (int i = t; i < images * positions; i += blockDim.x) {
        const int image = i / positions, place = i % positions;
        const float d = x[((long long)image * channels + c) * positions + place] - shift[c];
        a += d;
        b += d * d;
      }
      one[t] = a;
      two[t] = b;
      for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) {
          one[t] += one[t + half];
          two[t] += two[t + half];
        }
      }
      if (t == 0) {
        s1[c] = one[0];
        s2[c] = two[0];
      }
    }"""
    n, c, h, w = x.shape
    s1, s2 = xp.empty(c, xp.float32), xp.empty(c, xp.float32)
    RawKernel(code, "sums")((c,), (128,), (x, shift, s1, s2, xp.int32(n), xp.int32(c), xp.int32(h * w)))
    return s1, s2
    ### END SOLUTION


# %% test="channel-sums-test" points=6
check("channel-sums", channel_sums)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cuda import LATE_SHIFT, sums_inputs

examine(
    "channel-sums",
    channel_sums,
    [
        Case("33 images with 2 channels of 5 x 9", sums_inputs((33, 2, 5, 9))),  # more numbers than a block has threads
        Case("1 image with 5 channels of 1 x 3", sums_inputs((1, 5, 1, 3))),
        Case("3 images with 4 channels of 7 x 7", sums_inputs((3, 4, 7, 7))),
        Case("2 images with 3 channels of 16 x 16", sums_inputs((2, 3, 16, 16))),
        Case("other images around 10,000", sums_inputs((4, 3, 5, 6), mean=1e4), 1e-3, LATE_SHIFT),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The same by warps
#
# A *warp* is 32 threads that run together; they are called its *lanes*, and `threadIdx.x % 32` is a thread's lane. They
# can hand numbers to each other without memory and without a barrier. `__shfl_down_sync(0xffffffffu, v, 4)` gives each
# lane the `v` of the lane 4 further on. This is only an exchange: what adds is `v += __shfl_down_sync(...)`.
# The first argument, the *mask*, has a bit for each lane that takes part; eight f mean all 32 lanes.
# Five such steps add up a warp. The sums of the warps of a block then meet in shared memory.
#
# Write the sums of task 1 with at most 4 barriers in each block; the rounds of task 1 needed one each.
# As there, `x` is read once, and at most 2 atomics for each warp may go to global memory.
#
# Example with a warp of 4 lanes that hold (1, 2, 3, 4): after adding the lane 2 further on, lanes 0 and 1 hold (4, 6);
# after adding the lane 1 further on, lane 0 holds 10.
#
# **Predict first.** A shuffle stands inside `if (lane < 16)`, with the full mask 0xffffffff. What happens?
#
# <details><summary>The 16 lanes exchange among themselves</summary>
#
# The mask promises all 32. For 16 lanes the mask would be 0x0000ffff.
#
# </details>
# <details><summary>It is undefined: the mask names lanes that do not come</summary>
#
# Right. A GPU may hang or return anything; the simulator names the line and the lanes.
#
# </details>
# <details><summary>The other lanes count as zeros</summary>
#
# Nothing stands in for a lane that does not come. Give it a zero, and let it come.
#
# </details>


# %% solution="warp-sums"
def channel_sums_by_warps(x, shift):
    """Add up x - shift and its square by warp shuffles, one block a channel.

    Parameters
    ----------
    x : device array, shape (N, C, H, W), float32
    shift : device array, shape (C,), float32

    Returns
    -------
    s1, s2 : device array, shape (C,), float32
        Sums over images and positions. x is read once, with at most 4 barriers
        a block and at most 2 atomics a warp in global memory.
    """
    ### BEGIN SOLUTION
    code = r"""
    __device__ float sum_of_warp(float v) {
      for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
      return v;
    }
    extern "C" __global__ void sums(const float* x, const float* shift, float* s1, float* s2, int images, int channels,
                                    int positions) {
      __shared__ float one[32], two[32];
      const int t = threadIdx.x, c = blockIdx.x;
      float a = 0.f, b = 0.f;
      for (int i = t; i < images * positions; i += blockDim.x) {
        const int image = i / positions, place = i % positions;
        const float d = x[((long long)image * channels + c) * positions + place] - shift[c];
        a += d;
        b += d * d;
      }
      a = sum_of_warp(a);
      b = sum_of_warp(b);
      if (t % 32 == 0) {
        one[t / 32] = a;
        two[t / 32] = b;
      }
      __syncthreads();
      if (t < 32) {
        a = sum_of_warp(t < blockDim.x / 32 ? one[t] : 0.f);
        b = sum_of_warp(t < blockDim.x / 32 ? two[t] : 0.f);
        if (t == 0) {
          s1[c] = a;
          s2[c] = b;
        }
      }
    }"""
    n, c, h, w = x.shape
    s1, s2 = xp.empty(c, xp.float32), xp.empty(c, xp.float32)
    RawKernel(code, "sums")((c,), (128,), (x, shift, s1, s2, xp.int32(n), xp.int32(c), xp.int32(h * w)))
    return s1, s2
    ### END SOLUTION


# %% test="warp-sums-test" points=6
check("warp-sums", channel_sums_by_warps)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cuda import LATE_SHIFT, sums_inputs

examine(
    "warp-sums",
    channel_sums_by_warps,
    [
        Case("33 images with 2 channels of 5 x 9", sums_inputs((33, 2, 5, 9))),
        Case("1 image with 5 channels of 1 x 3", sums_inputs((1, 5, 1, 3))),
        Case("3 images with 4 channels of 7 x 7", sums_inputs((3, 4, 7, 7))),
        Case("other images around 10,000", sums_inputs((4, 3, 5, 6), mean=1e4), 1e-3, LATE_SHIFT),
    ],
)
### END HIDDEN TESTS

# %%
# Play: the barriers of both versions (tasks 1 and 2 have to be answered).
# The simulated GPU counts; on a real one nothing is counted.
rng = np.random.default_rng(1)
x = xp.asarray(rng.normal(size=(8, 16, 14, 14)).astype(np.float32))
shift = xp.zeros(16, xp.float32)
for version in (channel_sums, channel_sums_by_warps):
    with simulate() as log:
        version(x, shift)
    barriers, reads = log.total("barriers") / 16, log.loaded(x)
    counted = f"{barriers:4.0f} barriers a block, x read {reads:.2f} times"
    if not device.simulated:
        counted = "a real GPU: nothing counted"
    print(f"{version.__name__:22} {counted}")

# %% [markdown]
# ## 3. Why the shift
#
# Three formulas give the biased variance of m numbers in one pass over memory:
#
# - *naive*: the mean of the squares minus the square of the mean;
# - *Welford*: take number after number. Number i (counted from 1) moves the mean by (x - mean) / i, and adds to the sum
#   of squares the product of its distance from the old mean and its distance from the new one. At the end the sum of
#   squares is divided by m;
# - *shifted*: the naive formula for x - K, with K near the mean. Take the first number of each row for K.
#
# Write all three for the rows of an array, in NumPy, with every step in float32. They run on the host.
#
# Example: x = (1, 3). Naive: (1 + 9) / 2 - 2^2 = 1. Shifted with K = 1: the differences are (0, 2), and
# (0 + 4) / 2 - 1^2 = 1. Welford: mean 1 and sum 0, then mean 2 and sum 0 + (3 - 1) * (3 - 2) = 2, so 2 / 2 = 1.
#
# **Predict first.** The numbers lie around 10,000 with standard deviation 1, in float32, which has 7 digits. How many
# digits of the variance are left?
#
# <details><summary>Naive: all digits, since each step is rounded correctly</summary>
#
# Each step is right to 7 digits. But the squares are around 100,000,000 and are known only to about 8, while the
# variance is 1.
#
# </details>
# <details><summary>Naive: none; Welford and shifted: several</summary>
#
# Right. Welford and the shift both subtract first, while the difference is still exact or nearly so.
#
# </details>
# <details><summary>None in all three: the numbers themselves are rounded</summary>
#
# They are, to about 0.001. That costs the variance at most about a thousandth of itself, not all of it.
#
# </details>


# %% solution="variance-formulas"
def variances(x):
    """Return the biased variance of each row of x by three formulas in float32.

    Parameters
    ----------
    x : ndarray, shape (C, m), float32

    Returns
    -------
    dict with the keys naive, welford, shifted
        ndarrays of shape (C,), float32. In the shifted formula, K is the first
        number of a row.
    """

    ### BEGIN SOLUTION
    def naive(values):
        return (values * values).mean(axis=1) - values.mean(axis=1) ** 2

    mean, squares = np.zeros(len(x), np.float32), np.zeros(len(x), np.float32)
    for i in range(x.shape[1]):
        step = x[:, i] - mean
        mean = mean + step / np.float32(1 + i)
        squares = squares + step * (x[:, i] - mean)
    return {"naive": naive(x), "welford": squares / np.float32(x.shape[1]), "shifted": naive(x - x[:, :1])}
    ### END SOLUTION


# %% test="variance-formulas-test" points=5
check("variance-formulas", variances)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cuda import rows_inputs

examine(
    "variance-formulas",
    variances,
    [
        Case("5 channels of 64 numbers around 3", rows_inputs(5, 64, mean=3.0), 1e-3),
        Case("1 channel of 9 numbers", rows_inputs(1, 9), 1e-3),
        Case(
            "3 channels of 500 numbers around 20,000 and -20,000",
            rows_inputs(3, 500, mean=np.array([[2e4], [-2e4], [2e4]])),
            1e-3,
        ),
    ],
)
### END HIDDEN TESTS

# %%
# Play: the relative error of the three, as the mean moves away from zero.
rng = np.random.default_rng(2)
for mean in (1, 100, 10_000, 100_000):
    rows = (mean + rng.normal(size=(8, 1000))).astype(np.float32)
    truth = rows.astype(float).var(axis=1)
    print(f"mean {mean:7}", end="")
    for name, found in variances(rows).items():
        print(f"  {name} {np.abs(found / truth - 1).max():.0e}", end="")
    print()

# %% [markdown]
# ## 4. The forward pass in one kernel
#
# Now the whole transform: a block reads its channel for the sums, works out the statistics, and reads the channel
# again to write `y`. That is two reads of `x` and one write, or 3 B, where B is the number of bytes of `x`.
# Take the shift K from the data, for instance the first number of the channel, so that the statistics survive a mean
# far from zero:
#
# $$\mu = K + \frac{S_1}{m}, \qquad \sigma^2 = \frac{S_2}{m} - \Big(\frac{S_1}{m}\Big)^2, \qquad
# \text{inv std} = \frac{1}{\sqrt{\sigma^2 + \epsilon}}, \qquad y = \gamma\,(x - \mu)\,\text{inv std} + \beta .$$
#
# Example with one channel (1, 3), K = 1 and eps = 3: S_1 = 2 and S_2 = 4, so mu = 2, the variance is 2 - 1 = 1, and
# inv_std = 1/2. With gamma = 2 and beta = 5, y = (4, 6).
#
# **Predict first.** Thread 0 computes mu and writes it to shared memory. What has to happen before thread 77 reads it?
#
# <details><summary>Nothing: thread 0 is always first</summary>
#
# No order of threads is promised. Thread 0 may be first on your GPU; in the simulator's reverse order it is last.
#
# </details>
# <details><summary><code>__syncthreads()</code>, outside of the <code>if</code> of thread 0</summary>
#
# Right: all threads reach it, and what was written before it can be read after it.
#
# </details>
# <details><summary><code>__syncthreads()</code>, inside the <code>if</code> of thread 0</summary>
#
# Then thread 0 waits there alone, forever or worse.
#
# </details>


# %% solution="cuda-train"
def batchnorm_train_cuda(x, gamma, beta, eps=1e-5):
    """Normalize images with the statistics of their batch, one block a channel.

    x_hat = (x - mu) / sqrt(var + eps),  y = gamma * x_hat + beta
    (Ioffe and Szegedy 2015, section 3.2)

    Parameters
    ----------
    x : device array, shape (N, C, H, W), float32
    gamma, beta : device array, shape (C,), float32
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : device array, shape (N, C, H, W), float32
        x is read at most twice, y is written once.
    cache : tuple (x, mu, inv_std, gamma)
        Device arrays; mu and inv_std = 1 / sqrt(var + eps) have shape (C,)
        and are float32.
    """
    ### BEGIN SOLUTION
    code = r"""
    __device__ float sum_of_warp(float v) {
      for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
      return v;
    }
    extern "C" __global__ void train(const float* x, const float* gamma, const float* beta, float* y, float* mu,
                                     float* inv_std, int images, int channels, int positions, float eps) {
      __shared__ float one[32], two[32], center, width;
      const int t = threadIdx.x, c = blockIdx.x, m = images * positions;
      const float shift = x[(long long)c * positions];
      float a = 0.f, b = 0.f;
      for (int i = t; i < m; i += blockDim.x) {
        const float d = x[((long long)(i / positions) * channels + c) * positions + i % positions] - shift;
        a += d;
        b += d * d;
      }
      a = sum_of_warp(a);
      b = sum_of_warp(b);
      if (t % 32 == 0) {
        one[t / 32] = a;
        two[t / 32] = b;
      }
      __syncthreads();
      if (t < 32) {
        a = sum_of_warp(t < blockDim.x / 32 ? one[t] : 0.f) / m;
        b = sum_of_warp(t < blockDim.x / 32 ? two[t] : 0.f) / m;
        if (t == 0) {
          center = mu[c] = shift + a;
          width = inv_std[c] = 1.f / sqrtf(fmaxf(b - a * a, 0.f) + eps);
        }
      }
      __syncthreads();
      const float scale = gamma[c] * width, offset = beta[c], mean = center;
      for (int i = t; i < m; i += blockDim.x) {
        const long long at = ((long long)(i / positions) * channels + c) * positions + i % positions;
        y[at] = scale * (x[at] - mean) + offset;
      }
    }"""
    n, c, h, w = x.shape
    y, mu, inv_std = xp.empty_like(x), xp.empty(c, xp.float32), xp.empty(c, xp.float32)
    sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w), xp.float32(eps))
    threads = 128 if device.simulated else 1024  # with few blocks, only full ones keep a GPU's memory busy
    RawKernel(code, "train")((c,), (threads,), (x, gamma, beta, y, mu, inv_std, *sizes))
    return y, (x, mu, inv_std, gamma)
    ### END SOLUTION


# %% test="cuda-train-test" points=9
check("cuda-train", batchnorm_train_cuda)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import image_inputs
from bnlab.tasks.cuda import NAIVE, far_from_zero, train_cases

examine(
    "cuda-train",
    batchnorm_train_cuda,
    [
        *train_cases((33, 2, 5, 9), (1, 4, 3, 5), (6, 1, 7, 7), (2, 3, 16, 16), eps=0.3),
        *train_cases((8, 2, 32, 32)),  # more than the largest blocks may look at beside their passes
        Case("a constant channel", image_inputs((4, 3, 2, 5), constant=-2.0, dtype=np.float32)),
        Case("other images far from zero", far_from_zero((2, 3, 5, 6)), 1e-2, NAIVE),
    ],
)
### END HIDDEN TESTS

# %%
# Play: what the kernel moves. The simulated GPU counts; on a real one nothing is
# counted. Two reads and a write are 3 B; the versions of notebook 09 moved at least
# 4 B. If every thread reads the shift for itself, x is read a little more than 2.00
# times: what each thread asks for is counted, four bytes here, also where a whole
# warp asks for the same number and memory sends it once. So gamma is loaded often.
rng = np.random.default_rng(3)
x = xp.asarray(rng.normal(size=(8, 16, 14, 14)).astype(np.float32))
gamma, beta = xp.ones(16, xp.float32), xp.zeros(16, xp.float32)
with simulate() as log:
    y, cache = batchnorm_train_cuda(x, gamma, beta)
reads, writes = log.loaded(x), log.stored(y)
counted = f"x read {reads:.2f} times, y written {writes:.2f} times\n{log}"
print(counted if device.simulated else "a real GPU: nothing counted")

# %% [markdown]
# ## 5. Four numbers at once
#
# A thread that loads a `float4` moves 16 bytes with one instruction, so a warp needs a quarter of the instructions
# for the same bytes. The address has to be a multiple of 16 bytes. A channel of an image begins `H * W` floats after
# the one before it: with 8 x 8 positions that is always such a multiple, with 7 x 7 it is not.
#
# Write the transform with given statistics, so that a thread loads and stores four numbers at once where 4 divides
# H * W, and one at a time elsewhere. In the kernel, `float4 v = ((const float4*)x)[k];` takes x for an array of vectors
# and loads vector k, which consists of the numbers 4 k to 4 k + 3. They are called v.x, v.y, v.z and v.w; you work with
# each by itself, and `((float4*)y)[k] = v;` stores all four.
#
# Here no thread needs another one, so a block need not be a channel: each thread can take one vector, whichever channel
# it belongs to. For `count` vectors, or single numbers, the grid has `(count + 127) // 128` blocks of 128 threads. A
# thread beyond the end may return at once, because there is no barrier.
#
# Example: with H * W = 49, channel 1 begins at byte 4 * 49 = 196 = 12 * 16 + 4, which is misaligned. With H * W = 24 it
# begins at byte 96 = 6 * 16.
#
# **Predict first.** A batch has 4 images of 7 x 7, so that 4 divides N * H * W = 196. May a block read its channel
# as float4?
#
# <details><summary>Yes: the channel has 49 vectors</summary>
#
# It has 196 numbers, but in 4 pieces of 49, which lie apart in memory and need not begin at a multiple of 16 bytes.
#
# </details>
# <details><summary>No: the pieces of a channel begin at multiples of 49 floats</summary>
#
# Right. What decides is the length of a piece, not how many pieces there are.
#
# </details>
# <details><summary>Yes, if the last number is read by itself</summary>
#
# That helps with the number left over at the end. Three pieces in four still begin at a wrong address.
#
# </details>


# %% solution="vector-loads"
def batchnorm_apply(x, mu, inv_std, gamma, beta):
    """Normalize with given statistics, four numbers at once where rows allow it.

    y = gamma * (x - mu) * inv_std + beta

    Parameters
    ----------
    x : device array, shape (N, C, H, W), float32
        Begins at a multiple of 16 bytes.
    mu, inv_std, gamma, beta : device array, shape (C,), float32

    Returns
    -------
    y : device array, shape (N, C, H, W), float32
        x is read once, y is written once. A thread stores 4 numbers at once
        where 4 divides H * W.
    """
    ### BEGIN SOLUTION
    code = r"""
    extern "C" __global__ void apply4(const float4* x, const float* mu, const float* inv_std, const float* gamma,
                                      const float* beta, float4* y, int channels, int packs, int total) {
      for (int k = blockIdx.x * blockDim.x + threadIdx.x; k < total; k += gridDim.x * blockDim.x) {
        const int c = k / packs % channels;
        const float scale = gamma[c] * inv_std[c], center = mu[c], offset = beta[c];
        float4 v = x[k];
        v.x = scale * (v.x - center) + offset;
        v.y = scale * (v.y - center) + offset;
        v.z = scale * (v.z - center) + offset;
        v.w = scale * (v.w - center) + offset;
        y[k] = v;
      }
    }
    extern "C" __global__ void apply1(const float* x, const float* mu, const float* inv_std, const float* gamma,
                                      const float* beta, float* y, int channels, int positions, int total) {
      for (int k = blockIdx.x * blockDim.x + threadIdx.x; k < total; k += gridDim.x * blockDim.x) {
        const int c = k / positions % channels;
        y[k] = gamma[c] * inv_std[c] * (x[k] - mu[c]) + beta[c];
      }
    }"""
    n, c, h, w = x.shape
    y, wide = xp.empty_like(x), 4 if h * w % 4 == 0 else 1
    sizes = (xp.int32(c), xp.int32(h * w // wide), xp.int32(x.size // wide))
    blocks = min(256, -(-x.size // wide // 128))
    RawKernel(code, f"apply{wide}")((blocks,), (128,), (x, mu, inv_std, gamma, beta, y, *sizes))
    return y
    ### END SOLUTION


# %% test="vector-loads-test" points=7
check("vector-loads", batchnorm_apply)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cuda import FOLDED, apply_inputs

examine(
    "vector-loads",
    batchnorm_apply,
    [
        Case("3 images with 2 channels of 16 x 16", apply_inputs((3, 2, 16, 16))),
        Case("8 images with 5 channels of 7 x 7", apply_inputs((8, 5, 7, 7))),
        Case("2 images with 5 channels of 2 x 3", apply_inputs((2, 5, 2, 3))),
        Case("1 image with 1 channel of 2 x 2", apply_inputs((1, 1, 2, 2))),
        Case("other images around 100,000", apply_inputs((2, 3, 4, 4), mean=1e5), 5e-4, FOLDED),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Several blocks a channel
#
# With 64 channels and one block for each, half of a GPU with 132 multiprocessors has nothing to do. Split each
# channel among `parts` blocks, in a grid of (parts, C): `blockIdx.x` is the part, `blockIdx.y` the channel. Blocks
# cannot wait for each other, but they have two ways to combine their sums: they can add to the same number by
# `atomicAdd(&s1[c], a)`, where `&` takes the address, or leave partial sums in global memory for a second kernel.
#
# Example: m = 10 in 3 parts of ceil(10 / 3) = 4 gives the numbers 0 to 3, 4 to 7, and 8 to 9.
#
# **Predict first.** The blocks add up by `atomicAdd`, in float32. Is the result the same each time?
#
# <details><summary>Yes: an atomic addition loses nothing</summary>
#
# No addition gets lost. But which comes first is open, and in floating point the order decides the last digits.
#
# </details>
# <details><summary>Yes, except for the last digits</summary>
#
# Right. If a second kernel adds up partial sums in a fixed order, the result has the same bits each time.
#
# </details>
# <details><summary>No: two blocks may add at the same time, and one sum is lost</summary>
#
# That is what happens with `s1[c] += a`. The atomic reads, adds and writes without anybody coming in between.
#
# </details>


# %% solution="split-sums"
def channel_sums_split(x, shift, parts):
    """Add up x - shift and its square, with several blocks a channel.

    Parameters
    ----------
    x : device array, shape (N, C, H, W), float32
    shift : device array, shape (C,), float32
    parts : int
        Blocks of each channel, at least 2; there may be more of them than numbers.

    Returns
    -------
    s1, s2 : device array, shape (C,), float32
        Sums over images and positions. x is read once.
    """
    ### BEGIN SOLUTION
    code = r"""
    __device__ float sum_of_warp(float v) {
      for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
      return v;
    }
    extern "C" __global__ void add_part(const float* x, const float* shift, float* s1, float* s2, int images,
                                        int channels, int positions, int chunk) {
      const int c = blockIdx.y, first = blockIdx.x * chunk, last = min(images * positions, first + chunk);
      float a = 0.f, b = 0.f;
      for (int i = first + threadIdx.x; i < last; i += blockDim.x) {
        const float d = x[((long long)(i / positions) * channels + c) * positions + i % positions] - shift[c];
        a += d;
        b += d * d;
      }
      a = sum_of_warp(a);
      b = sum_of_warp(b);
      if (threadIdx.x % 32 == 0) {
        atomicAdd(&s1[c], a);
        atomicAdd(&s2[c], b);
      }
    }"""
    n, c, h, w = x.shape
    s1, s2 = xp.zeros(c, xp.float32), xp.zeros(c, xp.float32)
    sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w), xp.int32(-(-n * h * w // parts)))
    RawKernel(code, "add_part")((parts, c), (64,), (x, shift, s1, s2, *sizes))
    return s1, s2
    ### END SOLUTION


# %% test="split-sums-test" points=7
check("split-sums", channel_sums_split)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cuda import LATE_SHIFT, sums_inputs

examine(
    "split-sums",
    channel_sums_split,
    [
        Case("33 images with 2 channels of 5 x 9 in 5 parts", sums_inputs((33, 2, 5, 9), parts=5)),
        Case("1 image with 5 channels of 1 x 3 in 2 parts", sums_inputs((1, 5, 1, 3), parts=2)),
        Case("3 images with 4 channels of 7 x 7 in 7 parts", sums_inputs((3, 4, 7, 7), parts=7)),
        Case("other images around 10,000 in 3 parts", sums_inputs((4, 3, 5, 6), mean=1e4, parts=3), 1e-3, LATE_SHIFT),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. The backward pass in one kernel
#
# The same plan works for the gradient: one block for each channel reads `dy` and `x` for the two sums, and both again
# for `dx`. That is four reads and one write, 5 B.
#
# $$d\beta = \sum dy, \qquad d\gamma = \sum dy\,\hat{x}, \qquad
# dx = \gamma\,\text{inv std} \left( dy - \frac{d\beta}{m} - \hat{x}\, \frac{d\gamma}{m} \right), \qquad
# \hat{x} = (x - \mu)\,\text{inv std} .$$
#
# Example with one channel: x = (3, 5, 7), mu = 5 and inv_std = 1/2, so x_hat = (-1, 0, 1). With dy = (1, 4, 4) and
# gamma = 4: dbeta = 9, dgamma = 3, and dx = 2 * (1 - 3 + 1, 4 - 3, 4 - 3 - 1) = (-2, 2, 0).
#
# **Predict first.** What would it cost to write x_hat to memory in the first loop and to read it in the second?
#
# <details><summary>Nothing: the second loop reads one array in place of another</summary>
#
# The second loop does. But the first one has an additional write: 6 B in place of 5.
#
# </details>
# <details><summary>One more pass: 6 B</summary>
#
# Right, and memory for an array as large as x. Computing x_hat again costs only two operations for each number.
#
# </details>
# <details><summary>It saves a pass: 4 B</summary>
#
# Nothing less is read: the second loop needs `dy` and x_hat for `dx`.
#
# </details>


# %% solution="cuda-backward"
def batchnorm_backward_cuda(dy, cache):
    """Return the gradients of the transform of training, one block a channel.

    Parameters
    ----------
    dy : device array, shape (N, C, H, W), float32
        Upstream gradient.
    cache : tuple (x, mu, inv_std, gamma)
        Device arrays from the forward pass, float32, of shape (N, C, H, W),
        (C,), (C,), (C,).

    Returns
    -------
    dx : device array, shape (N, C, H, W), float32
        dy and x are read at most twice each, dx is written once.
    dgamma, dbeta : device array, shape (C,), float32
        Sums over images and positions.
    """
    ### BEGIN SOLUTION
    code = r"""
    __device__ float sum_of_warp(float v) {
      for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
      return v;
    }
    extern "C" __global__ void gradient(const float* dy, const float* x, const float* mu, const float* inv_std,
                                        const float* gamma, float* dx, float* dgamma, float* dbeta,
                                        int channels, int positions, int m) {
      __shared__ float one[32], two[32], mean_dy, slope;
      const int t = threadIdx.x, c = blockIdx.x;
      const float center = mu[c], width = inv_std[c];
      float a = 0.f, b = 0.f;
      for (int i = t; i < m; i += blockDim.x) {
        const long long at = ((long long)(i / positions) * channels + c) * positions + i % positions;
        const float one_dy = dy[at];
        a += one_dy;
        b += one_dy * (x[at] - center) * width;
      }
      a = sum_of_warp(a);
      b = sum_of_warp(b);
      if (t % 32 == 0) {
        one[t / 32] = a;
        two[t / 32] = b;
      }
      __syncthreads();
      if (t < 32) {
        a = sum_of_warp(t < blockDim.x / 32 ? one[t] : 0.f);
        b = sum_of_warp(t < blockDim.x / 32 ? two[t] : 0.f);
        if (t == 0) {
          dbeta[c] = a;
          dgamma[c] = b;
          mean_dy = a / m;
          slope = b / m;
        }
      }
      __syncthreads();
      const float scale = gamma[c] * width, of_all = mean_dy, along = width * slope;
      for (int i = t; i < m; i += blockDim.x) {
        const long long at = ((long long)(i / positions) * channels + c) * positions + i % positions;
        dx[at] = scale * (dy[at] - of_all - (x[at] - center) * along);
      }
    }"""
    x, mu, inv_std, gamma = cache
    n, c, h, w = dy.shape
    dx, dgamma, dbeta = xp.empty_like(dy), xp.empty(c, xp.float32), xp.empty(c, xp.float32)
    sizes = (xp.int32(c), xp.int32(h * w), xp.int32(n * h * w))
    threads = 128 if device.simulated else 1024
    RawKernel(code, "gradient")((c,), (threads,), (dy, x, mu, inv_std, gamma, dx, dgamma, dbeta, *sizes))
    return dx, dgamma, dbeta
    ### END SOLUTION


# %% test="cuda-backward-test" points=7
check("cuda-backward", batchnorm_backward_cuda)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.cupy import fused_cache_inputs

examine(
    "cuda-backward",
    batchnorm_backward_cuda,
    [
        Case("33 images with 2 channels of 5 x 9", fused_cache_inputs((33, 2, 5, 9), dtype=np.float32), 1e-3),
        Case("1 image with 4 channels of 3 x 5", fused_cache_inputs((1, 4, 3, 5), dtype=np.float32), 1e-3),
        Case("6 images with 1 channel of 7 x 7", fused_cache_inputs((6, 1, 7, 7), dtype=np.float32), 1e-3),
        Case("2 images with 3 channels of 16 x 16", fused_cache_inputs((2, 3, 16, 16), dtype=np.float32), 1e-3),
        Case("images around 100", fused_cache_inputs((5, 3, 4, 6), mean=100.0, dtype=np.float32), 1e-2),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Bonus: one read, one write
#
# The second read is there because the numbers of the channel are gone by the time its statistics are known. So
# keep them:
# load each number once, into shared memory, add up, and write `y` from there. That is 2 B, and no kernel can do
# with less.
#
# Shared memory whose size the launch decides is declared `extern __shared__ float held[];`, and the launch is
# `kernel(grid, block, arguments, shared_mem=bytes)`, with up to 48 KB; here a channel has at most 10,000 numbers. An
# array without `__shared__` belongs to one thread. It lies in registers, which hold at most 255 numbers, and only if
# the compiler knows every index into it, as in a loop that it unrolls; else it lies in device memory, and nothing is
# gained.
#
# Make the kernel *persistent*: launch at most 4 blocks, each of which takes channel after channel, first c =
# blockIdx.x, then c + gridDim.x (the number of blocks further on), and so on.
#
# Example: 3 channels and 2 blocks. Block 0 takes channels 0 and 2, block 1 takes channel 1.
#
# **Predict first.** Each warp leaves its sums in shared memory; after one barrier every thread adds them up for itself.
# A block is done with its first channel and goes on to the next one. What if there is no barrier in between?
#
# <details><summary>Nothing: each thread is done with its own numbers</summary>
#
# That is true of `held`, where a thread reads what it wrote itself. What about the sums of the warps, which all
# threads read?
#
# </details>
# <details><summary>A thread that is behind may read the next channel's sums</summary>
#
# Right: what all threads read and one thread then overwrites needs a barrier before the next round.
#
# </details>
# <details><summary>The blocks overtake each other</summary>
#
# They may, and it does not matter: each has shared memory of its own.
#
# </details>


# %% solution="one-read"
def batchnorm_train_once(x, gamma, beta, eps=1e-5):
    """Normalize with one read and one write, in a persistent kernel.

    Parameters
    ----------
    x : device array, shape (N, C, H, W), float32
        N * H * W is at most 10,000.
    gamma, beta : device array, shape (C,), float32
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : device array, shape (N, C, H, W), float32
        x is read once, y is written once, by at most 4 blocks.
    cache : tuple (x, mu, inv_std, gamma)
        Device arrays; mu and inv_std = 1 / sqrt(var + eps) have shape (C,)
        and are float32.
    """
    ### BEGIN SOLUTION
    code = r"""
    __device__ float sum_of_warp(float v) {
      for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
      return v;
    }
    extern "C" __global__ void once(const float* x, const float* gamma, const float* beta, float* y, float* mu,
                                    float* inv_std, int images, int channels, int positions, float eps) {
      extern __shared__ float kept[];
      __shared__ float one[32], two[32];
      const int t = threadIdx.x, m = images * positions;
      for (int c = blockIdx.x; c < channels; c += gridDim.x) {
        const float shift = x[(long long)c * positions];
        float a = 0.f, b = 0.f;
        for (int i = t; i < m; i += blockDim.x) {
          kept[i] = x[((long long)(i / positions) * channels + c) * positions + i % positions];
          const float d = kept[i] - shift;
          a += d;
          b += d * d;
        }
        a = sum_of_warp(a);
        b = sum_of_warp(b);
        if (t % 32 == 0) {
          one[t / 32] = a;
          two[t / 32] = b;
        }
        __syncthreads();
        a = b = 0.f;
        for (int warp = 0; warp < blockDim.x / 32; ++warp) {
          a += one[warp] / m;
          b += two[warp] / m;
        }
        const float center = shift + a, width = 1.f / sqrtf(fmaxf(b - a * a, 0.f) + eps);
        if (t == 0) {
          mu[c] = center;
          inv_std[c] = width;
        }
        const float scale = gamma[c] * width, offset = beta[c];
        for (int i = t; i < m; i += blockDim.x)
          y[((long long)(i / positions) * channels + c) * positions + i % positions] =
              scale * (kept[i] - center) + offset;
        __syncthreads();
      }
    }"""
    n, c, h, w = x.shape
    y, mu, inv_std = xp.empty_like(x), xp.empty(c, xp.float32), xp.empty(c, xp.float32)
    sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w), xp.float32(eps))
    kernel, arguments = RawKernel(code, "once"), (x, gamma, beta, y, mu, inv_std, *sizes)
    kernel((min(c, 4),), (128,), arguments, shared_mem=4 * n * h * w)
    return y, (x, mu, inv_std, gamma)
    ### END SOLUTION


# %% test="one-read-test" points=3
check("one-read", batchnorm_train_once)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.convolution import image_inputs
from bnlab.tasks.cuda import NAIVE, far_from_zero, train_cases

examine(
    "one-read",
    batchnorm_train_once,
    [
        *train_cases((33, 2, 5, 9), (1, 9, 3, 5), (6, 1, 7, 7), (2, 3, 16, 16), eps=0.3),
        *train_cases((8, 2, 32, 32)),  # more than the largest blocks may look at beside their passes
        Case("a constant channel", image_inputs((4, 3, 2, 5), constant=-2.0, dtype=np.float32)),
        Case("other images far from zero", far_from_zero((2, 3, 5, 6)), 1e-2, NAIVE),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# A channel that does not fit into one block can be held by several blocks, which tell each other their sums and wait
# for each other: [chapter 15](https://bn-course.github.io/bn-course/book/15_gpu.html#four-plans-for-a-channel) has
# that fourth plan.
#
# ## 9. How fast
#
# The simulated GPU cannot tell: it counts bytes, not time. The points of this section depend on the time that your
# kernels of tasks 4 and 7 take on a GPU, compared with our kernels with one block for each channel: you earn them if
# you take at most 1.25 times as long. The grader measures this as in notebook 09; if it has no GPU, these points wait
# until it has one. It also tells you how far away our fastest kernels are, which choose among the four plans of
# chapter 15. There are no points for that; it is a mark to aim at. There is nothing to write.
#
# On the simulated GPU 128 threads were enough, and more only take longer. A real GPU has room for thousands of
# threads beside each other, and 256 blocks of 128 threads leave most of it empty. `device.simulated` tells your
# function which of the two it runs on, so that it can launch larger blocks on a real one.
# If you have a GPU, the next cell shows how you compare with a plain copy.

# %%
# Play: needs a GPU; a simulated one has no speed.
from bnlab.gpu.timing import share_of_copy

x = np.random.default_rng(3).normal(size=(32, 256, 28, 28)).astype(np.float32)
gamma, beta = np.ones(256, np.float32), np.zeros(256, np.float32)
inputs = {"x": x, "gamma": gamma, "beta": beta}
share = share_of_copy(batchnorm_train_cuda, inputs, "train", least=1)
print("no GPU, no time" if share is None else f"{share:.2f} of a copy's pace")

# %% test="cuda-train-speed-test" points=5
check("cuda-train-speed", batchnorm_train_cuda)
### BEGIN HIDDEN TESTS
from bnlab import race_on_gpu
from bnlab.gpu_drivers import TRAIN_FUSED
from bnlab.tasks.convolution import image_inputs
from bnlab.tasks.cuda import train_cases

race_on_gpu(
    "cuda-train-speed",
    batchnorm_train_cuda,
    inputs=lambda shape: image_inputs(shape, dtype=np.float32),
    fresh="train",
    returns=TRAIN_FUSED,
    least=1,
    limit=1.25,
    shape=(32, 256, 28, 28),
    cases=train_cases((9, 2, 11, 13), (33, 1, 7, 7), eps=0.1),
    fastest=True,
)
### END HIDDEN TESTS

# %% test="cuda-backward-speed-test" points=5
check("cuda-backward-speed", batchnorm_backward_cuda)
### BEGIN HIDDEN TESTS
from bnlab import race_on_gpu
from bnlab.gpu_drivers import BACKWARD
from bnlab.tasks import Case
from bnlab.tasks.cupy import fused_cache_inputs

race_on_gpu(
    "cuda-backward-speed",
    batchnorm_backward_cuda,
    inputs=lambda shape: fused_cache_inputs(shape, dtype=np.float32),
    fresh="backward",
    returns=BACKWARD,
    least=1.5,
    limit=1.25,
    shape=(32, 256, 28, 28),
    cases=[Case("on the GPU, 9 images of 11 x 13", fused_cache_inputs((9, 2, 11, 13), dtype=np.float32), 1e-3)],
    fastest=True,
)
### END HIDDEN TESTS

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("10_cuda", globals())
