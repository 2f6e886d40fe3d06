"""Right kernels raise no alarm and give the right numbers: with and without checks, in every order of threads.

Every file of right_kernels/ sums x into y[0]; y begins as zeros; `since` names the first architecture that has what it
uses. Random reductions are compared with NumPy.
"""

from pathlib import Path

import numpy as np
import pytest
from bnlab.gpu import compiler, elementwise, kernels, reduction
from bnlab.gpu.report import KernelError
from bnlab.gpu.settings import simulate
from hypothesis import given, settings
from hypothesis import strategies as st
from test_wrong_kernels import header

BANK = sorted((Path(__file__).parent / "right_kernels").glob("*.cu"))
SCHEDULES = ("forward", "reverse", "random", 3)


def test_the_bank_is_large():
    assert len(BANK) >= 26


@pytest.mark.parametrize("cxx", ["g++", "clang++"])
@pytest.mark.parametrize("path", BANK, ids=[path.stem for path in BANK])
def test_a_right_kernel_raises_no_alarm(path, cxx, monkeypatch):
    monkeypatch.setenv("BNLAB_CXX", cxx)
    text = path.read_text()
    want = header(text)
    blocks, threads = map(int, want["launch"].split())
    kernel = kernels.RawKernel(text, "k", enable_cooperative_groups="cooperative" in want)
    rng = np.random.default_rng(0)
    for checked in (True, False):
        for schedule, n in zip(SCHEDULES, (47, 1, 48, 33)):
            x, y = rng.standard_normal(n).astype("f"), np.zeros(16, "f")
            with simulate(checked=checked, schedule=schedule):
                kernel((blocks,), (threads,), (x, y, n), shared_mem=int(want["shared"]))
            np.testing.assert_allclose(y[0], x.sum(dtype="d"), rtol=1e-5, atol=1e-5, err_msg=f"{schedule} {checked}")


REDUCE = """template <class T> __device__ T both(T a, T b) { return OP; }
extern "C" __global__ void k(const TYPE* x, TYPE* y, int rows, int columns) {
  extern __shared__ __align__(8) unsigned char memory[];
  TYPE* s = (TYPE*)memory;
  for (int row = blockIdx.x; row < rows; row += gridDim.x) {
    TYPE a = START;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) a = both<TYPE>(a, x[(long long)row * columns + i]);
    s[threadIdx.x] = a;
    __syncthreads();
    for (int o = blockDim.x / 2; o > 0; o >>= 1) {
      if (threadIdx.x < o) s[threadIdx.x] = both<TYPE>(s[threadIdx.x], s[threadIdx.x + o]);
      __syncthreads();
    }
    if (threadIdx.x == 0) y[row] = s[0];
    __syncthreads();
  }
}"""
OPERATIONS = {"sum": ("a + b", "0"), "min": ("a < b ? a : b", "x[(long long)row * columns]")}
TYPES = {"float32": "float", "float64": "double", "int32": "int"}


def reducer(operation, dtype):
    expression, start = OPERATIONS[operation]
    source = REDUCE.replace("OP", expression).replace("START", start).replace("TYPE", TYPES[dtype])
    return kernels.RawKernel(source, "k")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 300),
    blocks=st.integers(1, 4),
    log_threads=st.integers(0, 7),
    operation=st.sampled_from(sorted(OPERATIONS)),
    dtype=st.sampled_from(sorted(TYPES)),
    schedule=st.integers(0, 5),
    checked=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_random_reductions_agree_with_numpy(
    rows, columns, blocks, log_threads, operation, dtype, schedule, checked, seed
):
    x = (np.random.default_rng(seed).standard_normal((rows, columns)) * 100).astype(dtype)
    y = np.zeros(rows, dtype)
    threads = 1 << log_threads
    with simulate(checked=checked, schedule=schedule) as log:
        size = threads * x.itemsize
        reducer(operation, dtype)((blocks,), (threads,), (x, y, rows, columns), shared_mem=size)
    expected = getattr(x.astype("d"), operation)(axis=1)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-2)
    if checked and operation == "sum":
        assert log.loaded(x) == 1 and log.stored(y) == 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    chosen=st.sets(st.integers(0, 3)),
    keepdims=st.booleans(),
    dtype=st.sampled_from(["float32", "float64", "int64"]),
    seed=st.integers(0, 1000),
)
def test_reduction_kernels_agree_with_numpy(shape, chosen, keepdims, dtype, seed):
    axis = tuple(a for a in chosen if a < len(shape)) or None
    x = (np.random.default_rng(seed).standard_normal(shape) * 10).astype(dtype)
    total = reduction.ReductionKernel("T x", "T y", "x", "a + b", "y = a", "0", "total")
    np.testing.assert_allclose(
        total(x, axis=axis, keepdims=keepdims), x.sum(axis=axis, keepdims=keepdims), rtol=1e-4, atol=1e-4
    )
    largest = reduction.ReductionKernel("T x", "T y", "x", "max(a, b)", "y = a", "-1000", "largest")
    np.testing.assert_array_equal(largest(x, axis=axis), x.max(axis=axis))
    from_zero = reduction.ReductionKernel("T x", "T y", "x", "max(a, b)", "y = a", None, "from_zero")
    np.testing.assert_array_equal(from_zero(x, axis=axis), np.maximum(x.max(axis=axis), 0))  # CuPy starts at T()


def test_a_reduction_of_a_struct_and_the_number_of_elements():
    preamble = """struct W {
      float n, m, s;
      __device__ W(float n_ = 0, float m_ = 0, float s_ = 0) : n(n_), m(m_), s(s_) {}
    };
    __device__ W merge(W a, W b) {
      float n = a.n + b.n, d = b.m - a.m;
      return n == 0 ? W() : W(n, a.m + d * b.n / n, a.s + b.s + d * d * a.n * b.n / n);
    }"""
    x = np.random.default_rng(0).standard_normal((5, 3, 700)).astype("f") + 3
    variance = reduction.ReductionKernel(
        "T x", "T y", "W(1, x, 0)", "merge(a, b)", "y = a.s / a.n", "", "variance", "W", preamble=preamble
    )
    np.testing.assert_allclose(variance(x, axis=(0, 2)), x.var(axis=(0, 2), dtype="d"), rtol=1e-5)
    count = "y = a / (_in_ind.size() / _out_ind.size())"
    mean = reduction.ReductionKernel("T x", "T y", "x", "a + b", count, "0", "mean")
    np.testing.assert_allclose(mean(x, axis=(0, 2)), x.mean(axis=(0, 2), dtype="d"), rtol=1e-5)


def test_elementwise_kernels_follow_cupy_s_rules():
    rng = np.random.default_rng(1)
    x, m = rng.standard_normal((4, 3, 5)).astype("f"), rng.standard_normal((1, 3, 1)).astype("f")
    center = elementwise.ElementwiseKernel("T x, T m, float32 k", "T y, T z", "y = x - m; z = k * y", "center")
    y, z = center(x, m, np.float32(2))
    np.testing.assert_allclose([y, z], [x - m, 2 * (x - m)], rtol=1e-6)
    out = np.empty((4, 3, 10), "f")[..., ::2]
    second = np.empty_like(x)
    assert center(x, m, 2.0, out, second)[0] is out
    np.testing.assert_array_equal(out, y)
    with pytest.raises(TypeError, match="Type is mismatched: m is float64, and T is float32"):
        center(x, m.astype("d"), 1)
    with pytest.raises(TypeError, match="It must be either 3 or 5 .with outputs., but given 2"):
        center(x, m)
    shift = elementwise.ElementwiseKernel("raw T x", "T y", "y = x[i + 1]", "shift")
    with pytest.raises(KernelError, match=r"out of bounds: x\[5\] outside of x, which has 5 elements"):
        shift(np.arange(5.0), size=5)
    np.testing.assert_array_equal(shift(np.arange(5.0), size=4), [1, 2, 3, 4])


def test_numbers_follow_the_arrays_and_what_cupy_refuses_is_refused():
    """Read off CuPy 14.2: the code that it generates, its own constructors and its rule for types."""
    one = elementwise.ElementwiseKernel
    x = np.arange(6, dtype="f").reshape(2, 3)
    scale = one("T x, T k, float32 s", "T y", "y = k * x + s", "scale")
    y = scale(x, np.float64(3), np.int64(1))  # only arrays tell what T is
    assert y.dtype == np.float32 and (y == 3 * x + 1).all()
    assert (one("T x", "T y", "y = _ind.size() * i", "count")(x) == 6 * np.arange(6).reshape(2, 3)).all()
    with pytest.raises(TypeError, match="no array tells what K is; declare a type, such as float32 k"):
        one("T x, K k", "T y", "y = k * x", "scale")(x, np.float32(2))
    with pytest.raises(ValueError, match="Can not use 'i' as a parameter name"):
        one("T i", "T y", "y = i", "named")
    for kernel in (lambda: one("T x", "T y", "y = x", "two words"),
                   lambda: reduction.ReductionKernel("T x", "T y", "x", "a + b", "y = a", "0", "1st")):  # fmt: skip
        with pytest.raises(ValueError, match="Invalid kernel name"):
            kernel()
    with pytest.raises(ValueError, match="'' is not a parameter"):
        one("T x, ", "T y", "y = x", "comma")
    with pytest.raises(ValueError, match="Output array size is Undecided"):
        one("T x", "raw T y", "y[i] = x", "raw_output")(x)
    mean = reduction.ReductionKernel("T x, raw T m", "T y", "x - m[0]", "a + b", "y = a", "0", "from_raw")
    assert (mean(x, np.ones(1, "f"), axis=0) == x.sum(0) - 2).all()
    with pytest.raises(NotImplementedError, match="Illegal conditions: .* got axis=1"):
        mean(x, np.ones(1, "f"), axis=1)


@pytest.mark.parametrize(
    "pieces, said",
    [
        (("raw T x", "raw T y", "x[i] = 2; y[i] = 1", ""), r"kernel.cu:1:\d+: error: .*(read-only|const)"),
        (("raw T x", "raw T y", "y[i] = n", ""), r"kernel.cu:1:\d+: error: .*n"),
        (
            ("raw T x", "raw T y", "y[i] = f(x[i])", "\n__device__ int f(int v) { return w; }"),
            r"preamble:2:\d+: error: .*w",
        ),
    ],
)
def test_what_does_not_compile_in_cupy_does_not_compile(pieces, said):
    *first, preamble = pieces
    kernel = elementwise.ElementwiseKernel(*first, "piece", preamble=preamble)
    with pytest.raises(compiler.CompileException, match=said):
        kernel(np.ones(3, "f"), np.ones(3, "f"), size=3)


HALF = """#include <cuda_fp16.h>
#include <cuda_bf16.h>
extern "C" __global__ void there(const float* x, __half* h, __nv_bfloat16* b, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) h[i] = __float2half(x[i]), b[i] = __float2bfloat16(x[i]);
}
extern "C" __global__ void back(const __half* h, const __nv_bfloat16* b, float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] = __half2float(h[i]), y[i] = __bfloat162float(b[i]);
}
extern "C" __global__ void pairs(const __half2* h, float* x, int n) {
  int i = threadIdx.x;
  if (2 * i < n) {
    const __half2 p = h[i];
    const float2 f = __half22float2(p);
    x[2 * i] = f.x, x[2 * i + 1] = f.y;
  }
}"""


def round_to_bfloat(x):
    """Round float32 to the nearest bfloat16, ties to even, as bits."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def test_half_and_bfloat16_round_as_they_must():
    """All 65,536 halves survive the way to float32; float32 rounds as NumPy does, ties and denormals included."""
    module = kernels.RawModule(code=HALF)
    h = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    x, y = np.empty(h.size, "f"), np.empty(h.size, "f")
    bits = np.arange(1 << 16, dtype=np.uint16)
    with simulate(checked=False), np.errstate(over="ignore", invalid="ignore"):
        module.get_function("back")((256,), (256,), (h, bits, x, y, h.size))
        np.testing.assert_array_equal(x, h.astype("f"))
        np.testing.assert_array_equal(y.view(np.uint32), bits.astype(np.uint32) << 16)
        rng = np.random.default_rng(0)
        near = np.nextafter(x[np.isfinite(x)], np.float32(0))
        between = (x[:-1] + x[1:])[np.isfinite(x[:-1] + x[1:])] / 2
        many = rng.standard_normal(5000).astype("f") * np.exp2(rng.integers(-30, 20, 5000)).astype("f")
        values = np.concatenate([x[np.isfinite(x)], near, between, many, np.float32([65519, 65520, np.inf, -np.inf])])
        values = values.astype("f")
        half, bfloat = np.empty(values.size, np.float16), np.empty(values.size, np.uint16)
        module.get_function("there")((-(-values.size // 256),), (256,), (values, half, bfloat, values.size))
        np.testing.assert_array_equal(half, values.astype(np.float16))
        np.testing.assert_array_equal(bfloat, round_to_bfloat(values))


def test_neighbouring_halves_are_no_race_and_a_pair_is_one_access():
    module = kernels.RawModule(code=HALF)
    h, x = np.arange(64, dtype=np.float16), np.empty(64, "f")
    bits, y = np.zeros(64, np.uint16), np.empty(64, "f")
    with simulate() as log:
        module.get_function("there")((1,), (64,), (h.astype("f"), h, bits, 64))
        module.get_function("back")((1,), (64,), (h, bits, x, y, 64))
        module.get_function("pairs")((1,), (32,), (h, x, 64))
    np.testing.assert_array_equal(x, h.astype("f"))
    assert log.launches[2].totals["load_requests"] == 1 and log.launches[2].totals["load_sectors"] == 4


TEMPLATE = """template <class T, int N> __global__ void scale(T* x) { x[threadIdx.x] *= N; }
#define DECLARE(name, T) extern "C" __global__ void name(T* x) { x[threadIdx.x] += (T)VALUE; }
DECLARE(add_float, float)
DECLARE(add_double, double)"""


def test_templates_macros_and_options():
    module = kernels.RawModule(code=TEMPLATE, options=("-DVALUE=5",), name_expressions=["scale<float, 3>"])
    x, d = np.ones(4, "f"), np.ones(4)
    module.get_function("scale<float, 3>")((1,), (4,), (x,))
    module.get_function("add_float")((1,), (4,), (x,))
    module.get_function("add_double")((1,), (4,), (d,))
    assert x.tolist() == [8] * 4 and d.tolist() == [6] * 4


COUNTED = """extern "C" __global__ void k(const float* x, float* y, int stride) {
  __shared__ float s[1024];
  int t = threadIdx.x;
  s[t * stride] = x[t * stride];
  __syncthreads();
  y[t] = s[t * stride];
}"""


@pytest.mark.parametrize("stride, sectors, conflicts", [(1, 4, 0), (2, 8, 1), (4, 16, 3), (32, 32, 31), (3, 12, 0)])
def test_sectors_and_bank_conflicts_are_counted(stride, sectors, conflicts):
    """One warp: a stride of s elements touches 4 s sectors of 32 bytes, and gcd(s, 32) lanes share a bank."""
    x, y = np.ones(1024, "f"), np.empty(32, "f")
    with simulate() as log:
        kernels.RawKernel(COUNTED, "k")((1,), (32,), (x, y, stride))
    totals = log.launches[0].totals
    assert (totals["load_sectors"], totals["store_sectors"]) == (sectors, 4)
    assert totals["bank_conflicts"] == 2 * conflicts and log.total("barriers") == 1


COPIES = """#include <cuda_fp16.h>
struct Point { float a, b; };
#define COPY(name, T, change) extern "C" __global__ void name(const T* x, T* y) { \\
  int t = threadIdx.x; T v = x[t]; change; y[t] = v; }
COPY(float1s, float, v += 1)
COPY(float2s, float2, v.x += v.y)
COPY(float4s, float4, v.y *= v.w)
COPY(doubles, double, v += 1)
COPY(halves, half2, v = __hadd2(v, v))
COPY(bytes, uchar4, v.x = v.w)
COPY(float3s, float3, v.x += v.z)
COPY(points, Point, v.a += v.b)
extern "C" __global__ void shifted(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x + 1]; }
extern "C" __global__ void sums(const float* x, float* y) { y[threadIdx.x] += x[3]; }
extern "C" __global__ void odd(const float* x, float* y) { if (threadIdx.x % 2) y[threadIdx.x] = x[threadIdx.x]; }
"""
COSTS = {  # load requests, load sectors, store sectors of one warp, counted by hand
    "float1s": (1, 4, 4),
    "float2s": (1, 8, 8),
    "float4s": (1, 16, 16),
    "doubles": (1, 8, 8),
    "halves": (1, 4, 4),
    "bytes": (1, 4, 4),
    "float3s": (3, 36, 36),  # three loads with a stride of 12 bytes: 384 bytes each
    "points": (2, 16, 16),  # aligned to 4 bytes only: one load for each field
    "shifted": (1, 5, 4),
    "sums": (2, 5, 4),
    "odd": (1, 4, 4),
}


@pytest.mark.parametrize("cxx", ["g++", "clang++"])
def test_vectors_are_one_access_and_structs_are_not(cxx, monkeypatch):
    monkeypatch.setenv("BNLAB_CXX", cxx)
    module = kernels.RawModule(code=COPIES)
    types = {"doubles": "d", "halves": np.float16, "bytes": np.uint8}
    for name, cost in COSTS.items():
        x = np.zeros(256, types.get(name, "f"))
        with simulate() as log:
            module.get_function(name)((1,), (32,), (x, x.copy()))
        totals = log.launches[0].totals
        assert (totals["load_requests"], totals["load_sectors"], totals["store_sectors"]) == cost, name


def test_arguments_that_share_memory_share_their_copy():
    source = 'extern "C" __global__ void k(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }'
    x = np.arange(4, dtype="f")
    kernels.RawKernel(source, "k")((1,), (4,), (x, x))
    np.testing.assert_array_equal(x, [0, 2, 4, 6])
    frozen = np.zeros(4, "f")
    frozen.flags.writeable = False
    with pytest.raises(KernelError, match="writes y, which is read-only"):
        kernels.RawKernel(source, "k")((1,), (4,), (x, frozen))
