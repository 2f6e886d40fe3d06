"""What the course adds to Jupyter Book's pages, each in one small function.

- The Colab button of a text page opens the notebook named in the page's front matter
  (``colab: exercises/03_forward.ipynb``), because Colab cannot open a .md file.
- The source of a notebook is shown as GitHub draws it, and nobody is asked to edit one: notebooks are generated.
- A cell output's plain text becomes the alternative text of its image.
- Equations, figures and tables of ``NN_topic`` are numbered NN.1, NN.2, ...
- Entries of the bibliography are items of a list, and what opens has a name, as a screen reader expects.
- A figure that was drawn for a phone as well (bnlab.style.show) is shown as what fits the screen.
- An image says its size, so that nothing moves when it arrives, and is loaded when the reader comes near.
"""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.images import get_image_size
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
PHONE = re.compile(r'<defs id="on-a-phone">(.*)</defs></svg>', flags=re.DOTALL)
NARROW = "screen and (max-width: 540px)"


def retarget_colab(app, pagename, templatename, context, doctree) -> None:
    """Point the Colab button at the page's notebook, or drop it where there is none."""
    target = app.env.metadata.get(pagename, {}).get("colab")
    is_text = doctree is not None and not app.env.doc2path(pagename, base=False).endswith(".ipynb")
    for group in list(context.get("header_buttons", [])):
        if group.get("label") != "launch-buttons":
            continue
        for button in list(group["buttons"]):
            if button["text"] != "Colab" or not is_text:
                continue
            if target:
                button["url"] = re.sub(r"(/blob/[^/]+/).*", rf"\g<1>{target}", button["url"])
            else:
                group["buttons"].remove(button)
        if not group["buttons"]:
            context["header_buttons"].remove(group)


def show_notebooks(app, pagename, templatename, context, doctree) -> None:
    """Show the source of a notebook as a notebook; edits belong into what it is generated from."""
    if doctree is None or not app.env.doc2path(pagename, base=False).endswith(".ipynb"):
        return
    for group in context.get("header_buttons", []):
        for button in list(group.get("buttons", [])):
            if button.get("label") == "source-edit-button":
                group["buttons"].remove(button)
            elif button.get("label") == "source-file-button":
                button["url"] = button["url"].removesuffix("?plain=1")


def image_alt(app, doctree) -> None:
    """Give each image among the cell outputs the words of its plain-text version."""
    for bundle in doctree.findall(nodes.container):
        if bundle.get("nb_element") != "mime_bundle":
            continue
        parts = {part.get("mime_type", ""): part for part in bundle.children}
        images = [i for kind, part in parts.items() if kind.startswith("image/") for i in part.findall(nodes.image)]
        words = parts["text/plain"].astext().strip() if "text/plain" in parts else ""
        for image in images:
            if image.get("alt"):
                continue
            if not words or words.startswith("<"):
                logger.warning(
                    "figure without alternative text: use bnlab.style.show(fig, alt=...)",
                    location=bundle,
                    type="course",
                    subtype="alt",
                )
            image["alt"] = words


def phone_pictures(app, doctree) -> None:
    """Put a figure's drawing for a phone, which came inside the other one, into a file beside it."""
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir, image["uri"])
        if path.suffix != ".svg" or not path.exists():
            continue
        found = PHONE.search(text := path.read_text(encoding="utf-8"))
        if found:
            for_a_phone(path).write_text(found[1], encoding="utf-8")
            path.write_text(PHONE.sub("</svg>", text), encoding="utf-8")


def for_a_phone(path: Path) -> Path:
    """Where the drawing for a phone lies, if there is one."""
    return path.with_name(f"{path.stem}-phone.svg")


def number_by_chapter(app, env) -> None:
    """Number what NN_topic contains NN.1, NN.2, ...: the numbers survive new chapters."""
    for docname, kinds in env.toc_fignumbers.items():
        chapter = re.match(r"book/(\d\d)_", docname)
        for kind in ("figure", "table", "displaymath"):
            for n, node_id in enumerate(kinds.get(kind, {}) if chapter else (), start=1):
                kinds[kind][node_id] = (int(chapter[1]), n)


def visit_citation(self, node) -> None:
    """Open a bibliography entry as a list item: its own role is outdated and not allowed in a list."""
    HTML5Translator.visit_citation(self, node)
    self.body[-1] = self.body[-1].replace('role="doc-biblioentry"', 'role="listitem"')


def depart_citation(self, node) -> None:
    """Close a bibliography entry."""
    HTML5Translator.depart_citation(self, node)


def visit_image(self, node) -> None:
    """Write an image with its size in pixels; all but the first of a page wait until they are near."""
    path = Path(self.builder.srcdir, node["uri"])
    size = get_image_size(str(path))
    HTML5Translator.visit_image(self, node)
    if size is None or 'width="' in self.body[-1]:
        return
    width, height = size
    lazy = ' loading="lazy" decoding="async"' if getattr(self, "seen_image", False) else ""
    self.seen_image = True
    self.body[-1] = self.body[-1].replace("<img ", f'<img width="{width}" height="{height}"{lazy} ', 1)
    phone = for_a_phone(path)
    if phone.exists():
        target = Path(self.builder.outdir, self.builder.imagedir)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(phone, target)
        width, height = get_image_size(str(phone))
        address = f"{self.builder.imgpath}/{phone.name}"
        source = f'<source media="{NARROW}" srcset="{address}" width="{width}" height="{height}">'
        self.body[-1] = re.sub("(<img [^>]*>)", rf"<picture>{source}\1</picture>", self.body[-1])


def name_summaries(app, pagename, templatename, context, doctree) -> None:
    """Name what opens: folded cells by their visible words, chapters' lists of notebooks by the chapter."""
    if "body" in context:
        context["body"] = context["body"].replace('<summary aria-label="Toggle hidden content">', "<summary>")
    draw = context.get("generate_toctree_html")
    if draw is None:
        return

    def named(*arguments, **options):
        return re.sub(
            r"([^<>]+)</a>(\s*<details[^>]*>\s*)<summary>",
            lambda found: f'{found[1]}</a>{found[2]}<summary aria-label="Pages of {html.escape(found[1].strip())}">',
            str(draw(*arguments, **options)),
        )

    context["generate_toctree_html"] = named


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", retarget_colab, priority=900)
    app.connect("html-page-context", show_notebooks, priority=900)
    app.connect("html-page-context", name_summaries, priority=900)
    app.add_node(nodes.image, override=True, html=(visit_image, HTML5Translator.depart_image))
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    app.connect("doctree-read", image_alt)
    app.connect("doctree-read", phone_pictures)
    app.connect("env-check-consistency", number_by_chapter)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
