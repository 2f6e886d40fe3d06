"""The grader's side of a zygote (sandbox/zygote.py): start it, have it fork workers and reap them."""

import json
import os
import socket
import subprocess
import sys

from autograder.grading import isolation
from autograder.sandbox.zygote import NUMBER

GONE = "the process that starts workers ended; run the command again"


class ZygoteEnded(Exception):
    """The process that forks workers is gone; no student's fault."""


class Zygote:
    """The process that forks workers; one for each process that grades and each set of libraries.

    libraries : tuple of str
        Modules that are loaded before the first fork, beyond NumPy: ("torch",), or ("bnlab.gpu.ready",) for kernels.
    """

    def __init__(self, libraries=()):
        ours, theirs = socket.socketpair()
        self.namespaces = isolation.namespaces()  # "" or why there are none
        environment = {
            "PATH": os.defpath,
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "MPLBACKEND": "Agg",
            # glibc keeps freed memory: page faults would make two copies of one function differ in CPU time
            "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
            "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        }
        locks = json.dumps(isolation.locks(libraries))
        command = [sys.executable, "-I", "-B", str(isolation.SANDBOX / "zygote.py")]
        command += [str(theirs.fileno()), str(isolation.EXERCISES), locks]
        self.process = subprocess.Popen(
            isolation.wrapped([*command, *libraries], not self.namespaces, libraries),
            env={**environment, **isolation.environment(libraries)},
            pass_fds=[theirs.fileno()],
            cwd="/",
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self.control = ours

    def fork(self, link, output):
        """Fork a worker on a socket and an output pipe; returns its pid."""
        try:
            socket.send_fds(self.control, [b"F"], [link.fileno(), output])
        except OSError:
            raise ZygoteEnded(GONE) from None
        return self._number()

    def reap(self, pid):
        """Kill a worker and return its wait status (-1 if it is not ours)."""
        try:
            self.control.sendall(b"R" + NUMBER.pack(pid))
            return self._number()
        except (OSError, ZygoteEnded):
            return -1  # its workers are gone with it

    def _number(self):
        data = b""
        while len(data) < NUMBER.size:
            try:
                part = self.control.recv(NUMBER.size - len(data))
            except OSError:
                part = b""
            if not part:
                raise ZygoteEnded(GONE)
            data += part
        return NUMBER.unpack(data)[0]

    def close(self):
        self.control.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # a machine that has too much to do
            self.process.kill()
            self.process.wait()
