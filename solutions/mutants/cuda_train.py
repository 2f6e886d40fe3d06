"""Slips in `batchnorm_train_cuda(x, gamma, beta, eps=1e-5) -> (y, (x, mu, inv_std, gamma))`, in one kernel."""

from bnlab.gpu import RawKernel, xp

from solutions.mutants import mutant

TASK = "cuda-train"
CODE = r"""
__device__ float sum_of_warp(float v) {
  for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
  return v;
}
extern "C" __global__ void train(const float* x, const float* gamma, const float* beta, float* y, float* mu,
                                 float* inv_std, int images, int channels, int positions, float eps) {
  __shared__ float one[32], two[32], center, width;
  const int t = threadIdx.x, c = blockIdx.x, m = images * positions;
  const float shift = x[c * positions];
  float a = 0.f, b = 0.f;
  for (int i = t; i < m; i += 128) {
    const float d = x[((i / positions) * channels + c) * positions + i % positions] - shift;
    a += d;
    b += d * d;
  }
  a = sum_of_warp(a);
  b = sum_of_warp(b);
  if (t % 32 == 0) one[t / 32] = a, two[t / 32] = b;
  __syncthreads();
  if (t < 32) {
    a = sum_of_warp(t < 4 ? one[t] : 0.f) / m;
    b = sum_of_warp(t < 4 ? two[t] : 0.f) / m;
    const float var = fmaxf(b - a * a, 0.f);
    if (t == 0) center = mu[c] = shift + a, width = inv_std[c] = 1.f / sqrtf(var + eps);
  }
  __syncthreads();  // statistics
  for (int k = t; k < m; k += 128) {
    const int at = ((k / positions) * channels + c) * positions + k % positions;
    y[at] = gamma[c] * ((x[at] - center) * width) + beta[c];
  }
}"""


def edited(*changes):
    """CODE with (old, new) replacements."""
    code = CODE
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def launch(code, x, gamma, beta, eps, blocks=None, exchanged=False):
    n, c, h, w = x.shape
    y, mu, inv_std = xp.empty_like(x), xp.empty(c, xp.float32), xp.empty(c, xp.float32)
    sizes = (xp.int32(c), xp.int32(n)) if exchanged else (xp.int32(n), xp.int32(c))
    sizes += (xp.int32(h * w), xp.float32(eps))
    RawKernel(code, "train")((blocks or c,), (128,), (x, gamma, beta, y, mu, inv_std, *sizes))
    return y, (x, mu, inv_std, gamma)


@mutant(
    TASK,
    says="Far from zero your variance keeps no digit: the mean of the squares minus the square of the mean needs small "
    "numbers. Subtract a number of the same channel first. x[c * positions] is the first one of channel c; x[0] and "
    "x[1] belong to channel 0.",
)
def naive_formula(x, gamma, beta, eps=1e-5):
    return launch(edited(("shift = x[c * positions]", "shift = 0.f")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="The threads read the statistics before they are there: a __syncthreads() is missing between the thread that "
    "writes them to shared memory and those that read them.",
)
def statistics_not_awaited(x, gamma, beta, eps=1e-5):
    return launch(edited(("  __syncthreads();  // statistics\n", "")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="A barrier stands where only some of the threads reach it. __syncthreads() belongs outside of every `if` on "
    "the number of the thread.",
)
def barrier_in_the_branch(x, gamma, beta, eps=1e-5):
    code = edited(("  }\n  __syncthreads();  // statistics\n", "    __syncthreads();\n  }\n"))
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="A thread goes one number too far. Numbers are counted from 0, so the loops run while i < images * positions.",
)
def one_too_far(x, gamma, beta, eps=1e-5):
    return launch(edited(("k < m;", "k <= m;")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="You launched one block, so only the first channel is normalized: the grid is (c,), one block for each "
    "channel.",
)
def one_block_for_all(x, gamma, beta, eps=1e-5):
    return launch(CODE, x, gamma, beta, eps, blocks=1)


@mutant(
    TASK,
    says="You look up gamma by the number of the thread. There is one gamma for each channel, and a block has one "
    "channel: gamma[c], with c = blockIdx.x.",
)
def gamma_by_thread(x, gamma, beta, eps=1e-5):
    return launch(edited(("gamma[c]", "gamma[t]")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="You look up beta by the number of the thread. There is one beta for each channel, and a block has one "
    "channel: beta[c], with c = blockIdx.x.",
)
def beta_by_thread(x, gamma, beta, eps=1e-5):
    return launch(edited(("beta[c]", "beta[t]")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="A shared array has fewer places than are written: each thread, or with shuffles each warp of 32 threads, "
    "writes its sum to a place of its own.",
)
def shared_array_too_small(x, gamma, beta, eps=1e-5):
    return launch(edited(("one[32], two[32]", "one[2], two[2]")), x, gamma, beta, eps)


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
    says="The number that you subtract belongs to another channel: x[c * m] would begin channel c if a channel were in "
    "one piece. Its first number is x[c * positions], in the first image.",
)
def shift_of_another_channel(x, gamma, beta, eps=1e-5):
    return launch(edited(("shift = x[c * positions]", "shift = x[c * m]")), x, gamma, beta, eps)


@mutant(TASK, says="You divided by m - 1, with m = N * H * W. Training normalizes with the biased variance, 1 / m.")
def unbiased_variance(x, gamma, beta, eps=1e-5):
    code = edited(("var = fmaxf(b - a * a, 0.f)", "var = fmaxf(b - a * a, 0.f) * m / (m - 1)"))
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="The square of the mean distance is missing in your variance: S_2 / m - (S_1 / m)^2. The shift is near the "
    "mean, but not equal to it.",
)
def second_term_missing(x, gamma, beta, eps=1e-5):
    return launch(edited(("b - a * a", "b")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your mean is that of x - shift: add the shift back before you use or store it.",
)
def shift_not_added(x, gamma, beta, eps=1e-5):
    return launch(edited(("mu[c] = shift + a", "mu[c] = a")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your mean is that of x - x[0]: add x[0] back before you use or store it.",
)
def first_number_not_added(x, gamma, beta, eps=1e-5):
    code = edited(("shift = x[c * positions]", "shift = x[0]"), ("mu[c] = shift + a", "mu[c] = a"))
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


@mutant(TASK, says="Your cache holds the standard deviation. Store inv_std = 1 / sqrtf(var + eps).")
def std_in_cache(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, gamma) = launch(CODE, x, gamma, beta, eps)
    return y, (x, mu, 1 / inv_std, gamma)


@mutant(
    TASK,
    says="x is read three times: once for the mean, once for the variance, once for y. With a shift one loop feeds "
    "both sums.",
)
def a_loop_for_each_sum(x, gamma, beta, eps=1e-5):
    launch(CODE, x, gamma, beta, eps)
    return launch(CODE, x, gamma, beta, eps)


@mutant(
    TASK,
    says="The work was done by operations on whole arrays. Write one kernel that reads x and writes y, with one block "
    "for each channel.",
)
def written_as_arrays(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=(0, 2, 3))
    inv_std = 1 / xp.sqrt(((x - mu[:, None, None]) ** 2).mean(axis=(0, 2, 3)) + xp.float32(eps))
    y = gamma[:, None, None] * ((x - mu[:, None, None]) * inv_std[:, None, None]) + beta[:, None, None]
    return y, (x, mu, inv_std, gamma)


OVER_M = tuple(f"{sum_} = sum_of_warp(t < 4 ? {array}[t] : 0.f) / m;" for sum_, array in (("a", "one"), ("b", "two")))


def with_division(division, x, gamma, beta, eps, *which):
    """Another division of the sums 0, 1, or both."""
    changes = [(OVER_M[sum_], OVER_M[sum_].replace(" / m", division)) for sum_ in which]
    return launch(edited(*changes), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your mean and your variance lack their sums: 1 / m of a whole number m is 0 in C++. Divide the sum itself by "
    "m, or write 1.f / m.",
)
def whole_division(x, gamma, beta, eps=1e-5):
    return with_division(" * (1 / m)", x, gamma, beta, eps, 0, 1)


@mutant(
    TASK,
    says="Your mean is the shift alone: 1 / m of a whole number m is 0 in C++. Divide the sum itself by m, or write "
    "1.f / m.",
)
def whole_division_in_the_mean(x, gamma, beta, eps=1e-5):
    return with_division(" * (1 / m)", x, gamma, beta, eps, 0)


@mutant(
    TASK,
    says="Your variance is 0. Its factor 1 / m is a division of whole numbers, which is 0 in C++: divide the sum "
    "itself by m, or write 1.f / m.",
)
def whole_division_in_the_variance(x, gamma, beta, eps=1e-5):
    return with_division(" * (1 / m)", x, gamma, beta, eps, 1)


@mutant(
    TASK,
    says="Your mean and your variance are 0. Their factor 1 / m is a division of whole numbers, which is 0 in C++: "
    "divide the sum itself by m, or write 1.f / m.",
)
def whole_division_without_a_shift(x, gamma, beta, eps=1e-5):
    code = edited(
        ("shift = x[c * positions]", "shift = 0.f"), *((one, one.replace("/ m", "* (1 / m)")) for one in OVER_M)
    )
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK, says="Your mean is not divided: it is the shift plus S_1 / m, the sum of x - shift divided by m = N * H * W."
)
def mean_not_divided(x, gamma, beta, eps=1e-5):
    return with_division("", x, gamma, beta, eps, 0)


@mutant(TASK, says="The sum of the squares is not divided: the variance is S_2 / m - (S_1 / m)^2.")
def squares_not_divided(x, gamma, beta, eps=1e-5):
    return with_division("", x, gamma, beta, eps, 1)


@mutant(TASK, says="Your variance is a sum of squared distances from the mean: divide it by m = N * H * W.")
def sum_for_variance(x, gamma, beta, eps=1e-5):
    return launch(edited(("var = fmaxf(b - a * a, 0.f)", "var = fmaxf(b - a * a, 0.f) * m")), x, gamma, beta, eps)


@mutant(TASK, says="You used 1e-5 whatever eps was given. Hand the argument to the kernel, as a float.")
def eps_hard_coded(x, gamma, beta, eps=1e-5):
    return launch(CODE, x, gamma, beta, 1e-5)


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
    says="mu and inv_std are swapped: compare the tuple of arguments with the line that declares the kernel, and the "
    "cache with (x, mu, inv_std, gamma).",
)
def mu_and_inv_std_exchanged(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, gamma) = launch(CODE, x, gamma, beta, eps)
    return y, (x, inv_std, mu, gamma)


@mutant(TASK, says="You divided by the variance. The root is missing: inv_std = 1 / sqrtf(var + eps).")
def sqrt_missing(x, gamma, beta, eps=1e-5):
    return launch(edited(("sqrtf(var + eps)", "(var + eps)")), x, gamma, beta, eps)


@mutant(TASK, says="Your cache holds the variance. Store inv_std = 1 / sqrtf(var + eps).")
def variance_in_cache(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, gamma) = launch(CODE, x, gamma, beta, eps)
    return y, (x, mu, 1 / (inv_std * inv_std) - xp.float32(eps), gamma)


@mutant(
    TASK,
    says="Your cache holds x_hat. Store x, which is there already: writing x_hat costs one more pass, and the backward "
    "pass computes it from x, mu and inv_std.",
)
def x_hat_in_cache(x, gamma, beta, eps=1e-5):
    y, (x, mu, inv_std, gamma) = launch(CODE, x, gamma, beta, eps)
    return y, ((x - mu[:, None, None]) * inv_std[:, None, None], mu, inv_std, gamma)


BEHIND_THE_LOOP = CODE[CODE.index("  a = sum_of_warp(a);") : CODE.index("  for (int k = t;")]
OF_OWN = "shift + a / m, width = 1.f / sqrtf(fmaxf(b / m - a / m * (a / m), 0.f) + eps)"


@mutant(
    TASK,
    says="Each thread uses its own part of the sums as if it were the whole, in mu, inv_std and y. The sums of the "
    "block are those that the threads have added up together, in shared memory.",
)
def own_sums_of_each_thread(x, gamma, beta, eps=1e-5):
    own = f"  const float center = {OF_OWN};\n  if (t == 0) mu[c] = center, inv_std[c] = width;\n"
    code = edited((", center, width;", ";"), (BEHIND_THE_LOOP, own))
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="Thread 0 uses its own part of the sums as if it were the whole. The sums of the block are those that the "
    "threads have added up together, in shared memory.",
)
def own_sums_of_thread_0(x, gamma, beta, eps=1e-5):
    own = f"  if (t == 0) center = {OF_OWN}, mu[c] = center, inv_std[c] = width;\n  __syncthreads();\n"
    return launch(edited((BEHIND_THE_LOOP, own)), x, gamma, beta, eps)


# the same in rounds, as in the example of the notebook: where a barrier is missing, other accesses meet
ROUNDS = """  one[t] = a, two[t] = b;
  for (int half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) one[t] += one[t + half], two[t] += two[t + half];
  }
"""
OF_THE_BLOCK = OF_OWN.replace("a /", "one[0] /").replace("b /", "two[0] /")


def in_rounds(statistics, x, gamma, beta, eps, *changes):
    """The sums in rounds, then these statistics."""
    code = edited((BEHIND_THE_LOOP, ROUNDS + statistics), ("one[32], two[32]", "one[128], two[128]"))
    for old, new in changes:
        code = code.replace(old, new)
    return launch(code, x, gamma, beta, eps)


@mutant(
    TASK,
    says="The threads read the statistics before thread 0 has written them to shared memory: a __syncthreads() is "
    "missing, after the `if` of thread 0 and outside of it.",
)
def statistics_not_awaited_behind_rounds(x, gamma, beta, eps=1e-5):
    one_thread = f"  if (t == 0) center = {OF_THE_BLOCK}, mu[c] = center, inv_std[c] = width;\n"
    return in_rounds(one_thread, x, gamma, beta, eps)


@mutant(
    TASK,
    says="The threads read mu[c] and inv_std[c] before thread 0 has written them: a __syncthreads() is missing, after "
    "the `if` of thread 0 and outside of it. Better still, share them through shared memory, which is nearer.",
)
def results_not_awaited(x, gamma, beta, eps=1e-5):
    one_thread = f"  if (t == 0) center = {OF_THE_BLOCK}, mu[c] = center, inv_std[c] = width;\n"
    return in_rounds(one_thread, x, gamma, beta, eps, ("(x[at] - center) * width", "(x[at] - mu[c]) * inv_std[c]"))


@mutant(
    TASK,
    says="All threads read the sums while thread 0 is still in the last round: a __syncthreads() is missing after the "
    "loop over rounds.",
)
def last_round_not_awaited(x, gamma, beta, eps=1e-5):
    each = f"  const float center = {OF_THE_BLOCK};\n  if (t == 0) mu[c] = center, inv_std[c] = width;\n"
    return in_rounds(each, x, gamma, beta, eps, (", center, width;", ";"))


SHIFT = "shift = x[c * positions]"
OWN_SHIFT = "Each thread subtracts a number of its own, so that their sums do not belong together: all threads of a "


@mutant(TASK, says=OWN_SHIFT + "block take the same shift, x[c * positions].")
def a_shift_for_each_thread(x, gamma, beta, eps=1e-5):
    first = "shift = t < m ? x[((t / positions) * channels + c) * positions + t % positions] : 0.f"
    return launch(edited((SHIFT, first)), x, gamma, beta, eps)


@mutant(
    TASK,
    says="The loops go through the first image alone: i runs over the images * positions numbers of a channel, and m "
    "is that many.",
)
def first_image_alone(x, gamma, beta, eps=1e-5):
    return launch(edited(("m = images * positions", "m = positions")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="With more than one channel, x is read beyond its end. A block goes through images * positions numbers, and "
    "number `place` of image `image` lies at (image * channels + c) * positions + place.",
)
def numbers_of_all_channels(x, gamma, beta, eps=1e-5):
    return launch(edited(("m = images * positions", "m = images * channels * positions")), x, gamma, beta, eps)


@mutant(TASK, says="You took the gamma of the first channel for all: each channel has its own, gamma[c].")
def first_gamma_for_all(x, gamma, beta, eps=1e-5):
    return launch(edited(("gamma[c]", "gamma[0]")), x, gamma, beta, eps)


@mutant(TASK, says="You took gamma and beta of the first channel for all: each channel has its own, gamma[c], beta[c].")
def first_gamma_and_beta_for_all(x, gamma, beta, eps=1e-5):
    return launch(edited(("gamma[c]", "gamma[0]"), ("beta[c]", "beta[0]")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Blocks of several channels write to the same places of an array. A number of y has the place of its x: "
    "(image * channels + c) * positions + place. mu and inv_std have one place for each block, c.",
)
def written_by_the_count(x, gamma, beta, eps=1e-5):
    return launch(edited(("y[at] =", "y[k] =")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Each thread writes one number of y, with blocks of 128 threads, and the rest is not written: the second loop "
    "goes on in steps of blockDim.x, as the first one does.",
)
def one_number_of_y_each(x, gamma, beta, eps=1e-5):
    return launch(edited(("for (int k = t; k < m; k += 128) {", "const int k = t; if (k < m) {")), x, gamma, beta, eps)


@mutant(
    TASK, says="Brackets are missing: mu is subtracted from x before both are multiplied, gamma * (x - mu) * inv_std."
)
def brackets_missing(x, gamma, beta, eps=1e-5):
    return launch(edited(("((x[at] - center) * width)", "x[at] - center * width")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your mean is the shift plus the whole sum of x - shift. Divide this sum by m = N * H * W first.",
)
def sum_added_to_the_shift(x, gamma, beta, eps=1e-5):
    return launch(edited(("mu[c] = shift + a", "mu[c] = shift + a * m")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="The sizes arrive in another order than the kernel declares them: the numbers of images and of channels are "
    "swapped.",
)
def sizes_exchanged(x, gamma, beta, eps=1e-5):
    return launch(CODE, x, gamma, beta, eps, exchanged=True)


@mutant(TASK, says=OWN_SHIFT + "block take x[c * positions], and not x[c * positions + t].")
def a_shift_beside_the_other(x, gamma, beta, eps=1e-5):
    return launch(edited((SHIFT, "shift = x[c * positions + t]")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="inv_std multiplies the mean alone: x - mu * inv_std. Brackets are missing: x_hat is (x - mu) * inv_std.",
)
def x_hat_without_brackets(x, gamma, beta, eps=1e-5):
    return launch(edited(("((x[at] - center) * width)", "(x[at] - center * width)")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="gamma multiplies beta as well: gamma * (x_hat + beta). y is gamma * x_hat + beta.",
)
def beta_scaled(x, gamma, beta, eps=1e-5):
    return launch(
        edited(("((x[at] - center) * width) + beta[c]", "((x[at] - center) * width + beta[c])")), x, gamma, beta, eps
    )


@mutant(
    TASK,
    says="You divided by inv_std, or multiplied by the standard deviation. inv_std is 1 / sqrt(var + eps) already: "
    "x_hat is (x - mu) * inv_std.",
)
def divided_by_inv_std(x, gamma, beta, eps=1e-5):
    return launch(edited(("(x[at] - center) * width", "(x[at] - center) / width")), x, gamma, beta, eps)


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
    says="The last number of the channel is left out of the sums: the loop runs while i < images * positions.",
)
def last_number_left_out(x, gamma, beta, eps=1e-5):
    return launch(edited(("i < m;", "i < m - 1;")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="Your sums are divided by N, the number of images. A channel has N * H * W numbers.",
)
def divided_by_images(x, gamma, beta, eps=1e-5):
    return launch(
        edited(("one[t] : 0.f) / m", "one[t] : 0.f) / images"), ("two[t] : 0.f) / m", "two[t] : 0.f) / images")),
        x,
        gamma,
        beta,
        eps,
    )


@mutant(
    TASK,
    says="Your sums are divided by H * W, the numbers of one image. A channel has N * H * W.",
)
def divided_by_positions(x, gamma, beta, eps=1e-5):
    return launch(
        edited(("one[t] : 0.f) / m", "one[t] : 0.f) / positions"), ("two[t] : 0.f) / m", "two[t] : 0.f) / positions")),
        x,
        gamma,
        beta,
        eps,
    )


@mutant(
    TASK,
    says="Your y is right, but the mu of your cache is the mean of x - K: store K + S_1 / m.",
)
def shift_missing_in_the_cache(x, gamma, beta, eps=1e-5):
    return launch(edited(("center = mu[c] = shift + a", "mu[c] = a, center = shift + a")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="eps is added outside the root. It makes the variance larger, 1 / sqrt(var + eps), and so inv_std smaller.",
)
def eps_added_to_inv_std(x, gamma, beta, eps=1e-5):
    return launch(edited(("sqrtf(var + eps)", "sqrtf(var) + eps")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="The first warp reads the sums of the other warps before they are there: put a __syncthreads() in between.",
)
def sums_of_the_warps_not_awaited(x, gamma, beta, eps=1e-5):
    return launch(edited(("  __syncthreads();\n  if (t < 32)", "  if (t < 32)")), x, gamma, beta, eps)


@mutant(
    TASK,
    says="y is made of x[i], but number i of the channel is not number i of x: it lies at (image * channels + c) * "
    "positions + place, in both loops.",
)
def read_by_the_count(x, gamma, beta, eps=1e-5):
    return launch(edited(("(x[at] - center)", "(x[k] - center)")), x, gamma, beta, eps)
