"""The website in a real browser, with every other host blocked: nothing missing, nothing failing, nobody shut out."""

import functools
import gzip
import http.server
import os
import threading
from pathlib import Path

import axe_playwright_python
import pytest

pytestmark = pytest.mark.xdist_group("website")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site(website):
    """The address of the built website on a local server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=website))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def names(website):
    """All pages, as paths from the site's root, whose own index.html only leads on to the front page."""
    found = [path.relative_to(website).as_posix() for path in sorted(website.rglob("*.html"))]
    return [name for name in found if name != "index.html" and not name.startswith("_static")]


@pytest.fixture
def page(browser, site):
    """A page whose `problems` collects errors, answers that are no success, and requests to anyone else (blocked)."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.problems = []

    def decide(route):
        if route.request.url.startswith((site, "data:", "blob:")):
            return route.continue_()
        page.problems.append(f"asks {route.request.url}")
        return route.abort()

    context.route("**/*", decide)
    page.on("pageerror", lambda error: page.problems.append(f"error {error}"))
    page.on("console", lambda line: line.type == "error" and page.problems.append(f"console {line.text}"))
    page.on("response", lambda got: got.status >= 400 and page.problems.append(f"{got.status} {got.url}"))
    left = "net::ERR_ABORTED"  # the test went on to the next page
    page.on("requestfailed", lambda request: request.failure == left or page.problems.append(f"failed {request.url}"))
    yield page
    context.close()


LOOK = """() => {
  const formulas = [...document.querySelectorAll('.math')];
  const text = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const raw = [];
  while (text.nextNode()) {
    const node = text.currentNode;
    if (/\\\\[([]|\\$\\$/.test(node.data) && !node.parentElement.closest('script, style, pre, code, annotation'))
      raw.push(node.data.trim());
  }
  return {
    formulas: formulas.length,
    unset: formulas.filter(f => !f.querySelector('.katex-html') || !f.querySelector('math')).map(f => f.textContent),
    errors: [...document.querySelectorAll('.katex-error')].map(f => f.textContent),
    raw,
    iconless: [...document.querySelectorAll('i[class*="fa-"], span[class*="fa-"]')]
      .filter(i => !getComputedStyle(i).maskImage.startsWith('url(')).map(i => i.className),
    unsized: [...document.querySelectorAll('article img')]
      .filter(i => !(i.getAttribute('width') && i.getAttribute('height')) && !i.closest('noscript')).map(i => i.src),
    font: [...document.fonts].filter(f => f.family === 'KaTeX_Main' && f.status === 'loaded').length,
    broken: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
  };
}"""


def test_every_page_is_whole_without_other_hosts(site, names, page):
    wrong, formulas = {}, 0
    for name in names:
        page.problems.clear()
        page.goto(f"{site}/{name}", wait_until="load")
        page.evaluate("document.fonts.ready")
        seen = page.evaluate(LOOK)
        formulas += seen["formulas"]
        for kind in ("unset", "errors", "raw", "broken", "iconless", "unsized"):
            page.problems += [f"{kind} {what[:80]}" for what in seen[kind]]
        if seen["formulas"] and not seen["font"]:
            page.problems.append("the formulas' font is not loaded")
        if page.problems:
            wrong[name] = sorted(set(page.problems))
    assert wrong == {}
    assert formulas > 300, "the book has formulas"


def test_an_equation_keeps_its_number_and_its_link(site, page):
    page.goto(f"{site}/book/07_backward_graph.html")
    link = page.locator("article a.reference[href='#equation-eq-dmu']").first
    number = link.inner_text()
    assert number.startswith("(7.")
    link.click()
    target = page.locator("#equation-eq-dmu")
    assert number in target.inner_text() and target.locator("math").count() == 1
    assert target.bounding_box()["y"] < 900, "the link leads to the equation"


def test_a_wide_equation_scrolls_within_a_phone(browser, site):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{site}/book/08_backward_one_line.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    beyond = "e => e.getBoundingClientRect().right > 391 || getComputedStyle(e).overflowX !== 'auto'"
    assert not any(page.locator("article .katex-display").evaluate_all(f"all => all.map({beyond})"))
    context.close()


def test_a_page_is_light(browser, site):
    """What a browser transfers for a chapter before the reader scrolls, compressed as on a web server."""
    for name in ("book/06_transform.html", "book/01_covariate_shift.html", "exercises/03_forward.html"):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page, sizes = context.new_page(), {}
        kept = (".png", ".woff2")

        def weigh(answer, sizes=sizes, kept=kept):
            body = answer.body()
            sizes[answer.url] = len(body) if answer.url.endswith(kept) else len(gzip.compress(body, 6))

        page.on("response", weigh)
        page.goto(f"{site}/{name}", wait_until="load")
        page.wait_for_timeout(500)
        context.close()
        assert 50_000 < sum(sizes.values()) < 300_000, {url.rpartition("/")[2]: n for url, n in sizes.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_are_those_of_the_system_from_the_start(browser, site, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.route("**/course.js*", lambda route: route.abort())
    page.goto(f"{site}/book/07_backward_graph.html")
    assert page.evaluate("document.documentElement.dataset.theme") == scheme, (
        "no script has run but the one in the head"
    )
    context.close()


def test_search_finds_a_word_and_the_keyboard_opens_it(site, page):
    page.goto(f"{site}/book/07_backward_graph.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("variance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=variance")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results li a", has_text="transform").count() >= 1
    assert page.problems == []


def test_the_mode_button_and_the_menus_work(site, page):
    page.goto(f"{site}/book/07_backward_graph.html")
    button = page.locator(".theme-switch-button").first
    seen = set()
    for _ in range(3):
        button.click()
        seen.add(page.evaluate("document.documentElement.dataset.mode"))
    assert seen == {"light", "dark", "auto"}
    page.locator(".dropdown-download-buttons > button").click()
    page.get_by_role("link", name=".ipynb").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    page.locator(".primary-toggle").first.click()
    page.get_by_role("link", name="Notation").first.wait_for()
    assert page.problems == []


def test_a_wide_equation_is_reached_with_the_keyboard(browser, site):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{site}/book/07_backward_graph.html")
    wide = page.locator(".katex-display[tabindex='0'][role=group][aria-label]")
    wide.first.wait_for()
    scrolls = page.locator(".katex-display").evaluate_all(
        "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).length"
    )
    assert wide.count() == scrolls > 0
    wide.first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    context.close()


AUDIT = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.flatMap(
  rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(' ')} ${node.html.slice(0, 160)}`))"""
SAMPLE = ("book/06_transform.html", "book/index.html", "book/glossary.html", "exercises/03_forward.html", "search.html")


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(browser, site, names, width, tmp_path):
    """A sample of pages; all of them with AXE=all, as `make axe` does."""
    program = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    wrong = {}
    for name in names if os.environ.get("AXE") == "all" else SAMPLE:
        page = context.new_page()
        page.goto(f"{site}/{name}", wait_until="load")
        page.evaluate(program)
        for mode in ("light", "dark"):
            page.evaluate("mode => Object.assign(document.documentElement.dataset, {mode, theme: mode})", mode)
            found = page.evaluate(AUDIT)
            if found:
                picture = tmp_path / f"{Path(name).stem}-{width}-{mode}.png"
                page.screenshot(path=picture, full_page=True)
                wrong[f"{name} {width} {mode}, see {picture}"] = found
        page.close()
    context.close()
    assert wrong == {}
