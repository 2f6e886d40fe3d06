"""Phase 1 of grading: a submission in, a result out. Stateless, so it can run anywhere and in any order.

A result is content-addressed: its name is the hash of the student's cells, the student and the grader's version. What
exists already is not computed again.
"""

import functools
import hashlib
import json
import os
import re
import time
from dataclasses import asdict

import nbformat
from bnlab import tasks

from autograder import __version__, course
from autograder.authoring.cells import grade_id, is_written, name_of
from autograder.authoring.kernels import same_gpu
from autograder.authoring.script import Script
from autograder.collecting import reading, rebuild
from autograder.grading import attempts, canaries, gpu
from autograder.grading.referee import Referee
from autograder.grading.result import MAX_FLAGS, keep_what_a_gpu_found, load_result, store_result, unreadable_verdicts
from autograder.grading.twin import Twin
from autograder.grading.zygote import Zygote, ZygoteEnded
from solutions import mutants

UNFINISHED = "has no finished result of this version of the grader"
# Package -> its modules that a score depends on (of sandbox all); a test holds this against what is loaded.
SCORING = {
    "authoring": "cells kernels script",
    "collecting": "reading rebuild",
    "grading": "attempts canaries execute gpu gpu_race integrity isolation referee remote result session speed twin "
    "worker zygote",
}


class Material:
    """All that the referee of one notebook holds: tests, hidden solutions, mutants, release."""

    def __init__(self, name):
        self.name = name
        self.libraries = tasks.libraries(name)
        same_gpu(self.libraries)
        self.script = Script.of(name)
        self.references = self.script.references()
        self.bank = mutants.bank
        self.release = nbformat.read(course.released(name), as_version=4)
        self.version = grader_version(name)
        self.twin = Twin(self.script, lambda: zygote(self.libraries, "twin"))

    def load_slips(self):
        """Load the known slips, so that one that does not load is found before anything is graded."""
        for cell in self.script.of_kind("test"):
            self.bank(self.script.task_of(cell.id))

    @functools.cached_property
    def stadium(self):
        """Where answers race on a GPU; None where this machine has none, or the notebook needs none."""
        if not any(cell.is_timed_on_gpu for cell in self.script.cells):
            return None
        found, _ = gpu.find()
        cells = [(cell.id, cell.python) for cell in self.script.of_kind("readonly", "solution")]
        if found and not found.stand_in:
            isolation_of(found.libraries)
        return found and gpu.Stadium(found, cells, lambda purpose: zygote(found.libraries, f"{purpose} on the GPU"))


@functools.cache
def material(name):
    """The material of a notebook, loaded once in a process."""
    return Material(name)


@functools.cache
def grader_version(name):
    """Hash of everything that a score depends on besides the submission.

    What only people read is left out (the text of a notebook, reports, feedback), so that a new wording there grades
    nobody again.
    """
    graded = Script.of(name).of_kind("readonly", "solution", "test", "answer")
    files = [course.SOLUTIONS / "exact.py", *sorted((course.SOLUTIONS / "mutants").rglob("*.py"))]
    files += sorted((course.SOLUTIONS / "kernels").glob("*.*")) if any(cell.is_timed_on_gpu for cell in graded) else []
    files += sorted((course.EXERCISES / "bnlab").rglob("*.py"))
    files += sorted((course.EXERCISES / "bnlab" / "gpu" / "cuda").iterdir())
    package = course.REPOSITORY / "autograder"
    files += [package / part / f"{module}.py" for part, modules in SCORING.items() for module in modules.split()]
    files += sorted((package / "sandbox").glob("[!_]*.py"))
    digest = hashlib.sha256(__version__.encode())
    for cell in graded:
        digest.update(f"{cell.kind}\0{cell.id}\0{cell.points}\0{cell.source}\0".encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def zygote(libraries=(), purpose="students"):
    """This process's zygote with these libraries loaded, started at the first submission that needs it.

    purpose : "students" | "twin", or these "on the GPU"
        What its workers run: students never share one with hidden solutions.
    """
    if (libraries, purpose) not in _zygotes:
        _zygotes[libraries, purpose] = Zygote(libraries)
    return _zygotes[libraries, purpose]


_zygotes = {}


def close_zygotes():
    """End this process's zygotes; the next submission starts new ones."""
    while _zygotes:
        _zygotes.popitem()[1].close()


@functools.cache
def isolation_of(libraries=()):
    """What the canaries found about this process's workers.

    Raises
    ------
    CourseError
        Where less than Landlock and seccomp hold, unless BN_ALLOW_UNSAFE is set.
    """
    found = canaries.inspect(zygote(libraries))
    if found.tier in ("S0", "S1") and not os.environ.get("BN_ALLOW_UNSAFE"):
        raise course.CourseError(f"{found}; grade elsewhere, or add --allow-unsafe (BN_ALLOW_UNSAFE=1 for nbgrader)")
    return found


def submission_key(name, student, rebuilt):
    """sha256 of what a student has handed in, as far as it counts."""
    written = [[grade_id(cell), cell.source] for cell in rebuilt.notebook.cells if is_written(cell)]
    return hashlib.sha256(json.dumps([name, student, rebuilt.code(), written]).encode()).hexdigest()


def result_key(name, student, rebuilt):
    """The name of a result: sha256 of what it depends on."""
    return hashlib.sha256(f"{grader_version(name)} {submission_key(name, student, rebuilt)}".encode()).hexdigest()


def read_submission(name, data):
    """Rebuild a submission from its bytes.

    Returns
    -------
    rebuilt : rebuild.Rebuilt
        An untouched notebook where the bytes are no notebook.
    problem : str
        "" or why the file could not be read.
    """
    release = material(name).release
    try:
        return rebuild.rebuild(reading.read(data), release), ""
    except reading.Unreadable as unreadable:
        return rebuild.blank(release, str(unreadable)), str(unreadable)


def stored(name, student, data, results):
    """The finished result of a submission, if there is one.

    Returns
    -------
    result : dict or None
        None too where the file could not be read.
    key : str
    """
    rebuilt, problem = read_submission(name, data)
    key = result_key(name, student, rebuilt)
    found = None if problem else whole_result(name, results, key)
    return found and {**found, "repairs": rebuilt.repairs, "problem": ""}, key


def whole_result(name, results, key):
    """The stored result of this key, or None; one that lacks a verdict on a graded cell of the notebook is damaged."""
    return load_result(results, key, [cell.id for cell in Script.of(name).of_kind("test", "answer")])


def is_broken(result):
    """Whether a test of ours broke, which another try may mend."""
    return any(verdict["broken"] for verdict in result["verdicts"])


def execute(name, student, data, results=None, again=False, secret=None, only=""):
    """Grade one submission.

    Parameters
    ----------
    name : str
        The notebook, "03_forward".
    student : str
    data : bytes or None
        The file that was handed in; None where there is none.
    results : Path, optional
        Folder of finished results; read before and written after.
    again : bool
        Do not read it before.
    secret : bytes, optional
        The course's secret, on machines that have no course folder.
    only : str
        Judge again the cells with this verdict in the finished result alone: "needs-gpu".

    Returns
    -------
    dict
        What the records have in common, and "key", "problem", "verdicts" (a list), "printed" (cell -> text).
    """
    rebuilt, problem = read_submission(name, data)
    key = result_key(name, student, rebuilt)
    known = whole_result(name, results, key)
    if only and not problem:
        return fill_in(name, student, rebuilt, known, only, results)
    if known is None or again or is_broken(known):
        return _graded(name, student, rebuilt, problem, key, known, results, secret)
    return {**known, "repairs": rebuilt.repairs, "problem": problem}


def execute_rebuilt(name, student, rebuilt, problem="", results=None):
    """The finished result of a submission that is on the cells of the release already, graded now if there is none."""
    key = result_key(name, student, rebuilt)
    known = whole_result(name, results, key)
    if known is None:
        return _graded(name, student, rebuilt, problem, key, None, results)
    return {**known, "repairs": rebuilt.repairs, "problem": problem}


def _graded(name, student, rebuilt, problem, key, known, results, secret=None):
    """A new result, in the place of the one that is known."""
    hold = material(name)
    tier = isolation_of(hold.libraries).tier
    started = time.monotonic()
    if problem:
        verdicts, printed, flags = unreadable_verdicts(hold.script, problem), {}, []
    else:
        verdicts, printed, flags = judge(hold, student, rebuilt, secret)
    result = {
        "key": key,
        "student": student,
        "assignment": name,
        "version": hold.version,
        "submission": submission_key(name, student, rebuilt),
        "run": os.environ.get("BN_RUN", ""),
        "problem": problem,
        "repairs": rebuilt.repairs,
        "flags": flags,
        "isolation": tier,
        "seconds": round(time.monotonic() - started, 3),
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "printed": {cell: text for cell, text in printed.items() if text},
        "on_gpu": {} if problem else judged_on_gpu(hold, [verdict.cell for verdict in verdicts]),
    }
    result = keep_what_a_gpu_found(result, known)
    if not problem:
        store_result(results, result)
    return result


def judged_on_gpu(hold, cells):
    """Those of the cells that need a GPU, where this machine has one: cell -> id of the run that judged it."""
    timed = {cell.id for cell in hold.script.cells if cell.is_timed_on_gpu} if hold.stadium else ()
    return {cell: os.environ.get("BN_RUN", "") for cell in cells if cell in timed}


def fill_in(name, student, rebuilt, known, only, results):
    """A finished result in which the cells with one verdict are judged again, and those whose test broke.

    Raises
    ------
    CourseError
        Where there is no finished result of this version of the grader.
    """
    if known is None:
        raise course.CourseError(f"{student} {UNFINISHED}; run `python -m autograder grade {name}` first")
    waiting = {verdict["cell"] for verdict in known["verdicts"] if verdict["verdict"] == only or verdict["broken"]}
    known = {**known, "repairs": rebuilt.repairs, "problem": ""}
    if not waiting:
        return known
    hold = material(name)
    isolation_of(hold.libraries)
    verdicts, _, flags = judge(hold, student, rebuilt, None, waiting)
    new = {verdict.cell: asdict(verdict) for verdict in verdicts}
    known["verdicts"] = [new.get(verdict["cell"], verdict) for verdict in known["verdicts"]]
    known["flags"] = list(dict.fromkeys([*known["flags"], *flags]))[:MAX_FLAGS]
    known["on_gpu"] = known.get("on_gpu", {}) | judged_on_gpu(hold, waiting)
    store_result(results, known)
    return known


def judge(hold, student, rebuilt, secret=None, only=None):
    """The verdicts of a submission, what its cells printed, and what they tried beside their task.

    only : set of str, optional
        The cells that are judged; by default all.
    """
    try:
        return _judge(hold, student, rebuilt, secret, only)
    except ZygoteEnded:
        _zygotes.clear()  # one was killed from outside, for want of memory perhaps: once more with new ones
        return _judge(hold, student, rebuilt, secret, only)


def _judge(hold, student, rebuilt, secret, only):
    workers, secret = zygote(hold.libraries), secret or course.secret()
    referee = Referee(hold.script, hold.references, hold.bank, workers, hold.twin, secret, student, hold.stadium)
    verdicts, printed = referee.grade(rebuilt.code(), rebuilt.answers(hold.release), only)
    return verdicts, printed, flags_of(rebuilt, hold.release, referee.session.noted)


def flags_of(rebuilt, release, noted):
    """What a submission tried beside its task: what was seen when it ran, and what its source names elsewhere."""
    known = {cell.source.strip() for cell in release.cells}
    own = [cell for cell in rebuilt.notebook.cells if cell.source.strip() not in known]
    code = [(name_of(cell), cell.source) for cell in own if cell.cell_type == "code"]
    texts = [(name_of(cell), cell.source) for cell in own if cell.cell_type != "code"]
    ours = {name_of(cell) for cell in rebuilt.notebook.cells if cell.source.strip() in known}
    noted = [note for note in noted if note.split("`")[1:2] not in [[name] for name in ours]]
    seen = [place_of(note) for note in noted]
    return [*noted, *(flag for flag in attempts.attempts(code, texts) if place_of(flag) not in seen)][:MAX_FLAGS]


def place_of(flag):
    """The cell and line that a flag names."""
    return flag.split("`")[1:2], re.findall(r"\(line \d+\)$", flag) or flag
