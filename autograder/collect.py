"""Take submissions from a folder or an archive into nbgrader's `submitted` folder.

Layouts, in a folder or a .zip: STUDENT/NAME.ipynb, STUDENT/NAME/NAME.ipynb, STUDENT.ipynb, Moodle's
STUDENT_123_assignsubmission_file/NAME.ipynb (or all in one folder), Canvas's STUDENT_12_34_NAME.ipynb, and the folder
`inbound` of an nbgrader exchange, STUDENT+NAME+TIME+RANDOM/NAME.ipynb; also "NAME (1).ipynb". Only regular files are
taken, with limits on size and compression, and the time of collection is the time of submission. Where a platform's
names show that a student has handed in something else, that student is named.
"""

import datetime
import re
import shutil
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import nbformat

from autograder import course, submission

MAX_FILE = 100 << 20  # bytes of one notebook
MAX_RATIO = 200  # uncompressed / compressed
MARKS = " .,_@'+()-"  # allowed in a student id beside letters and digits of any script
MOODLE = r"(.+)_\d+_assignsubmission_file_?"
CANVAS = r"(.+?)(?:_LATE)?_\d+_\d+_"
OTHER = "is no notebook"
EXCHANGE = re.compile(r"(.+)\+([^+]+)\+(\d{4}-\d\d-\d\d \d\d[:_]\d\d[:_]\d\d(?:\.\d+)?)[^+]*(?:\+[^+]*)?")


def find(source, name):
    """The submissions in a folder or archive.

    Parameters
    ----------
    source : Path
    name : str
        The notebook.

    Returns
    -------
    submissions : dict
        student -> bytes
    problems : list of str
        What was left out, and why.

    Raises
    ------
    CourseError
    """
    source = Path(source)
    if not source.exists():
        raise course.CourseError(f"there is no file or folder {source}; name what the platform gave you to download")
    if source.is_dir():
        return _choose(_from_folder(source), name)
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            return _choose(_from_archive(archive), name)
    raise course.CourseError(f"{source} is neither a folder nor a .zip archive; unpack others and name the folder")


def _from_folder(folder):
    for path in sorted(folder.rglob("*")):
        parts = PurePosixPath(path.relative_to(folder).as_posix())
        if any(part.startswith(".") for part in parts.parts) or path.is_dir() and parts.suffix.lower() != ".ipynb":
            continue
        if parts.suffix.lower() != ".ipynb":
            yield parts, None, OTHER
        else:
            if any(parent.is_symlink() for parent in [path, *path.parents][: len(parts.parts)]):
                yield parts, None, "is a link"
            elif not path.is_file():
                yield parts, None, "is no regular file"
            elif path.stat().st_size > MAX_FILE:
                yield parts, None, f"has {path.stat().st_size >> 20} MB"
            else:
                yield parts, path.read_bytes, ""


def _from_archive(archive):
    for item in archive.infolist():
        parts = PurePosixPath(_name_of(item))
        if item.is_dir() or "__MACOSX" in parts.parts:
            continue
        if parts.suffix.lower() != ".ipynb":
            yield parts, None, OTHER
        elif parts.is_absolute() or ".." in parts.parts:
            yield parts, None, "points out of the archive"
        elif (item.external_attr >> 16) & 0o170000 not in (0, 0o100000):
            yield parts, None, "is no regular file"
        elif item.file_size > MAX_FILE or item.file_size > MAX_RATIO * max(item.compress_size, 1):
            yield parts, None, f"would unpack to {item.file_size >> 20} MB"
        else:
            yield parts, lambda item=item: _unpack(archive, item), ""


def _name_of(item):
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


def _choose(found, name):
    """One file a student; each notebook that is not taken is named, so that nobody is dropped in silence."""
    candidates, problems, others = {}, [], {}
    for parts, read, problem in found:
        if problem is OTHER:
            others.setdefault(_sender_of(parts), []).append(parts)
            continue
        student, fits = _student_of(parts, name)
        if problem:
            problems.append(f"{parts}: {problem}; left out")
        elif student is None:
            if fits is not None:
                problems.append(f"{parts}: {fits}; left out")
        elif strange := _strange(student):
            problems.append(f"{parts}: a student id has letters, digits and {MARKS.strip()}, not {strange}; left out")
        else:
            candidates.setdefault(student, []).append((fits, parts, read))
    for student, files in others.items():
        if student is not None and student not in candidates:
            problems.append(f"{student}: handed in {files[0].name}, no notebook; left out")
    submissions = {}
    for student, files in candidates.items():
        files.sort(key=lambda file: file[0])
        for _, parts, _ in files[1:]:
            problems.append(f"{parts}: a second file of {student}; {files[0][1]} was taken")
        try:
            data = files[0][2]()
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError) as error:
            problems.append(f"{files[0][1]}: cannot be unpacked ({error}); left out")
            continue
        if len(files[0][1].parts) == 1 and not _is_this_notebook(data, name):
            problems.append(f"{files[0][1]}: holds none of the cells of {name}; left out")
            continue
        submissions[student] = data
    return submissions, problems


def _strange(student):
    """What may not stand in a student id, "" for a good one."""
    bad = {mark for mark in student if mark not in MARKS and unicodedata.category(mark)[0] not in "LMN"}
    if bad or not student[:1].isalnum() or len(student) > 100:
        return (
            " ".join(sorted(map(repr, bad))) or f"{student[:1]!r} at its start" if len(student) <= 100 else "that many"
        )
    return ""


def _sender_of(parts):
    """Who handed in a file that is no notebook, where a platform's way to name files tells."""
    folders = [unicodedata.normalize("NFC", part) for part in parts.parts[:-1]]
    for folder in reversed(folders):
        if known := re.fullmatch(MOODLE, folder) or EXCHANGE.fullmatch(folder):
            return known[1]
    if not folders and (known := re.match(f"{MOODLE}(?=.)|{CANVAS}", unicodedata.normalize("NFC", parts.name))):
        return known[1] or known[2]
    return None


def _student_of(parts, name):
    """(student, how well the file's name fits: 0 best), or (None, why a notebook was not taken), or (None, None)."""
    folders, stem = [unicodedata.normalize("NFC", part) for part in parts.parts[:-1]], parts.stem
    copies = re.fullmatch(rf"{re.escape(name)}(?: ?\((\d+)\)|-(\d+)|_(\d+)|-Copy(\d+))?", stem, re.IGNORECASE)
    if folders and folders[-1] == name:
        folders = folders[:-1]
    if folders:
        if copies is None:
            other = any(stem.startswith(known) for known in course.notebook_names())
            return None, None if other and not stem.startswith(name) else f"is not named {name}.ipynb"
        if inbound := EXCHANGE.fullmatch(folders[-1]):
            latest_first = -int(re.sub(r"\D", "", inbound[3])[:14])
            return (inbound[1], latest_first) if inbound[2] == name else (None, None)
        moodle = re.fullmatch(MOODLE, folders[-1])
        return (moodle.group(1) if moodle else folders[-1]), int(next(filter(None, copies.groups()), 0))
    if copies is not None:
        return None, "lies beside the students' folders, not in one"
    if stem in course.notebook_names():
        return None, None
    flat = re.fullmatch(rf"{MOODLE}{re.escape(name)}(?: ?\(\d+\)|-\d+|_\d+)?", unicodedata.normalize("NFC", stem))
    if flat:
        return flat.group(1), 0
    canvas = re.fullmatch(rf"{CANVAS}{re.escape(name)}(?:-(\d+))?", stem)
    if canvas:
        return canvas.group(1), -int(canvas.group(2) or 0)  # Canvas numbers later versions upwards
    if any(f"_{known}" in stem for known in course.notebook_names()):
        return None, None  # another notebook
    return unicodedata.normalize("NFC", stem), 0


def _is_this_notebook(data, name):
    """Whether a file holds any of a notebook's answer cells; one that cannot be read is left to the grader."""
    try:
        cells = submission.read(data).cells
    except submission.Unreadable:
        return True
    text = "\n".join(cell.source for cell in cells)
    release = nbformat.read(course.released(name), as_version=4)
    tags = [cell.metadata["nbgrader"] for cell in release.cells if submission.grade_id(cell)]
    ids = {tag["grade_id"] for tag in tags if tag["grade"] or tag["solution"]}
    return any(submission.grade_id(cell) in ids for cell in cells) or any(f"answer: {one}" in text for one in ids)


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


def collect(source, name, when=None):
    """Copy submissions into the course; what was there before is kept in `replaced`, never deleted.

    Parameters
    ----------
    source : Path
    name : str
    when : datetime, optional
        The time of submission that all of them get; by default now.

    Returns
    -------
    taken : list of str
        Students whose submission is new or changed.
    problems : list of str
    """
    submissions, problems = find(source, name)
    if not submissions:
        raise course.CourseError(
            f"{source} holds no submission of {name}; expected STUDENT/{name}.ipynb"
            + (f" ({problems[0]})" if problems else "")
        )
    now = datetime.datetime.now(datetime.UTC)
    taken = []
    for student, data in submissions.items():
        target = course.course_folder() / "submitted" / student / name / f"{name}.ipynb"
        if target.exists():
            if target.read_bytes() == data:
                continue
            old = course.course_folder() / "replaced" / now.strftime("%Y%m%dT%H%M%S") / student / name / target.name
        else:
            old = None
        try:
            keep(target, data, (when or now).strftime("%Y-%m-%d %H:%M:%S UTC"), old)
        except OSError as error:
            raise course.CourseError(
                f"cannot write {target}: {error.strerror}; what {student} handed in before is kept. Collect again when "
                "that is mended: nothing is taken twice"
            ) from None
        taken.append(student)
    return taken, problems
