"""The website in a real browser, with every other host blocked: nothing missing, nothing failing, nobody shut out."""

import gzip
import re

import pytest

pytestmark = pytest.mark.xdist_group("website")


@pytest.fixture
def page(browser, site):
    """A page whose `problems` collects errors, answers that are no success, and requests to anyone else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.problems = []
    mine = (site, "data:", "blob:")
    page.on("request", lambda asked: asked.url.startswith(mine) or page.problems.append(f"asks {asked.url}"))
    page.on("pageerror", lambda error: page.problems.append(f"error {error}"))
    page.on("console", lambda line: line.type == "error" and page.problems.append(f"console {line.text}"))
    page.on("response", lambda got: got.status >= 400 and page.problems.append(f"{got.status} {got.url}"))
    left = "net::ERR_ABORTED"  # the test went on to the next page
    page.on("requestfailed", lambda request: request.failure == left or page.problems.append(f"failed {request.url}"))
    yield page
    context.close()


LOOK = """async () => {
  await document.fonts.ready;
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


def test_every_page_is_whole_without_other_hosts(site, site_pages, page, keep):
    wrong, formulas = {}, 0
    for name in site_pages:
        page.problems.clear()
        page.goto(f"{site}/{name}", wait_until="load")
        seen = page.evaluate(LOOK)
        formulas += seen["formulas"]
        for kind in ("unset", "errors", "raw", "broken", "iconless", "unsized"):
            page.problems += [f"{kind} {what[:80]}" for what in seen[kind]]
        if seen["formulas"] and not seen["font"]:
            page.problems.append("the formulas' font is not loaded")
        if page.problems:
            wrong[name] = sorted(set(page.problems))
            keep(page, name, wrong[name])
    assert wrong == {}
    assert formulas > 300, "the book has formulas"


def test_a_lost_reader_finds_the_way(site, page):
    page.goto(f"{site}/book/no/such/page.html")
    assert page.locator("article h1").inner_text().startswith("This page does not exist")
    assert page.evaluate("getComputedStyle(document.querySelector('article')).maxWidth") != "none", "no style sheet"
    page.locator("article a", has_text="front page").click()
    page.wait_for_url("**/book/index.html")
    assert [text for text in page.problems if "no/such" not in text and "404" not in text] == []


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


def test_the_keyboard_opens_the_search(site, page):
    page.goto(f"{site}/book/07_backward_graph.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("variance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=variance")
    page.locator("#search-results li a", has_text="transform").first.wait_for()
    assert page.problems == []


@pytest.mark.parametrize(
    "words, first, also",
    [
        ("whitening", "Glossary whitening", "Scaling, centring, whitening"),
        ("ghost batch", "Glossary ghost batch", "When batch normalization fails"),
        ("γ", "6. The batch normalization transform", "Notation"),
        ("gamma", "6. The batch normalization transform", "Notation"),
        ("σ²", "Notation", "Backward through"),
        ("inv_std", "Notation", "The batch normalization transform"),
        ("KernelError", "15. On the GPU", "On the GPU"),
    ],
)
def test_the_search_finds_words_and_symbols(site, page, words, first, also):
    page.goto(f"{site}/search.html?q={words}")
    page.locator("#search-results .search-summary", has_text=re.compile("found|not match")).wait_for()
    page.locator("#search-results li .context").first.wait_for()
    found = [" ".join(text.split()) for text in page.locator("#search-results li").all_inner_texts()]
    assert found[0].startswith(first) and any(also in text for text in found), found
    assert not any("\\frac" in text or "Colab" in text for text in found), "texts of the article, formulas once"


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
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator(".primary-toggle").first.click()
    page.wait_for_function(  # without the sidebar the page stands in the middle
        """() => {
          const place = (name) => document.querySelector(name).getBoundingClientRect();
          const left = place(".bd-article-container").left, right = innerWidth - place(".bd-sidebar-secondary").right;
          return left > 100 && Math.abs(left - right) < 2;
        }"""
    )
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    page.locator(".primary-toggle").first.click()
    page.get_by_role("link", name="Notation").first.wait_for()
    assert page.problems == []


def test_a_wide_equation_is_reached_with_the_keyboard(browser, site):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{site}/book/01_covariate_shift.html")
    wide = page.locator(".katex-display[tabindex='0'][role=group][aria-label]")
    wide.first.wait_for()
    scrolls = "[...document.querySelectorAll('.katex-display')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    reached = "every(e => e.matches('[tabindex=\"0\"][role=group][aria-label]'))"
    page.wait_for_function(f"{scrolls}.length > 0 && {scrolls}.{reached}")
    wide.first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    page.goto(f"{site}/book/07_backward_graph.html")
    page.locator(".katex-display[data-size]").first.wait_for()
    page.wait_for_function(f"{scrolls}.length === 0")  # what is a little too wide is set smaller
    context.close()


def test_every_box_that_scrolls_is_reached_with_the_keyboard(browser, site):
    """Code and outputs too, also those that come later."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{site}/book/06_transform.html")
    boxes = (
        "[...document.querySelectorAll('pre, .cell_output > .output, .pst-scrollable-table-container')]"
        ".filter(e => e.checkVisibility({contentVisibilityAuto: true}))"
    )
    state = f"{boxes}.every(e => (e.tabIndex === 0) === (e.scrollWidth > e.clientWidth + 1))"
    page.wait_for_function(f"{boxes}.some(e => e.tabIndex === 0) && {state}")
    page.evaluate(
        """document.querySelector('article section').insertAdjacentHTML('beforeend', `<div class="cell_output">
        <div class="output" style="overflow: auto"><pre id="late">${'wide '.repeat(40)}</pre></div></div>`)"""
    )
    page.locator("#late[tabindex='0']").wait_for()
    page.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
    page.wait_for_function(state)
    page.evaluate("document.getElementById('late').textContent = 'short'")
    page.locator("#late:not([tabindex])").wait_for()
    context.close()


def test_a_jump_into_a_page_arrives_on_a_phone(browser, site):
    """Though what lies above is laid out only after the first paint."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{site}/book/06_transform.html#the-divisor-is-n-and-it-matters-twice")
    page.wait_for_function(
        """[...document.querySelectorAll('.bd-article > section > section ~ section')].every(
        section => getComputedStyle(section).contentVisibility === 'visible')"""
    )
    page.wait_for_timeout(300)
    assert 0 <= page.locator("#the-divisor-is-n-and-it-matters-twice h2").first.bounding_box()["y"] < 300
    context.close()


def test_the_keyboard_goes_through_a_page(site, page):
    """The first stop skips to the text; each stop can be seen; the path comes to the text's own links."""
    page.goto(f"{site}/book/07_backward_graph.html")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to main content" and skip.bounding_box()["y"] >= 0, "it shows when it has focus"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")
    seen, hidden = [], []
    look = """() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
      return {name: e.innerText || e.getAttribute('aria-label') || e.tagName,
        where: e.closest('article') ? 'text' : 'frame',
        mark: s.outlineStyle !== 'none' && s.outlineWidth !== '0px' || s.boxShadow !== 'none', size: r.width * r.height,
        view: r.bottom > 0 && r.top < innerHeight} }"""
    for _ in range(14):
        page.keyboard.press("Tab")
        stop = page.evaluate(look)
        seen.append(stop["where"])
        if not (stop["mark"] and stop["size"] and stop["view"]):
            hidden.append(stop)
    assert hidden == []
    assert "text" in seen, "the buttons above the text are few"


def test_motion_is_left_out_for_those_who_ask(browser, site):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{site}/book/07_backward_graph.html")
    moving = page.evaluate(
        """[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);
          return s.animationName !== 'none' || parseFloat(s.transitionDuration) > 0 || s.scrollBehavior === 'smooth'; }
        ).map(e => e.tagName + '.' + e.className)"""
    )
    assert moving == []
    context.close()


def test_nothing_moves_while_a_page_loads(browser, site):
    """Layout shift as a reader on a slow phone sees it: pictures and fonts arrive late, and the page is scrolled."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach(e => e.hadRecentInput ||"
        " (window.shift += e.value))).observe({type: 'layout-shift', buffered: true})"
    )
    late = lambda route: (page.wait_for_timeout(150), route.continue_())  # noqa: E731
    page.route("**/*.woff2", late)
    page.route("**/_images/*", late)
    page.goto(f"{site}/book/06_transform.html", wait_until="load")
    for _ in range(6):
        page.mouse.wheel(0, 1500)
        page.wait_for_timeout(150)
    assert page.evaluate("window.shift") < 0.02
    page.unroute_all(behavior="ignoreErrors")
    context.close()
