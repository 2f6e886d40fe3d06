"""The public repository: what readers and students see, without solutions, tests and grader, by one command.

What is taken is listed here, and of it only files that git knows: drafts and downloads lie in working folders.
Everything is put together in a folder of its own and searched for leaks (leaks.py); only if nothing is found does it
replace what an earlier publication wrote.
"""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from autograder import __version__, course
from autograder.desk import leaks

TAKEN = (
    "book exercises _config.yml constraints.txt pyproject.toml LICENSE LICENSE-CODE CITATION.cff CHANGELOG.md "
    ".gitignore .devcontainer .binder .github/dependabot.yml .github/workflows/site.yml tests/run_notebooks.py"
).split()
OURS = Path(__file__).parent / "public"  # files of the public repository alone
PLACES = {"workflows": ".github/workflows"}
MADE = ("Makefile", "requirements.txt")  # written from ours, without what grades and tests
RECORD = ".published.json"
NOT_FOR_READERS = re.compile(r"autograder|pytest|tests\.|tests/(?!run_notebooks)|\bruff\b|certify|bwrap|sample-class")
GRADING = "# to grade"  # in requirements.txt: what follows is for instructors
LINK = r"\[([^\]]+)\]\(%s/blob/[\w.-]+/([^)#\s]+)(#[^)\s]*)?\)"


def files():
    """What is published as it is: path in the repository -> file.

    Raises
    ------
    CourseError
        Where something of it is missing.
    """
    known = tracked()
    found = {}
    for name in TAKEN:
        path = course.REPOSITORY / name
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        taken = [one for one in below if one.is_file() and (known is None or one in known) and not _rubbish(one)]
        if not taken:
            raise course.CourseError(f"{name} is missing in {course.REPOSITORY}; publish from a complete repository")
        found |= {one.relative_to(course.REPOSITORY).as_posix(): one for one in taken}
    for path in sorted(OURS.rglob("*")):
        if path.is_file():
            place = path.relative_to(OURS).as_posix()
            first, slash, rest = place.partition("/")
            found[f"{PLACES[first]}/{rest}" if slash else place] = path
    missing = [name for name in course.notebook_names() if f"exercises/{name}.ipynb" not in found]
    if missing:
        names = ", ".join(missing)
        raise course.CourseError(f"not released or not committed: {names}; run `make release`, then commit")
    return found


def tracked():
    """The files that git knows; None where this is no clone.

    Raises
    ------
    CourseError
        Where it is one and git does not answer: drafts that nobody has committed must stay at home.
    """
    if not (course.REPOSITORY / ".git").exists():
        return None
    ask = ["git", "-C", str(course.REPOSITORY), "ls-files", "-z", "--cached"]
    try:
        done = subprocess.run(ask, capture_output=True)
    except OSError as error:
        raise course.CourseError(
            f"git cannot be started ({error.strerror}); only git knows what may be published"
        ) from None
    if done.returncode:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise course.CourseError(
            f"git cannot list the files: {said}; mend that first: only git knows what may be published"
        )
    return {course.REPOSITORY / name for name in done.stdout.decode().split("\0")}


def _rubbish(path):
    parts = path.relative_to(course.REPOSITORY).parts
    return not {"__pycache__", ".ipynb_checkpoints", "_build"}.isdisjoint(parts)


def readers_makefile(text):
    """The Makefile without the rules that need what is not published.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    text = text.replace("\\\n  ", "")  # a list of .PHONY that goes on in the next line; recipes begin with a tab
    head, *rules = re.split(r"(?m)^(?=[.\w/][^\n:=]*:(?!=))", text)
    kept, gone = [], set()
    for rule in rules:
        names = rule.split(":")[0].split()
        recipe = "\n".join(line for line in rule.split("\n") if "bwrap" not in line)
        if names != [".PHONY"] and NOT_FOR_READERS.search(recipe):
            gone |= set(names)
        else:
            kept.append(recipe)
    text = head.split("\n\n", 1)[-1] + "".join(kept)
    phony = re.search(r"(?m)^\.PHONY:(.*)$", text)
    names = [name for name in phony[1].split() if name not in gone]
    text = text.replace(phony[0], f".PHONY: {' '.join(names)}")
    return "# `make book` builds the website, `make serve` shows it.\n\n" + re.sub(r"\n{3,}", "\n\n", text)


def readers_requirements(text):
    """requirements.txt up to what instructors need.

    Raises
    ------
    CourseError
    """
    head, mark, _ = text.partition(GRADING)
    if not mark:
        raise course.CourseError(f"requirements.txt has no line {GRADING!r}: what do readers need?")
    first = "# What a person installs to build the website and run the notebooks. constraints.txt has exact versions.\n"
    return first + head.partition("\n")[2]


def written():
    """All files of the public repository: path -> bytes."""
    found = files()
    made = {name: (course.REPOSITORY / name).read_text(encoding="utf-8") for name in MADE}
    content = {name: path.read_bytes() for name, path in found.items()}
    content["Makefile"] = readers_makefile(made["Makefile"]).encode()
    content["requirements.txt"] = readers_requirements(made["requirements.txt"]).encode()
    for name, data in content.items():
        if leaks.is_text(Path(name)) and not name.startswith(("book/katex", "book/results")):
            content[name] = at_home(data.decode("utf-8"), content).encode()
    return content


def at_home(text, content):
    """A text for the public repository: links to files that are not published become the names of these files."""

    def say(found):
        there = any(one == found[2] or one.startswith(f"{found[2]}/") for one in content)
        return found[0] if there else f"`{found[2]}`"

    return re.sub(LINK % re.escape(course.public_repository()), say, text)


def publish(target, total=lambda files: None, advance=lambda: None):
    """Write the public repository.

    Parameters
    ----------
    target : str or Path
        A new or empty folder, an earlier publication, or a clone of one; nothing but an earlier publication's files is
        ever removed there.
    total, advance : callable
        Called with the number of files, and after each.

    Returns
    -------
    new, changed, gone : list of str

    Raises
    ------
    CourseError
        Where the folder holds something else, or something would leak: nothing is written then.
    """
    target = Path(target).absolute()
    before = published(target)
    content = written()
    total(2 * len(content))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        folder = Path(folder)
        for name, data in content.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        found = leaks.found_in(folder, [course.REPOSITORY / name for name in TAKEN] + list(OURS.rglob("*")), advance)
        if found:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise course.CourseError(f"nothing was published, this would leak: {'; '.join(found[:5])}{more}")
    new, changed = [], []
    for name, data in content.items():
        path = target / name
        old = path.read_bytes() if path.is_file() else None
        if old != data:
            (new if old is None else changed).append(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        advance()
    gone = [name for name in before if name not in content and (target / name).is_file()]
    for name in gone:
        (target / name).unlink()
        for parent in list((target / name).parents)[: len(Path(name).parts) - 1]:
            if not any(parent.iterdir()):
                parent.rmdir()
    record = {"written by": f"autograder {__version__}, by `python -m autograder publish`", "files": sorted(content)}
    (target / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return new, changed, gone


def published(target):
    """The files that an earlier publication wrote.

    Raises
    ------
    CourseError
        Where the folder holds anything else.
    """
    if target == course.REPOSITORY or course.REPOSITORY in target.parents or target in course.REPOSITORY.parents:
        raise course.CourseError(f"{target} is inside this repository or contains it; name a folder elsewhere")
    if not target.exists():
        return []
    if not target.is_dir():
        raise course.CourseError(f"{target} is a file; name a folder")
    if (target / RECORD).is_file():
        return [name for name in json.loads((target / RECORD).read_text(encoding="utf-8"))["files"] if _inside(name)]
    if [path for path in target.iterdir() if path.name != ".git"]:
        raise course.CourseError(f"{target} holds other things; name an empty folder, or one published before")
    return []


def _inside(name):
    return not os.path.isabs(name) and ".." not in Path(name).parts
