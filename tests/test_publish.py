"""`publish` writes a repository for readers and students that works on its own, or nothing where it would leak."""

import ast
import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from packaging.requirements import Requirement

from autograder import course
from autograder.__main__ import main
from autograder.desk import doctor, leaks, publish

SAMPLE = course.REPOSITORY / "autograder" / "sample_class"
ADDRESS = course.public_repository()
OPTIONAL = {"IPython", "cupy", "cupy_backends", "pooch", "playwright"}  # used where they are there


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """The public repository."""
    target = tmp_path_factory.mktemp("public") / "repository"
    publish.publish(target)
    return target


def texts(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and leaks.is_text(path) and path.name != publish.RECORD:
            yield path, path.read_text(encoding="utf-8")


def test_it_holds_what_readers_and_students_need_and_nothing_else(public):
    top = {path.name for path in public.iterdir()}
    needed = {"book", "exercises", "README.md", "CONTRIBUTING.md", "LICENSE", "LICENSE-CODE", "Makefile"}
    needed |= {"CITATION.cff", "CHANGELOG.md"}
    needed |= {"_config.yml", "requirements.txt", "constraints.txt", "pyproject.toml", ".devcontainer", ".binder"}
    assert needed <= top and not {"solutions", "autograder", ".ci"} & top
    assert [path.name for path in (public / "tests").iterdir()] == ["run_notebooks.py"]
    assert {path.stem for path in (public / "exercises").glob("*.ipynb")} == set(course.notebook_names())
    assert "nbgrader" not in (public / "requirements.txt").read_text()
    assert "jupyter-book" in (public / "requirements.txt").read_text()


def test_no_link_leads_to_what_is_not_published(public):
    for path, text in texts(public):
        for place in re.findall(re.escape(ADDRESS) + r"/blob/[\w.-]+/([^)#\s\"]+)", text):
            assert (public / place).exists(), f"{path}: {place}"
        if path.suffix == ".md" and path.parent == public:
            for place in re.findall(r"`([\w./-]+\.(?:py|md|cff))`|`(exercises/|book/[\w/]*)`", text):
                name = next(filter(None, place))
                assert (public / name).exists(), f"{path}: {name}"


def test_its_workflows_and_commands_exist_there(public):
    makefile = (public / "Makefile").read_text(encoding="utf-8")
    assert not re.search(r"autograder|pytest|bwrap", makefile)
    for target in ("book", "serve", "help"):
        assert re.search(rf"(?m)^{target}:", makefile), target
    ours = {
        action
        for path in (course.REPOSITORY / ".github" / "workflows").glob("*.yml")
        for action in re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))
    }
    for path in (public / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"uses: (\S+)", text)) <= ours, f"{path.name} uses other versions than our workflows"
        for target in re.findall(r"\bmake ([\w-]+)", text):
            assert re.search(rf"(?m)^{target}:", makefile), f"{path.name}: make {target}"
        for script in re.findall(r"(?:python|bash) ([\w./]+\.(?:py|sh))", text):
            assert (public / script).exists(), f"{path.name}: {script}"
    phony = set(re.search(r"(?m)^\.PHONY:(.*)", makefile)[1].split())
    assert phony == {name for name in re.findall(r"(?m)^([a-z-]+):", makefile)}
    done = subprocess.run(["make", "-n", "help", "serve"], cwd=public, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def closure(lines):
    """Distributions and all that they require."""
    found, waiting = {}, [Requirement(line) for line in lines]
    while waiting:
        one = waiting.pop()
        name, extras = canonical(one.name), found.setdefault(canonical(one.name), set())
        if {"", *one.extras} <= extras:
            continue
        extras |= {"", *one.extras}
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            needed = [Requirement(line) for line in importlib.metadata.requires(name) or ()]
            waiting += [
                one
                for one in needed
                if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
            ]
    return set(found)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_readers_get_every_package_that_the_book_uses(public):
    """Extensions of Sphinx, and what pages, experiments and the library import."""
    lines = (public / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = [line.split(" #")[0] for line in lines if line.strip() and not line.startswith("#")]
    config = yaml.safe_load((public / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    paths = [*(public / "book").rglob("*.py"), *(public / "exercises").rglob("*.py")]
    used = foreign({name.split(".")[0] for name in config["extensions"]} | imported(paths))
    assert {"numpy", "torch", "sphinx_design"} <= set(used)
    assert beyond(used, lines) <= OPTIONAL, "in requirements.txt these belong above the line `# to grade`"


def test_the_grader_needs_no_package_that_only_the_book_brings():
    """It may be installed alone, as on a machine with a GPU; `doctor` names what is missing there."""
    package = course.REPOSITORY / "autograder"
    used = foreign(imported(path for path in package.rglob("*.py") if "bench" not in path.parts))
    assert {"nbgrader", "a11y_pygments"} <= set(used)
    wanted = (course.REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    listed = {canonical(re.match(r"[\w-]+", line)[0]) for line in wanted.splitlines() if re.match(r"\w", line)}
    assert {canonical(name) for name in (*doctor.NEEDED, *doctor.OPTIONAL)} <= listed
    assert beyond(used, [*doctor.NEEDED, *doctor.OPTIONAL]) <= OPTIONAL


def imported(paths):
    """The packages that files import."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {item.name.split(".")[0] for item in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return found


def foreign(names):
    """Those that somebody else wrote, each with the distributions that bring it."""
    owners = importlib.metadata.packages_distributions()
    return {name: owners[name] for name in names if name in owners and name not in ("bnlab", "autograder")}


def beyond(used, lines):
    """Those that these requirements, and theirs, do not bring."""
    there = closure(lines)
    return {name for name, owners in used.items() if not {canonical(one) for one in owners} & there}


def test_its_exercises_check_themselves(public, run, tmp_path):
    """The library of the public repository, and nothing of ours, accepts a right notebook and an untouched one not."""
    shutil.copytree(public / "exercises", tmp_path / "exercises")
    shutil.copy(SAMPLE / "perfect" / "03_forward.ipynb", tmp_path / "exercises" / "03_forward.ipynb")
    command = [sys.executable, "-m", "bnlab", "check"]
    environment = {"PYTHONPATH": ""}
    done = run(*command, "03_forward.ipynb", cwd=tmp_path / "exercises", env=environment)
    assert done.returncode == 0 and "50  of 50" in done.stdout, done.stdout + done.stderr
    done = run(*command, "04_backward.ipynb", cwd=tmp_path / "exercises", env=environment)
    assert done.returncode == 1 and "not answered" in done.stdout, done.stdout + done.stderr


def test_its_site_is_built(public, run, tmp_path):
    """Strictly, from its own files: a chapter without cells and an exercise; all of it with PUBLISHED=all."""
    if os.environ.get("PUBLISHED") == "all":
        shutil.copytree(public, tmp_path / "all")
        (tmp_path / "all" / ".venv" / "bin").mkdir(parents=True)
        (tmp_path / "all" / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (tmp_path / "all" / ".venv" / "bin" / "python").chmod(0o755)
        (tmp_path / "all" / ".venv" / "installed").touch()
        done = run("make", "book", cwd=tmp_path / "all", env={"PYTHONPATH": ""}, timeout=3000)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert len(list((tmp_path / "all" / "_build" / "html").rglob("*.html"))) > 30
        return
    few = tmp_path / "toc.yml"
    few.write_text("format: jb-book\nroot: book/notation\nchapters:\n- file: exercises/03_forward\n")
    command = ["jupyter-book", "build", ".", "--toc", few, "--path-output", tmp_path, "--quiet"]
    done = run(*command, cwd=public, env={"PYTHONPATH": "exercises"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    page = (tmp_path / "_build" / "html" / "exercises" / "03_forward.html").read_text(encoding="utf-8")
    place = ADDRESS.removeprefix("https://github.com/") + "/blob/main/exercises/03_forward.ipynb"
    assert f"https://colab.research.google.com/github/{place}" in page


def test_a_publication_is_brought_up_to_date(tmp_path, monkeypatch):
    """Files of an earlier publication that are gone are removed; what others put there, and git's folder, stay."""
    content = {"README.md": b"# Read me\n", "book/index.md": b"# Start\n"}
    monkeypatch.setattr(publish, "written", lambda: content)
    target = tmp_path / "clone"
    assert publish.publish(target) == (["README.md", "book/index.md"], [], [])
    (target / "old" / "deep").mkdir(parents=True)
    (target / "old" / "deep" / "page.md").write_text("old")
    (target / publish.RECORD).write_text(json.dumps({"files": [*content, "old/deep/page.md", "../x"]}))
    (target / ".git").mkdir()
    (target / ".git" / "HEAD").write_text("ref")
    (target / "CNAME").write_text("example.org")
    (target / "README.md").write_text("edited")
    (tmp_path / "x").write_text("ours")
    assert publish.publish(target) == ([], ["README.md"], ["old/deep/page.md"])
    assert not (target / "old").exists() and (target / ".git" / "HEAD").exists()
    assert (target / "CNAME").exists() and (tmp_path / "x").exists()


SECRET = next(iter(leaks.secret_lines()))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("book/draft.md", f"Try this:\n\n    {SECRET}\n", "holds a line of"),
        ("book/_static/a.js", f"const hint = '{SECRET}'", "holds a line of"),
        ("book/results/a.json", json.dumps({"code": SECRET}), "holds a line of"),
        ("book/a.html", f"<p>fine</p><!-- {SECRET} -->", "holds a line of"),
        ("exercises/03_forward.ipynb", json.dumps({"cells": [], "metadata": {"x": SECRET}}), "holds a line of"),
        ("exercises/bnlab/solutions/a.py", "x = 1", "is named solutions"),
        ("exercises/gradebook.db", "SQLite", "is named gradebook.db"),
        ("exercises/hand_in/03_forward.ipynb", '{"cells": []}', "is named hand_in"),
        ("exercises/ann.ipynb", '{"cells": []}', "is no notebook of the course"),
        ("book/kernel.md", None, "is solutions/kernels/rows.cu"),
        ("book/wrong.cu", "__global__", "of a kind that cannot be searched"),
        ("book/answers.pkl", "x", "of a kind that cannot be searched"),
        ("book/people.csv", "platform,number,name,student\n", "is named people.csv"),
        ("book/list.csv", 'name,points\n"Lee, Ann",7\n', "names students of the course, such as Lee, Ann"),
        (
            "book/thanks.md",
            "Thanks to ann.lee@example.org.",
            "names students of the course, such as ann.lee@example.org",
        ),
    ],
)
def test_what_would_leak_is_refused(tmp_path, monkeypatch, capsys, name, text, words):
    """Put into the repository by mistake, each keeps everything from being published."""
    data = text.encode() if text is not None else (course.SOLUTIONS / "kernels" / "rows.cu").read_bytes()
    good = {"book/index.md": b"# Fine\n"}
    monkeypatch.setattr(publish, "written", lambda: {**good, name: data})
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "people.csv").write_text(
        'platform,number,name,student\ncanvas,4711,"Lee, Ann",ann.lee@example.org\n'
    )
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    assert main(["publish", "--to", str(tmp_path / "public")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("autograder: nothing was published, this would leak:") and words in said
    assert [path.name for path in tmp_path.iterdir()] == ["course"]


def test_somebodys_answers_are_refused():
    notebook = json.loads((SAMPLE / "other-style" / "03_forward.ipynb").read_text(encoding="utf-8"))
    found = leaks.answered(json.dumps(notebook))
    assert "`forward-train` is answered" in found
    notebook = json.loads(course.released("03_forward").read_text(encoding="utf-8"))
    assert leaks.answered(json.dumps(notebook)) == []
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    assert len(leaks.answered(json.dumps(notebook))) == 1


@pytest.mark.parametrize("kind", ["this repository", "inside", "a file", "other things"])
def test_other_folders_are_left_alone(tmp_path, capsys, kind):
    (tmp_path / "file").write_text("mine")
    target = {
        "this repository": course.REPOSITORY,
        "inside": course.REPOSITORY / "public",
        "a file": tmp_path / "file",
        "other things": tmp_path,
    }[kind]
    assert main(["publish", "--to", str(target)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("autograder: ") and "name a" in said
    assert (tmp_path / "file").read_text() == "mine"


def test_files_that_git_does_not_know_stay_at_home(monkeypatch):
    known = publish.tracked()
    if known is None:
        pytest.skip("not a clone")
    monkeypatch.setattr(publish, "tracked", lambda: known - {course.REPOSITORY / "book" / "index.md"})
    assert "book/index.md" not in publish.files()
    monkeypatch.setattr(publish, "tracked", lambda: known - {course.EXERCISES / "03_forward.ipynb"})
    with pytest.raises(course.CourseError, match="03_forward; run `make release`"):
        publish.files()


def test_without_git_s_word_a_clone_is_not_published(tmp_path, monkeypatch):
    (tmp_path / ".git").write_text("broken")
    monkeypatch.setattr(course, "REPOSITORY", tmp_path)
    with pytest.raises(course.CourseError, match="git cannot list the files"):
        publish.tracked()
    (tmp_path / ".git").unlink()
    assert publish.tracked() is None
