# %% [markdown]
# # 02 Internal covariate shift: measure it before you believe it
#
# The paper that introduced batch normalization also gave a reason why it works: the distribution of a layer's inputs
# keeps changing while the layers before it learn, and the transform reduces this "internal covariate shift".
# You write three measures of such a change, apply them to networks with and without batch normalization,
# and then judge the reason that was given.
#
# - Time: about 80 minutes.
# - Read first: [chapter 4, Internal covariate shift](https://bn-course.github.io/bn-course/book/04_internal_covariate_shift.html).
# - Functions return new arrays and leave their arguments alone; arrays have the dtype of the input.
# - Stuck? `hint("percentile-drift")` gives a first hint, and a further one each time you run it.

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
# ## The networks
#
# Four small networks learn to read 8 x 8 digits: six hidden layers of 16 units, with ReLU or with the sigmoid,
# each without and with batch normalization before the nonlinearity.
# A plain network and its twin with batch normalization share the initial weights, the batches of 60 images and the
# learning rate (0.1 for ReLU, 0.3 for the sigmoid). The plain ones are trained below, which takes about a second;
# their twins were trained in PyTorch and recorded.
#
# `run.inputs[layer]`, for the layers 2 and 6, has shape (T, N, C): what C = 5 units of that layer pass to their
# nonlinearity for the same N = 60 images, every 20 steps, T = 16 times in all.
# `run.losses` holds the loss of each batch; a network that guesses has ln 10 = 2.30.

# %%
from bnlab.traces import (
    GRADIENT_STEPS,
    draw_percentiles,
    recorded,
    seeds_table,
    train_plain,
)

RUNS = {
    (activation, kind): make(activation)
    for activation in ("relu", "sigmoid")
    for kind, make in (("plain", train_plain), ("batchnorm", recorded))
}
for (activation, kind), run in RUNS.items():
    before = [run.losses[step - 20 : step].mean() for step in (20, 60, 200, 300)]
    shown = ", ".join(f"{loss:.2f}" for loss in before)
    print(f"{activation:8}{kind:10} loss before steps 20, 60, 200, 300: {shown}")

# %% [markdown]
# ## 1. Percentiles of a unit
#
# Follow one unit through training by means of a few percentiles of its activations.
# The paper drew its figure in this way, with three lines for 15, 50 and 85 percent.
#
# | name | shape | meaning |
# |---|---|---|
# | `trace` | (T, N) | activations of one unit for N samples at T steps |
# | `q` | P numbers | percentiles from 0 to 100, in any order |
# | result | (T, P) | row t: the percentiles of `trace[t]`, in the order of `q` |
#
# Percentile q of N numbers stands at place $q/100 \cdot (N - 1)$ of the sorted row, counted from 0;
# between two places it is interpolated linearly.
#
# Example: two steps with the activations (1, 2, 3, 4, 5) and (10, 0, 20, 30, 40), and q = (25, 50, 15), give
# (2, 3, 1.6) and (10, 20, 6). Percentile 15 stands at place 0.6, 60 % of the way from the smallest to the next.
#
# **Predict first.** Batch normalization with gamma = 1 and beta = 0 gives each unit mean 0 and variance 1 on each
# batch. What can still drift while the network learns?
#
# - (a) Nothing: the distribution is fixed.
# - (b) The percentiles, within limits.
# - (c) The mean, since it is 0 only on average.


# %% solution="percentile-drift"
def percentile_drift(trace, q):
    """Return percentiles of a unit's activations, step by step.

    Parameters
    ----------
    trace : ndarray, shape (T, N), float
        One row for each step.
    q : sequence of P numbers
        From 0 to 100, in any order.

    Returns
    -------
    percentiles : ndarray, shape (T, P), float
        With linear interpolation between neighbours, NumPy's default.
    """
    ### BEGIN SOLUTION
    return np.percentile(trace, q, axis=1).T
    ### END SOLUTION


# %% test="percentile-drift-test" points=10
check("percentile-drift", percentile_drift)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.internal_shift import trace_inputs

examine(
    "percentile-drift",
    percentile_drift,
    [
        Case("40 steps of 60 activations", trace_inputs(40, 60, (15, 50, 85))),
        Case("one percentile of 7 steps of 4 activations", trace_inputs(7, 4, (37.5,))),
        Case("the extremes, in falling order", trace_inputs(3, 7, (100, 50, 0))),
        Case("a single step", trace_inputs(1, 9, (5, 95))),
        Case("a single activation in each step", trace_inputs(4, 1, (20, 80, 50))),
        Case("6 steps of 11 activations in float32", trace_inputs(6, 11, (33, 66), dtype=np.float32)),
        Case("around 10,000 in float32", trace_inputs(5, 12, (10, 90), dtype=np.float32, mean=1e4), 1e-3),
        Case("a trace in Fortran order", trace_inputs(5, 8, (15, 50, 85), layout="F")),
        Case("every second row of a larger array", trace_inputs(4, 10, (30, 70), layout="strided")),
    ],
)
trace = np.random.default_rng(1).normal(size=(6, 25)).cumsum(axis=0)
values = percentile_drift(trace, (15, 50, 85))
np.testing.assert_allclose(
    percentile_drift(3 * trace + 2, (15, 50, 85)), 3 * values + 2, err_msg="percentiles of 3 a + 2 are 3 times, plus 2"
)
np.testing.assert_allclose(
    percentile_drift(trace[2:5], (15, 50, 85)), values[2:5], err_msg="a step must not depend on the other steps"
)
np.testing.assert_allclose(
    percentile_drift(trace[:, ::-1], (15, 50, 85)), values, err_msg="the order of the samples carries no meaning"
)
### END HIDDEN TESTS

# %%
# Play: layer 2 instead of 6, another unit (0 to 4), the sigmoid networks.
activation, layer, unit = "relu", 6, 0
lines = {}
for kind in ("plain", "batchnorm"):
    trace = RUNS[activation, kind].inputs[layer][:, :, unit]
    lines[kind] = percentile_drift(trace, (15, 50, 85))
    start, end = lines[kind][[0, -1]].round(2)
    print(f"{kind:10} 15, 50, 85 % at the start {start}, at the end {end}")
draw_percentiles(RUNS[activation, "plain"].steps, lines)

# %% [markdown]
# <details><summary>Answer</summary>
#
# - (a) No. Two moments do not fix a distribution: it can become lopsided, or fall into two clumps.
# - (b) Yes. With mean 0 and variance 1 the median cannot leave the range from -1 to 1, but within such limits
#   the percentiles move. In training gamma and beta move as well, and then there is no limit.
# - (c) No. It is 0 on each single batch, up to rounding.
#
# So the calm picture on the right is true **by construction**: the transform fixes what the picture shows.
# That it is calm says nothing yet about why the network learns faster.
#
# </details>
#
# **Predict once more.** You train the plain ReLU network with a tenth of the learning rate. Does the unit drift less?
#
# <details><summary>Yes, and the network learns as fast as before</summary>
#
# The unit drifts less, yes. But compare the losses at the end, too.
#
# </details>
# <details><summary>Yes, and the network learns less</summary>
#
# Right. What learns, moves.
#
# </details>
# <details><summary>No, drift does not depend on the learning rate</summary>
#
# Each step moves the weights by the rate times the gradient, and the units with them.
#
# </details>

# %%
# Play: other learning rates; 1.0 destroys the plain network.
for lr in (0.01, 0.1, 0.3):
    run = train_plain("relu", lr=lr)
    lines = percentile_drift(run.inputs[6][:, :, 0], (15, 50, 85))
    path = np.abs(np.diff(lines[:, 1])).sum()
    loss = run.losses[-20:].mean()
    print(f"lr {lr:4}: the median travels {path:6.2f}, loss at the end {loss:.2f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The unit drifts less, and the network learns less. Whatever learns, moves: a network whose units stand still has
# stopped learning, or never began. But what moves need not learn: at 0.3 the unit travels about ten times as far as
# at 0.01, while the loss jumps up and down and ends far above that of 0.1.
# Drift says little unless you compare it at equal progress, or against the loss.
#
# </details>

# %% [markdown]
# ## 2. A distance between distributions
#
# Compare two batches of activations as a whole, not only at three percentiles.
# The Wasserstein-1 distance says how far, on average, the samples of one batch have to travel to become those of the
# other.
#
# $$W_1(a, b)_c = \frac{1}{N} \sum_{k=1}^{N} \left| a_{(k)c} - b_{(k)c} \right|,$$
#
# where $a_{(k)c}$ is the $k$-th smallest number of column $c$: in one dimension the cheapest plan sends the smallest
# to the smallest, the next to the next, and so on.
#
# | name | shape | meaning |
# |---|---|---|
# | `a`, `b` | (N, C) | activations of C units for N samples, earlier and later, rows in any order |
# | result | (C,) | the distance for each unit, on the scale of its activations |
#
# Example with one feature: a = (0, 4) and b = (3, 1) have the same mean, 2.
# Sorted, they are (0, 4) and (1, 3): each sample travels 1, so the distance is 1.
#
# **Predict first.** Two large batches have the same mean and the same variance. How large is their distance?
#
# - (a) It is 0.
# - (b) It may be above 0.
# - (c) It depends on the order of the samples.


# %% solution="wasserstein-drift"
def wasserstein_drift(a, b):
    """Return the Wasserstein-1 distance between two batches, feature by feature.

    W1[c] = mean over k of |k-th smallest of a[:, c] - k-th smallest of b[:, c]|

    Parameters
    ----------
    a, b : ndarray, shape (N, C), float
        Two samples of the same size, each in any order.

    Returns
    -------
    distance : ndarray, shape (C,), dtype of a
    """
    ### BEGIN SOLUTION
    ways = np.sort(a, axis=0) - np.sort(b, axis=0)
    return np.abs(ways).mean(axis=0)
    ### END SOLUTION


# %% test="wasserstein-drift-test" points=12
check("wasserstein-drift", wasserstein_drift)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.internal_shift import pair_inputs

examine(
    "wasserstein-drift",
    wasserstein_drift,
    [
        Case("64 samples with 10 features", pair_inputs(64, 10)),
        Case("a single sample", pair_inputs(1, 4)),
        Case("a single feature", pair_inputs(9, 1)),
        Case("5 samples with 7 features in float32", pair_inputs(5, 7, dtype=np.float32)),
        Case("batches in Fortran order", pair_inputs(12, 5, layout="F")),
        Case("every second row of larger arrays", pair_inputs(9, 4, layout="strided")),
        Case("samples around 10,000 in float32", pair_inputs(16, 3, mean=1e4, dtype=np.float32), 1e-2),
    ],
)
rng = np.random.default_rng(2)
a, b, c = rng.normal(size=(30, 3)), 2 * rng.normal(size=(30, 3)), rng.uniform(size=(30, 3))
there = wasserstein_drift(a, b)
np.testing.assert_allclose(
    wasserstein_drift(a, a[::-1]), 0, atol=1e-12, err_msg="the order of the samples has no meaning"
)
np.testing.assert_allclose(wasserstein_drift(a, a + 3), 3, err_msg="a shift by 3 is a distance of 3")
np.testing.assert_allclose(wasserstein_drift(b, a), there, err_msg="the way back is as long as the way there")
np.testing.assert_allclose(wasserstein_drift(5 * a, 5 * b), 5 * there, err_msg="5 times the numbers, 5 times the way")
assert (there <= wasserstein_drift(a, c) + wasserstein_drift(c, b) + 1e-12).all(), "a detour cannot be shorter"
### END HIDDEN TESTS

# %%
# Play: take every second record, records[::2]: the pairs then lie 40 steps apart.
rng = np.random.default_rng(3)
bell, coin = rng.normal(size=(10_000, 1)), rng.choice([-1.0, 1.0], size=(10_000, 1))
bell = (bell - bell.mean()) / bell.std()
coin = (coin - coin.mean()) / coin.std()
distance = wasserstein_drift(bell, coin)[0]
print(f"bell and coin, each with mean 0 and variance 1: distance {distance:.3f}\n")
print("records 20 steps apart: mean distance, and median distance in units of")
print("the standard deviation of the earlier record")
for (activation, kind), run in RUNS.items():
    for layer, records in run.inputs.items():
        pairs = zip(records[:-1], records[1:])
        ways = np.array([wasserstein_drift(early, late) for early, late in pairs])
        relative = np.median(ways / records[:-1].std(axis=1))
        shown = f"mean {ways.mean():.3f}, median in deviations {relative:.3f}"
        print(f"{activation:8}{kind:10} layer {layer}: {shown}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# - (a) No: the bell and the coin agree in both moments, and yet they lie about 0.53 apart.
# - (b) Yes.
# - (c) No: both batches are sorted first. A comparison row by row would measure something else.
#
# Read the table twice. In the ReLU networks the units with batch normalization move less, by either measure.
# In the plain sigmoid network the units hardly move at all, and yet this is the network that learns nothing.
# Its units in the deep layer are nearly constant over the images; measured in their tiny standard deviations, the
# verdict is reversed. The answer depends on the yardstick.
#
# </details>

# %% [markdown]
# ## 3. Gradients before and after
#
# A distribution may drift without any harm (notebook 01 had a case).
# What would harm a layer is a gradient that is out of date: computed before the layers below it took their step, and
# used after it. In 2018 Santurkar and others proposed to compare two gradients:
#
# - $G$: gradient of the loss with respect to the layer's weights.
# - $G'$: the same gradient on the same batch, after all layers before it, and only those, have taken their step.
#
# $$\text{cosine} = \frac{\sum_i G_i G'_i}{\sqrt{\sum_i G_i^2}\,\sqrt{\sum_i G_i'^2}}, \qquad
# \text{l2} = \sqrt{\textstyle\sum_i (G_i - G'_i)^2},$$
#
# with sums over all the weights of the layer. No shift means cosine 1 and l2 0.
#
# | name | shape |
# |---|---|
# | `grad`, `grad_after` | any, the same for both |
# | `cosine`, `l2` | two numbers |
#
# Example: $G$ = [[3, 0], [0, 4]] and $G'$ = [[0, 0], [0, 4]] have the scalar product 16 and the norms 5 and 4,
# so the cosine is 16/20 = 0.8, and l2 is 3.
#
# **Predict first.** What are the two numbers for the first layer of a network, whatever the learning rate?
#
# - (a) Cosine 1 and l2 0.
# - (b) About the same as for the other layers.
# - (c) The worst of all layers, since it is the farthest from the loss.
#
# And the plain sigmoid network, whose loss stays at 2.30: do you expect its cosines near 0, near 1, or below 0?


# %% solution="gradient-shift"
def gradient_shift(grad, grad_after):
    """Return how far a layer's gradient turned and moved.

    cosine = sum(G * G') / (|G| |G'|),  l2 = |G - G'|  (Santurkar et al. 2018)

    Parameters
    ----------
    grad, grad_after : ndarray, any shape, float
        Gradients with respect to the weights of one layer, before and after the
        layers below took their step; neither is 0 everywhere.

    Returns
    -------
    cosine : float
        Of the angle between the two, taken as vectors; from -1 to 1.
    l2 : float
        Length of their difference.
    """
    ### BEGIN SOLUTION
    g, after = grad.ravel(), grad_after.ravel()
    cosine = g @ after / np.sqrt((g @ g) * (after @ after))
    return float(cosine), float(np.linalg.norm(g - after))
    ### END SOLUTION


# %% test="gradient-shift-test" points=14
check("gradient-shift", gradient_shift)
### BEGIN HIDDEN TESTS
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.internal_shift import gradient_inputs
from bnlab.traces import train_plain

examine(
    "gradient-shift",
    gradient_shift,
    [
        Case("a layer with 64 inputs and 16 outputs", gradient_inputs((64, 16))),
        Case("a vector of 7 numbers", gradient_inputs((7,), against=True)),
        Case("a single weight", gradient_inputs((1, 1)), 1e-5),
        Case("three axes", gradient_inputs((2, 5, 3))),
        Case("6 inputs and 4 outputs in float32", gradient_inputs((6, 4), dtype=np.float32), 1e-4),
        Case("gradients in Fortran order", gradient_inputs((5, 3), layout="F")),
        Case("every second row of larger arrays", gradient_inputs((4, 6), layout="strided")),
    ],
)
for lr, layers in ((0.1, [0]), (0.0, range(7))):  # nothing before the first layer; nothing moves without a step
    pairs = train_plain("relu", lr=lr, steps=10).gradients[10]
    for layer in layers:
        cosine, l2 = gradient_shift(*pairs[layer])
        case = f"layer {layer + 1} at lr = {lr}: the gradient has not changed"
        np.testing.assert_allclose(cosine, 1, rtol=1e-5, err_msg=case)
        np.testing.assert_allclose(l2, 0, atol=1e-15, err_msg=case)
rng = np.random.default_rng(4)
g, h = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
cosine, l2 = gradient_shift(g, h)
np.testing.assert_allclose(gradient_shift(h, g), (cosine, l2), err_msg="both numbers are the same the other way round")
np.testing.assert_allclose(gradient_shift(3 * g, h)[0], cosine, err_msg="the cosine does not depend on the length")
np.testing.assert_allclose(gradient_shift(-g, h)[0], -cosine, err_msg="turning one gradient round turns the sign")
np.testing.assert_allclose(gradient_shift(3 * g, 3 * h)[1], 3 * l2, err_msg="l2 has the size of the gradients")
np.testing.assert_allclose(l2**2, np.sum(g**2) + np.sum(h**2) - 2 * np.sum(g * h), err_msg="the law of cosines")
### END HIDDEN TESTS

# %%
# Play: print l2, the second number, in units of the length of G.
for (activation, kind), run in RUNS.items():
    for step in GRADIENT_STEPS:
        cosines = [gradient_shift(*pair)[0] for pair in run.gradients[step]]
        shown = " ".join(f"{cosine:5.2f}" for cosine in cosines)
        print(f"{activation:8}{kind:10} step {step:3}: cosine by layer {shown}")

# %%
# The same for five seeds: cosines of the hidden layers 2 to 6, and median losses.
for activation in ("relu", "sigmoid"):
    for kind in ("plain", "batchnorm"):
        cosines, losses = seeds_table(activation, kind == "batchnorm")
        hidden = cosines[:, :, 1:6]
        quartiles = np.quantile(hidden, (0.25, 0.5, 0.75), axis=(0, 2)).T
        for step, (low, middle, high) in zip(GRADIENT_STEPS, quartiles):
            shown = f"median {middle:5.2f}, half from {low:5.2f} to {high:5.2f}"
            print(f"{activation:8}{kind:10} step {step:3}: {shown}")
        shown = np.median(losses, axis=0).round(2)
        print(f"{'':18} losses before steps 20, 60, 200, 300: {shown}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# - (a) Yes, always: no layer lies before the first one, so $G' = G$. At learning rate 0 the same holds for every layer.
#   Both make good tests of a program that measures this shift.
# - (b) No, see (a).
# - (c) No. What counts is whether layers before it move, not how far away the loss is.
#
# The plain sigmoid network has cosines of 1.00, no shift at all, and learns nothing: its gradients hardly reach
# the lower layers, so these hardly move. Its twin with batch normalization has much more shift and learns.
# In the ReLU networks it depends on the step: early on the network with batch normalization has the larger shift
# and falls faster all the same; later the plain one has the larger shift.
#
# </details>

# %% [markdown] answer="ics-verdict" points=14
# ## 4. Your verdict
#
# A colleague writes: "Batch normalization speeds up training because it reduces internal covariate shift."
# Judge this sentence in half a page, on the basis of what you measured in this notebook:
#
# 1. What does internal covariate shift mean, and why do tasks 1 and 2 not measure the same thing as task 3?
# 2. Give numbers from this notebook: at least one that supports the sentence and at least one that speaks against it.
# 3. Which of your observations are true by construction, and therefore no evidence?
# 4. Why would even perfect agreement between less shift and faster training not prove that one causes the other?
#    Describe an experiment that could tell.
# 5. Write the sentence that you would put in place of the colleague's.
#
# ### BEGIN SOLUTION
# 1. Internal covariate shift is the change of the distribution of a layer's inputs that is caused by the updates of the
#    layers before it. Percentiles and the Wasserstein distance look at the distributions of single units.
#    The gradient measure asks whether the layer's own step is still the right one after the others have moved.
#    A distribution can move without turning the gradient, and the gradient can turn although single units look calm:
#    single units say nothing about how units vary together.
#
# 2. For the sentence: in the ReLU networks the units of layer 6 move about 0.67 per 20 steps without batch
#    normalization and 0.11 with it; at step 50 the median cosine of the hidden layers is about -0.2 without and 0.8
#    with it, and the loss falls faster (0.92 against 0.31 before step 200).
#    Against it: at step 10 the median cosine is about 0.95 without and 0.8 with it, a larger shift for the network
#    that learns faster. The plain sigmoid network has cosine 1.00 in all layers at all steps and stays at a loss of
#    2.30, while its twin has cosines of 0.4 to 0.7 in the deep layers and reaches 0.2.
#
# 3. That the percentiles of normalized units stay near the same place (up to gamma and beta), and that the distance
#    between their distributions is small: mean and variance are fixed by the transform on every batch.
#
# 4. Both could be effects of the same thing (the scale of signals and gradients, the learning rate that is possible),
#    and shift depends on how fast a network learns. An experiment has to change the shift and leave the rest:
#    for example, noise with a mean and a width that are drawn anew at each step, added after batch normalization.
#    If training stays as fast although the distributions move more than in the plain network, their stability was
#    not the cause. (This was done in 2018, and training stayed fast. A critique of 2020 holds that other explanations
#    do not suffice either.) Seeds, equal learning rates and tuned ones belong to it.
#
# 5. "In these small networks batch normalization fixes the first two moments of each unit and speeds up training;
#    whether the layers' gradients shift less depends on the network, the step and the measure, and a causal link is
#    contested."
#
# === BEGIN MARK SCHEME ===
# - 2 points: a right definition (1); the difference between the distribution of a unit and the gradient of a layer (1).
# - 4 points: a number for the sentence (1) and one against it (1), with network, step or layer named (1),
#   and read rightly: cosine near 1 is little shift, a small distance is little drift (1).
# - 2 points: fixed moments recognized as true by construction (1), and no longer used as evidence (1).
# - 4 points: why agreement is no cause, for example a common cause or drift as an effect of learning (2);
#   an experiment that changes the shift and leaves the transform, or the other way round, with what each outcome
#   would mean (2).
# - 2 points: a sentence that claims no more than was measured (1) and says for which networks or conditions (1).
# - Either verdict can earn full points: it is the reasoning that counts, not whether the colleague is agreed with.
# - "Batch normalization reduces the shift, therefore it works" without a number against it: at most 6 points.
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("02_internal_covariate_shift", globals())
