"""Take submissions from a folder or an archive into nbgrader's `submitted` folder.

Which file is whose, choose.py says. Only regular files are taken, with limits on size and compression, and the time of
collection is the time of submission.
"""

import datetime
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from autograder import course
from autograder.collecting import people, submitted
from autograder.collecting.choose import OTHER, choose
from autograder.collecting.submitted import NAMED, STAMP

OURS = ("autograded", "feedback", "release", "source", "submitted")  # folders of a course; `replaced` may be taken back
MAX_FILE = 100 << 20  # bytes of one notebook
MAX_RATIO = 200  # uncompressed / compressed
HARMLESS = 32 << 20  # bytes that may have any ratio: a loop that prints a line too often packs like a bomb
WITHOUT_OUTPUTS = "; ask for it again without its outputs"
ADDED = (".txt", ".json")  # what browsers put behind .ipynb when they save a notebook


def find(source, name):
    """The submissions in a folder or archive: `Found.submissions` and `Found.problems` of `search`."""
    found = search(source, name)
    return found.submissions, found.problems


def search(source, name):
    """Look through a folder or archive.

    Parameters
    ----------
    source : Path
    name : str
        The notebook.

    Returns
    -------
    Found

    Raises
    ------
    CourseError
    """
    source = Path(source)
    if not source.exists():
        raise course.CourseError(f"there is no file or folder {source}; name what the platform gave you to download")
    if source.is_dir():
        refuse_ours(source)
        return choose(list(_from_folder(source)), name)
    if zipfile.is_zipfile(source):
        return choose(list(members(zipfile.ZipFile(source))), name)  # closed when no submission can be read any more
    with open(source, "rb") as file:
        cut = file.read(4) == b"PK\3\4"
    if cut:
        raise course.CourseError(f"{source} is only the beginning of a .zip archive; download it again")
    raise course.CourseError(
        f"{source} is neither a folder nor a .zip archive; unpack any other archive and name the folder"
    )


def refuse_ours(folder):
    """Refuse a folder whose notebooks are the course's own: those around the course, and nbgrader's within it.

    Raises
    ------
    CourseError
    """
    folder, ours = folder.resolve(), course.course_folder()
    around = any(folder in (one, *one.parents) for one in (ours, course.REPOSITORY))
    if around or any(folder.is_relative_to(ours / name) for name in OURS):
        raise course.CourseError(
            f"{folder} holds the course's own notebooks; name the folder that holds only the download"
        )


def _from_folder(folder):
    for path in sorted(folder.rglob("*")):
        parts = without_added(PurePosixPath(path.relative_to(folder).as_posix()))
        if any(part.startswith(".") for part in parts.parts) or path.is_dir() and parts.suffix.lower() != ".ipynb":
            continue
        if parts.suffix.lower() != ".ipynb":
            yield parts, None, OTHER
        elif any(parent.is_symlink() for parent in [path, *path.parents][: len(parts.parts)]):
            yield parts, None, "is a link"
        elif not path.is_file():
            yield parts, None, "is not a regular file"
        elif path.stat().st_size > MAX_FILE:
            yield parts, None, f"has {path.stat().st_size >> 20} MB{WITHOUT_OUTPUTS}"
        else:
            yield parts, path.read_bytes, ""


def members(archive):
    """The files of an open archive: (path, callable that reads it or None, what is wrong with it)."""
    for item in archive.infolist():
        parts = without_added(PurePosixPath(name_in_archive(item)))
        if item.is_dir() or "__MACOSX" in parts.parts:
            continue
        if parts.suffix.lower() != ".ipynb":
            yield parts, None, OTHER
        elif parts.is_absolute() or ".." in parts.parts:
            yield parts, None, "points out of the archive"
        elif (item.external_attr >> 16) & 0o170000 not in (0, 0o100000):
            yield parts, None, "is not a regular file"
        elif item.file_size > min(MAX_FILE, max(HARMLESS, MAX_RATIO * item.compress_size)):
            yield parts, None, f"would unpack to {item.file_size >> 20} MB{WITHOUT_OUTPUTS}"
        else:
            yield parts, lambda item=item: _unpack(archive, item), ""


def without_added(parts):
    """The path of a notebook as its student named it: "03_forward.ipynb.txt" is what a browser made of it."""
    inner = parts.with_suffix("") if parts.suffix.lower() in ADDED else parts
    return inner if inner.suffix.lower() == ".ipynb" else parts


def name_in_archive(item):
    """The name of a member: archives without the UTF-8 flag often hold UTF-8 all the same."""
    if item.flag_bits & 0x800:
        return item.filename
    try:
        return item.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return item.filename


def _unpack(archive, item):
    with archive.open(item) as file:
        return file.read(item.file_size)


def collect(source, name, when=None, again=False, say=lambda line: None):
    """Copy submissions into the course; what was there before is kept in `replaced`, never deleted.

    Parameters
    ----------
    source : Path
    name : str
    when : datetime, optional
        The time of submission that all of them get; by default now. A file that was here before keeps its time where
        that is an earlier one: it was handed in by then.
    again : bool
        Give `when` also to files that were here before it.
    say : callable
        Called with a line on each time that is corrected, or that the platform sees otherwise.

    Returns
    -------
    taken : list of str
        Students whose submission is new or changed.
    problems : list of str
    """
    found = search(source, name)
    if not found.submissions:
        raise course.CourseError(
            f"{source} holds no submission of {name}; expected STUDENT/{name}.ipynb"
            + (f" ({found.problems[0]})" if found.problems else "")
            + (f", and {len(found.problems) - 1} others" if len(found.problems) > 1 else "")
        )
    if found.people.changed:
        found.people.write()
    now = datetime.datetime.now(datetime.UTC)
    replaced = course.course_folder() / "replaced" / now.strftime("%Y%m%dT%H%M%S")
    intake = Intake(name, (when or now).strftime(STAMP), replaced)
    coming = intake.compare(found.submissions, when is not None, again)
    # first: where it ends before the files have their times, collecting again goes on
    correct(name, intake.moments, when)
    for student in coming:
        intake.take(student, found.submissions[student], say)
    for student in found.submissions:
        submitted.tell_beside(student, name, found.beside.get(student, ""))
    for line in intake.lines(found):
        say(line)
    return intake.taken, found.problems


@dataclass
class Intake:
    """What becomes of the submissions that were found, in the course folder.

    name : str
        The notebook.
    stamp : str
        The time of submission of all that comes.
    replaced : Path
        Where files go whose place another one takes.
    taken : list of str
        Students whose submission is new or changed.
    others : list of str
        Those of them from whom another file was here before.
    moments : dict
        student -> the time, until now, of a file that was here before and gets this one.
    kept : list of str
        Students whose file was here before and keeps its time.
    """

    name: str
    stamp: str
    replaced: Path
    taken: list = field(default_factory=list)
    others: list = field(default_factory=list)
    moments: dict = field(default_factory=dict)
    kept: list = field(default_factory=list)

    def compare(self, submissions, given, again):
        """Whose file, or its time, is another one than here; `moments` and `kept` say of which files only the time is.

        given : bool
            Whether the time was given, and is not that of collecting.
        again : bool
            Whether a file may get a later time.

        Returns
        -------
        list of str
            Students.
        """
        coming = []
        for student, data in submissions.items():
            target, before = course.submitted(student, self.name), submitted.stamp_of(student, self.name)
            same = target.exists() and target.read_bytes() == data
            if same and (not given or self.stamp == before):
                continue
            if same and before and before < self.stamp and not again:
                self.kept.append(student)
                continue
            coming.append(student)
            self.moments |= {student: before} if same else {}
        return coming

    def take(self, student, data, say):
        """Write one submission; another file that stood in its place goes to `replaced`.

        Raises
        ------
        CourseError
        """
        target, same = course.submitted(student, self.name), student in self.moments
        old = self.replaced / student / self.name / target.name if target.exists() and not same else None
        try:
            submitted.keep(target, data, self.stamp, old)
        except OSError as error:
            raise course.CourseError(
                f"cannot write {target}: {error.strerror}; what {student} handed in before is kept. Collect again when "
                "that is mended: nothing is taken twice"
            ) from None
        self.taken += [] if same else [student]
        self.others += [student] if old else []
        if old and any(path.read_bytes() == data for path in submitted.earlier(student, self.name, old)):
            say(
                f"{student}: a file that was here before is the submission again; to take back what it replaced, "
                f"`collect {self.name} --from {self.replaced}`"
            )

    def lines(self, found):
        """What to say when all is written."""
        if self.others:
            yield f"another file than before, which is kept in {self.replaced}: {people.some(self.others, NAMED)}"
        for student in found.new:
            yield f"{student}: on no list so far, taken as a new student; `roster` tells names, people.csv who is who"
        for student, before in self.moments.items():
            yield f"{student}: the same file, now handed in at {self.stamp}, before at {before or 'an unknown time'}"
        if self.kept:
            count = len(self.kept)
            yield f"{count} files were here before {self.stamp} and keep their times; --again gives them this one"
        for student in sorted(found.damaged.keys() & set(self.taken)):
            yield f"{student}: {found.damaged[student]}; graded as far as it can be read, so ask for it again"
        for student in found.late:
            time = submitted.stamp_of(student, self.name)
            yield f"{student}: Canvas marks the file as late; its time here is {time}"
        if found.elsewhere:
            files = people.some([f"{student} ({file})" for student, file in sorted(found.elsewhere.items())], NAMED)
            yield f"on no list so far, and no {self.name} among their files: {files}"
        if line := submitted.told_missing(self.name):
            yield line


def correct(name, moments, when):
    """Write another time of submission into the gradebook, for files that it holds already.

    Parameters
    ----------
    moments : dict
        student -> the time that stood there; a gradebook that holds another one is about another file and stays.
    when : datetime
    """
    path = course.sqlite_file(course.database_url())
    if not moments or (course.database_url().startswith("sqlite") and not path.exists()):
        return
    from autograder.gradebook import Course

    with Course().gradebook() as book:
        for one in book.assignment_submissions(name) if name in [known.name for known in book.assignments] else []:
            if one.timestamp and one.timestamp.strftime(STAMP) == moments.get(one.student_id):
                one.timestamp = when.astimezone(datetime.UTC).replace(tzinfo=None)
        book.db.commit()
