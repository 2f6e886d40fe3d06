"""A static look at what a submission tries beside its task: lines for a person to read, never points.

Whatever is named here fails by the way in which grading works; a report that says so lets a person talk to the student.
What is hidden behind computed names is seen, if at all, when it happens (sandbox/watch.py).
"""

import ast
import re

from autograder.grading import integrity

NAMED = [  # dotted name or import, as far as it can be read -> what it does
    (
        r".*\b(input_transformers?_\w+|ast_transformers|run_cell(_async)?|set_custom_exc|showtraceback)",
        "hooks into Jupyter",
    ),
    (
        r"(.*get_ipython\(\)|sys)\.(displayhook|display_pub|events|kernel|excepthook|unraisablehook)",
        "hooks into Jupyter",
    ),
    (r"import (nbgrader|autograder|solutions|worker|wire|jail|zygote|watch)(\..*)?", "imports the grader"),
    (
        r"import bnlab\.(cuda_drivers|gpu_drivers|"
        r"gpu\.(settings|typed|kernels|compiled|device_array|arrays|backend))(\..*)?",
        "imports what tests it",
    ),
    (
        r".*\.(_getframe|_current_frames|currentframe|f_back|f_locals|f_globals|f_builtins|tb_frame)",
        "looks into other frames",
    ),
    (r"inspect\.(stack|trace|getouterframes)", "looks into other frames"),
    (r"gc\.(get_objects|get_referrers|get_referents)", "looks through memory (gc)"),
    (r".*\.(__subclasses__|__globals__|__code__|__closure__)", "reaches into Python's internals"),
    (r"sys\.(settrace|setprofile|addaudithook)", "hooks into Python"),
    (r"atexit(\..*)?", "leaves something to do at the end of the process"),
    (r"(ctypes|cffi|mmap)(\..*)?", "reaches past Python"),
    (r"(socket|urllib|requests|http|httpx|ftplib|smtplib|aiohttp)(\..*)?", "uses the network"),
    (
        r"(subprocess|multiprocessing|pty|concurrent\.futures)(\..*)?|os\.(fork\w*|system|popen|exec\w+|posix_spawn\w*|spawn\w+)",
        "starts a process",
    ),
    (r"(threading|_thread)(\..*)?", "starts a thread"),
    (
        r"import signal|signal\.\w*(signal|alarm|itimer|kill|wait|wakeup)\w*|os\.(kill|killpg)",
        "sends or catches signals",
    ),
    (r"os\.(_exit|abort)", "ends the process"),
    (r"os\.(setpriority|sched_set\w+|setsid|nice)|resource(\..*)?", "changes limits or priorities"),
    (r".*\b__array_(ufunc|function|interface|struct)__", "answers for NumPy"),
]
TRICKS = [(re.compile(pattern), words) for pattern, words in NAMED]
SCRIPT = re.compile(
    r"<\s*(script|iframe|object|embed)\b|javascript:|\bon(error|load|click|mouseover)\s*=", re.IGNORECASE
)
SETTINGS = re.compile(
    r"torch\.backends\..*|.*rcParams.*|self\..*|cls\..*"
    r"|.*\.(max_dynamic_shared_size_bytes|preferred_shared_memory_carveout)"
)  # modules' attributes that are meant to be set
DRIVES = re.compile(
    r"replaces|changes a function|imports (the grader|what tests it)|reaches|looks (into other frames|through memory)"
    r"|runs a text|hooks into P"
)
RACES = re.compile(f"{DRIVES.pattern}|starts a thread|sends or catches signals")  # on a GPU: work where no clock looks


def attempts(cells, texts=()):
    """What a submission tries beside its task.

    Parameters
    ----------
    cells : list of (id, source)
        Code of the student.
    texts : list of (id, source)
        Markdown and raw cells of the student.

    Returns
    -------
    list of str
        "`forward-train` looks into other frames (line 4)", each once, in order.
    """
    found = []
    for name, source in cells:
        tree = integrity.parse(source)
        modules = imported(tree)
        for node in ast.walk(tree):
            found += [f"`{name}` {words} (line {line})" for words, line in tricks(node, modules)]
    found += [f"`{name}` has a script in a text" for name, source in [*cells, *texts] if SCRIPT.search(source)]
    return list(dict.fromkeys(found))


def advice(found, noted, telling=DRIVES):
    """What the student reads whose code could have changed what the test drive reports; "" where nothing could.

    Parameters
    ----------
    found : list of str
        From `attempts`.
    noted : list of str
        What was seen when the code ran.
    telling : re.Pattern
        What could: DRIVES, or RACES for a time on a GPU.
    """
    reason = next((flag for flag in [*found, *noted] if telling.search(flag)), "")
    if not reason:
        return ""
    return f"the numbers are right, but {reason}. A person will look at it before it earns points."


def imported(tree):
    """Names that a cell's imports bind, and those that the set-up gives every notebook."""
    names = {"np", "numpy", "torch", "bnlab", "builtins", "sys", "os", "time"}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(item.asname or item.name).split(".")[0] for item in node.names}
    return names


def tricks(node, modules):
    """(words, line) for each trick that a node names."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "BN_GRADING" in node.value:
        yield "asks whether it is graded", node.lineno
    elif isinstance(node, ast.Name) and node.id in ("exec", "eval", "__import__"):
        yield "runs a text as code", node.lineno
    elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
        yield from replaced(node, modules)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
        if node.args and full(node.args[0]).split(".")[0] in modules:
            yield f"replaces a part of {full(node.args[0])}", node.lineno
    for name in named(node):
        words = next((words for pattern, words in TRICKS if pattern.fullmatch(name)), "")
        if words:
            yield words, node.lineno


def named(node):
    """What a node names, as NAMED has it: dotted names, imports, the function that it defines."""
    if isinstance(node, ast.Attribute):
        return [full(node)]
    if isinstance(node, ast.Import):
        return [text for item in node.names for text in (item.name, f"import {item.name}")]
    if isinstance(node, ast.ImportFrom):
        return [f"import {node.module}", *(f"{node.module}.{item.name}" for item in node.names), node.module or ""]
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("bnlab."):
        return [f"import {node.value}"]
    return []


def replaced(node, modules):
    """Assignments to what belongs to a module: `np.allclose = ...`, `sys.modules["numpy"] = ...`."""
    for target in [node.target] if isinstance(node, ast.AugAssign) else node.targets:
        place = target.value if isinstance(target, ast.Subscript) else target
        name = full(place)
        of_module = re.split(r"[.(\[]", name)[0] in modules and not SETTINGS.fullmatch(name)
        whole = isinstance(target, ast.Attribute) or name.endswith(("sys.modules", "os.environ", "__dict__"))
        if of_module and whole:
            yield f"replaces {name}", node.lineno


def full(node):
    """A chain of attributes, calls and items as text: "get_ipython().events.register", "sys.modules[].f"."""
    parts = []
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)) and len(parts) < 50:
        if isinstance(node, ast.Attribute):
            parts.append(f".{node.attr}")
        else:
            parts.append("()" if isinstance(node, ast.Call) else "[]")
        node = node.func if isinstance(node, ast.Call) else node.value
    return "".join([node.id if isinstance(node, ast.Name) else "...", *reversed(parts)])[:300]
