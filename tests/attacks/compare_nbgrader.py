"""The attacks under unmodified nbgrader and under this course's grader, side by side: `make attacks-nbgrader`.

nbgrader runs in its stock configuration on the same notebooks, each attack in a throw-away course with one honest
student after it: bubblewrap without a network, memory file systems alone, limits on memory, processes, files and time.
The table goes to autograder/attacks.md, the numbers to tests/attacks/compared.json.

    python -m tests.attacks.compare_nbgrader [--only WORD]
"""

import argparse
import concurrent.futures
import datetime
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from autograder import course
from autograder.authoring import release
from autograder.authoring.script import Script
from autograder.grading import isolation
from autograder.terminal import progress
from solutions import machine
from tests.attacks import build
from tests.attacks.corpus import CORPUS

HERE = Path(__file__).parent
SECONDS = 300  # for one attack and one honest student, who take about 8 s on a quiet machine
PLACES = {"REPOSITORY": course.REPOSITORY, "COURSE": "/course", "CANARY": "/canary", "HOME": "/home/grader"}
PLACES |= {"TCP": 8765, "UDP": 8766}
CONFIG = "c = get_config()\nc.CourseDirectory.course_id = 'stock'\n"


def stock_course(folder, names):
    """A course in nbgrader's stock configuration with these notebooks released; returns the releases as JSON text."""
    (folder / "nbgrader_config.py").write_text(CONFIG)
    texts = {}
    for name in names:
        source = folder / "source" / name / f"{name}.ipynb"
        source.parent.mkdir(parents=True)
        nbformat.write(release.source_notebook(Script.of(name)), source)
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = [sys.executable, "-m", "nbgrader", "generate_assignment", name]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        texts[name] = (folder / "release" / name / f"{name}.ipynb").read_text()
    return texts


def boxed(template, inbox, command):
    """The command in a sandbox of its own, as a user that owns nothing."""
    wrap = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    wrap += ["--proc", "/proc", "--dev", "/dev", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    for folder in isolation.SYSTEM:
        wrap += ["--symlink", os.readlink(folder), folder] if os.path.islink(folder) else ["--ro-bind", folder, folder]
    for folder in ("/tmp", "/course", "/canary", "/home/grader"):
        wrap += ["--size", str(1 << 30), "--perms", "1777", "--tmpfs", folder]
    places = [*isolation.DETAILS, "/etc/passwd", *isolation.python_folders()]
    places += [str(course.REPOSITORY / part) for part in ("exercises", "solutions", "README.md", "autograder", "tests")]
    places = [place for place in places if not place.startswith(("/usr/", "/lib/")) and os.path.exists(place)]
    for parent in sorted({str(parent) for place in places for parent in Path(place).parents} - {"/", "/tmp"}):
        wrap += ["--perms", "0755", "--dir", parent]
    for place in places:
        wrap += ["--ro-bind", place, place]
    wrap += ["--ro-bind", str(template), "/template", "--ro-bind", str(inbox), "/inbox", "--chdir", "/course"]
    found = f"{course.EXERCISES}:{course.REPOSITORY}"  # hidden tests import from both
    wrap += ["--setenv", "HOME", "/home/grader", "--setenv", "PYTHONPATH", found]
    wrap += ["--setenv", "PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin", "--setenv", "OMP_NUM_THREADS", "1"]
    limits = 'ulimit -v 8000000 -u 200 -f 200000 -c 0; exec "$@"'
    user = (
        ["setpriv", "--reuid=65111", "--regid=65111", "--clear-groups", "--no-new-privs"] if os.geteuid() == 0 else []
    )
    return [*wrap, "--", *user, "bash", "-c", limits, "bash", *command]


def under_nbgrader(name, template, data):
    """Points and side effects of one submission of a notebook in a course of its own, with an honest one after it."""
    with tempfile.TemporaryDirectory() as inbox:
        os.chmod(inbox, 0o755)
        for student, handed_in in {"mallory": data, "zoe": build.honest(name)}.items():
            path = Path(inbox, student, name, f"{name}.ipynb")
            path.parent.mkdir(parents=True)
            path.write_bytes(handed_in)
        command = [sys.executable, str(HERE / "stock.py"), name]
        try:
            done = subprocess.run(boxed(template, inbox, command), capture_output=True, text=True, timeout=SECONDS)
            return json.loads(done.stdout.strip().splitlines()[-1])
        except subprocess.TimeoutExpired:
            return {"points": None, "other": None, "escaped": True, "note": f"nbgrader hung for {SECONDS} s"}
        except (IndexError, ValueError):
            return {"points": None, "other": None, "escaped": True, "note": "everything was killed"}


def require_fairness(names, template):
    """Nothing is compared where nbgrader does not give honest submissions their points in the time that it has here."""
    for name in names:
        cells = Script.of(name).of_kind("test")
        found, most = under_nbgrader(name, template, build.honest(name)), sum(cell.points for cell in cells)
        if (found["points"], found["other"], found["escaped"]) != (most, most, False):
            raise SystemExit(f"an honest submission of {name} has {most} points, and under nbgrader here: {found}")


def under_ours(names, attacks):
    """name of the attack -> points, from one run of the real command for each notebook."""
    points = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            places = {**PLACES, "COURSE": folder, "CANARY": folder}
            build.write(Path(folder, "in", name), name, places, attacks)
            target = Path(folder, f"{name}.json")
            command = [sys.executable, "-m", "autograder", "grade", name, "--submissions", f"{folder}/in/{name}"]
            environment = {**os.environ, "BN_COURSE": f"{folder}/course"}
            subprocess.run(
                [*command, "--json", str(target)], env=environment, capture_output=True, cwd=course.REPOSITORY
            )
            for row in json.loads(target.read_text()):
                points[name, row["student"]] = points.get((name, row["student"]), 0) + row["score"]
    return points


def earned(attack):
    """Points that an attack may honestly earn."""
    script = Script.of(attack.notebook)
    return sum(cell.points for cell in script.of_kind("test") if script.task_of(cell.id) in attack.earns)


def table(rows):
    """The comparison as Markdown."""
    total, version = len(rows), importlib.metadata.version("nbgrader")
    beaten = [
        sum(row[who] is None or row[who] > row["honest"] or row.get(f"{who} escaped", False) for row in rows)
        for who in ("nbgrader", "ours")
    ]
    lines = [
        "# Attacks: this grader and unmodified nbgrader",
        "",
        f"Written by `make attacks-nbgrader` on {datetime.date.today()}, with nbgrader {version}. Each row is a",
        "submission of `tests/attacks`; *honest* is what its right answers may earn, the other numbers what it earned.",
        "In bold: more than was earned, something forbidden that was done, or a student after it who was not graded.",
        "",
        f"Of {total} attacks, {beaten[0]} got somewhere under nbgrader and {beaten[1]} under this grader.",
        "",
        "| attack | notebook | honest | nbgrader | what happened there | this grader |",
        "|---|---|---:|---:|---|---:|",
    ]
    for row in rows:
        points = "no grade" if row["nbgrader"] is None else f"{row['nbgrader']:g}"
        strong = row["nbgrader"] is None or row["nbgrader"] > row["honest"]
        ours = f"{row['ours']:g}" if row["ours"] <= row["honest"] else f"**{row['ours']:g}**"
        cells = [row["attack"], row["notebook"][:2], f"{row['honest']:g}", f"**{points}**" if strong else points]
        lines.append("| " + " | ".join([*cells, row["note"], ours]) + " |")
    return "\n".join(lines) + "\n"


def note_of(found):
    """What happened under nbgrader, in a few words."""
    notes = [f"**{found['note']}**"] if found["note"] else []
    notes += ["**did what it must not**"] if found["escaped"] and not found["note"] else []
    notes += ["**the next student was not graded**"] if found["other"] is None else []
    return ", ".join(notes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--only", default="", help="attacks whose name holds this word; prints, writes no file")
    only = parser.parse_args().only
    attacks = [attack for attack in CORPUS if only in attack.name]
    names = sorted({attack.notebook for attack in attacks})
    ours = under_ours(names, attacks)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        template = Path(folder, "template")
        template.mkdir()
        texts = stock_course(template, names)
        require_fairness(names, template)

        def tried(attack):
            return under_nbgrader(attack.notebook, template, build.file_of(attack, PLACES, texts[attack.notebook]))

        with concurrent.futures.ThreadPoolExecutor(2) as pool, progress() as bar:
            line = bar.add_task("attacking nbgrader", total=len(attacks))
            found = []
            for one in pool.map(tried, attacks):
                found.append(one)
                bar.advance(line)
        shutil.rmtree(template)
    rows = [
        {"attack": attack.name, "notebook": attack.notebook, "honest": earned(attack), "nbgrader": one["points"]}
        | {"nbgrader escaped": one["escaped"], "note": note_of(one), "ours": ours[attack.notebook, attack.name]}
        for attack, one in zip(attacks, found)
    ]
    print(table(rows))
    if not only:  # the whole corpus
        machine.write(HERE / "compared.json", {"attacks": rows})
        (course.REPOSITORY / "autograder" / "attacks.md").write_text(table(rows))


if __name__ == "__main__":
    main()
