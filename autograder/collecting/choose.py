"""Which file is whose submission: of all that a folder or an archive holds, one file a student.

Whose a file is, `layouts` reads from its name and `people` from the platform's number; whether it is one of this
notebook, its cells tell. What is left out is named, so that nobody is dropped in silence, and so is a student who, as a
platform's names show, has handed in something else.
"""

import functools
import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

import nbformat

from autograder import course, logs
from autograder.authoring.cells import grade_id
from autograder.collecting import layouts, people, reading
from autograder.collecting.submitted import OnDisk

OTHER = "is no notebook"  # what is wrong with a file that is none by its name
CANNOT_UNPACK = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError)


@dataclass
class Found:
    """The submissions that were found, and what there is to say.

    submissions : OnDisk
    problems : list of str
        What was left out, and why.
    late : list of str
        Students whose file Canvas marks as late.
    damaged : dict
        student -> what is wrong with the file, which was taken all the same.
    new : list of str
        Students whom nothing has named before, where people.csv names some.
    beside : dict
        student -> a sentence for this student on which of several files was taken.
    elsewhere : dict
        folder of a student whom nothing has named before -> a file in it, among which is none of this notebook.
    people : People
        Who is who, with those who are new.
    """

    submissions: OnDisk
    problems: list
    late: list
    damaged: dict
    new: list
    beside: dict
    elsewhere: dict
    people: people.People


class Candidate(NamedTuple):
    """A file that may be somebody's submission: whose, how well its name fits (the smallest best), path, reader."""

    sender: layouts.Sender
    fits: int
    path: PurePosixPath
    read: object


class Other(NamedTuple):
    """A file that is none of this notebook by its name; `sender` is None where nothing tells whose it is, and `read`
    where it is no notebook at all."""

    sender: layouts.Sender
    path: PurePosixPath
    read: object


def choose(files, name):
    """Take one file a student.

    Parameters
    ----------
    files : list of (PurePosixPath, callable or None, str)
        As of `collect.members`: path, what reads it, what is wrong with it.
    name : str
        The notebook.

    Returns
    -------
    Found
    """
    who = people.read()
    candidates, others, problems = _by_name(files, name, who)
    listed = {line.student for line in who.lines.values()}
    known, unknown = who.resolve([one.sender for one in (*candidates, *others) if one.sender])
    students = {}
    for one in candidates:
        if one.sender in unknown:
            problems.append(f"{_told(one.sender, one.path)}: {unknown[one.sender]}")
        else:
            students.setdefault(known[one.sender], []).append(one)
    lines, elsewhere = _told_of_others(others, name, known, set(students), who.students())
    new = sorted(set(students) - listed - who.folders) if listed else []
    found = Found(OnDisk({}), problems + lines, [], {}, new, {}, elsewhere, who)
    for student, versions in students.items():
        _take(found, student, sorted(versions, key=lambda one: layouts.rank(one.path, name, one.fits)), name)
    found.problems = [logs.plain(one) for one in found.problems]  # a file's name may hold what moves a terminal
    return found


def _by_name(files, name, who):
    """Candidates, others, and lines on what is wrong with a file, as far as names tell."""
    candidates, others, problems = [], [], []
    canvas = any(layouts.is_canvas(path, name) or _known_to_canvas(path, who) for path, _, _ in files)
    for path, read, problem in files:
        if problem is OTHER:
            others.append(Other(layouts.sender_of_another(path), path, None))
            continue
        sender, fits = layouts.sender_of(path, name, canvas)
        if problem:
            problems.append(f"{_told(sender, path)}: {problem}")
        elif sender is not None:
            candidates.append(Candidate(sender, fits, path, read))
        elif fits is not None:
            problems.append(f"{path}: {fits}")
        else:  # by its name another notebook
            others.append(Other(layouts.sender_of_another(path), path, read))
    return candidates, others, problems


def _told_of_others(others, name, known, named, here):
    """What there is to say of files that are none of this notebook, for each student once.

    Parameters
    ----------
    others : list of Other
    name : str
    known : dict
        sender -> student
    named : set of str
        Students with a candidate, of whom nothing is said here; those of whom something is said are put in.
    here : set of str
        Students whom the course knows.

    Returns
    -------
    lines : list of str
    elsewhere : dict
        As in `Found`.
    """
    lines, typed, elsewhere = [], [], {}
    for one in sorted(others, key=lambda one: (one.read is None, layouts.is_online_text(one.path))):
        student = one.sender and known.get(one.sender, one.sender.label)
        if student in named:
            continue
        if one.read and _is_of(one.read, name):
            told = _told(one.sender, one.path)
            lines.append(f"{told}: holds the cells of {name}; rename it {name}.ipynb, collect again")
        elif not _is_handed_in(one):
            if student and named.isdisjoint(one.path.parts) and here.isdisjoint(one.path.parts):
                elsewhere.setdefault(student, one.path.name)
            continue
        elif layouts.is_online_text(one.path):
            typed.append(student)
        else:
            lines.append(f"{student}: handed in {one.path.name}, {f'not {name}' if one.read else 'no notebook'}")
        if student:
            named.add(student)
    if typed:
        lines.append(
            f"{', '.join(typed)}: typed text into Moodle and handed in no file; ask for the notebook, and set the "
            "assignment to accept file submissions only"
        )
    return lines, {student: file for student, file in elsewhere.items() if student not in named}


def _is_handed_in(one):
    """Whether a file of another name was handed in for this notebook, and does not lie in a folder of all that a class
    has."""
    if one.sender is None:
        return False
    return bool(one.sender.number) or not one.read and layouts.sender_of_any(one.path) is not None


def _known_to_canvas(path, who):
    """Whether a file has the number that Canvas gave somebody of the course."""
    sender = layouts.sender_of_any(path)
    return bool(sender and sender.platform == "canvas" and who.student_of("canvas", sender.number))


def _told(sender, path):
    """A file in a message, behind its sender where its name only begins with that: `forget` looks for such a word."""
    return f"{sender.label} ({path})" if sender and sender.number else str(path)


def _take(found, student, versions, name):
    """Put the first of a student's files that can be one of this notebook into `found`."""
    taken, left = None, []
    for one in versions:
        if taken:
            found.problems.append(f"{one.path}: a second file of {student}; {taken} was taken")
            left.append(one.path)
            continue
        problem, damage = _looked_into(one, student, name)
        if problem:
            found.problems.append(problem)
            continue
        taken, found.submissions.files[student] = one.path, one.read
        found.people.note(one.sender, name)
        if damage:
            found.damaged[student] = damage
        if layouts.is_late(one.path):
            found.late.append(student)
    if left:
        found.beside[student] = _told_of_several(taken, left)


def _looked_into(one, student, name):
    """Why a candidate cannot be a student's submission, "" where it can; and what is damaged about it, or ""."""
    told = str(one.path) if student in (*one.path.parts, one.path.stem) else f"{student} ({one.path})"
    try:
        data = one.read()
    except CANNOT_UNPACK as error:
        locked = "password" in str(error)
        why = "needs a password; unpack the archive with it and name the folder" if locked else f"damaged: {error}"
        return f"{told}: cannot be unpacked ({why})", ""
    cells, damage = _read(data)
    named = one.fits != layouts.RENAMED and (len(one.path.parts) > 1 or name in one.path.stem)
    holds = name if cells is None else _held(cells, name)
    if holds != name and (holds or not named):
        what = f"the cells of {holds}, not of {name}" if holds else f"none of the cells of {name}"
        return f"{told}: holds {what}", ""
    return "", damage


def _told_of_several(taken, left):
    """A sentence for a student on the files that were handed in, by their paths where these begin to differ."""
    shared = len(os.path.commonprefix([path.parts for path in (taken, *left)]))
    first, *others = [logs.plain("/".join(path.parts[shared:])) for path in (taken, *left)]
    return (
        f"{1 + len(left)} files of yours came in: {first} was graded, {', '.join(others)} "
        f"{'was' if len(left) == 1 else 'were'} not. If that is not the one you meant, tell your instructor."
    )


def _read(data):
    """The cells of a file, None where nothing can be read, and what is damaged about it, "" where nothing is."""
    try:
        notebook = reading.read(data)
    except reading.Unreadable as error:
        return None, str(error)
    cut = next((line for line in notebook.repairs if line.endswith(reading.AGAIN)), "")
    return notebook.cells, cut.removesuffix(reading.AGAIN)


def _is_of(read, name):
    """Whether a file under another notebook's name holds cells of this one."""
    try:
        cells, _ = _read(read())
    except CANNOT_UNPACK:
        return False
    return bool(cells) and _held(cells, name) == name


def _held(cells, name):
    """The notebook whose answers, tests or title are among these cells, `name` before others; "" for none of ours."""
    ids, texts = {grade_id(cell) for cell in cells}, {cell.source.strip() for cell in cells}
    marked = {one for text in texts for one in re.findall(r"answer: ([\w-]+)", text)}
    names = sorted(course.notebook_names(), key=lambda one: one != name)
    return next((one for one in names if _signs(one)[0] & (ids | marked) or _signs(one)[1] in texts), "")


@functools.cache
def _signs(name):
    """What tells a notebook: the ids of its answers and tests, and the text of its first cell."""
    release = nbformat.read(course.released(name), as_version=4)
    tags = [cell.metadata["nbgrader"] for cell in release.cells if grade_id(cell)]
    return {tag["grade_id"] for tag in tags if tag["grade"] or tag["solution"]}, release.cells[0].source.strip()
