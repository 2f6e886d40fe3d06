"""One style sheet and one script for all pages, made of what the theme and the extensions bring.

Out of the box a page loads nine style sheets, fifteen scripts and every icon of Font Awesome: 2 MB before compression.
When the build ends

- course.css is written: all style sheets in their order, less the rules for classes that no page and no script names;
- course.js is written: all scripts in their order, loaded deferred, less the theme's search for boxes that scroll;
- the icons that the pages name become masks in course.css, which take the colour of the text around them;
- marks in the pages become hashes of the two files, so that a browser never keeps an old one.

The template layout.html loads the two files.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import quote

import tinycss2
from sphinx.util import logging

logger = logging.getLogger(__name__)
THEME = ("styles/theme.css", "styles/pydata-sphinx-theme.css")
THEME_SCRIPTS = ("scripts/bootstrap.js", "scripts/pydata-sphinx-theme.js")
ICONS = "scripts/fontawesome.js"
# The theme asks for the width of every box of code and changes the box in between, so that the page is laid out anew
# for each of them: 650 ms of a slow phone's time before the first paint of a chapter. layout.js does it in one pass.
SLOW = r'document\.querySelectorAll\(\["pre",[^]]*\]\.join\(", "\)\)\.forEach\(\w+=>\{\w+\.tabIndex=[^}]*\}\)'
# modifiers of Font Awesome, which are no icons
MODIFIERS = {"solid", "regular", "brands", "lg", "fw", "sm", "xs", "2x", "spin"}
ICON_STYLE = """
:is(.fa, .fas, .far, .fab, .fa-solid, .fa-regular, .fa-brands) {
  display: inline-block; width: 1.25em; height: 1em; vertical-align: -.125em; background: currentColor;
  mask: var(--icon) center / contain no-repeat; forced-color-adjust: preserve-parent-color; }
:root { --fa-font-solid: inherit; --fa-font-brands: inherit; --pst-icon-external-link: "↗"; --pst-icon-download: "↓";
  --pst-icon-search-minus: "×"; --pst-icon-github: none; --pst-icon-gitlab: none; }
"""


def sheets(app, pagename, templatename, context, doctree) -> None:
    """Remember which files and lines of script the pages ask for; all ask for the same."""
    app.course_css = [file.filename for file in context.get("css_files", ()) if getattr(file, "filename", None)]
    app.course_js = [
        (file.filename, dict(file.attributes).get("body", ""))
        for file in context.get("script_files", ())
        if "pagename" not in dict(file.attributes).get("body", "")
    ]


def words(text: str) -> set[str]:
    """All names in a text."""
    return set(re.findall(r"-?[A-Za-z_][\w-]*", text))


def named(pages: list[str]) -> set[str]:
    """Classes and ids that pages use."""
    return {name for page in pages for found in re.findall(r'\b(?:class|id)="([^"]*)"', page) for name in found.split()}


def read_css(path: Path, static: Path) -> str:
    """A style sheet with what it imports; its addresses hold from the folder _static."""
    text = path.read_text(encoding="utf-8")
    folder = path.parent.resolve().relative_to(static.resolve()).as_posix()
    if folder != ".":
        text = re.sub(r"url\(([\"']?)(?!data:|[a-z]+:|#|/|[\"'])", rf"url(\g<1>{folder}/", text)
    return re.sub(r'@import\s+"([^"]+)";', lambda found: read_css(path.parent / found[1], static), text)


def needed(selector: list, used: set[str]) -> list[str]:
    """Those alternatives of a rule's selector whose classes and ids are all used."""
    kept, tokens = [], []
    for token in [*selector, None]:
        if token is not None and token != ",":
            tokens.append(token)
            continue
        ids = {part.value for part in tokens if part.type == "hash"}
        pairs = zip(tokens, tokens[1:])
        classes = {name.value for dot, name in pairs if dot == "." and name.type == "ident"}
        if ids | classes <= used and not any(name.startswith("fa-") for name in classes):
            kept.append(tinycss2.serialize(tokens).strip())
        tokens = []
    return kept


def prune(rules: list, used: set[str]) -> str:
    """The rules that can apply on some page; icon fonts are left out."""
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors, body = needed(rule.prelude, used), tinycss2.serialize(rule.content).strip()
            if selectors and body:
                kept.append(f"{','.join(selectors)}{{{body}}}")
        elif rule.type == "at-rule":
            head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}".strip()
            content = tinycss2.serialize(rule.content) if rule.content is not None else None
            if content is None:
                kept.append(f"{head};" if rule.lower_at_keyword != "charset" else "")
            elif rule.lower_at_keyword in ("media", "supports", "layer", "container"):
                inner = prune(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True), used)
                kept.append(f"{head}{{{inner}}}" if inner else "")
            elif not (rule.lower_at_keyword == "font-face" and "Font Awesome" in content.replace("\\", "")):
                kept.append(f"{head}{{{content}}}")
    return "\n".join(filter(None, kept))


def icons(pages: list[str], library: str) -> str:
    """Masks for the icons that pages name, drawn as in Font Awesome Free (CC BY 4.0)."""
    found = {name.removeprefix("fa-") for name in named(pages) if name.startswith("fa-")}
    drawings = {}
    icon = r'[{,]"?([a-z0-9-]+)"?:\[(\d+),(\d+),\[([^\]]*)\],"[0-9a-f]+","([^"]+)"\]'
    for name, width, height, others, path in re.findall(icon, library):  # brands, regular, solid: the last wins
        drawing = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'><path d='{path}'/></svg>"
        drawings |= dict.fromkeys([name, *re.findall(r'"([a-z0-9-]+)"', others)], quote(drawing, safe=" =:/'"))
    rules = ["/* icons: Font Awesome Free, fontawesome.com, CC BY 4.0 */"]
    for name in sorted(found - MODIFIERS):
        if name not in drawings:
            logger.warning("there is no icon fa-%s in Font Awesome Free", name, type="course", subtype="icon")
            continue
        rules.append(f'.fa-{name}{{--icon:url("data:image/svg+xml,{drawings[name]}")}}')
    return "\n".join(rules) + ICON_STYLE


def bundle(app, exception) -> None:
    """Write the two files and their hashes; in a build that wrote no page both still hold."""
    if exception or app.builder.format != "html" or not hasattr(app, "course_css"):
        return
    static = Path(app.outdir) / "_static"
    texts = {path: path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")}
    pages = {path: text for path, text in texts.items() if "_static/course.css?v=" in text}
    scripts = [
        (static.parent / name).read_text(encoding="utf-8") if name else body
        for name, body in [*app.course_js, *((f"_static/{name}", "") for name in THEME_SCRIPTS)]
    ]
    script = "\n;".join(re.sub(r"//# sourceMappingURL=\S+", "", text) for text in scripts)
    script, times = re.subn(SLOW, "0", script)
    if times != 1:
        logger.warning("the theme looks for boxes that scroll in another way now", type="course", subtype="theme")
    used = named(list(pages.values())) | words(script)
    for folder in ("widgets", "live"):
        for path in (static.parent / folder).glob("**/*.js"):
            used |= words(path.read_text(encoding="utf-8"))
    names = [*(f"_static/{name}" for name in THEME), *app.course_css]
    text = "\n".join(read_css(static.parent / name, static) for name in dict.fromkeys(names))
    rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
    style = prune(rules, used) + "\n" + icons(list(pages.values()), (static / ICONS).read_text(encoding="utf-8"))
    files = {"course.css": style, "course.js": script}
    versions = {name: hashlib.sha256(content.encode()).hexdigest()[:10] for name, content in files.items()}
    for name, content in files.items():
        (static / name).write_text(content, encoding="utf-8")
    for path, page in pages.items():
        marked = re.sub(r"(_static/(course\.\w+)\?v=)[\w@]+", lambda found: found[1] + versions[found[2]], page)
        if marked != page:
            path.write_text(marked, encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", sheets, priority=1000)
    app.connect("build-finished", bundle, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
