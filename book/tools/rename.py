"""Carry the course's title and address from _config.yml to every file that names them: `make address`.

What they were before stands in README.md (the title) and CITATION.cff (the address). Notebooks are derived: `make
release` writes them again.
"""

import re
import subprocess
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def site_of(address):
    """Where GitHub publishes the pages of a repository: https://OWNER.github.io/NAME."""
    return re.sub(r"https://github\.com/([^/]+)/", r"https://\1.github.io/", address)


def names(repository=REPOSITORY):
    """What is replaced by what, in this order: pairs of the old and the new text."""
    config = yaml.safe_load((repository / "_config.yml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    title = (repository / "README.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    old, new = citation["repository-code"], config["repository"]["url"].rstrip("/")
    folders = [f"cd {address.rpartition('/')[2]}/" for address in (old, new)]  # what `git clone` makes
    return [(old, new), (site_of(old), site_of(new)), tuple(folders), (title, config["title"])]


def rename(repository=REPOSITORY):
    """Replace them in all files of the repository that git knows; returns the changed ones."""
    known = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True).stdout
    pairs, changed = [pair for pair in names(repository) if pair[0] != pair[1]], []
    for name in filter(None, known.split("\0")):
        path = repository / name
        if path.suffix in (".ipynb", ".npz", ".png") or not path.is_file():
            continue
        try:
            text = before = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for old, new in pairs:
            text = text.replace(old, new)
        if text != before:
            path.write_text(text, encoding="utf-8", newline="")
            changed.append(name)
    return changed


if __name__ == "__main__":
    for name in rename():
        print(name)
    print("The picture that links show has the title in book/card.svg: `make card` draws it.")
