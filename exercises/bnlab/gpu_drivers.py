"""Test drives of answers on the GPU: arrays go to the device, the answer is called, plain arrays and words come back.

Words say what the numbers cannot: whether something went through the host, whether a dtype grew, and how often the
images were read and written. On a real GPU only the first two are looked at, and of the first only where results are.
"""

import numpy as np

from bnlab.answers import ChangedArguments, Misshapen, same
from bnlab.compare import flatten, leaves_of

WHERE, DTYPE = "where the work was done", "the dtype of the results"
PASSES = "the number of passes over the images"
DEVICE, COPIED, HOST, KEPT = "on the device", "partly on the host", "results on the host", "that of the input"
TRAIN = ("y", ("x_hat", "inv_std", "gamma"))
TRAIN_FUSED = ("y", ("x", "mu", "inv_std", "gamma"))
BACKWARD = ("dx", "dgamma", "dbeta")
FORWARD_PASSES, BACKWARD_PASSES = 4, 6  # two reductions and one elementwise kernel
FREE = 0.3  # of a pass: a look at a few numbers, to choose a shift


def leaves(template, fused=False):
    """The `returns` of a task: the leaves of its result, and what is said in words."""
    return {name: name for name in (*leaves_of(template), WHERE, DTYPE, *((PASSES,) if fused else ()))}


def drive_train(function, inputs):
    """The forward pass in array operations."""
    return launched(function, inputs, ("x", "gamma", "beta"), TRAIN)


def drive_backward(function, inputs):
    """The backward pass in array operations."""
    return launched(function, inputs, ("dy", "cache"), BACKWARD)


def drive_train_fused(function, inputs):
    """The forward pass in fused kernels."""
    return launched(function, inputs, ("x", "gamma", "beta"), TRAIN_FUSED, FORWARD_PASSES)


def drive_backward_fused(function, inputs):
    """The backward pass in fused kernels."""
    return launched(function, inputs, ("dy", "cache"), BACKWARD, BACKWARD_PASSES)


def launched(function, inputs, names, template, limit=None):
    """Call the answer on device arrays.

    Parameters
    ----------
    function : callable
    inputs : dict
        With NumPy arrays; "eps" is passed by keyword where it is there.
    names : tuple of str
        Of the arguments by position.
    template : tuple
        Of the result.
    limit : int, optional
        Reads and writes of arrays as large as the first argument that are allowed; None counts none.

    Returns
    -------
    dict
        Leaf -> NumPy array or words, see `leaves`.

    Raises
    ------
    Misshapen
        Where the result does not have the template's structure.
    ChangedArguments
    """
    from bnlab.gpu import simulate

    arguments = [to_device(inputs[name]) for name in names]
    options = {"eps": inputs["eps"]} if "eps" in inputs else {}
    with simulate(firm=True) as log:
        result = function(*arguments, **options)
    changed = [name for name, value in zip(names, arguments) if not same(to_host(value), inputs[name])]
    if changed:
        raise ChangedArguments(changed)
    found, problem = flatten(result, template, "the result")
    if problem:
        raise Misshapen(problem.text)
    dtype = inputs[names[0]].dtype
    grown = [value.dtype.name for value in found.values() if getattr(value, "dtype", dtype) != dtype]
    words = {WHERE: place(found.values(), log), DTYPE: grown[0] if grown else KEPT}
    if limit:
        few = passes(log, inputs[names[0]]) <= limit + FREE
        words[PASSES] = f"{'at most' if few else 'more than'} {limit}"
    return {name: narrowed(to_host(value), dtype) for name, value in found.items()} | words


def place(values, log):
    """In words, whether everything stayed on the device."""
    if any(isinstance(value, np.generic) or type(value) is np.ndarray for value in values):
        return HOST
    return COPIED if log.transfers else DEVICE


def passes(log, array):
    """How often arrays of this size, or views of such, were read or written."""
    traffic = [one for launch in log.launches for one in launch.arrays if one.whole >= array.nbytes]
    return sum(one.loaded + one.stored for one in traffic) / array.nbytes


def narrowed(value, dtype):
    """A float array in the dtype of the input: that it grew is told in words."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def to_device(value):
    """Copies of the arrays on the device, tuples kept."""
    from bnlab.gpu import xp

    return tuple(to_device(part) for part in value) if isinstance(value, tuple) else xp.array(value)


def to_host(value):
    """Device arrays as NumPy arrays, tuples kept; what is no array as it is."""
    from bnlab.gpu import xp

    if isinstance(value, tuple):
        return tuple(to_host(part) for part in value)
    return xp.asnumpy(value) if isinstance(value, xp.ndarray) else value
