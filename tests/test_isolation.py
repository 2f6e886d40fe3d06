"""Student code is locked in: shown by canaries, and by answers that try to get out."""

import os
import shutil
import subprocess
import sys
import time
import unicodedata

import pytest

from autograder import course
from autograder.bench.certify import Bench
from autograder.grading import canaries, execute, isolation
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote, ZygoteEnded

FULL = isolation.namespaces() == ""
if not FULL and not os.environ.get("CI"):
    pytest.skip(f"no namespaces here: {isolation.namespaces()}", allow_module_level=True)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    os.environ["BN_COURSE"] = str(tmp_path_factory.mktemp("course"))
    yield Bench("03_forward")
    del os.environ["BN_COURSE"]


@pytest.mark.parametrize("libraries", [(), execute.material("08_pytorch").libraries], ids=["numpy", "torch"])
def test_canaries_find_no_way_out(libraries, tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    found = execute.isolation_of(libraries)
    assert (found.tier, found.missing, found.escaped) == ("S3", {}, ())


def test_tiers_follow_from_what_is_missing():
    assert canaries.tier({}, ()) == "S3"
    assert canaries.tier({"namespaces": "none"}, ()) == "S2"
    assert canaries.tier({"namespaces": "none", "seccomp": "none"}, ()) in ("S0", "S1")
    assert canaries.tier({}, ("send by UDP",)) in ("S0", "S1")


def verdict_of(bench, source):
    cell = bench.script.cell("batch-statistics-test")
    (verdict,) = bench.verdicts(cell, {"batch-statistics": source}, ["attacker"])
    return verdict


HEAD = "import os, sys, socket, subprocess, signal, time\nimport numpy as np\n"
RIGHT = "def batch_statistics(x):\n    return x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)\n"
ATTEMPTS = {
    "reads the solutions": f"open({str(course.SOLUTIONS / '03_forward.py')!r}).read()",
    "lists the repository": f"assert os.listdir({str(course.REPOSITORY)!r} + '/solutions')",
    "reads the gradebook": f"open({str(course.REPOSITORY / 'autograder' / 'course' / 'gradebook.db')!r}, 'rb').read()",
    "reads a home": f"os.listdir({os.path.expanduser('~')!r}); open({os.path.expanduser('~/.bashrc')!r}).read()",
    "writes into bnlab": f"open({str(course.EXERCISES / 'bnlab' / 'checking.py')!r}, 'a').write('#')",
    "imports the grader": "import autograder.grading.referee",
    "looks into the parent": "open(f'/proc/{os.getppid()}/environ').read()",
    "signals the parent": "os.kill(os.getppid(), signal.SIGSTOP)",
    "connects": "socket.create_connection(('127.0.0.1', 22), timeout=1)",
    "runs a shell": "assert subprocess.run(['sh', '-c', 'cat /etc/shadow'], check=True)",
    "takes memory": "np.ones(1 << 33)",
    "finds torch": "import torch",
    "keeps memory outside its process": "os.memfd_create('kept')",
    "starts a process": "os.fork()",
    "limits another process": "import resource; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3))",
    "moves another process": "os.sched_setaffinity(os.getppid(), {0})",
    "changes the priority of others": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "fills the disk": "open('big', 'wb').write(b'0' * (200 << 20))",
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_fails_and_costs_nothing_else(bench, name):
    """The forbidden act raises in the student's own cell; the right answer beside it still counts."""
    attempt = f"try:\n    {ATTEMPTS[name]}\nexcept BaseException:\n    print('stopped')\nelse:\n    print('ESCAPED')\n"
    source = f"{HEAD}{RIGHT}\n{attempt}"
    verdict = verdict_of(bench, source)
    assert verdict.verdict == "passed", verdict.message
    assert "ESCAPED" not in bench.referee.session.printed["batch-statistics"]


DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {}
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(0.3)
"""
OF_A_THREAD = (
    "import threading; [threading.Thread(target=lambda: os.fork() or time.sleep(600)).start() for _ in range(5)]"
)


@pytest.mark.parametrize(
    "does", ["os.setsid()", f"os.setsid(); {OF_A_THREAD}"], ids=["alone", "with threads that fork"]
)
def test_a_daemon_does_not_outlive_its_worker(bench, does):
    zygote = execute.zygote(("torch",))  # workers for NumPy cannot fork at all
    worker = Worker(zygote)
    worker.allow(20, "a daemon")
    assert worker.run_cell("daemon", HEAD + DAEMON.format(does)) is None
    worker.close()
    tree = children_of(zygote.process.pid)
    assert len(tree) <= 2, f"left running: {tree}"


def test_a_worker_that_does_not_start_leaves_nothing_open(monkeypatch):
    """A grading process goes on for thousands of submissions: what each failed start kept would add up."""

    def silent(worker):
        raise ZygoteEnded("no greeting")

    monkeypatch.setattr(Worker, "_greeting", silent)
    zygote = Zygote()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ZygoteEnded):
        Worker(zygote)
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(children_of(zygote.process.pid)) <= 2  # bubblewrap and the zygote
    zygote.process.kill()
    zygote.process.wait()
    with pytest.raises(ZygoteEnded):
        Worker(zygote)
    assert len(os.listdir("/proc/self/fd")) == before
    zygote.close()


def test_nothing_of_a_student_moves_the_terminal(bench):
    """What is said of a submission is printed, and a line of it is one line."""
    source = """
def batch_statistics(x):
    try:
        open("/x\\n  look at honest: \\x1b[2J")
    finally:
        raise type("A\\x1b[2J", (Exception,), {})("\\x1b]0;title\\x07\\r\\u202e\\x9b2J")
"""
    message, notes = verdict_of(bench, source).message, bench.referee.session.noted
    assert "A?[2J: ?]0;title" in message and any("opens /x" in note for note in notes)
    marks = set(message.replace("\n", "").join(notes))
    assert not [mark for mark in marks if unicodedata.category(mark) in ("Cc", "Cf")]


MESSES = {
    "closed": "os.makedirs('a/b')\nopen('a/b/c', 'wb').write(b'0' * (9 << 20))\nos.chmod('a/b', 0)\nos.chmod('a', 0)\n",
    "closed altogether": "open('big', 'wb').write(b'0' * (50 << 20))\nos.chmod('.', 0)\n",
    "deep": "for _ in range(3000):\n    os.mkdir('a')\n    os.chdir('a')\n",
    "a link": "os.symlink('/tmp', 'a')\nos.mkdir('b')\nos.symlink('..', 'b/c')\n",
}


@pytest.mark.parametrize("mess", MESSES)
def test_nothing_of_a_worker_is_left(bench, mess):
    """All workers of a zygote share the room that files take, and one after the other asks the same process."""
    zygote, homes = execute.zygote(()), []
    for code in (MESSES[mess], ""):
        worker = Worker(zygote)
        worker.allow(20, "a mess")
        assert worker.run_cell("mess", f"import os\nhome = os.getcwd()\nthere = {homes}\n{code}") is None
        tell = "def tell():\n    return home, [place for place in there if os.path.lexists(place)]"
        assert worker.run_cell("tell", tell) is None
        home, left = worker.value("tell", {"op": "call", "name": "tell"}, {"args": [], "kwargs": {}})
        homes.append(home)
        worker.close()
        assert zygote.process.poll() is None
    assert homes[0] != homes[1] and left == []


def children_of(pid):
    """All processes below a process."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if parent == pid:
                found += [int(name), *children_of(int(name))]
    return found


def test_student_code_is_not_root(bench):
    source = f"{HEAD}{RIGHT}\nprint('uid', os.getuid())\n"
    verdict_of(bench, source)
    assert "uid 0" not in bench.referee.session.printed["batch-statistics"].split("\n")


def test_an_unsafe_machine_is_refused(run, tmp_path):
    """Without any layer `grade` stops with the cure; --allow-unsafe goes on."""
    program = tmp_path / "unsafe.py"  # a file: the grading processes load it again, and see no layer either
    program.write_text(
        "import sys; from autograder import __main__; from autograder.grading import canaries\n"
        "canaries.inspect = lambda zygote: canaries.Isolation('S0', {'landlock': 'not here'}, ('send by UDP',))\n"
        "if __name__ == '__main__':\n    sys.exit(__main__.main(sys.argv[1:]))\n"
    )
    arguments = ["grade", "03_forward", "--submissions", "autograder/sample_class", "--student", "empty"]
    paths = os.pathsep.join([str(course.REPOSITORY), str(course.EXERCISES)])
    done = run(sys.executable, program, *arguments, env={"BN_COURSE": str(tmp_path), "PYTHONPATH": paths})
    assert done.returncode == 1 and "--allow-unsafe" in done.stderr and "needs Linux 5.13" in done.stderr
    assert shutil.which("bwrap") is None or "isolation S0" in done.stderr


def test_torch_is_hidden_without_namespaces_too(run):
    """Landlock alone: the folder of torch cannot be read, what lies around it can."""
    code = """
from autograder.grading import isolation
isolation.namespaces = lambda: "switched off"
from autograder.grading import canaries
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote
zygote = Zygote()
worker = Worker(zygote)
worker.allow(60, "a test")
print(worker.run_cell("near", "import matplotlib, scipy.stats"), worker.run_cell("torch", "import torch; torch.ones"))
worker.close(); zygote.close()
"""
    done = run(sys.executable, "-c", code)
    assert done.stdout.startswith("None the cell `torch` raised "), done.stdout + done.stderr


def test_no_program_is_asked_over_a_local_socket_without_namespaces_too(run, tmp_path):
    """Landlock lets a process connect to any program's socket; a canary sees it where seccomp does not stop it."""
    code = """
from autograder.grading import isolation
isolation.namespaces = lambda: "switched off"
from autograder.grading import canaries
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote
zygote = Zygote()
print(canaries.inspect(zygote))
worker = Worker(zygote)
worker.allow(60, "a test")
tries = "import socket; socket.socket(socket.AF_UNIX)", "import socket; socket.socketpair(type=socket.SOCK_DGRAM)"
print([worker.run_cell("socket", one) for one in (*tries, "import asyncio; await asyncio.sleep(0)")])
worker.close(); zygote.close()
zygote = Zygote(("torch",))
print(canaries.inspect(zygote))
zygote.close()
"""
    paths = os.pathsep.join([str(course.REPOSITORY), str(course.EXERCISES)])
    done = run(sys.executable, "-c", code, env={"PYTHONPATH": paths, "BN_COURSE": str(tmp_path)})
    numpy, tries, torch = done.stdout.splitlines()
    assert numpy.startswith("isolation S2") and "could" not in numpy, done.stdout + done.stderr
    assert tries.count("PermissionError") == 2 and tries.endswith(", None]"), tries
    assert "student code could" in torch and "over a local socket" in torch, "workers with torch need sockets"


def test_memory_of_several_processes_is_counted_together():
    """What a worker's children hold counts as its own; what they share by forking counts once."""
    zygote = execute.zygote(("torch",))
    worker = Worker(zygote)
    worker.allow(30, "a test")
    code = "import os, time\nfor _ in range({}):\n    if os.fork() == 0:\n        {}\n        time.sleep(60)"
    assert worker.run_cell("shares", code.format(6, "pass")) is None
    time.sleep(0.3)
    assert not isolation.too_much_below(zygote.process.pid, 500 << 20)
    assert worker.run_cell("holds", code.format(3, "kept = b'x' * (200 << 20)")) is None
    deadline = time.monotonic() + 20
    while not isolation.too_much_below(zygote.process.pid, 500 << 20):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    worker.close()


HOLDS = """
import ctypes, mmap, os
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
opened, hidden = (os.memfd_create(name) for name in ("opened", "hidden"))
for file in opened, hidden:
    os.posix_fallocate(file, 0, 8 << 20)
    libc.mmap(None, ctypes.c_size_t(8 << 20), mmap.PROT_READ, mmap.MAP_SHARED, file, ctypes.c_long(0))
os.close(hidden)
print(flush=True)
input()
"""


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory here")
def test_files_in_memory_are_weighed_too(monkeypatch):
    """Pages that a process has and does not touch stand in no sum of its own: those of open files, and mapped ones."""
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        found = isolation.files_in_memory(process.pid)
        monkeypatch.setattr(isolation, "descendants", lambda pid: [process.pid])
        monkeypatch.setattr(isolation, "held", lambda *source: 0)
        heavy = [isolation.too_much_below(0, limit) for limit in (found - 1, found)]
        process.communicate("\n")
    assert found == 16 << 20 and heavy == [True, False]


DRIVER = """
import os, sys
sys.path.insert(0, sys.argv[1])
import jail
jail.landlock(sys.argv[2], ["/usr", "/lib", "/lib64", "/proc", sys.prefix, sys.base_prefix], devices=sys.argv[3:])
for path in ("/proc/self/comm", "/proc/self/task/%d/comm" % os.getpid(), "/dev/zero", "/proc/%d/comm" % os.getppid()):
    try:
        with open(path, "w") as file:
            file.write("x")
        print("wrote")
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize("devices, expected", [(["/dev/zero"], ["wrote"] * 3), ([], ["PermissionError"] * 3)])
def test_the_driver_of_a_gpu_may_write_about_its_own_process_alone(tmp_path, devices, expected, on_ci):
    """CUDA names its threads in /proc and does not start where it cannot: seen on an H100."""
    command = [sys.executable, "-I", "-c", DRIVER, str(isolation.SANDBOX), str(tmp_path), *devices]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "jail.landlock" in done.stderr and not on_ci:
        pytest.skip(f"no Landlock here: {done.stderr.splitlines()[-1]}")
    assert done.stdout.split() == [*expected, "PermissionError"], done.stderr


STARTS = """
import ctypes, socket, sys
sys.path.insert(0, sys.argv[1])
import jail
jail.seccomp(driver=sys.argv[2] == "driver")
print(ctypes.CDLL(None).memfd_create(b"a file in memory", 0) >= 0)

def tried(act):
    try:
        return act() is None
    except PermissionError:
        return False

def listen(kind):
    line = socket.socket(socket.AF_UNIX, kind)
    line.bind("\\0cuda-uvmfd-" + sys.argv[3])
    line.listen()

print(tried(lambda: listen(socket.SOCK_SEQPACKET)))
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
    print(tried(lambda: socket.socket(socket.AF_UNIX, kind).close()))
print(tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_SEQPACKET)))
print(tried(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect("/nobody")))
"""


@pytest.mark.parametrize("who, expected", [("driver", [True, True]), ("anybody", [False, False])])
def test_the_driver_of_a_gpu_starts_and_nobody_is_asked(tmp_path, who, expected, on_ci):
    """What CUDA does when it starts: a file in memory, a socket to listen on, by a name without a file."""
    command = [sys.executable, "-I", "-c", STARTS, str(isolation.SANDBOX), who, tmp_path.name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "pyseccomp" in done.stderr and not on_ci:
        pytest.skip(f"no seccomp here: {done.stderr.splitlines()[-1]}")
    assert done.stdout.split() == [str(one) for one in [*expected, *[False] * 5]], done.stderr
