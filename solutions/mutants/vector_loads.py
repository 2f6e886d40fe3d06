"""Slips in `batchnorm_apply(x, mu, inv_std, gamma, beta) -> y`, four numbers at once."""

from bnlab.gpu import RawKernel, xp

from solutions.mutants import mutant

TASK = "vector-loads"
CODE = r"""
__device__ float line(float v, const float* mu, const float* inv_std, const float* gamma, const float* beta, int c) {
  return gamma[c] * ((v - mu[c]) * inv_std[c]) + beta[c];
}
#define GIVEN const float *mu, const float *inv_std, const float *gamma, const float *beta
extern "C" __global__ void apply4(const float4* x, GIVEN, float4* y, int channels, int packs, int total) {
  const int k = blockIdx.x * 128 + threadIdx.x;
  if (k >= total) return;
  const int c = (k / packs) % channels;
  const float4 v = x[k];
  y[k] = make_float4(line(v.x, mu, inv_std, gamma, beta, c), line(v.y, mu, inv_std, gamma, beta, c),
                     line(v.z, mu, inv_std, gamma, beta, c), line(v.w, mu, inv_std, gamma, beta, c));
}
extern "C" __global__ void apply1(const float* x, GIVEN, float* y, int channels, int positions, int size) {
  const int k = blockIdx.x * 128 + threadIdx.x;
  if (k < size) y[k] = line(x[k], mu, inv_std, gamma, beta, (k / positions) % channels);
}
extern "C" __global__ void rows4(const float* x, GIVEN, float* y, int channels, int positions, int size) {
  const int c = blockIdx.x % channels;
  const float* from = x + blockIdx.x * positions;
  float* to = y + blockIdx.x * positions;
  for (int k = threadIdx.x; k < positions / 4; k += 128) {
    const float4 v = ((const float4*)from)[k];
    ((float4*)to)[k] =
        make_float4(line(v.x, mu, inv_std, gamma, beta, c), line(v.y, mu, inv_std, gamma, beta, c),
                    line(v.z, mu, inv_std, gamma, beta, c), line(v.w, mu, inv_std, gamma, beta, c));
  }
  for (int k = positions / 4 * 4 + threadIdx.x; k < positions; k += 128)
    to[k] = line(from[k], mu, inv_std, gamma, beta, c);
}"""


def edited(*changes):
    """CODE with (old, new) replacements."""
    code = CODE
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def launch(code, x, mu, inv_std, gamma, beta, wide=None, row=None, rest=1, blocks=None, total=None):
    n, c, h, w = x.shape
    y, wide = xp.empty_like(x), wide or (4 if h * w % 4 == 0 else 1)
    sizes = (xp.int32(c), xp.int32(row or h * w // wide), xp.int32(total or x.size // wide))
    blocks = blocks or max(1, x.size // wide // 128 + (x.size // wide % 128 > 0) * rest)
    RawKernel(code, f"apply{wide}")((blocks,), (128,), (x, mu, inv_std, gamma, beta, y, *sizes))
    return y


@mutant(
    TASK,
    says="You read four numbers at once from an address that is no multiple of 16 bytes: rows of 49 floats begin "
    "anywhere. Where 4 does not divide H * W, read one at a time.",
)
def vectors_in_every_row(x, mu, inv_std, gamma, beta):
    n, c, h, w = x.shape
    y = xp.empty_like(x)
    sizes = (xp.int32(c), xp.int32(h * w), xp.int32(x.size))
    RawKernel(CODE, "rows4")((n * c,), (128,), (x, mu, inv_std, gamma, beta, y, *sizes))
    return y


@mutant(
    TASK,
    says="A vector that spans two channels gets the statistics of one: where 4 does not divide H * W, neighbours in "
    "memory may belong to different channels.",
)
def one_channel_for_all_four(x, mu, inv_std, gamma, beta):
    code = edited(("(k / packs) % channels", "(4 * k / packs) % channels"))
    return launch(code, x, mu, inv_std, gamma, beta, wide=1 if x.size % 4 else 4, row=x.shape[2] * x.shape[3])


@mutant(
    TASK,
    says="Each thread stores one number, everywhere. Where 4 divides H * W, load and store a float4: a quarter of the "
    "requests.",
)
def one_at_a_time(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, beta, wide=1)


@mutant(
    TASK,
    says="The last numbers are not written: a number of threads that is rounded down leaves some over, and what is not "
    "written is NaN here.",
)
def rest_not_written(x, mu, inv_std, gamma, beta):
    return launch(edited(("if (k < size)", "if (k < size / 4 * 4)")), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="Threads beyond the end of the array work as well. The grid is rounded up to whole blocks, so each thread has "
    "to ask whether its number exists; numbers are counted from 0, so k >= total does not.",
)
def no_look_at_the_end(x, mu, inv_std, gamma, beta):
    code = edited(("  if (k >= total) return;\n", ""), ("if (k < size) ", ""))
    return launch(code, x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="The channel of a number is (k / (H * W)) % C: without the remainder the second image asks for channels that "
    "do not exist.",
)
def images_not_wrapped(x, mu, inv_std, gamma, beta):
    return launch(edited(("(k / packs) % channels", "k / packs")), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="You folded mu into the offset: gamma * inv_std * x + (beta - gamma * inv_std * mu) subtracts two large "
    "numbers. Subtract mu from x first.",
)
def folded_offset(x, mu, inv_std, gamma, beta):
    scale = gamma * inv_std
    return launch(CODE, x, xp.zeros_like(mu), xp.ones_like(mu), scale, beta - scale * mu)


@mutant(TASK, says="You did not subtract mu: y is gamma * (x - mu) * inv_std + beta.")
def mu_missing(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, xp.zeros_like(mu), inv_std, gamma, beta)


@mutant(TASK, says="You divided by inv_std. It is one over the standard deviation already: multiply.")
def divided_by_inv_std(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, 1 / inv_std, gamma, beta)


@mutant(TASK, says="You forgot gamma: y is gamma * x_hat + beta, with one gamma for each channel.")
def gamma_forgotten(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, xp.ones_like(gamma), beta)


@mutant(TASK, says="You forgot beta: y is gamma * x_hat + beta, with one beta for each channel.")
def beta_forgotten(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, xp.zeros_like(beta))


@mutant(
    TASK,
    says="The work was done by operations on whole arrays. Write a kernel that reads x once and writes y once.",
)
def written_as_arrays(x, mu, inv_std, gamma, beta):
    return gamma[:, None, None] * ((x - mu[:, None, None]) * inv_std[:, None, None]) + beta[:, None, None]


@mutant(
    TASK,
    says="You read four numbers at once where 4 does not divide H * W: some vectors then span two channels, and "
    "H * W / 4, rounded down, is no distance between channels. Ask for H * W % 4 == 0.",
)
def vectors_whatever_the_rows(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, beta, wide=4)


@mutant(
    TASK,
    says="You ask whether 4 divides the size of x. It may, while the rows of a channel have 49 numbers: what decides "
    "is H * W.",
)
def four_divides_the_size(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, beta, wide=1 if x.size % 4 else 4)


@mutant(
    TASK,
    says="You ask whether 4 divides W. The rows of an image follow each other without gaps, so four numbers at once "
    "are possible wherever 4 divides H * W.",
)
def four_divides_the_width(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, beta, wide=1 if x.shape[3] % 4 else 4)


@mutant(
    TASK,
    says="You take k % C for the channel of number k. The H * W numbers of a channel lie side by side, then come those "
    "of the next: it is (k / (H * W)) % C.",
)
def channel_by_the_remainder(x, mu, inv_std, gamma, beta):
    code = edited(("(k / packs) % channels", "k % channels"), ("(k / positions) % channels", "k % channels"))
    return launch(code, x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="You count vectors, and find their channel as if they were numbers: a channel of an image has H * W / 4 "
    "vectors.",
)
def numbers_for_vectors(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, beta, row=x.shape[2] * x.shape[3])


ONE_BY_ONE = r"""
extern "C" __global__ void apply4(const float* x, GIVEN, float* y, int channels, int packs, int total) {
  const int k = blockIdx.x * 128 + threadIdx.x;
  if (k >= total) return;
  const int c = (k / packs) % channels;
  const float scale = gamma[c] * inv_std[c], center = mu[c], offset = beta[c];
  float4 v = LOADED;
  v.x = scale * (v.x - center) + offset, v.y = scale * (v.y - center) + offset;
  v.z = scale * (v.z - center) + offset, v.w = scale * (v.w - center) + offset;
  STORED;
}"""


def one_by_one(loaded, stored):
    """CODE with another kernel for vectors."""
    kernel = ONE_BY_ONE.replace("LOADED", loaded).replace("STORED", stored)
    return CODE[: CODE.index('extern "C"')] + kernel + CODE[CODE.index('\nextern "C" __global__ void apply1') :]


@mutant(
    TASK,
    says="Your thread works on four numbers and stores them one by one: four requests, and each touches four times the "
    "sectors that it fills. Store the vector as one: ((float4*)y)[k] = v.",
)
def four_single_stores(x, mu, inv_std, gamma, beta):
    stored = "y[4 * k] = v.x, y[4 * k + 1] = v.y, y[4 * k + 2] = v.z, y[4 * k + 3] = v.w"
    return launch(one_by_one("((const float4*)x)[k]", stored), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="Your thread stores a vector, but loads its four numbers one by one: four requests, and each touches four "
    "times the sectors that it uses. Load the vector as one: ((const float4*)x)[k].",
)
def four_single_loads(x, mu, inv_std, gamma, beta):
    loaded = "make_float4(x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3])"
    return launch(one_by_one(loaded, "((float4*)y)[k] = v"), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="gamma and beta are swapped on their way to the kernel: list the arguments in the order in which the kernel "
    "declares them.",
)
def gamma_and_beta_exchanged(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, beta, gamma)


@mutant(
    TASK,
    says="mu and inv_std are swapped on their way to the kernel: list the arguments in the order in which the kernel "
    "declares them.",
)
def mu_and_inv_std_exchanged(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, inv_std, mu, gamma, beta)


@mutant(
    TASK,
    says="Numbers at the end are not written: your grid has too few blocks. It takes (count + 127) // 128 of 128 "
    "threads, which is rounded up, and threads beyond the end do nothing.",
)
def grid_rounded_down(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, beta, rest=0)


@mutant(
    TASK,
    says="The index of a pointer to float4 counts vectors: ((const float4*)x)[k] begins at number 4 * k. Multiplied by "
    "4 once more, or counted up to the number of floats, it leaves the array: a quarter of them are vectors.",
)
def vectors_counted_in_numbers(x, mu, inv_std, gamma, beta):
    return launch(edited(("const float4 v = x[k];", "const float4 v = x[4 * k];")), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="The channel of number k is (k / (H * W)) % C: without the remainder the second image looks for "
    "channels that do not exist.",
)
def images_not_wrapped_in_either_kernel(x, mu, inv_std, gamma, beta):
    code = edited(("(k / packs) % channels", "k / packs"), ("(k / positions) % channels", "k / positions"))
    return launch(code, x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="You take a remainder, 4 * k % C or k % C, for the channel. The H * W numbers of a channel lie side by side, "
    "then come those of the next: divide by H * W first.",
)
def channel_of_a_vector_by_the_remainder(x, mu, inv_std, gamma, beta):
    code = edited(("(k / packs) % channels", "4 * k % channels"), ("(k / positions) % channels", "k % channels"))
    return launch(code, x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="4 * (k / (H * W)) is no channel. The first number of vector k is 4 * k, so its channel is "
    "4 * k / (H * W) % C, where C++ multiplies before it divides.",
)
def divided_before_it_is_multiplied(x, mu, inv_std, gamma, beta):
    code = edited(("(k / packs) % channels", "4 * (k / packs) % channels"))
    return launch(code, x, mu, inv_std, gamma, beta, row=x.shape[2] * x.shape[3])


@mutant(
    TASK, says="v.w is stored as it was loaded. All four numbers of a vector are normalized: v.x, v.y, v.z and v.w."
)
def fourth_number_forgotten(x, mu, inv_std, gamma, beta):
    code = edited(("line(v.z, mu, inv_std, gamma, beta, c), line(v.w, mu, inv_std, gamma, beta, c));\n}\nextern \"C\" "
                   "__global__ void apply1", "line(v.z, mu, inv_std, gamma, beta, c), v.w);\n}\nextern \"C\" "
                   "__global__ void apply1"))  # fmt: skip
    return launch(code, x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="mu and inv_std reach the kernel in the place of gamma and beta: list the arguments in the order in which the "
    "kernel declares them.",
)
def statistics_and_parameters_exchanged(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, gamma, beta, mu, inv_std)


@mutant(
    TASK,
    says="You launched one block, so only its 128 threads have written something. The grid has (count + 127) // 128 "
    "blocks.",
)
def one_block_for_all(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, beta, blocks=1)


@mutant(
    TASK,
    says="Where 4 does not divide H * W a quarter of the numbers is written. There a thread has one number, and there "
    "are N * C * H * W of them: the count of vectors, a quarter, belongs to the other shapes.",
)
def a_quarter_of_single_numbers(x, mu, inv_std, gamma, beta):
    return launch(CODE, x, mu, inv_std, gamma, beta, total=x.size // 4)


@mutant(
    TASK,
    says="Blocks write to the same places: threadIdx.x begins at 0 in each of them. The number of a thread in the grid "
    "is blockIdx.x * blockDim.x + threadIdx.x.",
)
def number_of_the_block_forgotten(x, mu, inv_std, gamma, beta):
    code = CODE.replace("const int k = blockIdx.x * 128 + threadIdx.x;", "const int k = threadIdx.x;")
    return launch(code, x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="Where 4 divides H * W each vector begins at a multiple of 4 numbers; yours does not. x + k counts floats: "
    "take ((const float4*)x)[k], which begins at number 4 * k.",
)
def vectors_at_any_number(x, mu, inv_std, gamma, beta):
    code = edited(("const float4 v = x[k];", "const float4 v = *(const float4*)((const float*)x + k);"))
    return launch(code, x, mu, inv_std, gamma, beta)


def made_of(second, third, fourth):
    """CODE whose vectors are made of these numbers in place of v.y, v.z and v.w."""
    code = CODE
    for name, other in {"v.y": second, "v.z": third, "v.w": fourth}.items():
        code = code.replace(f"line({name},", f"line({other},")
    return code


@mutant(
    TASK,
    says="All four numbers of your vectors are made of v.x: the others are v.y, v.z and v.w.",
)
def first_number_four_times(x, mu, inv_std, gamma, beta):
    return launch(made_of("v.x", "v.x", "v.x"), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="The last two numbers of your vectors are the same: the fourth is made of v.w, and not of v.z.",
)
def third_number_twice(x, mu, inv_std, gamma, beta):
    return launch(made_of("v.y", "v.z", "v.z"), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="v.x alone is transformed, and v.y, v.z and v.w are stored as they came. Each of the four needs its line.",
)
def first_number_alone(x, mu, inv_std, gamma, beta):
    code = CODE
    for number in ("v.y", "v.z", "v.w"):
        code = code.replace(f"line({number}, mu, inv_std, gamma, beta, c)", number)
    return launch(code, x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="inv_std multiplies the mean alone: x - mu * inv_std. Brackets are missing: x_hat is (x - mu) * inv_std.",
)
def x_hat_without_brackets(x, mu, inv_std, gamma, beta):
    return launch(edited(("(v - mu[c]) * inv_std[c]", "v - mu[c] * inv_std[c]")), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="gamma multiplies beta as well: gamma * (x_hat + beta). y is gamma * x_hat + beta.",
)
def beta_scaled(x, mu, inv_std, gamma, beta):
    return launch(
        edited(("((v - mu[c]) * inv_std[c]) + beta[c]", "((v - mu[c]) * inv_std[c] + beta[c])")),
        x,
        mu,
        inv_std,
        gamma,
        beta,
    )


@mutant(
    TASK,
    says="inv_std is missing: y is gamma * (x - mu) * inv_std + beta.",
)
def inv_std_missing(x, mu, inv_std, gamma, beta):
    return launch(edited(("((v - mu[c]) * inv_std[c])", "(v - mu[c])")), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="All vectors are treated as if they belonged to channel 0. Vector k belongs to channel k / (H * W / 4) % C.",
)
def first_channel_for_all(x, mu, inv_std, gamma, beta):
    return launch(edited(("c = (k / packs) % channels", "c = 0")), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="The channel is taken from the number of the block. A block has 128 vectors here, whichever channels they "
    "belong to: that of vector k is k / (H * W / 4) % C.",
)
def channel_by_the_block(x, mu, inv_std, gamma, beta):
    return launch(edited(("c = (k / packs) % channels", "c = blockIdx.x % channels")), x, mu, inv_std, gamma, beta)


@mutant(
    TASK,
    says="The last vector, or number, is never written: places are counted from 0, and the last one is total - 1.",
)
def last_one_left_out(x, mu, inv_std, gamma, beta):
    return launch(edited(("k >= total", "k >= total - 1"), ("k < size)", "k < size - 1)")), x, mu, inv_std, gamma, beta)
