"""A package that a notebook needs and that is not there: one line, and no tracebacks of the cells that follow."""

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

    Cells that are run in spite of it miss what it would have brought along: until the package is there, their
    errors are told by the same line.

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
        shell.set_custom_exc(
            (NameError, ModuleNotFoundError),
            lambda shell, *error, tb_offset=None: _told(shell, name, error, tb_offset),
        )
    raise NotInstalled(name) from None


def _told(shell, name, error, tb_offset):
    kind, value, traceback = error
    # a variable that a function reads too early is the student's own, whatever is installed
    follows = kind is NameError or issubclass(kind, ModuleNotFoundError) and (value.name or "").split(".")[0] == name
    if follows and name not in shell.user_ns:
        value = NotInstalled(name)
    shell.showtraceback((type(value), value, traceback), tb_offset=tb_offset)
