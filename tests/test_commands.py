"""Every command answers wrong use with one clear line and a non-zero exit code, and loses nothing."""

import os
import shutil
import sys

import pytest

from autograder import course

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
    ],
    ids=" ".join,
)
def test_one_clear_line(autograder, tmp_path, arguments):
    done = autograder(*arguments, course=tmp_path / "course")
    assert done.returncode == 1
    (line,) = lines(done)
    assert line.startswith("autograder: ") and len(line) > 30


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["grade"], ["grade", NAME, "--jobs", "0"], ["collect", NAME], ["export", NAME, "--format", "pdf"]], ids=str)
def test_wrong_usage(autograder, tmp_path, arguments):
    done = autograder(*arguments, course=tmp_path)
    assert done.returncode == 2
    assert lines(done)[0].startswith("usage:")


@pytest.mark.parametrize("command", ["release", "collect", "grade", "feedback", "export", None])
def test_help(autograder, tmp_path, command):
    done = autograder(*([command] if command else []), "--help", course=tmp_path)
    assert done.returncode == 0 and "usage:" in done.stdout


def as_ordinary_user(*command, env):
    """Root may write anywhere: run as nobody."""
    if os.geteuid() != 0:
        return command, env
    return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command), env


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="needs setpriv to give up root's rights")
def test_a_read_only_course_folder(run, tmp_path):
    """Runs on copies that an ordinary user may read."""
    tmp_path.chmod(0o755)
    locked = tmp_path / "course"
    locked.mkdir(mode=0o555)
    code = "import sys; sys.path[:0] = [sys.argv[1]]; from autograder.__main__ import main; sys.exit(main(sys.argv[2:]))"
    copy = tmp_path / "repository"
    ignore = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", "course")
    shutil.copytree(course.REPOSITORY, copy, ignore=ignore)
    for path in copy.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    probe, _ = as_ordinary_user(sys.executable, "-c", "import numpy, nbgrader", env={})
    if run(*probe, cwd=tmp_path).returncode:
        pytest.skip("this Python is not readable by ordinary users")
    for arguments in (["grade", NAME, "--submissions", str(copy / "autograder" / "sample_class")], ["collect", NAME, "--from", str(copy / "autograder" / "sample_class")], ["release"]):
        command, _ = as_ordinary_user(sys.executable, "-c", code, str(copy), *arguments, env={})
        done = run(*command, cwd=tmp_path, env={"BN_COURSE": str(locked), "PYTHONPATH": "", "HOME": str(tmp_path)})
        assert done.returncode == 1, done.stdout
        assert "cannot write" in lines(done)[-1] and lines(done)[-1].startswith("autograder: ")


def test_a_read_only_json_target_keeps_what_was_there(autograder, tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "keep").write_text("x")
    done = autograder("grade", NAME, "--submissions", "autograder/sample_class", "--student", "empty", "--json", target, course=tmp_path / "course")
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
