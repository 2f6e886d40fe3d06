"""The widgets in a real browser: they appear, obey the keyboard, speak to screen readers and ask no other host."""

import browse
import course_widgets
import pytest
from test_axe import AUDIT, PROGRAM

from autograder import course

FOLDER = course.REPOSITORY / "book" / "widgets"
NAMES = sorted(path.stem for path in FOLDER.glob("*.js") if path.stem != "lib")
PAGE = """<!doctype html><html lang="en" data-theme="light"><head><title>widget</title><style>
.visually-hidden {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}
</style></head><body><main><h1>A widget</h1><bn-{name}></bn-{name}></main>
<script type="module" src="/{name}.js"></script></body></html>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The scripts on a local server, a page for each widget, and the data of the playground."""
    folder = tmp_path_factory.mktemp("widgets")
    course_widgets.place(folder)
    for name in NAMES:
        (folder / f"{name}.html").write_text(PAGE.format(name=name))
    with browse.served(folder) as address:
        yield address


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("requestfailed", lambda request: page.problems.append(request.url))
    yield page
    context.close()


def said(page):
    return page.locator(".bnw-say").inner_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_works_from_the_keyboard(name, site, page):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(f"{site}/{name}.html")
    page.locator("svg.bnw-plot").first.wait_for()
    before = said(page)
    assert len(before) > 30
    # everything that can be operated is reached with the Tab key and has a name
    focusable = page.locator("input, button:enabled, [tabindex='0']")
    for position in range(focusable.count()):
        one = focusable.nth(position)
        named = one.evaluate("e => e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()")
        assert named, one.evaluate("e => e.outerHTML")
    heard, changes = before, 0
    for _ in range(30):
        page.keyboard.press("Tab")
        kind = page.evaluate("document.activeElement.type ?? document.activeElement.getAttribute('role') ?? ''")
        if not page.evaluate("document.querySelector('.bnw').contains(document.activeElement)"):
            break
        page.keyboard.press("Enter" if kind in ("button", "submit") else "ArrowRight")
        changes += said(page) != heard
        heard = said(page)
    assert changes >= 2, "the keyboard changes nothing"
    page.wait_for_timeout(700)
    assert page.locator("[role=status]").inner_text() == said(page), "a screen reader hears what is shown"
    assert hosts == {site.split("//")[1]} and page.problems == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "wider than a phone"


@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing_in_a_widget(name, site, page):
    page.goto(f"{site}/{name}.html")
    page.locator("svg.bnw-plot").first.wait_for()
    page.evaluate(PROGRAM)
    assert page.evaluate(AUDIT, None) == []


def test_dragging_a_sample_moves_the_others(site, page):
    page.goto(f"{site}/drag-sample.html")
    handle = page.locator("[role=slider]").last
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 5, steps=5)
    page.mouse.up()
    assert "You moved E; the outputs of 4 others moved too" in said(page)
    assert float(handle.get_attribute("aria-valuenow")) > 3


@pytest.mark.parametrize("name", NAMES)
def test_a_still_picture_for_readers_without_scripts(name):
    picture = FOLDER / "still" / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size < 90_000
