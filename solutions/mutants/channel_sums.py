"""Slips in `channel_sums(x, shift) -> (s1, s2)`, one block a channel in shared memory."""

from bnlab.gpu import RawKernel, xp

from solutions.mutants import mutant

TASK = "channel-sums"
CODE = r"""
extern "C" __global__ void sums(const float* x, const float* shift, float* s1, float* s2, int images, int channels,
                                int positions) {
  __shared__ float one[128], two[128];
  const int t = threadIdx.x, c = blockIdx.x, m = images * positions;
  float a = 0.f, b = 0.f;
  for (int i = t; i < m; i += 128) {
    const float d = x[((i / positions) * channels + c) * positions + i % positions] - shift[c];
    a += d;
    b += d * d;
  }
  one[t] = a;
  two[t] = b;
  for (int half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) {
      one[t] += one[t + half];
      two[t] += two[t + half];
    }
  }
  if (t == 0) {
    s1[c] = one[0];
    s2[c] = two[0];
  }
}"""


def edited(*changes):
    """CODE with (old, new) replacements."""
    code = CODE
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def launch(code, x, shift, blocks=None, threads=128, exchanged=False, start=xp.empty):
    n, c, h, w = x.shape
    s1, s2 = start(c, xp.float32), start(c, xp.float32)
    sizes = (xp.int32(c), xp.int32(n)) if exchanged else (xp.int32(n), xp.int32(c))
    RawKernel(code, "sums")((blocks or c,), (threads,), (x, shift, s1, s2, *sizes, xp.int32(h * w)))
    return s1, s2


@mutant(
    TASK,
    says="Threads read sums that others have not written yet: each round needs a __syncthreads() before it, and so "
    "does the first one.",
)
def barrier_missing(x, shift):
    return launch(edited(("    __syncthreads();\n", "")), x, shift)


@mutant(
    TASK,
    says="Threads read places of the shared array that others write in the same round, or the one before: "
    "__syncthreads() stands inside the loop over rounds, where thread t adds what thread t + half has left.",
)
def later_rounds_do_not_wait(x, shift):
    return launch(
        edited(("    __syncthreads();\n", ""), ("  two[t] = b;", "  two[t] = b;\n  __syncthreads();")), x, shift
    )


@mutant(
    TASK,
    says="All threads of the block write the sum of a channel, and they get in each other's way. At the end one thread "
    "has the sum, and it alone writes: if (t == 0).",
)
def all_threads_write_the_result(x, shift):
    return launch(edited(("  if (t == 0) {\n    s1", "  {\n    s1")), x, shift)


@mutant(
    TASK,
    says="A place of the shared array is read before anybody has written it. Each thread first writes its own sum "
    "there, one[t] = ..., and the block needs as many threads as the first round counts on: half = blockDim.x / 2.",
)
def fewer_threads_than_the_rounds(x, shift):
    return launch(CODE, x, shift, threads=64)


@mutant(
    TASK,
    says="Your arrays are not shared: without __shared__ each thread has an array of its own and finds nothing of what "
    "the others have added up. Declare them as __shared__ float.",
)
def array_not_shared(x, shift):
    return launch(edited(("__shared__ float", "float")), x, shift)


@mutant(
    TASK,
    says="You launched one block, so only the first channel has its sums: the grid is (c,), one block for each "
    "channel.",
)
def one_block_for_all(x, shift):
    return launch(CODE, x, shift, blocks=1)


@mutant(
    TASK,
    says="100 threads cannot be halved in rounds: 100, 50, 25, and then 12 leave out number 24. Take a power of two, "
    "such as 128.",
)
def not_a_power_of_two(x, shift):
    return launch(
        edited(("i += 128", "i += blockDim.x"), ("half = 64", "half = blockDim.x / 2")), x, shift, threads=100
    )


@mutant(
    TASK,
    says="The sizes arrive in another order than the kernel declares them: the numbers of images and of channels are "
    "swapped.",
)
def sizes_exchanged(x, shift):
    return launch(CODE, x, shift, exchanged=True)


@mutant(
    TASK,
    says="Every thread starts at number 0, so all of them add up the same numbers. Start at t and go on in steps of "
    "blockDim.x.",
)
def all_threads_start_at_zero(x, shift):
    return launch(edited(("int i = t;", "int i = 0;")), x, shift)


@mutant(
    TASK,
    says="Your threads go on by 1, so that each adds up nearly the whole channel. Start at t and go on in steps of "
    "blockDim.x.",
)
def steps_of_one(x, shift):
    return launch(edited(("i += 128", "i += 1")), x, shift)


@mutant(
    TASK,
    says="Threads without a number return at once, and the others wait for them at the barrier. Let them write 0 and "
    "come to every __syncthreads().",
)
def returned_early(x, shift):
    return launch(edited(("  float a = 0.f", "  if (t >= m) return;\n  float a = 0.f")), x, shift)


@mutant(
    TASK,
    says="The barrier stands where only some of the threads reach it. __syncthreads() belongs inside the loop over "
    "rounds and outside of every `if`.",
)
def barrier_in_the_branch(x, shift):
    code = edited(("    __syncthreads();\n    if (t < half) {", "    if (t < half) {\n      __syncthreads();"))
    return launch(code, x, shift)


@mutant(
    TASK,
    says="A thread goes one number too far. Numbers are counted from 0, so the loop runs while i < images * positions.",
)
def one_too_far(x, shift):
    return launch(edited(("i < m;", "i <= m;")), x, shift)


@mutant(
    TASK,
    says="The shared array has fewer places than the block has threads: each thread writes its sum to a place of its "
    "own, so 128 threads need 128 places.",
)
def shared_array_too_small(x, shift):
    return launch(edited(("one[128], two[128]", "one[64], two[64]")), x, shift)


@mutant(
    TASK,
    says="A round reaches past the end of the shared array: the threads t < half add the number at t + half to their "
    "own, and the first half is blockDim.x / 2.",
)
def round_too_wide(x, shift):
    return launch(edited(("half = 64;", "half = 128;")), x, shift)


@mutant(
    TASK,
    says="The rounds end too early: the last one has half = 1, where thread 0 adds the number of thread 1. Loop while "
    "half > 0.",
)
def last_round_missing(x, shift):
    return launch(edited(("half > 0", "half > 1")), x, shift)


@mutant(
    TASK,
    says="The address leaves out the other channels: from one image to the next it is channels * positions numbers. "
    "The address is (image * channels + c) * positions + place.",
)
def channels_left_out(x, shift):
    return launch(edited(("((i / positions) * channels + c) * positions", "(i / positions) * positions")), x, shift)


@mutant(
    TASK,
    says="You take m numbers in a row, starting at c * m. But a channel is not in one piece: each image holds H * W of "
    "its numbers, and the other channels lie in between.",
)
def channel_in_one_piece(x, shift):
    return launch(edited(("((i / positions) * channels + c) * positions + i % positions", "c * m + i")), x, shift)


@mutant(TASK, says="You add up only the first image: i runs over the images * positions numbers of the channel.")
def first_image_alone(x, shift):
    return launch(edited(("m = images * positions", "m = positions")), x, shift)


@mutant(TASK, says="Your second sum does not square. It has to add up (x - shift) * (x - shift).")
def square_missing(x, shift):
    return launch(edited(("b += d * d;", "b += d;")), x, shift)


@mutant(TASK, says="Your two sums come in the other order: s1 is the sum of x - shift, s2 the sum of its squares.")
def swapped(x, shift):
    s1, s2 = launch(CODE, x, shift)
    return s2, s1


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


@mutant(TASK, says="You divided by m. The task asks for sums, so that several blocks can add theirs up.")
def divided_by_m(x, shift):
    s1, s2 = launch(CODE, x, shift)
    return s1 / xp.float32(x.size // x.shape[1]), s2 / xp.float32(x.size // x.shape[1])


@mutant(TASK, says="x is read twice: by a kernel for each sum, or by a loop for each. One loop can feed both sums.")
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
    says="Neighbouring threads do not read neighbouring numbers, as when each walks through a stretch of its own, or "
    "one walks alone: most of what is moved is thrown away. Thread t starts at t and goes on in steps of "
    "blockDim.x.",
)
def a_stretch_for_each_thread(x, shift):
    loop = "for (int i = t * ((m + 127) / 128); i < m && i < (t + 1) * ((m + 127) / 128); ++i)"
    return launch(edited(("for (int i = t; i < m; i += 128)", loop)), x, shift)


@mutant(
    TASK,
    says="Your address is right for images whose channels lie side by side, (N, H, W, C). Here the positions of a "
    "channel lie side by side: (image * channels + c) * positions + place.",
)
def channels_last(x, shift):
    return launch(
        edited(("((i / positions) * channels + c) * positions + i % positions", "i * channels + c")), x, shift
    )


@mutant(
    TASK,
    says="All threads of a block add to the same number in global memory, and one overwrites what another has added. "
    "Let each leave its sum in shared memory, and add these up in rounds.",
)
def added_in_global_memory(x, shift):
    own_sum = CODE[: CODE.index("  one[t] = a;")].replace("  __shared__ float one[128], two[128];\n", "")
    return launch(own_sum + "  s1[c] += a;\n  s2[c] += b;\n}", x, shift, start=xp.zeros)


@mutant(
    TASK,
    says="The sizes arrive in another order than the kernel declares them: the numbers of channels and of positions "
    "are swapped.",
)
def channels_and_positions_exchanged(x, shift):
    return launch(
        edited(("int channels,\n                                int positions", "int positions, int channels")),
        x,
        shift,
    )


@mutant(
    TASK,
    says="The arrays arrive in another order than the kernel declares them, so it takes one for another. Compare the "
    "tuple of arguments with the line that declares the kernel, name by name.",
)
def arrays_exchanged(x, shift):
    return launch(edited(("const float* x, const float* shift", "const float* shift, const float* x")), x, shift)


@mutant(TASK, says="You subtracted the shift of the first channel from all: each channel has its own, shift[c].")
def first_shift_for_all(x, shift):
    return launch(edited(("shift[c]", "shift[0]")), x, shift)


@mutant(
    TASK,
    says="The sizes arrive in another order than the kernel declares them: the numbers of images and of positions are "
    "swapped.",
)
def images_and_positions_exchanged(x, shift):
    changes = (
        ("s2, int images,", "s2, int positions,"),
        ("                int positions)", "                int images)"),
    )
    return launch(edited(*changes), x, shift)


@mutant(
    TASK,
    says="Your second sum is the square of the first one. It is the sum of the squares: each thread adds up d * d of "
    "its own numbers.",
)
def square_of_the_sum(x, shift):
    return launch(edited(("s2[c] = two[0]", "s2[c] = one[0] * one[0]")), x, shift)


@mutant(TASK, says="Your second sum is of x * x, without the shift: the squares are those of x - shift as well.")
def squares_without_the_shift(x, shift):
    return launch(edited(("b += d * d", "b += (d + shift[c]) * (d + shift[c])")), x, shift)


@mutant(
    TASK,
    says="shift is read beyond its end. It has a number for each channel, and the channel of all threads of a block is "
    "blockIdx.x: shift[blockIdx.x].",
)
def shift_by_thread(x, shift):
    return launch(edited(("shift[c]", "shift[t]")), x, shift)


@mutant(
    TASK,
    says="All blocks write to the same place, and one channel's sums replace another's. The channel is the block's "
    "number: s1[c] with c = blockIdx.x, and not s1[0] or s1[t].",
)
def written_by_the_number_of_the_thread(x, shift):
    return launch(edited(("s1[c] =", "s1[t] ="), ("s2[c] =", "s2[t] =")), x, shift)


@mutant(
    TASK,
    says="With more than one channel, x is read beyond its end. A block goes through images * positions numbers, and "
    "number `place` of image `image` lies at (image * channels + c) * positions + place.",
)
def numbers_of_all_channels(x, shift):
    return launch(edited(("m = images * positions", "m = images * channels * positions")), x, shift)


@mutant(
    TASK,
    says="96 threads cannot be halved in rounds: 96, 48, 24, 12, 6, 3, and then 1 leaves out number 2. Take a power of "
    "two, such as 128.",
)
def three_times_a_power_of_two(x, shift):
    return launch(edited(("i += 128", "i += blockDim.x"), ("half = 64", "half = blockDim.x / 2")), x, shift, threads=96)


@mutant(
    TASK,
    says="Each thread squares its own sum, and these squares are added up. The sum is of the squares: d * d is added "
    "inside the loop, for each number.",
)
def squares_of_the_threads_sums(x, shift):
    return launch(edited(("two[t] = b;", "two[t] = a * a;")), x, shift)


@mutant(
    TASK,
    says="s1 and s2 are never set. Either nobody writes them, or they are added to as xp.empty leaves them, which is "
    "NaN here. The thread that has the sum writes it with =; what several threads add to starts as xp.zeros.",
)
def added_to_what_is_not_zero(x, shift):
    return launch(edited(("s1[c] =", "s1[c] +="), ("s2[c] =", "s2[c] +=")), x, shift)


@mutant(
    TASK,
    says="You added the shift. Both sums are of x - shift.",
)
def shift_added(x, shift):
    return launch(edited((" - shift[c]", " + shift[c]")), x, shift)


@mutant(
    TASK,
    says="Your differences are shift - x. The sum is of x - shift; only the squares do not mind.",
)
def subtracted_the_other_way(x, shift):
    return launch(
        edited(
            (
                "const float d = x[((i / positions) * channels + c) * positions + i % positions] - shift[c]",
                "const float d = shift[c] - x[((i / positions) * channels + c) * positions + i % positions]",
            )
        ),
        x,
        shift,
    )


@mutant(
    TASK,
    says="Your second sum is of 2 * d. The square is d * d; there is no ** in C++.",
)
def doubled_for_squared(x, shift):
    return launch(edited(("d * d", "d * 2")), x, shift)


@mutant(
    TASK,
    says="Number 0 of the channel is left out: the first thread starts at 0, for i = t, and threads are counted from "
    "0.",
)
def first_number_left_out(x, shift):
    return launch(edited(("i = t;", "i = t + 1;")), x, shift)


@mutant(
    TASK,
    says="The last number of the channel is left out: the loop runs while i < images * positions.",
)
def last_number_left_out(x, shift):
    return launch(edited(("i < m;", "i < m - 1;")), x, shift)


@mutant(
    TASK,
    says="Every thread adds to the same number in global memory, and an atomicAdd waits for all those before it. Let "
    "the block add up first, in shared memory, so that one thread writes.",
)
def every_thread_adds_in_global_memory(x, shift):
    own_sum = CODE[: CODE.index("  one[t] = a;")].replace("  __shared__ float one[128], two[128];\n", "")
    return launch(own_sum + "  atomicAdd(&s1[c], a);\n  atomicAdd(&s2[c], b);\n}", x, shift, start=xp.zeros)
