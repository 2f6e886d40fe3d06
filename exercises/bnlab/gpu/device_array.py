"""The arrays of the simulated GPU: NumPy arrays that know that they live on a device.

What CuPy would copy to the host (`float(a)`, `a.item()`, `a.get()`, `if a:`, ...) is counted in `Log.transfers`, and
what an operation of whole arrays reads and writes is entered into the log like a kernel's launch. Single numbers stay
arrays of shape (), as in CuPy. Where CuPy refuses a NumPy array beside its own, it is taken, and counts as a copy.
"""

import numpy as np

from bnlab.gpu import settings, typed


def count_transfer():
    """Enter a copy from device to host into the logs."""
    for log in settings.current().logs:
        log.transfers += 1


WHOLE = {np.einsum, np.where, np.dot, np.vdot, np.inner, np.concatenate, np.copy}  # NumPy does not make them of ufuncs


class DeviceArray(np.ndarray):
    """An array in the memory of the simulated GPU."""

    def get(self, stream=None, order="C", out=None, *, blocking=True):
        """A copy on the host, as `cupy.ndarray.get`."""
        count_transfer()
        if out is None:
            return np.array(self, order=order)
        out[...] = self
        return out

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        """NumPy's operation, with its traffic in the logs."""
        if out:
            options["out"] = tuple(on_host(array) for array in out)
        found = getattr(ufunc, method)(*(on_host(value) for value in inputs), **options)
        if method == "at" or found is NotImplemented:
            return found
        results = found if isinstance(found, tuple) else (found,)
        given = out or (None,) * len(results)
        results = tuple(on_device(result) if kept is None else kept for result, kept in zip(results, given))
        if settings.current().logs:
            loaded = [v for v in inputs if isinstance(v, DeviceArray) or (isinstance(v, np.ndarray) and v.ndim)]
            typed.note(ufunc.__name__, [("", array) for array in loaded], [("", array) for array in results])
        return results if isinstance(found, tuple) else results[0]

    def __array_function__(self, function, types, args, kwargs):
        """NumPy's function; those that do not go through ufuncs enter their traffic here."""
        found = super().__array_function__(function, types, args, kwargs)
        if function in WHOLE and settings.current().logs:
            typed.note(function.__name__, [("", value) for value in arrays_in(args)], [("", on_device(found))])
        return found

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return on_device(array)

    def __getitem__(self, index):
        """A single number is an array of shape (), still on the device."""
        found = super().__getitem__(index)
        if isinstance(found, np.ndarray):
            return found
        return super().__getitem__((*(index if isinstance(index, tuple) else (index,)), ...))

    def __setitem__(self, index, value):
        super().__setitem__(index, on_host(value))
        if settings.current().logs and isinstance(value, DeviceArray):
            typed.note("copy", [("", value)], [("", on_device(super().__getitem__(index)))])

    def copy(self, order="C"):
        """A copy on the device."""
        return self._noted("copy", super().copy(order))

    def astype(self, dtype, order="K", casting="unsafe", subok=None, copy=True):
        """A copy of another dtype; the array itself where nothing changes and `copy` is False."""
        found = super().astype(dtype, order, casting, True, copy)
        return found if found is self else self._noted("astype", found)

    def reshape(self, *shape, **options):
        """The same numbers in another shape: of a view whose numbers do not lie side by side, a copy."""
        return self._if_moved("reshape", super().reshape(*shape, **options))

    def ravel(self, *order, **options):
        return self._if_moved("ravel", super().ravel(*order, **options))

    def flatten(self, *order, **options):
        return self._if_moved("flatten", super().flatten(*order, **options))

    def _if_moved(self, name, found):
        return found if np.may_share_memory(found, self) else self._noted(name, found)

    def _noted(self, name, found):
        """Enter an operation that reads this array and writes another one into the log."""
        if settings.current().logs:
            typed.note(name, [("", self)], [("", found)])
        return found

    def argmin(self, *args, **options):
        return on_device(super().argmin(*args, **options))

    def argmax(self, *args, **options):
        return on_device(super().argmax(*args, **options))

    def item(self, *args):
        """A number on the host."""
        count_transfer()
        return super().item(*args)

    def tolist(self):
        """Lists on the host."""
        count_transfer()
        return super().tolist()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __complex__(self):
        return complex(self.item())

    def __index__(self):
        return self.item().__index__()

    def __bool__(self):
        count_transfer()
        return bool(self.view(np.ndarray))

    def __repr__(self):
        count_transfer()
        return repr(self.view(np.ndarray))

    def __str__(self):
        count_transfer()
        return str(self.view(np.ndarray))

    def __format__(self, spec):
        count_transfer()
        return format(self.view(np.ndarray)[()], spec)


def arrays_in(values):
    """The device arrays among arguments, lists and tuples opened."""
    for value in values:
        if isinstance(value, DeviceArray):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from arrays_in(value)


def on_host(value):
    """The same memory as a plain NumPy array; anything else as it is."""
    return value.view(np.ndarray) if isinstance(value, DeviceArray) else value


def on_device(value):
    """The same memory as an array of the device; what is neither array nor NumPy number as it is."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value).view(DeviceArray)
    return value
