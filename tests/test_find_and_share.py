"""Pages can be found, shown as a card, and cited; the address of the site stands in one place."""

import html
import re
import struct
import sys
import xml.etree.ElementTree as ET

import course_find
import pytest
import yaml
from pybtex.database import parse_string

from autograder import course

CONFIG = yaml.safe_load((course.REPOSITORY / "_config.yml").read_text(encoding="utf-8"))
BASE = CONFIG["html"]["baseurl"]
website_tests = pytest.mark.xdist_group("website")


@pytest.mark.parametrize(
    "text, found",
    [
        (r"\gamma_c", ["gamma_c", "gamma", "γ"]),
        ("σ²", ["σ", "sigma"]),
        ("ϵ", ["ε", "epsilon"]),
        ("inv_std", ["inv_std"]),
        ("eps", ["eps", "ε"]),
        ("a plain word", ["a", "plain", "word"]),
    ],
)
def test_a_symbol_is_one_word_with_its_name(text, found):
    assert course_find.SymbolSearch({}).split(text) == found


def test_the_query_is_split_like_the_text(run, on_ci):
    """The splitter that runs in the browser and the one that makes the index give the same words."""
    import shutil

    if shutil.which("node") is None:
        assert not on_ci, "Node is missing"
        pytest.skip("needs Node")
    program = course_find.SymbolSearch.js_splitter_code
    for query in ("σ²", "ϵ or ε", "x̂ inv_std", "γ/σ", "10⁻⁵"):
        words = run("node", "-e", f"{program}; console.log(splitQuery({query!r}).join(' '))").stdout.split()
        assert set(words) <= set(course_find.SymbolSearch({}).split(query)), query


def metas(text):
    found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text)
    return {name: html.unescape(words) for name, words in found}


@website_tests
def test_every_page_has_a_card_of_its_own(website):
    seen = {}
    for path in [*website.glob("book/*.html"), *website.glob("exercises/*.html")]:
        name = path.relative_to(website).as_posix()
        text = path.read_text(encoding="utf-8")
        assert re.findall(r'<link rel="canonical" href="([^"]*)"', text) == [BASE + name], name
        card = metas(text)
        if "og:title" not in card:
            assert path.stem in ("bibliography", "changelog", "cheat_sheet"), f"{name} has no paragraph to show"
            continue
        assert card["og:url"] == BASE + name and card["og:image"] == BASE + "_static/card.png"
        assert card["og:description"] == card["description"] and 40 < len(card["description"]) < 160
        seen.setdefault(card["description"], []).append(name)
    assert len(seen) > 20 and all(len(names) == 1 for names in seen.values())


@website_tests
def test_the_sitemap_lists_every_page(website):
    listed = {place.text for place in ET.parse(website / "sitemap.xml").findall(".//{*}loc")}
    pages = [*website.glob("book/*.html"), *website.glob("exercises/*.html")]
    assert listed == {BASE + path.relative_to(website).as_posix() for path in pages}
    assert f"Sitemap: {BASE}sitemap.xml" in (website / "robots.txt").read_text()


@website_tests
def test_the_card_is_of_the_size_that_it_says(website):
    picture = (website / "_static" / "card.png").read_bytes()
    assert struct.unpack(">II", picture[16:24]) == (1200, 630) and len(picture) < 300_000


def test_the_address_is_the_one_that_the_checks_name():
    from bnlab import tasks

    assert BASE.startswith("https://") and BASE.endswith("/")
    assert tasks.BOOK == BASE + "book"
    about = yaml.safe_load((course.REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert about["url"] == BASE and about["repository-code"] == CONFIG["repository"]["url"]


def test_the_citation_is_bibtex():
    about = yaml.safe_load((course.REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    (entry,) = parse_string(course_find.bibtex(about), "bibtex").entries.values()
    assert entry.fields["title"].strip("{}") == about["title"] and entry.fields["year"].isdigit()
    assert len(entry.persons["author"]) == len(about["authors"])
    two = {**about, "authors": [{"family-names": "Doe", "given-names": "Ann"}, {"name": "A Group of People"}]}
    (entry,) = parse_string(course_find.bibtex(two), "bibtex").entries.values()
    assert [str(person) for person in entry.persons["author"]] == ["Doe, Ann", "{A Group of People}"]


def test_a_warm_build_keeps_the_terms(run, tmp_path):
    """A page that is not written anew stays in the search with the terms that it explains."""
    settings = f"""\
import sys
sys.path.insert(0, {str(course.REPOSITORY / "book" / "_ext")!r})
extensions = ["course_find"]
html_baseurl, html_title = "https://course.example/", "course"
"""
    (tmp_path / "conf.py").write_text(settings)
    (tmp_path / "index.rst").write_text("Start\n=====\n\n.. toctree::\n\n   other\n   words\n")
    (tmp_path / "words.rst").write_text("Words\n=====\n\n.. glossary::\n\n   ghost batch\n      It.\n")
    for text in ("first", "second"):
        (tmp_path / "other.rst").write_text(f"Other\n=====\n\n{text}\n")
        done = run(sys.executable, "-m", "sphinx", "-q", tmp_path, tmp_path / "out")
        assert done.returncode == 0, done.stderr
        index = (tmp_path / "out" / "searchindex.js").read_text()
        assert '"ghost batch"' in index.split('"indexentries"')[1], text
