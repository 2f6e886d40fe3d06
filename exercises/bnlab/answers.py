"""A student's answer as the examiner sees it: something to call, and the ways in which a call can fail.

The same examiner judges a function of this process (`LocalAnswer`, at home) and a function that lives in another
process (the autograder's proxy); both raise the errors below and nothing else.
"""

import ast
import contextlib
import inspect
import linecache
import os
import sys
import textwrap
import traceback

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
LONGEST = 300  # characters that are shown of an exception's text, or of a line of code


class AnswerError(Exception):
    """A call of an answer that gave no result.

    kind : "missing" | "raised" | "changed" | "timeout" | "crashed" | "needs-person"
    """

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind
        self.text = text


class ChangedArguments(Exception):
    """Raised by a driver that saw the answer write into its arguments; `names` says which."""

    def __init__(self, names):
        super().__init__(", ".join(names))
        self.names = names


class Misshapen(TypeError):
    """Raised by a driver whose answer's result has not the structure that the task asks for; says what it is."""


class LocalAnswer:
    """A function or class defined in this process.

    Arguments are copied before each call, so a function that writes into them is found out and harms nothing.
    """

    def __init__(self, function, name=None):
        self.function = function
        self.name = name or getattr(function, "__name__", "your answer")

    def parameters(self):
        """Names of the parameters, or None where they cannot be told."""
        return parameters_of(self.function)

    def kind(self):
        """What the name stands for: "function", "class", or the type's name for anything else."""
        if inspect.isclass(self.function):
            return "class"
        return "function" if callable(self.function) else type(self.function).__name__

    def __call__(self, *args, **kwargs):
        value = call_on_copies(self.function, self.name, args, kwargs)
        return LocalObject(value, self.name) if self.kind() == "class" else value

    def drive(self, driver, inputs):
        """Run a driver of bnlab beside the answer, here in this process."""
        with student_errors(self.name):
            return driver(self.function, copy_arguments(inputs))


class LocalObject:
    """An instance of a student's class: attributes are read and set on it, errors are told as for functions."""

    def __init__(self, instance, name):
        object.__setattr__(self, "_instance", instance)
        object.__setattr__(self, "_name", name)

    def __getattr__(self, attribute):
        with student_errors(self._name):
            value = getattr(self._instance, attribute)
        if inspect.ismethod(value):
            return lambda *args, **kwargs: call_on_copies(value, f"{self._name}.{attribute}", args, kwargs)
        return value

    def __setattr__(self, attribute, value):
        with student_errors(self._name):
            setattr(self._instance, attribute, value)

    def __call__(self, *args, **kwargs):
        return call_on_copies(self._instance, self._name, args, kwargs)


def parameters_of(function):
    """Names of a function's parameters; None for builtins and for wrappers that take `*args`."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return None if any(one.kind in loose for one in found.values()) else list(found)


def call_on_copies(function, name, args, kwargs):
    """Call a student's function on copies of the arguments; an argument that it changes is an AnswerError."""
    args, kwargs = copy_arguments(args), copy_arguments(kwargs)
    before = copy_arguments(args), copy_arguments(kwargs)
    with student_errors(name):
        value = function(*args, **kwargs)
    changed = changed_arguments(function, before, (args, kwargs))
    if changed:
        raise AnswerError("changed", changed_text(name, changed))
    return value


@contextlib.contextmanager
def student_errors(name):
    """Turn whatever a student's code raises into an AnswerError that points at the student's own line."""
    try:
        yield
    except AnswerError:
        raise
    except ChangedArguments as changed:
        raise AnswerError("changed", changed_text(name, changed.names)) from None
    except (Exception, SystemExit) as error:
        if isinstance(error, NotImplementedError) and not is_foreign(error):
            raise AnswerError("missing", missing_text(name, message_of(error), begun(error))) from None
        kind = getattr(error, "answer_kind", "raised")  # bnlab's own errors may know better
        frames = traceback.walk_tb(error.__traceback__)
        raise AnswerError(kind, raised_text(name, type(error).__name__, message_of(error), *own_line(frames))) from None


def message_of(error):
    """The text of an exception, whatever a student's class makes of it."""
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


def is_own(filename):
    """Whether a line of a traceback is the student's, and can be shown: of code in a string there is no source."""
    return not is_library(filename) and not filename.startswith((HERE, "<frozen", "<string>"))


def own_line(frames, is_own=is_own):
    """Where in the student's code something happened.

    Parameters
    ----------
    frames : iterable of (frame, line number)
        The outermost first, as `traceback.walk_tb` has them.
    is_own : callable
        File name -> whether it is the student's.

    Returns
    -------
    (line number, source, helper) of the deepest of the student's frames, ("", "", "") where there is none; helper is
    "" in the function that was called, else such as "normalize" or "normalize, in another cell".
    """
    own = [(frame.f_code, line) for frame, line in frames if line and is_own(frame.f_code.co_filename)]
    if not own:
        return "", "", ""
    (asked, _), (code, line) = own[0], own[-1]
    linecache.checkcache(code.co_filename)
    return line, linecache.getline(code.co_filename, line).strip(), helper_of(asked, code)


def helper_of(asked, code):
    """The function in which an error was raised, where it is not the one that was asked, and where it stands."""
    first, last = (one.co_qualname.split(".<")[0] for one in (asked, code))  # a lambda in it is a part of it
    if code.co_filename == asked.co_filename:
        return last if last != first else ""
    file = os.path.basename(code.co_filename) if os.path.isfile(code.co_filename) else "another cell"
    return f"{last}, in {file}"


def is_library(filename):
    """Whether a line of a traceback stands in Python's own or an installed library, other than bnlab."""
    installed = any(part in filename for part in ("site-packages", "/lib/python3", ".pyx"))
    return installed and not filename.startswith(HERE)


def is_foreign(error):
    """Whether a library raised it: `input()` does so in a notebook that runs by itself, with NotImplementedError."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and is_library(frames[-1].filename)


def begun(error):
    """Whether the function that raised NotImplementedError does more than raise it: a line that was left behind."""
    frame = next((frame for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__)))), None)
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(frame.f_code))).body[0].body
    except (OSError, TypeError, SyntaxError, AttributeError, IndexError):
        return False  # no source to look at
    return len(body) - (ast.get_docstring(ast.Module(body, [])) is not None) > 1


def missing_text(name, task, begun):
    """One sentence on an answer that raises NotImplementedError."""
    cure = "; it still has the line `raise NotImplementedError`: delete it" if begun else ""
    return f"{name} is not written yet{f' ({task})' if task else ''}{cure}."


def raised_text(name, error_type, message, line="", source="", helper=""):
    """One sentence on an exception: what, in which function, at which of the student's lines."""
    if error_type == Misshapen.__name__:
        return f"{name}: {message}"
    first, *more = shortened(message).split("\n")
    return "\n".join([f"{name} raised {error_type}: {first}{line_text(line, source, helper)}", *more])


def line_text(line, source="", helper=""):
    """What `own_line` found, as it follows upon a sentence: " (in line 6 of normalize: return x / s)"."""
    of = f" of {helper}" if helper else ""
    return f" (in line {line}{of}{f': {shortened(source)}' if source else ''})" if line else ""


def shortened(text):
    """The beginning of a text."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def changed_text(name, changed):
    """One sentence on arguments that a function wrote into."""
    return (
        f"{name} changed its argument {', '.join(changed)} in place; return new arrays and leave the arguments alone"
        " (write `x = x - mu`, not `x -= mu`)."
    )


def is_tensor(value):
    """Whether a value is a torch tensor; torch is not imported for the question."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def copy_arguments(value):
    """A deep copy of the arrays and tensors in nested tuples, lists and dicts, layout kept; the rest as it is."""
    if isinstance(value, np.ndarray):
        return copy_array(value)
    if is_tensor(value):
        return copy_tensor(value)
    if isinstance(value, (tuple, list)):
        return type(value)(copy_arguments(item) for item in value)
    if isinstance(value, dict):
        return {key: copy_arguments(item) for key, item in value.items()}
    return value


def copy_array(array):
    """Copy an array and keep its layout: C, Fortran, or every second row of a larger buffer (neither)."""
    if array.flags.c_contiguous or array.flags.f_contiguous:
        return array.copy(order="K")
    return strided(array)


def strided(array):
    """The same values in memory that is neither C- nor Fortran-contiguous: every second row of a larger buffer."""
    buffer = np.full((2 * array.shape[0],) + array.shape[1:], np.nan if array.dtype.kind == "f" else 0, array.dtype)
    buffer[::2] = array
    return buffer[::2]


def copy_tensor(tensor):
    """Copy a tensor without its graph: same layout (dense, or every second row of a larger buffer), same dtype."""
    values = tensor.detach()
    copy = values.clone()  # keeps the order of the axes in memory, where there are no gaps
    if copy.stride() != values.stride() and values.ndim:
        buffer = values.new_zeros((2 * values.shape[0],) + values.shape[1:])
        buffer[::2] = values
        copy = buffer[::2]
    return copy.requires_grad_(tensor.requires_grad)


def changed_arguments(function, before, after):
    """Names of the arguments whose values differ before and after a call.

    before, after : (args, kwargs)
    """
    if same(before, after):
        return []
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    named_before, named_after = dict(before[1]), dict(after[1])
    for position, (old, new) in enumerate(zip(before[0], after[0])):
        name = names[position] if position < len(names) else f"number {position + 1}"
        named_before[name], named_after[name] = old, new
    return [name for name, old in named_before.items() if not same(old, named_after[name])]


def same(a, b):
    """Exact equality of nested values; NaN equals NaN."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if is_tensor(a):
        return is_tensor(b) and same(a.detach().cpu().numpy(), b.detach().cpu().numpy())
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a is b or a == b
