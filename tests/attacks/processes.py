"""Attacks with processes, signals, the network, loops and bombs."""

from tests.attacks.kinds import RIGHT, STATISTICS, Attack, beside, inside

DAEMON = """\
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open('/tmp/bn-attack-daemon', 'w').write('x')
        time.sleep(120)
    os._exit(0)
print('ESCAPED')"""
PROCESSES = [
    beside("a daemon", DAEMON, "starts a process"),
    beside(
        "a shell",
        """\
import subprocess
print('ESCAPED', subprocess.run(['sh', '-c', 'id; ls /'], capture_output=True).stdout)
""",
        "starts a process",
    ),
    beside(
        "processes without end",
        """\
for _ in range(150):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
print('ESCAPED')""",
        "starts a process",
    ),
    beside(
        "threads without end",
        """\
import threading
for _ in range(150):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print('ESCAPED')""",
        "starts a thread",
    ),
    beside(
        "TCP",
        """\
import socket
with socket.create_connection(('127.0.0.1', @TCP@), timeout=2) as line:
    line.sendall(b'x')
print('ESCAPED')""",
        "uses the network",
    ),
    beside(
        "UDP",
        """\
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', @UDP@))
print('ESCAPED')""",
        "uses the network",
    ),
    beside(
        "a local socket",
        """\
import socket
line = socket.socket(socket.AF_UNIX)
line.connect('\\0bn-attack')
print('ESCAPED')""",
        "uses the network",
    ),
    beside(
        "a web page",
        """\
import urllib.request
print('ESCAPED', urllib.request.urlopen('http://127.0.0.1:@TCP@/', timeout=2))""",
        "uses the network",
    ),
    beside(
        "kills the grader",
        """\
import signal
for pid in (-1, os.getppid(), 1, 2):
    try:
        os.kill(pid, signal.SIGKILL)
        print('ESCAPED' if pid > 0 else 'sent', pid)
    except OSError:
        pass""",
        "sends",
    ),
    beside(
        "stops the grader",
        """\
import signal
for pid in (os.getppid(), 1, 2):
    try:
        os.kill(pid, signal.SIGSTOP)
        print('ESCAPED', pid)
    except OSError:
        pass""",
        "sends",
    ),
    beside(
        "starves the grader",
        """\
import resource
resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3))
print('ESCAPED')""",
        "changes limits",
    ),
    inside("os._exit", "os._exit(0)", "ends the process", said="ended the Python process"),
    Attack(
        "exit in a cell",
        """\
import sys

sys.exit(0)""",
        said="SystemExit",
    ),
    inside(
        "a crash of the interpreter",
        """\
import ctypes
ctypes.string_at(0)""",
        "reaches past Python",
        said="ended the Python process",
    ),
    inside("os.abort", "os.abort()", "ends the process", said="ended the Python process"),
    inside(
        "an endless loop",
        """\
while True:
    x = x + 0""",
        said="did not finish",
        slow=True,
    ),
    inside(
        "a loop that swallows interrupts",
        """\
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        while True:
            pass
    except BaseException:
        pass""",
        "catches signals",
        said="did not finish",
    ),
    inside(
        "a loop inside C",
        """\
import re
re.match('(a+)+$', 'a' * 64 + 'b')""",
        said="did not finish",
        slow=True,
    ),
    inside("sleep without end", "time.sleep(3600)", said="did not finish", slow=True),
    Attack(
        "a loop in a cell",
        """\
while True:
    pass""",
        said="did not finish",
        slow=True,
    ),
]


BOMBS = [
    beside(
        "memory at once",
        """\
block = bytearray(12 << 30)
print('ESCAPED')""",
    ),
    beside(
        "memory piece by piece",
        """\
blocks = []
while len(blocks) < 100:
    blocks.append(np.empty(1 << 23))
print('ESCAPED')""",
    ),
    beside(
        "memory in the kernel",
        """\
for number in range(120):
    os.write(os.memfd_create('x'), b'0' * (32 << 20))
print('ESCAPED')""",
    ),
    beside(
        "one huge file",
        """\
with open('big', 'wb') as file:
    for _ in range(80):
        file.write(b'0' * (4 << 20))
print('ESCAPED')""",
    ),
    beside(
        "many files",
        """\
for number in range(40):
    with open(f'big{number}', 'wb') as file:
        file.write(b'0' * (60 << 20))
print('ESCAPED')""",
    ),
    beside(
        "many open files",
        """\
files = [open(os.devnull) for _ in range(3000)]
print('ESCAPED')""",
    ),
    beside(
        "output without end",
        """\
for _ in range(2000):
    print('0' * 100_000)""",
    ),
    Attack("output on one line", RIGHT + "\nprint('0' * (100 << 20))\n", STATISTICS),
    inside("an answer of 2 GB", "return np.zeros(1 << 28), np.zeros(1 << 28)"),
    inside(
        "output from a thread",
        """\
import threading


def shout():
    while True:
        os.write(1, b'0' * 65536)


for _ in range(4):
    threading.Thread(target=shout, daemon=True).start()
while True:
    pass""",
        "starts a thread",
        said="did not finish",
        slow=True,
    ),
]
