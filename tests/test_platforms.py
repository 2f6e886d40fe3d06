"""Learning platforms: rosters read, scores exported in their formats, archives collected, lateness counted."""

import csv
import datetime
import errno
import io
import zipfile

import pytest
from small_course import DUE, HOSTILE, NAME

from autograder import course
from autograder.__main__ import main
from autograder.collecting import collect, sheets, submitted
from autograder.desk import back, export, forget, late, platforms, roster
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
    assert count == 3 and len(rows) == 5 and problems == [] and rows[0] == export.HEADER
    absent = next(row for row in rows if row[0] == "absent")
    assert absent[1:3] == [f"'{HOSTILE}", 'Quote", Comma'] and absent[6] == "0.0"


@pytest.mark.parametrize("text", ["=1", "+1+1", "-a", "@x", "\t=1", "\r=1", "\n=1"])
def test_formulas_are_made_harmless(text, tmp_path):
    sheets.write_rows(tmp_path / "x.csv", ["a"], [[text]])
    assert table(tmp_path / "x.csv")[1] == [f"'{text}"]


@pytest.mark.parametrize("value", ["-2.5", "+3", -2.5, "plain", "", "a=b"])
def test_numbers_and_words_stay(value):
    assert sheets.safe(value) == value


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
        platforms.read(path)


def test_two_people_of_one_name_are_not_guessed(folder, put):
    text = MOODLE + "Participant 7,Zoe O'Brien,z2@example.org,Submitted,,25\n"
    _, _, problems = export.export(NAME, "moodle", listed=put(text))
    assert "Zoë Ó Brien: two rows could be this student, lines 3 and 4" in problems


def test_a_changed_roster_is_read_again(folder, put):
    added, changed, gone, _ = roster.take(put(CANVAS))
    assert added == ["new"] and sorted(changed) == ["Zoë Ó Brien", "ann", "bob@example.org"] and gone == ["absent"]
    assert roster.take(put(CANVAS)) == ([], [], ["absent"], [])
    text = CANVAS.replace("Burton, Bob", "Burton-Lee, Bob").replace('"Nn, A",11,s1,ann,L1,,\r\n', "")
    assert roster.take(put(text)) == ([], ["bob@example.org"], ["absent", "ann"], [])
    with Course().gradebook() as book:
        assert book.find_student("bob@example.org").last_name == "Burton-Lee"
        assert book.find_submission(NAME, "ann").score == 17, "who left keeps the grades"


def test_who_has_handed_in_nothing_is_named(folder, put, tmp_path, capsys):
    """From the list of the class: when it is collected, and in the report."""
    roster.take(put(CANVAS))
    many = "".join(f'"Nn, {one}",{one},s,login{one},L1,,\r\n' for one in range(100, 130))
    words = f"no {NAME} so far from 1 of 4 students: new\n"
    source = tmp_path / "class" / "ann"
    source.mkdir(parents=True)
    (source / f"{NAME}.ipynb").write_bytes(course.released(NAME).read_bytes())
    assert main(["collect", NAME, "--from", str(source.parent)]) == 0 and words in capsys.readouterr().out
    assert main(["report", NAME]) == 0 and words in capsys.readouterr().out
    page = folder / "reports" / f"{NAME}.html"
    text = page.read_text(encoding="utf-8")
    assert "no number on this page: 1 of 4 students" in text and "<summary>Who</summary>new</details>" in text
    assert forget.forget("new") and not page.exists(), "a page that names a student who is to be forgotten goes"
    roster.take(put(CANVAS.replace('"Late', f'{many}"Late')))
    assert main(["report", NAME]) == 0
    said = capsys.readouterr().out
    assert "from 31 of 34 students: login100, " in said and ", login119 and 11 more\n" in said
    assert "login129, new</details>" in page.read_text(encoding="utf-8"), "there all of them"
    for who in [f"login{one}" for one in range(100, 130)] + ["new"]:
        (folder / "submitted" / who / NAME).mkdir(parents=True)
        (folder / "submitted" / who / NAME / f"{NAME}.ipynb").write_bytes(b"{}")
    assert submitted.told_missing(NAME) == ""


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
        ("course.toml", "[late]\npercent = 3", "holds 'percent'"),
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
            archive.writestr(f"bomb{number}/{NAME}.ipynb", b"0" * (40 << 20))
    (archives / "broken.zip").write_bytes(b"PK\x03\x04 no")
    done = run("nbgrader", "zip_collect", NAME, cwd=course.CONFIG.parent, env={"BN_COURSE": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "submitted").iterdir()) == ["Ann Lee", "leebo_1"]
    assert (tmp_path / "submitted" / "leebo_1" / NAME / f"{NAME}.ipynb").read_bytes() == notebook
    stamp = (tmp_path / "submitted" / "leebo_1" / NAME / "timestamp.txt").read_text()
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


@pytest.fixture
def collected(tmp_path, monkeypatch, capsys):
    """Collect one file; the exit code, what was said, and the times of submission that the course has then."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))

    def collected(*arguments, path=f"ann/{NAME}.ipynb"):
        source = tmp_path / "class" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(course.released(NAME).read_bytes())
        try:
            code = main(["collect", NAME, "--from", str(tmp_path / "class"), *arguments])
        except SystemExit as end:
            code = end.code
        stamps = [path.read_text() for path in (tmp_path / "course" / "submitted").glob(f"*/{NAME}/timestamp.txt")]
        said = capsys.readouterr()
        return code, said.out + said.err, stamps

    return collected


def test_another_time_corrects_an_earlier_one_also_in_the_gradebook(folder, collected):
    stamp = folder / "submitted" / "ann" / NAME / "timestamp.txt"
    stamp.with_name(f"{NAME}.ipynb").write_bytes(course.released(NAME).read_bytes())
    stamp.write_text("2026-10-05 10:00:00 UTC")  # when the gradebook has it
    _, said, _ = collected("--at", "2026-10-04T10:00+00:00")
    assert "ann: the same file, now handed in at 2026-10-04 10:00:00 UTC, before at 2026-10-05 10:00:00" in said
    assert "collected 0 new" in said and stamp.read_text() == "2026-10-04 10:00:00 UTC"
    with Course().gradebook() as book:
        assert book.find_submission(NAME, "ann").timestamp == datetime.datetime(2026, 10, 4, 10)
        assert book.find_submission(NAME, "bob@example.org").timestamp != datetime.datetime(2026, 10, 4, 10)
    _, said, _ = collected("--at", "2026-10-06T10:00+00:00")
    assert "1 files were here before 2026-10-06 10:00:00 UTC and keep their times; --again" in said
    assert stamp.read_text() == "2026-10-04 10:00:00 UTC", "a file that was here cannot be handed in later"
    collected("--at", "2026-10-06T10:00+00:00", "--again")
    assert stamp.read_text() == "2026-10-06 10:00:00 UTC"
    code, said, _ = collected("--again")
    assert code == 2 and "--again goes with --at" in said


def test_times_corrected_before_the_disk_was_full_are_in_the_gradebook(folder, collected, monkeypatch):
    """Collecting again, when there is room, goes on with the files."""
    stamps = {who: folder / "submitted" / who / NAME / "timestamp.txt" for who in ("ann", "bob@example.org")}
    with Course().gradebook() as book:
        for who, stamp in stamps.items():
            stamp.with_name(f"{NAME}.ipynb").write_bytes(course.released(NAME).read_bytes())
            stamp.write_text(book.find_submission(NAME, who).timestamp.strftime(submitted.STAMP))
    keep = submitted.keep

    def full(target, *rest):
        if "bob@example.org" in target.parts:
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(target, *rest)

    monkeypatch.setattr(submitted, "keep", full)
    collected(path=f"bob@example.org/{NAME}.ipynb")
    code, said, _ = collected("--at", "2026-10-04T10:00+00:00")
    assert code == 1 and "No space left on device" in said and stamps["ann"].read_text() == "2026-10-04 10:00:00 UTC"
    monkeypatch.setattr(submitted, "keep", keep)
    collected("--at", "2026-10-04T10:00+00:00")
    assert stamps["bob@example.org"].read_text() == "2026-10-04 10:00:00 UTC"
    with Course().gradebook() as book:
        assert {book.find_submission(NAME, who).timestamp for who in stamps} == {datetime.datetime(2026, 10, 4, 10)}


def test_what_ends_before_the_gradebook_has_a_time_is_mended_by_collecting_again(folder, collected, monkeypatch):
    """Else the files would say that they came in time, and the gradebook would take points off for good."""
    stamp = folder / "submitted" / "ann" / NAME / "timestamp.txt"
    stamp.with_name(f"{NAME}.ipynb").write_bytes(course.released(NAME).read_bytes())
    stamp.write_text("2026-10-05 10:00:00 UTC")  # when the gradebook has it
    correct = collect.correct

    def fails(*rest):
        raise course.CourseError("the gradebook is locked")

    monkeypatch.setattr(collect, "correct", fails)
    assert collected("--at", "2026-10-04T10:00+00:00")[0] == 1
    monkeypatch.setattr(collect, "correct", correct)
    assert collected("--at", "2026-10-04T10:00+00:00")[0] == 0
    with Course().gradebook() as book:
        assert book.find_submission(NAME, "ann").timestamp == datetime.datetime(2026, 10, 4, 10)


@pytest.mark.parametrize("command", [("collect", NAME, "--from", "."), ("grade", NAME)])
def test_a_mistake_in_the_settings_ends_a_command_before_it_begins(folder, monkeypatch, capsys, tmp_path, command):
    (folder / "extensions.csv").write_text("student,assignment,days\nann,04_backwrd,1\n")
    monkeypatch.chdir(tmp_path)
    assert main([*command]) == 1
    said = capsys.readouterr()
    assert "extensions.csv, line 2: '04_backwrd' is no notebook" in said.err and "not graded" not in said.out


@pytest.mark.parametrize(("at", "late"), [("23:59+00:00", True), ("23:59+02:00", False), ("22:59+00:00", False)])
def test_what_comes_after_the_due_date_is_told_when_it_is_collected(collected, tmp_path, at, late):
    """A clock in another zone, or no --at, would make a whole class late in silence."""
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "course.toml").write_text(
        f"[late]\ngrace_minutes = 60\n[due]\n{NAME} = 2026-10-05T23:59:00+02:00\n"
    )
    code, said, _ = collected("--at", f"2026-10-05T{at}")
    assert code == 0 and (f"is late: {NAME} was due at 2026-10-05 21:59 UTC" in said) == late


def test_what_canvas_marks_as_late_is_said(collected):
    when = ("--at", "2026-10-04T10:00+00:00")
    code, said, stamps = collected(*when, path=f"leeann_LATE_4711_99_{NAME}.ipynb")
    assert code == 0 and stamps == ["2026-10-04 10:00:00 UTC"]
    assert "leeann_4711: Canvas marks the file as late; its time here is 2026-10-04 10:00:00 UTC" in said


@pytest.mark.parametrize("when", ["2126-10-05T23:59", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
def test_a_time_that_cannot_be_is_refused(collected, when):
    code, said, stamps = collected("--at", when)
    assert code == 2 and stamps == [] and ("has not come yet" in said) == when.startswith("21")


@pytest.mark.parametrize(
    "column", ["04_backward", "04_backward (77)", "04 Backward", "04 backward (77)", "04-Backward (1)"]
)
def test_a_platforms_column_is_found_by_the_notebooks_name(folder, put, column):
    said = []
    path, count, problems = export.export(
        NAME, "canvas", listed=put(CANVAS.replace("04_backward (77)", column)), say=said.append
    )
    assert table(path)[0][-1] == column
    assert said == [
        f"{column!r} held other scores than these: bob@example.org 3, now 0",
        "1 of these scores waits for a person, who has not yet read a written answer, or not as it is now: "
        "Zoë Ó Brien; export again when that is done",
    ]
    assert (count, problems) == (3, []), "no lines without a score, no points possible"


def test_other_columns_have_to_be_named(folder, put, capsys):
    human = put(CANVAS.replace("04_backward (77)", "The gradient (77)").replace(",,25,", ",,100,"))
    said = []
    path, _, _ = export.export(NAME, "canvas", listed=human, say=said.append)
    assert table(path)[0][-1] == NAME and "no column for 04_backward, a new one is added; --column" in said[0]
    for column in ("The gradient", "The gradient (77)"):
        given = ["export", NAME, "--format", "canvas", "--roster", str(human), "--column", column]
        assert main(given) == 0
        assert "the platform counts to 100 points, the notebook to 25" in capsys.readouterr().out
        assert {row[1]: row[-1] for row in table(path)}["11"] == "17" and table(path)[0][-1] == "The gradient (77)"
    with pytest.raises(course.CourseError, match="Canvas computes the column 'Current Score' itself; name the"):
        computed = put(CANVAS)
        export.export(NAME, "canvas", listed=computed, column="Current Score")
    with pytest.raises(course.CourseError, match="cannot write .*name another"):
        export.export(NAME, to=folder.parent / "nowhere" / "x.csv")
    assert not (folder.parent / "nowhere").exists()
    with pytest.raises(course.CourseError, match="has no column 'x'; there are Student"):
        export.export(NAME, "canvas", listed=human, column="x")
    with pytest.raises(course.CourseError, match="name one of them with --column"):
        export.export(NAME, "canvas", listed=put(CANVAS.replace("Current Score", "04 Backward (78)")))
    with pytest.raises(course.CourseError, match="--column goes with --roster FILE"):
        export.export(NAME, "canvas", column="x")


def test_the_column_of_another_notebook_is_refused(folder, put):
    human = put(CANVAS.replace("04_backward (77)", "Lab 3 - 03 Forward (76)"))
    with pytest.raises(
        course.CourseError, match=r"'Lab 3 - 03 Forward \(76\)' of .* is that of 03_forward; name that of"
    ):
        export.export(NAME, "canvas", listed=human, column="Lab 3 - 03 Forward")
    text = MOODLE.replace(",Grade,", ",Assignment: 03 Forward (Real),")
    with pytest.raises(course.CourseError, match="is that of 03_forward; name that of 04_backward"):
        export.export(NAME, "moodle", listed=put(text), column="Assignment: 03 Forward (Real)")


def test_the_worksheet_of_another_assignment_is_told(folder, put):
    """Moodle writes the assignment's name into that of the file; in it only the column Status may tell."""
    with pytest.raises(course.CourseError, match="is named like the worksheet of 03_forward; rename it if it is that"):
        export.export(NAME, "moodle", listed=put(MOODLE, "Grades-BN-03 Forward-4711.csv"))
    for right in ("Grades-BN-04 Backward-4712.csv", "Grades-BN-Exercise 3-4711.csv"):
        assert export.export(NAME, "moodle", listed=put(MOODLE, right))[1] == 2
    said, open_ = [], MOODLE.replace("Ó Brien,z@example.org,Submitted", "Ó Brien,z@example.org,No submission")
    export.export(NAME, "moodle", listed=put(open_), say=said.append)
    assert said[0] == f'the worksheet says "No submission" of Zoë Ó Brien: is it that of {NAME}?'


def test_scores_that_stood_there_are_replaced_and_told(folder, put):
    said = []
    text = CANVAS.replace("ann,L1,,", "ann,L1,17.00,").replace("zob,L1,,", "zob,L1,EX,")
    path, _, _ = export.export(NAME, "canvas", listed=put(text), say=said.append)
    told = "'04_backward (77)' held other scores than these: Zoë Ó Brien EX, now 0; bob@example.org 3, now 0"
    assert said[0] == told
    said.clear()
    export.export(NAME, "canvas", listed=path, to=folder / "again.csv", say=said.append)
    assert len(said) == 1 and "waits for a person" in said[0], "the same scores again change nothing"
    export.export(NAME, "moodle", listed=put(MOODLE.replace("Submitted,,25", "Submitted,-,25")), say=said.append)
    assert not [line for line in said if line.startswith("other scores")], "a dash is no score"


@pytest.mark.parametrize(("form", "text"), [("canvas", CANVAS), ("moodle", MOODLE)])
def test_a_filled_list_is_not_written_over_where_the_roster_was_forgotten(folder, put, form, text):
    path, _, _ = export.export(NAME, form, listed=put(text))
    before = path.read_bytes()
    with pytest.raises(course.CourseError, match=r"has other columns, .*; give --roster FILE again, or another file"):
        export.export(NAME, form)
    with pytest.raises(course.CourseError, match="itself would be overwritten; name another file with --to"):
        export.export(NAME, form, to=path, listed=path)
    assert path.read_bytes() == before
    for _ in range(2):
        export.export(NAME, form, to=folder / "new.csv")
    assert export.export(NAME, form, listed=put(text))[0].read_bytes() == before, "filled in again at any time"


def test_moodles_maximum_is_compared(folder, put):
    said = []
    export.export(NAME, "moodle", listed=put(MOODLE.replace(",25", ",100")), say=said.append)
    assert said[0] == "the platform counts to 100 points, the notebook to 25; change it there"


def test_extensions_for_nobody_are_told(folder, capsys):
    (folder / "extensions.csv").write_text(f"student,assignment,days\nbob@example.com,{NAME},2\nann,{NAME},1\n")
    assert main(["export", NAME]) == 0
    out = capsys.readouterr().out
    assert "look at extensions.csv: nobody in the course is 'bob@example.com' yet; is it bob@example.org?" in out
    assert "'ann'" not in out


def test_two_lines_for_one_extension_are_refused(folder):
    (folder / "extensions.csv").write_text(f"student,assignment,days\nann,{NAME},2\nann,{NAME},3\n")
    with pytest.raises(course.CourseError, match="lines 2 and 3 both say how many days ann gets .* keep one"):
        late.extensions()


def test_an_extension_without_a_due_date_is_told_and_breaks_nothing(folder, capsys):
    with Course().gradebook() as book:
        book.find_assignment(NAME).duedate = None
        book.db.commit()
    (folder / "extensions.csv").write_text(f"student,assignment,days\nann,{NAME},2\n")
    assert main(["export", NAME]) == 0
    assert f"look at extensions.csv: {NAME} has no due date" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CANVAS.split("\r\n")[0], "a header and nobody below it"),
        ("\r\n".join(CANVAS.split("\r\n")[:2]), "a header and nobody below it"),
        (CANVAS + '"Nn, Ann",11,s9,ann2,L1,,\r\n', "11 occurs twice, lines 3 and 8"),
        (CANVAS + '"Nn, Ann",19,s9,ann,L1,,\r\n', "ann occurs twice, lines 3 and 8"),
        ("student,last_name,first_name,email\nnew,N,A,\n\nnew,N,A,\n", "new occurs twice, lines 2 and 4"),
        ("student,last_name,first_name,email\nnew,N,A,\na/b,N,B,\n", "line 3: a student id has letters"),
        ("student,last_name,first_name,email\nnew,N,A,\n../x,N,B,\n", "line 3: a student id has letters"),
        (
            CANVAS.replace("11,s1,ann", "ann,s1,11"),
            "line 3: the id 'ann' is not a number of Canvas; are two columns swapped",
        ),
        (CANVAS.replace("13,", "1.07E+17,"), "line 5: the id '1.07E.17' is not a number of Canvas"),
        (
            MOODLE.replace("Participant 6,Zoë Ó Brien", "Zoë Ó Brien,Participant 6"),
            "identifier 'Zoë Ó Brien' is not one",
        ),
        (MOODLE.replace("@", " at "), "line 2: the address 'ann at example.org' and all others are without @"),
        ("student,last_name,first_name,email\nann@x.org,N,A,ann\n", "the address 'ann' and all others are without @"),
    ],
)
def test_a_list_that_cannot_be_a_class_changes_nothing(folder, put, text, words):
    with pytest.raises(course.CourseError, match=words):
        roster.take(put(text))
    with Course().gradebook() as book:
        assert len(book.students) == 4 and book.find_student("ann").last_name is None
    assert not (folder / "people.csv").exists()


@pytest.mark.parametrize(
    "text",
    [
        CANVAS.replace("13,", ","),
        CANVAS.replace("13,", "7053~13,"),
        MOODLE.replace("Participant 5", "参加者 5").replace("Participant 6", "Teilnehmer/in 6"),
        MOODLE.replace("z@example.org", "none"),
        "student,last_name,first_name,email\nann,N,A,\nbob,N,B,unknown\ncy,N,C,c@x.org\n",
        "student,last_name,first_name,email\nann,N,A,\n",
    ],
)
def test_columns_that_only_look_odd_are_taken(folder, put, text):
    assert sum(map(len, roster.take(put(text))[:2])) >= 1


def test_logins_that_cannot_be_an_id_are_passed_over(folder, put):
    text = CANVAS.replace(",new,", ",a/b;c,")
    assert roster.take(put(text))[0] == ["latenewcomer_14"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_excels_unicode_text_is_read(folder, tmp_path, delimiter):
    rows = list(csv.reader(io.StringIO(CANVAS, newline="")))
    path = tmp_path / "excel.txt"
    with open(path, "w", encoding="utf-16", newline="") as file:
        file.write("sep=;\r\n" if delimiter == ";" else "")
        csv.writer(file, delimiter=delimiter).writerows(rows)
    added, changed, _, problems = roster.take(path)
    assert added == ["new"] and "Zoë Ó Brien" in changed and problems == []


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("Full name", "Smith, Jr., John", ("Smith, Jr.", "John")),
        ("Full name", "Smith, John", ("Smith", "John")),
        ("Full name", "Ann Mary Lee", ("Lee", "Ann Mary")),
        ("Student", "Smith, John, Jr.", ("Smith, Jr.", "John")),
        ("Student", "Ho, Chi, Min", ("Ho", "Chi, Min")),
        ("Student", "Lee, V", ("Lee", "V")),
        ("Student", "Madonna", ("Madonna", "")),
    ],
)
def test_names_are_taken_apart_as_platforms_put_them_together(column, text, expected):
    assert platforms.names_of(platforms.Row(2, {column: text}))[:2] == expected


def test_rows_stay_one_line_each():
    text = io.StringIO()
    csv.writer(text).writerow([sheets.safe('a"b,c\nd')])
    assert next(csv.reader(io.StringIO(text.getvalue(), newline=""))) == ['a"b,c\nd']


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["annlee_4711_90_{}.ipynb", "boli_LATE_4712_91_{}-1.ipynb", "zoe_4713_92_{}.ipynb"],
            ["annlee_4711_90_{}.html", "boli_LATE_4712_91_{}-1.html"],
        ),
        (
            ["Ann Lee_11_assignsubmission_file_/{}.ipynb", "Bo Li_12_assignsubmission_file_/Kopie von {}.ipynb"],
            ["Ann Lee_11_assignsubmission_file_/{}.html", "Bo Li_12_assignsubmission_file_/Kopie von {}.html"],
        ),
        (["ann/{}.ipynb", "bo/{}.ipynb", "bo/{} (1).ipynb"], ["ann/{}.html", "bo/{}.html"]),
    ],
    ids=["canvas", "moodle", "folders"],
)
def test_pages_go_back_under_the_names_they_came_with(tmp_path, monkeypatch, names, expected):
    """What a platform gave out as class.zip it takes back as a zip with the same names."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    names, source = [name.format(NAME) for name in names], tmp_path / "class.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for name in names:
            archive.writestr(name, course.released(NAME).read_bytes())
        archive.writestr("readme.txt", "x")
    taken, _ = collect.collect(source, NAME)
    for student in sorted(taken)[:2]:
        page = tmp_path / "course" / "feedback" / student / NAME / f"{NAME}.html"
        page.parent.mkdir(parents=True)
        page.write_text(student)
    path, count, without = back.pack(NAME, source)
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [name.format(NAME) for name in expected]
        assert {archive.read(name).decode() for name in archive.namelist()} == set(sorted(taken)[:2])
    assert count == 2 and len(without) == len(taken) - 2
    with pytest.raises(course.CourseError, match="is not a .zip archive; name the one that you collected from"):
        back.pack(NAME, course.released(NAME))
