r"""Formulas are set when the book is built: KaTeX runs inside this process, so readers get HTML and MathML, no script.

KaTeX itself is book/katex, the files of the npm package as they are; V8 comes with the package mini-racer.
A page with formulas loads KaTeX's style sheet and preloads the two fonts that nearly every formula needs.
A formula that KaTeX does not understand is a warning, which stops the strict build.
"""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

FOLDER = Path(__file__).resolve().parent.parent / "katex"
FONTS = ("KaTeX_Main-Regular", "KaTeX_Math-Italic")
logger = logging.getLogger(__name__)


@functools.cache
def katex() -> MiniRacer:
    """The library, loaded once."""
    context = MiniRacer()
    context.eval((FOLDER / "katex.min.js").read_text(encoding="utf-8") + "; undefined")
    return context


@functools.cache
def render(source: str, display: bool = False) -> str:
    r"""Set a formula.

    Parameters
    ----------
    source : str
        LaTeX without its dollars, such as ``\frac{1}{N}``.
    display : bool
        On a line of its own.

    Returns
    -------
    str
        HTML for eyes, hidden from screen readers, and MathML for these.

    Raises
    ------
    ValueError
        KaTeX does not understand the source; the message says where.
    """
    # mathematicians' Greek letters and subscripts in Unicode are welcome, hence no strictness about them
    options = {"displayMode": display, "throwOnError": True, "strict": False}
    try:
        return katex().call("katex.renderToString", source, options)
    except JSEvalException as error:
        message = str(error).splitlines()[0].partition("ParseError: ")[2]
        raise ValueError(message or str(error)) from None


def block_source(node: nodes.math_block) -> str:
    r"""The source of a displayed formula; lines separated by ``\\`` or by empty lines are aligned at ``&``."""
    source = node.astext()
    if node.get("nowrap"):
        return source
    parts = [part for part in source.split("\n\n") if part.strip()]
    lines = [rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts]
    return r"\begin{aligned}" + r"\\".join(lines) + r"\end{aligned}" if len(lines) > 1 else "".join(lines)


def set_formula(translator, node, source: str, display: bool) -> str:
    """The formula, or its source and a warning."""
    try:
        return render(source.strip(), display)
    except ValueError as error:
        logger.warning("%s", error, location=node, type="course", subtype="math")
        return f"<code>{translator.encode(source)}</code>"


def visit_math(self, node) -> None:
    """A formula within a sentence."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(set_formula(self, node, node.astext(), False) + "</span>")
    raise nodes.SkipNode


def visit_math_block(self, node) -> None:
    """A displayed formula, with its number if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(set_formula(self, node, block_source(node), True))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def link_style(app, pagename, templatename, context, doctree) -> None:
    """Style sheet and fonts, on pages with formulas."""
    if 'class="katex"' not in context.get("body", ""):
        return
    base = "../" * pagename.count("/") + "katex"
    preload = "".join(
        f'<link rel="preload" as="font" type="font/woff2" crossorigin href="{base}/fonts/{font}.woff2"/>\n'
        for font in FONTS
    )
    style = f'<link rel="stylesheet" href="{base}/katex.min.css"/>\n'
    context["metatags"] = (context.get("metatags") or "") + preload + style


def copy(app, exception) -> None:
    """Put style sheet, fonts and licence beside the pages."""
    if exception is None and app.builder.format == "html":
        leave = shutil.ignore_patterns("*.js", "README.md")
        shutil.copytree(FOLDER, Path(app.outdir) / "katex", dirs_exist_ok=True, ignore=leave)


def setup(app):
    """Register with Sphinx."""
    app.add_html_math_renderer("course", (visit_math, None), (visit_math_block, None))
    app.connect("html-page-context", link_style, priority=900)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
