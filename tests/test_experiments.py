"""Experiments: each stored result is the whole grid of its file, says how it was made, and comes out again in part."""

import importlib
import sys

import lab
import nets
import numpy as np
import pytest
import torch

from autograder import course

FOLDER = course.REPOSITORY / "book" / "experiments"
# internal_shift records arrays for notebook 02 and has its own check
TOOLS = {"lab", "nets", "variants", "fashion", "internal_shift"}
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in TOOLS and not path.stem.startswith("_"))
# experiments from which a page takes the best rate, and their classes
TUNED = """batch_size company depth_sweep depth_wall frozen_statistics ghost_batches gradient_growth init_scale
    init_sweep input_scaling leak noisy_norm placement rate_sweep regularization section41 shift_measures skip_init
    stall unit_drift without_batch wrong_normalizations""".split()
CLASSES = {"leak": 2}


def test_every_result_has_its_experiment():
    assert {path.stem for path in (course.REPOSITORY / "book" / "results").glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_part_of_an_experiment_comes_out_as_stored(name):
    experiment = importlib.import_module(name).EXPERIMENT
    about, runs = lab.load(name)
    assert experiment.name == name and experiment.part, "an experiment without a part to run again proves nothing"
    assert about["claim"] == experiment.claim
    assert {"date", "python", "numpy", "torch", "machine", "seconds", "command"} <= about.keys()
    assert len(runs) == len(experiment.cases)
    assert lab.differences(experiment) == []


@pytest.mark.parametrize("name", TUNED)
def test_the_best_rate_lies_inside_its_grid(name):
    """Rule 3 of chapter 12: who guesses at every rate has no best one; validation images choose where there are any."""
    experiment, (_, runs) = importlib.import_module(name).EXPERIMENT, lab.load(name)
    for index, run in enumerate(runs):
        if index in experiment.part or len(run.get("rates", [])) < 2:
            continue
        loss = np.nan_to_num(np.array(run["loss_end"], float), nan=np.inf).mean(-1)  # (..., rates)
        judge = -np.nan_to_num(np.array(run["validation"], float)).mean(-1) if "validation" in run else loss
        best = judge.argmin(-1)
        inside = (0 < best) & (best < len(run["rates"]) - 1)
        guesses = np.isclose(loss.min(-1), np.log(CLASSES.get(name, 10)), rtol=0.03)
        assert np.all(inside | guesses), f"case {index}: widen {run['rates']}"


def test_experiments_share_processes_and_keep_their_grids(tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "RESULTS", tmp_path)
    grids = {"one": [{"n": 1}, {"n": 2}, {"n": 3}], "two": [{"n": 4}]}
    experiments = [lab.Experiment(name, "a claim", cases, dict) for name, cases in grids.items()]
    assert {path.stem for path in lab.run_all(experiments)} == set(grids)
    for experiment in experiments:
        about, runs = lab.load(experiment.name)
        assert [{"n": run["n"]} for run in runs] == experiment.cases
        assert about["seconds"] >= 0 and len(lab.expected(experiment)) == len(experiment.cases)


def test_a_misspelt_experiment_is_named(run):
    told = run(sys.executable, "book/experiments", "rate_swep")
    assert told.returncode == 2 and "there is no experiment 'rate_swep': choose from batch_size, " in told.stderr


@pytest.mark.parametrize(
    "stored, again, count",
    [
        (1.0, 1.0005, 0),
        (1.0, 1.1, 1),
        ([1, None], [1, None], 0),
        ([1, None], [1, 2.0], 1),
        ({"a": [1]}, {"a": [2, 3]}, 1),
    ],
)
def test_a_difference_is_found(stored, again, count):
    assert len(lab.compare("case", stored, again, 1e-3)) == count


def test_replicas_do_not_disturb_each_other():
    alone = nets.train(nets.Replicas(nets.Net(depth=2, width=8, norm="batch"), [3]), [0.1], steps=5, every=0)
    beside = nets.train(nets.Replicas(nets.Net(depth=2, width=8, norm="batch"), [1, 3]), [1e6, 0.1], steps=5, every=0)
    np.testing.assert_allclose(alone["loss"][0], beside["loss"][1], rtol=1e-5)


def test_dropout_and_own_training_sets_do_not_depend_on_the_company():
    net = nets.Net(depth=2, width=8, norm="batch", dropout=0.5, after=True, bias=True)
    x, y, x_test, y_test = nets.digits(torch.float64)
    losses = []
    for seeds in ([3], [1, 3]):
        rows = torch.stack([torch.arange(seed, seed + 50) for seed in seeds])
        replicas = nets.Replicas(net, seeds, dtype=torch.float64)
        data = (x[rows], y[rows], x_test, y_test)
        losses.append(nets.train(replicas, [0.1] * len(seeds), steps=5, batch=10, every=0, data=data)["loss"][-1])
    assert abs(losses[0] - losses[1]).max() < 1e-10


def test_hidden_rates_move_the_hidden_weights_alone():
    def trained(hidden):
        replicas = nets.Replicas(nets.Net(depth=2, width=8, norm="batch"), [0], dtype=torch.float64)
        nets.train(replicas, [0.1], steps=1, every=0, hidden_rates=[hidden])
        return replicas

    still, moved = trained(0.0), trained(0.1)
    first = nets.Replicas(nets.Net(depth=2, width=8), [0], dtype=torch.float64)
    for layer in range(2):
        assert torch.equal(still.weights[layer], first.weights[layer])
        assert not torch.equal(moved.weights[layer], first.weights[layer])
    for one, other in zip(still.parameters()[2:], moved.parameters()[2:]):
        assert torch.equal(one, other)


def test_batch_normalization_of_replicas_is_torchs():
    z = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (2, 9, 4)))
    for training in (True, False):
        replicas = nets.Replicas(nets.Net(depth=1, width=4, norm="batch", eps=0.5), [0, 1], dtype=torch.float64)
        layers = [torch.nn.BatchNorm1d(4, eps=0.5, dtype=torch.float64).train(training) for _ in range(2)]
        expected = torch.stack([layer(part) for layer, part in zip(layers, z)])
        torch.testing.assert_close(replicas.normalize(z, 0, training, 0.1), expected)
        for number, layer in enumerate(layers):
            torch.testing.assert_close(replicas.running[0][0][number, 0], layer.running_mean)
            torch.testing.assert_close(replicas.running[0][1][number, 0], layer.running_var)
