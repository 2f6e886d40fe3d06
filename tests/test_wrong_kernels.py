"""Every wrong kernel is named with its own message and line, by both compilers, in every order of threads.

A file of wrong_kernels/ begins with what is expected: the kind (or kinds, where the order of threads decides), what the
message says, and the launch: blocks and threads, n, bytes of dynamic shared memory. The lines to blame end in `// <-`.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from bnlab.gpu import compiler, kernels
from bnlab.gpu.report import KernelError
from bnlab.gpu.settings import simulate

BANK = sorted((Path(__file__).parent / "wrong_kernels").glob("*.cu"))


def header(text):
    """The expectations at the top of a file."""
    lines = re.findall(r"^// (\w+):? ?(.*)$", text, flags=re.M)
    found = {"launch": "1 64", "n": "64", "shared": "0", "schedules": "forward reverse random", "zero": "-1"}
    return {**found, **dict(lines)}


def caught(text, want, schedule, checked=True):
    """The error of one launch, or None."""
    blocks, threads = map(int, want["launch"].split())
    n = int(want["n"])
    x, y = np.linspace(1, 2, n, dtype="f"), np.full(n, np.nan, "f")
    if int(want["zero"]) >= 0:
        y[int(want["zero"])] = 0
    kernel = kernels.RawKernel(text, "k", enable_cooperative_groups="cooperative" in want)
    with simulate(checked=checked, schedule=schedule):
        try:
            kernel((blocks,), (threads,), (x, y, n), shared_mem=int(want["shared"]))
        except KernelError as error:
            return error
    return None


def test_the_bank_is_large():
    assert len(BANK) >= 50


@pytest.mark.parametrize("cxx", ["g++", "clang++"])
@pytest.mark.parametrize("path", BANK, ids=[path.stem for path in BANK])
def test_a_wrong_kernel_is_named(path, cxx, monkeypatch):
    monkeypatch.setenv("BNLAB_CXX", cxx)
    monkeypatch.setenv("BNLAB_GPU_PATIENCE", "0.2")
    text = path.read_text()
    want = header(text)
    marked = [number for number, line in enumerate(text.split("\n"), 1) if line.rstrip().endswith("// <-")]
    for schedule in want["schedules"].split():
        error = caught(text, want, schedule)
        assert error is not None, f"not found in {schedule} order"
        assert error.kind in want["kind"].split("|"), f"{schedule}: {error}"
        assert re.search(want["says"], str(error)), f"{schedule}: {error}"
        assert error.line in (marked or [0]), f"{schedule}: {error}"
        if marked:
            assert f"line {error.line}" in str(error) and text.split("\n")[error.line - 1].strip() in str(error)


PLAIN = "barrier_in_a_branch warp_mask_leaves_out_the_caller bounds_wild_pointer spin_without_end limit_of_a_stack"


@pytest.mark.parametrize("name", PLAIN.split())
def test_without_the_checker_some_are_still_named(name, monkeypatch):
    monkeypatch.setenv("BNLAB_GPU_PATIENCE", "0.2")
    (path,) = [path for path in BANK if path.stem == name]
    text = path.read_text()
    error = caught(text, header(text), "forward", checked=False)
    assert error is not None and error.line and error.kind in header(text)["kind"].split("|")


REFUSED = {
    "initial value": ("__shared__ float s = 0.f;", "cannot have an initial value"),
    "unknown header": ("}\n#include <cub/cub.cuh>\nvoid f() {", "the simulator has no <cub/cub.cuh>"),
    "undeclared": ("y[0] = undeclared;", "undeclared"),
    "atomics of a type": ("atomicAdd((short*)y, (short)1);", "no version for this type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_compile_has_its_line(name):
    line, message = REFUSED[name]
    source = f'extern "C" __global__ void k(float* y) {{\n{line}\n}}'
    with pytest.raises(compiler.CompileException, match=message) as told:
        kernels.RawKernel(source, "k").compile()
    assert re.search(r"kernel\.cu:[23]:|simt\.h", str(told.value)), told.value
