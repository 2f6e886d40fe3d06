"""What can be said about a wrong answer that no known slip explains: identities, ratios, shapes, numbers of axes."""

import itertools
import re

import numpy as np

from bnlab.compare import alike, as_array, constant_ratio

# a sign of an error -> what to do about it
REDUCTION = r"\b_?(mean|var|std|sum|amin|amax|median|sort)\(\) got an unexpected keyword argument "
OF_PYTHON = {
    REDUCTION + "'dim'": "`dim` is PyTorch's word. NumPy calls it axis.",
    REDUCTION + "'keepdim'": "`keepdim` is PyTorch's word. NumPy calls it keepdims.",
    REDUCTION + "'unbiased'": "`unbiased` is PyTorch's word. NumPy divides by N - ddof, and ddof is 0 unless you say "
    "otherwise.",
    r"truth value of an array with more than one element": "A comparison of arrays gives an answer for each entry, "
    "and `if`, `and`, `max` or `sorted` ask for a single one. np.where chooses entry by entry; np.maximum and np.sort "
    "work on whole arrays.",
    r"ufunc 'bitwise_xor' not supported|for \^: ": "In Python a power is written x ** 2; ^ is another operation.",
    r"TypeError: unsupported operand .*'NoneType'": "One of the two is None. That is what a function without `return` "
    "gives, and so does a method that changes its array in place, such as a.sort().",
    r"TypeError: only .* arrays can be converted to Python scalars.*\(in line .*\bmath\.": "The functions of `math` "
    "take a single number. Those of NumPy, such as np.exp and np.sqrt, take whole arrays.",
    r"raised ValueError: Quantiles must be in the range": "np.quantile takes shares from 0 to 1, np.percentile takes "
    "percent.",
}


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
    return next(filter(None, texts), "") or _of_ratio(seen, told)


def _of_ratio(seen, told):
    """A sentence on entries that are all the same multiple of the right ones, or "".

    Zeros alone are remarked on in the case that the student reads about: in another one they may be what underflows.
    """
    leaf = seen.wrong[0]
    if leaf.endswith("at the start"):
        return ""  # what a layer begins with is told by the two numbers
    ratio = constant_ratio(seen.got[leaf], seen.truth.expected[leaf])
    if ratio == 0:
        why = "nothing is ever written into it, it is multiplied away, or a number is subtracted from itself"
        return f"Every entry of {leaf} is 0: {why}." if told else ""
    if ratio is not None:
        return f"Every entry of {leaf} is {ratio:.6g} times the expected one{_name_number(ratio, seen.inputs)}."
    return ""


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
    return f"The values are right, in another order: yours are {', '.join(found)}; expected {', '.join(wanted)}."


def on_an_error(text, inputs):
    """A sentence on an error that an answer raised, or "".

    Parameters
    ----------
    text : str
        What `bnlab.answers.raised_text` makes of it.
    inputs : dict
        Of the case.
    """
    said = (_of_products(text, inputs), _of_types(text), _of_shapes(text, inputs), _of_axes(text, inputs))
    return next(filter(None, said), "") or _of_python(text)


def _of_python(text):
    """A sentence on an error of Python or NumPy whose own words do not say what to do, or ""; text tells the error."""
    attribute = re.search(r"raised AttributeError: '(\w+)' object has no attribute '(\w+)'", text)
    if attribute and re.search(rf"\(in line .*\bnp\.{attribute[2]}\b", text):
        return "np is no longer NumPy in this line: your function has given the name np to something else."
    if attribute and text.startswith(f"{attribute[1]} "):
        return (
            f"self.{attribute[2]} is read before anything is assigned to a name spelled like this. What a later call "
            "needs is kept as self.name = ...; a name without self. is forgotten when the method ends."
        )
    return next((advice for sign, advice in OF_PYTHON.items() if re.search(sign, text)), "")


def _of_products(text, inputs):
    told = re.search(r"mismatch in its core dimension.*\(size (\d+) is different from (\d+)\)", text)
    shapes = [value.shape for value in inputs.values() if isinstance(value, np.ndarray)]
    twice = told and shapes.count((int(told[2]), int(told[1]))) + shapes.count((int(told[1]), int(told[2]))) > 1
    if twice or re.search(r"shapes (\([\d, ]+\)) and \1 not aligned", text):
        return "np.dot and @ multiply matrices. The product of two arrays entry by entry is a * b; then add it up."
    return ""


def _of_types(text):
    """A sentence on an argument of a fused kernel that has become float64, or ""."""
    told = re.search(r"Type is mismatched\W+(\w+) .*float64.*, and \w+ is float32", text)
    return told and (
        f"{told[1]} became float64 on its way to the kernel. A NumPy scalar does that, such as the int64 of "
        "np.prod(x.shape), where a Python number does not: take int(...) or float(...) of it."
    )


def _over_other_axes(leaf, got, expected, inputs):
    """A sentence on a leaf whose shape shows over which axes of the images it was summed, or ""."""
    x = next((inputs[name] for name in ("x", "dy") if isinstance(inputs.get(name), np.ndarray)), None)
    if x is None or x.ndim != 4 or expected.shape != x.shape[1:2]:
        return ""
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
            return f"The {verb} over the {over}, is missing in {leaf}: the numbers in it are right before it is taken."
    return ""


def _of_shapes(text, inputs):
    """A sentence on an error of broadcasting that statistics of the samples make, or ""; text tells the error."""
    told = re.search(r"shapes \((\d+),\s*(\d+)\) \((\d+),\)|shapes \((\d+),\) \((\d+),\s*(\d+)\)", text)
    if not told:
        return _of_vectors(text, inputs)
    n, c, count = (told[1], told[2], told[3]) if told[1] else (told[5], told[6], told[4])
    shapes = {name: value.shape for name, value in inputs.items() if isinstance(value, np.ndarray)}
    if (int(n), int(c)) not in shapes.values() or count != n:
        return ""
    own = [name for name, shape in shapes.items() if shape == (int(n),)]
    if own:
        who = f"{' and '.join(own)} {'have' if own[1:] else 'has'}"
        return f"{who} a number for each of the {n} samples. To meet rows of {c}, add an axis: {own[-1]}[:, None]."
    return _over_features(n, c)


def _of_vectors(text, inputs):
    """The same where statistics of the samples meet those of the features, or keep their axis of length 1."""
    told = re.search(r"shapes \((\d+),\) \((\d+),\)|shapes \((\d+),\s*(\d+)\) \((\d+),\s*1\)", text)
    if not told:
        return ""
    pairs = [(told[1], told[2]), (told[2], told[1])] if told[1] else [(told[5], told[4])]
    shapes = [value.shape for value in inputs.values() if isinstance(value, np.ndarray)]
    given = told[1] is None or any((int(number),) in shapes for number in told.groups()[:2])
    fitting = [(n, c) for n, c in pairs if (int(n), int(c)) in shapes]
    return _over_features(*fitting[0]) if given and len(fitting) == 1 else ""


def _over_features(n, c):
    return (
        f"One of the two has a number for each of the {n} samples, as axis=1 gives it. Statistics are taken over the "
        f"samples, axis=0, and have one for each of the {c} features."
    )


def _of_axes(text, inputs):
    """A sentence on an answer that takes an array for one with another number of axes, or ""; text tells the error."""
    line = re.search(r"(\w+)\.shape\b", text)
    unpacked = re.search(r"values to unpack \(expected (\d+)", text)
    beyond = "tuple index out of range" in text
    if not line or not (unpacked or beyond) or not isinstance(inputs.get(line[1]), np.ndarray):
        return ""
    shape = inputs[line[1]].shape
    taken = f" and your code takes it for one with {unpacked[1]}" if unpacked else " and your code asks for more"
    return f"{line[1]} has the shape {shape} here: that is an array with {_axes(len(shape))},{taken}."


def _axes(count):
    return f"{count} {'axis' if count == 1 else 'axes'}"


def _name_number(ratio, inputs):
    """Which size of the inputs a ratio is: ", and N = 7"."""
    x = next((inputs[name] for name in ("x", "dy") if isinstance(inputs.get(name), np.ndarray)), None)
    if x is None or x.ndim < 2:
        return ""
    count = x.size // x.shape[1]
    n = "N" if x.ndim == 2 else "m"
    known = {n: count, f"1/{n}": 1 / count, f"{n}/({n}-1)": count / max(count - 1, 1), f"({n}-1)/{n}": 1 - 1 / count}
    name = next((name for name, value in known.items() if np.isclose(ratio, value, rtol=1e-4)), None)
    what = "samples" if x.ndim == 2 else "values of a channel"
    return f": that is {name}, for {n} = {count} {what}" if name else ""
