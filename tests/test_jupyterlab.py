"""A student in the real JupyterLab: an answer that is missing, wrong, right; and what Lab saves is what is checked."""

import json
import re
import shutil
import sys

import pytest

WRONG = "def batch_statistics(x):\n    return x.mean(0), x.var(0, ddof=1)"
RIGHT = "def batch_statistics(x):\n    return x.mean(0), x.var(0)"


@pytest.fixture
def lab(jupyter, browser, repository, tmp_path):
    """What students have, with notebook 03 open in JupyterLab: the folder and the page."""
    folder = tmp_path / "exercises"
    shutil.copytree(repository / "exercises", folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    address = jupyter("lab", folder, PYTHONPATH="", OMP_NUM_THREADS="1")
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(90_000)
    tab.goto(f"{address}/lab/tree/03_forward.ipynb?token=secret", wait_until="domcontentloaded")
    tab.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    yield folder, tab
    context.close()


def cell_with(tab, text):
    return tab.locator(".jp-CodeCell").filter(has=tab.locator(".jp-InputArea", has_text=text)).first


def run_cell(tab, text, code=None):
    """Click into a cell, type, and press what a student presses; its output, once it has run."""
    cell = cell_with(tab, text)
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    cell.locator(".cm-content").click()
    if code is not None:
        tab.keyboard.press("Control+a")
        tab.keyboard.insert_text(f"{text}\n{code}")
    tab.keyboard.press("Control+Enter")
    number = re.compile(r"^\[\d+\]:$")
    tab.wait_for_function(
        "([prompt, before, number]) => prompt.innerText != before && new RegExp(number).test(prompt.innerText.trim())",
        arg=[prompt.element_handle(), before, number.pattern],
    )
    return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts())


def test_a_student_in_jupyterlab(lab, run):
    folder, tab = lab
    file, answer, check = folder / "03_forward.ipynb", "# answer: batch-statistics", 'check("batch-statistics"'
    assert "NumPy" in run_cell(tab, "Set-up: run this cell first")
    run_cell(tab, answer)
    said = run_cell(tab, check)
    assert "batch-statistics" in said and "not written yet" in said and "checking.py" not in said
    run_cell(tab, answer, WRONG)
    said = run_cell(tab, check)
    assert "not yet right" in said and "N - 1" in said and "checking.py" not in said
    run_cell(tab, answer, RIGHT)
    assert "correct" in run_cell(tab, check)
    assert "Traceback" not in tab.locator(".jp-Notebook").inner_text()
    with tab.expect_response(lambda sent: sent.request.method == "PUT" and file.name in sent.url):
        tab.keyboard.press("Control+s")
    saved = json.loads(file.read_text(encoding="utf-8"))
    assert any("x.var(0)" in "".join(cell["source"]) for cell in saved["cells"])
    told = run(sys.executable, "-m", "bnlab", "check", file, cwd=folder, env={"PYTHONPATH": str(folder)})
    assert re.search(r"batch-statistics +8 +correct", told.stdout), told.stdout + told.stderr
    assert re.search(r"forward-train +14 +not answered", told.stdout)
    cell_with(tab, answer).locator(".cm-content").click()
    tab.keyboard.press("Control+End")
    tab.keyboard.insert_text(" + 0")
    with tab.expect_response(lambda sent: sent.request.method == "PUT" and file.name in sent.url):
        tab.keyboard.press("Control+s")
    told = run(sys.executable, "-m", "bnlab", "submit", file, cwd=folder, env={"PYTHONPATH": str(folder)})
    assert "edited since it was last checked: batch-statistics (" in told.stdout, told.stdout + told.stderr
