"""The proof that student code is locked in: a throw-away worker tries what must be impossible.

What the system does not offer (isolation.py, sandbox/jail.py) is left out, and the tier is what these canaries show:

    S3  namespaces, Landlock and seccomp        S2  Landlock and seccomp
    S1  a user of its own                       S0  none of it
"""

import os
import select
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from autograder.grading.worker import Worker

CURES = {
    "namespaces": "install bubblewrap, and allow unprivileged user namespaces",
    "landlock": "needs Linux 5.13 or later with Landlock enabled",
    "seccomp": "pip install pyseccomp, and install libseccomp2",
}


@dataclass(frozen=True)
class Isolation:
    """What was found on this machine.

    tier : "S3" | "S2" | "S1" | "S0"
    missing : dict
        layer -> why it is not there.
    escaped : tuple of str
        Forbidden acts that succeeded.
    """

    tier: str
    missing: dict
    escaped: tuple

    def __str__(self):
        layers = {
            "S3": "namespaces, Landlock, seccomp",
            "S2": "Landlock, seccomp",
            "S1": "a user of its own",
            "S0": "none",
        }
        text = f"isolation {self.tier}: {layers[self.tier]}"
        lacks = [
            f"no {layer} ({why}; {CURES.get(layer, 'see autograder/README.md')})" for layer, why in self.missing.items()
        ]
        breaches = [f"student code could {act}" for act in self.escaped]
        return "; ".join([text, *lacks, *breaches])


CANARY = """
def canaries(secret, outside, tcp, udp, local):
    import os, signal, socket

    def read():
        open(secret).read()

    def write():
        open(outside, "w").write("x")

    def connect():
        socket.create_connection(("127.0.0.1", tcp), timeout=2).close()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.sendto(b"x", ("127.0.0.1", udp))

    def ask():
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(local)

    def signal_parent():
        os.kill(os.getppid(), 0)

    def environment():
        open(f"/proc/{os.getppid()}/environ", "rb").read(1)

    def spawn():
        children = []
        try:
            for _ in range(65):
                pid = os.fork()
                if pid == 0:
                    signal.pause()
                children.append(pid)
        finally:
            os._bn_children = children

    def allocate():
        len(bytearray(20 << 30))

    acts = {
        "read a file of yours": read,
        "write outside its folder": write,
        "open a TCP connection": connect,
        "send by UDP": send,
        "ask a program of yours over a local socket": ask,
        "signal another process": signal_parent,
        "read another process's environment": environment,
        "start 65 processes": spawn,
        "take 20 GB of memory": allocate,
    }
    done = []
    for name, act in acts.items():
        try:
            act()
            done.append(name)
        except BaseException:
            pass
    return done
"""


def inspect(zygote):
    """Let the canaries out and see.

    Parameters
    ----------
    zygote : autograder.grading.zygote.Zygote

    Returns
    -------
    Isolation
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket() as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as local,
    ):
        os.chmod(folder, 0o777)
        secret = Path(folder, "secret")
        secret.write_text("x")
        secret.chmod(0o644)
        for line in (tcp, udp):
            line.bind(("127.0.0.1", 0))
        local.bind(f"{folder}/local")
        os.chmod(f"{folder}/local", 0o666)
        tcp.listen()
        local.listen()
        worker = Worker(zygote)
        try:
            worker.allow(20, "the canaries")
            layers = dict(worker.value("the layers", {"op": "layers"}))
            worker.run_cell("canaries", CANARY)
            ports = [tcp.getsockname()[1], udp.getsockname()[1]]
            arguments = [str(secret), str(Path(folder, "outside")), *ports, f"{folder}/local"]
            call = {"op": "call", "name": "canaries"}
            escaped = worker.value("the canaries", call, {"args": arguments, "kwargs": {}})
        finally:
            worker.close()
        # a network namespace has a loopback of its own: what counts is what arrives here
        arrived = {"open a TCP connection": _readable(tcp), "send by UDP": _readable(udp)}
        escaped = tuple(act for act in escaped if arrived.get(act, True))
    missing = {layer: why for layer, why in {"namespaces": zygote.namespaces, **layers}.items() if why}
    return Isolation(tier(missing, escaped), missing, escaped)


def _readable(line):
    return bool(select.select([line], [], [], 0)[0])


def tier(missing, escaped):
    """The tier that layers and canaries add up to."""
    if not escaped and not missing:
        return "S3"
    if not escaped and not {"landlock", "seccomp", "limits"} & set(missing):
        return "S2"
    return "S1" if os.geteuid() == 0 else "S0"
