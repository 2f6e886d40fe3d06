"""What a right answer returns on a case, and what each known slip would return.

`Fingerprints` reads stored numbers (at home: no implementation, right or wrong, ships with the course);
`Functions` computes them from a hidden solution and its mutant bank (in the autograder's referee).
"""

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bnlab.answers import AnswerError, LocalAnswer, copy_arguments
from bnlab.compare import flatten

FOLDER = Path(__file__).parent / "fingerprints"


@dataclass(frozen=True)
class Truth:
    """What is known about one case.

    expected : dict, leaf -> value of the right answer
    slips : dict, mutant -> {leaf -> value}; leaves where the mutant is right may be left out
    """

    expected: dict
    slips: dict = field(default_factory=dict)


class Functions:
    """Truth computed from functions.

    Parameters
    ----------
    reference : callable
        The right answer; it is run on float64 copies of the inputs, and its results are rounded to their dtype.
    mutants : dict
        Name of the slip -> (wrong implementation, message).
    """

    def __init__(self, reference, mutants=None):
        self.reference = reference
        self.mutants = mutants or {}
        self.messages = {name: message for name, (_, message) in self.mutants.items()}

    def truth(self, task, case, inputs):
        wide = observe(task, self.reference, widen(inputs))
        dtype = common_dtype(inputs)
        expected = {leaf: narrow(value, dtype) for leaf, value in wide.items()}
        slips = {}
        for name, (function, _) in self.mutants.items():
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                    slips[name] = observe(task, function, inputs)
            except AnswerError:
                continue  # this slip fails on this case: nothing to recognize it by
        return Truth(expected, slips)


class Fingerprints:
    """Truth stored in fingerprints/TASK.npz: `case|leaf` for right answers, `case|mutant|leaf` for slips."""

    def __init__(self, task_id, folder=FOLDER):
        path = Path(folder) / f"{task_id}.npz"
        if not path.exists():
            raise FileNotFoundError(f"{path.name} is missing from bnlab/fingerprints; install or copy bnlab again")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        self.messages = json.loads(str(arrays.pop("messages")))
        self.cases = {}
        for key, value in arrays.items():
            case, *mutant, leaf = key.split("|")
            expected, slips = self.cases.setdefault(case, ({}, {}))
            (slips.setdefault(mutant[0], {}) if mutant else expected)[leaf] = plain(value)

    def truth(self, task, case, inputs):
        expected, slips = self.cases[case.name]
        return Truth(expected, slips)


def observe(task, function, inputs):
    """Run a trusted implementation on a case and flatten what it gives."""
    answer = LocalAnswer(function)
    leaves, problem = flatten(task.observe(answer, copy_arguments(inputs)), task.returns)
    if problem:
        raise AnswerError("raised", problem.text)
    return leaves


def widen(value):
    """float32 arrays as float64, in nested containers."""
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value.astype(np.float64)
    if isinstance(value, (tuple, list)):
        return type(value)(widen(item) for item in value)
    if isinstance(value, dict):
        return {key: widen(item) for key, item in value.items()}
    return value


def narrow(value, dtype):
    """Arrays of floats in the dtype of the inputs."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def common_dtype(value):
    """The dtype of results: that of the float arrays among the inputs, float64 where there is none."""
    found = set()

    def visit(item):
        if isinstance(item, np.ndarray) and item.dtype.kind == "f":
            found.add(item.dtype)
        elif isinstance(item, (tuple, list)):
            for part in item:
                visit(part)
        elif isinstance(item, dict):
            visit(list(item.values()))

    visit(value)
    return np.result_type(*found) if found else np.dtype(np.float64)


def plain(value):
    """A stored value: 0-d arrays as Python numbers."""
    return value.item() if value.ndim == 0 else value
