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


REFUSED = {  # what stands in the kernel, and what is said of it; NVIDIA's compilers refuse the same
    "initial value": ("__shared__ float s = 0.f;", "cannot have an initial value"),
    "unknown header": ("}\n#include <cub/cub.cuh>\nvoid f() {", "the simulator has no <cub/cub.cuh>"),
    "undeclared": ("y[0] = undeclared;", "undeclared"),
    "atomics of a type": ("atomicAdd((short*)y, (short)1);", "atomicAdd has no version for this type; it has int"),
    "shuffle of two": ("y[0] = __shfl_sync(~0u, ((float2*)y)[0], 0).x;", "a shuffle moves a number"),
    "float and int": ("y[0] = max(y[0], 0);", "max.* is ambiguous"),
    "cast of one number": ("float4 v = (float4)y[0];", "float4::float4|C-style cast"),
    "number for a vector": ("float4 v = 0;", "conversion from .int. to"),
    "size of the launch": ("float s[blockDim.x];", "variable length array"),
    "nowhere defined": ("float f(float);\ny[0] = f(1);", "f(.float.)? is declared, and nowhere defined"),
}


@pytest.mark.parametrize("cxx", ["g++", "clang++"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_compile_has_its_line(name, cxx, monkeypatch):
    monkeypatch.setenv("BNLAB_CXX", cxx)
    line, message = REFUSED[name]
    source = f'extern "C" __global__ void k(float* y) {{\n{line}\n}}'
    with pytest.raises(compiler.CompileException, match=message) as told:
        kernels.RawKernel(source, "k").compile()
    assert re.match(r"kernel\.cu:[23]:(\d+:)? error: .*\n  [23] \| ", str(told.value)), told.value


@pytest.mark.parametrize("cxx", ["g++", "clang++"])
def test_inline_ptx_is_refused_with_a_cure(cxx, monkeypatch):
    monkeypatch.setenv("BNLAB_CXX", cxx)
    asm = 'unsigned lane;\n  ASM("mov.u32 %0, %%laneid;" : "=r"(lane));\n  y[0] = lane;'
    kernel = f'extern "C" __global__ void k(float* y) {{\n  {asm}\n}}'
    for word in ("asm", "asm volatile", "__asm__"):
        with pytest.raises(
            compiler.CompileException, match=r"^kernel.cu:3:\d+: error: the simulator has no inline PTX"
        ):
            kernels.RawKernel(kernel.replace("ASM", word), "k").compile()
    y = np.ones(1, "f")
    for_both = kernel.replace("  ASM", "#ifdef __CUDA_ARCH__\n  asm").replace(
        "  y[0]", "#else\n  lane = 0;\n#endif\n  y[0]"
    )
    kernels.RawKernel(for_both, "k")((1,), (1,), (y,))
    assert y[0] == 0
