"""Build the same pages as Jupyter Book comes, without this course's extensions, into _build/default: for `make audit`.

Cells are not run again. What only the extensions know (widgets, the map, the citation) is missing there, which makes
the pages lighter than they would be; so does the formulas' program, which comes from another host.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "_build" / "default"
KEPT = ("title", "author", "copyright", "logo", "only_build_toc_files", "exclude_patterns", "parse", "repository",
        "launch_buttons", "bibtex_bibfiles")  # fmt: skip


def main() -> int:
    """Build, unless it is there and newer than the pages."""
    built = TARGET / "_build" / "html" / "book" / "index.html"
    pages = [path for folder in ("book", "exercises") for path in (ROOT / folder).iterdir() if path.is_file()]
    if built.exists() and built.stat().st_mtime > max(path.stat().st_mtime for path in pages):
        return 0
    TARGET.mkdir(parents=True, exist_ok=True)
    course = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    plain = {key: course[key] for key in KEPT}
    cache = {"execute_notebooks": "cache", "cache": str(ROOT / "_build" / ".jupyter_cache")}
    plain["execute"] = {**cache, "exclude_patterns": course["execute"]["exclude_patterns"]}
    config = TARGET / "_config.yml"
    config.write_text(yaml.safe_dump(plain), encoding="utf-8")
    print("building the same pages with Jupyter Book's own look (once, about a minute) ...")
    program = "import sys; sys.modules['rfc3987_syntax'] = None; from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", ".", "--toc", "book/_toc.yml", "--config", str(config)]
    done = subprocess.run([*command, "--path-output", str(TARGET)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
