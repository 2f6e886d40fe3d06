"""Notebook 10: its references are exact, mistakes come with their line, and its kernels are CUDA as NVIDIA has it."""

import importlib
import re

import numpy as np
import pytest
import torch
from bnlab import cuda_drivers, tasks
from bnlab.answers import LocalAnswer
from bnlab.examiner import examine_answer
from bnlab.oracles import Functions, widen

from autograder import course
from autograder.authoring.script import Script
from solutions.exact import EXACT, exact
from solutions.kernels.nvrtc import compile_source
from solutions.mutants import bank

SCRIPT = Script.of("10_cuda")
TASKS = [SCRIPT.task_of(cell.id) for cell in SCRIPT.of_kind("test") if SCRIPT.task_of(cell.id) in EXACT]
SLIPS_OF_THREADS = [  # task, slip, what the checker calls it
    ("channel-sums", "barrier_missing", "uninitialized|race"),
    ("channel-sums", "barrier_in_the_branch", "barrier"),
    ("channel-sums", "one_too_far", "out of bounds"),
    ("warp-sums", "barrier_missing", "uninitialized|race"),
    ("vector-loads", "vectors_in_every_row", "misaligned"),
    ("split-sums", "no_atomics", "race"),
    ("one-read", "next_channel_not_awaited", "race"),
    ("one-read", "bytes_counted_as_numbers", "out of bounds"),
]


def test_all_tasks_have_an_exact_reference():
    assert sorted(EXACT) == sorted(TASKS) and len(TASKS) >= 8


def test_exact_passes_agree_with_torch_in_float64():
    rng = np.random.default_rng(0)
    inputs = widen(tasks.find("cuda-train").cases[1].inputs(rng))
    found = exact("cuda-train")(inputs)
    x, gamma, beta = (torch.tensor(inputs[name], requires_grad=True) for name in ("x", "gamma", "beta"))
    y = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=inputs["eps"])
    np.testing.assert_allclose(found["y"], y.detach(), rtol=1e-9, atol=1e-11)
    dy = rng.normal(size=x.shape)
    y.backward(torch.tensor(dy))
    gradients = exact("cuda-backward")({"dy": dy, "cache": tuple(found[n] for n in ("x", "mu", "inv_std", "gamma"))})
    for name, value in (("dx", x), ("dgamma", gamma), ("dbeta", beta)):
        np.testing.assert_allclose(gradients[name], value.grad, rtol=1e-9, atol=1e-11)


def test_exact_gradient_agrees_with_central_differences():
    rng = np.random.default_rng(1)
    x, dy, gamma = rng.normal(2, 3, (3, 2, 3, 5)), rng.normal(size=(3, 2, 3, 5)), np.array([0.7, -1.3])
    given = {"gamma": gamma, "beta": np.zeros(2), "eps": 0.5}
    found, step = exact("cuda-train")({"x": x} | given), 1e-5 * rng.normal(size=x.shape)
    ahead, behind = (np.sum(dy * exact("cuda-train")({"x": x + s * step} | given)["y"]) for s in (1, -1))
    gradient = exact("cuda-backward")({"dy": dy, "cache": tuple(found[n] for n in ("x", "mu", "inv_std", "gamma"))})
    np.testing.assert_allclose((ahead - behind) / 2, np.sum(gradient["dx"] * step), rtol=1e-6)


@pytest.mark.parametrize(("task_id", "slip", "kind"), SLIPS_OF_THREADS)
def test_a_mistake_of_threads_comes_with_its_line(task_id, slip, kind):
    task, (function, message) = tasks.find(task_id), bank(task_id)[slip]
    oracle = Functions(None, bank(task_id), exact(task_id))
    rng = lambda position: tasks.public_rng(task_id, position)  # noqa: E731
    report = examine_answer(task, LocalAnswer(function, task.answer), task.cases, oracle, rng)
    assert report.slips[0] == slip and report.likely.startswith(message)
    line, text = re.search(r"line (\d+): (.*)\n", report.problem).groups()
    assert re.search(rf"\n  {line} \| \S", report.problem) and "(with the threads in " in report.problem
    assert any(part in report.got or part in text for part in kind.split("|"))


ASTRAY = [  # task, changes of the slips' kernel, threads, the slip that is named
    ("channel-sums", [("i += 128", "i += 256")], 256, "shared_array_too_small"),
    ("channel-sums", [("t < half", "t <= half")], 128, "round_too_wide"),
    ("channel-sums", [("half = 64;", "half = blockDim.x;")], 128, "round_too_wide"),
    ("channel-sums", [("i < m;", "i < m + 1;")], 128, "one_too_far"),
    ("channel-sums", [("shift[c];", "shift[t];")], 128, "shift_by_thread"),
    ("channel-sums", [("s1[c] =", "s1[c + 100] =")], 128, None),
    ("channel-sums", [("one[t] = a;", "one[t] = a; if (t == 3) asm volatile(\"\"); assert(t != 5);")], 128, None),
    ("cuda-train", [("gamma[c]", "gamma[t]")], 128, "gamma_by_thread"),
    ("cuda-train", [("mu[c] =", "mu[c + 64] =")], 128, None),
    ("cuda-train", [("i < m;", "i <= m;")], 128, "one_too_far"),
]  # fmt: skip


@pytest.mark.parametrize(("task_id", "changes", "threads", "slip"), ASTRAY)
def test_an_access_out_of_bounds_is_blamed_on_its_own_array(task_id, changes, threads, slip):
    from bnlab.gpu import RawKernel, xp

    code = importlib.import_module(f"solutions.mutants.{task_id.replace('-', '_')}").edited(*changes)

    def channel_sums(x, shift):
        n, c, h, w = x.shape
        s1, s2 = xp.empty(c, xp.float32), xp.empty(c, xp.float32)
        sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w))
        RawKernel(code, "sums")((c,), (threads,), (x, shift, s1, s2, *sizes))
        return s1, s2

    def batchnorm_train_cuda(x, gamma, beta, eps=1e-5):
        n, c, h, w = x.shape
        y, mu, inv_std = xp.empty_like(x), xp.empty(c, xp.float32), xp.empty(c, xp.float32)
        sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w), xp.float32(eps))
        RawKernel(code, "train")((c,), (threads,), (x, gamma, beta, y, mu, inv_std, *sizes))
        return y, (x, mu, inv_std, gamma)

    task = tasks.find(task_id)
    answer = LocalAnswer(channel_sums if task_id == "channel-sums" else batchnorm_train_cuda, task.answer)
    oracle = Functions(None, bank(task_id), exact(task_id))
    report = examine_answer(task, answer, task.cases, oracle, lambda position: tasks.public_rng(task_id, position))
    assert not report.passed and report.slips[:1] == [slip][: slip is not None], report


def test_a_result_that_depends_on_the_order_is_found():
    from bnlab.gpu import RawKernel, xp

    def last_one_wins(x, shift):
        code = """extern "C" __global__ void k(const float* x, int n, float* s) {
          atomicExch(s, x[blockIdx.x % n]);
        }"""
        s1 = xp.zeros(x.shape[1], xp.float32)
        RawKernel(code, "k")((7,), (1,), (x, xp.int32(x.size), s1))
        return s1, xp.zeros_like(s1)

    inputs = tasks.find("channel-sums").cases[1].inputs(np.random.default_rng(2))
    found = cuda_drivers.drive_channel_sums(last_one_wins, inputs)
    assert found[cuda_drivers.CHECKER] == cuda_drivers.DEPENDS and "reverse order" in found[cuda_drivers.DETAIL]


def test_the_solutions_compile_for_real_gpus_without_spills():
    sources = re.findall(r'code = r"""\n(.*?)"""', (course.SOLUTIONS / "10_cuda.py").read_text(), flags=re.S)
    assert len(sources) >= 7
    for source in sources:
        for usage in compile_source(source, "sm_75", ("-std=c++17",)).values():
            assert usage.spilled == 0
