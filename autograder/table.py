"""The tables that `grade` and `certify` print."""

from rich.table import Table

from autograder.terminal import wide_console

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


def show(name, results, by_hand=None):
    """Print scores and verdicts, what waits for a person, and what was repaired.

    Parameters
    ----------
    name : str
    results : dict
        student -> result of `execute.execute`
    by_hand : dict, optional
        (student, cell) -> points that a person has given.
    """
    by_hand = by_hand or {}
    tasks = list(dict.fromkeys(verdict["task"] for result in results.values() for verdict in result["verdicts"]))
    table = Table(title=name, title_style="bold")
    table.add_column("student", no_wrap=True)
    for task in tasks:  # in a narrow column each part of the name on a line: cut off, several would look alike
        table.add_column(task.replace("-", "-\n"), justify="center", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    waiting, pending = [], 0
    for student, result in results.items():
        cells, total, open_points = {}, 0.0, 0.0
        for verdict in result["verdicts"]:
            points = by_hand.get((student, verdict["cell"]))
            cells[verdict["task"]] = _mark(verdict) if points is None else f"{points:g} by hand"
            total += verdict["score"] if points is None else points
            if verdict["verdict"] == "needs-person" and points is None:
                waiting.append(f"{student} {verdict['task']}")
            if verdict["verdict"] == "needs-gpu" and points is None:
                open_points, pending = open_points + verdict["max_score"], pending + 1
        most = sum(verdict["max_score"] for verdict in result["verdicts"])
        more = f"\n{open_points:g} open" if open_points else ""
        table.add_row(student, *(cells[task] for task in tasks), f"{total:g} / {most:g}{more}")
    console = wide_console()
    console.print(table)
    if waiting:
        console.print(f"  to be graded by a person: {', '.join(waiting)}", markup=False)
    if pending:
        many = f"{pending} answers wait" if pending > 1 else "1 answer waits"
        cure = f"on a machine with one, `python -m autograder grade {name} --only needs-gpu`"
        console.print(f"  {many} for a GPU, and no points are lost: {cure}", markup=False, soft_wrap=True)
    for student, result in results.items():
        for repair in result["repairs"]:
            console.print(f"  {student}: {repair}", markup=False)
    for student, result in results.items():
        for flag in result["flags"]:
            console.print(f"  look at {student}: {flag}", markup=False)


def _mark(verdict):
    slip = f"\n{verdict['slips'][0]}" if verdict["slips"] else ""
    return f"[{MARKS[verdict['verdict']]}]{verdict['verdict']}[/]{slip}"


def certificate(rows):
    """Print what `certify` found, and every problem.

    Parameters
    ----------
    rows : list of autograder.certify.Row
    """
    table = Table(title="certificate", title_style="bold")
    columns = ["task", "solution passes", "slips named", "styles accepted", "untouched", "false fails under load"]
    for column in columns:
        table.add_column(column, justify="left" if column == "task" else "right")
    for row in rows:
        mark = "[red]" if row.problems else ""
        cells = (row.seeds, row.slips, row.styles, row.untouched, row.false_fails)
        table.add_row(f"{mark}{row.notebook} {row.task}", *cells)
    console = wide_console()
    console.print(table)
    problems = [f"{row.notebook} {row.task}: {problem}" for row in rows for problem in row.problems]
    for problem in problems:
        console.print(f"  {problem}", markup=False)
    console.print("This grader is not fit for a release." if problems else "The certificate holds.")
