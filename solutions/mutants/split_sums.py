"""Slips in `channel_sums_split(x, shift, parts) -> (s1, s2)`, several blocks a channel."""

from bnlab.gpu import RawKernel, xp

from solutions.mutants import mutant

TASK = "split-sums"
CODE = r"""
__device__ float sum_of_warp(float v) {
  for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
  return v;
}
extern "C" __global__ void add_part(const float* x, const float* shift, float* s1, float* s2, int images, int channels,
                                    int positions, int chunk) {
  const int c = blockIdx.y, first = blockIdx.x * chunk, last = min(images * positions, first + chunk);
  float a = 0.f, b = 0.f;
  for (int i = first + threadIdx.x; i < last; i += 64) {
    const float d = x[((i / positions) * channels + c) * positions + i % positions] - shift[c];
    a += d;
    b += d * d;
  }
  a = sum_of_warp(a);
  b = sum_of_warp(b);
  if (threadIdx.x % 32 == 0) {
    atomicAdd(&s1[c], a);
    atomicAdd(&s2[c], b);
  }
}"""


def edited(*changes):
    """CODE with (old, new) replacements."""
    code = CODE
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def launch(code, x, shift, parts, chunk=None, start=0.0, exchanged=False, threads=64):
    n, c, h, w = x.shape
    s1, s2 = xp.full(c, start, xp.float32), xp.full(c, start, xp.float32)
    sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w), xp.int32(-(-n * h * w // parts) if chunk is None else chunk))
    grid = (c, parts) if exchanged else (parts, c)
    RawKernel(code, "add_part")(grid, (threads,), (x, shift, s1, s2, *sizes))
    return s1, s2


@mutant(
    TASK,
    says="Blocks add to the same number without waiting for each other: use atomicAdd, or leave partial sums to a "
    "second kernel.",
)
def no_atomics(x, shift, parts):
    code = edited(("atomicAdd(&s1[c], a);", "s1[c] += a;"), ("atomicAdd(&s2[c], b);", "s2[c] += b;"))
    return launch(code, x, shift, parts)


@mutant(
    TASK,
    says="What you add to is not zero at the start: xp.empty gives memory as somebody left it, NaN here. Use xp.zeros.",
)
def not_zeroed(x, shift, parts):
    return launch(CODE, x, shift, parts, start=xp.nan)


@mutant(
    TASK,
    says="The last numbers of a channel belong to no block: a part has ceil(m / parts) numbers, rounded up, and the "
    "last part ends at m.",
)
def parts_rounded_down(x, shift, parts):
    return launch(CODE, x, shift, parts, chunk=max(1, x.size // x.shape[1] // parts))


@mutant(
    TASK,
    says="The last part goes beyond its channel: it ends at m = images * positions, where fewer numbers are left than "
    "a part has.",
)
def last_part_not_cut(x, shift, parts):
    return launch(edited(("min(images * positions, first + chunk)", "first + chunk")), x, shift, parts)


@mutant(
    TASK,
    says="Each block adds up the whole channel, so the sums are `parts` times too large, and x is read that often.",
)
def whole_channel_each(x, shift, parts):
    return launch(edited(("first = blockIdx.x * chunk, last = min(images * positions, first + chunk)",
                          "first = 0, last = images * positions")), x, shift, parts)  # fmt: skip


@mutant(
    TASK,
    says="A channel has fewer blocks than `parts` says: one alone, or as many whatever `parts` is. The grid is "
    "(parts, C), and blockIdx.x says which part.",
)
def one_block_a_channel(x, shift, parts):
    return launch(CODE, x, shift, 1)


@mutant(TASK, says="Only the first warp of a block adds its sum: each warp has numbers, and lane 0 of each adds them.")
def first_warp_alone(x, shift, parts):
    return launch(edited(("threadIdx.x % 32 == 0", "threadIdx.x == 0")), x, shift, parts)


@mutant(
    TASK,
    says="All lanes of a warp add, and not lane 0 alone: after the shuffles the other lanes hold only sums of a part.",
)
def all_lanes_add(x, shift, parts):
    return launch(edited(("threadIdx.x % 32 == 0", "true")), x, shift, parts)


@mutant(
    TASK,
    says="You take m numbers in a row, starting at c * m. But a channel is not in one piece: each image holds H * W of "
    "its numbers, and the other channels lie in between.",
)
def channel_in_one_piece(x, shift, parts):
    address = "((i / positions) * channels + c) * positions + i % positions"
    return launch(edited((address, "c * images * positions + i")), x, shift, parts)


@mutant(TASK, says="Your second sum does not square. It has to add up (x - shift) * (x - shift).")
def square_missing(x, shift, parts):
    return launch(edited(("b += d * d;", "b += d;")), x, shift, parts)


@mutant(TASK, says="You forgot the shift: subtract it from each number first, with one shift for each channel.")
def shift_missing(x, shift, parts):
    return launch(CODE, x, xp.zeros_like(shift), parts)


@mutant(
    TASK,
    says="You corrected the sums for the shift at the end. Far from zero the digits are gone by then: subtract the "
    "shift from each number.",
)
def subtracted_after_the_sum(x, shift, parts):
    m = x.size // x.shape[1]
    s1, s2 = launch(CODE, x, xp.zeros_like(shift), parts)
    return s1 - m * shift, s2 - 2 * shift * s1 + m * shift * shift


@mutant(
    TASK,
    says="The work was done by operations on whole arrays. Write a kernel that reads x, and launch it with a grid of "
    "(parts, C).",
)
def written_as_arrays(x, shift, parts):
    d = x - shift[:, None, None]
    return d.sum(axis=(0, 2, 3)), (d * d).sum(axis=(0, 2, 3))


@mutant(
    TASK,
    says="Your address is right for images whose channels lie side by side, (N, H, W, C). Here the positions of a "
    "channel lie side by side: (image * channels + c) * positions + place.",
)
def channels_last(x, shift, parts):
    address = "((i / positions) * channels + c) * positions + i % positions"
    return launch(edited((address, "i * channels + c")), x, shift, parts)


@mutant(TASK, says="You subtracted the shift of the first channel from all: each channel has its own, shift[c].")
def first_shift_for_all(x, shift, parts):
    return launch(edited(("shift[c]", "shift[0]")), x, shift, parts)


@mutant(
    TASK,
    says="Threads of a block meet in the shared array with no barrier between. After the rounds thread 0 alone has the "
    "sum, and it alone may add it to the result: if (threadIdx.x == 0). Each round needs its __syncthreads().",
)
def all_threads_add_the_shared_sum(x, shift, parts):
    head, _ = CODE.split("  a = sum_of_warp(a);")
    rounds = """  __shared__ float one[64], two[64];
  const int t = threadIdx.x;
  one[t] = a;
  two[t] = b;
  for (int half = 32; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) one[t] += one[t + half], two[t] += two[t + half];
  }
  atomicAdd(&s1[c], one[0]);
  atomicAdd(&s2[c], two[0]);
}"""
    return launch(head + rounds, x, shift, parts)


@mutant(
    TASK,
    says="All blocks add to the first number of the result: atomicAdd(s1, a) means s1[0]. The address of a channel's "
    "sum is &s1[c], or s1 + c.",
)
def added_to_the_first_channel(x, shift, parts):
    return launch(edited(("&s1[c]", "s1"), ("&s2[c]", "s2")), x, shift, parts)


@mutant(
    TASK,
    says="Only the first channel has its sums: blockIdx.y is 0 in every block of your grid. A grid has a second "
    "number, here for the channels: (parts, C).",
)
def grid_of_parts_alone(x, shift, parts):
    return launch(edited(("{\n  const int c", "{\n  if (blockIdx.y) return;\n  const int c")), x, shift, parts)


@mutant(
    TASK,
    says="Your second sum is the square of the first one. It is the sum of the squares: each thread adds up d * d of "
    "its own numbers.",
)
def square_of_the_sum(x, shift, parts):
    s1, _ = launch(CODE, x, shift, parts)
    return s1, s1 * s1


@mutant(
    TASK,
    says="The grid has its two numbers in another order than the kernel reads them. In a grid of (parts, C) blockIdx.x "
    "is the part, and blockIdx.y the channel.",
)
def grid_exchanged(x, shift, parts):
    return launch(CODE, x, shift, parts, exchanged=True)


@mutant(
    TASK,
    says="Blocks of a channel write to the same number with =, and one sum replaces another: use atomicAdd, or leave "
    "partial sums to a second kernel.",
)
def written_by_each_block(x, shift, parts):
    code = edited(
        ("atomicAdd(&s1[c], a);", "s1[c] = a;"),
        ("atomicAdd(&s2[c], b);", "s2[c] = b;"),
        ("threadIdx.x % 32 == 0", "threadIdx.x == 0"),
    )
    return launch(code, x, shift, parts)


@mutant(
    TASK,
    says="A part has N // parts images. The images that are left over belong to no block, and with fewer images than "
    "parts none does: divide the m = N * H * W numbers of a channel, rounded up.",
)
def parts_of_whole_images(x, shift, parts):
    n, c, h, w = x.shape
    return launch(CODE, x, shift, parts, chunk=n // parts * h * w)


@mutant(
    TASK,
    says="Threads whose part has no number for them return at once, and the others wait for them at the barrier. Let "
    "them write 0 and come to every __syncthreads().",
)
def returned_early(x, shift, parts):
    head, _ = CODE.split("  a = sum_of_warp(a);")
    rounds = """  __shared__ float one[128], two[128];
  const int t = threadIdx.x;
  if (first + t >= last) return;
  one[t] = a;
  two[t] = b;
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) one[t] += one[t + half], two[t] += two[t + half];
  }
  if (t == 0) atomicAdd(&s1[c], one[0]), atomicAdd(&s2[c], two[0]);
}"""
    return launch(head.replace("i += 64", "i += 128") + rounds, x, shift, parts, threads=128)


@mutant(
    TASK,
    says="A part goes one number too far, which is the next part's first one: its numbers are i < last.",
)
def one_too_far(x, shift, parts):
    return launch(edited(("i < last", "i <= last")), x, shift, parts)


@mutant(
    TASK,
    says="Every part starts at number 0 of the channel, so that early numbers count several times. Start at first + "
    "threadIdx.x, with first = blockIdx.x * chunk.",
)
def every_part_starts_at_zero(x, shift, parts):
    return launch(edited(("i = first + threadIdx.x", "i = threadIdx.x")), x, shift, parts)


@mutant(
    TASK,
    says="You add your sums to the place that has the number of the part. Results are counted by channels: s1[c] "
    "with c = blockIdx.y.",
)
def added_by_the_part(x, shift, parts):
    return launch(edited(("s1[c], a", "s1[blockIdx.x], a"), ("s2[c], b", "s2[blockIdx.x], b")), x, shift, parts)


@mutant(
    TASK,
    says="Your second sum is not added up in the warp: what lane 0 adds is only its own. Shuffle both sums.",
)
def second_sum_not_shuffled(x, shift, parts):
    return launch(edited(("  b = sum_of_warp(b);\n", "")), x, shift, parts)


@mutant(
    TASK,
    says="Lane 31 of each warp adds what it has. After steps by __shfl_down_sync it is lane 0 that has the sum of "
    "the warp: if (threadIdx.x % 32 == 0).",
)
def last_lane_adds(x, shift, parts):
    return launch(edited(("threadIdx.x % 32 == 0", "threadIdx.x % 32 == 31")), x, shift, parts)


@mutant(
    TASK,
    says="Each warp squares its own sum, and these squares are added up. The sum is of the squares: d * d is added "
    "inside the loop, for each number.",
)
def squares_of_the_warps_sums(x, shift, parts):
    return launch(edited(("&s2[c], b", "&s2[c], a * a")), x, shift, parts)


@mutant(
    TASK,
    says="Your sums are divided by the number of parts. Parts have different numbers, and their sums add up: nothing "
    "is averaged.",
)
def averaged_over_the_parts(x, shift, parts):
    s1, s2 = launch(CODE, x, shift, parts)
    return s1 / xp.float32(parts), s2 / xp.float32(parts)
