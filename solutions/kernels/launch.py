"""Launch the hidden kernels: the same code on a GPU with CuPy and in the simulator of bnlab.gpu."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from solutions.kernels import plan

FOLDER = Path(__file__).resolve().parent
STORAGE = {
    "float32": ("float", np.float32),
    "float16": ("half_bits", np.float16),
    "bfloat16": ("bfloat_bits", np.uint16),
}
FILES = {
    "images": ("common.cuh", "images.cu", "held.cu", "persistent.cu"),
    "rows": ("common.cuh", "rows.cu", "rows_persistent.cu"),
}
# from what always fits to what is fastest on an H100, where it fits
TIERS = {"images": ("block", "split", "persistent", "held"), "rows": ("block", "split", "persistent")}
COLUMNS = 8  # packs of a slab, as in rows.cu
STATIC = {"images": 2 << 10, "rows": 15 << 10}  # shared memory of the kernels themselves, and 1 KiB of the driver
f4, i4 = np.float32, np.int32


def source(layout: str) -> str:
    """The text of one module: "images" or "rows"."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in FILES[layout])


def options(storage: str, vec: int, piece: int = 0) -> tuple[str, ...]:
    """Compiler options. Fast mathematics stays off: 1 / sqrt must be right to the last digits."""
    return ("-std=c++17", f"-DSTORAGE={STORAGE[storage][0]}", f"-DVEC={vec}", f"-DPIECE={piece or vec}")


def width(storage: str, contiguous: int) -> int:
    """Numbers that one access moves: 16 bytes where the contiguous length is divisible, fewer elsewhere."""
    vec = 16 // np.dtype(STORAGE[storage][1]).itemsize
    while contiguous % vec:
        vec //= 2
    return vec


def machine_of(device) -> plan.Machine:
    """What a plan needs to know of the GPU in use; in the simulator a toy."""
    if device.simulated:
        return plan.TOY
    return plan.Machine(device.multiprocessors, device.shared_memory, device.shared_memory_block)


class Kernels:
    """Batch normalization in training on device arrays.

    Parameters
    ----------
    layout : str
        "images" for (N, C, H, W) and (N, C, L); "rows" for (N, C) and, as (N, H, W, C), channels last.
    storage : str
        Of x, y and their gradients: "float32", "float16", or "bfloat16" in arrays of uint16. All else is float32.
    machine : plan.Machine, optional
        By default the GPU in use, or a toy in the simulator.
    threads : int
        Of a block; a multiple of 32.
    """

    def __init__(self, layout: str = "images", storage: str = "float32", machine=None, threads: int = 512):
        from bnlab import gpu

        self.gpu, self.layout, self.storage, self.threads = gpu, layout, storage, threads
        self.machine = machine or machine_of(gpu.device)
        self.module, self.kernel, self.workspace = cache(self._module), cache(self._kernel), cache(self._workspace)

    def _kernel(self, name, vec, piece):
        return self.module(vec, piece, name.endswith("persistent")).get_function(name)

    def _module(self, vec, piece, cooperative):
        return self.gpu.RawModule(
            code=source(self.layout), options=options(self.storage, vec, piece), enable_cooperative_groups=cooperative
        )

    def _workspace(self, groups, parts, letters):
        """What the blocks of a channel (or slab) tell each other, kept so that a CUDA graph can repeat a launch.

        Partial sums, (channels, parts, 2); or letters, (channels, parts, 4), with the two numbers of their office.
        """
        slab = 16 // np.dtype(STORAGE[self.storage][1]).itemsize * COLUMNS if self.layout == "rows" else 1
        numbers = self.gpu.xp.zeros((groups * slab, parts, 4 if letters else 2), np.float32)
        return (numbers, self.gpu.xp.zeros(2, np.uint32)) if letters else numbers

    def shape(self, x):
        """(channels, length of a group in packs or rows, groups, numbers a channel, kernel arguments, vec)."""
        if self.layout == "images":
            images, channels, positions = x.shape[0], x.shape[1], int(np.prod(x.shape[2:]))
            vec = width(self.storage, positions)
            return channels, images * positions // vec, channels, (i4(images), i4(channels), i4(positions)), vec
        rows, channels = int(np.prod(x.shape[:-1])), x.shape[-1]
        vec = width(self.storage, channels)
        return channels, rows, -(-channels // (vec * COLUMNS)), (i4(rows), i4(channels)), vec

    def tier(self, x, arrays: int) -> str:
        """The tier for this shape: held where a channel fits into a block, persistent where it fits on the chip, split
        elsewhere, block for small ones."""
        _, length, groups, _, _ = self.shape(x)
        if groups * length <= self.machine.processors * self.threads:
            return "block"
        fitting = [tier for tier in TIERS[self.layout] if self.fits(x, tier, arrays)]
        return fitting[-1]

    def fits(self, x, tier, arrays) -> bool:
        """Whether a tier can take arrays like this one; `arrays` is 1 forward and 2 backward."""
        if tier == "held":
            return self.held_plan(x, arrays) is not None
        _, length, groups, _, vec = self.shape(x)
        return tier != "persistent" or self.persistent_plan(length, groups, vec, arrays) is not None

    def persistent_plan(self, length, groups, vec, arrays):
        """The plan of `plan.persistent`; arrays is 1 forward (x) and 2 backward (x and dy)."""
        columns = COLUMNS if self.layout == "rows" else 1
        each = arrays * columns * vec * np.dtype(STORAGE[self.storage][1]).itemsize
        return plan.persistent(groups, length, each, self.threads // columns, self.machine, STATIC[self.layout])

    def held_plan(self, x, arrays):
        """(channels a block, VEC, PIECE, threads, bytes of shared memory) of blocks that hold whole channels, or None.

        As few channels as make a row that can be moved in accesses of 16 bytes.
        """
        itemsize = np.dtype(STORAGE[self.storage][1]).itemsize
        channels, positions = x.shape[1], int(np.prod(x.shape[2:]))
        vec, piece = 16 // itemsize, width(self.storage, positions)
        if channels % (vec // piece):
            vec = piece
        group = vec // piece
        taken = arrays * group * x.shape[0] * positions * itemsize
        threads = plan.held(taken, self.machine, STATIC[self.layout], 32 * group, self.threads)
        return threads and (group, vec, piece, threads, taken)

    def forward(self, x, gamma, beta, running_mean, running_var, eps=1e-5, momentum=0.1, tier=None, out=None):
        """Normalize, and move the running statistics in place.

        Returns
        -------
        y : array, shape and dtype of x
        mean, inv_std : array, shape (C,), float32
            What `backward` needs.
        """
        xp = self.gpu.xp
        channels, length, groups, shape, vec = self.shape(x)
        tier = tier or self.tier(x, 1)
        y = xp.empty_like(x) if out is None else out
        mean, inv_std = xp.empty(channels, np.float32), xp.empty(channels, np.float32)
        keep, tail = (mean, inv_std, running_mean, running_var), (f4(eps), f4(momentum))
        if tier == "block":
            self.launch("forward_block", vec, (groups,), (x, y, gamma, beta, *keep, *shape, *tail))
        elif tier == "split":
            parts, chunk = self.split_plan(length, groups)
            partial = self.workspace(groups, parts, False)
            grid = (parts, groups)
            self.launch("forward_sums", vec, grid, (x, partial, *shape, i4(chunk)))
            self.launch("forward_apply", vec, grid, (x, y, gamma, beta, partial, *keep, *shape, i4(chunk), *tail))
        elif tier == "held":
            group, vec, piece, threads, shared = self.held_plan(x, 1)
            arguments = (x, y, gamma, beta, *keep, *shape, i4(group), *tail)
            self.launch("forward_held", vec, (channels // group,), arguments, shared, piece, threads)
        else:
            parts, chunk, blocks, shared = self.persistent_plan(length, groups, vec, 1)
            work = self.workspace(groups, parts, True)
            arguments = (x, y, gamma, beta, *work, *keep, *shape, i4(parts), i4(chunk), *tail)
            self.launch("forward_persistent", vec, (blocks,), arguments, shared)
        return y, mean, inv_std

    def backward(self, dy, x, gamma, mean, inv_std, tier=None, out=None):
        """The gradients from what `forward` left behind.

        Returns
        -------
        dx : array, shape and dtype of x
        dgamma, dbeta : array, shape (C,), float32
        """
        xp = self.gpu.xp
        channels, length, groups, shape, vec = self.shape(x)
        tier = tier or self.tier(x, 2)
        dx = xp.empty_like(x) if out is None else out
        dgamma, dbeta = xp.empty(channels, np.float32), xp.empty(channels, np.float32)
        if tier == "block":
            self.launch("backward_block", vec, (groups,), (dy, x, dx, gamma, mean, inv_std, dgamma, dbeta, *shape))
        elif tier == "split":
            parts, chunk = self.split_plan(length, groups)
            partial = self.workspace(groups, parts, False)
            grid, last = (parts, groups), i4(chunk)
            self.launch("backward_sums", vec, grid, (dy, x, mean, partial, *shape, last))
            given = (dy, x, dx, gamma, mean, inv_std, partial, dgamma, dbeta)
            self.launch("backward_apply", vec, grid, (*given, *shape, last))
        elif tier == "held":
            group, vec, piece, threads, shared = self.held_plan(x, 2)
            arguments = (dy, x, dx, gamma, mean, inv_std, dgamma, dbeta, *shape, i4(group))
            self.launch("backward_held", vec, (channels // group,), arguments, shared, piece, threads)
        else:
            parts, chunk, blocks, shared = self.persistent_plan(length, groups, vec, 2)
            work = self.workspace(groups, parts, True)
            given = (dy, x, dx, gamma, mean, inv_std, *work, dgamma, dbeta)
            self.launch("backward_persistent", vec, (blocks,), (*given, *shape, i4(parts), i4(chunk)), shared)
        return dx, dgamma, dbeta

    def split_plan(self, length, groups):
        """The plan of `plan.split`: a block is worth a visit or two of all its threads."""
        least = 2 * self.threads // (COLUMNS if self.layout == "rows" else 1)
        return plan.split(groups, length, self.machine, least)

    def launch(self, name, vec, grid, arguments, shared=0, piece=0, threads=0):
        """One launch; more than 48 KiB of shared memory, the kernel's own included, has to be asked for."""
        kernel = self.kernel(name, vec, piece or vec)
        if shared + STATIC[self.layout] > 48 << 10:
            kernel.max_dynamic_shared_size_bytes = shared
        kernel(grid, (threads or self.threads,), arguments, shared_mem=shared)
