"""Slips in `channel_sums_by_warps(x, shift) -> (s1, s2)`, with warp shuffles."""

from bnlab.gpu import RawKernel, xp

from solutions.mutants import mutant

TASK = "warp-sums"
CODE = r"""
__device__ float sum_of_warp(float v) {
  for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
  return v;
}
extern "C" __global__ void sums(const float* x, const float* shift, float* s1, float* s2, int images, int channels,
                                int positions) {
  __shared__ float one[32], two[32];
  const int t = threadIdx.x, c = blockIdx.x, m = images * positions;
  float a = 0.f, b = 0.f;
  for (int i = t; i < m; i += 128) {
    const float d = x[((i / positions) * channels + c) * positions + i % positions] - shift[c];
    a += d;
    b += d * d;
  }
  a = sum_of_warp(a);
  b = sum_of_warp(b);
  if (t % 32 == 0) {
    one[t / 32] = a;
    two[t / 32] = b;
  }
  __syncthreads();
  if (t < 32) {
    a = sum_of_warp(t < 4 ? one[t] : 0.f);
    b = sum_of_warp(t < 4 ? two[t] : 0.f);
    if (t == 0) {
      s1[c] = a;
      s2[c] = b;
    }
  }
}"""
TREE = r"""
extern "C" __global__ void sums(const float* x, const float* shift, float* s1, float* s2, int images, int channels,
                                int positions) {
  __shared__ float one[128], two[128];
  const int t = threadIdx.x, c = blockIdx.x, m = images * positions;
  one[t] = two[t] = 0.f;
  for (int i = t; i < m; i += 128) {
    const float d = x[((i / positions) * channels + c) * positions + i % positions] - shift[c];
    one[t] += d;
    two[t] += d * d;
  }
  for (int half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) one[t] += one[t + half], two[t] += two[t + half];
  }
  if (t == 0) s1[c] = one[0], s2[c] = two[0];
}"""


def edited(*changes):
    """CODE with (old, new) replacements."""
    code = CODE
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def launch(code, x, shift, start=xp.empty):
    n, c, h, w = x.shape
    s1, s2 = start(c, xp.float32), start(c, xp.float32)
    RawKernel(code, "sums")((c,), (128,), (x, shift, s1, s2, xp.int32(n), xp.int32(c), xp.int32(h * w)))
    return s1, s2


@mutant(
    TASK,
    says="A block waits more than 4 times: those are the rounds of task 1. Let each warp add up by shuffles, and wait "
    "once before one warp adds up the sums of all.",
)
def tree_in_shared_memory(x, shift):
    return launch(TREE, x, shift)


@mutant(
    TASK,
    says="The first warp reads the sums of the other warps before they are there: put a __syncthreads() in between.",
)
def barrier_missing(x, shift):
    return launch(edited(("  __syncthreads();\n", "")), x, shift)


@mutant(
    TASK,
    says="The mask of a shuffle names lanes that do not come to it. All 32 lanes come, or the mask is smaller: take "
    "the shuffle out of the `if`.",
)
def shuffle_in_a_branch(x, shift):
    code = edited(
        ("sum_of_warp(t < 4 ? one[t] : 0.f)", "t < 4 ? sum_of_warp(one[t]) : 0.f"),
        ("sum_of_warp(t < 4 ? two[t] : 0.f)", "t < 4 ? sum_of_warp(two[t]) : 0.f"),
    )
    return launch(code, x, shift)


@mutant(
    TASK,
    says="The last step reads shared memory that no warp has written: lane 0 of each of the blockDim.x / 32 warps "
    "leaves its sum there, and the lanes from blockDim.x / 32 on add 0.",
)
def sums_of_missing_warps(x, shift):
    return launch(edited(("t < 4 ? one[t] : 0.f", "one[t]"), ("t < 4 ? two[t] : 0.f", "two[t]")), x, shift)


@mutant(TASK, says="You took the sum of the first warp for that of the block: the other warps have sums as well.")
def first_warp_alone(x, shift):
    code = edited(("sum_of_warp(t < 4 ? one[t] : 0.f)", "one[0]"), ("sum_of_warp(t < 4 ? two[t] : 0.f)", "two[0]"))
    return launch(code, x, shift)


@mutant(
    TASK,
    says="Your address is right for images whose channels lie side by side, (N, H, W, C). Here the positions of a "
    "channel lie side by side: (image * channels + c) * positions + place.",
)
def channels_last(x, shift):
    return launch(
        edited(("((i / positions) * channels + c) * positions + i % positions", "i * channels + c")), x, shift
    )


@mutant(TASK, says="Four steps add up 16 lanes. A warp has 32: the first step is 16 lanes wide, the last one 1.")
def four_steps(x, shift):
    return launch(edited(("far = 16", "far = 8")), x, shift)


@mutant(
    TASK,
    says="Lane 0 is left with its own numbers. Either your shuffles move sums up, so that lane 31 has the sum of the "
    "warp: use __shfl_down_sync. Or nothing is done with what they give: v += __shfl_down_sync(...).",
)
def shuffled_upwards(x, shift):
    code = edited(
        ("for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);",
         "for (int far = 1; far < 32; far *= 2) { const float w = __shfl_up_sync(0xffffffffu, v, far); "
         "if (threadIdx.x % 32 >= far) v += w; }"),
    )  # fmt: skip
    return launch(code, x, shift)


@mutant(
    TASK,
    says="A thread goes one number too far. Numbers are counted from 0, so the loop runs while i < images * positions.",
)
def one_too_far(x, shift):
    return launch(edited(("i < m;", "i <= m;")), x, shift)


@mutant(
    TASK,
    says="You take m numbers in a row, starting at c * m. But a channel is not in one piece: each image holds H * W of "
    "its numbers, and the other channels lie in between.",
)
def channel_in_one_piece(x, shift):
    return launch(edited(("((i / positions) * channels + c) * positions + i % positions", "c * m + i")), x, shift)


@mutant(TASK, says="Your second sum does not square. It has to add up (x - shift) * (x - shift).")
def square_missing(x, shift):
    return launch(edited(("b += d * d;", "b += d;")), x, shift)


@mutant(TASK, says="You forgot the shift: subtract it from each number first, with one shift for each channel.")
def shift_missing(x, shift):
    return launch(CODE, x, xp.zeros_like(shift))


@mutant(
    TASK,
    says="You corrected the sums for the shift at the end. Far from zero the digits are gone by then: subtract the "
    "shift from each number.",
)
def subtracted_after_the_sum(x, shift):
    m = x.size // x.shape[1]
    s1, s2 = launch(CODE, x, xp.zeros_like(shift))
    return s1 - m * shift, s2 - 2 * shift * s1 + m * shift * shift


@mutant(TASK, says="You launched one kernel for each sum, so x is read twice. One loop can feed both sums.")
def one_kernel_a_sum(x, shift):
    return launch(CODE, x, shift)[0], launch(CODE, x, shift)[1]


@mutant(
    TASK,
    says="The work was done by operations on whole arrays. Write one kernel that reads x, and launch it with one block "
    "for each channel.",
)
def written_as_arrays(x, shift):
    d = x - shift[:, None, None]
    return d.sum(axis=(0, 2, 3)), (d * d).sum(axis=(0, 2, 3))


@mutant(
    TASK,
    says="The sum of each warp goes to the result, and they overwrite each other. Lane 0 of each warp leaves its sum "
    "in shared memory; after a barrier one warp adds these up, and one thread writes.",
)
def each_warp_writes_the_result(x, shift):
    own_sum = CODE[: CODE.index("  if (t % 32 == 0) {")].replace("  __shared__ float one[32], two[32];\n", "")
    return launch(own_sum + "  if (t % 32 == 0) s1[c] = a, s2[c] = b;\n}", x, shift)


@mutant(
    TASK,
    says="Your first step is 32 or more, and no lane is so far away: the shuffle gives each lane its own number, which "
    "then counts twice. The steps of a warp are 16, 8, 4, 2 and 1.",
)
def first_step_of_32(x, shift):
    return launch(edited(("far = 16", "far = 32")), x, shift)


FIRST_ONE_BY_ONE = [  # one thread adds up the sums of the warps
    ("sum_of_warp(t < 4 ? one[t] : 0.f)", "one[0] + one[1] + one[2] + one[3]"),
    ("sum_of_warp(t < 4 ? two[t] : 0.f)", "two[0] + two[1] + two[2] + two[3]"),
]


@mutant(
    TASK,
    says="Your first step is 32, and no lane is so far away: the shuffle gives each lane its own number, so the sum of "
    "each warp counts twice. The steps of a warp are 16, 8, 4, 2 and 1.",
)
def first_step_of_32_once(x, shift):
    return launch(edited(("far = 16", "far = 32"), *FIRST_ONE_BY_ONE), x, shift)


@mutant(TASK, says="Three steps add up 8 lanes. A warp has 32: the first step is 16 lanes wide, the last one 1.")
def three_steps(x, shift):
    return launch(edited(("far = 16", "far = 4"), *FIRST_ONE_BY_ONE), x, shift)


@mutant(
    TASK,
    says="What a shuffle gives replaces the lane's own number. Add it instead: v += __shfl_down_sync(...).",
)
def shuffle_in_place_of_the_sum(x, shift):
    return launch(edited(("v += __shfl", "v = __shfl"), *FIRST_ONE_BY_ONE), x, shift)


@mutant(
    TASK,
    says="All sums are 0: twice, what a shuffle gives replaces the lane's own number. Add it instead: v += "
    "__shfl_down_sync(...).",
)
def shuffle_in_place_of_both_sums(x, shift):
    return launch(edited(("v += __shfl", "v = __shfl")), x, shift)


@mutant(
    TASK,
    says="Nothing is done with what a shuffle gives, so a lane still has its own number. Add it: v += "
    "__shfl_down_sync(...).",
)
def shuffle_without_effect(x, shift):
    return launch(edited(("v += __shfl", "__shfl"), *FIRST_ONE_BY_ONE), x, shift)


@mutant(
    TASK,
    says="Your shuffles stand in the loop over the numbers, so that sums are added to sums. Each thread adds up its "
    "own numbers first, and the warp adds up once, after the loop.",
)
def shuffles_in_the_loop(x, shift):
    loop = ("    b += d * d;\n", "    b += d * d;\n    a = sum_of_warp(a);\n    b = sum_of_warp(b);\n")
    behind = ("  a = sum_of_warp(a);\n  b = sum_of_warp(b);\n  if", "  if")
    return launch(edited(behind, loop, *FIRST_ONE_BY_ONE), x, shift)


@mutant(
    TASK,
    says="shift is read beyond its end. It has a number for each channel, and the channel of all threads of a block is "
    "blockIdx.x: shift[blockIdx.x].",
)
def shift_by_thread(x, shift):
    return launch(edited(("shift[c]", "shift[t]")), x, shift)


@mutant(
    TASK,
    says="s1 and s2 are never set. Either nobody writes them, or they are added to as xp.empty leaves them, which is "
    "NaN here. The thread that has the sum writes it with =; what several threads add to starts as xp.zeros.",
)
def added_to_what_is_not_zero(x, shift):
    return launch(edited(("s1[c] =", "s1[c] +="), ("s2[c] =", "s2[c] +=")), x, shift)


UPWARDS = ("__shfl_down_sync", "__shfl_up_sync")


@mutant(
    TASK,
    says="Your shuffles move sums up, to lanes further on, and lane 0, whose sum is taken, gets its own number each "
    "time. Lane 0 has the sum of the warp where they move down: __shfl_down_sync.",
)
def moved_up(x, shift):
    return launch(edited(UPWARDS), x, shift)


@mutant(
    TASK,
    says="Your shuffles move sums up, to lanes further on, and lane 0 of each warp, whose sum is taken, gets its own "
    "number each time. Lane 0 has the sum of the warp where they move down: __shfl_down_sync.",
)
def moved_up_once(x, shift):
    return launch(edited(UPWARDS, *FIRST_ONE_BY_ONE), x, shift)


@mutant(
    TASK,
    says="__shfl_sync(mask, v, k) gives all lanes the v of lane k. For the v of the lane k further on, use "
    "__shfl_down_sync.",
)
def one_lane_for_all(x, shift):
    return launch(edited(("__shfl_down_sync", "__shfl_sync")), x, shift)


@mutant(
    TASK,
    says="__shfl_sync(mask, v, k) gives all lanes of a warp the v of lane k. For the v of the lane k further on, use "
    "__shfl_down_sync.",
)
def one_lane_for_all_once(x, shift):
    return launch(edited(("__shfl_down_sync", "__shfl_sync"), *FIRST_ONE_BY_ONE), x, shift)


@mutant(
    TASK,
    says="Lane 31 of each warp hands over what it has. After steps by __shfl_down_sync it is lane 0 that has the sum "
    "of the warp: if (threadIdx.x % 32 == 0).",
)
def last_lane_hands_over(x, shift):
    return launch(edited(("if (t % 32 == 0)", "if (t % 32 == 31)")), x, shift)


@mutant(
    TASK,
    says="All lanes of a warp add to the result, and not lane 0 alone: after the shuffles the other lanes hold only "
    "sums of a part.",
)
def all_lanes_add(x, shift):
    own_sum = CODE[: CODE.index("  if (t % 32 == 0) {")].replace("  __shared__ float one[32], two[32];\n", "")
    return launch(own_sum + "  atomicAdd(&s1[c], a), atomicAdd(&s2[c], b);\n}", x, shift, start=xp.zeros)


@mutant(
    TASK,
    says="Several threads write the same place of shared memory. A warp has one place, and lane 0, which has the "
    "warp's sum, is the only one to write there: if (threadIdx.x % 32 == 0).",
)
def all_lanes_write_the_place(x, shift):
    return launch(edited(("if (t % 32 == 0) {", "{")), x, shift)


@mutant(
    TASK,
    says="With more than one channel, x is read beyond its end. A block goes through images * positions numbers, and "
    "number `place` of image `image` lies at (image * channels + c) * positions + place.",
)
def numbers_of_all_channels(x, shift):
    return launch(edited(("m = images * positions", "m = images * channels * positions")), x, shift)


@mutant(
    TASK,
    says="You added the shift. Both sums are of x - shift.",
)
def shift_added(x, shift):
    return launch(edited((" - shift[c]", " + shift[c]")), x, shift)


@mutant(
    TASK,
    says="A shuffle and its mask disagree. All 32 lanes have to come to the shuffle, not only those that an `if` lets "
    "through, and the mask names them all: 0xffffffffu, eight times the digit f.",
)
def mask_of_half_a_warp(x, shift):
    return launch(edited(("0xffffffffu", "0xffffu")), x, shift)


@mutant(
    TASK,
    says="Your second sum is not added up in the warp: what lane 0 hands over is only its own. Shuffle both sums.",
)
def second_sum_not_shuffled(x, shift):
    return launch(edited(("  b = sum_of_warp(b);\n  if", "  if")), x, shift)


@mutant(
    TASK,
    says="Every thread adds to the same number in global memory, and an atomicAdd waits for all those before it. Let "
    "each warp add up by shuffles first, so that one lane has its sum.",
)
def every_thread_adds_in_global_memory(x, shift):
    own_sum = CODE[: CODE.index("  a = sum_of_warp(a);")].replace("  __shared__ float one[32], two[32];\n", "")
    return launch(own_sum + "  atomicAdd(&s1[c], a);\n  atomicAdd(&s2[c], b);\n}", x, shift, start=xp.zeros)
