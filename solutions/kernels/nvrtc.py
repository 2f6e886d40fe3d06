"""Compile CUDA C for a given GPU without having one: NVRTC as a library, from PyPI's nvidia-cuda-nvrtc-cu12."""

from __future__ import annotations

import ctypes
import re
import site
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path


class CompileError(Exception):
    """The compiler's own words."""


@dataclass(frozen=True)
class Usage:
    """What one kernel takes: registers a thread, bytes spilled to local memory, bytes of static shared memory."""

    registers: int
    spilled: int
    shared: int


@cache
def library():
    """NVRTC, loaded.

    Raises
    ------
    ModuleNotFoundError
        With the cure.
    """
    folders = {Path(folder) for folder in [*site.getsitepackages(), site.getusersitepackages(), *sys.path] if folder}
    for folder in sorted(folders):
        for path in sorted(folder.glob("nvidia/*/lib/libnvrtc.so.1*")):
            return ctypes.CDLL(str(path))
    raise ModuleNotFoundError("NVRTC is missing: pip install nvidia-cuda-nvrtc-cu12")


def compile_source(source: str, architecture: str, options: tuple[str, ...] = ()) -> dict[str, Usage]:
    """Compile for one architecture, "sm_90".

    Returns
    -------
    dict
        kernel name -> Usage

    Raises
    ------
    CompileError
    """
    return usages(_compiled(source, architecture, options)[0])


def ptx(source: str, architecture: str, options: tuple[str, ...] = ()) -> str:
    """The instructions in NVIDIA's intermediate language. Raises CompileError."""
    return _compiled(source, architecture, options)[1]


def _compiled(source, architecture, options):
    """What the compiler said, and PTX."""
    nvrtc, program = library(), ctypes.c_void_p()
    if nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None):
        raise CompileError("NVRTC takes no program")
    given = [*options, f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    array = (ctypes.c_char_p * len(given))(*[option.encode() for option in given])
    try:
        failed = nvrtc.nvrtcCompileProgram(program, len(given), array)
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, text)
        nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
        instructions = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetPTX(program, instructions)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    log = text.value.decode()
    if failed:
        raise CompileError(log)
    return log, instructions.value.decode()


def usages(log: str) -> dict[str, Usage]:
    """Read what ptxas says about each kernel."""

    def number(pattern, text):
        found = re.search(pattern, text)
        return int(found[1]) if found else 0

    found = {}
    for part in log.split("Compiling entry function ")[1:]:
        spilled = number(r"(\d+) bytes spill stores", part) + number(r"(\d+) bytes spill loads", part)
        usage = Usage(number(r"Used (\d+) registers", part), spilled, number(r"(\d+) bytes smem", part))
        found[re.match(r"'(\w+)'", part)[1]] = usage
    return found
