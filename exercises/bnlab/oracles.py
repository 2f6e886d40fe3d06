"""What a right answer returns on a case, and what each known slip would return.

`Fingerprints` reads stored numbers (at home: no implementation, right or wrong, ships with the course);
`Functions` computes them from a hidden solution and its mutant bank (in the autograder's referee).
"""

import functools
import importlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bnlab.answers import AnswerError, LocalAnswer, copy_arguments, is_tensor
from bnlab.compare import flatten, leaves_of

FOLDER = Path(__file__).parent / "fingerprints"


@dataclass(frozen=True)
class Truth:
    """What is known about one case.

    expected : dict, leaf -> value of the right answer
    slips : mapping, mutant -> {leaf -> value}; leaves where the mutant is right may be left out
    """

    expected: dict
    slips: Mapping = field(default_factory=dict)


class Later(Mapping):
    """A mapping that is computed when it is first looked into: a right answer needs no slip."""

    def __init__(self, compute):
        self.found = functools.cache(compute)

    def __getitem__(self, key):
        return self.found()[key]

    def __iter__(self):
        return iter(self.found())

    def __len__(self):
        return len(self.found())


class Functions:
    """Truth computed from functions.

    Parameters
    ----------
    reference : callable
        The right answer; it is run on float64 copies of the inputs, and its results are rounded to their dtype.
    mutants : dict
        Name of the slip -> (wrong implementation, message).
    exact : callable, optional
        Inputs in float64 -> leaves, in place of the reference, where that one computes in float32 alone. Leaves that
        it leaves out are not compared.
    """

    def __init__(self, reference, mutants=None, exact=None):
        self.reference, self.exact = reference, exact
        self.mutants = mutants or {}
        self.messages = {name: message for name, (_, message) in self.mutants.items()}

    def truth(self, task, case, inputs):
        wide = self.exact(widen(inputs)) if self.exact else observe(task, self.reference, widen(inputs))
        dtype = common_dtype(inputs)
        named = [leaf for leaf in leaves_of(task.returns) if leaf in wide]  # in the order of the result
        expected = {leaf: narrow(wide[leaf], dtype) for leaf in named}
        inputs = copy_arguments(inputs)
        return Truth(expected, Later(lambda: self.slips(task, inputs)))

    def slips(self, task, inputs):
        """What each slip gives on a case; a slip that fails there is left out, for nothing could recognize it."""
        found, functions = {}, {name: function for name, (function, _) in self.mutants.items()}
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            if task.driver_of_many:
                results = task.driver_of_many(list(functions.values()), copy_arguments(inputs))
                given = {name: flatten(result, task.returns) for name, result in zip(functions, results)}
                return {name: leaves for name, (leaves, problem) in given.items() if not problem}
            for name, function in functions.items():
                try:
                    found[name] = observe(task, function, inputs)
                except AnswerError:
                    continue
        return found


class Fingerprints:
    """Truth stored in fingerprints/TASK.npz: `case|leaf` for right answers, `case|mutant|leaf` for slips.

    `kinds` tells which of them are no arrays: {key: "tensor" or "none"}.
    """

    def __init__(self, task_id, folder=FOLDER):
        path = Path(folder) / f"{task_id}.npz"
        if not path.exists():
            raise FileNotFoundError(f"{path.name} is missing from bnlab/fingerprints; install or copy bnlab again")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        self.messages = json.loads(str(arrays.pop("messages")))
        kinds = json.loads(str(arrays.pop("kinds", "{}")))
        self.cases = {}
        for key, value in arrays.items():
            case, *mutant, leaf = key.split("|")
            expected, slips = self.cases.setdefault(case, ({}, {}))
            (slips.setdefault(mutant[0], {}) if mutant else expected)[leaf] = plain(value, kinds.get(key))

    def truth(self, task, case, inputs):
        expected, slips = self.cases[case.name]
        named = [leaf for leaf in leaves_of(task.returns) if leaf in expected]  # in the order of the result
        return Truth({leaf: expected[leaf] for leaf in named}, slips)


def observe(task, function, inputs):
    """Run a trusted implementation on a case and flatten what it gives."""
    answer = LocalAnswer(function)
    leaves, problem = flatten(task.observe(answer, copy_arguments(inputs)), task.returns)
    if problem:
        raise AnswerError("raised", problem.text)
    return leaves


def widen(value):
    """float32 arrays and tensors as float64, in nested containers."""
    if is_tensor(value):
        return value.detach().double().requires_grad_(value.requires_grad) if is_float32(value) else value
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value.astype(np.float64)
    if isinstance(value, (tuple, list)):
        return type(value)(widen(item) for item in value)
    if isinstance(value, dict):
        return {key: widen(item) for key, item in value.items()}
    return value


def narrow(value, dtype):
    """Arrays and tensors of floats in the dtype of the inputs."""
    if is_tensor(value):
        torch = importlib.import_module("torch")
        return value.to(getattr(torch, dtype.name)) if value.is_floating_point() else value
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def common_dtype(value):
    """The dtype of results: that of the float arrays among the inputs, float64 where there is none."""
    found = set()

    def visit(item):
        if isinstance(item, np.ndarray) and item.dtype.kind == "f":
            found.add(item.dtype)
        elif is_tensor(item) and item.is_floating_point():
            found.add(np.dtype(str(item.dtype).removeprefix("torch.")))
        elif isinstance(item, (tuple, list)):
            for part in item:
                visit(part)
        elif isinstance(item, dict):
            visit(list(item.values()))

    visit(value)
    return np.result_type(*found) if found else np.dtype(np.float64)


def is_float32(tensor):
    return str(tensor.dtype) == "torch.float32"


def plain(value, kind=None):
    """A stored value: 0-d arrays as Python numbers, tensors and None by their kind."""
    if kind == "none":
        return None
    if kind == "tensor":
        return importlib.import_module("torch").from_numpy(value)
    return value.item() if value.ndim == 0 else value
