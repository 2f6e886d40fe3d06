"""Run a function in several real processes that talk through torch.distributed: what data-parallel training does.

    from bnlab.distributed import run
    run(sync_batch_statistics, [x[:5], x[5:]])     # process 0 gets 5 samples, process 1 the rest

Each process is a fork of this one, so the function may be defined in a notebook. They meet through a file and talk by
gloo over the loopback network; nothing leaves the machine. Needs Linux, WSL or macOS: Windows cannot fork.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import warnings
from datetime import timedelta

from bnlab.answers import ChangedArguments, line_text, message_of, own_line

TIMEOUT = 8.0  # seconds of computing time of a process until it is given up
PATIENCE = 5  # seconds of waiting allowed for each of them: a busy machine is no mistake
STILL = 2.0  # seconds in which nothing moves, until a process says that it stands still
SURE = 1.0  # seconds in which all processes stand still, until they are given up
LOOK = 0.1  # seconds between two looks at whether a process moves
LOST_PEER = ("RuntimeError", "DistBackendError", "DistNetworkError", "ended")  # what a process says when another left


class NoLoopback(RuntimeError):
    """This machine gives its processes no loopback network to talk over."""

    answer_kind = "needs-person"  # the machine's fault, not the student's


class Deadlock(TimeoutError):
    """Processes wait for one another and nothing moves, or one of them computes for ever."""

    answer_kind = "timeout"


class ProcessFailed(RuntimeError):
    """The function raised in one of the processes."""


def run(function, shards, groups=None, timeout=TIMEOUT):
    """Call function(shard, group=...) in one process for each shard, at the same time.

    Parameters
    ----------
    function : callable
        (shard, group) -> result. Inside, `torch.distributed` is initialized: `all_reduce` and its kin work.
    shards : list
        The first argument in process 0, 1, ...
    groups : list of lists of int, optional
        Processes that form a group of their own: [[0, 2], [1]]. Each process gets its group, or None without groups
        (which stands for all processes).
    timeout : float
        Seconds of computing time for each process.

    Returns
    -------
    list
        The results of process 0, 1, ...

    Raises
    ------
    ProcessFailed
        Where the function raises in a process; NotImplementedError where it is not written yet.
    Deadlock
        Where all processes wait for one another, or one is not done after the timeout.
    NoLoopback
    """
    return run_all([function], shards, groups, timeout)[0]


def run_all(functions, shards, groups=None, timeout=TIMEOUT):
    """As `run` for several functions in turn, in the same processes: a list of results for each function."""
    require_loopback()
    if not hasattr(os, "fork"):
        raise RuntimeError("two processes need Linux, WSL or macOS; on Windows use Colab or WSL for this task")
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in shards]
    with tempfile.TemporaryDirectory(prefix="bn-meeting-") as folder:
        meeting = (os.path.join(folder, "store"), len(shards), groups, timeout)
        processes = [
            context.Process(target=_serve, args=(functions, shard, rank, meeting, pipes), daemon=True)
            for rank, shard in enumerate(shards)
        ]
        sys.stdout.flush()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # a notebook's kernel has threads; they stay behind
                for process in processes:
                    process.start()
            for _, writing in pipes:
                writing.close()
            return _gather([reading for reading, _ in pipes], len(functions), timeout)
        finally:
            for (reading, _), process in zip(pipes, processes):
                reading.close()
                _end(process)


def require_loopback():
    """Raise NoLoopback where two processes of this machine cannot talk over TCP."""
    try:
        with socket.socket(socket.AF_INET) as door, socket.socket(socket.AF_INET) as guest:
            door.bind(("127.0.0.1", 0))
            door.listen(1)
            guest.settimeout(2)
            guest.connect(door.getsockname())
    except OSError as error:
        raise NoLoopback(f"processes cannot talk over the loopback network here ({error})") from None


def _gather(connections, count, timeout):
    """The results of all processes, function by function; the first failure ends the waiting."""
    results = [[None] * len(connections) for _ in range(count)]
    waiting, deadline = dict.fromkeys(range(len(connections)), 0), time.monotonic() + PATIENCE * timeout
    still = set()  # processes in which nothing moves
    while waiting:
        stuck, left = still >= waiting.keys(), max(0.0, deadline - time.monotonic())
        ready = multiprocessing.connection.wait(
            [connections[rank] for rank in waiting], min(SURE, left) if stuck else left
        )
        if not ready and stuck:
            raise Deadlock(
                "the processes wait for one another and nothing moves: "
                "every process has to make the same collective calls in the same order"
            )
        if not ready:
            raise Deadlock(f"the processes were not done after {PATIENCE * timeout:.0f} s")
        failures = []
        for connection in ready:
            rank = connections.index(connection)
            kind, *content = _read(connection)
            if kind in ("still", "moves"):
                (still.add if kind == "still" else still.discard)(rank)
                continue
            if kind == "busy":
                raise Deadlock(f"process {rank} was not done after {timeout:.0f} s of computing")
            if kind != "result":
                failures.append((rank, kind, *content))
                continue
            results[waiting[rank]][rank] = content[0]
            waiting[rank] += 1
            if waiting[rank] == count:
                del waiting[rank]
        if failures:
            others = [connections[rank] for rank in waiting if rank not in [failure[0] for failure in failures]]
            for connection in multiprocessing.connection.wait(others, 0.3) if others else []:
                kind, *content = _read(connection)
                if kind not in ("result", "still", "moves", "busy"):
                    failures.append((connections.index(connection), kind, *content))
            _fail(*min(failures, key=lambda failure: failure[1] in LOST_PEER))
    return results


def _read(connection):
    try:
        return pickle.loads(connection.recv_bytes())  # from a fork of this very process
    except EOFError:
        return "ended", "", ""


def _fail(rank, kind, message, where):
    if kind == "changed":
        raise ChangedArguments(message)
    if kind == "NotImplementedError":
        raise NotImplementedError(message)
    if kind == "ended":
        raise ProcessFailed(f"process {rank} ended without a result: did they exchange tensors of one shape?")
    raise ProcessFailed(f"process {rank} raised {kind}: {message}{where}")


def _end(process):
    """Wait for a process that is done, end one that is not; where signals are not allowed its own alarm ends it."""
    process.join(0.5)
    if process.is_alive():
        with contextlib.suppress(OSError):
            process.terminate()
            process.join(1)


def _serve(functions, shard, rank, meeting, pipes):
    """In the child: meet the others, call the functions, send what they give, and leave without a trace."""
    connection = pipes[rank][1]
    say = _sender(connection)
    try:
        for reading, writing in pipes:
            reading.close()
            if writing is not connection:
                writing.close()
        threading.Thread(target=_tell_whether_it_moves, args=(say, meeting[-1]), daemon=True).start()
        _work(functions, shard, rank, meeting, say)
    except BaseException as error:
        with contextlib.suppress(OSError):
            say(_account(error))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _sender(connection):
    """A function that sends a message whole, whichever thread calls it."""
    lock = threading.Lock()

    def say(message):
        with lock:
            connection.send_bytes(pickle.dumps(message))

    return say


def _tell_whether_it_moves(say, timeout):
    """In a thread of the child: tell when its main thread stops using the processor, and when it goes on.

    A thread that waits for a message that never comes uses none at all. One that has to wait for a busy machine does
    not either, but Linux calls it runnable, and this thread has to wait as well: what it sees then does not count. So
    a right answer is not called stuck, however slow the machine is, and a stuck one is found in seconds.
    """
    if not hasattr(time, "pthread_getcpuclockid"):
        return  # macOS: the parent's patience ends it
    clock = time.pthread_getcpuclockid(threading.main_thread().ident)
    used, since, told = -1.0, 0.0, False
    with contextlib.suppress(OSError):  # the parent is gone
        while time.process_time() < timeout:
            before = time.monotonic()
            time.sleep(LOOK)
            now, last, used = time.monotonic(), used, time.clock_gettime(clock)
            if used != last or now - before > 3 * LOOK:
                since = now
                if told:
                    say(("moves",))
                told = False
            elif not told and now - since > STILL and _all_sleep():
                say(("still",))
                told = True
        say(("busy",))


def _all_sleep():
    """Whether no other thread of this process is known to wait for a processor (proc(5): any state but S)."""
    with contextlib.suppress(OSError):  # macOS, or a sandbox without /proc
        for thread in {*os.listdir("/proc/self/task")} - {str(threading.get_native_id())}:
            with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{thread}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] != "S":
                    return False
    return True


def _work(functions, shard, rank, meeting, say):
    import torch
    import torch.distributed as dist

    path, world, groups, timeout = meeting
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(PATIENCE * timeout) + 2)  # whatever happens to the parent
    torch.set_num_threads(1)  # a thread pool of the parent would not have survived the fork
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    patience = timedelta(seconds=PATIENCE * timeout + 1)  # the parent is the first to give up, and says so
    dist.init_process_group("gloo", store=dist.FileStore(path, world), rank=rank, world_size=world, timeout=patience)
    made = [dist.new_group(ranks) for ranks in groups or []]
    group = next((one for one, ranks in zip(made, groups or []) if rank in ranks), None)
    for function in functions:
        say(("result", function(shard, group=group)))
    dist.barrier()  # nobody hangs up while another still talks


def _account(error):
    """What a parent is told of an exception: its kind, its message, and the deepest line outside libraries."""
    if isinstance(error, ChangedArguments):
        return "changed", error.names, ""
    return type(error).__name__, message_of(error)[:500], line_text(*own_line(traceback.walk_tb(error.__traceback__)))
