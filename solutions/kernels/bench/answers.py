"""A student's batch normalization out of a notebook or a script, to be trained with."""

import json
from pathlib import Path


class AnswersError(Exception):
    """A file that cannot be trained with; the text is one line that says why."""


def answered(path, say=print):
    """The pair of functions that a file defines: those of notebook 10, else those of notebook 09.

    Raises
    ------
    AnswersError
    """
    space = read_answers(path, say)
    names = [[f"batchnorm_{way}_{kind}" for way in ("train", "backward")] for kind in ("cuda", "fused")]
    both = next((pair for pair in names if set(pair) <= space.keys()), None)
    if both is None:
        wanted = " nor ".join(" and ".join(pair) for pair in names)
        raise AnswersError(f"{path} defines neither {wanted}; expected notebook 09 or 10, or a script with such a pair")
    return [space[name] for name in both]


def read_answers(path, say=print):
    """The names that a notebook's or a script's code defines; test cells are left out, and cells that raise.

    Raises
    ------
    AnswersError
        Where the file cannot be read, or a script stops.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        cells = cells_of(text) if path.suffix == ".ipynb" else [(path.name, text)]
    except OSError as error:
        raise AnswersError(f"{path} cannot be read: {error.strerror}; name a notebook (.ipynb) or a script") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AnswersError(f"{path} is {'no notebook' if path.suffix == '.ipynb' else 'no text in UTF-8'}") from None
    space = {"__name__": "answers"}
    exec("import numpy as np\nfrom bnlab.gpu import *\nfrom bnlab.gpu import ElementwiseKernel, xp", space)
    for name, source in cells:
        try:
            exec(compile(source, name, "exec"), space)
        except (Exception, SystemExit) as error:
            why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            if path.suffix != ".ipynb":
                raise AnswersError(f"{path} stops with {why}") from None
            say(f"  the cell {name} is left out: {why}")
    return space


def cells_of(text):
    """The answer cells of a notebook: (id, source)."""
    tagged = [(cell["metadata"].get("nbgrader", {}), cell) for cell in json.loads(text)["cells"]]
    chosen = [(tag, cell) for tag, cell in tagged if cell["cell_type"] == "code" and tag.get("solution")]
    return [(tag.get("grade_id", "without a name"), "".join(cell["source"])) for tag, cell in chosen]


def require_right(norm, place):
    """Refuse a layer that does not compute what PyTorch's does: its training would say nothing.

    Raises
    ------
    AnswersError
    """
    import torch

    given = torch.Generator().manual_seed(0)
    x, dy = (torch.randn(4, 5, 6, 7, generator=given).to(place) for _ in range(2))
    results = []
    for layer in (norm(5), torch.nn.BatchNorm2d(5, track_running_stats=False)):
        values, layer = x.clone().requires_grad_(), layer.to(place)
        y = layer(values)
        y.backward(dy)
        results.append({"y": y, "dx": values.grad, "dgamma": layer.weight.grad, "dbeta": layer.bias.grad})
    for name, wanted in results[1].items():
        got = results[0][name]
        if got.shape != wanted.shape or got.dtype != wanted.dtype:
            about = [f"{tuple(one.shape)} in {str(one.dtype).removeprefix('torch.')}" for one in (wanted, got)]
            raise AnswersError(f"not trained: {name} is {about[1]}; expected {about[0]}")
        worst = (got - wanted).abs().nan_to_num(torch.inf).argmax()
        expected, found = wanted.flatten()[worst].item(), got.flatten()[worst].item()
        if not abs(found - expected) <= 1e-3 * max(1.0, wanted.abs().max().item()):
            raise AnswersError(f"not trained: {name} is not PyTorch's: expected {expected:.6g}, got {found:.6g}")
