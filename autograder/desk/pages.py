"""What the HTML pages share: templates that escape, one style, Markdown with formulas as MathML, highlighted code.

The pages hold no script and ask the network for nothing; a policy in each says so to the browser, so that whatever a
student wrote stays text.
"""

import functools
import re
from pathlib import Path

import bleach
import jinja2
from bnlab.tasks import BOOK
from latex2mathml.converter import convert
from markupsafe import Markup, escape
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TEMPLATES = Path(__file__).parent / "templates"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MATHML = {"math", "semantics", "mstyle", "mspace", "mtext", "mi", "mn", "mo", "mrow", "mfrac", "msqrt", "mroot", "msub"}
MATHML |= {"msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mpadded", "menclose"}
PICTURES, BASE64 = ("image/png", "image/jpeg"), re.compile(r"[A-Za-z0-9+/=\s]+")
LONGEST = 20_000  # characters of one text of a student on a page


@functools.cache
def environment():
    """The templates; everything that they print is escaped unless it is Markup."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    found.filters.update(code=code, markdown=markdown, cut=cut, first_sentence=first_sentence)
    found.globals.update(policy=POLICY, style=style())
    return found


def render(template, **values):
    """A page as text."""
    return environment().get_template(template).render(**values)


@functools.cache
def style():
    """The style sheet: ours, and the colours of code in light and dark."""
    from a11y_pygments.a11y_high_contrast_dark.style import Theme as Dark  # here: its import sets up logging
    from a11y_pygments.a11y_high_contrast_light.style import Theme as Light

    light, dark = (HtmlFormatter(style=name, nobackground=True).get_style_defs(".code") for name in (Light, Dark))
    sheet = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return Markup(f"{sheet}\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}")


def cut(text, longest=LONGEST):
    """A text of bearable length."""
    return text if len(text) <= longest else f"{text[:longest]}\n[{len(text) - longest} more characters]"


def first_sentence(text):
    """The first sentence of a message, for a table."""
    return re.split(r"(?<=[.:?!])\s", text, maxsplit=1)[0].rstrip(":")


def code(source):
    """Python source as highlighted HTML."""
    return Markup(highlight(cut(source), PythonLexer(stripnl=False), HtmlFormatter(cssclass="code", wrapcode=True)))


def formula(source, display):
    """TeX as MathML; what cannot be read as TeX stays as it was written."""
    source = source.strip().replace("{aligned}", "{align}")
    try:
        if len(source) > 2000:
            raise ValueError("too long")
        found = convert(source, display="block" if display else "inline")
    except Exception:  # a converter meets whatever students write
        return Markup("<code>{}</code>").format(source)
    # \text{} and \href{} go through the converter unescaped
    return Markup(bleach.clean(found, tags=MATHML, attributes=["display", "xmlns", "stretchy", "columnalign"]))


class Renderer(IPythonRenderer):
    """Markdown whose formulas become MathML and whose HTML, where a student wrote it, is shown as text."""

    def heading(self, text, level, **attrs):
        return super().heading(text, min(6, level + 1), **attrs)

    def inline_math(self, body):
        return formula(body, False)

    def block_math(self, body):
        return formula(body, True)

    def multiline_math(self, text):
        return formula(text, True)

    def latex_environment(self, name, body):
        return formula(rf"\begin{{{name}}}{body}\end{{{name}}}", True)


def markdown(source, trusted=False, attachments=None):
    """Markdown as HTML.

    Parameters
    ----------
    source : str
    trusted : bool
        Whether HTML in it is kept: true for our own questions alone.
    attachments : dict, optional
        Images of the cell, as nbformat keeps them.
    """
    images = {
        name: {kind: data for kind, data in kinds.items() if kind in PICTURES and BASE64.fullmatch(str(data))}
        for name, kinds in (attachments or {}).items()
    }
    renderer = Renderer(
        escape=not trusted, allow_harmful_protocols=False, exclude_anchor_links=True, attachments=images
    )
    try:
        return Markup(MarkdownWithMath(renderer=renderer).render(cut(source)))
    except Exception:  # Markdown of a student that trips the parser is shown as it was written
        return Markup("<pre>{}</pre>").format(escape(cut(source)))


def in_the_book(link):
    """Whether a link leads to the course's book: only these become links on a page."""
    return link.startswith(f"{BOOK}/")
