"""Rebuild what a student handed in on the released notebook.

A person who grades a damaged notebook looks for the answers and puts them where they belong; so does `rebuild`:
answers are found by grade_id, else by the marker comment in their first line, else by the name that they define.
Tests and set-up always come from the release. Each thing that was mended is a sentence for the student.
"""

import ast
import copy
import functools
import re
from dataclasses import dataclass, field

import nbformat

from autograder.authoring.cells import grade_id, is_test, is_written, name_of
from autograder.collecting.reading import new_cell


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


def rebuild(notebook, release):
    """Put the answers of a submission into the cells of the release.

    Parameters
    ----------
    notebook : NotebookNode
        From `reading.read`.
    release : NotebookNode
        The released notebook.

    Returns
    -------
    Rebuilt
    """
    repairs = list(notebook.get("repairs", []))
    tagged = [cell for cell in release.cells if grade_id(cell)]
    submitted = _joined(notebook.cells, repairs)
    owner = _match(submitted, tagged)
    _place_texts(submitted, release.cells, owner)
    chosen, followers = {}, {None: []}
    last = None
    for position, cell in enumerate(submitted):
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
        cells.extend(_filled(cell, chosen.get(name, []), submitted, repairs))
        cells.extend(_clean(extra) for extra in followers.get(name, []))
    first_seen = list(dict.fromkeys(owner[position] for position in sorted(owner)))
    if first_seen != [grade_id(cell) for cell in tagged if grade_id(cell) in first_seen]:
        repairs.append("cells had been moved; they were put back in order")
    lost = [name for name, found in chosen.items() if not any(grade_id(cell) == name for cell in found)]
    if lost:
        repairs.append(f"{len(lost)} cells had lost their metadata and were recognized by their content")
    about = copy.deepcopy(release.metadata)
    result = nbformat.NotebookNode(nbformat=4, nbformat_minor=5, metadata=about, cells=cells)
    for number, cell in enumerate(result.cells):
        cell["id"] = grade_id(cell) or f"extra-{number}"
    return Rebuilt(result, repairs)


def blank(release, reason):
    """An untouched release in place of a file that cannot be read."""
    rebuilt = rebuild(nbformat.NotebookNode(cells=[]), release)
    rebuilt.repairs = [f"could not be graded: {reason}"]
    return rebuilt


def _joined(cells, repairs):
    """The cells, with functions that had been split over two cells in one piece again."""
    joined = []
    for cell in cells:
        code = bool(joined) and joined[-1].cell_type == cell.cell_type == "code"
        if code and _continues(joined[-1].source, cell.source):
            joined[-1].source += f"\n{cell.source}"
            repairs.append("a function that was split over two cells was put together again")
        else:
            joined.append(cell)
    return joined


def _continues(first, second):
    """Whether a cell goes on in the middle of what the cell before it began."""
    cut = second.lstrip("\n")[:1] in (" ", "\t") or not _parses(first)
    return cut and not _parses(second) and bool(_definitions(first)) and _parses(f"{first}\n{second}")


@functools.lru_cache(4096)
def _parses(source):
    try:
        ast.parse(source)
        return True
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _place_texts(cells, released, owner):
    """A text that stands where the release asks for one is the written answer that is missing; `owner` gets it."""
    known = {cell.source.strip() for cell in released}
    tagged = [cell for cell in released if grade_id(cell)]
    places = {name: position for position, name in sorted(owner.items(), reverse=True)}
    for number, cell in enumerate(tagged):
        if not is_written(cell) or grade_id(cell) in places:
            continue
        before = [places[grade_id(one)] for one in tagged[:number] if grade_id(one) in places]
        after = [places[grade_id(one)] for one in tagged[number + 1 :] if grade_id(one) in places]
        for position in range(max(before, default=-1) + 1, min(after, default=len(cells))):
            one = cells[position]
            new = one.cell_type != "code" and one.source.strip() and one.source.strip() not in known
            if new and position not in owner:
                owner[position] = grade_id(cell)


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
        found = re.search(r"^[ \t]*#[ \t]*answer:[ \t]*([\w-]+)", cell.source, re.MULTILINE)
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


@functools.lru_cache(4096)
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
    name, cell, released = grade_id(cell), copy.deepcopy(cell), cell.source.strip()
    if not cell.metadata.nbgrader.get("solution"):
        _tell_of_locked(name, found, released, repairs)
        return [cell]
    written = [other for other in found if other.source.strip() != released] or found
    if len(found) > 1:
        repairs.append(f"`{name}` was there {len(found)} times; all that was written in it was kept")
    if any(other.cell_type != cell.cell_type for other in written):
        repairs.append(f"`{name}` had become a {written[-1].cell_type} cell; it was turned back")
    if cell.cell_type == "markdown":
        _fill_text(cell, written, repairs)
        return [cell]
    return _filled_code(cell, found, written, submitted, repairs)


def _tell_of_locked(name, found, released, repairs):
    """What became of a cell that nobody should change; it is put back as released."""
    if len(found) > 1:
        repairs.append(f"`{name}` was there {len(found)} times")
    if not found:
        repairs.append(f"`{name}` was missing and was put back")
    elif any(other.source.strip() != released for other in found):
        repairs.append(f"`{name}` had been edited and was restored")


def _fill_text(cell, written, repairs):
    """Everything that was written for a written answer, and its pictures, into its cell."""
    if not written:
        repairs.append(f"the answer cell `{grade_id(cell)}` was missing")
        return
    cell.source = "\n\n".join(dict.fromkeys(other.source for other in written))
    attached = [other.attachments for other in written if other.get("attachments")]
    if attached:
        cell["attachments"] = {key: value for one in attached for key, value in one.items()}


def _filled_code(cell, found, written, submitted, repairs):
    """An answer's cell with the last code that defines what it asks for, and what else was in its cells around it."""
    name, released, wanted = grade_id(cell), cell.source.strip(), set(_definitions(cell.source))
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
    clean = new_cell(cell.cell_type, cell.source, {})
    if cell.get("attachments"):
        clean["attachments"] = cell.attachments
    return clean
