"""A C++ compiler for the simulator, and a cache of what it built that many processes may use at once.

What is built is named by the hash of all it depends on: the source, the simulator's own files, the flags, and the
compiler's own account of its version. A file is written beside its final place and renamed, so nobody sees half of it.
The folder may be deleted at any time.

Most of a kernel's time in the compiler goes into the simulator's own header, so that is compiled once (precompiled).

    BNLAB_CXX         a compiler other than the first found
    BNLAB_GPU_CACHE   a folder other than ~/.cache/bnlab/gpu
    BNLAB_GPU_WARM    a folder that is only read: filled by `warm` for processes that start without a cache
"""

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CUDA = Path(__file__).parent / "cuda"
CURE = "the GPU simulator needs a C++ compiler: apt-get install g++, or pip install ziglang pyelftools"
LINUX = "the GPU simulator needs Linux: take Colab, or on Windows WSL"
COMMON = (
    "-std=c++17 -fPIC -w -g -fno-strict-aliasing -fno-stack-protector -fno-threadsafe-statics -U_FORTIFY_SOURCE "
    "-D_FORTIFY_SOURCE=0 -ffp-contract=off -fno-math-errno"
).split()
KERNEL = "-fno-exceptions -fno-rtti -fvisibility=hidden -fstack-clash-protection -fno-finite-loops".split()
# arrays have a size that the compiler knows; a function that forgets to return a value would run on into the next one;
# {i, j} may be two floats
AS_CUDA = ["-Werror=vla", "-Werror=return-type", "-Wno-narrowing"]
PLAIN = ["-O2"]
HEADER = "first.h"  # what every kernel begins with
CHECKED = ["-O1", "-fno-tree-vectorize", "-fsanitize=thread"]


class CompileException(Exception):  # noqa: N818 (CuPy's name)
    """A kernel that does not compile; the message has the compiler's errors with the lines of the kernel's source."""


@dataclass(frozen=True)
class Compiler:
    """A compiler that was found.

    command : tuple of str
    version : str
        What it says of itself; part of the name of everything that it builds.
    clang : bool
    """

    command: tuple
    version: str
    clang: bool

    @property
    def flags(self):
        """What makes g++ keep shared variables in order.

        And what keeps clang++ from the belief that nobody hands over an unset variable: lanes do, to __shfl_sync, whose
        value no other lane reads. Without it, the branch that sets the variable in one lane is taken by all.
        """
        if not self.clang:
            return ["-fno-toplevel-reorder"]
        found = re.search(r"clang version (\d+)", self.version)
        number = int(found[1]) if found else 0
        if number < 14:
            return []
        return ["-Xclang", "-disable-noundef-analysis" if number == 14 else "-no-enable-noundef-analysis"]

    @property
    def watching(self):
        """What makes checked kernels tell volatile accesses from others, and leave out none.

        g++ must leave a kernel's memcpy to launching.h, clang++ no read and no line.
        """
        if not self.clang:
            calls = [f"-fno-builtin-{name}" for name in ("memcpy", "memmove", "memset")]
            return ["--param=tsan-distinguish-volatile=1", *calls]
        told = "-tsan-distinguish-volatile=1 -tsan-instrument-read-before-write=1 -use-unknown-locations=Disable"
        return [word for option in told.split() for word in ("-mllvm", option)]

    @property
    def doubts(self):
        """What makes this compiler warn of variables that are read before they have a value, and of large frames."""
        own = "-Wconditional-uninitialized" if self.clang else "-Wmaybe-uninitialized"
        return ["-Wuninitialized", own, f"-Wframe-larger-than={FRAME}"]

    @property
    def errors(self):
        return (
            ["-fno-color-diagnostics", "-fno-caret-diagnostics", "-ferror-limit=5"]
            if self.clang
            else ["-fmax-errors=5"]
        )


@functools.lru_cache
def find(wanted=None):
    """The compiler to use.

    Parameters
    ----------
    wanted : str, optional
        A command line; by default BNLAB_CXX, then g++, clang++, and the one of the package ziglang.

    Returns
    -------
    Compiler

    Raises
    ------
    RuntimeError
        Where there is none; the message is the cure.
    """
    choices = [shlex.split(wanted)] if wanted else [["g++"], ["clang++"]]
    if not wanted and importlib.util.find_spec("ziglang"):
        choices.append([sys.executable, "-m", "ziglang", "c++"])
    for command in choices:
        if shutil.which(command[0]):
            told = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60)
            if told.returncode == 0:
                return Compiler(tuple(command), told.stdout, "clang" in told.stdout)
    raise RuntimeError(f"{wanted} is no compiler here; {CURE}" if wanted else CURE)


def current():
    """The compiler that BNLAB_CXX names, or the first found. Raises RuntimeError with the cure."""
    if sys.platform != "linux":
        raise RuntimeError(LINUX)
    return find(os.environ.get("BNLAB_CXX") or None)


def lacking():
    """Why kernels cannot be compiled here, with the cure; "" where they can."""
    try:
        current()
    except RuntimeError as error:
        return f"kernels cannot be compiled yet: {error}"
    return ""


def cache():
    """The folder that is written to; it belongs to this user alone, because its files are executed."""
    places = [os.environ.get("BNLAB_GPU_CACHE"), Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")]
    places[1] = places[1] / "bnlab" / "gpu"
    places.append(Path(tempfile.gettempdir()) / f"bnlab-gpu-{os.getuid()}")
    for place in filter(None, places):
        folder = Path(place)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            state = folder.stat()
        except OSError:
            continue
        if state.st_uid == os.geteuid() and not state.st_mode & 0o022 and os.access(folder, os.W_OK):
            return folder
    raise RuntimeError("no folder to keep compiled kernels in: set BNLAB_GPU_CACHE to one that only you can write")


def stored(name):
    """The path of something built before, or None."""
    for place in [cache(), os.environ.get("BNLAB_GPU_WARM")]:
        if place and os.path.exists(Path(place) / name):
            return Path(place) / name
    return None


def run(command):
    """What a command says beside its work."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CompileException(readable(done.stderr or f"{command[0]} ended with {done.returncode}"))
    return done.stderr


FRAME = 2048  # bytes that a thread of a right kernel never needs: some 600 at most, with the checker's hooks
LARGE = r"frame size (?:of )?\(?(\d+)"
DOUBT = r"kernel\.cu:(\d+):\d+: warning: (?:variable )?[‘'](\w+)[\w.:<>]*[’'] (?:is|may be) (?:used )?uninitialized"
# what a student wrote, by the names that lines have
OWN = r"(kernel\.cu|map_expr|reduce_expr|post_map_expr|identity|reduce_type|preamble|loop_prep|after_loop)"


def readable(text):
    """The errors that name the kernel's own lines, where there are any; else all, without the places of files."""
    own = rf"{OWN}:\d+:\d+: (fatal )?error"
    if not re.search(rf"^{own}", text, flags=re.M):
        if re.search(r"expected .\}.( at end of input)?$", text, flags=re.M):
            return "kernel.cu: error: expected '}' at the end: a brace that was opened is not closed"
        found = _refused_by_headers(text) or _never_defined(text) or _of_exports(text)
        return "\n".join(found) or re.sub(r"\S*/([\w.]+)(?=[:\s])", r"\1", text).strip()[:4000]
    shown, keep = [], False
    for line in text.split("\n"):
        if re.match(r"\S+:\d+:(\d+:)? |In file included from |\S+: (In|At) |cc1plus: |\d+ error", line):
            keep = bool(re.match(own, line))
        if keep:
            shown.append(line)
    return "\n".join(shown).strip()[:4000]


def _refused_by_headers(text):
    """What our headers say of a call in the kernel, such as an atomic of a type that has none, with the call's line."""
    asserted = r"static assertion failed: |static_assert failed[^\n\"]*\"|requirement [^\n]*': "
    said = re.findall(rf"(?:{asserted})(.*?)\"?$", text, re.M)
    places = re.findall(r"^(kernel\.cu:\d+:\d+):\s+(?:required from here|note: in instantiation)", text, re.M)
    return list(dict.fromkeys(f"{place}: error: {words}" for place, words in zip(places, said)))


def _never_defined(text):
    """What the linker misses."""
    place, name = r"^(?:.*kernel\.cu:(\d+):)?", r"(?:\(anonymous namespace\)::)?(.*?)"
    missed = re.findall(rf"{place}.*undefined reference to .{name}'$", text, re.M)
    return [
        f"kernel.cu:{line or 1}:1: error: {name} is declared, and nowhere defined"
        for name, line in {name: line for line, name in reversed(missed)}.items()
    ]


def _of_exports(text):
    """What is wrong with `name_expressions`."""
    said = re.findall(r"^exports:\d+:\d+: error: (.*)$", text, re.M)
    return [f"name_expressions: error: {words}" for words in dict.fromkeys(said)][:1]


@contextlib.contextmanager
def alone(lock):
    """One process at a time builds things of a kind: not for safety, which renaming gives, but for speed."""
    with open(lock, "w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.lru_cache
def own_files():
    """Hash of the simulator's C++ files."""
    digest = hashlib.sha256()
    for path in sorted(CUDA.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def named(prefix, *parts):
    """The name of what is built from these parts by this compiler with these files of the simulator."""
    known = [current().command, current().version, own_files(), *parts]
    return f"{prefix}-{hashlib.sha256(repr(known).encode()).hexdigest()[:24]}"


def precompiled(flags):
    """What to add to these flags so that the simulator's header need not be compiled again; nothing for clang++.

    Returns
    -------
    list of str
    """
    compiler = current()
    if compiler.clang:  # its own precompiled headers stay where they were made
        return []
    name = named("header", flags)
    folder = stored(name)
    if not folder:
        folder = cache() / name
        with alone(folder.parent / "header.lock"), tempfile.TemporaryDirectory(dir=folder.parent) as place:
            if not folder.exists():
                made = Path(place, name)
                made.mkdir()
                made.joinpath(HEADER).write_text('#include "simt.h"\n')
                target = ["-x", "c++-header", str(made / HEADER), "-o", str(made / f"{HEADER}.gch")]
                run([*compiler.command, *flags, f"-I{CUDA}", *target])
                os.replace(made, folder)
    return ["-include", str(folder / HEADER)]


def build(prefix, sources, flags, libraries=(), options=()):
    """Build a shared library, or find it.

    Parameters
    ----------
    prefix : str
        Its name starts with it.
    sources : list of str
        Texts to compile, each in a file of its own.
    flags : list of str
        Flags of compiling (at linking a sanitizer's flag would add the sanitizer's library).
    libraries : sequence of Path
        To link with: the runtime, for a kernel.
    options : list of str
        Further flags of compiling, of the kernel's author.

    Returns
    -------
    Path
    """
    compiler = current()
    name = named(prefix, flags, options, sources, [path.name for path in libraries]) + ".so"
    found = stored(name)
    if found:
        return found
    target = cache() / name
    with alone(target.parent / f"{prefix}.lock"), tempfile.TemporaryDirectory(dir=target.parent) as place:
        if target.exists():  # somebody built it while we waited
            return target
        objects, header, said = [], precompiled(flags) if libraries else [], ""
        for number, source in enumerate(sources):
            path = Path(place, str(number), "kernel.cu")  # the name that lines belong to
            path.parent.mkdir()
            path.write_text(source, encoding="utf-8")
            objects.append(str(path.with_suffix(".o")))
            chosen = [*flags, *header, *options, f"-I{CUDA}"]
            said += run([*compiler.command, *chosen, "-x", "c++", "-c", str(path), "-o", objects[-1]])
        made = Path(place, name)
        link = ["-shared", f"-Wl,-soname,{name}", "-Wl,-Bsymbolic", *(["-Wl,-z,defs"] if libraries else [])]
        run([*compiler.command, *link, "-o", str(made), *objects, *map(str, libraries)])
        os.chmod(made, 0o755)
        if re.search(f"{DOUBT}|{LARGE}", said):
            made.with_suffix(".txt").write_text(said, encoding="utf-8")
            os.replace(made.with_suffix(".txt"), target.with_suffix(".txt"))
        os.replace(made, target)
    return target


def doubts(path):
    """(line, variable) of the variables that a kernel may read before they have a value, each once."""
    found = re.findall(DOUBT, _warnings(path))
    return list({name: (int(line), name) for line, name in reversed(found)}.values())[::-1]


def frame(path):
    """Bytes that each thread of a kernel has for its own variables; 0 where they are no more than FRAME."""
    return max(map(int, re.findall(LARGE, _warnings(path))), default=0)


def _warnings(path):
    said = path.with_suffix(".txt")
    return said.read_text(encoding="utf-8") if said.exists() else ""


def loaded(make):
    """(path, library) of what `make` builds or finds; a file that a full disk or a power cut left broken is made again.

    Parameters
    ----------
    make : callable
        Returns the path.
    """
    path = make()
    try:
        return path, ctypes.CDLL(str(path))
    except OSError:
        path.unlink(missing_ok=True)
        path = make()
        return path, ctypes.CDLL(str(path))


def build_runtime():
    """The scheduler and the checker, one library for all kernels."""
    parts = [(CUDA / name).read_text(encoding="utf-8") for name in ("runtime.cpp", "faults.cpp", "checker.cpp")]
    return build("runtime", parts, [*common(), "-O2"])


@functools.lru_cache
def _runtime(compiler):
    path, library = loaded(build_runtime)
    for name in ("simt_array", "simt_traffic", "simt_counters"):
        getattr(library, name).restype = None
    return path, library


def runtime():
    """(path, library) of the runtime. It is loaded before kernels, which find it by its name."""
    return _runtime(current())


def common():
    """The flags with which everything is compiled."""
    return [*COMMON, *current().flags, *current().errors]


def flags_of(checked):
    """The flags with which kernels are compiled, with the checker's hooks or without."""
    loud = [flag for flag in common() if flag != "-w"]
    return [*loud, *KERNEL, *AS_CUDA, *current().doubts, *([*CHECKED, *current().watching] if checked else PLAIN)]


def build_kernel(source, checked, options=()):
    """Compile a translated kernel (source.py) into a library.

    Parameters
    ----------
    source : str
    checked : bool
        With the checker's hooks.
    options : sequence of str
        Of the kernel's author: -D and -I count.
    """
    path, _ = runtime()
    chosen = [option for option in options if option.startswith(("-D", "-I", "-U"))]
    return build("checked" if checked else "plain", [source], flags_of(checked), [path], chosen)


def warm(folder):
    """Put the runtime and the precompiled headers into a folder, for processes that have no cache of their own.

    They find it where BNLAB_GPU_WARM says.

    Parameters
    ----------
    folder : Path
        Everybody who shall use it can read it; nobody else should be able to write it.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(build_runtime(), folder)
    for checked in (True, False):
        for header in precompiled(flags_of(checked))[1:]:
            shutil.copytree(Path(header).parent, Path(folder) / Path(header).parent.name, dirs_exist_ok=True)
    for path in Path(folder).rglob("*"):
        os.chmod(path, 0o755)
