"""`forget` leaves nothing of a student behind; `doctor` says what is wrong and what to do."""

import json
import os
import re
import sys
import zipfile
from collections import namedtuple

import pytest
from small_course import NAME, VERDICTS

from autograder import course, logs
from autograder.desk import doctor, export, forget, late, report, roster, written

WHO = "bob@example.org"


@pytest.fixture
def folder(folder):
    """The small course, with everything else that may hold a name."""
    (folder / "committed").mkdir()
    (folder / "committed" / f"{NAME}.json").write_text(json.dumps({who: "key" for who in VERDICTS}))
    (folder / "extensions.csv").write_text(f"student,assignment,days\n{WHO},{NAME},2\nann,{NAME},1\n")
    (folder / "scores.json").write_text(json.dumps([{"student": who, "score": 1} for who in VERDICTS]))
    (folder / "list.csv").write_text(f"student,last_name,first_name,email\n{WHO},Burton,Bob,bob.b@example.org\n")
    roster.take(folder / "list.csv")
    with zipfile.ZipFile(folder / "class.zip", "w") as archive:
        for who in VERDICTS:
            archive.writestr(f"{who}/{NAME}.ipynb", who)
    with logs.Run("grade", ["grade", NAME, "--student", WHO]):
        for who in VERDICTS:
            logs.line(f"{who}: 17 of 25; 1.00 s")
    written.sheet(NAME)
    late.apply(NAME)
    export.export(NAME)
    report.write(NAME, table=folder / "table.csv")
    return folder


def holding(folder, words):
    """Files whose name or bytes hold one of the words."""
    found = []
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        told = [word in path.as_posix().removeprefix(str(folder)) or word.encode() in data for word in words]
        if any(told) or any(json.dumps(word)[1:-1].encode() in data for word in words):
            found.append(path.relative_to(folder).as_posix())
    return found


def test_nothing_is_left_of_a_student(folder):
    words = (WHO, "Burton", "bob.b@example.org", written.anonymous(WHO))
    assert len(holding(folder, words)) > 10
    done, left = forget.forget(WHO)
    assert left == [] and "gradebook" in done
    assert holding(folder, words) == []


def test_a_name_beyond_ascii_is_found_in_json_too(folder):
    who = "Zoë Ó Brien"
    assert f"committed/{NAME}.json" in holding(folder, [who])
    done, left = forget.forget(who)
    assert left == [] and f"committed/{NAME}.json" in done
    assert holding(folder, [who, written.anonymous(who)]) == []


def test_the_others_keep_everything(folder):
    before = {path for path in folder.rglob("*") if "ann" in path.parts and path.is_file()}
    forget.forget(WHO)
    assert all(path.exists() for path in before) and before
    assert set(json.loads((folder / "committed" / f"{NAME}.json").read_text())) == set(VERDICTS) - {WHO}
    assert "ann: 17 of 25" in logs.runs()[0].read_text()
    assert f"ann,{NAME},1" in (folder / "extensions.csv").read_text()
    assert [line.student for line in report.gather(NAME)] == sorted(set(VERDICTS) - {WHO})
    with zipfile.ZipFile(folder / "class.zip") as archive:
        assert len(archive.namelist()) == 2


def test_an_id_within_another_word_is_left_alone(folder):
    (folder / "notes.csv").write_text("text\nannouncement\n")
    (folder / "scores.json").write_text(json.dumps([{"student": "ann2", "score": 1}]))
    assert forget.forget("ann")[1] == []
    assert "announcement" in (folder / "notes.csv").read_text()


def test_what_only_a_person_can_mend_is_named(folder):
    (folder / "notes.txt").write_text(f"spoke with {WHO} today")
    assert forget.forget(WHO)[1] == ["notes.txt"]


def test_links_are_not_followed(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep.json").write_text(json.dumps({"student": WHO}))
    (folder / "linked").symlink_to(outside)
    (folder / "submitted" / WHO / "more").symlink_to(outside)
    forget.forget(WHO)
    assert (outside / "keep.json").exists()


def test_the_command_asks_first_and_names_who_is_unknown(autograder, folder):
    done = autograder("forget", "ann", course=folder, input="bob\n")
    assert done.returncode == 1 and "nothing was removed" in done.stdout
    assert (folder / "submitted" / "ann").exists()
    done = autograder("forget", "nobody", "--yes", course=folder)
    assert done.returncode == 1 and done.stderr.startswith("autograder: nothing in")
    for name in ("", ".", "..", "submitted", "results", "ann/x"):  # no students: a folder of the course least of all
        with pytest.raises(course.CourseError, match="nothing in"):
            forget.forget(name)
    done = autograder("forget", "ann", "--yes", course=folder)
    assert done.returncode == 0, done.stderr
    assert not (folder / "submitted" / "ann").exists()


def test_a_fit_installation(autograder, tmp_path):
    done = autograder("doctor", course=tmp_path)
    for word in ("Python", "packages", "compiler", "isolation", "GPU", "gradebook", "disk", "notebooks", "logs"):
        assert f" {word}: " in done.stdout, done.stdout
    wrong = "WRONG" in done.stdout
    assert done.returncode == int(wrong) and ("keep the course" in done.stdout) == wrong


def test_each_check_finds_what_is_wrong(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.sys, "version_info", namedtuple("V", "major minor micro")(3, 9, 1))
    monkeypatch.setattr(doctor.shutil, "which", lambda program: None)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: namedtuple("U", "free")(1 << 20))
    monkeypatch.setattr(doctor, "NEEDED", {"numpy": "99.0", "no-such-package": "1"})
    monkeypatch.setattr(course, "EXERCISES", tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "file" / "course"))
    for check in (doctor.python, doctor.packages, doctor.disk, doctor.notebooks, doctor.folder):
        finding = check()
        assert finding.level == "wrong" and finding.cure, finding
    for check in (doctor.compiler, doctor.gpu):
        assert check().level == "note" and check().cure


@pytest.mark.parametrize("which", ["course", "file"])
def test_doctor_makes_nothing(run, tmp_path, which):
    """A misspelt folder or file is told: made and empty, it would look right."""
    (tmp_path / "course").mkdir()
    folder = tmp_path / ("coarse" if which == "course" else "course")
    url = f"sqlite:///{tmp_path}/nix.db" if which == "file" else ""
    before = sorted(tmp_path.rglob("*"))
    done = run(sys.executable, "-m", "autograder", "doctor", env={"BN_COURSE": str(folder), "BN_DATABASE": url})
    assert sorted(tmp_path.rglob("*")) == before, done.stdout
    said = re.sub(r"\s+", " ", done.stdout)
    if which == "course":
        assert f"note course folder: {folder} does not exist yet do: correct BN_COURSE if it is misspelt" in said
        assert "note gradebook: SQLite, gradebook.db in the course folder: does not exist yet do: the first" in said
    else:
        assert f"note gradebook: {url}: does not exist yet do: correct BN_DATABASE if it is misspelt" in said
        assert f"ok course folder: {folder}" in said
    assert "ok open points: none" in said


def test_a_driver_that_does_not_answer(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(doctor, "ANSWER", 0.2)
    finding = doctor.gpu()
    assert finding.level == "note" and "does not answer" in finding.found and finding.cure


def test_a_database_that_does_not_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    (tmp_path / "gradebook.db").write_text("no database" * 100)
    finding = doctor.database()
    assert finding.level == "wrong" and finding.cure
    monkeypatch.setenv("BN_DATABASE", "postgresql://me:hidden@127.0.0.1:1/none")
    finding = doctor.database()
    assert finding.level == "wrong" and "hidden" not in finding.found


def test_a_run_that_broke_off_is_noted(folder):
    assert doctor.runs().level == "note", "ended without an exit code"
    with logs.Run("grade", ["grade", NAME]) as run:
        logs.line("ann: 17 of 25")
        run.code = 0
    finding = doctor.runs()
    assert finding.level == "ok" and run.id in finding.found and "exit code 0" in finding.found
    with pytest.raises(KeyboardInterrupt), logs.Run("grade", ["grade", NAME]):
        logs.line("ann: 17 of 25")
        raise KeyboardInterrupt
    assert doctor.runs().level == "note" and "goes on" in doctor.runs().cure


def test_examine_counts(monkeypatch):
    found = [doctor.Finding("ok", "a", "b"), doctor.Finding("wrong", "c", "d", "e")]
    monkeypatch.setattr(doctor, "checks", lambda: [lambda one=one: one for one in found])
    shown = []
    assert doctor.examine(shown.append) == 1 and shown == found
