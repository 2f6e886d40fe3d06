"""The class, as the learning platform lists it: names, addresses, identifiers.

`python -m autograder roster FILE` takes a Canvas gradebook, a Moodle worksheet or participants list, or a plain table
(student, last_name, first_name, email). It is read again whenever the class changes: newcomers are added, names
corrected, and who is no longer on it is named, never removed.
"""

import csv
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from autograder import course

CANVAS = {"student", "id"}
MOODLE = {"email address"}
PLAIN = {"student", "last_name", "first_name", "email"}
POINTS_POSSIBLE = "points possible"  # the second line of a Canvas gradebook


@dataclass
class Table:
    """A file of a learning platform.

    kind : "canvas" | "moodle" | "plain"
    header : list of str
    rows : list of dict, header -> text
    """

    kind: str
    header: list
    rows: list

    def people(self):
        """The rows that are people: a Canvas gradebook has a line of points and a test student."""
        return [row for row in self.rows if not _is_no_person(row)]


def _is_no_person(row):
    name = (row.get("Student") or "").strip().lower()
    return "Student" in row and (name in (POINTS_POSSIBLE, "") or name in ("student, test", "test student"))


def read(path):
    """Read a file of a learning platform.

    Raises
    ------
    CourseError
        Where it is no table, or its header is none that we know.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise course.CourseError(f"cannot read {path}: {error.strerror}; name the platform's CSV file") from None
    except UnicodeDecodeError:
        raise course.CourseError(f"{path} is not UTF-8; export it as CSV in UTF-8") from None
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    header = [name.strip() for name in rows[0]] if rows else []
    low = {name.lower() for name in header}
    kind = next((kind for kind, wanted in KINDS.items() if wanted <= low), None)
    if kind is None:
        raise course.CourseError(
            f"{path} has the columns {', '.join(header)[:200] or '(none)'}; expected Canvas's (Student, ID, ...), "
            "Moodle's (Email address, ...) or student, last_name, first_name, email"
        )
    if len(set(header)) != len(header):
        raise course.CourseError(f"{path} has a column twice: {', '.join(header)[:200]}")
    records = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            raise course.CourseError(f"{path}, line {number}: {len(row)} cells under {len(header)} columns")
        if any(cell.strip() for cell in row):
            records.append(dict(zip(header, [*row, *[""] * len(header)])))
    return Table(kind, header, records)


KINDS = {"plain": PLAIN, "canvas": CANVAS, "moodle": MOODLE}


def key(text):
    """A name without what platforms change in it: "Lee-Ann Ó'Brien" and "leeannobrien" are the same."""
    plain = unicodedata.normalize("NFKD", text or "").casefold()
    return re.sub(r"[^\w]|_", "", "".join(mark for mark in plain if not unicodedata.combining(mark)))


def names_of(row):
    """Last name, first name, address of a row."""
    low = {name.lower(): (text or "").strip() for name, text in row.items()}
    last, first = low.get("last_name", low.get("last name", "")), low.get("first_name", low.get("first name", ""))
    if not last and "," in low.get("student", ""):
        last, first = (part.strip() for part in low["student"].split(",", 1))
    if not last and low.get("full name"):
        first, _, last = low["full name"].rpartition(" ")
    address = low.get("email") or low.get("email address") or ""
    if not address and "@" in low.get("sis login id", ""):
        address = low["sis login id"]
    return last, first, address


def keys_of(row):
    """Everything by which a student id of ours may name this row."""
    low = {name.lower(): (text or "").strip() for name, text in row.items()}
    last, first, address = names_of(row)
    found = [low.get(name, "") for name in ("student", "id", "sis user id", "sis login id", "username", "id number")]
    found += [low.get("full name", ""), address, address.partition("@")[0]]
    found += [f"{first} {last}", f"{last} {first}"] if first and last else []
    found += [low.get("identifier", "").removeprefix("Participant ")]
    return {key(text) for text in found if key(text)}


def match(students, rows):
    """Which row is which student.

    Parameters
    ----------
    students : iterable of str
        Ids in the gradebook.
    rows : list of dict

    Returns
    -------
    found : dict
        student -> position in rows
    problems : list of str
        Students without a row, and those that two rows could be.
    """
    places = {}
    for position, row in enumerate(rows):
        for one in keys_of(row):
            places.setdefault(one, set()).add(position)
    found, problems = {}, []
    for student in students:
        exact = [i for i, row in enumerate(rows) if (row.get("student") or row.get("SIS Login ID") or "") == student]
        hits = set(exact) or places.get(key(student), set())
        if len(hits) == 1:
            found[student] = hits.pop()
        else:
            problems.append(f"{student}: {'two rows could be this student' if hits else 'is not on the list'}")
    taken = {}
    for student, position in list(found.items()):
        if position in taken:
            problems.append(f"{student}: {taken[position]} has the same row")
            found.pop(student)
        taken.setdefault(position, student)
    return found, problems


def id_of(row):
    """The id that a newcomer gets, until a submission comes under another name."""
    low = {name.lower(): (text or "").strip() for name, text in row.items()}
    last, first, address = names_of(row)
    wanted = [low.get("sis login id"), low.get("username"), address, f"{first} {last}".strip(), low.get("id")]
    return (low.get("student") if "last_name" in low else None) or next((one for one in wanted if one), "")


def take(path):
    """Put a list into the gradebook.

    Returns
    -------
    added, changed, gone : list of str
        Student ids: newcomers, corrected ones, and those of the gradebook that the list does not name.

    Raises
    ------
    CourseError
    """
    from autograder.gradebook import Course

    rows = read(path).people()
    added, changed = [], []
    with Course().gradebook() as book:
        known = {student.id: student for student in book.students}
        found, problems = match(known, rows)
        double = [line for line in problems if "two rows" in line]
        if double:
            raise course.CourseError(f"{path}: {double[0]}; add a column `student` that says which")
        place = {position: student for student, position in found.items()}
        for position, row in enumerate(rows):
            last, first, address = names_of(row)
            wanted = {"last_name": last, "first_name": first, "email": address}
            wanted = {name: text for name, text in wanted.items() if text}
            who = place.get(position)
            if who is None:
                who = id_of(row)
                if not who:
                    continue
                book.add_student(who, **wanted)
                added.append(who)
            elif any(getattr(known[who], name) != text for name, text in wanted.items()):
                book.update_or_create_student(who, **wanted)
                changed.append(who)
    return added, changed, sorted(set(known) - set(found))
