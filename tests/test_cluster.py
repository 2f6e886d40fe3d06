"""`grade --scheduler` on a real Dask cluster: a worker is killed, others do not fit, and nothing is lost."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from autograder import course
from autograder.__main__ import main
from autograder.grading import cluster, execute, grade

NAME = "03_forward"
STUDENTS = [f"student-{number:02}" for number in range(9)]
WORKERS = 4
PATIENCE = 400  # seconds, on a machine that has too much to do
pytestmark = pytest.mark.xdist_group("cluster")


def hand_in(folder, seconds):
    """A class whose cells take a while without using the processor; a few have slips, as in the sample class."""
    sample = course.REPOSITORY / "autograder" / "sample_class"
    for number, student in enumerate(STUDENTS):
        kind = ("perfect", "slip-momentum", "other-style")[number % 3]
        notebook = nbformat.read(sample / kind / f"{NAME}.ipynb", as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(f"import time\ntime.sleep({seconds})  # {student}"))
        path = folder / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


class Machines:
    """A scheduler and workers, each a process."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.file = folder / "scheduler.json"
        self.start(["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"])
        self.wait(self.file.exists)
        self.address = json.loads(self.file.read_text())["address"]

    def start(self, words, path=""):
        environment = {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1", "BN_COURSE": "/nonexistent"}
        command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
        where = ["--scheduler-file", str(self.file)]
        output = open(self.folder / f"{len(self.processes)}.log", "w")
        self.processes.append(
            subprocess.Popen([*command, *where], cwd=self.folder, env=environment, stdout=output, stderr=output)
        )
        return self.processes[-1]

    def worker(self, path=course.REPOSITORY):
        return self.start(["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"], path)

    def wait(self, ready):
        end = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < end, "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
            time.sleep(0.05)

    def close(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    started = Machines(tmp_path_factory.mktemp("machines"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def another_version(tmp_path_factory):
    """This repository with one slip explained in other words: another grader."""
    copy = tmp_path_factory.mktemp("copy") / "repository"
    for part in ("autograder", "solutions", "exercises"):
        skip = shutil.ignore_patterns("course", "sample_class", "__pycache__")
        shutil.copytree(course.REPOSITORY / part, copy / part, ignore=skip)
    with open(copy / "solutions" / "mutants" / "__init__.py", "a") as file:
        file.write("# another version\n")
    return copy


@pytest.fixture(scope="module")
def graded(machines, another_version, tmp_path_factory):
    """A class graded on four workers, of which one is killed while it grades; what the command said."""
    from distributed import Client

    folder = tmp_path_factory.mktemp("cluster")
    environment = {**os.environ, "BN_COURSE": str(folder / "course"), "PYTHONPATH": "exercises"}
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    hand_in(folder / "course" / "submitted", 1)
    workers = [machines.worker() for _ in range(WORKERS)]
    machines.worker(another_version)
    machines.worker("")  # a machine without this repository
    command = [sys.executable, "-m", "autograder", "grade", NAME, "--scheduler", machines.address]
    with Client(machines.address, set_as_default=False) as client, open(folder / "said", "w") as said:
        machines.wait(lambda: len(client.scheduler_info()["workers"]) == WORKERS + 2)
        pids = {pid: address for address, pid in client.run(os.getpid).items()}
        running = subprocess.Popen(
            command, cwd=course.REPOSITORY, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        machines.processes.append(running)
        results = folder / "course" / "results"
        machines.wait(lambda: results.exists() and len(list(results.glob("*.json"))) >= 2)
        busy = []
        machines.wait(lambda: busy.extend(one for one in workers if client.processing().get(pids[one.pid])) or busy)
        busy = busy[0]
        busy.send_signal(signal.SIGKILL)
        code = running.wait(timeout=PATIENCE)
    return folder / "course", code, (folder / "said").read_text(), pids[busy.pid]


def log_of(folder):
    (path,) = (folder / "logs").glob("*-grade-*.log")
    return path.read_text()


def test_nothing_is_lost_or_graded_twice(graded):
    folder, code, said, _ = graded
    assert code == 0, said
    stored = [json.loads(path.read_text()) for path in (folder / "results").glob("*.json")]
    assert sorted(result["student"] for result in stored) == STUDENTS
    lines = re.findall(r"(?m)^\S+ (student-\d\d): ([\d.]+) of", log_of(folder))
    assert sorted(student for student, _ in lines) == STUDENTS
    assert len({result["host"] for result in stored}) >= WORKERS - 1, "the work was shared"
    from autograder.gradebook import Course

    with Course(folder).gradebook() as book:
        scores = {one.student.id: one.score for one in book.assignment_submissions(NAME)}
    assert scores == {student: float(points) for student, points in lines}


def test_the_scores_are_those_of_this_machine(graded, monkeypatch):
    """One that has a slip, graded here with the same secret: the same points, verdicts and messages."""
    folder, student = graded[0], STUDENTS[1]
    monkeypatch.setenv("BN_COURSE", str(folder))
    data = grade.find(NAME)[0][student]
    there, _ = execute.stored(NAME, student, data, folder / "results")
    here = execute.execute(NAME, student, data)
    assert [one["verdict"] for one in there["verdicts"]].count("failed") == 1
    for mine, theirs in zip(here["verdicts"], there["verdicts"]):
        assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}


def test_workers_that_do_not_fit_are_refused_by_name(graded):
    _, _, said, _ = graded
    flat = re.sub(r"\s+", " ", said)
    (refused,) = re.findall(r"refused: worker tcp://127\.0\.0\.1:\d+: has grader version (\w+), not (\w+)", flat)
    assert refused[0] != refused[1] == execute.grader_version(NAME)
    assert re.search(r"refused: worker tcp://127\.0\.0\.1:\d+: ModuleNotFoundError: No module named 'autograder'", flat)


def test_a_second_run_grades_nothing(graded, machines, monkeypatch, capsys):
    folder = graded[0]
    monkeypatch.setenv("BN_COURSE", str(folder))
    before = {path: path.stat().st_mtime_ns for path in (folder / "results").glob("*.json")}
    assert main(["grade", NAME, "--scheduler", machines.address]) == 0
    assert capsys.readouterr().out.count("50 / 50") == 6
    assert {path: path.stat().st_mtime_ns for path in (folder / "results").glob("*.json")} == before


def test_what_broke_is_graded_again_and_keeps_what_a_gpu_found(graded, machines, monkeypatch, tmp_path):
    """On a copy, where one test of the grader had broken."""
    folder = shutil.copytree(graded[0], tmp_path / "course")
    monkeypatch.setenv("BN_COURSE", str(folder))
    path = next(iter((folder / "results").glob("*.json")))
    broken = json.loads(path.read_text())
    broken["verdicts"][0]["broken"] = True
    path.write_text(json.dumps(broken))
    met, keep = [], cluster.keep_what_a_gpu_found
    monkeypatch.setattr(cluster, "keep_what_a_gpu_found", lambda new, old: met.append(old) or keep(new, old))
    main(["grade", NAME, "--scheduler", machines.address])
    assert [old["verdicts"] for old in met] == [broken["verdicts"]], "this one alone, with what was known of it"
    assert not execute.is_broken(json.loads(path.read_text()))


def test_workers_keep_nothing_and_the_dashboard_shows_no_names(graded, machines):
    held = [path for path in machines.folder.rglob("*") if path.is_file()]
    assert held and not [path for path in held if b"student-0" in path.read_bytes()]


def test_without_a_fit_worker_nothing_is_graded(graded, machines, monkeypatch, capsys):
    """The last test with these machines: only those are left that do not fit."""
    from distributed import Client

    monkeypatch.setenv("BN_COURSE", str(graded[0]))
    for process in machines.processes[1 : WORKERS + 1]:
        process.kill()
    with Client(machines.address, set_as_default=False) as client:
        machines.wait(lambda: len(client.scheduler_info()["workers"]) == 2)
    assert main(["grade", NAME, "--student", STUDENTS[0], "--scheduler", machines.address]) == 1
    said = capsys.readouterr().err
    assert said.startswith("autograder: no worker at") and "has grader version" in said and "No module" in said


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at .*dask scheduler"),
        ("tcp://127.0.0.1:99999", "no Dask scheduler answers at .*dask scheduler"),
        ("nonsense", "no address .*tcp://HOST:8786.*dask scheduler"),
        ("http://127.0.0.1:1", "no address .*tcp://HOST:8786.*dask scheduler"),
    ],
)
def test_no_scheduler(address, words):
    with pytest.raises(course.CourseError, match=words):
        cluster.Cluster(address, NAME)


def test_files_that_changed_under_a_worker(monkeypatch):
    """A worker that was started before its files changed runs the old code: its version is neither old nor new."""

    def changed(name):
        return "kept since the start"

    changed.__wrapped__ = lambda name: "of the files now"
    monkeypatch.setattr(execute, "grader_version", changed)
    with pytest.raises(course.CourseError, match="start it again"):
        cluster.fitness(NAME, "of the files now")


def test_a_scheduler_that_ends_in_mid_run(tmp_path):
    """One line says so, and what is finished is kept."""
    machines = Machines(tmp_path)
    hand_in(tmp_path / "course" / "submitted", 1)
    try:
        machines.worker()
        command = [sys.executable, "-m", "autograder", "grade", NAME, "--scheduler", machines.address]
        environment = {**os.environ, "BN_COURSE": str(tmp_path / "course"), "PYTHONPATH": "exercises"}
        running = subprocess.Popen(
            command, cwd=course.REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        machines.processes.append(running)
        results = tmp_path / "course" / "results"
        machines.wait(lambda: results.exists() and list(results.glob("*.json")))
        machines.processes[0].kill()
        said = running.communicate(timeout=PATIENCE)[1]
    finally:
        machines.close()
    assert running.returncode == 1 and "is gone; finished results are kept" in said and "Traceback" not in said, said
    assert list(results.glob("*.json"))
