"""Runs the cells of a notebook in the reader's browser and says what Jupyter would say; worker.js calls it."""

import linecache
import sys
import traceback

import numpy as np
from bnlab.cells import plain_python
from pyodide.code import eval_code

namespace = {"__name__": "__main__"}
sys.stdout.reconfigure(line_buffering=True)


def run(source, name):
    """Execute a cell; its last expression is printed, as in Jupyter.

    Parameters
    ----------
    source : str
    name : str
        Of the cell, for tracebacks.

    Returns
    -------
    kind : str
        "" where all went well, "check" for an answer that is not right, "missing" for a task that is not answered,
        else the name of the exception.
    text : str
        What Jupyter would show of the exception.
    """
    file = f"<cell {name}>"
    try:
        source = plain_python(source)
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        value = eval_code(source, namespace, filename=file)
        if value is not None:
            print(repr(value))
        return "", ""
    except BaseException as error:  # a cell may also end Python: here it only ends itself
        if hasattr(error, "_render_traceback_"):
            return "check", "\n".join(error._render_traceback_())
        kind = "missing" if isinstance(error, NotImplementedError) else type(error).__name__
        return kind, "".join(traceback.format_exception(type(error), error, own_frames(error.__traceback__)))
    finally:
        sys.stdout.flush()


def versions():
    """What runs here, for the reader."""
    return f"Python {sys.version.split()[0]} and NumPy {np.__version__}"


def own_frames(frames):
    """A traceback from the first line of a cell on."""
    while frames and not frames.tb_frame.f_code.co_filename.startswith("<cell "):
        frames = frames.tb_next
    return frames
