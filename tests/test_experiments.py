"""Experiments: each stored result is the whole grid of its file, says how it was made, and comes out again in part."""

import importlib
import sys

import pytest

from autograder import course

FOLDER = course.REPOSITORY / "book" / "experiments"
TOOLS = {"lab", "nets", "variants", "fashion", "internal_shift"}  # internal_shift records arrays for notebook 02 and has its own check
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in TOOLS and not path.stem.startswith("_"))


@pytest.fixture(scope="module", autouse=True)
def importable():
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def test_every_result_has_its_experiment():
    assert {path.stem for path in (course.REPOSITORY / "book" / "results").glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_part_of_an_experiment_comes_out_as_stored(name):
    import lab

    experiment = importlib.import_module(name).EXPERIMENT
    about, runs = lab.load(name)
    assert experiment.name == name and experiment.part, "an experiment without a part to run again proves nothing"
    assert about["claim"] == experiment.claim
    assert {"date", "python", "numpy", "torch", "machine", "seconds", "command"} <= about.keys()
    assert len(runs) == len(experiment.cases)
    assert lab.differences(experiment) == []


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
    import lab

    assert len(lab.compare("case", stored, again, 1e-3)) == count


def test_replicas_do_not_disturb_each_other():
    import nets
    import numpy as np

    alone = nets.train(nets.Replicas(nets.Net(depth=2, width=8, norm="batch"), [3]), [0.1], steps=5, every=0)
    beside = nets.train(nets.Replicas(nets.Net(depth=2, width=8, norm="batch"), [1, 3]), [1e6, 0.1], steps=5, every=0)
    np.testing.assert_allclose(alone["loss"][0], beside["loss"][1], rtol=1e-5)
