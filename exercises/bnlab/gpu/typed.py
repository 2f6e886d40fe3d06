"""What ElementwiseKernel and ReductionKernel share: parameters as text, CuPy's rules for types, compiled loops."""

import ctypes
import functools
import re
from dataclasses import dataclass

import numpy as np

from bnlab.gpu import compiler, report, settings
from bnlab.gpu.arguments import root
from bnlab.gpu.compiled import one_at_a_time
from bnlab.gpu.report import KernelError

C_TYPES = {
    "float16": "__half",
    "float32": "float",
    "float64": "double",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long long",
    "bool": "bool",
}
HEAD = """#include "simt.h"
#include "half.h"
using std::ptrdiff_t;
namespace {
struct Outside { long long index, size; int parameter; } outside = {0, 0, -1};
template <class T> struct Raw {  // a parameter declared raw: the kernel chooses the element
  T* data; ptrdiff_t count; const long long* shape_; int number; T nowhere;
  T& operator[](ptrdiff_t i) {
    if (i >= 0 && i < count) return data[i];
    if (outside.parameter < 0) outside = {(long long)i, (long long)count, number};
    return nowhere;
  }
  ptrdiff_t size() const { return count; }
  const long long* shape() const { return shape_; }
};
struct Index {
  ptrdiff_t count;
  ptrdiff_t size() const { return count; }
};
template <class... A> int _guarded(void (*loop)(A...), A... values) {  // an endless loop or a division by 0 comes back
  auto bound = [&] { loop(values...); };
  return simt_loop([](void* call) { (*(decltype(bound)*)call)(); }, &bound);
}
"""
ENDLESS = "endless loop: what it does with one element does not end"
LOOP = "void _loop({}, void** _data, const long long* _count, const long long** _shape)"


@dataclass(frozen=True)
class Declared:
    """One parameter of a kernel: `raw T x`."""

    kind: str
    name: str
    raw: bool

    @property
    def placeholder(self):
        """Whether its type is decided by the arguments."""
        return len(self.kind) == 1


def declarations(text):
    """The parameters in a declaration such as "T x, raw float32 weights"."""
    found = []
    for part in text.split(",") if text.strip() else ():
        words = part.split()
        if not 2 <= len(words) <= 3 or (len(words) == 3 and words[0] != "raw"):
            text = f"{part.strip()!r} is not a parameter"
            raise ValueError(f"{text}; expected a type and a name, such as 'T x' or 'raw float32 w'")
        kind = words[-2] if len(words[-2]) == 1 else np.dtype(words[-2]).name
        if len(kind) > 1 and kind not in C_TYPES:
            raise ValueError(f"{words[-2]} is not a type that the simulator has")
        found.append(Declared(kind, words[-1], len(words) == 3))
    return found


def check_name(name):
    """Refuse what CuPy refuses as the name of a kernel."""
    if not re.fullmatch("[a-zA-Z_][a-zA-Z_0-9]*", name):
        raise ValueError(f'Invalid kernel name: "{name}"; expected letters, digits and underscores, such as "square"')


def bind(kernel, ins, values, outs, results):
    """Decide what the placeholders stand for, by CuPy's rules: arrays decide, numbers are converted.

    Parameters
    ----------
    kernel : str
    ins, outs : list of Declared
    values : sequence
        Arguments for `ins`.
    results : sequence of ndarray
        Arguments for `outs`, or an empty one.

    Returns
    -------
    dict
        placeholder -> dtype name.

    Raises
    ------
    TypeError
        Where two arguments disagree, or a declared type and an array.
    """
    bound = {}
    for parameter, value in [*zip(outs, results), *zip(ins, values)]:
        if not isinstance(value, np.ndarray):
            if not isinstance(value, (int, float, bool, np.bool, np.integer, np.floating)):
                raise TypeError(f"{kernel}: {parameter.name} is {type(value).__name__}; expected an array or a number")
            continue
        given = value.dtype.name
        if given not in C_TYPES:
            raise TypeError(f"{kernel}: {parameter.name} has dtype {given}, which the simulator does not have")
        wanted = bound.setdefault(parameter.kind, given) if parameter.placeholder else parameter.kind
        if wanted != given:
            text = f"{parameter.name} is {given}, and {parameter.kind} is {wanted}"
            if not parameter.placeholder:
                float64 = " (float means float64 here, as in NumPy)" if wanted == "float64" else ""
                text = f"{parameter.name} is {given}, and the kernel declares it as {wanted}{float64}; T takes any"
            raise TypeError(f"{kernel}: Type is mismatched: {text}")
    for parameter in ins:
        if parameter.placeholder and parameter.kind not in bound:
            text = f"no array tells what {parameter.kind} is; declare a type, such as float32 {parameter.name}"
            raise TypeError(f"{kernel}: {text}")
    return bound


def dtype_of(parameter, bound, kernel):
    """The dtype name of a parameter."""
    if parameter.placeholder and parameter.kind not in bound:
        raise TypeError(f"{kernel}: no argument tells what {parameter.kind} is, the type of {parameter.name}")
    return bound.get(parameter.kind, parameter.kind)


def typedefs(bound):
    return "".join(f"typedef {C_TYPES[name]} {letter}; " for letter, name in sorted(bound.items()))


def raw_declaration(number, parameter, dtype, written):
    kind = C_TYPES[dtype] if written else f"const {C_TYPES[dtype]}"
    return (
        f"Raw<{kind}> {parameter.name}{{({kind}*)_data[{number}], (ptrdiff_t)_count[{number}], "
        f"_shape[{number}], {number}, {{}}}}; "
    )


def finish(source, *numbers):
    """The whole file: besides the loop how it is called, and the place where an index went astray.

    Parameters
    ----------
    source : str
        Ends with the loop's function, named as LOOP has it.
    *numbers : str
        Names of its parameters before the arrays.
    """
    declared, given = ", ".join(f"long long {name}" for name in numbers), ", ".join(numbers)
    return (
        f'{HEAD}{source}}}\nextern "C" {{\n__attribute__((visibility("default"))) int run({declared}, void** data, '
        f"const long long* count, const long long** shape) {{ return _guarded(_loop, {given}, data, count, shape); }}\n"
        '__attribute__((visibility("default"))) void outside_of(long long* o) {\n'
        "  o[0] = outside.index, o[1] = outside.size, o[2] = outside.parameter, outside.parameter = -1;\n}\n}\n"
    )


@functools.lru_cache(maxsize=512)
def library(source, compiler_found):
    """The compiled loop."""
    path, _ = compiler.runtime()
    flags = compiler.flags_of(checked=False)
    return compiler.loaded(lambda: compiler.build("loop", [source], flags, [path]))[1]


def run(source, kernel, numbers, arrays, parameters):
    """Run a loop over arrays.

    Parameters
    ----------
    numbers : list of int
        What the loop's function takes first.
    arrays : list of ndarray, contiguous
    parameters : list of Declared
        Of the arrays, for messages.
    """
    loop = library(source, compiler.current())
    pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    counts = (ctypes.c_longlong * len(arrays))(*(array.size for array in arrays))
    shapes = [(ctypes.c_longlong * max(1, array.ndim))(*array.shape) for array in arrays]
    shape_pointers = (ctypes.c_void_p * len(arrays))(*(ctypes.addressof(shape) for shape in shapes))
    astray, issues = (ctypes.c_longlong * 3)(), (report.RawIssue * 16)()
    with one_at_a_time:  # a loop keeps its state, and the runtime that of one launch
        ended = loop.run(*(ctypes.c_longlong(number) for number in numbers), pointers, counts, shape_pointers)
        loop.outside_of(astray)
        if ended:
            compiler.runtime()[1].simt_issues(issues)
    if ended:
        kind, text = report.KINDS[issues[0].kind], issues[0].text.decode()
        raise KernelError(f"{kernel}: {ENDLESS if kind == 'spin' else text}", kind)
    if astray[2] >= 0:
        name = parameters[astray[2]].name
        text = f"{kernel}: out of bounds: {name}[{astray[0]}] outside of {name}, which has {astray[1]} elements"
        raise KernelError(text, "out of bounds")


def unwritten(shape, dtype):
    """A new array, nan where it can be: what nobody has written shows."""
    found = np.empty(shape, dtype)
    if found.dtype.kind in "fc":
        found.fill(np.nan)
    return found


def note(kernel, loaded, stored):
    """Enter a launch into the logs: each element is moved once. Raw parameters count as loaded once."""
    logs = settings.current().logs
    if not logs:
        return
    launch = report.Launch(kernel, counters=dict.fromkeys(report.COUNTERS, 0))
    launch.totals = dict.fromkeys(report.TOTALS, 0)
    if any(type(array) is np.ndarray for _, array in loaded):
        for log in logs:
            log.transfers += 1  # a GPU cannot read the host's memory: CuPy refuses
    for name, array in loaded:
        traffic = report.ArrayTraffic(name, array.ctypes.data, array.nbytes, array.nbytes, whole=root(array).nbytes)
        launch.arrays.append(traffic)
        launch.totals["load_bytes"] += array.nbytes
        launch.totals["load_sectors"] += -(-array.nbytes // 32)
        launch.totals["load_requests"] += -(-array.size // 32)
    for name, array in stored:
        traffic = report.ArrayTraffic(name, array.ctypes.data, array.nbytes, 0, array.nbytes, root(array).nbytes)
        launch.arrays.append(traffic)
        launch.totals["store_bytes"] += array.nbytes
        launch.totals["store_sectors"] += -(-array.nbytes // 32)
        launch.totals["store_requests"] += -(-array.size // 32)
    for log in logs:
        log.add(launch)


def check_code(kernel, *pieces):
    """Refuse pieces that close more brackets than they open: they would change the loop around them."""
    for piece in pieces:
        depth = 0
        for bracket in re.findall(r"[{}]", piece):
            depth += 1 if bracket == "{" else -1
            if depth < 0:
                raise compiler.CompileException(f"{kernel}: error: unexpected '}}' in {piece!r}")
