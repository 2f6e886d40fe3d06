"""`xp` of the simulator: NumPy, and the names that CuPy has beyond it and this course uses."""

import functools
import types

import numpy as np

from bnlab.gpu import settings, typed
from bnlab.gpu.device_array import DeviceArray, arrays_in, count_transfer, on_device


class SimulatedCupy(types.ModuleType):
    """Attributes are NumPy's, except those below; arrays are `DeviceArray`s in NumPy's memory."""

    ndarray = DeviceArray

    def __getattr__(self, name):
        try:
            found = getattr(np, name)
        except AttributeError:
            raise AttributeError(f"xp has no {name!r} here: it is NumPy with a few names of CuPy") from None
        plain = isinstance(found, (type, np.ufunc)) or not callable(found)
        return found if plain else _giving_device_arrays(found)

    def __dir__(self):
        return sorted({*dir(np), *self.__dict__})


@functools.cache
def _giving_device_arrays(function):
    """A function of NumPy whose arrays are those of the device."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        noted = _launches()
        found = function(*args, **kwargs)
        if isinstance(found, (tuple, list)):
            return type(found)(map(on_device, found)) if type(found) in (tuple, list) else found
        found = on_device(found) if type(found) is np.ndarray else found
        if noted == _launches():
            _note_a_copy(function.__name__, list(arrays_in(args)), found)
        return found

    return call


def _launches():
    """How many operations the logs hold."""
    return sum(len(log.launches) for log in settings.current().logs)


def _note_a_copy(name, given, found):
    """Enter a function into the logs that made new memory of device arrays, such as ascontiguousarray."""
    made = isinstance(found, np.ndarray) and not any(np.may_share_memory(found, array) for array in given)
    if given and made and settings.current().logs and not name.endswith("_like"):  # those look at the shape alone
        typed.note(name, [("", array) for array in given], [("", found)])


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    """Copy an array from the device to the host."""
    count_transfer()
    if out is not None:
        out[...] = a
        return out
    return np.array(a, order=order)


def get_array_module(*args):
    """The module whose arrays these are: `xp` itself."""
    return xp


def _poisoned(array):
    """Fresh memory as a GPU gives it: with something in it that is not zero. Floats become NaN."""
    if array.dtype.kind in "fc":
        array.fill(np.nan)
    elif array.dtype.kind in "iu":
        array.fill(np.iinfo(array.dtype).max)
    return array


def empty(shape, dtype=float, order="C"):
    """Memory that nobody has written: NaN, or the largest integer."""
    return on_device(_poisoned(np.empty(shape, dtype, order)))


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    """The same, with the shape and dtype of another array."""
    return on_device(_poisoned(np.empty_like(prototype, dtype=dtype, order=order, shape=shape, subok=False)))


class _Nothing:
    """A device or stream whose work is always done."""

    null = id = None

    def __init__(self, *args, **kwargs):
        pass

    def synchronize(self):
        """Nothing is pending here."""

    def use(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


_Nothing.null = _Nothing()

xp = SimulatedCupy("bnlab.gpu.xp", "NumPy arrays in the place of a GPU's.")
xp.asnumpy, xp.get_array_module, xp.empty, xp.empty_like = asnumpy, get_array_module, empty, empty_like
xp.cuda = types.SimpleNamespace(
    Device=_Nothing,
    Stream=_Nothing,
    get_current_stream=_Nothing,
    runtime=types.SimpleNamespace(deviceSynchronize=lambda: None),
)
