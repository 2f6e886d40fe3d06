"""Speed on a GPU is graded fairly: honest answers pass, tricks do not, and without a GPU the points wait.

Here the simulated GPU stands in, with the CPU time of the workers as the clock: the same steps, no speed. On a machine
with a GPU `pytest -m gpu tests/test_gpu_races.py` runs the same on it; it needs NumPy, CuPy and pytest alone.
"""

import contextlib
import os
import time
import types

import numpy as np
import pytest
from attacks.gpu import ATTACKS, HONEST, SLOW
from bnlab.answers import AnswerError
from bnlab.checking import CheckFailed
from bnlab.examiner import Report

from autograder.authoring.kernels import GPU
from autograder.grading import gpu, gpu_race, speed
from autograder.grading.zygote import Zygote, ZygoteEnded

RETURNS = ("y", ("x", "mu", "inv_std", "gamma"))
LIMIT = 2.0
pytestmark = pytest.mark.xdist_group("gpu races")


@pytest.fixture(scope="module", params=["simulated", pytest.param("real", marks=pytest.mark.gpu)])
def stadium(request):
    found = gpu.Gpu("the simulated GPU", (GPU,), True)
    if request.param == "real":
        found, why = gpu.find.__wrapped__()
        if found is None or found.stand_in:
            pytest.skip(f"needs a GPU: {why}")
        os.environ.setdefault("BN_GPU_UNLOCKED", "1")
    zygotes = {purpose: Zygote(found.libraries) for purpose in ("students", "twin")}
    course = gpu.Stadium(found, [("solution", HONEST)], zygotes.__getitem__)
    yield course
    course.close()
    for zygote in zygotes.values():
        zygote.close()


def race(stadium, code, limit=LIMIT):
    """(verdict, what was said) of an answer."""
    rng = np.random.default_rng(5)
    shape = (8, 8, 28, 28) if stadium.gpu.stand_in else (32, 64, 56, 56)
    inputs = {"x": rng.normal(1, 2, shape).astype("f"), "gamma": rng.uniform(0.5, 2, shape[1]).astype("f")}
    inputs["beta"] = rng.normal(size=shape[1]).astype("f")
    event, twin, rng = gpu_race.Event("answer", inputs, "train", RETURNS, 1.0), stadium.twin(), np.random.default_rng()
    alone = gpu_race.alone_with(event, twin, rng)
    lane = stadium.lane([("answer", code)])
    try:
        verdict, pace, share = gpu_race.Heat(event, lane, twin, alone, rng).race(limit)
        return verdict, str(pace), share
    except CheckFailed as failed:
        return "refused", failed.report.problem, 0.0
    except AnswerError as error:
        return "refused", error.text, 0.0
    finally:
        lane.close()


def test_an_honest_answer_passes(stadium):
    verdict, said, share = race(stadium, HONEST)
    assert verdict == "passed", said
    assert stadium.gpu.stand_in or 0 < share < 1


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_trick_is_refused_or_slow(stadium, attack):
    verdict, said, _ = race(stadium, SLOW + attack.code)
    assert verdict in ("refused", "failed"), said
    if attack.refused:
        assert verdict == "refused" and attack.refused in said, said


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.flag], ids=lambda attack: attack.name)
def test_what_was_tried_can_be_read(attack):
    attempts = pytest.importorskip("autograder.grading.attempts")
    found = attempts.attempts([("answer", SLOW + attack.code)])
    assert any(attack.flag in line for line in found), found
    assert attempts.advice(found, [], attempts.RACES), "a person looks before such an answer earns points"


def test_the_fastest_kernels_run_in_a_worker(stadium):
    """They reach a worker as text, which cannot read where they stand, and give the numbers of the honest answer."""
    rng = np.random.default_rng(1)
    shape = (4, 3, 14, 14) if stadium.gpu.stand_in else (16, 96, 28, 28)
    inputs = {"x": rng.normal(1, 2, shape).astype("f"), "gamma": np.ones(shape[1], "f"), "beta": np.ones(shape[1], "f")}
    event = gpu_race.Event("batchnorm_train_cuda", inputs, "train", RETURNS, 1.0)
    lane = stadium.lane([("answer", HONEST.replace("def answer", "def batchnorm_train_cuda"))])
    try:
        heat = gpu_race.Heat(event, lane, stadium.twin(fast=True), gpu_race.Alone(0.0, 1.0, 1.0), rng)
        heat.answer(0), heat.solution(0)  # compares
    finally:
        lane.close()
    assert not heat.values


def test_flushes_that_were_left_out_are_noticed(stadium):
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(2, 2, 4, 4)).astype("f"), "gamma": np.ones(2, "f"), "beta": np.ones(2, "f")}
    event, twin = gpu_race.Event("answer", inputs, "train", RETURNS, 1.0), stadium.twin()
    heat = gpu_race.Heat(event, twin, twin, gpu_race.Alone(1.0, 1.0, 1.0), rng)
    with pytest.raises(CheckFailed, match="less time than the fresh inputs and flushes"):
        heat.race(LIMIT)


@pytest.mark.parametrize(
    "share, verdict", [(1.0, "passed"), (1.2, "passed"), (1.3, "needs-person"), (9.0, "needs-person")]
)
def test_a_time_below_that_of_a_copy_is_not_believed(share, verdict):
    """A copy moves what has to be moved at the peak of the memory; a quarter more than that is measured by nobody."""
    referee = pytest.importorskip("autograder.grading.referee")
    judge = object.__new__(referee.Referee)
    judge.stadium = types.SimpleNamespace(gpu=gpu.Gpu("a GPU", ()))
    judge.verdict, judge.session = types.SimpleNamespace(verdict=""), types.SimpleNamespace(noted=[], cells=[])
    raced = "passed", types.SimpleNamespace(pairs=4), share
    heat = types.SimpleNamespace(race=lambda limit: raced, slowed=lambda pace, limit: 0.0)
    task = types.SimpleNamespace(id="fused-train-speed", link="", hints=[""])
    report = judge._timed_on_gpu(task, heat, 1.25)
    assert report.verdict == verdict and report.fraction == (verdict == "passed")
    assert bool(judge.session.noted) is ("faster than the memory allows" in report.problem) is (verdict != "passed")


def test_a_claim_of_any_shape_is_a_wrong_answer():
    event = gpu_race.Event("answer", {}, "train", RETURNS, 1.0)
    heat = object.__new__(gpu_race.Heat)
    heat.event = event
    sample = np.ones(3, "f")
    expected = {"results": [(sample, (sample,) * 4)], "arguments": [(sample, sample, sample)]}
    heat.compare(expected, expected)
    for claim in (None, [], {}, {"results": 3}, {"results": []}, {"results": [None]}, {"results": [(sample,)]}):
        with pytest.raises(CheckFailed):
            heat.compare(claim, expected)
    with pytest.raises(CheckFailed, match="changed in place"):
        heat.compare({**expected, "arguments": [(sample, sample)]}, expected)


def test_without_a_gpu_the_reason_is_told(monkeypatch):
    monkeypatch.delenv("BN_GPU_STAND_IN", raising=False)
    found, why = gpu.find.__wrapped__()
    assert found is not None or why
    assert str(Report("a-task", "needs-gpu", 0.0, problem=why)).startswith("a-task: right, as far as can be told")


class Clockwork:
    """A lane that runs nothing and takes the time that it is told, more while another one stands beside it."""

    def __init__(self, times, beside=None):
        self.gpu, self.worker, self.beside, self.there = gpu.Gpu("a GPU", ()), self, beside, True
        self.times = times

    def allow(self, seconds, where):
        pass

    def step(self, step, given):
        pass

    def lap(self, name, *draw):
        slower = self.beside is not None and self.beside.there and self.times["beside"]
        return speed.Lap(1e-4 + self.times[name] + slower, 0.0, {"results": [], "arguments": []})

    def close(self):
        self.there = False


@pytest.mark.parametrize("beside", [0.0, 4e-5])
@pytest.mark.parametrize("mine", [5e-5, 8e-5])
def test_who_slows_down_the_hidden_solution_gains_nothing(mine, beside):
    """By a kernel that goes on when the lap is over, or by threads that keep the processors busy."""
    student = Clockwork({"answer": mine})
    twin = Clockwork({"nothing": 0.0, "copied": 3e-5, "answer": 5e-5, "beside": beside}, student)
    event, rng = gpu_race.Event("answer", {"x": np.ones(4)}, "train", RETURNS, 1.0), np.random.default_rng(0)
    student.there = False
    alone = gpu_race.alone_with(event, twin, rng)
    student.there = True
    heat = gpu_race.Heat(event, student, twin, alone, rng)
    verdict, pace, share = heat.race(1.25)
    assert verdict == ("passed" if mine < 6e-5 or beside else "failed")
    assert share == pytest.approx(3e-5 / mine)
    slowed = heat.slowed(pace, 1.25) if verdict == "passed" else 0.0
    assert slowed == pytest.approx(1.8 if beside and mine > 6e-5 else 0.0)
    assert student.there == (not slowed)


def test_a_hidden_solution_that_stops_is_no_fault_of_the_student(stadium):
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(2, 2, 4, 4)).astype("f"), "gamma": np.ones(2, "f"), "beta": np.ones(2, "f")}
    twin = stadium.twin()
    with pytest.raises(RuntimeError, match="the hidden solution stopped in its race"):
        gpu_race.alone_with(gpu_race.Event("not there", inputs, "train", RETURNS, 1.0), twin, rng)
    twin.worker.run_cell("end", "import threading, os\nthreading.Timer(0.2, os._exit, [0]).start()")
    time.sleep(0.5)
    with pytest.raises(ZygoteEnded, match="the hidden solution stopped in its race"):
        gpu_race.alone_with(gpu_race.Event("answer", inputs, "train", RETURNS, 1.0), twin, rng)
    assert stadium.twin() is not twin and stadium.twin().worker.alive


def test_a_hidden_solution_that_has_run_for_long_gets_a_new_process(stadium, monkeypatch):
    first = stadium.twin()
    assert stadium.twin() is first
    monkeypatch.setattr(gpu, "TIRED", 0.0)
    second = stadium.twin()
    assert second is not first and second.worker.alive and not first.worker.alive


def test_waiting_for_the_gpu_is_no_time_of_the_student(monkeypatch):
    """And the student's other process ends: it could keep the processors busy while the hidden solution runs."""
    referee, closed = pytest.importorskip("autograder.grading.referee"), []

    @contextlib.contextmanager
    def alone():
        time.sleep(0.2)
        yield

    monkeypatch.setattr(gpu, "alone", alone)
    judge = object.__new__(referee.Referee)
    judge.session = types.SimpleNamespace(started=0.0, close=lambda: closed.append(True))
    with judge._on_the_track():
        assert closed and judge.session.started >= 0.2


NO_PAST = "import bnlab.past\nbnlab.past.Past.visit = lambda *anything: 1 / 0\n"


def test_a_lane_that_has_no_past_is_closed(stadium, monkeypatch):
    """A student whose code breaks the second look leaves no process on the GPU."""
    referee = pytest.importorskip("autograder.grading.referee")
    judge, lanes, lane = object.__new__(referee.Referee), [], stadium.lane
    monkeypatch.setattr(stadium, "lane", lambda cells: lanes.append(lane(cells)) or lanes[0])
    judge.stadium, judge.seed, judge.student, judge.past = stadium, b"secret", "somebody", ["answer"]
    judge.script, judge.cell = types.SimpleNamespace(name="a notebook"), types.SimpleNamespace(id="a cell")
    judge.session = referee.Session(None, [("answer", HONEST + NO_PAST)])
    shape = (2, 2, 4, 4)
    inputs = {"x": np.ones(shape, "f"), "gamma": np.ones(2, "f"), "beta": np.ones(2, "f")}
    event = {"answer": "answer", "inputs": lambda shape: lambda rng: inputs, "shape": shape, "small": shape}
    event |= {"fastest": False, "fresh": "train", "returns": RETURNS, "least": 1.0}
    with pytest.raises(AnswerError, match="ZeroDivisionError"):
        judge.race_on_gpu(None, None, event, LIMIT, ())
    assert not lanes[0].worker.alive
