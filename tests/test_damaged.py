"""Damaged submissions are graded as a person would, or refused by name; none of them stops the batch."""

import json

import pytest

from tests.damaged import make

NAMES = (make.FORWARD, make.DRIFT)
pytestmark = pytest.mark.xdist_group("damaged")


@pytest.fixture(scope="module")
def graded(autograder, tmp_path_factory):
    """Each notebook's corpus in one run of the real command: (what was printed, records of each student)."""
    folder, outcome = tmp_path_factory.mktemp("damaged"), {}
    make.write(folder / "in")
    for name in NAMES:
        target = folder / f"{name}.json"
        done = autograder(
            "grade", name, "--submissions", folder / "in", "--json", target, course=folder / "course", timeout=600
        )
        assert done.returncode == 1, done.stdout + done.stderr  # something was refused, and named
        students = {}
        for row in json.loads(target.read_text()):
            students.setdefault(row["student"], []).append(row)
        outcome[name] = done.stdout, students
    return outcome


@pytest.mark.parametrize("one", make.CORPUS, ids=lambda one: one.student)
def test_graded_as_a_person_would(graded, one):
    printed, students = graded[one.notebook]
    rows = students[one.student]
    assert {row["task"]: row["verdict"] for row in rows} == one.verdicts
    for row in rows:
        assert row["score"] == (row["max_score"] if row["verdict"] == "passed" else 0)
    told = " ".join(rows[0]["repairs"])
    if one.refused:
        assert f"not graded: {one.student}: " in printed and one.refused in printed
        assert one.refused in told and all(one.refused in row["message"] for row in rows)
    elif one.told:
        assert one.told in told and f"{one.student}: " in printed
    else:
        assert told == ""


def test_nobody_is_left_out_in_silence(graded):
    for name in NAMES:
        expected = {one.student for one in make.CORPUS if one.notebook == name}
        assert set(graded[name][1]) == expected
        assert "a directory/03_forward.ipynb: is not a regular file" in graded[name][0] or name != make.FORWARD
    assert "undamaged/03_forward (1).ipynb: a second file of undamaged" in graded[make.FORWARD][0]


def test_the_corpus_is_large_and_the_same_each_time():
    assert len(make.CORPUS) >= 40
    assert len({one.student for one in make.CORPUS}) == len(make.CORPUS)
    for one in make.CORPUS:
        assert make.file_of(one) == make.file_of(one)


def test_the_students_page_tells_the_repairs(autograder, tmp_path):
    """Through the gradebook: some damaged files are collected, graded and get their feedback page."""
    chosen = ["cut in the fourth answer", "colab", "strange attachments", "an empty file", "José Ñandú"]
    for one in make.CORPUS:
        if one.student in chosen:
            path = tmp_path / "in" / one.student / f"{one.notebook}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_bytes(make.file_of(one))
    (tmp_path / "in" / "colab" / f"{make.FORWARD} (1).ipynb").write_bytes(b"{}")
    course = tmp_path / "course"
    for name, count in ((make.FORWARD, 4), (make.DRIFT, 1)):
        autograder("collect", name, "--from", tmp_path / "in", course=course)
        done = autograder("grade", name, course=course)
        assert "nbgrader autograde" not in done.stdout, done.stdout
        done = autograder("feedback", name, course=course)
        assert f"{count} feedback pages" in done.stdout, done.stdout + done.stderr
    page = (course / "feedback" / "cut in the fourth answer" / make.FORWARD / f"{make.FORWARD}.html").read_text()
    assert "About your file" in page and "cut off or damaged" in page
    page = (course / "feedback" / "an empty file" / make.FORWARD / f"{make.FORWARD}.html").read_text()
    assert "the file is empty" in page
    page = (course / "feedback" / "colab" / make.FORWARD / f"{make.FORWARD}.html").read_text()
    assert f"{make.FORWARD}.ipynb was graded, {make.FORWARD} (1).ipynb was not" in page
