"""Learning platforms: rosters read, scores exported in their formats, archives collected, lateness counted."""

import csv
import datetime
import io
import zipfile

import pytest
from small_course import DUE, HOSTILE, NAME, build

from autograder import course
from autograder.desk import export, late, roster
from autograder.gradebook import Course

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,04_backward (77),Current Score\r\n"
    "    Points Possible,,,,,25,(read only)\r\n"
    '"Nn, A",11,s1,ann,L1,,\r\n"Burton, Bob",12,s2,bob@example.org,L1,3,\r\n"Ó Brien, Zoë",13,s3,zob,L1,,\r\n'
    '"Late, Newcomer",14,s4,new,L1,,\r\n"Student, Test",15,,x,L1,,\r\n'
)
MOODLE = (
    "\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum grade\n"
    "Participant 5,Ann Nn,ann@example.org,Submitted,,25\nParticipant 6,Zoë Ó Brien,z@example.org,Submitted,,25\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    build(tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture
def put(tmp_path):
    def put(text, name="list.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return put


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_csv_is_quoted_and_no_formula(folder):
    path, count, problems = export.export(NAME)
    rows = table(path)
    assert count == 4 and problems == [] and rows[0] == export.HEADER
    absent = next(row for row in rows if row[0] == "absent")
    assert absent[1:3] == [f"'{HOSTILE}", 'Quote", Comma'] and absent[6] == "0.0"


@pytest.mark.parametrize("text", ["=1", "+1+1", "-a", "@x", "\t=1", "\r=1", "\n=1"])
def test_formulas_are_made_harmless(text, tmp_path):
    export.write_rows(tmp_path / "x.csv", ["a"], [[text]])
    assert table(tmp_path / "x.csv")[1] == [f"'{text}"]


@pytest.mark.parametrize("value", ["-2.5", "+3", -2.5, "plain", "", "a=b"])
def test_numbers_and_words_stay(value):
    assert export.safe(value) == value


def test_canvas_gradebook_is_filled_in(folder, put):
    path, count, problems = export.export(NAME, "canvas", listed=put(CANVAS))
    rows = table(path)
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "04_backward (77)"]
    assert rows[1][-1] == "25" and problems == []
    assert {row[1]: row[-1] for row in rows[2:]} == {"11": "17", "12": "0", "13": "0", "14": "", "15": ""}


def test_canvas_without_a_list(folder):
    rows = table(export.export(NAME, "canvas")[0])
    assert rows[0][:5] == export.CANVAS and rows[1][0] == "Points Possible" and rows[1][-1] == "25"
    assert {row[3]: row[-1] for row in rows[2:]} == {
        "ann": "17",
        "bob@example.org": "0",
        "Zoë Ó Brien": "0",
        "absent": "",
    }


def test_moodle_worksheet_is_filled_in_and_who_is_not_on_it_named(folder, put):
    path, _, problems = export.export(NAME, "moodle", listed=put(MOODLE))
    rows = table(path)
    assert rows[0] == MOODLE.lstrip("\ufeff").splitlines()[0].split(",")
    assert {row[0]: row[4] for row in rows[1:]} == {"Participant 5": "17", "Participant 6": "0"}
    assert problems == ["bob@example.org: is not on the list"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "has the columns a, b"),
        ("", "has the columns (none)"),
        ("Student,ID\n", "lacks the column SIS User ID"),
        (MOODLE, "is a moodle file"),
        ("Student,ID,ID\n", "has a column twice"),
        ("Student,ID\na,b,c,d\n", "line 2: 4 cells under 2 columns"),
    ],
)
def test_headers_are_checked(folder, put, text, words):
    with pytest.raises(course.CourseError, match="(?s)" + words.replace("(", r"\(").replace(")", r"\)")):
        export.export(NAME, "canvas", listed=put(text))


def test_other_encodings_are_named(folder, tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("Student,ID\nJörg,1\n".encode("latin-1"))
    with pytest.raises(course.CourseError, match="not UTF-8"):
        roster.read(path)


def test_two_people_of_one_name_are_not_guessed(folder, put):
    text = MOODLE + "Participant 7,Zoe O'Brien,z2@example.org,Submitted,,25\n"
    _, _, problems = export.export(NAME, "moodle", listed=put(text))
    assert "Zoë Ó Brien: two rows could be this student" in problems


def test_a_changed_roster_is_read_again(folder, put):
    added, changed, gone = roster.take(put(CANVAS))
    assert added == ["new"] and sorted(changed) == ["Zoë Ó Brien", "ann", "bob@example.org"] and gone == ["absent"]
    assert roster.take(put(CANVAS)) == ([], [], ["absent"])
    text = CANVAS.replace("Burton, Bob", "Burton-Lee, Bob").replace('"Nn, A",11,s1,ann,L1,,\r\n', "")
    assert roster.take(put(text)) == ([], ["bob@example.org"], ["absent", "ann"])
    with Course().gradebook() as book:
        assert book.find_student("bob@example.org").last_name == "Burton-Lee"
        assert book.find_submission(NAME, "ann").score == 17, "who left keeps the grades"


def settings(folder, grace=0, percent=10, cap=50, due=DUE):
    (folder / "course.toml").write_text(
        f"[late]\ngrace_minutes = {grace}\npercent_a_day = {percent}\ncap_percent = {cap}\n"
        f"[due]\n{NAME} = {due.isoformat()}Z\n"
    )


def penalties():
    late.apply(NAME)
    with Course().gradebook() as book:
        return {one.student.id: one.late_submission_penalty for one in book.assignment_submissions(NAME)}


def test_penalties_extensions_and_points_given_later(folder):
    early = DUE - datetime.timedelta(days=2)  # ann is 1.5 days late, bob 2.5, Zoë 3.5
    settings(folder, due=early)
    assert penalties() == {"ann": pytest.approx(17 * 0.2), "bob@example.org": 0, "Zoë Ó Brien": 0}
    settings(folder, grace=36 * 60, due=early)
    assert penalties()["ann"] == 0, "grace"
    settings(folder, percent=40, due=early)
    assert penalties()["ann"] == pytest.approx(8.5), "cap"
    (folder / "extensions.csv").write_text(f"student,assignment,days\nann,{NAME},1\n")
    assert penalties()["ann"] == pytest.approx(17 * 0.4), "one day more"
    (folder / "extensions.csv").write_text(f"student,assignment,days\nann,{NAME},2\n")
    assert penalties()["ann"] == 0
    with Course().gradebook() as book:
        book.find_grade("derive-dx", NAME, NAME, "Zoë Ó Brien").manual_score = 8.0
        book.db.commit()
    assert penalties()["Zoë Ó Brien"] == 4.0, "the score that a person gave counts"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("course.toml", "x = ", "cannot be read"),
        ("course.toml", "[late]\npercent = 3", "not 'percent'"),
        ("course.toml", "[late]\ncap_percent = -3", "at least 0"),
        ("course.toml", "[due]\nnothing = 2026-10-05T00:00:00Z", "no notebook"),
        ("course.toml", f'[due]\n{NAME} = "soon"', "unquoted"),
        ("extensions.csv", "who,days\n", "expected student, assignment, days"),
        ("extensions.csv", "student,assignment,days\na,b,soon\n", "line 2: 'soon'"),
        ("extensions.csv", "student,assignment,days\na,b,-1\n", "expected 0 to 366"),
    ],
)
def test_wrong_settings_are_named(folder, name, text, words):
    (folder / name).write_text(text)
    with pytest.raises(course.CourseError, match=words):
        late.apply(NAME)


def test_nbgrader_exports_for_canvas(folder, run, tmp_path):
    target = tmp_path / "canvas.csv"
    command = ["nbgrader", "export", "--exporter=autograder.desk.export.CanvasExport", f"--assignment=['{NAME}']"]
    environment = {"BN_COURSE": str(folder), "PYTHONPATH": ".."}
    done = run(*command, "--to", target, cwd=course.CONFIG.parent, env=environment)
    assert done.returncode == 0, done.stderr
    assert table(target)[0] == [*export.CANVAS, NAME]


def test_nbgrader_zip_collect_takes_archives_as_platforms_name_them(tmp_path, run):
    archives = tmp_path / "downloaded" / NAME / "archive"
    archives.mkdir(parents=True)
    notebook = course.released(NAME).read_bytes()
    for number, path in enumerate((f"Ann Lee_123_assignsubmission_file/{NAME}.ipynb", f"leebo_1_2_{NAME}.ipynb")):
        with zipfile.ZipFile(archives / f"{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path, notebook)
            archive.writestr(f"../evil/{NAME}.ipynb", notebook)
            archive.writestr(f"bomb{number}/{NAME}.ipynb", b"0" * (5 << 20))
    (archives / "broken.zip").write_bytes(b"PK\x03\x04 no")
    done = run("nbgrader", "zip_collect", NAME, cwd=course.CONFIG.parent, env={"BN_COURSE": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "submitted").iterdir()) == ["Ann Lee", "leebo"]
    assert (tmp_path / "submitted" / "leebo" / NAME / f"{NAME}.ipynb").read_bytes() == notebook
    stamp = (tmp_path / "submitted" / "leebo" / NAME / "timestamp.txt").read_text()
    assert stamp.startswith(str(datetime.datetime.now(datetime.UTC).year)), "the time of collection"
    assert "points out of the archive" in done.stderr and "broken.zip" in done.stderr


def test_the_time_of_collection_can_be_given(autograder, tmp_path):
    source = tmp_path / "class" / "ann"
    source.mkdir(parents=True)
    (source / f"{NAME}.ipynb").write_bytes(course.released(NAME).read_bytes())
    arguments = ["collect", NAME, "--from", source.parent]
    done = autograder(*arguments, "--at", "2026-10-05T23:59+02:00", course=tmp_path / "course")
    assert done.returncode == 0, done.stderr
    stamp = tmp_path / "course" / "submitted" / "ann" / NAME / "timestamp.txt"
    assert stamp.read_text() == "2026-10-05 21:59:00 UTC"
    assert autograder(*arguments, "--at", "soon", course=tmp_path / "course").returncode == 2


def test_rows_stay_one_line_each():
    text = io.StringIO()
    csv.writer(text).writerow([export.safe('a"b,c\nd')])
    assert next(csv.reader(io.StringIO(text.getvalue(), newline=""))) == ['a"b,c\nd']
