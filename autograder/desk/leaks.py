"""What must not leave the instructor's repository, and a search for it in files that students will see.

Secret are the lines of solutions, hidden tests, slips, right answers in other styles and hidden kernels, the files of
the grader and its tests, gradebooks, whatever a student has handed in, and the names of students. The tests hold
exercises, website, wheel and student zip against the same search; `publish` holds a whole folder against it.
"""

import ast
import functools
import hashlib
import html
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np

from autograder import course
from autograder.authoring.script import Script
from autograder.collecting import people

COMMON = re.compile(  # lines that give nothing away: imports, declarations, the end of a signature
    r"(from|import)[\w.,]+|rng=np\.random\.default_rng\(\d+\)|extern__shared__\w+\[\];|(int\w+,)*int\w+\)\{"
)
SHORT = 25  # characters; shorter lines occur anywhere ("return x", "mu = x.mean(axis=0)" is said in every textbook)
TEXT = ".bib .cfg .cpp .css .csv .cuh .h .html .ipynb .js .json .md .mjs .py .svg .toml .txt .xml .yaml .yml".split()
PLAIN = {"LICENSE", "LICENSE-CODE", "Makefile", ".gitignore", "CITATION.cff", "runtime.txt"}
PICTURES = {".png", ".woff2", ".ico"}
PRIVATE = ("solutions", "autograder", "tests", ".ci")  # folders of the repository that are not published
FOREIGN = re.compile(  # what a running course leaves behind
    r"gradebook|\.db(-journal|-wal)?$|\.sqlite|\.log$|^(submitted|autograded|feedback|replaced|hand_in|downloaded)$"
    r"|^(solutions|autograder|mutants|kernels|styles|secret)$|receipt\.txt$|\.ipynb_checkpoints"
    r"|^(people|extensions)\.csv$|^course\.toml$"
)
MARKS = ("### BEGIN SOLUTION", "### BEGIN HIDDEN TESTS", "### END SOLUTION", "### END HIDDEN TESTS")


def squeeze(line):
    """A line of code without blanks and comment."""
    return re.sub(r"\s+", "", re.split(r"#|//", line)[0])


@functools.cache
def secret_lines():
    """Lines of solutions, hidden tests, mutants, styles and kernels that stand nowhere else for a good reason.

    Returns
    -------
    dict
        squeezed line -> the file that it is from
    """
    found, public = {}, set()
    for name in course.notebook_names():
        for line, secret in lines_of_notebook(name):
            if secret:
                found[line] = f"solutions/{name}.py"
            else:
                public.add(line)
    for folder in ("mutants", "styles", "kernels"):
        for path in sorted((course.SOLUTIONS / folder).rglob("*")):
            for line in lines_of_file(path):
                found.setdefault(squeeze(line), path.relative_to(course.REPOSITORY).as_posix())
    return {
        line: source
        for line, source in found.items()
        if len(line) >= SHORT and line not in public and not COMMON.fullmatch(line)
    }


def lines_of_notebook(name):
    """(squeezed line, whether it stands in a solution or a hidden test) for each line of code of a notebook."""
    for cell in Script.of(name).cells:
        inside = False
        for line in cell.source.split("\n") if cell.is_code else ():
            if marker := re.search(r"### (BEGIN|END) (SOLUTION|HIDDEN TESTS)", line):
                inside = marker.group(1) == "BEGIN"
            else:
                yield squeeze(line), inside


def lines_of_file(path):
    """The lines of a file of mutants, styles or kernels that answer a task."""
    if path.suffix in (".cu", ".cuh"):
        return path.read_text(encoding="utf-8").split("\n")
    if path.suffix == ".py" and course.SOLUTIONS / "kernels" not in path.parents:  # there Python launches and measures
        return code_lines(path)
    return ()


def code_lines(path):
    """The lines of a module's functions: no docstrings, decorators, signatures or imports."""
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for statement in node.body:
                documentation = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                if not documentation and not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                    yield from lines[statement.lineno - 1 : statement.end_lineno]


class Search:
    """A search for secret lines that takes one pass over a text, however many lines there are."""

    def __init__(self, secrets):
        self.starts = {}
        for line, source in secrets.items():
            self.starts.setdefault(line[:SHORT], []).append((line, source))

    def __call__(self, text):
        """Sorted "file: line" of each secret line that stands in a text, however it is broken and indented."""
        text, found = re.sub(r"\s+", "", text), set()
        for start in range(len(text) - SHORT + 1):
            for line, source in self.starts.get(text[start : start + SHORT], ()):
                if text.startswith(line, start):
                    found.add(f"{source}: {line}")
        return sorted(found)


def text_of(data, suffix):
    """What a person can read in a file: all of a notebook, a page without its tags, and what hides in them."""
    text = data.decode("utf-8", errors="replace")
    if suffix == ".ipynb":
        notebook = json.loads(text)
        sources = [cell.pop("source") for cell in notebook["cells"]]
        parts = [*sources, json.dumps(notebook).replace('\\"', '"')]
        return "\n".join(part if isinstance(part, str) else "".join(part) for part in parts)
    if suffix == ".html":
        hidden = re.findall(r"<!--.*?-->|=\s*\"[^\"]{25,}\"|=\s*'[^']{25,}'", text, re.DOTALL)
        text = "\n".join([text, *(re.sub("<|>", " ", part) for part in hidden)])
        return html.unescape(re.sub(r"<[^>]+>", "", text))
    return text.replace('\\"', '"')


def is_text(path):
    """Whether a file is text by its name."""
    return path.suffix in TEXT or path.name in PLAIN


def private_files(shared=()):
    """Hashes of the files that stay with the instructor -> their names.

    shared : iterable of Path
        Files in private folders that are published all the same.
    """
    found, shared = {}, set(shared)
    released = {path.read_bytes() for path in course.EXERCISES.glob("*.ipynb")}  # the sample class has one as it is
    for folder in PRIVATE:
        for path in (course.REPOSITORY / folder).rglob("*"):
            data = path.read_bytes() if path.is_file() and path not in shared else b""
            if len(data) > 200 and data not in released:  # empty and trivial files are the same everywhere
                found[hashlib.sha256(data).hexdigest()] = path.relative_to(course.REPOSITORY).as_posix()
    return found


def numbers_only(data):
    """What is wrong with an archive of arrays: it must hold numbers and short names, no code and no pickles."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            for key in stored.files:
                if stored[key].dtype.kind not in "fiubUc" or "def " in str(stored[key])[:10_000]:
                    return f"holds more than numbers in {key}"
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        return f"is no archive of plain arrays ({error})"
    return ""


def answered(data):
    """Answer cells of an exercise that are not as they were released: somebody's work is in them."""
    found = []
    for cell in json.loads(data)["cells"]:
        tag = cell.get("metadata", {}).get("nbgrader", {})
        if cell["cell_type"] == "code" and cell.get("outputs"):
            found.append(f"`{tag.get('grade_id', cell.get('id'))}` has outputs")
        if tag.get("solution"):
            source = "".join(cell["source"])
            if "raise NotImplementedError(" not in source and "YOUR ANSWER HERE" not in source:
                found.append(f"`{tag['grade_id']}` is answered")
    return found


def named_students():
    """The names and telling ids of the students of the course folder, for `named`.

    An id is telling where it cannot be a word of a text: it holds a digit, a dot or an @ and is not short.
    """
    who = people.read()
    ids = {one for one in who.students() if len(one) >= 6 and re.search(r"[\d.@]", one)}
    names = {line.name for line in who.lines.values()} | who.students()
    return ids | {name for name in names if re.search(r"\w\w[ ,]+\w\w", name)}


def named(text, students):
    """Those of the students whom a text names."""
    return sorted(one for one in students if one in text and re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text))


def problems_of(path, data, search, private, students=()):
    """Why one file must not be seen by students.

    Parameters
    ----------
    path : Path
        Its place in the folder that is published.
    data : bytes
    search : Search
    private : dict
        From `private_files`.
    students : set of str
        From `named_students`.

    Returns
    -------
    list of str
    """
    found = [f"is named {part}" for part in path.parts if FOREIGN.search(part)]
    twin = private.get(hashlib.sha256(data).hexdigest())
    if twin:
        found.append(f"is {twin}")
    if path.suffix == ".npz":
        found += filter(None, [numbers_only(data)])
    elif is_text(path):
        try:
            text = text_of(data, path.suffix)
        except (ValueError, KeyError, TypeError) as error:
            return [*found, f"cannot be read: {error}"]
        found += [f"holds a line of {line}" for line in search(text)]
        if met := named(text, students):
            found.append(f"names students of the course, such as {met[0]}")
        if path.suffix == ".ipynb":
            found += [f"holds {mark}" for mark in MARKS if mark in text]
            names = course.notebook_names()
            known = path.parts[0] == "exercises" and len(path.parts) == 2 and path.stem in names
            found += answered(data) if known else ["is no notebook of the course"]
    elif path.suffix not in PICTURES:
        found.append("is of a kind that cannot be searched")
    return found


def found_in(folder, shared=(), advance=lambda: None):
    """All that must not be seen in a folder.

    Parameters
    ----------
    folder : Path
    shared : iterable of Path
        As for `private_files`.
    advance : callable
        Called after each file.

    Returns
    -------
    list of str
        "path: what is wrong"
    """
    secrets = secret_lines()
    if len(secrets) < 100:
        raise course.CourseError("the search for leaks knows almost no secret lines: is solutions/ complete?")
    search, private, students, found = Search(secrets), private_files(shared), named_students(), []
    for path in sorted(folder.rglob("*")):
        place = Path(path.relative_to(folder).as_posix())
        if ".git" in place.parts[:1]:
            continue
        if path.is_symlink():
            found.append(f"{place}: is a link")
        elif path.is_file():
            found += [
                f"{place}: {problem}" for problem in problems_of(place, path.read_bytes(), search, private, students)
            ]
            advance()
    return found
