"""How often is the speed check wrong? Races of answers whose speed is known, with idle and with overloaded cores.

    python -m autograder.bench.speed --repeats 200

Two answers race many times through the real workers, one race on each core at a time, as when a class is graded: one
that is the hidden solution itself, and one that calls it twice. The check must pass the first and fail the second at a
limit between the two (BETWEEN), which is far stricter than any limit of the course; the first must also pass at the
course's own limit. "Undecided" gives full marks: no false fail, but a false pass of the slow answer. Prints a table
and writes the numbers with machine and date.
"""

import argparse
import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
from bnlab import tasks
from bnlab.tasks.backward import cache_inputs

from autograder.bench import figures
from autograder.bench.certify import busy_cores
from autograder.grading import canaries, execute, processes, speed
from autograder.grading.twin import Heat
from autograder.grading.worker import Worker
from autograder.terminal import progress, wide_console
from solutions import machine

NOTEBOOK, TASK = "04_backward", "backward-speed"
SHAPE, COURSE, BETWEEN = (300, 1000), 2.5, 1.4  # as in the notebook; the notebook's limit; between once and twice
TWICE = """

_once = batchnorm_backward


def batchnorm_backward(dy, cache):
    _once(dy, cache)
    return _once(dy, cache)
"""
RESULT = Path(__file__).parent / "results" / "speed.json"


@functools.cache
def sources():
    """Name of an answer -> its source."""
    hold = execute.material(NOTEBOOK)
    cells = {cell.id: cell.python for cell in hold.script.of_kind("solution")}
    once = "import numpy as np\n\n\n" + cells[hold.script.answer_names()[tasks.find(TASK).answer]]
    return {"the same code": once, "2 times slower": once + TWICE}


@functools.cache
def inputs(pair):
    """Inputs of a pair of laps, drawn once in a process."""
    return cache_inputs(*SHAPE)(np.random.default_rng([17, pair + 2]))


def race(answer, limit):
    """One race of an answer from a fresh worker against the warm twin, in this process.

    Returns
    -------
    verdict : "passed" | "failed" | "undecided"
    pace : autograder.grading.speed.Pace
    seconds : float
    """
    started, hold, task = time.monotonic(), execute.material(NOTEBOOK), tasks.find(TASK)
    worker = Worker(execute.zygote(hold.libraries))
    try:
        twin = hold.twin.worker()
        for racer in (worker, twin):
            racer.allow(60, TASK)
        problem = worker.run_cell("answer", sources()[answer])
        if problem:
            raise RuntimeError(problem)
        heat = Heat(task, worker, twin, inputs)
        return *speed.race(heat.answer, heat.solution, limit, np.random.default_rng()), time.monotonic() - started
    finally:
        worker.close()


def racers():
    """A process on each core, as `grade` has them."""
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(os.cpu_count(), context, processes.begin, (os.getpid(),))


def measure(pool, answer, limit, repeats, advance=lambda: None):
    """Races of one answer at one limit, one on each core at a time, as when a class is graded.

    Returns
    -------
    dict
        Counts of the verdicts, ratios and pairs of all races, and seconds of a race.
    """
    counts, ratios, pairs, seconds = {"passed": 0, "undecided": 0, "failed": 0}, [], [], []
    for future in concurrent.futures.as_completed([pool.submit(race, answer, limit) for _ in range(repeats)]):
        verdict, pace, took = future.result()
        counts[verdict] += 1
        ratios.append(pace.ratio)
        pairs.append(pace.pairs)
        seconds.append(took)
        advance()
    low, middle, high = np.quantile(ratios, [0.025, 0.5, 0.975])
    return {
        **counts,
        "ratio": round(float(middle), 3),
        "ratio, 95 % of the races": [round(float(low), 3), round(float(high), 3)],
        "pairs, median": float(np.median(pairs)),
        "seconds a race": round(float(np.mean(seconds)), 3),
    }


PLAN = (("the same code", COURSE), ("the same code", BETWEEN), ("2 times slower", BETWEEN))


def bench(repeats, advance=lambda: None):
    """All rows: each answer and limit, with idle and with overloaded cores."""
    rows = []
    for cores, load in (("idle", contextlib.nullcontext), ("overloaded", busy_cores)):
        with load(), racers() as pool:
            for answer, limit in PLAN:
                found = measure(pool, answer, limit, repeats, advance)
                wrong = found["failed"] if answer == "the same code" else found["passed"] + found["undecided"]
                kind = "false fails" if answer == "the same code" else "false passes"
                about = {"cores": cores, "answer": answer, "limit": limit, "repeats": repeats}
                rows.append({**about, "error": kind, "errors": wrong, **found})
    return rows


def goals_missed(rows):
    """Sentences on what falls short: no false fail, and at least 99 % of the slow answers caught."""
    missed = []
    for row in rows:
        allowed = 0 if row["error"] == "false fails" else 0.01 * row["repeats"]
        if row["errors"] > allowed:
            where = f"{row['answer']}, limit {row['limit']:g}, {row['cores']} cores"
            missed.append(f"{where}: {row['errors']} {row['error']} in {row['repeats']} races")
    return missed


def show(rows):
    """Print the rows as a table."""
    from rich.table import Table

    columns = ("cores", "answer", "limit", "error", "errors", "repeats", "undecided", "ratio", "pairs, median")
    table = Table(title="races of answers whose speed is known", title_style="bold")
    for column in (*columns, "seconds a race"):
        table.add_column(column, justify="left" if column in ("cores", "answer", "error") else "right")
    for row in rows:
        table.add_row(*(str(row[column]) for column in (*columns, "seconds a race")))
    wide_console().print(table)


def main():
    given = argparse.ArgumentParser(prog="python -m autograder.bench.speed", description=__doc__.split("\n")[0])
    given.add_argument("--repeats", type=int, default=1000, metavar="N", help="races in each row, by default 1000")
    given.add_argument(
        "--to", type=Path, default=RESULT, metavar="FILE", help="by default autograder/bench/results/speed.json"
    )
    given = given.parse_args()
    hold = execute.material(NOTEBOOK)
    found = canaries.inspect(execute.zygote(hold.libraries))
    with progress() as bar:
        line = bar.add_task("racing", total=2 * len(PLAN) * given.repeats)
        rows = bench(given.repeats, lambda: bar.advance(line))
    execute.close_zygotes()
    show(rows)
    machine.write(given.to, {"isolation": found.tier, "shape": SHAPE, "rows": rows})
    if given.to == RESULT:
        figures.write()
    missed = goals_missed(rows)
    print("\n".join(missed) or "No false fail, and at least 99 % of the slow answers caught.")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
