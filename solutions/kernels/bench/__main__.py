"""`make gpu`: everything about speed that a GPU has to tell, in one call of at most eight minutes.

    python -m solutions.kernels.bench                 on a machine with a GPU: writes book/measured/gpu.json
    python -m solutions.kernels.bench --dry-run       the same on the simulated GPU with small shapes: no speed
    python -m solutions.kernels.bench --only training one part again, on the same kind of machine
    python -m solutions.kernels.bench --tell          after a change of the kernels: what the figures are no longer of

It needs NumPy, CuPy, PyTorch and pytest. In order: compute-sanitizer where it is there, repeats of the persistent
kernel, a table of all contenders (contenders.py), the tests that need a GPU, training (training.py). The file is
written after each part, so that what an interrupted run has measured is kept.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from solutions.kernels.bench import figures
from solutions.kernels.bench.figures import RESULT, ROOT

DRY = ROOT / "_build" / "gpu_dry.json"
SHAPES = [(32, 64, 112, 112), (32, 256, 56, 56), (32, 512, 28, 28), (32, 1024, 14, 14), (32, 2048, 7, 7)]
SHAPES += [(8, 64, 32, 32)]
SMALL = [(4, 3, 8, 8)]
PARTS = ("sanitizer", "repeats", "table", "goals", "tests", "training")
ODD = (3, 8, 7, 7)
# what the grader needs, as its `doctor` says, besides NumPy
GRADES = ("nbgrader", "jupytext", "rich", "latex2mathml", "accessible-pygments")


class Bench:
    """One run of the benchmark.

    Parameters
    ----------
    to : Path
    minutes : float
        Parts that would begin later are left out, and said to be.
    """

    def __init__(self, to, minutes):
        from bnlab import gpu

        from solutions.kernels.bench.measure import Stopwatch

        self.to, self.deadline, self.begun = Path(to), time.monotonic() + 60 * minutes, time.monotonic()
        self.gpu, self.dry, self.watch = gpu, gpu.device.simulated, Stopwatch()
        self.rng, self.about, self.keeps = np.random.default_rng(), {}, False
        self.found = {"dry": self.dry, "machine": machine(gpu), "sources": figures.sources()}

    def part(self, name, work, least=20):
        """Do one part and write the file; a part that fails says so, and the others go on."""
        started = time.monotonic()
        if self.deadline - started < least:
            if self.keeps:
                raise ValueError(f"no time for {name}: give it --minutes")
            self.found[name] = {"left out": "no time left"}
        else:
            say(f"{name} ...")
            try:
                self.found[name] = work() | self.about
            except Exception as error:  # a broken part costs no other one
                if self.keeps:
                    raise ValueError(f"{name} failed, and what was measured is kept: {error}") from error
                self.found[name] = {"failed": f"{type(error).__name__}: {error}"[:500]}
        say(f"{name}: {time.monotonic() - started:.0f} s{' FAILED' if 'failed' in self.found[name] else ''}")
        self.found["seconds"] = round(time.monotonic() - self.begun, 1)
        self.to.parent.mkdir(parents=True, exist_ok=True)
        self.to.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")

    def run(self, parts=PARTS):
        """These parts; by default all, in their order.

        Returns
        -------
        dict
        """
        for name in parts:
            self.part(name, getattr(self, name), {"table": 60, "goals": 0, "tests": 30, "training": 30}.get(name, 20))
        return self.found

    def again(self):
        """Keep what the file says of the other parts, where nothing else has changed.

        Raises
        ------
        ValueError
            With what is different: a device, a version, a source; or where there is no such file.
        """
        try:
            before = json.loads(self.to.read_text(encoding="utf-8"))
            whole = {"machine", "sources", "seconds", *PARTS} <= before.keys()
        except (OSError, ValueError, AttributeError) as error:
            raise ValueError(f"{self.to} cannot be read: measure all parts first ({error})") from None
        if not whole:
            raise ValueError(f"{self.to} does not hold all parts: measure all of them first")
        now = {**self.found["machine"], **self.found["sources"]}
        then = {**before.get("machine", {}), **before.get("sources", {})}
        other = [name for name in {**then, **now} if name != "date" and then.get(name) != now.get(name)]
        if other:
            raise ValueError(f"{', '.join(other)}: not as in {self.to}; measure all parts again")
        before.pop("changed since", None)
        self.begun -= before["seconds"]
        if before["machine"]["date"] != self.found["machine"]["date"]:
            self.about = {"date": self.found["machine"]["date"]}
        self.found, self.keeps = before, True

    def goals(self):
        return figures.goals(self.found["table"])

    def training(self):
        from solutions.kernels.bench import training

        return training.on_gpu(min(120, self.deadline - time.monotonic() - 5), say)

    def sanitizer(self):
        """compute-sanitizer over every kernel; where there is none, the simulator's checks over the same launches."""
        program = shutil.which("compute-sanitizer")
        if self.dry:
            probe(self.gpu)
            return {"simulator": "no race, no wild access"}
        if program is None:
            return {"left out": "compute-sanitizer is not installed"}
        found, bad, running = {}, [], {}
        for tool in figures.TOOLS:
            command = [program, "--tool", tool, "--error-exitcode", "9"]
            command += [sys.executable, "-m", "solutions.kernels.bench", "--probe"]
            running[tool] = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for tool, process in running.items():
            try:
                lines = process.communicate(timeout=60)[0].splitlines()
                lines = [line.strip("= ") for line in lines if "SUMMARY" in line or "Error" in line]
                found[tool] = "; ".join(lines[-2:]) or f"exit code {process.returncode}"
                bad += [tool] if process.returncode else []
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                found[tool] = "not finished within 60 s"
                bad.append(tool)
        bad = {"failed": f"{', '.join(bad)} ended with a mistake, or not at all"} if bad else {}
        return found | {"watched": "small launches, of one block a channel and of several"} | bad

    def repeats(self):
        """Launch the persistent kernels again and again, on two inputs by turns: who took a sum that the launch before
        had left would get the other input's. The bits of every launch are compared with the first ones, on the device;
        every so often it is asked what it found."""
        from solutions.kernels.bench.contenders import Case, hidden_kernels

        shape = (32, 96, 28, 28)
        todo = [("images", shape), ("rows", shape), ("rows", (32, 512, 14, 14))]  # the last one has few blocks a slab
        count, todo = (24, [(layout, SMALL[0]) for layout, _ in todo[:2]]) if self.dry else (10_000, todo)
        kernels, found = hidden_kernels("float32"), {"launches": 0, "compared": 0, "inputs": 2}
        for direction, (layout, shape) in itertools.product(("forward", "backward"), todo):
            cases = [Case(self.gpu.xp, shape, "float32", direction, kernels, seed) for seed in (7, 8)]
            pairs = [case.hidden(layout, "persistent") for case in cases]
            if None in pairs:
                raise RuntimeError(f"{shape} does not fit the persistent kernel here")
            firsts = [[array.copy() for array in call()] for call, _ in pairs]
            other, rounds = self.gpu.xp.zeros((), np.int64), -(-count // (4 * len(todo)))
            for number in range(1, rounds + 1):
                results = [call() for call, _ in pairs]  # one behind the other, with nothing between them
                for first, result in zip(firsts, results):
                    other += sum((one != two).sum() for one, two in zip(first, result, strict=True))
                found["launches"] += 2
                found["compared"] += 2
                if (number % max(rounds // 5, 1) == 0 or number == rounds) and int(other):
                    text = f"{int(other)} numbers of {number} launches of {direction}, {layout}, have other bits"
                    raise RuntimeError(text)
            problems = [case.wrong(read) for case, (_, read) in zip(cases, pairs)]
            if any(problems):
                raise RuntimeError(f"{direction}, {layout}: {' '.join(problems)}")
        return found | {"shapes": sorted({shape for _, shape in todo}), "bits": "the same in all that were compared"}

    def table(self):
        """Rows, one a shape, storage, direction and contender."""
        from solutions.kernels.bench.contenders import Case, hidden_kernels

        rows, xp = [], self.gpu.xp
        for storage in ("float32",) if self.dry else ("float32", "float16"):
            kernels = hidden_kernels(storage)
            for shape in SMALL if self.dry else SHAPES:
                for direction in ("forward", "backward"):
                    if self.deadline - time.monotonic() < 60:
                        return {"rows": rows, "left out": f"from {shape} in {storage} on: no time left"}
                    rows += self.rows(Case(xp, shape, storage, direction, kernels))
                    self.found["table"] = {"rows": rows, "left out": "not finished"}
                    if not self.dry:
                        xp.get_default_memory_pool().free_all_blocks()
        return {"rows": rows}

    def rows(self, case):
        """The rows of one case: checked first, then timed in turn."""
        from solutions.kernels.bench.measure import middle

        about = {"shape": list(case.shape), "storage": case.storage, "direction": case.direction, "bytes": case.nbytes}
        calls, rows = {}, []
        for name, (call, read) in case.calls().items():
            try:
                call()
                problem = case.wrong(read) if read else ""
            except Exception as error:  # a compiler's, or memory that is not there: the others go on
                problem = f"{type(error).__name__}: {error}"[:200]
            if problem:
                rows.append({**about, "kernel": name, "wrong": problem})
            else:
                calls[name] = call
        seconds = self.watch.in_turn(calls, 3 if self.dry else 40, self.rng)
        copy = float(np.median(seconds["copy"])) / (2 * case.nbytes)  # seconds a byte
        for name, taken in seconds.items():
            median, low, high = middle(taken)
            row = {**about, "kernel": name, "seconds": [median, low, high]}
            if name != "copy":
                row |= {"GB/s": case.least / median / 1e9, "of a copy": case.least * copy / median}
            else:
                row["GB/s"] = 1e-9 / copy
            for other in ("PyTorch", "PyTorch, channels last"):
                if other in seconds and name not in ("copy", other):
                    row[f"times {other}"] = list(middle(seconds[other] / taken))
            rows.append(row)
        best = min(
            (name for name in calls if name in figures.BEST), key=lambda name: np.median(seconds[name]), default=""
        )
        say(f"  {case.direction:8} {case.storage} {'x'.join(map(str, case.shape)):16} {best}" + self.told(rows, best))
        return rows

    def told(self, rows, best):
        if self.dry:
            return "  (simulated: no speed)"
        if not best:
            return "  no tier gave a right result"
        row = next(one for one in rows if one["kernel"] == best)
        times = row.get("times PyTorch", [float("nan")])[0]
        return f"  {row['GB/s']:.0f} GB/s, {row['of a copy']:.2f} of a copy, {times:.2f} times PyTorch"

    def tests(self):
        """The tests that need a GPU, each with what it said; in the dry run they are collected.

        The grader's whole command is among them where its packages are installed (GRADES).
        """
        marked = ["tests/test_kernels_on_a_gpu.py", "tests/test_gpu_races.py"]
        lacking = [name for name in GRADES if installed(name) is None]
        marked += [] if lacking else ["tests/test_needs_gpu.py"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu", *marked]
        command += ["--collect-only"] if self.dry else []
        environment = {name: value for name, value in os.environ.items() if name != "BN_GRADING"}
        environment |= {"BN_GPU_UNLOCKED": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'exercises'}"}
        limit = 60 if self.dry else max(30.0, self.deadline - time.monotonic())
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit)
        lines = done.stdout.strip().splitlines() or [done.stderr.strip()[-500:]]
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        left_out = {"left out": f"the grader's command: no {', '.join(lacking)}"} if lacking else {}
        return {"summary": lines[-1], "exit code": done.returncode, "not passed": failed} | left_out


def installed(name):
    """The version of a package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine(gpu):
    """What the figures were measured on."""
    about = {"date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"), "device": gpu.device.name}
    about |= {"multiprocessors": gpu.device.multiprocessors, "l2": gpu.device.l2, "python": platform.python_version()}
    versions = {name: installed(name) for name in ("numpy", "torch", "cupy-cuda12x", "cupy-cuda13x")}
    about |= {name: version for name, version in versions.items() if version}
    if gpu.device.simulated:
        return about
    runtime = gpu.xp.cuda.runtime
    about |= {"CUDA of the driver": runtime.driverGetVersion(), "CUDA": runtime.runtimeGetVersion()}
    program = shutil.which("nvidia-smi")
    if program:
        ask = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
        about["driver"] = subprocess.run(ask, capture_output=True, text=True, timeout=30).stdout.strip().split("\n")[0]
    import torch

    return about | {"cuDNN": torch.backends.cudnn.version()}


def probe(gpu):
    """Small launches of every kernel, checked; what compute-sanitizer watches.

    Kernels are planned for the GPU, on which such shapes are one block's work, and for a small one, on which they take
    several blocks and rounds.
    """
    from solutions.kernels import plan
    from solutions.kernels.bench.contenders import Case
    from solutions.kernels.launch import TIERS, Kernels

    small = plan.Machine(20, 64 << 10, 28 << 10)
    todo = [(shape, layout, None) for shape in (SMALL[0], ODD) for layout in TIERS]
    todo += [((4, 48, 32, 32), "images", small), ((4, 32, 48, 48), "rows", small), ((4, 128, 24, 24), "rows", small)]
    threads = 64 if gpu.device.simulated else 512
    for storage in ("float32",) if gpu.device.simulated else ("float32", "float16"):
        kernels = {
            (layout, machine): Kernels(layout, storage, machine, 64 if machine else threads)
            for _, layout, machine in todo
        }
        for direction, (shape, layout, machine) in itertools.product(("forward", "backward"), todo):
            case = Case(gpu.xp, shape, storage, direction, {layout: kernels[layout, machine]})
            for tier in TIERS[layout]:
                with gpu.simulate(machine=gpu.Machine(multiprocessors=20)):  # on a GPU this changes nothing
                    found = case.hidden(layout, tier)
                    if found is None:  # the machine is too small for it
                        continue
                    call, read = found
                    call()
                problem = case.wrong(read)
                if problem:
                    raise RuntimeError(f"{layout}, {tier}, {direction}, {storage}: {problem}")


def say(text):
    print(text, flush=True)


def main():
    given = argparse.ArgumentParser(prog="python -m solutions.kernels.bench", description=__doc__.split("\n")[0])
    given.add_argument("--dry-run", action="store_true", help="on the simulated GPU, small shapes; no speed")
    given.add_argument(
        "--minutes", type=float, default=8.0, help="by default 8; parts that would begin later are left out"
    )
    given.add_argument("--to", type=Path, metavar="FILE", help="by default book/measured/gpu.json")
    told = "measure this part again and keep the others; same device, versions and kernels"
    given.add_argument("--only", choices=[name for name in PARTS if name != "goals"], metavar="PART", help=told)
    given.add_argument("--tell", action="store_true", help="measure nothing: say which files have changed since")
    given.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    given = given.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "exercises")]
    if given.tell:
        return figures.tell()
    os.environ["BN_GRADING"] = "1"  # the device is named below
    if given.dry_run:
        os.environ["BNLAB_GPU"] = "simulator"
    from bnlab import gpu

    if gpu.device.simulated and not given.dry_run:
        print(f"no speed can be measured here: {gpu.device.line}\nadd --dry-run to try the script itself")
        return 1
    if given.probe:
        return probe(gpu)
    say(f"on {gpu.device.name}{': a dry run, which says nothing about speed' if given.dry_run else ''}")
    bench = Bench(given.to or (DRY if given.dry_run else RESULT), given.minutes)
    parts = PARTS
    try:
        if given.only:
            bench.again()
            parts = ("table", "goals") if given.only == "table" else (given.only,)
        found = bench.run(parts)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for name, goal in found["goals"].items():
        if isinstance(goal, dict):
            reached = "reached" if goal["reached"] else "NOT REACHED"
            say(f"{name}: {goal['found']:.2f}, wanted {goal['wanted']:g}: {reached}")
    broken = [name for name, part in found.items() if isinstance(part, dict) and "failed" in part]
    wrong = [f"{row['kernel']} {row['shape']}" for row in found["table"].get("rows", ()) if "wrong" in row]
    say(f"written: {bench.to}")
    if bench.to == RESULT and not bench.dry:
        figures.into_readme(found)
    if broken or wrong or found["tests"].get("exit code"):
        say(f"look at: {', '.join([*broken, *wrong, *found['tests'].get('not passed', ())]) or 'the tests'}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
