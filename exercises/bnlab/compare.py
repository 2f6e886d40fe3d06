"""Compare what a function returned with what it should have returned, value by named value.

A result is flattened into named leaves by a template ("y", or ("y", ("x_hat", "inv_std", "gamma")), or a dict), and
each leaf is tested in a fixed order: type, shape, dtype, finite, values. The first difference is told with two numbers.
"""

from dataclasses import dataclass

import numpy as np

from bnlab.answers import is_tensor

FORGOTTEN = " Is a `return` missing?"
FLOAT64, FLOAT32 = (1e-7, 1e-9), (1e-4, 1e-5)  # (relative, absolute as a fraction of the largest expected entry)


@dataclass(frozen=True)
class Difference:
    """How one leaf of a result differs from what was expected.

    kind : "structure" | "type" | "shape" | "dtype" | "finite" | "value"
    where : name of the leaf, with the worst index for values: "dx[0, 2]"
    """

    leaf: str
    kind: str
    where: str
    expected: str
    got: str
    text: str


def leaves_of(template):
    """Names of the leaves of a template, in order."""
    if isinstance(template, str):
        return [template]
    items = template.values() if isinstance(template, dict) else template
    return [name for item in items for name in leaves_of(item)]


def flatten(value, template, name="the result"):
    """Spread a result over the names of a template.

    Returns
    -------
    leaves : dict
        Name of the leaf -> value.
    problem : Difference or None
        Set where the result does not have the template's structure.
    """
    if isinstance(template, str):
        return {template: value}, None
    wanted = describe_template(template)
    if value is None:
        return {}, structure(wanted, "None", f"{name} is None; expected {wanted}.{FORGOTTEN}")
    if isinstance(template, dict):
        if not isinstance(value, dict):
            return {}, structure(wanted, describe(value), f"{name} is {describe(value)}; expected {wanted}.")
        missing = [key for key in template if key not in value]
        if missing:
            return {}, structure(wanted, f"keys {sorted(map(str, value))}", f"{name} lacks the key {missing[0]!r}.")
        pairs = [(value[key], part, key) for key, part in template.items()]
    else:
        if not isinstance(value, (tuple, list)) or len(value) != len(template):
            found = describe(value)
            cure = " Errors are raised, not returned: raise ..." if found.endswith(("Error", "Exception")) else ""
            return {}, structure(wanted, found, f"{name} is {found}; expected {wanted}.{cure}")
        pairs = [(item, part, part if isinstance(part, str) else "cache") for item, part in zip(value, template)]
    leaves = {}
    for item, part, part_name in pairs:
        inner, problem = flatten(item, part, part_name)
        if problem:
            return {}, problem
        leaves.update(inner)
    return leaves, None


def structure(expected, got, text):
    return Difference("", "structure", "the result", expected, got, text)


def describe_template(template):
    """The words for a template: "the tuple (y, (x_hat, inv_std, gamma))"."""
    if isinstance(template, dict):
        return "a dict with the keys " + ", ".join(template)

    def inner(part):
        return part if isinstance(part, str) else "(" + ", ".join(inner(item) for item in part) + ")"

    return f"the tuple {inner(template)}"


def describe(value):
    """A few words on any value: "an array of shape (4, 3), float64", "a list of 2", "None"."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {value.dtype}"
    if is_tensor(value):
        return f"a tensor of shape {tuple(value.shape)}, {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, np.generic):
        return f"a single {value.dtype} number"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    try:
        noun = getattr(value, "type_name", type(value).__name__)
    except Exception:  # an object of the student's may answer any question with an error
        noun = getattr(value, "_name", "object")
    return with_article(noun)


def with_article(noun):
    """The noun with "a" or "an" before it."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def difference(leaf, got, expected, tolerance=None):
    """The first difference between a leaf and its expected value, or None.

    Parameters
    ----------
    leaf : str
    got : anything
    expected : ndarray, torch tensor, number, bool, str, int or None
    tolerance : float, optional
        Both the relative error and the absolute one (as a fraction of the largest expected entry); the default
        follows the dtype of `expected`: 1e-7 and 1e-9 in float64, 1e-4 and 1e-5 in float32.
    """
    if is_tensor(expected):
        return tensor_difference(leaf, got, expected, tolerance)
    if isinstance(expected, np.ndarray) and expected.ndim:
        return array_difference(leaf, got, expected, tolerance)
    if isinstance(expected, (float, np.floating)) or (isinstance(expected, np.ndarray) and expected.dtype.kind == "f"):
        return number_difference(leaf, got, expected, tolerance)
    raises = isinstance(expected, str) and expected.endswith("Error")
    if raises and not (isinstance(got, str) and got == expected):
        named = isinstance(got, str) and got.endswith(("Error", "Exception"))
        raised = with_article(got) if named else "nothing"
        text = f"{raised} was raised; {with_article(expected)} was expected."
        return Difference(leaf, "value", leaf, expected, brief(got), text)
    if type(got) in (bool, np.bool_, int, str, type(None)) and got == expected:
        return None
    if type(expected) is int and isinstance(got, (float, np.floating, np.integer)) and got == expected:
        text = f"{leaf} is {brief(got)}, {describe(got)}; expected the int {expected} (`//`, `int()`)."
        return Difference(leaf, "type", leaf, repr(expected), brief(got), text)
    shown = brief(got, 60 + len(repr(expected)))  # so long that a list with one word more shows that word
    return Difference(leaf, "value", leaf, repr(expected), shown, f"{leaf} is {shown}; expected {expected!r}.")


def array_difference(leaf, got, expected, tolerance):
    wanted = f"an array of shape {expected.shape}, {expected.dtype}"
    if type(got) is not np.ndarray:
        cure = FORGOTTEN if got is None else ""
        if isinstance(got, tuple) and any(
            np.shape(part) == expected.shape for part in got if isinstance(part, np.ndarray)
        ):
            cure = " Return that one array, not a tuple."
        if isinstance(got, np.generic):
            cure = " A reduction without `axis` gives one number for the whole array."
        text = f"{leaf} is {describe(got)}; expected a NumPy array of shape {expected.shape}.{cure}"
        return Difference(leaf, "type", leaf, wanted, describe(got), text)
    if got.shape != expected.shape:
        cure = ""
        if got.ndim > expected.ndim and [n for n in got.shape if n > 1] == [n for n in expected.shape if n > 1]:
            cure = " (drop the axis of length 1, such as `keepdims=True` leaves)"
        text = f"{leaf} has shape {got.shape}; expected {expected.shape}{cure}."
        return Difference(leaf, "shape", leaf, str(expected.shape), str(got.shape), text)
    if got.dtype != expected.dtype:
        whose = ", the dtype of the input" if expected.dtype.kind == "f" else ""
        text = f"{leaf} is {got.dtype}; expected {expected.dtype}{whose}."
        return Difference(leaf, "dtype", leaf, str(expected.dtype), str(got.dtype), text)
    if expected.dtype.kind == "f" and not np.isfinite(got).all():
        index = first_true(~np.isfinite(got) & np.isfinite(expected))
        if index is not None:
            where = at(leaf, index)
            after = (~np.isfinite(got)).ravel()[np.ravel_multi_index(index, got.shape) :]
            rest = ", and so is every entry after it" if len(after) > 1 and after.all() else ""
            text = f"{where} is {got[index]}{rest}; every entry must be finite."
            return Difference(leaf, "finite", where, number(expected[index]), number(got[index]), text)
    wrong = ~close(got, expected, tolerance)
    if not wrong.any():
        return None
    with np.errstate(invalid="ignore"):
        gap = np.where(wrong, np.abs(np.asarray(got, np.float64) - expected), -1.0)
    index = np.unravel_index(int(np.argmax(np.nan_to_num(gap, nan=np.inf))), gap.shape)
    where = at(leaf, index)
    right, wrong = apart(expected[index], got[index])
    return Difference(leaf, "value", where, right, wrong, f"{where}: expected {right}, got {wrong}.")


def tensor_difference(leaf, got, expected, tolerance):
    """As for arrays, where a torch tensor is asked for; graphs and devices are not compared."""
    if is_tensor(got):
        return array_difference(leaf, as_array(got), as_array(expected), tolerance)
    wanted, cure = describe(expected), FORGOTTEN if got is None else ""
    if cure and (leaf.startswith("d") or leaf.endswith(".grad")):
        cure = " No gradient arrives there."  # torch collects gradients: none is returned
    text = f"{leaf} is {describe(got)}; expected a torch tensor of shape {tuple(expected.shape)}.{cure}"
    return Difference(leaf, "type", leaf, wanted, describe(got), text)


def as_array(value):
    """The values of a tensor as an array; anything else as it is."""
    return value.detach().cpu().numpy() if is_tensor(value) else value


def number_difference(leaf, got, expected, tolerance):
    allowed = isinstance(got, (float, int, np.floating, np.integer)) and not isinstance(got, bool)
    if not allowed and not (type(got) is np.ndarray and got.ndim == 0):
        text = f"{leaf} is {describe(got)}; expected a number."
        if isinstance(got, (complex, np.complexfloating)):
            text = f"{leaf} is complex; expected a real number (np.linalg.eigvalsh and eigh give real ones)."
        return Difference(leaf, "type", leaf, number(expected), brief(got), text)
    try:
        right = close(np.asarray(got, np.float64), np.asarray(expected, np.float64), tolerance).all()
    except OverflowError:
        return Difference(leaf, "finite", leaf, number(expected), "a huge integer", f"{leaf} is too large for a float.")
    if right:
        return None
    right, wrong = apart(expected, got)
    return Difference(leaf, "value", leaf, right, wrong, f"{leaf}: expected {right}, got {wrong}.")


def close(a, b, tolerance=None):
    """Elementwise |a - b| <= rtol |b| + atol max|b|, tolerances by the dtype of b; True where both are NaN."""
    b = np.asarray(b)
    relative, absolute = (tolerance, tolerance) if tolerance else FLOAT32 if b.dtype == np.float32 else FLOAT64
    a64, b64 = np.asarray(a, np.float64), np.asarray(b, np.float64)
    finite = np.abs(b64[np.isfinite(b64)])
    scale = float(finite.max()) if finite.size else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(a64 - b64) <= relative * np.abs(b64) + absolute * scale + 1e-13
    return near | (np.isnan(a64) & np.isnan(b64)) | ((a64 == b64) & np.isinf(b64))


def alike(a, b, tolerance):
    """Whether two leaves are the same value, shapes included; ten times the tolerance of a pass."""
    a, b = as_array(a), as_array(b)
    a, b = single(a, b), single(b, a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.shape != b.shape:
            return False
        if (a.dtype.kind == "f") != (b.dtype.kind == "f"):
            return False
        wide = tolerance or (1e-3 if b.dtype == np.float32 else 1e-6)
        try:
            return bool(close(a, b, wide).all())
        except (TypeError, ValueError):
            return False
    if isinstance(a, (tuple, list)) or isinstance(b, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(alike(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return bool(close(a, b, tolerance or 1e-6))
    return type(a) is type(b) and bool(a == b)


def single(value, other):
    """A number beside an array of shape (), as an array of shape () too: it is stored as a number."""
    beside = isinstance(other, np.ndarray) and other.ndim == 0
    return np.asarray(value, other.dtype) if beside and type(value) in (int, float) else value


def constant_ratio(got, expected):
    """got / expected where that is one number for all entries that are not tiny, else None."""
    got, expected = as_array(got), as_array(expected)
    if not isinstance(expected, np.ndarray) or type(got) is not np.ndarray or got.shape != expected.shape:
        return None
    large = np.abs(expected) > 1e-3 * np.abs(expected).max(initial=0.0)
    if large.sum() < 2 or not np.isfinite(got).all():
        return None
    ratios = np.asarray(got, np.float64)[large] / expected[large]
    ratio = float(np.median(ratios))
    return ratio if np.allclose(ratios, ratio, rtol=1e-4, atol=0) else None


def first_true(mask):
    hits = np.argwhere(mask)
    return tuple(hits[0]) if len(hits) else None


def at(leaf, index):
    return f"{leaf}[{', '.join(str(int(i)) for i in index)}]" if index else leaf


def number(value):
    return f"{float(value):.6g}"


def apart(*values):
    """Numbers as text, with as many digits as tell them apart."""
    texts = ()
    for digits in (6, 9, 12, 17):
        texts = tuple(f"{float(value):.{digits}g}" for value in values)
        if len(set(texts)) == len(values):
            break
    return texts


def brief(value, longest=60):
    """repr for plain values, cut after `longest` characters; a description for the rest."""
    if not isinstance(value, (bool, int, float, str, np.generic)):
        return describe(value)
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}..."
