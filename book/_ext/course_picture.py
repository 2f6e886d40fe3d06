"""The directive ``{picture-from} 06_transform fig-stall``: a picture that another page has drawn.

The content is its caption here. The picture is taken over when this page is written: the other one may be read later.
"""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.util import logging

logger = logging.getLogger(__name__)


class course_picture(nodes.General, nodes.Element):
    """The place of a picture, with the page and the figure from which it comes."""


class PictureDirective(Directive):
    """``{picture-from} PAGE FIGURE``; the content is the caption."""

    required_arguments, has_content = 2, True

    def run(self):
        env = self.state.document.settings.env
        page, name = self.arguments
        page = env.relfn2path(f"{page}.md", env.docname)[0]
        env.note_dependency(page)
        legend = nodes.legend()  # not a caption, which would be numbered
        self.state.nested_parse(self.content, self.content_offset, legend)
        place = course_picture(page=page.removesuffix(".md"), figure=name)
        place.source, place.line = self.state_machine.get_source_and_line(self.lineno)
        return [nodes.figure("", place, legend)]


def fill(app, doctree, docname):
    """Put the other page's picture into its place."""
    for place in list(doctree.findall(course_picture)):
        known = place["page"] in app.env.found_docs
        pictures = [
            picture
            for figure in (app.env.get_doctree(place["page"]).findall(nodes.figure) if known else ())
            if place["figure"] in figure["names"] + figure["ids"]
            for picture in figure.findall(nodes.image)
        ]
        if pictures:
            place.replace_self(pictures[0].deepcopy())
        else:
            logger.warning("%s has no figure %r", place["page"], place["figure"], location=place)
            place.parent.replace_self([])  # no page can be written with a caption of nothing


def setup(app):
    """Register with Sphinx."""
    app.add_node(course_picture)
    app.add_directive("picture-from", PictureDirective)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
