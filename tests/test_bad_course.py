"""A course that cannot be used ends a command with one line that names the cure, and costs nobody a grade."""

import datetime
import errno
import json
import os
import shutil
import sqlite3
import sys

import pytest
from small_course import NAME
from sqlalchemy.exc import DatabaseError, DataError, OperationalError

from autograder import __main__ as cli
from autograder import course, cures
from autograder.__main__ import main
from autograder.desk import commands, doctor, export, transfer
from autograder.gradebook import Course, configuration
from autograder.grading.result import load_result
from autograder.recording import ledger, plugins

REAL, STUDENTS = "03_forward", ("half-done", "perfect", "slip-momentum")
pytestmark = pytest.mark.xdist_group("grading")
ROSTER = "student,last_name,first_name,email\nann,Burton,Ann,ann@example.org\nnew,New,One,new@example.org\n"


@pytest.fixture
def folder(folder):
    """The small course, and a list of its students beside it."""
    (folder.parent / "roster.csv").write_text(ROSTER)
    return folder


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Three submissions, graded for once."""
    place = tmp_path_factory.mktemp("real")
    for who in STUDENTS:
        shutil.copytree(course.REPOSITORY / "autograder" / "sample_class" / who, place / "class" / who)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BN_COURSE", str(place / "course"))
        assert main(["collect", REAL, "--from", str(place / "class")]) == 0
        assert main(["grade", REAL]) == 0
    return place / "course"


@pytest.fixture
def graded(once, tmp_path, monkeypatch):
    """A copy of these, with points given by hand."""
    shutil.copytree(once, tmp_path / "graded")
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "graded"))
    with Course().gradebook() as book:
        grade = book.find_grade("forward-eval-test", REAL, REAL, "half-done")
        grade.manual_score, grade.needs_manual_grade = 3.5, False
        book.db.commit()
    return tmp_path / "graded"


def reading(tmp_path):
    """Commands that open the gradebook."""
    return [
        *(["grade", NAME], ["feedback", NAME], ["report", NAME], ["export", NAME], ["written", NAME]),
        *(["roster", str(tmp_path / "roster.csv")], ["forget", "ann", "--yes"]),
        ["copy-gradebook", "--to", f"sqlite:///{tmp_path}/new.db"],
    ]


def one_line(capsys):
    """What a command says to the person, without anything else on stderr."""
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("autograder: ")
    return line


def with_holes(data):
    """Pages of a database with other bytes here and there."""
    data = bytearray(data)
    for place in range(20_000, len(data) - 1000, 5000):
        data[place : place + 600] = b"\xff" * 600
    return bytes(data)


DAMAGE = {
    "no database": lambda data: b"no database at all\n" * 100,
    "cut off": lambda data: data[: len(data) // 3],
    "holes": with_holes,
    "emptied": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_gradebook(folder, tmp_path, capsys, damage):
    path = folder / "gradebook.db"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    (folder / "committed").mkdir()
    (folder / "committed" / f"{NAME}.json").write_text('{"ann": "key"}')
    before = path.read_bytes()
    for arguments in reading(tmp_path):
        assert main(arguments) == 1, arguments
        line = one_line(capsys)
        assert f"{path} is damaged (" in line and "newest backup" in line and "points given by hand" in line
    assert path.read_bytes() == before and (folder / "submitted" / "ann").exists()
    finding = doctor.database()
    assert finding.level == "wrong" and "damaged" in finding.found
    assert "newest backup" in finding.cure and "points given by hand and the roster do not" in finding.cure


def test_nobody_goes_on_with_a_gradebook_that_was_copied_elsewhere(folder, tmp_path, monkeypatch, capsys):
    """A shell without BN_DATABASE stops with the cure; with it, or without the file, all goes on."""
    url = f"sqlite:///{tmp_path}/new.db"
    assert main(["copy-gradebook", "--to", url]) == 0
    note = folder / "gradebook.db.moved"
    assert note.read_text() == f"{url}\n" and f"remove {note}" in capsys.readouterr().out
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"}
    for arguments in [*reading(tmp_path), ["collect", NAME, "--from", str(tmp_path)]]:
        assert main(arguments) == 1, arguments
        line = one_line(capsys)
        assert f"export BN_DATABASE={url} or" in line and f"remove {note}" in line
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"}
    assert after == before
    finding = doctor.database()
    assert finding.level == "wrong" and f"export BN_DATABASE={url}" in finding.cure
    assert configuration().CourseDirectory.db_url == url, "plain nbgrader and the formgrader use the new one"
    monkeypatch.setenv("BN_DATABASE", url)
    assert main(["export", NAME]) == 0
    assert main(["copy-gradebook", "--to", f"{url}.2"]) == 0
    assert note.read_text() == f"{url}.2\n", "copied on"
    monkeypatch.delenv("BN_DATABASE")
    (folder / "gradebook.db").rename(tmp_path / "old.db")
    assert main(["copy-gradebook", "--from", f"{url}.2", "--to", f"sqlite:///{folder}/gradebook.db"]) == 0
    assert not note.exists() and main(["export", NAME]) == 0, "copied back"


def test_an_address_that_nobody_can_read_is_told_with_the_cure(folder, tmp_path, capsys):
    note = folder / "gradebook.db.moved"
    note.write_bytes("postgresql://me@h\u00f6st/a\n".encode("latin-1"))
    for arguments in reading(tmp_path):
        assert main(arguments) == 1, arguments
        line = one_line(capsys)
        assert f"{note} is not UTF-8" in line and "remove it" in line
    assert doctor.database().level == "wrong"


@pytest.mark.parametrize(
    "source, last",
    [("me@h", "b"), ("you:secret@h:5432", "b"), ("me@h:5433", "a"), ("me@other", "a")],
)
def test_a_gradebook_is_copied_on_from_an_address_in_other_words(folder, source, last):
    """Else plain nbgrader and the formgrader would go on in the one from which it was copied."""
    note = folder / "gradebook.db.moved"
    note.write_text("postgresql://me@h/a\n")
    transfer.leave_the_address(f"postgresql://{source}/a", "postgresql://me@h/b")
    assert note.read_text() == f"postgresql://me@h/{last}\n"


def test_a_trial_is_undone_by_removing_the_file(folder, tmp_path, monkeypatch):
    """A path as it is typed, relative and with a space, is found from wherever nbgrader is started."""
    monkeypatch.chdir(tmp_path)
    assert main(["copy-gradebook", "--to", "sqlite:///a trial.db"]) == 0
    note = folder / "gradebook.db.moved"
    with pytest.raises(course.CourseError, match=f"BN_DATABASE='sqlite:///{tmp_path}/a trial.db' or, to go back"):
        course.database_url()
    monkeypatch.chdir("/")
    assert configuration().CourseDirectory.db_url == f"sqlite:///{tmp_path}/a trial.db"
    note.unlink()
    assert main(["export", NAME]) == 0


def test_forget_names_the_gradebook_from_before_the_copy(folder, tmp_path, monkeypatch, capsys):
    url = f"sqlite:///{tmp_path}/new.db"
    assert main(["copy-gradebook", "--to", url]) == 0
    monkeypatch.setenv("BN_DATABASE", url)
    assert main(["forget", "bob@example.org", "--yes"]) == 1
    assert "still names the student; look at it: gradebook.db\n" in capsys.readouterr().out
    (folder / "gradebook.db").unlink()
    assert main(["forget", "ann", "--yes"]) == 0


def test_doctor_looks_at_every_page(folder):
    assert doctor.database().level == "ok"
    with sqlite3.connect(folder / "gradebook.db") as line:
        (page,) = line.execute("SELECT rootpage FROM sqlite_master WHERE name = 'comment'").fetchone()
        (size,) = line.execute("PRAGMA page_size").fetchone()
    with open(folder / "gradebook.db", "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)  # a table that the other checks do not read
    finding = doctor.database()
    assert finding.level == "wrong" and "damaged" in finding.found and "newest backup" in finding.cure


def scores(folder):
    """Points in the gradebook."""
    lines = export.export(REAL, to=folder / "scores.csv")[0].read_text().splitlines()[1:]
    return {line.split(",")[0]: float(line.split(",")[6]) for line in lines}


def test_a_gradebook_that_was_moved_away_is_written_again(graded, capsys):
    """What `doctor` advises where there is no backup: the grader's points come back, and the loss is told."""
    before = scores(graded)
    (graded / "gradebook.db").rename(graded.parent / "kept.db")
    assert main(["grade", REAL]) == 0
    said = one_line(capsys)
    assert "has lost 3 submissions (half-done, perfect, slip-momentum)" in said and "a backup" in said
    assert before["half-done"] == 25.5 and scores(graded) == {**before, "half-done": 22.0}


def test_another_time_beside_the_same_submission_reaches_the_gradebook(graded):
    """Corrected by hand, or while the gradebook could not be written: points for being late go by the gradebook's."""
    (graded / "submitted" / "half-done" / REAL / "timestamp.txt").write_text("2026-10-04 10:00:00 UTC")
    before = scores(graded)
    assert main(["grade", REAL]) == 0
    with Course().gradebook() as book:
        assert book.find_submission(REAL, "half-done").timestamp == datetime.datetime(2026, 10, 4, 10)
        grade = book.find_grade("forward-eval-test", REAL, REAL, "half-done")
        assert (grade.manual_score, grade.needs_manual_grade) == (3.5, False), "nobody has to look again"
    assert scores(graded) == before


@pytest.mark.parametrize("content", [b"{half", b"[1, 2]", b"\xff\xfe\x00 bytes"], ids=repr)
def test_a_damaged_ledger(graded, capsys, content):
    path = graded / "committed" / f"{REAL}.json"
    right, before = json.loads(path.read_text()), scores(graded)
    path.write_bytes(content)
    assert main(["export", REAL]) == 0 and capsys.readouterr().err == "", "nothing is stale"
    assert main(["grade", REAL]) == 0
    assert f"{path} was damaged and is now {REAL}.json.damaged" in one_line(capsys)
    assert json.loads(path.read_text()) == right and scores(graded) == before
    with Course().gradebook() as book:
        grade = book.find_grade("forward-eval-test", REAL, REAL, "half-done")
        assert (grade.manual_score, grade.needs_manual_grade) == (3.5, False), "nobody has to look again"


def edited(key, value):
    return lambda found: {**found, "verdicts": [{**found["verdicts"][0], key: value}]}


@pytest.mark.parametrize(
    "edit",
    [
        lambda found: [found],
        lambda found: {"key": found["key"], "verdicts": [1], "isolation": "S3", "printed": {}},
        lambda found: {**found, "verdicts": "none"},
        lambda found: {**found, "verdicts": []},
        lambda found: {name: value for name, value in found.items() if name != "printed"},
        edited("score", "12"),
        edited("slips", None),
        edited("message", 3),
        edited("verdict", "foo"),
        lambda found: {**found, "seconds": "x"},
        lambda found: {**found, "on_gpu": None},
        lambda found: {**found, "flags": 5},
        None,
    ],
)
def test_a_damaged_result_counts_as_none(folder, capsys, edit):
    path, *_ = (folder / "results").glob("*.json")
    found = json.loads(path.read_text())
    assert load_result(folder / "results", path.stem) == found
    path.write_bytes(os.urandom(500) if edit is None else json.dumps(edit(found)).encode())
    assert load_result(folder / "results", path.stem) is None
    assert main(["report", NAME]) == 0
    assert found["student"] in one_line(capsys)
    assert main(["export", NAME]) == 0, "points are in the gradebook"


def test_a_result_without_some_of_its_verdicts_is_computed_again(graded, capsys):
    for path in (graded / "results").glob("*.json"):
        found = json.loads(path.read_text())
        path.write_text(json.dumps(found | {"verdicts": found["verdicts"][:2]}))
        assert main(["grade", REAL]) == 0, capsys.readouterr().err
        again = json.loads(path.read_text())["verdicts"]
        assert [(one["cell"], one["score"]) for one in again] == [
            (one["cell"], one["score"]) for one in found["verdicts"]
        ]


CLOSED = ["grade", "feedback", "export", "roster", "forget"]


@pytest.fixture
def mounted(run):
    """Run a shell script with the course folder mounted in another way."""
    if not shutil.which("bwrap") or run("bwrap", "--dev-bind", "/", "/", "true").returncode:
        pytest.skip("needs bubblewrap: apt-get install bubblewrap")

    def mounted(options, script, folder):
        words = ["bwrap", "--dev-bind", "/", "/", *options, "sh", "-c", script]
        return run(*words, env={"BN_COURSE": str(folder), "PYTHON": sys.executable})

    return mounted


@pytest.mark.parametrize("command", CLOSED)
def test_a_read_only_course_folder(mounted, folder, tmp_path, command):
    words = {"roster": f"roster {tmp_path}/roster.csv", "forget": "forget ann --yes"}.get(command, f"{command} {NAME}")
    done = mounted(["--ro-bind", folder, folder], f"$PYTHON -m autograder {words}", folder)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 1 and line.startswith(f"autograder: cannot write {folder}"), done.stdout
    assert line.endswith("or set BN_COURSE to a folder of yours")
    assert (folder / "submitted" / "ann").exists()


def test_a_full_disk(mounted, once, tmp_path):
    """Nothing can be written; then there is room, and the same commands do all of their work."""
    here, roster = tmp_path / "small", tmp_path / "roster.csv"
    here.mkdir()
    roster.write_text(ROSTER)
    script = f"""
        cp -r {once}/. {here}; rm {here}/committed/*; head -c 30000000 /dev/zero >{here}/fill 2>/dev/null
        both() {{ for words in 'grade {REAL}' 'roster {roster}'; do
            $PYTHON -m autograder $words >/dev/null; echo $?
        done; }}
        both; rm {here}/fill; both; cp {here}/committed/{REAL}.json {here}/gradebook.db {tmp_path}"""
    done = mounted(["--size", str(8 << 20), "--tmpfs", here], script, here)
    assert done.stdout.split() == ["1", "1", "0", "0"], done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 2 and all("free some space, then run the same command again" in line for line in lines)
    assert set(json.loads((tmp_path / f"{REAL}.json").read_text())) == set(STUDENTS)
    with sqlite3.connect(tmp_path / "gradebook.db") as line:
        assert {who for (who,) in line.execute("SELECT id FROM student")} == {*STUDENTS, "ann", "new"}


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "x.ipynb"),
        OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")),
    ],
    ids=["disk", "database"],
)
def test_a_disk_that_is_full_in_between(graded, monkeypatch, capsys, error):
    """Who is in the gradebook stays there, the command ends at once, and the next run goes on."""
    before = scores(graded)
    (graded / "committed" / f"{REAL}.json").unlink()
    save, asked = plugins.RefereeGrades.preprocess, []

    def full(self, nb, resources):
        asked.append(resources["nbgrader"]["student"])
        if len(asked) == 2:
            raise error
        return save(self, nb, resources)

    monkeypatch.setattr(plugins.RefereeGrades, "preprocess", full)
    assert main(["grade", REAL]) == 1
    assert "free some space" in one_line(capsys) and len(asked) == 2
    assert list(ledger.read(REAL)) == asked[:1]
    monkeypatch.setattr(plugins.RefereeGrades, "preprocess", save)
    assert main(["grade", REAL]) == 0
    assert set(ledger.read(REAL)) == set(STUDENTS) and scores(graded) == before


def test_what_concerns_one_student_alone_stops_nobody_else(graded, monkeypatch, capsys):
    """And nbgrader's "see the above traceback", above which nothing stands, becomes the reason."""
    (graded / "committed" / f"{REAL}.json").unlink()
    save = plugins.RefereeGrades.preprocess

    def odd(self, nb, resources):
        if resources["nbgrader"]["student"] == "perfect":
            raise ValueError("her file is odd")
        return save(self, nb, resources)

    monkeypatch.setattr(plugins.RefereeGrades, "preprocess", odd)
    assert main(["grade", REAL]) == 1
    said = capsys.readouterr().out
    assert f"not graded: perfect: nbgrader autograde {REAL} perfect: ValueError: her file is odd" in said
    assert set(ledger.read(REAL)) == set(STUDENTS) - {"perfect"}
    text = DatabaseError("INSERT", {}, ValueError("NUL in a string"))
    assert cures.concerns_everybody(text) and not cures.concerns_everybody(DataError("INSERT", {}, ValueError()))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "{}/closed"), "cannot read {}/closed: Permission denied"),
        (PermissionError(errno.EACCES, "Permission denied", "{}/new"), "cannot write {}/new: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file", "{}/gone"), "cannot find {}/gone; name one that exists"),
        (FileNotFoundError(errno.ENOENT, "No such file", "{}/no/gone"), "cannot write {}/no/gone: No such file; name"),
        (OSError(errno.EROFS, "Read-only file system", "{}/closed"), "cannot write {}/closed: Read-only file system"),
        (OSError(errno.ENOSPC, "No space left"), "No space left; free some space, then run the same command again"),
    ],
)
def test_files_are_told_as_what_was_tried(tmp_path, monkeypatch, error, words):
    (tmp_path / "closed").touch()
    access = os.access  # root may read everything
    closed = str(tmp_path / "closed")
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != closed and access(path, mode))
    if error.filename:
        error.filename = error.filename.format(tmp_path)
    assert words.format(tmp_path) in cures.told(error)


def test_what_is_no_fault_of_the_course_is_told_as_such(folder, monkeypatch, capsys):
    def broken(given):
        return {}["no such key"]

    monkeypatch.setattr(commands, "run_export", broken)
    assert main(["export", NAME]) == 1
    *trace, last = capsys.readouterr().err.strip().splitlines()
    assert trace[0].startswith("Traceback") and "KeyError: 'no such key'" in trace[-1]
    assert "a fault of the grader" in last and f"{course.public_repository()}/issues" in last
    monkeypatch.setattr(commands, "run_export", lambda given: (_ for _ in ()).throw(cli.course.CourseError("mended")))
    assert main(["export", NAME]) == 1 and one_line(capsys) == "autograder: mended"


def test_alembic_is_found_without_the_environment_s_path(run, folder, tmp_path):
    """A gradebook is copied with `.venv/bin/python` alone; nbgrader asks `alembic` for the schema's version."""
    words = ["copy-gradebook", "--to", f"sqlite:///{tmp_path}/new.db"]
    script = (
        f"import os, sys; os.environ['PATH'] = '/usr/bin:/bin'; from autograder.__main__ import main; main({words})"
    )
    done = run(sys.executable, "-c", script, env={"BN_COURSE": str(folder)})
    assert "rows copied and counted" in done.stdout, done.stderr


@pytest.mark.parametrize("package, command", [
    ("sqlalchemy", "doctor"), ("nbformat", "grade 03_forward --submissions ."), ("latex2mathml", "grade 03_forward"),
])  # fmt: skip
def test_a_package_that_is_missing_is_named_with_the_cure(run, tmp_path, package, command):
    """On the machine with a GPU, for example, that was set up in a hurry."""
    hide = f"import sys; sys.modules[{package!r}] = None; from autograder.__main__ import main; sys.exit(main())"
    submitted = tmp_path / "submitted" / "one" / "03_forward" / "03_forward.ipynb"
    submitted.parent.mkdir(parents=True)
    submitted.write_bytes(course.released("03_forward").read_bytes())
    done = run(sys.executable, "-c", hide, *command.split(), env={"BN_COURSE": str(tmp_path)})
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert f"the package {package} is missing" in done.stderr
    assert "-m pip install -r requirements.txt -c constraints.txt" in done.stderr
