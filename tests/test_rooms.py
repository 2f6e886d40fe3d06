"""Zygote, worker, referee and twin are rooms of their own: each says what it may know, and what it must never see."""

import ast
import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from autograder import course
from autograder.bench.certify import Bench
from autograder.grading import execute, isolation
from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote

PACKAGE = course.REPOSITORY / "autograder"
ROOMS = ("sandbox/zygote", "sandbox/worker", "grading/referee", "grading/twin")
LAYERS = ("authoring", "collecting", "grading", "recording", "desk")
HOLDING = ("solutions", "autograder", "nbgrader")  # packages that hold tests, solutions or grades
NAME = "03_forward"


def docstring(path):
    return " ".join(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_may_know_and_must_never_see(room):
    text = docstring(PACKAGE / f"{room}.py")
    assert re.search(r"It may know: [^.]{20,}\. .*It must never see: [^.]{20,}\.", text), text
    assert len(text) < 900, "short"


@pytest.mark.parametrize("package", ["", *LAYERS, "bench", "sandbox"])
def test_the_map_of_a_package_names_each_module(package):
    words = re.findall(r"\w+", docstring(PACKAGE / package / "__init__.py"))
    modules = {path.stem for path in (PACKAGE / package).glob("*.py")} - {"__init__", "__main__", "nbgrader_config"}
    assert modules - set(words) == set()


@pytest.mark.parametrize("package", LAYERS)
def test_a_package_loads_none_of_those_behind_it(package):
    """In the order in which a course goes through them."""
    behind = {*LAYERS[LAYERS.index(package) + 1 :], "bench", "commands"}
    for path in sorted((PACKAGE / package).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
            parts = words[1:2] or [item.name for item in node.names] if words[:1] == ["autograder"] else []
            assert not behind & set(parts), f"{path.name}, line {node.lineno}"


def test_what_runs_beside_a_student_imports_nothing_that_holds_tests():
    for path in sorted((PACKAGE / "sandbox").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in HOLDING], f"{path.name}: {names}"


@pytest.mark.skipif(bool(isolation.namespaces()), reason=f"no namespaces here: {isolation.namespaces()}")
def test_a_worker_finds_nothing_of_tests_solutions_and_grades(tmp_path, monkeypatch):
    """Modules, the import path, the command line and the environment of a fresh worker."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    monkeypatch.setenv("A_SECRET_OF_THE_GRADER", "secret")
    zygote = Zygote()
    worker = Worker(zygote)
    worker.allow(20, "a test")
    assert (
        worker.run_cell("look", "import os, sys\ndef look(): return [sorted(sys.modules), sys.path, dict(os.environ)]")
        is None
    )
    modules, path, environment = RemoteAnswer(lambda: worker, "look")()
    worker.close()
    zygote.close()
    assert "bnlab" in modules and not [name for name in modules if name.split(".")[0] in HOLDING]
    assert str(course.REPOSITORY) not in path and str(PACKAGE) not in path
    assert "A_SECRET_OF_THE_GRADER" not in environment and "BN_COURSE" not in environment


@pytest.mark.skipif(bool(isolation.namespaces()), reason=f"no namespaces here: {isolation.namespaces()}")
def test_student_code_never_runs_where_the_tests_are(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    bench = Bench(NAME)
    source = (
        "import os, sys\nos.environ['BN_WAS_HERE'] = '1'\nsys.modules['bn_was_here'] = os\n"
        "print('process', os.getpid())\n"
        "def batch_statistics(x):\n    print('called in', os.getpid())\n"
        "    return x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)\n"
    )
    (verdict,) = bench.verdicts(bench.script.cell("batch-statistics-test"), {"batch-statistics": source}, ["ann"])
    assert verdict.verdict == "passed", verdict.message
    assert "BN_WAS_HERE" not in os.environ and "bn_was_here" not in sys.modules
    assert "process" in bench.referee.session.printed["batch-statistics"]


def test_a_twin_gets_hidden_solutions_and_no_test(monkeypatch):
    """Every cell that a twin runs is a read-only one or a solution, never a test."""
    ran = []

    class Recorder:
        alive, pid = True, 0

        def __init__(self, zygote):
            self.zygote = zygote

        def allow(self, seconds, where):
            pass

        def run_cell(self, name, source):
            ran.append((name, source))

    monkeypatch.setattr("autograder.grading.twin.Worker", Recorder)
    hold = execute.material("04_backward")
    execute.Twin(hold.script, lambda: None).worker()
    assert {name for name, _ in ran} == {cell.id for cell in hold.script.of_kind("readonly", "solution")}
    assert not any("HIDDEN TESTS" in source or "examine(" in source for _, source in ran)


def test_the_wire_is_documented():
    """Every tag that is decoded stands in the table at the top of wire.py, and none besides."""
    path = PACKAGE / "sandbox" / "wire.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    specification = importlib.util.spec_from_file_location("wire", Path(path))
    wire = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(wire)
    assert set(re.findall(r'\["(\w)"', text)) == set(wire.TAGS)
    assert wire.MAGIC.decode() in text and "header length (4 bytes)" in text and "payload length (8 bytes)" in text
    assert wire.PREFIX.size == len(wire.MAGIC) + 4 + 8
