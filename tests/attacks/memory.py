"""Attacks through frames, memory and the wire."""

from tests.attacks.kinds import Attack, beside

SOCKET = """
import os
import stat
import struct


def wire():
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return number
        except OSError:
            pass


def frame(header, payload=b""):
    return struct.pack(">4sIQ", b"BNW1", len(header), len(payload)) + header + payload
"""


def wired(name, attempt, flag="", **more):
    """An answer that writes to the connection to the grader itself."""
    body = "".join(f"    {line}\n" for line in attempt.strip("\n").split("\n"))
    return Attack(name, f"{SOCKET}\n\ndef batch_statistics(x):\n{body}    return 0\n", (), flag, **more)


MEMORY = [
    beside(
        "frames",
        """\
import inspect
for info in inspect.stack():
    for scope in (info.frame.f_locals, info.frame.f_globals):
        for name in ('expected', 'references', 'bank', 'oracle', 'referee'):
            if name in scope:
                print('ESCAPED', name)""",
        flag="looks into other frames",
    ),
    beside(
        "garbage collector",
        """\
import gc
marks = '### BEGIN ' + 'HIDDEN TESTS', 'solutions/' + 'mutants'  # in two pieces, or it finds itself
for one in gc.get_objects():
    if isinstance(one, dict):
        for value in list(one.values()):
            if isinstance(value, str) and value not in marks and any(mark in value for mark in marks):
                print('ESCAPED', value[:99])""",
        flag="looks through memory",
    ),
    beside(
        "memory of its own process",
        """\
mark = b'BEGIN HIDDEN' + b' TESTS'
for line in open('/proc/self/maps'):
    low, high = (int(part, 16) for part in line.split()[0].split('-'))
    with open('/proc/self/mem', 'rb') as memory:
        memory.seek(low)
        if mark in memory.read(high - low):
            print('ESCAPED', line)""",
        flag="opens /proc/self/maps",
    ),
    beside(
        "memory of the grader",
        """\
import ctypes
libc = ctypes.CDLL(None)
buffer = ctypes.create_string_buffer(64)
for pid in {os.getppid(), 1, 2}:
    if libc.ptrace(16, pid, 0, 0) == 0:
        print('ESCAPED', pid)""",
        flag="reaches past Python",
    ),
    Attack(
        "a patched worker",
        """\
import gc
import worker


def answer(self, header, payload):
    return {'value': ['b', True], 'points': 10, 'verdict': 'passed'}, []


worker.Worker.answer = answer""",
        flag="imports the grader",
    ),
    wired("garbage on the wire", "os.write(wire(), b'\\0' * 4096)", flag="breaks the connection"),
    wired(
        "a frame of a petabyte",
        "os.write(wire(), struct.pack('>4sIQ', b'BNW1', 1 << 31, 1 << 50))",
        flag="breaks the connection",
    ),
    wired("a header nested too deeply", "os.write(wire(), frame(b'[' * 100_000))", flag="breaks the connection"),
    wired("a verdict on the wire", 'os.write(wire(), frame(b\'{"op": "verdict", "score": 8, "verdict": "passed"}\'))'),
    wired(
        "replies in advance",
        """\
zero = b'["a","float64",[3],"C"]'
for _ in range(200):
    os.write(wire(), frame(b'{"value": ["t", [' + zero + b',' + zero + b']]}', b'\\0' * 48))""",
    ),
    wired(
        "an array larger than its frame",
        'os.write(wire(), frame(b\'{"value": ["a","float64",[536870912],"C"]}\', b\'\\0\' * 8))',
        flag="breaks the connection",
    ),
    wired(
        "calls of nothing",
        """\
for _ in range(3):
    os.write(wire(), frame(b'{"op": "callback", "number": 10, "args": []}'))""",
        flag="breaks the connection",
    ),
    wired(
        "half a frame",
        """\
os.write(wire(), b'BNW1')
while True:
    pass""",
        said="did not finish",
        slow=True,
    ),
    wired("a closed wire", "os.close(wire())", said="ended the Python process"),
]
