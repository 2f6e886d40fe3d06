"""The widgets compute the real formulas: their numbers, out of Node, against NumPy and torch."""

import json
import shutil
import subprocess

import course_widgets
import numpy as np
import pytest
import still
import torch

from autograder import course

FOLDER = course.REPOSITORY / "book" / "widgets"
NAMES = sorted(path.stem for path in FOLDER.glob("*.js") if path.stem != "lib")


@pytest.fixture(scope="module")
def node(on_ci):
    """Calls formulas: node(name=(module, function, arguments)) -> dict of results."""
    program = shutil.which("node")
    if program is None:
        assert not on_ci, "node is missing"
        pytest.skip("needs node: apt-get install nodejs")

    def call(**asked):
        script = course.REPOSITORY / "tests" / "widgets.mjs"
        done = subprocess.run([program, script], input=json.dumps(asked), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


def test_there_are_eight_small_ones():
    assert len(NAMES) >= 8
    for path in FOLDER.glob("*.js"):
        assert path.stat().st_size < (10_000 if path.stem != "lib" else 12_500), path.name
        assert "http://" not in path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in path.read_text()


def test_still_pictures_are_of_the_widgets_as_they_are():
    assert still.DRAWN_FROM.read_text().strip() == still.drawn_from(), "look at them: python book/widgets/still.py"


def test_a_dragged_batch(node):
    x = [-1.6, 3.7, 0.2, 0.9, 2.2]
    got = node(batch=("drag-sample", "normalize", [x, 1.5, -0.5, 0.5]))["batch"]
    layer = torch.nn.functional.batch_norm(
        torch.tensor(x, dtype=torch.float64)[:, None],
        None,
        None,
        torch.full((1,), 1.5, dtype=torch.float64),
        torch.full((1,), -0.5, dtype=torch.float64),
        training=True,
        eps=0.5,
    )
    np.testing.assert_allclose(got["y"], layer[:, 0], rtol=1e-12)
    np.testing.assert_allclose([got["mu"], got["variance"]], [np.mean(x), np.var(x)], rtol=1e-12)


def test_lines_under_covariate_shift(node):
    rng = np.random.default_rng(0)
    for mean, std in ((0.5, 0.5), (-0.4, 0.2)):
        x = mean + std * rng.normal(size=2_000_000)
        slope, intercept = np.polyfit(x, x**3 - x, 1)
        test = {"mean": 0.1, "std": 0.3}
        got = node(
            line=("covariate-shift", "bestLine", [{"mean": mean, "std": std}]),
            error=("covariate-shift", "error", [{"slope": slope, "intercept": intercept}, test]),
        )
        np.testing.assert_allclose([got["line"]["slope"], got["line"]["intercept"]], [slope, intercept], atol=5e-3)
        seen = 0.1 + 0.3 * rng.normal(size=2_000_000)
        expected = np.mean((seen**3 - seen - slope * seen - intercept) ** 2) + 0.3**2
        np.testing.assert_allclose(got["error"], expected, rtol=5e-3)


def test_descent_on_a_turned_bowl(node):
    given = {"condition": 12, "angle": 40, "rate": 0.15, "steps": 25}
    got = node(run=("ellipse-descent", "descend", [given]))["run"]
    turn = np.deg2rad(40)
    q = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    bowl = q @ np.diag([12.0, 1.0]) @ q.T
    point, path = np.array([-2.2, 1.2]), []
    for _ in range(26):
        path.append(point)
        point = point - 0.15 * bowl @ point
    np.testing.assert_allclose(got["path"], path, rtol=1e-9)
    np.testing.assert_allclose(got["losses"], [p @ bowl @ p / 2 for p in path], rtol=1e-9)
    stable = node(
        steps=("ellipse-descent", "stepsTo", [{**given, "rate": 0.99 * 2 / 12}]),
        none=("ellipse-descent", "stepsTo", [{**given, "rate": 1.01 * 2 / 12}]),
    )
    assert stable["steps"] > 0 and stable["none"] is None


def test_error_of_a_running_mean(node):
    momentum, batch, drift, steps, runs = 0.1, 8, 0.02, 400, 4000
    rng = np.random.default_rng(1)
    running = np.zeros(runs)
    for step in range(steps):
        seen = drift * step + rng.normal(size=runs) / np.sqrt(batch)
        running = (1 - momentum) * running + momentum * seen
    measured = np.sqrt(np.mean((running - drift * (steps - 1)) ** 2))
    got = node(
        error=("running-statistics", "error", [{"momentum": momentum, "batch": batch, "drift": drift}]),
        left=("running-statistics", "left", [0.1, 22]),
    )
    np.testing.assert_allclose(got["error"]["total"], measured, rtol=0.02)
    np.testing.assert_allclose(got["left"], 0.9**22)


@pytest.mark.parametrize("kind, axes", [("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("instance", (2, 3))])
def test_axes_of_the_norms(node, kind, axes):
    got = node(values=("norm-axes", "VALUES", []))["values"]
    out = node(out=("norm-axes", "normalize", [got, kind, 5]))["out"]
    x = np.reshape(got, (3, 4, 2, 2))
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(np.reshape(out["xHat"], x.shape), expected, rtol=1e-9, atol=1e-12)
    assert out["count"] * len(out["members"]) == x.size


def test_group_norm(node):
    got = node(values=("norm-axes", "VALUES", []))["values"]
    out = node(out=("norm-axes", "normalize", [got, "group", 0]))["out"]["xHat"]
    x = torch.tensor(got, dtype=torch.float64).reshape(3, 4, 2, 2)
    np.testing.assert_allclose(np.ravel(torch.nn.functional.group_norm(x, 2)), out, rtol=1e-9, atol=1e-12)


def test_length_of_scale_invariant_weights(node):
    """Plain gradient descent in a plane: gradient of length 1 / r at right angles to w."""
    rate, decay, w = 0.5, 0.01, np.array([2.0, 0.0])
    lengths = [2.0]
    for _ in range(300):
        gradient = np.array([-w[1], w[0]]) / (w @ w)
        w = (1 - rate * decay) * w - rate * gradient
        lengths.append(np.hypot(*w))
    given = {"rate": rate, "decay": decay, "first": 2.0, "steps": 300}
    got = node(r=("effective-rate", "lengths", [given]), rest=("effective-rate", "balance", [given]))
    np.testing.assert_allclose(got["r"], lengths, rtol=1e-9)
    long = node(r=("effective-rate", "lengths", [{**given, "steps": 5000}]))["r"]
    np.testing.assert_allclose(long[-1], got["rest"], rtol=1e-6)


def test_the_graph_forward_and_back(node):
    got = node(graph=("backward-graph", "graph", []))["graph"]
    x = torch.tensor(got["x"], dtype=torch.float64, requires_grad=True)
    gamma = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    beta = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    mu = x.mean()
    mu.retain_grad()
    variance = ((x - mu) ** 2).mean()
    variance.retain_grad()
    x_hat = (x - mu) / torch.sqrt(variance + 0.5)
    x_hat.retain_grad()
    y = gamma * x_hat + beta
    y.backward(torch.tensor(got["dy"], dtype=torch.float64))
    for name, tensor in (("y", y), ("dx", x.grad), ("dmu", mu.grad), ("dvar", variance.grad), ("dxHat", x_hat.grad)):
        np.testing.assert_allclose(got[name], tensor.detach(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([got["dgamma"], got["dbeta"]], [gamma.grad, beta.grad], rtol=1e-9)


def test_numbers_are_shown_for_readers(node):
    got = node(
        small=("lib", "show", [-0.001, 2]), minus=("lib", "show", [-1.5, 1]), large=("lib", "show", [123456.0, 2])
    )
    assert got == {"small": "0.00", "minus": "−1.5", "large": "1.2·10⁵"}


def test_the_playground_is_the_experiment():
    data = course_widgets.playground()
    runs = json.loads((course.REPOSITORY / "book" / "results" / "playground.json").read_text())["runs"]
    run = next(run for run in runs if run["norm"] == "batch" and run["batch"] == 16)
    losses = np.array([curve[-1] for curve in run["loss"][3]], float)
    curve = data["curves"]["batch"][3][data["batches"].index(16)]
    np.testing.assert_allclose(curve[-1], np.median(losses), rtol=1e-2)
    assert all(len(curve) == len(data["steps"]) for rates in data["curves"].values() for row in rates for curve in row)
