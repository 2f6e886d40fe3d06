"""Take submissions from a folder or an archive into nbgrader's `submitted` folder.

Layouts: STUDENT/NAME.ipynb, STUDENT/NAME/NAME.ipynb, STUDENT.ipynb; in a folder or a .zip. Only regular files are
taken, with limits on size and compression, and the time of collection is the time of submission.
"""

import datetime
import re
import zipfile
from pathlib import Path, PurePosixPath

from autograder import course

MAX_FILE = 100 << 20  # bytes of one notebook
MAX_RATIO = 200  # uncompressed / compressed
STUDENT = re.compile(r"[^\W_](?:[\w .@-]{0,98}\w)?", re.UNICODE)


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
        raise course.CourseError(f"there is no file or folder {source}")
    if source.is_dir():
        return _choose(_from_folder(source), name)
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            return _choose(_from_archive(archive), name)
    raise course.CourseError(f"{source} is neither a folder nor a .zip archive")


def _from_folder(folder):
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".ipynb" and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            parts = PurePosixPath(path.relative_to(folder).as_posix())
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
        parts = PurePosixPath(item.filename)
        if parts.suffix != ".ipynb" or item.is_dir() or "__MACOSX" in parts.parts:
            continue
        if parts.is_absolute() or ".." in parts.parts:
            yield parts, None, "points out of the archive"
        elif (item.external_attr >> 16) & 0o170000 not in (0, 0o100000):
            yield parts, None, "is no regular file"
        elif item.file_size > MAX_FILE or item.file_size > MAX_RATIO * max(item.compress_size, 1):
            yield parts, None, f"would unpack to {item.file_size >> 20} MB"
        else:
            yield parts, lambda item=item: _unpack(archive, item), ""


def _unpack(archive, item):
    with archive.open(item) as file:
        return file.read(item.file_size)


def _choose(found, name):
    submissions, problems = {}, []
    for parts, read, problem in found:
        student = _student_of(parts, name)
        if student is None:
            continue
        if problem:
            problems.append(f"{parts}: {problem}; left out")
        elif not STUDENT.fullmatch(student):
            problems.append(f"{parts}: {student!r} is no student id (letters, digits, . _ @ - and spaces); left out")
        elif student in submissions:
            problems.append(f"{parts}: a second file of {student}; the first one was taken")
        else:
            submissions[student] = read()
    return submissions, problems


def _student_of(parts, name):
    """The student that a path belongs to, None for other files."""
    folders, file = parts.parts[:-1], parts.name
    if file == f"{name}.ipynb" and folders and folders[-1] == name:
        folders = folders[:-1]
    elif file != f"{name}.ipynb":
        if folders or file.removesuffix(".ipynb") in course.notebook_names():
            return None
        return file.removesuffix(".ipynb")
    return folders[-1] if folders else None


def collect(source, name):
    """Copy submissions into the course; what was there before is moved to `replaced`, never deleted.

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
            old.parent.mkdir(parents=True, exist_ok=True)
            target.replace(old)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        (target.parent / "timestamp.txt").write_text(now.strftime("%Y-%m-%d %H:%M:%S UTC"))
        taken.append(student)
    return taken, problems
