"""Speed on a GPU is graded fairly: honest answers pass, tricks do not, and without a GPU the points wait.

Here the simulated GPU stands in, with the CPU time of the workers as the clock: the same steps, no speed. On a machine
with a GPU `pytest -m gpu tests/test_gpu_races.py` runs the same on it; it needs NumPy, CuPy and pytest alone.
"""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from attacks.gpu import ATTACKS, HONEST, SLOW
from bnlab.answers import AnswerError
from bnlab.checking import CheckFailed
from bnlab.examiner import Report

from autograder import gpu, isolation
from autograder.remote import Zygote

RETURNS = ("y", ("x", "mu", "inv_std", "gamma"))
LIMIT = 2.0
pytestmark = pytest.mark.xdist_group("gpu races")


@pytest.fixture(scope="module", params=["simulated", pytest.param("real", marks=pytest.mark.gpu)])
def stadium(request):
    found = gpu.Gpu("the simulated GPU", (isolation.GPU,), True)
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
    event = gpu.Event("answer", inputs, "train", RETURNS, 1.0)
    twin, lane = stadium.twin(), stadium.lane([("answer", code)])
    try:
        verdict, pace, share = gpu.Heat(event, lane, twin, np.random.default_rng()).race(limit)
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
    attempts = pytest.importorskip("autograder.attempts")
    found = attempts.attempts([("answer", SLOW + attack.code)])
    assert any(attack.flag in line for line in found), found
    if "thread" not in attack.flag:
        assert attempts.advice(found, []), "a person looks before such an answer earns points"


def test_the_fastest_kernels_run_in_a_worker(stadium):
    """They reach a worker as text, which cannot read where they stand, and give the numbers of the honest answer."""
    rng = np.random.default_rng(1)
    shape = (4, 3, 14, 14) if stadium.gpu.stand_in else (16, 96, 28, 28)
    inputs = {"x": rng.normal(1, 2, shape).astype("f"), "gamma": np.ones(shape[1], "f"), "beta": np.ones(shape[1], "f")}
    event = gpu.Event("batchnorm_train_cuda", inputs, "train", RETURNS, 1.0)
    lane = stadium.lane([("answer", HONEST.replace("def answer", "def batchnorm_train_cuda"))])
    try:
        heat = gpu.Heat(event, lane, stadium.twin(fast=True), rng)
        heat.answer(0), heat.solution(0)  # compares
    finally:
        lane.close()
    assert not heat.values


def test_flushes_that_were_left_out_are_noticed(stadium):
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(2, 2, 4, 4)).astype("f"), "gamma": np.ones(2, "f"), "beta": np.ones(2, "f")}
    heat = gpu.Heat(gpu.Event("answer", inputs, "train", RETURNS, 1.0), stadium.twin(), stadium.twin(), rng)
    heat.idle = 1.0
    with pytest.raises(CheckFailed, match="less time than the flushes"):
        heat.race(LIMIT)


@pytest.mark.parametrize(
    "share, verdict", [(1.0, "passed"), (1.2, "passed"), (1.3, "needs-person"), (9.0, "needs-person")]
)
def test_a_time_below_that_of_a_copy_is_not_believed(share, verdict):
    """A copy moves what has to be moved at the peak of the memory; a quarter more than that is measured by nobody."""
    referee = pytest.importorskip("autograder.referee")
    judge = object.__new__(referee.Referee)
    judge.stadium = SimpleNamespace(gpu=gpu.Gpu("a GPU", ()))
    judge.verdict, judge.session = SimpleNamespace(verdict=""), SimpleNamespace(noted=[])
    heat = SimpleNamespace(race=lambda limit: ("passed", SimpleNamespace(pairs=4), share))
    task = SimpleNamespace(id="fused-train-speed", link="", hints=[""])
    report = judge._timed_on_gpu(task, heat, 1.25)
    assert report.verdict == verdict and report.fraction == (verdict == "passed")
    assert bool(judge.session.noted) is ("faster than the memory allows" in report.problem) is (verdict != "passed")


def test_a_claim_of_any_shape_is_a_wrong_answer():
    event = gpu.Event("answer", {}, "train", RETURNS, 1.0)
    heat = object.__new__(gpu.Heat)
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
