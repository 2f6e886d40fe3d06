"""Write dist/course.pdf: all pages of the built website in the order of the table of contents, printed by Chromium.

    make pdf                                     # or python book/tools/pdf.py [PAGE ...] for some pages only

The pages become one document, so that links between them lead to places in it and the outline is that of the headings.
Folded answers are open; folded code, and what only a screen can do, is left out. It is printed twice: the second time
the contents know the numbers of the pages.
"""

from __future__ import annotations

import argparse
import html
import posixpath
import re
import sys
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import yaml
from browse import chromium, served
from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parents[2]
SITE, TARGET = ROOT / "_build" / "html", ROOT / "dist" / "course.pdf"
STYLES = ("_static/course.css", "katex/katex.min.css")
LEFT_OUT = (
    ".headerlink, script, style, source, .toctree-wrapper, details.hide, button, .start-button, "
    ".sd-sphinx-override > a.btn"
)
FOOTER = (
    '<div style="font: 8px sans-serif; width: 100%; padding: 0 18mm; display: flex; justify-content: space-between; '
    'color: #555"><span>Batch normalization, derived and tested</span><span class="pageNumber"></span></div>'
)


def order(toc: dict) -> list[tuple[str, list[str]]]:
    """Parts of the table of contents with their pages; the front page is a part without a name."""

    def pages(entries: list[dict]) -> list[str]:
        return [name for entry in entries for name in [entry["file"], *pages(entry.get("sections", []))]]

    return [("", [toc["root"]]), *((part["caption"], pages(part["chapters"])) for part in toc["parts"])]


def slug(page: str) -> str:
    """What the ids of a page begin with."""
    return page.replace("/", "-")


def target(link: str, page: str, pages: set[str], base: str) -> str:
    """Where a page's link leads in the book; outside of it, to the published website."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return link
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), parts.path)) if parts.path else f"{page}.html"
    if path.removesuffix(".html") in pages:
        return "#" + slug(path.removesuffix(".html")) + (f"--{parts.fragment}" if parts.fragment else "")
    return urljoin(base, path) + (f"#{parts.fragment}" if parts.fragment else "")


def article(site: Path, page: str, pages: set[str], base: str) -> Tag:
    """The text of a page, made ready for paper."""
    soup = BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    found = soup.select_one("article")
    for picture in found.find_all("noscript"):
        picture.unwrap()
    for element in found.select(LEFT_OUT):
        element.decompose()
    for folded in found.find_all("details"):
        folded["open"] = ""
    for element in found.find_all(id=True):
        element["id"] = f"{slug(page)}--{element['id']}"
    for element in found.find_all(href=True):
        element["href"] = target(element["href"], page, pages, base)
    for picture in found.find_all("img", src=True):
        picture["src"] = urljoin(f"/html/{page}.html", picture["src"])
        picture.attrs.pop("loading", None)
    for level in range(5, 0, -1):  # a page's title comes below that of its part
        for heading in found.find_all(f"h{level}"):
            heading.name = f"h{level + 1}"
    found["id"] = slug(page)
    return found


def document(site: Path, parts: list[tuple[str, list[str]]], base: str, numbers: dict[str, int]) -> str:
    """The whole book as one page; `numbers` maps slugs to numbers of pages."""
    known = {page for _, pages in parts for page in pages}
    body, contents = [], []
    for caption, pages in parts:
        texts = {page: article(site, page, known, base) for page in pages}
        if caption:
            contents.append(f'<p class="part">{caption}</p>')
        for position, (page, text) in enumerate(texts.items()):
            title = text.h2.get_text().strip()
            number = numbers.get(slug(page), "")
            contents.append(
                f'<p><a href="#{slug(page)}">{title}</a><span class="dots"></span><span>{number}</span></p>'
            )
            if caption and position == 0:
                text.insert(0, BeautifulSoup(f'<h1 class="part">{caption}</h1>', "html.parser"))
            body.append(str(text))
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    style = (ROOT / "book" / "tools" / "print.css").read_text(encoding="utf-8")
    head = "".join(f'<link rel="stylesheet" href="/html/{name}">' for name in STYLES)
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{about["title"]}</title>'
        f"{head}<style>{style}</style></head><body>"
        '<section class="cover"><img src="/html/_static/logo.svg" alt="">'
        f'<p class="title">{about["title"].partition(":")[0]}</p><p>An open course</p>'
        f'<p class="small">Version {about["version"]} · {base}<br>Text and figures CC BY 4.0, code BSD 3-clause</p>'
        f'</section><section class="contents"><h1>Contents</h1>{"".join(contents)}</section>'
        f"{''.join(body)}</body></html>"
    )


def print_to(path: Path, address: str, browser) -> None:
    """Print a page."""
    page = browser.new_page()
    page.set_default_timeout(600_000)
    page.goto(address, wait_until="load")
    page.evaluate("document.fonts.ready")
    page.pdf(path=path, format="A4", outline=True, tagged=True, print_background=True, display_header_footer=True,
             header_template="<span></span>", footer_template=FOOTER,
             margin={"top": "17mm", "bottom": "19mm", "left": "18mm", "right": "18mm"})  # fmt: skip
    page.close()


def page_numbers(path: Path) -> dict[str, int]:
    """Numbers of the pages on which the places of a PDF are, counted from 1."""
    from pypdf import PdfReader

    reader = PdfReader(path)
    places = {name.lstrip("/"): place for name, place in reader.named_destinations.items()}
    return {name: reader.get_destination_page_number(place) + 1 for name, place in places.items()}


def once(title: str, headings: list[str]) -> str:
    """A title of the outline as its heading has it.

    Chromium doubles the first line of a heading at the top of a page, and loses the space between two lines.

    Examples
    --------
    >>> once("A longA longtitle", ["A long title", "Another"])
    'A long title'
    """
    known = {"".join(heading.split()): heading for heading in headings}
    letters = "".join(title.split())
    for start in range(len(letters)):
        if letters[start:] in known and letters[start : 2 * start] == letters[:start]:
            return known[letters[start:]]
    return title


def mend(path: Path, headings: list[str]) -> None:
    """Write each title of the outline as its heading has it; add the author."""
    from pypdf import PdfWriter
    from pypdf.generic import NameObject, TextStringObject

    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    writer = PdfWriter(clone_from=path)
    waiting = [writer.root_object["/Outlines"].get_object()]
    while waiting:
        entry = waiting.pop()
        title = str(entry.get("/Title", ""))
        if title:
            entry[NameObject("/Title")] = TextStringObject(once(title, headings))
        waiting += [entry[key].get_object() for key in ("/First", "/Next") if key in entry]
    writer.add_metadata({"/Author": about["authors"][0].get("name", ""), "/Subject": about["url"]})
    writer.write(path)


def write(site: Path, path: Path, browser, only: list[str] | None = None) -> None:
    """Write the PDF.

    Parameters
    ----------
    site : Path
        The built website.
    path : Path
    browser : Browser
        As `browse.chromium` opens it.
    only : list of str, optional
        Pages to print instead of all, such as ``book/06_transform``.
    """
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    base = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]
    parts = [(caption, [page for page in pages if not only or page in only]) for caption, pages in order(toc)]
    parts = [part for part in parts if part[1]]
    work = site.parent / "print"
    work.mkdir(exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, int] = {}
    with served(site.parent) as address:
        for _ in range(2):
            (work / "book.html").write_text(document(site, parts, base, numbers), encoding="utf-8")
            print_to(path, f"{address}/print/book.html", browser)
            numbers = page_numbers(path)
    found = re.findall(
        r"<h[1-6][^>]*>(.*?)</h[1-6]>", (work / "book.html").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    mend(path, [" ".join(html.unescape(re.sub("<[^>]+>", "", text)).split()) for text in found])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="such as book/06_transform; all pages when left out")
    parser.add_argument("--to", type=Path, default=TARGET)
    arguments = parser.parse_args()
    if not (SITE / "index.html").exists():
        sys.exit("there is no website yet: run 'make book' first")
    with chromium() as opened:
        write(SITE, arguments.to, opened, arguments.pages)
    print(f"{arguments.to} ({arguments.to.stat().st_size / 1e6:.1f} MB)")
