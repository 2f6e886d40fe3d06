"""The feedback page teaches: it shows what was checked, expected and got, and is safe whatever a student wrote."""

import html.parser
import re

import nbformat
import pytest
from bnlab.tasks import BOOK

from autograder import course
from autograder.desk import feedback, pages, verdicts

NAME = "03_forward"
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> [x](javascript:alert(3)) [y](data:text/html,z) "
    r"$\text{<img src=x onerror=alert(4)>}$ $\href{javascript:alert(5)}{x}$ $$\style{background:url(//x)}{y}$$ "
    '![p](attachment:p.png) ![q](https://example.org/track.png) <a href="x" onclick=alert(6)>z</a> $\\frac{1$ `</code>`'
)
MESSAGE = (
    "forward-train: not yet right.\n  tested   a batch of 7 samples\n  found    y[6, 2]: expected -2.46, got -2.25.\n"
    f"  likely   You divided by N - 1. <b>Really.</b>\n  read on  {BOOK}/06_transform.html#the-transform-in-four-lines"
)


class Reader(html.parser.HTMLParser):
    """All tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def page(answer="def batchnorm_train(): pass", message=MESSAGE, verdict="failed", score=0.0, written="", **tags):
    """A page of the released notebook with one answer, one verdict, and hostile text everywhere."""
    notebook = nbformat.read(course.released(NAME), as_version=4)
    for cell in notebook.cells:
        tag = cell.metadata.get("nbgrader", {})
        if tag.get("grade_id") == "forward-train":
            cell.source, tag["comment"] = answer, written
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=HOSTILE)]
        if tag.get("grade_id") == "forward-train-test":
            cell.metadata["autograder"] = {"task": "forward-train", "verdict": verdict, "message": message}
            tag.update(score=score, points=14.0, waiting=verdict in ("needs-person", "needs-gpu"), by_hand=False)
    notebook.cells.append(nbformat.v4.new_markdown_cell(written, attachments={"p.png": {"image/png": '"><script>'}}))
    notebook.metadata["autograder"] = {"repairs": ["<script>a repair</script>"], "problem": ""}
    return feedback.page(notebook, {"notebook": NAME, "score": 36.0, "max_score": 50.0, "late_penalty": 0, **tags})


def test_a_finding_is_shown_row_by_row():
    shown = Reader(page())
    for text in ("a batch of 7 samples", "y[6, 2]", "-2.46", "-2.25", "You divided by N - 1.", "not yet right", "36"):
        assert text in shown.text
    links = [attrs["href"] for tag, attrs in shown.tags if tag == "a"]
    assert f"{BOOK}/06_transform.html#the-transform-in-four-lines" in links
    ids = {attrs.get("id") for _, attrs in shown.tags}
    assert all(link.removeprefix("#") in ids for link in links if link.startswith("#"))


def test_no_test_source_is_shown():
    text = Reader(page()).text
    assert "HIDDEN TESTS" not in text and "examine(" not in text
    assert 'check("forward-train", batchnorm_train)' not in text


def test_student_text_stays_text():
    shown = Reader(page(answer=HOSTILE, message=f"{MESSAGE}\n  besides  {HOSTILE}", written=HOSTILE))
    for tag, attrs in shown.tags:
        assert tag not in ("script", "iframe", "object", "embed", "form", "base", "link"), tag
        assert not [name for name in attrs if name.startswith("on")], attrs
        assert not re.match(r"\s*(javascript|data:text)", attrs.get("href") or "", re.I), attrs
        assert tag != "img" or attrs.get("src", "").startswith(("data:image/", "https://example.org")), attrs
    assert "<script>alert(1)</script>" in shown.text, "what was written is shown"


def test_only_the_book_is_linked():
    shown = Reader(page(message=MESSAGE.replace(BOOK, "https://example.org")))
    assert not [attrs for tag, attrs in shown.tags if tag == "a" and "example.org" in attrs.get("href", "")]


def test_the_policy_forbids_scripts_and_the_network():
    metas = [attrs for tag, attrs in Reader(page()).tags if tag == "meta"]
    policy = next(attrs["content"] for attrs in metas if attrs.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "script-src" not in policy and "http" not in policy


def test_a_page_opens_on_a_phone_without_a_request(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page(answer="x" * 3000, written=HOSTILE, late_penalty=4.0, late="2 days"), encoding="utf-8")
    for width in (390, 1440):
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
            tab = context.new_page()
            asked, alerts = [], []
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.on("dialog", lambda dialog, alerts=alerts: (alerts.append(dialog.message), dialog.dismiss()))
            tab.goto(path.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert not [url for url in asked if url.startswith("http")] and not alerts
            assert "4 points are taken off" in tab.inner_text("main")
            colours = "e => [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor]"
            for selector in ("h1", "a", ".failed.mark", "dt", ".code .k"):
                assert contrast(*tab.eval_on_selector(selector, colours)) >= 4.5, (selector, scheme)
            context.close()


def contrast(one, other):
    """WCAG's contrast of two colours "rgb(r, g, b)"."""

    def luminance(colour):
        channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("verdict", verdicts.WORDS)
def test_every_verdict_has_words(verdict):
    assert verdicts.WORDS[verdict] in page(verdict=verdict, message="forward-train: correct (3 cases).")


def test_rows_of_messages():
    rows = verdicts.rows_of(MESSAGE)
    assert (rows["where"], rows["expected"], rows["got"]) == ("y[6, 2]", "-2.46", "-2.25")
    partial = verdicts.rows_of(
        "a: x\n  found    g[1]: expected 3.14, got 0.45. Right: dx; not yet: g.\n  likely   one\ntwo"
    )
    assert partial["got"] == "0.45" and partial["rest"] == "Right: dx; not yet: g." and partial["likely"] == "one\ntwo"
    assert verdicts.pace_of("Your answer took 13.39 times the hidden solution's time (95 %") == 13.39
    assert verdicts.pace_of("nothing") is None


@pytest.mark.parametrize("source", [r"\frac{1", "{" * 500, r"\begin{x}", "x" * 5000, "", "\\", r"\left(", "&", "a_b_c"])
def test_broken_formulas_are_shown_as_written(source):
    assert pages.formula(source, True).startswith(("<math", "<code"))
