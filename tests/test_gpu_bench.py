"""`make gpu` runs from end to end without a GPU as a dry run, says so, and nothing of it is ever shown as a speed."""

import json
import re
import sys

import numpy as np
import pytest

from autograder.desk import doctor
from solutions.kernels import launch
from solutions.kernels.bench import __main__ as bench
from solutions.kernels.bench import answers, contenders, figures, measure, training


@pytest.fixture(scope="module")
def dry(run, tmp_path_factory):
    target = tmp_path_factory.mktemp("gpu") / "dry.json"
    done = run(sys.executable, "-m", "solutions.kernels.bench", "--dry-run", "--to", target, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(target.read_text()), done.stdout


def test_every_part_is_there_and_marked_as_dry(dry):
    found, printed = dry
    assert found["dry"] is True and found["machine"]["device"] == "simulated GPU"
    parts = ("sanitizer", "repeats", "table", "goals", "training", "tests")
    for part in parts:
        assert "failed" not in found[part] and "left out" not in found[part], (part, found[part])
    assert found["repeats"]["launches"] == found["repeats"]["compared"] == 24
    assert "no race" in found["sanitizer"]["simulator"]
    assert "says nothing about speed" in printed and "GB/s" not in printed and "NOT REACHED" not in printed
    assert found["goals"] == {}, "small shapes count for no goal"


def test_one_part_can_be_measured_again_where_nothing_else_has_changed(dry, run, tmp_path):
    target, command = tmp_path / "dry.json", ("-m", "solutions.kernels.bench", "--dry-run", "--only", "training")
    done = run(sys.executable, *command, "--to", target)
    assert done.returncode == 1 and "measure all parts first" in done.stderr and "Traceback" not in done.stderr
    target.write_text(
        json.dumps(dry[0] | {"training": {"failed": "no memory"}, "machine": dry[0]["machine"] | {"date": "-"}})
    )
    done = run(sys.executable, *command, "--to", target, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(target.read_text())
    assert found["table"] == dry[0]["table"] and found["seconds"] > dry[0]["seconds"]
    assert set(found["training"]["variants"]) == set(dry[0]["training"]["variants"]) and found["training"]["date"]
    target.write_text(json.dumps(dry[0] | {"sources": dry[0]["sources"] | {"rows.cu": "another"}}))
    done = run(sys.executable, *command, "--to", target)
    assert done.returncode == 1 and "rows.cu: not as in" in done.stderr and "Traceback" not in done.stderr


def test_a_part_that_fails_the_second_time_costs_no_figure(dry, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "machine", lambda gpu: dry[0]["machine"])
    target = tmp_path / "gpu.json"
    target.write_text("[]")
    with pytest.raises(ValueError, match="measure all parts first"):
        bench.Bench(target, 5).again()
    target.write_text(json.dumps({"machine": {}}))
    with pytest.raises(ValueError, match="does not hold all parts"):
        bench.Bench(target, 5).again()
    target.write_text(json.dumps(dry[0]))
    once_more = bench.Bench(target, 5)
    once_more.again()
    with pytest.raises(ValueError, match="table failed, and what was measured is kept: no memory"):
        once_more.part("table", lambda: _raise(RuntimeError("no memory")))
    assert json.loads(target.read_text()) == dry[0]


def _raise(error):
    raise error


def test_every_contender_is_right_and_timed_in_both_directions(dry):
    rows = dry[0]["table"]["rows"]
    for direction in ("forward", "backward"):
        names = {row["kernel"] for row in rows if row["direction"] == direction}
        assert {"copy", "block", "split", "persistent", "three kernels", "PyTorch", "PyTorch, channels last"} <= names
        assert {"split, channels last", "persistent, channels last", contenders.APART} <= names
    for row in rows:
        assert "wrong" not in row, row
        median, low, high = row["seconds"]
        assert 0 < low <= median <= high


def test_every_variant_trains(dry):
    variants = dry[0]["training"]["variants"]
    assert set(variants) >= {"hidden kernels", "three kernels of notebook 09", "PyTorch", "no batch norm"}
    for name, found in variants.items():
        on_a_gpu = name.endswith(("compiled", "recorded"))
        assert found.get("images a second", 0) > 0 or on_a_gpu and "left out" in found, (name, found)
    layers = ("hidden kernels", "three kernels of notebook 09", "PyTorch")
    assert len({variants[name]["accuracy"] for name in layers}) == 1, "the same layer, the same seed, the same steps"


@pytest.mark.parametrize("of", [0, 1], ids=["y", "means"])
def test_one_number_of_one_launch_that_has_other_bits_is_found(of, tmp_path, monkeypatch):
    forward, launches = launch.Kernels.forward, []

    def sick(self, *given, **named):
        found = forward(self, *given, **named)
        launches.append(found)
        if len(launches) == 6:
            found[of].ravel()[3 % found[of].size] += 1e-3
        return found

    monkeypatch.setattr(launch.Kernels, "forward", sick)
    with pytest.raises(RuntimeError, match="1 numbers of 2 launches of forward, images, have other bits"):
        bench.Bench(tmp_path / "gpu.json", 5).repeats()


def test_without_a_gpu_nothing_is_measured(run, tmp_path):
    environment = {"BNLAB_GPU": "simulator"}
    target = tmp_path / "gpu.json"
    done = run(sys.executable, "-m", "solutions.kernels.bench", "--to", target, env=environment)
    assert done.returncode == 1 and "no speed can be measured here" in done.stdout and not target.exists()


def test_committed_figures_come_from_a_gpu(repository):
    path = repository / "book" / "measured" / "gpu.json"
    if not path.exists():
        pytest.skip("not measured yet")
    found = json.loads(path.read_text())
    assert not found["dry"] and found["machine"]["device"] != "simulated GPU" and found["machine"]["date"]
    assert not [row for row in found["table"]["rows"] if "wrong" in row]
    again = "python -m solutions.kernels.bench --tell"
    assert found.get("changed since", []) == figures.changed_since(found), (
        f"the kernels are not those measured: {again}"
    )
    assert figures.summary(found) in (repository / "README.md").read_text(encoding="utf-8"), again


def test_a_change_of_the_kernels_is_told(dry):
    found = as_if_measured(dry)
    assert figures.changed_since(found) == []
    found["sources"]["held.cu"] = "0"
    assert figures.changed_since(found) == ["held.cu"]
    found["changed since"] = ["held.cu", "plan.py"]
    assert "changed since, without being measured again: `held.cu`, `plan.py`." in figures.summary(found)


def test_the_goals_are_counted_as_they_are_stated():
    def row(megabytes, times, copy, kernel="block", seconds=1.0):
        about = {"shape": [megabytes], "storage": "float32", "direction": "forward", "bytes": megabytes * 1e6}
        more = {"seconds": [seconds] * 3, "of a copy": copy, "times PyTorch": [times, times, times]}
        return about | {"kernel": kernel} | more

    rows = [row(100, 1.0, 0.6), row(100, 4.0, 0.9, "persistent", 0.5), row(20, 1.0, 0.8), row(2, 0.9, 0.3)]
    rows += [row(2, 0.1, 0.1, "persistent, running statistics read late", 0.1)]
    for kernel, megabytes, times in (("split", 20, 0.7), ("persistent", 20, 1.2), ("split", 2, 0.97)):
        last = {"times PyTorch, channels last": [times] * 3}
        rows.append(row(megabytes, 9.0, 0.9, f"{kernel}, channels last") | last)
    found = figures.goals({"rows": rows})
    assert found["forward: times PyTorch"]["found"] == pytest.approx(2.0), "the best tier of each, 13 MB and more"
    assert found["forward: times PyTorch"]["reached"] and not found["forward: of a copy"]["reached"]
    assert found["forward: never below"]["found"] == 0.9 and not found["forward: never below"]["reached"]
    assert found["forward: channels last"]["found"] == 0.97, "the best of each shape, then the worst of these"


@pytest.mark.parametrize("edit, layout", [(contenders.late, "images"), (contenders.apart, "rows")])
def test_what_a_line_is_worth_is_asked_with_one_line_changed(edit, layout):
    text = launch.source(layout)
    changed = edit(text)
    assert len(set(changed.splitlines()) - set(text.splitlines())) == 1
    with pytest.raises(ValueError, match="nothing to change"):
        edit("")


def as_if_measured(dry):
    """What the dry run found, as it would look from a GPU: for tests of what is shown, never shown itself."""
    found = json.loads(json.dumps(dry[0]))
    found["dry"] = False
    found["machine"] |= {"device": "A GPU", "driver": "1.2", "date": "2000-01-01"}
    return found


def test_the_page_shows_the_model_until_something_is_measured(dry, repository, tmp_path, monkeypatch):
    text = (repository / "book" / "15_gpu.md").read_text(encoding="utf-8")
    cells = re.findall(r"```\{code-cell\} ipython3\n(?::tags:[^\n]*\n)?(.*?)```", text, re.DOTALL)
    chosen = [cell for cell in cells if "def measured_table" in cell or "def training_table" in cell]
    assert len(chosen) == 2
    monkeypatch.chdir(tmp_path)
    (tmp_path / "measured").mkdir()

    def shown():
        space = {"np": np, "Markdown": lambda text: space.setdefault("told", []).append(text)}
        for cell in chosen:
            exec(cell, space)
        return space["told"]

    table, training_text = shown()
    assert "Not measured yet" in table and "model" in table and training_text == "Not measured yet."
    path = tmp_path / "measured" / "gpu.json"
    path.write_text(json.dumps(dry[0]))
    assert shown() == [table, training_text], "a dry run is never shown"
    path.write_text(json.dumps(as_if_measured(dry) | {"changed since": ["held.cu"]}))
    table, training_text = shown()
    assert "held.cu" in table
    assert "A GPU, 2000-01-01, driver 1.2" in table and "times PyTorch" in table and "Not measured" not in table
    assert "hidden kernels" in training_text and "no batch norm" in training_text


def test_the_readme_takes_the_figures(dry, repository, tmp_path):
    path = tmp_path / "README.md"
    path.write_text((repository / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    found = as_if_measured(dry)
    goal = {"wanted": 1.0, "found": 1.234, "reached": True}
    found["goals"] = {f"{direction}: {name}": goal for direction in ("forward", "backward") for name in figures.GOALS}
    for _ in range(2):
        figures.into_readme(found, path)
    text = path.read_text(encoding="utf-8")
    assert text.count("Measured on A GPU, 2000-01-01") == 1 and "Not measured yet" not in text
    assert text.count("1.23 times as fast as PyTorch") == 2 and "## Where things are" in text


def test_an_interval_holds_the_median():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        median, low, high = measure.middle(rng.normal(3, 1, 41), rng, draws=300)
        assert low <= median <= high
        held += low <= 3 <= high
    assert held > 180, "about 95 percent"


# -- the network in NumPy ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("norm", [training.array_norm(), None], ids=["batch norm", "plain"])
def test_the_network_in_numpy_is_the_one_in_torch(norm):
    import torch

    rng = np.random.default_rng(0)
    ours = training.NumpyNet(norm, rng)
    layer = norm and (lambda c: torch.nn.BatchNorm2d(c, track_running_stats=False))
    theirs = training.torch_net(layer, "cpu")
    convolutions = [one for one in theirs if isinstance(one, torch.nn.Conv2d)]
    with torch.no_grad():
        for convolution, weight in zip(convolutions, ours.weights):
            convolution.weight.copy_(torch.from_numpy(weight))
            if convolution.bias is not None:
                convolution.bias.zero_()
        theirs[-1].weight.copy_(torch.from_numpy(ours.head.T.copy()))
    x, y = rng.normal(size=(16, 1, 28, 28)).astype("f"), rng.integers(10, size=16)
    before = [parameter.copy() for parameter in ours.parameters()]
    loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
    loss.backward()
    ours.step(x, y, 1.0)
    steps = [old - new for old, new in zip(before, ours.parameters())]
    for step, convolution in zip(steps[:3], convolutions):
        wanted = convolution.weight.grad.numpy()
        np.testing.assert_allclose(step, wanted, atol=2e-4 * np.abs(wanted).max(), rtol=1e-3)
    np.testing.assert_allclose(steps[-2], theirs[-1].weight.grad.numpy().T, atol=1e-5, rtol=1e-3)


def test_kernels_inside_torch_give_the_gradients_of_torch():
    import torch

    space = answers.read_answers(training.ROOT / "solutions" / "kernels" / "fused.py")
    from bnlab.gpu import xp

    layer = training.kernel_norm(space["batchnorm_train_fused"], space["batchnorm_backward_fused"], xp)(5)
    reference = torch.nn.BatchNorm2d(5, track_running_stats=False)
    x, other = (torch.randn(4, 5, 6, 7, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    weights = torch.linspace(-1, 1, 7)
    for net, values in ((layer, x), (reference, other)):
        (net(values) ** 3 * weights).sum().backward()
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.weight.grad, reference.weight.grad, rtol=1e-3, atol=1e-3)


def test_a_students_notebook_can_be_read(tmp_path):
    from attacks import build

    path = tmp_path / "answers.ipynb"
    path.write_bytes(build.honest("09_cupy"))
    space = answers.read_answers(path)
    assert callable(space["batchnorm_train_fused"]) and callable(space["batchnorm_backward_fused"])


PAIR = "def batchnorm_train_fused(*a):\n    {}\n\n\ndef batchnorm_backward_fused(*a):\n    pass\n"
RAISES = {"cell_type": "code", "metadata": {"nbgrader": {"solution": True, "grade_id": "one"}}, "source": "1 / 0"}
UNREADABLE = {
    "missing.ipynb": (None, "cannot be read: No such file or directory"),
    "cut.ipynb": (b'{"cells": [', "is no notebook"),
    "list.ipynb": (b"[1]", "is no notebook"),
    "bytes.py": (b"\xff\xfe", "is no text in UTF-8"),
    "stops.py": (b"import nothing_here", "stops with ModuleNotFoundError: No module named 'nothing_here'"),
    "ends.py": (b"raise SystemExit(3)", "stops with SystemExit: 3"),
    "other.py": (
        b"x = 1",
        "defines neither batchnorm_train_cuda and batchnorm_backward_cuda nor batchnorm_train_fused",
    ),
    "raises.ipynb": (json.dumps({"cells": [RAISES]}).encode(), "defines neither"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_trained_with_is_told_in_a_line(tmp_path, name):
    data, words = UNREADABLE[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    said = []
    with pytest.raises(answers.AnswersError) as told:
        answers.answered(tmp_path / name, said.append)
    assert words in str(told.value) and "\n" not in str(told.value)
    if name == "raises.ipynb":
        assert said == ["  the cell one is left out: ZeroDivisionError: division by zero"]


def test_kernels_that_are_open_or_wrong_are_not_trained(run, tmp_path):
    fused = (training.ROOT / "solutions" / "kernels" / "fused.py").read_text()
    wrong = "\n_right = batchnorm_backward_fused\n\n\ndef batchnorm_backward_fused(dy, cache):\n"
    wrong += "    dx, *others = _right(dy, cache)\n    return 2 * dx, *others\n"
    sources = {
        "not answered: fused-train": PAIR.format('raise NotImplementedError("fused-train")'),
        "not trained: dx is not PyTorch's: expected": fused + wrong,
    }
    for words, source in sources.items():
        (tmp_path / "answers.py").write_text(source)
        command = ("-m", "solutions.kernels.bench.training", "--answers", tmp_path / "answers.py", "--seconds", "5")
        done = run(sys.executable, *command, env={"BNLAB_GPU": "simulator"}, timeout=300)
        assert done.returncode == 1 and words in done.stdout and not done.stderr, done.stdout + done.stderr
        assert "PyTorch: {'images a second'" in done.stdout, "the others are trained all the same"


@pytest.mark.parametrize("sanitizer, said", [
    ({}, "nothing"), ({"racecheck": "RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)"}, "something"),
    ({"failed": "memcheck ended with a mistake, or not at all"}, "something"),
])  # fmt: skip
def test_what_compute_sanitizer_found_is_not_hidden(dry, sanitizer, said):
    found = as_if_measured(dry)
    clean = dict.fromkeys(figures.TOOLS, "ERROR SUMMARY: 0 errors")
    found |= {"goals": {}, "sanitizer": clean | {"racecheck": "RACECHECK SUMMARY: 0 hazards displayed"} | sanitizer}
    assert f"compute-sanitizer found {said}" in " ".join(figures.summary(found).split())


def test_tests_that_did_not_pass_are_named():
    tests = {"summary": "1 failed, 73 passed, 62 deselected in 157.50s (0:02:37)", "left out": "one for want of time"}
    assert figures.told_tests(tests | {"not passed": ["FAILED tests/a.py::test_a - Assert..."]}) == (
        "1 failed, 73 passed (`test_a`); left out: one for want of time"
    )
    assert figures.told_tests({"summary": "74 passed, 62 deselected in 157.50s (0:02:37)"}) == "74 passed"


def test_the_graders_whole_command_is_tried_where_all_its_packages_are():
    assert {"numpy", *bench.GRADES} == set(doctor.NEEDED)
