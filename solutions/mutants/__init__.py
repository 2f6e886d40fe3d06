"""Known slips: complete wrong implementations, each named by its slip and with the words that explain it.

The examiner compares a wrong answer with them; where one gives the same numbers, its words are what the student reads.
"""

import importlib
from pathlib import Path

_BANK = {}
# the same function, judged a second time
_SAME = {"backward-speed": "backward", "batchnorm2d-speed": "batchnorm2d-backward", "train-speed": "train"}
_SAME |= {"fused-train-speed": "fused-train", "fused-backward-speed": "fused-backward"}
_SAME |= {"cuda-train-speed": "cuda-train", "cuda-backward-speed": "cuda-backward"}


def mutant(task_id, says):
    """Register a function or class as a known slip of a task.

    Parameters
    ----------
    task_id : str
    says : str
        One or two sentences to the student: what the slip is, what is right, and why.

    Raises
    ------
    ValueError
        Where the task has a slip of that name already.
    """

    def register(function):
        slips = _BANK.setdefault(task_id, {})
        if function.__name__ in slips:
            raise ValueError(f"{task_id} has two slips named {function.__name__}")
        slips[function.__name__] = (function, says)
        return function

    return register


def bank(task_id):
    """The known slips of a task; those of `forward-train` stand in forward_train.py.

    No other module is loaded: slips of the torch tasks import torch, which the NumPy notebooks do without.

    Returns
    -------
    dict
        Name of the slip -> (wrong implementation, message); empty for a task without any.
    """
    task_id = _SAME.get(task_id, task_id)
    module = task_id.replace("-", "_")
    if (Path(__file__).parent / f"{module}.py").exists():
        importlib.import_module(f"{__name__}.{module}")
    return dict(_BANK.get(task_id, {}))
