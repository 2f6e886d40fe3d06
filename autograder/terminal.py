"""What commands show on a terminal: a progress bar, and a console on which a table has room."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress():
    """A progress bar with the time left."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    return Progress(*columns, transient=True)


def wide_console():
    """The terminal, or 160 columns where the output goes elsewhere."""
    console = Console()
    return console if console.is_terminal else Console(width=160)
