"""S3 to S0 tried for real, started by root and by an ordinary user: each line names what is missing and the cure."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import course
from autograder.grading import isolation

if sys.platform != "linux" or os.geteuid():
    pytest.skip("needs root, which can become anybody and take layers away", allow_module_level=True)
if isolation.namespaces():
    pytest.skip(f"no namespaces here: {isolation.namespaces()}", allow_module_level=True)

SHOW = """
from autograder.grading import canaries
from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote
zygote = Zygote()
print(canaries.inspect(zygote))
worker = Worker(zygote)
worker.allow(60, "a test")
worker.run_cell("cell", "import os\\ndef who(): return [os.getuid(), os.getgid(), os.getgroups()]")
print(RemoteAnswer(lambda: worker, "who")())
worker.run_cell("touch", TOUCH)
neighbour = Zygote()
other = Worker(neighbour)
print(*RemoteAnswer(lambda: worker, "touch")(other.pid), sep=", ")
for one in (worker, other, zygote, neighbour):
    one.close()
"""
TOUCH = """
import ctypes, os, resource
def touch(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    def ptrace():
        if libc.ptrace(16, pid, 0, 0):
            raise OSError
        libc.ptrace(17, pid, 0, 0)
    acts = {
        "signals": lambda: os.kill(pid, 0),
        "reads its environment": lambda: open(f"/proc/{pid}/environ", "rb").read(1),
        "opens its memory": lambda: open(f"/proc/{pid}/mem", "rb").close(),
        "traces": ptrace,
        "limits": lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE),
    }
    done = []
    for name, act in acts.items():
        try:
            act()
        except Exception:
            continue
        done.append(name)
    return done
"""
SHOW = f"TOUCH = {TOUCH!r}\n{SHOW}"
MACOS = """
import json, os, socket, sys, time
del socket.SO_PASSCRED, socket.SCM_CREDENTIALS
of_linux = time.clock_gettime
def clock_gettime(clock):
    if clock < 0:
        raise OSError("no such clock")
    return of_linux(clock)
time.clock_gettime = clock_gettime
from pathlib import Path
from autograder import course
from autograder.grading import execute
NAME = "01_covariate_shift"
os.environ["BN_COURSE"] = os.getcwd()
data = json.dumps(execute.material(NAME).release).encode()
for allowed in ("", "1"):
    os.environ["BN_ALLOW_UNSAFE"] = allowed
    try:
        result = execute.execute(NAME, "ann", data, secret=b"s")
        print(result["isolation"], *{verdict["verdict"] for verdict in result["verdicts"]})
    except course.CourseError as error:
        print(error)
execute.close_zygotes()
"""
NO_USER_NAMESPACES = """
import ctypes, os, sys
(inside, told), (waiting, go) = os.pipe(), os.pipe()
child = os.fork()
if child:
    os.read(inside, 1)
    for kind in "uid", "gid":
        open(f"/proc/{child}/{kind}_map", "w").write("0 0 65536")
    os.write(go, b"x")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert ctypes.CDLL(None).unshare(0x10000000) == 0
os.write(told, b"x")
os.read(waiting, 1)
open("/proc/sys/user/max_user_namespaces", "w").write("0")
os.execvp(sys.argv[1], sys.argv[1:])
"""
NO_LOCKS = """
import errno, os, sys
import pyseccomp as sc
rules = sc.SyscallFilter(sc.ALLOW)
absent = sc.ERRNO(errno.ENOSYS)
for name in ("landlock_create_ruleset", "seccomp"):
    rules.add_rule(absent, name)
rules.add_rule(absent, "prctl", sc.Arg(0, sc.EQ, 22))
rules.load()
os.execvp(sys.argv[1], sys.argv[1:])
"""
# In a mount namespace of its own: folders that only root may enter become an open one with what is needed in it.
OPENED = """
set -e
closed=$1 aside=$2; shift 2
number=0
for needed in $NEEDED; do
  number=$((number + 1)); mkdir -p "$aside/$number"; mount --bind "$needed" "$aside/$number"
done
mount -t tmpfs -o mode=755 tmpfs "$closed"
number=0
for needed in $NEEDED; do
  number=$((number + 1)); mkdir -p "$needed"; mount --bind "$aside/$number" "$needed"
done
exec "$@"
"""
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The line and the ids of a worker, for a user and without some of the layers, and how it reaches another one."""
    tools = Path(tmp_path_factory.mktemp("tools"))
    (tools / "setpriv").symlink_to(shutil.which("setpriv"))

    def reachable(command):
        """The command where an ordinary user can reach this Python and the course, wherever they lie."""
        needed = {os.path.realpath(place) for place in (sys.base_prefix, sys.prefix, course.REPOSITORY)}
        parents = {parent for place in needed for parent in Path(place).parents}
        closed = sorted(str(parent) for parent in parents if not parent.stat().st_mode & 1)
        if not closed:
            return command
        inside = " ".join(place for place in sorted(needed) if place.startswith(f"{closed[0]}/"))
        opened = ["unshare", "--mount", "--propagation", "private", "env", f"NEEDED={inside}", "sh", "-c", OPENED, "sh"]
        return [*opened, closed[0], str(tools / "aside"), *command]

    def shown(user, bubblewrap=True, user_namespaces=True, locks=True, script=SHOW):
        command = [sys.executable, "-c", script]
        if not bubblewrap:
            command = ["/usr/bin/env", f"PATH={tools}", *command]
        if user == "nobody":
            command = [*NOBODY, *command]
        if not locks:
            command = [sys.executable, "-c", NO_LOCKS, *command]
        if not user_namespaces:
            command = [sys.executable, "-c", NO_USER_NAMESPACES, *command]
        if user == "nobody":
            command = reachable(command)
        environment = {"PYTHONPATH": str(course.EXERCISES), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        environment["PATH"] = os.environ["PATH"]
        done = subprocess.run(
            command, cwd=course.REPOSITORY, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix("\n").split("\n")

    return shown


def test_s3_as_an_ordinary_user(shown):
    line, who, reached = shown("nobody")
    assert reached == "", "workers of two students do not reach one another"
    assert line == "isolation S3: namespaces, Landlock, seccomp"
    assert who == "[65534, 65534, []]" or who.startswith("[65534, 65534")


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_s2_without_bubblewrap(shown, user):
    line, who, reached = shown(user, bubblewrap=False)
    assert reached == ""
    assert line.startswith("isolation S2: Landlock, seccomp; no namespaces (bubblewrap is not installed; install")
    assert "could" not in line
    uid = int(who.strip("[").split(",")[0])
    assert uid == 65534 if user == "nobody" else uid >= isolation.FIRST_USER


def test_s2_where_user_namespaces_are_not_allowed(shown):
    line, _, reached = shown("nobody", user_namespaces=False)
    assert reached == ""
    assert line.startswith("isolation S2: Landlock, seccomp; no namespaces (")
    assert "allow unprivileged user namespaces" in line


def test_s1_root_without_locks(shown):
    line, who, reached = shown("root", bubblewrap=False, locks=False)
    assert reached == "", "each has a user of its own"
    assert line.startswith("isolation S1: a user of its own")
    assert "no landlock (" in line and "Linux 5.13" in line
    assert "no seccomp (" in line and "pip install pyseccomp" in line
    assert "student code could open a TCP connection" in line
    assert int(who.strip("[").split(",")[0]) >= isolation.FIRST_USER, "rights are dropped all the same"


def test_s0_an_ordinary_user_without_locks(shown):
    line, _, reached = shown("nobody", bubblewrap=False, locks=False)
    assert "signals" in reached and "reads its environment" in reached, "nothing keeps them apart"
    assert line.startswith("isolation S0: none")
    assert "student code could" in line and "signal another process" in line


def test_namespaces_alone_are_not_enough(shown):
    line, _, reached = shown("root", locks=False)
    assert reached == ""
    assert line.startswith("isolation S1") and "no landlock" in line and "no seccomp" in line


def test_where_the_system_offers_nothing_the_instructor_must_say_so(shown):
    """As on macOS, which has no locks, no clock of another process and no credentials on a socket."""
    *_, refused, graded = shown("nobody", bubblewrap=False, locks=False, script=MACOS)
    assert refused.startswith("isolation S0: none") and "add --allow-unsafe" in refused
    assert graded.startswith("S0 ") and set(graded.split()[1:]) <= {"missing", "needs-person"}
