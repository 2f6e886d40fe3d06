"""A package that a notebook needs and that is not there: one line, and no tracebacks of the cells that follow."""

import ast
import sys

PACKAGES = {"torch": "PyTorch"}


class NotInstalled(ModuleNotFoundError):
    """Jupyter shows the line alone, without a traceback."""

    def __init__(self, name):
        called = PACKAGES.get(name, name)
        super().__init__(
            f"This notebook needs {called}, which is not installed here. Run `%pip install {name}` in a cell, then the "
            "set-up cell again.",
            name=name,
        )

    def _render_traceback_(self):
        return [str(self)]


def lacks(name):
    """Say that a package is not installed.

    Cells that are run in spite of it miss what it would have brought along, the set-up cell's other names and those of
    cells that stop for want of one: until the package is there, their errors are told by the same line.

    Parameters
    ----------
    name : str
        Of the module, which is that of the package.

    Raises
    ------
    NotInstalled
    """
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if shell:  # elsewhere nobody goes on to the next cell
        missed = bound_by(shell)

        def told(shell, kind, value, traceback, tb_offset=None):
            # a variable that a function reads too early is the student's own, whatever is installed
            follows = kind is NameError and value.name in missed
            follows |= issubclass(kind, ModuleNotFoundError) and (value.name or "").split(".")[0] == name
            if follows and name not in shell.user_ns:
                missed.update(bound_by(shell))
                kind, value = NotInstalled, NotInstalled(name)
            shell.showtraceback((kind, value, traceback), tb_offset=tb_offset)

        shell.set_custom_exc((NameError, ModuleNotFoundError), told)
    raise NotInstalled(name) from None


def bound_by(shell):
    """The names that the cell which runs at present gives a value to."""
    nodes = list(ast.walk(ast.parse(shell.user_ns["In"][-1])))
    defined = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return defined | stored | {(one.asname or one.name).split(".")[0] for one in nodes if isinstance(one, ast.alias)}
