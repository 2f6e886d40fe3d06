"""Batch normalization on the GPU, and on a simulated one where there is none. One import gives all that a kernel needs:

    from bnlab.gpu import xp, RawKernel, RawModule, ElementwiseKernel, ReductionKernel, device

`xp` is CuPy where a kernel really runs, and else NumPy with CuPy's few extra names; the kernel classes are CuPy's, or
the simulator's with the same call. The first use says in one line which it is and what is graded; a second one tells
how to get the simulator beside a real GPU, or that a compiler is missing. CuPy is imported then, never by `import
bnlab.gpu`. BNLAB_GPU=simulator in the environment asks for the simulator.

The simulator
-------------
It compiles the kernel's CUDA C++, unchanged, with the C++ compiler of this machine and runs every thread of every
block, in an order that can be chosen. Shared memory holds NaN until something is written. By default every access is
checked:

    race                two threads touch one element, one of them writes, and no barrier or fence stands between
    uninitialized       shared memory is read that nobody wrote
    out of bounds       outside of an array or a shared variable; "illegal address" where it is near none
    misaligned          a float4 at an address that is not a multiple of 16
    barrier             __syncthreads() that some threads of the block never reach, or at two places at once
    warp                a mask of a *_sync primitive that leaves out the caller, or names a lane that does not come
    spin                a loop that waits for what will not happen
    limit, launch       too much shared memory, too many threads, ...

as a `KernelError` with the line of the source; a wrong argument is a TypeError with that of its parameter, a wrong
source a CompileException.

    with simulate(schedule="reverse") as log:      # "forward", "reverse", "random" or a seed
        y = batchnorm_train_cuda(x, gamma, beta)
    print(log)                                     # bytes of each array, sectors, bank conflicts, barriers
    log.loaded(x)                                  # 2.0: the kernels read x twice

What is no mistake, and behind many a strange result, stands in the log as a note: an array that is a view whose numbers
do not lie side by side, a variable that the compiler sees read before it has a value, a block that ends in half a warp,
a mask that names lanes which have returned.

`simulate(checked=False)` is about 20 times faster and finds only what a barrier, a warp or a wild address shows.

What it knows of CUDA: threadIdx and its like; shared memory, static and dynamic; __syncthreads and its counting
forms; shuffles, ballots, matches, reductions of a warp (those since sm_80 too), __activemask, __syncwarp; atomics;
fences; vector types, loaded as one access; __half and __nv_bfloat16 with their conversions and plain arithmetic
(include cuda_fp16.h or cuda_bf16.h, as CUDA wants it); cooperative_groups.h with blocks, tiles, coalesced threads and
the grid, and its reduce.h; math_constants.h; printf, assert, __trap; template kernels by `name_expressions`.

Limits
------
- No textures, streams, inline PTX, tensor cores, dynamic parallelism, cub; no RawModule.get_global. Of the rarer
  functions of the device some are missing, such as those that round otherwise than to nearest.
- __CUDA_ARCH__ is not defined, and __CUDA_SIMULATOR__ is: #ifdef __CUDA_ARCH__ keeps a line for the GPU alone.
- C's headers are taken, and std::, INFINITY, uint8_t and their like are known. NVRTC, the compiler that CuPy asks, has
  none of them; the functions of mathematics need no header there, and take no int, as in sqrt(n).
- What C++ leaves open is as on this machine: whole numbers that overflow, a shift by 32, a float too large for an int.
  CuPy has a GPU take floats below 1.2e-38 for 0 (-ftz=true); here they are kept.
- np.asarray of a device array gives its numbers and is not counted, where CuPy refuses it; the test drives of notebook
  10 look whether results need their kernels.
- A thread has 64 KB of stack, a launch at most 67,108,864 threads. One launch runs at a time. The checker keeps 96
  bytes for each number of an array that a kernel touches.
- Memory is in order: of the mistakes of weak memory only a missing fence between blocks shows, and not where the data
  itself is volatile: a volatile access of global memory counts as a way to hand something over, so that a missing lock
  or fence around nothing but volatile accesses does not show. An index that leaves one array and lands in another one,
  or leaves a __device__ variable, is not told from a right one.
- A plain read of what other threads change by atomics is a race, unless an atomicCAS of the same thread follows at
  that place (the loop of CUDA's guide). Read it by atomicAdd(p, 0) or through a volatile pointer.
- Of a place that many threads read, the checker remembers few reads: a race may show in one order of threads alone.
  So run kernels in several; the course does.
- A lane that has returned is not waited for, as on a GPU: a mask that names it is no mistake, and noted where values
  are handed over. What a shuffle gives from there is NaN.
- __launch_bounds__ are compared with the block where they are written as numbers and macros.
- An index that leaves an array of the thread's own (float held[8];), and a static variable inside of a function, are
  not watched. Functions and variables without __device__ are taken for the device's, as CuPy has NVRTC take them;
  nvcc does not, and variables without the word are not watched.
- What is __shared__ has to be written so, or by a macro without arguments; it has no constructor.
- With g++, __shared__ variables inside of template functions have no guard, so that an index just outside of them may
  not show; where blocks run together they are refused.
- Math functions are those of the C library; a product and a sum are not fused unless the kernel says fmaf.
- Sectors and bank conflicts are counted from addresses; caches are not modelled. Lanes that have come apart by a
  million steps of a loop count as requests of their own. Requests to shared memory depend a little on the compiler,
  which may double or join instructions. A struct that is copied whole counts as pieces of 16 bytes. Elementwise and
  reduction kernels run as loops: each array counts as moved once; of `_ind`, `_in_ind` and `_out_ind` there is size()
  alone, of raw parameters [i], size() and shape().
- Linux (and so WSL and Colab) on x86-64 or 64-bit ARM, with g++ 11 or clang++ 12 or later. Tested
  are g++ 12 and clang++ 14 on x86-64; `pip install ziglang pyelftools` is tried last, and its first use takes minutes.
"""

import importlib

_HOMES = {  # what is simulated whatever the machine has
    "simulate": "bnlab.gpu.settings",
    "Machine": "bnlab.gpu.settings",
    "KernelError": "bnlab.gpu.report",
    "warm": "bnlab.gpu.compiler",
}
_BACKEND = ("xp", "RawKernel", "RawModule", "ElementwiseKernel", "ReductionKernel", "CompileException", "device")
__all__ = [*_BACKEND, *_HOMES]


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _BACKEND:
        return getattr(importlib.import_module("bnlab.gpu.backend").chosen(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
