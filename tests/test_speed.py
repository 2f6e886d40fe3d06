"""Races: right answers are never failed by noise, slow ones are caught, work moved out of the timed call is counted."""

import ast
import os
from types import SimpleNamespace

import numpy as np
import pytest
from bnlab.compare import difference

from autograder import course
from autograder.authoring.script import Cell, Script
from autograder.bench import speed as bench_speed
from autograder.grading import execute, speed, twin
from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import Worker
from autograder.grading.zygote import ZygoteEnded


def laps(count, ratio=1.0, around=1.0, noise=0.0, seed=0):
    """Made-up seconds of `count` pairs: run and around of the answer, run and around of the twin."""
    rng = np.random.default_rng(seed)
    rows = np.tile([ratio, around, 1.0, 1.0], (count, 1)) * 4e-3
    return rows * np.exp(noise * rng.normal(size=rows.shape))


def raced(ratio, limit, noise=0.15, around=1.0, seed=0):
    rows = laps(speed.LOOKS[-1] + 1, ratio, around, noise, seed)
    answer = lambda pair: speed.Lap(rows[pair, 0], rows[pair, 1], None)  # noqa: E731
    solution = lambda pair: speed.Lap(rows[pair, 2], rows[pair, 3], None)  # noqa: E731
    return speed.race(answer, solution, limit, np.random.default_rng(seed))


def test_a_clear_answer_is_decided_after_a_few_pairs():
    verdict, pace = raced(1.0, 2.5)
    assert (verdict, pace.pairs) == ("passed", speed.LOOKS[0])
    verdict, pace = raced(5.0, 2.5)
    assert (verdict, pace.pairs) == ("failed", speed.ENOUGH)
    verdict, pace = raced(16.0, 2.5)
    assert (verdict, pace.pairs) == ("failed", speed.LOOKS[0])


def test_marks_are_taken_early_only_far_beyond_the_limit():
    """At the limit itself, with twice the noise of an overloaded machine, nobody fails before nine pairs."""
    found = [raced(2.5, 2.5, 0.4, seed=seed) for seed in range(200)]
    assert all(pace.pairs >= speed.ENOUGH for verdict, pace in found if verdict == "failed")


def test_noise_fails_nobody_and_hides_nobody():
    """Half as noisy again as an overloaded machine was: see autograder/bench/results."""
    same = [raced(1.0, 1.4, 0.25, seed=seed)[0] for seed in range(100)]
    slow = [raced(2.0, 1.4, 0.25, seed=seed)[0] for seed in range(100)]
    assert same.count("failed") == 0 and slow.count("failed") >= 99


def test_what_cannot_be_decided_gets_full_marks():
    """An answer exactly at the limit is hardly ever judged either way."""
    found = [raced(2.5, 2.5, 0.3, seed=seed) for seed in range(40)]
    undecided = [pace for verdict, pace in found if verdict == "undecided"]
    assert len(undecided) > 30
    assert all(pace.low < 2.5 < pace.high and pace.pairs == speed.LOOKS[-1] for pace in undecided)


def test_work_around_the_timed_call_counts():
    assert speed.ratio(laps(9, ratio=0.1, around=4.0)) == pytest.approx(0.1 + 4 - (1 + speed.SLACK))
    assert speed.ratio(laps(9, ratio=1.0, around=0.1)) == pytest.approx(1.0), "less around a call earns nothing"
    verdict, _ = raced(0.1, 2.5, around=5.0)
    assert verdict == "failed"


def test_a_quick_look_at_results_is_never_kinder_than_the_examiner():
    rng = np.random.default_rng(3)
    right = rng.normal(size=(40, 30))
    assert twin.plainly_same(right.copy(), right)
    for got in (right.astype(np.float32), right[:-1], right * (1 + 1e-6), None, right.tolist()):
        assert not twin.plainly_same(got, right)
    for value in (np.nan, np.inf, 1e-3):
        wrong = right.copy()
        wrong[3, 4] = value
        assert not twin.plainly_same(wrong, right) and difference("dx", wrong, right)
    for size in np.logspace(-14, -4, 40):
        got = right + size * rng.normal(size=right.shape)
        assert not twin.plainly_same(got, right) or difference("dx", got, right) is None


def race_inputs():
    """The inputs of every race in the course: (notebook, a draw)."""
    for name in course.notebook_names():
        script = Script.of(name)
        for cell in [cell for cell in script.cells if cell.is_timed]:
            space = {}
            tree = ast.parse(cell.python)
            call = next(node for node in ast.walk(tree) if getattr(getattr(node, "func", None), "id", "") == "race")
            tree.body = [node for node in tree.body if not isinstance(node, ast.Expr)]
            exec(compile(tree, name, "exec"), space)
            made = next(word.value for word in call.keywords if word.arg == "inputs")
            yield name, eval(compile(ast.Expression(made), name, "eval"), space)(np.random.default_rng(0))


def arrays_in(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from arrays_in(item)


def test_no_race_is_run_on_arrays_that_fall_on_the_same_cache_lines():
    """Arrays of a whole number of pages push one another out of the caches: two copies of one function then differ by
    a factor of 2 and more, by where their memory happens to lie."""
    found = dict(race_inputs())
    assert {"04_backward", "05_convolution", "07_training"} <= set(found)
    for name, inputs in found.items():
        large = [array for value in inputs.values() for array in arrays_in(value) if array.nbytes > 1 << 20]
        assert all(array.nbytes % 4096 for array in large), name


def test_the_twin_shares_no_zygote_with_students(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    hold = execute.material("04_backward")
    worker = hold.twin.worker()
    assert worker.zygote is not execute.zygote(hold.libraries) and hold.twin.worker() is worker, "it stays warm"
    os.kill(worker.pid, 9)
    worker.allow(5, "a test")
    with pytest.raises(ZygoteEnded):
        twin.Heat(bench_speed.tasks.find(bench_speed.TASK), None, worker, lambda pair: {"dy": 0, "cache": 0}).solution(
            0
        )
    assert hold.twin.worker() is not worker and hold.twin.worker().alive


def test_a_hidden_solution_that_does_not_run_is_told_each_time():
    """A worker that ran a part of the cells must not be taken for the twin afterwards."""
    source = SimpleNamespace(of_kind=lambda *kinds: [Cell("solution", "ours", 0, "raise ValueError('ours')")])
    broken = twin.Twin(source, lambda: execute.zygote(()))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="ours"):
            broken.worker()


COUNTED = """
class Held:
    alive = 0

    def __init__(self):
        Held.alive += 1

    def __del__(self):
        Held.alive -= 1


def make():
    return Held()


def alive():
    return Held.alive
"""


def test_a_worker_keeps_no_object_that_nobody_holds(tmp_path, monkeypatch):
    """The layers of a race of training would add up: after 160 races a hidden solution had no memory left."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    worker = Worker(execute.zygote())
    try:
        worker.allow(5, "a test")
        assert worker.run_cell("held", COUNTED) is None
        make, alive = (RemoteAnswer(lambda: worker, name) for name in ("make", "alive"))
        held = [make() for _ in range(3)]
        for _ in range(50):
            make()
        assert alive() == len(held)
        held.clear()
        assert alive() == 0
    finally:
        worker.close()


def test_a_hidden_solution_that_fails_is_no_student_s_fault(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    worker = execute.material("04_backward").twin.worker()
    worker.allow(5, "a test")
    task = bench_speed.tasks.find(bench_speed.TASK)
    with pytest.raises(RuntimeError, match="the hidden solution stopped in its race"):
        twin.Heat(task, None, worker, lambda pair: {"dy": 0, "cache": 0}).solution(0)
    assert worker.alive


def test_the_benchmark_runs_and_counts_its_errors(tmp_path, monkeypatch):
    """Its long form is `make bench-speed`."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    with bench_speed.racers() as pool:
        same = bench_speed.measure(pool, "the same code", bench_speed.COURSE, 3)
        slow = bench_speed.measure(pool, "2 times slower", 1.05, 2)
    assert same["failed"] == 0 and same["passed"] == 3 and slow["passed"] == 0
    row = {"answer": "the same code", "limit": 2.5, "cores": "idle", "error": "false fails", "repeats": 100}
    assert bench_speed.goals_missed([{**row, "errors": 1}]) and not bench_speed.goals_missed([{**row, "errors": 0}])
    row["error"] = "false passes"
    assert bench_speed.goals_missed([{**row, "errors": 2}]) and not bench_speed.goals_missed([{**row, "errors": 1}])
