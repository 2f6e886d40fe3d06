"""What the class has handed in, found on the disk and read when its turn comes."""

import functools
from pathlib import Path

from autograder import collect, course, reading


def read(student, name):
    """The bytes of a submission in the course folder; None where there is none, or no regular file."""
    return reading.file_bytes(course.submitted(student, name), course.course_folder() / "submitted")


def files(name):
    """student -> callable that returns the bytes of the submission in the course folder."""
    places = sorted((course.course_folder() / "submitted").glob(f"*/{name}"))
    return {place.parent.name: functools.partial(read, place.parent.name, name) for place in places}


def in_course(name, students=()):
    """The submissions in the course folder, as `collect.OnDisk`."""
    folder, found = course.course_folder() / "submitted", files(name)
    return _only(
        found, students, f"submission of {name} in {folder}; run `python -m autograder collect {name} --from ...`"
    )


def in_folder(folder, name, students=()):
    """The submissions in any folder, as `collect` finds them, and what it leaves out."""
    if not Path(folder).is_dir():
        raise course.CourseError(f"there is no folder {folder}; name the one that holds STUDENT/{name}.ipynb")
    found, problems = collect.find(folder, name)
    return _only(found.files, students, f"submission of {name} in {folder}; expected STUDENT/{name}.ipynb"), problems


def _only(found, students, what):
    unknown = [student for student in students if student not in found]
    if unknown:
        raise course.CourseError(f"there is no submission of {unknown[0]!r}; there are {', '.join(found) or 'none'}")
    if not found:
        raise course.CourseError(f"there is no {what}")
    return collect.OnDisk({student: read for student, read in found.items() if not students or student in students})
