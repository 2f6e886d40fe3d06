"""Run an experiment over its whole grid, keep every run, and find out later whether it still comes out the same.

An experiment is a file beside this one that ends in `main(EXPERIMENT)`. It writes book/results/NAME.json: what was
claimed, the grid, every run, seeds inside, and the versions, machine and seconds. Pages read it with `load`.

    python book/experiments/NAME.py             # run all cases, write the result
    python book/experiments/NAME.py --check     # run the cases of its slice again and compare, write nothing
    python book/experiments                     # run all experiments, as `make experiments` does
    python book/experiments/lab.py              # a table of all results
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small arrays: one thread is faster, and sums come out the same

import argparse
import concurrent.futures
import datetime
import json
import math
import multiprocessing
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER.parent / "results"
sys.path.insert(0, str(FOLDER.parent.parent / "exercises"))  # bnlab, from a clone of the repository


@dataclass(frozen=True)
class Experiment:
    """One claim and the grid that puts it to the test.

    Parameters
    ----------
    name : str
        Name of the file in this folder and of its result.
    claim : str
        One sentence that the runs support or contradict.
    cases : list of dict
        The whole grid; each case holds JSON values, seeds among them.
    run : callable
        case -> dict of JSON values (numbers, lists, None for a number that is not finite).
    part : tuple of int
        Indices of cases that run again in a few seconds, for `--check` and the tests.
    tolerance : float
        Largest difference, relative to 1 + |stored|, that two machines may show in these cases.
    """

    name: str
    claim: str
    cases: list[dict]
    run: Callable[[dict], dict]
    part: tuple[int, ...] = (0,)
    tolerance: float = 1e-3


def load(name: str) -> tuple[dict, list[dict]]:
    """Read a stored result.

    Parameters
    ----------
    name : str

    Returns
    -------
    about : dict
        claim, date, machine, versions, seconds.
    runs : list of dict
        One a case: its settings and its results together.

    Raises
    ------
    FileNotFoundError
        With the command that makes the result.
    """
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is missing; run `python book/experiments/{name}.py`")
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["about"], stored["runs"]


def select(runs: list[dict], **settings) -> list[dict]:
    """Return the runs with these settings, in the order of the grid."""
    return [run for run in runs if all(run.get(key) == value for key, value in settings.items())]


def about(experiment: Experiment, seconds: float) -> dict:
    """Return what a reader needs to judge or repeat a result."""
    from importlib.metadata import version

    packages = ("numpy", "torch", "scikit-learn")
    return {
        "claim": experiment.claim,
        "command": f"python book/experiments/{experiment.name}.py",
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(seconds, 1),
    }


def one_thread() -> None:
    """Set up a process of the pool."""
    import torch

    torch.set_num_threads(1)


def timed(run: Callable[[dict], dict], case: dict) -> dict:
    """Run one case; its results and its seconds."""
    started = time.process_time()  # of the processor: what else the machine does meanwhile does not count
    result = plain(run(case))
    return {**result, "seconds": round(time.process_time() - started, 2)}


def plain(value):
    """Turn arrays and NumPy numbers into JSON values of six digits; a number that is not finite becomes None."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def same_grid(experiment: Experiment, runs: list[dict]) -> bool:
    """Whether stored runs are those of the grid as it is now."""
    settings = [{key: run.get(key) for key in case} for case, run in zip(experiment.cases, runs)]
    return settings == json.loads(json.dumps(experiment.cases))


def expected(experiment: Experiment) -> list[float]:
    """The seconds that each case took last time; 1 where that is not known."""
    runs = load(experiment.name)[1] if (RESULTS / f"{experiment.name}.json").exists() else []
    return [run["seconds"] for run in runs] if same_grid(experiment, runs) else [1.0] * len(experiment.cases)


def run_all(experiments: list[Experiment], jobs: int | None = None) -> Iterator[Path]:
    """Run every case of some experiments in parallel processes, the longest first, with a progress bar.

    Yields the file of each experiment as soon as its last case is done. Its "seconds" are its share of the time: the
    processor time of its cases, divided by the number of processes.
    """
    from rich.progress import Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    context = multiprocessing.get_context("spawn")
    jobs = min(jobs or os.cpu_count() or 1, sum(len(experiment.cases) for experiment in experiments))
    queue = [
        (seconds, experiment, position)
        for experiment in experiments
        for position, seconds in enumerate(expected(experiment))
    ]
    queue.sort(key=lambda entry: -entry[0])
    results = {experiment.name: {} for experiment in experiments}
    columns = (*Progress.get_default_columns()[:3], TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    with (
        Progress(*columns) as bar,
        concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context, initializer=one_thread) as pool,
    ):
        shown = bar.add_task(f"{len(queue)} cases", total=sum(entry[0] for entry in queue))
        waiting = {pool.submit(timed, entry[1].run, entry[1].cases[entry[2]]): entry for entry in queue}
        try:
            for future in concurrent.futures.as_completed(waiting):
                seconds, experiment, position = waiting[future]
                results[experiment.name][position] = {**experiment.cases[position], **future.result()}
                bar.advance(shown, seconds)
                if len(results[experiment.name]) == len(experiment.cases):
                    runs = [run for _, run in sorted(results.pop(experiment.name).items())]
                    yield store(experiment, runs, sum(run["seconds"] for run in runs) / jobs)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what has run is stored; the rest is not begun
            raise


def store(experiment: Experiment, runs: list[dict], seconds: float) -> Path:
    """Write the result of a whole grid, at once."""
    stored = {"about": about(experiment, seconds), "runs": runs}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{experiment.name}.json"
    lines = ",\n  ".join(json.dumps(run) for run in runs)
    head = json.dumps(stored["about"], indent=1)
    temporary = path.with_suffix(".new")
    temporary.write_text(f'{{"about": {head},\n "runs": [\n  {lines}\n ]}}\n', encoding="utf-8")
    temporary.replace(path)
    return path


def differences(experiment: Experiment) -> list[str]:
    """Run the part of the grid that is kept for this, and say what comes out differently from what is stored."""
    one_thread()
    _, runs = load(experiment.name)
    if not same_grid(experiment, runs):
        return [f"the grid of {experiment.name}.json is not the one of the file; run the experiment again"]
    found = []
    for index in experiment.part:
        again = timed(experiment.run, experiment.cases[index])
        for key, value in again.items():
            if key != "seconds":
                found += compare(f"case {index}, {key}", runs[index][key], value, experiment.tolerance)
    return found


def compare(where: str, stored, again, tolerance: float) -> list[str]:
    """Compare two JSON values leaf by leaf."""
    if isinstance(stored, dict) and isinstance(again, dict) and stored.keys() == again.keys():
        return [line for key in stored for line in compare(f"{where}.{key}", stored[key], again[key], tolerance)]
    if isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        return [
            line for i, pair in enumerate(zip(stored, again)) for line in compare(f"{where}[{i}]", *pair, tolerance)
        ]
    numbers = isinstance(stored, int | float) and isinstance(again, int | float)
    same = abs(stored - again) <= tolerance * (1 + abs(stored)) if numbers else stored == again
    return [] if same else [f"{where}: stored {stored}, now {again}"]


def main(experiment: Experiment) -> None:
    """The command line of an experiment."""
    parser = argparse.ArgumentParser(description=experiment.claim)
    parser.add_argument("--check", action="store_true", help="run the slice again and compare; write nothing")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes, by default one a core")
    given = parser.parse_args()
    if given.check:
        found = differences(experiment)
        print("\n".join(found) or f"{experiment.name}: {len(experiment.part)} cases come out as stored")
        sys.exit(1 if found else 0)
    for path in run_all([experiment], given.jobs):
        print(said(path))


def said(path: Path) -> str:
    """One line on a stored result."""
    known, runs = load(path.stem)
    return f"{path.name}: {len(runs)} cases, {path.stat().st_size / 1000:.0f} kB, {known['seconds']} s"


def overview() -> None:
    """Print a table of all stored results."""
    from rich.console import Console
    from rich.table import Table

    table = Table("experiment", "claim", "cases", "seconds", "date")
    for path in sorted(RESULTS.glob("*.json")):
        known, runs = load(path.stem)
        table.add_row(path.stem, known["claim"], str(len(runs)), str(known["seconds"]), known["date"])
    Console().print(table)


if __name__ == "__main__":
    overview()
