"""What stands between student code and this machine; canaries.py shows whether it holds.

Around the zygote, and so around every worker: bubblewrap with namespaces of their own, a read-only view of Python and
the student library, no network, no /proc; root gives up its rights for a user that owns nothing. In each worker:
resource limits, Landlock, seccomp (sandbox/jail.py). What the system does not offer is left out.
"""

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from autograder.authoring.kernels import GPU
from autograder.course import CourseError
from autograder.sandbox.zygote import descendants

SANDBOX = Path(__file__).parent.parent / "sandbox"
EXERCISES = Path(__file__).parent.parent.parent / "exercises"
MEMORY, MEMORY_TORCH = 4 << 30, 16 << 30  # bytes of address space of a worker
DEVICE = "bnlab.gpu.real"  # the library of workers whose speed is measured on a real GPU (autograder/grading/gpu.py)
MEMORY_OF_ALL = 6 << 30  # bytes that a worker and what it started may hold together
SCRATCH = 512 << 20  # bytes of the memory file system that all workers of a zygote write to
FIRST_USER, USERS = 61184, 4000  # ids that Linux keeps for services that come and go
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
DETAILS = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/alternatives", "/sys/devices/system/cpu")
TORCH = ("torch", "torchgen", "functorch")  # packages that NumPy's tasks must not find


def python_folders():
    """Folders that a worker needs to run Python with the course's libraries."""
    places = {sys.prefix, sys.base_prefix, *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))}
    places.add(str(Path(sys.executable).resolve().parent.parent))
    return sorted(str(place) for place in places if os.path.isdir(place))  # one that we may not see counts as none


def locks(libraries):
    """The arguments of jail.lock for workers with these libraries.

    torch needs more address space, and its processes talk over the loopback of their own network namespace.
    """
    if unlocked(libraries):
        return {"readable": [], "memory": 0, "unlocked": True}
    torch = "torch" in libraries
    found = {"readable": readable(libraries), "memory": MEMORY_TORCH if torch else MEMORY, "network": torch}
    found["compiler"] = GPU in libraries
    if DEVICE in libraries:  # its driver is a set of devices
        found |= {"memory": MEMORY_TORCH, "devices": devices()}
    return found if namespaces() == "" else without(found, hidden(libraries))


def unlocked(libraries):
    """Whether workers on a GPU run as they are: `make gpu` asks for it (BN_GPU_UNLOCKED), which times our own code."""
    return DEVICE in libraries and bool(os.environ.get("BN_GPU_UNLOCKED"))


def devices():
    """The files by which a process talks to NVIDIA's driver."""
    return sorted(str(path) for path in Path("/dev").glob("nvidia*"))


def cuda_folders():
    """Folders outside of the system's that CUDA's libraries may be in, and what the driver tells."""
    places = [os.environ.get("CUDA_PATH", ""), *os.environ.get("LD_LIBRARY_PATH", "").split(":"), "/sys", "/proc"]
    return [place for place in places if place.startswith("/") and os.path.isdir(place)]


def hidden(libraries):
    """Folders of packages that workers with these libraries must not find: where NumPy is asked for, no torch."""
    places = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")} if "torch" not in libraries else ()
    return sorted(str(place / name) for place in places for name in TORCH if (place / name).is_dir())


def without(locks, folders):
    """The same locks, but that these folders cannot be read: what is around them is allowed piece by piece.

    Landlock knows no exceptions. In namespaces an empty folder lies over them instead, which costs a worker less.
    """
    readable, listed = list(locks["readable"]), []
    for folder in [Path(folder).resolve() for folder in folders]:
        while covering := [place for place in readable if folder.is_relative_to(Path(place).resolve())]:
            for place in covering:
                readable.remove(place)
                if folder != Path(place).resolve():
                    listed.append(place)
                    readable += [str(child) for child in Path(place).iterdir()]
    return {**locks, "readable": readable, "listed": listed}


def readable(libraries=()):
    """Everything that a worker may read."""
    own = [str(SANDBOX), str(EXERCISES / "bnlab"), *([simulator()] if GPU in libraries else [])]
    own += cuda_folders() if DEVICE in libraries else []
    return [*SYSTEM, *DETAILS, *python_folders(), *own, "/dev/urandom"]


def environment(libraries):
    """What the environment of workers with these libraries has in addition: where the GPU simulator is, compiled; or
    where CUDA is."""
    if DEVICE in libraries:
        names = ("CUDA_PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
        return {name: os.environ[name] for name in names if name in os.environ}
    return {"BNLAB_GPU_WARM": simulator()} if GPU in libraries else {}


@functools.cache
def simulator():
    """A folder with the compiled GPU simulator, for all workers of this process; workers add kernels in their own."""
    from bnlab.gpu import compiler

    folder = tempfile.mkdtemp(prefix="bn-gpu-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        compiler.warm(folder)
    except RuntimeError as error:
        raise CourseError(f"kernels cannot be graded here: {error}") from None
    os.chmod(folder, 0o755)
    return folder


def free_user():
    """An id of FIRST_USER and the next USERS that no process has: each zygote, and so each worker, is alone with it."""
    taken = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            taken.add(process.stat().st_uid)
    free = [user for user in range(FIRST_USER, FIRST_USER + USERS) if user not in taken]
    return secrets.choice(free)


def wrapped(command, namespaces, libraries=()):
    """The zygote's command inside its namespaces.

    Parameters
    ----------
    command : list of str
    namespaces : bool
        False leaves the command as it is, but for the user.
    libraries : tuple of str
        What its workers have loaded.
    """
    if unlocked(libraries):
        return command
    as_root, drop = os.geteuid() == 0, []
    if as_root:
        user = free_user()
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
    if not namespaces:
        return [*drop, *command]
    wrap = ["bwrap", "--unshare-pid", "--proc", "/proc", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    wrap += ["--unshare-cgroup-try", "--die-with-parent"]
    wrap += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if as_root else ["--unshare-user"]
    return [*wrap, *folders_in(libraries, as_root), "--chdir", "/tmp", "--", *drop, *command]


def folders_in(libraries, as_root):
    """bubblewrap's arguments for what there is on the disk of a zygote: what its workers may read, and a place of its
    own to write to, which belongs to everybody where the zygote becomes another user than root."""
    wrap = []
    for folder in SYSTEM:
        if os.path.islink(folder):
            wrap += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            wrap += ["--ro-bind", folder, folder]
    wrap += ["--dev", "/dev", "--size", str(SCRATCH), "--tmpfs", "/tmp"]
    if as_root:
        wrap += ["--chmod", "1777", "/tmp"]
    for device in devices() if DEVICE in libraries else ():
        wrap += ["--dev-bind", device, device]
    places = [place for place in readable(libraries) if place not in ("/dev/urandom", "/proc", *SYSTEM)]
    places = [place for place in places if not place.startswith(("/usr/", "/lib/")) and os.path.exists(place)]
    parents = {str(parent) for place in places for parent in Path(place).parents} - {"/", "/tmp", "/dev"}
    for parent in sorted(parents):
        wrap += ["--perms", "0755", "--dir", parent]  # bubblewrap makes them its user's alone
    for place in places:
        wrap += ["--ro-bind", place, place]
    for folder in hidden(libraries):
        wrap += ["--tmpfs", folder, "--ro-bind", str(SANDBOX / "absent.py"), f"{folder}/__init__.py"]
    return wrap


@functools.cache
def namespaces():
    """ "" where bubblewrap can start Python here, or why not."""
    if sys.platform != "linux":
        return f"{sys.platform} has none"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    probe = wrapped([sys.executable, "-I", "-c", "import numpy"], True)
    done = subprocess.run(probe, capture_output=True, text=True, cwd="/", timeout=60)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["bubblewrap fails"])[-1][:200]


def too_much_below(pid, limit):
    """Whether the processes below one hold more than `limit` bytes of memory together.

    A limit on each process is none on all of them together: where a worker may start processes, this is looked at.
    What processes share by forking is counted once, which takes longer to find out and is done only near the limit.
    """
    below = descendants(pid)
    files = sum(map(files_in_memory, below))
    return all(
        files + sum(held(child, *source) for child in below) > limit
        for source in (("status", ("RssAnon", "RssShmem")), ("smaps_rollup", ("Pss_Anon", "Pss_Shmem")))
    )


def held(pid, file, fields):
    """Bytes that a process holds, by these fields of a file in /proc; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().split("\n")
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(fields))


def files_in_memory(pid):
    """Bytes of files without a name (memfd_create) that a process has open or mapped; workers on a GPU may make them.

    Nothing counts them as memory of the process before it touches a page.
    """
    found = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
            span, _, _, _, number, *path = line.split(maxsplit=5)
            if path and path[0].startswith("/memfd:"):
                first, end = (int(one, 16) for one in span.split("-"))
                found[int(number)] = found.get(int(number), 0) + end - first
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed by now
                if os.readlink(link).startswith("/memfd:"):
                    about = link.stat()
                    found[about.st_ino] = about.st_blocks * 512
    return sum(found.values())
