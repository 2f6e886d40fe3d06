"""Answers that cheat a clock on a GPU, and answers that pass for kernels, for `tests/test_gpu_races.py` and
`tests/test_kernel_attacks.py`.

Each of the former does at least `REPEATS` times the work of the honest answer, or none of it, and looks for a way to be
called fast. Written with the array operations of `xp`, so that they run on the simulated GPU as well.
"""

from dataclasses import dataclass

from autograder.authoring.script import Script
from autograder.bench.made_up import solved

HONEST = """
from bnlab.gpu import xp


def honest(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=(0, 2, 3))
    centred = x - mu[:, None, None]
    inv_std = 1 / xp.sqrt((centred * centred).mean(axis=(0, 2, 3)) + eps)
    return centred * (gamma * inv_std)[:, None, None] + beta[:, None, None], (x, mu, inv_std, gamma)


def answer(x, gamma, beta, eps=1e-5):
    return honest(x, gamma, beta, eps)
"""
REPEATS = 12
SLOW = (
    HONEST
    + f"""

def slow(x, gamma, beta, eps=1e-5):
    for _ in range({REPEATS - 1}):
        honest(x, gamma, beta, eps)
    return honest(x, gamma, beta, eps)


def answer(x, gamma, beta, eps=1e-5):
    return slow(x, gamma, beta, eps)
"""
)


@dataclass(frozen=True)
class GpuAttack:
    """One way to cheat.

    code : str
        Put after SLOW; may define `answer` anew.
    refused : str
        Words of the refusal; "" where the time tells.
    flag : str
        Words by which the static look names it; "" where there is nothing to see.
    """

    name: str
    code: str
    refused: str = ""
    flag: str = ""


ATTACKS = [
    GpuAttack("slow, without a trick", ""),
    GpuAttack(
        "outputs remembered by shape",
        """
kept = {}


def answer(x, gamma, beta, eps=1e-5):
    if x.shape not in kept:
        kept[x.shape] = slow(x, gamma, beta, eps)
    return kept[x.shape]
""",
        "expected",
    ),
    GpuAttack(
        "outputs remembered by address",
        """
kept = {}


def address(x):
    return x.data.ptr if hasattr(x.data, 'ptr') else x.__array_interface__['data'][0]


def answer(x, gamma, beta, eps=1e-5):
    if address(x) not in kept:
        kept[address(x)] = slow(x, gamma, beta, eps)
    return kept[address(x)]
""",
    ),
    GpuAttack(
        "one buffer for all outputs",
        """
buffers = {}


def answer(x, gamma, beta, eps=1e-5):
    y, cache = honest(x, gamma, beta, eps)
    if x.shape not in buffers:
        buffers[x.shape] = xp.empty_like(y)
    buffers[x.shape][...] = y
    return buffers[x.shape], cache
""",
        "expected",
    ),
    GpuAttack(
        "the result written over the argument",
        """
def answer(x, gamma, beta, eps=1e-5):
    y, (_, mu, inv_std, gamma) = honest(x, gamma, beta, eps)
    x[...] = y
    return x, (x, mu, inv_std, gamma)
""",
        "expected",
    ),
    GpuAttack(
        "the arguments set to zero",
        """
def answer(x, gamma, beta, eps=1e-5):
    y, (_, *others) = honest(x, gamma, beta, eps)
    kept = x.copy()
    x.fill(0.0)
    return y, (kept, *others)
""",
        "changed in place",
    ),
    GpuAttack(
        "a result that works when it is asked",
        """
class Later:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __array__(self, *args, **kwargs):
        return xp.asnumpy(slow(*self.arguments)[0])


def answer(x, gamma, beta, eps=1e-5):
    statistics = xp.zeros_like(gamma)
    return Later(x, gamma, beta, eps), (x, statistics, statistics, gamma)
""",
        "expected device arrays",
    ),
    GpuAttack(
        "a tuple that works when it is opened",
        """
class Later(tuple):
    def __iter__(self):
        return iter(slow(*tuple.__iter__(self)))


def answer(x, gamma, beta, eps=1e-5):
    return Later((x, gamma, beta))
""",
        "expected",
    ),
    GpuAttack(
        "work while the arguments are made",
        """
from bnlab.gpu import timing

kept, made = {}, timing.fresh_train


def ahead(*arguments):
    call = made(*arguments)
    kept[id(call[0])] = slow(*call)
    return call


vars(timing)['fresh_train'] = ahead


def answer(x, gamma, beta, eps=1e-5):
    return kept[id(x)]
""",
        "timed call 1 of",
    ),
    GpuAttack(
        "an array of another class",
        """
class Lazy(xp.ndarray):
    pass


def answer(x, gamma, beta, eps=1e-5):
    return x.view(Lazy), (x, gamma, gamma, gamma)
""",
        "",
    ),
    GpuAttack(
        "work in a thread that goes on",
        """
import threading

waiting = []


def answer(x, gamma, beta, eps=1e-5):
    y, mu, inv_std = xp.empty_like(x), xp.empty_like(gamma), xp.empty_like(gamma)

    def work():
        result, (_, a, b, _) = slow(x, gamma, beta, eps)
        y[...], mu[...], inv_std[...] = result, a, b

    thread = threading.Timer(0.5, work)
    thread.daemon = True
    thread.start()
    return y, (x, mu, inv_std, gamma)
""",
        "",
        "starts a thread",
    ),
    GpuAttack(
        "work on another stream",
        """
side = xp.cuda.Stream(non_blocking=True)


def answer(x, gamma, beta, eps=1e-5):
    with side:
        return slow(x, gamma, beta, eps)
""",
    ),
    GpuAttack(
        "patched clocks and events",
        """
import time

for name in ('time', 'perf_counter', 'process_time', 'monotonic'):
    setattr(time, name, lambda: 0.0)
xp.cuda.get_elapsed_time = lambda start, end: 1e-6
xp.cuda.Event = type('Event', (), {'record': lambda *a: None, 'synchronize': lambda *a: None})
""",
        "",
        "replaces",
    ),
    GpuAttack(
        "the wait taken away",
        """
xp.cuda.Device.synchronize = lambda *a: None
from bnlab.gpu import timing

timing.Track.wait = lambda *a: None
""",
        "",
        "replaces",
    ),
    GpuAttack(
        "the steps of the race replaced",
        """
from bnlab.gpu import timing


def run(self, function, given):
    self.results = [honest(*arguments) for arguments in self.calls]


timing.Track.run = run
""",
        "",
        "replaces timing.Track.run",
    ),
    GpuAttack(
        "the same inputs for every call",
        """
from bnlab.gpu import timing

timing.mixed = lambda xp, array, recipe: array.copy()
timing.turned = lambda xp, values, recipe: values.copy()
kept = {}


def answer(x, gamma, beta, eps=1e-5):
    if x.shape not in kept:
        kept[x.shape] = slow(x, gamma, beta, eps)
    return kept[x.shape][0], (x, *kept[x.shape][1][1:3], gamma)
""",
        "expected",
        "replaces timing.mixed",
    ),
    GpuAttack(
        "all work in the first call",
        """
import gc

done = {}


def answer(x, gamma, beta, eps=1e-5):
    if id(x) not in done:
        done.clear()
        calls = next(one.calls for one in gc.get_objects() if type(one).__name__ == 'Track')
        done.update((id(call[0]), slow(*call)) for call in calls)
    return done[id(x)]
""",
        "",
        "looks through memory",
    ),
    GpuAttack(
        "looks for the expected arrays",
        """
import gc


def answer(x, gamma, beta, eps=1e-5):
    for one in gc.get_objects():
        if type(one) is xp.ndarray and one.shape == x.shape and one is not x:
            return one, (x, gamma, gamma, gamma)
    return x, (x, gamma, gamma, gamma)
""",
        "expected",
        "looks through memory",
    ),
    GpuAttack(
        "half of the images",
        """
def answer(x, gamma, beta, eps=1e-5):
    half = x.shape[0] // 2
    y, cache = honest(x[:half], gamma, beta, eps)
    return xp.concatenate([y, x[half:]]), (x, *cache[1:])
""",
        "expected",
    ),
    GpuAttack(
        "torch inside",
        """
import torch


def answer(x, gamma, beta, eps=1e-5):
    y = torch.nn.functional.batch_norm(torch.as_tensor(x), None, None, torch.as_tensor(gamma),
                                       torch.as_tensor(beta), True, 0.1, eps)
    return xp.asarray(y), (x, gamma, gamma, gamma)
""",
    ),
]


BY_KERNEL = solved(Script.of("10_cuda").cell("channel-sums").source).replace("def channel_sums(", "def by_kernel(")
PLAIN = f"""{BY_KERNEL}


def by_arrays(x, shift):
    d = x - shift[:, None, None]
    return d.sum(axis=(0, 2, 3)), (d * d).sum(axis=(0, 2, 3))


def channel_sums(x, shift):
    return by_kernel(x, shift)
"""


def looking(function):
    """The kernel with five more reads for each of its own, by a function `look` of the device."""
    more = "for (int k = 0; k < 5; ++k) if (look(x + i % positions) == 1.2345f) a += k;"
    return PLAIN.replace('extern "C"', f'{function}\nextern "C"').replace("a += d;", f"{more}\na += d;")


@dataclass(frozen=True)
class KernelAttack:
    """An answer to `channel-sums` of notebook 10 with right numbers that are not a kernel's, or cost more than allowed.

    code : str
        Of the answer's cell.
    said : str
        Words of the message.
    flag : str
        Words by which it is reported.
    """

    name: str
    code: str
    said: str
    flag: str = ""


KERNEL_ATTACKS = [
    KernelAttack(
        "the log of a block inside emptied",
        PLAIN
        + """

def channel_sums(x, shift):
    with simulate() as log:
        found = by_arrays(x, shift)
    for launch in log.launches:
        launch.arrays.clear()
    by_kernel(x, shift)
    return found
""",
        "'a kernel and array operations'",
    ),
    KernelAttack(
        "array operations where no log is kept",
        PLAIN
        + """
import contextvars


def channel_sums(x, shift):
    by_kernel(x, shift)
    return contextvars.Context().run(by_arrays, x, shift)
""",
        "'a kernel and array operations'",
    ),
    KernelAttack(
        "NumPy behind a kernel's back",
        PLAIN
        + """

def channel_sums(x, shift):
    s1, s2 = by_kernel(x, shift)
    s1[...], s2[...] = by_arrays(np.asarray(x), np.asarray(shift))
    return s1, s2
""",
        "came out the same where the kernels did nothing",
    ),
    KernelAttack(
        "a race that is not looked at",
        PLAIN.replace("__syncthreads();", "")
        + """

def channel_sums(x, shift):
    with simulate(checked=False, schedule='reverse'):
        return by_kernel(x, shift)
""",
        "which no thread of this block has written",
    ),
    KernelAttack(
        "reads that the checker is told to pass over",
        looking(
            "\n#define QUIET __attribute__((no_sanitize_thread, noinline))\n"
            "QUIET __device__ float look(const float* p) { return *p; }"
        ),
        "more than 1 read",
    ),
    KernelAttack(
        "reads in this machine's language",
        looking(
            "__device__ float look(const float* p) {\n"
            '  float v; as ## m("movss (%1), %0" : "=x"(v) : "r"(p)); return v; }'
        ),
        "error",
    ),
    KernelAttack(
        "the log found by its module's name",
        PLAIN
        + """
import sys


def channel_sums(x, shift):
    found = by_arrays(x, shift)
    for log in sys.modules['bnlab.gpu.settings'].current().logs:
        log.launches.clear()
    by_kernel(x, shift)
    return found
""",
        "came out the same where the kernels did nothing",
        "imports what tests it",
    ),
    KernelAttack(
        "the log found in a frame, by a computed name",
        PLAIN
        + """
import sys


def channel_sums(x, shift):
    found = by_arrays(x, shift)
    getattr(getattr(sys, '_get' + 'frame')(1), 'f_lo' + 'cals')['log'].launches.clear()
    by_kernel(x, shift)
    return found
""",
        "came out the same where the kernels did nothing",
        "looks into other frames",
    ),
    KernelAttack(
        "the test drive replaced, by a computed name",
        PLAIN
        + """
import importlib

put = setattr
put(importlib.import_module('bnlab.' + 'cuda_drivers').Drive, 'words', lambda self, *rest: self.right_words())
channel_sums = by_arrays
""",
        "came out the same where the kernels did nothing",
        "something replaces bnlab.cuda_drivers.Drive.words",
    ),
    KernelAttack(
        "the test drive's code replaced, by a computed name",
        PLAIN
        + """
import importlib

put, code = setattr, '__co' + 'de__'
words = importlib.import_module('bnlab.' + 'cuda_drivers').Drive.words
put(words, code, getattr(lambda self, log, inputs, where, counted: self.right_words(), code))


def channel_sums(x, shift):
    return by_arrays(x, shift)
""",
        "came out the same where the kernels did nothing",
        "changes a function's code",
    ),
]
