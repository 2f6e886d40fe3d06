"""The directives ``{course-map}``, a drawing of the course with links, and ``{sources-table}``, who is quoted for what.

The map comes from book/map.yml. It is drawn twice, wide and narrow; the style sheet shows the one that fits. Pages that
do not exist yet are drawn without a link.
"""

from __future__ import annotations

import html
from pathlib import Path

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

BOOK = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, GAP = 168, 72, 14  # of a box, in units of the drawing
TAB, ROW = 24, 106  # height of a notebook's tab; from row to row


class course_map(nodes.General, nodes.Element):
    """The place of the drawing; it is made when the page is written, since links need all pages."""


class MapDirective(Directive):
    """``{course-map}``, without arguments."""

    def run(self):
        return [course_map()]


def chapters() -> list[dict]:
    """The chapters in order; each knows its part and whether it opens one."""
    parts = yaml.safe_load((BOOK / "map.yml").read_text(encoding="utf-8"))
    return [
        {**chapter, "part": number, "caption": part["part"], "first": chapter is part["chapters"][0]}
        for number, part in enumerate(parts)
        for chapter in part["chapters"]
    ]


def wrap(text: str, width: int) -> list[str]:
    """Break a title into lines of at most `width` letters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def link(target: str | None, drawing: str, label: str) -> str:
    """A drawing that leads somewhere, or one that does not."""
    if target is None:
        return f'<g class="planned">{drawing}</g>'
    return f'<a href="{target}" aria-label="{html.escape(label)}">{drawing}</a>'


def box(chapter: dict, x: float, y: float, href) -> str:
    """A chapter, with its notebook as a small tab below."""
    number = int(chapter["page"][:2])
    lines = wrap(chapter["title"], 14)
    text = "".join(
        f'<text x="{x + 42}" y="{y + HEIGHT / 2 + 5 + 17 * i - 8.5 * (len(lines) - 1)}">{html.escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    drawing = (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="9"/>'
        f'<text class="number" x="{x + 22}" y="{y + HEIGHT / 2 + 7.5}">{number}</text>{text}'
        f"<title>{html.escape(chapter['question'])}</title>"
    )
    found = link(href(f"book/{chapter['page']}"), drawing, f"{number} {chapter['title']}")
    if "notebook" in chapter:
        name = chapter["notebook"].replace("_", " ", 1).replace("_", " ")
        narrow = f' textLength="{WIDTH - 36}" lengthAdjust="spacingAndGlyphs"' if len(name) > 21 else ""
        tab = (
            f'<rect class="notebook" x="{x + 12}" y="{y + HEIGHT - 4}" width="{WIDTH - 24}" height="{TAB}" rx="6"/>'
            f'<text class="notebook" x="{x + WIDTH / 2}" y="{y + HEIGHT + 13}"{narrow}>{html.escape(name)}</text>'
        )
        found += link(href(f"exercises/{chapter['notebook']}"), tab, f"Notebook {name}")
    return found


def draw(columns: int, href) -> str:
    """The map as SVG: boxes row by row, a new part begins a new row."""
    rows, parts = [], ""
    for chapter in chapters():
        if chapter["first"] or len(rows[-1]) == columns:
            rows.append([])
        rows[-1].append(chapter)
    y, drawn, way = 0, "", ""
    for row in rows:
        if row[0]["first"]:
            y += 30
            parts += f'<text class="part" x="0" y="{y - 10}">{html.escape(row[0]["caption"])}</text>'
        else:  # on from the end of the row above
            last = (columns - 1) * (WIDTH + GAP) + WIDTH / 2
            way += f"M{last} {y - ROW + HEIGHT}V{y - (ROW - HEIGHT - TAB) / 2}H{WIDTH / 2}V{y}"
        for column, chapter in enumerate(row):
            x = column * (WIDTH + GAP)
            if column:
                way += f"M{x - GAP} {y + HEIGHT / 2}h{GAP}"
            drawn += f'<g class="part{chapter["part"]}">{box(chapter, x, y, href)}</g>'
        y += ROW
    width = columns * (WIDTH + GAP) - GAP
    return (
        f'<svg class="course-map course-map-{columns}" viewBox="-3 -3 {width + 6} {y + 6}" role="group" '
        f'aria-label="Map of the course"><path class="way" d="{way}"/>{parts}{drawn}</svg>'
    )


def visit(self, node):
    """HTML: both drawings."""
    builder = self.builder
    here = builder.current_docname

    def href(page):
        return builder.get_relative_uri(here, page) if page in builder.env.found_docs else None

    self.body.append(f'<nav class="course-maps" aria-label="Map">{draw(4, href)}{draw(2, href)}</nav>')
    raise nodes.SkipNode


def skip(self, node):
    """Other formats: nothing."""
    raise nodes.SkipNode


class SourcesDirective(Directive):
    """``{sources-table}``: book/sources.yml as a table with citations."""

    def run(self):
        rows = yaml.safe_load((BOOK / "sources.yml").read_text(encoding="utf-8"))
        lines = ["```{table}", ":widths: 12 56 32", ""]
        lines += ["| Chapter | What the text says of others | Source |", "|---|---|---|"]
        for row in sorted(rows, key=lambda row: row["chapter"]):
            key, _, place = row["source"].partition(", ")
            lines.append(f"| {row['chapter']} | {row['sentence']} | {{cite:t}}`{key}`{', ' * bool(place)}{place} |")
        lines.append("```")
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, source="book/sources.yml"), 0, holder)
        return holder.children


def setup(app):
    """Register with Sphinx."""
    app.add_node(course_map, html=(visit, None), latex=(skip, None), text=(skip, None))
    app.add_directive("course-map", MapDirective)
    app.add_directive("sources-table", SourcesDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
