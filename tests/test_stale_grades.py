"""Whoever takes grades out of the course hears which of them are not those of what was handed in last."""

import json
import shutil

import pytest
from small_course import NAME, VERDICTS

from autograder.__main__ import main
from autograder.collecting import reading
from autograder.desk import stale
from autograder.grading import execute
from autograder.recording import ledger

CURE = f"run `python -m autograder grade {NAME}`"


@pytest.fixture
def folder(folder):
    """The small course with what `grade` leaves: its record, and a note in each graded notebook."""
    results = [json.loads(path.read_text()) for path in (folder / "results").glob("*.json")]
    (folder / "committed").mkdir()
    ledger.path_of(NAME).write_text(json.dumps({result["student"]: result["key"] for result in results}))
    for result in results:
        data = submitted(folder, result["student"]).read_bytes()
        note = {"file": reading.digest(data), "submission": result["submission"], "version": result["version"]}
        path = folder / "autograded" / result["student"] / NAME / f"{NAME}.ipynb"
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["metadata"]["autograder"] = {"repairs": [], "problem": "", **note}
        path.write_text(json.dumps(notebook))
    return folder


def submitted(folder, student):
    return folder / "submitted" / student / NAME / f"{NAME}.ipynb"


def hand_in_again(folder, student, line="# another answer"):
    """The answer of one task with one more line."""
    path = submitted(folder, student)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "answer: backward\n" in "".join(cell["source"]):
            cell["source"] = [*cell["source"], f"\n{line}"]
    path.write_text(json.dumps(notebook))


def test_what_is_up_to_date_is_not_named(folder, capsys):
    assert stale.find(NAME) == {}
    path = submitted(folder, "ann")
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"nbformat_minor": 4}))
    assert stale.find(NAME) == {}, "saved again, with the same answers"
    assert main(["export", NAME]) == 0 and capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["export", "feedback", "report", "written"])
def test_every_command_says_it_and_does_its_work(folder, capsys, monkeypatch, command):
    monkeypatch.setattr("autograder.gradebook.Course.call", lambda *words, **options: None)  # pages of nbgrader
    hand_in_again(folder, "ann")
    shutil.copytree(folder / "submitted" / "ann", folder / "submitted" / "carl")
    assert main([command, NAME]) == 0
    lines = capsys.readouterr().err.strip().splitlines()
    assert f"autograder: 1 submission of {NAME} is newer than its grade (ann); {CURE}" in lines
    assert f"autograder: 1 submission of {NAME} was never graded (carl); {CURE}" in lines and len(lines) == 2
    if command == "report":
        page = (folder / "reports" / f"{NAME}.html").read_text(encoding="utf-8")
        assert page.count("Not up to date:") == 2 and "is newer than its grade (ann)" in page


@pytest.mark.parametrize("evidence", ["note", "record", "results"])
def test_each_trace_of_a_grade_tells(folder, evidence):
    """The note in the graded notebook; without it the record of `grade`; without both the finished results."""
    if evidence != "note":
        shutil.rmtree(folder / "autograded")
    if evidence == "results":
        ledger.path_of(NAME).unlink()
    assert stale.find(NAME) == {}
    hand_in_again(folder, "bob@example.org")
    assert stale.find(NAME) == {"newer": ["bob@example.org"]}


def test_grades_of_an_earlier_grader_are_named(folder, monkeypatch):
    monkeypatch.setattr(execute, "grader_version", lambda name: "a new one")
    assert stale.find(NAME) == {"older": sorted(VERDICTS)}


def test_many_are_counted_and_the_first_named():
    (line,) = stale.lines(NAME, {"newer": [f"s{number}" for number in range(12)]})
    assert line == f"12 submissions of {NAME} are newer than their grades (s0, s1, s2, s3, s4 and 7 more); {CURE}"


def test_a_class_that_was_never_graded(folder):
    (folder / "gradebook.db").unlink()
    assert stale.find(NAME) == {"never": sorted(VERDICTS)}
