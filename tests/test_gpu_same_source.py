"""One source for all: what the simulator runs, NVIDIA's compilers take, unchanged and for every architecture.

NVRTC comes without the headers of CUDA: kernels that include one are left to nvcc.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_right_kernels import BANK as RIGHT
from test_wrong_kernels import BANK as WRONG
from test_wrong_kernels import REFUSED, header

from autograder import course
from solutions.kernels import launch
from solutions.kernels.nvrtc import CompileError, compile_source

DEFAULT = "--device-as-default-execution-space"  # an option that CuPy gives: functions need no __device__


def self_contained(bank):
    return {path.stem: path.read_text() for path in map(Path, bank) if "#include" not in path.read_text()}


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_90"])
def test_right_kernels_compile_without_spills(arch):
    sources = self_contained(RIGHT)
    assert len(sources) >= 16
    for name, source in sources.items():
        if arch < header(source).get("since", ""):
            continue
        usage = compile_source(source, arch, ("-std=c++17",))["k"]
        assert usage.registers > 0 and usage.spilled == 0, name


def test_wrong_kernels_are_wrong_at_run_time_alone():
    """The simulator finds what the compiler cannot; what both find is too much shared memory."""
    refused, sources = [], self_contained(WRONG)
    assert len(sources) >= 45
    for name, source in sources.items():
        try:
            assert "k" in compile_source(source, "sm_75", ("-std=c++17",))
        except CompileError:
            refused.append(name)
    assert refused == ["limit_of_shared_memory"]


def test_what_the_simulator_refuses_is_no_cuda():
    taken = []
    for name, (line, _) in REFUSED.items():
        try:
            compile_source(f'extern "C" __global__ void k(float* y) {{\n{line}\n}}', "sm_80", ("-std=c++17", DEFAULT))
            taken.append(name)
        except CompileError:
            pass
    assert taken == []


@pytest.fixture(scope="module")
def nvcc(repository, on_ci, tmp_path_factory):
    """Compile a source as it is; what nvcc says, "" where it takes it."""
    ours = sorted(repository.glob("_build/nvcc/nvidia/*/bin/nvcc"))
    program = ours[0] if ours else shutil.which("nvcc")
    if program is None:
        assert not on_ci, "NVIDIA's compiler is missing"
        pytest.skip("needs NVIDIA's compiler: make nvcc")
    folder = tmp_path_factory.mktemp("nvcc")

    def nvcc(source, *options):
        (folder / "kernel.cu").write_text(source)
        command = [str(program), "-std=c++17", *options, "-o", str(folder / "out"), str(folder / "kernel.cu")]
        done = subprocess.run(command, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr

    return nvcc


def test_nvcc_says_no(nvcc):
    assert "nonsense" in nvcc("__global__ void k() { nonsense; }", "-ptx")


def test_kernels_are_taken_by_nvcc_with_its_own_headers(nvcc):
    """The right ones, and of the wrong ones those with headers, which NVRTC has not seen above."""
    sources = {path.stem: path.read_text() for path in map(Path, [*RIGHT, *WRONG])}
    sources = {name: text for name, text in sources.items() if name in {path.stem for path in RIGHT} or "#inc" in text}
    included = set(re.findall("#include <(.*)>", " ".join(sources.values())))
    assert {"cooperative_groups/reduce.h", "cuda_fp16.h"} <= included
    refused = {name: nvcc(source, "-ptx", "-arch=sm_90") for name, source in sources.items()}
    assert not [f"{name}: {said}" for name, said in refused.items() if said]


def test_solutions_of_the_notebook_are_taken_by_nvcc(nvcc):
    sources = re.findall(r'code = r"""\n(.*?)"""', (course.SOLUTIONS / "10_cuda.py").read_text(), flags=re.S)
    assert len(sources) >= 7
    assert not [said for said in (nvcc(source, "-ptx", "-arch=sm_75") for source in sources) if said]


@pytest.mark.parametrize("storage", launch.STORAGE)
@pytest.mark.parametrize("layout", launch.FILES)
def test_hidden_kernels_are_taken_by_nvcc(nvcc, layout, storage):
    most = launch.width(storage, 1024)
    options = launch.options(storage, most, most, min(16, launch.SLAB // most))
    assert not nvcc(launch.source(layout), *options, "-cubin", "-arch=sm_90")
