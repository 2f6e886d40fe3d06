"""Each run that changes the course has an id and a log, which tells what was asked and what became of whom."""

import re

import pytest
from small_course import NAME

from autograder import __version__, logs
from autograder.__main__ import main
from autograder.desk import doctor, report


def test_a_run_tells_what_it_did_and_how_it_ended(folder):
    assert main(["export", NAME, "--format", "csv"]) == 0
    (path,) = logs.runs()
    assert re.fullmatch(r"\d{8}T\d{6}Z-export-\d{6}\.log", path.name)
    text = path.read_text()
    assert f"python -m autograder export {NAME} --format csv" in text and f"autograder {__version__}" in text
    assert "3 scores in" in text and text.splitlines()[-1].endswith("exit code 0")


def test_an_error_is_in_the_log(folder, capsys):
    assert main(["export", NAME, "--format", "canvas", "--roster", "/no/such/file.csv"]) == 1
    (path,) = logs.runs()
    assert "ended by CourseError: cannot read /no/such/file.csv" in path.read_text()
    assert capsys.readouterr().err.count("\n") == 1, "and the person reads one line"
    assert path.read_text().splitlines()[-1].endswith("exit code 1") and doctor.runs().level == "ok"
    assert main(["export", NAME, "--roster", "list.csv"]) == 2
    assert "exit code 2" in max(logs.runs()).read_text(), "wrong usage"


def test_commands_that_change_nothing_leave_no_log(folder):
    assert main(["forget", "nobody", "--yes"]) == 1
    assert logs.runs() == []


def test_a_mistyped_command_makes_no_course_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    assert main(["collect", "nothing", "--from", "."]) == 2
    assert not (tmp_path / "course").exists()


def test_a_log_that_cannot_be_written_stops_nothing(folder):
    (folder / "logs").write_text("a file in its place")
    assert main(["export", NAME]) == 0


def test_names_and_errors_cannot_forge_lines(folder):
    with logs.Run("grade", ["grade", NAME]):
        logs.line("ann\n12:00:00 bob: 50 of 50\x1b[2J")
    (line,) = [line for line in logs.runs()[0].read_text().splitlines() if "bob" in line]
    assert "ann | 12:00:00 bob" in line and "\x1b" not in line


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("postgresql://me:hidden@host/grades", "postgresql://me:...@host/grades"),
        ("postgresql://me:hid@den@host/grades", "postgresql://me:...@host/grades"),
        ("postgresql://host/grades?user=me&password=hidden&x=1", "postgresql://host/grades?user=me&password=...&x=1"),
    ],
)
def test_passwords_stay_out(folder, typed, shown):
    with pytest.raises(ValueError), logs.Run("copy-gradebook", ["copy-gradebook", "--to", typed]):
        logs.line("x")
        raise ValueError(f"cannot use {typed}")
    text = logs.runs()[0].read_text()
    assert text.count(shown) == 2 and "hid" not in text and "den" not in text


def test_the_report_names_the_runs(folder):
    page = report.write(NAME).read_text()
    assert "Graded in the runs" in page and "without one" in page


def test_doctor_tells_a_run_that_did_not_finish_from_one_that_did(monkeypatch, tmp_path):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    assert main(["grade", "no_such_notebook"]) == 2
    assert doctor.runs().level == "ok", "wrong usage leaves nothing undone"
    (log,) = logs.runs()
    log.write_text("\n".join(log.read_text().splitlines()[:-1]))
    assert doctor.runs().level == "note" and "did not finish" in doctor.runs().cure
