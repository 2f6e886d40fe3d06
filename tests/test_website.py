"""The website: strict build, links, launch buttons, alt texts, words."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bnlab import tasks

from autograder import course

BOOK = course.REPOSITORY / "book"
PAGES = sorted(path for path in BOOK.glob("*.md"))
CONFIG = yaml.safe_load((course.REPOSITORY / "_config.yml").read_text())
pytestmark = pytest.mark.xdist_group("website")


class Page(HTMLParser):
    """Links, ids, images and headings of an HTML page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.buttons, self.ids, self.images, self.headings = [], [], set(), [], []
        self.in_article = False
        self.path = path
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if given.get("id"):
            self.ids.add(given["id"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
            if "btn" in given.get("class", ""):
                self.buttons.append(given["href"])
        if tag == "img":
            self.images.append(given)
        self.in_article |= tag == "article"
        if self.in_article and re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


@pytest.fixture(scope="module")
def pages(website):
    return {path: Page(path) for path in [*website.glob("book/*.html"), *website.glob("exercises/*.html")]}


def test_all_pages_are_there(website, pages):
    built = {path.relative_to(website).as_posix() for path in pages}
    assert {f"book/{path.stem}.html" for path in PAGES} <= built
    assert {f"exercises/{name}.html" for name in course.notebook_names()} <= built
    assert (website / "index.html").exists()


def test_links_inside_the_site_hold(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                broken.append(f"{path.name}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_each_task_points_to_a_place_in_the_book(pages):
    by_name = {path.name: page for path, page in pages.items()}
    for task in tasks.all_tasks().values():
        name, _, anchor = task.page.partition("#")
        if (BOOK / f"{name.removesuffix('.html')}.md").exists():
            assert anchor in by_name[name].ids, f"{task.id}: {task.page}"


def test_launch_buttons_open_files_of_the_repository(pages):
    """Colab, source, edit: each opens a tracked file at the configured branch; the notebook is there to download."""
    address, branch = CONFIG["repository"]["url"], CONFIG["repository"]["branch"]
    colab = f"https://colab.research.google.com/github/{address.removeprefix('https://github.com/')}/blob/{branch}/"
    listed = subprocess.run(["git", "ls-files"], cwd=course.REPOSITORY, capture_output=True, text=True).stdout
    tracked = set(listed.splitlines())
    for path, page in pages.items():
        found = {kind: set() for kind in ("colab", "source", "edit", "download")}
        starts = {"colab": colab, "source": f"{address}/blob/{branch}/", "edit": f"{address}/edit/{branch}/"}
        for link in page.buttons:
            assert "colab" not in link or link.startswith(colab), link
            for kind, start in starts.items():
                if link.startswith(start):
                    found[kind].add(link.removeprefix(start).removesuffix("?plain=1"))
            if link.startswith("../_sources/") and link.endswith(".ipynb"):
                found["download"].add(link)
                assert json.loads((path.parent / link).read_text(encoding="utf-8"))["cells"]
        for file in found["colab"] | found["source"] | found["edit"]:
            assert (course.REPOSITORY / file).is_file() and (file in tracked or not tracked), f"{path.name}: {file}"
        own = f"{path.parent.name}/{path.stem}"
        if path.parent.name == "exercises":
            assert found["colab"] == found["source"] == {f"{own}.ipynb"} and not found["edit"], found
        elif re.match(r"\d\d_", path.name):
            assert len(found["colab"]) == 1 and found["source"] == found["edit"] == {f"{own}.md"}, found
            assert all(file.startswith("exercises/") and file.endswith(".ipynb") for file in found["colab"])
        if re.match(r"\d\d_", path.name):
            assert found["download"] == {f"../_sources/{own}.ipynb"}, path.name


def test_every_figure_says_what_it_shows(pages):
    count = 0
    for path, page in pages.items():
        for image in page.images:
            if "_images/" not in image.get("src", ""):
                continue  # logos of the theme
            count += 1
            assert len(image.get("alt") or "") > 30, f"{path.name}: {image.get('src')}"
    assert count > 5


def test_a_phone_gets_a_figure_that_it_can_show(website, pages):
    """A wide figure has a second drawing in a file of its own; text of 9 points is 9 pixels high there."""
    count = 0
    for path in pages:
        text = path.read_text(encoding="utf-8")
        for source, image in re.findall(r"(<source [^>]*>)?<img ([^>]*_images/[^>]*)>", text):
            width = int(re.search(r'width="(\d+)"', source or image)[1])
            assert 9 * 4 / 3 * 350 / width > 9, f"{path.name}: {image}"
            if source:
                count += 1
                narrow = (path.parent / re.search('srcset="([^"]+)"', source)[1]).read_text(encoding="utf-8")
                wide = (path.parent / re.search('src="([^"]+)"', image)[1]).read_text(encoding="utf-8")
                assert narrow.count("<svg") == wide.count("<svg") == 1 and narrow.rstrip().endswith("</svg>")
    assert count > 40


def test_the_front_page_shows_what_chapter_6_has_drawn(pages):
    shown = {
        path.stem: {image["src"] for image in page.images if "_images/" in image.get("src", "")}
        for path, page in pages.items()
    }
    assert len(shown["index"]) == 1 and shown["index"] <= shown["06_transform"]


def test_headings_are_in_order(pages):
    for path, page in pages.items():
        steps = [later - earlier for earlier, later in zip(page.headings, page.headings[1:])]
        assert max(steps, default=0) <= 1, path.name
        assert page.headings.count(1) == 1, path.name


def test_every_column_of_a_table_has_a_header(pages):
    for path in pages:
        empty = re.findall(r"<th[^>]*>(?:\s|</?p>)*</th>", path.read_text(encoding="utf-8"))
        assert empty == [], path.name


def prose(path):
    """The text of a page without code, front matter and mathematics."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"\A---.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"```\{code-cell\}.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`\n]*`", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_words(path):
    found = re.findall(r"\b(simply|obviously|clearly|trivially|of course|just)\b", prose(path), flags=re.IGNORECASE)
    assert found == []
    assert "because it reduces internal covariate shift" not in prose(path).lower()


@pytest.mark.parametrize("path", [path for path in PAGES if re.match(r"\d\d_", path.name)], ids=lambda path: path.stem)
def test_a_chapter_has_its_parts(path):
    text = path.read_text(encoding="utf-8")
    for part in ("Predict", "## Exercise", "Claims ledger", "minutes", "{cite:", "class: pitfall"):
        assert part in text, part


def test_a_failing_cell_or_formula_fails_the_build(run, tmp_path):
    for name in ("_ext", "_static", "katex", "widgets", "results", "references.bib", "scorer.js"):
        source = BOOK / name
        target = tmp_path / "book" / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    shutil.copytree(course.EXERCISES / "bnlab", tmp_path / "exercises" / "bnlab")
    shutil.copy(course.REPOSITORY / "_config.yml", tmp_path)
    (tmp_path / "book" / "_toc.yml").write_text("format: jb-book\nroot: book/page\nchapters: [{file: book/other}]\n")
    other = tmp_path / "book" / "other.md"
    other.write_text("# Another page\n\nWords.\n")
    front_matter = PAGES[1].read_text(encoding="utf-8").split("---")[1].replace("colab: ", "about: ")
    head = f"---{front_matter}---\n\n# A page\n\nA sentence.\n\n"
    page = tmp_path / "book" / "page.md"
    build = ["jupyter-book", "build", ".", "--toc", "book/_toc.yml", "--all", "-W", "-n", "--keep-going"]
    cases = (("1 + 1", r"\frac12", False), ("1 / 0", r"\frac12", True), ("1 + 1", r"\fraction12", True))
    for cell, formula, fails in cases:
        page.write_text(f"{head}```{{code-cell}} ipython3\n{cell}\n```\n\nHere ${formula}$.\n")
        done = run(*build, cwd=tmp_path)
        assert (done.returncode != 0) == fails, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_picture_that_no_page_has(run, tmp_path):
    """The page is written without it, and a line says what was not found: the figure, its picture or the page."""
    (tmp_path / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(BOOK / '_ext')!r})\n"
        "extensions, myst_enable_extensions = ['myst_parser', 'course_picture'], ['colon_fence']\n"
    )
    (tmp_path / "page.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
    wanted = ("page fig-one", "page fig-none", "page fig-words", "nowhere fig-one")
    places = "".join(f":::{{picture-from}} {one}\nA caption of {one}.\n:::\n\n" for one in wanted)
    (tmp_path / "index.md").write_text(f"# One\n\n{places}```{{toctree}}\npage\n```\n")
    figures = "```{figure} page.svg\n:name: fig-one\nA\n```\n\n:::{container}\n:name: fig-words\nB\n:::\n"
    (tmp_path / "page.md").write_text(f"# Two\n\n{figures}")
    done = run("python", "-m", "sphinx", "-q", "-b", "html", ".", "out", cwd=tmp_path)
    told = re.findall(r"WARNING: (\w+ has no figure '[\w-]+')", done.stderr)
    assert told == [f"{page} has no figure '{figure}'" for page, figure in map(str.split, wanted[1:])], done.stderr
    html = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert html.count("<img") == 1 and "A caption of page fig-one" in html and "fig-none" not in html
