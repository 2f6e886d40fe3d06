"""Who is who: a grade goes to the person whose number the platform gave with the submission, and never by a guess."""

import csv
import datetime
import re
import zipfile

import pytest
from small_course import NAME

from autograder import course
from autograder.__main__ import main
from autograder.collecting import collect, people
from autograder.desk import export, forget, roster
from autograder.gradebook import Course

NOTEBOOK = course.released(NAME).read_bytes()
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,04 Backward (77)\r\n    Points Possible,,,,,25\r\n"
    '"Li, Wei",4711,s1,wli,L1,\r\n"Wei, Liu",4800,s2,liwei,L1,\r\n"Ng, Bo",4900,s3,bo@example.org,L1,\r\n'
)
WORKSHEET = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade\n"
    "Participant 501,Wei Li,wei1@example.org,Submitted,,25\n"
    "Participant 502,Wei Li,wei2@example.org,Submitted,,25\n"
    "Participant 503,Bo Ng,bo@example.org,Submitted,,25\n"
)
BLIND = "Identifier,Status,Grade,Maximum grade\nParticipant 501,Submitted,,25\nParticipant 502,Submitted,,25\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A course with a notebook and nobody in it."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    with Course().gradebook() as book:
        book.add_assignment(NAME)
        book.add_notebook(NAME, NAME)
        book.add_grade_cell("backward-test", NAME, NAME, max_score=25, cell_type="code")
    return tmp_path / "course"


@pytest.fixture
def hand_over(tmp_path, folder):
    """Collect files of these names, and put the scores beside them into the gradebook: name -> score."""

    def hand_over(files, name=NAME):
        source = tmp_path / f"download{len(list(tmp_path.iterdir()))}"
        for path, score in files.items():
            target = source / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(course.released(name).read_bytes() + b" " * score)
        taken, problems = collect.collect(source, name)
        with Course().gradebook() as book:
            for student in taken if name == NAME else ():
                data = (folder / "submitted" / student / name / f"{name}.ipynb").read_bytes()
                book.update_or_create_student(student)
                one = book.update_or_create_submission(NAME, student)
                one.timestamp = datetime.datetime(2026, 10, 1)
                book.find_grade("backward-test", NAME, NAME, student).auto_score = len(data) - len(NOTEBOOK)
            book.db.commit()
        return sorted(taken), problems

    return hand_over


@pytest.fixture
def put(tmp_path):
    def put(text, encoding="utf-8"):
        (tmp_path / "list.csv").write_text(text, encoding=encoding, newline="")
        return tmp_path / "list.csv"

    return put


def canvas(user, score=None, name=NAME):
    return f"{user}_99{score or 1}_{name}.ipynb"


def moodle(user, name=NAME):
    return f"{user}_assignsubmission_file_/{name}.ipynb"


def archive_of(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, NOTEBOOK)


def grades(form, listed, column, **others):
    """What the exported file says: number -> score; and who was left out."""
    path, count, problems = export.export(NAME, form, listed=listed, **others)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {row.get("ID") or row.get("Identifier"): row[column] for row in rows if row[column] not in ("", "25")}
    assert count == len(found)
    return found, problems


def students():
    with Course().gradebook() as book:
        return {one.id: (one.last_name, one.first_name) for one in book.students}


@pytest.mark.parametrize(
    "file", [f"Copy of {NAME}", f"Copy_of_{NAME}", f"{NAME} (2)", f"{NAME} copy 2", "homework3", "my_4711_99_notebook"]
)
def test_a_latecomer_alone_whose_file_has_another_name_is_known_by_canvas_s_number(hand_over, put, file):
    roster.take(put(CANVAS))
    assert hand_over({f"liwei_4711_9002_{file}.ipynb": 3}) == (["wli"], [])
    assert hand_over({f"ngbo_LATE_4900_9003_{file}.ipynb": 3}) == (["bo@example.org"], [])


@pytest.mark.parametrize("first", ["roster", "collect"])
def test_in_canvas_a_name_is_not_taken_for_the_login_of_somebody_else(hand_over, put, first):
    steps = [
        lambda: roster.take(put(CANVAS)),
        lambda: hand_over({canvas("liwei_4711"): 17, canvas("weiliu_4800"): 5, canvas("ngbo_LATE_4900"): 9}),
    ]
    for step in steps if first == "roster" else steps[::-1]:
        step()
    assert roster.take(put(CANVAS)) == ([], [], [], [])
    ids = ["wli", "liwei", "bo@example.org"] if first == "roster" else ["liwei_4711", "weiliu_4800", "ngbo_4900"]
    assert students() == dict(zip(ids, [("Li", "Wei"), ("Wei", "Liu"), ("Ng", "Bo")])), "one entry a person"
    assert grades("canvas", put(CANVAS), "04 Backward (77)") == ({"4711": "17", "4800": "5", "4900": "9"}, [])


@pytest.mark.parametrize("first", ["roster", "collect"])
def test_two_people_of_one_name_in_canvas(hand_over, put, first):
    text = CANVAS.replace('"Wei, Liu",4800,s2,liwei', '"Li, Wei",4712,s2,')
    if first == "roster":
        roster.take(put(text))
    taken, problems = hand_over({canvas("liwei_4711"): 17, canvas("liwei_4712"): 5})
    assert taken == (["liwei_4712", "wli"] if first == "roster" else ["liwei_4711", "liwei_4712"]) and problems == []
    assert grades("canvas", put(text), "04 Backward (77)")[0] == {"4711": "17", "4712": "5"}
    roster.take(put(text))
    assert len(students()) == 3


def test_a_new_version_is_the_same_students(hand_over, folder):
    assert hand_over({f"liwei_4711_991_{NAME}.ipynb": 1})[0] == ["liwei_4711"]
    before = (folder / "people.csv").read_bytes()
    assert hand_over({f"liwei_LATE_4711_995_{NAME}-1.ipynb": 2, f"liwei_4711_993_{NAME}.ipynb": 3})[0] == ["liwei_4711"]
    data = (folder / "submitted" / "liwei_4711" / NAME / f"{NAME}.ipynb").read_bytes()
    assert len(data) == len(NOTEBOOK) + 2 and (folder / "people.csv").read_bytes() == before


def test_a_list_without_numbers_is_met_by_a_name_that_only_one_has(hand_over, put):
    text = "student,last_name,first_name,email\nwli,Li,Wei,\nliwei,Wei,Liu,\nbng,Ng,Bo,\nbng2,Ng,Bo,\n"
    roster.take(put(text))
    taken, problems = hand_over({canvas("liliu_1"): 1, canvas("ngbo_4900"): 2, canvas("ngbo_4901"): 2})
    assert taken == ["liliu_1"] and all("could be bng or bng2; read Canvas's" in line for line in problems)
    taken, problems = hand_over({canvas("liwei_4711"): 3})
    assert taken == ["wli"] and problems == []


def test_in_moodle_the_worksheets_number_decides(hand_over, put):
    taken, _ = hand_over({moodle("Wei Li_501"): 17, moodle("Wei Li_502"): 5, moodle("Bo Ng_503"): 9})
    assert taken == ["Bo Ng", "Wei Li_501", "Wei Li_502"]
    assert grades("moodle", put(WORKSHEET), "Grade")[0] == {
        f"Participant {number}": score for number, score in (("501", "17"), ("502", "5"), ("503", "9"))
    }
    roster.take(put(WORKSHEET))
    assert len(students()) == 3, "one entry a person"


def test_in_moodles_next_assignment_who_cannot_be_told_is_named_until_its_worksheet_is_read(hand_over, put):
    hand_over({moodle("Wei Li_501"): 17, moodle("Wei Li_502"): 5, moodle("Bo Ng_503"): 9})
    roster.take(put(WORKSHEET))
    other = "03_forward"
    files = {moodle("Wei Li_601", other): 1, moodle("Bo Ng_603", other): 2}
    taken, problems = hand_over(files, other)
    assert taken == ["Bo Ng"] and len(problems) == 1
    _, both = hand_over(files | {moodle("Wei Li_602", other): 4}, other)
    assert [number for number in (601, 602) if any(f"the line moodle,{number},,STUDENT" in one for one in both)] == [
        601,
        602,
    ]
    assert "Wei Li_601" in problems[0] and "could be Wei Li_501 or Wei Li_502; read the assignment's" in problems[0]
    turned = WORKSHEET.replace("501", "602").replace("502", "601").replace("503", "603")
    assert roster.take(put(turned)) == ([], [], [], [])
    assert hand_over(files, other) == (["Wei Li_502"], [])


def test_two_lists_that_contradict_each_other_give_nobody_a_grade(hand_over, put):
    hand_over({moodle("Wei Li_501"): 17})
    assert hand_over({moodle("Wei Li_602"): 5})[0] == ["Wei Li"], "no list has told yet that there are two"
    roster.take(put(WORKSHEET))
    turned = WORKSHEET.replace("501", "601").replace("502", "602").replace("503", "603")
    found, problems = grades("moodle", put(turned), "Grade")
    assert found == {} and problems == ["Wei Li: two rows could be this student, lines 2 and 3"]


@pytest.mark.parametrize("first", ["roster", "collect"])
def test_the_worksheet_of_another_assignment_is_refused_whatever_its_name(hand_over, put, first):
    """Imported, it would put the points of this notebook over those of the other one."""
    other = WORKSHEET.replace("Participant 5", "Participant 6")
    steps = [
        lambda: (roster.take(put(WORKSHEET)), roster.take(put(other))),
        lambda: hand_over({moodle("Bo Ng_503"): 9}) + hand_over({moodle("Bo Ng_603", "03_forward"): 2}, "03_forward"),
    ]
    for step in steps if first == "roster" else steps[::-1]:
        step()
    with pytest.raises(course.CourseError, match="list.csv is that of 03_forward by its numbers; download the work"):
        grades("moodle", put(other), "Grade")
    with pytest.raises(course.CourseError, match=f"list.csv is not that of {NAME} by its numbers"):
        grades("moodle", put(other.replace("Participant 6", "Participant 7")), "Grade")
    assert grades("moodle", put(WORKSHEET), "Grade") == ({"Participant 503": "9"}, [])
    participants = put("First name,Last name,Email address\nBo,Ng,bo@example.org\n")
    assert export.export(NAME, "moodle", listed=participants)[1:] == (1, []), "a list without numbers"


def test_one_assignment_of_moodle_for_two_notebooks_has_one_worksheet(hand_over, put):
    hand_over({moodle("Bo Ng_503", "03_forward"): 2}, "03_forward")
    hand_over({moodle("Bo Ng_503"): 9})
    assert grades("moodle", put(WORKSHEET), "Grade") == ({"Participant 503": "9"}, [])


def test_where_more_have_handed_in_the_other_of_two_notebooks_the_worksheet_is_right_all_the_same(hand_over, put):
    hand_over({moodle(who, "03_forward"): 2 for who in ("Wei Li_501", "Wei Li_502", "Bo Ng_503")}, "03_forward")
    hand_over({moodle("Bo Ng_503"): 9})
    assert grades("moodle", put(WORKSHEET), "Grade") == ({"Participant 503": "9"}, [])


def test_the_worksheet_of_a_group_that_handed_in_by_another_way_is_not_refused(hand_over, put):
    """One group's files came with Moodle's numbers, the other's in folders."""
    hand_over({moodle("Bo Ng_503"): 9, f"wei1@example.org/{NAME}.ipynb": 7})
    group = "".join(line for line in WORKSHEET.splitlines(True) if "Bo Ng" not in line)
    assert grades("moodle", put(group), "Grade") == ({"Participant 501": "7"}, ["Bo Ng: is not on the list"])


@pytest.mark.parametrize("mark", [", ", ";", "; ", " "])
def test_notebooks_that_a_person_wrote_into_people_csv_are_read(hand_over, folder, put, mark):
    """As the refusal asks for; Excel writes semicolons between the columns where commas stand in numbers."""
    hand_over({moodle("Bo Ng_503"): 9})
    columns = "platform;number;name;student;notebooks"
    (folder / "people.csv").write_text(f'{columns}\r\nmoodle;503;Bo Ng;Bo Ng;"03_forward{mark}{NAME}"\r\n')
    assert grades("moodle", put(WORKSHEET), "Grade") == ({"Participant 503": "9"}, [])


def test_a_worksheet_of_which_nothing_tells_whose_it_is_is_named(hand_over, folder, put, tmp_path):
    """Handed in without Moodle's numbers, or a people.csv from before it kept notebooks: as it was, with a line."""
    hand_over({moodle("Bo Ng_503"): 9})
    lines = [line.rpartition(",")[0] for line in (folder / "people.csv").read_text().splitlines()]
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    said, named = [], tmp_path / "Grades-BN-04 Backward-77.csv"
    assert grades("moodle", put(WORKSHEET), "Grade", say=said.append)[0] == {"Participant 503": "9"}
    assert [line for line in said if line.startswith("nothing tells whether ")]
    said.clear()
    named.write_text(WORKSHEET)
    assert grades("moodle", named, "Grade", say=said.append)[0] == {"Participant 503": "9"}
    assert not [line for line in said if line.startswith("nothing tells whether ")]


def test_who_has_handed_in_already_is_nobody_new_on_the_list(folder, put, tmp_path, capsys):
    """`collect` writes people.csv, `grade` the gradebook: between them `roster` knows more than the gradebook."""
    source = tmp_path / "download"
    source.mkdir()
    (source / canvas("ngbo_4900")).write_bytes(NOTEBOOK)
    collect.collect(source, NAME)
    assert main(["roster", str(put(CANVAS))]) == 0
    said = capsys.readouterr().out
    assert "2 new, 1 with another name or address\n" in said
    assert "with another name or address: ngbo_4900" in said
    assert "new: wli" in said and students()["ngbo_4900"] == ("Ng", "Bo")
    (folder / "submitted" / "dee").mkdir()
    assert main(["roster", str(put("student,last_name,first_name,email\ndee,,,\n"))]) == 0
    assert "0 new, 0 with" in capsys.readouterr().out and "dee" in students()


def test_where_moodle_hides_names_numbers_are_enough(hand_over, put):
    taken, _ = hand_over({moodle("Participant_501"): 17, moodle("Participant_502"): 5})
    assert taken == ["Participant_501", "Participant_502"]
    assert grades("moodle", put(BLIND), "Grade")[0] == {"Participant 501": "17", "Participant 502": "5"}


def test_two_students_whom_one_row_could_be_are_both_named(hand_over, put):
    hand_over({f"liwei/{NAME}.ipynb": 17, f"Wei Li/{NAME}.ipynb": 5})
    text = CANVAS.replace("wli", "x1").replace("liwei", "x2").replace("Wei, Liu", "Zu, Wu")
    found, problems = grades("canvas", put(text), "04 Backward (77)")
    assert found == {} and len(problems) == 2 and all("could be the same row, line 3" in line for line in problems)
    assert len(roster.take(put(text))[3]) == 2 and len(students()) == 4, "no third entry for that row"


def test_a_student_without_a_number_is_matched_where_login_and_names_agree(hand_over, put):
    hand_over({f"liwei/{NAME}.ipynb": 5, f"bo@example.org/{NAME}.ipynb": 9})
    found, problems = grades("canvas", put(CANVAS), "04 Backward (77)")
    assert found == {"4900": "9"} and problems == ["liwei: two rows could be this student, lines 3 and 4"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("platform,number,name\n", "expected platform, number, name, student"),
        ("platform,number,name,student\nblackboard,1,a,b\n", "line 2: the platform 'blackboard'"),
        ("platform,number,name,student\ncanvas,1,a,../b\n", r"line 2: '\.\./b' cannot be a student's id"),
        ("platform,number,name,student\ncanvas,1,a,b\n\ncanvas,1,a,c\n", "lines 2 and 4 have one number"),
    ],
)
def test_what_a_person_wrote_into_people_csv_is_checked(folder, text, words):
    (folder / "people.csv").write_text(text)
    with pytest.raises(course.CourseError, match=words):
        people.read()


def test_forget_reaches_numbers_names_and_files_of_the_platform(folder, hand_over, put, tmp_path):
    hand_over({canvas("liwei_4711"): 17, canvas("weiliu_4800"): 5})
    source = tmp_path / "again"
    source.mkdir()
    for path in (canvas("liwei_4711", 1), f"liwei_4711_995_{NAME}-1.ipynb", canvas("weiliu_4800", 2)):
        (source / path).write_bytes(NOTEBOOK)
    assert main(["collect", NAME, "--from", str(source)]) == 1
    (folder / "gradebook_of_canvas.csv").write_text(CANVAS.replace(",", ";"), encoding="utf-16")
    roster.take(put(CANVAS))
    archive_of(folder / "class.zip", [canvas("liwei_4711"), canvas("weiliu_4800")])
    lines = f"student;assignment;days\nliwei_4711;{NAME};2\nweiliu_4800;{NAME};1\n"
    (folder / "extensions.csv").write_text(lines)
    done, left = forget.forget("liwei_4711")
    assert left == [] and {"people.csv", "class.zip", "gradebook_of_canvas.csv", "extensions.csv"} <= set(done)
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for word in (b"liwei_4711", b"Li, Wei", "4711".encode("utf-16-le")):
            assert word not in data and word.decode() not in path.name, path
        # nbgrader's own ids are random hexadecimal numbers, which may hold these digits
        assert not re.search(rb"(?<![0-9a-f])4711(?![0-9a-f])", data) and "4711" not in path.name, path
    assert "weiliu_4800" in (folder / "people.csv").read_text()


def test_an_archive_with_a_namesake_of_an_unknown_number_is_left_to_a_person(folder, hand_over):
    hand_over({moodle("Wei Li_501"): 17})
    archive_of(folder / "class.zip", [moodle("Wei Li_777"), moodle("Bo Ng_503")])
    assert forget.forget("Wei Li")[1] == ["class.zip"]
