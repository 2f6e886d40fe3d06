"""What students typically write besides the known slips: what they are told is true, and says what to do."""

import math

import numpy as np
import pytest
import torch
from bnlab import check
from bnlab.checking import CheckFailed
from judge import grade
from test_slips import function_with, report_at_home, report_of_referee

from solutions.mutants.bn_function import Right
from solutions.mutants.bn_module import Base
from solutions.mutants.build_network import activation_after_last

WRONG_SHAPES = {
    "dbeta_not_summed": lambda dy, h: ((dy * h).sum(0), dy),
    "dgamma_not_summed": lambda dy, h: (dy * h, dy.sum(0)),
    "dgamma_and_dbeta_not_summed": lambda dy, h: (dy * h, dy),
}


def right_dx(dy, h):
    return dy - dy.mean(0) - h * (dy * h).mean(0)


@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_a_gradient_that_torch_would_sum_in_silence(name):
    answer = function_with(lambda dy, h, scale: (scale * right_dx(dy, h), *WRONG_SHAPES[name](dy, h)))
    for report in (report_at_home("bn-function", answer), report_of_referee("bn-function", answer, seed=4)):
        assert report.slips == [name] and "of shape (7, 3)" in report.problem


def test_gradients_in_shapes_that_torch_refuses_or_expands():
    def told(dgamma):
        answer = function_with(lambda dy, h, scale: (scale * right_dx(dy, h), dgamma(dy * h), dy.sum(0)))
        return report_at_home("bn-function", answer)

    assert "'dgamma of shape (7,)'" in told(lambda p: p.sum(1)).problem
    assert "'dgamma of shape (1, 3)'" in told(lambda p: p.sum(0, keepdim=True)).problem


def central(f, x, dy, h, step):
    return np.sum(dy * (f(x + step) - f(x - step))) / (2 * h)


def unpacks_two_axes(f, x, dy, h=1e-5):
    n, c = x.shape
    dx = np.zeros((n, c))
    for i in range(n):
        for j in range(c):
            step = np.zeros(x.shape)
            step[i, j] = h
            dx[i, j] = np.sum(dy * f(x + step) - dy * f(x - step)) / (2 * h)
    return dx


def asks_for_three_axes(f, x, dy, h=1e-5):
    return np.zeros((x.shape[0], x.shape[1], x.shape[2]))


def sums_along_samples(running_mean, running_var, x, momentum=0.1):
    return running_mean + x.mean(axis=1), running_var + x.var(axis=1)


def keeps_the_axis(train, test):
    return train - train.mean(axis=1, keepdims=True), test - train.mean(axis=1, keepdims=True)


def shadows_numpy(x):
    np = len(x)
    return np.sum(x, axis=0), x.var(axis=0)


class BatchNormWithoutSelf:
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        training = True  # noqa: F841

    def __call__(self, x):
        return x if self.training else 2 * x


class ModuleWithoutSuper(torch.nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        self.weight = torch.nn.Parameter(torch.ones(num_features))


class PlainStatistics(Base):
    def make_buffers(self, num_features, track):
        self.running_mean, self.running_var = torch.zeros(num_features), torch.ones(num_features)
        self.num_batches_tracked = torch.tensor(0)


def test_one_number_for_a_whole_array_is_told_of_axis():
    assert "without `axis`" in report_at_home("batch-statistics", lambda x: (x.mean(), x.var())).problem


@pytest.mark.parametrize(
    ("task", "answer", "advice"),
    [
        ("forward-running", sums_along_samples, "a number for each of the 4 samples, which is what axis=1 gives"),
        ("standardize", keeps_the_axis, "a number for each of the 7 samples, which is what axis=1 gives"),
        ("standardize", lambda train, test: train if train == 0 else test, "np.where chooses entry by entry"),
        ("batch-statistics", shadows_numpy, "np is no longer NumPy in this line"),
        ("batch-statistics", lambda x: (x.mean(dim=0), x.var(dim=0)), "NumPy calls it axis"),
        ("batch-statistics", lambda x: (x.mean(axis=0), (x - x.mean(axis=0)) ^ 2), "a power is written x"),
        ("wasserstein-drift", lambda a, b: a.copy().sort(axis=0) - b.copy().sort(axis=0), "One of the two is None"),
        ("gradient-shift", lambda grad, grad_after: (grad @ grad_after, 0.0), "multiply matrices"),
        (
            "importance-weights",
            lambda x, source, target: np.array(math.exp(x)),
            "np.exp and np.sqrt, take whole arrays",
        ),
        (
            "percentile-drift",
            lambda trace, q: np.quantile(trace, q, axis=1).T,
            "np.quantile takes fractions from 0 to 1",
        ),
        ("precise-statistics", lambda batches: (np.stack(batches).mean((0, 1)), batches[0].var(0)), "np.concatenate"),
        ("bn-module", PlainStatistics, "stays as it was made: self.register_buffer"),
        ("bn-module", ModuleWithoutSuper, "begins with super().__init__()"),
    ],
)
def test_an_error_that_says_too_little_is_told_with_what_to_do(task, answer, advice):
    report = report_at_home(task, answer)
    assert "raised" in report.problem and advice in report.likely


def test_a_name_without_self_is_told_of_its_end():
    assert "self.training is read before" in report_at_home("forward-layer", BatchNormWithoutSelf).likely


class LayerWithoutItsMethod:
    """A layer whose one method has another name than the one that is called."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.training, self.params, self.grads = True, {}, {}
        self.gamma, self.beta = self.params["gamma"], self.params["beta"] = (
            np.ones(num_features),
            np.zeros(num_features),
        )
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)

    def run(self, x):
        return x


@pytest.mark.parametrize(("task", "method"), [("forward-layer", "__call__"), ("train-steps", "forward")])
def test_a_layer_without_the_method_that_is_called_is_told_its_name(task, method):
    assert f"no method {method}" in report_at_home(task, LayerWithoutItsMethod).likely


def first_entry_alone(x, source, target):
    w = np.zeros_like(x)
    w[0] = source[1] / target[1]
    w[0] *= np.exp(((x[0] - source[0]) / source[1]) ** 2 / 2 - ((x[0] - target[0]) / target[1]) ** 2 / 2)
    return w


def test_zeros_of_another_case_are_not_remarked_on():
    report = report_at_home("importance-weights", first_entry_alone)
    assert "9 points" in report.tested and not report.likely


def test_exchanged_eigenvectors_are_named_whatever_their_signs():
    def answer(signs):
        def whiten(x, eps):
            centred = x - x.mean(axis=0)
            values, v = np.linalg.eigh(centred.T @ centred / len(x))
            v = v * np.resize(signs, len(values))
            return (centred @ v.T @ np.diag(1 / np.sqrt(values + eps)) @ v).astype(x.dtype)

        return whiten

    for signs in ((1,), (1, -1), (-1, 1, 1)):
        assert "exchanged V and V.T" in report_at_home("zca-whiten", answer(signs)).likely


def test_a_rate_of_another_eigenvalue_and_the_frobenius_norm():
    def curvature(features):
        return features.T @ features / len(features)

    second = report_at_home("max-stable-lr", lambda features: 2 / np.linalg.eigvalsh(curvature(features))[1])
    assert "an eigenvalue that is not the largest" in second.likely
    norm = report_at_home("max-stable-lr", lambda features: 2 / np.linalg.norm(curvature(features)))
    assert "Frobenius norm" in norm.likely


def test_a_gradient_for_two_axes_alone_is_told_of_the_others():
    with pytest.raises(CheckFailed, match="that is an array with 3 axes, and your code takes it for one with 2"):
        check("numerical-gradient", unpacks_two_axes)
    with pytest.raises(CheckFailed, match="that is an array with 2 axes, and your code asks for more"):
        check("numerical-gradient", asks_for_three_axes)

    def two_axes_at_most(f, x, dy, h=1e-5):
        return unpacks_two_axes(f, np.atleast_2d(x), dy, h) if x.ndim < 3 else by_index(f, x, dy, h)

    def by_index(f, x, dy, h):
        dx = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            step = np.zeros(x.shape)
            step[index] = h
            dx[index] = (np.sum(dy * f(x + step)) - np.sum(dy * f(x - step))) / (2 * h)
        return dx

    with pytest.raises(CheckFailed, match=r"x with one axis(.|\n)*dx has shape \(1, 4\)"):
        grade("numerical-gradient", two_axes_at_most, seed=1)


def test_zeros_accuse_of_no_slip():
    report = report_at_home("numerical-gradient", lambda f, x, dy, h=1e-5: np.zeros(x.shape))
    assert report.slips == [] and "Every entry of dx is 0" in report.likely


# -- what is told is true ---------------------------------------------------------------------------------------------
def test_a_slip_of_another_case_is_told_with_its_case():
    """The variance in front of the density, not the deviation; far out both densities underflow as well."""

    def importance_weights(x, source, target):
        def density(mean, std):
            return np.exp(-0.5 * ((x - mean) / std) ** 2) / np.sqrt(2 * np.pi * std)

        with np.errstate(all="ignore"):
            return density(*target) / density(*source)

    for report in told("importance-weights", importance_weights):
        assert report.slips == ["densities_underflow"]
        assert (
            report.likely.startswith("All your weights are 0.77")
            and ' Also: In the case "6 points, 3 of ' in report.likely
        )


def told(task_id, answer):
    """What is said at home and by the referee."""
    return report_at_home(task_id, answer), report_of_referee(task_id, answer)


def test_numbers_that_are_not_finite_accuse_of_no_slip():
    def zca_whiten(x, eps):
        covariance = np.cov(x.T, bias=True)
        return (x - x.mean(axis=0)) @ np.linalg.inv(np.sqrt(covariance + eps * np.eye(x.shape[1])))

    for report in told("zca-whiten", zca_whiten):
        assert "nan" in report.problem and report.slips == [] and report.likely == ""


def test_an_identity_is_not_asked_of_a_case_of_rounding():
    """Centred it is, and float32 numbers around 10,000 have no mean of 0 to the last digit."""

    def zca_whiten(x, eps):
        centred = x - x.mean(axis=0)
        lambdas, v = np.linalg.eigh(centred.T @ centred / len(x))
        return centred @ v @ np.diag(1 / np.sqrt(lambdas + 2 * eps)) @ v.T

    for report in told("zca-whiten", zca_whiten):
        assert report.likely == ""


def test_a_slip_that_would_have_given_other_numbers_is_not_named():
    """eps squared inside the root is nearly nothing in one case, and far from "eps is missing" in the other."""

    def batchnorm_train(x, gamma, beta, eps=1e-5):
        inv_std = 1 / np.sqrt(x.var(axis=0) + eps**2)
        x_hat = (x - x.mean(axis=0)) * inv_std
        return gamma * x_hat + beta, (x_hat, inv_std, gamma)

    for report in told("forward-train", batchnorm_train):
        assert report.slips == []


def test_results_in_another_order():
    def batchnorm_backward(dy, cache):
        x_hat, inv_std, gamma = cache
        dgamma, dbeta = (dy * x_hat).sum(axis=0), dy.sum(axis=0)
        return dgamma, dbeta, gamma * inv_std * (dy - dbeta / len(dy) - x_hat * (dgamma / len(dy)))

    for report in told("backward", batchnorm_backward):
        assert "in another order: yours are dgamma, dbeta, dx; expected dx, dgamma, dbeta" in report.likely
        assert report.slips == []


def test_weights_of_the_samples_are_no_statistics():
    def weighted_least_squares(features, y, w):
        return np.linalg.lstsq(features * np.sqrt(w), y * np.sqrt(w), rcond=None)[0]

    for report in told("weighted-least-squares", weighted_least_squares):
        assert "w have a number for each of the 12 samples" in report.likely and "w[:, None]" in report.likely


def test_products_of_matrices_where_entries_meet():
    def gradient_shift(grad, grad_after):
        return np.dot(grad, grad_after) / np.linalg.norm(grad), 0.0

    assert "An entry-by-entry product of two arrays is a * b" in report_at_home("gradient-shift", gradient_shift).likely


def test_a_remark_on_another_case_says_so():
    def numerical_gradient(f, x, dy, h=1e-5):
        if x.shape == (4, 3):
            return np.full(x.shape, 0.3)
        steps = (h * np.eye(x.size)).reshape(-1, *x.shape)
        return 3 * np.array([central(f, x, dy, h, step) for step in steps]).reshape(x.shape)

    report = report_at_home("numerical-gradient", numerical_gradient)
    assert report.likely.startswith('In the case "y = x**3 with the wide step h = 0.1": Every entry of dx is 3 times')


def test_five_axes_are_no_forgotten_keepdims():
    def group_norm(x, num_groups, gamma, beta, eps=1e-5):
        n, c, h, w = x.shape
        return x.reshape(n, num_groups, c // num_groups, h, w)

    problem = report_at_home("group-norm", group_norm).problem
    assert "shape (3, 2, 3, 4, 5)" in problem and "keepdims" not in problem


def test_a_gradient_that_does_not_arrive_is_no_forgotten_return():
    class BatchNorm(Base):
        def forward(self, x):
            return super().forward(x.detach())

    problem = report_at_home("bn-module", BatchNorm).problem
    assert "dx of the last batch is None" in problem and "No gradient arrives there." in problem


@pytest.mark.parametrize("found", [None, [None] * 4])
def test_what_counts_as_one_gradient_is_told_as_that(found):
    class BatchNormFunction(Right):
        @staticmethod
        def backward(ctx, dy):
            return found

    report = report_at_home("bn-function", BatchNormFunction)
    assert report.slips == ["one_thing_returned"] and "1 gradient for 4 arguments" in report.problem


def test_a_layer_that_raises_nothing_and_one_that_starts_with_zeros():
    class Accepts(Base):
        def require_two(self, x):
            pass

        def update(self, x, mean, var):
            self.blend(mean.detach(), x.detach().var(dim=self.axes(x)))
            self.count()

    class Starts(Base):
        def make_parameters(self, num_features, affine):
            super().make_parameters(num_features, affine)
            if affine:
                self.weight.data.zero_()

    assert "nothing was raised; a ValueError was expected" in report_at_home("bn-module", Accepts).problem
    report = report_at_home("bn-module", Starts)
    assert "weight at the start[0]: expected 1, got 0" in report.problem and "written" not in report.likely


def test_a_model_in_which_nothing_is_folded():
    report = report_at_home("fold-model", lambda model: model.eval())
    assert report.slips[0] == "nothing_folded"


def test_complex_numbers_errors_that_come_back_and_none_where_it_may_stand():
    def max_stable_lr(features):
        return 2 / (np.linalg.eigvalsh(features.T @ features / len(features))[-1] + 0j)

    def update_running(running_mean, running_var, x, momentum=0.1):
        return ValueError("too few")

    def batchnorm_backward_graph(dy, x, gamma, eps=1e-5):
        return dict.fromkeys(("dx_hat", "dvar", "dmu", "dx", "dgamma", "dbeta"))

    assert "expected a real number (np.linalg.eigvalsh" in report_at_home("max-stable-lr", max_stable_lr).problem
    assert "Errors are raised, not returned" in report_at_home("forward-running", update_running).problem
    assert "return" not in report_at_home("backward-graph", batchnorm_backward_graph).problem


def test_a_small_guard_in_the_denominator_is_fair():
    def gradient_shift(grad, grad_after):
        lengths = np.linalg.norm(grad) * np.linalg.norm(grad_after)
        return np.sum(grad * grad_after) / (lengths + 1e-8), np.linalg.norm(grad - grad_after)

    grade("gradient-shift", gradient_shift, seed=2)


def test_numbers_that_look_alike_are_told_apart():
    report = report_at_home("largest-stable-lr", lambda results: 0.3 * (1 + 1e-6))
    expected, got = report.expected, report.got
    assert expected != got and f"expected {expected}, got {got}" in report.problem


# -- a loop of training, and kernels ----------------------------------------------------------------------------------
def loop(backward=None, update=None, axis=1):
    """`train`, right but for the arguments."""
    from bnlab.network import cross_entropy

    def forward(layers, h, training):
        for layer in layers:
            layer.training = training
            h = layer.forward(h)
        return h

    def backwards(layers, dh):
        for layer in reversed(layers):
            dh = layer.backward(dh)

    def descend(layers, lr, step):
        for layer in layers:
            for name in layer.params:
                layer.params[name] = layer.params[name] - lr * layer.grads[name]

    def train(layers, data, lr, steps, batch_size, rng):
        x, y, x_test, y_test = data
        history = {"loss": [], "step": [], "accuracy": []}
        for step in range(steps + 1):
            if step % 10 == 0:
                history["step"].append(step)
                answers = forward(layers, x_test, False).argmax(axis=axis)
                history["accuracy"].append(np.mean(answers == y_test))
            if step < steps:
                rows = rng.choice(len(x), batch_size, replace=False)
                loss, dh = cross_entropy(forward(layers, x[rows], True), y[rows])
                history["loss"].append(loss)
                (backward or backwards)(layers, dh)
                (update or descend)(layers, lr, step)
        return history

    return train


def test_an_error_in_the_loop_says_what_is_due_there():
    def not_handed_on(layers, dh):
        for layer in reversed(layers):
            layer.backward(dh)

    assert "dh = layer.backward(dh)" in report_at_home("train", loop(backward=not_handed_on)).problem
    assert "argmax(axis=1)" in report_at_home("train", loop(axis=0)).problem
    check("train", loop())


def test_a_decaying_rate_is_no_climb_up_the_slope():
    def decay(layers, lr, step):
        for layer in layers:
            for name in layer.params:
                layer.params[name] = layer.params[name] - lr / (1 + step) * layer.grads[name]

    for report in told("train", loop(update=decay)):
        assert report.slips == [] and "look at the update" in report.likely


def test_classes_in_place_of_layers():
    from bnlab.network import Linear

    def build_network(sizes, activation, batchnorm, rng):
        return [Linear(sizes[0], sizes[-1], 1.0, rng), activation]

    assert "not its class: activation()" in report_at_home("build-network", build_network).problem


def kernel(*changes, blocks=None, threads=128):
    """`channel_sums`, right but for its kernel's changes and its launch."""
    from bnlab.gpu import RawKernel, xp

    from solutions.mutants.channel_sums import edited

    def channel_sums(x, shift):
        n, c, h, w = x.shape
        s1, s2 = xp.empty(c, xp.float32), xp.empty(c, xp.float32)
        sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w))
        RawKernel(edited(*changes), "sums")((blocks or c,), (threads,), (x, shift, s1, s2, *sizes))
        return s1, s2

    return channel_sums


BY_BLOCK = (("i += 128", "i += blockDim.x"), ("half = 64", "half = blockDim.x / 2"))
UNWRITTEN = "fewer_threads_than_the_rounds"
KERNELS = {
    "one block": (kernel(blocks=1), "one_block_for_all"),
    "100 threads": (kernel(*BY_BLOCK, threads=100), "not_a_power_of_two"),
    "100 threads in rounds of 128": (kernel(threads=100), UNWRITTEN),
    "added to what nobody wrote": (kernel(("one[t] = a;", "one[t] += a;")), UNWRITTEN),
    "not shared": (kernel(("__shared__ float", "float")), "array_not_shared"),
    "all threads write the result": (kernel(("if (t == 0) {", "{")), "all_threads_write_the_result"),
    "starts at 0": (kernel(("int i = t;", "int i = 0;")), "all_threads_start_at_zero"),
    "the thread's number as the channel": (
        kernel(("c = blockIdx.x", "c = threadIdx.x")),
        "shift_by_thread",
    ),
}


@pytest.mark.parametrize("name", KERNELS)
def test_what_is_told_of_a_typical_kernel(name):
    answer, slip = KERNELS[name]
    report = report_at_home("channel-sums", answer)
    assert report.slips == ([slip] if slip else []), report


def test_renormalization_with_two_slips_is_told_which_part_is_off():
    def batch_renorm(x, gamma, beta, running_mean, running_var, r_max, d_max, eps=1e-5):
        mean, own, known = x.mean(0), np.sqrt(x.var(0) + eps), np.sqrt(running_var + eps)
        r, d = np.clip(own / known, 0, r_max), np.clip((mean - running_mean) / own, -d_max, d_max)
        return gamma * ((x - mean) / own * r + d) + beta

    assert report_at_home("batch-renorm", batch_renorm).likely.startswith("The slope of y over x is off")


def test_a_list_that_is_one_too_long_is_shown_to_its_end():
    assert "Linear, ReLU'; expected" in report_at_home("build-network", activation_after_last).problem
