"""The figures in the grader's README are those that were measured."""

import json

import pytest

from autograder import course
from autograder.bench import figures

ABOUT = {"date": "2026-01-02", "processor": "a processor", "cores": 2, "python": "3.12.1"}
ROW = {"answer": "the same code", "limit": 2.5, "cores": "idle", "error": "false fails", "errors": 0, "repeats": 1000}
SLOW = {**ROW, "answer": "2 times slower", "limit": 1.4, "error": "false passes", "errors": 4}
SPEED = {"machine": ABOUT, "rows": [ROW, {**ROW, "limit": 1.4, "errors": 1}, SLOW, {**SLOW, "cores": "overloaded"}]}
GRADING = {
    "machine": ABOUT,
    "notebook": "04_backward",
    "medians": {"nbgrader": 2.204, "autograder": 0.2042},
    "times faster": 10.8,
    "peak resident MB": {"worker": 62, "zygote": 43},
}
LINES = {"seconds": {"slope": 0.2, "at 3000": 630.0}, "peak MB of the command": {"slope": 0.01, "at 3000": 151.6}}


def test_the_readme_shows_what_was_measured():
    text = figures.README.read_text(encoding="utf-8")
    assert figures.filled(text) == text, "run `python -m autograder.bench.figures`"


def test_figures_are_those_of_the_files(tmp_path):
    assert figures.table(tmp_path).count("not measured yet") == 3
    for name, found in (("speed", SPEED), ("grading", GRADING), ("scale", {"machine": ABOUT, "drawn on": LINES})):
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    text = figures.table(tmp_path)
    assert "idle cores: 1 of 2,000 races of a right answer failed, 2 times slower caught in 99.6 % of 1,000" in text
    assert "0.20 s a submission of 04_backward, unmodified nbgrader 2.20 s: 10.8 times faster" in text
    assert "worker 62 MB, zygote 43 MB" in text and "3,000 submissions: 10 minutes, 152 MB" in text
    assert text.count("2026-01-02, a processor, 2 cores, Python 3.12.1") == 3


def test_a_readme_without_its_marks_is_named():
    with pytest.raises(course.CourseError, match="needs the lines"):
        figures.filled("nothing")
