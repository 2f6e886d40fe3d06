"""Where a line must not break: between a number and its unit, within ``N = 4``, between a formula and its comma.

A browser may break a line on either side of a formula, even before a comma; a span of class ``bound`` forbids it
(custom.css). Long formulas and cells of tables stay as they are: on a phone they need their breaks.
"""

from __future__ import annotations

import re

from docutils import nodes

SPACE = "\u00a0"  # of the kind at which no line breaks
UNIT = re.compile(r"(?<=\d) (?=%|(?:s|ms|µs|MB|GB|GB/s|TB/s)\b)")
RELATION = re.compile(r"(?<![^\s(“])([^\W\d]\w?) ([=<>≤≥≈≠]) (?=[−\w])")
LABEL = re.compile(r"\b(Fig\.|Table) (?=\d)")
OPENING = re.compile(r"(?<!\S)[(\[“‘]+$")
CLOSING = re.compile(r"[,.;:!?)\]’”]\S{0,3}(?=\s|$)")
LONGEST = 20  # signs of a formula that may not break


def keep_together(text: str, before: str = "") -> str:
    """Glue units to numbers and the sides of a short relation to each other; `before` is what stands in front.

    >>> keep_together("at N = 4 it is 95 % in 3 s").replace(SPACE, "_")
    'at N_=_4 it is 95_% in 3_s'
    >>> keep_together(" % of all", before="95").replace(SPACE, "_")
    '_% of all'
    """
    text = UNIT.sub(SPACE, before[-1:] + text)[len(before[-1:]) :]
    text = RELATION.sub(rf"\1{SPACE}\2{SPACE}", text)
    return LABEL.sub(rf"\1{SPACE}", text)


def signs(source: str) -> int:
    r"""How many signs a formula shows, roughly.

    >>> signs(r"\frac{1}{N}"), signs("x_i")
    (3, 2)
    """
    return len(re.sub(r"[{}^_\s\\]", "", re.sub(r"\\[a-zA-Z]+", "x", source)))


def place_of(node) -> int:
    """Where a node stands in its parent; docutils would take the first one that is equal, and text is equal to text."""
    return next(place for place, one in enumerate(node.parent) if one is node)


def put(parent, place: int, text: str) -> None:
    """Other text in the place of a child."""
    parent[place] = nodes.Text(text)


def bind_words(doctree) -> None:
    """Put the space at which no line breaks into the text, except in code."""
    before, block = "", None
    for text in list(doctree.findall(nodes.Text)):
        parent = text.parent
        if isinstance(parent, (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)):
            before = ""
            continue
        above = parent
        while isinstance(above, nodes.Inline) and above.parent is not None:
            above = above.parent
        if above is not block:
            before, block = "", above
        bound = keep_together(str(text), before)
        if bound != text:
            put(parent, place_of(text), bound)
        before = bound


def bind_formulas(doctree) -> None:
    """Put a short formula and the punctuation around it into one span."""
    for formula in list(doctree.findall(nodes.math)):
        parent, place = formula.parent, place_of(formula)
        if signs(formula.astext()) > LONGEST or isinstance(parent.parent, nodes.entry):
            continue
        front = parent[place - 1] if place else None
        back = parent[place + 1] if place + 1 < len(parent) else None
        opening = OPENING.search(front) if isinstance(front, nodes.Text) else None
        closing = CLOSING.match(back) if isinstance(back, nodes.Text) else None
        if not opening and not closing:
            continue
        words = [nodes.Text(found[0]) if found else nodes.Text("") for found in (opening, closing)]
        if closing:
            put(parent, place + 1, back[closing.end() :])
        if opening:
            put(parent, place - 1, front[: opening.start()])
        parent[place] = nodes.inline("", "", words[0], formula.deepcopy(), words[1], classes=["bound"])


def bind(app, doctree, docname) -> None:
    """Both, when all references and numbers stand in the text."""
    bind_words(doctree)
    bind_formulas(doctree)


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-resolved", bind)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
