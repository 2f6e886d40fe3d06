"""How long does a class take? This grader and unmodified nbgrader on the same submissions, in turn, in one run.

    python -m autograder.bench.grading

A class of made-up submissions of 04_backward (right in several styles, with known slips, half done, untouched) is
graded by `python -m autograder grade` with its defaults and by `nbgrader autograde` with nbgrader's own configuration:
whole commands, start-up included, from an empty gradebook each time. nbgrader gets a third of the class in each round,
this grader all of it. Prints seconds a submission with medians over the rounds, and the peak memory of the processes
in which student code runs; writes both with machine and date.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat

from autograder import course
from autograder.bench import figures
from autograder.bench.made_up import EINSUM_BACKWARD, SLOW, Submission, build, slip, style
from autograder.grading import execute
from autograder.sandbox.zygote import children
from solutions import machine

NOTEBOOK = "04_backward"
RESULT = Path(__file__).parent / "results" / "grading.json"
STYLES = (
    {},
    EINSUM_BACKWARD,
    {"numerical-gradient": "one_copy_put_back", "backward-graph": "staged", "backward": "one_fraction"},
    {"numerical-gradient": "flat_loop", "backward": "work_in_one_buffer", "backward-eval": "two_sums"},
)
SLIPS = (
    {},
    {},
    {},
    {"backward": "variance_path_missing"},
    {"backward-graph": "dgamma_averaged"},
    {"backward": "n_minus_one"},
    {"backward-eval": None},
    {"backward": SLOW},
    {"backward": None, "backward-eval": None},
    dict.fromkeys(("numerical-gradient", "backward-graph", "backward", "backward-eval", "derive-dx")),
)


def answers(number):
    """The answers of one student: a style, and now and then a slip, a slow answer or none."""
    made = style(STYLES[number % len(STYLES)])
    for task, what in SLIPS[number % len(SLIPS)].items():
        made |= {task: what} if what is None or "\n" in what else slip(task, what)
    return made


def write_class(folder, count):
    """Write `count` submissions as STUDENT/NAME.ipynb; returns the students."""
    script = execute.material(NOTEBOOK).script
    release = nbformat.read(course.released(NOTEBOOK), as_version=4)
    students = [f"student-{number:03}" for number in range(count)]
    for number, student in enumerate(students):
        target = folder / student / f"{NOTEBOOK}.ipynb"
        target.parent.mkdir(parents=True)
        target.write_bytes(build(Submission(student, NOTEBOOK, answers=answers(number)), script, release))
    return students


def environment(**more):
    """What a measured command finds: the programs of this Python, this repository, one thread for arithmetic."""
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    ours = {"PATH": path, "PYTHONPATH": f"{course.EXERCISES}:{course.REPOSITORY}", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **ours, **more}


def command(arguments, folder, **more):
    """Run a command that must end well; returns its wall seconds."""
    started = time.monotonic()
    done = subprocess.run([str(part) for part in arguments], cwd=folder, env=environment(**more), capture_output=True)
    if done.returncode:
        raise course.CourseError(f"{arguments[:4]} ended with {done.returncode}: {done.stderr.decode()[-600:]}")
    return time.monotonic() - started


def stock(folder, submissions, students):
    """Seconds of unmodified nbgrader for these students: its own configuration, its own course."""
    from autograder.authoring.release import source_notebook

    root = folder / f"nbgrader-{students[0]}"
    source = root / "source" / NOTEBOOK / f"{NOTEBOOK}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(source_notebook(execute.material(NOTEBOOK).script), source)
    for student in students:
        (root / "submitted" / student).mkdir(parents=True)
        shutil.copytree(submissions / student, root / "submitted" / student / NOTEBOOK)
    own = ["--CourseDirectory.root=.", "--CourseDirectory.course_id=stock"]
    command(["nbgrader", "generate_assignment", NOTEBOOK, *own, "--force"], root)
    return command(["nbgrader", "autograde", NOTEBOOK, *own, "--force"], root)


def ours(folder, submissions, number):
    """Seconds of `python -m autograder grade` for the whole class."""
    root = str(folder / f"autograder-{number}")
    run = [sys.executable, "-m", "autograder"]
    command([*run, "collect", NOTEBOOK, "--from", submissions], course.REPOSITORY, BN_COURSE=root)
    return command([*run, "grade", NOTEBOOK], course.REPOSITORY, BN_COURSE=root)


def memory(data):
    """Peak resident megabytes of a zygote, of a worker and of the twin while one submission is graded."""
    hold, peaks, over = execute.material(NOTEBOOK), {}, threading.Event()
    students, twins = execute.zygote(hold.libraries), execute.zygote(hold.libraries, "twin")

    def watch():
        while not over.is_set():
            for zygote, worker in ((students, "worker"), (twins, "twin")):
                for pid, depth in python_processes(zygote.process.pid):
                    name = worker if depth else "zygote"
                    peaks[name] = max(peaks.get(name, 0), peak_kilobytes(pid))
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        execute.execute(NOTEBOOK, "memory", data)
    finally:
        over.set()
        watcher.join()
        execute.close_zygotes()
    return {name: round(peak / 1024) for name, peak in sorted(peaks.items())}


def python_processes(pid, depth=0):
    """(pid, how many Pythons are above it) of all Python processes at and below a process."""
    try:
        python = "python" in Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return []
    below = [found for child in children(pid) for found in python_processes(child, depth + python)]
    return [(pid, depth), *below] if python else below


def peak_kilobytes(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def bench(count, rounds, say=lambda text: None):
    """The rounds: seconds a submission of nbgrader and of this grader, in turn."""
    with tempfile.TemporaryDirectory(prefix="bn-bench-") as folder:
        folder = Path(folder)
        students = write_class(folder / "class", count)
        size, found = -(-count // rounds), {"nbgrader": [], "autograder": []}
        for number, part in enumerate(_parts(students, size)):
            found["nbgrader"].append(round(stock(folder, folder / "class", part) / len(part), 3))
            found["autograder"].append(round(ours(folder, folder / "class", number) / count, 3))
            say(f"round {number + 1}: nbgrader {found['nbgrader'][-1]} s, autograder {found['autograder'][-1]} s")
        peaks = memory((folder / "class" / students[0] / f"{NOTEBOOK}.ipynb").read_bytes())
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {
        "notebook": NOTEBOOK,
        "submissions": count,
        "seconds a submission": found,
        "medians": medians,
        "times faster": round(medians["nbgrader"] / medians["autograder"], 1),
        "peak resident MB": peaks,
    }


def _parts(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def main():
    given = argparse.ArgumentParser(prog="python -m autograder.bench.grading", description=__doc__.split("\n")[0])
    given.add_argument("--submissions", type=int, default=60, metavar="N", help="by default 60")
    given.add_argument("--rounds", type=int, default=3, metavar="N", help="by default 3")
    given.add_argument(
        "--to", type=Path, default=RESULT, metavar="FILE", help="by default autograder/bench/results/grading.json"
    )
    given = given.parse_args()
    found = bench(given.submissions, given.rounds, print)
    machine.write(given.to, found)
    if given.to == RESULT:
        figures.write()
    for name, seconds in found["medians"].items():
        print(f"{name:11} {seconds:.3f} s a submission (median of {given.rounds} rounds)")
    print(f"{found['times faster']} times faster; peak resident MB: {found['peak resident MB']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
