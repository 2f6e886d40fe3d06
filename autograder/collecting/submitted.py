"""What students have handed in, as it lies in the course folder: files, their times, and who is missing.

A submission is submitted/STUDENT/NAME/NAME.ipynb, with its time in timestamp.txt beside it. What another file has
replaced is kept in replaced/TIME/STUDENT/NAME.
"""

import functools
import glob
import shutil
from collections.abc import Mapping

from autograder import course
from autograder.collecting import people, reading

BESIDE = "files.txt"  # beside a submission: which files its student handed in, where there were several
NAMED = 20  # students in a line: who has to act reads all of a class's names here
STAMP = "%Y-%m-%d %H:%M:%S UTC"


class OnDisk(Mapping):
    """Submissions that are read when they are asked for: 3,000 of them would fill the memory.

    files : dict
        student -> callable that returns the bytes, or None where the file is missing or no regular file.
    """

    def __init__(self, files):
        self.files = files

    def __getitem__(self, student):
        return self.files[student]()

    def __iter__(self):
        return iter(self.files)

    def __len__(self):
        return len(self.files)


def read(student, name):
    """The bytes of a submission in the course folder; None where there is none, or no regular file."""
    return reading.file_bytes(course.submitted(student, name), course.course_folder() / "submitted")


def files(name):
    """student -> callable that returns the bytes of the submission in the course folder."""
    places = sorted((course.course_folder() / "submitted").glob(f"*/{name}"))
    return {place.parent.name: functools.partial(read, place.parent.name, name) for place in places}


def stamp_of(student, name):
    """The time of a submission as it stands beside it, "" where there is none."""
    path = course.submitted(student, name).with_name("timestamp.txt")
    return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""


def keep(target, data, stamp, old=None):
    """Write a submission and its time beside it, whole or not at all; what stood there goes to `old`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    coming = [target.with_name(f".{name}.coming") for name in (target.name, "timestamp.txt")]
    try:
        coming[0].write_bytes(data)
        coming[1].write_text(stamp)
        if old:
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target, old)
        coming[1].replace(target.parent / "timestamp.txt")  # first: where it ends here, collecting again mends both
        coming[0].replace(target)
    finally:
        for path in coming:
            path.unlink(missing_ok=True)


def earlier(student, name, last):
    """The files of a student that were replaced before the last one was."""
    found = (course.course_folder() / "replaced").glob(f"*/{glob.escape(student)}/{name}/{name}.ipynb")
    return [path for path in found if path != last]


def tell_beside(student, name, sentence):
    """Keep a sentence for the feedback page, or none, beside a submission."""
    path = course.submitted(student, name).with_name(BESIDE)
    if sentence:
        path.write_text(sentence, encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def told_beside(student, name):
    """The sentence that `tell_beside` has kept, "" where there is none."""
    path = course.submitted(student, name).with_name(BESIDE)
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def missing(name):
    """Who is known, from a list or another notebook, and has handed in none of this one.

    Returns
    -------
    missing : list of str
    known : int
        Number of all students whom the course knows.
    """
    known = people.read().students()
    return sorted(student for student in known if not course.submitted(student, name).exists()), len(known)


def told_missing(name):
    """A line on these students, "" where there is none."""
    students, known = missing(name)
    return (
        f"no {name} so far from {len(students)} of {known} students: {people.some(students, NAMED)}" if students else ""
    )
