"""One small style sheet and one script serve all pages, and nothing that a page needs is left out of them."""

import gzip
import hashlib
import re

import course_assets
import pytest
import tinycss2


def prune(text, used):
    rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
    return course_assets.prune(rules, used)


@pytest.mark.parametrize(
    "given, kept",
    [
        ("p{color:red}", "p{color:red}"),
        (".used{color:red}", ".used{color:red}"),
        (".unused{color:red}", ""),
        ("#unused p{color:red}", ""),
        (".used,.unused,p>a.used{color:red}", ".used,p>a.used{color:red}"),
        (".used:not(.unused){color:red}", ".used:not(.unused){color:red}"),
        (".used:is(.unused,p){color:red}", ".used:is(.unused,p){color:red}"),
        (".used .unused{color:red}", ""),
        ("@media print{.unused{color:red}}", ""),
        ("@media print{.used{color:red}}", "@media print{.used{color:red}}"),
        ("@font-face{font-family:X}", "@font-face{font-family:X}"),
        ('@font-face{font-family:"Font Awesome 6 Free"}', ""),
        ("@font-face{font-family:Font Awesome\\ 6 Free}", ""),
        (".fa-used:before{content:'x'}", ""),
    ],
)
def test_rules_that_cannot_apply_are_left_out(given, kept):
    assert prune(given, {"used", "fa-used"}) == kept


def test_addresses_in_style_sheets_hold_from_static(tmp_path):
    (tmp_path / "styles").mkdir()
    (tmp_path / "basic.css").write_text("a{background:url(file.png)}")
    sheet = tmp_path / "styles" / "theme.css"
    sheet.write_text('@import "../basic.css";\nb{background:url("x.svg")}i{background:url(data:image/png,1)}')
    got = course_assets.read_css(sheet, tmp_path)
    assert re.findall(r"url\([^)]*\)", got) == ["url(file.png)", 'url("styles/x.svg")', "url(data:image/png,1)"]


def test_an_icon_becomes_a_mask():
    library = '{star:[10,20,[9733,"gold-star"],"f005","M0 0h9"],"eye":[1,2,[],"f06e","M1 1"]}'
    pages = ['<i class="fa-solid fa-star fa-lg"></i>', '<span class="fas fa-gold-star"></span><p>fa-eye</p>']
    got = course_assets.icons(pages, library)
    assert got.count("--icon:url(") == 2 and ".fa-star{" in got and ".fa-gold-star{" in got
    assert "viewBox='0 0 10 20'" in got and ".fa-eye" not in got and ".fa-lg{" not in got


@pytest.mark.xdist_group("website")
def test_pages_load_two_files_named_by_their_content(website):
    versions = {
        kind: hashlib.sha256((website / "_static" / f"course.{kind}").read_bytes()).hexdigest()[:10]
        for kind in ("css", "js")
    }
    for path in [*website.glob("book/*.html"), *website.glob("exercises/*.html"), website / "search.html"]:
        text = path.read_text(encoding="utf-8")
        for kind, version in versions.items():
            assert re.findall(rf"_static/course\.{kind}\?v=(\w+)", text) == [version], path.name
        others = [s for s in re.findall(r'<script[^>]* src="([^"]+)"', text) if "course.js" not in s]
        search = ("searchtools.js", "language_data.js", "searchindex.js")
        assert all("widgets/" in name or name.endswith(search) for name in others), others
        assert "fontawesome" not in text and "mathjax" not in text.lower().replace("mathjax_ignore", "")


@pytest.mark.xdist_group("website")
def test_what_every_page_loads_is_small(website):
    size = {
        kind: len(gzip.compress((website / "_static" / f"course.{kind}").read_bytes(), 6)) for kind in ("css", "js")
    }
    assert size["css"] < 40_000 and size["js"] < 50_000, size
