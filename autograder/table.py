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
    for student, result in results.items():
        cells, total = {}, 0.0
        for verdict in result["verdicts"]:
            points = by_hand.get((student, verdict["cell"]))
            cells[verdict["task"]] = _mark(verdict) if points is None else f"{points:g} by hand"
            total += verdict["score"] if points is None else points
        most = sum(verdict["max_score"] for verdict in result["verdicts"])
        pending = sum(verdict["max_score"] for _, verdict in _open({student: result}, by_hand, "needs-gpu"))
        more = f"\n{pending:g} open" if pending else ""
        table.add_row(student, *(cells[task] for task in tasks), f"{total:g} / {most:g}{more}")
    console = wide_console()
    console.print(table)
    if waiting := [f"{student} {verdict['task']}" for student, verdict in _open(results, by_hand, "needs-person")]:
        console.print(f"  to be graded by a person: {', '.join(waiting)}", markup=False)
    if count := len(_open(results, by_hand, "needs-gpu")):
        many = f"{count} answers wait" if count > 1 else "1 answer waits"
        cure = f"on a machine with one, `python -m autograder grade {name} --only needs-gpu`"
        console.print(f"  {many} for a GPU, and no points are lost: {cure}", markup=False, soft_wrap=True)
    said = [f"{student}: {repair}" for student, result in results.items() for repair in result["repairs"]]
    said += [f"look at {student}: {flag}" for student, result in results.items() for flag in result["flags"]]
    for line in said:
        console.print(f"  {line}", markup=False)


def _open(results, by_hand, verdict):
    """(student, verdict) of each cell with one verdict for which no person has given points."""
    pairs = [(student, one) for student, result in results.items() for one in result["verdicts"]]
    return [(who, one) for who, one in pairs if one["verdict"] == verdict and (who, one["cell"]) not in by_hand]


def _mark(verdict):
    slip = f"\n{verdict['slips'][0]}" if verdict["slips"] else ""
    return f"[{MARKS[verdict['verdict']]}]{verdict['verdict']}[/]{slip}"


def certificate(rows):
    """Print what `certify` found, and every problem.

    Parameters
    ----------
    rows : list of autograder.bench.certify.Row
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
