"""Launch the hidden kernels: the same code on a GPU with CuPy and in the simulator of bnlab.gpu."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
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
# from what always fits to what is tried first
TIERS = {"images": ("block", "split", "persistent", "held"), "rows": ("block", "split", "persistent")}
SLAB = 64  # channels of a slab of rows.cu, at most
STATIC = {"images": 2 << 10, "rows": 15 << 10}  # shared memory of the kernels themselves, and 1 KiB of the driver
f4, i4 = np.float32, np.int32


def source(layout: str) -> str:
    """The text of one module: "images" or "rows"."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in FILES[layout])


def options(storage: str, vec: int, piece: int = 0, columns: int = 8) -> tuple[str, ...]:
    """Compiler options. Fast mathematics stays off: 1 / sqrt must be right to the last digits."""
    sizes = {"VEC": vec, "PIECE": piece or vec, "COLUMNS": columns}
    return ("-std=c++17", f"-DSTORAGE={STORAGE[storage][0]}", *(f"-D{name}={size}" for name, size in sizes.items()))


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


@dataclass(frozen=True)
class Recipe:
    """How arrays of one shape are launched.

    Parameters
    ----------
    tier : str
    options : tuple of int
        VEC, PIECE and COLUMNS.
    grid : tuple of int
    threads, shared : int
        Of a block; bytes of dynamic shared memory.
    shape, extra : tuple of numpy.int32
        Kernel arguments: what the shape is, and how it is divided.
    work : tuple of array
        What blocks tell each other, kept so that a CUDA graph can repeat a launch.
    """

    tier: str
    options: tuple
    grid: tuple
    threads: int
    shared: int
    shape: tuple
    extra: tuple = ()
    work: tuple = ()


class Kernels:
    """Batch normalization in training on device arrays.

    Launches of one object share a workspace: they have to follow each other, on one stream or behind events. A CUDA
    graph writes into what the captured call returned: keep it, and call once before capturing, to have all compiled.
    Arrays lie in memory without gaps and begin at a multiple of 16 bytes: those that CuPy makes do, a view may not.

    Parameters
    ----------
    layout : str
        "images" for (N, C, H, W) and (N, C, L); "rows" for (N, C) and, as (N, H, W, C), channels last.
    storage : str
        Of x, y and their gradients: "float32", "float16", or "bfloat16" in arrays of uint16. All else is float32.
    machine : plan.Machine, optional
        By default the GPU in use, or a toy in the simulator.
    threads : int
        Of a block, at most: 64, 128, 256 or 512.
    edit : callable, optional
        Source text -> source text, to measure what a line of it is worth.
    """

    def __init__(self, layout: str = "images", storage: str = "float32", machine=None, threads: int = 512, edit=None):
        from bnlab import gpu

        self.gpu, self.layout, self.storage, self.threads, self.edit = gpu, layout, storage, threads, edit
        self.itemsize = np.dtype(STORAGE[storage][1]).itemsize
        self.machine = machine or machine_of(gpu.device)
        self.module, self.kernel = cache(self._module), cache(self._kernel)
        self.recipe, self.workspace = cache(self._recipe), cache(self._workspace)

    def _kernel(self, name, numbers):
        kernel = self.module(numbers, name.endswith("persistent")).get_function(name)
        if name.endswith(("persistent", "held")):  # more than 48 KiB of shared memory have to be asked for
            kernel.max_dynamic_shared_size_bytes = self.machine.shared_per_block - STATIC[self.layout]
        return kernel

    def _module(self, numbers, cooperative):
        given, text = options(self.storage, *numbers), source(self.layout)
        text = self.edit(text) if self.edit else text
        return self.gpu.RawModule(code=text, options=given, enable_cooperative_groups=cooperative)

    def _workspace(self, grid, *shapes):
        """Arrays of zeros, (shape, letter of the dtype) each, for launches of one grid: `enter` counts its blocks."""
        return tuple(self.gpu.xp.zeros(shape, kind) for shape, kind in shapes)

    def sizes(self, shape, arrays):
        """Groups of channels that blocks are given, length of one in packs or rows, and (VEC, PIECE, COLUMNS).

        Slabs are wide, for longer reads, where some rows will be read twice, and else narrow, for fewer letters.
        """
        if self.layout == "images":
            positions = prod(shape[2:])
            vec = width(self.storage, positions)
            return shape[1], shape[0] * positions // vec, (vec, vec, 8)
        vec = width(self.storage, shape[-1])
        packs, room = shape[-1] // vec, self.machine.shared_per_processor - 2 * STATIC["rows"]
        wide = arrays * prod(shape) * self.itemsize > self.machine.processors * room
        columns = 16 if wide and packs % 16 == 0 and 16 * vec <= min(SLAB, self.threads) else 8
        return -(-packs // columns), prod(shape[:-1]), (vec, vec, columns)

    def tier(self, shape, arrays: int) -> str:
        """The tier for this shape: the last of TIERS that can take it, but block before those that spread a channel
        over blocks where there is little to spread."""
        groups, length, (_, _, columns) = self.sizes(shape, arrays)
        fitting = [tier for tier in TIERS[self.layout] if self.fits(shape, tier, arrays)]
        if self.layout == "images":
            small = groups * length <= self.machine.processors * self.threads
        else:
            small = length <= 4 * self.threads // columns  # few visits of all threads
        return "block" if small and fitting[-1] != "held" else fitting[-1]

    def fits(self, shape, tier, arrays) -> bool:
        """Whether a tier can take arrays of this shape; `arrays` is 1 forward and 2 backward.

        Raises
        ------
        ValueError
            Where no tier can: an empty array, or a channel too long for the kernels' counters.
        """
        return self.recipe(shape, tier, arrays, False) is not None

    def _recipe(self, shape, tier, arrays, work=True):
        """The Recipe, or None where the tier does not fit; `arrays` is 1 forward (x) and 2 backward (x and dy)."""
        if 0 in shape:
            raise ValueError(f"nothing to normalize in an array of shape {tuple(shape)}")
        tier = tier or self.tier(shape, arrays)
        groups, length, numbers = self.sizes(shape, arrays)
        if length >= 1 << 30:  # where a thread goes next has to fit, too
            raise ValueError(f"{length} packs or rows of a channel are too many: the kernels count them in 32 bits")
        vec, _, columns = numbers
        images = self.layout == "images"
        about = tuple(map(i4, (*shape[:2], prod(shape[2:])) if images else (length, shape[-1])))
        if tier == "block":
            return Recipe(tier, numbers, (groups,), self.threads, 0, about)
        if tier == "held":
            return self.held(shape, arrays, about)
        columns, channels = (1, groups) if images else (columns, groups * vec * columns)  # room for whole slabs
        each, shared = arrays * vec * columns * self.itemsize, 0
        given, threads = (self.machine, STATIC[self.layout]), self.threads
        if tier == "split":
            if groups > 65_535:  # blocks along the second axis of a grid
                return None
            least = 2 * self.threads // columns  # two visits of all threads are worth a block
            parts, chunk = plan.split(groups, length, self.machine, least, 4 if images else 2)
            grid, extra, needed = (parts, groups), (chunk,), [((channels, parts, 2), "f")]
            needed += [] if images else [((groups,), "I"), ((channels, 2), "f")]
        elif images:
            found = plan.persistent(groups, length, each, self.threads, *given)
            if found is None or groups * length >= 1 << 31:  # the kernel counts packs in 32 bits
                return None
            parts, chunk, blocks, shared = found
            grid, extra, needed = (blocks,), (parts, chunk), [((channels, parts, 4), "f"), ((1,), "Q")]
        else:
            for threads in (max(SLAB, self.threads // 2), self.threads):
                visits, bytes_each = -(-length * columns // threads), arrays * vec * self.itemsize * threads
                found = plan.kept(groups, visits, bytes_each, 4 * self.threads // threads, *given)
                if found is None:
                    return None
                parts, kept = found
                if 8 * parts * kept >= 7 * visits:  # hardly a row is read twice: few threads wait less for each other
                    break
            grid, extra, shared = (groups * parts,), found, kept * bytes_each
            needed = [((groups, parts + 1, vec * columns, 4), "f"), ((1,), "Q")]
        found = self.workspace(grid, *needed) if work else ()
        return Recipe(tier, numbers, grid, threads, shared, about, tuple(map(i4, extra)), found)

    def held(self, shape, arrays, about):
        """The recipe for blocks that hold whole channels, or None: as few as accesses of 16 bytes can move together."""
        images, channels, positions = shape[0], shape[1], prod(shape[2:])
        vec, piece = 16 // self.itemsize, width(self.storage, positions)
        if channels % (vec // piece):
            vec = piece
        group = vec // piece
        taken = arrays * group * images * positions * self.itemsize
        together = 1024 if group == 1 else 2048  # pieces cost more instructions than packs
        threads = plan.held(taken, self.machine, STATIC["images"], together, 32, self.threads)
        return threads and Recipe("held", (vec, piece, 8), (channels // group,), threads, taken, about)

    def forward(self, x, gamma, beta, running_mean, running_var, eps=1e-5, momentum=0.1, tier=None, out=None):
        """Normalize, and move the running statistics in place.

        Returns
        -------
        y : array, shape and dtype of x
        mean, inv_std : array, shape (C,), float32
            What `backward` needs.
        """
        xp, recipe = self.gpu.xp, self.recipe(x.shape, tier, 1)
        y = xp.empty_like(x) if out is None else out
        mean, inv_std = xp.empty(gamma.size, np.float32), xp.empty(gamma.size, np.float32)
        given, keep = (x, y, gamma, beta), (mean, inv_std, running_mean, running_var)
        name, work, tail = recipe.tier, recipe.work, (*recipe.shape, *recipe.extra)
        if name == "split":
            self.launch("forward_sums", recipe, (x, *work, *tail))
            name, work = "apply", work[-1:]
        self.launch(f"forward_{name}", recipe, (*given, *work, *keep, *tail, f4(eps), f4(momentum)))
        return y, mean, inv_std

    def backward(self, dy, x, gamma, mean, inv_std, tier=None, out=None):
        """The gradients from what `forward` left behind.

        Returns
        -------
        dx : array, shape and dtype of x
        dgamma, dbeta : array, shape (C,), float32
        """
        xp, recipe = self.gpu.xp, self.recipe(x.shape, tier, 2)
        dx = xp.empty_like(x) if out is None else out
        dgamma, dbeta = xp.empty(gamma.size, np.float32), xp.empty(gamma.size, np.float32)
        name, work, tail = recipe.tier, recipe.work, (*recipe.shape, *recipe.extra)
        if name == "split":
            self.launch("backward_sums", recipe, (dy, x, mean, *work, *tail))
            name, work = "apply", work[-1:]
        self.launch(f"backward_{name}", recipe, (dy, x, dx, gamma, mean, inv_std, *work, dgamma, dbeta, *tail))
        return dx, dgamma, dbeta

    def launch(self, name, recipe, arguments):
        self.kernel(name, recipe.options)(recipe.grid, (recipe.threads,), arguments, shared_mem=recipe.shared)
