"""Written answers are graded on a sheet without names, and only what is right on it reaches the gradebook."""

import csv
import json
import re

import pytest
from small_course import NAME, VERDICTS

from autograder import course
from autograder.__main__ import main
from autograder.collecting import sheets
from autograder.desk import written
from autograder.gradebook import Course

ZOE, TASK = "Zoë Ó Brien", "derive-dx"


@pytest.fixture
def folder(folder):
    """The small course, whose students have written something."""
    for who in VERDICTS:
        path = folder / "submitted" / who / NAME / f"{NAME}.ipynb"
        path.write_text(path.read_text(encoding="utf-8").replace("YOUR ANSWER HERE", f"Because of {len(who)} paths."))
    return folder


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_sheet_names_nobody(folder, capsys):
    assert main(["written", NAME]) == 0
    path = folder / "written" / f"{NAME}.csv"
    assert f"3 answers in {path}" in capsys.readouterr().out
    found = rows(path)
    assert {row["id"] for row in found} == {written.anonymous(who) for who in VERDICTS} and len(found) == 3
    assert not [who for who in VERDICTS if who in path.read_text(encoding="utf-8")]
    answers = {row["id"]: row["answer"] for row in found}
    assert "Because of 11 paths." in answers[written.anonymous(ZOE)]
    assert [row["id"] for row in found] == sorted(row["id"] for row in found), "in an order that says nothing"


def test_blank_answers_have_their_0_points_without_a_person(folder, capsys):
    with Course().gradebook() as book:
        for who in ("ann", "bob@example.org"):  # as `grade` writes what it finds blank
            book.find_grade(TASK, NAME, NAME, who).auto_score = 0.0
        book.db.commit()
    path = folder / "written" / f"{NAME}.csv"
    old = f"id,task,score,comment\n{written.anonymous('ann')},{TASK},2,it stands in the code\n"
    for already, left, blank in (("", [ZOE], "2 blank answers have"), (old, ["ann", ZOE], "1 blank answer has")):
        if already:
            path.write_text(already)
        assert main(["written", NAME]) == 0
        assert f"{blank} 0 points and no line on the sheet" in capsys.readouterr().out
        assert {row["id"] for row in rows(path)} == set(map(written.anonymous, left)), "what was typed stays"
    assert main(["written", NAME, "--take", str(path)]) == 0 and score_of("ann")[0] == 2.0


def test_the_rubric_stands_beside_each_answer(folder):
    """On the sheet as text, and on a page with the question and a solution."""
    path, _, _ = written.sheet(NAME)
    scheme = written.schemes(NAME)[TASK]
    assert all(row["rubric"].startswith("• 1 point: $d") and "\n• 2 points:" in row["rubric"] for row in rows(path))
    page = path.with_name(f"{NAME}.rubric.html").read_text(encoding="utf-8")
    assert f"{TASK}, 8 points" in page and "2 points:" in page and "Derive it" in page
    assert "<math" in page and "MARK SCHEME" not in page and "BEGIN SOLUTION" not in page and "<script" not in page
    assert "closed form" in scheme.question and "closed form" in scheme.rubric and "MARK" not in scheme.solution


@pytest.mark.parametrize("name", written.with_answers())
def test_every_written_answer_has_a_rubric_that_adds_up(name):
    """The points of its lines are those of its tag, so that a grader can reach them and no more."""
    for task, scheme in written.schemes(name).items():
        found = sum(map(int, re.findall(r"(?m)^- (\d+) points?:", scheme.rubric)))
        assert found == written.tasks(name)[task] and scheme.question and scheme.solution, task


def test_identifiers_stay_within_a_course_and_differ_between_courses(folder, tmp_path, monkeypatch):
    here = written.anonymous("ann")
    assert here == written.anonymous("ann") != written.anonymous("bob")
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "another"))
    assert written.anonymous("ann") != here
    assert len({written.anonymous(f"student-{number}") for number in range(3000)}) == 3000


def test_an_answer_of_a_whole_book_does_not_keep_the_sheet_from_being_read(folder):
    """Python's csv reads no cell of more than 131,072 characters, and Excel keeps 32,767."""
    path = folder / "submitted" / ZOE / NAME / f"{NAME}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    (cell,) = (one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == TASK)
    notebook["cells"].append({**cell, "source": "y" * 90_000})
    cell["source"] = "x" * 90_000
    path.write_text(json.dumps(notebook), encoding="utf-8")
    sheet, count, _ = written.sheet(NAME)
    assert count == len(written.read(NAME, sheet)) == 3
    (answer,) = (row["answer"] for row in rows(sheet) if row["id"] == written.anonymous(ZOE))
    assert len(answer) < 32_767 and re.search(r"xx\n\[\d+ more characters\]$", answer)


def score_of(who):
    with Course().gradebook() as book:
        grade = book.find_grade(TASK, NAME, NAME, who)
        comment = book.find_comment(TASK, NAME, NAME, who).manual_comment
        return grade.manual_score, grade.needs_manual_grade, comment


def test_what_was_typed_stays_when_the_sheet_is_written_again(folder):
    path, _, _ = written.sheet(NAME)
    found = rows(path)
    found[0] |= {"score": "3.5", "comment": "half of it"}
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, written.HEADER)
        table.writeheader()
        table.writerows(found)
    _, count, waiting = written.sheet(NAME)
    assert (count, waiting) == (3, 2) and rows(path) == found
    path.write_text("id;wrong\n", encoding="utf-8")
    with pytest.raises(course.CourseError, match="has the columns"):
        written.sheet(NAME)
    assert path.read_text() == "id;wrong\n", "what cannot be read is not written over"


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_points_and_comments_are_taken_back(folder, tmp_path, capsys, delimiter):
    path, _, waiting = written.sheet(NAME)
    assert waiting == 3
    found = rows(path)
    for row in found:
        if row["id"] == written.anonymous(ZOE):
            row |= {"score": "6,5" if delimiter == ";" else "6.5", "comment": sheets.safe("-1: no mean path.\nRead 8.")}
    with open(tmp_path / "back.csv", "w", newline="", encoding="utf-8-sig") as file:
        table = csv.DictWriter(file, written.HEADER, delimiter=delimiter)
        table.writeheader()
        table.writerows(found)
    assert main(["written", NAME, "--take", str(tmp_path / "back.csv")]) == 0
    assert "1 answers have points now, 2 lines had none" in capsys.readouterr().out
    assert score_of(ZOE) == (6.5, False, "-1: no mean path.\nRead 8.")
    assert score_of("ann")[0] is None
    again, _, waiting = written.sheet(NAME)
    assert waiting == 2 and "6.5" in {row["score"] for row in rows(again)}


def test_a_sheet_that_changes_points_says_so(folder, tmp_path, capsys):
    """An older sheet, or a second person's, writes over what is in the gradebook."""
    for score, comment in (("6.5", "no mean path"), ("6.5", "no mean path"), ("2", "")):
        line = f"{written.anonymous(ZOE)},derive-dx,{score},{comment}"
        (tmp_path / "sheet.csv").write_text(f"id,task,score,comment\n{line}\n")
        assert main(["written", NAME, "--take", str(tmp_path / "sheet.csv")]) == 0
    said = capsys.readouterr().out
    words = f"{written.anonymous(ZOE)} derive-dx: 6.5 points before, 2 now; the comment there was: no mean path"
    assert words in said and said.count("points before") == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("AAAA-AAAA,derive-dx,,8,1,", "answer 2: 'AAAA-AAAA' is nobody's"),
        ("{ann},backward,,8,1,", "answer 2: 'backward' is no written answer"),
        ("{ann},derive-dx,,8,nine,", "answer 2: the score 'nine' is not a number"),
        ("{ann},derive-dx,,8,8.5,", "answer 2: the score is 8.5; expected 0 to 8"),
        ("{ann},derive-dx,,8,nan,", "answer 2: the score is nan; expected 0 to 8"),
        ("{zoe},derive-dx,,8,1,", "answer 2: .* occur twice"),
    ],
)
def test_a_wrong_line_changes_nothing(folder, tmp_path, line, words):
    known = {"ann": written.anonymous("ann"), "zoe": written.anonymous(ZOE)}
    text = f"id,task,answer,max_score,score,comment\n{known['zoe']},derive-dx,,8,5,\n" + line.format(**known) + "\n"
    (tmp_path / "back.csv").write_text(text)
    with pytest.raises(course.CourseError, match=words):
        written.take(NAME, tmp_path / "back.csv")
    assert score_of(ZOE)[0] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["03_forward"], "has no written answers; there are some in 02_internal"),
        ([NAME, "--take", "/no/such/file.csv"], "cannot read"),
        ([NAME, "--take", "README.md"], "expected id, task, answer"),
    ],
)
def test_errors_name_the_cure(folder, capsys, arguments, words):
    assert main(["written", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_nothing_graded_yet(tmp_path, monkeypatch, capsys):
    (tmp_path / "course").mkdir()
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    assert main(["written", NAME]) == 1
    assert f"run `python -m autograder grade {NAME}`" in capsys.readouterr().err
