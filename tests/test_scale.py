"""Large classes: the benchmark's short form, and memory that does not grow with the class."""

import concurrent.futures
import functools
import json
import multiprocessing
import os
import re
import tracemalloc
import zipfile

import nbformat
import pytest

from autograder import course, logs, writing
from autograder.bench import scale
from autograder.collecting import collect, submitted
from autograder.grading import execute, grade, processes
from autograder.recording import ledger


def test_the_benchmark_measures_and_draws_on(tmp_path, monkeypatch):
    """Two tiny classes, as `python -m autograder.bench.scale` grades larger ones."""
    monkeypatch.setattr(scale, "RESULT", tmp_path / "scale.json")
    monkeypatch.setattr("sys.argv", ["scale", "--submissions", "3", "--jobs", "1", "--to", str(tmp_path / "x.json")])
    monkeypatch.setattr(scale, "bench", functools.partial(scale.bench, shares=(0.5, 1.0)))
    assert scale.main() == 0
    found = json.loads((tmp_path / "x.json").read_text())
    assert found["machine"]["processor"] and re.fullmatch(r"\d{4}-\d\d-\d\d", found["machine"]["date"])
    small, large = found["runs"]
    assert (small["submissions"], large["submissions"]) == (2, 3)
    for one in found["runs"]:
        assert 0 < one["seconds of writing the gradebook"] < one["seconds of grading"] < one["seconds"]
        assert 50 < one["peak MB of the command"] < one["peak MB of all processes"]
    assert set(found["drawn on"]) >= {"seconds", "peak MB of the command"}


def test_the_line_is_that_of_least_squares():
    slope, intercept = scale.line([(10, 7.0), (20, 9.0), (30, 11.0)])
    assert (round(slope, 12), round(intercept, 12)) == (0.2, 5.0)


def test_submissions_wait_on_the_disk(monkeypatch):
    """Of 500 submissions no more are in memory than the processes need soon."""
    read, done, most = [], [], 0
    monkeypatch.setattr(
        concurrent.futures, "ProcessPoolExecutor", lambda jobs, **_: concurrent.futures.ThreadPoolExecutor(jobs)
    )
    monkeypatch.setattr(execute, "execute", lambda name, who, data, *_: {"student": who})
    monkeypatch.setattr(processes, "isolation_for", lambda name: None)

    def take(number):
        read.append(number)
        return b"x"

    class_ = submitted.OnDisk({str(number): functools.partial(take, number) for number in range(500)})
    for who, result in processes.outcomes("03_forward", class_, grade.How(jobs=2), lambda isolation: None):
        assert result == {"student": who}
        most = max(most, len(read) - len(done))
        done.append(who)
    assert sorted(map(int, done)) == list(range(500)) and most <= 2 * processes.AHEAD


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
def test_collecting_holds_one_file_at_a_time(packed, tmp_path, monkeypatch):
    """A class whose notebooks print much: 20 of them, 80 MB in all."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    large = nbformat.read(course.released("03_forward"), as_version=4)
    large.cells[-1].outputs = [nbformat.v4.new_output("stream", text="x" * (4 << 20))]
    data, source = nbformat.writes(large).encode(), tmp_path / "class.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"student {number}/03_forward.ipynb", data)
        if not packed:
            archive.extractall(source := tmp_path / "class")
    tracemalloc.start()
    taken, _ = collect.collect(source, "03_forward")
    assert len(taken) == 20 and tracemalloc.get_traced_memory()[1] < 10 * len(data)
    tracemalloc.stop()


def test_the_ledger_is_written_now_and_then(tmp_path, monkeypatch):
    written = []
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    monkeypatch.setattr(writing, "replace_text", lambda path, text: written.append(json.loads(text)))
    content = {}
    with ledger.written_now_and_then("03_forward", content) as keep:
        for number in range(100):
            content[str(number)] = number
            keep()
        monkeypatch.setattr(ledger, "EVERY", -1.0)
        keep()
    assert len(written) == 2 and len(written[-1]) == 100


def test_old_logs_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    monkeypatch.setattr(logs, "KEPT", 3)
    for _ in range(5):
        with logs.Run("grade", ["grade"]):
            logs.line("x")
    assert len(logs.runs()) == 3


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinities")
def test_grading_processes_keep_to_a_core_each():
    started = {"mp_context": multiprocessing.get_context("spawn"), "initializer": processes.begin}
    with concurrent.futures.ProcessPoolExecutor(2, initargs=(os.getpid(),), **started) as pool:
        found = [pool.submit(os.sched_getaffinity, 0).result() for _ in range(8)]
    assert all(len(cores) == 1 and cores <= os.sched_getaffinity(0) for cores in found)
