"""Answers that pass for kernels earn nothing: what the simulator counts cannot be talked away."""

import nbformat
import pytest
from attacks import build
from attacks.gpu import KERNEL_ATTACKS, PLAIN

from autograder.grading import attempts, execute, isolation

NAME, TASK = "10_cuda", "channel-sums"
pytestmark = pytest.mark.xdist_group("kernel attacks")
if isolation.namespaces():
    pytest.skip(f"no namespaces here: {isolation.namespaces()}", allow_module_level=True)


@pytest.fixture(scope="module")
def judged():
    """code -> (verdict, flags) of the notebook's first task."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.delenv("BN_GPU_STAND_IN", raising=False)

    def judge(code):
        notebook = nbformat.reads(build.open_notebook(NAME), as_version=4)
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == TASK:
                cell.source = f"# answer: {TASK}\n{code}"
        rebuilt, problem = execute.read_submission(NAME, nbformat.writes(notebook).encode())
        assert not problem
        (verdict,), _, flags = execute.judge(execute.material(NAME), "somebody", rebuilt, b"secret", {f"{TASK}-test"})
        return verdict, flags

    yield judge
    execute.close_zygotes()
    monkeypatch.undo()


PAIRS = """
from collections import namedtuple
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sizes:
    rows: int = 1
    names: list = field(default_factory=list)


Pair = namedtuple("Pair", "s1 s2", defaults=(0,))
signal = Sizes()
signal.names.append("mean")
"""


@pytest.mark.parametrize(
    "code", [PLAIN, PLAIN.replace("a += d;", 'asm volatile("" ::: "memory"); a += d;'), PAIRS + PLAIN]
)
def test_a_kernel_earns_its_points(judged, code):
    verdict, flags = judged(code)
    assert verdict.score == verdict.max_score and not flags, (verdict, flags)


@pytest.mark.parametrize("attack", KERNEL_ATTACKS, ids=lambda attack: attack.name)
def test_what_passes_for_a_kernel_earns_nothing(judged, attack):
    verdict, flags = judged(attack.code)
    assert verdict.score == 0 and attack.said in verdict.message, verdict
    if attack.flag:
        assert any(attack.flag in flag for flag in flags), flags
        assert attempts.advice(flags, []), "a person looks before such an answer earns points"


def test_a_name_that_is_put_in_front_of_another_is_noted(judged):
    put = "import importlib\nput = setattr\nput(importlib.import_module('bnlab.comp' + 'are'), 'vars', print)\n"
    verdict, flags = judged(put + PLAIN)
    assert any("something replaces bnlab.compare.vars" in flag for flag in flags), flags
    assert verdict.verdict == "needs-person" and verdict.score == 0, verdict.message
