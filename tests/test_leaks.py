"""No solution, hidden test or mutant leaves solutions/: not in exercises, wheel, student zip, or website."""

import ast
import sys
import zipfile
from pathlib import Path

import pytest

from autograder import course
from autograder.authoring import student_zip
from autograder.desk import leaks


@pytest.fixture(scope="module")
def search():
    found = leaks.secret_lines()
    assert len(found) > 100 and any(".cu" in source for source in found.values())
    return leaks.Search(found)


def test_the_search_finds_each_secret_line(search):
    for line, source in leaks.secret_lines().items():
        assert f"{source}: {line}" in search(f"before\n    {line}\nafter")
    assert search(" ".join(line)) == search(line) != [], "however it is broken"


def files_of_students():
    for path in sorted(course.EXERCISES.rglob("*")):
        if (
            path.suffix in (".py", ".md", ".ipynb")
            and "__pycache__" not in path.parts
            and ".ipynb_checkpoints" not in path.parts
        ):
            yield path


def test_exercises(search):
    for path in files_of_students():
        assert search(leaks.text_of(path.read_bytes(), path.suffix)) == [], path


def test_pages(search):
    for path in [*(course.REPOSITORY / "book").rglob("*.md"), *(course.REPOSITORY / "book").rglob("*.py")]:
        assert search(path.read_text(encoding="utf-8")) == [], path


@pytest.mark.xdist_group("website")  # one process builds the website, the others go on
def test_website(search, website):
    for path in [
        *website.rglob("*.html"),
        *website.rglob("*.ipynb"),
        *website.rglob("*.txt"),
        *website.rglob("searchindex.js"),
    ]:
        assert search(leaks.text_of(path.read_bytes(), path.suffix)) == [], path
    assert not [
        path
        for path in website.rglob("*")
        if {"solutions", "autograder", "mutants"} & set(path.relative_to(website).parts)
    ]


def test_wheel_holds_bnlab_alone(search, run, tmp_path):
    done = run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        course.REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"bnlab"}
        assert any(name.endswith("forward-train.npz") for name in names)
        assert "bnlab/gpu/cuda/simt.h" in names and "bnlab/gpu/cuda/checker.cpp" in names
        for name in names:
            if name.endswith(".py"):
                assert search(archive.read(name).decode()) == [], name


def test_student_zip(search, tmp_path):
    student_zip.write(tmp_path / "a.zip")
    student_zip.write(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert {name.split("/")[0] for name in names} == {"exercises"}
        assert "exercises/03_forward.ipynb" in names and "exercises/bnlab/__init__.py" in names
        for name in names:
            if name.endswith((".py", ".md", ".ipynb")):
                assert search(leaks.text_of(archive.read(name), Path(name).suffix)) == [], name


def test_fingerprints_hold_numbers_only():
    stored = sorted((course.EXERCISES / "bnlab" / "fingerprints").glob("*.npz"))
    assert stored
    for path in stored:
        assert leaks.numbers_only(path.read_bytes()) == "", path.name
    assert "no archive" in leaks.numbers_only(b"PK no")


def test_bnlab_imports_numpy_only(run):
    code = "import sys, bnlab; print(sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    heavy = ["torch", "cupy", "matplotlib", "sklearn", "scipy", "nbformat", "IPython", "autograder", "solutions"]
    assert run(sys.executable, "-c", code, *heavy).stdout.strip() == "[]"


def test_one_direction():
    """What autograder/sandbox may import, tests/test_rooms.py says."""
    rules = {"exercises/bnlab": {"solutions", "autograder", "book"}, "solutions": {"autograder", "book"}}
    for folder, forbidden in rules.items():
        for path in (course.REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not {name.split(".")[0] for name in names} & forbidden, f"{path} line {node.lineno}"
