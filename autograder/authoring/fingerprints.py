"""Write what right answers and known slips return on public cases: the numbers that `check` compares with at home.

The layout is that of `bnlab.oracles.Fingerprints`. No implementation, right or wrong, ships with the course.
"""

import json
from pathlib import Path

import numpy as np
from bnlab.compare import as_array, difference
from bnlab.oracles import FOLDER, Functions
from bnlab.tasks import public_rng

from solutions import mutants
from solutions.exact import exact

__all__ = ["FOLDER", "same", "write"]


def write(task, references, folder=FOLDER):
    """Write the fingerprints of one task, unless the stored ones say the same: their last bits depend on the machine.

    A slip's leaf is stored where it differs from the right one. A case that a slip of rounding is known by
    (`Case.suspect`) stores nothing of that slip, for its digits are not the same on two machines.

    Parameters
    ----------
    task : bnlab.tasks.Task
    references : dict
        Namespace with the hidden solution under `task.answer`.
    folder : str or Path

    Returns
    -------
    Path
        Of `folder/<task.id>.npz`.
    """
    bank = mutants.bank(task.id)
    oracle = Functions(references[task.answer], bank, exact(task.id))
    arrays = {"messages": np.array(json.dumps(oracle.messages))}
    kinds = {}

    def put(key, value):
        kind = "none" if value is None else "tensor" if as_array(value) is not value else ""
        arrays[key] = np.zeros(0) if value is None else stored(as_array(value))
        kinds.update({key: kind} if kind else {})

    for position, case in enumerate(task.cases):
        truth = oracle.truth(task, case, case.inputs(public_rng(task.id, position)))
        for leaf, value in truth.expected.items():
            put(f"{case.name}|{leaf}", value)
        for name, leaves in truth.slips.items():
            if name == case.suspect:
                continue
            for leaf, value in leaves.items():
                right = truth.expected.get(leaf, value)
                if difference(leaf, value, right, case.tolerance):
                    put(f"{case.name}|{name}|{leaf}", value)
    if kinds:
        arrays["kinds"] = np.array(json.dumps(kinds))
    path = Path(folder) / f"{task.id}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.stem}.new.npz")
    np.savez_compressed(new, **dict(sorted(arrays.items())))
    if same(new, path):
        new.unlink()
    else:
        new.replace(path)
    return path


def stored(value):
    """A leaf as an array without objects.

    Raises
    ------
    TypeError
        For a leaf that is no array, number, bool or string.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biufU":
        raise TypeError(f"cannot store a leaf of type {type(value).__name__}")
    return array


def same(path, other):
    """Whether two fingerprint files say the same: equal keys and texts, numbers equal but for rounding."""
    path, other = Path(path), Path(other)
    if not (path.exists() and other.exists()):
        return False
    with np.load(path, allow_pickle=False) as a, np.load(other, allow_pickle=False) as b:
        return sorted(a.files) == sorted(b.files) and all(_alike(a[key], b[key]) for key in a.files)


def _alike(a, b):
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    tolerance = 1e-2 if a.dtype == np.float32 else 1e-6
    return bool(
        np.allclose(a, b, rtol=tolerance, atol=tolerance * np.nan_to_num(np.abs(a)).max(initial=0), equal_nan=True)
    )
