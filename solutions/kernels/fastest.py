"""The fastest kernels of the course, as text for a worker: it cannot read this folder, and needs nothing of it."""

from pathlib import Path

from solutions.kernels import launch

FOLDER = Path(__file__).resolve().parent
PACKAGE = """
import sys
import types

for name, text in TEXTS.items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__file__ = name
    exec(compile(text, name, "exec"), module.__dict__)
    if "." in name:
        setattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2], module)
sys.modules["solutions.kernels.launch"].source = SOURCES.__getitem__
"""


def cells():
    """The cells that define them under the names of notebook 10's tasks.

    Returns
    -------
    list of (id, source)
    """
    texts = {"solutions": "", "solutions.kernels": ""}
    texts |= {f"solutions.kernels.{part}": (FOLDER / f"{part}.py").read_text("utf-8") for part in ("plan", "launch")}
    package = f"TEXTS = {texts!r}\nSOURCES = { {layout: launch.source(layout) for layout in launch.FILES}!r}\n{PACKAGE}"
    return [("hidden kernels", package), ("by_hand", (FOLDER / "by_hand.py").read_text(encoding="utf-8"))]
