"""The exercises are generated: the same bytes each time, and a stale or edited one is found by name."""

import json
import re
import shutil

import nbformat
import pytest

from autograder import course
from autograder.authoring import fingerprints, release
from autograder.authoring.script import Script
from autograder.gradebook import Course

NAMES = course.notebook_names()


def test_exercises_are_up_to_date(autograder, tmp_path):
    done = autograder("release", "--check", course=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_release_is_byte_identical_when_repeated(tmp_path):
    first, second = (release.release_notebook(NAMES[0], Course(tmp_path / which)) for which in "ab")
    assert first == second == course.released(NAMES[0]).read_text(encoding="utf-8")


def test_an_edited_and_a_stale_notebook_are_named(tmp_path, monkeypatch):
    copy = tmp_path / "exercises"
    shutil.copytree(course.EXERCISES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(course, "EXERCISES", copy)
    monkeypatch.setattr(fingerprints, "FOLDER", copy / "bnlab" / "fingerprints")
    name = "03_forward"
    assert release.stale([name]) == []
    edited = copy / f"{name}.ipynb"
    edited.write_text(edited.read_text().replace("NotImplementedError", "ValueError", 1))
    stored = copy / "bnlab" / "fingerprints" / "forward-train.npz"
    shutil.copy(copy / "bnlab" / "fingerprints" / "forward-eval.npz", stored)
    found = "\n".join(release.stale([name]))
    assert f"exercises/{name}.ipynb was edited by hand" in found and "forward-train.npz" in found
    edited.unlink()
    assert f"exercises/{name}.ipynb is missing" in release.stale([name])


@pytest.mark.parametrize("name", NAMES)
def test_released_cells(name):
    script = Script.of(name)
    notebook = nbformat.read(course.released(name), as_version=4)
    nbformat.validate(notebook)
    cells = {cell.id: cell for cell in notebook.cells}
    assert len(cells) == len(notebook.cells)
    for cell in notebook.cells:
        assert cell.metadata.id == cell.id
        assert cell.metadata.get("nbgrader", {}).get("grade_id", cell.id) == cell.id
    for cell in script.of_kind("solution"):
        source = cells[cell.id].source
        assert source.startswith(f"# answer: {cell.id}\n")
        assert f'raise NotImplementedError("{cell.id}")' in source and '"""' in source
    for cell in script.of_kind("test"):
        assert "check(" in cells[cell.id].source and "HIDDEN" not in cells[cell.id].source
    total = sum(cell.metadata.nbgrader.get("points", 0) for cell in notebook.cells if "nbgrader" in cell.metadata)
    assert total == sum(cell.points for cell in script.of_kind("test", "answer")) > 0


@pytest.mark.parametrize("name", NAMES)
def test_exercises_use_plain_markdown_and_no_widgets(name):
    notebook = nbformat.read(course.released(name), as_version=4)
    for cell in notebook.cells:
        assert "```{" not in cell.source and ":::" not in cell.source and "ipywidgets" not in cell.source
        assert "](../" not in cell.source and "](./" not in cell.source, "links to the book are absolute"
        assert not cell.get("outputs")


def test_the_sample_class_is_up_to_date():
    from autograder.bench import sample_class

    stored = {
        path.relative_to(sample_class.FOLDER).as_posix(): path.read_bytes()
        for path in sample_class.FOLDER.rglob("*")
        if path.is_file()
    }
    wanted = sample_class.files()
    assert stored.keys() == wanted.keys()
    assert [name for name in wanted if stored[name] != wanted[name]] == [], "run `make sample-class`"
    assert len(wanted) - 1 >= 12 and json.loads(wanted["expected.json"])


@pytest.mark.parametrize("name", NAMES)
def test_each_prediction_has_choices_with_feedback(name):
    text = "\n".join(cell.source for cell in nbformat.read(course.released(name), as_version=4).cells)
    questions = re.split(r"\*\*Predict (?:first|once more)\.\*\*", text)[1:]
    for question in questions:
        folded = re.findall(r"<details><summary>(?!Answer|More)", question)  # a fold with feedback for each choice
        listed = re.findall(r"(?m)^- \(([a-d])\) ", question)  # or a list, and feedback for each letter in the answer
        assert len(folded) >= 2 or len(set(listed)) >= 3 and len(listed) == 2 * len(set(listed)), question[:80]
    assert len(questions) >= 3
