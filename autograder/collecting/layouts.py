"""Whose file it is, by the names that platforms give: plain folders, nbgrader's exchange, Canvas, Moodle.

    STUDENT/NAME.ipynb, STUDENT/NAME/NAME.ipynb, STUDENT.ipynb, each also as "NAME (1).ipynb" or "Copy of NAME.ipynb"
    STUDENT+NAME+TIME+RANDOM/NAME.ipynb                       nbgrader's exchange
    sortname_4711_99123_NAME.ipynb, sortname_LATE_4711_...    Canvas: the person's ID, then the file's
    anon_x1Yz2_99123_NAME.ipynb                               Canvas, anonymous
    Full name_12345_assignsubmission_file_/NAME.ipynb         Moodle: the person's number in this assignment; or flat

A name is shared by many people and a number is one person's: who a sender is says `people`, by the number. The platform
writes it first; what follows is the name that the student gave the file, and it may look like anybody's number.
"""

import re
import unicodedata
from dataclasses import dataclass

from bnlab.handed_in import named_like

from autograder import course

MARKS = " .,_@'+()-"  # allowed in a student id beside letters and digits of any script
MOODLE = r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)_?"
ONLINE = "_assignsubmission_onlinetext"
CANVAS = r"(?P<name>.+?)(?P<late>_LATE)?_(?P<number>\d+)_\d+_"
ANONYMOUS = r"(?P<late>LATE_)?(?P<name>anon_[0-9A-Za-z]{5})_\d+_"
EXCHANGE = re.compile(r"(.+)\+([^+]+)\+(\d{4}-\d\d-\d\d \d\d[:_]\d\d[:_]\d\d(?:\.\d+)?)[^+]*(?:\+[^+]*)?")
RENAMED = 1000  # how badly a file fits whose own name is another one


@dataclass(frozen=True)
class Sender:
    """Somebody who has handed in a file.

    platform : "canvas" | "moodle" | "" where the name is the student's id itself
    number : str
        The person's ID in Canvas; the participant's number in one of Moodle's assignments.
    name : str
    """

    platform: str
    number: str
    name: str

    @property
    def label(self):
        """Name and number, as the platform's files have them: "liwei_4711"."""
        return f"{self.name}_{self.number}" if self.number else self.name


def strange(student):
    """What may not stand in a student id, "" for a good one."""
    if len(student) > 100:
        return "that many"
    bad = {mark for mark in student if mark not in MARKS and unicodedata.category(mark)[0] not in "LMN"}
    if bad:
        return " ".join(sorted(map(repr, bad)))
    return "" if student[:1].isalnum() else f"{student[:1]!r} at its start"


def _texts(parts):
    return [unicodedata.normalize("NFC", part) for part in parts.parts[:-1]], unicodedata.normalize("NFC", parts.stem)


def _sender(pattern, known):
    """The sender in a match of a platform's pattern."""
    platform = {MOODLE: "moodle", CANVAS: "canvas"}.get(pattern, "")
    return Sender(platform, known["number"] if platform else "", known["name"])


def _in(patterns, text):
    """The pattern whose name and number come first in a text: (pattern, match), or (None, None)."""
    matches = ((pattern, re.fullmatch(f"{pattern}(?P<file>.+)", text)) for pattern in patterns)
    found = [(pattern, known) for pattern, known in matches if known]
    return min(found, key=lambda one: one[1].end("name"), default=(None, None))


def is_canvas(parts, name):
    """Whether a file is named as Canvas names those that are handed in under a notebook's name."""
    known = _in((ANONYMOUS, CANVAS), parts.stem)[1]
    return len(parts.parts) == 1 and bool(known and named_like(name, known["file"]))


def is_late(parts):
    """Whether the name of a file says that Canvas counts it as late."""
    known = _in((ANONYMOUS, CANVAS), parts.name)[1]
    return len(parts.parts) == 1 and bool(known and known["late"])


def is_online_text(parts):
    """Whether it is the page of what somebody typed into Moodle instead of handing in a file."""
    return ONLINE in parts.as_posix() and parts.suffix.lower() in (".html", ".htm")


def sender_of_any(parts):
    """Who handed in a file that is no notebook, where a platform's way to name files tells."""
    folders, _ = _texts(parts)
    for folder in folders:
        if known := re.fullmatch(MOODLE, folder):
            return _sender(MOODLE, known)
        if known := EXCHANGE.fullmatch(folder):
            return Sender("", "", known[1])
    pattern, known = _in((MOODLE, ANONYMOUS, CANVAS), unicodedata.normalize("NFC", parts.name))
    return _sender(pattern, known) if known and not folders else None


def sender_of_another(parts):
    """Who handed in another notebook: as a platform tells, else the folder's name; None where there is none."""
    folders = [one for one in _texts(parts)[0] if one not in course.notebook_names()]
    return sender_of_any(parts) or (Sender("", "", folders[-1]) if folders else None)


def rank(parts, name, fits):
    """What a file of a student's comes by among several, the smallest first: the least deep, then the best name.

    Somebody's folder may hold a folder that has the name of somebody else.
    """
    folders = parts.parts[:-1]
    return len(folders) - (folders[-1:] == (name,)), fits


def sender_of(parts, name, canvas=False):
    """Who handed in a notebook.

    Parameters
    ----------
    parts : PurePosixPath
        The file's path in the folder or archive.
    name : str
        The notebook.
    canvas : bool
        Whether the archive is one of Canvas, so that files under other names are told by Canvas's numbers.

    Returns
    -------
    sender : Sender or None
    fits : int or str or None
        How well the file's name fits, the smallest best; without a sender why it was not taken, or None.
    """
    folders, stem = _texts(parts)
    copies = named_like(name, stem)
    if folders and folders[-1] == name:
        folders = folders[:-1]
    if folders:  # a platform's own comes first, those in it are the student's
        whose = next((one for one in folders if re.fullmatch(MOODLE, one) or EXCHANGE.fullmatch(one)), folders[-1])
        return _in_a_folder(whose, stem, name, copies)
    if copies is not None:
        return None, "lies beside the students' folders, not in one"
    if stem in course.notebook_names():
        return None, None
    pattern, known = _in((MOODLE, ANONYMOUS, CANVAS), stem)
    if known and (copies := named_like(name, known["file"])):
        version = int(copies["copy"] or 0)
        return _sender(pattern, known), version if pattern == MOODLE else -version  # Canvas numbers later ones upwards
    if any(f"_{other}" in stem for other in course.notebook_names() if other != name):
        return None, None  # another notebook
    if known and (canvas or pattern == MOODLE):
        return _sender(pattern, known), RENAMED
    if f"_{name}" in stem:
        return None, f"does not say whose it is; put it into a folder STUDENT as {name}.ipynb"
    return Sender("", "", stem), 0


def _in_a_folder(folder, stem, name, copies):
    moodle = re.fullmatch(MOODLE, folder)
    if copies is None:
        if any(stem.startswith(known) for known in course.notebook_names()) and not stem.startswith(name):
            return None, None
        return (_sender(MOODLE, moodle), RENAMED) if moodle else (None, f"is not named {name}.ipynb: rename it")
    if inbound := EXCHANGE.fullmatch(folder):
        latest_first = -int(re.sub(r"\D", "", inbound[3])[:14])
        return (Sender("", "", inbound[1]), latest_first) if inbound[2] == name else (None, None)
    return _sender(MOODLE, moodle) if moodle else Sender("", "", folder), int(copies["copy"] or 0)
