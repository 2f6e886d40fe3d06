"""All Python files are clean and formatted; code that readers see fits the page; doctests in docstrings hold."""

import sys
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).parent.parent
COLUMN = 84  # characters of code that a page of the website shows without scrolling
UNSEEN = {"hide-input", "remove-input", "remove-cell"}


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


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("book/[01]*.md"), *ROOT.glob("exercises/*.ipynb")]), ids=lambda p: p.stem
)
def test_code_fits_the_column_of_a_page(page):
    shown = [
        line
        for cell in jupytext.read(page).cells
        if cell.cell_type == "code" and not UNSEEN & set(cell.metadata.get("tags", []))
        for line in cell.source.split("\n")
    ]
    assert [line for line in shown if len(line) > COLUMN] == []
