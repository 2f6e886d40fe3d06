"""No solution, hidden test or mutant leaves solutions/: not in exercises, wheel, student zip, or website."""

import ast
import html
import json
import re
import sys
import zipfile

import pytest

from autograder import course, student_zip
from autograder.script import Script

COMMON = re.compile(r"(from|import)[\w.,]+|rng=np\.random\.default_rng\(\d+\)")  # lines that give nothing away
SHORT = 25  # characters; shorter lines occur anywhere ("return x", "mu = x.mean(axis=0)" is said in every textbook)


def squeeze(line):
    return re.sub(r"\s+", "", line.split("#")[0])


def secret_lines():
    """Lines of solutions, hidden tests, mutants and styles that stand nowhere else for a good reason -> where from."""
    found, public = {}, set()
    for name in course.notebook_names():
        for cell in Script(course.SOLUTIONS / f"{name}.py").cells:
            if not cell.is_code:
                continue
            inside = False
            for line in cell.source.split("\n"):
                marker = re.search(r"### (BEGIN|END) (SOLUTION|HIDDEN TESTS)", line)
                if marker:
                    inside = marker.group(1) == "BEGIN"
                elif inside:
                    found[squeeze(line)] = f"solutions/{name}.py"
                else:
                    public.add(squeeze(line))
    for path in [*(course.SOLUTIONS / "mutants").rglob("*.py"), *(course.SOLUTIONS / "styles").rglob("*.py")]:
        for line in code_lines(path):
            found.setdefault(squeeze(line), str(path.relative_to(course.REPOSITORY)))
    return {
        line: source
        for line, source in found.items()
        if len(line) >= SHORT and line not in public and not COMMON.fullmatch(line)
    }


def code_lines(path):
    """The lines of a module's functions: no docstrings, decorators, signatures or imports."""
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for statement in node.body:
                documentation = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                if not documentation and not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                    yield from lines[statement.lineno - 1 : statement.end_lineno]


def leaks(text, secrets):
    squeezed = re.sub(r"\s+", "", text)
    return sorted({f"{source}: {line}" for line, source in secrets.items() if line in squeezed})


@pytest.fixture(scope="module")
def secrets():
    found = secret_lines()
    assert len(found) > 100
    return found


def test_the_search_finds_a_leak(secrets):
    line = next(iter(secrets))
    assert leaks(f"before\n    {line}\nafter", secrets)


def files_of_students():
    for path in sorted(course.EXERCISES.rglob("*")):
        if (
            path.suffix in (".py", ".md", ".ipynb")
            and "__pycache__" not in path.parts
            and ".ipynb_checkpoints" not in path.parts
        ):
            yield path


def text_of(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(
            cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            for cell in json.loads(text)["cells"]
        )
    return text


def test_exercises(secrets):
    for path in files_of_students():
        assert leaks(text_of(path), secrets) == [], path


def test_pages(secrets):
    for path in [*(course.REPOSITORY / "book").rglob("*.md"), *(course.REPOSITORY / "book").rglob("*.py")]:
        assert leaks(path.read_text(encoding="utf-8"), secrets) == [], path


@pytest.mark.xdist_group("website")  # one process builds the website, the others go on
def test_website(secrets, website):
    for path in [
        *website.rglob("*.html"),
        *website.rglob("*.ipynb"),
        *website.rglob("*.txt"),
        *website.rglob("searchindex.js"),
    ]:
        text = html.unescape(re.sub(r"<[^>]+>", "", path.read_text(encoding="utf-8", errors="replace")))
        assert leaks(text, secrets) == [], path
    assert not [
        path
        for path in website.rglob("*")
        if {"solutions", "autograder", "mutants"} & set(path.relative_to(website).parts)
    ]


def test_wheel_holds_bnlab_alone(secrets, run, tmp_path):
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
                assert leaks(archive.read(name).decode(), secrets) == [], name


def test_student_zip(secrets, tmp_path):
    student_zip.write(tmp_path / "a.zip")
    student_zip.write(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert {name.split("/")[0] for name in names} == {"exercises"}
        assert "exercises/03_forward.ipynb" in names and "exercises/bnlab/__init__.py" in names
        for name in names:
            if name.endswith((".py", ".md", ".ipynb")):
                assert leaks(archive.read(name).decode().replace('\\"', '"'), secrets) == [], name


def test_fingerprints_hold_numbers_only():
    import numpy as np

    for path in sorted((course.EXERCISES / "bnlab" / "fingerprints").glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            for key in stored.files:
                assert stored[key].dtype.kind in "fiubU", f"{path.name}: {key}"
                assert "def " not in str(stored[key])[:10_000]


def test_bnlab_imports_numpy_only(run):
    code = "import sys, bnlab; print(sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    heavy = ["torch", "cupy", "matplotlib", "sklearn", "scipy", "nbformat", "IPython", "autograder", "solutions"]
    assert run(sys.executable, "-c", code, *heavy).stdout.strip() == "[]"


def test_one_direction():
    rules = {
        "exercises/bnlab": {"solutions", "autograder", "book"},
        "solutions": {"autograder", "book"},
        "autograder/sandbox": {"solutions", "autograder"},
    }
    for folder, forbidden in rules.items():
        for path in (course.REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = (
                    [item.name for item in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
                assert not {name.split(".")[0] for name in names} & forbidden, f"{path} line {node.lineno}"
