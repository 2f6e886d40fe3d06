"""What nbgrader's metadata says of a cell: its id, and whether it is a test or a written answer."""


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
