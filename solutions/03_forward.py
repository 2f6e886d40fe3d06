# %% [markdown]
# # 03 Forward: normalize a batch
#
# You write batch normalization for features: the statistics of a batch, the transform of training,
# the running statistics, the transform of evaluation, and a layer that switches between the two transforms.
#
# - Time: about 75 minutes.
# - Read first: [chapter 6, The transform](https://bn-course.github.io/bn-course/book/06_transform.html).
# - A batch `x` has shape (N, C): N samples, C features. Each feature is normalized on its own.
# - Functions return new arrays and leave their arguments alone; results have the dtype of `x`.
# - Stuck? `hint("forward-train")` gives a first hint, and a further one each time you run it.

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
# ## 1. The statistics of a batch
#
# Find the mean and the variance of each feature over the samples of a batch.
# Everything that follows rests on these 2C numbers.
#
# | name | shape | meaning |
# |---|---|---|
# | `x` | (N, C) | a batch |
# | `mu` | (C,) | $\mu_c = \frac{1}{N} \sum_n x_{nc}$ |
# | `var` | (C,) | $\sigma_c^2 = \frac{1}{N} \sum_n (x_{nc} - \mu_c)^2$ |
#
# Example with N = 4 and C = 2:
# the columns (1, 3, 5, 7) and (10, 14, 18, 6) have the means 4 and 12.
# The squared distances from them are (9, 1, 1, 9) and (4, 4, 36, 36), so the variances are 5 and 20.
#
# **Predict first.** Batches of 4 numbers are drawn from a population with variance 9.
# You compute the variance of each batch with $1/N$ and average it over very many batches.
# Is the average 9, less than 9, or more? By what factor?
#
# <details><summary>9: the errors cancel</summary>
#
# They would if you measured from the mean of the population. You measure from the mean of the batch, which the same
# 4 numbers pull towards themselves.
#
# </details>
# <details><summary>Less, three quarters of it</summary>
#
# Right: the factor is $(N-1)/N$. The cell below measures it.
#
# </details>
# <details><summary>More</summary>
#
# It is the other way round: the mean square distance of the 4 numbers from their own mean is smaller than from any
# other number, and the mean of the population is such a number.
#
# </details>

# %%
# Play: change the size of the batches.
rng = np.random.default_rng(0)
size = 4
batches = 3 * rng.normal(size=(100_000, size))
biased, unbiased = batches.var(axis=-1), batches.var(axis=-1, ddof=1)
print(f"average variance with 1/N:     {biased.mean():.3f}")
print(f"average variance with 1/(N-1): {unbiased.mean():.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Less: 6.75 instead of 9, the factor $(N-1)/N = 3/4$.
# The mean is fitted to the same 4 numbers, so they lie closer to it than to the mean of the population.
# Training uses the smaller value all the same, because it normalizes this batch and no other.
# Task 3 needs the larger one.
#
# </details>
#
# **Predict once more.** You have 1000 numbers in float32, around 10,000 and with standard deviation 1.
# What does the textbook shortcut "mean of the squares minus square of the mean" give for their variance?
#
# <details><summary>1, up to rounding in the last digit</summary>
#
# In exact arithmetic, yes. But both terms are near 100,000,000, where float32 goes in steps of 8.
# What is left of the 1?
#
# </details>
# <details><summary>A multiple of 8, of either sign or 0</summary>
#
# Right: near 100,000,000 neighbours in float32 are 8 apart, and so is every difference of two such numbers.
#
# </details>
# <details><summary>An error</summary>
#
# No: NumPy computes it without complaint. If the result is negative, its root is NaN, and you find out much later.
#
# </details>

# %%
# Play: move the centre towards 0. When does the shortcut become usable?
centre = 10_000
values = (centre + np.random.default_rng(1).normal(size=1000)).astype(np.float32)
mu, apart = np.mean(values), np.spacing(np.float32(centre) ** 2)
print(f"float32 numbers near {centre}**2 lie {apart:g} apart")
print(f"mean of squares minus square of mean: {np.mean(values**2) - mu**2:g}")
print(f"mean of squared distances:            {np.mean((values - mu) ** 2):g}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# A multiple of 8, because near $10^8$ the float32 numbers lie 8 apart: the true value, 1, is out of reach.
# With some seeds the result is negative, and its root is NaN.
# Subtract the mean first, then square.
#
# </details>


# %% solution="batch-statistics"
def batch_statistics(x):
    """Return the mean and the biased variance of each feature.

    mu = 1/N sum_n x[n],  var = 1/N sum_n (x[n] - mu)**2

    Parameters
    ----------
    x : ndarray, shape (N, C), float
        A batch. Its mean may be large compared with its spread.

    Returns
    -------
    mu : ndarray, shape (C,), dtype of x
    var : ndarray, shape (C,), dtype of x
        0 for a constant feature and for a batch of one sample.
    """
    ### BEGIN SOLUTION
    mu = x.mean(axis=0)
    var = ((x - mu) ** 2).mean(axis=0)  # centred first: mean(x**2) - mu**2 cancels far from zero
    return mu, var
    ### END SOLUTION


# %% test="batch-statistics-test" points=8
check("batch-statistics", batch_statistics)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.forward import ONE_PASS, statistics_inputs

examine(
    "batch-statistics",
    batch_statistics,
    [
        Case("64 samples with 10 features", statistics_inputs(64, 10)),
        Case("a batch of 5 samples with 7 features in float32", statistics_inputs(5, 7, dtype=np.float32)),
        Case("a batch in Fortran order", statistics_inputs(12, 5, layout="F")),
        Case("every second row of a larger array", statistics_inputs(9, 4, layout="strided")),
        Case("a single sample", statistics_inputs(1, 3)),
        Case("one feature", statistics_inputs(9, 1)),
        Case("64 samples with 10 features, other numbers", statistics_inputs(64, 10)),
        Case("constant features", lambda rng: {"x": np.full((5, 3), 3.0)}),
        Case(
            "32 samples around 10,000 in float32", statistics_inputs(32, 6, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS
        ),
        Case("10 samples around 1,000,000", statistics_inputs(10, 3, mean=1e6), 1e-6, ONE_PASS),
    ],
)
x = np.random.default_rng(3).normal(size=(8, 3))
mu, var = batch_statistics(x)
moved_mu, moved_var = batch_statistics(2 * x + 5)
np.testing.assert_allclose(moved_mu, 2 * mu + 5, rtol=1e-9, err_msg="the mean of 2x + 5 is twice the mean, plus 5")
np.testing.assert_allclose(moved_var, 4 * var, rtol=1e-9, err_msg="the variance of 2x + 5 is four times the variance")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The transform of training
#
# Normalize each feature with the statistics of its batch, then let `gamma` scale and `beta` shift it.
# Keep in `cache` what the backward pass will need.
#
# $$\hat{x}_{nc} = \frac{x_{nc} - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}}, \qquad
# y_{nc} = \gamma_c \hat{x}_{nc} + \beta_c.$$
#
# | name | shape | meaning |
# |---|---|---|
# | `x`, `x_hat`, `y` | (N, C) | input, normalized input, output |
# | `gamma`, `beta` | (C,) | scale and shift, learned |
# | `inv_std` | (C,) | $1 / \sqrt{\sigma_c^2 + \epsilon}$ |
# | `eps` | number | $\epsilon$, usually small: it keeps the division safe where a feature hardly varies |
#
# Example with one feature, eps = 4, gamma = 6, beta = 10:
# the column (1, 3, 5, 7) has mean 4 and variance 5, so `inv_std` is $1/\sqrt{5 + 4} = 1/3$,
# `x_hat` is (-1, -1/3, 1/3, 1) and `y` is (4, 8, 12, 16).
#
# **Predict first.** What happens to `y` when every `x` is replaced by `3 * x + 100`?
# And what is `y` when the batch has only one sample?
#
# <details><summary><code>y</code> is multiplied by 3, and one sample gives <code>y = x</code></summary>
#
# The mean follows the shift and the standard deviation follows the scale, so almost nothing of either is left in `y`.
# And look again at a batch of one: what is its mean?
#
# </details>
# <details><summary>Next to nothing changes, and one sample gives <code>y = beta</code></summary>
#
# Right: only eps can tell the two batches apart, and one sample is its own mean.
#
# </details>
# <details><summary>Next to nothing changes, and one sample gives an error</summary>
#
# Right about the first question. But the variance of one sample is 0, which is no error, and eps keeps the division
# safe.
#
# </details>


# %% solution="forward-train"
def batchnorm_train(x, gamma, beta, eps=1e-5):
    """Normalize a batch with its own statistics, then scale and shift.

    x_hat = (x - mu) / sqrt(var + eps),  y = gamma * x_hat + beta
    (Ioffe and Szegedy 2015, Algorithm 1)

    Parameters
    ----------
    x : ndarray, shape (N, C), float
        A batch; N may be 1 (then y is beta) and a feature may be constant.
    gamma, beta : ndarray, shape (C,)
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    y : ndarray, shape (N, C), dtype of x
    cache : tuple (x_hat, inv_std, gamma)
        Arrays of shape (N, C), (C,), (C,); inv_std = 1 / sqrt(var + eps).
    """
    ### BEGIN SOLUTION
    centred = x - x.mean(axis=0)
    inv_std = 1 / np.sqrt((centred**2).mean(axis=0) + eps)
    x_hat = centred * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)
    ### END SOLUTION


# %% test="forward-train-test" points=14
check("forward-train", batchnorm_train)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.forward import ONE_PASS, train_inputs

examine(
    "forward-train",
    batchnorm_train,
    [
        Case("64 samples with 10 features, eps = 0.5", train_inputs(64, 10, eps=0.5)),
        Case("4 samples with 3 features, eps = 0.5", train_inputs(4, 3, eps=0.5)),
        Case("5 samples with 7 features in float32", train_inputs(5, 7, dtype=np.float32)),
        Case("a batch in Fortran order", train_inputs(12, 5, eps=0.1, layout="F")),
        Case("every second row of a larger array", train_inputs(9, 4, layout="strided")),
        Case("a single sample", train_inputs(1, 3)),
        Case("one feature, eps = 0.5", train_inputs(9, 1, eps=0.5)),
        Case("eps = 0", train_inputs(8, 3, eps=0.0)),
        Case("64 samples with 10 features, other numbers", train_inputs(64, 10, eps=0.5)),
        Case("a constant feature", train_inputs(6, 3, constant=3.0)),
        Case("a constant feature in float32", train_inputs(6, 3, constant=-2.0, dtype=np.float32)),
        Case("32 samples around 10,000 in float32", train_inputs(32, 6, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
        Case("10 samples around 1,000,000", train_inputs(10, 3, mean=1e6), 1e-6, ONE_PASS),
    ],
)
rng = np.random.default_rng(4)
x, gamma, beta = rng.normal(size=(9, 4)), rng.uniform(0.5, 2, size=4), rng.normal(size=4)
y, (x_hat, inv_std, kept) = batchnorm_train(x, gamma, beta, eps=0.5)
np.testing.assert_allclose(y.mean(axis=0), beta, atol=1e-12, err_msg="each feature of y has the mean beta")
np.testing.assert_allclose(
    (x_hat**2).mean(axis=0), 1 - 0.5 * inv_std**2, err_msg="x_hat has the variance var / (var + eps)"
)
shifted = batchnorm_train(x + 7, gamma, beta, eps=0.5)[0]
np.testing.assert_allclose(shifted, y, atol=1e-9, err_msg="adding the same number to every sample changes nothing")
order = np.array([3, 1, 4, 0, 5, 8, 2, 6, 7])
shuffled = batchnorm_train(x[order], gamma, beta, eps=0.5)[0]
np.testing.assert_allclose(shuffled, y[order], atol=1e-9, err_msg="shuffling the samples shuffles y in the same way")
### END HIDDEN TESTS

# %%
# Play: other scales and shifts, a scale of 0.001, and a batch of one sample.
scale, shift = 3, 100
x = np.array([[1.0], [3.0], [5.0], [7.0]])
gamma, beta = np.array([6.0]), np.array([10.0])
moved = scale * x + shift
print("y of x:                ", batchnorm_train(x, gamma, beta)[0].ravel())
print("y of scale * x + shift:", batchnorm_train(moved, gamma, beta)[0].ravel())

# %% [markdown]
# <details><summary>Answer</summary>
#
# Almost nothing happens: subtracting the mean removes the shift, and dividing by the standard deviation removes the
# scale. Only eps makes a difference, and a small one as long as the variance is much larger than eps;
# at the scale 0.001 the variance is $5 \cdot 10^{-6}$, half of eps, and `y` shrinks towards beta.
# A single sample is its own mean, so `x_hat` is 0 and `y` is beta, whatever `x` says.
#
# </details>

# %% [markdown]
# ## 3. Running statistics
#
# Update the running mean and the running variance with a new batch.
# In evaluation they stand for the whole population, so the variance that goes in is the unbiased one.
#
# $$\text{running} \leftarrow (1 - \text{momentum}) \cdot \text{running} + \text{momentum} \cdot \text{batch}, \qquad
# \sigma_{\text{unbiased}}^2 = \frac{1}{N-1} \sum_n (x_{nc} - \mu_c)^2.$$
#
# | name | shape | meaning |
# |---|---|---|
# | `running_mean`, `running_var` | (C,) | what is known so far |
# | `x` | (N, C) | the new batch; raise a `ValueError` where N is less than 2 |
# | `momentum` | number | the weight of the NEW batch |
#
# Example with one feature: running mean 0, running variance 1, momentum 0.1, batch (1, 3, 5, 7).
# The batch has mean 4 and unbiased variance 20/3, so the new values are
# $0.9 \cdot 0 + 0.1 \cdot 4 = 0.4$ and $0.9 \cdot 1 + 0.1 \cdot 20/3 \approx 1.567$.
#
# **Predict first.** A running mean starts at 0, and each batch has mean 10.
# How many batches does it take to reach 9 with momentum 0.1? And with 0.01?
#
# <details><summary>10 and 100</summary>
#
# Not quite: with momentum 0.1 each batch closes a tenth of the gap that is *left*, and that gap keeps shrinking.
#
# </details>
# <details><summary>22 and 230</summary>
#
# Right: $0.9^{22}$ and $0.99^{230}$ are the first powers below 0.1.
#
# </details>
# <details><summary>1 and 1</summary>
#
# That would take momentum 1, with which the running mean forgets everything but the last batch.
#
# </details>

# %%
# Play: other momenta.
for momentum in (0.5, 0.1, 0.01):
    running, steps = 0.0, 0
    while running < 9:
        running, steps = running + momentum * (10 - running), steps + 1
    print(f"momentum {momentum}: {steps} batches")

# %% [markdown]
# <details><summary>Answer</summary>
#
# 22 and 230. Each batch shrinks the gap to 10 by the factor 1 - momentum, and $0.9^{22} \approx 0.098$ is the first
# power below 0.1. A small momentum averages over many batches and forgets slowly.
#
# </details>


# %% solution="forward-running"
def update_running(running_mean, running_var, x, momentum=0.1):
    """Mix the statistics of a batch into the running ones.

    running = (1 - momentum) * running + momentum * batch,
    with the unbiased variance of the batch, N / (N - 1) * var

    Parameters
    ----------
    running_mean, running_var : ndarray, shape (C,)
    x : ndarray, shape (N, C), float
        A batch of at least 2 samples.
    momentum : float
        Weight of the new batch, between 0 and 1.

    Returns
    -------
    running_mean, running_var : ndarray, shape (C,), dtype of x
        New arrays.

    Raises
    ------
    ValueError
        For N < 2: one sample has no unbiased variance.
    """
    ### BEGIN SOLUTION
    if x.shape[0] < 2:
        raise ValueError(f"x has shape {x.shape}; the unbiased variance needs N >= 2 samples")
    new_mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)
    new_var = (1 - momentum) * running_var + momentum * x.var(axis=0, ddof=1)
    return new_mean, new_var
    ### END SOLUTION


# %% test="forward-running-test" points=10
check("forward-running", update_running)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.forward import ONE_PASS, running_inputs

examine(
    "forward-running",
    update_running,
    [
        Case("64 samples with 10 features, momentum = 0.01", running_inputs(64, 10, momentum=0.01)),
        Case("4 samples with 5 features, momentum = 0.7", running_inputs(4, 5, momentum=0.7)),
        Case("2 samples, the smallest batch", running_inputs(2, 3, momentum=0.7)),
        Case("momentum = 1", running_inputs(5, 2, momentum=1.0)),
        Case("momentum = 0 keeps the old values", running_inputs(5, 2, momentum=0.0)),
        Case("one feature", running_inputs(9, 1, momentum=0.7)),
        Case("64 samples with 10 features, other numbers", running_inputs(64, 10, momentum=0.01)),
        Case("5 samples with 7 features in float32", running_inputs(5, 7, momentum=0.7, dtype=np.float32)),
        Case("a batch in Fortran order", running_inputs(12, 5, layout="F")),
        Case("every second row of a larger array", running_inputs(9, 4, layout="strided")),
        Case("a single sample", running_inputs(1, 4, momentum=0.7)),
        Case("32 samples around 10,000 in float32", running_inputs(32, 6, mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
        Case("10 samples around 1,000,000", running_inputs(10, 3, mean=1e6), 1e-6, ONE_PASS),
    ],
)
rng = np.random.default_rng(5)
x, mean, var = rng.normal(size=(4, 3)), np.zeros(3), np.ones(3)
for _ in range(3):
    mean, var = update_running(mean, var, x, momentum=0.7)
left = 0.3**3
np.testing.assert_allclose(mean, (1 - left) * x.mean(axis=0), err_msg="after 3 steps the start has the weight 0.3**3")
np.testing.assert_allclose(
    var, left + (1 - left) * x.var(axis=0, ddof=1), err_msg="after 3 steps the start has the weight 0.3**3"
)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. The transform of evaluation
#
# Normalize with the running statistics instead of those of the batch.
# The output for a sample then no longer depends on its neighbours in the batch.
#
# $$y_{nc} = \gamma_c \frac{x_{nc} - \text{running mean}_c}{\sqrt{\text{running var}_c + \epsilon}} + \beta_c.$$
#
# | name | shape |
# |---|---|
# | `x`, `y` | (N, C), any N |
# | `gamma`, `beta`, `running_mean`, `running_var` | (C,) |
#
# Example with one feature: running mean 2, running variance 5, eps = 4, gamma = 6, beta = 10.
# Then $x = 5$ gives $6 \cdot (5 - 2)/3 + 10 = 16$, and $x = 8$ gives 22, each alone or in the same batch.
#
# **Predict first.** Two batches share their first row and nothing else.
# Is the first row of `y` the same for both in training? And in evaluation?
#
# <details><summary>The same in both</summary>
#
# In training each batch is normalized by its own mean and width, and the neighbours have a share in both.
#
# </details>
# <details><summary>Different in training, the same in evaluation</summary>
#
# Right. The neighbours count in training only.
#
# </details>
# <details><summary>Different in both</summary>
#
# In evaluation the statistics are stored numbers; no neighbour enters them.
#
# </details>


# %% solution="forward-eval"
def batchnorm_eval(x, gamma, beta, running_mean, running_var, eps=1e-5):
    """Normalize with given statistics, then scale and shift.

    y = gamma * (x - running_mean) / sqrt(running_var + eps) + beta

    Parameters
    ----------
    x : ndarray, shape (N, C), float
        Any number of samples, also a single one.
    gamma, beta, running_mean, running_var : ndarray, shape (C,)
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : ndarray, shape (N, C), dtype of x
    """
    ### BEGIN SOLUTION
    x_hat = (x - running_mean) / np.sqrt(running_var + eps)
    return gamma * x_hat + beta
    ### END SOLUTION


# %% test="forward-eval-test" points=8
check("forward-eval", batchnorm_eval)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.forward import eval_inputs

examine(
    "forward-eval",
    batchnorm_eval,
    [
        Case("64 samples with 10 features, eps = 0.5", eval_inputs(64, 10, eps=0.5)),
        Case("a single sample", eval_inputs(1, 4, eps=0.5)),
        Case("one feature, eps = 0", eval_inputs(9, 1, eps=0.0)),
        Case("64 samples with 10 features, other numbers", eval_inputs(64, 10, eps=0.5)),
        Case("5 samples with 7 features in float32", eval_inputs(5, 7, dtype=np.float32)),
        Case("a batch in Fortran order", eval_inputs(12, 5, eps=0.1, layout="F")),
        Case("every second row of a larger array", eval_inputs(9, 4, layout="strided")),
        Case("a constant feature", eval_inputs(6, 3, constant=3.0)),
        Case("9 samples far from the running mean", eval_inputs(9, 2, eps=0.5, mean=1e3)),
    ],
)
rng = np.random.default_rng(6)
x, other = rng.normal(size=(7, 3)), rng.normal(size=(4, 3))
known = (rng.uniform(0.5, 2, size=3), rng.normal(size=3), rng.normal(size=3), rng.uniform(0.5, 2, size=3))
other[0] = x[0]
np.testing.assert_allclose(
    batchnorm_eval(other, *known)[0],
    batchnorm_eval(x, *known)[0],
    rtol=1e-12,
    err_msg="a row must not depend on its neighbours",
)
### END HIDDEN TESTS

# %%
# Play: change the neighbours and watch the first row in both modes.
first, gamma, beta = [5.0], np.array([6.0]), np.array([10.0])
known = np.array([2.0]), np.array([5.0])  # running mean and variance
for neighbours in ([[1.0], [3.0], [7.0]], [[50.0], [-20.0], [0.0]]):
    x = np.array([first, *neighbours])
    trained = batchnorm_train(x, gamma, beta, eps=4)[0]
    evaluated = batchnorm_eval(x, gamma, beta, *known, eps=4)
    shown = f"training {trained[0, 0]:.3f}, evaluation {evaluated[0, 0]:.3f}"
    print(f"neighbours {np.ravel(neighbours)}: {shown}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# In training the first rows differ, because the neighbours have a share in the mean and the width: 12.000 and 9.123
# above. In evaluation both are 16. A prediction that depended on which other pictures share the batch would be no use.
#
# </details>

# %% [markdown]
# ## 5. A layer with a memory
#
# Put the pieces together in a class that remembers its parameters and its running statistics.
# Its switch `training` decides which of the two transforms a call applies.
#
# | attribute | shape | at the start |
# |---|---|---|
# | `training` | bool | True |
# | `gamma`, `beta` | (C,), float64 | 1, 0 |
# | `running_mean`, `running_var` | (C,), float64 | 0, 1 |
#
# Example with one feature, eps = 4 and momentum = 0.1: a new layer is called in training with the column (1, 3, 5, 7).
# It returns (-1, -1/3, 1/3, 1), and its running statistics become 0.4 and 1.567.
# In evaluation the input 0.4 then gives 0.
#
# The tests of this task do not supply the functions of the tasks above: call your own, or write the lines anew.
#
# **Predict first.** What does a new layer do to its input in evaluation, before any training?
#
# <details><summary>It normalizes: mean 0 and variance 1 come out</summary>
#
# For that it would have to know the mean and the variance of its inputs. What do `running_mean` and `running_var`
# hold before the first batch?
#
# </details>
# <details><summary>Next to nothing</summary>
#
# Right: it subtracts 0 and divides by $\sqrt{1 + \epsilon}$.
#
# </details>
# <details><summary>It returns zeros</summary>
#
# That would need a running mean equal to the input, or gamma = 0. A new layer has neither.
#
# </details>


# %% solution="forward-layer"
class BatchNorm:
    """Batch normalization over the samples of a batch, with running statistics.

    In training a call normalizes with the batch's own mean and biased variance,
    and mixes its mean and unbiased variance into the running ones with the weight
    `momentum`. In evaluation a call uses the running ones and changes nothing.

    Parameters
    ----------
    num_features : int
        C, the number of features.
    eps : float
        Added to the variance, inside the root.
    momentum : float
        Weight of the new batch in the running statistics.

    Attributes
    ----------
    training : bool
        True at the start; set from outside, and read at each call.
    gamma, beta : ndarray, shape (C,)
        Ones and zeros at the start; set from outside, and read at each call.
    running_mean, running_var : ndarray, shape (C,)
        Zeros and ones at the start.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        ### BEGIN SOLUTION
        self.eps = eps
        self.momentum = momentum
        self.training = True
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        ### END SOLUTION

    def __call__(self, x):
        """Return y, shape (N, C), for a batch x of shape (N, C).

        In training N is at least 2.
        """
        ### BEGIN SOLUTION
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            keep, n = 1 - self.momentum, x.shape[0]
            self.running_mean = keep * self.running_mean + self.momentum * mean
            self.running_var = keep * self.running_var + self.momentum * var * n / (n - 1)
        else:
            mean, var = self.running_mean, self.running_var
        return self.gamma * (x - mean) / np.sqrt(var + self.eps) + self.beta
        ### END SOLUTION


# %% test="forward-layer-test" points=10
check("forward-layer", BatchNorm)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.forward import ONE_PASS, layer_inputs

examine(
    "forward-layer",
    BatchNorm,
    [
        Case("5 batches of 16 samples with 7 features", layer_inputs(16, 7, eps=1e-5, momentum=0.1, steps=5)),
        Case("3 batches of 4 samples with 5 features, eps = 0.5, momentum = 0.7", layer_inputs(4, 5)),
        Case("a batch of 2 samples, eps = 0.5", layer_inputs(2, 3, steps=1)),
        Case("one feature, eps = 0, momentum = 0", layer_inputs(7, 1, eps=0.0, momentum=0.0)),
        Case("batches in Fortran order", layer_inputs(9, 4, layout="F")),
        Case("2 batches around 1,000,000", layer_inputs(10, 4, steps=2, mean=1e6), 1e-6, ONE_PASS),
    ],
)
x = np.random.default_rng(7).normal(size=(6, 3))
layer = BatchNorm(3)
layer.training = False
np.testing.assert_allclose(layer(x), x, rtol=1e-4, err_msg="a new layer in evaluation returns almost x")
layer.training = True
first = layer(x)
np.testing.assert_allclose(first.mean(axis=0), 0, atol=1e-9, err_msg="back in training the batch's own mean is used")
np.testing.assert_allclose(
    layer.running_mean, 0.1 * x.mean(axis=0), err_msg="back in training the running mean is updated"
)
### END HIDDEN TESTS

# %%
# Play: another momentum. How soon do training and evaluation come together?
rng = np.random.default_rng(8)
layer = BatchNorm(1, momentum=0.1)
probe = np.array([[14.0]])
for step in range(61):
    if step % 20 == 0:
        layer.training = False
        y = layer(probe)[0, 0]
        print(f"after {step:2} batches: y(14) in evaluation {y:.2f}")
        layer.training = True
    layer(10 + 2 * rng.normal(size=(32, 1)))

# %% [markdown]
# <details><summary>Answer</summary>
#
# Almost nothing: with running mean 0 and running variance 1 it divides by $\sqrt{1 + \epsilon}$.
# In the experiment above the population has mean 10 and standard deviation 2, so $y(14)$ goes from 14 to about 2.
# Until the running statistics have arrived there, evaluation and training compute different functions.
#
# </details>
#
# That completes the forward pass.
# Next: [04 Backward](https://bn-course.github.io/bn-course/exercises/04_backward.html), the gradient.

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("03_forward", globals())
