"""What can be said about a wrong answer that no known slip explains: identities, ratios, shapes, numbers of axes."""

import itertools

import numpy as np

from bnlab.compare import alike, as_array, constant_ratio


def remark(failing, task, tested):
    """What the task's identities or a constant ratio tell about the first wrong values.

    Where rounding is what a case is about, an identity does not hold to the digit: such a case is not asked.

    Parameters
    ----------
    failing : list of bnlab.diagnosis.Observation
    task : bnlab.tasks.Task
    tested : str
        The case that the student reads about; what is seen in another one is told with its name.

    Returns
    -------
    str
        "" where there is nothing to say.
    """
    for seen in failing:
        text = _on_one_case(seen, task, seen.case.name == tested) if seen.case.suspect is None else ""
        if text:
            return f'In the case "{seen.case.name}": {text}' if seen.case.name != tested else text
    return ""


def _on_one_case(seen, task, told):
    shapes = [gap.leaf for gap in seen.gaps if gap.kind == "shape"]
    texts = [
        text(leaf, as_array(seen.got[leaf]), as_array(seen.truth.expected[leaf]), seen.case.tolerance)
        for leaf in shapes
        for text in (_sum_left_out, _axes_turned)
    ]
    texts += [
        _over_other_axes(leaf, as_array(seen.got[leaf]), as_array(seen.truth.expected[leaf]), seen.inputs)
        for leaf in shapes
    ]
    if any(texts):
        return next(filter(None, texts))
    if any(gap.kind != "value" for gap in seen.gaps):
        return ""
    texts = (own(seen.inputs, seen.truth.expected, seen.got) for own in task.remarks)
    return next(filter(None, texts), "") or _of_ratio(seen, told) or _of_whole_numbers(seen)


def _of_ratio(seen, told):
    """A sentence on entries that are all the same multiple of the right ones, or "".

    Zeros alone are remarked on in the case that the student reads about: in another one they may be what underflows.
    """
    leaf = seen.wrong[0]
    if leaf.endswith("at the start"):
        return ""  # what a layer begins with is told by the two numbers
    ratio = constant_ratio(seen.got[leaf], seen.truth.expected[leaf])
    if ratio == 0:
        why = "nothing is ever written to it, it is multiplied by 0, or a number is subtracted from itself"
        return f"Every entry of {leaf} is 0: {why}." if told else ""
    if ratio is not None and f"{ratio:.6g}" == "1":
        return (
            f"{leaf} is right, but only to some digits: a step on the way to it is less precise than its dtype, such "
            "as float32 instead of float64."
        )
    if ratio is not None:
        return f"Every entry of {leaf} is {ratio:.6g} times the expected one{_name_number(ratio, seen.inputs)}."
    return ""


def _of_whole_numbers(seen):
    """A sentence on entries that have lost what stands behind their point, or ""."""
    leaf = seen.wrong[0]
    got, expected = (np.asarray(as_array(value[leaf])) for value in (seen.got, seen.truth.expected))
    if got.dtype.kind not in "iuf" or expected.dtype.kind != "f" or (np.abs(got) > 1e6).any():  # no digits behind it
        return ""
    rounded = next((k for k in (1, 2, 3, 4) if (got == np.round(expected, k)).all()), None) if got.any() else None
    if rounded and (got != np.round(got)).any():
        return f"{leaf} is right, but rounded to {rounded} decimal{'s' * (rounded > 1)}: return it unrounded."
    if not got.any() or (got != np.round(got)).any() or (expected == np.round(expected)).any():
        return ""
    every = f"Every entry of {leaf}" if got.size > 1 else leaf
    return f"{every} is a whole number: on the way to it something is an int or is rounded, and loses its decimals."


def other_order(seen, task):
    """A sentence on results that are right but for their order, or "".

    Parameters
    ----------
    seen : bnlab.diagnosis.Observation
    task : bnlab.tasks.Task
    """
    if not task.on_device and (task.driver or not isinstance(task.returns, tuple)):
        return ""
    left = {name: value for name, value in seen.truth.expected.items() if not isinstance(value, str)}
    wanted, found = list(left), []
    for value in (seen.got[name] for name in wanted):
        name = next((name for name, right in left.items() if alike(value, right, seen.case.tolerance)), None)
        if name is None:
            return ""
        found.append(name)
        del left[name]
    if found == wanted:
        return ""
    return f"The values are right, but in another order: yours are {', '.join(found)}; expected {', '.join(wanted)}."


def _over_other_axes(leaf, got, expected, inputs):
    """A sentence on a leaf whose shape shows over which axes of the images it was summed, or ""."""
    x = next((inputs[name] for name in ("x", "dy") if isinstance(inputs.get(name), np.ndarray)), None)
    if x is None or x.ndim != 4 or 1 in x.shape or expected.shape != x.shape[1:2]:
        return ""  # lengths of 1 do not tell one axis from another
    choices = [axes for count in (1, 2, 3) for axes in itertools.combinations(range(4), count) if axes != (0, 2, 3)]
    left = [[length for axis, length in enumerate(x.shape) if axis not in axes] for axes in choices]
    kept = [[1 if axis in axes else length for axis, length in enumerate(x.shape)] for axes in choices]
    fitting = [axes for axes, *shapes in zip(choices, left, kept) if list(got.shape) in shapes]
    if len(fitting) != 1:
        return ""
    axes = fitting[0] if fitting[0][1:] else fitting[0][0]
    return (
        f"{leaf} has the shape that a reduction over axis={axes} leaves. All images and positions of a channel share "
        "one number: axis=(0, 2, 3)."
    )


def _axes_turned(leaf, got, expected, tolerance):
    """A sentence on a leaf that is right but for the order of its axes, or ""."""
    for order in itertools.permutations(range(got.ndim)) if got.ndim == expected.ndim <= 4 else ():
        if got.transpose(order).shape == expected.shape and alike(got.transpose(order), expected, tolerance):
            return f"{leaf} is right but for the order of its axes: transpose{order} brings them back."
    return ""


def _sum_left_out(leaf, got, expected, tolerance):
    """A sentence on a leaf that lacks no more than its sum or mean over the samples, or ""."""
    if expected.ndim != 1 or got.ndim not in (2, 4) or got.shape[1:2] != expected.shape or got.dtype.kind != "f":
        return ""
    axes = (0,) if got.ndim == 2 else (0, 2, 3)
    over = "samples, axis 0" if got.ndim == 2 else "images and positions, axes 0, 2 and 3"
    if got.size == expected.size:
        return ""
    for verb, value in (("sum", got.sum(axis=axes)), ("average", got.mean(axis=axes))):
        if alike(value, expected, tolerance):
            return f"The {verb} over the {over}, is missing from {leaf}: its numbers are right up to that step."
    return ""


def _name_number(ratio, inputs):
    """Which size of the inputs a ratio is: ", and N = 7"."""
    x = next((inputs[name] for name in ("x", "dy") if isinstance(inputs.get(name), np.ndarray)), None)
    if x is None or x.ndim < 2:
        return ""
    count = x.size // x.shape[1]
    if x.ndim == 2:
        sizes = {"N": (count, "samples")}
    else:
        sizes = {"m": (count, "values of a channel"), "N": (len(x), "images"), "H * W": (count // len(x), "positions")}
    for n, (size, what) in sizes.items():
        known = {n: size, f"1/({n})" if " " in n else f"1/{n}": 1 / size}
        if size == count:
            known |= {f"{n}/({n}-1)": size / max(size - 1, 1), f"({n}-1)/{n}": 1 - 1 / size}
        for name, value in known.items():
            if np.isclose(ratio, value, rtol=1e-4):
                return f": that is {name}, for {n} = {size} {what}"
    return ""
