"""What a submission tries beside its task is named; what right answers do is not."""

import pytest

from autograder import course
from autograder.authoring.script import Script
from autograder.bench.made_up import solved, written_by
from autograder.grading import attempts, execute
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("from gc import get_objects", "looks through memory (gc)"),
        ("import os as system\nfrom os import fork", "starts a process"),
        ("import numpy.testing as t\nt.assert_allclose = None", "replaces t.assert_allclose"),
        ("import sys\nsys.modules['numpy'] = 3", "replaces sys.modules"),
        ("import bnlab\nvars(bnlab)\nbnlab.__dict__['check'] = 3", "replaces bnlab.__dict__"),
        ("from bnlab import torch_drivers as d\nd.drive_function = print", "replaces d.drive_function"),
        ("setattr(np, 'allclose', print)", "replaces a part of np"),
        ("def f(x):\n    return f.__code__", "reaches into Python's internals"),
        ("exec('x = 1')", "runs a text as code"),
        ("'<script>'", "has a script in a text"),
    ],
)
def test_tricks_are_named(source, words):
    assert any(words in flag for flag in attempts.attempts([("cell", source)])), attempts.attempts([("cell", source)])


@pytest.mark.parametrize(
    "source",
    [
        "x = {}\nx['numpy'] = 1",
        "class A:\n    def f(self):\n        self.data.x = 1",
        "import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 12",
        "torch.backends.cudnn.deterministic = True",
        "import time\nstart = time.perf_counter()",
        "layer.weight.data[0] = 1\nmodel.running_mean = 3",
        "from bnlab.gpu import RawKernel\nRawKernel(C, 'k').max_dynamic_shared_size_bytes = 65536",
        "signal = xp.ones(3)\nsignal.mean()",
    ],
)
def test_ordinary_code_is_not(source):
    assert attempts.attempts([("cell", source)]) == []


@pytest.mark.parametrize("name", course.notebook_names())
def test_right_answers_raise_no_flag(name):
    from bnlab import tasks

    from solutions.styles import styles

    script = Script.of(name)
    cells = [cell for cell in script.cells if cell.is_code and cell.kind != "test"]
    assert attempts.attempts([(cell.id, solved(cell.source)) for cell in cells]) == []
    for cell in script.of_kind("solution"):
        for style, function in styles(cell.id).items():
            source = written_by(function, tasks.find(cell.id).answer)
            assert attempts.attempts([(style, source)]) == [], source


def test_what_happens_is_noted_whatever_it_is_called():
    """The audit hook sees what a source hides; reading what one may read is not noted."""
    zygote = Zygote()
    worker = Worker(zygote)
    worker.allow(30, "a test")
    hidden = "run = eval('__import__')('os')\ntry:\n    run.listdir('/et' + 'c')\nexcept OSError:\n    pass"
    worker.run_cell("sly", hidden)
    worker.run_cell("fine", "open('mine', 'w').write('x')\nopen('mine').read()\nimport scipy.stats, matplotlib.pyplot")
    worker.run_cell("fine", "import numpy\nopen(numpy.__file__).read()")
    assert worker.noted == ["`sly` lists /etc (line 3)"]
    worker.close()
    zygote.close()


def test_flags_do_not_repeat_each_other():
    assert execute.place_of("`a` opens /x (line 3)") == execute.place_of("`a` starts a process (line 3)")
    assert execute.place_of("`a` opens /x (line 3)") != execute.place_of("`b` opens /x (line 3)")
