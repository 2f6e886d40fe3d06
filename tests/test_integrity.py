"""A library's normalization layer in an answer is seen; what looks like one and is not is left alone."""

import pytest

from autograder.grading import integrity

SETUP = ("setup", "import torch\nimport torch.distributed as dist\n")
CELL = """
class BatchNorm(torch.nn.Module):
    '''Takes the place of torch.nn.BatchNorm1d.'''

    def __init__(self, num_features):
        super().__init__()
        {init}

    def forward(self, x):
        return {call}
"""


def found(init="pass", call="x", *extra):
    cells = [SETUP, *[(f"extra-{i}", source) for i, source in enumerate(extra)]]
    return integrity.library_calls("bn-module", [*cells, ("bn-module", CELL.format(init=init, call=call))])


@pytest.mark.parametrize(
    ("init", "call", "extra"),
    [
        ("pass", "torch.nn.functional.batch_norm(x, None, None, training=True)", []),
        ("pass", "torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False)", []),
        ("pass", "torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)[0]", []),
        ("self.inner = torch.nn.BatchNorm1d(num_features)", "self.inner(x)", []),
        ("self.inner = torch.nn.LazyBatchNorm2d()", "self.inner(x)", []),
        ("self.inner = torch.nn.SyncBatchNorm(num_features)", "self.inner(x)", []),
        ("pass", "torch.nn.functional.layer_norm(x.T, x.shape[:1]).T", []),
        ("pass", "torch.nn.functional.instance_norm(x.T[None])[0].T", []),
        ("self.inner = torch.nn.GroupNorm(1, 1)", "self.inner(x.T[:, None])", []),
        ("pass", "F.batch_norm(x, None, None)", ["import torch.nn.functional as F"]),
        ("pass", "batch_norm(x, None, None)", ["from torch.nn.functional import batch_norm"]),
        ("pass", "shortcut(x, None, None)", ["from torch.nn.functional import batch_norm as shortcut"]),
        ("pass", "shortcut(x)", ["shortcut = torch.nn.functional.batch_norm"]),
        ("pass", "first(x)", ["def first(x):\n    return second(x)", "def second(x):\n    return torch.batch_norm(x)"]),
        ("pass", "getattr(torch, 'batch_norm')(x)", []),
        ("pass", "torch.ops.aten.add(x, x)", []),
        ("pass", "torch._C._VariableFunctions.add(x, x)", []),
        ("pass", "eval('torch.' + 'batch_' + 'norm')(x)", []),
        ("pass", "__import__('torch').sqrt(x)", []),
        ("import importlib", "x", []),
        ("from torch.nn.modules import batchnorm", "batchnorm.add(x)", []),
    ],
)
def test_a_library_layer_is_seen(init, call, extra):
    assert found(init, call, *extra)


def test_a_base_class_is_seen():
    cells = [SETUP, ("bn-module", "class BatchNorm(torch.nn.BatchNorm1d):\n    pass")]
    assert integrity.library_calls("bn-module", cells) == ["torch.nn.BatchNorm1d in line 1 of `bn-module`"]


def test_magics_do_not_hide_a_call():
    cells = [SETUP, ("bn-module", "%matplotlib inline\ndef f(x):\n    return torch.batch_norm(x)")]
    assert integrity.library_calls("bn-module", cells) == ["torch.batch_norm in line 3 of `bn-module`"]


@pytest.mark.parametrize(
    ("init", "call", "extra"),
    [
        ("self.weight = torch.nn.Parameter(torch.ones(num_features))", "x * self.weight", []),
        ("self.batch_norm = None", "self.batch_norm or x", []),
        ("pass", "batch_norm(x)", ["def batch_norm(x):\n    return x - x.mean(0)"]),
        ("pass", "self.normalize(x)", ["reference = torch.nn.BatchNorm1d(3)"]),
        ("pass", "x - x.mean(0)", ["x = torch.nn.BatchNorm1d(3)(torch.ones(4, 3))", "mean = torch.batch_norm(x)"]),
        ("pass", "x", ["print(BatchNorm(3), torch.nn.BatchNorm1d(3))"]),
        ("pass", "torch.linalg.vector_norm(x)", []),
        ("pass", "x / x.norm()", []),
        ("raise ValueError('torch.nn.BatchNorm1d raises here, too')", "x", []),
    ],
)
def test_what_is_no_library_layer_is_left_alone(init, call, extra):
    assert found(init, call, *extra) == []


@pytest.mark.parametrize("source", ["def f(:\n", "\0", "(" * 5000, ""])
def test_a_cell_that_does_not_parse_says_nothing(source):
    assert integrity.library_calls("bn-module", [SETUP, ("bn-module", source)]) == []
    assert integrity.library_calls("bn-module", [SETUP]) == []


def test_right_answers_are_not_suspected():
    from bnlab import tasks

    from autograder.authoring.script import Script
    from autograder.bench.made_up import solved, written_by
    from solutions.styles import styles

    script = Script.of("08_pytorch")
    cells = [(cell.id or str(i), solved(cell.source)) for i, cell in enumerate(script.cells) if cell.is_code]
    for task in ("bn-function", "bn-module", "sync-statistics"):
        assert tasks.find(task).by_hand
        assert integrity.library_calls(task, cells) == []
        for name, function in styles(task).items():
            source = written_by(function, tasks.find(task).answer)
            own = [(cell, source if cell == task else text) for cell, text in cells]
            assert integrity.library_calls(task, own) == [], name
