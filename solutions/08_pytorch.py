# %% [markdown]
# # 08 PyTorch: a layer among others
#
# In this notebook you bring batch normalization into a framework: first as a function with a gradient of its own, then
# as a module that can take the place of PyTorch's, then across several processes at once, and finally, after training,
# folded away.
#
# - Time: about 120 minutes.
# - Read first: [chapter 9, Inference](https://bn-course.github.io/bn-course/book/09_inference.html)
#   and [chapter 14, When it fails](https://bn-course.github.io/bn-course/book/14_when_it_fails.html);
#   the gradient is the one from [chapter 8](https://bn-course.github.io/bn-course/book/08_backward_one_line.html).
# - `x` is a tensor of shape (N, C), or (N, C, H, W) where images are mentioned. Everything runs on the CPU.
# - Functions return new tensors and leave their arguments alone.
# - In tasks 1 to 3 you write the normalization yourself. An answer that calls a library's normalization layer
#   (`torch.nn.functional.batch_norm` and its kin) earns nothing automatically: a person looks at it first.
#   You are welcome to compare with them in cells of your own.
# - Stuck? `hint("bn-module")` gives a first hint, and a further one each time you run it.

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
import copy  # noqa: F401

import bnlab
from bnlab import check, hint, lacks  # noqa: F401

try:
    import torch
    import torch.distributed as dist  # noqa: F401
except ModuleNotFoundError:
    lacks("torch")

torch.set_num_threads(1)  # layers this small are fastest on one thread
print(f"bnlab {bnlab.__version__}, torch {torch.__version__}")

# %% [markdown]
# ## 1. A function with a gradient of its own
#
# Write the transform of training as a `torch.autograd.Function`: the forward pass, and its gradient in closed form.
# PyTorch then calls your backward pass wherever your function stands in a graph.
#
# With the mean $\mu_c$ and the biased variance $\sigma_c^2$ of feature $c$ over the $N$ samples,
#
# $$\hat{x}_{nc} = \frac{x_{nc} - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}}, \qquad
# y_{nc} = \gamma_c \hat{x}_{nc} + \beta_c,$$
#
# $$dx_{nc} = \frac{\gamma_c}{\sqrt{\sigma_c^2 + \epsilon}} \left( dy_{nc} - \tfrac{1}{N} \textstyle\sum_k dy_{kc}
# \;-\; \hat{x}_{nc} \tfrac{1}{N} \sum_k dy_{kc} \hat{x}_{kc} \right).$$
#
# | name | shape | meaning |
# |---|---|---|
# | `ctx` | | carries what forward leaves for backward: `ctx.save_for_backward(...)`, `ctx.saved_tensors` |
# | `x`, `y`, `dy` | (N, C) | input, output, upstream gradient |
# | `gamma`, `beta` | (C,) | scale and shift |
# | `eps` | number | added to the biased variance, inside the root |
#
# The function is called as `BatchNormFunction.apply(x, gamma, beta, eps)`.
# Its backward pass returns one gradient for each argument of forward after `ctx`, in the same order and each in the
# shape of its argument; for an argument that is not a tensor it returns `None`.
#
# Example with one feature: x = (1, 3, 5, 7), gamma = 6, beta = 10 and eps = 4 give y = (4, 8, 12, 16).
# For dy = (1, 0, 0, 0), backward returns dx = (1, -2/3, -1/3, 0), dgamma = -1, dbeta = 1 and None.
#
# **Predict first.** You call `x.mean(dim=0)` inside your forward pass.
# Does autograd record this operation, and differentiate it a second time on its own?
#
# <details><summary>Yes, so the gradient counts twice</summary>
#
# Then every Function would be wrong. Recording is switched off inside the `forward` of a Function.
#
# </details>
# <details><summary>No, and it checks that your backward fits your forward</summary>
#
# It is true that nothing is recorded. But autograd takes whatever `backward` returns; nobody compares.
#
# </details>
# <details><summary>No, and it believes whatever <code>backward</code> returns</summary>
#
# Right. That is why there is `gradcheck`.
#
# </details>


# %% solution="bn-function"
class BatchNormFunction(torch.autograd.Function):
    """Batch normalization of features in training.

    y = gamma * (x - mu) / sqrt(var + eps) + beta

    Use it as `BatchNormFunction.apply(x, gamma, beta, eps)`.
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        """Normalize a batch with its own statistics; save what backward needs.

        Parameters
        ----------
        ctx : context, with `save_for_backward`
        x : tensor, shape (N, C), float
        gamma, beta : tensor, shape (C,)
        eps : float
            Added to the biased variance, inside the root.

        Returns
        -------
        y : tensor, shape (N, C), dtype of x
        """
        ### BEGIN SOLUTION
        centred = x - x.mean(dim=0)
        inv_std = torch.rsqrt(centred.square().mean(dim=0) + eps)
        x_hat = centred * inv_std
        ctx.save_for_backward(x_hat, inv_std, gamma)
        return gamma * x_hat + beta
        ### END SOLUTION

    @staticmethod
    def backward(ctx, dy):
        """Return one gradient for each argument of forward, and None for eps.

        Parameters
        ----------
        ctx : context, with `saved_tensors`
        dy : tensor, shape (N, C)
            Upstream gradient.

        Returns
        -------
        dx : tensor, shape (N, C)
        dgamma, dbeta : tensor, shape (C,)
        None
        """
        ### BEGIN SOLUTION
        x_hat, inv_std, gamma = ctx.saved_tensors
        n = dy.shape[0]
        dgamma, dbeta = (dy * x_hat).sum(dim=0), dy.sum(dim=0)
        dx = gamma * inv_std * (dy - dbeta / n - x_hat * (dgamma / n))
        return dx, dgamma, dbeta, None
        ### END SOLUTION


# %% test="bn-function-test" points=12
check("bn-function", BatchNormFunction)
### BEGIN HIDDEN TESTS
import numpy as np
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.pytorch import function_inputs

examine(
    "bn-function",
    BatchNormFunction,
    [
        Case("64 samples with 10 features, eps = 0.5", function_inputs(64, 10)),
        Case("9 samples with 2 features, eps = 1e-5", function_inputs(9, 2, eps=1e-5, gradcheck=True)),
        Case("5 samples with 7 features in float32", function_inputs(5, 7, dtype=np.float32), 1e-3),
        Case("a batch in Fortran order", function_inputs(12, 5, eps=0.1, layout="F")),
        Case("every second row of a larger tensor", function_inputs(9, 4, layout="strided")),
        Case("a constant feature", function_inputs(6, 3, constant=3.0)),
        Case("a single sample", function_inputs(1, 3)),
        Case("16 samples around 10,000", function_inputs(16, 3, mean=1e4), 1e-6),
    ],
)
### END HIDDEN TESTS

# %%
# Play: look at the graph, then let gradcheck judge in float64 and in float32.
torch.manual_seed(0)
wide = [torch.randn(size, dtype=torch.float64) for size in ((7, 3), (3,), (3,))]
narrow = [value.float() for value in wide]
for values in (wide, narrow):
    inputs = [value.requires_grad_() for value in values]  # x, gamma, beta
    y = BatchNormFunction.apply(*inputs, 0.5)
    right = torch.autograd.gradcheck(
        BatchNormFunction.apply,
        (*inputs, 0.5),
        raise_exception=False,
    )
    print(f"y from {type(y.grad_fn).__name__} in {y.dtype}: gradcheck says {right}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# No: nothing is recorded inside the forward pass of a Function. All that the graph knows of it is one node,
# `BatchNormFunctionBackward`, and the gradient is whatever you return there.
# Nobody checks it for you; that is what `gradcheck` is for.
# It compares your gradient with central differences, so it needs float64. In float32, a step small enough for the
# formula is lost in rounding, and `gradcheck` rejects right and wrong answers alike (PyTorch warns about this).
#
# </details>

# %% [markdown]
# ## 2. A module that can stand in for PyTorch's
#
# Write the layer as a `torch.nn.Module`, for features and for images, so that it can take the place of
# `torch.nn.BatchNorm1d` and `BatchNorm2d`: the same results in both modes, and a `state_dict` that either layer can
# load from the other.
#
# | entry of `state_dict()` | kind | shape | at the start | who changes it |
# |---|---|---|---|---|
# | `weight`, `bias` ($\gamma$, $\beta$) | parameter | (C,) | 1, 0 | the optimizer |
# | `running_mean`, `running_var` | buffer | (C,) | 0, 1 | the layer, in training |
# | `num_batches_tracked` | buffer | (), integer | 0 | the layer: 1 more for each batch of training |
#
# A buffer is registered with `self.register_buffer(name, tensor)`: it is saved and moved with the module, but
# no optimizer sees it. A buffer registered as None exists as an attribute and is not saved. The same holds for
# a parameter:
# `self.register_parameter(name, None)`.
#
# - Statistics run over all axes but axis 1. With m values per channel (m = N, or N H W), training normalizes with the
#   biased variance, while the running variance collects the unbiased one, which is m/(m-1) times as large.
# - `momentum` is the weight of the new batch: running = (1 - momentum) * running + momentum * new.
# - In training, a batch with a single value per channel raises ValueError (its variance is 0);
#   in evaluation a single sample is fine.
# - `affine=False`: there is no weight and no bias, and y is $\hat{x}$.
# - `track_running_stats=False`: there are no running statistics, and evaluation normalizes with the batch as well.
# - `num_batches_tracked` is there for PyTorch's `momentum=None`, an average over all batches; you need not offer that.
#
# Example with one feature: a new layer with eps = 4 and momentum = 0.1 is called in training with the column
# (1, 3, 5, 7). It returns (-1, -1/3, 1/3, 1). Afterwards running_mean is 0.4, running_var is
# $0.9 + 0.1 \cdot 20/3 \approx 1.567$, and num_batches_tracked is 1.
#
# **Predict first.** A layer mixes the mean of each batch into its running mean. The batch's mean has a graph, since `x`
# has one. What does the running mean hold after 100 batches?
#
# <details><summary>C numbers</summary>
#
# The numbers, yes. And whatever hangs on them: look at where `grad_fn` leads.
#
# </details>
# <details><summary>C numbers and the graphs of all 100 batches</summary>
#
# Right, unless you detach. Memory grows with each step.
#
# </details>
# <details><summary>C numbers and the graph of the last batch</summary>
#
# The new running mean was computed from the old one, which had a graph too, and so on back to the first batch.
#
# </details>

# %%
# Play: count the operations that hang on a running mean after 100 batches,
# with and without detach().


def operations_behind(value):
    """The number of nodes in the graph of a tensor."""
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [behind for behind, _ in node.next_functions]
    return len(seen)


for detach in (False, True):
    running = torch.zeros(3)
    for _ in range(100):
        batch = torch.randn(32, 3, requires_grad=True)
        mean = batch.mean(dim=0)
        running = 0.9 * running + 0.1 * (mean.detach() if detach else mean)
    print(f"detach: {detach!s:5}  operations kept: {operations_behind(running)}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Without `detach()` or `torch.no_grad()` it holds the graphs of all 100 batches: some 500 operations here, and in a
# network everything between the images and this layer, with every tensor that was saved on the way.
# Nothing looks strange except the memory, which grows with each step.
# The opposite mistake is just as quiet: if the statistics that enter `y` have no graph, the gradient is wrong, and yet
# the network still learns something.
#
# </details>


# %% solution="bn-module"
class BatchNorm(torch.nn.Module):
    """Batch normalization over all axes but axis 1.

    Its state_dict is that of torch.nn.BatchNorm1d and BatchNorm2d.

    Parameters
    ----------
    num_features : int
        C, the number of features or channels.
    eps : float
        Added to the variance, inside the root.
    momentum : float
        Weight of the new batch in the running statistics.
    affine : bool
        Whether there are `weight` and `bias`. Otherwise they are None.
    track_running_stats : bool
        Whether there are `running_mean`, `running_var` and `num_batches_tracked`.
        Otherwise they are None, and evaluation uses the statistics of the batch.
    """

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
    ):
        ### BEGIN SOLUTION
        super().__init__()
        self.eps, self.momentum = eps, momentum
        for name, start in (("weight", torch.ones), ("bias", torch.zeros)):
            self.register_parameter(name, torch.nn.Parameter(start(num_features)) if affine else None)
        buffers = {"running_mean": torch.zeros(num_features), "running_var": torch.ones(num_features)}
        for name, start in {**buffers, "num_batches_tracked": torch.tensor(0)}.items():
            self.register_buffer(name, start if track_running_stats else None)
        ### END SOLUTION

    def forward(self, x):
        """Normalize with the batch, or in evaluation with the running statistics.

        `self.training` tells in which mode the layer is.

        Parameters
        ----------
        x : tensor, shape (N, C) or (N, C, H, W), float

        Returns
        -------
        y : tensor, shape and dtype of x

        Raises
        ------
        ValueError
            In training, for a batch with a single value per channel.
        """
        ### BEGIN SOLUTION
        axes, m = [0, *range(2, x.ndim)], x.numel() // x.shape[1]
        if self.training and m < 2:
            raise ValueError(f"x has shape {tuple(x.shape)}; training needs at least two values per channel")
        if self.training or self.running_mean is None:
            mean, var = x.mean(axes), x.var(axes, correction=0)
        else:
            mean, var = self.running_mean, self.running_var
        if self.training and self.running_mean is not None:
            with torch.no_grad():  # the graph of a batch ends with the batch
                self.running_mean += self.momentum * (mean - self.running_mean)
                self.running_var += self.momentum * (m / (m - 1) * var - self.running_var)
                self.num_batches_tracked += 1
        channels = (-1, *[1] * (x.ndim - 2))  # (C,) -> (C, 1, 1) for images
        y = (x - mean.view(channels)) / torch.sqrt(var.view(channels) + self.eps)
        return y if self.weight is None else self.weight.view(channels) * y + self.bias.view(channels)
        ### END SOLUTION


# %% test="bn-module-test" points=14
check("bn-module", BatchNorm)
### BEGIN HIDDEN TESTS
import numpy as np
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.pytorch import module_inputs

examine(
    "bn-module",
    BatchNorm,
    [
        Case("5 batches of 16 samples with 7 features", module_inputs(16, 7, eps=1e-5, momentum=0.1, steps=5)),
        Case("images of shape (3, 4, 5, 2), momentum = 0.7", module_inputs(3, 4, 5, 2)),
        Case("images with one pixel", module_inputs(6, 3, 1, 1)),
        Case("one image of shape (1, 3, 4, 2)", module_inputs(1, 3, 4, 2, steps=1)),
        Case("features in float32", module_inputs(16, 5, dtype=np.float32), 1e-3),
        Case("images in float32", module_inputs(4, 3, 5, 6, dtype=np.float32), 1e-3),
        Case("features around 10,000 in float32", module_inputs(16, 3, mean=1e4, steps=1, dtype=np.float32), 2e-2),
        Case("images in Fortran order", module_inputs(4, 2, 3, 5, layout="F")),
        Case("features as every second row of a larger tensor", module_inputs(9, 4, layout="strided")),
        Case("images without running statistics", module_inputs(3, 2, 4, 5, track=False)),
        Case("images without weight and bias", module_inputs(3, 2, 4, 5, with_affine=False)),
        Case("features with neither", module_inputs(6, 3, with_affine=False, track=False)),
    ],
)
### END HIDDEN TESTS

# %%
# Play: put your layer into a network and train it. Then hand its state to PyTorch's
# layer, and compare the predictions.
torch.manual_seed(1)
x = torch.randn(256, 2)
labels = (x.prod(dim=1) > 0).long()


def network(normalization):
    """A small classifier with a normalization of the given class."""
    hidden, last = torch.nn.Linear(2, 16, bias=False), torch.nn.Linear(16, 2)
    return torch.nn.Sequential(hidden, normalization(16), torch.nn.ReLU(), last)


ours = network(BatchNorm)
optimizer = torch.optim.SGD(ours.parameters(), lr=0.5)
for _ in range(200):
    chosen = torch.randint(256, (32,))
    loss = torch.nn.functional.cross_entropy(ours(x[chosen]), labels[chosen])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
theirs = network(torch.nn.BatchNorm1d)
theirs.load_state_dict(ours.state_dict())
ours.eval()
theirs.eval()
right = ours(x).argmax(dim=1) == labels
print(f"accuracy in evaluation: {right.float().mean():.2f}")
gap = (ours(x) - theirs(x)).abs().max()
print(f"largest difference from PyTorch's layer: {gap:.1e}")

# %% [markdown]
# ## 3. One batch in several processes
#
# In data-parallel training, each process holds one part of the batch, called a *shard*. Find the mean and the biased
# variance of the whole batch, in every process, while exchanging as little as possible.
#
# | name | shape | meaning |
# |---|---|---|
# | `x` | (n, C) | the shard of this process; n differs from process to process |
# | `group` | | the processes that take part; pass it on to each collective call. None stands for all |
# | `mean`, `var` | (C,) | of the whole batch, the same in every process |
#
# `dist.all_reduce(tensor, group=group)` is such a collective call. It adds a tensor up over the processes and writes
# the sum into the tensor of each process. Every process has to make the same calls in the same order; otherwise all
# of them wait forever.
#
# Example with one feature: process 0 holds (1, 3), process 1 holds (5, 7, 9).
# Both return mean 5 and var 8, the mean and variance of (1, 3, 5, 7, 9).
#
# **Predict first.** The shards of the example have the means 2 and 7 and the variances 1 and 8/3.
# How close to 8 do you come by averaging the two variances with the weights 2/5 and 3/5?
#
# <details><summary>Exactly 8</summary>
#
# That would be so if the means agreed. They lie 5 apart.
#
# </details>
# <details><summary>A little below 8</summary>
#
# Compute it: $\tfrac25 \cdot 1 + \tfrac35 \cdot \tfrac83 = 2$. What is missing is not little.
#
# </details>
# <details><summary>2, a quarter of it</summary>
#
# Right: the spread between the shards is lost.
#
# </details>

# %%
# Play: move the second shard up or down, and compare the average of the variances
# with the variance of all samples.
shift = 0.0
shards = torch.tensor([1.0, 3.0]), torch.tensor([5.0, 7.0, 9.0]) + shift
sizes = torch.tensor([2.0, 3.0])
variances = torch.stack([shard.var(correction=0) for shard in shards])
print(f"variances of the shards:  {variances.tolist()}")
print(f"their average:            {variances.mean():.3f}")
print(f"their weighted average:   {(sizes * variances).sum() / 5:.3f}")
print(f"variance of all samples:  {torch.cat(shards).var(correction=0):.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Not close at all: the weighted average is 2, a quarter of the variance. The average sees how wide each shard is, but
# not how far apart the shards lie. With `shift = -5` their means coincide, and the weighted average is right. Shards
# drawn at random from one data set come close to that; shards sorted by class, by hospital or by camera do not.
#
# </details>


# %% solution="sync-statistics"
def sync_batch_statistics(x, group=None):
    """Return the mean and biased variance of a batch spread over several processes.

    Parameters
    ----------
    x : tensor, shape (n, C), float
        The samples of this process, at least one.
        Their mean may be large compared with their spread.
    group : process group or None
        The processes that hold the batch; None stands for all.

    Returns
    -------
    mean, var : tensor, shape (C,), dtype of x
        The same in every process of the group.
    """
    ### BEGIN SOLUTION
    totals = torch.cat([x.sum(dim=0), x.new_tensor([x.shape[0]])])  # sums and count in one message
    dist.all_reduce(totals, group=group)
    mean = totals[:-1] / totals[-1]
    squares = (x - mean).square().sum(dim=0)
    dist.all_reduce(squares, group=group)
    return mean, squares / totals[-1]
    ### END SOLUTION


# %% test="sync-statistics-test" points=10
check("sync-statistics", sync_batch_statistics)
### BEGIN HIDDEN TESTS
import numpy as np
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.pytorch import ONE_PASS, sync_inputs

examine(
    "sync-statistics",
    sync_batch_statistics,
    [
        Case("two processes with 40 and 7 samples of 10 features", sync_inputs((40, 7), 10), 1e-6),
        Case("two processes, one with a single sample", sync_inputs((1, 9), 3), 1e-6),
        Case("every second row of larger tensors", sync_inputs((3, 8), 4, layout="strided"), 1e-6),
        Case("two processes in float32", sync_inputs((12, 5), 3, dtype=np.float32)),
        Case(
            "three processes around 10,000 in float32, in two groups",
            sync_inputs((16, 8, 4), 3, groups=[[0, 2], [1]], mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
    ],
)
### END HIDDEN TESTS

# %%
# Play: your function in two real processes. `run` starts them and collects what
# they return.
from bnlab.distributed import run

torch.manual_seed(2)
drift = torch.linspace(0, 9, 12, dtype=torch.float64)[:, None]
x = torch.randn(12, 2, dtype=torch.float64) + drift
for rank, (mean, var) in enumerate(run(sync_batch_statistics, [x[:8], x[8:]])):
    print(f"process {rank}: mean {mean.tolist()}, var {var.tolist()}")
mean, var = x.mean(dim=0), x.var(dim=0, correction=0)
print(f"full batch: mean {mean.tolist()}, var {var.tolist()}")

# %% [markdown] answer="shard-variances" points=6
# ### What the average of variances misses
#
# Shard $s$ holds $n_s$ of the $n$ samples of one feature, with mean $\mu_s$ and biased variance $\sigma_s^2$.
# Derive the variance $\sigma^2$ of all samples from these numbers, and say what each term means.
# When is it all right to average the variances after all?
# Then name what else the processes have to exchange in the backward pass, so that `dx` is that of the full batch.
#
# Write formulas between dollar signs. A third of a page is enough.
#
# ### BEGIN SOLUTION
# With $\mu = \sum_s \tfrac{n_s}{n} \mu_s$, write each distance from $\mu$ as
# $x_i - \mu = (x_i - \mu_s) + (\mu_s - \mu)$ for the samples $i$ of shard $s$, and square:
#
# $$\sum_{i \in s} (x_i - \mu)^2 = \sum_{i \in s} (x_i - \mu_s)^2 + 2 (\mu_s - \mu) \sum_{i \in s} (x_i - \mu_s)
# + n_s (\mu_s - \mu)^2.$$
#
# The middle term is 0, because distances from a shard's own mean sum to 0. Adding up the shards and dividing by $n$,
#
# $$\sigma^2 = \sum_s \tfrac{n_s}{n} \sigma_s^2 + \sum_s \tfrac{n_s}{n} (\mu_s - \mu)^2.$$
#
# The first term is the spread within the shards, the second the spread of the shards' means.
# The weighted average of the variances is right exactly when all means are equal; otherwise it is always too small.
# The plain average needs equal sizes (or equal variances) as well.
#
# The closed form of $dx$ contains the means of $dy$ and of $dy\,\hat{x}$ over the batch, so each process has to add its
# sums of $dy$ and of $dy\,\hat{x}$ to those of the others, C numbers each.
#
# === BEGIN MARK SCHEME ===
# - 2 points: the decomposition with a reason why the mixed term is 0 (or an equivalent way, such as $E[x^2] - \mu^2$).
# - 1 point: the right result, with weights $n_s / n$.
# - 1 point: within and between, in words.
# - 1 point: equal means as the condition (equal sizes alone are not enough).
# - 1 point: the sums of $dy$ and of $dy\,\hat{x}$ (or the gradients of mean and variance) in the backward pass.
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## 4. Folded away
#
# After training, a normalization that follows a linear layer is one more straight line for each channel.
# Return a copy of a model in which these normalizations are merged into the layers before them: fewer operations, the
# same predictions.
#
# With $W_c$ and $b_c$ the weights and the bias of output channel $c$ of the linear layer, $\mu_c$ and $\sigma_c^2$ the
# running mean and the running variance of the normalization, and $s_c = \gamma_c / \sqrt{\sigma_c^2 + \epsilon}$,
#
# $$W'_c = s_c W_c, \qquad b'_c = s_c\,(b_c - \mu_c) + \beta_c.$$
#
# - Wherever a `BatchNorm1d` or `BatchNorm2d` directly follows a `Linear` or `Conv2d` in the same `nn.Sequential`,
#   at any depth of the model, fold it, and put `nn.Identity()` in its place so that no name changes.
# - A normalization that follows anything else, or that has no running statistics, stays as it is.
# - The weight of a `Linear` has shape (out, in), that of a `Conv2d` (out, in / groups, kh, kw). A bias may be None,
#   and so may the `weight` and `bias` of a normalization (with `affine=False` they count as 1 and 0).
# - The copy is returned in evaluation mode. The given model stays as it is, in its mode and in all its values.
#
# Example: a `Linear` with the weight [[2, 1]] and the bias 3, then a normalization with gamma = 6, beta = 10, running
# mean 4, running variance 5 and eps = 4. The scale is 6/3 = 2, so the folded weight is [[4, 2]] and the folded bias is
# (3 - 4) * 2 + 10 = 8. For the input (1, 1) both models give 14.
#
# **Predict first.** In exact arithmetic the folded model gives the same numbers.
# How many of the seven digits of float32 agree in a network of ten layers?
#
# <details><summary>All seven</summary>
#
# The folded weights are rounded anew, and each of the ten layers adds its own rounding.
#
# </details>
# <details><summary>About six</summary>
#
# Right: the difference is some 1e-6 of the largest output.
#
# </details>
# <details><summary>Two or three</summary>
#
# A difference of that size comes from a mistake, such as a forgotten eps, not from rounding.
#
# </details>


# %% solution="fold-model"
def fold_model(model):
    """Return a copy of a model, normalizations folded into the layers before them.

    Parameters
    ----------
    model : torch.nn.Module
        In any mode; it is not changed.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, `nn.Identity` in place of each folded normalization.
    """
    ### BEGIN SOLUTION
    nn = torch.nn
    folded = copy.deepcopy(model).eval()
    for sequence in [part for part in folded.modules() if isinstance(part, nn.Sequential)]:
        children = list(sequence.named_children())
        for (_, layer), (name, norm) in zip(children, children[1:]):
            linear, normal = (
                isinstance(layer, (nn.Linear, nn.Conv2d)),
                isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)),
            )
            if not (linear and normal) or norm.running_mean is None:
                continue
            with torch.no_grad():
                scale = torch.rsqrt(norm.running_var + norm.eps) * (1 if norm.weight is None else norm.weight)
                offset = (0 if layer.bias is None else layer.bias) - norm.running_mean
                layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.ndim - 1)))
                layer.bias = nn.Parameter(scale * offset + (0 if norm.bias is None else norm.bias))
            setattr(sequence, name, nn.Identity())
    return folded
    ### END SOLUTION


# %% test="fold-model-test" points=8
check("fold-model", fold_model)
### BEGIN HIDDEN TESTS
import numpy as np
from bnlab import examine
from bnlab.tasks import Case
from bnlab.tasks.pytorch import fold_inputs

examine(
    "fold-model",
    fold_model,
    [
        Case("a convolution with two groups", fold_inputs("grouped", 2, 4, 5, 6)),
        Case("Sequential inside Sequential", fold_inputs("nested", 3, 2, 6, 5)),
        Case("a residual block with a Sequential in it", fold_inputs("residual", 2, 3, 5, 4, training=True)),
        Case("a normalization without weight and bias", fold_inputs("without_affine", 6, 5)),
        Case("dropout between, in training mode", fold_inputs("with_dropout", 6, 5, training=True)),
        Case("convolutions in float32", fold_inputs("convolution", 2, 3, 6, 7, dtype=np.float32), 1e-4),
        Case("a normalization without running statistics", fold_inputs("untracked", 6, 4)),
    ],
)
### END HIDDEN TESTS

# %%
# Play: fold a network of ten layers, in float32 and in float64.
torch.manual_seed(3)
layers = []
for _ in range(10):
    layers += [torch.nn.Linear(64, 64), torch.nn.BatchNorm1d(64), torch.nn.ReLU()]
deep = torch.nn.Sequential(*layers)
for _ in range(50):
    deep(torch.randn(128, 64))  # training mode: the running statistics settle
deep.eval()
x = torch.randn(16, 64)
for dtype in (torch.float32, torch.float64):
    model, values = copy.deepcopy(deep).to(dtype), x.to(dtype)
    y = model(values)
    gap = (fold_model(model)(values) - y).abs().max() / y.abs().max()
    print(f"{dtype}: largest difference {gap:.1e} of the largest output")

# %% [markdown]
# <details><summary>Answer</summary>
#
# About six: the difference is some 1e-6 of the largest output, ten times the rounding of a single operation,
# because the weights are rounded anew and the errors of ten layers add up.
# In float64 it is about 1e-15. A test that allowed each single number only 1e-6 would reject a right answer in float32;
# 1e-4 is fair.
#
# </details>
#
# You now have the layer as a library has it.
# Next: [09 CuPy](https://bn-course.github.io/bn-course/exercises/09_cupy.html), the layer on a GPU.

# %% [markdown]
# ## How far you are
#
# This cell checks every task on its public cases. Hidden tests add other sizes and edge cases, but no new demands.

# %%
from bnlab import progress

progress("08_pytorch", globals())
