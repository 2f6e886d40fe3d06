"""axe-core finds nothing that shuts people out: a sample of pages and states here, all of them with `make axe`."""

import os
from pathlib import Path

import axe_playwright_python
import pytest

pytestmark = pytest.mark.xdist_group("website")
ALL = os.environ.get("AXE") == "all"
SAMPLE = ("book/06_transform.html", "book/index.html", "exercises/03_forward.html", "search.html")
PROGRAM = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
AUDIT = """async (rules) => (await axe.run(document, {resultTypes: ['violations'],
  ...(rules ? {runOnly: {type: 'rule', values: rules}} : {})})).violations.flatMap(
  rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(' ')} ${node.html.slice(0, 160)}`))"""

TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"  # laid out, and answered


def visit(context, address):
    """A new page on which all is laid out, with axe."""
    page = context.new_page()
    page.goto(address, wait_until="load")
    page.wait_for_function(
        """[...document.querySelectorAll('.bd-article > section > section ~ section')].every(
        section => getComputedStyle(section).contentVisibility === 'visible')"""
    )
    page.evaluate(TWO_FRAMES)
    page.evaluate(PROGRAM)
    return page


def set_mode(page, mode):
    page.evaluate("mode => Object.assign(document.documentElement.dataset, {mode, theme: mode})", mode)


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
    page.evaluate(TWO_FRAMES)


def look(page, name, state, wrong, keep, rules=None):
    found = page.evaluate(AUDIT, rules)
    if found:
        where = f"{name} {state}"
        wrong[where] = [*found, f"see {keep(page, where.replace(' ', '-'), found)}"]


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(browser, site, site_pages, keep, width):
    """Everything that folds is open; colours, the only thing that differs, are looked at in dark mode too."""
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    wrong = {}
    for name in site_pages if ALL else SAMPLE:
        page = visit(context, f"{site}/{name}")
        set_mode(page, "light")
        if ALL:
            look(page, name, f"{width} light", wrong, keep)
        unfold(page)
        look(page, name, f"{width} light unfolded", wrong, keep)
        set_mode(page, "dark")
        look(page, name, f"{width} dark unfolded", wrong, keep, None if ALL else ["color-contrast"])
        page.close()
    context.close()
    assert wrong == {}


@pytest.mark.parametrize("opened", ["search", "menu", "contents"])
def test_axe_finds_nothing_in_what_opens(browser, site, site_pages, keep, opened):
    """The search field, and on a phone the two drawers."""
    width = 1280 if opened == "search" else 390
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    wrong = {}
    bare = {"404.html", "search.html"}  # the one has no script, the other its field in the page
    for name in [name for name in site_pages if name not in bare] if ALL else ("book/07_backward_graph.html",):
        page = visit(context, f"{site}/{name}")
        button = page.locator({"search": "body", "menu": ".primary-toggle", "contents": ".secondary-toggle"}[opened])
        if button.count() == 0:
            continue  # a page without headings has no contents
        page.keyboard.press("Control+k") if opened == "search" else button.first.click()
        page.locator("dialog[open]").wait_for()
        for mode in ("light", "dark"):
            set_mode(page, mode)
            look(page, name, f"{width} {mode} with {opened} open", wrong, keep)
        page.close()
    context.close()
    assert wrong == {}
