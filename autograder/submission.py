"""Read what a student handed in, and rebuild it on the released notebook.

A person who grades a damaged notebook looks for the answers and puts them where they belong; so does `rebuild`:
answers are found by grade_id, else by the marker comment in their first line, else by the name that they define.
Tests and set-up always come from the release. Each thing that was mended is a sentence for the student.
"""

import ast
import copy
import json
import re
from dataclasses import dataclass, field

import nbformat

MAX_BYTES = 100 << 20


class Unreadable(Exception):
    """The file is no notebook; the text says why."""


@dataclass
class Rebuilt:
    """A submission on the cells of the release.

    notebook : NotebookNode, nbformat 4.5
    repairs : list of str
    """

    notebook: nbformat.NotebookNode
    repairs: list = field(default_factory=list)

    def code(self):
        """(id, source) of all code cells but the tests, in the order in which they run."""
        return [
            (name_of(cell), cell.source)
            for cell in self.notebook.cells
            if cell.cell_type == "code" and not is_test(cell)
        ]

    def answers(self, release):
        """id of each written answer -> True where it differs from the release, or text of the student's follows it."""
        blank = {grade_id(cell): cell.source.strip() for cell in release.cells if is_written(cell)}
        known = {cell.source.strip() for cell in release.cells}
        found, current = {}, None
        for cell in self.notebook.cells:
            if is_written(cell):
                current = grade_id(cell)
                found[current] = cell.source.strip() != blank[current]
            elif cell.cell_type != "markdown" or grade_id(cell):
                current = None
            elif current and cell.source.strip() not in known:
                found[current] = True
        return found


def grade_id(cell):
    """The nbgrader id of a cell, "" where there is none."""
    tag = cell.get("metadata", {}).get("nbgrader")
    found = tag.get("grade_id") if isinstance(tag, dict) else None
    return found if isinstance(found, str) else ""


def name_of(cell):
    """The name of a cell in results and messages: its grade_id, or the id that `rebuild` gave it."""
    return grade_id(cell) or cell.get("id", "")


def is_test(cell):
    """Whether a cell of the release holds tests."""
    tag = cell.get("metadata", {}).get("nbgrader", {})
    return bool(tag.get("grade")) and not tag.get("solution")


def is_written(cell):
    """Whether a cell of the release holds a written answer that a person grades."""
    tag = cell.get("metadata", {}).get("nbgrader", {})
    return bool(tag.get("grade")) and bool(tag.get("solution"))


def read(data):
    """Parse the bytes of a notebook file.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    NotebookNode, nbformat 4

    Raises
    ------
    Unreadable
        With a sentence that a student understands.
    """
    if not data.strip():
        raise Unreadable("the file is empty")
    if len(data) > MAX_BYTES:
        raise Unreadable(f"the file has {len(data) >> 20} MB; clear the outputs and hand it in again")
    content = _json(data)
    if not isinstance(content, dict) or not ("cells" in content or "worksheets" in content):
        raise Unreadable("the file is JSON but no notebook")
    try:
        notebook = nbformat.reads(json.dumps(content), as_version=4)
    except Exception:
        content.update(nbformat=4, nbformat_minor=5)
        notebook = nbformat.from_dict(content)
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise Unreadable("the notebook has no list of cells")
    notebook.cells = [_plain_cell(cell) for cell in cells if isinstance(cell, dict)]
    return notebook


def _json(data):
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        if encoding == "utf-16" and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            continue
        try:
            text = data.decode(encoding).rstrip("\0 \r\n\t")
            content, _ = json.JSONDecoder().raw_decode(text.lstrip())
            return content  # what follows a whole notebook is no part of it
        except UnicodeDecodeError:
            continue
        except RecursionError:
            raise Unreadable("the file is nested too deeply to be a notebook") from None
        except ValueError as error:
            start = data.lstrip()[:1]
            if start != b"{":
                raise Unreadable("the file is not a notebook (.ipynb): it does not start with '{'") from None
            raise Unreadable(f"the notebook is cut off or damaged ({error})") from None
    raise Unreadable("the file is no text")


def _plain_cell(cell):
    """A cell with the fields that matter, whatever its writer left out."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        lines = [str(line) for line in source]
        source = ("" if any(line.endswith("\n") for line in lines) else "\n").join(lines)
    kind = cell.get("cell_type") if cell.get("cell_type") in ("code", "markdown", "raw") else "code"
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    source = str(source).replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    make = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
        "raw": nbformat.v4.new_raw_cell,
    }
    plain = make[kind](source=source, metadata=copy.deepcopy(metadata))
    if kind == "markdown" and isinstance(cell.get("attachments"), dict):
        plain["attachments"] = copy.deepcopy(cell["attachments"])  # pictures of a written answer
    plain["written_id"] = str(cell.get("id") or metadata.get("id") or "")
    return plain


def rebuild(notebook, release):
    """Put the answers of a submission into the cells of the release.

    Parameters
    ----------
    notebook : NotebookNode
        From `read`.
    release : NotebookNode
        The released notebook.

    Returns
    -------
    Rebuilt
    """
    repairs = []
    tagged = [cell for cell in release.cells if grade_id(cell)]
    owner = _match(notebook.cells, tagged)
    chosen, followers = {}, {None: []}
    last = None
    for position, cell in enumerate(notebook.cells):
        name = owner.get(position)
        if name is None:
            if cell.source.strip():
                followers.setdefault(last, []).append(cell)
        else:
            chosen.setdefault(name, []).append(cell)
            last = name
    cells = [_clean(cell) for cell in followers[None]]
    for cell in tagged:
        name = grade_id(cell)
        cells.extend(_filled(cell, chosen.get(name, []), notebook.cells, repairs))
        cells.extend(_clean(extra) for extra in followers.get(name, []))
    first_seen = list(dict.fromkeys(owner[position] for position in sorted(owner)))
    if first_seen != [grade_id(cell) for cell in tagged if grade_id(cell) in first_seen]:
        repairs.append("cells had been moved; they were put back in order")
    lost = [name for name, found in chosen.items() if not any(grade_id(cell) == name for cell in found)]
    if lost:
        repairs.append(f"{len(lost)} cells had lost their metadata and were recognized by their content")
    result = nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(release.metadata))
    for number, cell in enumerate(result.cells):
        cell["id"] = grade_id(cell) or f"extra-{number}"
    return Rebuilt(result, repairs)


def blank(release, reason):
    """An untouched release in place of a file that cannot be read."""
    empty = nbformat.v4.new_notebook(cells=[], metadata={})
    rebuilt = rebuild(empty, release)
    rebuilt.repairs = [f"could not be graded: {reason}"]
    return rebuilt


def _match(cells, tagged):
    """Position of a submitted cell -> grade_id of the release that it belongs to.

    A marker that names another answer than the cell's metadata wins: the student sees the marker.
    """
    by_id = {grade_id(cell): cell for cell in tagged}
    marked = _marker([cell for cell in tagged if cell.cell_type == "code" and not is_test(cell)])
    owner = {}
    for position, cell in enumerate(cells):
        name = grade_id(cell) or (cell["written_id"] if cell["written_id"] in by_id else "")
        if name in by_id:
            code_answer = by_id[name].cell_type == "code" and not is_test(by_id[name])
            owner[position] = (marked(cell) or name) if code_answer else name
    for recognize in (_marker, _same_text, _defined_name, _prompt):
        missing = [cell for cell in tagged if grade_id(cell) not in owner.values()]
        hits = recognize(missing)
        for position, cell in enumerate(cells):
            if position not in owner:
                name = hits(cell)
                if name:
                    owner[position] = name
    return owner


def _marker(missing):
    names = {grade_id(cell) for cell in missing}

    def hit(cell):
        found = re.search(r"^\s*#\s*answer:\s*([\w-]+)", cell.source, re.MULTILINE)
        return found.group(1) if found and found.group(1) in names else None

    return hit


def _same_text(missing):
    texts = {cell.source.strip(): grade_id(cell) for cell in missing}
    return lambda cell: texts.get(cell.source.strip())


def _defined_name(missing):
    wanted = {}
    for cell in missing:
        if cell.cell_type == "code" and not is_test(cell):
            wanted.update({name: grade_id(cell) for name in _definitions(cell.source)})

    def hit(cell):
        return next((wanted[name] for name in _definitions(cell.source) if name in wanted), None)

    return hit


def _prompt(missing):
    """A written answer keeps the question above it: its first line tells."""
    lines = {cell.source.strip().split("\n")[0]: grade_id(cell) for cell in missing if is_written(cell)}
    return lambda cell: lines.get(cell.source.strip().split("\n")[0]) if cell.cell_type != "code" else None


def _definitions(source):
    """Names that a cell defines at its top level (functions, classes, assignments), even if it does not parse."""
    try:
        names = []
        for node in ast.parse(source).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.append(node.name)
            elif isinstance(node, ast.Assign):
                names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        return names
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        found = re.findall(r"^(?:def|class)\s+(\w+)|^(\w+)\s*=[^=]", source, re.MULTILINE)
        return [function or variable for function, variable in found]


def _filled(cell, found, submitted, repairs):
    """The cells that stand for one cell of the release: locked ones as released, answers with the student's text.

    Parameters
    ----------
    cell : NotebookNode
        Of the release.
    found : list
        Submitted cells that belong to it.
    submitted : list
        All submitted cells, where an answer may have slipped into another one.
    repairs : list of str
        Added to.
    """
    name, cell = grade_id(cell), copy.deepcopy(cell)
    released = cell.source.strip()
    if not cell.metadata.nbgrader.get("solution"):
        if len(found) > 1:
            repairs.append(f"`{name}` was there {len(found)} times")
        if not found:
            repairs.append(f"`{name}` was missing and was put back")
        elif any(other.source.strip() != released for other in found):
            repairs.append(f"`{name}` had been edited and was restored")
        return [cell]
    written = [other for other in found if other.source.strip() != released] or found
    if len(found) > 1:
        repairs.append(f"`{name}` was there {len(found)} times; all that was written in it was kept")
    if any(other.cell_type != cell.cell_type for other in written):
        repairs.append(f"`{name}` had become a {written[-1].cell_type} cell; it was turned back")
    if cell.cell_type == "markdown":
        if written:
            cell.source = "\n\n".join(dict.fromkeys(other.source for other in written))
            attached = [other.attachments for other in written if other.get("attachments")]
            if attached:
                cell["attachments"] = {key: value for one in attached for key, value in one.items()}
        else:
            repairs.append(f"the answer cell `{name}` was missing")
        return [cell]
    wanted = set(_definitions(cell.source))
    defining = [other for other in written if wanted & set(_definitions(other.source))]
    untouched = all(other.source.strip() == released for other in written)
    if untouched or not defining:
        for other in submitted:
            strange = other not in found and other.cell_type == "code" and other.source.strip() != released
            if strange and wanted & set(_definitions(other.source)):
                repairs.append(f"the answer of `{name}` stood in another cell")
                cell.source = other.source if untouched else f"{written[-1].source}\n{other.source}"
                return [cell]
    if not written:
        repairs.append(f"the answer cell `{name}` was missing")
        return [cell]
    main = (defining or written)[-1]
    cell.source = _unfenced(main.source)
    others = [other for other in written if other is not main and other.source != main.source]
    before = [_clean(other) for other in others if written.index(other) < written.index(main)]
    return [*before, cell, *(_clean(other) for other in others if written.index(other) > written.index(main))]


def _unfenced(source):
    """An answer without the Markdown fence that some editors put around it."""
    fenced = re.fullmatch(r"\s*```(?:python)?\n(.*?)\n```\s*", source, re.DOTALL)
    return fenced.group(1) if fenced else source


def _clean(cell):
    """An extra cell of the student without metadata that means something to the grader."""
    make = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
        "raw": nbformat.v4.new_raw_cell,
    }
    clean = make[cell.cell_type](source=cell.source)
    if cell.get("attachments"):
        clean["attachments"] = cell.attachments
    return clean
