"""One kernel in its compiled library, by way of what cuda/launching.h gives each of them."""

import ctypes
import threading

from bnlab.gpu import arguments

one_at_a_time = threading.Lock()  # the runtime holds one launch


class Compiled:
    """A kernel as it was compiled.

    Parameters
    ----------
    path : pathlib.Path
    library : ctypes.CDLL
        What `path` holds, loaded.
    number : int
        Of the kernel in it.
    names : list of str
        Of its parameters, in the source.

    Attributes
    ----------
    parameters : list of bnlab.gpu.arguments.Parameter
    shared : list of (name, bytes, bytes of a step of each index)
        The module's shared variables.
    """

    def __init__(self, path, library, number, names):
        self.path, self.library, self.number = path, library, number
        self.parameters = arguments.parameters(self._signature(), names)
        self.shared = list(map(_told, self._variables("variables")))

    def _signature(self):
        text = ctypes.create_string_buffer(4096)
        with one_at_a_time:  # it is compiled like the kernel: the checker would take it for one that runs meanwhile
            self._function("signature")(text, ctypes.c_size_t(len(text)))
        return text.value.decode()

    def _function(self, what):
        return getattr(self.library, f"simt_{what}_{self.number}")

    def _module(self):
        function = self._function("module")
        function.restype = ctypes.POINTER(_Module)
        return function().contents

    def _variables(self, kind):
        """Entries of the table of shared "variables", or of "globals", the __device__ variables."""
        module = self._module()
        first, end = getattr(module, kind), getattr(module, f"{kind}_end")
        return list((_Variable * ((end - first) // ctypes.sizeof(_Variable))).from_address(first))

    @property
    def shared_bytes(self):
        return sum(size for _, size, _ in self.shared)

    @property
    def globals(self):
        """The same as `shared` of the module's __device__ variables."""
        return list(map(_told, self._variables("globals")))

    @property
    def places(self):
        """(name, address, bytes) of the module's __device__ variables."""
        return [(one.name.decode(), one.address or 0, one.size) for one in self._variables("globals")]

    @property
    def base(self):
        """Where the library is loaded."""
        return self._module().low

    def run(self, grid, block, dynamic, cooperative, schedule, pointers):
        """Run it once; whether it ended before its time."""
        dims = (ctypes.c_uint * 6)(*grid, *block)
        options = ctypes.c_size_t(dynamic), int(cooperative), ctypes.c_ulonglong(schedule)
        return bool(self._function("run")(dims, *options, pointers))

    def add_shared_inside_templates(self, runtime):
        """Add the variables that the last launch found in template functions, where g++ hides them."""
        found = (ctypes.POINTER(_Variable) * 64)()
        self.shared += [_told(found[k].contents) for k in range(runtime.simt_inside(found, len(found)))]


class _Variable(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        *((name, ctypes.c_size_t) for name in ("row", "plane", "element")),
        ("guard", ctypes.c_void_p),
        ("padding", ctypes.c_char * 8),
    ]


class _Module(ctypes.Structure):
    ends = "low high shared shared_end variables variables_end globals globals_end"
    _fields_ = [(name, ctypes.c_void_p) for name in ends.split()]


def _told(variable):
    steps = variable.row, variable.plane, max(1, variable.element)
    return variable.name.decode(), variable.size, tuple(dict.fromkeys(steps))
