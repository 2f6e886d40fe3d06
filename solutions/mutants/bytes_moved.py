"""Slips in `bytes_moved(shape, dtype, direction) -> int`."""

import math

import numpy as np

from solutions.mutants import mutant

TASK = "bytes-moved"


def counted(shape, dtype, direction, forward=3, backward=5):
    """Passes times the bytes of x."""
    return (forward if direction == "forward" else backward) * math.prod(shape) * np.dtype(dtype).itemsize


@mutant(
    TASK,
    says="You counted one read of each input. That would take a channel that stays on the chip; the fused kernels here "
    "read once for the sums and once more for the output.",
)
def read_once(shape, dtype, direction):
    return counted(shape, dtype, direction, 2, 3)


@mutant(TASK, says="You counted the backward pass like the forward one. It has two inputs of the size of x: x and dy.")
def backward_like_forward(shape, dtype, direction):
    return counted(shape, dtype, direction, 3, 3)


@mutant(TASK, says="You counted the reads alone. What is written moves through the same memory: one y, or one dx.")
def write_forgotten(shape, dtype, direction):
    return counted(shape, dtype, direction, 2, 4)


@mutant(
    TASK,
    says="Your backward pass reads x or dy only once. Both are needed for the sums, and both again for dx.",
)
def second_read_forgotten(shape, dtype, direction):
    return counted(shape, dtype, direction, 3, 4)


@mutant(
    TASK,
    says="You counted a third read forward, or a sixth pass backward. Here one fused kernel makes both sums of a "
    "channel in one pass. CuPy's three kernels do not, but they are not what is counted.",
)
def one_reduction_a_sum(shape, dtype, direction):
    return counted(shape, dtype, direction, 4, 6)


@mutant(
    TASK,
    says="You counted x_hat, written forward and read backward in place of x. Fused kernels compute it anew.",
)
def x_hat_stored(shape, dtype, direction):
    return counted(shape, dtype, direction, 4, 5)


@mutant(TASK, says="You counted numbers. Each has np.dtype(dtype).itemsize bytes.")
def numbers_for_bytes(shape, dtype, direction):
    return counted(shape, "int8", direction)


@mutant(TASK, says="You counted 4 bytes for each number whatever its dtype is. A float16 has 2, a float64 has 8.")
def always_four_bytes(shape, dtype, direction):
    return counted(shape, "float32", direction)


@mutant(TASK, says="You counted bits: the itemsize of a dtype is in bytes already.")
def bits_for_bytes(shape, dtype, direction):
    return 8 * counted(shape, dtype, direction)


@mutant(TASK, says="You left out N: the whole batch is read, not one image.")
def batch_forgotten(shape, dtype, direction):
    return counted(shape[1:], dtype, direction)


@mutant(
    TASK, says="You left out C. N * H * W is how many values share a mean; what moves are the numbers of all channels."
)
def channels_forgotten(shape, dtype, direction):
    return counted((shape[0], *shape[2:]), dtype, direction)


@mutant(TASK, says="You gave B, the bytes of x. Multiply by the reads and writes: 3 forward, 5 backward.")
def size_of_x(shape, dtype, direction):
    return counted(shape, dtype, direction, 1, 1)


@mutant(
    TASK,
    says="You counted 2 passes forward. x is read twice, once for the statistics and once for y, and y is written: "
    "that makes 3.",
)
def two_passes_forward(shape, dtype, direction):
    return counted(shape, dtype, direction, 2, 5)


@mutant(TASK, says="You exchanged the directions: forward it is 3 passes, 2 reads and a write; backward it is 5.")
def directions_exchanged(shape, dtype, direction):
    return counted(shape, dtype, direction, 5, 3)


@mutant(TASK, says="You added up the lengths in the shape. An array has as many numbers as their product.")
def shape_added_up(shape, dtype, direction):
    return counted((sum(shape),), dtype, direction)


@mutant(TASK, says="You counted the forward pass like the backward one. It has one input of the size of x, which is x.")
def forward_like_backward(shape, dtype, direction):
    return counted(shape, dtype, direction, 5, 5)


@mutant(
    TASK,
    says="You counted the numbers for each channel as well, two forward and four backward. They are left out: there "
    "are C of them against N * H * W * C.",
)
def numbers_of_channels_counted(shape, dtype, direction):
    each = shape[1] * np.dtype(dtype).itemsize
    return counted(shape, dtype, direction) + (2 if direction == "forward" else 4) * each


@mutant(
    TASK,
    says="You left out H and W: x has N * C * H * W numbers.",
)
def positions_forgotten(shape, dtype, direction):
    return counted((*shape[:2], 1, 1), dtype, direction)


@mutant(
    TASK,
    says="All your counts are twice as large as they should be. A float32 has 32 bits, and 8 bits are a byte, so it "
    "takes 4 bytes, as .itemsize tells.",
)
def bytes_doubled(shape, dtype, direction):
    return 2 * counted(shape, dtype, direction)
