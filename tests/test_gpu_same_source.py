"""One source for all: what the simulator runs, NVIDIA's compiler takes, unchanged and for every architecture.

Kernels that include a header of CUDA are left out: NVRTC comes without its headers.
"""

from pathlib import Path

import pytest
from test_right_kernels import BANK as RIGHT
from test_wrong_kernels import BANK as WRONG
from test_wrong_kernels import header

from solutions.kernels.nvrtc import CompileError, compile_source


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
