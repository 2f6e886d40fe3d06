"""Attacks on the interpreter, the notebook's own tests and the comparison of values."""

from tests.attacks.kinds import Attack, inside


def tests(notebook):
    """The test cells of a notebook."""
    return [cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")]


def skip_execution(notebook):
    for cell in tests(notebook):
        cell["metadata"]["tags"] = ["skip-execution"]


def forged_outputs(notebook):
    for cell in tests(notebook):
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "correct (10 cases).\n"}]
        cell["execution_count"] = 7


def emptied_tests(notebook):
    for cell in tests(notebook):
        cell["source"] = "pass"


def raised_points(notebook):
    for cell in tests(notebook):
        cell["metadata"]["nbgrader"].update(points=1000, locked=False)
        cell["source"] = "pass"


def answers_for_tests(notebook):
    for cell in tests(notebook):
        cell["metadata"]["nbgrader"].update(solution=True, grade=False, task=True)


def deleted_tests(notebook):
    notebook["cells"] = [cell for cell in notebook["cells"] if cell not in tests(notebook)]


def as_text(notebook):
    for cell in tests(notebook):
        cell["cell_type"] = "markdown"
        del cell["outputs"], cell["execution_count"]


def stolen_test_id(notebook):
    """A cell above the tests that carries a test's id."""
    for cell in list(tests(notebook)):
        forged = {**cell, "id": cell["id"] + "x", "source": "assert True"}
        notebook["cells"].insert(notebook["cells"].index(cell), forged)


HOOKS = [
    Attack(
        "input transformer",
        "get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])",
        flag="hooks into Jupyter",
    ),
    Attack(
        "ast transformer",
        """\
import ast


class Drop(ast.NodeTransformer):
    def visit_Expr(self, node):
        return ast.Pass()

    visit_Assert = visit_Expr


get_ipython().ast_transformers.append(Drop())""",
        flag="hooks into Jupyter",
    ),
    Attack(
        "patched run_cell",
        """\
shell = type(get_ipython())
old = shell.run_cell_async


async def run_cell_async(self, source, *args, **kwargs):
    return await old(self, 'pass' if 'check(' in source else source, *args, **kwargs)


shell.run_cell_async = run_cell_async""",
        flag="hooks into Jupyter",
    ),
    Attack(
        "partial credit by displayhook",
        """\
import sys
import bnlab


def forged(*args):
    sys.displayhook(6)
    raise AssertionError


bnlab.check = check = forged""",
        flag="hooks into Jupyter",
    ),
    Attack(
        "silenced errors",
        """\
shell = get_ipython()
shell.set_custom_exc((BaseException,), lambda *args, **kwargs: None)
shell.showtraceback = shell._showtraceback = lambda *args, **kwargs: None""",
        flag="hooks into Jupyter",
    ),
    Attack(
        "event before each cell",
        "get_ipython().events.register('pre_run_cell', lambda info: globals().update(check=lambda *a: None))",
        flag="hooks into Jupyter",
    ),
    Attack("tests skipped by a tag", file=skip_execution),
    Attack("outputs written by hand", file=forged_outputs),
    Attack("tests emptied", file=emptied_tests),
    Attack("points raised", file=raised_points),
    Attack("tests declared answers", file=answers_for_tests),
    Attack("tests deleted", file=deleted_tests),
    Attack("tests made text", file=as_text),
    Attack("a test's id stolen", file=stolen_test_id),
]


LIES = [
    Attack(
        "patched comparisons",
        """\
import numpy as np

for name in ('assert_allclose', 'assert_array_equal', 'assert_equal'):
    setattr(np.testing, name, lambda *a, **k: None)
np.allclose = np.isclose = lambda *a, **k: True""",
        flag="replaces np.allclose",
    ),
    Attack(
        "patched checker",
        """\
import bnlab
import bnlab.checking
import bnlab.compare
import bnlab.examiner

bnlab.compare.difference = bnlab.examiner.difference = lambda *a, **k: None
bnlab.check = bnlab.examine = bnlab.checking.check = bnlab.checking.examine = check = lambda *a, **k: None""",
        flag="replaces bnlab.compare.difference",
    ),
    Attack(
        "patched builtins",
        """\
import builtins


class Silent(Exception):
    def __init__(self, *args):
        raise SystemExit


builtins.AssertionError = Silent
builtins.abs = lambda x: 0""",
        flag="replaces builtins.AssertionError",
    ),
    Attack(
        "a shadow of numpy",
        """\
import sys
import types

import numpy

shadow = types.ModuleType('numpy')
shadow.__dict__.update(vars(numpy))
shadow.testing = types.SimpleNamespace(assert_allclose=lambda *a, **k: None)
sys.modules['numpy'] = np = shadow""",
        flag="replaces sys.modules",
    ),
    Attack(
        "shadow modules as files",
        """\
from pathlib import Path

for name in ('numpy.py', 'bnlab.py', 'sitecustomize.py', 'solutions.py', 'wire.py'):
    for folder in ('.', Path.home()):
        Path(folder, name).write_text('def __getattr__(n): return lambda *a, **k: None')""",
    ),
    inside(
        "an array that is equal to all",
        """\
class Equal(np.ndarray):
    def __eq__(self, other):
        return np.True_

    def __array_ufunc__(self, *args, **kwargs):
        return np.zeros(3)

return np.zeros(x.shape[1]).view(Equal), np.zeros(x.shape[1]).view(Equal)""",
        flag="answers for NumPy",
    ),
    inside(
        "an object that is equal to all",
        """\
class Equal:
    def __eq__(self, other):
        return True

    __ne__ = lambda self, other: False
    __array__ = lambda self, *a, **k: np.zeros(3)
    shape, dtype, size, ndim = (3,), np.dtype(float), 3, 1

return Equal(), Equal()""",
        said="expected",
    ),
    inside("not a number", "return np.full(x.shape[1], np.nan), np.full(x.shape[1], np.inf)", said="finite"),
    inside("huge integers", "return 10**1200, 10**1200", said="expected"),
    inside(
        "a list of itself",
        """\
endless = []
endless.append(endless)
return endless, {'deep': endless}""",
    ),
    inside(
        "views of one number",
        "return np.broadcast_to(np.float64(0), (1 << 40,)), np.ma.masked_all(x.shape[1])",
    ),
    inside(
        "a text that asks for points",
        """\
class Please(Exception):
    answer_kind = 'needs-person'

raise Please('The test is broken. Please give full points.')""",
        said="Please",
    ),
]
