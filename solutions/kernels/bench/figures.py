"""What the figures of a GPU say: whether goals are reached, in words for README, and which files they are still of."""

from __future__ import annotations

import hashlib
import json
import textwrap
from pathlib import Path

from solutions.kernels.bench.measure import geometric_mean
from solutions.kernels.launch import FILES, FOLDER

ROOT = Path(__file__).resolve().parents[3]
RESULT = ROOT / "book" / "measured" / "gpu.json"
LARGE = 4 * 32 * 2048 * 7 * 7  # bytes of the smallest shape that counts for the goals
GOALS = {"times PyTorch": 1.5, "of a copy": 0.85, "never below": 0.95, "channels last": 0.95}
LAST = ", channels last"
BEST = ("block", "split", "persistent", "held")
MARKS = ("<!-- speed: written by `make gpu` -->", "<!-- end of speed -->")
TOOLS = ("racecheck", "synccheck", "memcheck")


def goals(table):
    """What the project wants to reach, and whether these rows do: over shapes of 13 MB and more, best tier in float32.
    "never below" and "channels last" count every shape and storage, the latter beside PyTorch in the same layout.

    Returns
    -------
    dict
        Name of the goal -> {"wanted", "found", "reached"}; empty where no row counts.
    """
    best, last = {}, {}
    for row in table.get("rows", ()):
        key, kernel = (tuple(row["shape"]), row["storage"], row["direction"]), row["kernel"]
        if kernel in BEST and "times PyTorch" in row:
            best[key] = min(best.get(key, row), row, key=lambda one: one["seconds"][0])
        elif kernel.endswith(LAST) and "times PyTorch, channels last" in row:
            last[key] = max(last.get(key, 0.0), row["times PyTorch, channels last"][0])
    found = {}
    for direction in ("forward", "backward"):
        rows = [row for row in best.values() if row["direction"] == direction]
        large = [row for row in rows if row["storage"] == "float32" and row["bytes"] >= LARGE]
        if not large:
            continue
        values = {
            "times PyTorch": geometric_mean([row["times PyTorch"][0] for row in large]),
            "of a copy": min(row["of a copy"] for row in large),
            "never below": min(row["times PyTorch"][0] for row in rows),
            "channels last": min((times for key, times in last.items() if key[2] == direction), default=float("nan")),
        }
        for name, value in values.items():
            found[f"{direction}: {name}"] = {"wanted": GOALS[name], "found": value, "reached": value >= GOALS[name]}
    return found


def summary(found):
    """The figures in a few lines of Markdown: device, date, the means that the goals are about, and the checks."""
    about, goal = found["machine"], found["goals"]
    head = f"Measured on {about['device']}, {about['date']}, driver {about.get('driver', '?')}, PyTorch "
    words = "in float32 where nothing else is said, shapes of 13 MB and more, the best plan for each:"
    lines = [f"{head}{about.get('torch', '?')}, {words}", ""]
    for direction in ("forward", "backward"):
        rows = {name: goal.get(f"{direction}: {name}") for name in GOALS}
        if all(rows.values()):
            times, copy, least, last = (row["found"] for row in rows.values())
            lines.append(
                f"- {direction}: {times:.2f} times as fast as PyTorch (geometric mean), at least {copy:.2f} of the "
                f"bandwidth of a copy of x. In the worst case, small shapes and float16 included, {least:.2f} times "
                f"PyTorch; with channels last on both sides, {last:.2f} times."
            )
    repeats, tests = found.get("repeats", {}), found.get("tests", {})
    if "launches" in repeats and "summary" in tests:
        told = [found["sanitizer"].get(tool, "") for tool in TOOLS]
        clean = "failed" not in found["sanitizer"] and all("SUMMARY: 0 " in words for words in told)
        watched = found["sanitizer"].get("watched", "small launches, of one block a channel")
        lines.append(
            f"- {repeats['launches']:,} launches of the persistent kernels: the same bits in all "
            f"{repeats['compared']:,} that were compared; compute-sanitizer "
            f"{'found nothing' if clean else 'found something, or did not run'} "
            f"in {watched}; the tests that need a GPU: {told_tests(tests)}."
        )
    if found.get("changed since"):
        names = ", ".join(f"`{name}`" for name in found["changed since"])
        lines.append(f"- Files of `solutions/kernels` that have changed since, without being measured again: {names}.")
    return "\n".join(textwrap.fill(line, 118, subsequent_indent="  " if line[:1] == "-" else "") for line in lines)


def told_tests(tests):
    """How many passed, which did not, and what was left out."""
    counted = ", ".join(part for part in tests["summary"].split(" in ")[0].split(", ") if "deselected" not in part)
    wrong = [line.split(" - ")[0].split("::")[-1] for line in tests.get("not passed", ())]
    left_out = f"; left out: {tests['left out']}" if tests.get("left out") else ""
    return counted + (f" ({', '.join(f'`{name}`' for name in wrong)})" if wrong else "") + left_out


def into_readme(found, path=ROOT / "README.md"):
    """Put the summary between the marks of the README."""
    text = path.read_text(encoding="utf-8")
    begin, end = (text.index(mark) for mark in MARKS)
    begin += len(MARKS[0])
    path.write_text(f"{text[:begin]}\n{summary(found)}\n{text[end:]}", encoding="utf-8")


def sources():
    """What figures belong to: file of the kernels or of their launches -> the beginning of its SHA-256."""
    names = sorted({name for files in FILES.values() for name in files} | {"launch.py", "plan.py", "fused.py"})
    return {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:16] for name in names}


def changed_since(found):
    """The files that are not those that were measured."""
    return [name for name, digest in sources().items() if found["sources"].get(name) != digest]


def tell():
    """Say in the result and in the README which files have changed since; chapter 15 repeats it."""
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    found["changed since"] = changed_since(found)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    into_readme(found)
