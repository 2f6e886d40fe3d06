"""An answer that raised, hangs or has a wrong kernel: what is said, and at which line of which function."""

import _thread
import json
import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import numpy as np
import pytest
from bnlab import check, checking, progress, timing, waiting
from bnlab.__main__ import run
from bnlab.answers import AnswerError, own_line
from bnlab.cells import run_cell
from bnlab.checking import CheckFailed
from bnlab.handed_in import read
from test_typical_kernels import edited, launched

from autograder import course
from autograder.authoring import script
from autograder.bench.sample_class import FOLDER
from autograder.desk.verdicts import rows_of
from autograder.grading import isolation
from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import CELL_SECONDS, Worker
from autograder.grading.zygote import Zygote

HELPERS = """

def normalize(x):
    return x.shap

class Layer:
    def forward(self, x):
        return x.shap
"""
PLACES = {
    "return x.shap": " (in line 2: return x.shap)",
    "return [one.shap for one in x]": " (in line 2: return [one.shap for one in x])",
    "return normalize(x)": " (in line 4 of normalize, in another cell: return x.shap)",
    "return Layer().forward(x)": " (in line 8 of Layer.forward, in another cell: return x.shap)",
    "return near(x)\n\ndef near(x):\n    return x.shap": " (in line 5 of near: return x.shap)",
    "return eval('x.shap')": " (in line 2: return eval('x.shap'))",
    "return eval('x.shap x')": " (in line 2: return eval('x.shap x'))",
}
ENDLESS = "def helper(x):\n    while True:\n        x = x + 1\n"


def defined(*cells):
    """batch_statistics, as these cells define it."""
    names = {"__name__": "__main__"}
    for number, source in enumerate(cells):
        run_cell(source, names, f"test {number}")
    return names["batch_statistics"]


def answer(body):
    return f"def batch_statistics(x):\n    {body}"


def said_of(task, function):
    with pytest.raises(CheckFailed) as told:
        check(task, function)
    return str(told.value)


@pytest.mark.parametrize("body", PLACES)
def test_the_function_that_raised_is_named_at_home(body):
    assert f"{PLACES[body]}\n" in said_of("batch-statistics", defined(HELPERS, answer(body)))


def test_a_name_without_np_is_told():
    said = said_of("batch-statistics", defined(answer("return mean(x)")))
    assert "  likely   NumPy's function is np.mean. A name of your own needs a value before it is used.\n" in said
    assert "likely" not in said_of("batch-statistics", defined(answer("return the_mean(x)")))


def test_a_function_of_a_file_is_named_with_it(tmp_path, monkeypatch):
    (tmp_path / "my_helpers.py").write_text(HELPERS)
    monkeypatch.syspath_prepend(tmp_path)
    said = said_of("batch-statistics", defined(f"from my_helpers import normalize\n{answer('return normalize(x)')}"))
    assert " (in line 4 of normalize, in my_helpers.py: return x.shap)" in said


@pytest.mark.skipif(bool(isolation.namespaces()), reason=f"no namespaces here: {isolation.namespaces()}")
def test_the_function_that_raised_is_named_by_the_grader(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    zygote = Zygote()
    worker = Worker(zygote)
    worker.allow(20, "a test")
    assert worker.run_cell("helpers", HELPERS) is None
    for body, place in PLACES.items():
        assert worker.run_cell("answer", answer(body)) is None
        with pytest.raises(AnswerError) as told:
            RemoteAnswer(lambda: worker, "batch_statistics")(np.ones(3))
        assert told.value.text.endswith(place)
    worker.close()
    zygote.close()


SHAPELESS = """
class Odd(Exception):
    def __str__(self):
        return self.shap
"""


def test_an_exception_that_cannot_be_shown_is_told_with_its_line():
    said = said_of("batch-statistics", defined(SHAPELESS, answer("raise Odd()")))
    assert "batch_statistics raised Odd: (its message cannot be shown) (in line 2: raise Odd())\n" in said


def test_of_an_endless_line_the_beginning_is_shown():
    said = said_of("batch-statistics", defined(answer(f"return x.shap, '{'a' * 9999}'")))
    assert "(in line 2: return x.shap, 'aaa" in said and "aaa ...)\n" in said and len(said) < 1000


def test_code_whose_lines_have_no_numbers_has_no_place():
    assert own_line([(sys._getframe(), None)]) == ("", "", "")


# -- words of several lines -------------------------------------------------------------------------------------------
def test_the_lines_of_a_kernel_stand_below_what_is_said_of_them():
    said = said_of("channel-sums", launched(edited(("i < m;", "i <= m;"))))
    lines = said.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("  found "))
    assert lines[at].endswith(" elements (with the threads in reverse order)")
    assert lines[at + 1].startswith(" " * 13 + "8 | const float d = x[") and lines[at + 1].endswith(" - shift[c];")
    assert rows_of(said)["found"].split("\n")[1].startswith("  8 | "), "pages have an indent of their own"


def test_the_place_of_an_error_stands_behind_its_first_line():
    said = said_of("batch-statistics", defined(answer(r"raise ValueError('one\ntwo')")))
    first = r"found    batch_statistics raised ValueError: one (in line 2: raise ValueError('one\ntwo'))"
    assert f"  {first}\n           two\n" in said


# -- what does not end ------------------------------------------------------------------------------------------------
def test_the_grader_allows_what_is_said():
    assert waiting.GRADED == CELL_SECONDS


@pytest.fixture(autouse=True)
def hears_ctrl_c():
    """Here and in processes that a test starts: a shell's background job ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interrupted(monkeypatch):
    """Something is said after a moment, and the square above the notebook is pressed a little later."""
    monkeypatch.setattr(waiting, "PATIENCE", 0.2)
    timer = threading.Timer(1, _thread.interrupt_main)
    timer.start()
    yield
    timer.cancel()


def test_an_endless_answer_says_where_it_is_and_can_be_stopped(interrupted, capsys):
    said = said_of("batch-statistics", defined(ENDLESS, answer("return helper(x)")))
    place = " of helper, in another cell: "
    assert "batch_statistics has not ended after 0.2 s (in line " in (told := capsys.readouterr().err)
    assert place in told and "Ctrl-C" in told and told.count("\n") == 1
    assert "you stopped batch_statistics after 1 s (in line " in said and place in said


def test_progress_goes_on_behind_an_answer_that_was_stopped(interrupted, capsys):
    names = {"batch_statistics": defined(ENDLESS, answer("return helper(x)"))}
    names["update_running"] = lambda running_mean, running_var, x, momentum=0.1: None
    progress("03_forward", names)
    shown = capsys.readouterr()
    assert "batch-statistics     8  did not end" in shown.out and "forward-running     10  not yet right" in shown.out
    assert "batch_statistics has not ended" in shown.err


def test_an_answer_that_ends_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(waiting, "PATIENCE", 0.2)
    said_of("batch-statistics", defined(answer("return x")))
    time.sleep(0.4)
    assert capsys.readouterr().err == ""


def test_what_ended_while_its_line_was_made_is_not_told(monkeypatch, capsys):
    monkeypatch.setattr(waiting, "PATIENCE", 0.05)
    begun, ended, made = threading.Event(), threading.Event(), threading.Event()

    def line():
        begun.set()
        ended.wait(10)
        made.set()
        return "late"

    with waiting.noticed(line):
        begun.wait(10)
    ended.set()
    made.wait(10)
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_an_answer_that_took_sys_stderr_away_is_checked_all_the_same(monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", 0.05)
    taken = "import sys, time\n    sys.stderr = None\n    time.sleep(0.2)\n    sys.stderr = sys.__stderr__"
    errors = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    assert "not yet right" in said_of("batch-statistics", defined(answer(taken)))
    assert errors == []


def test_without_threads_an_answer_is_checked_all_the_same(monkeypatch):
    """As in the pages of the book."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert "not yet right" in said_of("batch-statistics", defined(answer("return x")))


def endless(folder, code=f"open('begun', 'w').close()\n{ENDLESS}\nhelper(1)"):
    """Notebook 03 in a folder, with a cell that never ends, and says so."""
    notebook = nbformat.read(FOLDER / "perfect" / "03_forward.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if cell.id == "batch-statistics")
    cell.source += f"\n{code}"
    path = folder / "03_forward.ipynb"
    path.write_text(json.dumps(notebook))
    return path


def test_a_cell_that_does_not_end_is_named(interrupted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(read(endless(tmp_path)), "03_forward")
    assert "bnlab: the cell `batch-statistics` has not ended after " in capsys.readouterr().err


def test_slow_code_is_timed_by_one_call(monkeypatch):
    monkeypatch.setattr(timing, "ENOUGH", 0.05)
    calls = []
    assert timing.passes(lambda x: (calls.append(x), time.sleep(0.1)), np.ones(100)) > 100 and len(calls) == 1
    timing.passes(lambda x: calls.append(x), np.ones(100), repeats=4)
    assert len(calls) == 1 + 5, "and quick code as often as asked, after a call to warm up"


def test_progress_takes_no_time_of_a_right_answer(monkeypatch, capsys):
    """`check` told it already, and slow answers are slow again."""
    monkeypatch.setattr(checking, "_passes", lambda *anything: pytest.fail("timed"))
    progress("04_backward", {"batchnorm_backward": script.Script.of("04_backward").references()["batchnorm_backward"]})
    assert "backward-speed         5  right so far" in capsys.readouterr().out


@pytest.fixture
def checking_process(tmp_path):
    """Start `bnlab check` in a folder, in a session of its own."""
    started = []

    def start(**env):
        words = [sys.executable, "-m", "bnlab", "check", "03_forward.ipynb"]
        options = {"cwd": tmp_path, "text": True, "start_new_session": True}
        options["env"] = {**os.environ, "PYTHONPATH": str(course.EXERCISES), **env}
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def interrupt_when(begun, process):
    """Ctrl-C once a file is there; what the process printed."""
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells all processes in the foreground
    out, err = process.communicate(timeout=30)  # until the last process that holds its ends is gone, the cell's too
    assert (process.returncode, out) == (1, "")
    return list(filter(None, err.split("\n")))


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of a Unix terminal")
def test_ctrl_c_ends_a_check_in_a_line(tmp_path, checking_process):
    endless(tmp_path)
    lines = interrupt_when(tmp_path / "begun", checking_process())
    assert lines[1:] == ["bnlab: stopped; nothing is known about 03_forward.ipynb"] and "Ctrl-C stops it" in lines[0]


SLOW_START = """
import pathlib, sys, time
if "_check" in sys.orig_argv:
    pathlib.Path("begun").touch()
    time.sleep(20)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of a Unix terminal")
def test_ctrl_c_ends_a_check_that_has_not_begun(tmp_path, checking_process):
    """The process below hears of it before its first line of code."""
    endless(tmp_path)
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "sitecustomize.py").write_text(SLOW_START)
    path = os.pathsep.join([str(tmp_path / "early"), str(course.EXERCISES)])
    lines = interrupt_when(tmp_path / "begun", checking_process(PYTHONPATH=path))
    assert lines[1:] == ["bnlab: stopped; nothing is known about 03_forward.ipynb"]


def test_a_thread_that_goes_on_holds_no_check_up(tmp_path, checking_process):
    endless(tmp_path, "import threading\nthreading.Thread(target=threading.Event().wait).start()")
    process = checking_process()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "Ready: " in out
