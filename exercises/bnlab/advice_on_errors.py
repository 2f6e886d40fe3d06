"""What can be said about an error that an answer raised, where its own words do not say what to do."""

import re

import numpy as np

from bnlab.compare import as_array

CALLED = ("forward", "backward")  # the methods that are called of an answer that is a class

# a sign of an error -> what to do about it
REDUCTION = r"\b_?(mean|var|std|sum|amin|amax|median|sort)\(\) got an unexpected keyword argument "
OF_PYTHON = {
    REDUCTION + "'dim'": "`dim` is PyTorch's word. NumPy calls it axis.",
    REDUCTION + "'keepdim'": "`keepdim` is PyTorch's word. NumPy calls it keepdims.",
    REDUCTION + "'unbiased'": "`unbiased` is PyTorch's word. NumPy divides by N - ddof, and ddof is 0 unless you say "
    "otherwise.",
    r"truth value of an array with more than one element": "A comparison of arrays gives an answer for each entry, "
    "and `if`, `and`, `max` or `sorted` need a single one. np.where chooses entry by entry; np.maximum and np.sort "
    "work on whole arrays.",
    r"ufunc 'bitwise_xor' not supported|for \^: ": "In Python a power is written x ** 2; ^ is the bitwise xor.",
    r"TypeError: unsupported operand .*'NoneType'": "One of the two is None. A function without `return` returns "
    "None, and so does a method that changes its array in place, such as a.sort(); the bias of a PyTorch layer that "
    "was made with bias=False is None as well.",
    r"TypeError: only .* arrays can be converted to Python scalars.*\(in line .*\bmath\.": "The functions of `math` "
    "take a single number. Those of NumPy, such as np.exp and np.sqrt, take whole arrays.",
    r"raised ValueError: Quantiles must be in the range": "np.quantile takes fractions from 0 to 1, np.percentile "
    "takes percentages from 0 to 100.",
    r"raised ValueError: all input arrays must have the same shape": "np.stack puts arrays of one shape side by side "
    "on a new axis. np.concatenate joins them along an axis that they have: batches of different lengths along "
    "their samples.",
    r"cannot assign (parameters|module|buffer) before Module\.__init__\(\) call": "A module begins with "
    "super().__init__(), the first line of its own __init__: PyTorch then has places for parameters and buffers.",
    r"expected dtype (float|double) for .* but got dtype (float|double)": "One of the two is float32, the other one "
    "float64. layer.double() converts parameters and buffers; a tensor that is a plain attribute stays as it was made: "
    "self.register_buffer.",
    r"'str' object has no attribute 'itemsize'": "The dtype comes as its name, a string: np.dtype(name) is the dtype.",
    r"raised KeyError: .no kernel '\w+' in this source": "The second argument of RawKernel is the name of the function "
    "in the source, letter for letter. If they are the same, the string holds another kernel: where two cells give "
    "their source one name, it holds what the cell that ran last gave it.",
    r"cudaErrorIllegalAddress|illegal memory access|cudaErrorLaunchTimeout|launch timed out": "A kernel touched memory "
    "that is not its own, or did not end, and the GPU gives nothing more to this session. Restart the kernel of the "
    "notebook and begin with %env BNLAB_GPU=simulator: the simulated GPU names the line.",
    r"'RawKernel' object is not subscriptable|_Function\.__call__\(\) takes": "A kernel is launched with three tuples: "
    "kernel(grid, block, arguments).",
}
SHUFFLE = (
    "A shuffle takes a mask of the lanes that take part, the number and the step: __shfl_down_sync(0xffffffffu, v, 16)."
)
OF_CUDA = {  # the words of g++, clang++ or NVRTC -> what to do
    r"operand types are .(const )?float[234]|type .float[234]. does not provide|operand types are: float[234]|binary "
    r"expression .*\bfloat[234]\b": "A float4 has no arithmetic and no [...] of its own: v.x, v.y, v.z and v.w are "
    "four floats.",
    r"cast from .*float. to (type )?.*float4|call to .float4::float4|no suitable constructor .* to \"float4|"
    r"invalid type conversion": (
        "The index binds before the cast, so that one float is cast. Parentheses change that: ((const float4*)x)[k]."
    ),
    r"float.? and .(const )?float ?\*|float ?\*.? and .(const )?float\b|are: (const )?float [-+*/] (const )?float \*": (
        "One of the two points to a whole array, and a kernel computes with one number of it: shift[c], say."
    ),
    r"type argument of unary .\*. \(have .int.|to binary .operator\^|to binary expression|requires pointer|operand of "
    r".\*. must be a pointer|must have integral": "C++ has no operator for powers: ** and ^ mean something else. A "
    "square is d * d.",
    r"[‘'\"]np[’'\"]": "np belongs to Python. A kernel calls the functions of C: sqrtf, fabsf, expf.",
    r"[‘'\"]__shfl\w*[’'\"]|call to .__shfl\w*\(|no instance of .* \"__shfl": SHUFFLE,
    r"overloaded .(min|max)\(|call to .(min|max). is ambiguous|overloaded function \"(min|max)\"": (
        "min and max take two numbers of one type: max(v, 0.f) of a float v, max(k, 0) of an int k."
    ),
    r"call to .atomicAdd|no instance of .* \"atomicAdd": "atomicAdd takes an address: atomicAdd(&s1[c], a).",
    r"isn.t constant|isn.t known|variable.length|must have a constant value": "The size of an array in a kernel "
    "must be known when it is compiled: a number, or a #define. Where the launch decides the size, declare extern "
    "__shared__ float held[]; and launch with shared_mem=bytes.",
    r"for array subscript|subscripted value is not|pointer-to-object": "Only an array can be followed by [...]: "
    "a parameter that stands for one is a pointer, as in const float* x. In a fused kernel x is one number already.",
    r"convert .const uint3. to|from .*uint3.* to .*int": "threadIdx, blockIdx and blockDim have three numbers each: "
    "threadIdx.x is the first.",
    r"post_map_expr:.*(not declared|undeclared)": "The last expression knows only a, the reduced value, and two "
    "sizes. An argument can be used in the map, for each number, or after the call, on the C results: s / m + eps.",
    r"reduce_expr:.*(not declared|undeclared|read-only|not assignable|const-qualified)": "The expression that "
    "reduces knows only two values, a and b, and must change neither: it gives a new one, as a + b does.",
    r"map_expr:.*(not declared|undeclared)": "The map is an expression of the arguments, one number of each at a time: "
    "no index such as x[i], and nothing is assigned. Whatever else it needs has to be passed as an argument.",
    r"preprocessing directive": "In C++ a line that begins with # is for the preprocessor. A comment begins with //.",
    r"discards qualifiers|of read-only|cannot assign to|no viable overloaded .=|must be a modifiable": "What is const, "
    "or an input of a fused kernel, can only be read. Results go to an output, in CUDA a parameter such as float* y; "
    "four numbers at once are written by ((float4*)y)[k] = v. A comparison is written ==.",
    r"float4.* to .float. in assignment|from incompatible type .*float4|float4.* to \"float\"": "A float4 is four "
    "floats, and is stored as such: ((float4*)y)[k] = v.",
    r"no return statement|control reaches end|does not return a value": "A function that gives back a value needs a "
    "return on every way through it, also behind its last if.",
    r"return-statement with a value|should not return a value|return value type": "A kernel returns nothing: the "
    "result is assigned, as in y = ...",
    r"\blen\b.{0,5}(was not declared|is undefined)|undeclared identifier .len\b": "An array of C++ does not know its "
    "length: pass it as an argument, an int.",
    r"\b(True|False)\b.{0,5}(was not declared|is undefined)|undeclared identifier .(True|False)\b": "In C++ they are "
    "written true and false.",
    r"(not declared|undeclared|is undefined)": "A name has to be declared: in a fused kernel as one of its arguments, "
    "in CUDA by a line that gives it a type, as in const int t = threadIdx.x; it is known up to the brace } that "
    "closes around that line.",
}


def on_an_error(text, inputs, expected=dict):
    """A sentence on an error that an answer raised, or "".

    Parameters
    ----------
    text : str
        What `bnlab.answers.raised_text` makes of it.
    inputs : dict
        Of the case.
    expected : callable
        () -> dict of what is right, which is looked at where it decides.
    """
    if "raised CompileException" in text:
        return next((advice for sign, advice in OF_CUDA.items() if re.search(sign, text)), "")
    said = (
        _of_products(text, inputs), _of_types(text), _of_images(text, inputs), _of_shapes(text, inputs, expected),
        _of_axes(text, inputs), _of_the_cache(text, inputs),
    )  # fmt: skip
    return next(filter(None, said), "") or _of_python(text)


def _of_python(text):
    """A sentence on an error of Python or NumPy whose own words do not say what to do, or ""; text tells the error."""
    attribute = re.search(r"raised AttributeError: '(\w+)' object has no attribute '(\w+)'", text)
    if attribute and re.search(rf"\(in line .*\bnp\.{attribute[2]}\b", text):
        return "np is no longer NumPy in this line: your function has given the name np to something else."
    if attribute and text.startswith(f"{attribute[1]} ") and attribute[2] in CALLED:
        return f"The class has no method {attribute[2]}, but that one is called: def {attribute[2]}(self, ...)."
    if re.search(r"raised TypeError: '\w+' object is not callable", text) and "(in line " not in text:
        return "The class has no method __call__, which is what runs where an object is called: def __call__(self, x)."
    if attribute and text.startswith(f"{attribute[1]} "):
        return (
            f"self.{attribute[2]} is read before anything is assigned to a name spelled like this. What a later call "
            "needs is kept as self.name = ...; a name without self. is forgotten when the method ends."
        )
    unknown = re.search(r"raised NameError: name '(\w+)' is not defined", text)
    if unknown and callable(getattr(np, unknown[1], None)):
        return f"NumPy's function is np.{unknown[1]}. A name of your own needs a value before it is used."
    return next((advice for sign, advice in OF_PYTHON.items() if re.search(sign, text)), "")


def _of_the_cache(text, inputs):
    """A sentence on an answer that takes the cache for one with other parts, or ""; text tells the error."""
    unpacked = re.search(r"values to unpack \(expected (\d+).*\bcache\b", text)
    if not unpacked or not isinstance(inputs.get("cache"), tuple) or len(inputs["cache"]) == int(unpacked[1]):
        return ""
    return f"The cache of this task has {len(inputs['cache'])} parts, which the docstring names in order."


def _of_products(text, inputs):
    told = re.search(r"mismatch in its core dimension.*\(size (\d+) is different from (\d+)\)", text)
    shapes = [value.shape for value in inputs.values() if isinstance(value, np.ndarray)]
    twice = told and shapes.count((int(told[2]), int(told[1]))) + shapes.count((int(told[1]), int(told[2]))) > 1
    if twice or re.search(r"shapes (\([\d, ]+\)) and \1 not aligned", text):
        return "np.dot and @ multiply matrices. An entry-by-entry product of two arrays is a * b; then sum it."
    return ""


def _of_types(text):
    """A sentence on an argument of a fused kernel that has become another type, or ""."""
    told = re.search(r"Type is mismatched\W+(\w+) .*(float64|int64).*, and \w+ is float32", text)
    return told and (
        f"{told[1]} became {told[2]} on its way to the kernel. A NumPy scalar does that, such as the int64 of "
        "np.prod(x.shape), but a Python number does not: convert it with int(...) or float(...). A kernel that "
        "declares its result as float64 does it too: T is the dtype of the argument."
    )


def _of_images(text, inputs):
    """A sentence on C numbers that meet images without two axes of length 1, or ""; text tells the error."""
    shapes = [tuple(map(int, re.findall(r"\d+", inner))) for inner in re.findall(r"\((\d+(?:, ?\d+)*,?)\)", text)]
    images = [value.shape for value in inputs.values() if isinstance(value, np.ndarray) and value.ndim == 4]
    met = next((shape for shape in shapes if shape in images), None)
    if "broadcast" not in text or met is None or met[1:2] not in shapes:
        return ""
    c = met[1]
    return (
        f"An array with a number for each of the {c} channels meets images {met} along their last axis. Give it the "
        f"shape ({c}, 1, 1), as v[:, None, None] does, or take the statistics with keepdims=True."
    )


def _of_shapes(text, inputs, expected):
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
    asked = [value.shape for value in map(as_array, expected().values()) if isinstance(value, np.ndarray)]
    if (int(n),) in asked and (int(c),) not in asked:
        return f"One of the two has a number for each of the {n} rows. To meet rows of {c}, add an axis: [:, None]."
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
        f"One of the two has a number for each of the {n} samples, which is what axis=1 gives. Take the statistics "
        f"over the samples, axis=0: then there is one for each of the {c} features."
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
