"""The simulated GPU: one import, the same source, arguments and launches as CuPy, and a cache that many share."""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np
import pytest
from bnlab.gpu import backend, compiler, kernels
from bnlab.gpu.elementwise import ElementwiseKernel
from bnlab.gpu.reduction import ReductionKernel
from bnlab.gpu.report import KernelError
from bnlab.gpu.settings import Machine, simulate

COMPILERS = [name for name in ("g++", "clang++") if compiler.shutil.which(name)]


@pytest.fixture(params=COMPILERS)
def cxx(request, monkeypatch):
    monkeypatch.setenv("BNLAB_CXX", request.param)
    return request.param


def in_python(code, **environment):
    """Run code in a fresh Python; its output."""
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": "exercises", **environment},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_both_compilers_are_tried():
    assert COMPILERS == ["g++", "clang++"], "the course's tests need both: apt-get install g++ clang"


def test_the_package_does_not_import_cupy():
    code = "import sys, bnlab, bnlab.gpu; from bnlab.gpu import simulate, KernelError; print('cupy' in sys.modules)"
    assert in_python(code) == "False\n"


def test_one_import_and_one_line():
    code = (
        "from bnlab.gpu import xp, RawKernel, RawModule, ElementwiseKernel, ReductionKernel, device, CompileException\n"
        "assert device.simulated and xp.RawKernel is RawKernel"
    )
    told = in_python(code, BNLAB_GPU="simulator")
    assert told == "simulated GPU: correctness and memory traffic are graded, speed is not (BNLAB_GPU=simulator)\n"
    assert in_python(code, BNLAB_GPU="simulator", BN_GRADING="1") == ""


def test_a_cupy_that_cannot_run_a_kernel_is_passed_over(monkeypatch):
    class Runtime:
        @staticmethod
        def getDeviceCount():
            return 1

    class Cuda:
        runtime = Runtime

    class Cupy:
        cuda = Cuda

        @staticmethod
        def arange(*args, **kwargs):
            raise RuntimeError("no NVRTC")

    monkeypatch.delenv("BNLAB_GPU", raising=False)
    monkeypatch.setattr(backend.importlib, "import_module", lambda name: Cupy)
    assert backend.find_cupy() == (None, "no GPU that CuPy can use: RuntimeError, no NVRTC")

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(backend.importlib, "import_module", missing)
    assert backend.find_cupy() == (None, "CuPy is not installed")


ADD = """extern "C" __global__ void add(const float* x, const float* y, float* z, int n, float scale) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) z[i] = x[i] + scale * y[i];
}"""


def test_a_kernel_and_what_it_moved(cxx):
    x, y = np.arange(100, dtype="f"), np.ones(100, "f")
    z = np.full(100, np.nan, "f")
    with simulate() as log:
        kernels.RawKernel(ADD, "add")((4,), (32,), (x, y, z, 100, np.float32(2)))
    np.testing.assert_array_equal(z, x + 2)
    assert (log.loaded(x), log.loaded(y), log.stored(z), log.stored(x)) == (1, 1, 1, 0)
    assert log.bytes == 1200 and log.total("bank_conflicts") == 0
    assert "x                   400 bytes   loaded  1.00 times" in str(log)


def test_a_compiler_that_is_missing_is_told_before_the_first_kernel(run):
    done = run(sys.executable, "-c", "from bnlab.gpu import xp", env={"BNLAB_GPU": "simulator", "BNLAB_CXX": "no-such"})
    assert "kernels cannot be compiled yet: no-such is no compiler here" in done.stdout, done.stdout + done.stderr
    assert "pip install ziglang" in done.stdout and not done.stderr


WRONG_ARGUMENTS = {
    "too few": (lambda x: (x, x, x, 3), "4 arguments for 5 parameters: x .float32 .*n .int32"),
    "no tuple": (lambda x: x, "expected a tuple"),
    "double array": (lambda x: (x.astype("d"), x, x, 3, np.float32(1)), r"x \(float32 \*\): got an array of float64"),
    "list": (lambda x: ([1.0], x, x, 3, np.float32(1)), r"x \(float32 \*\): got list"),
    "Python float": (lambda x: (x, x, x, 3, 1.0), r"scale \(float32\): got a Python float.*write xp.float32\(1.0\)"),
    "double": (lambda x: (x, x, x, 3, np.float64(1)), r"scale \(float32\): got float64"),
    "int for float": (lambda x: (x, x, x, 3, 1), r"scale \(float32\): got a Python int"),
    "float for int": (
        lambda x: (x, x, x, np.float32(3.5), np.float32(1)),
        r"n \(int32\): got float32.*declare it.*as float",
    ),
    "Python float for int": (lambda x: (x, x, x, 0.5, np.float32(1)), r"n \(int32\).*declare it.*float, .*xp.float32"),
    "a quotient for int": (
        lambda x: (x, x, x, 6 / 2, np.float32(1)),
        r"n \(int32\): .*xp.int32\(3\).*// a whole number",
    ),
    "integer for float": (lambda x: (x, x, x, 3, np.int32(1)), r"scale \(float32\): got int32; declare it as int"),
    "short for int": (lambda x: (x, x, x, np.int16(3), np.float32(1)), r"n \(int32\): got int16"),
    "too large": (lambda x: (x, x, x, 1 << 40, np.float32(1)), r"n \(int32\): 1099511627776 does not fit"),
    "array for scalar": (lambda x: (x, x, x, x, np.float32(1)), r"n \(int32\): got an array"),
}


@pytest.mark.parametrize("name", WRONG_ARGUMENTS)
def test_wrong_arguments_are_named(name):
    make, message = WRONG_ARGUMENTS[name]
    with pytest.raises(TypeError, match=message):
        kernels.RawKernel(ADD, "add")((1,), (32,), make(np.zeros(3, "f")))


LINES = """extern "C" __global__ void lines(const float* x,
    float* y,  // where to, as many as x has
    int n, float4 shift) {
  if (threadIdx.x < n) y[threadIdx.x] = x[threadIdx.x] + shift.x;
}"""


def test_wrong_arguments_come_with_the_line_of_their_parameter():
    kernel, x = kernels.RawKernel(LINES, "lines"), np.zeros(3, "f")
    four = np.zeros(1, "f,f,f,f")[0]
    kernel((1,), (32,), (x, x.copy(), np.int64(3), four))
    for (place, value), said in {
        (0, 3): r"^lines, line 1: parameter x .float32 ..: got int; expected an array\n  1 . extern",
        (1, 3): r"^lines, line 2: parameter y .*\n  2 . float. y,  // where to",
        (2, 1.5): r"^lines, line 3: parameter n .*\n  3 . int n, float4 shift",
        (2, np.int64(1 << 40)): r"^lines, line 3: parameter n .int32.: 1099511627776 does not fit",
        (3, np.float32(1)): r"^lines, line 3: parameter shift .*got float32 for a struct of 16 bytes",
    }.items():
        arguments = [x, x.copy(), 3, four]
        arguments[place] = value
        with pytest.raises(TypeError, match=said):
            kernel((1,), (32,), tuple(arguments))
    with pytest.raises(TypeError, match=r"^lines, line 1: 3 arguments for 4 parameters: x .*\n  1 . extern"):
        kernel((1,), (32,), (x, x, 3))


def test_wrong_launches_are_named():
    kernel, x = kernels.RawKernel(ADD, "add"), np.zeros(3, "f")
    arguments = (x, x, x, 3, np.float32(1))
    with pytest.raises(KernelError, match="a block of 2048 threads; at most 1024"):
        kernel((1,), (2048,), arguments)
    with pytest.raises(KernelError, match="block .1, 1, 128.; its third number is at most 64"):
        kernel((1,), (1, 1, 128), arguments)
    with pytest.raises(KernelError, match="must be at least 1"):
        kernel((0,), (32,), arguments)
    for grid in ((2**31,), (2**32 + 1,), (1, 65536)):
        with pytest.raises(
            KernelError, match="its first number is at most 2147483647, its second and third at most 65"
        ):
            kernel(grid, (32,), arguments)
    with pytest.raises(KernelError, match="4294901760 blocks of 32 threads; the simulator runs at most 67,108,864"):
        kernel((65536, 65535), (32,), arguments)
    for size in (-4, 4.0, None):
        with pytest.raises(TypeError, match=f"shared_mem is {size}; expected a whole number of bytes"):
            kernel((1,), (32,), arguments, shared_mem=size)
    with pytest.raises(TypeError, match=r"grid is 1; expected a tuple, such as \(1,\)"):
        kernel(1, (32,), arguments)
    with pytest.raises(KernelError, match="too much shared memory: 50000 bytes of dynamic") as caught:
        kernel((1,), (32,), arguments, shared_mem=50_000)
    assert caught.value.kind == "limit"
    kernel.max_dynamic_shared_size_bytes = 64 << 10
    kernel((1,), (32,), arguments, shared_mem=50_000)


@pytest.mark.parametrize(
    "bounds, options",
    [("32", ()), ("4 * 8, 2", ()), ("SIZE", ("-DSIZE=32",)), ("LANES", ()), ("LANES / 1", ()), ("TWICE", ())],
)
def test_launch_bounds_may_be_macros(bounds, options):
    source = "#define LANES 32\n#if 1\n#define TWICE 64\n#else\n#define TWICE 32\n#endif\n"
    source += f'extern "C" __global__ void __launch_bounds__({bounds}) k(float* x) {{ x[threadIdx.x] = 1; }}'
    kernel, x = kernels.RawKernel(source, "k", options=options), np.zeros(64, "f")
    kernel((1,), (32,), (x,))
    if bounds in ("LANES / 1", "TWICE"):  # not understood, and so not compared
        return kernel((1,), (64,), (x,))
    with pytest.raises(KernelError, match="a block of 64 threads; its __launch_bounds__ promise 32"):
        kernel((1,), (64,), (x,))


STATIC = """extern "C" __global__ void both(float* x) {
  __shared__ float own[2560];
  extern __shared__ float given[];
  given[threadIdx.x] = own[threadIdx.x] = x[threadIdx.x];
}"""


@pytest.mark.parametrize("asked, allowed", [(None, False), (46 << 10, True), (60 << 10, False)])
def test_static_and_dynamic_shared_memory_share_48_kb_until_more_is_asked_for(asked, allowed):
    """As measured on an H100 with CuPy 14: 10 KB and 46 KB together start once 46 KB are asked for."""
    kernel, x = kernels.RawKernel(STATIC, "both"), np.zeros(32, "f")
    assert kernel.max_dynamic_shared_size_bytes == (48 << 10) - 10240
    if asked:
        kernel.max_dynamic_shared_size_bytes = asked
    if allowed:
        return kernel((1,), (32,), (x,), shared_mem=46 << 10)
    with pytest.raises(KernelError, match="too much shared memory") as caught:
        kernel((1,), (32,), (x,), shared_mem=asked or 46 << 10)
    assert caught.value.kind == "limit"


def test_what_is_no_source_and_no_name():
    for given in ((ADD.encode(), "add"), (ADD, None), ("add", ADD)):
        with pytest.raises(TypeError, match="RawKernel takes two strings, the source and the name"):
            kernels.RawKernel(*given)


def test_names_that_cupy_would_not_find():
    template = "template <class T> __global__ void one(T* x) { x[threadIdx.x] = 1; }"
    with pytest.raises(KeyError, match="one<float> is an instance of a template.*name_expressions=.'one<float>',"):
        kernels.RawKernel(template, "one<float>")
    with pytest.raises(compiler.CompileException, match="^name_expressions: error: .*nine"):
        kernels.RawModule(code=template, name_expressions=("nine<float>",)).compile()
    with pytest.raises(KeyError, match='not declared extern "C"'):
        kernels.RawKernel(ADD.replace('extern "C" ', ""), "add")
    with pytest.raises(KeyError, match="it declares: add"):
        kernels.RawKernel(ADD, "sub")
    for before in ("", "#define SIZE 4\n"):
        with pytest.raises(KeyError, match="add is no kernel: write .* __global__ void add"):
            kernels.RawKernel(before + ADD.replace("__global__ ", ""), "add")
    kernels.RawKernel("#define KERNEL __global__\n" + ADD.replace("__global__", "KERNEL"), "add")


@pytest.mark.parametrize(
    "code, said",
    [
        ('extern "C" __global__ void k(float* x) { x[0] = 1.f; ', "a brace that was opened is not closed"),
        ('extern "C" __global__ void k(float* x) {\n x[0] = q; }', "kernel.cu:2:9: error: .*q"),
    ],
)
def test_errors_of_the_compiler_name_no_file_of_ours(cxx, code, said):
    with pytest.raises(compiler.CompileException, match=said) as caught:
        kernels.RawKernel(code, "k").compile()
    assert "/" not in str(caught.value)


@pytest.mark.parametrize(
    "pieces, said",
    [
        (("x", "x + y", "y = a", "0"), "reduce_expr:1"),
        (("x", "a + b", "y = a", "zero"), "identity:1"),
        (("x * q", "a + b", "y = a", "0"), "map_expr:1"),
        (("x", "a + b", "y = q", "0"), "post_map_expr:1"),
    ],
)
def test_errors_of_a_reduction_name_the_piece(cxx, pieces, said):
    with pytest.raises(compiler.CompileException, match=said) as caught:
        ReductionKernel("T x", "T y", *pieces, "piece")(np.ones(3, "f"))
    assert "/" not in str(caught.value)


@pytest.mark.parametrize("leaves", ["return", "break", "continue"])
def test_an_operation_leaves_its_own_element_alone(leaves):
    """On a GPU each element has a thread."""
    positive = ElementwiseKernel("T x", "T y", f"y = 0; if (x < 0) {leaves}; y = x", "positive")
    np.testing.assert_array_equal(positive(np.float32([-1, 2, -3, 4])), [0, 2, 0, 4])


ENDS = {
    "d: integer division by zero": ("illegal address", "y = 100 / x"),
    "d: endless loop": ("spin", "y = 0; while (x == 0) ++y"),
    "d: access to the address 0x8, which belongs to no array": ("illegal address", "y = *(int*)8"),
}


@pytest.mark.parametrize("said", ENDS)
def test_an_operation_cannot_end_or_stop_python(said, monkeypatch):
    monkeypatch.setenv("BNLAB_GPU_PATIENCE", "0.2")
    kind, operation = ENDS[said]
    x = np.arange(3, dtype=np.int32)
    with pytest.raises(KernelError, match=said) as caught:
        ElementwiseKernel("int32 x", "int32 y", operation, "d")(x)
    assert caught.value.kind == kind
    with pytest.raises(KernelError, match=said):
        ReductionKernel("int32 x", "int32 y", "x", "a + b", f"const int x = a - 3; {operation}", "0", "d")(x)


def test_reductions_of_several_threads_take_turns():
    total = ReductionKernel("T x", "T y", "x", "a + b", "y = a", "0", "total")

    def many(number):
        x = np.full(100_000, number, "d")
        return {float(total(x)) for _ in range(30)}

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(many, range(4))) == [{number * 1e5} for number in range(4)]


def test_an_output_that_nobody_writes_is_nan():
    assert np.isnan(ElementwiseKernel("T x", "T y", "x * 2", "forgets")(np.ones(3, "f"))).all()


SUMS = """extern "C" __global__ void sums(float* x, int n) {
  __shared__ float a[64];  // sum
  a[threadIdx.x] = 1.f;
  LOOP
  x[threadIdx.x] = a[threadIdx.x];
}"""
LOOPS = {
    "barriers": "for (int half = 32; half >= 0; half /= 2) __syncthreads();",
    "nothing": "for (int i = 0; i < n; ) a[threadIdx.x] += 1.f;",
    "a flag": "while (*(volatile float*)(x + 5) == 0.f) { }",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_without_an_end_is_told_from_a_long_one(loop, monkeypatch):
    monkeypatch.setenv("BNLAB_GPU_PATIENCE", "0.2")
    kernel = kernels.RawKernel(SUMS.replace("LOOP", LOOPS[loop]), "sums")
    with pytest.raises(KernelError, match="line 4: endless loop: .* is in a loop that does not end") as caught:
        kernel((1,), (64,), (np.zeros(64, "f"), np.int32(5)))
    assert caught.value.kind == "spin"


def test_one_thread_may_go_a_long_way_and_is_counted(monkeypatch):
    monkeypatch.setenv("BNLAB_GPU_PATIENCE", "0.02")
    code = (
        'extern "C" __global__ void copy(const float* x, float* y, int n) { for (int i = 0; i < n; ++i) y[i] = x[i]; }'
    )
    x, y = np.ones(1_500_000, "f"), np.zeros(1_500_000, "f")
    with simulate() as log:
        kernels.RawKernel(code, "copy")((1,), (1,), (x, y, x.size))
    assert y.all() and log.total("load_requests") == log.total("store_sectors") == x.size


def test_an_endless_loop_takes_little_memory():
    code = (
        "import re, numpy as np; from bnlab.gpu.kernels import RawKernel; from bnlab.gpu import KernelError\n"
        f"kernel = RawKernel({SUMS.replace('LOOP', 'while (n > 0) x[threadIdx.x] = a[n];')!r}, 'sums')\n"
        "try:\n    kernel((1,), (64,), (np.zeros(64, 'f'), np.int32(5)))\n"
        "except KernelError as error:\n"
        "    print(error.kind, re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    kind, kilobytes = in_python(code, BNLAB_GPU_PATIENCE="1").split()
    assert kind == "spin" and int(kilobytes) < 400_000


def test_a_tick_between_two_threads_harms_nobody():
    """The watchdog's timer strikes every 5 ms, here as often as not while one thread follows another."""
    count = 40_000
    code = 'extern "C" __global__ void own(float* a) { a[blockIdx.x] = blockIdx.x; }'
    for _ in range(5):
        a = np.zeros(count, "f")
        kernels.RawKernel(code, "own")((count,), (1,), (a,))
        np.testing.assert_array_equal(a, np.arange(count))


def test_threads_take_turns():
    """Four threads of one process launch at the same time: each launch is alone with the checker."""
    kernel = kernels.RawKernel(SUMS.replace("LOOP", "for (int i = 0; i < n; ++i) __syncthreads();"), "sums")

    def many(number):
        x = np.zeros(64, "f")
        for _ in range(100):
            kernel((1,), (64,), (x, np.int32(number + 30)))
        return x.sum()

    kernel.compile()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(many, range(4))) == [64] * 4


def test_a_wrong_name_is_not_remembered():
    """A word of the source, in a comment here, is no kernel; a macro's is."""
    for name in ("sum", "a"):
        with pytest.raises(KeyError, match=f"no kernel '{name}' in this source; it declares: sums"):
            kernels.RawKernel(SUMS.replace("LOOP", ""), name)
    x = np.zeros(64, "f")
    kernels.RawKernel(SUMS.replace("LOOP", ""), "sums")((1,), (64,), (x, np.int32(1)))
    macro = '#define MAKE(n) extern "C" __global__ void n##_k(float* x) { x[threadIdx.x] = 2.f; }\nMAKE(two)\n'
    with pytest.raises(KeyError, match="no kernel 'three_k'"):
        kernels.RawKernel(macro, "three_k")
    kernels.RawKernel(macro, "two_k")((1,), (64,), (x,))
    assert set(x) == {2.0}


def test_ctrl_c_ends_a_kernel():
    code = (
        "import os, signal, threading, time, numpy as np; from bnlab.gpu.kernels import RawKernel\n"
        f"kernel = RawKernel({SUMS.replace('LOOP', LOOPS['nothing'])!r}, 'sums'); kernel.compile()\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try:\n    kernel((1,), (64,), (np.zeros(64, 'f'), np.int32(5)))\n"
        "except KeyboardInterrupt:\n    print('interrupted')"
    )
    assert in_python(code, BNLAB_GPU_PATIENCE="60").strip() == "interrupted"


def test_a_mistake_of_the_compiler_s_kind_has_the_line_of_the_source(cxx):
    with pytest.raises(compiler.CompileException, match=r"kernel.cu:3:\d+: error"):
        kernels.RawKernel(ADD.replace("z[i] =", "z[i] = w[i] +"), "add").compile()


def test_a_cooperative_launch_has_to_fit():
    source = """#include <cooperative_groups.h>
    extern "C" __global__ void two(float* x, float* y) {
      x[blockIdx.x] = blockIdx.x;
      cooperative_groups::this_grid().sync();
      if (threadIdx.x == 0) y[blockIdx.x] = x[gridDim.x - 1 - blockIdx.x];
    }"""
    x, y = np.zeros(8, "f"), np.zeros(8, "f")
    kernel = kernels.RawKernel(source.replace("x[blockIdx.x] =", "if (threadIdx.x == 0) x[blockIdx.x] ="), "two",
                               enable_cooperative_groups=True)  # fmt: skip
    kernel((8,), (64,), (x, y))
    np.testing.assert_array_equal(y, np.arange(8)[::-1])
    with simulate(machine=Machine(multiprocessors=1)), pytest.raises(KernelError, match="launch of 65 blocks; 16 fit"):
        kernel((65,), (64,), (x, y))


def test_threads_without_memory_for_their_stacks_are_told():
    code = (
        "import re, resource, numpy as np; from bnlab.gpu.kernels import RawKernel; from bnlab.gpu import KernelError\n"
        'k = RawKernel(\'extern "C" __global__ void k(float* x) { x[threadIdx.x] = 1; }\', "k")\n'
        "x = np.zeros(1024, 'f'); k((1,), (32,), (x,))\n"
        "size = int(re.search(r'VmSize:\\s+(\\d+)', open('/proc/self/status').read())[1]) << 10\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + (16 << 20), -1))\n"
        "try:\n    k((1,), (1024,), (x,))\n"
        "except KernelError as error:\n    print(error.kind, error)\n"
        "k((1,), (32,), (x,)); print(x.sum())"
    )
    assert in_python(code) == "limit k: no memory for the stacks of 1024 threads that run together\n32.0\n"


KEEPS = """#include <cooperative_groups.h>
template <int N> __device__ float kept(float mine) {
  __shared__ float box[N];
  if (threadIdx.x == 0) box[N - 1] = mine;
  cooperative_groups::this_grid().sync();
  return box[N - 1];
}
extern "C" __global__ void keeps(float* y) {
  const float found = kept<3>(blockIdx.x);
  if (threadIdx.x == 0) y[blockIdx.x] = found;
}"""


def test_shared_variables_of_templates_are_kept_apart_or_refused(cxx):
    """g++ leaves them out of the section that is exchanged between blocks: no wrong numbers come of it."""
    y = np.zeros(4, "f")
    kernel = kernels.RawKernel(KEEPS, "keeps", enable_cooperative_groups=True)
    try:
        kernel((4,), (32,), (y,))
    except KernelError as error:
        assert cxx.startswith("g++") and "box of a template function" in str(error)
        assert "line 3:" in str(error), "that of the declaration"
    else:
        np.testing.assert_array_equal(y, np.arange(4))


def build_in_a_process(folder):
    code = (
        "import numpy as np; from bnlab.gpu.kernels import RawKernel; x = np.zeros(3, 'f')\n"
        'RawKernel(\'extern "C" __global__ void one(float* x) { x[threadIdx.x] = 1; }\', "one")((1,), (3,), (x,))\n'
        "print(x.sum())"
    )
    return in_python(code, BNLAB_GPU_CACHE=str(folder))


def test_the_cache_is_safe_for_many_at_once(tmp_path):
    """Four processes build the same at the same time: all are right, and nothing half-made stays behind."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(build_in_a_process, [tmp_path] * 4)) == {"3.0\n"}
    left = sorted(path.name.partition("-")[0] for path in tmp_path.iterdir())
    assert left == ["checked", "checked.lock", "header", "header.lock", "runtime", "runtime.lock"]


def test_a_broken_file_of_the_cache_is_built_again(tmp_path):
    """A power cut leaves files without content behind."""
    assert build_in_a_process(tmp_path) == "3.0\n"
    for path in tmp_path.glob("*.so"):
        path.write_bytes(b"")
    assert build_in_a_process(tmp_path) == "3.0\n"


def test_a_compiler_s_version_is_part_of_the_name(tmp_path, monkeypatch):
    monkeypatch.setenv("BNLAB_GPU_CACHE", str(tmp_path))
    one = compiler.build_runtime()
    found = compiler.current()
    monkeypatch.setattr(compiler, "current", lambda: compiler.Compiler(found.command, "another version", found.clang))
    assert compiler.build_runtime() != one


def test_a_cache_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("BNLAB_GPU_CACHE", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir(mode=0o777)
    (tmp_path / "shared").chmod(0o777)
    assert compiler.cache() != tmp_path / "shared"


def test_no_compiler_is_a_line_with_the_cure(monkeypatch):
    monkeypatch.delenv("BNLAB_CXX", raising=False)
    monkeypatch.setattr(compiler.shutil, "which", lambda name: None)
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="apt-get install g..,? or pip install ziglang"):
        compiler.find.__wrapped__()


HEAD = 'extern "C" __global__ void k(const float* x, float* y) { const int t = threadIdx.x; '
REVERSE = "s[t] = x[t]; __syncthreads(); y[t] = s[31 - t]; }"
RACE = "s[t] = x[t]; y[t] = s[31 - t]; }"


def run_text(text, shared_mem=0, options=()):
    x, y = np.arange(32, dtype=np.float32), np.zeros(32, np.float32)
    kernels.RawKernel(text, "k", options=options)((1,), (32,), (x, y), shared_mem=shared_mem)
    return y


@pytest.mark.parametrize("macro", [
    "#define SH __shared__", "#define SH static __shared__", "#define A __shared__\n#define SH A",
    "#define SH \\\n  __shared__", "  #  define SH __shared__  // where the block shares",
])  # fmt: skip
def test_a_macro_may_say_what_is_shared(macro):
    assert run_text(f"{macro}\n{HEAD}SH float s[32]; {REVERSE}")[0] == 31
    with pytest.raises(KernelError, match="no thread of this block has written|race"):
        run_text(f"{macro}\n{HEAD}SH float s[32]; {RACE}")
    with pytest.raises(KernelError, match=r"s\[32\], outside of the shared variable s of 32 elements"):
        run_text(f"{macro}\n{HEAD}SH float s[32]; s[t + 1] = x[t]; }}")


def test_directives_ask_for_macros_as_before():
    asked = "#define DI __device__\n#if defined(DI)\nDI float same(float v) { return v; }\n#endif\n"
    asked += "#ifndef DI\n#define DI __device__\n#endif\n#define PASTE(a) a##DI\n"
    assert run_text(f"{asked}{HEAD}y[t] = same(x[t]); }}")[7] == 7
    dead = "#if 0\n#define SH __shared__\n#endif\n#ifdef SH\n#error taken\n#endif\n"
    assert run_text(f"{dead}{HEAD}y[t] = x[t]; }}")[7] == 7
    earlier = "__device__ float same(float S) { return S; }\n#define S __shared__\n"
    assert run_text(f"{earlier}{HEAD}S float s[32]; {REVERSE}")[0] == 31
    many = "".join(f"#define D{k} __device__\nD{k} float f{k}(float v) {{ return v; }}\n" for k in range(25))
    assert run_text(f"{many}#define SH __shared__  /* for\nall */\n{HEAD}SH float s[32]; {REVERSE}")[0] == 31


def test_a_macro_may_say_what_is_dynamic_or_of_the_device():
    text = f"#define SH extern __shared__\n{HEAD}SH float s[]; {REVERSE}"
    assert run_text(text, 128)[0] == 31
    text = "#define DI __device__ __forceinline__\nDI float twice(float v) { return v + v; }\n"
    assert run_text(f"{text}{HEAD}y[t] = twice(x[t]); }}")[3] == 6
    with pytest.raises(KernelError, match="race"):
        run_text(f"#define DV __device__\nDV float c[4];\n{HEAD}c[t % 4] = x[t]; y[t] = c[t % 4]; }}")


@pytest.mark.parametrize("text, options, message", [
    ("#define SHARED(name, n) __shared__ float name[n]\n" + HEAD + "SHARED(s, 32); " + REVERSE, (), "SHARED declares"),
    (HEAD + "SH float s[32]; " + REVERSE, ("-DSH=__shared__",), "-DSH=__shared__"),
    ("#ifdef A\n#define SH __shared__\n#else\n#define SH\n#endif\n" + HEAD + "SH float s[32]; " + REVERSE, (),
     "SH declares"),
    ("#define SH __shared__\n" + HEAD + "SH float s[32]; " + REVERSE + "\n#undef SH", (), "SH declares"),
    ("#define SH SH __shared__ SH\n" + HEAD + "SH float s[32]; " + REVERSE, (), "SH declares"),
    (HEAD + "if (t > 40) exit(3); y[t] = 1.f; }", (), "a GPU has no exit"),
    (HEAD + "y[t] = system(0); }", (), "a GPU has no system"),
    (HEAD + "/* \ud800 */ y[t] = 1.f; }", (), "half a character"),
    ("struct S { float v; __device__ S() : v(0) {} };\n" + HEAD + "__shared__ S s[32]; y[t] = s[t].v; }", (),
     "no constructor"),
], ids="arguments option meanings undone itself exit system surrogate constructor".split())  # fmt: skip
def test_what_the_simulator_cannot_see_is_refused(text, options, message):
    with pytest.raises(compiler.CompileException, match=message):
        run_text(text, options=options)


def test_functions_of_one_s_own_may_have_any_name():
    own = "__device__ float system(float v) { return v; }\n"
    own += "namespace m { __device__ float exit(float v) { return v; } }\n"
    assert run_text(f"{own}{HEAD}y[t] = system(x[t]) + m::exit(x[t]); }}")[3] == 6


def test_what_is_not_used_or_does_nothing_is_no_obstacle():
    text = "#define SMEM(n) __shared__ S u[n]\nstruct S { float v; S() = default; __device__ S(float a) : v(a) {} };\n"
    text += f"{HEAD}__shared__ S s[32]; s[t] = S(x[t]); __syncthreads(); y[t] = s[31 - t].v; }}"
    assert run_text(text)[0] == 31
    text = f"DI float same(float v) {{ return v; }}\n{HEAD}y[t] = same(x[t]); }}"
    assert run_text(text, options=("-DDI=__device__",))[2] == 2


def test_constants_have_names_and_ends():
    table = "__constant__ float c[4] = {1, 2, 3, 4};\n"
    assert run_text(f"{table}__device__ static __constant__ int d = 3;\n{HEAD}y[t] = c[t % 4] + d; }}")[1] == 5
    with pytest.raises(KernelError, match=r"reads c\[4\], outside of the __device__ variable c of 4 elements"):
        run_text(f"{table}{HEAD}y[t] = c[t]; }}")


def test_registers_may_be_bounded():
    text = 'extern "C" __global__ void __maxnreg__(32) k(const float* x, float* y) { y[threadIdx.x] = 2.f; }'
    assert run_text(text)[5] == 2
