"""Students' kernels run in the grader's locked workers: the compiler is there, the way out is not, and a wild kernel
ends its own worker alone."""

import time

import pytest
from bnlab.answers import AnswerError

from autograder import course
from autograder.authoring.kernels import GPU
from autograder.grading import execute, isolation
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote

FULL = isolation.namespaces() == ""
LIBRARIES = (GPU,)
SETUP = """
import numpy as np
from bnlab.gpu import RawKernel, device, simulate, xp

def launch(body, n=64, checked=True):
    x, y = np.arange(n, dtype="f"), np.zeros(n, "f")
    kernel = RawKernel('extern "C" __global__ void k(const float* x, float* y, int n) {' + body + "}", "k")
    with simulate(checked=checked) as log:
        kernel((2,), (n // 2,), (x, y, n))
    return y, log.loaded(x)

def sockets():
    import socket
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return "refused"
"""
TWICE = "int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) y[i] = 2 * x[i];"


@pytest.fixture(scope="module")
def zygote():
    zygote = Zygote(LIBRARIES)
    yield zygote
    zygote.close()


@pytest.fixture
def worker(zygote):
    worker = Worker(zygote)
    worker.allow(60, "the kernel")
    assert worker.run_cell("set-up", SETUP) is None
    yield worker
    worker.close()


def launch(worker, *arguments):
    call = {"args": list(arguments), "kwargs": {}}
    return worker.value("launch", {"op": "call", "name": "launch"}, call)


@pytest.mark.skipif(not FULL, reason="no namespaces here")
def test_the_canaries_find_no_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    found = execute.isolation_of(LIBRARIES)
    assert (found.tier, found.missing, found.escaped) == ("S3", {}, ())
    execute.close_zygotes()


def test_a_kernel_runs_in_a_worker(worker):
    y, loaded = launch(worker, TWICE)
    assert y.tolist() == [2 * i for i in range(64)] and loaded == 1
    assert worker.value("sockets", {"op": "call", "name": "sockets"}, {"args": [], "kwargs": {}}) == "refused"


def test_a_mistake_comes_back_with_its_line(worker):
    with pytest.raises(AnswerError, match=r"KernelError: k, line 1: out of bounds: .* x\[64\]") as told:
        launch(worker, TWICE.replace("x[i]", "x[i + 1]"))
    assert told.value.kind == "raised"
    y, _ = launch(worker, TWICE)  # and the worker goes on
    assert y[1] == 2


def test_a_worker_does_not_build_the_simulator(worker):
    """It is there already: what a worker compiles is the student's kernel."""
    source = (
        "import os, bnlab.gpu.compiler as c\ndef cached():\n    return sorted(n[:6] for n in os.listdir(c.cache()))"
    )
    worker.run_cell("look", source)
    launch(worker, TWICE)
    names = worker.value("cached", {"op": "call", "name": "cached"}, {"args": [], "kwargs": {}})
    assert names == ["checke", "checke"]  # a kernel and the lock of its kind


WILD = {
    "an illegal instruction": "__builtin_trap();",
    "a wild write into the process": (
        "for (long long i = -(1ll << 22); i < 1ll << 22; ++i) ((volatile float*)y)[i] = 1.f; __builtin_trap();"
    ),
    "the end of the process": "__builtin__exit(7);",
}


@pytest.mark.parametrize("name", WILD)
def test_a_wild_kernel_ends_its_worker_alone(worker, zygote, name):
    """The verdict is `crashed` (or the named fault), in a moment; the next student's worker is well."""
    started = time.monotonic()
    with pytest.raises(AnswerError) as told:
        launch(worker, WILD[name], 64, False)
        launch(worker, TWICE)
    named = told.value.kind == "raised" and "illegal address" in str(told.value)
    assert told.value.kind == "crashed" or named, told.value
    assert name == "a wild write into the process" or told.value.kind == "crashed"
    assert time.monotonic() - started < 60
    other = Worker(zygote)
    other.allow(60, "the kernel")
    assert other.run_cell("set-up", SETUP) is None
    assert launch(other, TWICE)[0][5] == 10
    other.close()


def test_a_grader_without_a_compiler_says_so(monkeypatch):
    monkeypatch.setenv("BNLAB_CXX", "no-such-compiler")
    with pytest.raises(course.CourseError, match="kernels cannot be graded here: .*apt-get install g"):
        isolation.simulator.__wrapped__()
