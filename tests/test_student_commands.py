"""`python -m bnlab check` and `submit`, as a student types them."""

import hashlib
import json
import shlex
import shutil
import sys

import nbformat
import numpy as np
import pytest
from bnlab import __version__, check, handed_in, progress, seal
from bnlab.__main__ import main
from bnlab.checking import CheckFailed
from bnlab.overview import table
from nbclient import NotebookClient

from autograder import course
from autograder.bench.sample_class import FOLDER

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
        (
            "slip-momentum",
            1,
            "Not everything is right yet. In the notebook, the cell below an answer says what is off.",
        ),
        ("empty", 1, "Not everything is answered yet."),
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
    assert done.returncode == 1 and "`forward-train` occurs 2 times" in done.stdout


def test_check_knows_what_a_name_meant_below_its_answer(bnlab, tmp_path):
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("batch_statistics, var = batch_statistics(np.eye(3))"))
    nbformat.write(notebook, tmp_path / NAME)
    done = bnlab("check", NAME)
    assert done.returncode == 0 and "50  of 50" in done.stdout, done.stdout


def test_submit_writes_the_file_and_its_receipt(bnlab, tmp_path):
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    notebook.cells[1].outputs = (
        [nbformat.v4.new_output("stream", text="much")] if notebook.cells[1].cell_type == "code" else []
    )
    (tmp_path / NAME).write_text(json.dumps(notebook))
    done = bnlab("submit", NAME)
    assert done.returncode == 0, done.stderr
    target = tmp_path / "hand_in" / NAME
    assert (
        hashlib.sha256(target.read_bytes()).hexdigest() in (tmp_path / "hand_in" / "03_forward.receipt.txt").read_text()
    )
    assert [cell.get("outputs", []) for cell in nbformat.read(target, as_version=4).cells if cell.cell_type == "code"][
        0
    ] == []


@pytest.mark.parametrize(
    "arguments", [["check", "nothing.ipynb"], ["submit", "nothing.ipynb"], ["check", "."], ["check", "x.ipynb"]]
)
def test_clear_lines(bnlab, tmp_path, arguments):
    (tmp_path / "x.ipynb").write_text('{"cells": []}')
    done = bnlab(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("bnlab: ") and "; " in line, "and what to do"


CODE = {"cell_type": "code", "metadata": {}, "source": "x = 1"}


@pytest.mark.parametrize("command", ["check", "submit"])
@pytest.mark.parametrize(
    "cell",
    ["x = 1", None, CODE | {"source": None}, CODE | {"source": ["x", 1]}, CODE | {"metadata": None}]
    + [CODE | {"metadata": {"nbgrader": "x"}}],
    ids=str,
)
def test_cells_that_are_none_are_no_notebook(bnlab, tmp_path, command, cell):
    (tmp_path / NAME).write_text(json.dumps({"cells": [CODE, cell]}))
    done = bnlab(command, NAME)
    assert done.returncode == 1 and not (tmp_path / "hand_in").exists()
    assert done.stderr == f"bnlab: {NAME} is not a notebook; save it in Jupyter, or download it from Colab as .ipynb\n"


def test_what_is_nested_too_deep_is_no_notebook(bnlab, tmp_path):
    (tmp_path / NAME).write_text("[" * 100_000)
    assert bnlab("submit", NAME).stderr.startswith(f"bnlab: {NAME} is not a notebook; ")


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
    assert "not checked" not in done.stdout, "what is empty is told once"
    shutil.copy(FOLDER / "perfect" / NAME, tmp_path / NAME)
    assert "not answered" not in bnlab("submit", NAME).stdout


def test_submit_names_a_cell_that_is_no_python(bnlab, tmp_path):
    notebook = json.loads((FOLDER / "perfect" / NAME).read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["id"] == "forward-train")
    cell["source"] = "# answer: forward-train\ndef batchnorm_train(x, gamma, beta, eps=1e-5)\n    return x"
    (tmp_path / NAME).write_text(json.dumps(notebook), encoding="utf-8")
    told = bnlab("submit", NAME).stdout
    assert "not answered yet: forward-train." in told
    assert (
        "the cell `forward-train` is not valid Python (line 2: expected ':'); what it defines counts as missing" in told
    )


def test_check_names_the_cell_that_raised(bnlab, tmp_path):
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    added = ["# a try\nimport math\n1 / 0", "import torch_that_is_not_there", "exit()", "raise ValueError('x' * 5000)"]
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in added]
    answer = next(cell for cell in notebook.cells if cell.id == "forward-running")
    answer.source += "\nundefined_name"
    nbformat.write(notebook, tmp_path / NAME)
    shown = bnlab("check", NAME).stdout
    assert "(`1 / 0`) raised ZeroDivisionError: division by zero (in line 3: 1 / 0)" in shown
    assert "needs the package torch_that_is_not_there: pip install" in shown
    assert "(`exit()`) raised SystemExit" in shown and "xxx ..." in shown and "x" * 400 not in shown
    assert "the cell `forward-running` raised NameError" in shown


def test_an_answer_below_a_package_that_is_missing_is_not_called_unanswered(bnlab, tmp_path):
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    answer = next(cell for cell in notebook.cells if cell.id == "forward-train")
    answer.source = f"import torch_that_is_not_there\n{answer.source}"
    nbformat.write(notebook, tmp_path / NAME)
    shown = bnlab("check", NAME).stdout
    assert "forward-train       14  its cell ends in an error" in shown and "NameError" not in shown
    assert "`forward-train` needs the package torch_that_is_not_there: pip install" in shown


def test_what_follows_from_a_cell_that_stopped_is_not_told(bnlab, tmp_path):
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    answer = next(cell for cell in notebook.cells if cell.id == "forward-train")
    answer.source = "def batchnorm_train(x, gamma, beta, eps=1e-5)\n    return x"
    nbformat.write(notebook, tmp_path / NAME)
    shown = bnlab("check", NAME).stdout
    assert "forward-train       14  its cell ends in an error" in shown and "36  of 50" in shown
    assert "`forward-train` raised SyntaxError: expected ':'" in shown and "NameError" not in shown


@pytest.mark.parametrize(
    "copy",
    [
        "03_forward (1).ipynb",
        "Copy of 03_forward.ipynb",
        "03_forward-Copy1.ipynb",
        "03_forward - Copy (2).ipynb",
        "03_forward copy 2.ipynb",
    ],
)
def test_the_name_of_a_second_download_is_no_other_notebook(bnlab, tmp_path, copy):
    shutil.copy(FOLDER / "perfect" / NAME, tmp_path / copy)
    told = bnlab("check", copy).stdout
    assert "50  of 50" in told and f"submit {shlex.quote(copy)}`" in told
    assert bnlab("submit", copy).returncode == 0
    assert {path.name for path in (tmp_path / "hand_in").iterdir()} == {NAME, "03_forward.receipt.txt"}


# -- what would be handed in without a word ---------------------------------------------------------------------------
DERIVED = "The means of a batch move with each sample, so two more terms come back to it."


def backward(change=lambda cells: None, text=DERIVED):
    """Notebook 04 with a written answer, changed."""
    notebook = nbformat.read(course.EXERCISES / "04_backward.ipynb", as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["derive-dx"].source = cells["derive-dx"].source.replace("YOUR ANSWER HERE", text)
    change(cells)
    notebook.cells = list(cells.values())
    return nbformat.writes(notebook)


def as_code(cells):
    old = cells["derive-dx"]
    cells["derive-dx"] = nbformat.v4.new_code_cell(old.source, id="derive-dx", metadata=old.metadata)


def below(cells):
    """The answer in a cell of its own below the question, and YOUR ANSWER HERE left in it."""
    at = list(cells).index("derive-dx") + 1
    items = list(cells.items())
    items.insert(at, ("mine", nbformat.v4.new_markdown_cell(DERIVED)))
    cells.clear()
    cells.update(items)


SILENT = [
    (backward(as_code), "`derive-dx` has become a code cell: to make it text again, select it"),
    (backward(text="idk"), "`derive-dx` says no more than 'idk': a person gives points for reasons"),
    (backward(text=""), "`derive-dx`: write your answer below its question; so far there is nothing"),
    (backward(below, "YOUR ANSWER HERE"), "`derive-dx`: delete the line YOUR ANSWER HERE"),
    (backward(lambda cells: cells.pop("setup")), "the set-up cell is missing: copy it from a fresh notebook"),
    (
        backward(lambda cells: cells.pop("backward-test")),
        "the test cell of `backward` is missing: copy it from a fresh",
    ),
    (
        backward(lambda cells: cells["backward"].update(source="<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs")),
        "the cell `backward` holds conflict markers of git: keep one version's lines",
    ),
]


@pytest.mark.parametrize(("text", "words"), SILENT, ids=[words for _, words in SILENT])
def test_nothing_is_passed_over_in_silence(tmp_path, text, words, capsys):
    (tmp_path / "04_backward.ipynb").write_text(text)
    assert main(["submit", str(tmp_path / "04_backward.ipynb")]) == 0
    assert capsys.readouterr().out.count(words) == 1


def test_what_is_told_of_the_file_counts_in_a_check(bnlab, tmp_path):
    def damaged(cells):
        as_code(cells)
        del cells["setup"]

    (tmp_path / "04_backward.ipynb").write_text(backward(damaged, "idk"))
    done = bnlab("check", "04_backward.ipynb")
    assert done.returncode == 1 and "Not everything is right yet" in done.stdout
    for words in ("has become a code cell", "says no more than 'idk'", "the set-up cell is missing"):
        assert done.stdout.count(words) == 1
    assert "SyntaxError" not in done.stdout, "a text is not run"


def test_a_whole_notebook_hears_nothing_of_the_kind(tmp_path, capsys):
    (tmp_path / "04_backward.ipynb").write_text(backward())
    main(["submit", str(tmp_path / "04_backward.ipynb")])
    shown = capsys.readouterr().out
    assert "derive-dx" not in shown and "missing" not in shown and "git" not in shown


def test_a_file_in_which_git_left_a_conflict(bnlab, tmp_path):
    text = backward().replace(
        '   "source": [', '<<<<<<< HEAD\n   "source": [\n=======\n   "source": [\n>>>>>>> theirs', 1
    )
    (tmp_path / "04_backward.ipynb").write_text(text)
    number = text.split("\n").index("<<<<<<< HEAD") + 1
    for command in ("check", "submit"):
        done = bnlab(command, "04_backward.ipynb")
        (line,) = done.stderr.strip().splitlines()
        assert done.returncode == 1 and f"holds conflict markers of git, the first in line {number}; " in line
        assert "git checkout --ours 04_backward.ipynb" in line


@pytest.fixture
def executed(monkeypatch):
    """Notebook 03 as Jupyter saves it after all cells ran, with one wrong answer; its cells by name."""
    monkeypatch.setenv("PYTHONPATH", str(course.EXERCISES))
    notebook = nbformat.read(FOLDER / "perfect" / NAME, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["batch-statistics"].source = "# answer: batch-statistics\ndef batch_statistics(x):\n    return x, x"
    NotebookClient(
        notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(course.EXERCISES)}}
    ).execute()
    return notebook, cells


def test_submit_tells_what_the_file_shows_of_its_checks(bnlab, tmp_path, executed):
    notebook, cells = executed
    nbformat.write(notebook, tmp_path / NAME)
    told = bnlab("submit", NAME).stdout
    assert (
        "not right when last checked: batch-statistics (`python -m bnlab check 03_forward.ipynb` looks again)" in told
    )
    assert "not checked" not in told and "run again" not in told and "not answered" not in told
    cells["forward-train"].execution_count += 100
    cells["forward-eval-test"].outputs = []
    cells["forward-running"].source = "# answer: forward-running\ndef update_running():\n    raise NotImplementedError"
    cells["forward-running-test"].outputs = []
    nbformat.write(notebook, tmp_path / NAME)
    told = bnlab("submit", NAME).stdout
    assert "run again since it was last checked: forward-train (" in told
    assert "not checked, as far as the file shows: forward-eval (" in told, "what is empty is told once"
    assert "not answered yet: forward-running." in told
    assert "forward-layer" not in told


@pytest.mark.parametrize(
    "outputs, said",
    [
        (5, "not checked, as far as the file shows"),
        ("batch-statistics: correct", "not checked, as far as the file shows"),
        ([None, 5, {"text": 5}, {"text": None}], "not right when last checked"),
        ([{"text": ["batch-"]}, {"text": "statistics: correct (4 cases).\n"}], ""),
    ],
    ids=str,
)
def test_submit_reads_outputs_of_every_form(outputs, said):
    notebook = json.loads((FOLDER / "perfect" / NAME).read_text(encoding="utf-8"))
    next(cell for cell in notebook["cells"] if cell["id"] == "batch-statistics-test")["outputs"] = outputs
    found = handed_in.checks_shown(notebook, "03_forward")
    assert [words for words, tasks in found.items() if "batch-statistics" in tasks] == [said] * bool(said)


def test_submit_sees_code_that_was_edited_and_not_run_again(executed):
    """`check` prints a number of the code that it has run, and `submit` looks for that code in the file."""
    notebook, cells = executed
    edited = {"forward-train": ("gamma *", "gamma  *"), "forward-layer": ("training = True", "training = False")}
    beside = {"forward-running": ("def ", "# the same code\ndef "), "forward-eval": ("\n", " \n")}

    def told(changes):
        for task, change in changes.items():
            before, cells[task].source = cells[task].source, cells[task].source.replace(*change)
            assert before != cells[task].source
        return handed_in.checks_shown(notebook, "03_forward")["edited since it was last checked"]

    assert "(code " in cells["forward-train-test"].outputs[0].text
    assert told({}) == [] and told(beside) == [] and told(edited) == list(edited)
    cells["forward-train-test"].outputs[0].text = "forward-train: correct (5 cases).\n"  # checked by an older bnlab
    assert told({}) == ["forward-layer"]


def test_answers_whose_code_is_nowhere_have_no_number(monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: "a shell")
    names = {}
    exec("def made(): pass", names)
    odd = type("Odd", (), {"__getattr__": lambda self, name: 1 / 0})()
    assert [seal.sealed(one) for one in (names["made"], len, odd, type("Bare", (), {}), None)] == [""] * 5
    assert seal.seals("def f(:", "f") == seal.seals("f = 1", "f") == []
    assert seal.sealed(test_answers_whose_code_is_nowhere_have_no_number) != ""


def test_submit_writes_half_a_character_as_it_is(bnlab, tmp_path):
    """What some editors leave of a picture sign that was cut in two."""
    (tmp_path / NAME).write_text(json.dumps({"cells": [CODE | {"source": "# \ud83d"}]}))
    assert bnlab("submit", NAME).returncode == 0
    (cell,) = json.loads((tmp_path / "hand_in" / NAME).read_text(encoding="utf-8"))["cells"]
    assert cell["source"] == "# \ud83d"


def test_progress_sees_the_line_that_stands_for_an_answer(tmp_path, monkeypatch, capsys):
    from bnlab import progress

    monkeypatch.chdir(tmp_path)
    progress("04_backward", {})
    assert "read by a person" in capsys.readouterr().out
    (tmp_path / "04_backward.ipynb").write_text(backward(text="YOUR ANSWER HERE"))
    progress("04_backward", {})
    shown = capsys.readouterr().out
    assert "read by a person" not in shown and "delete the line YOUR ANSWER HERE (in the file as it was last" in shown
    (tmp_path / "elsewhere.ipynb").write_text(backward())
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "elsewhere.ipynb"))
    progress("04_backward", {})
    shown = capsys.readouterr().out
    assert "read by a person" in shown and "YOUR ANSWER" not in shown


def test_progress_remembers_what_the_check_below_an_answer_said(capsys):
    """A later cell gave something else a name that the answer uses, as two kernels whose sources share one."""
    names = {"np": np}
    exec("def batch_statistics(x):\n    return x.mean(axis=AXIS), x.var(axis=AXIS)\nAXIS = 0", names)
    check("batch-statistics", names["batch_statistics"])
    names["AXIS"] = 1
    progress("03_forward", names)
    assert "batch-statistics     8  correct" in capsys.readouterr().out
    with pytest.raises(CheckFailed):
        check("batch-statistics", names["batch_statistics"])
    progress("03_forward", names)
    assert "batch-statistics     8  not yet right" in capsys.readouterr().out


def test_points_that_are_given_later_are_told_beside_the_sum():
    found = {"a": ("passed", 3), "b": ("waits", 5), "c": ("person", 4)}
    assert table(found).endswith("3  of 12; 9 more are decided when it is graded")
    assert table({"a": ("missing", 3)}).endswith("0  of 3")
