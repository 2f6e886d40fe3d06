"""Due dates, extensions and late penalties, as the course's settings say them.

`course.toml` in the course folder (all of it is optional):

    [late]
    grace_minutes = 60     # not counted as late
    percent_a_day = 10     # of the score, for each day that has begun
    cap_percent = 50       # never more than this

    [due]
    03_forward = 2026-10-05T23:59:00+02:00

`extensions.csv` beside it: a table with the columns student, assignment, days.
"""

import datetime
import difflib
import math
import tomllib
from dataclasses import dataclass

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import AssignLatePenalties
from traitlets import Float, validate

from autograder import course
from autograder.collecting import people, sheets

DAY = 24 * 3600


@dataclass(frozen=True)
class Policy:
    """What being late costs.

    grace : float, seconds
    percent_a_day, cap : float
        Percent of the score, for each day that has begun, and at most.
    """

    grace: float = 0.0
    percent_a_day: float = 0.0
    cap: float = 100.0

    def penalty(self, score, seconds_late):
        """Points to take off.

        Parameters
        ----------
        score : float
            Points that the submission earned.
        seconds_late : float

        Examples
        --------
        >>> Policy(grace=3600, percent_a_day=10, cap=50).penalty(40, 25 * 3600 + 1)
        8.0
        """
        late = seconds_late - self.grace
        if late <= 0:
            return 0.0
        percent = min(self.cap, self.percent_a_day * math.ceil(late / DAY))
        return round(max(0.0, score) * percent / 100, 2)


class DailyPenalty(LateSubmissionPlugin):
    """nbgrader's plugin for late submissions: percent a day after a grace period, with a cap.

    The numbers come from course.toml; in nbgrader_config.py they may be set as `c.DailyPenalty.percent_a_day = 10`.
    """

    grace_minutes = Float(0.0, help="minutes that are not counted as late").tag(config=True)
    percent_a_day = Float(0.0, help="percent of the score, for each day that has begun").tag(config=True)
    cap_percent = Float(100.0, help="largest share of the score that is taken off, in percent").tag(config=True)

    @validate("grace_minutes", "percent_a_day", "cap_percent")
    def _possible(self, proposal):
        if proposal["value"] < 0:
            raise course.CourseError(f"{proposal['trait'].name} is {proposal['value']:g}; expected at least 0")
        if proposal["value"] > 100 and proposal["trait"].name != "grace_minutes":
            raise course.CourseError(f"{proposal['trait'].name} is {proposal['value']:g}; expected 100 percent at most")
        return proposal["value"]

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        """Points to take off one notebook."""
        policy = Policy(60 * self.grace_minutes, self.percent_a_day, self.cap_percent)
        return policy.penalty(score, total_seconds_late)


class DueDates(AssignLatePenalties):
    """AssignLatePenalties, with the due dates and extensions of the course's settings put into the gradebook first."""

    def preprocess(self, nb, resources):
        tags = resources["nbgrader"]
        with Gradebook(tags["db_url"]) as book:
            put_into(book, tags["assignment"], [tags["student"]])
        return super().preprocess(nb, resources)


def settings():
    """What course.toml says: {} where there is none.

    Raises
    ------
    CourseError
        Where it is no TOML, or a value is of the wrong kind.
    """
    path = course.course_folder() / "course.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig")) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise course.CourseError(f"{path} cannot be read: {error}; mend or remove it") from None
    for key, value in found.items():
        if key not in ("late", "due") or not isinstance(value, dict):
            raise course.CourseError(f"{path} holds {key!r}; expected only the tables [late] and [due]")
    _check_penalties(path, found.get("late", {}))
    _check_dates(path, found.get("due", {}))
    return found


def _check_penalties(path, table):
    """Refuse what cannot stand in [late]."""
    for key, value in table.items():
        if key not in ("grace_minutes", "percent_a_day", "cap_percent"):
            raise course.CourseError(
                f"{path}: [late] holds {key!r}; expected grace_minutes, percent_a_day, cap_percent"
            )
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0:
            raise course.CourseError(f"{path}: {key} is {value!r}; expected a number, at least 0")
        if value > 100 and key != "grace_minutes":
            raise course.CourseError(f"{path}: {key} is {value:g}; it is a percentage of the score, at most 100")


def _check_dates(path, table):
    """Refuse what cannot stand in [due]."""
    for name, value in table.items():
        if name not in course.notebook_names():
            raise course.CourseError(
                f"{path}: [due] names {name!r}, which is no notebook; there are {', '.join(course.notebook_names())}"
            )
        if not isinstance(value, datetime.datetime):
            raise course.CourseError(f"{path}: {name} is due {value!r}; expected 2026-10-05T23:59:00+02:00, unquoted")


def due_date(name):
    """When a notebook is due, in UTC without a zone as nbgrader keeps it; None where nothing is set."""
    due = settings().get("due", {}).get(name)
    return due.astimezone(datetime.UTC).replace(tzinfo=None) if due else None


def told(name, when):
    """A line where submissions count as handed in after the due date, as all do whose download was collected late.

    Parameters
    ----------
    name : str
    when : datetime
        The time of submission, with its zone.
    """
    due, found = due_date(name), settings().get("late", {})
    moment = when.astimezone(datetime.UTC).replace(tzinfo=None)
    if due is None or moment <= due + datetime.timedelta(minutes=found.get("grace_minutes", 0)):
        return ""
    return (
        f"what is new counts as handed in at {moment:%Y-%m-%d %H:%M} UTC and is late: {name} was due at "
        f"{due:%Y-%m-%d %H:%M} UTC. Where the platform closed in time, collect again with --at and its zone, such as "
        "--at 2026-10-05T23:59+02:00"
    )


def extensions():
    """Extra days: (student, assignment) -> days.

    Raises
    ------
    CourseError
    """
    path = course.course_folder() / "extensions.csv"
    if not path.exists():
        return {}
    header, rows = sheets.records(path, "it is the table of extensions")
    if not {"student", "assignment", "days"} <= set(header):
        raise course.CourseError(f"{path} has the columns {', '.join(header)}; expected student, assignment, days")
    found, lines = {}, {}
    for number, row in rows:
        row = {column: text.strip() for column, text in row.items()}
        try:
            days = float(row["days"].replace(",", "."))
        except ValueError:
            raise course.CourseError(
                f"{path}, line {number}: {row['days']!r} is no number of days; expected 0 to 366"
            ) from None
        if not 0 <= days <= 366:
            raise course.CourseError(f"{path}, line {number}: {days:g} days; expected 0 to 366")
        if row["assignment"] not in course.notebook_names():
            names = ", ".join(course.notebook_names())
            raise course.CourseError(f"{path}, line {number}: {row['assignment']!r} is no notebook; there are {names}")
        one = row["student"], row["assignment"]
        if one in lines:
            raise course.CourseError(
                f"{path}, lines {lines[one]} and {number} both say how many days {one[0]} gets for {one[1]}; keep one"
            )
        found[one], lines[one] = days, number
    return found


def check():
    """Read both files before anything is done that a mistake in them would end halfway.

    Raises
    ------
    CourseError
    """
    settings()
    extensions()


def doubts():
    """Lines on extensions that change nothing: for nobody in the course, or for a notebook without a due date."""
    from autograder.gradebook import Course

    given = extensions()
    if not given:
        return []
    with Course().gradebook() as book:
        known = {one.id for one in book.students} | people.read().students()
        due = {one.name for one in book.assignments if one.duedate is not None} | set(settings().get("due", {}))
    found = []
    for student in sorted({student for student, _ in given} - known):
        alike = difflib.get_close_matches(student, known, n=3, cutoff=0.6)
        meant = f"; is it {' or '.join(sorted(alike))}?" if alike else ""
        found.append(f"extensions.csv: nobody in the course is {student!r} yet{meant}")
    for name in sorted({name for _, name in given} - due):
        found.append(f"extensions.csv: {name} has no due date; write one below [due] in course.toml")
    return found


def put_into(book, name, students=None):
    """Write due date and extensions of a notebook into an open gradebook."""
    due, listed = due_date(name), (course.course_folder() / "extensions.csv").exists()
    if due is None and not listed:
        return
    extra = extensions()
    try:
        assignment = book.find_assignment(name)
        submissions = book.assignment_submissions(name)
        if students is not None:  # those of a whole class would be looked through once for each student
            submissions = [book.find_submission(name, student) for student in students]
    except MissingEntry:
        return
    if due is not None:
        assignment.duedate = due
    for submission in submissions if listed else []:
        days = extra.get((submission.student_id, name))
        if days is not None and assignment.duedate is not None:  # nbgrader adds them without a look
            submission.extension = datetime.timedelta(days=days)
        else:
            submission.extension = None
    book.db.commit()


def apply(name):
    """Count all penalties of a notebook again: scores given by hand, due dates and extensions may have changed."""
    from autograder.gradebook import Course, configuration

    plugin = DailyPenalty(config=configuration())
    with Course().gradebook() as book:
        put_into(book, name)
        for submission in book.assignment_submissions(name):
            late = submission.total_seconds_late
            for notebook in submission.notebooks:
                penalty = plugin.late_submission_penalty("", notebook.score, late) if late > 0 else 0.0
                notebook.late_submission_penalty = penalty or None
        book.db.commit()


def lateness(submission):
    """How late a submission is, in words: "2 days 3 hours after the due date"."""
    hours = int(submission.total_seconds_late // 3600)
    days, hours = divmod(hours, 24)
    parts = [f"{count} {unit}{'s' if count != 1 else ''}" for count, unit in ((days, "day"), (hours, "hour")) if count]
    return f"{' '.join(parts) or 'less than an hour'} after the due date"
