# %% [markdown]
# # 01 Covariate shift: training here, testing there
#
# A model learns from one set of data and then meets another.
# You write four tools that deal with the difference: standardizing without a leak, importance weights,
# weighted least squares, and whitening.
# The last task turns to the optimizer and shows what the scale of the inputs does to gradient descent.
#
# - Time: about 90 minutes.
# - Read first: [chapter 1, Covariate shift](https://bn-course.github.io/bn-course/book/01_covariate_shift.html)
#   and [chapter 2, Scaling and whitening](https://bn-course.github.io/bn-course/book/02_scaling_whitening.html).
# - A batch `x` has shape (N, C): N samples, C features.
# - Functions return new arrays and leave their arguments alone; results have the dtype of the input.
# - Stuck? `hint("standardize")` gives a first hint, and a further one each time you run it.

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
# ## 1. Standardize without a leak
#
# Shift and scale each feature to mean 0 and standard deviation 1, as measured on the training set.
# Treat the test set in the same way and with the same numbers: it has no say in them.
#
# $$z_{nc} = \frac{x_{nc} - \mu_c}{\sigma_c}, \qquad
# \mu_c = \frac{1}{N} \sum_n x^{\text{train}}_{nc}, \qquad
# \sigma_c^2 = \frac{1}{N} \sum_n (x^{\text{train}}_{nc} - \mu_c)^2.$$
#
# Here $x$ is a sample of either set. Where $\sigma_c$ is 0, divide by 1 instead.
#
# | name | shape | meaning |
# |---|---|---|
# | `train`, `train_z` | (N, C) | training set, before and after |
# | `test`, `test_z` | (M, C) | test set, before and after; M may be 1 |
#
# Example with two features: `train` has the columns (1, 1, 5, 5) and (4, 4, 4, 4), `test` has (3, 9) and (4, 6).
# The means are 3 and 4, the deviations 2 and 0.
# So `train_z` has the columns (-1, -1, 1, 1) and (0, 0, 0, 0), and `test_z` has (0, 3) and (0, 2).
#
# **Predict first.** The test set holds a single image, and you standardize it with its own mean and deviation.
# What comes out?
#
# - (a) About the same as with the mean and deviation of the training set.
# - (b) Zeros, whatever the image shows.
# - (c) An error, because one sample has no mean.

# %%
# Play: take 2, 10 or 200 test images instead of 1, and more or less extra light.
from bnlab.traces import digits_sample

images, labels = digits_sample()
few, light = 1, 0.3
train, test = images[:400], images[400 : 400 + few] + light
by_test, by_train = test - test.mean(axis=0), test - train.mean(axis=0)
print("pixels 26 to 29 of the first test image")
print("with extra light:                  ", test[0, 26:30].round(2))
print("minus the mean of the test set:    ", by_test[0, 26:30].round(2))
print("minus the mean of the training set:", by_train[0, 26:30].round(2))

# %% [markdown]
# <details><summary>Answer</summary>
#
# - (a) No. That holds, roughly, only for a large test set that has not shifted.
# - (b) Yes. One sample is its own mean, so nothing is left of the image. With 2 images, half of their difference
#   is left, with a plus sign in one and a minus sign in the other, and the division makes ±1 of it.
# - (c) No. The mean of one sample is the sample itself, and NumPy computes it without complaint.
#
# Statistics of the test set would also have removed the extra light, and with it everything else that sets this
# test set apart. Sometimes you want that (chapter 9 returns to it), but then it should be a choice, not an accident.
#
# </details>


# %% solution="standardize"
def standardize(train, test):
    """Standardize two sets with the statistics of the first.

    z = (x - mean(train)) / std(train), for each feature; std with 1/N

    Parameters
    ----------
    train : ndarray, shape (N, C), float
        Measured and standardized; N may be 1.
    test : ndarray, shape (M, C), float
        Standardized with the numbers of `train`.

    Returns
    -------
    train_z : ndarray, shape (N, C), dtype of train
    test_z : ndarray, shape (M, C), dtype of train
        A feature that is constant in `train` (standard deviation exactly 0) is
        centred and divided by 1, in both sets.
    """
    ### BEGIN SOLUTION
    mean, std = train.mean(axis=0), train.std(axis=0)
    scale = np.where(std > 0, std, 1)  # a blank pixel stays blank instead of becoming 0/0
    return (train - mean) / scale, (test - mean) / scale
    ### END SOLUTION


# %% test="standardize-test" points=8
check("standardize", standardize)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.covariate_shift import ONE_PASS, split_inputs

examine(
    "standardize",
    standardize,
    [
        Case("64 training and 20 test samples with 10 features", split_inputs(64, 20, 10)),
        Case("5 and 8 samples with 7 features in float32", split_inputs(5, 8, 7, dtype=np.float32)),
        Case("a test set of one sample", split_inputs(9, 1, 4)),
        Case("a training set of one sample", split_inputs(1, 3, 2)),
        Case("sets in Fortran order", split_inputs(12, 7, 5, layout="F")),
        Case("every second row of larger arrays", split_inputs(9, 6, 4, layout="strided")),
        Case("a feature constant in training, float32", split_inputs(6, 5, 3, constant=-2.0, dtype=np.float32)),
        Case("a blank feature", split_inputs(8, 5, 3, constant=0.0)),
        Case("32 and 8 samples around 10,000 in float32", split_inputs(32, 8, 6, mean=1e4, dtype=np.float32), 1e-2),
        Case("10 and 4 samples around 1,000,000", split_inputs(10, 4, 3, mean=1e6), 1e-6, ONE_PASS),
    ],
)
rng = np.random.default_rng(1)
train, test = 3 * rng.normal(size=(11, 4)) + 2, rng.normal(size=(6, 4))
train_z, test_z = standardize(train, test)
np.testing.assert_allclose(train_z.mean(axis=0), 0, atol=1e-12, err_msg="each feature of train_z has mean 0")
np.testing.assert_allclose((train_z**2).mean(axis=0), 1, err_msg="each feature of train_z has mean square 1")
alone = np.vstack([standardize(train, row[None, :])[1] for row in test])
np.testing.assert_allclose(alone, test_z, atol=1e-12, err_msg="a test sample must not depend on the other test samples")
np.testing.assert_allclose(
    standardize(train, train)[1], train_z, atol=1e-12, err_msg="train in place of test comes out as train_z"
)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Importance weights
#
# Your training inputs come from a source density; the inputs that the model will meet come from a target density.
# Give each training point the weight that turns averages over the source into averages over the target.
#
# $$w(x) = \frac{p_{\text{target}}(x)}{p_{\text{source}}(x)}, \qquad
# p(x) = \frac{1}{\sqrt{2 \pi}\,\sigma} \exp\left(-\frac{(x - \mu)^2}{2 \sigma^2}\right).$$
#
# Both densities are normal, each with its own mean $\mu$ and standard deviation $\sigma$.
#
# | name | shape | meaning |
# |---|---|---|
# | `x` | (N,) | points |
# | `source`, `target` | pair of numbers | mean and standard deviation of a normal density |
# | `w` | (N,) | weights: the plain ratio, not rescaled in any way |
#
# Far out, both densities are too small for a floating-point number, and 0/0 gives NaN.
# Their ratio is harmless, though: subtract the exponents first, then take `exp` of the difference.
#
# Example: source (0, 2) and target (0, 1) give $w(x) = 2 \exp(-3 x^2 / 8)$, so $w(0) = 2$ and $w(2) \approx 0.446$.
# The target is narrower than the source: points in the middle count more, points far out count less.
#
# **Predict first.** The source is (0, 1) and the target (0, 2), twice as wide. Where are the weights largest?
#
# - (a) In the middle, where most of the points are.
# - (b) Far out, and there is no limit.
# - (c) Far out, but never above 2, the ratio of the widths.


# %% solution="importance-weights"
def importance_weights(x, source, target):
    """Return the ratio of two normal densities at given points.

    w(x) = p_target(x) / p_source(x)

    Parameters
    ----------
    x : ndarray, shape (N,), float
        Points; they may lie far out in both densities.
    source, target : tuple (mean, std) of float
        Of the density that x comes from, and of the one that counts; std > 0.

    Returns
    -------
    w : ndarray, shape (N,), float
    """
    ### BEGIN SOLUTION
    (source_mean, source_std), (target_mean, target_std) = source, target
    exponent = ((x - source_mean) / source_std) ** 2 - ((x - target_mean) / target_std) ** 2
    return source_std / target_std * np.exp(exponent / 2)
    ### END SOLUTION


# %% test="importance-weights-test" points=10
check("importance-weights", importance_weights)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.covariate_shift import ratio_inputs

examine(
    "importance-weights",
    importance_weights,
    [
        Case("200 points", ratio_inputs(200)),
        Case("a single point", ratio_inputs(1, (2.0, 3.0), (1.0, 0.7))),
        Case("points around 10,000", ratio_inputs(9, (1e4, 2.0), (10_001.0, 1.5)), 1e-6),
        Case("25 points in float32", ratio_inputs(25, (0.3, 1.5), (-0.4, 0.9), dtype=np.float32)),
        Case("every second of the points", ratio_inputs(10, (0.5, 2.0), (-1.0, 1.2), layout="strided")),
        Case("points far out, float32", ratio_inputs(8, (0.0, 1.0), (0.1, 1.0), far=4, dtype=np.float32), 1e-3),
        Case("points far out, a narrow source", ratio_inputs(9, (-1.0, 0.1), (-1.01, 0.1), far=5)),
    ],
)
x = 2 * np.random.default_rng(2).normal(size=30)
np.testing.assert_allclose(
    importance_weights(x, (0.3, 2.0), (0.3, 2.0)), 1, err_msg="without a shift all weights are 1"
)
there, back = importance_weights(x, (0.0, 2.0), (1.0, 1.5)), importance_weights(x, (1.0, 1.5), (0.0, 2.0))
np.testing.assert_allclose(there * back, 1, err_msg="the weights of the way back are the inverses")
further = importance_weights(x, (1.0, 1.5), (-0.5, 1.0))
np.testing.assert_allclose(
    there * further, importance_weights(x, (0.0, 2.0), (-0.5, 1.0)), err_msg="weights of two shifts in turn multiply"
)
grid = np.linspace(-14, 14, 4001)
density = np.exp(-(grid**2) / 8) / np.sqrt(8 * np.pi)
total = np.sum(density * importance_weights(grid, (0.0, 2.0), (1.0, 1.5))) * (grid[1] - grid[0])
np.testing.assert_allclose(total, 1, rtol=1e-6, err_msg="the weights have the mean 1 under the source density")
### END HIDDEN TESTS

# %%
# Play: make the target wider or move it away. How many of 1000 samples still count?
rng = np.random.default_rng(3)
x = rng.normal(size=1000)
for target in ((0.0, 1.0), (0.0, 0.5), (1.0, 1.0), (3.0, 1.0), (0.0, 2.0)):
    w = importance_weights(x, (0.0, 1.0), target)
    worth = w.sum() ** 2 / (w**2).sum()
    shown = f"largest weight {w.max():8.2f}, worth {worth:4.0f} equal samples"
    print(f"source (0, 1), target {target}: {shown}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# - (a) No: $w(0) = 1/2$. The source has more points there than the target asks for.
# - (b) Yes: $w(x) = \tfrac{1}{2} \exp(3 x^2 / 8)$ grows without limit.
# - (c) No. The ratio of the widths is only the factor in front, 1/2 here; the exponential has no bound.
#
# In a sample, the few points that happen to lie far out then carry most of the weight.
# The last number in each row is the effective number of samples, $(\sum w)^2 / \sum w^2$:
# weights are paid for with variance.
#
# </details>

# %% [markdown]
# ## 3. Weighted least squares
#
# Fit a linear model to samples of which some count more than others.
# With the weights of task 2 it fits best where the target lies, although the data come from the source.
#
# $$\theta = \arg\min_\theta \sum_n w_n \left( y_n - \textstyle\sum_p \text{features}_{np}\, \theta_p \right)^2.$$
#
# | name | shape | meaning |
# |---|---|---|
# | `features` | (N, P) | P features of N samples, used as given; one of them is all ones where an intercept is wanted |
# | `y` | (N,) | targets |
# | `w` | (N,) | weights, 0 or more |
# | `theta` | (P,) | coefficients |
#
# Example: three samples with the one feature 1, `y` = (0, 3, 6) and `w` = (1, 1, 2).
# Then `theta` is the weighted mean, $(0 + 3 + 2 \cdot 6) / 4 = 3.75$; equal weights would give 3.
#
# **Predict first.** The truth is $y = x^3 - x$ plus noise. The training inputs lie around 0.5, the test inputs
# around 0. One model is a straight line, the other a cubic polynomial.
# For which of them do importance weights lower the test error?
#
# - (a) For both: the inputs have shifted, so the weights are needed.
# - (b) For the line only.
# - (c) For the cubic only.


# %% solution="weighted-least-squares"
def weighted_least_squares(features, y, w):
    """Return the coefficients that minimize the weighted sum of squared residuals.

    theta = argmin sum_n w[n] * (y[n] - features[n] @ theta)**2

    Parameters
    ----------
    features : ndarray, shape (N, P), float
        Of rank P on the samples with a positive weight. Add no column, centre none.
    y : ndarray, shape (N,)
    w : ndarray, shape (N,)
        Weights, 0 or more.

    Returns
    -------
    theta : ndarray, shape (P,), dtype of features
    """
    ### BEGIN SOLUTION
    root = np.sqrt(w)  # its square stands in front of each squared residual
    theta, *_ = np.linalg.lstsq(root[:, None] * features, root * y, rcond=None)
    return theta
    ### END SOLUTION


# %% test="weighted-least-squares-test" points=10
check("weighted-least-squares", weighted_least_squares)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.covariate_shift import regression_inputs

cases = [
    Case("200 samples with 6 features", regression_inputs(200, 6)),
    Case("200 samples with 5 features and no column of ones", regression_inputs(200, 5, ones=False)),
    Case("a single sample with one feature", regression_inputs(1, 1, ones=False)),
    Case("30 samples with 4 features in float32", regression_inputs(30, 4, ones=False, dtype=np.float32), 1e-3),
    Case("features in Fortran order", regression_inputs(12, 3, layout="F")),
    Case("every second row of a larger array", regression_inputs(14, 4, layout="strided")),
    Case("half of the weights 0", regression_inputs(16, 3, ones=False, zeros=8)),
]
examine("weighted-least-squares", weighted_least_squares, cases)
rng = np.random.default_rng(4)
features, y, w = rng.normal(size=(12, 3)), rng.normal(size=12), rng.integers(0, 4, size=12).astype(float)
w[:4] = 1
theta = weighted_least_squares(features, y, w)
times = w.astype(int)
repeated = weighted_least_squares(np.repeat(features, times, axis=0), np.repeat(y, times), np.ones(times.sum()))
np.testing.assert_allclose(theta, repeated, rtol=1e-8, err_msg="a weight of 3 means the same as three equal samples")
np.testing.assert_allclose(
    weighted_least_squares(features, y, 7 * w), theta, rtol=1e-8, err_msg="7 times all weights change nothing"
)
exact = weighted_least_squares(features, features @ np.array([1.0, -2.0, 3.0]), w + 1)
np.testing.assert_allclose(exact, [1, -2, 3], rtol=1e-8, err_msg="where the model is exact, weights change nothing")
### END HIDDEN TESTS

# %%
# Play: take a larger shift, fewer samples, or a quadratic model (degree 2).
rng = np.random.default_rng(5)
source, target, n = (0.5, 0.5), (0.0, 0.3), 100
for degree, name in ((1, "line"), (3, "cubic")):
    errors = {"equal weights": [], "importance weights": []}
    for _ in range(200):
        x = rng.normal(*source, size=n)
        y = x**3 - x + 0.3 * rng.normal(size=n)
        x_test = rng.normal(*target, size=500)
        y_test = x_test**3 - x_test
        weights = (np.ones(n), importance_weights(x, source, target))
        for kind, w in zip(errors, weights):
            theta = weighted_least_squares(np.vander(x, degree + 1), y, w)
            predicted = np.vander(x_test, degree + 1) @ theta
            errors[kind].append(np.mean((predicted - y_test) ** 2))
    for kind, values in errors.items():
        print(f"{name:5} with {kind:18}: test error {np.mean(values):.4f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# - (a) No: the error of the line falls to about 4 % of what it was, but that of the cubic nearly doubles.
# - (b) Yes. A line cannot follow the curve, so it matters where it fits well: the curve falls gently around the
#   training inputs and steeply around the test inputs.
# - (c) No, it is the other way round. The cubic can be right everywhere, so there is nothing to correct;
#   the weights only make part of the data count for less.
#
# A change of the inputs alone does no harm where the model is right. Keep that in mind for notebook 02, where
# "the distribution of the inputs changes" is offered as an explanation.
#
# </details>

# %% [markdown]
# ## 4. Whiten
#
# Make the features of a batch uncorrelated, each with variance 1, and move the points as little as possible.
# This is ZCA whitening. Batch normalization is its cheap cousin, which takes one feature at a time.
#
# $$z_n = (x_n - \mu)\, V\, \text{diag}\left(\frac{1}{\sqrt{\lambda_c + \epsilon}}\right) V^T, \qquad
# \frac{1}{N} \sum_n (x_n - \mu)^T (x_n - \mu) = V\, \text{diag}(\lambda)\, V^T,$$
#
# with $x_n$ and $\mu$ as rows, the eigenvalues $\lambda_c$ of the covariance, and its eigenvectors as columns of $V$.
#
# | name | shape | meaning |
# |---|---|---|
# | `x`, `z` | (N, C) | a batch, before and after |
# | `eps` | number | added to the eigenvalues, inside the root |
#
# Example with eps = 0 and the four points (2, 1), (1, 2), (-2, -1), (-1, -2): the mean is 0 and the covariance
# is [[2.5, 2], [2, 2.5]], with eigenvalue 4.5 along (1, 1) and 0.5 along (1, -1).
# The whitened points are $(\sqrt{2}, 0)$, $(0, \sqrt{2})$, $(-\sqrt{2}, 0)$, $(0, -\sqrt{2})$.
#
# **Predict first.** You rotate a whitened cloud of points by some angle. What happens to its covariance?
#
# - (a) It stays the identity matrix: there are many ways to whiten, and ZCA is one of them.
# - (b) It is no longer the identity matrix: only ZCA whitens.
# - (c) It depends on the angle.


# %% solution="zca-whiten"
def zca_whiten(x, eps):
    """Multiply the centred batch by the symmetric inverse root of its covariance.

    z = (x - mu) V diag(1 / sqrt(lambda + eps)) V.T,
    where V diag(lambda) V.T is the covariance of x, taken with 1/N

    Parameters
    ----------
    x : ndarray, shape (N, C), float
        A batch. If eps > 0, N may be 1 or smaller than C, and a feature may be
        constant.
    eps : float
        Added to the eigenvalues, inside the root.

    Returns
    -------
    z : ndarray, shape (N, C), dtype of x
    """
    ### BEGIN SOLUTION
    centred = x - x.mean(axis=0)
    lambdas, v = np.linalg.eigh(centred.T @ centred / x.shape[0])
    lambdas = np.maximum(lambdas, 0)  # rounding can push a 0 below 0
    return centred @ ((v / np.sqrt(lambdas + eps)) @ v.T)
    ### END SOLUTION


# %% test="zca-whiten-test" points=12
check("zca-whiten", zca_whiten)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.covariate_shift import ONE_PASS_COVARIANCE, mixed_inputs

examine(
    "zca-whiten",
    zca_whiten,
    [
        Case("64 samples with 10 features, eps = 0.5", mixed_inputs(64, 10, eps=0.5)),
        Case("30 samples with 4 features, eps = 0", mixed_inputs(30, 4, eps=0.0), 1e-6),
        Case("5 samples with 7 features, more features than samples", mixed_inputs(5, 7, eps=0.5)),
        Case("a single sample", mixed_inputs(1, 3, eps=0.5)),
        Case("12 samples with 5 features in float32", mixed_inputs(12, 5, eps=0.5, dtype=np.float32), 1e-3),
        Case("a batch in Fortran order", mixed_inputs(12, 5, eps=0.1, layout="F")),
        Case("every second row of a larger array", mixed_inputs(9, 4, eps=0.1, layout="strided")),
        Case("a constant feature", mixed_inputs(6, 3, eps=0.5, constant=3.0)),
        Case("10 samples around 1,000,000", mixed_inputs(10, 3, eps=0.5, mean=1e6), 1e-6, ONE_PASS_COVARIANCE),
    ],
)
rng = np.random.default_rng(6)
x = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3)) + 5
z = zca_whiten(x, 0.0)
np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-8, err_msg="each feature of z has mean 0")
np.testing.assert_allclose(
    z.T @ z / 40, np.eye(3), atol=1e-8, err_msg="for eps = 0 the covariance of z is the identity matrix"
)
np.testing.assert_allclose(
    zca_whiten(z, 0.0),
    z,
    atol=1e-7,
    err_msg="whitening what is white changes nothing; where eigenvalues are equal, the vectors of np.linalg.eig are "
    "not at right angles, and those of eigh are",
)
order = [2, 0, 1]
np.testing.assert_allclose(
    zca_whiten(x[:, order], 0.5),
    zca_whiten(x, 0.5)[:, order],
    atol=1e-8,
    err_msg="features in another order give z in that order",
)
q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
np.testing.assert_allclose(
    zca_whiten(x @ q, 0.5), zca_whiten(x, 0.5) @ q, atol=1e-8, err_msg="a rotated batch gives the rotated z"
)
### END HIDDEN TESTS

# %%
# Play: other angles, and a batch whose features are hardly correlated.
rng = np.random.default_rng(7)
x = rng.normal(size=(500, 2)) @ np.array([[2.0, 1.0], [1.0, 1.5]])
z = zca_whiten(x, 0.0)
for degrees in (0, 10, 45, 90):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rotated = z @ np.array([[cos, sin], [-sin, cos]])
    covariance = np.round(rotated.T @ rotated / 500, 3).tolist()
    away = np.sqrt(np.mean(np.sum((rotated - (x - x.mean(axis=0))) ** 2, axis=1)))
    print(f"{degrees:2} degrees: covariance {covariance}, moved by {away:.2f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# - (a) Yes: a rotation $Q$ takes the covariance from $I$ to $Q^T I\, Q = I$.
# - (b) No. PCA whitening (without the last rotation back) and Cholesky whitening give white batches as well.
# - (c) No, see (a): the printed matrices are all the same.
#
# What singles ZCA out is the last number in each row, how far the points have moved from the centred `x`
# (root mean square): of all whitened versions ZCA stays closest, so that a whitened pixel still
# resembles that pixel.
#
# </details>

# %% [markdown]
# ## 5. The largest stable learning rate
#
# Find the learning rate above which gradient descent on least squares diverges.
# It depends on the features alone, which is why it pays to scale them.
#
# $$L(\theta) = \frac{1}{2N} \sum_n \left( \textstyle\sum_c \text{features}_{nc}\, \theta_c - y_n \right)^2, \qquad
# \theta \leftarrow \theta - \text{lr} \cdot \nabla L(\theta).$$
#
# $L$ is a bowl whose curvature is the matrix $\text{features}^T \text{features} / N$. Along an eigenvector with
# eigenvalue $\lambda$, a step multiplies the error by $1 - \text{lr} \cdot \lambda$, which must not fall below -1:
#
# $$\text{lr} \le \frac{2}{\lambda_{\max}}.$$
#
# | name | shape | meaning |
# |---|---|---|
# | `features` | (N, C) | as the loss sees them: not centred, no column added |
# | result | number | $2 / \lambda_{\max}$ |
#
# Example: two samples with the features (1, 3) and (3, 1) give the curvature [[10, 6], [6, 10]] / 2, which has the
# eigenvalues 8 and 2. The limit is 2/8 = 0.25.
# At this rate the error along (1, 1) is multiplied by $1 - 0.25 \cdot 8 = -1$ in each step.
#
# **Predict first.** You train twice on the digits, with 0.99 and with 1.01 times the limit.
# How do the losses of the two runs compare over 300 steps?
#
# - (a) They stay nearly the same: 2 % more makes hardly any difference.
# - (b) The second explodes at once, within ten steps or so.
# - (c) The second falls at first and then grows without end.


# %% solution="max-stable-lr"
def max_stable_lr(features):
    """Return the largest stable learning rate of gradient descent on least squares.

    2 / (largest eigenvalue of features.T @ features / N)

    Parameters
    ----------
    features : ndarray, shape (N, C), float
        Not all zero; N may be smaller than C.

    Returns
    -------
    float
    """
    ### BEGIN SOLUTION
    bowl = features.T @ features / features.shape[0]
    return 2 / float(np.linalg.eigvalsh(bowl)[-1])
    ### END SOLUTION


# %% test="max-stable-lr-test" points=10
check("max-stable-lr", max_stable_lr)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.covariate_shift import feature_inputs

examine(
    "max-stable-lr",
    max_stable_lr,
    [
        Case("64 samples with 10 features", feature_inputs(64, 10)),
        Case("4 samples with 9 features, more features than samples", feature_inputs(4, 9)),
        Case("a single sample", feature_inputs(1, 3)),
        Case("a single feature", feature_inputs(7, 1)),
        Case("15 samples with 6 features in float32", feature_inputs(15, 6, dtype=np.float32), 1e-4),
        Case("features in Fortran order", feature_inputs(12, 5, layout="F")),
        Case("every second row of a larger array", feature_inputs(9, 4, layout="strided")),
        Case("features around 10,000 in float32", feature_inputs(8, 3, mean=1e4, dtype=np.float32), 1e-4),
    ],
)
features = np.random.default_rng(8).normal(size=(20, 4)) * np.array([3.0, 1.0, 0.5, 2.0])
limit = max_stable_lr(features)
np.testing.assert_allclose(
    max_stable_lr(10 * features), limit / 100, err_msg="10 times the features: a 100th of the rate"
)
np.testing.assert_allclose(
    max_stable_lr(np.vstack([features, features])), limit, err_msg="the same samples twice: the same rate"
)
for share, grows in ((0.99, False), (1.01, True)):
    theta = np.ones(4)  # the minimum is at 0
    for _ in range(3000):
        theta = theta - share * limit * features.T @ (features @ theta) / 20
    assert (np.abs(theta).max() > 1e3) == grows, f"{share} times your rate {'converges' if grows else 'diverges'}"
### END HIDDEN TESTS

# %%
# Play: shares closer to 1 (0.999 and 1.001), more steps, another digit than 3.
images, labels = digits_sample()
features, y = np.hstack([images, np.ones((600, 1))]), (labels == 3).astype(float)
limit = max_stable_lr(features)
print(f"largest stable learning rate: {limit:.4f}")
print("loss after 0, 1, 30, 100, 200, 300 steps")
for share in (0.5, 0.99, 1.01):
    theta, losses = np.zeros(65), []
    for _ in range(301):
        residual = features @ theta - y
        losses.append(np.mean(residual**2) / 2)
        theta = theta - share * limit * features.T @ residual / 600
    shown = ", ".join(f"{losses[step]:.4f}" for step in (0, 1, 30, 100, 200, 300))
    print(f"{share:4} times the limit: {shown}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# - (a) No. In each step the error along the steepest direction is multiplied by $1 - 1.98 = -0.98$ in one run and by
#   $1 - 2.02 = -1.02$ in the other. In one it dies out, in the other it grows, only 1 % either side of the limit.
# - (b) No, it takes patience: $1.02^{300}$ is about 380, and the loss grows with the square of that.
# - (c) Yes. For a while, progress along the other directions hides the growth; in the end the loss grows by 4 %
#   in each step. A plot of the first 30 steps would not show it.
#
# </details>
#
# **Predict once more.** The steepest direction sets the limit, the flattest one sets the time.
# You train on five versions of the digits, each at half of its own limit: with 10 added to every pixel, as they are,
# centred, standardized, and whitened. Which of them needs the fewest steps?
#
# <details><summary>They need the same number: each runs at half of its own limit</summary>
#
# The limit belongs to the steepest direction. How fast the flattest one moves at that rate differs greatly from
# bowl to bowl.
#
# </details>
# <details><summary>With 10 added: larger inputs give larger gradients</summary>
#
# They do, but mostly along one direction, in which all pixels grow together. It sets the rate, and the others crawl.
#
# </details>
# <details><summary>Whitened</summary>
#
# Right: its bowl is round, so the steepest direction is also the flattest.
#
# </details>

# %%
# Play: another share of the limit, other shifts, another eps for whitening.
versions = {
    "10 added": images + 10,
    "as they are": images,
    "centred": images - images.mean(axis=0),
    "standardized": standardize(images, images)[0],
    "whitened": zca_whiten(images, 1e-3),
}
for name, values in versions.items():
    features = np.hstack([values, np.ones((600, 1))])
    bowl, pull = features.T @ features / 600, features.T @ y / 600
    limit = max_stable_lr(features)
    best = np.linalg.lstsq(features, y, rcond=None)[0]
    theta, steps = np.zeros(65), 0
    goal = 0.01 * best @ bowl @ best  # 1 % of what there is to gain
    while (theta - best) @ bowl @ (theta - best) > goal and steps < 5000:
        theta, steps = theta - limit / 2 * (bowl @ theta - pull), steps + 1
    shown = steps if steps < 5000 else "5000 or more"
    print(f"{name:13} limit {limit:.5f}, {shown} steps")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Whitened, then standardized, centred, as they are; with 10 added the minimum is out of reach.
# A number added to every pixel could be undone by the intercept alone: the best fit is no worse.
# But it stretches the bowl into a canyon: the huge curvature along the direction that all pixels share sets the rate,
# and along all other directions this rate is far too small.
# (Where the limit is 2, the steepest direction is that of the column of ones, whose eigenvalue is 1.)
#
# This is a theorem for least squares. For the inner layers of a network it is an analogy, and a motivation:
# batch normalization centres and scales what each layer receives. Whether that is why it helps is the question of
# [notebook 02](https://bn-course.github.io/bn-course/exercises/02_internal_covariate_shift.html).
#
# </details>

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("01_covariate_shift", globals())
