"""Run pages side by side before they are read, and only those whose cells, or what these use, have changed.

Outputs are kept by jupyter-cache in _build/.jupyter_cache, which compares the code of a page's cells and nothing else:
after a change of exercises/bnlab it would serve the old output. So uses.json beside it holds, for each page, a hash of
all that its output depends on:

- the page's code cells, and the versions of the numerical packages;
- the modules of bnlab and its recorded data;
- the whole folder of a package that the page names (``from bnlab.gpu import xp``);
- the experiments that it imports, with what these import in turn;
- the results in book/results whose name stands in its cells (``lab.load("rate_sweep")``);
- any file whose path stands there (``Path("measured/gpu.json")``), from the day on which it exists.

A page whose hash differs runs again, as many pages at a time as there are processors, the slowest of the last time
first. Sphinx reads it again too, and all pages after a change of the extensions, templates or styles.
"""

from __future__ import annotations

import ast
import concurrent.futures
import hashlib
import json
import os
import re
import tempfile
from importlib.metadata import version
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.read import create_nb_reader
from sphinx.errors import ExtensionError
from sphinx.util import logging
from traitlets.config import Config

logger = logging.getLogger(__name__)
PACKAGES = ("numpy", "torch", "matplotlib", "scikit-learn", "scipy")
ALWAYS = ("exercises/bnlab/*.py", "exercises/bnlab/recorded/*")
EXPERIMENTS, RESULTS, LIBRARY = "book/experiments", "book/results", "exercises"
LOOK = (
    "_config.yml", "book/_toc.yml", "book/_ext/**/*", "book/_static/**/*", "book/katex/*", "book/scorer.js",
    "book/map.yml", "book/sources.yml", "CITATION.cff", "CHANGELOG.md",
)  # fmt: skip


def code_of(page: str) -> str:
    """The Python of a page's cells, without their options and IPython's commands."""
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?m)^(:[\w-]+:.*|[%!].*)$", "", "\n".join(cells))


def named(code: str) -> tuple[set[str], set[str]]:
    """Modules that a program imports, and its strings."""
    modules, strings = set(), set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
    return modules, strings


def uses(root: Path, code: str) -> set[Path]:
    """Files of the repository that a page's output depends on.

    Parameters
    ----------
    root : Path
        The repository.
    code : str
        The Python of the page's cells.

    Returns
    -------
    set of Path

    Raises
    ------
    SyntaxError
        The cells are no Python.
    """
    found = {path for pattern in ALWAYS for path in root.glob(pattern)}
    results = {path.stem: path for path in (root / RESULTS).glob("*.json")}
    waiting, seen = [code], set()
    while waiting:
        modules, strings = named(waiting.pop())
        found |= {results[name] for name in strings & results.keys()}
        paths = (root / "book" / text for text in strings if re.fullmatch(r"[\w./-]+\.\w+", text))
        found |= {path for path in paths if path.is_file()}
        for module in modules - seen:
            seen.add(module)
            package = root / LIBRARY / module.replace(".", "/")
            found |= {path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
            experiment = root / EXPERIMENTS / f"{module}.py"
            if experiment.exists():
                found.add(experiment)
                waiting.append(experiment.read_text(encoding="utf-8"))
    return found


def digest(root: Path, paths, *words: str) -> str:
    """A hash of files, their names, and some words."""
    total = hashlib.sha256("\n".join(words).encode())
    for path in sorted(paths):
        total.update(path.relative_to(root).as_posix().encode() + b"\n")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def page_key(root: Path, page: Path) -> str:
    """What changes when the output of a page may change; empty for a page without cells."""
    code = code_of(page.read_text(encoding="utf-8"))
    if not code:
        return ""
    try:
        used = uses(root, code)
    except SyntaxError:
        used = set()  # it runs, and the error names its cell
    return digest(root, used, code, *(f"{name}=={version(name)}" for name in PACKAGES))


def look_key(root: Path) -> str:
    """What changes when every page may look different."""
    return digest(root, {path for pattern in LOOK for path in root.glob(pattern)
                         if path.is_file() and path.suffix != ".pyc"})  # fmt: skip


def place(app, config) -> None:
    """Keep one cache for all builders, before MyST-NB reads its settings."""
    if not config.nb_execution_cache_path:
        config.nb_execution_cache_path = str(Path(app.srcdir) / "_build" / ".jupyter_cache")


def markdown_pages(app, docnames) -> dict[str, Path]:
    """Those pages that may hold cells."""
    paths = {name: Path(app.env.doc2path(name)) for name in docnames}
    return {name: path for name, path in paths.items() if path.suffix == ".md"}


def outdated(app, env, added, changed, removed) -> set[str]:
    """Pages to read again although their text is the same."""
    root = Path(app.srcdir)
    before, look = getattr(env, "course_keys", {}), look_key(root)
    env.course_keys = {name: page_key(root, path) for name, path in markdown_pages(app, env.found_docs).items()}
    again = {name for name, key in env.course_keys.items() if before.get(name) != key}
    if getattr(env, "course_look", look) != look:
        again = set(env.found_docs)
    env.course_look = look
    return again


def run_pages(app, env, docnames) -> None:
    """Execute what has no valid output yet, before any page is read.

    Raises
    ------
    ExtensionError
        A cell has failed; the message shows all that did.
    """
    if env.mystnb_config.execution_mode != "cache":
        return
    folder = Path(env.mystnb_config.execution_cache_path)
    cache, store = get_cache(str(folder)), folder / "uses.json"
    known = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    jobs = {}
    for name, path in markdown_pages(app, docnames).items():
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)
        if env.course_keys.get(name) and known.get(name, {}).get("key") != env.course_keys[name] and reader:
            jobs[name] = (path, reader.read(text))
    failed = []
    order = sorted(jobs, key=lambda name: -known.get(name, {}).get("seconds", jobs[name][0].stat().st_size))
    options = {"timeout": env.mystnb_config.execution_timeout, "allow_errors": False, "startup_timeout": 180}
    with (
        tempfile.TemporaryDirectory() as sockets,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,  # each waits for a kernel, which is a process
    ):
        running = {}
        for number, name in enumerate(order):
            # not over TCP: the ports that a kernel is told may be taken by another program before it opens them
            line = {"transport": "ipc", "ip": f"{sockets}/{number}"} if os.name == "posix" else {}
            job = {"cwd": str(jobs[name][0].parent), "config": Config(KernelManager=line), **options}
            running[pool.submit(single_nb_execution, jobs[name][1], **job)] = name
        for done in concurrent.futures.as_completed(running):
            name, result = running[done], done.result()
            if result.err is not None:
                failed.append(f"{name}: {result.exc_string}")
                continue
            logger.info("ran %s in %.1f s", name, result.time)
            bundle = CacheBundleIn(result.nb, str(jobs[name][0]), data={"execution_seconds": result.time})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            known[name] = {"key": env.course_keys[name], "seconds": round(result.time, 1)}
            store.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
    if failed:
        raise ExtensionError("\n".join(["cells failed while pages ran:", *failed]))


def titles(app, env) -> list[str]:
    """All pages are written again when the title of one has changed: it stands in every page's list of chapters."""
    before, now = getattr(env, "course_titles", None), {name: title.astext() for name, title in env.titles.items()}
    env.course_titles = now
    return list(env.found_docs) if before not in (None, now) else []


def sweep(app, exception) -> None:
    """Remove the pages of an earlier build whose source is gone."""
    if exception is None and app.builder.format == "html":
        for folder in ("book", "exercises"):
            for path in (Path(app.outdir) / folder).glob("*.html"):
                if f"{folder}/{path.stem}" not in app.env.found_docs:
                    path.unlink()


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", place)
    app.connect("env-get-outdated", outdated)
    app.connect("env-before-read-docs", run_pages)
    app.connect("env-updated", titles)
    app.connect("build-finished", sweep)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
