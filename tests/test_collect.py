"""Submissions are found where learning platforms put them, and nobody is dropped in silence."""

import errno
import re
import time
import zipfile
from pathlib import Path

import nbformat
import pytest

from autograder import course
from autograder.collecting import collect, submitted
from autograder.desk import late

NAME = "03_forward"
NOTEBOOK = course.released(NAME).read_bytes()
OTHER = course.released("04_backward").read_bytes()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Put notebooks into a folder: path -> bytes; the course is another one."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path / ".course"))

    def put(files):
        for path, data in files.items():
            target = tmp_path / "class" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return tmp_path / "class"

    return put


@pytest.mark.parametrize(
    ("path", "student"),
    [
        (f"ann/{NAME}.ipynb", "ann"),
        (f"ann/{NAME}/{NAME}.ipynb", "ann"),
        ("ann.ipynb", "ann"),
        (f"ann/{NAME} (1).ipynb", "ann"),
        (f"ann/{NAME}-2.ipynb", "ann"),
        (f"Ann Lee_123456_assignsubmission_file/{NAME}.ipynb", "Ann Lee"),
        (f"Ann Lee_123456_assignsubmission_file_/{NAME}.ipynb", "Ann Lee"),
        (f"Ann Lee_123456_assignsubmission_file_{NAME}.ipynb", "Ann Lee"),
        (f"Participant 7_123456_assignsubmission_file_{NAME}-2.ipynb", "Participant 7"),
        (f"leeann_1234_5678_{NAME}.ipynb", "leeann_1234"),
        (f"anon_x1Yz2_5678_{NAME}.ipynb", "anon_x1Yz2"),
        (f"LATE_anon_x1Yz2_5678_{NAME}-1.ipynb", "anon_x1Yz2"),
        (f"Participant_123456_assignsubmission_file_{NAME}.ipynb", "Participant_123456"),
        (f"jlee+{NAME}+2026-10-05 21:30:01.123456 UTC+aGVsbG8/{NAME}.ipynb", "jlee"),
        (f"inbound/j.lee@x.org+{NAME}+2026-10-05 21:30:01 CET/{NAME}.ipynb", "j.lee@x.org"),
        (f"course/submitted/jlee/{NAME}/{NAME}.ipynb", "jlee"),
        (f"leeann_LATE_1234_5678_{NAME}-1.ipynb", "leeann_1234"),
        (f"class/week 3/jörg/{NAME}.ipynb", "jörg"),
        (f"Jose\u0301/{NAME}.ipynb", "Jos\u00e9"),
        (f"O'Brien, Jane (2)/{NAME}-Copy1.IPYNB", "O'Brien, Jane (2)"),
    ],
)
def test_layouts(place, path, student):
    found, problems = collect.find(place({path: NOTEBOOK}), NAME)
    assert list(found) == [student] and problems == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({f"a/{NAME}.ipynb": NOTEBOOK, "b/solution.ipynb": NOTEBOOK}, "b/solution.ipynb: is not named"),
        ({f"a/{NAME}.ipynb": NOTEBOOK, f"a/{NAME} (1).ipynb": b"{}"}, "a second file of a"),
        ({f"a/{NAME}.ipynb": NOTEBOOK, "b.ipynb": OTHER}, "b.ipynb: holds the cells of 04_backward, not of"),
        ({f"a/{NAME}.ipynb": NOTEBOOK, f"b/{NAME}.ipynb": OTHER}, f"b/{NAME}.ipynb: holds the cells of 04_backward"),
        ({f"a/{NAME}.ipynb": NOTEBOOK, f"{NAME}.ipynb": NOTEBOOK}, "lies beside"),
        ({f"a/{NAME}.ipynb": NOTEBOOK, f"b;c/{NAME}.ipynb": NOTEBOOK}, "not ';'"),
        ({f"a/{NAME}.ipynb": NOTEBOOK, f"b_{NAME}.ipynb": NOTEBOOK}, "does not say whose it is"),
    ],
)
def test_what_is_left_out_is_named(place, files, words):
    found, problems = collect.find(place(files), NAME)
    assert list(found) == ["a"] and found["a"] == NOTEBOOK
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("hers", "his"),
    [
        (f"zoeli_4712_1001_{NAME}.ipynb", f"osadam_4711_1002_x_4712_9_{NAME}.ipynb"),
        (f"zoeli_4712_1001_{NAME}.ipynb", f"osadam_LATE_4711_1002_{NAME}_4712_9_{NAME}.ipynb"),
        (
            f"Zoe_4712_assignsubmission_file_{NAME}.ipynb",
            f"A_1_assignsubmission_file_Z_4712_assignsubmission_file_{NAME}.ipynb",
        ),
        (
            f"Zoe_4712_assignsubmission_file_/{NAME}.ipynb",
            f"A_1_assignsubmission_file_/Z_4712_assignsubmission_file_/{NAME}.ipynb",
        ),
        (f"zoe/{NAME}.ipynb", f"adam/zoe/{NAME}.ipynb"),
        (f"zoe/{NAME}/{NAME}.ipynb", f"adam/zoe/{NAME}.ipynb"),
    ],
)
def test_nobody_hands_in_for_somebody_else(place, tmp_path, hers, his):
    """A student chooses a file's name, and may write another one's number into it."""
    folder = place({hers: NOTEBOOK, his: NOTEBOOK + b" "})
    (tmp_path / ".course").mkdir()
    platform = "canvas" if "_1001_" in hers else "moodle"
    (tmp_path / ".course" / "people.csv").write_text(
        f"platform,number,name,student\n{platform},4712,,zoe\n{platform},4711,,adam\n"
    )
    assert collect.find(folder, NAME)[0]["zoe"] == NOTEBOOK


def test_other_notebooks_of_the_course_are_no_problem(place):
    """In a folder of all notebooks; but who is on no list and stands in no other line is named."""
    files = {f"a/{NAME}.ipynb": NOTEBOOK, "a/04_backward.ipynb": OTHER, "b/04_backward.ipynb": OTHER}
    said, source = [], place(files)
    assert collect.collect(source, NAME, say=said.append) == (["a"], [])
    assert said == [f"on no list so far, and no {NAME} among their files: b (04_backward.ipynb)"]
    collect.collect(source, "04_backward")
    said.clear()
    assert collect.collect(source, NAME, say=said.append) == ([], [])
    assert said == [f"no {NAME} so far from 1 of 2 students: b"]


@pytest.mark.parametrize(
    "path", ["hal/04_backward.ipynb", "hal_04_backward.ipynb", "hal/04_backward/04_backward.ipynb"]
)
def test_answers_under_another_notebook_s_name_are_told_with_the_cure(place, path):
    source = place({f"a/{NAME}.ipynb": NOTEBOOK, path: NOTEBOOK})
    (problem,) = collect.find(source, NAME)[1]
    assert problem == f"{path}: holds the cells of {NAME}; rename it {NAME}.ipynb, collect again"


def test_who_is_on_no_list_and_handed_in_no_notebook_is_told_in_a_folder_too(place):
    files = {f"a/{NAME}.ipynb": NOTEBOOK, "hal/answers.pdf": b"%PDF", "hal/more.txt": b"", "readme.txt": b""}
    files |= {"a/pictures/plot.png": b"", "a/old/04_backward.ipynb": OTHER}
    said = []
    assert collect.collect(place(files), NAME, say=said.append) == (["a"], [])
    assert said == [f"on no list so far, and no {NAME} among their files: hal (answers.pdf)"]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("file", [f"{NAME}.ipynb.txt", f"{NAME}.ipynb.json", f"{NAME} (1).IPYNB.TXT"])
def test_what_a_browser_puts_behind_the_name_costs_nobody_a_grade(place, tmp_path, file, packed):
    source = place({f"ann/{file}": NOTEBOOK})
    if packed:
        with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
            archive.write(source / "ann" / file, f"Ann_1_assignsubmission_file_/{file}")
        source = tmp_path / "class.zip"
    assert [*collect.find(source, NAME)[0].values()] == [NOTEBOOK]


def test_a_line_that_is_printed_too_often_packs_like_a_bomb_and_is_taken(tmp_path):
    notebook = nbformat.reads(NOTEBOOK.decode(), as_version=4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", text="step 1\n" * (1 << 20))]
    with zipfile.ZipFile(tmp_path / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"ann/{NAME}.ipynb", nbformat.writes(notebook))
    (item,) = zipfile.ZipFile(tmp_path / "class.zip").infolist()
    assert item.file_size > collect.MAX_RATIO * item.compress_size
    assert list(collect.find(tmp_path / "class.zip", NAME)[0]) == ["ann"]


def test_an_exchange_gives_the_latest_submission(place):
    times = ("2026-10-05 21:30:01.1 UTC+aa", "2026-10-06 08:00:00.1 UTC+bb", "2026-10-05 23:59:59.9 UTC+cc")
    files = {f"jlee+{NAME}+{when}/{NAME}.ipynb": b"{}" for when in times}
    files[f"jlee+{NAME}+{times[1]}/{NAME}.ipynb"] = NOTEBOOK
    files["jlee+04_backward+2026-10-07 08:00:00.1 UTC+dd/04_backward.ipynb"] = OTHER
    found, problems = collect.find(place(files), NAME)
    assert found == {"jlee": NOTEBOOK} and len(problems) == 2


def test_who_hands_in_several_files_is_told_which_was_taken(place):
    """By the paths where these begin to differ, until a file comes alone."""
    files = [f"a/{NAME}.ipynb", f"a/{NAME} (1).ipynb", f"a/old/a/{NAME}.ipynb"]
    source = place(dict.fromkeys(files, NOTEBOOK))
    collect.collect(source, NAME)
    told = f"3 files of yours came in: {NAME}.ipynb was graded, {NAME} (1).ipynb, old/a/{NAME}.ipynb were not."
    assert submitted.told_beside("a", NAME).startswith(told)
    for path in files[1:]:
        (source / path).unlink()
    collect.collect(source, NAME)
    assert submitted.told_beside("a", NAME) == ""


@pytest.mark.parametrize(
    "path",
    [
        "Bo Li_123_assignsubmission_file/essay.pdf",
        "Bo Li_123_assignsubmission_file_work.zip",
        "Bo Li_12_34_03_forward.py",
        f"Bo Li+{NAME}+2026-10-05 21:30:01.1 UTC+aa/notes.txt",
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_who_hands_in_something_else_is_named(place, tmp_path, path, packed):
    source = place({f"ann/{NAME}.ipynb": NOTEBOOK, path: b"x", "readme.txt": b"x", "ann/notes.txt": b"x"})
    if packed:
        with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
            for file in [
                one for one in source.rglob("*") if one.is_file() and one.suffix != ".zip" or "work" in one.name
            ]:
                archive.write(file, file.relative_to(source))
        source = tmp_path / "class.zip"
    found, problems = collect.find(source, NAME)
    assert list(found) == ["ann"]
    who = "Bo Li_12" if "_34_" in path else "Bo Li"
    assert problems == [f"{who}: handed in {path.rpartition('/')[2]}, no notebook"]


@pytest.mark.parametrize("path", ["Bo Li_123_assignsubmission_file/04_backward.ipynb", "boli_12_34_04_backward.ipynb"])
def test_another_notebook_handed_in_is_named(place, path):
    files = {f"annlee_11_33_{NAME}.ipynb": NOTEBOOK, path: OTHER}
    found, problems = collect.find(place(files), NAME)
    assert len(found) == 1 and len(problems) == 1
    assert re.fullmatch(rf"(Bo Li|boli_12): handed in {path.rpartition('/')[2]}, not {NAME}", problems[0])
    _, problems = collect.find(place(files | {path: NOTEBOOK}), NAME)
    assert re.fullmatch(rf"(Bo Li_123|boli_12) .*: holds the cells of {NAME}; rename it .*", problems[0])


def test_moodle_s_files_under_other_names_are_told_by_their_cells(place):
    folder = "Bo Li_123_assignsubmission_file"
    found, problems = collect.find(place({f"{folder}/Kopie von {NAME} (1).ipynb": NOTEBOOK}), NAME)
    assert list(found) == ["Bo Li"] and problems == []
    other = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])).encode()
    found, problems = collect.find(place({f"Li Bo_124_assignsubmission_file/{NAME} work.ipynb": other}), NAME)
    assert list(found) == ["Bo Li"] and "holds none of the cells" in problems[0]


WAYS = [
    "ann/{}.ipynb",
    "ann_1_2_{}.ipynb",
    "ann_1_2_my work.ipynb",
    "Ann_1_assignsubmission_file_/{}.ipynb",
    "Ann_1_assignsubmission_file_/my work.ipynb",
    "Ann_1_assignsubmission_file_{}.ipynb",
]


@pytest.mark.parametrize("path", WAYS)
def test_half_an_upload_is_taken_and_told_however_it_comes(place, monkeypatch, tmp_path, path):
    """Wherever it is cut: before its first cell is whole, before the first answer, in an answer."""
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    files = {f"bob_7_8_{NAME}.ipynb": NOTEBOOK}  # a file that makes it an archive of Canvas
    read = "cells that are whole were read"
    for size, words in ((0, "the file is empty"), (100, "no cell in it is whole"), (1500, read), (20_000, read)):
        said = []
        source = place(files | {path.format(NAME): NOTEBOOK[:size]})
        (ann,) = {one for one in collect.collect(source, NAME, say=said.append)[0] if not one.startswith("bob")}
        (line,) = (one for one in said if one.endswith("so ask for it again"))
        assert line.startswith(f"{ann}: ") and words in line
        files = {}


def test_a_file_that_is_another_notebook_does_not_hide_the_right_one(place):
    folder = "Ann_1_assignsubmission_file_"
    files = {f"{folder}/{NAME}.ipynb": OTHER, f"{folder}/{NAME} (1).ipynb": NOTEBOOK, f"{folder}/x.ipynb": NOTEBOOK}
    found, problems = collect.find(place(files), NAME)
    assert found == {"Ann": NOTEBOOK} and len(problems) == 2
    assert "holds the cells of 04_backward" in problems[0] and "x.ipynb: a second file of Ann" in problems[1]


@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize("size", [1500, 20_000])
def test_half_of_another_notebook_takes_nobodys_place(place, path, size):
    source = place({f"bob_7_8_{NAME}.ipynb": NOTEBOOK, path.format(NAME): OTHER[:size]})
    found, problems = collect.find(source, NAME)
    assert list(found) == ["bob_7"] and len(problems) == 1 and "holds the cells of 04_backward, not of" in problems[0]


ONLINE = "Bo Li_12_assignsubmission_onlinetext"


@pytest.mark.parametrize("path", [f"{ONLINE}_/onlinetext.html", f"{ONLINE}_onlinetext.html"])
def test_who_typed_text_into_moodle_is_named_once(place, path):
    """Where both are allowed, Moodle writes a text for who handed in a file as well."""
    files = {f"Ann_11_assignsubmission_file_/{NAME}.ipynb": NOTEBOOK, path.replace("Bo Li_12", "Ann_11"): b"<p>x"}
    assert collect.find(place(files), NAME) == ({"Ann": NOTEBOOK}, [])
    files |= {path: b"<p>def f", path.replace("Bo Li_12", "Cy_13"): b"", "Cy_13_assignsubmission_file_/a.pdf": b"x"}
    _, problems = collect.find(place(files), NAME)
    assert problems == [
        "Cy: handed in a.pdf, no notebook",
        "Bo Li: typed text into Moodle and handed in no file; ask for the notebook, and set the assignment to accept "
        "file submissions only",
    ]


def test_a_notebook_that_hangs_on_a_text_in_moodle_is_its_writer_s(place):
    found, problems = collect.find(
        place({f"{ONLINE}_/{NAME}.ipynb": NOTEBOOK, f"{ONLINE}_/onlinetext.html": b"x"}), NAME
    )
    assert found == {"Bo Li": NOTEBOOK} and problems == []


def test_archives_that_cannot_be_opened_say_what_to_do(tmp_path):
    whole, cut = tmp_path / "whole.zip", tmp_path / "cut.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(f"ann/{NAME}.ipynb", NOTEBOOK)
    cut.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(course.CourseError, match="only the beginning of a .zip archive; download it again"):
        collect.find(cut, NAME)
    locked = bytearray(whole.read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        locked[locked.index(mark) + place] |= 1  # the flag of an encrypted member
    whole.write_bytes(locked)
    found, problems = collect.find(whole, NAME)
    assert found == {} and "needs a password; unpack the archive with it and name the folder" in problems[0]


def test_a_full_disk_costs_nobody_what_was_there(place, tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    source = place({f"in/ann/{NAME}.ipynb": NOTEBOOK}) / "in"
    assert collect.collect(source, NAME) == (["ann"], [])
    target = tmp_path / "course" / "submitted" / "ann" / NAME / f"{NAME}.ipynb"
    (source / "ann" / f"{NAME}.ipynb").write_bytes(NOTEBOOK + b"\n")

    def full(path, data):
        with open(path, "wb"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(course.CourseError, match="No space left on device; what ann handed in before is kept"):
            collect.collect(source, NAME)
    assert target.read_bytes() == NOTEBOOK and len(list(target.parent.iterdir())) == 2
    assert collect.collect(source, NAME) == (["ann"], []) and target.read_bytes() == NOTEBOOK + b"\n"
    assert [path.read_bytes() for path in (tmp_path / "course" / "replaced").rglob("*.ipynb")] == [NOTEBOOK]


def test_an_old_download_that_comes_again_is_told_and_can_be_taken_back(place):
    """Who handed in something better meanwhile would get the grade of the first file."""
    first, better = (place({f"{when}/ann/{NAME}.ipynb": NOTEBOOK + when.encode()}) / when for when in ("1", "2"))
    said = []
    for source in (first, better, first):
        said.append([])
        assert collect.collect(source, NAME, say=said[-1].append)[0] == ["ann"]
        time.sleep(1.1)  # the folders of what was replaced are named by the second
    assert said[0] == [] and len(said[1]) == 1 and said[1][0].startswith("another file than before")
    assert said[2][0].startswith("ann: a file that was here before is the submission again; to take back")
    kept = re.search(r"--from (.*)`", said[2][0])[1]
    assert collect.collect(Path(kept), NAME) == (["ann"], [])
    target = course.course_folder() / "submitted" / "ann" / NAME / f"{NAME}.ipynb"
    assert target.read_bytes() == NOTEBOOK + b"2"


@pytest.mark.parametrize("folder", ["", ".course", ".course/submitted", ".course/autograded/ann", "repository"])
def test_the_courses_own_notebooks_are_nobodys(place, tmp_path, folder):
    place({f"ann/{NAME}.ipynb": NOTEBOOK})
    source = course.REPOSITORY.parent if folder == "repository" else tmp_path / folder
    source.mkdir(parents=True, exist_ok=True)
    with pytest.raises(course.CourseError, match="holds the course's own notebooks"):
        collect.find(source, NAME)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[dues]\n", "expected only the tables"),
        ("late = 5\n", "expected only the tables"),
        ("[late]\npercent_a_day = nan\n", "expected a number"),
        ("[late]\ncap_percent = inf\n", "expected a number"),
        ("[late]\ncap_percent = 500\n", "cap_percent is 500; it is a percentage of the score, at most 100"),
        ("[late]\npercent_a_day = 101\n", "at most 100"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path, monkeypatch, text, words):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(course.CourseError, match=words):
        late.settings()


def test_extensions_that_cannot_be_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    path = tmp_path / "extensions.csv"
    path.write_text(f"student,assignment,days\nann,{NAME},2\n")
    assert late.extensions() == {("ann", NAME): 2.0}
    path.write_text("student,assignment,days\nann,3_forward,2\n")
    with pytest.raises(course.CourseError, match="line 2: '3_forward' is no notebook"):
        late.extensions()
    path.write_text(f"student;assignment;days\nann;{NAME};1,5\n", encoding="utf-16")
    assert late.extensions() == {("ann", NAME): 1.5}
    path.write_bytes(b"student,assignment,days\nJ\xf6rg,3_forward,2\n")
    with pytest.raises(course.CourseError, match="is not UTF-8"):
        late.extensions()


def test_canvas_keeps_the_latest_version(place):
    files = {f"ann_1_2_{NAME}.ipynb": b"{}", f"ann_1_3_{NAME}-1.ipynb": NOTEBOOK}
    found, _ = collect.find(place(files), NAME)
    assert found == {"ann_1": NOTEBOOK}


def test_canvas_tells_people_apart_whose_files_have_other_names(place):
    files = {f"ann_1_2_{NAME}.ipynb": NOTEBOOK, "bob_7_8_My copy.ipynb": NOTEBOOK, "cy_9_10_essay.ipynb": OTHER}
    found, problems = collect.find(place(files), NAME)
    assert sorted(found) == ["ann_1", "bob_7"]
    assert problems == [f"cy_9 (cy_9_10_essay.ipynb): holds the cells of 04_backward, not of {NAME}"]


def test_archives(tmp_path):
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"ann/{NAME}.ipynb", NOTEBOOK)
        archive.writestr(f"../evil/{NAME}.ipynb", NOTEBOOK)
        archive.writestr(f"bomb/{NAME}.ipynb", b"0" * (60 << 20))
        link = zipfile.ZipInfo(f"link/{NAME}.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    found, problems = collect.find(path, NAME)
    assert "ann" in found and len(problems) == 3, problems
    text = " ".join(problems)
    assert "points out of the archive" in text and "not a regular file" in text and "would unpack to 60 MB" in text


def test_a_files_name_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path / ".course"))
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(f"ann/{NAME}.ipynb", NOTEBOOK)
        archive.writestr(f"b/\x1b[2J\nleft out: ann/{NAME}.pdf.ipynb", NOTEBOOK)
    _, problems = collect.find(tmp_path / "class.zip", NAME)
    assert len(problems) == 1 and not re.search(r"[\x00-\x1f]", problems[0])


def test_names_in_old_archives():
    member = zipfile.ZipInfo("x")
    member.filename, member.flag_bits = "jörg/x".encode().decode("cp437"), 0
    assert collect.name_in_archive(member) == "jörg/x"
