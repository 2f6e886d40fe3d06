"""Run the code cells of a notebook without Jupyter: magics and shell commands do nothing."""

import ast
import inspect
import linecache


class Shell:
    """What `get_ipython()` gives: every magic and shell command is accepted and does nothing."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def plain_python(source):
    """A cell as Python: magics, shell commands and help requests become calls of `get_ipython()`.

    IPython translates them where it is installed; elsewhere such lines become `pass`.
    """
    try:
        ast.parse(source)
        return source
    except (SyntaxError, ValueError):
        pass
    try:
        from IPython.core.inputtransformer2 import TransformerManager

        return TransformerManager().transform_cell(source)
    except ImportError:
        lines = source.split("\n")
    for i, line in enumerate(lines):
        if line.lstrip()[:1] in ("%", "!", "?"):
            lines[i] = line[: len(line) - len(line.lstrip())] + "pass"
    return "\n".join(lines)


def run_cell(source, namespace, name):
    """Execute a cell in a namespace; tracebacks show its lines under `<cell name>`.

    Parameters
    ----------
    source : str
    namespace : dict
    name : str
    """
    file = f"<cell {name}>"
    source = plain_python(source)
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace.setdefault("get_ipython", Shell)
    code = compile(source, file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        import asyncio

        asyncio.run(result)
