"""The directive ``{widget} NAME``: a custom element of book/widgets, its script, and a still picture without scripts.

The script is loaded by the pages that have the widget, by no other. Beside the scripts the build writes
rate-playground.json, the medians over seeds of book/results/playground.json.
"""

from __future__ import annotations

import html
import json
import shutil
import statistics
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

FOLDER = Path(__file__).resolve().parent.parent / "widgets"
RESULTS = FOLDER.parent / "results"


class widget(nodes.General, nodes.Element):
    """A widget on a page; attributes name and alt."""


class WidgetDirective(Directive):
    """``{widget} drag-sample`` with a sentence as its content, which describes the still picture."""

    required_arguments = 1
    has_content = True

    def run(self):
        name, alt = self.arguments[0], " ".join(" ".join(self.content).split())
        if not (FOLDER / f"{name}.js").exists():
            raise self.error(f"there is no widget {name!r} in book/widgets")
        if len(alt) < 30:
            raise self.error(f"the widget {name!r} needs a sentence that describes its picture")
        return [widget(name=name, alt=alt)]


def visit(self, node):
    """HTML: the element, its script as a module, the picture for those without scripts."""
    name = node["name"]
    base = "../" * self.builder.current_docname.count("/") + "widgets"
    self.body.append(
        f'<bn-{name}></bn-{name}><script type="module" src="{base}/{name}.js"></script>\n'
        f'<noscript><img src="{base}/still/{name}.png" alt="{html.escape(node["alt"])}" loading="lazy"></noscript>\n'
    )
    raise nodes.SkipNode


def skip(self, node):
    """Other formats: nothing."""
    raise nodes.SkipNode


def playground() -> dict:
    """Median curves of the playground, null where a majority of the seeds has diverged."""
    runs = json.loads((RESULTS / "playground.json").read_text(encoding="utf-8"))["runs"]
    grid = [run for run in runs if run["steps"] == runs[0]["steps"]]
    curves = {"none": [], "batch": []}
    for norm, found in curves.items():
        for position in range(len(grid[0]["rates"])):
            found.append([middle(run["loss"][position]) for run in grid if run["norm"] == norm])
    steps = [10 * (i + 1) for i in range(len(grid[0]["loss"][0][0]))]
    batches = [run["batch"] for run in grid if run["norm"] == "none"]
    return {
        "rates": grid[0]["rates"],
        "batches": batches,
        "steps": steps,
        "seeds": len(grid[0]["seeds"]),
        "curves": curves,
    }


def middle(curves: list[list]) -> list:
    """The median over seeds at each step; a loss that is not finite counts as the largest."""
    found = [statistics.median(float("inf") if v is None else v for v in column) for column in zip(*curves)]
    return [None if v == float("inf") else float(f"{v:.3g}") for v in found]


def copy(app, exception) -> None:
    """Put scripts, pictures and data beside the pages."""
    if exception or app.builder.format != "html":
        return
    place(Path(app.outdir) / "widgets")


def place(target: Path) -> None:
    """Write a folder that works on any web server."""
    shutil.copytree(FOLDER, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "*.txt", "__pycache__"))
    (target / "rate-playground.json").write_text(json.dumps(playground(), separators=(",", ":")), encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.add_node(widget, html=(visit, None), latex=(skip, None), text=(skip, None))
    app.add_directive("widget", WidgetDirective)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
