"""Exercises are done in the page: checks say what they say at home, answers stay, the export grades like any other.

One page with one Python serves most tests, in their order. LIVE=all (`make live`) solves all six notebooks in the page.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import axe_playwright_python
import bnlab
import browse
import course_live
import numpy as np
import pytest
from bnlab.checking import CheckFailed, _shown
from sphinx.application import Sphinx

from autograder import course
from autograder.authoring.script import Script
from autograder.bench.made_up import solved

pytestmark = pytest.mark.xdist_group("website")
NAMES = [name for name in course.notebook_names() if name.startswith(course_live.NUMBERS)]
NAME = "03_forward"
SLIP = "# answer: batch-statistics\ndef batch_statistics(x):\n    return x.mean(axis=0), x.var(axis=0, ddof=1)\n"
START = "Do this exercise here"


def answers(name):
    """Task -> its solved cell."""
    return {cell.id: solved(cell.source) for cell in Script.of(name).of_kind("solution")}


@pytest.fixture(scope="module")
def site(website):
    """The address of the built website on a local server."""
    if not (website / "live").exists():
        pytest.skip("Python for the browser could not be had: `make book` says why")
    with browse.served(website) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser, site):
    """A browser's memory, with every other host blocked."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(180_000)  # a busy machine takes its time to start Python
    context.route(lambda url: not url.startswith((site, "blob:", "data:")), lambda route: route.abort())
    yield context
    context.close()


@pytest.fixture(scope="module")
def page(context, site):
    """The page of notebook 03, as a reader finds it; `asked` are its requests, `problems` its errors."""
    page = context.new_page()
    page.asked, page.problems = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("requestfailed", lambda request: page.problems.append(request.url))
    page.goto(f"{site}/exercises/{NAME}.html")
    yield page
    assert page.problems == []


def opened(context, site, name):
    """A page with its editors and without Python, as one finds it who has written before (here: nothing)."""
    page = context.new_page()
    page.goto(f"{site}/robots.txt")
    page.evaluate("name => { localStorage.clear(); localStorage.setItem(`live/${name}/none`, ''); }", name)
    page.goto(f"{site}/exercises/{name}.html")
    page.get_by_text("Your answers are here").wait_for()
    return page


def output(page, cell):
    return page.locator(f'[aria-label="Output of {cell}"]')


def press(page, kind, cell):
    """Press a cell's button; what it printed."""
    place = output(page, cell)
    place.evaluate("e => e.className = 'live-output'")
    page.locator("div.cell", has=place).get_by_role("button", name=kind).click()
    done = ":is(.live-right, .live-wrong, .live-done)"
    page.locator(f'{done}[aria-label="Output of {cell}"]').wait_for(state="attached")
    return place.text_content()


def write(page, cell, text):
    page.get_by_label(f"Code of {cell}", exact=True).fill(text)


def at_home(task, source):
    """What `check` says in a notebook at home."""
    namespace, shown = {}, io.StringIO()
    exec(f"import numpy as np\n{source}", namespace)
    with contextlib.redirect_stdout(shown):
        try:
            bnlab.check(task, namespace[re.search(r"(?:def|class) (\w+)", source)[1]])
        except CheckFailed as failed:
            print(failed)
    return shown.getvalue().strip()


def test_nothing_is_fetched_before_the_button_is_pressed(page, site):
    page.wait_for_load_state("networkidle")
    assert not [url for url in page.asked if "/live/" in url or "pyodide" in url or url.endswith((".ipynb", ".zip"))]
    page.get_by_role("button", name=START).click()
    page.get_by_text("run in this page").wait_for()
    assert any("pyodide" in url for url in page.asked)
    assert all(url.startswith((site, "blob:", "data:")) for url in page.asked)


def test_an_unanswered_task_is_named(page):
    assert "not answered yet" in press(page, "Check", "batch-statistics-test")


def test_a_slip_is_named_as_at_home(page):
    write(page, "batch-statistics", SLIP)
    said = press(page, "Check", "batch-statistics-test").strip()
    assert said == at_home("batch-statistics", SLIP)
    assert re.search(r"expected -?[\d.]+, got -?[\d.]+", said) and "N - 1" in said
    link = output(page, "batch-statistics-test").get_by_role("link")
    assert link.get_attribute("href").startswith("../book/06_transform.html#")


def test_a_hint_is_that_of_home(page, capsys):
    _shown.pop("batch-statistics", None)
    bnlab.hint("batch-statistics")
    assert press(page, "Hint", "batch-statistics-test") == capsys.readouterr().out


def test_a_right_answer_is_right(page):
    right = answers(NAME)["batch-statistics"]
    write(page, "batch-statistics", right)
    assert press(page, "Check", "batch-statistics-test").strip() == at_home("batch-statistics", right)


def test_an_error_shows_its_line_and_the_cell_that_is_to_be_mended(page):
    write(page, "forward-train", "def batchnorm_train(x, gamma, beta, eps=1e-5):\n    return y\n")
    said = press(page, "Check", "forward-train-test")
    assert "name 'y' is not defined" in said and "line 2: return y" in said
    write(page, "forward-train", answers(NAME)["forward-train"])
    assert "correct" in press(page, "Check", "forward-train-test")
    write(page, "forward-train", "def batchnorm_train(:\n")
    for _ in range(2):  # Python still has the right answer that stood there before
        said = press(page, "Check", "forward-train-test")
        assert "SyntaxError" in output(page, "forward-train").text_content()
        assert "forward-train above ended with an error" in said
        assert "live-wrong" in output(page, "forward-train-test").get_attribute("class")


def test_an_endless_loop_leaves_the_page_alive_and_can_be_stopped(page):
    write(page, "cell-03", "kept = 1\nwhile True:\n    print('on and on')\n")
    loop = page.locator("div.cell", has=output(page, "cell-03"))
    loop.get_by_role("button", name="Run").click()
    page.wait_for_function("document.querySelector('[aria-label=\"Output of cell-03\"]').textContent.length > 50_000")
    write(page, "forward-train", "# written while the loop runs")
    size = len(output(page, "cell-03").text_content())
    assert size < 110_000 and page.evaluate("1 + 1") == 2, "what a loop prints does not fill the page"
    loop.get_by_role("button", name="Stop").click()
    assert "variables are gone, your answers are kept" in output(page, "cell-03").text_content()
    write(page, "cell-03", "kept")
    assert "NameError" in press(page, "Run", "cell-03"), "a new Python"
    assert "correct" in press(page, "Check", "batch-statistics-test"), "what a check needs is run again by itself"


def test_a_reload_keeps_the_answers(page):
    right = answers(NAME)
    write(page, "forward-train", right["forward-train"])
    page.asked.clear()
    page.reload()
    page.get_by_text("Your answers are here").wait_for()
    assert page.get_by_label("Code of batch-statistics", exact=True).input_value() == right["batch-statistics"]
    assert page.get_by_label("Code of forward-train", exact=True).input_value() == right["forward-train"]
    assert not any("pyodide" in url for url in page.asked), "Python comes when a cell is run"


def download(page):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the notebook").first.click()
    assert waiting.value.suggested_filename.endswith(".ipynb")
    return Path(waiting.value.path()).read_text(encoding="utf-8")


def test_the_export_is_the_released_notebook_and_gets_full_marks(context, site, autograder, tmp_path):
    page = opened(context, site, NAME)
    for task, right in answers(NAME).items():
        write(page, task, right)
    text = download(page)
    page.close()
    released, handed = json.loads(course.released(NAME).read_text(encoding="utf-8")), json.loads(text)
    plain = [{key: value for key, value in cell.items() if key != "source"} for cell in handed["cells"]]
    assert plain == [{key: value for key, value in cell.items() if key != "source"} for cell in released["cells"]]
    assert handed["metadata"] == released["metadata"]
    folder = tmp_path / "in" / "reader"
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").write_text(text, encoding="utf-8")
    target = tmp_path / "scores.json"
    done = autograder("grade", NAME, "--submissions", folder.parent, "--json", target, course=tmp_path / "course")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(target.read_text())
    assert len(rows) >= 5 and all(row["score"] == row["max_score"] > 0 for row in rows), rows


def test_written_answers_are_kept_and_exported(context, site):
    page = opened(context, site, "04_backward")
    words = "From $\\sum dy$ follows \\(a\\), $& and $1 stay.\nSecond line."
    page.get_by_label("Your answer: derive-dx").fill(words)
    page.reload()
    assert page.get_by_label("Your answer: derive-dx").input_value() == words
    cell = next(cell for cell in json.loads(download(page))["cells"] if cell["id"] == "derive-dx")
    assert cell["source"][-2:] == words.splitlines(keepends=True)
    assert not any("YOUR ANSWER HERE" in line for line in cell["source"])
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget my answers").click()
    assert page.get_by_label("Your answer: derive-dx").input_value() == ""
    assert page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('live/04_backward/'))") == []
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_page_opens_with_an_editor_for_each_answer(name, context, site):
    page = opened(context, site, name)
    for task in answers(name):
        assert page.get_by_label(f"Code of {task}", exact=True).input_value().startswith(f"# answer: {task}")
    released = json.loads(course.released(name).read_text(encoding="utf-8"))
    written = sum("YOUR ANSWER HERE" in "".join(cell["source"]) for cell in released["cells"])
    assert page.get_by_label("Your answer:").count() == written
    assert download(page) == course.released(name).read_text(encoding="utf-8"), "nothing was written, nothing differs"
    question = page.locator("article details").first
    question.locator("summary").click()
    assert question.get_attribute("open") is not None
    page.close()


def test_the_editor_is_for_the_keyboard(context, site):
    page = opened(context, site, NAME)
    area = page.get_by_label("Code of forward-eval", exact=True)
    area.fill("")
    area.press_sequentially("def f(x):")
    page.keyboard.press("Enter")
    page.keyboard.type("if x:")
    page.keyboard.press("Enter")
    page.keyboard.type("return 1")
    page.keyboard.press("Enter")
    page.keyboard.press("Backspace")
    page.keyboard.type("return 2")
    assert area.input_value() == "def f(x):\n    if x:\n        return 1\n    return 2"
    page.keyboard.press("Control+a")
    page.keyboard.press("Tab")
    assert area.input_value().startswith("    def f(x):\n        if x:\n            return 1\n        ret")
    page.keyboard.press("Shift+Tab")
    assert area.input_value() == "def f(x):\n    if x:\n        return 1\n    return 2"
    page.keyboard.press("Control+z")
    assert area.input_value().startswith("    def f(x):"), "the browser's undo works"
    page.keyboard.press("Tab")
    assert area.evaluate("area => area === document.activeElement")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Run"
    help = area.get_attribute("aria-describedby")
    assert "Escape and then Tab" in page.locator(f"#{help}").text_content()
    page.close()


AUDIT = """async () => (await axe.run('article', {resultTypes: ['violations']})).violations.flatMap(
  rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(' ')} ${node.html.slice(0, 160)}`))"""


@pytest.mark.parametrize("width", [1280, 390])
def test_nobody_is_shut_out(page, width):
    """Of a page with editors, answers and outputs, in light and dark."""
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(
        """() => ['live-right', 'live-wrong', 'live-done'].forEach((name, i) => {
        const place = document.querySelectorAll('.live-output')[i];
        place.className = `live-output ${name}`;
        place.textContent = 'some words';
    })"""
    )
    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    for mode in ("light", "dark"):
        page.evaluate("mode => Object.assign(document.documentElement.dataset, {mode, theme: mode})", mode)
        assert page.evaluate(AUDIT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_browser_that_is_too_old_or_offline_is_told(browser, site, website):
    context = browser.new_context()
    page = context.new_page()
    page.goto((website / "exercises" / f"{NAME}.html").as_uri())
    page.get_by_text("Opened from a file").wait_for()
    page.add_init_script("delete window.WebAssembly")
    page.goto(f"{site}/exercises/{NAME}.html")
    page.get_by_text("This browser is too old").wait_for()
    assert not page.get_by_role("button", name=START).is_visible()
    page.close()
    page = context.new_page()
    page.goto(f"{site}/exercises/{NAME}.html")
    page.route("**/live/**", lambda route: route.abort())
    page.get_by_role("button", name=START).click()
    page.get_by_text("are you offline?").wait_for()
    page.unroute("**/live/**")
    page.route("**/pyodide-*/**", lambda route: route.abort())
    page.get_by_role("button", name=START).click()
    page.get_by_text("Python stopped").wait_for()
    assert "are you offline? Your answers are kept" in page.locator(".live-bar [role=status]").text_content()
    context.close()


def test_without_python_the_pages_offer_colab(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(course_live.Missing, match="npm is not installed"):
        course_live.python(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "numpy.whl").write_bytes(b"something else")
    monkeypatch.setenv("PYODIDE_WHEELS", str(tmp_path))
    with pytest.raises(course_live.Missing, match="its hash differs"):
        course_live.wheel(tmp_path, "numpy.whl", "0" * 64)
    app = type("App", (), {"course_live": ""})
    button = {"text": "Colab", "url": "https://colab/03"}
    context = {"body": "<h1>03</h1><p>text</p>", "header_buttons": [{"buttons": [button]}]}
    course_live.add_bar(app, f"exercises/{NAME}", "page.html", context, None)
    assert '<a href="https://colab/03">' in context["body"] and "<button" not in context["body"]


@pytest.mark.parametrize("had", [True, False], ids=["live", "not live"])
def test_the_guide_promises_cells_that_run_where_there_are_some(had, monkeypatch, tmp_path):
    def python(cache):
        if not had:
            raise course_live.Missing("no network")
        return tmp_path / "pyodide"

    monkeypatch.setattr(course_live, "python", python)
    for path, text in {
        f"exercises/{NAME}.md": "# 03",
        f"{course_live.GUIDE}.md": (course_live.BOOK / "how_to_use.md").read_text(encoding="utf-8"),
        "index.md": f"# x\n```{{toctree}}\nexercises/{NAME}\n{course_live.GUIDE}\n```",
        "pyodide/pyodide.js": "",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    settings = {
        "extensions": ["myst_parser", "sphinx_design", "course_live"],
        "myst_enable_extensions": ["colon_fence"],
    }
    app = Sphinx(tmp_path, None, tmp_path / "html", tmp_path / "trees", "html", settings, status=None, warning=None)
    buttons = [{"buttons": [{"text": "Colab", "url": "https://colab/03"}]}]
    app.connect("html-page-context", lambda *told: told[3].update(header_buttons=buttons), priority=900)
    app.build()
    guide = (tmp_path / "html" / f"{course_live.GUIDE}.html").read_text(encoding="utf-8")
    assert [words in guide for words in ("can be done", START, "Nothing runs in the pages")] == [had, had, not had]


def test_a_picture_is_told_in_words_where_there_is_no_matplotlib(monkeypatch, capsys):
    from bnlab.traces import draw_percentiles

    monkeypatch.setattr(sys, "platform", "emscripten")
    draw_percentiles(np.array([0, 20, 40]), {"plain": np.arange(9.0).reshape(3, 3)})
    assert "over 40 steps. plain: the median runs between 1.00 and 7.00." in capsys.readouterr().out


@pytest.mark.skipif(os.environ.get("LIVE") != "all", reason="LIVE=all, as `make live` sets it")
@pytest.mark.parametrize("name", NAMES)
def test_all_of_a_notebook_can_be_done_in_the_page(name, context, site):
    page = opened(context, site, name)
    for task, right in answers(name).items():
        write(page, task, right)
    released = json.loads(course.released(name).read_text(encoding="utf-8"))
    for cell in released["cells"]:
        if cell["cell_type"] == "code":
            kind = cell["metadata"].get("nbgrader", {}).get("grade") or "progress(" in "".join(cell["source"])
            said = press(page, "Check" if kind else "Run", cell["id"])
            assert "live-wrong" not in output(page, cell["id"]).get_attribute("class"), said
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                assert "correct" in said
    page.close()


def test_pages_are_written_again_when_what_they_load_has_another_name(tmp_path, monkeypatch):
    """An exercise page names the folder of its scripts, and is no older than that folder."""
    scripts = tmp_path / "scripts"
    shutil.copytree(course_live.LIVE, scripts)
    (tmp_path / "pyodide-1").mkdir()
    monkeypatch.setattr(course_live, "LIVE", scripts)
    monkeypatch.setattr(course_live, "python", lambda cache: tmp_path / "pyodide-1")
    env = SimpleNamespace(found_docs={f"exercises/{NAME}", "book/index"})
    app = SimpleNamespace(
        env=env, tags=set(), builder=SimpleNamespace(format="html"), srcdir=str(tmp_path), outdir=str(tmp_path / "html")
    )
    (tmp_path / "html").mkdir()
    assert course_live.prepare(app) == [] and course_live.prepare(app) == []
    with open(scripts / "live.js", "a") as file:
        file.write("// another one")
    assert course_live.prepare(app) == [f"exercises/{NAME}"]
    assert (tmp_path / "html" / "live" / app.course_live / "live.js").exists()
