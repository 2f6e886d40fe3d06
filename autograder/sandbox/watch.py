"""Notes of what a student's code tries, for a person to read: an audit hook in the worker.

It may know what Python's own audit events tell (PEP 578), and what the modules of bnlab and of the worker held before
the student's first cell. It decides nothing: what is forbidden fails by the locks of jail.py, and a student who takes
the notes away keeps no more than the silence.
"""

import contextlib
import os
import re
import sys
import types

MAX_NOTES = 20
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PATHS = {
    "os.listdir": "lists",
    "os.scandir": "lists",
    "os.remove": "removes",
    "os.rename": "renames",
    "os.mkdir": "makes",
    "os.rmdir": "removes",
    "os.chmod": "changes the rights of",
    "os.symlink": "links to",
    "os.link": "links to",
    "os.truncate": "cuts",
}
ACTS = {
    "socket.connect": "connects to a network address",
    "socket.bind": "opens a network port",
    "socket.sendto": "sends to a network address",
    "socket.getaddrinfo": "looks up a network address",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.exec": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "pty.spawn": "starts a process",
    "os.kill": "sends a signal",
    "os.killpg": "sends a signal",
    "signal.pthread_kill": "sends a signal",
    "ctypes.dlopen": "reaches past Python (ctypes)",
    "ctypes.dlsym": "reaches past Python (ctypes)",
    "ctypes.string_at": "reads memory past Python (ctypes)",
    "ctypes.cdata": "reads memory past Python (ctypes)",
    "gc.get_objects": "looks through memory (gc)",
    "gc.get_referrers": "looks through memory (gc)",
    "gc.get_referents": "looks through memory (gc)",
    "sys._current_frames": "looks into other frames",
    "sys.settrace": "hooks into Python",
    "sys.setprofile": "hooks into Python",
    "sys.addaudithook": "hooks into Python",
    "resource.setrlimit": "changes its limits",
    "resource.prlimit": "changes limits",
    "_thread.start_new_thread": "starts a thread",
    "object.__setattr__": "changes a function's code",
}

FRAMES = {"sys._getframe": (), "object.__getattr__": ("tb_frame", "gi_frame", "cr_frame", "ag_frame")}
NORMALIZES = re.compile("(batch|layer|group|instance|rms)_norm")  # operations of torch
OURS = ("bnlab", "worker", "wire", "watch")  # modules that an answer has no reason to change


class Watch:
    """The notes of one worker.

    Parameters
    ----------
    allowed : list of str
        Folders in which an answer may read; its own folder is the working directory.
    """

    def __init__(self, allowed):
        self.notes, self.told = [], 0
        self.allowed = tuple(os.path.realpath(folder) for folder in allowed)
        self.home = os.path.realpath(".")
        self.known, self.modules, self.busy = parts(), len(sys.modules), False
        sys.addaudithook(self._hear)

    def look(self):
        """Note which parts of our modules are others than before."""
        changed, larger = [], len(sys.modules) != self.modules
        for space, (names, size, held) in self.known.items():
            changed += [f"{space}.{name}" for name, one in held.items() if names.get(name) is not one]
            if len(names) != size:
                larger = True
                changed += [f"{space}.{name}" for name in acting(names).keys() - held.keys()]
        self.notes += [f"something replaces {place}" for place in sorted(changed)[: MAX_NOTES - len(self.notes)]]
        if changed or larger:
            self.known, self.modules = parts(), len(sys.modules)

    def torch(self, answer):
        """A context in which torch's normalizations are noted, by whatever name a student found them.

        answer : str
            Name of the function or class that is being tested.
        """
        if "torch" not in sys.modules:
            return contextlib.nullcontext()
        from torch.utils._python_dispatch import TorchDispatchMode

        noted = self.notes

        class Look(TorchDispatchMode):
            def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
                if NORMALIZES.search(operation.name()) and not asked_for(sys._getframe(1)) and len(noted) < MAX_NOTES:
                    place = student_line(sys._getframe(1))
                    note = f"torch normalizes for {answer}" + (f" in `{place[0]}` (line {place[1]})" if place else "")
                    noted.extend([note] if note not in noted else [])
                return operation(*args, **(kwargs or {}))

        return Look()

    def new(self):
        """What was noted since the last call."""
        fresh, self.told = self.notes[self.told :], len(self.notes)
        return fresh

    def _hear(self, event, arguments):
        if event in FRAMES:
            return self._frames(event, arguments)
        if event not in ACTS and event not in PATHS and event != "open" or len(self.notes) >= MAX_NOTES:
            return
        busy, self.busy = self.busy, True  # our own look at frames
        try:
            act = self._act(event, arguments)
            place = act and student_line(sys._getframe(1))
            note = place and f"`{place[0]}` {act} (line {place[1]})"
        except Exception:
            return
        finally:
            self.busy = busy
        if note and note not in self.notes:
            self.notes.append(note)

    def _frames(self, event, arguments):
        """Libraries look into frames all the time; a cell has no reason to."""
        if self.busy or FRAMES[event] and arguments[1] not in FRAMES[event]:
            return
        self.busy = True
        asking = sys._getframe(2)
        self.busy = False
        file = asking.f_code.co_filename
        note = f"`{file[6:-1]}` looks into other frames (line {asking.f_lineno})"
        if file.startswith("<cell ") and note not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(note)

    def _act(self, event, arguments):
        if event == "object.__setattr__" and not changes_code(*arguments[:2]):
            return ""
        if event in ACTS:
            return ACTS[event]
        path = arguments[0]
        if isinstance(path, (str, bytes, os.PathLike)):
            path = os.path.normpath(os.path.join(self.home, os.fsdecode(path)))
            writes = event == "open" and bool(arguments[2] & WRITES)
            free = (self.home, "/dev/null") if writes or event not in ("open", "os.listdir", "os.scandir") else ()
            if not path.startswith(free or (self.home, "/dev/", *self.allowed)):
                return f"{'writes' if writes else PATHS.get(event, 'opens')} {path[:120]}"
        return ""


def parts():
    """Our modules and the classes in them: name -> names there, how many these are, and those that act.

    That a function gets other code is an audit event of its own.
    """
    spaces = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in OURS and isinstance(module, types.ModuleType):
            spaces[name] = vars(module)
            inner = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == name]
            spaces.update((f"{name}.{one.__qualname__}", vars(one)) for one in inner)
    return {space: (names, len(names), acting(names)) for space, names in spaces.items()}


def acting(names):
    """What can be called, and what a class computes: properties and the like."""
    return {name: one for name, one in list(names.items()) if callable(one) or hasattr(type(one), "__get__")}


def changes_code(thing, name):
    """Whether setting this attribute changes what ours, or any function, does.

    Data classes and named tuples set names, docs and defaults of what they have just made.
    """
    if name in ("__class__", "__bases__"):
        return (thing if isinstance(thing, type) else type(thing)).__module__.partition(".")[0] in OURS
    file = getattr(getattr(thing, "__code__", None), "co_filename", "")
    ours = f"{os.sep}bnlab{os.sep}" in file or file.startswith(os.path.dirname(__file__))
    return name == "__code__" or ours and name in ("__defaults__", "__kwdefaults__")


def asked_for(frame):
    """Whether a test drive itself lets torch normalize: to compare with torch's layer, or in a model to be folded."""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.endswith(f"{os.sep}torch_drivers.py") and code.co_name in ("torchs_own", "drive_fold"):
            return True
        frame = frame.f_back
    return False


def student_line(frame):
    """(cell, line) of the student's code for which a frame runs, () where an import or a library runs for itself."""
    for _ in range(60):
        if frame is None or frame.f_code.co_filename.startswith("<frozen importlib"):
            return ()
        if f"{os.sep}bnlab{os.sep}" in frame.f_code.co_filename:
            return ()  # the student library compiles kernels and starts processes for its tasks
        if frame.f_code.co_filename.startswith("<cell "):
            return frame.f_code.co_filename[6:-1], frame.f_lineno
        frame = frame.f_back
    return ()
