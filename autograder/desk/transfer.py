"""Copy a gradebook into another database: from SQLite, with which a course begins, to PostgreSQL, for a department.

Tables are copied as they are, in one transaction: afterwards the target holds all rows or none. Rows come in batches,
so that a large gradebook needs no more memory than a small one, and the counts are compared before anything is final.
"""

from pathlib import Path

from sqlalchemy import create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from autograder import course
from autograder.cures import first_line, of_database
from autograder.writing import replace_text

BATCH = 1000  # rows


def tables():
    """nbgrader's tables, those first to which others refer."""
    from nbgrader.api import Base

    return Base.metadata.sorted_tables


def counts(connection):
    """Table -> number of rows."""
    return {table.name: connection.scalar(select(func.count()).select_from(table)) for table in tables()}


def read_counts(connection, url):
    """`counts` of the gradebook that is to be copied.

    Raises
    ------
    CourseError
        Where it cannot be read.
    """
    try:
        return counts(connection)
    except SQLAlchemyError as error:
        raise course.CourseError(of_database(error, url)) from None


def prepare(url):
    """Make nbgrader's tables where there are none; the course row that nbgrader puts in is taken out again.

    Raises
    ------
    CourseError
        Where the database cannot be used, or holds a gradebook already.
    """
    from autograder.gradebook import api

    shown = make_url(url).render_as_string(hide_password=True)
    engine = create_engine(url)
    try:
        api.Gradebook(url, course_id="batch_normalization").close()
        with engine.begin() as line:
            held = {name: count for name, count in counts(line).items() if count and name != "course"}
            if held:
                what = ", ".join(f"{count} in {name}" for name, count in list(held.items())[:3])
                raise course.CourseError(f"{shown} holds a gradebook already ({what}); name an empty database")
            line.execute(next(table for table in tables() if table.name == "course").delete())
    except (SQLAlchemyError, OSError) as error:
        raise course.CourseError(
            f"cannot use {shown}: {first_line(error)}; create it first (createdb), and check that you may write to it"
        ) from None
    finally:
        engine.dispose()


def copy(source, target, total=lambda rows: None, advance=lambda rows: None):
    """Copy all rows.

    Parameters
    ----------
    source, target : str
        Database URLs. The target exists and holds no gradebook.
    total, advance : callable
        Called with the number of all rows, and with numbers of rows that are done.

    Returns
    -------
    dict
        Table -> number of rows, the same in both databases.

    Raises
    ------
    CourseError
    """
    source, target = course.driven(source), course.driven(target)
    if make_url(source) == make_url(target):
        raise course.CourseError("the gradebook would be copied onto itself; name another database with --to")
    if make_url(source).get_backend_name() == "sqlite" and not course.sqlite_file(source).exists():
        raise course.CourseError(f"there is no gradebook {course.sqlite_file(source)}; grade something first")
    prepare(target)
    reading, writing = create_engine(source), create_engine(target)
    try:
        with reading.connect() as old, writing.begin() as new:
            wanted = read_counts(old, source)
            total(sum(wanted.values()))
            for table in tables():
                rows = old.execution_options(yield_per=BATCH).execute(select(table)).mappings()
                for part in rows.partitions(BATCH):
                    new.execute(table.insert(), [dict(row) for row in part])
                    advance(len(part))
            found = counts(new)
            if found != wanted:
                wrong = {name: (wanted[name], found[name]) for name in wanted if wanted[name] != found[name]}
                raise course.CourseError(
                    f"nothing was copied, since rows are missing: {wrong}; copy again while nobody grades"
                )
    except SQLAlchemyError as error:
        raise course.CourseError(f"nothing was copied: {first_line(error)}") from None
    finally:
        reading.dispose()
        writing.dispose()
    return wanted


def leave_the_address(source, target):
    """Write where the course's gradebook was copied to, beside the old one; copied back into it, that is taken away.

    Returns
    -------
    str
        The file with the address, "" where there is none now, or another gradebook was copied.
    """
    source, target, here = address(source), address(target), address(course.in_folder())
    if target == here:
        course.moved_file().unlink(missing_ok=True)
    elif source == here or (course.copied_to() and place(source) == place(course.copied_to())):
        replace_text(course.moved_file(), f"{target}\n")
        return str(course.moved_file())
    return ""


def place(url):
    """What tells two databases apart, whoever asks and in whatever words: system, host, port and name.

    Examples
    --------
    >>> place("postgresql://me@host/grades") == place("postgresql+psycopg://you@host:5432/grades?sslmode=require")
    True
    """
    url = make_url(course.driven(url))
    return url.get_backend_name(), url.host, url.port or 5432, url.database


def address(url):
    """A database URL that may be written down and compared: without password and driver, a file's path in full.

    Examples
    --------
    >>> address("postgresql+psycopg://me:hidden@host/grades?password=hidden")
    'postgresql://me@host/grades'
    """
    url = make_url(course.driven(url)).difference_update_query(["password"])
    url = url._replace(drivername=url.get_backend_name(), password=None)
    if url.drivername == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).resolve()))
    return url.render_as_string()
