"""The certificate: does the grader accept what is right, refuse what is wrong, and name why?

For each task: the solution passes over many seeds, other right styles pass, every known slip fails with its own name,
the untouched answer gets 0, and a timed task fails no right answer while all cores are busy. All of it goes through
the real referee and real workers.
"""

import contextlib
import hashlib
import multiprocessing
import os
import pickle
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from bnlab import tasks
from bnlab.oracles import Functions

from autograder.authoring.kernels import GPU
from autograder.bench.made_up import solved, written_by
from autograder.grading import execute, isolation
from autograder.grading.referee import Referee
from autograder.grading.result import Verdict
from solutions import styles
from solutions.exact import exact

KEY = b"certificate"  # not the course's secret: a certificate gives the same answer on every machine
RIGHT = ("passed", "undecided", "needs-gpu")
FULL = {"seeds": 50, "races": 200, "tries": 5, "every": 1}
QUICK = {"seeds": 3, "races": 5, "tries": 1, "every": 3}


@dataclass
class Row:
    """What was found for one task; `problems` is empty where the certificate holds."""

    notebook: str
    task: str
    seeds: str = ""
    slips: str = ""
    styles: str = ""
    untouched: str = ""
    false_fails: str = ""
    problems: list = field(default_factory=list)


class Remembered(Functions):
    """Truth that is computed once for the same inputs: all slips of a bank meet it.

    Parameters
    ----------
    kept : dict
        Where it is kept.
    functions
        As for Functions.
    """

    def __init__(self, kept, *functions):
        super().__init__(*functions)
        self.kept = kept

    def truth(self, task, case, inputs):
        try:
            key = task.id, case.name, hashlib.sha256(pickle.dumps(inputs)).digest()
        except (TypeError, AttributeError, pickle.PicklingError):  # a function among them
            return super().truth(task, case, inputs)
        if key not in self.kept:
            self.kept[key] = super().truth(task, case, inputs)
        return self.kept[key]


class Bench:
    """Judges implementations of one notebook's tasks."""

    def __init__(self, name):
        self.hold = execute.material(name)
        self.script = self.hold.script
        self.styles = styles.styles
        self.tests = self.script.of_kind("test")
        self.setup = [(cell.id, cell.source) for cell in self.script.of_kind("readonly")]
        hold = self.hold
        self.referee = Referee(self.script, hold.references, hold.bank, self.zygote(), hold.twin, KEY, "certificate")
        self.kept = {}  # what a test cell's cases come out as
        self.referee.oracle = lambda task: Remembered(
            self.kept, hold.references[task.answer], hold.bank(task.id), exact(task.id)
        )

    def zygote(self):
        """Where workers come from."""
        return execute.zygote(self.hold.libraries)

    def answer_cell(self, cell):
        """The answer cell whose names a test cell uses."""
        names = [owner for name, owner in self.referee.names.items() if name in cell.source]
        task = self.script.task_of(cell.id)
        return task if task in names else names[-1]

    def cells(self, sources):
        """Set-up and the given answers, in the notebook's order; the other tasks are answered by the solution."""
        chosen = []
        for cell in self.script.of_kind("solution"):
            chosen.append((cell.id, sources.get(cell.id, solved(cell.source))))
        return self.setup + chosen

    def verdicts(self, cell, sources, students):
        """The verdicts of one test cell for one set of answers and several seeds."""
        found = []
        with self.referee.seated(self.cells(sources)):
            for student in students:
                self.referee.student = student
                verdict = Verdict(cell.id, self.script.task_of(cell.id), float(cell.points))
                self.referee.judge(cell, verdict)
                found.append(verdict)
        return found


def certify(name, amounts, advance=lambda: None):
    """The rows of one notebook.

    Parameters
    ----------
    name : str
    amounts : dict
        "seeds" for solutions, "races" for timed tasks, "tries" for each slip and style: seeds as well. "every" is the
        step through a bank of wrong kernels, each of which has to be compiled; other banks are tried as a whole.
    advance : callable
        Called after each task.

    Returns
    -------
    list of Row
    """
    bench = Bench(name)
    rows = []
    for cell in bench.tests:
        bench.kept.clear()
        row = Row(name, bench.script.task_of(cell.id))
        owner = bench.answer_cell(cell)
        slips = slips_of(bench, cell, row.task, amounts["every"])
        with compiled_once(bench, owner, slips):
            _right(bench, cell, owner, row, amounts)
            _wrong(bench, cell, owner, row, slips, amounts)
        rows.append(row)
        advance()
    return rows


def slips_of(bench, cell, task_id, every):
    """Name -> (function, message) of the slips that are tried."""
    if cell.is_timed_on_gpu:  # the same function was judged before
        return {}
    bank = bench.hold.bank(task_id)
    return dict(list(bank.items())[::every]) if GPU in bench.hold.libraries else bank


@contextlib.contextmanager
def compiled_once(bench, task_id, slips):
    """Kernels of solution, styles and slips are compiled here, and workers find them.

    Students' workers find the simulator alone: what a grader compiled of the solutions is none of their business.
    """
    if GPU not in bench.hold.libraries:
        yield
        return
    from bnlab.gpu import compiler

    folder, before = Path(isolation.simulator()), os.environ.get("BNLAB_GPU_CACHE")
    for path in compiler.cache().iterdir():  # kernels, and what the compiler said of them
        if path.suffix in (".so", ".txt") and not (folder / path.name).exists():
            shutil.copy(path, folder)
    os.environ["BNLAB_GPU_CACHE"] = str(folder)
    try:
        task = tasks.find(task_id)
        wrong = [function for function, _ in slips.values()]
        for function in [bench.hold.references[task.answer], *bench.styles(task_id).values(), *wrong]:
            for position, case in enumerate(task.cases if task.driver else ()):
                with contextlib.suppress(Exception):  # a slip may fail: what matters is that it has been compiled
                    task.driver(function, case.inputs(tasks.public_rng(task_id, position)))
        for path in folder.glob("*.so"):
            path.chmod(0o755)
        yield
    finally:
        os.environ.pop("BNLAB_GPU_CACHE")
        os.environ.update({"BNLAB_GPU_CACHE": before} if before else {})


def _right(bench, cell, owner, row, amounts):
    """Solution over seeds, other styles, and for timed tasks the false fails under load."""
    timed = cell.is_timed
    seeds = [f"seed {number}" for number in range(min(amounts["seeds"], 5) if timed else amounts["seeds"])]
    passed = [verdict.verdict in RIGHT for verdict in bench.verdicts(cell, {}, seeds)]
    row.seeds = f"{sum(passed)}/{len(passed)}"
    if not all(passed):
        row.problems.append(f"the solution fails for {row.seeds} seeds")

    found = bench.styles(row.task)
    accepted = 0
    for style, function in found.items():
        source = written_by(function, tasks.find(row.task).answer)
        verdicts = bench.verdicts(cell, {owner: source}, tries(amounts, "style", timed))
        refused = next((one for one in verdicts if one.score != one.max_score and one.verdict != "needs-gpu"), None)
        accepted += refused is None
        if refused:
            row.problems.append(f"the right style {style} gets {refused.verdict}: {refused.message}")
    row.styles = f"{accepted}/{len(found)}"
    if len(found) < 3:
        row.problems.append("fewer than three other right styles")
    if timed:
        with busy_cores():
            verdicts = bench.verdicts(cell, {}, [f"race {number}" for number in range(amounts["races"])])
        fails = sum(verdict.verdict not in ("passed", "undecided") for verdict in verdicts)
        row.false_fails = f"{fails}/{len(verdicts)}"
        if fails:
            row.problems.append(f"{row.false_fails} right answers failed the race under load")


def tries(amounts, what, timed):
    """The seeds for a slip or a style; one for a timed task, whose races are counted elsewhere."""
    return [f"{what} {number}" for number in range(1 if timed else amounts["tries"])]


def _wrong(bench, cell, owner, row, slips, amounts):
    """The known slips, and the untouched answer."""
    release = {entry.get("id"): entry.source for entry in bench.hold.release.cells}
    (verdict,) = bench.verdicts(cell, {owner: release[owner]}, ["untouched"])
    row.untouched = f"{verdict.score:g}"
    if verdict.score or verdict.verdict != "missing":
        row.problems.append(f"the untouched answer gets {verdict.score:g} points as {verdict.verdict}")
    named = 0
    for name, (function, message) in slips.items():
        source = written_by(function, tasks.find(row.task).answer)
        verdicts = bench.verdicts(cell, {owner: source}, tries(amounts, "slip", cell.is_timed))
        odd = next((verdict for verdict in verdicts if not is_named(verdict, name, message)), None)
        named += odd is None
        if odd:
            row.problems.append(f"the slip {name} gets {odd.verdict} and is called {odd.slips[:1]}: {odd.message}")
    row.slips = f"{named}/{len(slips)}"


def is_named(verdict, name, message):
    """Whether a wrong answer loses points and hears its own slip's message first."""
    return verdict.score < verdict.max_score and verdict.slips[:1] == [name] and message in verdict.message


@contextlib.contextmanager
def busy_cores():
    """All cores at work while something is measured."""
    burners = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(os.cpu_count() or 1)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def _burn():
    while True:
        sum(range(10_000))
