"""Two ways to hand the built website on.

    python book/tools/pack.py site       # `make site`: dist/site, the folder to put on a web server
    python book/tools/pack.py offline    # `make offline`: dist/course-offline.zip, opened from the disk, no network

Both leave out what the theme brings and no page asks for. A browser lets no page that comes from the disk load modules
or fetch files; so in the zip each widget's program and its data are put into the pages that have it. What stays behind
are the previews below the results of a search, and the cells that run Python in the page, which say so themselves.
"""

from __future__ import annotations

import base64
import functools
import re
import shutil
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
BUILT, SITE, ARCHIVE = ROOT / "_build" / "html", ROOT / "dist" / "site", ROOT / "dist" / "course-offline.zip"
NEVER = {".buildinfo", "objects.inv"}
WEB_ONLY = {"sitemap.xml", "robots.txt", "404.html"}
NO_PYTHON = '<div class="live-bar"><p>Python does not run in this page: download it with the button above.</p></div>'
READ_ME = """Batch normalization, derived and tested

Open index.html in this folder with any browser; nothing is fetched from anywhere.
Search, formulas, figures and widgets work. The previews under search results need a web server: type
`python -m http.server` in this folder and open http://localhost:8000. Python does not run in these pages: do the
notebooks of the folder exercises in Jupyter, or use the published pages.
"""


def needed(site: Path) -> list[Path]:
    """Files of a built website; of what lies ready for any page, only what pages, style sheet and scripts name.

    Parameters
    ----------
    site : Path
        The built website.

    Returns
    -------
    list of Path
    """
    paths = [path for path in sorted(site.rglob("*")) if path.is_file() and path.name not in NEVER]
    static, stores = site / "_static", {site / "_static", site / "_images"}  # images: of earlier builds too
    asking = [p for p in paths if p.suffix in (".html", ".js") and static not in p.parents]
    asking += [static / name for name in ("course.css", "course.js")]
    words = set(re.findall(r"[\w.-]+", "\n".join(path.read_text(encoding="utf-8") for path in asking)))
    return [path for path in paths if not stores & set(path.parents) or path.name in words]


def data(text: str, kind: str) -> str:
    """A text as an address of its own."""
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


@functools.cache
def program(path: Path) -> str:
    """A widget's program with the library and the data that it asks for inside."""
    text = path.read_text(encoding="utf-8")

    def whole(found: re.Match) -> str:
        return f'from "{data((path.parent / found[1]).read_text(encoding="utf-8"), "text/javascript")}"'

    def inside(found: re.Match) -> str:
        return f'"{data((path.parent / found[1]).read_text(encoding="utf-8"), "application/json")}"'

    text = re.sub(r'from "\./([\w-]+\.js)"', whole, text)
    return re.sub(r'new URL\("([\w-]+\.json)", import\.meta\.url\)', inside, text)


def page(path: Path) -> str:
    """A page that works from the disk."""
    text = path.read_text(encoding="utf-8")

    def widget(found: re.Match) -> str:
        source = (path.parent / unquote(found[1])).resolve()
        return f'<script type="module">{program(source)}</script>'

    text = re.sub(r'<div class="live-bar".*?</div>', NO_PYTHON, text, flags=re.DOTALL)
    text = re.sub(r'<script type="module" src="([^"]*widgets/[\w-]+\.js)"></script>', widget, text)
    return re.sub(r'<link rel="preload" as="font"[^>]*>\n?', "", text)  # a page from the disk may not preload


def folder(site: Path, target: Path) -> int:
    """Write the folder to publish, in place of an older one; return the number of files."""
    shutil.rmtree(target, ignore_errors=True)
    paths = needed(site)
    for path in paths:
        place = target / path.relative_to(site)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    (target / ".nojekyll").touch()  # GitHub Pages would leave out folders that begin with an underscore
    return len(paths) + 1


def offline(site: Path, target: Path) -> int:
    """Write the archive for machines without a network; return the number of files."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scripts = site / "widgets"
    paths = [path for path in needed(site) if path.name not in WEB_ONLY]
    paths = [path for path in paths if scripts not in path.parents or path.suffix == ".png"]
    paths = [path for path in paths if not path.relative_to(site).parts[0].startswith(("live", "pyodide"))]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            content = page(path) if path.suffix == ".html" else path.read_bytes()
            name = zipfile.ZipInfo(f"course/{path.relative_to(site).as_posix()}")
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("course/README.txt"), READ_ME)
    return len(paths) + 1


if __name__ == "__main__":
    kinds = {"site": (folder, SITE), "offline": (offline, ARCHIVE)}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit("say which: python book/tools/pack.py site, or python book/tools/pack.py offline")
    if not (BUILT / "index.html").exists():
        sys.exit("there is no website yet: run 'make book' first")
    write, place = kinds[sys.argv[1]]
    print(f"{write(BUILT, place)} files in {place.relative_to(ROOT)}")
