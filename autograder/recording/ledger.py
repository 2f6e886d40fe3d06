"""The ledger: which result of each student is in nbgrader's gradebook.

It is the file committed/NAME.json in the course folder, student -> entry. An entry is the key of a result and a hash of
its verdicts.
"""

import contextlib
import hashlib
import json
import time

from autograder import course, writing
from autograder.grading.result import load_result

EVERY = 1.0  # seconds between two writings, while many students are committed


def read(name):
    """The ledger of a notebook: student -> entry; a damaged one counts as empty."""
    return _read(path_of(name)) or {}


def path_of(name):
    """The file of a notebook's ledger."""
    return course.course_folder() / "committed" / f"{name}.json"


def _read(path):
    """The content of a ledger, None where it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {student: entry for student, entry in found.items() if isinstance(entry, str)}
    except (FileNotFoundError, ValueError, AttributeError):
        return None


def put_aside(name):
    """Take a damaged ledger out of the way before it is written anew.

    Returns
    -------
    list of str
        What to say of it.
    """
    path = path_of(name)
    if not path.exists() or _read(path) is not None:
        return []
    path.replace(path.with_name(f"{path.name}.damaged"))
    return [
        f"{path} was damaged and is now {path.name}.damaged: every submission is written into the gradebook again, "
        "points given by hand stay"
    ]


def entry_of(result):
    """The entry of a result: another text where the same answers were judged otherwise since.

    A race may end otherwise when it is run again, and a GPU fills in what waited for one.
    """
    told = [[verdict[key] for key in ("cell", "score", "verdict", "message")] for verdict in result["verdicts"]]
    return f"{result['key']}, {hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"


def key_of(entry):
    """The key of the result that an entry is about."""
    return entry.partition(",")[0]


def result_of(entry):
    """The stored result that an entry is about, None where there is none."""
    return load_result(course.course_folder() / "results", key_of(entry))


@contextlib.contextmanager
def written_now_and_then(name, entries):
    """A function that writes a ledger where the last time is a while ago; in the end it is written in any case.

    Written after each of 3,000 students it would take longer than grading them. Who is not in it yet when everything
    ends at once is committed again by the next run, with the same result.
    """
    path = path_of(name)
    path.parent.mkdir(exist_ok=True)
    last = time.monotonic()

    def keep():
        nonlocal last
        if time.monotonic() - last > EVERY:
            writing.replace_text(path, json.dumps(entries, indent=1))
            last = time.monotonic()

    try:
        yield keep
    finally:
        writing.replace_text(path, json.dumps(entries, indent=1))
