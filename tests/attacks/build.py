"""Make the files of the attacks and of the honest students among them."""

import copy
import functools
import json
import re
from pathlib import Path

import nbformat

from autograder import course
from autograder.authoring.script import Script
from autograder.bench.made_up import Submission, build
from tests.attacks.corpus import CORPUS, DRIFT

HONEST = ("honest", "zoe honest")  # the first and the last of a batch in the order of names


@functools.cache
def open_notebook(name):
    """The released notebook as JSON text: every answer open."""
    return course.released(name).read_text(encoding="utf-8")


def filled(text, places):
    """`text` with its @WORDS@ replaced."""
    return re.sub(r"@([A-Z]+)@", lambda found: str(places[found[1]]), text)


def file_of(attack, places, release=None):
    """The bytes that an attacker hands in.

    Parameters
    ----------
    attack : tests.attacks.corpus.Attack
    places : dict
        REPOSITORY, COURSE, CANARY, HOME, TCP, UDP: what the attacks aim at.
    release : str, optional
        JSON text of the notebook that students got; by default ours.
    """
    notebook = json.loads(release or open_notebook(attack.notebook))
    if attack.code:
        cell = next(
            one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == attack.cell
        )
        cell["source"] = f"# answer: {attack.cell}\n{filled(attack.code, places)}"
    data = attack.file(notebook) if attack.file else None
    return data or json.dumps(notebook, indent=1).encode()


@functools.cache
def honest(name):
    """The file of a student who answers everything rightly."""
    release = nbformat.read(course.released(name), as_version=4)
    return build(Submission("honest", name), Script.of(name), copy.deepcopy(release))


def write(folder, name, places, attacks=CORPUS):
    """Write a class of attackers and honest students: FOLDER/STUDENT/NAME.ipynb."""
    files = {attack.name: file_of(attack, places) for attack in attacks if attack.notebook == name}
    files |= {student: honest(name) for student in HONEST}
    for student, data in files.items():
        path = Path(folder, student, f"{name}.ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


__all__ = ["CORPUS", "DRIFT", "HONEST", "file_of", "filled", "honest", "write"]
