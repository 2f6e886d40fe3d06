# %% [markdown]
# # 06 Inference: statistics of a population, layers that disappear
#
# You put statistics together from parts, as several machines would, or one pass over a data set.
# You fold batch normalization into the layer before it, where it costs nothing any more.
# Then you write two variants that change which statistics training uses.
#
# - Time: about 100 minutes.
# - Read first: [chapter 9, Inference](https://bn-course.github.io/bn-course/book/09_inference.html)
#   and [chapter 14, When it fails](https://bn-course.github.io/bn-course/book/14_when_it_fails.html).
# - Functions return new arrays and leave their arguments unchanged; results have the dtype of the arrays that come in.
# - No task needs your answer to another one.
# - Stuck? `hint("fold-linear")` gives you a first hint, and one more each time you run it.

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
# ## 1. Merge statistics
#
# Merge the statistics of several parts of a data set without looking at the samples again.
# Machines that share a batch do this with the statistics that they send each other.
#
# Each part is a triple (n, mean, m2): the number of its samples, their mean,
# and the sum of their squared distances from that mean, $M = \sum_i (x_i - \mu)^2$.
# Two parts $a$ and $b$, whose means lie $\delta = \mu_b - \mu_a$ apart, together have
#
# $$n = n_a + n_b, \qquad \mu = \mu_a + \delta\, \frac{n_b}{n}, \qquad
# M = M_a + M_b + \delta^2\, \frac{n_a n_b}{n}.$$
#
# | name | shape | meaning |
# |---|---|---|
# | `parts` | list of (int, (C,), (C,)) | one triple for each part, in any order |
# | `n` | int | number of samples in all parts together |
# | `mean`, `m2` | (C,) | their mean, and the sum of their squared distances from it |
#
# Example with one feature: the samples (1, 3) make a part with n = 2, mean 2 and m2 = 2,
# the samples (5, 7, 9) one with n = 3, mean 7 and m2 = 8.
# Merged, they have n = 5, mean = $2 + 5 \cdot 3/5 = 5$ and m2 = $2 + 8 + 25 \cdot 6/5 = 40$.
# Indeed, 1, 3, 5, 7, 9 have the mean 5, and their squared distances from it are 16, 4, 0, 4, 16.
#
# **Predict first.** Two machines hold equally many samples, sorted by class.
# On each machine the variance is 1; the means are 0 and 10. What is the variance of all samples?
#
# <details><summary>1</summary>
#
# That is the average of the two variances. It forgets that the means lie 10 apart.
#
# </details>
# <details><summary>26</summary>
#
# Right: the common mean is 5, the mean of each machine lies 5 away from it, and $1 + 5^2 = 26$.
#
# </details>
# <details><summary>101</summary>
#
# You added the squared distance between the two means.
# But each of them lies only half that distance away from the common mean.
#
# </details>


# %% solution="merge-statistics"
def merge_statistics(parts):
    """Merge counts, means and sums of squared distances.

    delta = mean_b - mean_a,  n = n_a + n_b,  mean = mean_a + delta n_b / n,
    m2 = m2_a + m2_b + delta**2 n_a n_b / n  (Chan, Golub and LeVeque 1983)

    Parameters
    ----------
    parts : list of tuple (n, mean, m2)
        At least one part; n is an int of at least 1, mean and m2 have shape (C,).
        The means may be large compared with the distances between them.

    Returns
    -------
    n : int
        Number of samples in all parts together.
    mean, m2 : ndarray, shape (C,), dtype of the parts' arrays
        Their mean, and the sum of their squared distances from it.
        The order of the parts makes no difference.
    """
    ### BEGIN SOLUTION
    n, mean, m2 = parts[0]
    for n_b, mean_b, m2_b in parts[1:]:
        delta, total = mean_b - mean, n + n_b
        mean = mean + delta * (n_b / total)
        m2 = m2 + m2_b + delta**2 * (n * n_b / total)
        n = total
    return n, mean, m2
    ### END SOLUTION


# %% test="merge-statistics-test" points=10
check("merge-statistics", merge_statistics)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.inference import RAW_MOMENTS, parts_inputs

examine(
    "merge-statistics",
    merge_statistics,
    [
        Case("12 parts of different sizes", parts_inputs((3, 9, 1, 40, 7, 2, 15, 8, 4, 30, 6, 5), 10)),
        Case("a single part", parts_inputs((6,), 3)),
        Case("5 single samples", parts_inputs((1, 1, 1, 1, 1), 4)),
        Case("a large part and a tiny one", parts_inputs((1000, 2), 3)),
        Case("a tiny part and a large one", parts_inputs((2, 1000), 3)),
        Case("parts with the same mean", parts_inputs((4, 6, 3), 3, between=0.0)),
        Case("float32", parts_inputs((4, 7, 2, 9), 5, dtype=np.float32)),
        Case("8 parts around 10,000,000", parts_inputs((4, 7, 2, 9, 5, 3, 8, 6), 3, mean=1e7), 1e-6, RAW_MOMENTS),
        Case(
            "parts around 10,000 in float32", parts_inputs((9, 7, 5), 3, mean=1e4, dtype=np.float32), 1e-2, RAW_MOMENTS
        ),
    ],
)
rng = np.random.default_rng(1)
x = rng.normal(size=(50, 4)) * np.array([1.0, 2.0, 0.5, 3.0]) + rng.normal(size=4)
x[20:] += 3
cuts = [(0, 7), (7, 8), (8, 30), (30, 50)]
parts = [(b - a, x[a:b].mean(axis=0), ((x[a:b] - x[a:b].mean(axis=0)) ** 2).sum(axis=0)) for a, b in cuts]
n, mean, m2 = merge_statistics(parts)
assert n == 50, f"n is {n}; the parts hold 50 samples"
np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-12, err_msg="the mean is that of all samples")
np.testing.assert_allclose(m2 / n, x.var(axis=0), rtol=1e-12, err_msg="m2 / n is the variance of all samples")
for order in ([3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]):
    _, other_mean, other_m2 = merge_statistics([parts[i] for i in order])
    np.testing.assert_allclose(other_mean, mean, rtol=1e-12, err_msg="the order of the parts does not matter")
    np.testing.assert_allclose(other_m2, m2, rtol=1e-12, err_msg="the order of the parts does not matter")
### END HIDDEN TESTS

# %%
# Play: deal the samples out at random (shuffle = True), or to 2 or 8 machines.
rng, shuffle, machines = np.random.default_rng(2), False, 4
x = np.repeat([0.0, 10.0], 64)[:, None]  # two classes, sorted
x = x + rng.normal(size=x.shape)
if shuffle:
    x = rng.permutation(x)
shards = np.split(x, machines)
parts = [(len(a), a.mean(axis=0), len(a) * a.var(axis=0)) for a in shards]
print(f"average of their variances:       {np.mean([a.var() for a in shards]):.3f}")
n, mean, m2 = merge_statistics(parts)
print(f"merged:                           {m2[0] / n:.3f}")
print(f"all samples on one machine:       {x.var():.3f}")

# %% [markdown]
# ## 2. Precise statistics
#
# Compute the mean and the unbiased variance of all samples in a list of batches.
# A running average follows the most recent batches. Precise statistics give every sample the same weight,
# and that is worth one more pass over the data after training.
#
# $$\mu = \frac{1}{n} \sum_{b} \sum_i x_{bi}, \qquad
# \sigma^2_{\text{unbiased}} = \frac{1}{n - 1} \sum_{b} \sum_i (x_{bi} - \mu)^2, \qquad n = \sum_b n_b,$$
#
# where $x_{bi}$ is sample $i$ of batch $b$, and $n_b$ the size of that batch.
#
# | name | shape | meaning |
# |---|---|---|
# | `batches` | list of (n_b, C) | batches, which may differ in size |
# | `mean`, `var` | (C,) | mean and unbiased variance of all samples together |
#
# Example with one feature: the batches (1, 3) and (5, 7, 9) give mean 5 and variance $40/4 = 10$.
# Averages over the batches lead astray: that of their means is 4.5, that of their unbiased variances, 2 and 4, is 3.
#
# **Predict first.** You average the unbiased variances of very many batches of the same size.
# When do you get the variance of the population?
#
# <details><summary>Always</summary>
#
# Not if the batches differ systematically, say because each of them holds a single class.
# Then the spread between the batches is lost.
#
# </details>
# <details><summary>When the batches are drawn at random</summary>
#
# Right: then each of the unbiased variances is right on average.
# If the data are sorted, their average leaves out the spread between the batches and is too small.
# Precise statistics are right in both cases.
#
# </details>
# <details><summary>Never</summary>
#
# For batches drawn at random it works: each variance is right on average, which is what "unbiased" means.
#
# </details>


# %% solution="precise-statistics"
def precise_statistics(batches):
    """Return the mean and the unbiased variance of all samples of some batches.

    mean = sum of x / n,  var = sum of (x - mean)**2 / (n - 1),  n samples in all

    Parameters
    ----------
    batches : list of ndarray, shapes (n_b, C), float
        At least 2 samples in all; a batch may hold a single one.
        The means may be large compared with the spread.

    Returns
    -------
    mean, var : ndarray, shape (C,), dtype of the batches
    """
    ### BEGIN SOLUTION
    n = sum(x.shape[0] for x in batches)
    mean = sum(x.sum(axis=0) for x in batches) / n
    squares = sum(((x - mean) ** 2).sum(axis=0) for x in batches)
    return mean, squares / (n - 1)
    ### END SOLUTION


# %% test="precise-statistics-test" points=8
check("precise-statistics", precise_statistics)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.inference import ONE_PASS, batches_inputs

examine(
    "precise-statistics",
    precise_statistics,
    [
        Case("20 batches of 32 samples", batches_inputs((32,) * 20, 10)),
        Case("batches of 1, 2, 3, 5 and 8 samples", batches_inputs((1, 2, 3, 5, 8), 4)),
        Case("a single batch", batches_inputs((6,), 3)),
        Case("3 batches of one sample", batches_inputs((1, 1, 1), 3)),
        Case("batches with the same mean", batches_inputs((5, 9), 3, between=0.0)),
        Case("float32", batches_inputs((7, 4, 4), 5, dtype=np.float32)),
        Case("batches in Fortran order", batches_inputs((7, 4), 5, layout="F")),
        Case("every second row of larger arrays", batches_inputs((6, 9), 4, layout="strided")),
        Case("around 10,000 in float32", batches_inputs((9, 9, 3), 3, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
        Case("around 1,000,000", batches_inputs((9, 4), 3, mean=1e6), 1e-6, ONE_PASS),
    ],
)
x = np.random.default_rng(3).normal(size=(24, 3)) + np.arange(24)[:, None] / 4
found = [precise_statistics([x[:5], x[5:6], x[6:]]), precise_statistics([x]), precise_statistics(np.split(x, 8))]
for mean, var in found[1:]:
    np.testing.assert_allclose(
        mean, found[0][0], rtol=1e-9, err_msg="how the samples are cut into batches is no matter"
    )
    np.testing.assert_allclose(var, found[0][1], rtol=1e-9, err_msg="how the samples are cut into batches is no matter")
### END HIDDEN TESTS

# %%
# Play: other momenta for the running average, larger or smaller batches.
rng, momentum = np.random.default_rng(4), 0.1
population = np.repeat([0.0, 10.0], 320)[:, None] + rng.normal(size=(640, 1))
print(f"population:      mean {population.mean():.2f}", end=", ")
print(f"variance {population.var(ddof=1):.2f}")
for order in ("random", "sorted"):
    x = rng.permutation(population) if order == "random" else population
    batches = np.split(x, 20)
    running = np.array([0.0, 1.0])  # mean and variance
    for a in batches:
        running += momentum * (np.array([a.mean(), a.var(ddof=1)]) - running)
    print(f"{order} batches: running mean {running[0]:.2f}", end=", ")
    mean, var = precise_statistics(batches)
    print(f"variance {running[1]:.2f}; precise {mean[0]:.2f} and {var[0]:.2f}")

# %% [markdown]
# ## 3. Fold into a linear layer
#
# In evaluation batch normalization is a straight line for each output, and the linear layer before it can absorb it.
# Return the weight $W'$ and the bias $b'$ of the single layer that does what the two did.
#
# $$\text{BN}(W x + b) = \gamma\, \frac{W x + b - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta = W' x + b',$$
#
# where $\mu$ and $\sigma^2$ are the running statistics, and every operation acts on each output by itself.
#
# | name | shape | meaning |
# |---|---|---|
# | `weight` | (out, in) | row o makes output o |
# | `bias` | (out,) | zeros where the layer has none |
# | `gamma`, `beta`, `running_mean`, `running_var` | (out,) | of the batch normalization after the layer |
#
# Example with one output and two inputs: weight (2, 1), bias 3, gamma 6, beta 10, running mean 4, running variance 5
# and eps = 4. The factor is $6/3 = 2$, so the new weight is (4, 2) and the new bias $2 \cdot (3 - 4) + 10 = 8$.
# For x = (1, 1) the two layers give $6 \cdot (6 - 4)/3 + 10 = 14$, and the folded one gives $4 + 2 + 8 = 14$ too.
#
# **Predict first.** Could you fold in training as well, and save the work there too?
#
# <details><summary>Yes, with the batch's statistics</summary>
#
# These statistics depend on the output of the layer, which has to be computed first, and the gradient flows through
# them. A layer folded with them would fit that one batch only.
#
# </details>
# <details><summary>No</summary>
#
# Right. Folding needs statistics that are constants, and in training they are functions of the batch.
#
# </details>


# %% solution="fold-linear"
def fold_linear(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    """Fold batch normalization in evaluation into the linear layer before it.

    BN(weight @ x + bias) = new_weight @ x + new_bias  for every x

    Parameters
    ----------
    weight : ndarray, shape (out, in), float
    bias : ndarray, shape (out,)
    gamma, beta, running_mean, running_var : ndarray, shape (out,)
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    weight : ndarray, shape (out, in), dtype of weight
    bias : ndarray, shape (out,), dtype of weight
        New arrays.
    """
    ### BEGIN SOLUTION
    scale = gamma / np.sqrt(running_var + eps)
    return scale[:, None] * weight, scale * (bias - running_mean) + beta
    ### END SOLUTION


# %% test="fold-linear-test" points=8
check("fold-linear", fold_linear)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.inference import fold_inputs

examine(
    "fold-linear",
    fold_linear,
    [
        Case("64 outputs, 10 inputs, eps = 0.5", fold_inputs((64, 10), eps=0.5)),
        Case("one output", fold_inputs((1, 7), eps=0.5)),
        Case("one input", fold_inputs((5, 1), eps=0.5)),
        Case("float32", fold_inputs((5, 8), dtype=np.float32)),
        Case("a weight in Fortran order", fold_inputs((6, 4), eps=0.1, layout="F")),
        Case("a weight as every second row of a larger array", fold_inputs((4, 5), layout="strided")),
    ],
)
rng = np.random.default_rng(5)
for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-4)):
    drawn = fold_inputs((6, 20), eps=0.1, dtype=dtype)(rng)
    x = rng.normal(size=(30, 20)).astype(dtype)
    std = np.sqrt(drawn["running_var"] + 0.1)
    z = x @ drawn["weight"].T + drawn["bias"]
    unfolded = drawn["gamma"] * (z - drawn["running_mean"]) / std + drawn["beta"]
    weight, bias = fold_linear(
        drawn["weight"],
        drawn["bias"],
        drawn["gamma"],
        drawn["beta"],
        drawn["running_mean"],
        drawn["running_var"],
        eps=0.1,
    )
    np.testing.assert_allclose(
        x @ weight.T + bias, unfolded, rtol=tolerance, atol=tolerance, err_msg="one layer does what the two did"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Fold into a convolution
#
# Do the same for a convolution, where each output channel has its own factor.
# This is how the layer disappears from a trained network before it is put to use.
#
# | name | shape | meaning |
# |---|---|---|
# | `weight` | (out, in, kh, kw) | `weight[o]` makes output channel o |
# | `bias` | (out,) | zeros where the layer has none |
# | `gamma`, `beta`, `running_mean`, `running_var` | (out,) | of the batch normalization after the convolution |
#
# Example with two output channels, one input channel and kernels of 1 x 2 pixels: (1, 2) and (3, -1), bias (3, 0).
# With gamma = (6, 5), beta = (10, 0), running mean (4, 1), running variance (5, 21) and eps = 4 the factors are
# $6/3 = 2$ and $5/5 = 1$. The new kernels are (2, 4) and (3, -1),
# and the new bias is $(2 \cdot (3 - 4) + 10,\; 1 \cdot (0 - 1) + 0) = (8, -1)$.
#
# To try your answer, use the small convolution `convolve2d(x, weight, bias)` of `bnlab.convolve`.
#
# **Predict first.** In float64, folded and unfolded outputs agree in all digits but the last one or two.
# How far apart are they in float32, for outputs between 1 and 10?
#
# <details><summary>0: it is the same formula</summary>
#
# It is the same in exact arithmetic. But the rounding happens in other places, so the last digits differ.
#
# </details>
# <details><summary>Some millionths</summary>
#
# Right: float32 has about 7 digits, and a handful of roundings costs the last one or two.
# If you test a folded network with a tolerance of 1e-7, you will think that it is broken.
#
# </details>
# <details><summary>About one hundredth</summary>
#
# That would be worth an investigation: a variance of 100 samples with the wrong divisor, 100 instead of 99,
# already makes a difference of this size.
#
# </details>


# %% solution="fold-conv2d"
def fold_conv2d(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    """Fold batch normalization in evaluation into the convolution before it.

    BN(convolve2d(x, weight, bias)) = convolve2d(x, new_weight, new_bias)  for all x

    Parameters
    ----------
    weight : ndarray, shape (out, in, kh, kw), float
    bias : ndarray, shape (out,)
    gamma, beta, running_mean, running_var : ndarray, shape (out,)
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    weight : ndarray, shape (out, in, kh, kw), dtype of weight
    bias : ndarray, shape (out,), dtype of weight
        New arrays.
    """
    ### BEGIN SOLUTION
    scale = gamma / np.sqrt(running_var + eps)
    return scale[:, None, None, None] * weight, scale * (bias - running_mean) + beta
    ### END SOLUTION


# %% test="fold-conv2d-test" points=8
check("fold-conv2d", fold_conv2d)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.convolve import convolve2d
from bnlab.tasks import Case
from bnlab.tasks.inference import fold_inputs

examine(
    "fold-conv2d",
    fold_conv2d,
    [
        Case("weight of shape (8, 5, 3, 4), eps = 0.5", fold_inputs((8, 5, 3, 4), eps=0.5)),
        Case("one output channel", fold_inputs((1, 4, 3, 2), eps=0.5)),
        Case("one input channel", fold_inputs((4, 1, 2, 3), eps=0.5)),
        Case("float32", fold_inputs((4, 3, 3, 5), dtype=np.float32)),
        Case("a weight in Fortran order", fold_inputs((4, 5, 2, 3), eps=0.1, layout="F")),
        Case("a weight as every second kernel of a larger array", fold_inputs((4, 5, 2, 3), layout="strided")),
    ],
)
rng = np.random.default_rng(6)
names = ("weight", "bias", "gamma", "beta", "running_mean", "running_var")
for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-4)):
    drawn = fold_inputs((4, 3, 2, 3), eps=0.1, dtype=dtype)(rng)
    x = rng.normal(size=(5, 3, 6, 7)).astype(dtype)
    gamma, beta, mean, var = (drawn[name][:, None, None] for name in names[2:])
    unfolded = gamma * (convolve2d(x, drawn["weight"], drawn["bias"]) - mean) / np.sqrt(var + 0.1) + beta
    weight, bias = fold_conv2d(*(drawn[name] for name in names), eps=0.1)
    np.testing.assert_allclose(
        convolve2d(x, weight, bias), unfolded, rtol=tolerance, atol=tolerance, err_msg="one layer does what the two did"
    )
### END HIDDEN TESTS

# %%
# Play: try other kernels. Pad the images with zeros first: does folding still hold?
from bnlab.convolve import convolve2d

rng = np.random.default_rng(7)
for dtype in (np.float64, np.float32):
    x = rng.normal(size=(8, 3, 16, 16)).astype(dtype)
    weight = rng.normal(size=(4, 3, 3, 3)).astype(dtype)
    rows = rng.uniform(0.5, 2, size=(5, 4)).astype(dtype)
    bias, gamma, beta, mean, var = rows
    factor = gamma / np.sqrt(var + dtype(1e-5))
    z = convolve2d(x, weight, bias) - mean[:, None, None]
    two = factor[:, None, None] * z + beta[:, None, None]
    one = convolve2d(x, *fold_conv2d(weight, bias, gamma, beta, mean, var))
    print(f"{dtype.__name__}: outputs up to {np.abs(two).max():.1f}", end=", ")
    print(f"largest difference {np.abs(one - two).max():.1e}")

# %% [markdown]
# <details><summary>Answer, padding included</summary>
#
# Padding makes no difference: it changes what the convolution returns, and folding holds whatever that is.
# The opposite order is another matter. Batch normalization *before* a padded convolution cannot be folded exactly:
# the zeros at the rim are added after it, and the folded convolution would need other numbers there.
#
# </details>

# %% [markdown]
# ## 5. Ghost batches
#
# Cut the batch into ghost batches, pieces of `ghost_size` neighbouring samples, and normalize each with its own
# statistics. In this way a large batch keeps the noisy statistics of a small one.
#
# If N is not a multiple of `ghost_size`, the last ghost batch holds the samples that are left over,
# and is normalized with their statistics.
#
# | name | shape | meaning |
# |---|---|---|
# | `x`, `y` | (N, C) | a batch |
# | `ghost_size` | int, at least 1 | samples in a ghost batch; the last one may have fewer |
# | `gamma`, `beta` | (C,) | the same for all ghost batches |
#
# Example with one feature, ghost_size = 2, eps = 3, gamma = 6 and beta = 10:
# the column (1, 3, 5, 7, 42) is cut into the ghost batches (1, 3), (5, 7) and (42).
# The first two have variance 1, are divided by $\sqrt{1 + 3} = 2$, and both give (7, 13).
# The last one holds a single sample, which is its own mean, and gives 10.
#
# **Predict first.** A batch of 1024 samples is cut into ghost batches of 16.
# How noisy are the means that are subtracted, compared with the mean of the whole batch?
#
# <details><summary>As noisy</summary>
#
# Each mean is taken over only 16 samples. That the others are in memory too does not help it.
#
# </details>
# <details><summary>8 times as noisy</summary>
#
# Right: the standard deviation of a mean is inversely proportional to the root of the number of samples,
# and $\sqrt{1024/16} = 8$.
#
# </details>
# <details><summary>64 times as noisy</summary>
#
# That is the ratio of the sizes, and also of the variances of the means.
# The ratio of their standard deviations is its square root.
#
# </details>


# %% solution="ghost-batchnorm"
def ghost_batchnorm(x, ghost_size, gamma, beta, eps=1e-5):
    """Normalize each ghost batch with its own statistics, then scale and shift.

    (Hoffer, Hubara and Soudry 2017)

    Parameters
    ----------
    x : ndarray, shape (N, C), float
        A batch. Rows 0 to ghost_size - 1 are the first ghost batch, and so on; the
        last one takes the rows that are left, so it may be smaller (for a single
        row y is beta).
    ghost_size : int
        Samples in a ghost batch, at least 1; it may be larger than N.
    gamma, beta : ndarray, shape (C,)
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : ndarray, shape (N, C), dtype of x
    """
    ### BEGIN SOLUTION
    pieces = []
    for start in range(0, x.shape[0], ghost_size):
        ghost = x[start : start + ghost_size]
        centred = ghost - ghost.mean(axis=0)
        pieces.append(centred / np.sqrt((centred**2).mean(axis=0) + eps))
    return gamma * np.concatenate(pieces) + beta
    ### END SOLUTION


# %% test="ghost-batchnorm-test" points=8
check("ghost-batchnorm", ghost_batchnorm)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.inference import ONE_PASS, ghost_inputs

examine(
    "ghost-batchnorm",
    ghost_batchnorm,
    [
        Case("64 samples, ghost batches of 16, eps = 0.5", ghost_inputs(64, 10, 16, eps=0.5)),
        Case("23 samples, ghost batches of 5 (the last has 3), eps = 0.5", ghost_inputs(23, 4, 5, eps=0.5)),
        Case("ghost batches of one sample", ghost_inputs(4, 3, 1)),
        Case("a ghost batch larger than the batch", ghost_inputs(5, 3, 8, eps=0.5)),
        Case("a single sample", ghost_inputs(1, 3, 4)),
        Case("float32", ghost_inputs(11, 5, 4, dtype=np.float32)),
        Case("a batch in Fortran order", ghost_inputs(12, 5, 6, eps=0.1, layout="F")),
        Case("every second row of a larger array", ghost_inputs(9, 4, 3, layout="strided")),
        Case("a constant feature", ghost_inputs(8, 3, 4, constant=3.0)),
        Case("a constant feature in float32", ghost_inputs(8, 3, 4, constant=-2.0, dtype=np.float32)),
        Case("around 10,000 in float32", ghost_inputs(24, 5, 8, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
        Case("around 1,000,000", ghost_inputs(10, 3, 5, mean=1e6), 1e-6, ONE_PASS),
    ],
)
rng = np.random.default_rng(8)
x, gamma, beta = rng.normal(size=(12, 3)), rng.uniform(0.5, 2, size=3), rng.normal(size=3)
whole = gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.5) + beta
np.testing.assert_allclose(
    ghost_batchnorm(x, 12, gamma, beta, eps=0.5), whole, atol=1e-12, err_msg="ghost_size = N is batch normalization"
)
y = ghost_batchnorm(x, 4, gamma, beta, eps=0.5)
moved = x.copy()
moved[4:8] += 5
np.testing.assert_allclose(
    ghost_batchnorm(moved, 4, gamma, beta, eps=0.5),
    y,
    atol=1e-9,
    err_msg="a shift of a whole ghost batch changes nothing",
)
moved[0] += 1
np.testing.assert_allclose(
    ghost_batchnorm(moved, 4, gamma, beta, eps=0.5)[4:],
    y[4:],
    atol=1e-9,
    err_msg="a ghost batch does not see the others",
)
### END HIDDEN TESTS

# %%
# Play: try other sizes. How much does the y of one sample vary with its company?
rng = np.random.default_rng(9)
probe = np.array([[1.0]])
for ghost_size in (4, 16, 64, 256):
    ys = []
    for _ in range(300):
        x = np.concatenate([probe, rng.normal(size=(255, 1))])
        ys.append(ghost_batchnorm(x, ghost_size, np.ones(1), np.zeros(1))[0, 0])
    print(f"ghost batches of {ghost_size:3}: y of the first sample", end=" ")
    print(f"is {np.mean(ys):.2f}, give or take {np.std(ys):.2f}")

# %% [markdown]
# ## 6. Batch renormalization
#
# Normalize with the statistics of the batch, then correct the result towards the running statistics,
# as far as two limits allow.
# Relaxing the limits leads training, step by step, to the function that evaluation computes.
#
# With the mean $\mu_B$ and the biased variance $\sigma_B^2$ of the batch,
# and the running mean $\mu$ and the running variance $\sigma^2$,
#
# $$r = \text{clip}\left( \frac{\sqrt{\sigma_B^2 + \epsilon}}{\sqrt{\sigma^2 + \epsilon}}, \frac{1}{r_{\max}}, r_{\max}
# \right), \qquad
# d = \text{clip}\left( \frac{\mu_B - \mu}{\sqrt{\sigma^2 + \epsilon}}, -d_{\max}, d_{\max} \right),$$
#
# $$y = \gamma \left( \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}}\, r + d \right) + \beta,$$
#
# where $\text{clip}(a, l, u)$ is $a$ itself, or the nearer of the limits $l$ and $u$ if $a$ lies outside them.
#
# | name | shape | meaning |
# |---|---|---|
# | `x`, `y` | (N, C) | a batch |
# | `gamma`, `beta`, `running_mean`, `running_var` | (C,) | as in evaluation |
# | `r_max` | number, at least 1 | limit for r, the correction of the scale |
# | `d_max` | number, at least 0 | limit for d, the correction of the shift |
#
# Example with one feature, eps = 4, gamma = 6, beta = 10: the column (1, 3, 5, 7) has mean 4 and variance 5, so its
# root is $\sqrt{5 + 4} = 3$; with running mean -2 and running variance 32 the other root is $\sqrt{32 + 4} = 6$.
# Without limits r = 3/6 = 0.5 and d = (4 + 2)/6 = 1. With r_max = 1.25 and d_max = 0.5 they become 0.8 and 0.5.
# From (-1, -1/3, 1/3, 1), the column normalized with its own statistics, multiplying by r and adding d makes
# (-0.3, 0.233, 0.767, 1.3), and gamma and beta make y = (8.2, 11.4, 14.6, 17.8).
#
# **Predict first.** What is batch renormalization if the limits are so wide that they never cut anything off?
#
# <details><summary>Batch normalization in training</summary>
#
# That is the opposite end: with r_max = 1 and d_max = 0 there is no correction at all.
#
# </details>
# <details><summary>Batch normalization in evaluation</summary>
#
# Right, as far as the outputs go: r and d exchange the statistics of the batch for the running ones.
# The gradient is a different one: it still flows through the mean and the variance of the batch,
# while r and d count as constants.
#
# </details>
# <details><summary>The identity</summary>
#
# It is the identity only if gamma and beta happen to undo the normalization.
#
# </details>


# %% solution="batch-renorm"
def batch_renorm(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
    """Normalize with the batch, then correct towards the running statistics.

    y = gamma * ((x - mu_B) / sqrt(var_B + eps) * r + d) + beta,  r and d limited
    (Ioffe 2017, Algorithm 1)

    Parameters
    ----------
    x : ndarray, shape (N, C), float
    gamma, beta, running_mean, running_var : ndarray, shape (C,)
    r_max : float
        r stays between 1 / r_max and r_max.
    d_max : float
        d stays between -d_max and d_max.
    eps : float
        Added to both variances, inside the roots.

    Returns
    -------
    y : ndarray, shape (N, C), dtype of x
    """
    ### BEGIN SOLUTION
    mu = x.mean(axis=0)
    batch_std = np.sqrt(((x - mu) ** 2).mean(axis=0) + eps)
    std = np.sqrt(running_var + eps)
    r = np.clip(batch_std / std, 1 / r_max, r_max)
    d = np.clip((mu - running_mean) / std, -d_max, d_max)
    return gamma * ((x - mu) / batch_std * r + d) + beta
    ### END SOLUTION


# %% test="batch-renorm-test" points=11
check("batch-renorm", batch_renorm)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.inference import ONE_PASS, renorm_inputs

examine(
    "batch-renorm",
    batch_renorm,
    [
        Case("64 samples of 12 features, r_max = 3, d_max = 5", renorm_inputs(64, 12, r_max=3.0, d_max=5.0)),
        Case("9 samples of 6 features, r_max = 1.2, d_max = 0.1", renorm_inputs(9, 6, r_max=1.2, d_max=0.1, eps=0.5)),
        Case("no limit on d", renorm_inputs(9, 6, r_max=1.0, d_max=100.0, eps=0.5)),
        Case("no limit on r", renorm_inputs(9, 6, r_max=100.0, d_max=0.0, eps=0.5)),
        Case("a single sample", renorm_inputs(1, 4, r_max=2.0, d_max=1.0, eps=0.5)),
        Case("float32", renorm_inputs(8, 6, r_max=2.0, d_max=1.0, dtype=np.float32)),
        Case("a batch in Fortran order", renorm_inputs(12, 5, r_max=2.0, d_max=1.0, eps=0.1, layout="F")),
        Case("every second row of a larger array", renorm_inputs(9, 4, r_max=2.0, d_max=1.0, layout="strided")),
        Case("a constant feature", renorm_inputs(6, 3, r_max=2.0, d_max=1.0, constant=3.0)),
        Case(
            "around 10,000 in float32",
            renorm_inputs(24, 6, r_max=3.0, d_max=5.0, mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
        Case("around 1,000,000", renorm_inputs(10, 6, r_max=3.0, d_max=5.0, mean=1e6), 1e-6, ONE_PASS),
    ],
)
rng = np.random.default_rng(10)
x, gamma, beta = rng.normal(size=(9, 4)), rng.uniform(0.5, 2, size=4), rng.normal(size=4)
mean, var = rng.normal(size=4), rng.uniform(0.5, 2, size=4)
trained = gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.5) + beta
evaluated = gamma * (x - mean) / np.sqrt(var + 0.5) + beta
np.testing.assert_allclose(
    batch_renorm(x, gamma, beta, mean, var, 1.0, 0.0, eps=0.5),
    trained,
    atol=1e-12,
    err_msg="r_max = 1 and d_max = 0 is batch normalization in training",
)
np.testing.assert_allclose(
    batch_renorm(x, gamma, beta, mean, var, 50.0, 50.0, eps=0.5),
    evaluated,
    atol=1e-12,
    err_msg="limits that are never reached give batch normalization in evaluation",
)
### END HIDDEN TESTS

# %%
# Play: move the batch, or relax the limits in other steps.
rng = np.random.default_rng(11)
x = 3 + 0.5 * rng.normal(size=(16, 1))  # the population has mean 0 and variance 1
one, zero = np.ones(1), np.zeros(1)
print(f"y(x[0]) in evaluation: {x[0, 0]:.3f}")
for r_max, d_max in ((1, 0), (1.5, 1), (2, 2), (3, 5)):
    y = batch_renorm(x, one, zero, zero, one, r_max, d_max)
    print(f"r_max = {r_max}, d_max = {d_max}: y(x[0]) {y[0, 0]:.3f}", end=", ")
    print(f"mean of y {y.mean():.3f}, std {y.std():.3f}")

# %% [markdown]
# <details><summary>What the lines show</summary>
#
# With r_max = 1 and d_max = 0 it is training as usual: the unusual batch gets mean 0 and standard deviation 1,
# like any other. With wider limits its own mean and spread show through, until training and evaluation agree.
# The method starts with r_max = 1 and d_max = 0 and relaxes the limits during training:
# at the start the running statistics mean nothing yet, and a network should not rely on them.
#
# </details>
#
# You now know what evaluation needs, and what you can do when batches are too small or unlike the population.
# Next: [07 Training](https://bn-course.github.io/bn-course/exercises/07_training.html).

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("06_inference", globals())
