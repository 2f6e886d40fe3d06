"""What the names of a notebook stood for before a later cell gave them something else, or changed what they hold.

A check below an answer sees the names of that moment. Who asks again when all cells have run, as `bnlab check` and the
grader do, meets later values: the source of another kernel, say, under a name that two cells share.
"""

import builtins
import contextlib
import functools
import types

import numpy as np

of_class = type.__getattribute__  # whatever a metaclass says
LARGE = 1 << 20  # bytes: larger arrays that were replaced are not kept
MANY, DEEP = 10_000, 3  # lists and dicts that are longer, or further inside others, are not looked into
MISSING = object()
INSIDE = {  # kind -> where it holds the function that runs
    **dict.fromkeys((staticmethod, classmethod, types.MethodType), ["__func__"]),
    **dict.fromkeys((functools.partial, functools.cached_property), ["func"]),
    type(functools.lru_cache(len)): ["__wrapped__"],
    property: ["fget", "fset"],
    np.vectorize: ["pyfunc"],
}


class Past:
    """The history of a namespace, cell by cell: old values of the names that its functions use.

    Parameters
    ----------
    names : dict
        The namespace in which cells run.
    """

    def __init__(self, names):
        self.names, self.cells, self.born, self.gone = names, 0, {}, []
        self.used, self.present = set(), {}

    @contextlib.contextmanager
    def cell(self):
        """Around each cell."""
        before = dict(self.names)
        copies = {name: copied(before[name]) for name in self.used & before.keys()}
        try:
            yield
        finally:
            self.cells += 1
            now = dict(self.names)
            for name in {**before, **now}:
                # a name of Python's own is one before `sum = 0`, and after `del sum`
                old, new = (some.get(name, vars(builtins).get(name, MISSING)) for some in (before, now))
                if old is not new and callable(new):
                    self.born[name] = self.cells
                    self.used |= mentioned(new, self.names)
                old = copies.get(name, old)
                if name in self.used and old is not MISSING and differ(old, new) and not is_large(old):
                    self.gone.append((self.cells, name, old))

    def visit(self, answers):
        """Give the names that these answers use the values of when these were defined; without answers, those of now.

        Returns
        -------
        bool
            Whether any is another.
        """
        self._put(self.present)
        then = self.when(answers)
        self.present = {name: self.names.get(name, MISSING) for name in then}
        self._put(then)
        return bool(then)

    def _put(self, values):
        for name, value in values.items():
            if value is MISSING:
                self.names.pop(name, None)
            else:
                self.names[name] = value

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
        used = reached({**self.names, **then}, self.names, answers)
        return {name: value for name, value in then.items() if name in used and name not in answers}


def is_large(value):
    """Whether a value is an array of so many bytes, of whatever library."""
    try:
        size = value.nbytes
    except Exception:  # whatever a student's object does when it is asked
        return False
    return type(size) is int and size > LARGE


def copied(value, deep=DEEP):
    """A copy of a list, dict, set or array, with a copy of what it holds of these; anything else as it is."""
    kind = type(value)
    if kind is np.ndarray:
        return value if is_large(value) else value.copy()
    if kind not in (list, tuple, dict, set) or not deep or len(value) > MANY:
        return value
    if kind is set:
        return set(value)
    if kind is dict:
        return {key: copied(one, deep - 1) for key, one in value.items()}
    return kind(copied(one, deep - 1) for one in value)


def differ(one, other):
    """Whether a value, or one that `copied` has made, is another than this one."""
    kind = type(one)
    if one is other or kind is not type(other):
        return one is not other
    if kind is np.ndarray:
        return (one.shape, one.dtype, one.tobytes()) != (other.shape, other.dtype, other.tobytes())
    if kind is set:
        return one != other
    if kind is dict:
        one, other = ([part for item in each.items() for part in item] for each in (one, other))
    elif kind not in (list, tuple):
        return True
    return len(one) != len(other) or any(map(differ, one, other))


def reached(values, names, answers):
    """The names that the functions and classes of these names use, and those that these use.

    values : dict
        name -> value.
    names : dict
        The namespace in which these functions look names up.
    """
    found, waiting = set(), list(answers)
    while waiting:
        name = waiting.pop()
        if name in values and name not in found:
            found.add(name)
            waiting += mentioned(values[name], names)
    return found


def mentioned(value, names):
    """All names in the code of this namespace that a value runs: that of functions, wrapped ones too, of methods of
    classes, and of objects of the notebook's own classes."""
    waiting, seen, found = [value], set(), set()
    while waiting:
        part = waiting.pop()
        kind = type(part)
        if id(part) in seen:
            continue
        seen.add(id(part))
        if kind is types.FunctionType:
            for cell in part.__closure__ or ():
                with contextlib.suppress(ValueError):  # it is empty
                    waiting.append(cell.cell_contents)
            waiting += [part.__code__] if part.__globals__ is names else []
        elif kind is types.CodeType:
            found.update(part.co_names)
            waiting += [constant for constant in part.co_consts if type(constant) is types.CodeType]
        elif issubclass(kind, type):
            waiting += [one for base in of_class(part, "__mro__") for one in of_class(base, "__dict__").values()]
        elif kind in INSIDE:
            waiting += [getattr(part, place) for place in INSIDE[kind]]
        elif of_class(kind, "__dict__").get("__module__") == names.get("__name__", "builtins"):
            waiting.append(kind)
    return found
