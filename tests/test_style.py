"""All Python files are clean and formatted; code that readers see fits the page; doctests in docstrings hold."""

import re
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
        "autograder/course.py",
        "autograder/authoring",
        "autograder/collecting",
        "autograder/desk",
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


@pytest.mark.parametrize("page", sorted(ROOT.glob("exercises/*.ipynb")), ids=lambda p: p.stem)
def test_no_word_stands_alone_within_a_paragraph(page):
    """As an edit of a full line leaves it; students see the source of a text when they open its cell."""
    text = "\n\n".join(cell.source for cell in jupytext.read(page).cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert re.findall(r"^\w.{90,}\n *([`\w.,:]+)\n *[`\w(]", text, re.MULTILINE) == []
