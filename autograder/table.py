"""The table that `grade` prints: one line a student, one column a task."""

from rich.console import Console
from rich.table import Table

MARKS = {
    "passed": "green",
    "partial": "yellow",
    "undecided": "yellow",
    "needs-person": "cyan",
    "needs-gpu": "cyan",
    "failed": "red",
    "missing": "bright_black",
    "timeout": "magenta",
    "crashed": "magenta",
}


def show(name, results):
    """Print scores and verdicts, and what was repaired.

    Parameters
    ----------
    name : str
    results : dict
        student -> result of `execute.execute`
    """
    tasks = list(dict.fromkeys(verdict["task"] for result in results.values() for verdict in result["verdicts"]))
    table = Table(title=name, title_style="bold")
    table.add_column("student", no_wrap=True)
    for task in tasks:
        table.add_column(task, justify="center")
    table.add_column("score", justify="right", no_wrap=True)
    for student, result in results.items():
        by_task = {verdict["task"]: verdict for verdict in result["verdicts"]}
        cells = [_mark(by_task[task]) for task in tasks]
        total = sum(verdict["score"] for verdict in result["verdicts"])
        most = sum(verdict["max_score"] for verdict in result["verdicts"])
        table.add_row(student, *cells, f"{total:g} / {most:g}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
    for student, result in results.items():
        for repair in result["repairs"]:
            console.print(f"  {student}: {repair}", markup=False)


def _mark(verdict):
    slip = f"\n{verdict['slips'][0]}" if verdict["slips"] else ""
    return f"[{MARKS[verdict['verdict']]}]{verdict['verdict']}[/]{slip}"
