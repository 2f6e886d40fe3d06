"""What the book says: every source exists, every claim about others has one, every computed number is computed."""

import re

import pytest
import yaml

from autograder import course

BOOK = course.REPOSITORY / "book"
CHAPTERS = sorted(path for path in BOOK.glob("[0-9][0-9]_*.md"))
SOURCES = yaml.safe_load((BOOK / "sources.yml").read_text(encoding="utf-8"))
KEYS = set(re.findall(r"(?m)^@\w+\{([^,\s]+),", (BOOK / "references.bib").read_text(encoding="utf-8")))


def test_keys_are_unique():
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    assert len(re.findall(r"(?m)^@\w+\{", text)) == len(KEYS)


@pytest.mark.parametrize("path", sorted(BOOK.glob("*.md")), ids=lambda path: path.stem)
def test_what_is_cited_is_in_the_bibliography(path):
    cited = re.findall(r"\{cite:\w+\}`([^`]+)`", path.read_text(encoding="utf-8"))
    keys = {key.strip() for group in cited for key in group.split(",")}
    assert keys <= KEYS, keys - KEYS


def test_each_sentence_about_others_names_its_source():
    for row in SOURCES:
        key, _, place = row["source"].partition(", ")
        assert key in KEYS and row["sentence"].strip().endswith("."), row
        assert place, f"{row['sentence']}: where in {key}?"
        page = next(path for path in CHAPTERS if int(path.name[:2]) == row["chapter"])
        assert key in page.read_text(encoding="utf-8"), f"chapter {row['chapter']} does not cite {key}"


def test_the_map_shows_every_chapter_and_notebook():
    parts = yaml.safe_load((BOOK / "map.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in parts for chapter in part["chapters"]]
    assert [int(chapter["page"][:2]) for chapter in chapters] == list(range(1, 17))
    assert {path.stem for path in CHAPTERS} <= {chapter["page"] for chapter in chapters}
    assert set(course.notebook_names()) <= {chapter.get("notebook") for chapter in chapters}


def split(path):
    """The code of a page, and its prose without code, mathematics and glued numbers."""
    text = re.sub(r"\A---.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    code = "\n".join(re.findall(r"```\{code-cell\}.*?```", text, flags=re.DOTALL))
    prose = re.sub(r"```\{code-cell\}.*?```|```\{widget\}.*?```", "", text, flags=re.DOTALL)
    mathematics = re.findall(r"\$\$.*?\$\$|\$[^$\n]*\$", prose, flags=re.DOTALL)
    prose = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`\n]*`|\]\([^)]*\)", "", prose, flags=re.DOTALL)
    numbered = "sections?|figures?|tables?|chapters?|versions?|Python|PyTorch|NumPy|CUDA"
    prose = re.sub(rf"(?i)\b({numbered}) \d+\.\d+", "", prose)
    return code + "\n".join(mathematics), prose


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_number_in_prose_is_a_setting_a_quotation_or_glue(path):
    """A decimal number stands in the page's code or formulas, or in a sentence with its source; others are glue."""
    code, prose = split(path)
    quoted = " ".join(row["sentence"] for row in SOURCES if row["chapter"] == int(path.name[:2]))
    loose = {
        number
        for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", prose)
        if number not in code and number.rstrip("0").rstrip(".") not in code and number not in quoted
    }
    assert loose == set(), f"computed with glue, or quoted in sources.yml? {sorted(loose)}"


def test_labels_are_unique():
    """A label names one figure, table, equation or section of the whole book."""
    pattern = r"(?m)^:(?:name|label): (\S+)|^\$\$ \(([\w-]+)\)|^\(([\w-]+)\)=$"
    found = [
        next(filter(None, groups))
        for path in BOOK.glob("*.md")
        for groups in re.findall(pattern, path.read_text(encoding="utf-8"))
    ]
    assert len(found) > 100
    assert {label for label in found if found.count(label) > 1} == set()
