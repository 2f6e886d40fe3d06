"""What the course adds to Jupyter Book's pages, each in one small function.

- The Colab button of a text page opens the notebook named in the page's front matter
  (``colab: exercises/03_forward.ipynb``), because Colab cannot open a .md file.
- A cell output's plain text becomes the alternative text of its image.
- Equations, figures and tables of ``NN_topic`` are numbered NN.1, NN.2, ...
- Every page gets a description for search engines: its first paragraph.
- Entries of the bibliography are items of a list, as a screen reader expects.
"""

from __future__ import annotations

import html
import re

from docutils import nodes
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


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


def number_by_chapter(app, env) -> None:
    """Number what NN_topic contains NN.1, NN.2, ...: the numbers survive new chapters."""
    for docname, kinds in env.toc_fignumbers.items():
        chapter = re.match(r"book/(\d\d)_", docname)
        for kind in ("figure", "table", "displaymath"):
            for n, node_id in enumerate(kinds.get(kind, {}) if chapter else (), start=1):
                kinds[kind][node_id] = (int(chapter[1]), n)


def describe(app, pagename, templatename, context, doctree) -> None:
    """Add the first paragraph of running text as the page's description."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree is not None else ():
        words = " ".join(paragraph.astext().split())
        if isinstance(paragraph.parent, nodes.section) and len(words) > 40 and "\\" not in words:
            if len(words) > 158:
                words = words[:157].rsplit(" ", 1)[0] + "…"
            context["metatags"] = (context.get("metatags") or "") + (
                f'<meta name="description" content="{html.escape(words)}">\n'
            )
            return


def visit_citation(self, node) -> None:
    """Open a bibliography entry as a list item: its own role is outdated and not allowed in a list."""
    HTML5Translator.visit_citation(self, node)
    self.body[-1] = self.body[-1].replace('role="doc-biblioentry"', 'role="listitem"')


def depart_citation(self, node) -> None:
    """Close a bibliography entry."""
    HTML5Translator.depart_citation(self, node)


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", retarget_colab, priority=900)
    app.connect("html-page-context", describe, priority=900)
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    app.connect("doctree-read", image_alt)
    app.connect("env-check-consistency", number_by_chapter)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
