"""The figures in README.md: written from what was measured, autograder/bench/results/*.json, and from nothing else.

    python -m autograder.bench.figures        # the benchmarks do this at their end

The lines between the two marks in the README are replaced; where nothing was measured yet they say so.
"""

import argparse
import json
import re
from pathlib import Path

from autograder import course

README = Path(__file__).parent.parent / "README.md"
RESULTS = Path(__file__).parent / "results"
MARKS = "<!-- figures: make bench-speed bench-grading bench-scale -->", "<!-- end of figures -->"


def speed(found):
    """Errors of the speed check, out of so many races, while cores are idle and while they are overloaded."""
    said = []
    for cores in dict.fromkeys(row["cores"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["cores"] == cores]
        right = [row for row in rows if row["error"] == "false fails"]
        slow = [row for row in rows if row["error"] == "false passes"]
        fails, races = sum(row["errors"] for row in right), sum(row["repeats"] for row in right)
        text = f"{cores} cores: {fails} of {races:,} races of a right answer failed"
        for row in slow:
            caught = 100 * (1 - row["errors"] / row["repeats"])
            text += f", {row['answer']} caught in {caught:.1f} % of {row['repeats']:,} (limit {row['limit']:g})"
        said.append(text)
    return "; ".join(said)


def grading(found):
    """Seconds a submission of both graders, and peak memory."""
    ours, theirs = (found["medians"][who] for who in ("autograder", "nbgrader"))
    peaks = ", ".join(f"{who} {megabytes} MB" for who, megabytes in found["peak resident MB"].items())
    return (
        f"{ours:.2f} s a submission of {found['notebook']}, unmodified nbgrader {theirs:.2f} s: "
        f"{found['times faster']:g} times faster; peak memory: {peaks}"
    )


def scale(found):
    """What the straight lines over the size of the class say for a large one."""
    seconds, memory = found["drawn on"]["seconds"], found["drawn on"]["peak MB of the command"]
    (size,) = (key.removeprefix("at ") for key in seconds if key.startswith("at "))
    minutes = seconds[f"at {size}"] / 60
    return f"{int(size):,} submissions: {minutes:.0f} minutes, {memory[f'at {size}']:.0f} MB (drawn on from the runs)"


MEASURED = {
    "speed": (speed, "how often is the speed check wrong?"),
    "grading": (grading, "how long does a submission take?"),
    "scale": (scale, "how long does a large class take?"),
}


def table(results=RESULTS):
    """The lines that stand between the marks.

    Parameters
    ----------
    results : Path
        Folder of the measurements.
    """
    lines = ["", "| question | measured | on |", "|---|---|---|"]
    for name, (say, question) in MEASURED.items():
        try:
            found = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            lines.append(f"| {question} (`make bench-{name}`) | not measured yet | |")
            continue
        about = found["machine"]
        where = f"{about['date']}, {about['processor']}, {about['cores']} cores, Python {about['python']}"
        lines.append(f"| {question} (`make bench-{name}`) | {say(found)} | {where} |")
    return "\n".join([*lines, ""])


def filled(text, results=RESULTS):
    """The README with the figures of these results."""
    begin, end = map(re.escape, MARKS)
    new, count = re.subn(
        f"({begin}\n).*?({end})", lambda found: f"{found[1]}{table(results)}\n{found[2]}", text, flags=re.S
    )
    if count != 1:
        raise course.CourseError(f"README.md needs the lines {MARKS[0]} and {MARKS[1]}, once")
    return new


def write():
    """Put the figures into the README."""
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m autograder.bench.figures", description=__doc__.split("\n")[0]).parse_args()
    write()
