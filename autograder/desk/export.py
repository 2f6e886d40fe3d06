"""Scores out of nbgrader's gradebook: a table, and the files that Canvas and Moodle import.

Every text is quoted as CSV wants it, and none can become a formula of a spreadsheet. The same classes serve
`nbgrader export --exporter=autograder.desk.export.CanvasExport`.
"""

import csv
import io
import os
import re
from pathlib import Path

from nbgrader.api import MissingEntry
from nbgrader.plugins import ExportPlugin
from traitlets import Unicode

from autograder import course
from autograder.desk import roster

NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
HEADER = ["student", "last_name", "first_name", "assignment", "raw_score", "late_submission_penalty", "score"]
HEADER += ["max_score", "needs_manual_grade", "timestamp"]
CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
MOODLE = ["Email address", "First name", "Last name"]


def safe(value):
    """A cell that no spreadsheet takes for a formula: such a text gets an apostrophe in front.

    Examples
    --------
    >>> safe("=1+1"), safe("-2.5"), safe(3)
    ("'=1+1", '-2.5', 3)
    """
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") and not NUMBER.fullmatch(value):
        return f"'{value}"
    return "" if value is None else value


def unsafe(text):
    """A text as it was before `safe`.

    Examples
    --------
    >>> unsafe(safe("-1: no mean path")), unsafe("'tis")
    ('-1: no mean path', "'tis")
    """
    return text[1:] if text[:1] == "'" and safe(text[1:]) == text else text


def write_text(path, text):
    """Write a file whole or not at all.

    Raises
    ------
    CourseError
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise course.CourseError(f"cannot write {path}: {error.strerror}") from None


def write_rows(path, header, rows):
    """Write a table; returns the number of its rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([safe(cell) for cell in header])
    rows = [[safe(cell) for cell in row] for row in rows]
    writer.writerows(rows)
    write_text(path, text.getvalue())
    return len(rows)


def points(value):
    """A number as a person writes it: 36, 36.5."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def scores(book, name, students=()):
    """What the gradebook says of a notebook: one dict for each student, with the keys of HEADER.

    Someone on the roster without a submission has 0 points and no timestamp.
    """
    try:
        most = book.find_assignment(name).max_score
    except MissingEntry:
        return []
    handed_in = {submission.student.id: submission for submission in book.assignment_submissions(name)}
    found = []
    for student in sorted(book.students, key=lambda one: one.id):
        if students and student.id not in students:
            continue
        row = dict.fromkeys(HEADER, "") | {"student": student.id, "assignment": name, "max_score": most}
        row |= {"last_name": student.last_name or "", "first_name": student.first_name or ""}
        one = handed_in.get(student.id)
        penalty = (one.late_submission_penalty or 0.0) if one else 0.0
        raw = one.score if one else 0.0
        row |= {"raw_score": raw, "late_submission_penalty": penalty, "score": max(0.0, raw - penalty)}
        row |= {"needs_manual_grade": bool(one and one.needs_manual_grade), "timestamp": one.timestamp if one else ""}
        row["email"] = student.email or ""
        found.append(row)
    return found if handed_in else []


class TableExport(ExportPlugin):
    """One line for each student and notebook."""

    ending = ".csv"

    def rows_of(self, book):
        names = [str(name) for name in self.assignment] or [one.name for one in book.assignments]
        return [row for name in names for row in scores(book, name, [str(one) for one in self.student])]

    def export(self, gradebook):
        """Write the file `to`, by default grades.csv; returns the number of students in it and what was left out."""
        rows = self.rows_of(gradebook)
        return self.write(rows, self.to or f"grades{self.ending}")

    def write(self, rows, to):
        return write_rows(to, HEADER, ([row[name] for name in HEADER] for row in rows)), []


class RosterExport(TableExport):
    """For a learning platform: its own list filled in where `roster` names one, else a new file."""

    roster = Unicode("", help="the platform's own CSV file, to be filled in").tag(config=True)
    kind, column = "", ""

    def one_notebook(self, rows):
        names = sorted({row["assignment"] for row in rows})
        if len(names) != 1:
            raise course.CourseError(f"one notebook at a time, not {len(names)}: --assignment=\"['03_forward']\"")
        return names[0]

    def table(self):
        found = roster.read(self.roster)
        if found.kind != self.kind:
            raise course.CourseError(f"{self.roster} is a {found.kind} file; expected one of {self.kind}")
        return found

    def fill(self, table, rows, column):
        """Put the scores into a column of the platform's list; who handed in nothing keeps what stands there."""
        people = table.people()
        handed_in = [row for row in rows if row["timestamp"] != ""]
        found, problems = roster.match([row["student"] for row in handed_in], people)
        for row in handed_in:
            if row["student"] in found:
                people[found[row["student"]]][column] = points(row["score"])
        return problems


class CanvasExport(RosterExport):
    """The file that Canvas imports into its gradebook: Student, ID, SIS User ID, SIS Login ID, Section, NAME."""

    kind = "canvas"

    def write(self, rows, to):
        name = self.one_notebook(rows)
        if not self.roster:
            lines = [["Points Possible", "", "", "", "", points(rows[0]["max_score"])]]
            for row in rows:
                full = ", ".join(filter(None, (row["last_name"], row["first_name"]))) or row["student"]
                score = points(row["score"]) if row["timestamp"] != "" else ""
                lines.append([full, "", "", row["email"] or row["student"], "", score])
            write_rows(to, [*CANVAS, name], lines)
            return len(lines) - 1, []
        table = self.table()
        missing = [column for column in CANVAS if column not in table.header]
        if missing:
            raise course.CourseError(
                f"{self.roster} lacks the column {missing[0]}; export the whole gradebook of Canvas"
            )
        column = next((one for one in table.header if re.fullmatch(rf"{re.escape(name)}(?: \(\d+\))?", one)), name)
        problems = self.fill(table, rows, column)
        for row in table.rows:
            if row["Student"].strip().lower() == roster.POINTS_POSSIBLE:
                row.setdefault(column, points(rows[0]["max_score"]))
        header = [*CANVAS, column]
        return write_rows(to, header, ([row.get(one, "") for one in header] for row in table.rows)), problems


class MoodleExport(RosterExport):
    """The file that Moodle imports: its grading worksheet filled in, or address, names and points."""

    kind = "moodle"

    def write(self, rows, to):
        name = self.one_notebook(rows)
        if not self.roster:
            lines = [
                [row["email"] or row["student"], row["first_name"], row["last_name"], points(row["score"])]
                for row in rows
                if row["timestamp"] != ""
            ]
            return write_rows(to, [*MOODLE, name], lines), []
        table = self.table()
        column = "Grade" if "Grade" in table.header else name
        if column not in table.header:
            table.header.append(column)
        problems = self.fill(table, rows, column)
        lines = ([row.get(one, "") for one in table.header] for row in table.rows)
        return write_rows(to, table.header, lines), problems


FORMATS = {"csv": TableExport, "canvas": CanvasExport, "moodle": MoodleExport}


def export(name, form="csv", to=None, listed=None):
    """Write the scores of a notebook, penalties counted anew.

    Parameters
    ----------
    name : str
    form : "csv" | "canvas" | "moodle"
    to : str or Path, optional
        By default NAME.csv, NAME.canvas.csv or NAME.moodle.csv in the course folder.
    listed : str or Path, optional
        The platform's own file, to be filled in.

    Returns
    -------
    path : Path
    rows : int
    problems : list of str
        Students that the platform's file does not name.

    Raises
    ------
    CourseError
    """
    from autograder.desk import late
    from autograder.gradebook import Course

    if listed and form == "csv":
        raise course.CourseError("--roster goes with --format canvas or moodle")
    plugin = FORMATS[form](assignment=[name])
    if listed:
        plugin.roster = str(listed)
        plugin.table()
    target = Path(to) if to else course.course_folder() / (f"{name}.csv" if form == "csv" else f"{name}.{form}.csv")
    late.apply(name)
    with Course().gradebook() as book:
        rows = plugin.rows_of(book)
        if not rows:
            raise course.CourseError(f"the gradebook has no scores of {name}; run `python -m autograder grade {name}`")
        count, problems = plugin.write(rows, target)
    return target, count, problems
