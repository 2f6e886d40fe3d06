"""What a launch did: what it cost, and what was wrong with it, in words and with the line of the kernel's source."""

import ctypes
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass, field

KINDS = {  # the numbers of cuda/runtime.h
    1: "race",
    2: "uninitialized",
    3: "out of bounds",
    4: "misaligned",
    5: "illegal address",
    6: "barrier",
    7: "warp",
    8: "spin",
    9: "assert",
    10: "limit",
}
TOTALS = (  # as in cuda/traffic.h
    "load_bytes store_bytes load_sectors store_sectors load_requests store_requests "
    "shared_load_bytes shared_store_bytes shared_requests bank_conflicts global_atomics"
).split()
COUNTERS = "barriers warp_operations atomics switches".split()
DYNAMIC, NOWHERE, GLOBAL = -1000, -2000, -3000
# bytes, a few instructions: one that clang++ made of two has no line of its own, and those before it have
BACK = range(1, 97)


class KernelError(RuntimeError):
    """A kernel did what no kernel may do.

    Attributes
    ----------
    kind : str
        "race", "uninitialized", "out of bounds", "misaligned", "illegal address", "barrier", "warp", "spin", "assert",
        "limit", "launch", or "read-only".
    line : int
        Of the kernel's source, counted from 1; 0 where none is to blame.
    issues : list of Issue
        All that was found, this one first.
    launch : Launch or None
        What had been done until then.
    """

    def __init__(self, message, kind="launch", line=0, issues=(), launch=None):
        super().__init__(message)
        self.kind, self.line, self.issues, self.launch = kind, line, list(issues), launch


@dataclass
class Issue:
    """One finding: kind, line and text of the source, and the message.

    Attributes
    ----------
    place : int or str
        Of an access out of bounds next to what, of a race in what: the address of an array's first byte, "shared" or
        "dynamic" for shared memory, "variable" for a __device__ variable; else "".
    write : bool
        Whether the thread wanted to write there.
    """

    kind: str
    line: int
    source: str
    message: str
    place: int | str = ""
    write: bool = False


@dataclass
class ArrayTraffic:
    """What a launch did with one of its arrays.

    Attributes
    ----------
    name : str
        The kernel's name for it.
    address : int
        Of its first byte; identifies it among launches.
    nbytes, loaded, stored : int
        Bytes of the array; bytes that all threads together loaded and stored, atomics not counted.
    whole : int
        Bytes of the array that it is a view of.
    """

    name: str
    address: int
    nbytes: int
    loaded: int = 0
    stored: int = 0
    whole: int = 0


@dataclass
class Launch:
    """One launch of a kernel.

    `totals` is empty where the launch was not checked. Bytes are those that the threads asked for, sectors the pieces
    of 32 bytes that the hardware moves for them, requests one instruction of one warp.

    Attributes
    ----------
    kernel : str
    grid, block : tuple of int
    shared : int
        Bytes of shared memory of a block, static and dynamic.
    arrays : list of ArrayTraffic
    counters : dict
        barriers, warp_operations, atomics, switches.
    totals : dict
        load_bytes, store_bytes, load_sectors, store_sectors, load_requests, store_requests, shared_load_bytes,
        shared_store_bytes, shared_requests, bank_conflicts, global_atomics.
    notes : list of str
        What is no mistake in itself, and may explain a strange result.
    frame : int
        Bytes of a thread's own variables, where no registers can hold them; else 0.
    """

    kernel: str
    grid: tuple = ()
    block: tuple = ()
    shared: int = 0
    arrays: list = field(default_factory=list)
    counters: dict = field(default_factory=dict)
    totals: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    frame: int = 0

    @property
    def sectors_per_request(self):
        """Mean number of 32-byte sectors that one request to global memory touches; 4 is best for 4-byte elements."""
        requests = self.totals.get("load_requests", 0) + self.totals.get("store_requests", 0)
        return (self.totals["load_sectors"] + self.totals["store_sectors"]) / requests if requests else 0.0

    @property
    def efficiency(self):
        """Bytes asked for over bytes moved, for global memory; above 1 where lanes read the same word."""
        sectors = self.totals.get("load_sectors", 0) + self.totals.get("store_sectors", 0)
        return (self.totals["load_bytes"] + self.totals["store_bytes"]) / (32 * sectors) if sectors else 1.0

    def __str__(self):
        how = f"grid {self.grid}, block {self.block}, {self.shared} bytes of shared memory"
        lines = [f"{self.kernel}, {how if self.grid else 'an operation on whole arrays'}"]
        for array in self.arrays:
            if array.loaded or array.stored:
                size, name = max(1, array.nbytes), array.name or "unnamed"
                lines.append(
                    f"  {name:12} {array.nbytes:>10} bytes   loaded {array.loaded / size:5.2f} times   "
                    f"stored {array.stored / size:5.2f} times"
                )
        if self.totals:
            lines.append(
                f"  {self.sectors_per_request:.1f} sectors a request, efficiency {self.efficiency:.2f}, "
                f"{self.totals['bank_conflicts']} bank conflicts"
            )
        in_global = self.totals.get("global_atomics", 0)
        where = f", {in_global} of them in global memory" if in_global else ""
        lines.append(f"  {self.counters['barriers']} barriers, {self.counters['atomics']} atomics{where}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


class RawIssue(ctypes.Structure):
    """struct Issue of cuda/runtime.h."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("kind", "line")),
        *((name, ctypes.c_void_p) for name in ("pc", "other_pc")),
        *((name, ctypes.c_int) for name in ("thread", "block", "other_thread", "other_block")),
        *((name, ctypes.c_int) for name in ("array", "write", "other_write", "size")),
        ("offset", ctypes.c_longlong),
        ("text", ctypes.c_char * 320),
    ]


class Narrator:
    """Turns what the runtime noted into sentences.

    Parameters
    ----------
    source : bnlab.gpu.source.Source
    kernel : bnlab.gpu.compiled.Compiled
    arrays : list of (name, address, number of elements, itemsize), one for each argument
    dynamic : int
        Bytes of dynamic shared memory.
    """

    def __init__(self, source, kernel, arrays, dynamic):
        self.source, self.kernel, self.arrays, self.dynamic = source, kernel, arrays, dynamic

    def tell(self, raw_issues):
        """All findings as Issue objects."""
        places = [pc for raw in raw_issues for pc in (raw.pc, raw.other_pc) if pc]
        base = self.kernel.base
        self.lines = dict(zip(places, lines_of(self.kernel.path, [pc - 1 - base for pc in places])))
        return [self._issue(raw) for raw in raw_issues]

    def _issue(self, raw):
        kind = KINDS[raw.kind]
        line = raw.line or self.lines.get(raw.pc, 0)
        if kind in ("spin", "illegal address"):  # it may have been in a function that is not the kernel's
            line = line or self.lines.get(raw.other_pc, 0)
        text = raw.text.decode(errors="replace")
        message = getattr(self, "_" + kind.replace(" ", "_"), lambda raw, text: text)(raw, text)
        place = ""
        if kind in ("out of bounds", "race"):
            place = self._place(raw.array)
        return Issue(kind, line, self.source.line(line), message, place, bool(raw.write))

    def _place(self, array):
        if array == DYNAMIC:
            return "dynamic"
        if array <= GLOBAL:
            return "variable"
        return "shared" if array < 0 else self.arrays[array][1]

    def _where(self, raw):
        return f"thread {raw.thread} of block {raw.block}"

    def _element(self, raw):
        """The element that an access is about: `x[12]`, and what it belongs to."""
        if raw.array == DYNAMIC:
            whole = f"the {self.dynamic} bytes that the launch asks for by shared_mem="
            return f"byte {raw.offset} of dynamic shared memory", whole
        if raw.array < 0:
            ours = raw.array > GLOBAL
            name, size, steps = self.kernel.shared[-1 - raw.array] if ours else self.kernel.globals[GLOBAL - raw.array]
            kind = f"the {'shared' if ours else '__device__'} variable {name}"
            if (size,) == steps and raw.offset == 0:
                return name, kind
            extents = " x ".join(str(whole // step) for whole, step in zip((size, *steps), steps))
            return name + indices(raw.offset, steps), f"{kind} of {extents} elements"
        name, _, count, itemsize = self.arrays[raw.array]
        return f"{name}[{raw.offset // itemsize}]", f"{name}, which has {count} elements"

    def _race(self, raw, text):
        here, _ = self._element(raw)
        acts = ["writes" if raw.write else "reads", "wrote" if raw.other_write else "read"]
        line = self.lines.get(raw.other_pc, 0)
        other = f" at line {line}" if line else ""
        if raw.block != raw.other_block:
            return (
                f"race: thread {raw.thread} of block {raw.block} {acts[0]} {here}, which thread {raw.other_thread} of "
                f"block {raw.other_block} {acts[1]}{other}; blocks run in any order: use an atomic, a second "
                "kernel, or a __threadfence() before the flag that says it is there"
            )
        warps = "__syncwarp() or __syncthreads()" if raw.thread // 32 == raw.other_thread // 32 else "__syncthreads()"
        return (
            f"race: thread {raw.thread} {acts[0]} {here}, which thread {raw.other_thread} of the same block "
            f"{acts[1]}{other}, and there is no barrier between them: {warps} is missing, "
            "or one thread alone should do it"
        )

    def _uninitialized(self, raw, text):
        here, _ = self._element(raw)
        memory = "" if raw.array == DYNAMIC else " of shared memory"
        return f"{self._where(raw)} reads {here}{memory}, which no thread of this block has written"

    def _out_of_bounds(self, raw, text):
        here, whole = self._element(raw)
        here = f"{raw.size} bytes from {here} on" if raw.size > 16 else here
        return f"out of bounds: {self._where(raw)} {'writes' if raw.write else 'reads'} {here}, outside of {whole}"

    def _misaligned(self, raw, text):
        here, _ = self._element(raw)
        return (
            f"misaligned: {self._where(raw)} accesses {raw.size} bytes at {here}, whose address is not a multiple of "
            f"{raw.size}; vector loads need rows whose length is a multiple of the vector's"
        )

    def _illegal_address(self, raw, text):
        if "division" in text:
            return f"{self._where(raw)}: {text}"
        return f"illegal address: {self._where(raw)}: {text}"

    def _spin(self, raw, text):
        return f"endless loop: {self._where(raw)} {text}"

    def _assert(self, raw, text):
        return f"{text} ({self._where(raw)})"


def indices(offset, steps):
    """The indices of what lies at an offset, in an array with these bytes from one to the next: "[3][0]"."""
    found = []
    for step in steps:
        index, offset = divmod(offset, step)
        found.append(f"[{index}]")
    return "".join(found)


def lines_of(library, offsets):
    """Line numbers of the kernel's source for addresses in a compiled kernel; 0 where nothing tells."""
    found = _lines_at(library, offsets)
    silent = [k for k, line in enumerate(found) if not line and offsets[k] > 0]
    near = iter(_lines_at(library, [max(0, offsets[k] - back) for k in silent for back in BACK]))
    for k in silent:
        found[k] = next(filter(None, [next(near) for _ in BACK]), 0)
    return found


def _lines_at(library, offsets):
    if not offsets:
        return []
    tool = shutil.which("addr2line") or shutil.which("llvm-addr2line")
    if tool:
        command = [tool, "-a", "-i", "-e", str(library), *map(hex, offsets)]
        told = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
        blocks = re.split(r"^0x[0-9a-f]+\n", told, flags=re.M)[1:]
        if len(blocks) == len(offsets):
            found = [re.search(r"kernel\.cu:(\d+)", block) for block in blocks]
            return [int(match[1]) if match else 0 for match in found]
    if importlib.util.find_spec("elftools"):
        return _lines_by_elftools(library, offsets)
    return [0] * len(offsets)


def _lines_by_elftools(library, offsets):
    """The same from the table of lines: the last entry of the kernel's own file before each address."""
    from elftools.elf.elffile import ELFFile

    rows = []
    with open(library, "rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            if program is None:
                continue
            names = [entry.name.decode() for entry in program["file_entry"]]
            first = 0 if program["version"] >= 5 else 1
            for entry in program.get_entries():
                state = entry.state
                if state and not state.end_sequence and names[state.file - first].endswith("kernel.cu"):
                    rows.append((state.address, state.line))
    rows.sort()
    return [max((row for row in rows if row[0] <= offset), default=(0, 0))[1] for offset in offsets]
