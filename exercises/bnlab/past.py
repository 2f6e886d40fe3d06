"""What the names of a notebook stood for before a later cell gave them something else.

A check below an answer sees the names of that moment. Who asks again when all cells have run, as `bnlab check` and the
grader do, meets later values: the source of another kernel, say, under a name that two cells share.
"""

import contextlib
import types

import numpy as np


class Past:
    """The history of a namespace, cell by cell; arrays that were replaced are not kept.

    Parameters
    ----------
    names : dict
        The namespace in which cells run.
    """

    def __init__(self, names):
        self.names, self.cells, self.born, self.gone = names, 0, {}, []

    @contextlib.contextmanager
    def cell(self):
        """Around each cell."""
        before = dict(self.names)
        try:
            yield
        finally:
            self.cells += 1
            for name, value in self.names.items():
                new = name not in before
                if (new or before[name] is not value) and callable(value):
                    self.born[name] = self.cells
                if not new and before[name] is not value and not isinstance(before[name], np.ndarray):
                    self.gone.append((self.cells, name, before[name]))

    def when(self, answers):
        """What other values the names had, of those that these answers use, when the last of them was defined.

        Parameters
        ----------
        answers : list of str
            Names of functions or classes.

        Returns
        -------
        dict
            name -> its value then; most often there is none.
        """
        moment = max((self.born.get(name, 0) for name in answers), default=0)
        then = {name: value for cell, name, value in reversed(self.gone) if cell > moment}
        used = reached({**self.names, **then}, answers)
        return {name: value for name, value in then.items() if name in used and name not in answers}


def reached(names, answers):
    """The names of a namespace that its functions and classes of these names use, and those that these use."""
    found, waiting = set(), list(answers)
    while waiting:
        name = waiting.pop()
        if name in names and name not in found:
            found.add(name)
            waiting += mentioned(names[name])
    return found


def mentioned(value):
    """All names in the code of a function, or of the methods of a class."""
    parts = list(vars(value).values()) if isinstance(value, type) else [value]
    codes = [part.__code__ for part in parts if isinstance(part, types.FunctionType)]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return {name for code in codes for name in code.co_names}
