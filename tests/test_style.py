"""All Python files are clean and formatted; doctests in docstrings hold."""

import sys


def test_ruff(run):
    for command in (["check"], ["format", "--check"]):
        done = run("ruff", *command, ".")
        assert done.returncode == 0, done.stdout


def test_doctests(run):
    done = run(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--doctest-modules",
        "exercises/bnlab",
        "autograder/script.py",
        "-p",
        "no:cacheprovider",
    )
    assert done.returncode == 0, done.stdout
