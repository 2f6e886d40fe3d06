"""Every command answers wrong use with one clear line and a non-zero exit code, and loses nothing."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autograder import __version__, course

NAME = "03_forward"


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
        ["export", NAME, "--roster", "README.md"],
        ["report", "nothing"],
        ["report", NAME],
        ["roster", "/no/such/file.csv"],
        ["roster", "README.md"],
        ["forget", "nobody", "--yes"],
    ],
    ids=" ".join,
)
def test_one_clear_line(autograder, tmp_path, arguments):
    done = autograder(*arguments, course=tmp_path / "course")
    assert done.returncode == 1
    (line,) = lines(done)
    assert line.startswith("autograder: ") and len(line) > 30


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
    ],
    ids=str,
)
def test_wrong_usage(autograder, tmp_path, arguments):
    done = autograder(*arguments, course=tmp_path)
    assert done.returncode == 2
    assert lines(done)[0].startswith("usage:")


COMMANDS = ["release", "certify", "collect", "grade", "feedback", "report", "roster", "export", "forget", "doctor"]


@pytest.mark.parametrize("command", [*COMMANDS, None])
def test_help(autograder, tmp_path, command):
    done = autograder(*([command] if command else []), "--help", course=tmp_path)
    assert done.returncode == 0 and "usage:" in done.stdout
    assert f"examples:\n  python -m autograder {command or ''}".rstrip() in done.stdout


def test_version(autograder, tmp_path):
    done = autograder("--version", course=tmp_path)
    assert done.returncode == 0 and done.stdout.split() == ["autograder", __version__]


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
