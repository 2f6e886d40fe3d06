"""Is this installation fit? Each check says what it found and, where something is wrong, what to do."""

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from autograder import course, cures, logs, writing

NEEDED = {
    "numpy": "2.0",
    "nbgrader": "0.9.5",
    "jupytext": "1.16",
    "rich": "13",
    "latex2mathml": "3.77",
    "accessible-pygments": "0.0.5",
}
OPTIONAL = {
    "torch": ("2.4", "notebook 08 cannot be graded without it"),
    "pyseccomp": ("0.1.2", "no seccomp: tier S1 at most"),
    "distributed": ("2024.8", "no `grade --scheduler`"),
    "psycopg": ("3.2", "no gradebook in PostgreSQL"),
}
ANSWER = 30.0  # seconds for a program to answer
ROOM = 2 << 30  # bytes that should be free


@dataclass
class Finding:
    """What one check found.

    level : "ok" | "note" | "wrong"
        Only "wrong" keeps the course from working.
    what, found, cure : str
    """

    level: str
    what: str
    found: str
    cure: str = ""


def checks():
    """The checks, in the order in which they help."""
    return [python, packages, compiler, isolation, gpu, folder, database, disk, notebooks, open_points, runs]


def python():
    """Python 3.11 to 3.14."""
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 14):
        return Finding("ok", "Python", version)
    return Finding("wrong", "Python", version, "the course needs 3.11 to 3.14: make PYTHON=python3.12 course")


def _number(version):
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def packages():
    """What requirements.txt asks for."""
    missing, noted, found = [], [], []
    wanted = {name: (least, "") for name, least in NEEDED.items()} | OPTIONAL
    for name, (least, loss) in wanted.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            (noted if loss else missing).append(f"{name} is missing" + (f" ({loss})" if loss else ""))
            continue
        found.append(f"{name} {version}")
        if _number(version) < _number(least):
            missing.append(f"{name} {version} is older than {least}")
    cure = f"{os.path.relpath(sys.executable)} -m pip install -r requirements.txt -c constraints.txt"
    if missing or noted:
        return Finding("wrong" if missing else "note", "packages", "; ".join(missing + noted), cure)
    return Finding("ok", "packages", ", ".join(found))


def compiler():
    """A C++ compiler, for the CUDA simulator and torch's extensions."""
    path = shutil.which("g++") or shutil.which("clang++")
    if path is None:
        return Finding("note", "compiler", "no g++ or clang++", "notebook 10 needs one: apt-get install g++")
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=ANSWER)
    return Finding("ok", "compiler", (done.stdout.splitlines() or [path])[0])


def isolation():
    """The tier that the canaries find for NumPy workers."""
    from autograder.grading import canaries, execute

    try:
        found = canaries.inspect(execute.zygote(()))
    except Exception as error:  # whatever breaks here is the finding
        return Finding("wrong", "isolation", f"no worker starts: {error}", "read the tiers in autograder/README.md")
    finally:
        execute.close_zygotes()
    if found.tier == "S3":
        return Finding("ok", "isolation", str(found))
    level = "note" if found.tier == "S2" else "wrong"
    return Finding(level, "isolation", str(found), "see the tiers in autograder/README.md")


def gpu():
    """An NVIDIA GPU: notebooks 09 and 10 are graded without one as far as that goes."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding(
            "note",
            "GPU",
            "none (no nvidia-smi)",
            'speed in 09 and 10 waits for one: see "A GPU elsewhere" in autograder/README.md',
        )
    ask = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=ANSWER)
    except subprocess.TimeoutExpired:
        return Finding("note", "GPU", "its driver does not answer", "restart the machine, or load the driver again")
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nvidia-smi fails"]
        return Finding("note", "GPU", said[0], "install or load the NVIDIA driver")
    from autograder.grading import gpu as device

    found, why = device.find()
    if found is None:
        return Finding(
            "note", "GPU", f"there, but not usable: {why}", "install the CuPy for the CUDA version of its driver"
        )
    return Finding("ok", "GPU", f"{'; '.join(done.stdout.strip().splitlines())}; {found.name}")


def folder():
    """The course folder can be written; one that is not there is not made."""
    path = course.course_folder()
    if not path.exists():
        above = next(parent for parent in path.parents if parent.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            return Finding("wrong", "course folder", f"{path} cannot be made", "set BN_COURSE to a folder of yours")
        cure = "begin with `collect` or `roster`, which make it"
        cure = f"correct BN_COURSE if it is misspelt; else {cure}" if os.environ.get("BN_COURSE") else cure
        return Finding("note", "course folder", f"{path} does not exist yet", cure)
    try:
        writing.writable(path)
    except OSError as error:
        return Finding("wrong", "course folder", f"{path}: {error.strerror}", "set BN_COURSE to a folder of yours")
    return Finding("ok", "course folder", str(path))


def gradebook():
    """nbgrader's gradebook, a context manager; None where there is none yet, which nbgrader would make."""
    from autograder.gradebook import api, refuse_an_emptied_file

    refuse_an_emptied_file(course.course_folder())
    url = make_url(course.database_url())
    if url.get_backend_name() == "sqlite":
        there = not url.database or os.path.isfile(url.database) and os.path.getsize(url.database)
    else:
        engine = create_engine(url)
        try:
            there = inspect(engine).has_table("assignment")
        finally:
            engine.dispose()
    return api.Gradebook(course.database_url(), course_id="batch_normalization") if there else None


def database():
    """nbgrader's gradebook opens; one that is not there is not made."""
    from autograder.gradebook import configuration

    url = os.environ.get("BN_DATABASE", "")
    name = re.sub(r"//[^@/]*@", "//", url) or "SQLite, gradebook.db in the course folder"
    try:
        configuration()  # course.toml and extensions.csv are read here
        opened = gradebook()
        if opened is None:
            cure = "the first `roster` or `grade` makes it"
            cure = f"correct BN_DATABASE if it is misspelt; else {cure}" if url else cure
            return Finding("note", "gradebook", f"{name}: does not exist yet", cure)
        with opened as book:
            found = f"{name}: {len(book.students)} students, {len(book.assignments)} notebooks"
            if not url and (said := book.db.execute(text("PRAGMA quick_check(1)")).scalar()) != "ok":
                raise course.CourseError(cures.damaged(course.course_folder() / "gradebook.db", said.splitlines()[-1]))
    except Exception as error:  # whatever breaks here is the finding
        said, _, cure = (cures.told(error) or cures.first_line(error)).partition("; ")
        return Finding(
            "wrong", "gradebook", f"{name}: {said}", cure or "read the message, or quote it when you ask for help"
        )
    return Finding("ok", "gradebook", found)


def disk():
    """Room for submissions, results and the gradebook."""
    path = course.course_folder()
    while not path.exists():
        path = path.parent
    free = shutil.disk_usage(path).free
    level = "ok" if free >= ROOM else "wrong"
    return Finding(
        level, "disk", f"{free / 2**30:.1f} GiB free", "" if level == "ok" else "make room: at least 2 GiB free"
    )


def notebooks():
    """Every notebook is released."""
    missing = [name for name in course.notebook_names() if not (course.EXERCISES / f"{name}.ipynb").exists()]
    if missing:
        return Finding("wrong", "notebooks", f"not released: {', '.join(missing)}", "python -m autograder release")
    return Finding("ok", "notebooks", f"{len(course.notebook_names())} released")


def open_points():
    """Answers that wait for a GPU."""
    from autograder.desk import waiting

    try:
        with gradebook() or contextlib.nullcontext() as book:
            assignments = book.assignments if book else []
            names = [one.name for one in assignments if one.name in course.notebook_names()]
            pending = {name: sum(map(len, waiting.for_a_gpu(book, name).values())) for name in names}
    except Exception:  # what is wrong with the gradebook is told already
        return Finding("note", "open points", "not known without the gradebook", "mend the gradebook first")
    pending = {name: count for name, count in pending.items() if count}
    if not pending:
        return Finding("ok", "open points", "none wait for a GPU")
    found = ", ".join(f"{count} of {name}" for name, count in pending.items())
    cure = "; ".join(f"python -m autograder grade {name} --only needs-gpu" for name in pending)
    return Finding("note", "open points", f"answers that wait for a GPU: {found}", f"on a machine with one, {cure}")


def runs():
    """The logs: which command ran last, and how it ended."""
    found = logs.runs()
    if not found:
        return Finding("ok", "logs", f"none yet; each run gets one in {logs.folder()}")
    lines = found[0].read_text(encoding="utf-8", errors="replace").splitlines()
    end = lines[-1].partition(" ")[2] if lines else "empty"
    text = f"{len(found)} in {logs.folder()}; the last is {found[0].stem}: {end[:100]}"
    if re.search(r"exit code [012]\b", end):  # done, something failed, or wrong usage
        return Finding("ok", "logs", text)
    return Finding("note", "logs", text, "that run did not finish: run the same command again, and it goes on")


def examine(show):
    """Run all checks.

    Parameters
    ----------
    show : callable
        Called with each Finding as soon as it is there.

    Returns
    -------
    int
        Number of findings that keep the course from working.
    """
    wrong = 0
    for check in checks():
        finding = check()
        wrong += finding.level == "wrong"
        show(finding)
    return wrong
