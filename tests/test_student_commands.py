"""`python -m bnlab check` and `submit`, as a student types them."""

import hashlib
import json
import shutil
import sys

import nbformat
import pytest
from bnlab import __version__

from autograder import course
from autograder.make_sample_class import FOLDER

NAME = "03_forward.ipynb"


@pytest.fixture
def bnlab(run, tmp_path):
    """Run `python -m bnlab` in a folder of the student's own."""
    return lambda *arguments: run(
        sys.executable, "-m", "bnlab", *arguments, cwd=tmp_path, env={"PYTHONPATH": str(course.EXERCISES)}
    )


@pytest.mark.parametrize(
    ("student", "code", "words"),
    [
        ("perfect", 0, "50  of 50"),
        ("other-style", 0, "Ready"),
        ("slip-momentum", 1, "not yet right"),
        ("empty", 1, "not answered"),
        ("lost-metadata", 0, "50  of 50"),
        ("not-a-notebook", 1, "is not a notebook"),
        ("ends-the-process", 1, ""),
    ],
)
def test_check(bnlab, tmp_path, student, code, words):
    shutil.copy(FOLDER / student / NAME, tmp_path / NAME)
    done = bnlab("check", NAME)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_check_names_a_pasted_answer(bnlab, tmp_path):
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    twin = nbformat.from_dict(next(cell for cell in notebook.cells if cell.id == "forward-train"))
    notebook.cells.append(nbformat.v4.new_code_cell(twin.source))
    nbformat.write(notebook, tmp_path / NAME)
    done = bnlab("check", NAME)
    assert done.returncode == 1 and "`forward-train` is there 2 times" in done.stdout


def test_submit_writes_the_file_and_its_receipt(bnlab, tmp_path):
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    notebook.cells[1].outputs = (
        [nbformat.v4.new_output("stream", text="much")] if notebook.cells[1].cell_type == "code" else []
    )
    (tmp_path / NAME).write_text(json.dumps(notebook))
    done = bnlab("submit", NAME)
    assert done.returncode == 0, done.stderr
    handed_in = tmp_path / "hand_in" / NAME
    assert (
        hashlib.sha256(handed_in.read_bytes()).hexdigest()
        in (tmp_path / "hand_in" / "03_forward.receipt.txt").read_text()
    )
    assert [
        cell.get("outputs", []) for cell in nbformat.read(handed_in, as_version=4).cells if cell.cell_type == "code"
    ][0] == []


@pytest.mark.parametrize(
    "arguments", [["check", "nothing.ipynb"], ["submit", "nothing.ipynb"], ["check", "."], ["check", "x.ipynb"]]
)
def test_clear_lines(bnlab, tmp_path, arguments):
    (tmp_path / "x.ipynb").write_text('{"cells": []}')
    done = bnlab(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("bnlab: ") and "; " in line, "and what to do"


def test_usage(bnlab):
    assert bnlab().returncode == 2
    examples = [line.split()[3] for line in bnlab("--help").stdout.splitlines() if line.startswith("  python -m bnlab")]
    assert examples == ["check", "submit", "--version"]
    assert bnlab("--version").stdout.split() == ["bnlab", __version__]


def test_submit_says_what_is_not_answered(bnlab, tmp_path):
    shutil.copy(course.EXERCISES / "04_backward.ipynb", tmp_path)
    done = bnlab("submit", "04_backward.ipynb")
    assert done.returncode == 0
    assert "not answered yet: numerical-gradient, backward-graph, backward, backward-eval, derive-dx" in done.stdout
    shutil.copy(FOLDER / "perfect" / NAME, tmp_path / NAME)
    assert "not answered" not in bnlab("submit", NAME).stdout


def test_check_names_the_cell_that_raised(bnlab, tmp_path):
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    added = ["# a try\nimport math\n1 / 0", "import torch_that_is_not_there", "exit()", "raise ValueError('x' * 5000)"]
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in added]
    answer = next(cell for cell in notebook.cells if cell.id == "forward-running")
    answer.source += "\nundefined_name"
    nbformat.write(notebook, tmp_path / NAME)
    shown = bnlab("check", NAME).stdout
    assert "(`1 / 0`) raised ZeroDivisionError: division by zero" in shown
    assert "needs the package torch_that_is_not_there: pip install" in shown
    assert "(`exit()`) raised SystemExit" in shown and "xxx ..." in shown and "x" * 400 not in shown
    assert "the cell `forward-running` raised NameError" in shown
