"""Scores out of nbgrader's gradebook: a table, and the files that Canvas and Moodle import.

Every text is quoted as CSV wants it, and none can become a formula of a spreadsheet. The same classes serve
`nbgrader export --exporter=autograder.desk.export.CanvasExport`.
"""

import re
from pathlib import Path

from nbgrader.api import MissingEntry
from nbgrader.plugins import ExportPlugin
from traitlets import Unicode

from autograder import course
from autograder.collecting import people, sheets
from autograder.desk import late, platforms, roster, waiting

HEADER = ["student", "last_name", "first_name", "assignment", "raw_score", "late_submission_penalty", "score"]
HEADER += ["max_score", "needs_manual_grade", "waits_for_gpu", "timestamp"]
CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
COMPUTED = re.compile(r"(unposted )?(current|final) (score|points|grade)", re.IGNORECASE)  # by Canvas itself
MOODLE = ["Email address", "First name", "Last name"]


def points(value):
    """A number as a person writes it: 36, 36.5."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def scores(book, name, students=()):
    """What the gradebook says of a notebook: one dict for each student, with the keys of HEADER.

    Someone on the roster without a submission has 0 points and no timestamp. "waits_for_gpu" are points that are open
    and in no score.
    """
    try:
        most = book.find_assignment(name).max_score
    except MissingEntry:
        return []
    pending = waiting.for_a_gpu(book, name)
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
        cells = pending.get(student.id, {})
        row |= {"waits_for_gpu": sum(cells.values(), 0.0), "email": student.email or ""}
        row["waits_for_person"] = row["needs_manual_grade"] and waiting.for_a_person(one, cells)
        found.append(row)
    return found if handed_in else []


class TableExport(ExportPlugin):
    """One line for each student and notebook."""

    ending = ".csv"

    def rows_of(self, book):
        names = [str(name) for name in self.assignment] or [one.name for one in book.assignments]
        return [row for name in names for row in scores(book, name, [str(one) for one in self.student])]

    def export(self, gradebook):
        """Write the file `to`, by default grades.csv; returns the number of submissions in it and what was left out."""
        rows = self.rows_of(gradebook)
        return self.write(rows, self.to or f"grades{self.ending}")

    def write(self, rows, to):
        sheets.write_rows(to, HEADER, ([row[name] for name in HEADER] for row in rows))
        return len(handed_in(rows)), []


class RosterExport(TableExport):
    """For a learning platform: its own list filled in where `roster` names one, else a new file."""

    roster = Unicode("", help="the platform's own CSV file, to be filled in").tag(config=True)
    column = Unicode("", help="its column, where that is not named like the notebook").tag(config=True)
    kind, usual = "", ""

    def say(self, line):
        """Tell what is no reason to leave anybody out."""
        self.log.warning(line)

    def one_notebook(self, rows):
        names = sorted({row["assignment"] for row in rows})
        if len(names) != 1:
            raise course.CourseError(f"one notebook at a time, not {len(names)}: --assignment=\"['03_forward']\"")
        return names[0]

    def table(self):
        found = platforms.read(self.roster)
        if found.kind != self.kind:
            raise course.CourseError(f"{self.roster} is a {found.kind} file; expected one of {self.kind}")
        return found

    def column_of(self, table, name):
        """The platform's column of a notebook: `column`, the usual one, or one with its name: "03 Forward (4711)".

        Raises
        ------
        CourseError
            Where the list lacks `column`, two columns have the notebook's name, or it has another notebook's.
        """
        if self.column:
            alike = [one for one in table.header if one == self.column or without_id(one) == self.column]
        else:
            alike = [one for one in table.header if one == self.usual] or [
                one for one in table.header if people.key(without_id(one)) == people.key(name)
            ]
        if len(alike) > 1:
            raise course.CourseError(f"{self.roster} has {' and '.join(alike)}; name one of them with --column")
        if self.column and not alike:
            raise course.CourseError(
                f"{self.roster} has no column {self.column!r}; there are {', '.join(table.header)[:300]}"
            )
        if alike and self.kind == "canvas" and COMPUTED.fullmatch(alike[0]):
            raise course.CourseError(
                f"Canvas computes the column {alike[0]!r} itself; name the assignment's, such as '03 Forward (4711)'"
            )
        if alike and (other := other_notebook(alike[0], name)):
            raise course.CourseError(
                f"the column {alike[0]!r} of {self.roster} is that of {other}; name that of {name} with --column"
            )
        if not alike:
            self.say(f"{self.roster} has no column for {name}, a new one is added; --column names another")
        return alike[0] if alike else name

    def compare(self, theirs, ours):
        """Say where the platform counts to another number of points: it takes ours for points of its own."""
        if number_in(theirs) not in (None, float(ours)):
            self.say(f"the platform counts to {theirs} points, the notebook to {points(ours)}; change it there")

    def match(self, listed, rows, who):
        """Which of the platform's rows are those who have handed in, see `roster.match`."""
        about = {row["student"]: (row["last_name"], row["first_name"], row["email"]) for row in handed_in(rows)}
        return roster.match(about, self.kind, listed, who)

    def fill(self, table, rows, column):
        """Put the scores into a column of the platform's list; who handed in nothing keeps what stands there.

        Other scores that stood there are told, and who has handed in nothing by the list: both may be another's.

        Returns
        -------
        count : int
            Number of scores that are in it.
        problems : list of str
        """
        listed, who = table.people(), people.read()
        given = {row["student"]: row for row in handed_in(rows)}
        matched = self.match(listed, rows, who)
        changed, nothing = [], []
        for student, position in matched.found.items():
            nothing += [student] if listed[position].get_low("status").lower().startswith("no submission") else []
            before, score = listed[position].get(column, "").strip(), points(given[student]["score"])
            if before not in ("", "-") and number_in(before) != float(score):
                changed.append(f"{student} {before}, now {score}")
            listed[position][column] = score
        if nothing:
            self.say(
                f'the worksheet says "No submission" of {people.some(nothing)}: is it that of {rows[0]["assignment"]}?'
            )
        if changed:
            self.say(f"{column!r} held other scores than these: {people.some(changed, mark='; ')}")
        return len(matched.found), matched.problems


class CanvasExport(RosterExport):
    """The file that Canvas imports into its gradebook: Student, ID, SIS User ID, SIS Login ID, Section, NAME."""

    kind = "canvas"

    def write(self, rows, to):
        name = self.one_notebook(rows)
        if not self.roster:
            refuse_a_filled_list(to, [*CANVAS, name])
            return self.new_file(rows, name, to)
        table = self.table()
        missing = [column for column in CANVAS if column not in table.header]
        if missing:
            raise course.CourseError(
                f"{self.roster} lacks the column {missing[0]}; export the whole gradebook of Canvas"
            )
        column = self.column_of(table, name)
        count, problems = self.fill(table, rows, column)
        for row in table.rows:
            if row["Student"].strip().lower() == platforms.POINTS_POSSIBLE:
                self.compare(row.setdefault(column, points(rows[0]["max_score"])), rows[0]["max_score"])
        header = [*CANVAS, column]
        sheets.write_rows(to, header, ([row.get(one, "") for one in header] for row in table.rows))
        return count, problems

    def new_file(self, rows, name, to):
        """A file without a list of Canvas: people by their ID where a submission or a roster has told it."""
        lines, who = [["Points Possible", "", "", "", "", points(rows[0]["max_score"])]], people.read()
        for row in rows:
            full = ", ".join(filter(None, (row["last_name"], row["first_name"]))) or row["student"]
            score = points(row["score"]) if row["timestamp"] != "" else ""
            number = next(iter(who.numbers_of(row["student"], self.kind)), "")
            lines.append([full, number, "", row["email"] or ("" if number else row["student"]), "", score])
        sheets.write_rows(to, [*CANVAS, name], lines)
        return len(handed_in(rows)), []


class MoodleExport(RosterExport):
    """The file that Moodle imports: its grading worksheet filled in, or address, names and points."""

    kind, usual = "moodle", "Grade"

    def write(self, rows, to):
        name = self.one_notebook(rows)
        if not self.roster:
            lines = [
                [row["email"] or row["student"], row["first_name"], row["last_name"], points(row["score"])]
                for row in handed_in(rows)
            ]
            refuse_a_filled_list(to, [*MOODLE, name])
            sheets.write_rows(to, [*MOODLE, name], lines)
            return len(lines), []
        table = self.table()
        column = self.column_of(table, name)
        if column == self.usual and (other := other_notebook(Path(self.roster).stem, name)):
            raise course.CourseError(
                f"{self.roster} is named like the worksheet of {other}; rename it if it is that of {name} after all"
            )
        sure = self.is_that_of(table, name, rows) or column != self.usual
        if column not in table.header:
            table.header.append(column)
        count, problems = self.fill(table, rows, column)
        if column == self.usual and table.rows:
            most = {one.lower(): text for one, text in table.rows[0].items()}.get("maximum grade", "")
            self.compare(most, rows[0]["max_score"])
        if not sure:
            self.say(f"nothing tells whether {self.roster} is the worksheet of {name}: look at it before you import")
        sheets.write_rows(to, table.header, ([row.get(one, "") for one in table.header] for row in table.rows))
        return count, problems

    def is_that_of(self, table, name, rows):
        """Whether numbers or the file's name tell that it is the worksheet of a notebook; False where nothing does.

        Asked is of whom it has a score to fill in: with which notebooks the number beside it came, and with which
        number this notebook.

        Raises
        ------
        CourseError
            Where more of these numbers are another worksheet's than this one's.
        """
        listed, who = table.people(), people.read()
        right, others = 0, []
        for student, position in self.match(listed, rows, who).found.items():
            number = platforms.number_of(self.kind, listed[position])
            here = who.notebooks_of(number)
            elsewhere = any(name in who.notebooks_of(one) for one in who.numbers_of(student, self.kind))
            if name in here:
                right += 1
            elif number and (here or elsewhere):
                others.append(here)
        if len(others) > right:
            whose = ", ".join(sorted(set().union(*others)))
            whose = f"that of {whose}" if whose else f"not that of {name}"
            raise course.CourseError(
                f"{self.roster} is {whose} by its numbers; download the worksheet of {name}, and if this is it after "
                f"all, correct the column {people.NOTEBOOKS} of people.csv"
            )
        return right > 0 or people.key(name) in people.key(Path(self.roster).stem)


def handed_in(rows):
    """The rows of those who have handed in something."""
    return [row for row in rows if row["timestamp"] != ""]


def refuse_a_filled_list(path, header):
    """Keep a platform's list that was filled in from being written over where --roster was forgotten.

    Raises
    ------
    CourseError
        Where there is such a file, with another header.
    """
    if Path(path).is_file() and sheets.records(path)[0] not in ([], header):
        raise course.CourseError(
            f"{path} has other columns, as an export with --roster writes them; give --roster FILE again, or another "
            "file with --to"
        )


def other_notebook(text, name):
    """Another notebook whose name stands in a text that lacks this one's; "" where there is none."""
    found = [one for one in course.notebook_names() if people.key(one) in people.key(text)]
    return found[0] if found and name not in found else ""


def without_id(column):
    """A column without the number that Canvas puts behind an assignment: "03 Forward (4711)"."""
    return re.sub(r" \(\d+\)$", "", column)


def number_in(text):
    """The number in a cell, None where there is none."""
    try:
        return float((text or "").replace(",", "."))
    except ValueError:
        return None


FORMATS = {"csv": TableExport, "canvas": CanvasExport, "moodle": MoodleExport}


def export(name, form="csv", to=None, listed=None, column="", say=lambda line: None):
    """Write the scores of a notebook, penalties counted anew.

    Parameters
    ----------
    name : str
    form : "csv" | "canvas" | "moodle"
    to : str or Path, optional
        By default NAME.csv, NAME.canvas.csv or NAME.moodle.csv in the course folder.
    listed : str or Path, optional
        The platform's own file, to be filled in.
    column : str
        Its column, where that is not named like the notebook.
    say : callable
        Called with a line on what a person should know of the file.

    Returns
    -------
    path : Path
    count : int
        Number of submissions whose scores are in it.
    problems : list of str
        Students that the platform's file does not name.

    Raises
    ------
    CourseError
    """
    from autograder.gradebook import Course

    if listed and form == "csv":
        raise course.UsageError("--roster goes with --format canvas or moodle")
    if column and not listed:
        raise course.UsageError("--column goes with --roster FILE, whose column it is")
    plugin = FORMATS[form](assignment=[name])
    plugin.say = say
    if listed:
        plugin.roster, plugin.column = str(listed), column
        plugin.table()
    target = Path(to) if to else course.course_folder() / (f"{name}.csv" if form == "csv" else f"{name}.{form}.csv")
    if listed and target.exists() and target.samefile(listed):
        raise course.CourseError(f"{listed} itself would be overwritten; name another file with --to")
    late.apply(name)
    with Course().gradebook() as book:
        rows = plugin.rows_of(book)
        if not rows:
            raise course.CourseError(f"the gradebook has no scores of {name}; run `python -m autograder grade {name}`")
        count, problems = plugin.write(rows, target)
    for line in waiting_lines(name, rows):
        say(line)
    late_ones = sum(row["late_submission_penalty"] > 0 for row in rows)
    if late_ones:
        say(f"{late_ones} of {len(handed_in(rows))} have points taken off for being late, as course.toml says")
    absent = len(rows) - len(handed_in(rows))
    if absent and form == "csv":
        say(f"{absent} have nothing that was graded: 0 points, and no timestamp")
    return target, count, problems


def waiting_lines(name, rows):
    """Lines on scores that are not final: what waits for a person, and what for a GPU."""
    pending = points(sum(row["waits_for_gpu"] for row in rows))
    person = "a person, who has not yet read a written answer, or not as it is now", "when that is done"
    gpu = (
        f"a GPU, with {pending} points that are still open: in no score yet, and not lost",
        f"after `grade {name} --only needs-gpu`",
    )
    for column, (whom, then) in {"waits_for_person": person, "waits_for_gpu": gpu}.items():
        held = [row["student"] for row in rows if row[column]]
        if held:
            count = f"{len(held)} of these scores {'wait' if held[1:] else 'waits'}"
            yield f"{count} for {whom}: {', '.join(held[:5])}{', ...' if held[5:] else ''}; export again {then}"
