"""The command line starts quickly, and the benchmark against unmodified nbgrader measures both."""

import subprocess
import sys
import time

from autograder import course
from autograder.bench import grading

HEAVY = ("numpy", "torch", "nbformat", "nbconvert", "nbgrader", "sqlalchemy", "rich", "jupytext", "IPython", "bnlab")


def test_help_loads_nothing_heavy():
    code = "import sys, autograder.__main__ as m; m.parser().format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=course.REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())


def test_help_starts_quickly():
    """Half a second is promised for a quiet machine; processor time hardly depends on what else it does."""
    code = "import os, sys, autograder.__main__ as m; m.parser().format_help(); print(sum(os.times()[:2]))"
    times = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=course.REPOSITORY)
        times.append(min(float(done.stdout), time.monotonic() - started))
    assert min(times) < 0.5


def test_the_made_up_class(tmp_path):
    """Every submission is one of a kind only by its student; most are right, some are not."""
    students = grading.write_class(tmp_path, 20)
    texts = [(tmp_path / student / "04_backward.ipynb").read_text() for student in students]
    assert len(students) == 20 and len(set(texts)) >= 12
    sources = [grading.answers(number) for number in range(20)]
    assert sum(None in made.values() for made in sources) == 6
