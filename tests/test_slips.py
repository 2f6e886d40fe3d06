"""Every known slip is refused and called by its name at home; right answers in any style pass.

That the referee names them too, with real workers, is what the certificate shows: test_certificate.
"""

import re

import numpy as np
import pytest
from bnlab import check, tasks
from bnlab.answers import LocalAnswer
from bnlab.checking import CheckFailed
from bnlab.examiner import examine_answer
from bnlab.oracles import Functions
from judge import CELLS, Judge, grade, reference, references

from autograder.authoring import fingerprints
from solutions.exact import exact
from solutions.mutants import bank, forward_layer
from solutions.styles import styles

# what is raced on a GPU is the same function as in the task before it, with the same slips
SLIPS = [(task, name) for task, (_, cell) in CELLS.items() if not cell.is_timed_on_gpu for name in bank(task)]
RIGHT = [(task, name) for task in CELLS for name in ("reference", *styles(task))]

# The 24 wrong implementations of the trial that showed what common checks cannot see, by the task that must name them.
TRIAL = {
    "batch-statistics": ["wrong_axis", "unbiased_variance", "one_pass_variance"],
    "forward-train": [
        "wrong_axis", "unbiased_variance", "one_pass_variance", "eps_outside_sqrt", "eps_missing", "sqrt_missing",
    ],
    "forward-running": ["biased_variance_stored", "momentum_flipped", "never_updated", "overwritten"],
    "forward-eval": ["batch_statistics_used", "eps_outside_sqrt", "gamma_and_beta_forgotten"],
    "forward-layer": ["eval_updates_running"],
    "backward": [
        "gamma_missing", "dgamma_averaged", "dbeta_averaged", "mean_and_variance_paths_missing", "mean_path_missing",
        "variance_path_missing", "n_minus_one", "one_over_n_missing",
    ],
    "backward-graph": ["eps_subtracted", "dgamma_uses_x"],
}  # fmt: skip


def implementation(task_id, name):
    return reference(task_id) if name == "reference" else styles(task_id)[name]


def report_at_home(task_id, answer):
    """The report of `check` with the shipped fingerprints."""
    if not (fingerprints.FOLDER / f"{task_id}.npz").exists():
        pytest.fail(f"no fingerprints of {task_id}: python -m autograder release")
    with pytest.raises(CheckFailed) as failed, np.errstate(all="ignore"):
        check(task_id, answer)
    return failed.value.report


def report_of_referee(task_id, answer, seed=None):
    """The report on the public cases against the hidden solution and the whole bank."""
    task = tasks.find(task_id)
    oracle = Functions(reference(task_id), bank(task_id), exact(task_id))
    rng = (lambda i: tasks.public_rng(task_id, i)) if seed is None else (lambda i: np.random.default_rng([seed, i]))
    with np.errstate(all="ignore"):
        return examine_answer(task, LocalAnswer(answer, task.answer), task.cases, oracle, rng)


@pytest.mark.parametrize(("task_id", "name"), SLIPS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_slip_is_named_at_home(task_id, name):
    slip, message = bank(task_id)[name]
    report = report_at_home(task_id, slip)
    assert report.slips[:1] == [name]
    assert message in str(report)
    assert report.link.startswith("https://") and report.link in str(report)


def seeds(task_id, many):
    """So many seeds; one for kernels in the simulator, which run in three orders of threads each time."""
    return many[:1] if tasks.find(task_id).detail else many


@pytest.mark.parametrize("task_id", CELLS)
def test_messages_are_kind_and_differ(task_id):
    messages = [message for _, message in bank(task_id).values()]
    assert len(messages) >= 8 and len(set(messages)) == len(messages)
    for message in messages:
        assert message.endswith(".") and 20 < len(message) < 260
        assert not re.search(r"\b(wrong|stupid|obviously|simply|just)\b", message, re.IGNORECASE)


def test_the_trial_is_covered():
    wanted = [(task, name) for task, names in TRIAL.items() for name in names]
    assert set(wanted) <= set(SLIPS)
    assert len({name for _, name in wanted}) >= 23  # three of the trial's appear under two tasks


@pytest.mark.parametrize(("task_id", "name"), RIGHT)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_right_answers_pass_public_and_hidden_tests(task_id, name):
    for seed in seeds(task_id, range(3)):
        grade(task_id, implementation(task_id, name), seed)


@pytest.mark.parametrize(("task_id", "name"), RIGHT)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_right_answers_pass_at_home(task_id, name, capsys):
    if not (fingerprints.FOLDER / f"{task_id}.npz").exists():
        pytest.fail(f"no fingerprints of {task_id}: python -m autograder release")
    check(task_id, implementation(task_id, name))
    assert "correct" in capsys.readouterr().out


def test_four_styles_a_task():
    assert all(len(styles(task)) >= 4 for task in CELLS)


def test_fingerprints_are_repeatable_and_hold_no_code(tmp_path):
    """One task of each notebook, twice; test_release.py holds all of them against the stored ones."""
    tasks_of = {script.name: task_id for task_id, (script, _) in CELLS.items()}
    for name, task_id in tasks_of.items():
        first, second = (fingerprints.write(tasks.find(task_id), references(name), tmp_path / which) for which in "ab")
        assert first.read_bytes() == second.read_bytes() and fingerprints.same(first, second)
        with np.load(first, allow_pickle=False) as stored:
            assert all(stored[key].dtype.kind in "biufU" for key in stored.files)
    assert not fingerprints.same(first, tmp_path / "a" / f"{tasks_of['03_forward']}.npz")


def test_fingerprints_that_differ_in_their_last_bits_alone_are_left_as_they_are(tmp_path):
    task, ours = tasks.find("backward"), references("04_backward")
    path = fingerprints.write(task, ours, tmp_path)
    with np.load(path, allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored.files}
    near = {key: value * (1 + 1e-15) if value.dtype.kind == "f" else value for key, value in arrays.items()}
    np.savez_compressed(path, **near)
    before = path.read_bytes()
    assert fingerprints.write(task, ours, tmp_path).read_bytes() == before
    np.savez_compressed(path, **{**near, "messages": np.array("{}")})
    fingerprints.write(task, ours, tmp_path)
    with np.load(path, allow_pickle=False) as stored:
        assert stored["messages"] == arrays["messages"] and list(tmp_path.iterdir()) == [path]


# -- two slips at once ------------------------------------------------------------------------------------------------
def eps_and_gamma(x, gamma, beta, eps=1e-5):
    inv_std = 1 / x.std(axis=0)
    x_hat = (x - x.mean(axis=0)) * inv_std
    return x_hat + beta, (x_hat, inv_std, gamma)


def unbiased_and_beta(x, gamma, beta, eps=1e-5):
    inv_std = 1 / np.sqrt(x.var(axis=0, ddof=1) + eps)
    x_hat = (x - x.mean(axis=0)) * inv_std
    return gamma * x_hat, (x_hat, inv_std, gamma)


def outside_and_std(x, gamma, beta, eps=1e-5):
    std = x.std(axis=0) + eps
    x_hat = (x - x.mean(axis=0)) / std
    return gamma * x_hat + beta, (x_hat, std, gamma)


def flipped_and_biased(running_mean, running_var, x, momentum=0.1):
    if len(x) < 2:
        raise ValueError("too few samples")
    mean = momentum * running_mean + (1 - momentum) * x.mean(axis=0)
    return mean, momentum * running_var + (1 - momentum) * x.var(axis=0)


def ignored_and_single(running_mean, running_var, x, momentum=0.1):
    var = 0.9 * running_var + 0.1 * x.var(axis=0, ddof=1)
    return 0.9 * running_mean + 0.1 * x.mean(axis=0), var


class FlippedAndBatchInEvaluation(forward_layer.momentum_flipped):
    evaluate = forward_layer.eval_uses_batch.evaluate


class BiasedAndOutside(forward_layer.biased_variance_stored):
    normalize = forward_layer.eps_outside_sqrt.normalize


def by_leaf(task_id, *chosen):
    """An answer that takes its i-th result from the i-th of the named slips; "reference" is right."""
    functions = [reference(task_id) if name == "reference" else bank(task_id)[name][0] for name in chosen]

    def answer(*args, **kwargs):
        results = [function(*args, **kwargs) for function in functions]
        if isinstance(results[0], dict):
            return {key: results[position][key] for position, key in enumerate(results[0])}
        return tuple(result[position] for position, result in enumerate(results))

    answer.__wrapped__ = functions[0]  # for inspect.signature
    return answer


REF = "reference"
PAIRS = [
    ("batch-statistics", ("sum_for_mean", "unbiased_variance"), None),
    ("batch-statistics", ("features_for_samples", "standard_deviation"), None),
    ("forward-train", ("eps_missing", "gamma_forgotten"), eps_and_gamma),
    ("forward-train", ("unbiased_variance", "beta_forgotten"), unbiased_and_beta),
    ("forward-train", ("eps_outside_sqrt", "std_in_cache"), outside_and_std),
    ("forward-running", ("momentum_flipped", "biased_variance_stored"), flipped_and_biased),
    ("forward-running", ("momentum_ignored", "single_sample_gives_nan"), ignored_and_single),
    ("forward-running", ("overwritten", "standard_deviation_stored"), None),
    ("forward-layer", ("momentum_flipped", "eval_uses_batch"), FlippedAndBatchInEvaluation),
    ("forward-layer", ("biased_variance_stored", "eps_outside_sqrt"), BiasedAndOutside),
    ("backward-graph", ("gamma_missing", REF, "dmu_sign_flipped", REF, REF, REF), None),
    ("backward-graph", (REF, "dvar_sign_flipped", REF, REF, "dgamma_averaged", REF), None),
    ("backward", ("gamma_missing", REF, "dbeta_averaged"), None),
    ("backward", ("mean_path_missing", "dgamma_times_gamma", REF), None),
    ("backward", ("n_minus_one", "dgamma_and_dbeta_averaged", "dgamma_and_dbeta_averaged"), None),
    ("backward-eval", ("training_backward", "dgamma_averaged", REF), None),
    ("backward-eval", ("gamma_missing", "dgamma_uses_x", "dbeta_averaged"), None),
]


@pytest.mark.parametrize(("task_id", "names", "answer"), PAIRS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_two_slips_at_once(task_id, names, answer):
    answer = answer or by_leaf(task_id, *names)
    for report in (report_of_referee(task_id, answer), report_at_home(task_id, answer)):
        assert not report.passed
        assert set(report.slips) & set(names), report.slips
        assert set(report.slips[:2]) <= set(names), report.slips


def test_an_unknown_slip_gets_a_remark():
    def offset(x, gamma, beta, running_mean, running_var, eps=1e-5):
        return gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta + 1

    def tripled(dy, cache):
        dx, dgamma, dbeta = reference("backward")(dy, cache)
        return 3 * dx, dgamma, dbeta

    def half_corrected(dy, cache):
        dx, dgamma, dbeta = reference("backward")(dy, cache)
        return dx + 0.3 * cache[0], dgamma, dbeta

    def cache_order(x, gamma, beta, eps=1e-5):
        y, (x_hat, inv_std, _) = reference("forward-train")(x, gamma, beta, eps)
        return y, (x_hat, inv_std * 2, gamma)

    assert "offset" in report_of_referee("forward-eval", offset).likely
    assert "3 times" in report_of_referee("backward", tripled).likely
    assert "path through var" in report_of_referee("backward", half_corrected).likely
    assert "cache" in report_of_referee("forward-train", cache_order).likely


# -- answers of the wrong kind ----------------------------------------------------------------------------------------
def keeps_the_axis(x):
    return x.mean(axis=0, keepdims=True), x.var(axis=0)


def promotes(x):
    return x.mean(axis=0).astype(np.float32), x.var(axis=0)


def gives_lists(x):
    return x.mean(axis=0).tolist(), x.var(axis=0).tolist()


def gives_none(x):
    x.mean(axis=0)


def prints(x):
    print(x.mean(axis=0), x.var(axis=0))


def gives_one(x):
    return x.mean(axis=0)


def gives_nan(x):
    return x.mean(axis=0), x.var(axis=0) * np.nan


def centres_in_place(x):
    mu = x.mean(axis=0)
    x -= mu
    return mu, (x**2).mean(axis=0)


def unwritten(x):
    raise NotImplementedError("batch-statistics")


def divides(x):
    return x.mean(axis=0), 1 // 0


def takes_an_axis(x, axis):
    return x.mean(axis=axis), x.var(axis=axis)


def renamed(batch):
    return batch.mean(axis=0), batch.var(axis=0)


KINDS = [
    (keeps_the_axis, "failed", ["mu has shape (1, 3)", "expected (3,)", "keepdims"]),
    (promotes, "failed", ["mu is float32", "float64"]),
    (gives_lists, "failed", ["mu is a list", "NumPy array"]),
    (gives_none, "failed", ["None", "return"]),
    (prints, "failed", ["None", "return"]),
    (gives_one, "failed", ["array of shape (3,)", "the tuple (mu, var)"]),
    (gives_nan, "failed", ["var[0] is nan", "finite"]),
    (centres_in_place, "failed", ["changed its argument x in place"]),
    (unwritten, "missing", ["not written yet"]),
    (divides, "failed", ["ZeroDivisionError", "1 // 0"]),
    (takes_an_axis, "failed", ["TypeError", "missing 1 required positional argument: 'axis'"]),
    (renamed, "failed", ["takes (batch)", "expected (x)"]),
    (3.14, "failed", ["batch_statistics is a float", "expected a function"]),
]


@pytest.mark.parametrize(("answer", "verdict", "words"), KINDS)
def test_an_answer_of_the_wrong_kind(answer, verdict, words):
    report = report_of_referee("batch-statistics", answer)
    assert report.verdict == verdict and report.fraction == 0
    for word in words:
        assert word in str(report)


def test_a_float32_batch_answered_in_float64():
    def widens(x, gamma, beta, running_mean, running_var, eps=1e-5):
        return reference("forward-eval")(x.astype(np.float64), gamma, beta, running_mean, running_var, eps)

    with pytest.raises(CheckFailed, match="y is float64; expected float32, the dtype of the input"):
        grade("forward-eval", widens, seed=1)


def test_dgamma_with_an_extra_axis():
    def answer(dy, cache):
        dx, dgamma, dbeta = reference("backward")(dy, cache)
        return dx, dgamma[None, :], dbeta[None, :]

    assert "dgamma has shape (1, 3); expected (3,)" in report_of_referee("backward", answer).problem


def over_features(x):
    return (x - x.mean(axis=1)) / np.sqrt(x.var(axis=1) + 0.5)


@pytest.mark.parametrize(
    ("task_id", "answer"),
    [
        ("standardize", lambda train, test: (over_features(train), over_features(test))),
        ("forward-train", lambda x, gamma, beta, eps=1e-5: (over_features(x), (x, x, gamma))),
    ],
)
def test_an_error_of_broadcasting_tells_of_the_axis(task_id, answer):
    report = report_at_home(task_id, answer)
    assert "broadcast" in report.problem and "which is what axis=1 gives" in report.likely


def test_a_gradient_that_is_not_summed_is_told_so():
    def answer(dy, cache):
        dx, dgamma, _ = reference("backward")(dy, cache)
        return dx, dgamma, dy

    def nothing_like_it(dy, cache):
        dx, dgamma, _ = reference("backward")(dy, cache)
        return dx, dgamma, dy + 1

    report = report_of_referee("backward", answer)
    assert "dbeta has shape (7, 3)" in report.problem and "sum over the samples, axis 0, is missing" in report.likely
    assert not report_of_referee("backward", nothing_like_it).likely


def test_each_node_earns_its_share():
    report = report_of_referee("backward-graph", bank("backward-graph")["dgamma_averaged"][0])
    assert report.verdict == "partial" and report.fraction == pytest.approx(5 / 6)

    def without_dmu(dy, x, gamma, eps=1e-5):
        nodes = reference("backward-graph")(dy, x, gamma, eps)
        del nodes["dmu"]
        return nodes

    assert "lacks the key 'dmu'" in report_of_referee("backward-graph", without_dmu).problem


def test_a_layer_that_lacks_an_attribute():
    class NoMemory:
        def __init__(self, num_features, eps=1e-5, momentum=0.1):
            self.training, self.gamma, self.beta = True, np.ones(num_features), np.zeros(num_features)

    report = report_of_referee("forward-layer", NoMemory)
    assert not report.passed and "running_mean" in report.problem


def test_a_numerical_gradient_that_changes_x():
    def answer(f, x, dy, h=1e-5):
        dx = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            x[index] += h
            plus = np.sum(dy * f(x))
            x[index] -= 2 * h
            dx[index] = (plus - np.sum(dy * f(x))) / (2 * h)
        return dx

    assert "changed its argument x in place" in report_of_referee("numerical-gradient", answer).problem


def test_a_tuple_where_an_array_belongs():
    def batchnorm_eval(x, gamma, beta, running_mean, running_var, eps=1e-5):
        y = reference("forward-eval")(x, gamma, beta, running_mean, running_var, eps)
        return y, (y, gamma)

    report = report_at_home("forward-eval", batchnorm_eval)
    assert report.verdict == "failed" and "Return that one array, not a tuple" in report.problem


def test_lists_inside_a_result_are_refused_kindly():
    def batchnorm_train(x, gamma, beta, eps=1e-5):
        y, (x_hat, inv_std, gamma) = reference("forward-train")(x, gamma, beta, eps)
        return y.tolist(), (x_hat, (inv_std, gamma), gamma)

    assert "expected a NumPy array" in report_at_home("forward-train", batchnorm_train).problem


def test_a_wrong_dtype_accuses_of_no_slip():
    def batch_statistics(x):
        mu, var = reference("batch-statistics")(x.astype(np.float64))
        return mu, var

    judge = Judge(0, "batch-statistics")
    case = tasks.Case("float32", lambda rng: {"x": rng.normal(1e4, 1, (9, 4)).astype("f4")}, 1e-2, "one_pass_variance")
    report = judge.examine(tasks.find("batch-statistics"), batch_statistics, [case], "hidden")
    assert report.slips == [] and "astype" in report.likely


def test_an_unwritten_helper_is_named():
    class BatchNorm:
        def __init__(self, num_features, eps=1e-5, momentum=0.1):
            raise NotImplementedError("forward-train")

    report = report_at_home("forward-layer", BatchNorm)
    assert report.verdict == "missing" and "BatchNorm calls batchnorm_train, which is not written yet" in report.problem


def test_an_object_instead_of_its_class_and_swapped_arguments():
    class BatchNorm:
        def __call__(self, x):
            return x

    with pytest.raises(CheckFailed, match="without parentheses"):
        check("forward-layer", BatchNorm())
    with pytest.raises(TypeError, match='check."forward-layer", BatchNorm'):
        check(BatchNorm, "forward-layer")


def test_a_slip_that_would_spoil_what_is_right_is_not_named():
    """A right dx with the batch's x_hat in dgamma is not the backward pass of training, whose dx is another one."""
    from bnlab import check
    from bnlab.checking import CheckFailed

    def batchnorm_eval_backward(dy, x, gamma, running_mean, running_var, eps=1e-5):
        x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
        return dy * gamma / np.sqrt(running_var + eps), (dy * x_hat).sum(axis=0), dy.sum(axis=0)

    with pytest.raises(CheckFailed) as failed:
        check("backward-eval", batchnorm_eval_backward)
    assert failed.value.report.slips == [] and "dgamma" in failed.value.report.problem


def function_with(gradients):
    """A BatchNormFunction with the right forward pass; gradients(dy, x_hat, scale) are its dx, dgamma and dbeta."""
    import torch

    class BatchNormFunction(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, gamma, beta, eps):
            mu, inv_std = x.mean(0), 1 / torch.sqrt(x.var(0, correction=0) + eps)
            x_hat = (x - mu) * inv_std
            ctx.save_for_backward(x_hat, gamma * inv_std)
            return gamma * x_hat + beta

        @staticmethod
        def backward(ctx, dy):
            return *gradients(dy, *ctx.saved_tensors), None

    return BatchNormFunction


DX = {
    "one_over_n_missing_for_variance": lambda dy, h: dy - dy.mean(0) - h * (dy * h).sum(0),
    "one_over_n_missing_for_mean": lambda dy, h: dy - dy.sum(0) - h * (dy * h).mean(0),
    "variance_sign_flipped": lambda dy, h: dy - dy.mean(0) + h * (dy * h).mean(0),
    "mean_sign_flipped": lambda dy, h: dy + dy.mean(0) - h * (dy * h).mean(0),
    "x_hat_missing_in_last_term": lambda dy, h: dy - dy.mean(0) - (dy * h).mean(0),
    "means_over_features": lambda dy, h: dy - dy.mean(1, keepdim=True) - h * (dy * h).mean(1, keepdim=True),
    None: lambda dy, h: dy - 0.7 * dy.mean(0) - 0.3 * h * (dy * h).mean(0),
}


@pytest.mark.parametrize("name", DX)
def test_a_wrong_dx_in_torch_accuses_no_other_gradient(name):
    """That gradcheck fails, too, speaks for no slip: it fails with each of them."""
    answer = function_with(lambda dy, h, scale: (scale * DX[name](dy, h), (dy * h).sum(0), dy.sum(0)))
    for report in (report_at_home("bn-function", answer), report_of_referee("bn-function", answer, seed=3)):
        assert report.slips == [name][: name is not None] and "dbeta" not in report.likely


def test_a_slip_beside_an_unknown_dx_is_named():
    answer = function_with(lambda dy, h, scale: (scale * DX[None](dy, h), (dy * h).sum(0), dy.mean(0)))
    assert report_at_home("bn-function", answer).slips == ["dbeta_averaged"]


def test_a_forward_pass_in_torch_without_its_return():
    import torch

    class BatchNormFunction(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, gamma, beta, eps):
            ctx.save_for_backward(x)

    report = report_at_home("bn-function", BatchNormFunction)
    assert "Is a `return` missing?" in report.problem and not report.slips


def test_the_apply_of_a_class_instead_of_the_class():
    function = function_with(lambda dy, h, scale: (dy, dy.sum(0), dy.sum(0)))
    with pytest.raises(CheckFailed, match="pass the class itself, not its apply"):
        check("bn-function", function.apply)


def test_a_class_where_a_function_is_due():
    from bnlab import check
    from bnlab.checking import CheckFailed

    class batch_statistics:
        def __init__(self, x):
            self.x = x

    with pytest.raises(CheckFailed, match="is a class; expected a function"):
        check("batch-statistics", batch_statistics)


def test_hints_for_a_name_that_is_no_task(capsys):
    from bnlab import hint

    hint("forward-trian")
    hint("derive-dx")
    shown = capsys.readouterr().out
    assert "do you mean 'forward-train'?" in shown and "written answer" in shown


def test_a_line_that_was_left_behind_and_an_exit():
    from bnlab import check
    from bnlab.checking import CheckFailed

    def batch_statistics(x):
        """As the notebook has it."""
        mu, var = x.mean(axis=0), x.var(axis=0)
        raise NotImplementedError("batch-statistics")
        return mu, var

    with pytest.raises(CheckFailed, match=": delete it"):
        check("batch-statistics", batch_statistics)

    def batch_statistics(x):
        raise SystemExit("done")

    with pytest.raises(CheckFailed, match="raised SystemExit: done"):
        check("batch-statistics", batch_statistics)

    def batch_statistics(x):
        """As the notebook has it."""
        raise NotImplementedError("batch-statistics")

    with pytest.raises(CheckFailed) as failed:
        check("batch-statistics", batch_statistics)
    assert "delete" not in str(failed.value)


def test_answers_that_are_timed_hear_their_pace(capsys):
    from bnlab import check

    def batchnorm_backward(dy, cache):
        x_hat, inv_std, gamma = cache
        dgamma, dbeta = (dy * x_hat).sum(axis=0), dy.sum(axis=0)
        return gamma * inv_std * (dy - dbeta / len(dy) - x_hat * (dgamma / len(dy))), dgamma, dbeta

    check("backward-speed", batchnorm_backward)
    shown = capsys.readouterr().out
    assert "the points depend on the time" in shown and re.search(r"as long as [1-9]\d* additions", shown)
