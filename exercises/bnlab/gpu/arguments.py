"""From what a caller passes to what a kernel's parameters are: types checked, arrays put where the checker sees them.

CuPy hands over raw bytes: a Python int as 8 bytes, a Python float as a double, a NumPy scalar as it is, an array as its
address. A GPU reads as many bytes as the parameter has and finds nonsense without a word. Here it is a TypeError.
"""

import ctypes
import re
from dataclasses import dataclass

import numpy as np

GUARD = 64 << 10  # bytes of nothing on either side of every array in a checked launch
C_NAMES = {"float16": "__half", "float32": "float", "float64": "double"}
SAME = {  # dtypes whose arrays may stand for another type of the same size
    "float16": ("float16", "uint16"),
    "bfloat16": ("bfloat16", "uint16"),
    "float32": ("float32", "complex64"),
    "float64": ("float64", "complex128"),
    "bool": ("bool", "uint8", "int8"),
}


@dataclass
class Parameter:
    """One parameter of a kernel, as the compiler sees it: `*float32:4` or `int32:4`."""

    name: str
    pointer: bool
    dtype: str
    size: int

    def __str__(self):
        return f"{self.name} ({self.dtype}{' *' if self.pointer else ''})"


def parameters(signature, names):
    """The parameters that a signature (cuda/launching.h) tells of."""
    found = re.findall(r"(\*?)(\S+?):(\d+) ", signature)
    names = names if len(names) == len(found) else [f"argument {k}" for k in range(len(found))]
    return [Parameter(name, bool(star), dtype, int(size)) for name, (star, dtype, size) in zip(names, found)]


def check(kernel, expected, given, source):
    """Compare what is given with what the kernel expects.

    Parameters
    ----------
    kernel : str
    expected : list of Parameter
    given : tuple
    source : bnlab.gpu.source.Source
        Has the lines of the parameters.

    Raises
    ------
    TypeError
        Naming the parameter and what to write.
    """
    if not isinstance(given, (tuple, list)):
        raise TypeError(f"{kernel}: the arguments are {type(given).__name__}; expected a tuple, such as (x, n) or (x,)")
    first, *lines = source.parameter_lines(kernel.split("<")[0])
    lines = lines if len(lines) == len(expected) else [first] * len(expected)
    if len(given) != len(expected):
        line, text = source.at(first)
        told = ", ".join(map(str, expected))
        raise TypeError(f"{kernel}{line}: {len(given)} arguments for {len(expected)} parameters: {told}{text}")
    for value, parameter, number in zip(given, expected, lines):
        problem = _array_problem(value, parameter) if parameter.pointer else _scalar_problem(value, parameter)
        if problem:
            line, text = source.at(number)
            raise TypeError(f"{kernel}{line}: parameter {parameter}: {problem}{text}")


def _array_problem(value, parameter):
    if value is None:
        return ""
    if not isinstance(value, np.ndarray):
        return f"got {type(value).__name__}; expected an array"
    name = value.dtype.name
    if parameter.dtype in ("?", name) or name in SAME.get(parameter.dtype, ()):
        return ""
    if parameter.dtype.lstrip("u") == name.lstrip("u"):  # int32 for uint32
        return ""
    return f"got an array of {name}; write x.astype(xp.{parameter.dtype}) or change the kernel"


def _scalar_problem(value, parameter):
    if isinstance(value, np.ndarray):
        kind = "..." if parameter.dtype == "?" else f"xp.{parameter.dtype}(...)"
        return f"got an array for a parameter that is not a pointer; pass a number, {kind}, or declare a pointer"
    if isinstance(value, np.void):
        return (
            ""
            if value.dtype.itemsize == parameter.size
            else f"got {value.dtype.itemsize} bytes; expected {parameter.size}"
        )
    if parameter.dtype == "?":
        return f"got {type(value).__name__} for a struct; pass a NumPy scalar of a structured dtype"
    want = np.dtype("uint16" if parameter.dtype == "bfloat16" else parameter.dtype)
    if isinstance(value, (bool, int)) and not isinstance(value, np.generic):
        if want.kind == "f":
            cure = f"write xp.{want.name}({value}), or declare it int in the kernel"
            return f"got a Python int, whose bytes would be read as a float; {cure}"
        low, high = (0, 1) if want.kind == "b" else (np.iinfo(want).min, np.iinfo(want).max)
        return "" if low <= value <= high else f"{value} does not fit"
    if isinstance(value, (float, np.floating)) and want.kind in "iu":
        name = type(value).__name__ if isinstance(value, np.floating) else "float32"
        given = name if isinstance(value, np.floating) else "a Python float"
        if float(value).is_integer():
            return f"got {given}; write xp.{want.name}({value:.0f}): in Python / gives a float, and // a whole number"
        return f"got {given}; declare it in the kernel as {C_NAMES.get(name, name)}, and pass xp.{name}(...)"
    if isinstance(value, np.integer) and want.kind == "f":
        return f"got {value.dtype.name}; declare it as int in the kernel, or pass xp.{want.name}(...)"
    if isinstance(value, float) and not isinstance(value, np.generic):
        if want == np.float64:
            return ""
        return f"got a Python float, which is passed as 8 bytes of a double; write xp.{want.name}({value!r})"
    if not isinstance(value, np.generic):
        return f"got {type(value).__name__}; expected xp.{want.name}"
    if parameter.size != want.itemsize:
        return (
            f"got {value.dtype.name} for a struct of {parameter.size} bytes; pass a NumPy scalar of a structured dtype"
        )
    same_kind = (value.dtype.kind == "f") == (want.kind == "f")
    if not same_kind or (want.kind == "f" and value.dtype != want) or value.dtype.itemsize < want.itemsize:
        return f"got {value.dtype.name}; write xp.{want.name}(...)"
    if want.kind in "iu" and value.dtype.itemsize > want.itemsize:  # a GPU reads the lower bytes
        low, high = np.iinfo(np.dtype(f"i{want.itemsize}")).min, np.iinfo(np.dtype(f"u{want.itemsize}")).max
        return "" if low <= int(value) <= high else f"{value} does not fit"
    return ""


class Bytes:
    """The bytes of a launch's arguments, and where its arrays are.

    Attributes
    ----------
    pointers : ctypes array
        Addresses of the arguments' bytes.
    arrays : list of (low, nbytes, index of the argument, itemsize)
        Where the kernel sees each array.
    """

    def __init__(self, given, copied):
        self.copies, self.arrays, keep = [], [], []
        moved = self._copy([a for a in given if isinstance(a, np.ndarray)]) if copied else {}
        for index, value in enumerate(given):
            if isinstance(value, np.ndarray):
                low, nbytes = extent(value)
                start = value.__array_interface__["data"][0]
                shift = moved.get(id(value), 0)
                self.arrays.append((low + shift, nbytes, index, value.itemsize))
                keep.append(np.array([start + shift], np.uint64))
            elif value is None:
                keep.append(np.zeros(1, np.uint64))
            elif isinstance(value, np.generic):
                keep.append(np.frombuffer(value.tobytes().ljust(16, b"\0"), np.uint8).copy())
            else:  # as CuPy passes numbers of Python: eight bytes
                kind = np.float64 if isinstance(value, float) else np.int64 if value < 1 << 63 else np.uint64
                keep.append(np.array([value], kind))
        self.keep = keep
        self.pointers = (ctypes.c_void_p * max(1, len(keep)))(*(piece.ctypes.data for piece in keep))

    def _copy(self, arrays):
        """Copies with room around them; arrays that share memory share their copy. id(array) -> shift in bytes."""
        groups = []
        for array in sorted(arrays, key=lambda a: extent(a)[0]):
            low, nbytes = extent(array)
            if groups and low < groups[-1][1]:
                groups[-1][1] = max(groups[-1][1], low + nbytes)
                groups[-1][2].append(array)
            else:
                groups.append([low, low + nbytes, [array]])
        total = sum(high - low + 2 * GUARD + 512 for low, high, _ in groups)
        self.slab = np.empty(total, np.uint8)  # the guards stay untouched: they take no memory
        place, moved = self.slab.ctypes.data, {}
        for low, high, members in groups:
            start = place + GUARD
            start += (offset(members[0]) - start) % 256
            ctypes.memmove(start, low, high - low)
            self.copies.append((low, start, high - low))
            moved.update((id(member), start - low) for member in members)
            place = start + high - low + GUARD
        return moved

    def copy_back(self, written):
        """Bring what the kernel wrote to the caller's arrays.

        Parameters
        ----------
        written : set of int
            Indices of arguments that were written.
        """
        touched = {low for low, _, index, _ in self.arrays if index in written}
        for low, start, nbytes in self.copies:
            if any(start <= place < start + max(1, nbytes) for place in touched):
                ctypes.memmove(low, start, nbytes)


def extent(array):
    """(lowest address, bytes) of an array's memory, whatever its strides."""
    low, high = np.lib.array_utils.byte_bounds(array)
    return (low, high - low) if array.size else (array.__array_interface__["data"][0], 0)


def offset(array):
    """Bytes from the start of an array's allocation to its first element; on a GPU that start is a multiple of 256."""
    return extent(array)[0] - extent(root(array))[0]


def root(array):
    """The array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
