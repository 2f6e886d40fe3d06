"""Slips in `batchnorm_train_once(x, gamma, beta, eps=1e-5)`, the persistent kernel with one read and one write."""

from bnlab.gpu import RawKernel, xp

from solutions.mutants import mutant

TASK = "one-read"
CODE = r"""
__device__ float sum_of_warp(float v) {
  for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
  return v;
}
extern "C" __global__ void once(const float* x, const float* gamma, const float* beta, float* y, float* mu,
                                float* inv_std, int images, int channels, int positions, float eps) {
  extern __shared__ float held[];
  __shared__ float one[32], two[32];
  const int t = threadIdx.x, m = images * positions;
  for (int c = blockIdx.x; c < channels; c += gridDim.x) {
    const float shift = x[c * positions];
    float a = 0.f, b = 0.f;
    for (int i = t; i < m; i += 128) {
      held[i] = x[((i / positions) * channels + c) * positions + i % positions];
      const float d = held[i] - shift;
      a += d;
      b += d * d;
    }
    a = sum_of_warp(a);
    b = sum_of_warp(b);
    if (t % 32 == 0) one[t / 32] = a, two[t / 32] = b;
    __syncthreads();  // sums
    a = b = 0.f;
    for (int warp = 0; warp < 4; ++warp) a += one[warp] / m, b += two[warp] / m;
    const float var = fmaxf(b - a * a, 0.f), center = shift + a, width = 1.f / sqrtf(var + eps);
    if (t == 0) mu[c] = center, inv_std[c] = width;
    for (int k = t; k < m; k += 128)
      y[((k / positions) * channels + c) * positions + k % positions] =
          gamma[c] * ((held[k] - center) * width) + beta[c];
    __syncthreads();  // next channel
  }
}"""


def edited(*changes):
    """CODE with (old, new) replacements."""
    code = CODE
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def launch(code, x, gamma, beta, eps, blocks=4, numbers=None):
    n, c, h, w = x.shape
    y, mu, inv_std = xp.empty_like(x), xp.empty(c, xp.float32), xp.empty(c, xp.float32)
    sizes = (xp.int32(n), xp.int32(c), xp.int32(h * w), xp.float32(eps))
    arguments = (x, gamma, beta, y, mu, inv_std, *sizes)
    RawKernel(code, "once")((min(c, blocks),), (128,), arguments, shared_mem=4 * (numbers or n * h * w))
    return y, (x, mu, inv_std, gamma)


@mutant(
    TASK,
    says="A block goes on to its next channel while some of its threads still read the sums of the last one: a "
    "__syncthreads() is missing at the end of the round.",
)
def next_channel_not_awaited(x, gamma, beta, eps=1e-5):
    return launch(edited(("    __syncthreads();  // next channel\n", "")), x, gamma, beta, eps, blocks=1)


@mutant(
    TASK,
    says="The threads read sums before they are there: a __syncthreads() is missing between the warps that write "
    "them to shared memory and the threads that read them.",
)
def sums_not_awaited(x, gamma, beta, eps=1e-5):
    return launch(edited(("    __syncthreads();  // sums\n", "")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="x is read a second time for y. Keep the numbers of the channel in shared memory and take them from there.",
)
def second_read(x, gamma, beta, eps=1e-5):
    code = edited(("(held[k] - center)", "(x[((k / positions) * channels + c) * positions + k % positions] - center)"))
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="You launched a block for each channel. A persistent kernel has at most 4 blocks here, and each goes on to "
    "c + gridDim.x when it is done.",
)
def a_block_for_each_channel(x, gamma, beta, eps=1e-5):
    return launch(CODE, x, gamma, beta, eps, blocks=x.shape[1])


@mutant(
    TASK,
    says="Channels beyond the number of blocks are left undone: each block has to go on to c + gridDim.x until there "
    "is none left.",
)
def first_channels_alone(x, gamma, beta, eps=1e-5):
    return launch(edited(("c < channels; c += gridDim.x", "c < gridDim.x; c += gridDim.x")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="A block keeps more numbers than it has shared memory for: shared_mem counts bytes, 4 for each of the "
    "N * H * W numbers.",
)
def bytes_counted_as_numbers(x, gamma, beta, eps=1e-5):
    return launch(CODE, x, gamma, beta, eps, numbers=-(-x.size // x.shape[1] // 4))


@mutant(
    TASK,
    says="You take m numbers in a row, starting at c * m. But a channel is not in one piece: each image holds H * W of "
    "its numbers, and the other channels lie in between.",
)
def channel_in_one_piece(x, gamma, beta, eps=1e-5):
    code = edited(
        ("((i / positions) * channels + c) * positions + i % positions", "c * m + i"),
        ("((k / positions) * channels + c) * positions + k % positions", "c * m + k"),
        ("shift = x[c * positions]", "shift = x[c * m]"),
    )
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="Far from zero your variance keeps no digit: the mean of the squares minus the square of the mean needs small "
    "numbers. Subtract a number of the same channel first. x[c * positions] is the first one of channel c; x[0] and "
    "x[1] belong to channel 0.",
)
def naive_formula(x, gamma, beta, eps=1e-5):
    return launch(edited(("shift = x[c * positions]", "shift = 0.f")), x, gamma, beta, eps)


@mutant(TASK, says="You divided by m - 1, with m = N * H * W. Training normalizes with the biased variance, 1 / m.")
def unbiased_variance(x, gamma, beta, eps=1e-5):
    code = edited(("var = fmaxf(b - a * a, 0.f)", "var = fmaxf(b - a * a, 0.f) * m / (m - 1)"))
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your address is right for images whose channels lie side by side, (N, H, W, C). Here the positions of a "
    "channel lie side by side: (image * channels + c) * positions + place.",
)
def channels_last(x, gamma, beta, eps=1e-5):
    code = edited(
        ("((i / positions) * channels + c) * positions + i % positions", "i * channels + c"),
        ("((k / positions) * channels + c) * positions + k % positions", "k * channels + c"),
    )
    return launch(code, x, gamma, beta, eps)


@mutant(TASK, says="You added eps outside the root: sqrtf(var) + eps. It belongs inside, sqrtf(var + eps).")
def eps_outside_sqrt(x, gamma, beta, eps=1e-5):
    return launch(edited(("sqrtf(var + eps)", "(sqrtf(var) + eps)")), x, gamma, beta, eps)


@mutant(TASK, says="You left eps out: inv_std is 1 / sqrtf(var + eps). Without it a constant channel divides by zero.")
def eps_missing(x, gamma, beta, eps=1e-5):
    return launch(CODE, x, gamma, beta, 0.0)


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta, with one gamma for each channel.")
def gamma_forgotten(x, gamma, beta, eps=1e-5):
    return launch(edited(("gamma[c] * ", "")), x, gamma, beta, eps)


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta, with one beta for each channel.")
def beta_forgotten(x, gamma, beta, eps=1e-5):
    return launch(edited((" + beta[c]", "")), x, gamma, beta, eps)


@mutant(TASK, says="You used 1e-5 whatever eps was given. Hand the argument to the kernel, as a float.")
def eps_hard_coded(x, gamma, beta, eps=1e-5):
    return launch(CODE, x, gamma, beta, 1e-5)


@mutant(TASK, says="You divided by the variance. The root is missing: inv_std = 1 / sqrtf(var + eps).")
def sqrt_missing(x, gamma, beta, eps=1e-5):
    return launch(edited(("sqrtf(var + eps)", "(var + eps)")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="gamma and beta are swapped on their way to the kernel: list the arguments in the order in which the kernel "
    "declares them.",
)
def gamma_and_beta_exchanged(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, _) = launch(CODE, x, beta, gamma, eps)
    return y, (x, mu, inv_std, gamma)


@mutant(
    TASK,
    says="With more channels than blocks, a block goes on to its next channel while some of its threads still read the "
    "sums of the last one: a __syncthreads() is missing at the end of the round.",
)
def next_channel_not_awaited_by_four_blocks(x, gamma, beta, eps=1e-5):
    return launch(edited(("    __syncthreads();  // next channel\n", "")), x, gamma, beta, eps)


ROUNDS = """    one[t] = a, two[t] = b;
    for (int half = 64; half > 0; half /= 2) {
      __syncthreads();
      if (t < half) one[t] += one[t + half], two[t] += two[t + half];
    }
    a = one[0] / m, b = two[0] / m;
"""


@mutant(
    TASK,
    says="All threads read the sums while thread 0 is still in the last round: a __syncthreads() is missing after the "
    "loop over rounds.",
)
def last_round_not_awaited(x, gamma, beta, eps=1e-5):
    first, last = CODE.index("    a = sum_of_warp(a);"), CODE.index("    const float var")
    code = CODE[:first] + ROUNDS + CODE[last:]
    return launch(code.replace("one[32], two[32]", "one[128], two[128]"), x, gamma, beta, eps)


@mutant(
    TASK,
    says="An array without __shared__ belongs to one thread, and one this large does not fit into registers: it would "
    "lie in device memory, where its numbers are stored and read again. Keep the channel in shared memory.",
)
def kept_by_each_thread(x, gamma, beta, eps=1e-5):
    return launch(edited(("extern __shared__ float held[];", "float held[10000];")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Two blocks work on the same channel. Block b takes channel b, then b + gridDim.x: each goes on by as many "
    "channels as there are blocks.",
)
def steps_of_one_channel(x, gamma, beta, eps=1e-5):
    return launch(edited(("c += gridDim.x", "c += 1")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Each thread keeps one number, the last one that it has read. Number i of the channel has place i in shared "
    "memory, held[i], when it is written and when it is read.",
)
def held_by_the_number_of_the_thread(x, gamma, beta, eps=1e-5):
    code = edited(("held[i] = ", "held[t] = "), ("d = held[i]", "d = held[t]"), ("held[k]", "held[t]"))
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="With more than one channel, shared memory is written beyond its end. It holds the numbers of one channel, "
    "counted from 0: number i has place i there, wherever it lies in x.",
)
def held_by_the_address(x, gamma, beta, eps=1e-5):
    at = "((i / positions) * channels + c) * positions + i % positions"
    code = edited(("held[i] = ", f"held[{at}] = "), ("d = held[i]", f"d = held[{at}]"))
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="Threads without a number return at once, and the others wait for them at the barrier. Let them add 0 and "
    "come to every __syncthreads().",
)
def returned_early(x, gamma, beta, eps=1e-5):
    code = edited(("m = images * positions;", "m = images * positions;\n  if (t >= m) return;"))
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="The sums of a block's next channel continue those of the last one: a sum has to start with 0 in each round "
    "of the loop over channels.",
)
def sums_go_on(x, gamma, beta, eps=1e-5):
    code = edited(
        ("  for (int c = blockIdx.x;", "  float own = 0.f, squares = 0.f;\n  for (int c = blockIdx.x;"),
        ("      a += d;\n      b += d * d;\n    }\n", "      own += d;\n      squares += d * d;\n    }\n"
         "    a = own, b = squares;\n"),
    )  # fmt: skip
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="inv_std multiplies the mean alone: x - mu * inv_std. Brackets are missing: x_hat is (x - mu) * inv_std.",
)
def x_hat_without_brackets(x, gamma, beta, eps=1e-5):
    return launch(edited(("((held[k] - center) * width)", "(held[k] - center * width)")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="gamma multiplies beta as well: gamma * (x_hat + beta). y is gamma * x_hat + beta.",
)
def beta_scaled(x, gamma, beta, eps=1e-5):
    return launch(
        edited(("((held[k] - center) * width) + beta[c]", "((held[k] - center) * width + beta[c])")),
        x,
        gamma,
        beta,
        eps,
    )


@mutant(
    TASK,
    says="You divided by inv_std, or multiplied by the standard deviation. inv_std is 1 / sqrt(var + eps) already: "
    "x_hat is (x - mu) * inv_std.",
)
def divided_by_inv_std(x, gamma, beta, eps=1e-5):
    return launch(edited(("(held[k] - center) * width", "(held[k] - center) / width")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="A sign is flipped in your variance: the square of S_1 / m is subtracted from S_2 / m.",
)
def second_term_added(x, gamma, beta, eps=1e-5):
    return launch(edited(("b - a * a", "b + a * a")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="The second term of your variance is not squared: it is S_2 / m minus the square of S_1 / m.",
)
def second_term_not_squared(x, gamma, beta, eps=1e-5):
    return launch(edited(("b - a * a", "b - a")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your variance mixes x and x - K: from the mean of (x - K) * (x - K) subtract the square of S_1 / m, which is "
    "the mean of x - K, and not the square of mu.",
)
def mean_of_x_in_the_variance(x, gamma, beta, eps=1e-5):
    return launch(edited(("b - a * a", "b - (shift + a) * (shift + a)")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="The second term is missing in your variance: S_2 / m - (S_1 / m)^2. K is near the mean, but not equal to it.",
)
def second_term_missing(x, gamma, beta, eps=1e-5):
    return launch(edited(("b - a * a", "b")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your mean is that of x - K: add K back before you use or store it.",
)
def shift_not_added(x, gamma, beta, eps=1e-5):
    return launch(edited(("center = shift + a", "center = a")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your variance takes S_2 as a sum: it is S_2 / m minus the square of S_1 / m.",
)
def squares_not_divided(x, gamma, beta, eps=1e-5):
    return launch(edited(("b += two[warp] / m", "b += two[warp]")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your mean takes S_1 as a sum: mu is K + S_1 / m.",
)
def mean_not_divided(x, gamma, beta, eps=1e-5):
    return launch(edited(("a += one[warp] / m", "a += one[warp]")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your cache holds the standard deviation. Store inv_std = 1 / sqrt(var + eps).",
)
def std_in_cache(x, gamma, beta, eps=1e-5):
    return launch(edited(("inv_std[c] = width", "inv_std[c] = 1.f / width")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="All channels get the gamma of channel 0: each channel has its own, gamma[c].",
)
def first_gamma_for_all(x, gamma, beta, eps=1e-5):
    return launch(edited(("gamma[c] *", "gamma[0] *")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="You look up gamma by the number of the block. A block has several channels in turn, and c is the one it is "
    "at: gamma[c].",
)
def gamma_by_the_block(x, gamma, beta, eps=1e-5):
    return launch(edited(("gamma[c] *", "gamma[blockIdx.x] *")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="The shift comes from another channel once a block is at its second one, and far from zero no digit is left. "
    "Take it from channel c: x[c * positions].",
)
def shift_by_the_block(x, gamma, beta, eps=1e-5):
    return launch(edited(("shift = x[c * positions]", "shift = x[blockIdx.x * positions]")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="The shift is subtracted twice in y: mu holds it already. y is made of x - mu, or of (x - K) - S_1 / m.",
)
def shift_subtracted_twice(x, gamma, beta, eps=1e-5):
    return launch(edited(("(held[k] - center)", "(held[k] - shift - center)")), x, gamma, beta, eps)
