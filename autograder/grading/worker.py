"""The grader's side of a worker (sandbox/worker.py): fork one, and talk to it within a deadline.

Everything that comes from a worker is a claim of the student's code. This module turns claims into plain values or
into an AnswerError; no byte sequence of a worker may raise anything else, and none may make it wait past the deadline.
"""

import contextlib
import os
import selectors
import socket
import struct
import time

import numpy as np
from bnlab.answers import AnswerError, changed_text

from autograder.grading import isolation
from autograder.grading.remote import RemoteObject, error_kind, error_text, harmless
from autograder.grading.zygote import ZygoteEnded
from autograder.sandbox import wire

CELL_SECONDS = 5.0  # CPU time of one cell of the notebook, or of all calls of one test cell
PATIENCE = 4  # wall time allowed for each second of CPU time: a busy machine costs nobody a grade
MOST_STRAIN = 5.0  # times as much is allowed at most, where a machine has that many more tasks than cores
MAX_OUTPUT = 20_000  # bytes of printed output kept for one submission
WEIGH_EVERY = 0.25  # seconds between two looks at a busy worker's memory
MAX_NOTES = 40  # on what one submission tried
MAX_READS = 64  # reads of printed output in a row
TOLD = hasattr(socket, "SO_PASSCRED")  # whether the system tells who sends on a socket
CREDENTIALS = struct.Struct("iII")  # pid, uid, gid
MAX_DROPS = 10_000  # handles that are given up with one request
MAX_CALLBACKS = 200_000  # calls of the referee's functions in one call of the student's
MAX_CALLBACK = 16 << 20  # bytes of the arguments of one such call


def cpu_clock(pid):
    """CPU seconds that a process has used, all its threads together; wall time where the system cannot tell."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except (OSError, AttributeError, OverflowError):
        return time.perf_counter()


def strain():
    """How many times longer than alone a task takes here at present, by the load of the last minute; at least 1."""
    try:
        return min(MOST_STRAIN, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
    except OSError:
        return 1.0


@contextlib.contextmanager
def our_fault(worker):
    """Within it a worker runs a hidden solution: what goes wrong is no student's fault.

    Raises
    ------
    ZygoteEnded
        Where it dies or hangs.
    RuntimeError
        Where it raises an error.
    """
    try:
        yield
    except AnswerError as error:
        kind = RuntimeError if worker.alive else ZygoteEnded
        raise kind(f"the hidden solution stopped in its race: {error.text}") from None


class Worker:
    """One worker process.

    Its methods raise AnswerError with kind "timeout" or "crashed" where it does not answer; after that it is dead.
    """

    def __init__(self, zygote):
        self.zygote, self.number = zygote, 0
        self.link, theirs = socket.socketpair()
        self.output, writing = os.pipe()
        if TOLD:
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            with theirs, os.fdopen(writing, "wb"):
                self.number = zygote.fork(theirs, writing)  # its pid in the zygote's namespace
            self.pid = self._greeting()
        except BaseException:
            zygote.reap(self.number)
            self.link.close()
            os.close(self.output)
            raise
        self.link.setblocking(False)
        os.set_blocking(self.output, False)
        self.selector = selectors.DefaultSelector()
        self.events = selectors.EVENT_READ
        self.selector.register(self.link, self.events)
        self.selector.register(self.output, selectors.EVENT_READ)
        self.printed, self.cut = bytearray(), False
        self.deadline = self.cpu_deadline = 0.0
        self.where = "the set-up"
        self.inbox = wire.Inbox(self._receive_into)
        self.callbacks = []
        self.noted, self.dropped = [], []
        self.weighed = time.monotonic()

    def _greeting(self):
        """The worker's pid in our namespace, as Linux gives it with the first byte that it sends.

        Where a system does not, such as macOS, it has no namespaces either: the zygote's number is the pid.
        """
        self.link.settimeout(20)
        try:
            hello, ancillary, _, _ = self.link.recvmsg(1, socket.CMSG_SPACE(CREDENTIALS.size))
        except OSError:
            hello, ancillary = b"", []
        if not hello:
            raise ZygoteEnded("a worker did not start; run the command again")
        if not TOLD:
            return self.number
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        found = [
            data for level, kind, data in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
        ]
        return CREDENTIALS.unpack(found[0])[0]

    # -- deadlines -------------------------------------------------------------------------------------------------
    def allow(self, seconds, where):
        """Give all that follows this many seconds of CPU time, and PATIENCE times as many of wall time, more on a
        busy machine.

        where : str
            Named in messages.
        """
        self.seconds, self.where = seconds, where
        self.deadline = time.monotonic() + PATIENCE * strain() * seconds
        self.cpu_deadline = cpu_clock(self.pid) + seconds

    def _remaining(self):
        left = min(self.deadline - time.monotonic(), self.cpu_deadline - cpu_clock(self.pid))
        if left <= 0:
            self._die(
                AnswerError("timeout", f"your code did not finish within {self.seconds:.0f} s in `{self.where}`.")
            )
        return left

    def _die(self, error):
        self.close()
        raise error

    def _crashed(self):
        self._die(AnswerError("crashed", f"your code ended the Python process in `{self.where}`."))

    def _broken(self, error):
        self.note([f"`{self.where}` breaks the connection to the grader ({error})"])
        self._die(AnswerError("crashed", f"your code broke the connection to the grader in `{self.where}` ({error})."))

    @property
    def alive(self):
        return self.selector is not None

    def close(self):
        """Kill the worker and free what belongs to it; safe to repeat."""
        if not self.alive:
            return
        self._drain()
        self.zygote.reap(self.number)
        self._drain()
        self.selector.close()
        self.selector = None
        self.link.close()
        os.close(self.output)

    # -- requests --------------------------------------------------------------------------------------------------
    def request(self, header, values=None):
        """Send one request and return (header, payload) of the reply, serving callbacks on the way.

        values : dict, optional
            Field of the header -> value to encode.
        """
        if not self.alive:
            raise AnswerError("crashed", f"your code ended the Python process before `{self.where}`.")
        self.callbacks = []
        dropped, self.dropped = self.dropped[:MAX_DROPS], self.dropped[MAX_DROPS:]
        self._send({**header, "drop": dropped} if dropped else header, values)
        calls = 0
        while True:
            reply, payload = self._receive()
            self.note(reply.get("noted"))
            if reply.get("op") != "callback":
                return reply, payload
            calls += 1
            if calls > MAX_CALLBACKS:
                self._die(AnswerError("timeout", f"your code called the given function too often in `{self.where}`."))
            self._call_back(reply, payload)

    def note(self, notes):
        """Keep what the worker tells about its student's attempts: a claim that costs no points."""
        for note in notes if type(notes) is list else ():
            if type(note) is str and len(self.noted) < MAX_NOTES:
                text = harmless(note[:300]).replace("\n", " ")
                self.noted += [text] if text not in self.noted else []

    def _call_back(self, reply, payload):
        try:
            function = self.callbacks[reply["number"]]
        except (LookupError, TypeError) as error:
            self._broken(error)
        if len(payload) > MAX_CALLBACK:
            self._broken(f"the given function was called with {len(payload) >> 20} MB")
        try:
            args = wire.Decoder(payload, handle=refuse_handle).decode(reply.get("args"))
            value = function(*args)
            header = {"view": view_of(value, args)}
            wire.Encoder(self._refer).encode(value)
        except Exception as error:  # an argument of the wrong kind is told to the student
            header, value = {"error": f"{type(error).__name__}: {error}"[:300]}, None
        self._send(header, None if "error" in header else {"value": value})

    def _refer(self, value):
        """How an object that cannot cross is named: one that the worker holds, or a function of the referee."""
        if type(value) is RemoteObject:
            return ["h", value._bn[1], value.type_name]
        if type(value) is np.random.Generator:
            return wire.generator(value)
        if not callable(value):
            raise TypeError(f"a {type(value).__name__} cannot be sent to a worker")
        self.callbacks.append(value)
        return ["c", len(self.callbacks) - 1]

    def _send(self, header, values):
        encoder = wire.Encoder(self._refer)
        header = {**header, **{name: encoder.encode(value) for name, value in (values or {}).items()}}
        for part in wire.pack(header, encoder.arrays):
            view = memoryview(part).cast("B") if len(part) else memoryview(b"")
            while len(view):
                try:
                    view = view[self.link.send(view) :]
                except BlockingIOError:
                    self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE)
                except OSError:
                    self._crashed()

    def _receive(self):
        if self.inbox.empty:
            self._wait(selectors.EVENT_READ)
        else:
            self._remaining()
        try:
            return self.inbox.frame()
        except wire.WireError as error:
            self._broken(error)

    def _receive_into(self, view):
        while True:
            try:
                received = self.link.recv_into(view)
            except BlockingIOError:
                self._wait(selectors.EVENT_READ)
                continue
            except OSError:
                self._crashed()
            if not received:
                self._crashed()
            return received

    def _wait(self, events):
        if events != self.events:
            self.selector.modify(self.link, events)
            self.events = events
        ready = self.selector.select(timeout=min(max(0.01, self._remaining()), WEIGH_EVERY))
        if any(key.fd == self.output for key, _ in ready):
            self._drain()
        if time.monotonic() > self.weighed + WEIGH_EVERY:
            self.weighed = time.monotonic()
            if isolation.too_much_below(self.zygote.process.pid, isolation.MEMORY_OF_ALL):
                room = isolation.MEMORY_OF_ALL >> 30
                self._die(AnswerError("crashed", f"your code took more than {room} GB of memory in `{self.where}`."))

    def _drain(self):
        """Take printed output as it comes, keep the beginning."""
        try:
            for _ in range(MAX_READS):  # not until it is empty: a worker may print as fast as this reads
                data = os.read(self.output, 1 << 16)
                if not data:
                    break
                room = MAX_OUTPUT - len(self.printed)
                self.printed += data[:room]
                self.cut |= len(data) > room
            else:
                return
            if self.alive and self.output in self.selector.get_map():
                self.selector.unregister(self.output)  # closed by the worker
        except OSError:  # nothing is there for the moment
            pass

    def text(self):
        """What the worker printed so far, cut."""
        if self.alive:
            self._drain()
        return self.printed.decode("utf-8", "replace") + ("\n[output cut]" if self.cut else "")

    # -- what the referee asks -------------------------------------------------------------------------------------
    def run_cell(self, name, source):
        """Run a cell; returns None or a sentence on what it raised."""
        reply, _ = self.request({"op": "cell", "name": name, "source": source})
        return error_text(f"the cell `{name}`", reply["error"]) if "error" in reply else None

    def past(self, answers):
        """Let answers meet the names that they use as these stood when the answers were defined; with none, as now.

        Returns
        -------
        bool
            Whether any of them stood for something else.
        """
        return self.value("past", {"op": "past", "answers": answers}) is True

    def value(self, name, header, values=None):
        """A request whose reply holds a value; errors of the student's code become AnswerError."""
        reply, payload = self.request(header, values)
        if "error" in reply:
            raise AnswerError(error_kind(reply["error"]), error_text(name, reply["error"]))
        try:
            decoder = wire.Decoder(payload, handle=lambda number, kind: RemoteObject(self, number, kind, name))
            value = decoder.decode(reply["value"]) if "value" in reply else None
        except wire.WireError as error:
            self._broken(error)
        changed = reply.get("changed")
        if type(changed) is list and changed:
            raise AnswerError("changed", changed_text(name, [str(item)[:60] for item in changed[:4]]))
        return value


def refuse_handle(number, kind):
    """A function of the referee takes plain values; what a worker cannot send is named to the student."""
    raise wire.WireError(f"the given function was called with {kind}; pass a float64 array")


def view_of(value, args):
    """Strides of a result that is a view of the first argument's memory, so that the worker can make the same view.

    A student who writes into an array whose view the function returned changes that result; at home as in grading.
    """
    if not (isinstance(value, np.ndarray) and args and isinstance(args[0], np.ndarray)):
        return None
    if value.base is None and value is not args[0]:
        return None  # the common case, told quickly: an array of its own
    same_start = value.__array_interface__["data"][0] == args[0].__array_interface__["data"][0]
    whole = args[0].flags.c_contiguous or args[0].flags.f_contiguous
    return list(value.strides) if same_start and whole and value.dtype == args[0].dtype else None
