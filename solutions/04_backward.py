# %% [markdown]
# # 04 Backward: the gradient through the statistics
#
# You write the backward pass of batch normalization four times:
# by finite differences, node by node, in one line, and for evaluation.
# The first version is slow, and it tests all the others.
#
# - Time: about 100 minutes.
# - Read first: [chapter 7, By computation graph](https://bn-course.github.io/bn-course/book/07_backward_graph.html)
#   and [chapter 8, In one line](https://bn-course.github.io/bn-course/book/08_backward_one_line.html).
# - `dy` is the upstream gradient, with the shape of `y`: `dy[n, c]` is the derivative of the loss with respect to
#   `y[n, c]`. `dx`, `dgamma` and `dbeta` mean the same for `x`, `gamma` and `beta`, and have their shapes.
# - Functions return new arrays and leave their arguments alone; results have the dtype of `dy`.
# - Stuck? `hint("backward")` gives a first hint, and a further one each time you run it.

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
# ## 1. A gradient from differences
#
# Measure the gradient of the number $L(x) = \sum dy \cdot f(x)$, summed over all entries of $f(x)$, without knowing
# anything about $f$. This is slow, but it can judge every formula that follows.
#
# $$dx_i = \frac{L(x + h\, e_i) - L(x - h\, e_i)}{2h},$$
#
# where $e_i$ is 1 at index $i$ and 0 elsewhere.
#
# | name | shape | meaning |
# |---|---|---|
# | `f` | | a function of an array; its result may be a view of its argument |
# | `x`, `dx` | any, with one axis or more | where the gradient is taken; the gradient |
# | `dy` | that of `f(x)` | upstream gradient |
# | `h` | number | the step, the same for every entry |
#
# Example: $f(x) = x^3$ at $x = 1$ with $dy = 2$ and $h = 0.1$ gives
# $2 \cdot (1.331 - 0.729)/0.2 = 6.02$. The true slope is 6; the error is $2 h^2$.
#
# **Predict first.** Smaller steps mean a smaller error, up to a point.
# Which of the steps 1e-2, 1e-5, 1e-8 and 1e-11 is the best in float64?
#
# <details><summary>1e-2</summary>
#
# At this step nearly all of the error comes from the formula. It falls as $h^2$, so smaller steps still help a lot.
#
# </details>
# <details><summary>1e-5</summary>
#
# Right: near there, the error of the formula and the error of rounding are about equal.
#
# </details>
# <details><summary>1e-8</summary>
#
# That is the best step for a one-sided difference. The formula of the central one is more exact and allows a larger
# step, which pays, because the error of rounding grows as $1/h$.
#
# </details>
# <details><summary>1e-11</summary>
#
# Here the two values of the function agree in nearly all their digits, and their difference is mostly rounding.
#
# </details>

# %%
# Play: other functions and other points.
point, slope = 0.7, 1 - np.tanh(0.7) ** 2
for h in (1e-2, 1e-5, 1e-8, 1e-11):
    one_sided = (np.tanh(point + h) - np.tanh(point)) / h
    central = (np.tanh(point + h) - np.tanh(point - h)) / (2 * h)
    errors = abs(one_sided - slope), abs(central - slope)
    print(f"h = {h:.0e}: error one-sided {errors[0]:.0e}, central {errors[1]:.0e}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# 1e-5. The error of the formula falls as $h^2$. But as $h$ shrinks, the two values of $L$ agree in more and more
# digits, and what is left in their difference is rounding: that error grows as $10^{-16}/h$.
# The two errors meet near $h = 10^{-5}$.
# A one-sided difference has an error of order $h$: even at its best step it is far less accurate.
#
# </details>


# %% solution="numerical-gradient"
def numerical_gradient(f, x, dy, h=1e-5):
    """Return the gradient of sum(dy * f(x)) at x, by central differences.

    dx[i] = (sum(dy * f(x + h e_i)) - sum(dy * f(x - h e_i))) / (2 h)
    for every index i of x

    Parameters
    ----------
    f : callable
        Array -> array of the shape of dy. It may return a view of its argument:
        hand it a fresh array each time.
    x : ndarray, any shape and number of axes, float64
    dy : ndarray, shape of f(x)
    h : float
        The step, the same for every entry.

    Returns
    -------
    dx : ndarray, shape of x, float64
    """
    ### BEGIN SOLUTION
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        dx[index] = (np.sum(dy * f(x + step)) - np.sum(dy * f(x - step))) / (2 * h)
    return dx
    ### END SOLUTION


# %% test="numerical-gradient-test" points=8
check("numerical-gradient", numerical_gradient)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.backward import coupled, cube, function_inputs, turned

weights = np.random.default_rng(1).normal(size=(3, 2))
# Small arrays: each entry of x costs two calls of f, which is evaluated here and asked for from there.
examine(
    "numerical-gradient",
    numerical_gradient,
    [
        Case("a function that couples the samples, default h", function_inputs(coupled, (3, 2)), 1e-6),
        Case(
            "a matrix product, y of another shape",
            function_inputs(lambda a: a @ weights, (2, 3), dy_shape=(2, 2)),
            1e-6,
        ),
        Case("x with one axis", function_inputs(np.sin, (4,), h=0.01), 1e-6),
        Case("x with three axes", function_inputs(cube, (2, 1, 3), h=0.1), 1e-6),
        Case("x with four axes", function_inputs(coupled, (2, 3, 1, 2), h=0.1), 1e-6),
        Case("x in Fortran order", function_inputs(coupled, (2, 3), h=0.1, layout="F"), 1e-6),
        Case(
            "x as every second row of a larger array", function_inputs(coupled, (3, 2), h=0.1, layout="strided"), 1e-6
        ),
        Case("f(x) = x, its argument itself", function_inputs(lambda a: a, (2, 2)), 1e-6),
        Case("f(x) = x.T, a view of its argument", function_inputs(turned, (2, 3), dy_shape=(3, 2)), 1e-6),
        Case(
            "a function with one number as its result",
            function_inputs(lambda a: (a**3).sum(), (3, 1), h=0.1, dy_shape=()),
            1e-6,
        ),
    ],
)
# Used as a checker, the student's gradient accepts right backward passes and refuses wrong ones.
sys.path.append(".")
from solutions.mutants import bank
from solutions.styles import styles

rng = np.random.default_rng(11)
x, dy, gamma = rng.normal(1, 2, size=(5, 2)), rng.normal(size=(5, 2)), rng.uniform(0.5, 2, size=2)
inv_std = 1 / np.sqrt(x.var(axis=0) + 0.5)
cache = ((x - x.mean(axis=0)) * inv_std, inv_std, gamma)
measured = numerical_gradient(lambda a: gamma * (a - a.mean(axis=0)) / np.sqrt(a.var(axis=0) + 0.5), x, dy)
for right in ("einsum_backward", "node_by_node"):
    dx = styles("backward")[right](dy, cache)[0]
    assert np.allclose(measured, dx, rtol=1e-5, atol=1e-7), "as a checker, your gradient refuses a right backward pass"
for wrong in (
    "gamma_missing",
    "mean_path_missing",
    "variance_path_missing",
    "mean_and_variance_paths_missing",
    "one_over_n_missing",
    "n_minus_one",
    "sign_flipped",
    "inv_std_squared",
):
    dx = bank("backward")[wrong][0](dy, cache)[0]
    assert not np.allclose(measured, dx, rtol=1e-3, atol=1e-5), "as a checker, your gradient accepts a wrong one"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Node by node
#
# Walk back through the graph of the forward pass and return the gradient at each node.
# Each of the six gradients earns its share of the points; put None in place of any that you do not have yet.
#
# $$\mu = \tfrac{1}{N}\textstyle\sum_n x_n, \qquad \sigma^2 = \tfrac{1}{N}\sum_n (x_n - \mu)^2, \qquad
# \hat{x}_n = (x_n - \mu)(\sigma^2 + \epsilon)^{-1/2}, \qquad y_n = \gamma \hat{x}_n + \beta.$$
#
# | key | shape | gradient of the loss with respect to |
# |---|---|---|
# | `dx_hat` | (N, C) | $\hat{x}$ |
# | `dvar` | (C,) | $\sigma^2$, which feeds all N of the $\hat{x}_n$ |
# | `dmu` | (C,) | $\mu$, which feeds $\hat{x}$ directly and through $\sigma^2$ |
# | `dx` | (N, C) | $x$, which feeds $\hat{x}$ directly, through $\sigma^2$ and through $\mu$ |
# | `dgamma`, `dbeta` | (C,) | $\gamma$, $\beta$ |
#
# Example with one feature: x = (1, 3, 5, 7), eps = 4, gamma = 6, dy = (1, 0, 0, 0).
# Forward: mu = 4, var = 5, inv_std = 1/3, x_hat = (-1, -1/3, 1/3, 1).
# Backward: dbeta = 1, dgamma = -1, dx_hat = (6, 0, 0, 0), dvar = 1/3, dmu = -2, and
# dx = (2, 0, 0, 0) + (-1/2, -1/6, 1/6, 1/2) + (-1/2, -1/2, -1/2, -1/2) = (1, -2/3, -1/3, 0).
#
# **Predict first.** What is `dx` when all entries of `dy` are 1?
# Think of what adding the same number to all samples does to `y`.
#
# <details><summary>All entries are <code>gamma * inv_std</code></summary>
#
# That is the direct path alone. Two more paths lead through mu and var, and one of them cancels it.
#
# </details>
# <details><summary>0</summary>
#
# Right: adding the same number to all samples changes no `y`, and the gradient says so.
#
# </details>
# <details><summary>It depends on <code>x</code></summary>
#
# It would if the loss could be changed through `x`. The sum of `y` over the batch is N times beta, whatever `x` is.
#
# </details>


# %% solution="backward-graph"
def batchnorm_backward_graph(dy, x, gamma, eps=1e-5):
    """Return the gradients at all nodes of the transform of training.

    Parameters
    ----------
    dy : ndarray, shape (N, C), float
        Upstream gradient.
    x : ndarray, shape (N, C)
        The batch that went in; rebuild from it what you need.
    gamma : ndarray, shape (C,)
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    dict
        "dx_hat" and "dx" of shape (N, C);
        "dvar", "dmu", "dgamma" and "dbeta" of shape (C,).
    """
    ### BEGIN SOLUTION
    n = x.shape[0]
    centred = x - x.mean(axis=0)
    inv_std = 1 / np.sqrt((centred**2).mean(axis=0) + eps)
    dx_hat = dy * gamma
    dvar = -0.5 * (dx_hat * centred).sum(axis=0) * inv_std**3
    dmu = -(dx_hat.sum(axis=0) * inv_std)  # the path through var is dvar * mean(-2 (x - mu)) = 0
    dx = dx_hat * inv_std + dvar * 2 * centred / n + dmu / n
    dgamma = (dy * centred * inv_std).sum(axis=0)
    return {"dx_hat": dx_hat, "dvar": dvar, "dmu": dmu, "dx": dx, "dgamma": dgamma, "dbeta": dy.sum(axis=0)}
    ### END SOLUTION


# %% test="backward-graph-test" points=12
check("backward-graph", batchnorm_backward_graph)
### BEGIN HIDDEN TESTS
from bnlab import check_gradient, examine
from bnlab.tasks import Case
from bnlab.tasks.backward import graph_inputs

examine(
    "backward-graph",
    batchnorm_backward_graph,
    [
        Case("64 samples with 10 features, eps = 0.5", graph_inputs(64, 10, eps=0.5)),
        Case("7 samples with 9 features, default eps", graph_inputs(7, 9)),
        Case("4 samples with 3 features, eps = 0.5", graph_inputs(4, 3, eps=0.5)),
        Case("16 samples with 5 features in float32", graph_inputs(16, 5, eps=0.5, dtype=np.float32), 1e-3),
        Case("a batch in Fortran order", graph_inputs(12, 5, eps=0.1, layout="F")),
        Case("every second row of a larger array", graph_inputs(9, 4, layout="strided")),
        Case("10 samples around 1,000", graph_inputs(10, 3, eps=0.5, mean=1e3)),
        Case("one feature, eps = 0", graph_inputs(9, 1, eps=0.0)),
        Case("64 samples with 10 features, other numbers", graph_inputs(64, 10, eps=0.5)),
    ],
)


def forward(x, gamma, beta, eps):
    """The transform of training, for the comparison with differences."""
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta


rng = np.random.default_rng(2)
x, dy, gamma = rng.normal(size=(8, 3)), rng.normal(size=(8, 3)), rng.uniform(0.5, 2, size=3)
nodes = batchnorm_backward_graph(dy, x, gamma, eps=0.5)
agreement = check_gradient(lambda a: forward(a, gamma, 0, 0.5), x, dy, nodes["dx"])
assert agreement, f"dx and central differences: {agreement}"
agreement = check_gradient(lambda g: forward(x, g, 0, 0.5), gamma, dy, nodes["dgamma"])
assert agreement, f"dgamma and central differences: {agreement}"
### END HIDDEN TESTS

# %%
# Play: other batches. What does a constant dy do to dx, and a batch of 2 samples?
rng = np.random.default_rng(3)
for n, constant in ((8, False), (8, True), (2, False)):
    x = rng.normal(size=(n, 3))
    dy = np.ones((n, 3)) if constant else rng.normal(size=(n, 3))
    dx = batchnorm_backward_graph(dy, x, np.ones(3))["dx"]
    kind = "constant" if constant else "random"
    print(f"N = {n}, dy {kind}: largest |dx| {np.abs(dx).max():.1e}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# 0, up to rounding. With such a `dy` the loss sees only the sum of `y`, which is N times beta for each feature,
# whatever `x` is.
# For N = 2 each feature becomes -1 and 1 whatever `x` is (apart from eps), so `dx` is tiny for every `dy`.
# Remember this when you test: a constant `dy` hides every mistake in the path through the variance, whose sum is 0
# there, and a constant `dy` or a batch of 2 hides a forgotten factor such as gamma. Take a random `dy`, and N > 2.
#
# </details>

# %% [markdown]
# ## 3. In one line
#
# Write the whole backward pass in closed form, from the cache alone.
# It is the gradient of task 2 with fewer passes over the data.
#
# $$dx_n = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} \left( dy_n - \tfrac{1}{N} \textstyle\sum_k dy_k
# \;-\; \hat{x}_n \tfrac{1}{N} \sum_k dy_k \hat{x}_k \right).$$
#
# | name | shape |
# |---|---|
# | `dy`, `x_hat`, `dx` | (N, C) |
# | `inv_std`, `gamma`, `dgamma`, `dbeta` | (C,) |
#
# Example, the one of task 2: gamma * inv_std = 6/3 = 2, the mean of dy is 1/4, the mean of dy * x_hat is -1/4, so
# dx = 2 * ((1, 0, 0, 0) - 1/4 + x_hat / 4) = 2 * (1/2, -1/3, -1/6, 0) = (1, -2/3, -1/3, 0).
#
# **Predict first.** What is `dx` when `dy` equals `x_hat`?
#
# <details><summary><code>gamma * inv_std * x_hat</code></summary>
#
# That is the first term alone. The last term subtracts `x_hat` times the mean of `x_hat` squared, which is nearly the
# same.
#
# </details>
# <details><summary>Nearly 0, and what remains is rounding</summary>
#
# Nearly 0, yes. But what remains is larger than rounding and the same on every machine. What else keeps the mean
# square of `x_hat` from being 1?
#
# </details>
# <details><summary>Nearly 0, and what remains comes from eps</summary>
#
# Right: stretching the batch changes `y` only through eps.
#
# </details>


# %% solution="backward"
def batchnorm_backward(dy, cache):
    """Return the gradients of the transform of training in closed form.

    dx = gamma * inv_std * (dy - mean(dy) - x_hat * mean(dy * x_hat)),
    with means over the samples

    Parameters
    ----------
    dy : ndarray, shape (N, C), float
        Upstream gradient.
    cache : tuple (x_hat, inv_std, gamma)
        From the forward pass, shapes (N, C), (C,), (C,).

    Returns
    -------
    dx : ndarray, shape (N, C), dtype of dy
    dgamma, dbeta : ndarray, shape (C,), dtype of dy
        Sums over the batch.
    """
    ### BEGIN SOLUTION
    x_hat, inv_std, gamma = cache
    n = dy.shape[0]
    dgamma = (dy * x_hat).sum(axis=0)
    dbeta = dy.sum(axis=0)
    dx = gamma * inv_std * (dy - dbeta / n - x_hat * (dgamma / n))  # (C,) numbers are combined first: fewer passes
    return dx, dgamma, dbeta
    ### END SOLUTION


# %% test="backward-test" points=12
check("backward", batchnorm_backward)
### BEGIN HIDDEN TESTS
from bnlab import check_gradient, examine
from bnlab.tasks import Case
from bnlab.tasks.backward import cache_inputs

examine(
    "backward",
    batchnorm_backward,
    [
        Case("64 samples with 10 features", cache_inputs(64, 10)),
        Case("7 samples with 9 features, small eps", cache_inputs(7, 9, eps=1e-5)),
        Case("4 samples with 3 features", cache_inputs(4, 3)),
        Case("16 samples with 5 features in float32", cache_inputs(16, 5, dtype=np.float32), 1e-3),
        Case("x_hat in Fortran order", cache_inputs(12, 5, eps=0.1, layout="F")),
        Case("x_hat as every second row of a larger array", cache_inputs(9, 4, layout="strided")),
        Case("one feature", cache_inputs(9, 1)),
        Case("64 samples with 10 features, other numbers", cache_inputs(64, 10)),
    ],
)
rng = np.random.default_rng(4)
x, dy, gamma = rng.normal(size=(9, 4)), rng.normal(size=(9, 4)), rng.uniform(0.5, 2, size=4)


def forward(a):
    """The transform of training with eps = 0.5 and beta = 0, for the comparison with differences."""
    return gamma * (a - a.mean(axis=0)) / np.sqrt(a.var(axis=0) + 0.5)


inv_std = 1 / np.sqrt(x.var(axis=0) + 0.5)
x_hat = (x - x.mean(axis=0)) * inv_std
dx, dgamma, dbeta = batchnorm_backward(dy, (x_hat, inv_std, gamma))
agreement = check_gradient(forward, x, dy, dx)
assert agreement, f"dx and central differences: {agreement}"
np.testing.assert_allclose(
    dx.sum(axis=0), 0, atol=1e-12, err_msg="each column of dx sums to 0: x + c gives the same y as x"
)
rest = gamma * inv_std * dgamma * 0.5 * inv_std**2
np.testing.assert_allclose(
    (dx * x_hat).sum(axis=0), rest, atol=1e-12, err_msg="along x_hat only the share eps / (var + eps) is left"
)
### END HIDDEN TESTS

# %%
# Play: other values of eps, and dy = 1 + x_hat.
x = np.array([[1.0], [3.0], [5.0], [7.0]])
for eps in (4, 0.1, 1e-5):
    inv_std = 1 / np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) * inv_std
    dx, _, _ = batchnorm_backward(x_hat, (x_hat, inv_std, np.ones(1)))
    print(f"eps = {eps}: dx for dy = x_hat is {dx.ravel()}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The bracket is $\hat{x} - 0 - \hat{x} \cdot \text{mean}(\hat{x}^2)$, and the mean square of $\hat{x}$ is
# $\sigma^2/(\sigma^2 + \epsilon)$, a little less than 1.
# So $dx = \gamma \hat{x}\,\epsilon/(\sigma^2 + \epsilon)^{3/2}$:
# stretching the batch changes `y` only through eps.
#
# </details>

# %% [markdown]
# ## 4. Fast enough
#
# Now the function of task 3 is timed on a batch of 300 samples with 1000 features.
# You earn full points if it takes at most 2.5 times as long as our solution; the two are timed side by side, several
# times.
#
# A batch of this size takes 2.4 MB in float64, so each expression such as `a * b` or `a.sum(axis=0)` moves megabytes.
# What counts is the number of such passes.
#
# Example: `n * dy - dbeta - x_hat * dgamma` makes four passes that write a full (N, C) array, one for each operation.
# Divide `dbeta` and `dgamma` by n beforehand, and you save one of them: work on arrays of shape (C,) costs next to
# nothing.
#
# **Predict first.** Which takes longer for an array of shape (300, 1000), and by what factor:
# `(2.0 * a) * 3.0` or `(2.0 * 3.0) * a`?
#
# <details><summary>They take the same time</summary>
#
# On paper they give the same numbers. But the first one goes through the array twice.
#
# </details>
# <details><summary>The first, by about 1.3 to 2 times</summary>
#
# Right: two passes instead of one, the second of them in place.
#
# </details>
# <details><summary>The first, by 10 times or more</summary>
#
# A second pass costs about as much as the first one; it would take ten passes to be ten times as slow.
#
# </details>

# %%
# Play: add other expressions to the list.
from timeit import repeat

a = np.random.default_rng(5).normal(size=(300, 1000))
expressions = (
    "(2.0 * a) * 3.0",
    "(2.0 * 3.0) * a",
    "a.sum(axis=0)",
    "np.einsum('nc,nc->c', a, a)",
)
for text in expressions:
    seconds = min(repeat(text, globals={"a": a, "np": np}, number=1, repeat=15))
    print(f"{text:30} {1e3 * seconds:.2f} ms")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The first: it makes two passes over the array, the second makes one.
# It is not quite twice as slow, because NumPy writes the second product over the first instead of taking new memory.
# The arithmetic is nearly free; reading and writing memory is what takes the time.
#
# </details>

# %% test="backward-speed-test" points=5
check("backward-speed", batchnorm_backward)
### BEGIN HIDDEN TESTS
from bnlab import race
from bnlab.tasks.backward import cache_inputs

race("backward-speed", batchnorm_backward, inputs=cache_inputs(300, 1000), limit=2.5)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Backward in evaluation
#
# Return the gradients of the transform of evaluation.
# They are what you need to fine-tune with frozen statistics, or to study a trained network.
# The running statistics are constants here.
#
# | name | shape |
# |---|---|
# | `dy`, `x`, `dx` | (N, C) |
# | `gamma`, `running_mean`, `running_var`, `dgamma`, `dbeta` | (C,) |
#
# Example with one feature: x = (1, 3, 5, 7), running mean 2, running variance 5, eps = 4, gamma = 6, dy = (1, 0, 0, 0).
# Then dx = (2, 0, 0, 0), dgamma = (1 - 2)/3 = -1/3 and dbeta = 1.
#
# **Predict first.** `dy` is 1 for the first sample and 0 for the others.
# For how many samples is `dx` different from 0 in training? And in evaluation?
#
# <details><summary>For the first only, both times</summary>
#
# In evaluation, yes: the statistics are constants. In training every sample has a share in mu and var, and through
# them in the first row of `y`.
#
# </details>
# <details><summary>For all of them, both times</summary>
#
# In evaluation the mean and the variance are stored numbers. No sample can influence another through them.
#
# </details>
# <details><summary>For all of them in training, for the first only in evaluation</summary>
#
# Right, as a rule (in the example of task 2 one entry happens to be 0): in training mu and var couple the samples.
#
# </details>


# %% solution="backward-eval"
def batchnorm_eval_backward(dy, x, gamma, running_mean, running_var, eps=1e-5):
    """Return the gradients of the transform of evaluation.

    y = gamma * (x - running_mean) / sqrt(running_var + eps) + beta

    Parameters
    ----------
    dy : ndarray, shape (N, C), float
        Upstream gradient.
    x : ndarray, shape (N, C)
    gamma, running_mean, running_var : ndarray, shape (C,)
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    dx : ndarray, shape (N, C), dtype of dy
    dgamma, dbeta : ndarray, shape (C,), dtype of dy
        Sums over the batch.
    """
    ### BEGIN SOLUTION
    inv_std = 1 / np.sqrt(running_var + eps)
    x_hat = (x - running_mean) * inv_std
    return dy * (gamma * inv_std), (dy * x_hat).sum(axis=0), dy.sum(axis=0)
    ### END SOLUTION


# %% test="backward-eval-test" points=5
check("backward-eval", batchnorm_eval_backward)
### BEGIN HIDDEN TESTS
from bnlab import check_gradient, examine
from bnlab.tasks import Case
from bnlab.tasks.backward import eval_backward_inputs

examine(
    "backward-eval",
    batchnorm_eval_backward,
    [
        Case("64 samples with 10 features, eps = 0.5", eval_backward_inputs(64, 10, eps=0.5)),
        Case("5 samples with 7 features in float32", eval_backward_inputs(5, 7, eps=0.5, dtype=np.float32), 1e-3),
        Case("a batch in Fortran order", eval_backward_inputs(12, 5, eps=0.1, layout="F")),
        Case("every second row of a larger array", eval_backward_inputs(9, 4, layout="strided")),
        Case("a single sample", eval_backward_inputs(1, 3, eps=0.5)),
        Case("one feature, eps = 0", eval_backward_inputs(9, 1, eps=0.0)),
        Case("64 samples with 10 features, other numbers", eval_backward_inputs(64, 10, eps=0.5)),
    ],
)
rng = np.random.default_rng(6)
x, dy, gamma = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)), rng.uniform(0.5, 2, size=3)
mean, var = rng.normal(size=3), rng.uniform(0.5, 2, size=3)
dx, _, _ = batchnorm_eval_backward(dy, x, gamma, mean, var, eps=0.5)
agreement = check_gradient(lambda a: gamma * (a - mean) / np.sqrt(var + 0.5), x, dy, dx)
assert agreement, f"dx and central differences: {agreement}"
### END HIDDEN TESTS

# %% [markdown] answer="derive-dx" points=8
# ## 6. Derive it
#
# Starting from the four equations of task 2, derive the closed form of $dx_n$ for one feature.
# Say at which step the path from $\mu$ through $\sigma^2$ drops out and why.
# Then explain in one or two sentences what the formula does to $dy$ geometrically,
# and when $dx$ is 0 although $dy$ is not.
#
# Write formulas between dollar signs, one rule per line. Half a page is enough.
#
# ### BEGIN SOLUTION
# Write $s = \sqrt{\sigma^2 + \epsilon}$, so that $\hat{x}_n = (x_n - \mu)/s$, and $d\hat{x}_n = \gamma\, dy_n$.
#
# Each $\hat{x}_n$ contains $\sigma^2$, and $\partial (1/s) / \partial \sigma^2 = -1/(2 s^3)$. The uses add up:
#
# $$d\sigma^2 = -\frac{1}{2 s^3} \sum_k d\hat{x}_k (x_k - \mu) = -\frac{1}{2 s^2} \sum_k d\hat{x}_k \hat{x}_k.$$
#
# $\mu$ is used by every $\hat{x}_k$, with $\partial \hat{x}_k / \partial \mu = -1/s$, and by $\sigma^2$:
#
# $$d\mu = -\frac{1}{s} \sum_k d\hat{x}_k + d\sigma^2 \cdot \tfrac{1}{N} \sum_k \left(-2 (x_k - \mu)\right)
# = -\frac{1}{s} \sum_k d\hat{x}_k.$$
#
# The second term is 0 because the distances from the mean sum to 0.
#
# $x_n$ is used by $\hat{x}_n$,
# by $\sigma^2$ with $\partial \sigma^2 / \partial x_n = \tfrac{2}{N} (x_n - \mu)$ at fixed $\mu$, and by $\mu$
# with $\partial \mu / \partial x_n = \tfrac{1}{N}$:
#
# $$dx_n = \frac{1}{s}\, d\hat{x}_n + \tfrac{2}{N} (x_n - \mu)\, d\sigma^2 + \tfrac{1}{N} d\mu.$$
#
# Insert both, with $(x_n - \mu)/s^2 = \hat{x}_n/s$, and the 2 meets the $\tfrac{1}{2}$:
#
# $$dx_n = \frac{1}{s} \left( d\hat{x}_n - \hat{x}_n \tfrac{1}{N} \sum_k d\hat{x}_k \hat{x}_k -
# \tfrac{1}{N} \sum_k d\hat{x}_k \right)
# = \frac{\gamma}{s} \left( dy_n - \tfrac{1}{N} \sum_k dy_k - \hat{x}_n \tfrac{1}{N} \sum_k dy_k \hat{x}_k \right).$$
#
# Geometrically, the bracket takes away from the vector $dy$ its part along $(1, \dots, 1)$
# and, but for $\epsilon$, its part along $\hat{x}$:
# shifting or stretching a batch does not change $y$, so no gradient may point in these directions.
# $dx$ is 0 where $dy$ is the same for all samples, and for $\epsilon = 0$ wherever $dy = a + b \hat{x}$
# (for N = 2 that is every $dy$).
#
# === BEGIN MARK SCHEME ===
# - 1 point: $d\hat{x} = \gamma\, dy$, and $1/s$ (or its equivalent) differentiated rightly with respect to $\sigma^2$.
# - 1 point: $d\sigma^2$ as a sum over the batch.
# - 2 points: $d\mu$ with both of its paths (1), and why the one through $\sigma^2$ is 0 (1).
# - 2 points: $dx$ as the sum of three paths (1), put together to the closed form without a gap (1).
# - 1 point: removal of the parts along $(1, \dots, 1)$ and $\hat{x}$, or the invariance under shifts and stretches.
# - 1 point: a right case of $dx = 0$, such as a constant $dy$.
# - A total derivative without the graph, or matrix calculus, earns the same points where the same facts appear.
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("04_backward", globals())
