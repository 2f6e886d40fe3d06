"""The instructor's guide is true: hours, points by hand, commands, files and settings that it names exist."""

import math
import re

import pytest

from autograder import course
from autograder.__main__ import parser
from autograder.authoring.script import Script

GUIDE = (course.REPOSITORY / "book" / "instructors_guide.md").read_text(encoding="utf-8")
README = (course.REPOSITORY / "autograder" / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"(?m)^\| (\d+) \| ([^|]+)\| ([^|]+)\| ([^|]+)\| ([^|]+)\|$", GUIDE)
ORIGINS = {"guide": GUIDE, "README": README}


def minutes_of(text):
    return int(re.search(r"[Aa]bout (\d+) minutes", text)[1])


def test_each_week_costs_what_its_pages_and_notebooks_say():
    """Rounded up to half an hour."""
    assert len(ROWS) >= 8
    for week, chapters, notebooks, hours, _ in ROWS:
        numbers = [int(number) for number in re.findall(r"\d+", chapters)]
        pages = [next((course.REPOSITORY / "book").glob(f"{number:02}_*.md")) for number in numbers]
        scripts = [next(course.SOLUTIONS.glob(f"{number}_*.py")) for number in re.findall(r"\d\d", notebooks)]
        minutes = sum(minutes_of(path.read_text(encoding="utf-8")) for path in [*pages, *scripts])
        stated = float(hours.strip().replace("½", ".5"))
        assert stated == math.ceil(minutes / 30) / 2, f"week {week}: {minutes} minutes"


def test_all_chapters_and_notebooks_have_a_week():
    read = {int(number) for row in ROWS for number in re.findall(r"\d+", row[1])}
    done = {number for row in ROWS for number in re.findall(r"\d\d", row[2])}
    chapters = {int(path.name[:2]) for path in (course.REPOSITORY / "book").glob("[0-9][0-9]_*.md")}
    assert read == chapters and done == {name[:2] for name in course.notebook_names()}


def test_what_is_graded_by_hand_has_these_points():
    for _, _, notebooks, _, by_hand in ROWS:
        names = [next(course.SOLUTIONS.glob(f"{number}_*.py")) for number in re.findall(r"\d\d", notebooks)]
        points = [cell.points for path in names for cell in Script(path).of_kind("answer")]
        stated = [int(number) for number in re.findall(r"(\d+) points", by_hand)]
        assert stated == points and (by_hand.strip() == "nothing") == (not points), notebooks


@pytest.mark.parametrize("origin", ORIGINS)
def test_commands_and_targets_exist(origin):
    text = ORIGINS[origin]
    commands = set(next(action for action in parser()._actions if action.dest == "command").choices)
    makefile = (course.REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"python -m autograder ([\w-]+)(?: \w+)?((?: --[\w-]+)*)", text)
    assert len(named) >= 5
    for command, _ in named:
        assert command in commands, command
    if origin == "README":
        assert commands == {command for command, _ in named}, "the one page has every command"
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"(?m)^{target}:", makefile), target


@pytest.mark.parametrize("origin", ORIGINS)
def test_files_exist(origin):
    for name in re.findall(r"`((?:autograder|solutions|exercises|book|tests)/[\w./-]+)`", ORIGINS[origin]):
        if not re.search(r"NN_topic|TASK|autograder/course$|attacks\.md|results/", name):
            assert (course.REPOSITORY / name).exists(), name


def test_points_stand_in_the_tag_alone():
    """As the guide says to change them: another number in the script, another in the notebook."""
    script = Script.of("03_forward")
    assert all(cell.points for cell in script.of_kind("test"))
    text = (course.SOLUTIONS / "03_forward.py").read_text(encoding="utf-8")
    assert len(re.findall(r"(?m)^# %% test=\"[\w-]+\" points=\d+", text)) == len(script.of_kind("test"))
