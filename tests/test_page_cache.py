"""A page runs again when what its cells use has changed, at no other time; pages run side by side; a slip is named."""

import json
import subprocess
import sys
from types import SimpleNamespace

import course_cache
import pytest
from myst_nb.core.config import NbParserConfig
from myst_parser.config.main import MdParserConfig
from sphinx.errors import ExtensionError

from autograder import course

HEAD = "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n"
HEAD += "kernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n\n# A page\n\n"


@pytest.fixture
def root(tmp_path):
    files = {
        "exercises/bnlab/__init__.py": "",
        "exercises/bnlab/style.py": "",
        "exercises/bnlab/gpu/__init__.py": "",
        "exercises/bnlab/gpu/cuda/kernel.h": "",
        "exercises/bnlab/fingerprints/a.npz": "",
        "book/experiments/lab.py": "import nets\n",
        "book/experiments/nets.py": "import numpy\n",
        "book/experiments/other.py": "",
        "book/results/rate.json": "{}",
        "book/results/depth.json": "{}",
        "book/measured/gpu.json": "{}",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(root, code):
    return {path.relative_to(root).as_posix() for path in course_cache.uses(root, code)}


LIBRARY = {"exercises/bnlab/__init__.py", "exercises/bnlab/style.py"}


@pytest.mark.parametrize(
    "code, more",
    [
        ("import numpy", set()),
        ("from bnlab.style import show", set()),
        ("from bnlab.gpu import xp", {"exercises/bnlab/gpu/__init__.py", "exercises/bnlab/gpu/cuda/kernel.h"}),
        ("import lab", {"book/experiments/lab.py", "book/experiments/nets.py"}),
        ("import nets\nruns = load('rate')", {"book/experiments/nets.py", "book/results/rate.json"}),
        ("open('measured/gpu.json')\nopen('measured/absent.json')", {"book/measured/gpu.json"}),
        ("from bnlab import check", {"exercises/bnlab/gpu/__init__.py", "exercises/bnlab/gpu/cuda/kernel.h",
                                     "exercises/bnlab/fingerprints/a.npz"}),
    ],
)  # fmt: skip
def test_what_a_page_uses(root, code, more):
    assert names(root, code) == LIBRARY | more


def test_a_key_changes_with_what_is_used_and_with_nothing_else(root):
    page = root / "book" / "page.md"
    page.write_text(
        f"{HEAD}Words.\n\n```{{code-cell}} ipython3\n:tags: [hide-input]\nimport lab\nlab.load('rate')\n```\n"
    )
    first = course_cache.page_key(root, page)
    page.write_text(page.read_text().replace("Words", "Other words"))
    for name in ("book/experiments/other.py", "book/results/depth.json", "exercises/bnlab/gpu/cuda/kernel.h"):
        (root / name).write_text("changed")
    assert course_cache.page_key(root, page) == first
    keys = {first}
    for name in ("book/experiments/nets.py", "book/results/rate.json", "exercises/bnlab/style.py"):
        (root / name).write_text("'changed'")
        keys.add(course_cache.page_key(root, page))
    page.write_text(page.read_text().replace("import lab", "import lab as experiments"))
    keys.add(course_cache.page_key(root, page))
    assert len(keys) == 5


def test_a_chapter_opens_nothing_that_is_not_counted():
    """What a real chapter opens while it runs, its data and the experiments' modules, is among what it uses."""
    root = course.REPOSITORY
    code = course_cache.code_of((root / "book" / "12_claims_on_trial.md").read_text(encoding="utf-8"))
    program = (
        "import json, os, sys\nopened = set()\n"
        "sys.addaudithook(lambda event, found: event == 'open' and opened.add(os.path.realpath(str(found[0]))))\n"
        f"exec(compile({code!r}, 'page', 'exec'), {{'__name__': '__main__'}})\n"
        "print('\\nopened', json.dumps(sorted(opened)))\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=root / "book", capture_output=True, text=True,
                          env=environment, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    opened = json.loads(done.stdout.rpartition("opened ")[2])
    folders = [str(root / name) + "/" for name in ("book", "exercises")]
    mine = {path for path in opened if path.startswith(tuple(folders)) and not path.endswith(".pyc")}
    mine = {path for path in mine if "/exercises/bnlab/" not in path or not path.endswith(".py")}
    used = {str(path) for path in course_cache.uses(root, code)}
    assert len(mine) > 5 and mine <= used, mine - used


@pytest.fixture
def site(root):
    """What Sphinx hands to the extension, for pages that the test writes."""
    config = NbParserConfig(execution_mode="cache", execution_cache_path=str(root / "cache"), execution_timeout=300)
    env = SimpleNamespace(mystnb_config=config, myst_config=MdParserConfig(), found_docs={"book/a", "book/b"})
    env.doc2path = lambda name: str(root / f"{name}.md")
    return SimpleNamespace(srcdir=str(root), env=env)


def write(site, name, cell):
    path = course_cache.Path(site.env.doc2path(name))
    path.write_text(f"{HEAD}```{{code-cell}} ipython3\n{cell}\n```\n")


def build(site):
    """The pages that Sphinx reads again."""
    again = course_cache.outdated(site, site.env, set(), set(), set())
    course_cache.run_pages(site, site.env, sorted(again))
    return again


WAIT = """import pathlib, time
here = pathlib.Path.cwd()
(here / "{mine}").with_suffix(".started").write_text("")
for _ in range(1800):
    if (here / "{other}").with_suffix(".started").exists(): break
    time.sleep(0.1)
else: raise TimeoutError("the other page never ran")
with (here / "{mine}").with_suffix(".ran").open("a") as file: file.write("x")
"""


def test_pages_run_side_by_side_and_once(site, root, monkeypatch):
    monkeypatch.setattr(course_cache.os, "cpu_count", lambda: 2)
    ran = lambda: [(root / "book" / f"{name}.ran").read_text() for name in "ab"]  # noqa: E731
    write(site, "book/a", WAIT.format(mine="a", other="b"))
    write(site, "book/b", WAIT.format(mine="b", other="a") + "names = ['rate']")
    assert build(site) == {"book/a", "book/b"} and ran() == ["x", "x"]
    assert build(site) == set() and ran() == ["x", "x"]
    (root / "book" / "results" / "rate.json").write_text('{"new": 1}')
    assert build(site) == {"book/b"} and ran() == ["x", "xx"]
    (root / "book" / "_static").mkdir()
    (root / "book" / "_static" / "custom.css").write_text("a { color: red }")
    assert build(site) == {"book/a", "book/b"} and ran() == ["x", "xx"], "a new style: read again, not run again"


def test_a_failing_cell_names_its_page_and_is_tried_again(site):
    write(site, "book/a", "1 + 1")
    write(site, "book/b", "1 / 0")
    for _ in range(2):
        with pytest.raises(ExtensionError, match=r"(?s)book/b: .*ZeroDivisionError"):
            build(site)
        site.env.course_keys = {}  # Sphinx forgets the memory of a build that failed
    write(site, "book/b", "2 / 1")
    assert "book/b" in build(site)
    kept = json.loads((course_cache.Path(site.srcdir) / "cache" / "uses.json").read_text())
    assert set(kept) == {"book/a", "book/b"} and all(0 < page["seconds"] for page in kept.values())
