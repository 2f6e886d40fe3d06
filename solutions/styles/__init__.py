"""Right answers written in other ways (two-pass, einsum, Welford, ...): a fair examiner accepts them all."""

import importlib
import re
from pathlib import Path

_STYLES = {}


def style(*task_ids):
    """Register a right implementation of a task, or of several.

    Those of `backward` that are also registered for `backward-speed` are fast enough for the race; the others are not.
    """

    def register(function):
        for task_id in task_ids:
            styles_of_task = _STYLES.setdefault(task_id, {})
            if function.__name__ in styles_of_task:
                raise ValueError(f"{task_id} has two styles named {function.__name__}")
            styles_of_task[function.__name__] = function
        return function

    return register


def styles(task_id):
    """Name -> right implementation of a task, in other styles than the solution's.

    Modules that do not name the task are not loaded: those of the torch tasks import torch, which costs seconds.
    """
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        if re.search(rf'@style\([^)]*"{task_id}"', path.read_text(encoding="utf-8")):
            importlib.import_module(f"{__name__}.{path.stem}")
    return dict(_STYLES.get(task_id, {}))
