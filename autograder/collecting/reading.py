"""Read the bytes that a student handed in as a list of cells, whatever became of the file on its way.

Read as a person would: by what is there, not by what a schema demands. Every editor's own fields and all outputs are
dropped, so that 20 MB of printed numbers cost nothing; where the JSON is cut off, the cells that are whole are taken.
A notebook keeps the sentences for its student in `repairs`.
"""

import hashlib
import json
import re

import nbformat

MAX_BYTES = 100 << 20
MAX_CELLS = 5000
MAX_SOURCE = 100_000  # characters of one cell; the longest answer of the course has 3,000
MAX_TOTAL = 1_000_000  # characters of all code
MAX_PICTURES = 10 << 20  # characters of the pictures of one written answer
AGAIN = "; save the notebook again and hand it in again"  # what the student does about a file that is cut off
MAX_PARTS = 2_000_000  # values of its JSON, which take a hundred times the room of their marks in the file
MAX_GAPS = 50  # damaged places that are skipped in one file
ENCODINGS = {  # first bytes -> (codec, its name for people); longer marks first
    b"\xff\xfe\0\0": ("utf-32", "UTF-32"),
    b"\0\0\xfe\xff": ("utf-32", "UTF-32"),
    b"\xff\xfe": ("utf-16", "UTF-16"),
    b"\xfe\xff": ("utf-16", "UTF-16"),
    b"\xef\xbb\xbf": ("utf-8-sig", "UTF-8 with a byte order mark"),
    b"{\0": ("utf-16-le", "UTF-16"),
    b"\0{": ("utf-16-be", "UTF-16"),
}
CELL = re.compile(
    r'\{[ \t\r\n]{0,99}"(?:cell_type|attachments|id|metadata|execution_count|outputs|source)"[ \t\r\n]{0,99}:'
)
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
OTHERS = {
    "%PDF": "a PDF",
    "PK": "an archive",
    "<": "a web page",
    "#": "text or a program",
}  # what else files begin with
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
INLINE = re.compile(r"\(data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=]+)\)")


class Unreadable(Exception):
    """The file is no notebook; the text says why."""


def read(data):
    """Parse the bytes of a notebook file.

    Parameters
    ----------
    data : bytes or None
        None where there is not a regular file.

    Returns
    -------
    NotebookNode, nbformat 4
        With `cells` (sources, types, grade ids, pictures of written answers; nothing else) and `repairs`.

    Raises
    ------
    Unreadable
        With a sentence that a student understands.
    """
    if data is None:
        raise Unreadable("there is not a regular file of the notebook's name")
    if not data.strip():
        raise Unreadable("the file is empty")
    if len(data) > MAX_BYTES:
        raise Unreadable(f"the file has {len(data) >> 20} MB; clear the outputs and hand it in again")
    repairs = []
    content = _content(_text(data, repairs), repairs)
    cells = content if isinstance(content, list) else _cells(content, repairs)
    cells = [_plain(cell) for cell in cells if isinstance(cell, dict)]
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"the notebook has {len(cells):,} cells; at most {MAX_CELLS:,} are read")
    for number, cell in enumerate(cells, 1):
        if len(cell.source) > MAX_SOURCE:
            repairs.append(f"cell {number} has {len(cell.source):,} characters, too many to be read, and was left out")
            cell.source = ""
    total = sum(len(cell.source) for cell in cells if cell.cell_type == "code")
    if total > MAX_TOTAL:
        raise Unreadable(f"the notebook has {total:,} characters of code; at most {MAX_TOTAL:,} are read")
    return nbformat.NotebookNode(nbformat=4, nbformat_minor=5, metadata={}, cells=cells, repairs=repairs)


def file_bytes(path, root):
    """What is in a file that was handed in; None where it, or a folder between it and `root`, is a link or no file."""
    links = any(place.is_symlink() for place in (path, *path.parents) if place.is_relative_to(root) and place != root)
    if links or not path.is_file():
        return None
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


def digest(data):
    """sha256 of a file that was handed in; "" for none."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def new_cell(kind, source, metadata):
    """A cell without id or outputs. nbformat's own makers check each one against the schema: 25 ms a notebook."""
    cell = nbformat.NotebookNode(cell_type=kind, source=source, metadata=nbformat.from_dict(metadata))
    if kind == "code":
        cell.update(execution_count=None, outputs=[])
    return cell


def _text(data, repairs):
    """The file as text: by its first bytes, else UTF-8, else the one-byte encoding of Western Windows."""
    marked = next(((mark, *names) for mark, names in ENCODINGS.items() if data.startswith(mark)), None)
    tries = [marked[1:]] if marked else [("utf-8", "")]
    for codec, name in [*tries, ("cp1252", "Windows-1252"), ("latin-1", "Latin-1")]:
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        if name:
            repairs.append(f"the file was not saved as plain UTF-8 and was read as {name}")
        return text.lstrip("\ufeff").strip("\0 \r\n\t")
    raise Unreadable("the file is no text")


def _content(text, repairs):
    """The JSON of a notebook, or the whole cells of a damaged one."""
    if text[:1] not in ("{", "["):
        found = (f"it is {what}" for mark, what in OTHERS.items() if text.startswith(mark))
        raise Unreadable("the file is not a notebook (.ipynb): " + next(found, "it does not start with '{'"))
    if _parts(text) > MAX_PARTS and (parts := _parts(STRING.sub("", text))) > MAX_PARTS:
        raise Unreadable(f"the file holds {parts:,} values; clear the outputs and hand it in again")
    try:
        content, _ = json.JSONDecoder(strict=False).raw_decode(text)  # what follows a notebook is no part of it
    except RecursionError:
        raise Unreadable("the file is nested too deeply to be a notebook") from None
    except ValueError as error:
        cells = _whole_cells(text)
        if not cells:
            raise Unreadable(f"the notebook is cut off or damaged, and no cell in it is whole ({error})") from None
        repairs.append(
            f"the file is cut off or damaged ({error}); the {len(cells)} cells that are whole were read{AGAIN}"
        )
        return {"cells": cells}
    found = content if isinstance(content, list) else content.get("cells", content.get("worksheets"))
    bare = isinstance(content, list) and not any(isinstance(one, dict) and "cell_type" in one for one in content)
    if not isinstance(found, list) or bare:
        raise Unreadable("the file is JSON but no notebook")
    return content


def _parts(text):
    """At least how many values JSON has, those counted that only look like some within a string."""
    return sum(map(text.count, "[{,"))


def _whole_cells(text):
    """The cells of a damaged file that can be read one by one; at most MAX_GAPS damaged places are skipped."""
    decoder, cells, gaps, position = json.JSONDecoder(strict=False), [], 0, 0
    while gaps < MAX_GAPS and (start := CELL.search(text, position)):
        try:
            cell, position = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            gaps, position = gaps + 1, start.end()
            continue
        if isinstance(cell, dict) and "cell_type" in cell:
            cells.append(cell)
    return cells


def _cells(content, repairs):
    """The cells of nbformat 4, or those of all worksheets of nbformat 2 and 3."""
    if "cells" in content:
        return content["cells"]
    repairs.append("the file is in an old format (nbformat 3 or older) and was brought up to date")
    sheets = [sheet.get("cells") for sheet in content["worksheets"] if isinstance(sheet, dict)]
    return [cell for cells in sheets if isinstance(cells, list) for cell in cells]


def _plain(cell):
    """A cell with the fields that matter, whatever its writer left out or added."""
    source = cell.get("source", cell.get("input"))
    if isinstance(source, list):
        lines = [line for line in source if isinstance(line, str)]
        source = ("" if any(line.endswith("\n") for line in lines) else "\n").join(lines)
    source = _clean_text(source if isinstance(source, str) else "").replace("\r\n", "\n").replace("\r", "\n")
    kind = cell.get("cell_type")
    if kind == "heading":  # nbformat 3
        level = cell.get("level")
        kind, source = "markdown", "#" * (level if level in range(1, 7) else 1) + " " + source
    kind = kind if kind in ("code", "markdown", "raw") else "code"
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    tag = metadata.get("nbgrader")
    name = tag.get("grade_id") if isinstance(tag, dict) else None
    plain = new_cell(kind, source, {"nbgrader": {"grade_id": name}} if isinstance(name, str) else {})
    if kind == "markdown":
        plain.source, inline = _without_pictures(source)
        pictures = _pictures(cell.get("attachments")) | _pictures(inline)
        if pictures:
            plain["attachments"] = nbformat.from_dict(pictures)
    found = cell.get("id") or metadata.get("id")
    plain["written_id"] = found if isinstance(found, str) else ""
    return plain


def _without_pictures(source):
    """A text whose inline pictures have become attachments, and these."""
    inline = {}

    def move(found):
        name = f"inline-{hashlib.sha256(found[2].encode()).hexdigest()[:12]}"
        inline[name] = {found[1]: found[2]}
        return f"(attachment:{name})"

    return INLINE.sub(move, source), inline


def _clean_text(text):
    """Text that every file can hold: halves of surrogate pairs become question marks."""
    return text.encode("utf-8", "replace").decode()


def _pictures(attachments):
    """The attached pictures of a cell: name -> {type: base64 text}."""
    if not isinstance(attachments, dict):
        return {}
    found, room = {}, MAX_PICTURES
    for name, bundle in attachments.items():
        for kind, text in bundle.items() if isinstance(bundle, dict) else ():
            text = "".join(text) if isinstance(text, list) and all(isinstance(one, str) for one in text) else text
            if kind in PICTURES and isinstance(text, str) and len(text) <= room:
                room -= len(text)
                found.setdefault(_clean_text(name), {})[kind] = _clean_text(text)
    return found
