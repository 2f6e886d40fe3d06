"""The website leaves the house in three ways: a folder for a server, a zip for the disk, a PDF for paper."""

import re
import zipfile

import pack
import pdf
import pytest
import yaml

from autograder import course

PREFIX = f"/{course.public_repository().rpartition('/')[2]}/"  # of the published site's addresses
pytestmark = pytest.mark.xdist_group("website")


def test_the_folder_to_publish_has_all_that_its_pages_name(website, tmp_path):
    count = pack.folder(website, tmp_path / "site")
    site = tmp_path / "site"
    assert count == sum(path.is_file() for path in site.rglob("*")) and (site / ".nojekyll").exists()
    assert not (site / "_static" / "scripts" / "fontawesome.js").exists(), "of the theme only what pages ask for"
    missing = set()
    for page in [*site.rglob("*.html"), site / "_static" / "course.css"]:
        for link in re.findall(r'(?:src|href)="([^"#?:]+)["#?]|url\(([^)"\'#:?]+)\)', page.read_text(encoding="utf-8")):
            name = "".join(link)
            place = site / name.removeprefix(PREFIX) if name.startswith("/") else page.parent / name
            if not place.exists():
                missing.add(f"{page.name}: {name}")
    assert missing == set()
    ours = [
        path for path in site.rglob("*") if path.is_file() and not path.relative_to(site).parts[0].startswith("pyo")
    ]
    assert sum(path.stat().st_size for path in ours) < 20e6


@pytest.fixture(scope="module")
def unpacked(website, tmp_path_factory):
    folder = tmp_path_factory.mktemp("offline")
    pack.offline(website, folder / "course.zip")
    with zipfile.ZipFile(folder / "course.zip") as archive:
        archive.extractall(folder)
    return folder / "course"


def test_the_zip_works_from_the_disk(unpacked, browser):
    """Opened as a file: the front page leads on, formulas have their font, a widget its numbers, the search results."""
    context = browser.new_context()
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(("file:", "data:", "blob:")) or problems.append(asked.url))
    page.goto((unpacked / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    page.get_by_role("link", name="Start with the transform").click()
    page.locator("bn-drag-sample svg.bnw-plot").wait_for()
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px KaTeX_Main'))")
    page.locator("bn-drag-sample [role=slider]").last.press("Shift+ArrowUp")
    assert "You moved E; the outputs of 4 others moved too" in page.locator("bn-drag-sample .bnw-say").inner_text()
    page.goto((unpacked / "book" / "12_claims_on_trial.html").as_uri())
    page.locator("bn-rate-playground svg.bnw-plot").wait_for()  # its data came with the page
    page.keyboard.press("Control+k")
    page.keyboard.type("whitening")
    page.keyboard.press("Enter")
    page.locator("#search-results li a", has_text="whitening").first.click()
    page.wait_for_url("**/*whitening*")
    context.close()
    assert [text for text in problems if "fetch" not in text.lower()] == []


def test_links_of_the_pdf():
    pages = {"book/a", "exercises/b"}
    at = lambda link: pdf.target(link, "book/a", pages, "https://x.org/")  # noqa: E731
    assert at("#part") == "#book-a--part" and at("../exercises/b.html") == "#exercises-b"
    assert at("../exercises/b.html#one") == "#exercises-b--one" and at("https://y.org/#z") == "https://y.org/#z"
    assert at("c.html#d") == "https://x.org/book/c.html#d"


def test_the_pdf_has_every_page_in_the_order_of_the_contents():
    toc = yaml.safe_load((course.REPOSITORY / "book" / "_toc.yml").read_text(encoding="utf-8"))
    pages = [page for _, part in pdf.order(toc) for page in part]
    assert pages[0] == "book/index" and len(pages) == len(set(pages))
    assert set(pages) == {
        path.relative_to(course.REPOSITORY).with_suffix("").as_posix()
        for path in [*course.REPOSITORY.glob("book/*.md"), *course.REPOSITORY.glob("exercises/*.ipynb")]
    }


@pytest.mark.parametrize("title", ["A long title", "A long titleA long title", "A longA longtitle", "A longtitle"])
def test_a_title_of_the_outline_stands_there_once(title):
    assert pdf.once(title, ["Another", "A long title"]) == "A long title"
    assert pdf.once(title, ["Another"]) == title


def flat(outline):
    """Titles of an outline in their order, those below others too."""
    for entry in outline:
        yield from flat(entry) if isinstance(entry, list) else [entry.title]


def test_the_pdf_has_an_outline_and_links(website, browser, tmp_path):
    """Three pages of it; `make pdf` prints all."""
    from pypdf import PdfReader

    pdf.write(website, tmp_path / "part.pdf", browser, ["book/07_backward_graph", "book/cheat_sheet", "book/notation"])
    reader = PdfReader(tmp_path / "part.pdf")
    titles = list(flat(reader.outline))
    wanted = ["Contents", "The transform and its gradient", "7. Backward through the computation graph", "Reference",
              "Cheat sheet", "Notation"]  # fmt: skip
    assert [title for title in titles if title in wanted] == wanted
    numbers = pdf.page_numbers(tmp_path / "part.pdf")
    order = [numbers[f"book-{name}"] for name in ("07_backward_graph", "cheat_sheet", "notation")]
    assert order == sorted(order) and order[0] >= 3
    contents = reader.pages[1].extract_text()
    assert all(str(number) in contents for number in order), "the contents know the numbers of the pages"
    inside = [
        note["/Dest"] for page in reader.pages for note in map(lambda n: n.get_object(), page.get("/Annots", []))
        if "/Dest" in note
    ]  # fmt: skip
    wanted = {"/book-07_backward_graph", "/book-07_backward_graph--equation-eq-dmu", "/book-notation"}
    assert wanted <= set(inside) and len(inside) > 10, "links between pages stay inside"
    assert "μ" in "".join(page.extract_text() for page in reader.pages)
