"""How long do 3,000 submissions take, and how much memory? Measured for some hundreds, and drawn on with the slope.

    python -m autograder.bench.scale [--submissions 300] [--to FILE]

A class of made-up submissions of 04_backward (right in several styles, with slips, half done, untouched) is graded by
`python -m autograder grade` in classes of growing size, whole commands from an empty gradebook, start-up included. The
seconds, and those that go into writing the gradebook meanwhile, are fitted by a line over the size (least squares);
3,000 are its value there. While it runs, the resident memory of the command and of all its processes is sampled: the
command's must not grow with the class, beyond the verdicts that it shows at the end.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from autograder import course
from autograder.bench import figures
from autograder.bench.grading import NOTEBOOK, environment, write_class
from autograder.sandbox.zygote import descendants
from solutions import machine

RESULT = Path(__file__).parent / "results" / "scale.json"
TARGET = 3000
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)  # of the class that are graded, each from an empty gradebook
EVERY = 0.2  # seconds between two looks at the memory


def resident(pid):
    """Resident megabytes of a process; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError):
        return 0.0


class Memory:
    """Samples of a running command: (seconds, its own megabytes, those of all processes below it)."""

    def __init__(self, pid):
        self.pid, self.samples, self.over = pid, [], threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        started = time.monotonic()
        while not self.over.wait(EVERY):
            own = resident(self.pid)
            if own:
                everything = own + sum(map(resident, descendants(self.pid)))
                self.samples.append((time.monotonic() - started, own, everything))

    def close(self):
        self.over.set()
        self.thread.join()


def run(folder, submissions, students, jobs):
    """Grade some of the class from an empty gradebook.

    Returns
    -------
    dict
        submissions, seconds of the whole command, of grading, of writing the gradebook meanwhile; peak and growth of
        memory
    """
    root = folder / f"course-{len(students)}"
    for student in students:
        place = root / "submitted" / student / NOTEBOOK
        place.mkdir(parents=True)
        os.link(submissions / student / f"{NOTEBOOK}.ipynb", place / f"{NOTEBOOK}.ipynb")
    command = [sys.executable, "-m", "autograder", "grade", NOTEBOOK, *(["--jobs", str(jobs)] if jobs else [])]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        running = subprocess.Popen(
            command, cwd=course.REPOSITORY, env=environment(BN_COURSE=str(root)), stdout=said, stderr=said
        )
        memory = Memory(running.pid)
        code = running.wait()
        seconds = time.monotonic() - started
        memory.close()
        if code:
            said.seek(0)
            raise course.CourseError(f"grade ended with {code}: {said.read()[-600:]}")
    (log,) = (root / "logs").glob("*-grade-*.log")
    executed, committed = phases(log.read_text(encoding="utf-8"))
    own = [sample[1] for sample in memory.samples]
    half = own[len(own) // 2 :]
    return {
        "submissions": len(students),
        "seconds": round(seconds, 2),
        "seconds of grading": executed,
        "seconds of writing the gradebook": committed,
        "peak MB of the command": round(max(own)),
        "growth in its second half, MB": round(half[-1] - half[0], 1),
        "peak MB of all processes": round(max(sample[2] for sample in memory.samples)),
    }


def phases(log):
    """Seconds of grading, and what of them went into writing the gradebook, as the log of the run tells them."""
    patterns = (r"graded in ([\d.]+) s", r"([\d.]+) s of this writing the gradebook")
    return tuple(float(re.search(pattern, log)[1]) for pattern in patterns)


def line(points):
    """Slope and intercept of the least-squares line through (x, y) pairs."""
    slope, intercept = statistics.linear_regression(*zip(*points))
    return slope, intercept


def bench(count, shares=SHARES, jobs=None, say=lambda text: None):
    """Grade classes of growing size and draw on.

    Parameters
    ----------
    count : int
        The largest class.
    shares : tuple of float
        Parts of it that are graded, each from an empty gradebook.
    jobs : int, optional
        Processes, by default one a core.

    Returns
    -------
    dict
    """
    with tempfile.TemporaryDirectory(prefix="bn-scale-") as folder:
        folder = Path(folder)
        students = write_class(folder / "class", count)
        runs = []
        for share in shares:
            runs.append(run(folder, folder / "class", students[: max(2, round(share * count))], jobs))
            say(", ".join(f"{name} {value}" for name, value in runs[-1].items()))
    found = {}
    for what in ("seconds", "seconds of grading", "seconds of writing the gradebook", "peak MB of the command"):
        slope, intercept = line([(one["submissions"], one[what]) for one in runs])
        at = {"slope for one submission": round(slope, 4), f"at {TARGET}": round(intercept + slope * TARGET, 1)}
        worst = max(abs(one[what] - intercept - slope * one["submissions"]) for one in runs)
        found[what] = {**at, "largest distance of a run from the line": round(worst, 2)}
    return {"notebook": NOTEBOOK, "processes": jobs or os.cpu_count(), "runs": runs, "drawn on": found}


def main():
    given = argparse.ArgumentParser(prog="python -m autograder.bench.scale", description=__doc__.split("\n")[0])
    given.add_argument("--submissions", type=int, default=300, metavar="N", help="the largest class, by default 300")
    given.add_argument("--jobs", type=int, metavar="N", help="processes, by default one a core")
    given.add_argument(
        "--to", type=Path, default=RESULT, metavar="FILE", help="by default autograder/bench/results/scale.json"
    )
    given = given.parse_args()
    found = bench(given.submissions, jobs=given.jobs, say=print)
    machine.write(given.to, found)
    if given.to == RESULT:
        figures.write()
    whole, memory = found["drawn on"]["seconds"], found["drawn on"]["peak MB of the command"]
    print(f"{TARGET} submissions: {whole[f'at {TARGET}'] / 60:.0f} minutes, {memory[f'at {TARGET}']:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
