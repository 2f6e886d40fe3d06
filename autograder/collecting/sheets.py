"""Tables as people and platforms save them: read in any of their encodings and separators, written for all of them."""

import csv
import io
import re
from pathlib import Path

from autograder import course, writing

NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?|-")  # and the dash that Moodle writes where there is nothing


def text_of(data, path):
    """The text of a table's bytes: UTF-8, or UTF-16 with its mark, which Excel calls "Unicode text".

    Raises
    ------
    CourseError
    """
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise course.CourseError(f"{path} is not UTF-8; save it as CSV in UTF-8") from None


def delimiter_of(text):
    """What stands between the cells of a table, by its first line."""
    return max(",;\t", key=text.split("\n", 1)[0].count)


def rows_of(text):
    """The rows of a table as pairs (number of the line in the file, cells); a line `sep=;` of Excel is none of them."""
    skip = 1 if re.match(r"sep=.\r?\n", text) else 0
    text = text.split("\n", skip)[-1]
    reader, first = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)), 1 + skip
    for cells in reader:
        yield first, cells
        first = reader.line_num + 1 + skip


def read(path, what="name the platform's CSV file"):
    """Read a table: pairs (number of the line in the file, cells), the header first.

    Raises
    ------
    CourseError
        Where there is no such file, or it is no table.
    """
    try:
        return list(rows_of(text_of(Path(path).read_bytes(), path)))
    except OSError as error:
        raise course.CourseError(f"cannot read {path}: {error.strerror}; {what}") from None
    except csv.Error as error:
        raise course.CourseError(f"{path} is no table: {error}; {what}") from None


def records(path, what="name the platform's CSV file"):
    """A table with a header: (header, iterator of pairs of line number and dict); lines without any text are left out.

    Raises
    ------
    CourseError
        While iterating also where a column is there twice, or a line has more cells than the header.
    """
    (_, header), *rows = read(path, what) or [(1, [])]
    header = [name.strip() for name in header]
    return header, _records(path, header, rows)


def _records(path, header, rows):
    if len(set(header)) != len(header):
        raise course.CourseError(f"{path} has a column twice: {', '.join(header)[:200]}; rename or remove one")
    for number, row in rows:
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            raise course.CourseError(
                f"{path}, line {number}: {len(row)} cells under {len(header)} columns; quote what holds a separator"
            )
        if any(cell.strip() for cell in row):
            yield number, dict(zip(header, [*row, *[""] * len(header)]))


def safe(value):
    """A cell that no spreadsheet takes for a formula: such a text gets an apostrophe in front.

    Examples
    --------
    >>> safe("=1+1"), safe("-2.5"), safe(3)
    ("'=1+1", '-2.5', 3)
    """
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") and not NUMBER.fullmatch(value):
        return f"'{value}"
    return "" if value is None else value


def unsafe(text):
    """A text as it was before `safe`.

    Examples
    --------
    >>> unsafe(safe("-1: no mean path")), unsafe("'tis")
    ('-1: no mean path', "'tis")
    """
    return text[1:] if text[:1] == "'" and safe(text[1:]) == text else text


def write_rows(path, header, rows):
    """Write a table; returns the number of its rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([safe(cell) for cell in header])
    rows = [[safe(cell) for cell in row] for row in rows]
    writer.writerows(rows)
    writing.write_text(path, text.getvalue())
    return len(rows)
