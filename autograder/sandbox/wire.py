"""The wire between a referee and a worker: frames of a JSON header and raw array bytes.

A frame is  magic b"BNW1" | header length (4 bytes) | payload length (8 bytes) | header | payload,  lengths big-endian.
The header is JSON; the arrays' bytes follow one another in the payload. A value is a list whose first item is its tag:

    ["n"]                      None                 ["t", [v, ...]]              tuple
    ["b", true]                bool                 ["l", [v, ...]]              list
    ["i", "12"]                int                  ["d", [[key, v], ...]]       dict with string keys
    ["f", "0x1.8p+1"]          float                ["a", dtype, shape, layout]  ndarray, its bytes in the payload
    ["s", "text"]              str                  ["g", dtype, "hex"]          NumPy scalar
    ["h", number, type name]   handle: an object that stays where it is
    ["c", number]              callback: a function of the referee
    ["T", dtype, shape, layout, requires_grad]      torch tensor, its bytes in the payload
    ["r", state, inc, has, u]  numpy.random.Generator over PCG64, from the referee to a worker only

No pickle, no eval, exact types only: whatever else a worker holds crosses as a handle. `decode` trusts nothing: every
length, shape, dtype and depth is checked before memory is taken, and any violation raises WireError.

torch is never imported here: who has a tensor to send has loaded it, and a process that was not given torch decodes a
tensor as a `ForeignTensor`. Tensors cross as NumPy arrays, without their graph; only the exact type torch.Tensor does.

This module is imported on both sides and knows neither tests nor solutions.
"""

import json
import struct
import sys

import numpy as np

MAGIC = b"BNW1"
PREFIX = struct.Struct(">4sIQ")
MAX_HEADER = 4 << 20  # bytes
MAX_PAYLOAD = 512 << 20  # bytes
SMALL = 64 << 10  # bytes that are copied rather than sent piece by piece
MAX_DEPTH = 12
MAX_ITEMS = 100_000
MAX_TEXT = 20_000  # characters of one string
DTYPES = (
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)
TENSOR_DTYPES = tuple(name for name in DTYPES if name not in ("uint16", "uint32", "uint64"))
NAMES = {np.dtype(name): name for name in DTYPES}  # native types alone; `dtype.name` takes long to find
LAYOUTS = ("C", "F", "strided")
TAGS = "n b i f s t l d a g h c r T".split()


class WireError(Exception):
    """Bytes that are no valid frame."""


class ForeignTensor:
    """Stands for a tensor in a process without torch; good for an error message only."""

    type_name = "torch tensor"


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def array_of(value):
    """The memory of a torch tensor as an array, or None for anything that does not cross as one.

    Dense tensors of the CPU whose dtype NumPy has; subclasses such as Parameter stay where they are.
    """
    torch = sys.modules.get("torch")
    if torch is None or type(value) is not getattr(torch, "Tensor", None):
        return None
    try:
        array = value.detach().resolve_neg().numpy()
    except (RuntimeError, TypeError, AttributeError):
        return None  # sparse, on a device, bfloat16, ...
    return array if type(array) is np.ndarray and array.dtype.name in TENSOR_DTYPES else None


def pack(header, arrays):
    """The bytes of a frame, as a list of buffers to send in order; a small frame is one, which wakes the other once."""
    text = _encode(header).encode()
    bodies = [memoryview(np.ascontiguousarray(array)).cast("B") if array.size else memoryview(b"") for array in arrays]
    length = sum(len(body) for body in bodies)
    parts = [PREFIX.pack(MAGIC, len(text), length), text, *bodies]
    return [b"".join(parts)] if len(text) + length < SMALL else parts


def buffer(count):
    """Room for `count` bytes to be received; a view, so that what is cut from it is not copied."""
    return memoryview(np.empty(count, np.uint8))  # the system gives the memory when it is written to


def read_prefix(prefix):
    """(header length, payload length) of a frame, checked."""
    magic, header, payload = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError("no frame starts here")
    if header > MAX_HEADER or payload > MAX_PAYLOAD:
        raise WireError(f"a frame of {header} + {payload} bytes is larger than allowed")
    return header, payload


def read_header(data):
    """The header as a dict."""
    try:
        header = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError(f"the header is no JSON: {type(error).__name__}") from None
    if not isinstance(header, dict):
        raise WireError("the header is no object")
    return header


class Inbox:
    """Frames of a stream; a small one is taken with one call of the system.

    receive : callable, memoryview -> int
        Writes what has come to the start of the view and says how many bytes it was, at least one; it waits for them,
        and raises where there will be none.
    """

    def __init__(self, receive):
        self.receive = receive
        self.room = memoryview(bytearray(SMALL))
        self.start = self.stop = 0  # what has come and is not taken yet

    @property
    def empty(self):
        return self.start == self.stop

    def frame(self):
        """(header, payload) of the next frame."""
        header, payload = read_prefix(self._take(PREFIX.size))
        return read_header(bytes(self._take(header))), self._take(payload)

    def _take(self, count):
        """The next bytes. Memory is taken as they come: a frame which only says that it is large costs none."""
        have = self.stop - self.start
        if count > SMALL:
            whole, done = buffer(count), min(have, count)
            whole[:done] = self.room[self.start : self.start + done]
            self.start += done
            while done < count:
                done += self.receive(whole[done:])
            return whole
        if count > have:
            self.room[:have] = self.room[self.start : self.stop]
            self.start, self.stop = 0, have
            while self.stop < count:
                self.stop += self.receive(self.room[self.stop :])
        piece = bytes(self.room[self.start : self.start + count])
        self.start += count
        return piece


class Encoder:
    """Values to JSON; arrays are collected aside.

    other : callable, object -> ["h", ...] or ["c", ...]
        What to do with an object that cannot cross; it raises TypeError where nothing can be done.
    """

    def __init__(self, other):
        self.other, self.arrays = other, []

    def encode(self, value, depth=0):
        if depth > MAX_DEPTH:
            raise WireError("nested too deeply")
        kind = type(value)
        if value is None:
            return ["n"]
        if kind is bool:
            return ["b", value]
        if kind is int and abs(value) < 1 << 4096:
            return ["i", format(value, "x")]
        if kind is float:
            return ["f", value.hex()]
        if kind is str and len(value) <= MAX_TEXT:
            return ["s", value]
        if isinstance(value, (tuple, list)) and len(value) <= MAX_ITEMS:  # a named tuple crosses as a tuple
            return ["t" if isinstance(value, tuple) else "l", [self.encode(item, depth + 1) for item in value]]
        if (
            isinstance(value, dict)
            and len(value) <= MAX_ITEMS
            and all(type(key) is str and len(key) <= MAX_TEXT for key in value)
        ):
            return ["d", [[key, self.encode(item, depth + 1)] for key, item in value.items()]]
        if kind is np.ndarray and value.dtype in NAMES:
            return ["a", *self._array(value)]
        array = array_of(value)
        if array is not None:
            return ["T", *self._array(array), bool(value.requires_grad)]
        if isinstance(value, np.generic) and value.dtype in NAMES:
            return ["g", NAMES[value.dtype], value.tobytes().hex()]
        return self.other(value)

    def _array(self, array):
        layout = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else "strided"
        if array.ndim == 0:
            layout = "C"
        self.arrays.append(array.T if layout == "F" else array)
        return NAMES[array.dtype], list(array.shape), layout


def generator(rng):
    """The value of a generator: a worker draws from a copy, the referee's own stays where it is.

    Raises
    ------
    TypeError
        For another bit generator than that of `numpy.random.default_rng`.
    """
    state = rng.bit_generator.state
    if state["bit_generator"] != "PCG64":
        raise TypeError(f"a generator over {state['bit_generator']} cannot be sent to a worker")
    numbers = (state["state"]["state"], state["state"]["inc"], state["has_uint32"], state["uinteger"])
    return ["r", *(format(number, "x") for number in numbers)]


class Decoder:
    """JSON back to values; arrays are cut from the payload in the order in which they were written.

    handle : callable, (number, type name) -> object
    callback : callable, number -> function; on the worker's side.
    """

    def __init__(self, payload, handle=None, callback=None):
        self.payload, self.position, self.items = memoryview(payload), 0, 0
        self.handle, self.callback = handle, callback

    def decode(self, node, depth=0):
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise WireError("a value nested too deeply or with too many parts")
        try:
            tag, *rest = node
            if tag not in TAGS:
                raise WireError("an unknown tag")
            return getattr(self, f"_{tag}")(rest, depth)
        except WireError:
            raise
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
            raise WireError("a malformed value") from None

    def _n(self, rest, depth):
        return None

    def _b(self, rest, depth):
        (value,) = rest
        if type(value) is not bool:
            raise ValueError
        return value

    def _i(self, rest, depth):
        (text,) = rest
        if len(text) > 1100:
            raise ValueError
        return int(text, 16)

    def _f(self, rest, depth):
        (text,) = rest
        if len(text) > 60:
            raise ValueError
        return float.fromhex(text)

    def _s(self, rest, depth):
        (text,) = rest
        if type(text) is not str or len(text) > MAX_TEXT:
            raise ValueError
        return text

    def _t(self, rest, depth):
        return tuple(self._l(rest, depth))

    def _l(self, rest, depth):
        (items,) = rest
        if type(items) is not list:
            raise ValueError
        return [self.decode(item, depth + 1) for item in items]

    def _d(self, rest, depth):
        (items,) = rest
        return {self._s([key], depth): self.decode(item, depth + 1) for key, item in items}

    def _a(self, rest, depth):
        dtype, shape, layout = rest
        if dtype not in DTYPES or layout not in LAYOUTS or type(shape) is not list or len(shape) > 8:
            raise ValueError
        if not all(type(size) is int and 0 <= size <= MAX_PAYLOAD for size in shape):
            raise ValueError
        dtype, count = np.dtype(dtype), 1
        for size in shape:
            count *= size
        flat = np.frombuffer(self._take(count * dtype.itemsize), dtype)
        if dtype == np.bool_:
            flat = flat.view(np.uint8) != 0
        if layout == "F":
            return flat.reshape(shape[::-1]).T.copy(order="F")
        array = flat.reshape(shape).copy()
        if layout == "strided" and shape and shape[0] and count * dtype.itemsize <= MAX_PAYLOAD // 2:
            buffer = np.zeros([2 * shape[0], *shape[1:]], dtype)
            buffer[::2] = array
            return buffer[::2]
        return array

    def _T(self, rest, depth):
        dtype, shape, layout, requires_grad = rest
        if dtype not in TENSOR_DTYPES or type(requires_grad) is not bool:
            raise ValueError
        if requires_grad and not dtype.startswith("float"):
            raise ValueError
        array, torch = self._a([dtype, shape, layout], depth), sys.modules.get("torch")
        if torch is None:
            return ForeignTensor()
        try:
            return torch.from_numpy(array).requires_grad_(requires_grad)
        except RuntimeError:
            raise ValueError from None

    def _g(self, rest, depth):
        dtype, text = rest
        if dtype not in DTYPES or len(text) != 2 * np.dtype(dtype).itemsize:
            raise ValueError
        return np.frombuffer(bytes.fromhex(text), dtype)[0]

    def _h(self, rest, depth):
        number, name = rest
        if self.handle is None or type(number) is not int or type(name) is not str or len(name) > 100:
            raise ValueError
        return self.handle(number, name)

    def _c(self, rest, depth):
        (number,) = rest
        if self.callback is None or type(number) is not int:
            raise ValueError
        return self.callback(number)

    def _r(self, rest, depth):
        if self.callback is None:  # only a worker is sent generators
            raise ValueError
        state, inc, has, uinteger = (int(text, 16) for text in rest)
        made = np.random.PCG64(0)
        words = {"state": state, "inc": inc}
        made.state = {"bit_generator": "PCG64", "state": words, "has_uint32": has, "uinteger": uinteger}
        return np.random.Generator(made)

    def _take(self, length):
        if self.position + length > len(self.payload):
            raise WireError("an array larger than the frame")
        piece = self.payload[self.position : self.position + length]
        self.position += length
        return piece
