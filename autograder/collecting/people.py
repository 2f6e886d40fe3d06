"""Who is who: which student of the course a learning platform means by a number.

Names are shared and change, a platform's number is one person's: the user's ID in Canvas, and in Moodle the number of a
participant, which is another one in each assignment. `people.csv` in the course folder keeps what is known of both,
with the columns platform, number, name, student, notebooks; `collect` and `roster` write it, and a person may correct a
line. `notebooks` are those that came with the number, so that nobody's points go into another assignment's worksheet.
Where neither number nor name tells whose a submission is, it is named and left out: no grade is given by a guess.
"""

import functools
import re
import unicodedata
from dataclasses import dataclass, replace

from autograder import course
from autograder.collecting import layouts, sheets

HEADER = ["platform", "number", "name", "student"]
NOTEBOOKS = "notebooks"  # a column that may be absent, with spaces between names
PLATFORMS = ("canvas", "moodle", "")  # "" for a list without numbers
NAMELESS = {"participant"}  # what Moodle calls everybody whose name it hides


def some(students, most=5, mark=", "):
    """The first of the students, and how many more there are, for a line of words."""
    more = f" and {len(students) - most} more" if len(students) > most else ""
    return mark.join(students[:most]) + more


def key(text):
    """A name without what platforms change in it: "Lee-Ann Ó'Brien" and "leeannobrien" are the same."""
    plain = unicodedata.normalize("NFKD", text or "").casefold()
    return re.sub(r"[^\w]|_", "", "".join(mark for mark in plain if not unicodedata.combining(mark)))


@functools.lru_cache(maxsize=10_000)
def name_keys(name):
    """The keys of a name in both orders where a comma tells its parts: "Li, Wei" is liwei and weili."""
    last, _, first = name.partition(",")
    return frozenset((key(f"{last} {first}"), key(f"{first} {last}"))) - {""}


@dataclass(frozen=True)
class Line:
    """One line of people.csv."""

    platform: str
    number: str
    name: str
    student: str
    notebooks: frozenset = frozenset()  # what was handed in under a number of Moodle

    @property
    def about(self):
        """What it is the only line about: a number, or a student of a list without numbers."""
        return self.platform, self.number, "" if self.number else self.student


class People:
    """What people.csv says.

    Parameters
    ----------
    lines : iterable of Line
    folders : set of str
        Students whose submissions are in the course folder.

    Attributes
    ----------
    changed : bool
        Whether a line is another one than in the file.
    """

    def __init__(self, lines=(), folders=()):
        self.lines, self.of_student, self.of_name = {}, {}, {}
        self.folders, self.changed = set(folders), False
        for line in lines:
            self._add(line)

    def _add(self, line):
        for place, found in self._places(line):
            place.setdefault(found, {})[line.about] = line
        self.lines[line.about] = line

    def _places(self, line):
        return [(self.of_student, line.student), *((self.of_name, one) for one in name_keys(line.name))]

    def put(self, platform, number, name, student):
        """Know a student by a number, or by a name alone; what was known by the same number is replaced."""
        before = self.lines.get(Line(platform, number, name, student).about)
        line = Line(platform, number, name, student, before.notebooks if before else frozenset())
        self._replace(before, line)

    def note(self, sender, notebook):
        """Know that a notebook came with a number of Moodle, which is that of one assignment."""
        before = self.lines.get((sender.platform, sender.number, ""))
        if sender.platform == "moodle" and before:
            self._replace(before, replace(before, notebooks=before.notebooks | {notebook}))

    def _replace(self, before, line):
        if line != before:
            for place, found in self._places(before) if before else ():
                del place[found][line.about]
            self._add(line)
            self.changed = True

    def student_of(self, platform, number):
        """The student behind a number, None where it is not known."""
        line = self.lines.get((platform, number, "")) if number else None
        return line.student if line else None

    def numbers_of(self, student, platform):
        """The numbers by which a platform knows a student."""
        lines = self.of_student.get(student, {}).values()
        return {one.number for one in lines if one.platform == platform and one.number}

    def notebooks_of(self, number):
        """The notebooks that came with a number of Moodle."""
        line = self.lines.get(("moodle", number, ""))
        return line.notebooks if line else frozenset()

    def keys_of(self, student):
        """The keys of all names that platforms and lists give a student."""
        return {text for one in self.of_student.get(student, {}).values() for text in name_keys(one.name)}

    def has_line(self, student):
        """Whether a student is on a line."""
        return bool(self.of_student.get(student))

    def students(self):
        """Everybody whom the course knows here: on a line, or with a folder."""
        return {one for one in self.of_student if self.has_line(one)} | self.folders

    def named(self, sender):
        """The students of a sender's name, without those whom Canvas knows by another number."""
        if key(sender.name) in NAMELESS:
            return set()
        found = {one.student for one in self.of_name.get(key(sender.name), {}).values()}
        if sender.platform == "moodle":
            alone = sender.name in self.folders and not self.has_line(sender.name)
            return found | ({sender.name} if alone else set())
        return {one for one in found if not self.numbers_of(one, sender.platform)}

    def resolve(self, senders):
        """Say who each sender is; newcomers are put in.

        Parameters
        ----------
        senders : iterable of Sender

        Returns
        -------
        found : dict
            sender -> student
        problems : dict
            sender -> why nobody can tell who it is
        """
        senders = list(dict.fromkeys(senders))
        found = {one: one.name if not one.platform else self.student_of(one.platform, one.number) for one in senders}
        here = {student for one, student in found.items() if one.platform and student}
        alike, problems = {}, {}
        for one in senders:
            if found[one] is None:
                alike.setdefault((one.platform, key(one.name)), {}).setdefault(one.number, []).append(one)
        for numbers in alike.values():
            first = next(iter(numbers.values()))[0]
            known = self.named(first) - here
            if known and len(known) * len(numbers) > 1:
                who = " or ".join(sorted(known))
                problems |= {one: f"could be {who}; {cure(one)}" for group in numbers.values() for one in group}
                continue
            for group in numbers.values():
                student = known.pop() if known else self.new_id(group[0], alone=len(numbers) == 1)
                if student is None:
                    problems |= dict.fromkeys(group, f"the id {group[0].label} is another student's; {cure(group[0])}")
                    continue
                found |= dict.fromkeys(group, student)
                if not layouts.strange(student):
                    self.put(group[0].platform, group[0].number, group[0].name, student)
        for one, student in found.items():
            if student and (bad := layouts.strange(student)):
                problems[one] = f"a student id has letters, digits and {layouts.MARKS.strip()}, not {bad}"
        return {one: student for one, student in found.items() if student and one not in problems}, problems

    def new_id(self, sender, alone):
        """The id of a newcomer; None where it is taken.

        Canvas's names come with the number, since "liwei" may be somebody's login; Moodle's where two share a name.
        """
        short = alone and sender.platform == "moodle" and key(sender.name) not in NAMELESS
        wanted = [sender.name] * short + [sender.label]
        return next((one for one in wanted if not self.has_line(one)), None)

    def write(self):
        """Write people.csv."""
        lines = sorted(self.lines.values(), key=lambda one: (one.student, one.platform, one.number))
        rows = [[one.platform, one.number, one.name, one.student, " ".join(sorted(one.notebooks))] for one in lines]
        sheets.write_rows(course.course_folder() / "people.csv", [*HEADER, NOTEBOOKS], rows)


def cure(sender):
    """What to do where a sender is unknown."""
    what = "the assignment's grading worksheet" if sender.platform == "moodle" else "Canvas's exported gradebook"
    return f"read {what} with `roster`, or add the line {sender.platform},{sender.number},,STUDENT to people.csv"


def read():
    """What people.csv and the folders of the course say.

    Raises
    ------
    CourseError
        Where the file is no such table, or a number is there twice.
    """
    folder = course.course_folder()
    path = folder / "people.csv"
    folders = {one.name for one in (folder / "submitted").glob("*") if one.is_dir()}
    if not path.exists():
        return People((), folders)
    header, rows = sheets.records(path)
    if not set(HEADER) <= set(header):
        raise course.CourseError(f"{path} has the columns {', '.join(header)[:200]}; expected {', '.join(HEADER)}")
    seen, lines = {}, []
    for number, row in rows:
        notebooks = frozenset(re.split(r"[\s,;]+", row.get(NOTEBOOKS, ""))) - {""}
        one = Line(*(sheets.unsafe(row[name].strip()) for name in HEADER), notebooks)
        if one.platform not in PLATFORMS:
            raise course.CourseError(
                f"{path}, line {number}: the platform {one.platform!r}; expected canvas, moodle or nothing"
            )
        if not one.student or layouts.strange(one.student):
            why = f"it has letters, digits and {layouts.MARKS.strip()}, and begins with one of the former"
            raise course.CourseError(f"{path}, line {number}: {one.student!r} cannot be a student's id; {why}")
        if one.number and seen.setdefault((one.platform, one.number), number) != number:
            first = seen[one.platform, one.number]
            raise course.CourseError(f"{path}, lines {first} and {number} have one number; remove one of them")
        lines.append(one)
    return People(lines, folders)
