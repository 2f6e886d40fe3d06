"""Which GPU there is: a real one by CuPy, or the simulated one."""

import functools
import importlib
import os
from dataclasses import dataclass
from types import SimpleNamespace

GRADED = "simulated GPU: correctness and memory traffic are graded, speed is not"
SIMULATED_TOO = (
    "For the simulated GPU, which names the lines of races and wild addresses, restart the kernel and begin with "
    "%env BNLAB_GPU=simulator"
)


@dataclass(frozen=True)
class Device:
    """The GPU in use. Sizes are in bytes.

    Attributes
    ----------
    simulated : bool
    name : str
    compute_capability : str
        "75" for 7.5.
    multiprocessors, threads : int
        How many there are, and resident threads of each.
    shared_memory, shared_memory_block : int
        Of a multiprocessor; of a block that asked for more than 48 KB.
    l2 : int
        Second-level cache.
    line : str
        Which it is and what is graded.
    """

    simulated: bool
    name: str
    compute_capability: str
    multiprocessors: int
    threads: int
    shared_memory: int
    shared_memory_block: int
    l2: int
    line: str

    def __str__(self):
        return self.line


def find_cupy():
    """CuPy, if a kernel makes the round trip to a GPU and back; else None and why.

    A driver without NVRTC, a toolkit without headers and a GPU without memory are all found out by trying.

    Returns
    -------
    module or None, str
    """
    if os.environ.get("BNLAB_GPU") == "simulator":
        return None, "BNLAB_GPU=simulator"
    try:
        cupy = importlib.import_module("cupy")
    except Exception as error:  # ImportError; OSError and others from a broken CUDA library
        return None, "CuPy is not installed" if isinstance(error, ModuleNotFoundError) else f"CuPy: {error}"
    try:
        if cupy.cuda.runtime.getDeviceCount() < 1:
            return None, "no GPU"
        source = 'extern "C" __global__ void probe(float* x) { x[threadIdx.x] += 1.0f; }'
        x = cupy.arange(3, dtype="float32")
        cupy.RawKernel(source, "probe")((1,), (3,), (x,))
        if x.get().tolist() != [1.0, 2.0, 3.0]:
            return None, "the GPU computes 0 + 1, 1 + 1, 2 + 1 wrongly"
    except Exception as error:  # CUDARuntimeError, CompileException, OutOfMemoryError, missing libraries, ...
        what = str(error).partition(":")[0][:80]
        return None, f"no GPU that CuPy can use: {type(error).__name__}, {what}"
    return cupy, ""


@functools.cache
def chosen():
    """Everything that depends on the machine; says in one line what was chosen, except in the autograder."""
    cupy, why = find_cupy()
    found = _real(cupy) if cupy else _simulated(why)
    if not os.environ.get("BN_GRADING"):
        print(found.device.line)
        if more := found.lacking() if found.device.simulated else SIMULATED_TOO:
            print(more)
    return found


def _real(cupy):
    attributes = cupy.cuda.Device().attributes
    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    device = Device(
        False,
        name,
        cupy.cuda.Device().compute_capability,
        attributes["MultiProcessorCount"],
        attributes["MaxThreadsPerMultiProcessor"],
        attributes["MaxSharedMemoryPerMultiprocessor"],
        attributes["MaxSharedMemoryPerBlockOptin"],
        attributes["L2CacheSize"],
        f"{name} by CuPy {cupy.__version__}: correctness and speed are graded",
    )
    return SimpleNamespace(
        xp=cupy,
        device=device,
        RawKernel=cupy.RawKernel,
        RawModule=cupy.RawModule,
        ElementwiseKernel=cupy.ElementwiseKernel,
        ReductionKernel=cupy.ReductionKernel,
        CompileException=cupy.cuda.compiler.CompileException,
    )


def _simulated(why):
    from bnlab.gpu import arrays, compiler, elementwise, kernels, reduction, settings

    machine = settings.Machine()
    device = Device(
        True,
        "simulated GPU",
        "75",
        machine.multiprocessors,
        machine.threads,
        machine.shared_memory,
        machine.shared_memory_block,
        machine.l2,
        f"{GRADED} ({why})",
    )
    classes = {
        "RawKernel": kernels.RawKernel,
        "RawModule": kernels.RawModule,
        "ElementwiseKernel": elementwise.ElementwiseKernel,
        "ReductionKernel": reduction.ReductionKernel,
    }
    vars(arrays.xp).update(classes)
    classes |= {"CompileException": compiler.CompileException, "lacking": compiler.lacking}
    return SimpleNamespace(xp=arrays.xp, device=device, **classes)
