"""A name that two cells share: the check below an answer meets the first value, and so do `bnlab check` and the grader,
though they ask when all cells have run."""

import contextlib
import io
import re

import nbformat
import numpy as np
import pytest
from bnlab.__main__ import run
from bnlab.past import Past

from autograder import course
from autograder.bench.made_up import solved
from autograder.bench.sample_class import FOLDER
from autograder.grading import execute

NAME = "03_forward"
POWER = """
def root(v):
    return v ** POWER

POWER = {}

def batchnorm_train(x, gamma, beta, eps=1e-5):
    inv_std = root(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)
"""
LATER = "\nPOWER = {}\nx = x_hat = 3\n"


def notebook(first, later):
    """A right notebook in which one answer uses POWER = first, and a later cell writes POWER = later."""
    found = nbformat.read(FOLDER / "perfect" / f"{NAME}.ipynb", as_version=4)
    for cell in found.cells:
        if cell.id == "forward-train":
            cell.source = POWER.format(first)
        if cell.id == "forward-eval":
            cell.source += LATER.format(later)
    return found


@pytest.mark.parametrize(
    ("first", "later", "verdict"),
    [
        (-0.5, 2, "passed"),  # the check below the answer was right, so it counts
        (-0.5, -0.5, "passed"),
        (2, -0.5, "passed"),  # mended in a later cell: right when the notebook has run
        (2, 3, "failed"),
        (2, 2, "failed"),
    ],
)
def test_an_answer_meets_the_names_of_its_own_moment(first, later, verdict, tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    handed_in = notebook(first, later)
    rebuilt, _ = execute.read_submission(NAME, nbformat.writes(handed_in).encode())
    verdicts, _, _ = execute.judge(execute.material(NAME), "somebody", rebuilt, b"secret")
    found = {one.task: one for one in verdicts}
    assert found["forward-train"].verdict == verdict and found["forward-train"].score == 14 * (verdict == "passed")
    assert all(one.verdict == "passed" for task, one in found.items() if task != "forward-train"), found
    with contextlib.redirect_stdout(io.StringIO()):
        at_home, _ = run(handed_in, NAME)
    assert at_home["forward-train"] == (verdict, 14)
    execute.close_zygotes()


WITHIN = """
POWER = {made}

def batchnorm_train(x, gamma, beta, eps=1e-5):
    while POWER{at} < -9:
        pass
    inv_std = (x.var(axis=0) + eps) ** POWER{at}
    x_hat = (x - x.mean(axis=0)) * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)
"""


@pytest.mark.parametrize(
    ("made", "at", "later"),
    [
        ("[-0.5]", "[0]", 2),
        ("{'of': [-0.5, 1]}", "['of'][0]", 2),
        ("__import__('numpy').full(1, -0.5, 'float32')", "[0]", 2),
        ("[-0.5]", "[0]", -10),
    ],
)
def test_what_a_later_cell_changes_in_place(made, at, later, tmp_path, monkeypatch):
    """A list keeps its name when it is changed; with -10 in it, the answer never ends."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    handed_in = nbformat.read(FOLDER / "perfect" / f"{NAME}.ipynb", as_version=4)
    for cell in handed_in.cells:
        if cell.id == "forward-train":
            cell.source = WITHIN.format(made=made, at=at)
        if cell.id == "forward-eval":
            cell.source += f"\nPOWER{at} = {later}"
    rebuilt, _ = execute.read_submission(NAME, nbformat.writes(handed_in).encode())
    verdicts, _, _ = execute.judge(execute.material(NAME), "somebody", rebuilt, b"secret", {"forward-train-test"})
    assert [(one.verdict, one.score) for one in verdicts] == [("passed", 14)], verdicts[0].message
    if later == 2:
        with contextlib.redirect_stdout(io.StringIO()):
            assert run(handed_in, NAME)[0]["forward-train"] == ("passed", 14)
    execute.close_zygotes()


def test_two_kernels_whose_sources_share_a_name(tmp_path, monkeypatch):
    """As a student of 10 wrote it: every check passed, and what was graded had the last source of all."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    hold = execute.material("10_cuda")
    handed_in = nbformat.read(course.released("10_cuda"), as_version=4)
    tasks = {"channel-sums", "warp-sums", "split-sums"}
    for cell in hold.script.of_kind("solution"):
        if cell.id in tasks:
            source = solved(cell.python)
            code = re.search(r'code = (r"""[\s\S]*?""")', source)[1]
            place = next(one for one in handed_in.cells if one.id == cell.id)
            place.source = f"SRC = {code}\n\n\n{source.replace(code, 'SRC')}"
    rebuilt, _ = execute.read_submission("10_cuda", nbformat.writes(handed_in).encode())
    verdicts, _, _ = execute.judge(hold, "somebody", rebuilt, b"secret", {f"{task}-test" for task in tasks})
    assert {one.task: one.verdict for one in verdicts} == dict.fromkeys(tasks, "passed")
    execute.close_zygotes()


REMEMBERS = """
SEEN, MARK = {}, 0

def batchnorm_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    key = MARK * 0, dy[0].tobytes()
    for _ in range(1 if key in SEEN else 12):  # slow where it has not seen the numbers
        dgamma, dbeta = (dy * x_hat).sum(axis=0), dy.sum(axis=0)
        dx = gamma * inv_std * (dy - dbeta / len(dy) - x_hat * dgamma / len(dy))
    SEEN[key] = True
    return dx, dgamma, dbeta
"""


def test_a_second_race_has_other_numbers(tmp_path, monkeypatch):
    """A slow answer that remembers results gains nothing by a name that a later cell changes."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    handed_in = nbformat.read(FOLDER / "perfect" / "04_backward.ipynb", as_version=4)
    for cell in handed_in.cells:
        if cell.id in ("backward", "backward-eval"):
            cell.source = REMEMBERS if cell.id == "backward" else f"{cell.source}\nMARK = 1"
    rebuilt, _ = execute.read_submission("04_backward", nbformat.writes(handed_in).encode())
    verdicts, _, _ = execute.judge(
        execute.material("04_backward"), "somebody", rebuilt, b"secret", {"backward-speed-test"}
    )
    assert [(one.verdict, one.score) for one in verdicts] == [("failed", 0)], verdicts[0].message
    execute.close_zygotes()


def cells(*sources):
    names = {"np": np, "__name__": "__main__"}
    past = Past(names)
    for source in sources:
        with contextlib.suppress(ZeroDivisionError), past.cell():
            exec(source, names)
    return names, past


def test_only_what_an_answer_uses_is_from_the_past():
    names, past = cells(
        "def h(): return K\ndef f(): return [h() + L for _ in range(2)]\nK = L = x = 1",
        "K, x = 2, 2",
        "K = 3\n1 / 0",
        "def f2(): return K",
    )
    assert past.when(["f"]) == {"K": 1} and past.when(["f2"]) == {} and past.when(["f", "f2"]) == {}
    assert past.when(["nobody"]) == {}
    assert past.visit(["f"]) and names["f"]() == [2, 2]
    assert not past.visit([]) and names["f"]() == [4, 4]


def test_methods_nested_functions_and_functions_that_were_replaced():
    _, past = cells(
        "def g(): return 1\nclass A:\n    def run(self):\n        return (lambda: g() + K)()\nK, big = 1, np.ones(9)",
        "def g(): return 2",
        "big = np.zeros(9)\nK = K",
        "A = A",
    )
    then = past.when(["A"])
    assert list(then) == ["g"] and then["g"]() == 1
    assert [name for _, name, _ in past.gone] == ["g"], "what no function reads is not kept"


WRAPPED = """
import functools, types
K = 1

class Method:
    @staticmethod
    def one(): return K
    @property
    def two(self): return K

class Child(Method): pass

def bare(): return K

def plain(f):
    return lambda *args: f(*args)

closed, kept, part = plain(bare), functools.lru_cache(bare), functools.partial(bare)
bound, many, made = Child().one, np.vectorize(bare), Child()

def by_object(): return made.two
"""


@pytest.mark.parametrize(
    "answer", ["Method", "Child", "bare", "closed", "kept", "part", "many", "made", "by_object", "bound"]
)
def test_functions_inside_something_are_seen(answer):
    names, past = cells(WRAPPED, "K = 2")
    assert past.visit([answer]) and names["K"] == 1
    assert not past.visit([]) and names["K"] == 2


def test_names_that_were_deleted_and_those_of_python():
    """`sum = 0` in a later cell, or a cell that clears up, is the commonest name that two cells share."""
    names, past = cells("K = 2\ndef f(): return sum([K, 1])", "sum = 0\ndel K")
    assert past.visit(["f"]) and names["f"]() == 3
    past.visit([])
    assert names["sum"] == 0 and "K" not in names


def test_a_change_within_is_seen_and_nothing_else():
    names, past = cells(
        "a, b, c, d = [1, [2]], {3}, {'k': (4, [5])}, np.zeros(2)\ne = a\ndef f(): return a, b, c, d, e",
        "a = [1, a[1]]; b = {3}; c['k'] = (4, [5]); d = d + 0",
        "a[1].append(6); b.add(7); c['k'][1][0] = 8; d += 1",
        "a.append(a); a[1].pop()",
    )
    assert past.visit(["f"]) and names["f"]()[:3] == ([1, [2]], {3}, {"k": (4, [5])}) and not names["d"].any()
    assert [(cell, name) for cell, name, _ in past.gone if name != "e"] == [(3, one) for one in "abcd"] + [(4, "a")]
    past.visit([])
    assert len(names["a"]) == 3 and names["d"].all()


def test_little_is_kept():
    """What no function of the notebook reads, and large arrays, do not stay in memory."""

    class Large:
        nbytes = 1 << 30

    names, past = cells("def f(x): return x.mean() + len(K)", "K = [1]", "K = np.ones(1 << 20)", "x = [0]", "x = [1]")
    names["Large"] = Large
    with past.cell():
        names["K"] = Large()
    with past.cell():
        names["K"] = np.ones(3)
    with past.cell():
        names["K"] = 4
    assert [(name, len(value)) for _, name, value in past.gone] == [("K", 1), ("K", 3)]


def test_objects_that_answer_everything():
    """A weak reference to what is gone, and an object with a value for each attribute, do not stop a cell."""
    names, past = cells(
        "import weakref\nclass A:\n    def __getattr__(self, name): return A()\nw, a = weakref.proxy(A()), A()",
        "def f(): return w, a",
        "w = a = 3",
    )
    assert past.visit(["f"]) and type(names["a"]).__name__ == "A"
    meta = "class M(type):\n    def __getattribute__(one, name): raise KeyError(name)\nclass A(metaclass=M): pass\n"
    names, past = cells(f"{meta}a = A()\ndef f(): return A, a", "A = a = 3")
    assert past.visit(["f"]) and names["a"] != 3
