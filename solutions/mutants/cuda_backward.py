"""Slips in `batchnorm_backward_cuda(dy, cache) -> (dx, dgamma, dbeta)`, in one kernel."""

from bnlab.gpu import RawKernel, xp

from solutions.mutants import mutant

TASK = "cuda-backward"
CODE = r"""
__device__ float sum_of_warp(float v) {
  for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
  return v;
}
extern "C" __global__ void gradient(const float* dy, const float* x, const float* mu, const float* inv_std,
                                    const float* gamma, float* dx, float* dgamma, float* dbeta, int images,
                                    int channels, int positions) {
  __shared__ float one[32], two[32], mean_dy, slope;
  const int t = threadIdx.x, c = blockIdx.x, m = images * positions;
  const float center = mu[c], width = inv_std[c], scale = gamma[c] * inv_std[c], count = images * positions;
  float a = 0.f, b = 0.f;
  for (int i = t; i < m; i += 128) {
    const int at = ((i / positions) * channels + c) * positions + i % positions;
    const float hat = (x[at] - center) * width;
    const float up = dy[at];
    a += up;
    b += up * hat;
  }
  a = sum_of_warp(a);
  b = sum_of_warp(b);
  if (t % 32 == 0) one[t / 32] = a, two[t / 32] = b;
  __syncthreads();
  if (t < 32) {
    a = sum_of_warp(t < 4 ? one[t] : 0.f);
    b = sum_of_warp(t < 4 ? two[t] : 0.f);
    if (t == 0) dbeta[c] = a, dgamma[c] = b, mean_dy = a / count, slope = b / count;
  }
  __syncthreads();  // sums
  for (int k = t; k < m; k += 128) {
    const int to = ((k / positions) * channels + c) * positions + k % positions;
    dx[to] = scale * (dy[to] - mean_dy - (x[to] - center) * width * slope);
  }
}"""


def edited(*changes):
    """CODE with (old, new) replacements."""
    code = CODE
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def launch(code, dy, cache, blocks=None, exchanged=False):
    x, mu, inv_std, gamma = cache
    n, c, h, w = dy.shape
    dx, dgamma, dbeta = xp.empty_like(dy), xp.empty(c, xp.float32), xp.empty(c, xp.float32)
    sizes = (*((xp.int32(c), xp.int32(n)) if exchanged else (xp.int32(n), xp.int32(c))), xp.int32(h * w))
    RawKernel(code, "gradient")((blocks or c,), (128,), (dy, x, mu, inv_std, gamma, dx, dgamma, dbeta, *sizes))
    return dx, dgamma, dbeta


@mutant(
    TASK,
    says="Your address is right for images whose channels lie side by side, (N, H, W, C). Here the positions of a "
    "channel lie side by side: (image * channels + c) * positions + place.",
)
def channels_last(dy, cache):
    code = edited(
        ("((i / positions) * channels + c) * positions + i % positions", "i * channels + c"),
        ("((k / positions) * channels + c) * positions + k % positions", "k * channels + c"),
    )
    return launch(code, dy, cache)


@mutant(
    TASK,
    says="You launched one block, so only the first channel has its gradients: the grid is (c,), one block for each "
    "channel.",
)
def one_block_for_all(dy, cache):
    return launch(CODE, dy, cache, blocks=1)


@mutant(
    TASK,
    says="The threads read the sums before they are there: a __syncthreads() is missing between the thread that writes "
    "them to shared memory and those that read them.",
)
def sums_not_awaited(dy, cache):
    return launch(edited(("  __syncthreads();  // sums\n", "")), dy, cache)


@mutant(
    TASK,
    says="A barrier stands where only some of the threads reach it. __syncthreads() belongs outside of every `if` on "
    "the number of the thread.",
)
def barrier_in_the_branch(dy, cache):
    return launch(edited(("  }\n  __syncthreads();  // sums\n", "    __syncthreads();\n  }\n")), dy, cache)


@mutant(
    TASK,
    says="A thread goes one number too far. Numbers are counted from 0, so the loops run while i < images * positions.",
)
def one_too_far(dy, cache):
    return launch(edited(("k < m;", "k <= m;")), dy, cache)


@mutant(
    TASK,
    says="You take m numbers in a row, starting at c * m. But a channel is not in one piece: each image holds H * W of "
    "its numbers, and the other channels lie in between.",
)
def channel_in_one_piece(dy, cache):
    code = edited(
        ("((i / positions) * channels + c) * positions + i % positions", "c * m + i"),
        ("((k / positions) * channels + c) * positions + k % positions", "c * m + k"),
    )
    return launch(code, dy, cache)


@mutant(TASK, says="Your dgamma adds up dy * x. gamma multiplies x_hat: add up dy * (x - mu) * inv_std.")
def sum_of_dy_and_x(dy, cache):
    return launch(edited(("hat = (x[at] - center) * width", "hat = x[at]")), dy, cache)


@mutant(TASK, says="Your dgamma lacks inv_std: x_hat is (x - mu) * inv_std, and the sum is over dy * x_hat.")
def inv_std_missing_in_the_sum(dy, cache):
    return launch(edited(("hat = (x[at] - center) * width", "hat = x[at] - center")), dy, cache)


@mutant(TASK, says="In dx the factor 1 / m is missing: the means of dy and of dy * x_hat are subtracted, not sums.")
def one_over_m_missing(dy, cache):
    return launch(edited(("count = images * positions", "count = 1.f")), dy, cache)


@mutant(
    TASK, says="You divided by m - 1. The forward pass normalizes with 1 / m, so the backward pass divides by m too."
)
def m_minus_one(dy, cache):
    return launch(edited(("count = images * positions", "count = images * positions - 1")), dy, cache)


@mutant(TASK, says="You divided by N, the number of images. The values that share a mean are N * H * W.")
def divided_by_images(dy, cache):
    return launch(edited(("count = images * positions", "count = images")), dy, cache)


@mutant(
    TASK,
    says="The mean of dy is not subtracted in dx: the values of a channel share their mean. If you did subtract it, "
    "look at its factor: 1 / m of a whole number m is 0 in C++.",
)
def mean_path_missing(dy, cache):
    return launch(edited(("dy[to] - mean_dy - ", "dy[to] - ")), dy, cache)


@mutant(
    TASK,
    says="x_hat times the mean of dy * x_hat is not subtracted in dx, as if var were a constant. If you did subtract "
    "it, look at its factor: 1 / m of a whole number m is 0 in C++.",
)
def variance_path_missing(dy, cache):
    return launch(edited((" - (x[to] - center) * width * slope", "")), dy, cache)


@mutant(TASK, says="You forgot gamma in dx: dy passes through gamma on its way to x_hat.")
def gamma_missing(dy, cache):
    return launch(edited(("scale = gamma[c] * inv_std[c]", "scale = inv_std[c]")), dy, cache)


@mutant(TASK, says="inv_std is missing in front of dx: every path from x to x_hat brings that factor along.")
def inv_std_missing(dy, cache):
    return launch(edited(("scale = gamma[c] * inv_std[c]", "scale = gamma[c]")), dy, cache)


@mutant(
    TASK,
    says="You averaged dgamma and dbeta. N * H * W values share each of them, and their gradients add up: take sums.",
)
def dgamma_and_dbeta_averaged(dy, cache):
    return launch(edited(("dbeta[c] = a, dgamma[c] = b", "dbeta[c] = a / count, dgamma[c] = b / count")), dy, cache)


@mutant(TASK, says="You exchanged dgamma and dbeta: the order is (dx, dgamma, dbeta), and gamma multiplies x_hat.")
def dgamma_and_dbeta_swapped(dy, cache):
    dx, dgamma, dbeta = launch(CODE, dy, cache)
    return dx, dbeta, dgamma


@mutant(
    TASK,
    says="Arrays as large as dy are read more than 4 times: one loop feeds both sums, and a second one reads dy and x "
    "again for dx.",
)
def a_loop_for_each_sum(dy, cache):
    launch(CODE, dy, cache)
    return launch(CODE, dy, cache)


@mutant(
    TASK,
    says="The work was done by operations on whole arrays. Write one kernel that reads dy and x and writes dx, with "
    "one block for each channel.",
)
def written_as_arrays(dy, cache):
    x, mu, inv_std, gamma = cache
    m, x_hat = dy.size // dy.shape[1], (x - mu[:, None, None]) * inv_std[:, None, None]
    dgamma, dbeta = (dy * x_hat).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
    bracket = dy - (dbeta / m)[:, None, None] - x_hat * (dgamma / m)[:, None, None]
    return (gamma * inv_std)[:, None, None] * bracket, dgamma, dbeta


@mutant(TASK, says="A sign is flipped in dx: x_hat times the mean of dy * x_hat is subtracted, not added.")
def variance_sign_flipped(dy, cache):
    return launch(edited((" - (x[to] - center)", " + (x[to] - center)")), dy, cache)


@mutant(TASK, says="A sign is flipped in dx: the mean of dy is subtracted, not added.")
def mean_sign_flipped(dy, cache):
    return launch(edited((" - mean_dy", " + mean_dy")), dy, cache)


@mutant(
    TASK, says="Both signs are flipped in dx: the mean of dy, and x_hat times the mean of dy * x_hat, are subtracted."
)
def both_signs_flipped(dy, cache):
    return launch(edited((" - mean_dy - (x[to]", " + mean_dy + (x[to]")), dy, cache)


@mutant(
    TASK,
    says="In dx the factor 1 / m is missing for the sum of dy * x_hat: as with dy, a mean is subtracted, not a sum.",
)
def one_over_m_missing_for_variance(dy, cache):
    return launch(edited(("slope = b / count", "slope = b")), dy, cache)


@mutant(
    TASK,
    says="In dx the factor 1 / m is missing for the sum of dy: as with dy * x_hat, a mean is subtracted, not a sum.",
)
def one_over_m_missing_for_mean(dy, cache):
    return launch(edited(("mean_dy = a / count", "mean_dy = a")), dy, cache)


@mutant(
    TASK,
    says="Both corrections of dx are 0. They are forgotten, or their factor is a division of whole numbers such as 1 / "
    "m, which C++ rounds down to 0: divide the sum by m instead.",
)
def mean_and_variance_paths_missing(dy, cache):
    return launch(edited((" - mean_dy - (x[to] - center) * width * slope", "")), dy, cache)


@mutant(
    TASK,
    says="inv_std is missing in the x_hat of dx: dgamma / m is multiplied by (x - mu) * inv_std, and one more inv_std "
    "stands in front of the bracket.",
)
def inv_std_missing_in_x_hat(dy, cache):
    return launch(edited(("(x[to] - center) * width * slope", "(x[to] - center) * slope")), dy, cache)


@mutant(
    TASK,
    says="mu and inv_std are swapped on their way to the kernel: the cache is (x, mu, inv_std, gamma), and the "
    "kernel takes its arguments in the order in which it declares them.",
)
def mu_and_inv_std_exchanged(dy, cache):
    x, mu, inv_std, gamma = cache
    return launch(CODE, dy, (x, inv_std, mu, gamma))


@mutant(
    TASK,
    says="dy and x are swapped on their way to the kernel: list the arguments in the order in which the kernel "
    "declares them.",
)
def dy_and_x_exchanged(dy, cache):
    return launch(CODE, cache[0], (dy, *cache[1:]))


@mutant(TASK, says="You forgot mu: x_hat is (x - mu) * inv_std, in the sum and in dx.")
def mu_missing(dy, cache):
    x, mu, inv_std, gamma = cache
    return launch(CODE, dy, (x, xp.zeros_like(mu), inv_std, gamma))


@mutant(
    TASK,
    says="In dx each thread uses its own part of the sums as if it were the whole. The sums of the block are those "
    "that the threads have added up together, in shared memory.",
)
def own_sums_of_each_thread(dy, cache):
    code = edited(
        ("  a = sum_of_warp(a);\n  b = sum_of_warp(b);\n  if", "  const float own_a = a / count, own_b = b / count;\n"
         "  a = sum_of_warp(a);\n  b = sum_of_warp(b);\n  if"),
        ("dy[to] - mean_dy", "dy[to] - own_a"),
        ("width * slope", "width * own_b"),
    )  # fmt: skip
    return launch(code, dy, cache)


# the same in rounds, as in the example of the notebook: where a barrier is missing, other accesses meet
ROUNDS = """  one[t] = a, two[t] = b;
  for (int half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) one[t] += one[t + half], two[t] += two[t + half];
  }
"""
BEHIND_THE_LOOP = CODE[CODE.index("  a = sum_of_warp(a);") : CODE.index("  for (int k = t;")]
RESULTS = "  if (t == 0) dbeta[c] = one[0], dgamma[c] = two[0];\n"


def in_rounds(dy, cache, mean_dy, slope):
    """The sums in rounds, of which nobody waits for the last one."""
    code = edited((BEHIND_THE_LOOP, ROUNDS + RESULTS), ("one[32], two[32], mean_dy, slope", "one[128], two[128]"))
    return launch(code.replace("- mean_dy", f"- {mean_dy} / count").replace("* slope", f"* {slope} / count"), dy, cache)


@mutant(
    TASK,
    says="All threads read the sums while thread 0 is still in the last round: a __syncthreads() is missing after the "
    "loop over rounds.",
)
def last_round_not_awaited(dy, cache):
    return in_rounds(dy, cache, "one[0]", "two[0]")


@mutant(
    TASK,
    says="The threads read dbeta[c] and dgamma[c] before thread 0 has written them: a __syncthreads() is missing, "
    "after the `if` of thread 0 and outside of it. Better still, share them through shared memory, which is "
    "nearer.",
)
def results_not_awaited(dy, cache):
    return in_rounds(dy, cache, "dbeta[c]", "dgamma[c]")


DX = "dx[to] = scale * (dy[to] - mean_dy - (x[to] - center) * width * slope);"


def with_dx(right_side, dy, cache):
    """The kernel with another expression for dx."""
    return launch(edited((DX, f"dx[to] = {right_side};")), dy, cache)


@mutant(
    TASK,
    says="Brackets are missing in dx: gamma * inv_std multiplies all three terms, dy and both corrections.",
)
def brackets_missing(dy, cache):
    return with_dx("scale * dy[to] - mean_dy - (x[to] - center) * width * slope", dy, cache)


@mutant(
    TASK,
    says="The sums have changed places in dx: dbeta / m is subtracted as it is, and dgamma / m is multiplied by x_hat.",
)
def sums_exchanged_in_dx(dy, cache):
    return with_dx("scale * (dy[to] - slope - (x[to] - center) * width * mean_dy)", dy, cache)


@mutant(TASK, says="x_hat is missing in the last term of dx: it is x_hat * dgamma / m.")
def x_hat_missing_in_dx(dy, cache):
    return with_dx("scale * (dy[to] - mean_dy - slope)", dy, cache)


@mutant(
    TASK,
    says="gamma and inv_std are swapped: the cache is (x, mu, inv_std, gamma), and the kernel takes its arguments in "
    "the order in which it declares them.",
)
def gamma_and_inv_std_exchanged(dy, cache):
    x, mu, inv_std, gamma = cache
    return launch(CODE, dy, (x, mu, gamma, inv_std))


@mutant(
    TASK,
    says="Blocks of several channels write to the same places of an array. A number of dx has the place of its dy: "
    "(image * channels + c) * positions + place. dgamma and dbeta have one place for each block, c.",
)
def written_by_the_count(dy, cache):
    return launch(edited(("dx[to] =", "dx[k] =")), dy, cache)


@mutant(
    TASK,
    says="Each thread writes one number of dx, with blocks of 128 threads, and the rest is not written: the second "
    "loop goes on in steps of blockDim.x, as the first one does.",
)
def one_number_of_dx_each(dy, cache):
    return launch(edited(("for (int k = t; k < m; k += 128) {", "const int k = t; if (k < m) {")), dy, cache)


@mutant(
    TASK,
    says="With more than one channel, an array is read beyond its end. A block goes through images * positions "
    "numbers; number `place` of an image lies at (image * channels + c) * positions + place.",
)
def numbers_of_all_channels(dy, cache):
    return launch(edited((", m = images * positions;", ", m = images * channels * positions;")), dy, cache)


@mutant(
    TASK,
    says="The sizes arrive in another order than the kernel declares them: the numbers of images and of channels are "
    "swapped.",
)
def sizes_exchanged(dy, cache):
    return launch(CODE, dy, cache, exchanged=True)


@mutant(
    TASK,
    says="Brackets are missing in x_hat, in the sum and in dx: inv_std multiplies mu alone. x_hat is (x - mu) * "
    "inv_std.",
)
def x_hat_without_brackets(dy, cache):
    return launch(
        edited(
            ("(x[at] - center) * width", "x[at] - center * width"),
            ("(x[to] - center) * width * slope", "(x[to] - center * width) * slope"),
        ),
        dy,
        cache,
    )


@mutant(
    TASK,
    says="Brackets are missing in the x_hat of dx: inv_std multiplies mu alone. x_hat is (x - mu) * inv_std.",
)
def x_hat_without_brackets_in_dx(dy, cache):
    return launch(edited(("(x[to] - center) * width * slope", "(x[to] - center * width) * slope")), dy, cache)


@mutant(
    TASK,
    says="Brackets are missing in the x_hat of dgamma: inv_std multiplies mu alone. x_hat is (x - mu) * inv_std.",
)
def x_hat_without_brackets_in_the_sum(dy, cache):
    return launch(edited(("(x[at] - center) * width", "x[at] - center * width")), dy, cache)


@mutant(
    TASK,
    says="You forgot mu in dx: its x_hat is (x - mu) * inv_std, as in the sum.",
)
def mu_missing_in_dx(dy, cache):
    return launch(edited(("(x[to] - center) * width * slope", "x[to] * width * slope")), dy, cache)


@mutant(
    TASK,
    says="The first warp reads the sums of the other warps before they are there: put a __syncthreads() in between.",
)
def sums_of_the_warps_not_awaited(dy, cache):
    return launch(edited(("  __syncthreads();\n  if (t < 32)", "  if (t < 32)")), dy, cache)


@mutant(
    TASK,
    says="You divided by H * W, the numbers of one image. The values that share a mean are N * H * W.",
)
def divided_by_positions(dy, cache):
    return launch(edited((", count = images * positions", ", count = positions")), dy, cache)


@mutant(
    TASK,
    says="inv_std stands twice in front of dx: the factor of the bracket is gamma * inv_std.",
)
def inv_std_twice(dy, cache):
    return launch(edited(("scale = gamma[c] * inv_std[c]", "scale = gamma[c] * inv_std[c] * inv_std[c]")), dy, cache)


@mutant(
    TASK,
    says="dx is divided by inv_std, which is 1 / sqrt(var + eps) already: the factor of the bracket is gamma * "
    "inv_std.",
)
def divided_by_inv_std(dy, cache):
    return launch(edited(("scale = gamma[c] * inv_std[c]", "scale = gamma[c] / inv_std[c]")), dy, cache)


@mutant(
    TASK,
    says="All channels get the gamma of channel 0: each channel has its own, gamma[c].",
)
def first_gamma_for_all(dy, cache):
    return launch(edited(("gamma[c] *", "gamma[0] *")), dy, cache)


@mutant(
    TASK,
    says="dx is made of dy[i], but number i of the channel is not number i of dy: it lies at (image * channels + c) "
    "* positions + place, in both loops.",
)
def read_by_the_count(dy, cache):
    return launch(edited(("(dy[to] -", "(dy[k] -")), dy, cache)


@mutant(
    TASK,
    says="You averaged dbeta. N * H * W values share beta, and their gradients add up: take the sum, as for dgamma.",
)
def dbeta_averaged(dy, cache):
    return launch(edited(("dbeta[c] = a,", "dbeta[c] = a / count,")), dy, cache)


@mutant(
    TASK,
    says="You averaged dgamma. N * H * W values share gamma, and their gradients add up: take the sum, as for dbeta.",
)
def dgamma_averaged(dy, cache):
    return launch(edited(("dgamma[c] = b,", "dgamma[c] = b / count,")), dy, cache)


@mutant(
    TASK,
    says="Your dgamma is multiplied by gamma. What gamma multiplies is x_hat: dgamma is the sum of dy * x_hat, with dy "
    "as it is given.",
)
def dgamma_times_gamma(dy, cache):
    return launch(edited(("dgamma[c] = b,", "dgamma[c] = b * gamma[c],")), dy, cache)


@mutant(
    TASK,
    says="The sum of dy * x_hat is not added up in the warp: what lane 0 hands over is only its own. Shuffle both "
    "sums.",
)
def second_sum_not_shuffled(dy, cache):
    return launch(edited(("  b = sum_of_warp(b);\n  if", "  if")), dy, cache)


@mutant(
    TASK,
    says="gamma * inv_std multiplies only dy minus its mean. It has to multiply all three terms: the last one, x_hat "
    "times a mean, belongs in the bracket.",
)
def last_term_outside_the_bracket(dy, cache):
    return launch(
        edited(
            (
                "scale * (dy[to] - mean_dy - (x[to] - center) * width * slope)",
                "scale * (dy[to] - mean_dy) - (x[to] - center) * width * slope",
            )
        ),
        dy,
        cache,
    )
