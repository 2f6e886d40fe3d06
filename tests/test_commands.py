"""Every command answers wrong use with one clear line and a non-zero exit code, and loses nothing."""

import inspect
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import bnlab
import pytest
import yaml

from autograder import __main__ as cli
from autograder import __version__, commands, course
from autograder.__main__ import EXAMPLES, main, parser
from autograder.desk import commands as desk
from autograder.grading import grade

NAME = "03_forward"
CURE = re.compile(
    r"; (run `|there are |the course has |expected |export |name |unpack |write |start |there are some)|goes with"
)


def lines(done):
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr.strip().splitlines()


@pytest.mark.parametrize(
    "arguments",
    [
        ["release", "nothing"],
        ["release", "--check", "nothing"],
        ["collect", "nothing", "--from", "."],
        ["collect", NAME, "--from", "/no/such/folder"],
        ["collect", NAME, "--from", "README.md"],
        ["collect", NAME, "--from", "book"],
        ["grade", "nothing"],
        ["grade", NAME],
        ["grade", NAME, "--submissions", "/no/such/folder"],
        ["grade", NAME, "--submissions", "book"],
        ["grade", NAME, "--submissions", "autograder/sample_class", "--student", "nobody"],
        ["feedback", "nothing"],
        ["feedback", NAME],
        ["export", "nothing"],
        ["export", NAME],
        ["export", NAME, "--format", "canvas", "--roster", "/no/such/file.csv"],
        ["report", "nothing"],
        ["report", NAME],
        ["roster", "/no/such/file.csv"],
        ["roster", "README.md"],
        ["forget", "nobody", "--yes"],
        ["certify", "nothing"],
        ["written", "nothing"],
        ["written", "04_backward"],
        ["publish", "--to", "README.md"],
        ["copy-gradebook", "--to", "nonsense"],
        ["grade", NAME, "--submissions", "autograder/sample_class", "--scheduler", "nonsense"],
    ],
    ids=" ".join,
)
def test_one_clear_line(tmp_path, monkeypatch, capsys, arguments):
    (tmp_path / "course").mkdir()
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    monkeypatch.chdir(course.REPOSITORY)
    assert main(arguments) == (2 if "nothing" in arguments else 1)
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("autograder: ") and len(line) > 30
    assert CURE.search(line), "it says what to do, or what there is"


@pytest.mark.parametrize(
    ("typed", "meant"), [("03_forwrd", "03_forward"), ("forward", "03_forward"), ("10-cuda", "10_cuda"), ("zzz", "")]
)
def test_a_misspelt_notebook_is_wrong_usage_and_the_near_name_is_told(capsys, monkeypatch, tmp_path, typed, meant):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    assert main(["grade", typed]) == 2
    said = capsys.readouterr().err
    assert f"there is no notebook '{typed}'; " in said
    assert f"did you mean {meant}? " in said if meant else "did you mean" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["collect", NAME, "--from", ".", "--again"],
        ["export", NAME, "--roster", "README.md"],
        ["export", NAME, "--column", "Grade"],
        ["grade", NAME, "--only", "needs-gpu", "--again"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_wrong_usage(tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    monkeypatch.chdir(course.REPOSITORY)
    assert main(arguments) == 2


def test_the_sample_class_stays_out_of_the_instructors_gradebook(tmp_path):
    """`make grade` names a course and a gradebook of its own, whatever the shell says; `make course` names that one."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$BN_COURSE,$BN_DATABASE,$4"\n')
    python.chmod(0o755)
    words = ["make", "--no-print-directory", "-o", ".venv/installed", f"BIN={tmp_path}", "grade"]
    mine = {**os.environ, "BN_COURSE": str(tmp_path / "mine"), "BN_DATABASE": f"sqlite:///{tmp_path}/mine.db"}
    done = subprocess.run(words, cwd=course.REPOSITORY, env=mine, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"_build/sample_course,,03_forward", "_build/sample_course,,04_backward"}
    assert (course.REPOSITORY / "_build" / "sample_course").is_dir(), "a course that is not there is told as misspelt"
    said = subprocess.run([*words[:-1], "-n", "course"], cwd=course.REPOSITORY, capture_output=True, text=True).stdout
    assert "BN_COURSE=_build/sample_course .venv/bin/python -m autograder report 03_forward" in said


@pytest.mark.parametrize("command", sorted(cli.NEED_A_COURSE))
def test_a_misspelt_course_is_no_empty_course(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "coarse"))
    assert main([command, "ann" if command == "forget" else NAME]) == 1
    assert f"there is no course folder {tmp_path / 'coarse'} (BN_COURSE says so); " in capsys.readouterr().err
    assert not (tmp_path / "coarse").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["grade"],
        ["grade", NAME, "--jobs", "0"],
        ["collect", NAME],
        ["collect", NAME, "--from", ".", "--at", "soon"],
        ["export", NAME, "--format", "pdf"],
        ["report"],
        ["roster"],
        ["forget"],
        ["doctor", "now"],
        ["certify", "--slow"],
        ["grade", NAME, "--jobs", "2", "--scheduler", "tcp://127.0.0.1:8786"],
        ["written"],
        ["publish"],
        ["copy-gradebook"],
        ["release", "--force"],
        ["feedback"],
    ],
    ids=str,
)
def test_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and capsys.readouterr().err.startswith("usage:")


COMMANDS = list(next(action for action in parser()._actions if action.dest == "command").choices)
# Commands that show their progress; `release` tells each notebook as it is done.
SLOW = ("certify", "grade", "feedback", "report", "written", "copy-gradebook", "publish")


@pytest.mark.parametrize("command", [*COMMANDS, None])
def test_help_has_examples(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([*([command] if command else []), "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and said.startswith("usage:")
    examples = [line for line in said.splitlines() if line.startswith("  python -m autograder ")]
    assert examples and all(command is None or f" autograder {command}" in line for line in examples)
    if command is None:
        assert {line.split()[3] for line in examples} == set(COMMANDS)


PROGRAMS = [
    f"{path.parent.name}.{path.stem}"
    for path in sorted((course.REPOSITORY / "autograder").glob("*/[a-z]*.py"))
    if path.parent.name != "sandbox" and '__name__ == "__main__"' in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_beside_the_commands_help_and_write_nothing(monkeypatch, capsys, name):
    """`python -m autograder.NAME --help`, and a word that they do not know."""

    def forbidden(*words, **options):
        raise AssertionError("asked for help, and something was written")

    monkeypatch.setattr(Path, "write_text", forbidden)
    monkeypatch.setattr(Path, "write_bytes", forbidden)
    monkeypatch.setattr("zipfile.ZipFile.writestr", forbidden)
    monkeypatch.delitem(sys.modules, f"autograder.{name}", raising=False)
    for words, code, stream in ((["--help"], 0, "out"), (["--no-such-option"], 2, "err")):
        monkeypatch.setattr(sys, "argv", [name, *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(f"autograder.{name}", run_name="__main__")
        said = getattr(capsys.readouterr(), stream)
        assert ended.value.code == code and said.startswith(f"usage: python -m autograder.{name}")


def test_the_examples_of_the_help_are_right():
    """Each is what the parser understands, and each notebook that it names exists."""
    for line in [*EXAMPLES.splitlines(), *desk.EXAMPLES.splitlines()]:
        words = re.split(r"\s{2,}", line.strip())[0].split()[3:]
        if words:
            given = parser().parse_args(words)
            assert getattr(given, "name", NAME) in course.notebook_names(), line


@pytest.mark.parametrize("command", SLOW)
def test_long_work_shows_progress(command):
    """In the source: that a bar moves is for eyes."""
    name = f"run_{command.replace('-', '_')}"
    run = getattr(desk, name, None) or getattr(commands, name)
    assert "progress()" in inspect.getsource(grade.execute_all if command == "grade" else run)


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    words = capsys.readouterr().out.split()
    assert words[:2] == ["autograder", __version__] and f"{bnlab.__version__}," in words


def test_one_version_for_everything():
    """The library, the grader, the citation and the newest heading of the changelog."""
    citation = yaml.safe_load((course.REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (course.REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    number, day = re.findall(r"(?m)^## (\d+\.\d+\.\d+), (\d{4}-\d\d-\d\d)$", changelog)[0]
    assert {__version__, bnlab.__version__, str(citation["version"]), number} == {__version__}
    assert str(citation["date-released"]) == day
    assert citation["cff-version"] and citation["authors"] and citation["title"] and citation["license"]
    assert citation["repository-code"] == course.public_repository()


@pytest.fixture
def open_folder():
    """A folder that an ordinary user can reach; pytest's own are its owner's alone."""
    folder = Path(tempfile.mkdtemp(prefix="bn-test-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


@pytest.mark.parametrize("command", ["grade", "collect", "release"])
def test_a_read_only_course(run, open_folder, command):
    """Root may write anywhere, so the command runs as nobody, on a copy that everybody may read and nobody write."""
    copy = open_folder / "repository"
    ignore = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", "course", "book")
    shutil.copytree(course.REPOSITORY, copy, ignore=ignore)
    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if run(*drop, sys.executable, "-c", "import nbgrader", cwd=open_folder).returncode:
        pytest.skip("this Python cannot be read by ordinary users")
    sample = ["--submissions" if command == "grade" else "--from", copy / "autograder" / "sample_class"]
    arguments = [command] + ([NAME, *sample] if command != "release" else [])
    environment = {"BN_COURSE": str(copy / "new_course"), "HOME": str(open_folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run(*drop, sys.executable, "-m", "autograder", *arguments, cwd=copy, env=environment)
    assert done.returncode == 1, done.stdout
    (line,) = lines(done)
    assert line.startswith("autograder: cannot write")


def test_a_read_only_json_target_keeps_what_was_there(autograder, tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "keep").write_text("x")
    done = autograder(
        "grade",
        NAME,
        "--submissions",
        "autograder/sample_class",
        "--student",
        "empty",
        "--json",
        target,
        course=tmp_path / "course",
    )
    assert done.returncode == 1 and "cannot write" in lines(done)[-1]
    assert (target / "keep").read_text() == "x"


def test_a_run_that_is_refused_leaves_nothing_beside_its_json(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    sample, target = course.REPOSITORY / "autograder" / "sample_class", tmp_path / "out" / "scores.json"
    target.parent.mkdir()
    words = ["grade", NAME, "--submissions", str(sample), "--json", str(target), "--scheduler", "nonsense"]
    assert main(words) == 1 and list(target.parent.iterdir()) == []


def test_collect_keeps_what_a_new_submission_replaces(autograder, tmp_path):
    first, second = tmp_path / "first" / "ann", tmp_path / "second" / "ann"
    for folder, text in ((first, "{}"), (second, '{"cells": []}')):
        folder.mkdir(parents=True)
        (folder / f"{NAME}.ipynb").write_text(text)
        assert autograder("collect", NAME, "--from", folder.parent, course=tmp_path / "course").returncode == 0
    (old,) = (tmp_path / "course" / "replaced").rglob("*.ipynb")
    assert old.read_text() == "{}"
    again = autograder("collect", NAME, "--from", second.parent, course=tmp_path / "course")
    assert "collected 0 new" in again.stdout


def test_links_are_not_followed(autograder, tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_text("{}")
    inside = tmp_path / "class"
    for student, target in (("link", secret), ("real", None)):
        (inside / student).mkdir(parents=True)
        path = inside / student / f"{NAME}.ipynb"
        path.symlink_to(target) if target else path.write_text("{}")
    done = autograder("collect", NAME, "--from", inside, course=tmp_path / "course")
    assert done.returncode == 1 and "is a link" in done.stdout
    assert not (tmp_path / "course" / "submitted" / "link").exists()
    assert (tmp_path / "course" / "submitted" / "real").exists()
