"""A static look at an answer: does it hand its work to a library's normalization layer?

Such a call gives right numbers and shows nothing of what the task asks for, so it must not earn points silently. The
look is a reading aid and no lock: it names what a person should look at, by the names in the source; it says so, too,
where an answer evaluates strings or reaches into torch's internals. What hides by computed names is seen when it runs
(sandbox/watch.py).
"""

import ast
import re
import symtable

from jupytext.magics import comment_magic

LIBRARY = re.compile(
    r"_?(native_|cudnn_|miopen_|quantized_|mkldnn_)?(batch|layer|group|instance|rms)_norm(_\w+)?"
    r"|(Lazy|Sync)?(Batch|Layer|Group|Instance|RMS|LocalResponse)Norm(alization)?([123]d)?|FrozenBatchNorm2d"
)
HIDING = {"eval", "exec", "compile", "__import__", "importlib", "_VF"}
INTERNALS = {"ops", "_C", "_VF"}  # of torch


def library_calls(answer, cells):
    """What in an answer names a normalization of a library, or hides what it names.

    Parameters
    ----------
    answer : str
        Id of the answer's cell.
    cells : list of (id, source)
        All code cells of the student. What the answer uses from other cells is looked at, too.

    Returns
    -------
    list of str
        "torch.nn.functional.batch_norm in line 7 of `bn-module`", each once, in order; empty where there is nothing.
    """
    trees = {name: parse(source) for name, source in cells}
    owned = {name: (cell, node) for cell, tree in trees.items() for node in tree.body for name in defined(node)}
    waiting, seen, found = [(answer, node) for node in trees.get(answer, ast.Module([], [])).body], set(), []
    while waiting:
        cell, node = waiting.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        found += [f"{what} in line {line} of `{cell}`" for what, line in suspicious(node, set(owned))]
        waiting += [owned[name] for name in sorted(looked_up(node) & owned.keys()) if owned[name][0] != "setup"]
    return list(dict.fromkeys(found))


def parse(source):
    """The syntax tree of a cell; an empty one where it is no Python."""
    try:
        return ast.parse("\n".join(comment_magic(source.split("\n"))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def defined(node):
    """The names that a statement at the top of a cell gives a meaning: definitions, imports, assignments."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(item.asname or item.name).split(".")[0] for item in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]


def looked_up(node):
    """The global names that a statement at the top of a cell reads, those in its functions included."""
    try:
        found, tables = set(), [symtable.symtable(ast.unparse(node), "cell", "exec")]
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}  # nested too deeply to be unparsed
    for table in tables:
        top = table.get_type() == "module"
        found |= {one.get_name() for one in table.get_symbols() if one.is_referenced() and (top or one.is_global())}
        tables += table.get_children()
    return found


def suspicious(node, own):
    """(what, line) for each name in a statement that a person should look at; `own` are names of the notebook."""
    documentation = {
        id(part.body[0].value)
        for part in ast.walk(node)
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and part.body and isinstance(part.body[0], ast.Expr)
    }
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and is_of_library(part):
            yield dotted(part), part.lineno
        elif isinstance(part, ast.Name) and part.id not in own:
            if LIBRARY.fullmatch(part.id) or part.id in HIDING:
                yield part.id, part.lineno
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            yield from ((f"the import of {name}", part.lineno) for name in suspicious_imports(part))
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in documentation:
            if LIBRARY.fullmatch(part.value):
                yield f'the text "{part.value}"', part.lineno


def is_of_library(attribute):
    """Whether an attribute is a normalization of a library, or torch's internals; what is the answer's own is not."""
    base = attribute.value
    if isinstance(base, ast.Name) and base.id in ("self", "cls", "super"):
        return False
    return bool(LIBRARY.fullmatch(attribute.attr)) or attribute.attr in INTERNALS and dotted(base) == "torch"


def suspicious_imports(node):
    """The dotted names of an import that a person should look at."""
    names = [f"{getattr(node, 'module', None) or ''}.{item.name}".strip(".") for item in node.names]
    hiding = HIDING | {"batchnorm"}
    return [name for name in names if any(LIBRARY.fullmatch(step) or step in hiding for step in name.split("."))]


def dotted(node):
    """A chain of attributes as text: "torch.nn.functional.batch_norm"."""
    names = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return ".".join([node.id if isinstance(node, ast.Name) else "...", *names])[:200]


def advice(found):
    """What the student reads; "" where nothing was found."""
    if not found:
        return ""
    return (
        f"the numbers are right, but your answer names {found[0]}. The task is to write the normalization yourself, so "
        "a person will look at it before it earns points."
    )
