"""What answers race against on a GPU, as text for a worker: it cannot read this folder, and needs nothing of it."""

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


def cells(name):
    """The cells of a rival.

    Parameters
    ----------
    name : "fused" | "block" | "best" | ""
        Three kernels of notebook 09; for notebook 10 the hidden kernels with one block a channel, or in the best tier
        for each shape; nothing but the notebook's own solution.

    Returns
    -------
    list of (id, source)
    """
    if not name:
        return []
    if name == "fused":
        return [("fused", (FOLDER / "fused.py").read_text(encoding="utf-8"))]
    texts = {"solutions": "", "solutions.kernels": ""}
    texts |= {f"solutions.kernels.{part}": (FOLDER / f"{part}.py").read_text("utf-8") for part in ("plan", "launch")}
    package = f"TEXTS = {texts!r}\nSOURCES = { {layout: launch.source(layout) for layout in launch.FILES}!r}\n{PACKAGE}"
    by_hand = (FOLDER / "by_hand.py").read_text(encoding="utf-8")
    tier = None if name == "best" else name
    return [("hidden kernels", package), ("by_hand", by_hand), ("tier", f"TIER = {tier!r}")]
