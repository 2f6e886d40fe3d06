"""CuPy's RawKernel and RawModule on NumPy arrays: CUDA C++ compiled for this machine, run thread by thread."""

import ctypes
import functools
import math
import operator
import re

import numpy as np

from bnlab.gpu import arguments, compiler, report, settings
from bnlab.gpu.compiled import Compiled, one_at_a_time
from bnlab.gpu.device_array import count_transfer
from bnlab.gpu.report import KernelError
from bnlab.gpu.source import Source, without_comments

MOST_BLOCKS = 2**31 - 1  # of a grid's first number, on a GPU
MOST_THREADS = 1 << 26  # of a launch here: minutes


class RawModule:
    """Kernels from one source, as `cupy.RawModule`.

    Parameters
    ----------
    code : str
        CUDA C++; kernels are declared `extern "C" __global__ void name(...)`.
    path : str, optional
        A file with the source instead.
    options : tuple of str
        "-DNAME=value" and "-Ifolder" count; others are the business of NVRTC.
    enable_cooperative_groups : bool
        Launch all blocks at the same time, so that the grid can wait for all its threads.
    name_expressions : sequence of str, optional
        Instances of template kernels, such as "scale<float>".

    Raises
    ------
    CompileException
        At the first launch, or by `compile()`.
    """

    def __init__(self, code=None, *, path=None, options=(), backend="nvrtc", translate_cucomplex=False,
                 enable_cooperative_groups=False, name_expressions=None, jitify=False):  # fmt: skip
        if (code is None) == (path is None):
            raise TypeError("RawModule needs either code=... or path=...")
        if code is None:
            with open(path, encoding="utf-8") as file:
                code = file.read()
        if not isinstance(options, (tuple, list)):
            raise TypeError(f"options is {type(options).__name__}; expected a tuple of strings")
        try:
            code.encode()
        except UnicodeEncodeError as error:
            line = code.count("\n", 0, error.start) + 1
            raise compiler.CompileException(
                f"kernel.cu:{line}: error: half a character, {code[error.start]!r}"
            ) from None
        hidden = [option for option in options if option.startswith("-D") and "__shared__" in option]
        if hidden:
            raise compiler.CompileException(f"the simulator does not look into {hidden[0]}: write it out in the source")
        self.code, self.options, self.backend = code, tuple(options), backend
        self.enable_cooperative_groups = bool(enable_cooperative_groups)
        self.source = Source(code)
        self.expressions = list(name_expressions or ())
        self.exports = [*self.expressions, *self.source.c_names()]
        self._compiled = {}

    def get_function(self, name):
        """The kernel of this name.

        Raises
        ------
        KeyError
            Where CuPy would not find it.
        """
        if name not in self.exports:
            if name in self.source.kernels:
                raise KeyError(f'{name} is not declared extern "C": write extern "C" __global__ void {name}(...)')
            if re.search(rf"__global__\s+(?!void\b)\w+[\s*]+{re.escape(name)}\s*\(", self.source.bare):
                raise KeyError(f"{name} gives something back, and a kernel cannot: write __global__ void {name}(...)")
            if name.partition("<")[0] in self.source.kernels:
                cure = f"RawModule(code=..., name_expressions=({name!r},)).get_function({name!r})"
                raise KeyError(f"{name} is an instance of a template, which has to be asked for: {cure}")
            if self.source.is_plain_function(name):
                raise KeyError(f'{name} is no kernel: write extern "C" __global__ void {name}(...)')
            known = ", ".join(self.exports) or "none"
            text = f"no kernel {name!r} in this source; it declares: {known}"
            if not re.search(r"^\s*#\s*define\b", without_comments(self.code), flags=re.M):
                raise KeyError(text)
            try:  # it may be made by a macro: the compiler knows
                compiler.build_kernel(self.source.translated([*self.exports, name]), False, self.options)
            except compiler.CompileException as error:
                if name in str(error):
                    raise KeyError(text) from None
            self.exports.append(name)
        return _Function(self, name)

    def get_global(self, name):
        """CuPy's way to the module's variables, which the simulator lacks."""
        cure = "hand the numbers over as an array, or write them into the source"
        raise NotImplementedError(f"the simulator has no get_global({name!r}): {cure}")

    def compile(self, log_stream=None):
        """Compile now instead of at the first launch."""
        self.compiled(settings.current().checked)

    def compiled(self, checked):
        """(path, library) of this module."""
        key = checked, compiler.current(), len(self.exports)
        if key not in self._compiled:
            try:
                text = self.source.translated(self.exports)
                self._compiled[key] = compiler.loaded(lambda: compiler.build_kernel(text, checked, self.options))
            except compiler.CompileException as error:
                raise compiler.CompileException(self.source.with_line(str(error))) from None
        return self._compiled[key]


class _Function:
    """One kernel of a module; call it as `kernel(grid, block, args, shared_mem=0)`."""

    def __init__(self, module, name):
        self.module, self.name = module, name
        self._asked = None  # bytes of dynamic shared memory
        self.preferred_shared_memory_carveout = -1

    def compile(self, log_stream=None):
        """Compile now instead of at the first launch."""
        self.module.compile()

    @property
    def max_dynamic_shared_size_bytes(self):
        """Bytes of dynamic shared memory that a launch may have; without asking, what is left of 48 KB."""
        if self._asked is not None:
            return self._asked
        return settings.Machine.default_shared_memory_block - self._static(self._built(settings.current().checked))

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, nbytes):
        self._asked = int(nbytes)

    def _built(self, checked):
        path, library = self.module.compiled(checked)
        names = self.module.source.parameters(self.name.split("<")[0])
        return Compiled(path, library, self.module.exports.index(self.name), names)

    def _static(self, kernel):
        """Bytes that the kernel declares, where it is the only one of its module."""
        return kernel.shared_bytes if len(self.module.exports) == 1 else 0

    @property
    def attributes(self):
        """What CuPy tells of a kernel, as far as the simulator knows it."""
        return {
            "max_threads_per_block": self.module.source.bound(self.name, self.module.options)
            or settings.Machine.max_threads,
            "max_dynamic_shared_size_bytes": self.max_dynamic_shared_size_bytes,
        }

    def __call__(self, grid=None, block=None, args=None, *more, shared_mem=0, stream=None):
        """Launch the kernel and wait for its end.

        Parameters
        ----------
        grid, block : tuple of 1 to 3 ints
        args : tuple
            All three are required. Arrays for pointers; NumPy scalars (`xp.float32(eps)`) or Python ints for the rest.
        shared_mem : int
            Bytes of dynamic shared memory of each block.

        Raises
        ------
        CompileException, TypeError, KernelError
        """
        if args is None or more:
            example = f"{self.name}((blocks,), (threads,), (x, y, n))"
            raise TypeError(f"{self.name}: a launch has three tuples, the grid, the block and the arguments: {example}")
        now, shared_mem = settings.current(), _bytes(self.name, shared_mem)
        kernel = self._built(now.checked)
        arguments.check(self.name, kernel.parameters, args, self.module.source)
        grid, block = _triple(self.name, "grid", grid), _triple(self.name, "block", block)
        self._check_limits(now.machine, kernel, grid, block, shared_mem)
        if any(type(value) is np.ndarray for value in args):
            count_transfer()  # a GPU cannot read the host's memory: CuPy refuses
        if now.dry:
            return None
        with one_at_a_time:
            launch = self._run(now, kernel, grid, block, args, shared_mem)
        for log in now.logs:
            log.add(launch)
        return None

    def _check_limits(self, machine, kernel, grid, block, dynamic):
        threads, static = math.prod(block), self._static(kernel)
        if min(*grid, *block) < 1:
            raise KernelError(f"{self.name}: grid {grid} and block {block} must be at least 1 in every direction")
        if threads > machine.max_threads:
            raise KernelError(f"{self.name}: a block of {threads} threads; at most {machine.max_threads} are allowed")
        if block[2] > 64:
            raise KernelError(f"{self.name}: block {block}; its third number is at most 64")
        if grid[0] > MOST_BLOCKS or max(grid[1:]) > 65535:
            text = f"its first number is at most {MOST_BLOCKS}, its second and third at most 65535"
            raise KernelError(f"{self.name}: grid {grid}; {text}")
        if math.prod(grid) * threads > MOST_THREADS:
            text = f"{math.prod(grid)} blocks of {threads} threads; the simulator runs at most {MOST_THREADS:,} threads"
            raise KernelError(f"{self.name}: {text} in a launch")
        bound = self.module.source.bound(self.name, self.module.options)
        if bound and threads > bound:
            raise KernelError(f"{self.name}: a block of {threads} threads; its __launch_bounds__ promise {bound}")
        self._check_shared(machine, kernel, static, dynamic)
        if self.module.enable_cooperative_groups:
            fit = machine.resident_blocks(threads, static + dynamic)
            if math.prod(grid) > fit:
                raise KernelError(
                    f"{self.name}: a cooperative launch of {math.prod(grid)} blocks; {fit} fit on this machine "
                    f"at the same time ({machine.multiprocessors} multiprocessors)"
                )

    def _check_shared(self, machine, kernel, static, dynamic):
        usual, limit, source = machine.default_shared_memory_block, machine.shared_memory_block, self.module.source
        most = usual - static if self._asked is None else self._asked
        largest = [name for name, _, _ in sorted(kernel.shared, key=lambda variable: -variable[1])]
        problem = ""
        if static > usual:
            problem, names = f"{static} bytes are declared, {usual} allowed", largest
        elif dynamic > most:
            problem, names = f"{dynamic} bytes of dynamic shared memory, {most} allowed; set ", source.dynamic
            problem += f"kernel.max_dynamic_shared_size_bytes for up to {limit - static}"
        elif static + dynamic > limit:
            problem, names = (
                f"{static} bytes declared and {dynamic} dynamic, {limit} allowed",
                [*source.dynamic, *largest],
            )
        if problem:
            number = source.shared_line(names)
            line, text = source.at(number)
            raise KernelError(f"{self.name}{line}: too much shared memory: {problem}{text}", "limit", number)

    def _run(self, now, kernel, grid, block, args, dynamic):
        _, runtime = compiler.runtime()
        bytes_ = arguments.Bytes(args, now.checked)
        _announce(runtime, bytes_.arrays, now.checked)
        cooperative = self.module.enable_cooperative_groups
        ended = kernel.run(grid, block, dynamic, cooperative, now.schedule, bytes_.pointers)
        kernel.add_shared_inside_templates(runtime)
        launch = report.Launch(self.name, grid, block, kernel.shared_bytes + dynamic, _traffic(kernel, args, bytes_))
        used = _count(runtime, launch, kernel, now.checked)
        launch.frame = compiler.frame(kernel.path)
        launch.notes = self._notes(launch, kernel, args) + _absences(runtime)
        issues = self._issues(runtime, kernel, args, dynamic)
        if issues:
            self._raise(issues, launch)
        if ended:
            raise KernelError(f"{self.name}: the launch ended and did not say why")
        if now.checked:
            self._check_shared(now.machine, kernel, used, dynamic)
            self._bring_back(bytes_, launch, kernel, args)
        return launch

    def _issues(self, runtime, kernel, args, dynamic):
        raw = (report.RawIssue * 16)()
        count = runtime.simt_issues(raw)
        if not count:
            return []
        arrays = [
            (parameter.name, address_of(value), getattr(value, "size", 0), getattr(value, "itemsize", 1))
            for parameter, value in zip(kernel.parameters, args)
        ]
        return report.Narrator(self.module.source, kernel, arrays, dynamic).tell(list(raw[:count]))

    def _notes(self, launch, kernel, args):
        """What is allowed, and is behind many a strange result."""
        notes = [
            f"{parameter.name} is a view, of shape {value.shape} with steps of {value.strides} bytes (or like one by "
            "empty_like): its numbers do not lie side by side in this order. A kernel gets the first one's address and "
            "sees the memory as it lies there. xp.ascontiguousarray copies into that order; or let the kernel work "
            "with the steps."
            for parameter, value in zip(kernel.parameters, args)
            if isinstance(value, np.ndarray) and not value.flags.c_contiguous
        ]
        notes += [
            f"Line {line}: {variable} may have no value yet. A variable of a thread starts as anything, and no other "
            "thread sees it: a sum starts with = 0.f, and what all threads need is __shared__."
            for line, variable in compiler.doubts(kernel.path)
        ]
        notes += [
            f"Line {line}: {text} means {meant} in C++. An array has one index here, the place of the number in "
            "memory: work it out from the others."
            for line, text, meant in self.module.source.commas
        ]
        notes += [
            f"Line {line}: {text} stores a value. A comparison is written with two signs, ==."
            for line, text in self.module.source.assignments
        ]
        if launch.frame:
            notes.append(
                f"{self.name} or a function beside it keeps {launch.frame:,} bytes for each thread. A GPU has "
                "registers for 1,020; what is more lies in device memory, stored and loaded there like any array. "
                "What the threads of a block keep together belongs into __shared__."
            )
        threads = math.prod(launch.block)
        if threads % 32 and launch.counters["warp_operations"]:
            notes.append(
                f"{self.name} has blocks of {threads} threads, and the last warp of each is no whole one. A shuffle "
                "from a lane that is not there gives anything: take a multiple of 32."
            )
        dynamic = self.module.source.dynamic
        if len(dynamic) > 1 and len(self.module.source.kernels) == 1:
            notes.append(
                f"{' and '.join(dynamic)} begin at the same address: all extern __shared__ arrays are names for the "
                "same memory. Take one of them, and pointers into it."
            )
        return notes

    def _raise(self, issues, launch):
        first = issues[0]
        place = f"{self.name}, line {first.line}: " if first.line else f"{self.name}: "
        text = place + first.message + (f"\n  {first.line} | {first.source}" if first.source else "")
        for issue in issues[1:4]:
            text += f"\nalso line {issue.line}: {issue.message}" if issue.line else f"\nalso: {issue.message}"
        error = KernelError(text, first.kind, first.line, issues, launch)
        for note in launch.notes:
            error.add_note(note)
        raise error

    def _bring_back(self, bytes_, launch, kernel, args):
        """What was written goes to the caller's arrays; atomics write too, so every array that is not const counts."""
        written = set()
        for (_, _, index, _), traffic in zip(bytes_.arrays, launch.arrays):
            if args[index].flags.writeable:
                written.add(index)
            elif traffic.stored:
                text = f"{self.name}: the kernel writes {kernel.parameters[index].name}, which is read-only"
                raise KernelError(text, "read-only")
        bytes_.copy_back(written)


class RawKernel(_Function):
    """One kernel, as `cupy.RawKernel`.

    Parameters
    ----------
    code : str
        CUDA C++ with `extern "C" __global__ void name(...)`.
    name : str
    options : tuple of str
        As for RawModule.
    enable_cooperative_groups : bool
        As for RawModule.

    Examples
    --------
    >>> source = '''extern "C" __global__ void twice(const float* x, float* y, int n) {
    ...   int i = blockIdx.x * blockDim.x + threadIdx.x;
    ...   if (i < n) y[i] = 2 * x[i];
    ... }'''
    >>> x = np.arange(5, dtype=np.float32)
    >>> y = np.empty_like(x)
    >>> RawKernel(source, "twice")((1,), (32,), (x, y, 5))
    >>> y
    array([0., 2., 4., 6., 8.], dtype=float32)
    """

    def __init__(self, code, name, options=(), backend="nvrtc", translate_cucomplex=False, *,
                 enable_cooperative_groups=False, jitify=False):  # fmt: skip
        if not isinstance(code, str) or not isinstance(name, str) or "__global__" in name:
            raise TypeError("RawKernel takes two strings, the source and the name: RawKernel(code, 'sums')")
        if not isinstance(options, (tuple, list)):
            raise TypeError(f"options is {type(options).__name__}; expected a tuple of strings")
        module = _module_of(code, tuple(options), bool(enable_cooperative_groups))
        super().__init__(module, name)
        module.get_function(name)


@functools.lru_cache(maxsize=512)
def _module_of(code, options, cooperative):
    """The module of a kernel: a function that makes its kernel at each call compiles and reads the source once."""
    return RawModule(code, options=options, enable_cooperative_groups=cooperative)


def _triple(kernel, what, value):
    if isinstance(value, (int, np.integer)):
        raise TypeError(f"{kernel}: {what} is {value}; expected a tuple, such as ({value},)")
    if not isinstance(value, tuple):
        raise TypeError(f"{kernel}: {what} is {value!r}; expected a tuple, such as (blocks,) or (threads,)")
    if not 1 <= len(value) <= 3 or not all(isinstance(size, (int, np.integer)) for size in value):
        raise TypeError(f"{kernel}: {what} is {value}; expected 1 to 3 whole numbers")
    return tuple(int(size) for size in (*value, 1, 1)[:3])


def _bytes(kernel, value):
    try:
        count = operator.index(value)
    except TypeError:
        count = -1
    if count < 0:
        raise TypeError(f"{kernel}: shared_mem is {value!r}; expected a whole number of bytes")
    return count


def address_of(value):
    """The address of an array's first element; 0 of what is no array."""
    return value.__array_interface__["data"][0] if isinstance(value, np.ndarray) else 0


def _announce(runtime, arrays, checked):
    """Tell the runtime whether to check, and where the arrays lie."""
    runtime.simt_checked(int(checked))
    runtime.simt_arrays_clear()
    for low, nbytes, index, itemsize in arrays if checked else ():
        grain = itemsize if itemsize in (1, 2) else 4
        numbers = (ctypes.c_longlong(nbytes), ctypes.c_longlong(arguments.GUARD - 256), index, grain)
        runtime.simt_array(ctypes.c_void_p(low), *numbers)


def _traffic(kernel, args, bytes_):
    """What will be counted of each array."""
    found = []
    for _, nbytes, index, _ in bytes_.arrays:
        address, whole = address_of(args[index]), arguments.root(args[index]).nbytes
        found.append(report.ArrayTraffic(kernel.parameters[index].name, address, nbytes, whole=whole))
    return found


def _count(runtime, launch, kernel, checked):
    """Write down what the runtime has counted; the bytes of shared memory that were used, as far as it looked."""
    counters = (ctypes.c_longlong * len(report.COUNTERS))()
    runtime.simt_counters(counters)
    launch.counters = dict(zip(report.COUNTERS, counters))
    if not checked:
        return 0
    launch.arrays += [report.ArrayTraffic(name, address, size, whole=size) for name, address, size in kernel.places]
    totals = (ctypes.c_longlong * len(report.TOTALS))()
    each = (ctypes.c_longlong * (2 * max(1, len(launch.arrays))))()
    used = ctypes.c_longlong(0)
    runtime.simt_traffic(totals, each, ctypes.byref(used))
    launch.totals = dict(zip(report.TOTALS, totals))
    for array, loaded, stored in zip(launch.arrays, each[::2], each[1::2]):
        array.loaded, array.stored = loaded, stored
    launch.arrays = [array for array in launch.arrays if array.nbytes or array.address]
    return used.value


def _absences(runtime):
    """Notes on masks that named lanes which had returned: allowed, but what comes from such a lane is anything."""
    found = (ctypes.c_uint * 24)()
    notes = []
    for k in range(runtime.simt_absences(found)):
        line, mask, lanes = found[3 * k : 3 * k + 3]
        notes.append(
            f"Line {line}: the mask 0x{mask:08x} names lanes that have returned and never come, 0x{lanes:08x}; what "
            "comes from them is anything. Let all lanes come, those without work with a 0, or name only lanes that do."
        )
    return notes
