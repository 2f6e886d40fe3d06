"""The notebooks run from top to bottom in a fresh kernel; the solutions are their own acceptance test."""

import re
import subprocess
import sys

import nbformat
import pytest
from run_notebooks import errors, executed, problems

from autograder import course
from autograder.authoring.script import Script
from autograder.bench.made_up import solved

NAMES = course.notebook_names()


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_script_runs(run, name):
    done = run(sys.executable, f"solutions/{name}.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("correct") >= len(Script.of(name).of_kind("test"))


@pytest.mark.parametrize("name", NAMES)
def test_an_untouched_notebook_stops_only_at_unanswered_tasks(name):
    notebook = executed(nbformat.read(course.released(name), as_version=4), course.EXERCISES)
    assert problems(notebook) == []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error" and output.ename == "CheckFailed":
                assert len(output.traceback) == 1, "a check shows its report, not a traceback"


@pytest.mark.parametrize("name", NAMES)
def test_a_solved_notebook_runs_without_an_error(name):
    notebook = nbformat.read(course.released(name), as_version=4)
    answers = {cell.id: solved(cell.source) for cell in Script.of(name).of_kind("solution")}
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    notebook = executed(notebook, course.EXERCISES)
    assert errors(notebook) == {}
    text = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert len(re.findall(r"correct \(\d+ cases?\)", text)) >= len(Script.of(name).of_kind("test"))


def test_check_shows_two_numbers_and_hint_three_steps(capsys):
    from bnlab import check, hint
    from bnlab.checking import CheckFailed

    from solutions import mutants

    def batchnorm_train(x, gamma, beta, eps=1e-5):
        return mutants.bank("forward-train")["unbiased_variance"][0](x, gamma, beta, eps)

    with pytest.raises(CheckFailed) as failed:
        check("forward-train", batchnorm_train)
    text = str(failed.value)
    assert re.search(r"expected -?[\d.e-]+, got -?[\d.e-]+", text) and "https://" in text
    assert failed.value._render_traceback_() == [text]
    for _ in range(4):
        hint("forward-train")
    shown = capsys.readouterr().out
    assert "Hint 1 of 3" in shown and "Hint 3 of 3 (the last one)" in shown


def test_unknown_tasks_are_named():
    from bnlab import check

    with pytest.raises(KeyError, match="do you mean 'forward-train'"):
        check("forward-trian", len)
    with pytest.raises(KeyError, match="each exercise cell begins with the name"):
        check("nothing-like-it", len)


WITHOUT_TORCH = """
import functools
import sys
from IPython.core.interactiveshell import InteractiveShell
from autograder.authoring.script import Script

shell = InteractiveShell.instance()
run = functools.partial(shell.run_cell, store_history=True)
sys.modules["torch"] = None
for cell in Script.of("08_pytorch").cells:
    if cell.kind == "test":
        run(cell.source.split("### BEGIN")[0])
    elif cell.kind != "markdown":
        run(cell.source)
run("import torch")
run("import absent")
run("my_typo")
run("raise ModuleNotFoundError('nameless')")
run("def early():\\n    late += 1\\nearly()")
del sys.modules["torch"]
run("import torch")
run("nonsense")
"""


def test_without_torch_each_cell_tells_one_line():
    """What the set-up cell lacks, later cells lack too; other errors are told as ever."""
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, timeout=120)
    told = [line for line in done.stdout.split("\n") if "needs PyTorch" in line]
    assert len(told) > 10 and len(set(told)) == 1 and "%pip install torch" in told[0], done.stdout + done.stderr
    assert done.stdout.count("Traceback (most recent call last)") == 5
    for own in ("name 'my_typo'", "No module named 'absent'", "nameless", "local variable 'late'", "name 'nonsense'"):
        assert own in done.stdout
