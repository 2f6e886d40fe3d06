"""The zygote: a process with the libraries loaded and no secrets, which forks workers.

It may know: Python, NumPy, the student library bnlab. It must never see: tests, solutions, mutants, the gradebook.
A worker forked from it starts in milliseconds and finds nothing of these in its memory.

It is run by path (`python -I zygote.py SOCKET_FD EXERCISES_FOLDER LOCKS [LIBRARY ...]`, LOCKS being the JSON arguments
of jail.lock), so that the repository is not on its import path. The libraries are those that the tasks of a notebook
declare (torch); without any there is NumPy alone.

Over the socket come single bytes: b"F" with two file descriptors forks a worker on them (answer: its pid); b"R" + pid
kills and reaps one (answer: its wait status). Reaping is asked for, so that a pid is never reused under the referee.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import socket
import struct
import sys
import tempfile

NUMBER = struct.Struct(">q")


def preload(libraries=()):
    """Import what workers need; heavy libraries come in only for the notebooks that declare them.

    An import starts no thread here (the environment says one thread), so that forking stays safe.
    """
    import bnlab  # noqa: F401
    import jail  # noqa: F401
    import numpy  # noqa: F401
    import numpy.random  # noqa: F401
    import numpy.testing  # noqa: F401
    import worker  # noqa: F401

    with contextlib.suppress(ImportError, OSError, RuntimeError):
        import pyseccomp  # noqa: F401
    with contextlib.suppress(ImportError):  # translates magics; loaded here, so that no worker waits for it
        import IPython.core.inputtransformer2  # noqa: F401
    for library in libraries:
        importlib.import_module(library)


def serve(control, locks):
    """Fork and reap until the other end closes."""
    scratch = {}
    while True:
        try:
            request, descriptors, _, _ = socket.recv_fds(control, 1 + NUMBER.size, 2)
        except OSError:
            break
        if not request:
            break
        if request[:1] == b"F":
            home = tempfile.mkdtemp(prefix="bn-worker-")
            pid = os.fork()
            if pid == 0:
                control.close()
                become_worker(*descriptors, home, locks)
            scratch[pid] = home
            for descriptor in descriptors:
                os.close(descriptor)
            control.sendall(NUMBER.pack(pid))
        else:
            (pid,) = NUMBER.unpack(request[1:])
            control.sendall(NUMBER.pack(reap(pid, scratch)))
    for pid in list(scratch):
        reap(pid, scratch)


def reap(pid, scratch):
    """Kill a worker with everything it started in its session, and clean its folder."""
    if pid not in scratch:
        return -1
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except OSError:
            pass
    _, status = os.waitpid(pid, 0)
    end_orphans(scratch)
    remove(scratch.pop(pid))
    return status


def remove(folder):
    """Remove a folder whatever a student made of it: closed to its own user, or deeper than Python's stack.

    What lies deep is lifted up step by step. Nothing may stay, for all workers of a zygote share the room.
    """
    try:
        lifted = tempfile.mkdtemp(prefix="bn-lifted-", dir=os.path.dirname(folder))
        os.chmod(folder, 0o700)
        os.rename(folder, os.path.join(lifted, "0"))
        waiting, count = ["0"], 1
        while waiting:
            place = os.path.join(lifted, waiting.pop())
            with os.scandir(place) as entries:
                for entry in list(entries):
                    if entry.is_dir(follow_symlinks=False):
                        os.chmod(entry.path, 0o700)  # a folder that is not open cannot be moved
                        os.rename(entry.path, os.path.join(lifted, str(count)))
                        waiting.append(str(count))
                        count += 1
                    else:
                        os.unlink(entry.path)
            os.rmdir(place)
        os.rmdir(lifted)
    except OSError as error:
        print(f"{folder} could not be removed: {error}", file=sys.stderr)


def end_orphans(workers):
    """Kill everything below us but the workers themselves.

    What a worker left running became our child when its parent died, and so does what that one has started. Each is
    kept from forking before it is killed, so that even a fork bomb comes to an end.
    """
    ended = set()
    for _ in range(100):
        strays = set(descendants(os.getpid())) - workers.keys()
        for stray in strays:
            with contextlib.suppress(AttributeError, OSError, ValueError):  # not on macOS
                resource.prlimit(stray, resource.RLIMIT_NPROC, (0, 0))
            end(stray)
        ours = strays.intersection(children(os.getpid()))
        for child in ours:
            os.waitpid(child, 0)
        if not ours and strays <= ended:
            break
        ended |= strays


def end(pid):
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def children(pid):
    """The pids of a process's children, whichever of its threads started them; empty where /proc does not tell."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return found


def descendants(pid):
    """The pids of all processes below one."""
    found = children(pid)
    return found + [below for child in found for below in descendants(child)]


def become_worker(link, output, home, locks):
    """In the child: own session, throw-away home and folder, output to the pipe, then the worker's loop."""
    import jail
    import worker

    try:
        os.setsid()
        os.chdir(home)
        os.environ.update(HOME=home, TMPDIR=home, BN_GRADING="1")
        os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)  # of the zygote, in which a worker may not write
        tempfile.tempdir = home
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(null)
        os.close(output)
        sys.stdin = open(0, closefd=False)
        sys.stdout = open(1, "w", buffering=1, closefd=False, errors="replace")
        sys.stderr = open(2, "w", buffering=1, closefd=False, errors="replace")
        connection = socket.socket(fileno=link)
        connection.sendall(b"!")  # the kernel adds the pid as the referee sees it
        worker.serve(connection, jail.lock(home, **locks), locks["readable"])
    finally:
        os._exit(0)


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:0] = [sys.argv[2], here]
    preload(sys.argv[4:])
    sys.path.remove(here)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to us
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to handle
    serve(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[3]))
