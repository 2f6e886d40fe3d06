"""Remove one student from the course folder and the gradebook: files, results, records, lines of tables.

What is removed is gone: copies that left the course folder (on a learning platform, in backups, in exported files) are
not reached, and the command says so.
"""

import contextlib
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

from autograder import course
from autograder.collecting import collect, layouts, people, sheets
from autograder.desk import written
from autograder.writing import write_text


def require_known(student):
    """Find out whether anything in the course knows a student, before anybody is asked to confirm.

    Raises
    ------
    CourseError
    """
    folder = course.course_folder()
    if not is_known(folder, student, people.read()):
        raise course.CourseError(f"nothing in {folder} knows a student {student!r}; write the id as `grade` prints it")


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
    require_known(student)
    who = people.read()
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
        outcome = clean(path, student, marks, who)
        if outcome == "left":
            left.append(_path(path, folder))
        elif outcome:
            done.append(_path(path, folder))
    compact()
    if stands_in(folder / "gradebook.db", student):  # from before `copy-gradebook`
        left.append("gradebook.db")
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()) and "replaced" in path.parts:
            path.rmdir()
    return done, left


def _path(path, folder):
    return path.relative_to(folder).as_posix()


def is_known(folder, student, who):
    """Whether a student of that id is in the gradebook or people.csv, or has handed anything in; no other folder."""
    from autograder.gradebook import Course

    if student in ("", ".", "..") or Path(student).name != student:
        return False
    if student in who.students():
        return True
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
        with contextlib.closing(sqlite3.connect(url.database)) as line:
            line.execute("PRAGMA secure_delete = ON")
            line.execute("VACUUM")
    elif url.get_backend_name() == "postgresql":
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as line:
            for table in Base.metadata.sorted_tables:
                line.execute(text(f'VACUUM (FULL) "{table.name}"'))
        engine.dispose()


def stands_in(path, student):
    """Whether a gradebook in a file knows the student."""
    if path.is_file():
        with contextlib.closing(sqlite3.connect(path)) as line, contextlib.suppress(sqlite3.DatabaseError):
            return line.execute("SELECT 1 FROM student WHERE id = ?", (student,)).fetchone() is not None
    return False


def names(text, marks):
    """Whether a text holds one of the marks as a word of its own."""
    return any(re.search(rf"(?<![\w@.-]){re.escape(mark)}(?![\w@-])", text) for mark in marks)


def clean(path, student, marks, who):
    """Take the student out of one file.

    Returns
    -------
    str
        "" untouched, "removed", "changed", or "left" where the file names the student and only a person can mend it.
    """
    if zipfile.is_zipfile(path):
        return clean_archive(path, student, who)
    data = path.read_bytes()
    try:
        text = sheets.text_of(data, path)
    except course.CourseError:
        text = data.decode("utf-8", errors="replace")
    if path.suffix == ".csv":
        return clean_table(path, text, student, marks, who)
    if path.suffix == ".log":
        return clean_log(path, text, marks, numbers_of(student, who))
    if path.suffix == ".json":
        return clean_json(path, text, student, marks)
    if not names(text, marks):
        return ""
    if "reports" in path.parts:
        path.unlink()  # `report` writes it again
        return "removed"
    return "left"


def numbers_of(student, who):
    """The numbers by which the platforms know the student."""
    return {number for platform in ("canvas", "moodle") for number in who.numbers_of(student, platform)}


def clean_json(path, text, student, marks):
    """A result is removed, an entry of a dict or a record of a list taken out."""
    try:
        content = json.loads(text)
    except ValueError:
        return "left" if names(text, marks) else ""
    if not names(json.dumps(content, ensure_ascii=False), marks):  # in the file, letters beyond ASCII are escaped
        return ""
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


def clean_table(path, text, student, marks, who):
    """The lines of the student are taken out: a cell is the mark, not only holds it, or the platform's number."""
    try:
        rows = [row for _, row in sheets.rows_of(text)]
    except csv.Error:
        return "left" if names(text, marks) else ""
    header = [name.strip() for name in rows[0]] if rows else []
    numbers = {"ID": who.numbers_of(student, "canvas"), "Identifier": who.numbers_of(student, "moodle")}
    kept = [
        row
        for row in rows
        if not any(cell in marks for cell in row)
        and not any(re.sub(r"^\D+", "", cell.strip()) in numbers.get(name, ()) for name, cell in zip(header, row))
    ]
    if len(kept) == len(rows):
        return "left" if names(text, marks) else ""
    out = io.StringIO()
    end = "\r\n" if "\r\n" in text else "\n"
    csv.writer(out, delimiter=sheets.delimiter_of(text), lineterminator=end).writerows(kept)
    write_text(path, out.getvalue())
    return "left" if names(out.getvalue(), marks) else "changed"


def clean_log(path, text, marks, numbers):
    """The lines of a run's log that name the student, or a file under the student's number, are taken out."""
    number = re.compile(rf"[_,](?:{'|'.join(map(re.escape, numbers))})(?!\d)" if numbers else "(?!)")
    lines = text.splitlines()
    kept = [line for line in lines if not names(line, marks) and not number.search(line)]
    if len(kept) == len(lines):
        return ""
    write_text(path, "\n".join(kept) + "\n")
    return "changed"


def clean_archive(path, student, who):
    """An archive of submissions is written again without the student's files.

    Returns
    -------
    str
        "left" where a file could be the student's by its name, and its number is nobody's.
    """
    with zipfile.ZipFile(path) as archive:
        senders = {item: _sender(item) for item in archive.infolist()}
        gone = [item for item, one in senders.items() if _owner(one, who) == student]
        alike = any(
            people.key(one.name) in who.keys_of(student) for one in senders.values() if _owner(one, who) is None
        )
        if not gone:
            return "left" if alike else ""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as copy:
            for item in archive.infolist():
                if item not in gone:
                    copy.writestr(item, archive.read(item))
    os.replace(temporary, path)
    return "left" if alike else "changed"


def _owner(sender, who):
    """The student behind a sender, None where the number is nobody's."""
    return who.student_of(sender.platform, sender.number) if sender.platform else sender.name


def _sender(item):
    """Who handed in a file of an archive."""
    parts = PurePosixPath(collect.name_in_archive(item))
    for name in course.notebook_names():
        sender, fits = layouts.sender_of(parts, name)
        if sender and isinstance(fits, int) and (parts.parent.name or name in parts.stem):
            return sender
    found = layouts.sender_of_any(parts)
    return found or layouts.Sender("", "", parts.parts[0] if len(parts.parts) > 1 else parts.stem)
