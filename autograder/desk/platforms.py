"""The lists that learning platforms export, and the plain table: read row by row, with names and number of a row."""

import re
from dataclasses import dataclass

from autograder import course
from autograder.collecting import sheets
from autograder.collecting.people import key

CANVAS = {"student", "id"}
MOODLE = {"email address"}
WORKSHEET = {"identifier", "grade"}  # Moodle's worksheet where it hides names
PLAIN = {"student", "last_name", "first_name", "email"}
KINDS = {"plain": (PLAIN,), "canvas": (CANVAS,), "moodle": (MOODLE, WORKSHEET)}
POINTS_POSSIBLE = "points possible"  # the second line of a Canvas gradebook
SUFFIX = re.compile(r"(?:[sj]n?r|senior|junior|ii|iii|iv|v|vi|esq|esquire)\.?", re.IGNORECASE)


class Row(dict):
    """A row: header -> text; `line` is where it stands in the file."""

    def __init__(self, line, cells):
        super().__init__(cells)
        self.line, self.low = line, {column.lower(): text.strip() for column, text in cells.items()}

    def get_low(self, name):
        """The text below a column, whatever its capitals, without space around it; "" where there is none."""
        return self.low.get(name, "")


@dataclass
class Table:
    """A file of a learning platform.

    kind : "canvas" | "moodle" | "plain"
    header : list of str
    rows : list of Row
    """

    kind: str
    header: list
    rows: list

    def people(self):
        """The rows that are people: a Canvas gradebook has a line of points and a test student."""
        return [row for row in self.rows if not _is_no_person(row)]


def _is_no_person(row):
    name = (row.get("Student") or "").strip().lower()
    return "Student" in row and name in ("", POINTS_POSSIBLE, "student, test", "test student")


def read(path):
    """Read a file of a learning platform.

    Raises
    ------
    CourseError
        Where it is no table, or its header is none that we know.
    """
    header, rows = sheets.records(path)
    low = {name.lower() for name in header}
    kind = next((kind for kind, wanted in KINDS.items() if any(one <= low for one in wanted)), None)
    if kind is None:
        raise course.CourseError(
            f"{path} has the columns {', '.join(header)[:200] or '(none)'}; expected Canvas's (Student, ID, ...), "
            "Moodle's (Email address, ...) or student, last_name, first_name, email; set the platform to English "
            "before you download its list"
        )
    return Table(kind, header, [Row(line, cells) for line, cells in rows])


def names_of(row):
    """Last name, first name, address of a row.

    Examples
    --------
    >>> names_of(Row(2, {"Student": "Smith, John, Jr."})), names_of(Row(3, {"Full name": "Smith, Jr., John"}))
    (('Smith, Jr.', 'John', ''), ('Smith, Jr.', 'John', ''))
    """
    last = row.get_low("last_name") or row.get_low("last name")
    first = row.get_low("first_name") or row.get_low("first name")
    full = row.get_low("full name") or row.get("Student", "").strip()
    if not last and "," in full:
        last, *others = (part.strip() for part in full.split(",") if part.strip())
        suffixes = [part for part in others if SUFFIX.fullmatch(part)] if len(others) > 1 else []
        last, first = ", ".join([last, *suffixes]), ", ".join(part for part in others if part not in suffixes)
    elif not last:
        first, _, last = full.rpartition(" ") if row.get_low("full name") else ("", "", full)
    address = row.get_low("email") or row.get_low("email address")
    if not address and "@" in row.get_low("sis login id"):
        address = row.get_low("sis login id")
    return last, first, address


def number_of(kind, row):
    """The platform's number of a row: Canvas's ID, or that in Moodle's "Participant 12345"."""
    if kind == "moodle":
        found = re.search(r"\d+$", row.get_low("identifier"))
        return found[0] if found else ""
    return row.get_low("id") if kind == "canvas" else ""


def keys_of(row):
    """Everything by which a student id of ours may name this row."""
    last, first, address = names_of(row)
    columns = ("student", "id", "sis user id", "sis login id", "username", "id number", "full name")
    found = [row.get_low(name) for name in columns] + [address, address.partition("@")[0]]
    found += [f"{first} {last}", f"{last} {first}"] if first and last else []
    return {key(text) for text in found if key(text)}
