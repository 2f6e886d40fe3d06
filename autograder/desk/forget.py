"""Remove one student from the course folder and the gradebook: files, results, records, lines of tables.

What is removed is gone: copies that left the course folder (an LMS, backups, exported files elsewhere) are not reached,
and the command says so.
"""

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import zipfile
from pathlib import Path, PurePosixPath

from nbgrader.api import Base, MissingEntry
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from autograder import collect, course
from autograder.desk import written
from autograder.desk.export import write_text


def forget(student):
    """Remove a student.

    Parameters
    ----------
    student : str
        The id, as `grade` prints it.

    Returns
    -------
    done : list of str
        What was removed or changed, as paths in the course folder.
    left : list of str
        Files that still name the student and that a person has to look at.

    Raises
    ------
    CourseError
        Where nothing in the course knows that id.
    """
    folder = course.course_folder()
    if not is_known(folder, student):
        raise course.CourseError(f"nothing in {folder} knows a student {student!r}; write the id as `grade` prints it")
    marks, known = forget_records(student)
    marks += [written.anonymous(student)] if (folder / "secret").exists() else []
    done = ["gradebook"] if known else []
    done += [_path(path, folder) for path in folders_of(folder, student)]
    for path in folders_of(folder, student):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    left = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name.startswith("gradebook.db"):
            continue
        outcome = clean(path, student, marks)
        if outcome == "left":
            left.append(_path(path, folder))
        elif outcome:
            done.append(_path(path, folder))
    compact()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()) and "replaced" in path.parts:
            path.rmdir()
    return done, left


def _path(path, folder):
    return path.relative_to(folder).as_posix()


def is_known(folder, student):
    """Whether a student of that id is in the gradebook, or has handed anything in; a folder of the course is nobody."""
    from autograder.gradebook import Course

    if student in ("", ".", "..") or Path(student).name != student:
        return False
    if any((folder / place / student).is_dir() for place in ("submitted", "autograded", "feedback")):
        return True
    if any((moment / student).is_dir() for moment in folder.glob("replaced/*")):
        return True
    mark = f'"student": {json.dumps(student)}'
    if any(mark in path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("results/*.json")):
        return True
    with Course().gradebook() as book:
        return any(one.id == student for one in book.students)


def folders_of(folder, student):
    """Files and folders that bear the student's name: submitted/ID, feedback/ID, replaced/TIME/ID, ..."""
    found = []
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            if name == student or (name in files and Path(name).stem == student):
                found.append(Path(root) / name)
        folders[:] = [name for name in folders if name != student]
    return found


def forget_records(student):
    """Remove the student from nbgrader's gradebook.

    Returns
    -------
    marks : list of str
        The id and the address: what may stand in other files.
    known : bool
    """
    from autograder.gradebook import Course

    with Course().gradebook() as book:
        try:
            address = book.find_student(student).email
        except MissingEntry:
            return [student], False
        book.remove_student(student)
    return [student, *filter(None, [address])], True


def compact():
    """Let the database overwrite what it has deleted; until then the rows still lie in its files."""
    url = make_url(course.database_url())
    if url.get_backend_name() == "sqlite" and Path(url.database).exists():
        with sqlite3.connect(url.database) as line:
            line.execute("PRAGMA secure_delete = ON")
        line.execute("VACUUM")
        line.close()
    elif url.get_backend_name() == "postgresql":
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as line:
            for table in Base.metadata.sorted_tables:
                line.execute(text(f'VACUUM (FULL) "{table.name}"'))
        engine.dispose()


def names(text, marks):
    """Whether a text holds one of the marks as a word of its own."""
    return any(re.search(rf"(?<![\w@.-]){re.escape(mark)}(?![\w@-])", text) for mark in marks)


def clean(path, student, marks):
    """Take the student out of one file.

    Returns
    -------
    str
        "" untouched, "removed", "changed", or "left" where the file names the student and only a person can mend it.
    """
    if zipfile.is_zipfile(path):
        return clean_archive(path, student)
    text = path.read_bytes().decode("utf-8", errors="replace")
    if not names(text, marks):
        return "" if not any(json.dumps(mark)[1:-1] in text for mark in marks) or path.suffix != ".json" else "left"
    if path.suffix == ".json":
        return clean_json(path, text, student)
    if path.suffix == ".csv":
        return clean_table(path, text, marks)
    if "reports" in path.parts:
        path.unlink()  # `report` writes it again
        return "removed"
    if path.suffix == ".log":
        return clean_log(path, text, marks)
    return "left"


def clean_json(path, text, student):
    """A result is removed, an entry of a dict or a record of a list taken out."""
    try:
        content = json.loads(text)
    except ValueError:
        return "left"
    if isinstance(content, dict) and content.get("student") == student:
        path.unlink()
        return "removed"
    if isinstance(content, dict):
        kept = {key: value for key, value in content.items() if student not in (key, value)}
    elif isinstance(content, list):
        kept = [row for row in content if not (isinstance(row, dict) and row.get("student") == student)]
    else:
        return "left"
    if len(kept) == len(content):
        return "left"
    write_text(path, json.dumps(kept, indent=1))
    return "left" if names(json.dumps(kept, ensure_ascii=False), [student]) else "changed"


def clean_table(path, text, marks):
    """The lines that name the student are taken out; a line's cell must be the mark, not only hold it."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    kept = [row for row in rows if not any(cell in marks for cell in row)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n" if "\r\n" in text else "\n").writerows(kept)
    write_text(path, out.getvalue())
    return "left" if names(out.getvalue(), marks) else "changed"


def clean_log(path, text, marks):
    """The lines of a run's log that name the student are taken out."""
    kept = [line for line in text.splitlines() if not names(line, marks)]
    write_text(path, "\n".join(kept) + "\n")
    return "changed"


def clean_archive(path, student):
    """An archive of submissions is written again without the student's files."""
    with zipfile.ZipFile(path) as archive:
        owners = {item: _owner(item) for item in archive.infolist()}
        gone = [item for item, owner in owners.items() if owner == student]
        if not gone:
            return ""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as copy:
            for item in archive.infolist():
                if item not in gone:
                    copy.writestr(item, archive.read(item))
    os.replace(temporary, path)
    return "changed"


def _owner(item):
    parts = PurePosixPath(collect._name_of(item))
    for name in course.notebook_names():
        student, fits = collect._student_of(parts, name)
        if student and isinstance(fits, int) and (parts.parent.name or name in parts.stem):
            return student
    return parts.parts[0] if len(parts.parts) > 1 else parts.stem
