"""What is told of typical answers on the GPU: launches, views, arrays of the host; what is allowed is left alone."""

import re

import numpy as np
import pytest
from bnlab import check
from bnlab.gpu import ElementwiseKernel, RawKernel, simulate, xp
from bnlab.gpu.source import commas
from judge import grade
from test_slips import report_at_home

from solutions.mutants.channel_sums import edited

ADDRESS = "x[((i / positions) * channels + c) * positions + i % positions]"


def launched(code=None, *, grid=None, block=(128,), given=lambda x: x, sizes=None, shared_mem=0, start=xp.empty):
    """`channel_sums`, right but for its launch or its kernel."""

    def channel_sums(x, shift):
        n, c, h, w = x.shape
        s1, s2 = start(c, xp.float32), start(c, xp.float32)
        numbers = sizes(x) if sizes else (n, c, h * w)
        kernel = RawKernel(code or edited(), "sums")
        kernel(grid or (c,), block, (given(x), shift, s1, s2, *numbers), shared_mem=shared_mem)
        return s1, s2

    return channel_sums


def turned(x):
    return x.transpose(1, 0, 2, 3)


IN_ONE_PIECE = edited((ADDRESS, "x[c * m + i]"))
WITH_STEPS = edited(
    (ADDRESS, "x[c * of_channel + i / positions * of_image + i % positions]"),
    ("int positions) {", "int positions, int of_channel, int of_image) {"),
)


def test_a_view_is_told_beside_what_came_out():
    report = report_at_home("channel-sums", launched(IN_ONE_PIECE, given=turned))
    assert "]: expected" in report.problem
    assert "x is a view, of shape (2, 8, 16, 16)" in report.problem and "xp.ascontiguousarray" in report.problem


def test_of_a_view_the_sums_are_not_asked_how_the_threads_walked():
    """Every second image of 8, read as it lies there, is the first 1024 numbers of each channel."""
    halved = launched(given=lambda x: x[::2], sizes=lambda x: ((len(x) + 1) // 2, x.shape[1], x.shape[2] * x.shape[3]))
    report = report_at_home("channel-sums", halved)
    assert "x is a view" in report.problem and report.likely == ""


def test_a_view_is_told_beside_what_the_checker_found():
    report = report_at_home("channel-sums", launched(edited(("i < m;", "i <= m;")), given=lambda x: x[:, :, ::-1]))
    assert "out of bounds" in report.problem and "x is a view" in report.problem


def test_a_kernel_that_works_with_the_steps_of_a_view_is_right(capsys):
    def sizes(x):
        return (*x.shape[:2], x.shape[2] * x.shape[3], *(step // 4 for step in turned(x).strides[:2]))

    answer = launched(WITH_STEPS, given=turned, sizes=sizes)
    check("channel-sums", answer)
    grade("channel-sums", answer, seed=1)
    assert "view" not in capsys.readouterr().out


@pytest.mark.parametrize("task", ["cuda-train", "cuda-train-speed"])
def test_what_is_remarkable_of_a_right_answer_costs_nothing(task):
    """A comma between brackets, in a kernel that is not launched: told where a number is wrong, and only there."""
    from solutions.mutants import cuda_train

    other = 'extern "C" __global__ void other(float* x) { x[0, 1] = 0.f; }\n'

    def batchnorm_train_cuda(x, gamma, beta, eps=1e-5):
        return cuda_train.launch(other + cuda_train.CODE, x, gamma, beta, eps)

    check(task, batchnorm_train_cuda)
    grade(task, batchnorm_train_cuda, seed=1)


def test_a_log_notes_a_view():
    code = 'extern "C" __global__ void first(const float* x, float* y) { y[0] = x[1]; }'
    with simulate() as log:
        RawKernel(code, "first")((1,), (1,), (xp.zeros((3, 2), xp.float32).T, xp.zeros(1, xp.float32)))
    assert "note: x is a view, of shape (2, 3) with steps of (4, 8) bytes" in str(log)


def test_a_result_in_the_order_of_a_view_is_told():
    from solutions.mutants.cuda_train import CODE

    def batchnorm_train_cuda(x, gamma, beta, eps=1e-5):
        n, c, h, w = x.shape
        y, mu, inv_std = turned(xp.empty_like(turned(x).copy())), xp.empty_like(gamma), xp.empty_like(gamma)
        sizes = (n, c, h * w, xp.float32(eps))
        RawKernel(CODE, "train")((c,), (128,), (x, gamma, beta, y, mu, inv_std, *sizes))
        return y, (x, mu, inv_std, gamma)

    assert "y is a view, of shape" in report_at_home("cuda-train", batchnorm_train_cuda).problem


def test_what_went_through_the_images():
    def not_launched(x, shift):
        RawKernel(edited(), "sums")
        return xp.zeros_like(shift), xp.zeros_like(shift)

    report = report_at_home("channel-sums", not_launched)
    assert "is 'nothing'; expected 'a kernel'. No kernel was launched." in report.problem
    report = report_at_home("channel-sums", launched(IN_ONE_PIECE, given=lambda x: turned(x).copy()))
    assert "Operations on whole arrays: copy." in report.problem and report.slips == []


def by_slices(x, shift):
    """Each image by itself: views of x are x."""
    n, c, h, w = x.shape
    s1, s2 = xp.zeros(c, xp.float32), xp.zeros(c, xp.float32)
    code = edited(("s1[c] =", "s1[c] +="), ("s2[c] =", "s2[c] +="))
    for image in x:
        RawKernel(code, "sums")((c,), (128,), (image, shift, s1, s2, 1, c, h * w))
    return s1, s2


def test_views_of_the_images_count_as_images():
    check("channel-sums", by_slices)

    def twice(x, shift):
        by_slices(x, shift)
        return by_slices(x, shift)

    assert "more than 1 read" in report_at_home("channel-sums", twice).problem


def called(*given, **options):
    def channel_sums(x, shift):
        return RawKernel(edited(), "sums")(*given, **options)

    return channel_sums


LAUNCHES = {
    "all arguments in a row": (called(1, 2, 3, 4), "a launch has three tuples, the grid, the block and the arguments"),
    "no grid": (called((1, 2)), "a launch has three tuples"),
    "a list": (launched(grid=[2]), "grid is [2]; expected a tuple"),
    "a number": (launched(block=128), "block is 128; expected a tuple, such as (128,)"),
    "bytes as a float": (launched(shared_mem=8.0), "shared_mem is 8.0; expected a whole number of bytes"),
    "a size as an array": (launched(sizes=lambda x: (xp.array(8), 2, 256)), "pass a number, xp.int32(...)"),
    "too many threads": (launched(block=(2048,)), "a block of 2048 threads; at most 1024 are allowed"),
    "a block for each image": (
        launched(grid=(8,)),
        "The grid has 8 blocks for 2 channels, so block 7 has none to work on",
    ),
    "an array of the host": (launched(given=np.array), "a NumPy array mixed with device arrays is on the host"),
}


@pytest.mark.parametrize("name", LAUNCHES)
def test_what_is_told_of_a_launch(name):
    answer, words = LAUNCHES[name]
    report = report_at_home("channel-sums", answer)
    assert words in report.problem and report.slips == [], report


def test_no_order_of_threads_has_a_part_in_a_limit():
    assert "order" not in report_at_home("channel-sums", launched(block=(2048,))).problem


POINTERS = "extern __shared__ float one[]; float* two = one + blockDim.x;"
TWO_NAMES = "extern __shared__ float one[]; extern __shared__ float two[];"


def test_dynamic_shared_memory():
    arrays = "__shared__ float one[128], two[128];"
    check("channel-sums", launched(edited((arrays, POINTERS)), shared_mem=1024))
    report = report_at_home("channel-sums", launched(edited((arrays, POINTERS))))
    assert "dynamic shared memory, outside of the 0 bytes that the launch asks for by shared_mem=" in report.problem
    assert report.slips == []
    report = report_at_home("channel-sums", launched(edited((arrays, TWO_NAMES)), shared_mem=1024))
    assert "one and two begin at the same address" in report.problem


def test_half_a_warp_is_told_where_threads_shuffle():
    from solutions.mutants.warp_sums import CODE

    def channel_sums_by_warps(x, shift):
        n, c, h, w = x.shape
        s1, s2 = xp.empty(c, xp.float32), xp.empty(c, xp.float32)
        RawKernel(CODE, "sums")((c,), (40,), (x, shift, s1, s2, n, c, h * w))
        return s1, s2

    assert "take a multiple of 32" in report_at_home("warp-sums", channel_sums_by_warps).problem


def test_a_shuffle_that_half_of_the_lanes_reach_is_told_of_the_branch():
    from solutions.mutants.warp_sums import edited, launch

    def channel_sums_by_warps(x, shift):
        return launch(edited(("far /= 2) v +=", "far /= 2) if (threadIdx.x % 32 < 16) v +=")), x, shift)

    report = report_at_home("warp-sums", channel_sums_by_warps)
    assert "wrong mask: 0xffffffff names lanes 0xffff0000, which never come" in report.problem
    assert "not only those that an `if` lets through" in report.likely


ABSENT = """extern "C" __global__ void k(const float* x, float* y, int n) {
  const int t = threadIdx.x;
  GUARD
  float v = t < n ? x[t] : 0.f;
  for (int far = 16; far > 0; far /= 2)
    v += __shfl_down_sync(0xffffffffu, v, far);
  if (t == 0) *y = v;
}"""


@pytest.mark.parametrize("schedule", ["forward", "reverse", "random"])
def test_a_mask_that_names_lanes_which_have_returned_is_noted(schedule):
    x, y = xp.ones(64, xp.float32), xp.zeros(1, xp.float32)
    for guard, wrong in (("if (t >= n) return;", True), ("", False), ("if (t >= 32) return;", False)):
        with simulate(schedule=schedule) as log:
            RawKernel(ABSENT.replace("GUARD", guard), "k")((1,), (64,), (x, y, xp.int32(20)))
        notes = log.launches[0].notes
        assert bool(np.isnan(y[0])) is wrong
        assert len(notes) == wrong and all("Line 6: the mask 0xffffffff names lanes" in note for note in notes), notes
        assert not wrong or "0xfff00000" in notes[0]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda s1, s2: None, "the result is None; expected the tuple (s1, s2). Is a `return` missing?"),
        (lambda s1, s2: s1, "the result is an array of shape (2,), float32; expected the tuple (s1, s2)."),
    ],
)
def test_a_result_of_another_structure_is_no_error_that_was_raised(result, words):
    def channel_sums(x, shift):
        return result(*launched()(x, shift))

    assert report_at_home("channel-sums", channel_sums).problem == f"channel_sums: {words}"


def test_who_wrote_to_an_argument():
    def channel_sums(x, shift):
        x -= shift[:, None, None]
        return launched()(x, xp.zeros_like(shift))

    assert "write `x = x - mu`, not `x -= mu`" in report_at_home("channel-sums", channel_sums).problem
    code = edited(("s1[c] = one[0];", "s1[c] = one[0]; ((float*)shift)[c] = 0;"))
    assert "A kernel gets its arguments by position" in report_at_home("channel-sums", launched(code)).problem


def test_numbers_that_nobody_wrote():
    report = report_at_home("channel-sums", launched(edited(("if (t == 0) {", "if (t == 0 && c < 1) {"))))
    assert "s1[1] is nan; every" in report.problem and "not only add to it" in report.problem
    report = report_at_home("channel-sums", launched(edited(("s1[c] = one[0]", "atomicAdd(&s1[c], one[0])"))))
    assert "s1[0] is nan, and so is every entry after it" in report.problem


LOOP = "for (int i = t; i < m; i += 128)"
WALKS = {
    "Each thread adds only one number, with blocks of 128": [(LOOP, "int i = t; if (i < m)")],
    "The steps are those of the whole grid, with blocks of 128": [("i += 128", "i += 128 * gridDim.x")],
    "Threads start at blockIdx.x * blockDim.x + t": [("int i = t;", "int i = c * 128 + t;")],
    "Each thread keeps only its last number": [("a += d;", "a = d;"), ("b += d * d;", "b = d * d;")],
    "In s2: Only thread 0's numbers are counted": [("      two[t] += two[t + half];\n", "")],
    "as if the whole grid shared the channel": [
        ("int i = t;", "int i = c * 128 + t;"),
        ("+= 128", "+= 128 * gridDim.x"),
    ],
}


@pytest.mark.parametrize("words", WALKS)
def test_sums_tell_how_the_threads_walked(words):
    report = report_at_home("channel-sums", launched(edited(*WALKS[words])))
    assert report.slips == [] and words in report.likely


def test_no_block_is_told_that_the_launch_did_not_have():
    """The first 64 numbers of a channel, added up by blocks of 128 threads."""
    report = report_at_home("channel-sums", launched(edited((LOOP, "int i = t; if (i < 64 && i < m)"))))
    assert "s1[0]: expected" in report.problem and "with blocks of" not in report.likely


def test_gradients_and_means_tell_it_too():
    from solutions.mutants import cuda_backward, cuda_train

    def batchnorm_train_cuda(x, gamma, beta, eps=1e-5):
        return cuda_train.launch(cuda_train.edited((LOOP, "int i = t; if (i < m)")), x, gamma, beta, eps)

    def batchnorm_backward_cuda(dy, cache):
        return cuda_backward.launch(cuda_backward.edited((LOOP, "int i = t; if (i < m)")), dy, cache)

    for task, answer in (("cuda-train", batchnorm_train_cuda), ("cuda-backward", batchnorm_backward_cuda)):
        assert "Each thread adds only one number, with blocks of 128" in report_at_home(task, answer).likely


def test_parts_tell_it_too():
    from solutions.mutants.split_sums import CODE

    def answer(start, step):
        def channel_sums_split(x, shift, parts):
            n, c, h, w = x.shape
            s1, s2 = xp.zeros(c, xp.float32), xp.zeros(c, xp.float32)
            code = CODE.replace(
                "int i = first + threadIdx.x; i < last; i += 64",
                f"int i = {start}; i < images * positions; i += {step}",
            )
            RawKernel(code, "add_part")((parts, c), (64,), (x, shift, s1, s2, n, c, h * w, 1))
            return s1, s2

        return channel_sums_split

    check("split-sums", answer("blockIdx.x * 64 + threadIdx.x", "64 * gridDim.x"))
    assert "The parts overlap" in report_at_home("split-sums", answer("blockIdx.x * 64 + threadIdx.x", "64")).likely
    to_the_end = answer("blockIdx.x * ((images * positions - 1) / gridDim.x + 1) + threadIdx.x", "64")
    assert "A part ends at min(first" in report_at_home("split-sums", to_the_end).likely
    assert "start at the same number" in report_at_home("split-sums", answer("threadIdx.x", "64 * gridDim.x")).likely


SQUARE = "b += d * d;"
CURES = {
    "A square is d * d": [(SQUARE, "b += d ** 2;")],
    "** and ^ mean something else": [(SQUARE, "b += d ^ 2;")],
    "np belongs to Python": [(SQUARE, "b += np.square(d);")],
    "__shfl_down_sync(0xffffffffu, v, 16)": [("one[t] = a;", "one[t] = __shfl_down(a, 16);")],
    "the number and the step": [("one[t] = a;", "one[t] = __shfl_down_sync(a, 16);")],
    "atomicAdd(&s1[c], a)": [("s1[c] = one[0];", "atomicAdd(s1[c], one[0]);")],
    "known when it is compiled": [("one[128], two[128]", "one[blockDim.x], two[128]")],
    "threadIdx.x is the first": [("t = threadIdx.x", "t = threadIdx")],
    "as in const float* x": [("float* s1", "float s1")],
    "one number of it: shift[c]": [("- shift[c]", "- shift")],
    "by a line that gives it a type": [("const int t = threadIdx.x, c", "t = threadIdx.x; int c")],
    "A comment begins with //": [(SQUARE, SQUARE + "\n    # the square")],
    "can only be read": [("s1[c] = one[0];", "s1[c] = one[0]; ((const float4*)s1)[0] = make_float4(0, 0, 0, 0);")],
    "is stored as such": [("s1[c] = one[0];", "s1[c] = make_float4(0, 0, 0, 0);")],
    "((const float4*)x)[k]": [(SQUARE, "b += ((const float4*)x[i]).x;")],
    "so that one float is cast": [(SQUARE, "b += ((float4)x[i]).x;")],
    "max(v, 0.f) of a float v": [(SQUARE, "b += max(d, 0);")],
    "extern __shared__ float held[]": [(SQUARE, "float squares[blockDim.x]; squares[t] = d * d; b += squares[t];")],
    "a return on every way": [
        ('extern "C"', '__device__ float squared(float d) {\n  d * d; }\nextern "C"'),
        (SQUARE, "b += squared(d);"),
    ],
    "does not know its length": [(SQUARE, "b += d * d / len(x);")],
    "written true and false": [(SQUARE, "if (True) b += d * d;")],
    "four floats": [(SQUARE, "float4 v = make_float4(d, d, d, d); b += (v * v).x;")],
}


@pytest.mark.parametrize("words", CURES)
def test_a_compiler_s_error_comes_with_its_line_and_a_cure(words):
    report = report_at_home("channel-sums", launched(edited(*CURES[words])))
    assert words in report.likely and "In file included" not in report.problem
    line, text = re.search(r"kernel\.cu:(\d+):.*\n  \1 \| (\S+)", report.problem).group(1, 2)
    assert text in edited(*CURES[words]).split("\n")[int(line) - 1]


@pytest.mark.parametrize("text, told", [
    ("if (a = 0.f) b += d * d;", "(a = 0.f) stores"), ("while (a = 1.f) { b += d; break; }", "(a = 1.f) stores"),
    ("if (t == 0 || t <= 3) b += d;", ""), ("if (float e = d) b += e;", ""), ("while ((a += 1.f) < 3) b += d;", ""),
    ("if (unsigned int k = t & 3) b += k;", ""), ("if ((a = d)) b += d;", ""),
])  # fmt: skip
def test_a_condition_that_stores_is_told(text, told):
    report = report_at_home("channel-sums", launched(edited((SQUARE, text))))
    assert (told in report.problem) if told else ("stores" not in report.problem)


def test_an_index_with_a_comma_is_told():
    report = report_at_home("channel-sums", launched(edited((ADDRESS, "x[i / positions, c, i % positions]"))))
    assert "x[i / positions, c, i % positions] means x[i % positions] in C++" in report.problem
    assert not list(commas("auto f = [a, b](int k) { return k; }; x[f(a, b)] = y[k]; float z[2] = {x[0], x[1]};"))
    assert not list(commas("auto [n, c] = halves(i);"))


def test_a_kernel_that_gives_something_back():
    assert "a kernel cannot" in report_at_home("channel-sums", launched(edited(("void sums", "float sums")))).problem


def test_whole_numbers():
    report = report_at_home("channel-sums", launched(edited(("float a = 0.f, b = 0.f", "int a = 0, b = 0"))))
    assert report.likely.startswith("Every entry of s1 is a whole number")
    report = report_at_home("achieved-bandwidth", lambda num_bytes, seconds: round(num_bytes / seconds / 1e9))
    assert report.likely.startswith("gigabytes a second is a whole number")


def test_digits_that_are_lost():
    report = report_at_home("achieved-bandwidth", lambda num_bytes, seconds: round(num_bytes / seconds / 1e9, 1))
    assert report.likely.startswith("gigabytes a second is right, but rounded to 1 decimal")

    def batchnorm_train(x, gamma, beta, eps=1e-5):
        x, mu = x.astype(xp.float32), x.mean(axis=(0, 2, 3)).astype(xp.float32)
        inv_std = 1 / xp.sqrt(x.var(axis=(0, 2, 3)) + eps)
        x_hat = (x - mu[:, None, None]) * inv_std[:, None, None]
        return gamma[:, None, None] * x_hat + beta[:, None, None], (x_hat, inv_std, gamma)

    assert report_at_home("cupy-train", batchnorm_train).likely.startswith("y is right, but only to some digits")


def test_a_cache_with_other_parts_and_a_source_of_another_cell():
    def batchnorm_backward_fused(dy, cache):
        x_hat, inv_std, gamma = cache

    assert "has 4 parts" in report_at_home("fused-backward", batchnorm_backward_fused).likely
    another = launched(edited(("void sums", "void largest")))
    assert "the cell that ran last" in report_at_home("channel-sums", another).likely


def test_a_mask_is_blamed_for_nan_where_lanes_have_returned_alone():
    from solutions.mutants import warp_sums

    added = warp_sums.edited(("s1[c] = a", "atomicAdd(&s1[c], a)"), ("s2[c] = b", "atomicAdd(&s2[c], b)"))
    report = report_at_home("warp-sums", lambda x, shift: warp_sums.launch(added, x, shift))
    assert "mask" not in report.likely and "xp.zeros" in report.likely
    branch = warp_sums.edited(("if (t < 32) {", "if (t < 4) {"))
    report = report_at_home("warp-sums", lambda x, shift: warp_sums.launch(branch, x, shift))
    assert "names lanes that have returned" in report.problem and "The mask of a shuffle" in report.likely


def test_a_number_for_each_channel_meets_images():
    def batchnorm_train(x, gamma, beta, eps=1e-5):
        return x - x.mean(axis=(0, 2, 3)), None

    def batchnorm_train_fused(x, gamma, beta, eps=1e-5):
        return ElementwiseKernel("T x, T g", "T y", "y = g * x", "scale")(x, gamma), None

    for task, answer in (("cupy-train", batchnorm_train), ("fused-train", batchnorm_train_fused)):
        assert "Give it the shape (3, 1, 1), as v[:, None, None] does" in report_at_home(task, answer).likely


def test_a_number_for_each_row_where_rows_are_asked_for():
    report = report_at_home("variance-formulas", lambda x: {"naive": x - x[:, 0]})
    assert report.likely.endswith("To meet rows of 40, add an axis: [:, None].")


def test_results_in_another_order_on_the_device():
    def batchnorm_backward(dy, cache):
        x_hat, inv_std, gamma = cache
        dgamma, dbeta = (dy * x_hat).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
        m = dy.size // dy.shape[1]
        inner = dy - (dbeta / m)[:, None, None] - x_hat * (dgamma / m)[:, None, None]
        return dgamma, dbeta, (gamma * inv_std)[:, None, None] * inner

    report = report_at_home("cupy-backward", batchnorm_backward)
    assert "in another order: yours are dgamma, dbeta, dx" in report.likely and report.slips == []


FUSED = {  # of the kernel that makes y: inputs, operation
    "(float means float64 here, as in NumPy)": ("float x, T mu, T w, T g, T b", "y = x"),
    "4 inputs are declared, so what comes after them is the output y": ("T x, T mu, T w, T g", "y = x"),
    "does the kernel assign it, as in y = ...?": ("T x, T mu, T w, T g, T b", "g * (x - mu) * w + b"),
    "A kernel returns nothing": ("T x, T mu, T w, T g, T b", "return x"),
}


@pytest.mark.parametrize("words", FUSED)
def test_what_is_told_of_a_fused_kernel(words):
    def batchnorm_train_fused(x, gamma, beta, eps=1e-5):
        mu, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        inv_std = 1 / xp.sqrt(var + eps)
        numbers = (v[:, None, None] for v in (mu, inv_std, gamma, beta))
        return ElementwiseKernel(FUSED[words][0], "T y", FUSED[words][1], "to_y")(x, *numbers), (x, mu, inv_std, gamma)

    assert words in str(report_at_home("fused-train", batchnorm_train_fused))


def test_a_slip_that_would_spoil_what_is_right_is_not_named():
    """One number for each of 256 threads is the first image of 16 x 16, and all of the smaller cases."""
    code = edited(
        (LOOP, "int i = t; if (i < m)"), ("half = 64", "half = 128"), ("one[128], two[128]", "one[256], two[256]")
    )
    assert report_at_home("channel-sums", launched(code, block=(256,))).slips == []


@pytest.mark.parametrize("cxx", ["g++", "clang++"])
def test_a_variable_without_a_value_is_told_with_its_line(cxx, monkeypatch):
    monkeypatch.setenv("BNLAB_CXX", cxx)
    report = report_at_home("channel-sums", launched(edited(("float a = 0.f, b = 0.f;", "float a, b;"))))
    assert re.search(r"Line \d+: a may have no value yet", report.problem), report.problem

    from solutions.mutants.cuda_train import edited as train
    from solutions.mutants.cuda_train import launch

    def batchnorm_train_cuda(x, gamma, beta, eps=1e-5):
        own = train(("one[32], two[32], center, width;", "one[32], two[32]; float center, width;"))
        return launch(own, x, gamma, beta, eps)

    problem = report_at_home("cuda-train", batchnorm_train_cuda).problem
    assert "center may have no value yet" in problem and "what all threads need is __shared__" in problem


def test_what_a_compiler_suspects_does_no_harm_to_a_right_answer(capsys):
    code = edited(
        ("float a = 0.f, b = 0.f;", "float a = 0.f, b = 0.f, own; if (t < m) own = 1;"),
        ("one[t] = a;", "one[t] = t < m ? own * a : a;"),
    )
    check("channel-sums", launched(code))
    assert "value" not in capsys.readouterr().out


@pytest.mark.parametrize("cxx", ["g++", "clang++"])
def test_an_array_of_a_thread_that_no_registers_hold_is_told(cxx, monkeypatch):
    """It is remarkable anywhere; in the kernel with one read it is wrong, since the memory it lies in is read again."""
    monkeypatch.setenv("BNLAB_CXX", cxx)
    own = "float own[1000]; for (int k = 0; k < 1000; ++k) own[k] = shift[c] * k;"
    sums = edited(("float a = 0.f", f"{own} float a = own[m]"), ("a += d;", "a += d, own[7 * i % 99] = own[i] + d;"))
    with simulate() as log:
        launched(sums)(xp.ones((2, 2, 3, 3), "f"), xp.zeros(2, "f"))
    assert log.launches[0].frame >= 4000 and "A GPU has registers for 1,020" in str(log), log

    from solutions.mutants.one_read import kept_by_each_thread

    assert report_at_home("one-read", kept_by_each_thread).slips[:1] == ["kept_by_each_thread"]


def by_atomics(before):
    """`channel_sums` whose threads add what they have to the results; `before` says what they have."""
    own_sum = edited()[: edited().index("  one[t] = a;")].replace("  __shared__ float one[128], two[128];\n", "")
    return launched(f"{own_sum}{before} atomicAdd(&s1[c], a), atomicAdd(&s2[c], b);\n}}", start=xp.zeros)


SHUFFLES = """
  for (int far = 16; far > 0; far /= 2) {
    a += __shfl_down_sync(0xffffffffu, a, far);
    b += __shfl_down_sync(0xffffffffu, b, far);
  }
  if (t % 32 == 0)"""


def test_atomics_of_every_thread_in_global_memory_are_refused_and_those_of_a_warp_are_not():
    report = report_at_home("channel-sums", by_atomics(""))
    assert report.slips == ["every_thread_adds_in_global_memory"] and "atomicAdd waits" in report.likely
    assert "512 atomics in global memory from 8 warps" in report.problem
    check("channel-sums", by_atomics(SHUFFLES))


def test_atomics_in_shared_memory_are_no_atomics_in_global_memory():
    code = """extern "C" __global__ void k(int* y) {
      __shared__ int own;
      if (threadIdx.x == 0) own = 0;
      __syncthreads();
      atomicAdd(&own, 1);
      __syncthreads();
      if (threadIdx.x < 3) atomicAdd(y, own);
    }"""
    y = xp.zeros(1, xp.int32)
    with simulate() as log:
        RawKernel(code, "k")((1,), (32,), (y,))
    assert y[0] == 96 and log.total("atomics") == 35 and log.total("global_atomics") == 3
    assert "35 atomics, 3 of them in global memory" in str(log)


def test_fewer_blocks_than_parts_are_refused():
    from solutions.mutants.split_sums import CODE, launch

    report = report_at_home("split-sums", lambda x, shift, parts: launch(CODE, x, shift, 2))
    assert report.slips == ["one_block_a_channel"] and "'fewer than parts'" in report.problem


def test_a_shift_of_another_channel_is_found_in_a_persistent_kernel():
    """Four blocks and six channels, no two of which are near each other."""
    from solutions.mutants import bank

    report = report_at_home("one-read", bank("one-read")["shift_by_the_block"][0])
    assert "far from zero" in report.tested and report.slips == ["shift_by_the_block"]
