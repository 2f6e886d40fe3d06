"""Run the exercise notebooks as a student gets them; needs NumPy, Jupyter's kernel and nbclient, nothing of the course.

    python tests/run_notebooks.py exercises

Only unanswered tasks may fail. Notebooks that need a package which is not installed are named and left out.
"""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config


def left_out(name):
    """Why a notebook cannot run here, or ""."""
    if name == "08_pytorch" and importlib.util.find_spec("torch") is None:
        return "torch is not installed"
    if name in ("09_cupy", "10_cuda") and sys.platform != "linux":
        return "the simulated GPU needs Linux"
    return ""


def executed(notebook, folder):
    """The notebook after all its cells have run in a fresh kernel, in a folder."""
    place = {"metadata": {"path": str(folder)}}
    with tempfile.TemporaryDirectory() as sockets:
        # not over TCP: the ports that a kernel is told may be taken by another program before it opens them
        line = {"transport": "ipc", "ip": f"{sockets}/k"} if os.name == "posix" else {}
        options = {"timeout": 300, "startup_timeout": 180, "allow_errors": True, "config": Config(KernelManager=line)}
        return NotebookClient(notebook, kernel_name="python3", resources=place, **options).execute()


def errors(notebook):
    """Cell -> the error that it ended with."""
    outputs = [(cell.get("id"), output) for cell in notebook.cells for output in cell.get("outputs", [])]
    return {cell: output for cell, output in outputs if output.output_type == "error"}


def problems(notebook):
    """What failed in an executed notebook although it is no unanswered task."""
    return [
        f"{cell}: {error.ename}: {error.evalue}"
        for cell, error in errors(notebook).items()
        if error.ename != "NotImplementedError" and "not answered yet" not in error.evalue
    ]


def main(folder):
    """Run all; 0 if nothing is wrong."""
    paths = sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))
    found = [] if paths else [f"there are no notebooks in {folder}"]
    for path in paths:
        if left_out(path.stem):
            print(f"{path.name}: left out, {left_out(path.stem)}")
            continue
        here = problems(executed(nbformat.read(path, as_version=4), path.resolve().parent))
        print(f"{path.name}: {'wrong' if here else 'fine'}")
        found += [f"{path.name}, {line}" for line in here]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
