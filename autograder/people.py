"""Who is who: which student of the course a learning platform means by a number.

Names are shared and change, a platform's number is one person's: the user's ID in Canvas, and in Moodle the number of a
participant, which is another one in each assignment. `people.csv` in the course folder keeps what is known of both,
with the columns platform, number, name, student; `collect` and `roster` write it, and a person may correct a line.
Where neither number nor name tells whose a submission is, it is named and left out: no grade is given by a guess.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from autograder import course, layouts, sheets

HEADER = ["platform", "number", "name", "student"]
PLATFORMS = ("canvas", "moodle", "")  # "" for a list without numbers
NAMELESS = {"participant"}  # what Moodle calls everybody whose name it hides


def key(text):
    """A name without what platforms change in it: "Lee-Ann Ó'Brien" and "leeannobrien" are the same."""
    plain = unicodedata.normalize("NFKD", text or "").casefold()
    return re.sub(r"[^\w]|_", "", "".join(mark for mark in plain if not unicodedata.combining(mark)))


def name_keys(name):
    """The keys of a name in both orders where a comma tells its parts: "Li, Wei" is liwei and weili."""
    last, _, first = name.partition(",")
    return {key(f"{last} {first}"), key(f"{first} {last}")} - {""}


@dataclass(frozen=True)
class Line:
    """One line of people.csv."""

    platform: str
    number: str
    name: str
    student: str


@dataclass
class People:
    """What people.csv says.

    lines : list of Line
    folders : set of str
        Students whose submissions are in the course folder.
    changed : bool
        Whether a line is another one than in the file.
    """

    lines: list = field(default_factory=list)
    folders: set = field(default_factory=set)
    changed: bool = False

    def student_of(self, platform, number):
        """The student behind a number, None where it is not known."""
        found = (one.student for one in self.lines if number and (one.platform, one.number) == (platform, number))
        return next(found, None)

    def numbers_of(self, student, platform):
        """The numbers by which a platform knows a student."""
        return {one.number for one in self.lines if (one.student, one.platform) == (student, platform) and one.number}

    def keys_of(self, student):
        """The keys of all names that platforms and lists give a student."""
        return {text for one in self.lines if one.student == student for text in name_keys(one.name)}

    def students(self):
        """Everybody whom the course knows here: on a line, or with a folder."""
        return {one.student for one in self.lines} | self.folders

    def named(self, sender):
        """The students of a sender's name, without those whom Canvas knows by another number."""
        if key(sender.name) in NAMELESS:
            return set()
        found = {one.student for one in self.lines if key(sender.name) in name_keys(one.name)}
        if sender.platform == "moodle":
            found |= {sender.name} & (self.folders - {one.student for one in self.lines})
        return {one for one in found if sender.platform == "moodle" or not self.numbers_of(one, sender.platform)}

    def put(self, platform, number, name, student):
        """Know a student by a number, or by a name alone; what was known by the same number is replaced."""
        line = Line(platform, number, name, student)
        same = [
            one
            for one in self.lines
            if (one.platform, one.number) == (platform, number) and (number or one.student == student)
        ]
        if line not in self.lines:
            self.lines, self.changed = [one for one in self.lines if one not in same] + [line], True

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
                why = f"could be {' or '.join(sorted(known))}; {cure(first)}"
                problems |= {one: why for group in numbers.values() for one in group}
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
        return next((one for one in wanted if one not in {line.student for line in self.lines}), None)

    def write(self):
        """Write people.csv."""
        lines = sorted(self.lines, key=lambda one: (one.student, one.platform, one.number))
        rows = [[one.platform, one.number, one.name, one.student] for one in lines]
        sheets.write_rows(course.course_folder() / "people.csv", HEADER, rows)


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
    people = People(folders={one.name for one in (folder / "submitted").glob("*") if one.is_dir()})
    if not path.exists():
        return people
    header, rows = sheets.records(path)
    if not set(HEADER) <= set(header):
        raise course.CourseError(f"{path} has the columns {', '.join(header)[:200]}; expected {', '.join(HEADER)}")
    seen = {}
    for number, row in rows:
        one = Line(*(sheets.unsafe(row[name].strip()) for name in HEADER))
        if one.platform not in PLATFORMS:
            raise course.CourseError(f"{path}, line {number}: the platform {one.platform!r}; expected canvas or moodle")
        if not one.student or layouts.strange(one.student):
            raise course.CourseError(f"{path}, line {number}: {one.student!r} cannot be a student's id")
        if one.number and seen.setdefault((one.platform, one.number), number) != number:
            first = seen[one.platform, one.number]
            raise course.CourseError(f"{path}, lines {first} and {number} have one number; remove one of them")
        people.lines.append(one)
    return people
