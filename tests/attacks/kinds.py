"""What an attack is, and the shapes that most attacks share."""

from dataclasses import dataclass

FORWARD, BACKWARD, DRIFT, TORCH = "03_forward", "04_backward", "02_internal_covariate_shift", "08_pytorch"

RIGHT = """
def batch_statistics(x):
    return x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)
"""
STATISTICS, GRADIENT = ("batch-statistics",), ("backward",)


@dataclass
class Attack:
    """One hostile submission.

    name : str
    code : str
        Put into the answer cell `cell`; the other answers are left open.
    earns : tuple of str
        Tasks that are rightly answered in it, and so may earn their points; no other may.
    flag : str
        Words that a line of the report must hold; "" where nothing can be told.
    said : str
        Words that the message of the cell's own test must hold.
    cell, notebook : str
    file : callable, optional
        Changes the notebook (a dict), or returns the bytes of the file.
    slow : bool
        Takes more than a few seconds: part of `make attacks` only.
    """

    name: str
    code: str = ""
    earns: tuple = ()
    flag: str = ""
    said: str = ""
    cell: str = "batch-statistics"
    notebook: str = FORWARD
    file: object = None
    slow: bool = False


def beside(name, attempt, flag="", **more):
    """An attempt beside a right answer: it fails, or does nothing, and the answer counts."""
    body = "".join(f"    {line}\n" for line in attempt.strip("\n").split("\n"))
    code = f"import os, sys, time\nimport numpy as np\n{RIGHT}\ntry:\n{body}except BaseException as error:\n"
    return Attack(name, code + "    print('stopped', type(error).__name__)\n", STATISTICS, flag, **more)


def inside(name, attempt, flag="", said="", task="batch_statistics", parameters="x", **more):
    """An attempt within the answer itself."""
    body = "".join(f"    {line}\n" for line in attempt.strip("\n").split("\n"))
    return Attack(
        name, f"import os, sys, time\nimport numpy as np\n\n\ndef {task}({parameters}):\n{body}", (), flag, said, **more
    )


def racing(name, code, flag=""):
    """A slow answer that looks for a way to be called fast."""
    return Attack(name, code, GRADIENT, flag, cell="backward", notebook=BACKWARD)
