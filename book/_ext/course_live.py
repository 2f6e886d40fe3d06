"""Exercise pages 01 to 06 can be done in the page: Python runs in the reader's browser, with bnlab's own checks.

A live page gets a bar below its title; book/_static/live_start.js waits for its button and loads book/live. The build
puts beside the pages

- live/: the scripts, and for each notebook a zip with bnlab, the numbers of its checks and book/live/runner.py;
- pyodide-VERSION/: Python and NumPy as WebAssembly, from npm and from Pyodide's release, each held to its hash.

Both are fetched once, into _build. NumPy is looked for in the folder that the environment variable PYODIDE_WHEELS names
(by default ../shared/pyodide) before the network is asked. Where either cannot be had, the build says so, the bar
offers Colab, and what a page says under `{only} live` is left out.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path

BOOK = Path(__file__).resolve().parent.parent
LIVE = BOOK / "live"
BNLAB = BOOK.parent / "exercises" / "bnlab"
NUMBERS = ("01", "02", "03", "04", "05", "06")  # of the notebooks that need nothing but NumPy
GUIDE = "book/how_to_use"  # says what can be done in the pages, under `{only} live` and `{only} not live`
VERSION = "0.27.7"
INTEGRITY = "sha512-RUSVJlhQdfWfgO9hVHCiXoG+nVZQRS5D9FzgpLJ/VcgGBLSAKoPL8kTiOikxbHQm1kRISeWUBdulEgO26qpSRA=="
RELEASE = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"  # where Pyodide publishes what npm does not hold
CORE = ("pyodide.js", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
BAR = """<div class="live-bar" data-notebook="{name}" data-root="{root}" data-live="{root}live/{version}/"
 data-python="{root}pyodide-{python}/"><p role="status">Python can run here, in your browser: about 9 MB, fetched when
 you press the button. Your answers stay in this browser; nothing is sent anywhere. No button? Then it is too old for
 this, or runs no scripts: use Colab, with the rocket above.</p>
 <button type="button" style="visibility: hidden">Do this exercise here</button></div>
"""
ELSEWHERE = """<div class="live-bar"><p>Do this exercise in your browser on Colab, or download it with the button
 above.</p><a href="{colab}">Open in Colab</a></div>
"""


class Missing(Exception):
    """Python for the browser cannot be had; the text says why."""


def core(folder: Path) -> None:
    """Unpack the npm package pyodide into a folder; its hash is that of INTEGRITY."""
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("npm is not installed")
    with tempfile.TemporaryDirectory() as place:
        command = [npm, "pack", "--silent", f"pyodide@{VERSION}", "--pack-destination", place]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=180, cwd=place)
        except subprocess.TimeoutExpired:
            raise Missing("npm did not answer") from None
        packed = Path(place) / f"pyodide-{VERSION}.tgz"
        if done.returncode or not packed.exists():
            raise Missing(f"npm pack failed: {done.stderr.strip()[-200:]}")
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise Missing(f"the npm package pyodide {VERSION} is not the one that the course was tested with")
        with tarfile.open(packed) as archive:
            for name in (*CORE, "pyodide-lock.json"):
                (folder / name).write_bytes(archive.extractfile(f"package/{name}").read())


def wheel(folder: Path, name: str, digest: str) -> None:
    """Put NumPy's wheel into a folder, from PYODIDE_WHEELS or from Pyodide's release."""
    near = BOOK.parent / os.environ.get("PYODIDE_WHEELS", "../shared/pyodide") / name
    try:
        if near.is_file():
            data = near.read_bytes()
        else:
            with urllib.request.urlopen(RELEASE + name, timeout=30) as answer:
                data = answer.read()
    except (OSError, http.client.HTTPException) as error:  # the latter where the answer is cut off
        raise Missing(f"{name} cannot be fetched ({error}); name a folder with it in PYODIDE_WHEELS") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise Missing(f"{name} is not the file of Pyodide {VERSION}: its hash differs")
    (folder / name).write_bytes(data)


def python(cache: Path) -> Path:
    """The folder pyodide-VERSION in a cache, filled at the first call.

    Raises
    ------
    Missing
    """
    folder = cache / f"pyodide-{VERSION}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as place:
        new = Path(place) / "new"
        new.mkdir()
        core(new)
        lock = json.loads((new / "pyodide-lock.json").read_text(encoding="utf-8"))
        numpy = lock["packages"]["numpy"]
        wheel(new, numpy["file_name"], numpy["sha256"])
        lock["packages"] = {"numpy": numpy}
        (new / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
        new.rename(folder)
    return folder


def pack(name: str, target: Path) -> None:
    """Write the zip of a notebook: bnlab, the fingerprints of its tasks, the runner. The same bytes every time."""
    tasks = json.loads((BNLAB / "points.json").read_text(encoding="utf-8"))[name]
    wanted = [*BNLAB.rglob("*.py"), BNLAB / "points.json", *(BNLAB / "recorded").glob("*.npz")]
    wanted += [path for task in tasks if (path := BNLAB / "fingerprints" / f"{task}.npz").exists()]
    members = {path.relative_to(BNLAB.parent).as_posix(): path for path in wanted} | {"runner.py": LIVE / "runner.py"}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, path in sorted(members.items()):
            archive.writestr(zipfile.ZipInfo(member), path.read_bytes(), zipfile.ZIP_DEFLATED)


def place(target: Path, names: list[str]) -> str:
    """Write scripts and zips for some notebooks into a subfolder, whose name changes with any of them, and return that.

    So a browser never mixes the files of two versions.
    """
    shutil.rmtree(target, ignore_errors=True)
    new = target / "new"
    new.mkdir(parents=True)
    for path in LIVE.glob("*.js"):
        shutil.copy(path, new)
    for name in names:
        pack(name, new / f"{name}.zip")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(new.iterdir()))).hexdigest()[:10]
    new.rename(target / digest)
    return digest


def live_notebook(pagename: str) -> str | None:
    """The notebook of a page that can be done in the page."""
    folder, _, name = pagename.rpartition("/")
    return name if folder == "exercises" and name.startswith(NUMBERS) else None


def prepare(app) -> list[str]:
    """Fetch Python and write live/, if the book has live pages; the pages that now say something else."""
    names = sorted(name for page in app.env.found_docs if (name := live_notebook(page)))
    app.course_live = ""
    if not names or app.builder.format != "html":
        return []
    try:
        found = python(Path(app.srcdir) / "_build")
    except Missing as missing:
        print(f"no live cells, exercise pages offer Colab instead: {missing}", file=sys.stderr)
    else:
        for old in Path(app.outdir).glob("pyodide-*"):
            if old.name != found.name:
                shutil.rmtree(old)
        shutil.copytree(found, Path(app.outdir) / found.name, dirs_exist_ok=True)
        app.course_live = place(Path(app.outdir) / "live", names)
        app.tags.add("live")
    before, app.env.course_live = getattr(app.env, "course_live", None), app.course_live
    pages = [f"exercises/{name}" for name in names] + [GUIDE] * (GUIDE in app.env.found_docs)
    return [] if before in (None, app.course_live) else pages


def add_bar(app, pagename, templatename, context, doctree) -> None:
    """Put the bar below the title of a live page."""
    name = live_notebook(pagename)
    if name is None or "body" not in context:
        return
    if app.course_live:
        root = "../" * pagename.count("/")
        bar = BAR.format(name=name, root=root, python=VERSION, version=app.course_live)
    else:
        groups = [group.get("buttons", []) for group in context.get("header_buttons", [])]
        colab = next(button["url"] for group in groups for button in group if button["text"] == "Colab")
        bar = ELSEWHERE.format(colab=colab)
    context["body"] = context["body"].replace("</h1>", f"</h1>\n{bar}", 1)


def setup(app):
    """Register with Sphinx."""
    app.connect("env-updated", lambda app, env: prepare(app))
    app.connect("html-page-context", add_bar, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
