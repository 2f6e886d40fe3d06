"""What lets people find, share and cite the course.

- The search knows symbols: γ, gamma and a formula's ``\\gamma`` are one word, so are σ² and σ. It keeps the terms of
  the glossary when only some pages are built again.
- Every page describes itself to search engines and to whoever shows a card for a link: its title and its first
  paragraph, with the picture book/_static/card.png.
- sitemap.xml lists all pages. Addresses begin with the one setting ``html: baseurl`` of _config.yml.
- ``{cite-this-course}`` is a citation in words and in BibTeX, made from CITATION.cff.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.search.en import SearchEnglish
from sphinx.util.index_entries import split_index_msg

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau",
    "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
LETTERS = {name: letter for letter, name in GREEK.items()} | {"eps": "ε", "varepsilon": "ε"}
SMALL = "⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉⁺⁻"


class SymbolSearch(SearchEnglish):
    """English, and the symbols of the course."""

    # the query is split the same way: small digits are dropped, one of two forms of epsilon and phi is kept
    js_splitter_code = (
        f'function splitQuery(query) {{ return query.normalize("NFC").replace(/[{SMALL}]/gu, " ")'
        '.replaceAll("ϵ", "ε").replaceAll("ϕ", "φ").split(/[^\\p{Letter}\\p{Number}_]+/gu).filter(Boolean); }'
    )

    def split(self, text: str) -> list[str]:
        r"""Words of a text, each Greek letter also by its name, each name also by its letter.

        Examples
        --------
        >>> SymbolSearch({}).split(r"\sigma_c^2 + ε")
        ['sigma_c', 'sigma', 'σ', '2', 'ε', 'epsilon']
        """
        found = []
        text = re.sub(f"[{SMALL}]", " ", text).replace("ϵ", "ε").replace("ϕ", "φ")
        for word in re.findall(r"\w+", text):
            found.append(word)
            for part in dict.fromkeys(word.lower().split("_")):
                if part in LETTERS:
                    found += [part] * (part != word) + [LETTERS[part]]
                elif part in GREEK:
                    found += [part] * (part != word) + [GREEK[part]]
        return found


def keep_terms(app, env) -> None:
    """Find the terms of all pages again: of those that a warm build does not write anew, Sphinx 7.4 forgets them."""
    for name in env.found_docs:
        found = {
            (word, target or "", main)
            for node in env.get_doctree(name).findall(addnodes.index)
            for kind, value, target, main, _ in node["entries"]
            for word in split_index_msg(kind, value)
        }
        env._search_index_index_entries[name] = sorted(found)


def first_paragraph(doctree) -> str:
    """The first paragraph of running text without a formula, at most 158 letters of it."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree is not None else ():
        words = " ".join(paragraph.astext().split())
        if isinstance(paragraph.parent, nodes.section) and len(words) > 40 and "\\" not in words:
            return words if len(words) <= 158 else words[:157].rsplit(" ", 1)[0] + "…"
    return ""


def describe(app, pagename, templatename, context, doctree) -> None:
    """Add description and card."""
    words, base = first_paragraph(doctree), app.config.html_baseurl
    if not words:
        return
    card = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": re.sub(r"<[^>]+>", "", html.unescape(context["title"])),
        "og:description": words,
        "og:url": urljoin(base, app.builder.get_target_uri(pagename)),
        "og:image": urljoin(base, "_static/card.png"),
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "The course's title over seven features of a batch: left as they come, right normalized",
    }
    tags = [f'<meta name="description" content="{html.escape(words)}"/>']
    tags += [f'<meta property="{name}" content="{html.escape(text)}"/>' for name, text in card.items()]
    tags += ['<meta name="twitter:card" content="summary_large_image"/>']
    context["metatags"] = (context.get("metatags") or "") + "\n".join(tags) + "\n"


def sitemap(app, exception) -> None:
    """Write sitemap.xml and robots.txt, which names it."""
    if exception or app.builder.name != "html" or not app.config.html_baseurl:
        return
    pages = [urljoin(app.config.html_baseurl, app.builder.get_target_uri(name)) for name in sorted(app.env.found_docs)]
    rows = "".join(f"<url><loc>{html.escape(page)}</loc></url>\n" for page in pages)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    folder = Path(app.outdir)
    (folder / "sitemap.xml").write_text(f"{head}{rows}</urlset>\n", encoding="utf-8")
    address = urljoin(app.config.html_baseurl, "sitemap.xml")
    (folder / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {address}\n", encoding="utf-8")


def bibtex(about: dict) -> str:
    """CITATION.cff as a BibTeX entry."""
    names = [person.get("name") or f"{person['family-names']}, {person['given-names']}" for person in about["authors"]]
    authors = " and ".join(f"{{{name}}}" if "," not in name else name for name in names)
    fields = {
        "title": f"{{{about['title']}}}",
        "author": authors,
        "year": str(about["date-released"])[:4],
        "version": about["version"],
        "url": about["url"],
    }
    rows = ",\n".join(f"  {name:7} = {{{text}}}" for name, text in fields.items())
    return f"@misc{{bncourse,\n{rows}\n}}"


class CiteDirective(Directive):
    """``{cite-this-course}``, without arguments."""

    def run(self):
        path = Path(self.state.document.settings.env.srcdir) / "CITATION.cff"
        self.state.document.settings.env.note_dependency(str(path))
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = ", ".join(p.get("name") or f"{p['given-names']} {p['family-names']}" for p in about["authors"])
        words = nodes.paragraph()
        words += [
            nodes.Text(f"{names} ({str(about['date-released'])[:4]}). "),
            nodes.emphasis("", about["title"]),
            nodes.Text(f", version {about['version']}. "),
            nodes.reference("", about["url"], refuri=about["url"]),
        ]
        entry = bibtex(about)
        return [words, nodes.literal_block(entry, entry, language="bibtex")]


def not_found(app, config) -> None:
    """The page for lost readers may be shown at any depth, so its addresses are absolute."""
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path or "/"


def setup(app):
    """Register with Sphinx."""
    app.add_search_language(SymbolSearch)
    app.add_directive("cite-this-course", CiteDirective)
    app.connect("config-inited", not_found)
    app.connect("env-updated", keep_terms)
    app.connect("html-page-context", describe, priority=900)
    app.connect("build-finished", sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
