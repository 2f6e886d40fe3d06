"""Hostile submissions earn nothing that they have not earned, harm nobody and nothing, and are reported.

`make attacks` runs those too that take long (BN_ATTACKS=all).
"""

import hashlib
import json
import os
import re
import socket
import sqlite3
import sys
import zipfile
from pathlib import Path

import pytest

from autograder import course
from autograder.grading import isolation
from tests.attacks import build
from tests.attacks.corpus import BACKWARD, CORPUS, DRIFT, FORWARD, TORCH

CHOSEN = [attack for attack in CORPUS if os.environ.get("BN_ATTACKS") == "all" or not attack.slow]
NAMES = (FORWARD, BACKWARD, DRIFT, TORCH)
pytestmark = pytest.mark.xdist_group("attacks")
if isolation.namespaces() and not os.environ.get("CI"):
    pytest.skip(f"no namespaces here: {isolation.namespaces()}", allow_module_level=True)


def digest(folder, suffixes=(".py", ".ipynb", ".npz", ".json")):
    """What is in a folder: path -> hash."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file() and path.suffix in suffixes]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def battle(autograder, tmp_path_factory):
    """Attackers and honest students in one batch a notebook: what was there before, what was printed, what changed."""
    root = tmp_path_factory.mktemp("attacks")
    canary, folder = root / "canary", root / "course"
    canary.mkdir(mode=0o777)
    (canary / "secret").write_text("canary")
    (canary / "secret").chmod(0o666)
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for line in (tcp, udp):
            line.bind(("127.0.0.1", 0))
            line.setblocking(False)
        tcp.listen()
        places = {"REPOSITORY": course.REPOSITORY, "COURSE": folder, "CANARY": canary, "HOME": os.path.expanduser("~")}
        places |= {"TCP": tcp.getsockname()[1], "UDP": udp.getsockname()[1]}
        seen = {"places": places, "course": folder, "canary": canary, "records": {}, "printed": {}}
        seen["before"] = digest(course.REPOSITORY / "solutions") | digest(course.EXERCISES)
        for name in NAMES:
            build.write(root / "in" / name, name, places, CHOSEN)
            done = autograder("collect", name, "--from", root / "in" / name, course=folder)
            assert done.returncode == 0, done.stdout + done.stderr
            target = root / f"{name}.json"
            done = autograder("grade", name, "--json", target, course=folder, timeout=1200)
            assert target.exists(), done.stdout + done.stderr
            seen["records"][name] = {}
            for row in json.loads(target.read_text()):
                seen["records"][name].setdefault(row["student"], []).append(row)
            seen["printed"][name] = done.stdout + done.stderr
        seen["after"] = digest(course.REPOSITORY / "solutions") | digest(course.EXERCISES)
        seen["arrived"] = [name for name, line in (("TCP", tcp), ("UDP", udp)) if arrived(line)]
        yield seen


def arrived(line):
    try:
        return bool(line.accept() if line.type == socket.SOCK_STREAM else line.recv(1))
    except BlockingIOError:
        return False


@pytest.mark.parametrize("attack", CHOSEN, ids=lambda attack: attack.name)
def test_no_point_that_was_not_earned(battle, attack):
    rows = battle["records"][attack.notebook][attack.name]
    got = {row["task"]: row["score"] for row in rows if row["score"]}
    assert got == {row["task"]: row["max_score"] for row in rows if row["task"] in attack.earns}, show(rows)
    assert not any("the test stopped with" in row["message"] for row in rows), show(rows)
    if attack.said:
        assert attack.said in " ".join(row["message"] for row in rows), show(rows)


@pytest.mark.parametrize("attack", [one for one in CHOSEN if one.flag], ids=lambda attack: attack.name)
def test_a_line_says_what_was_tried(battle, attack):
    rows = battle["records"][attack.notebook][attack.name]
    flag = build.filled(attack.flag, battle["places"])
    assert flag in " ".join(rows[0]["flags"]), rows[0]["flags"]
    assert f"look at {attack.name}: " in battle["printed"][attack.notebook]


def show(rows):
    return "\n".join(f"{row['task']} {row['score']} {row['verdict']} {row['message'][:300]}" for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_everybody_else_is_graded(battle, name):
    records = battle["records"][name]
    assert set(records) == {attack.name for attack in CHOSEN if attack.notebook == name} | set(build.HONEST)
    for student in build.HONEST:
        for row in records[student]:
            assert row["score"] == row["max_score"] or row["verdict"] == "needs-person", show(records[student])
        assert records[student][0]["flags"] == []
    assert "not graded" not in battle["printed"][name], battle["printed"][name][-3000:]


def test_the_gradebook_holds_these_scores(battle):
    with sqlite3.connect(battle["course"] / "gradebook.db") as book:
        (most,) = book.execute("SELECT max(auto_score) FROM grade").fetchone()
        (count,) = book.execute(
            "SELECT count(DISTINCT assignment_id || student_id) FROM submitted_assignment"
        ).fetchone()
    assert most < 100 and count == sum(len(records) for records in battle["records"].values())


def test_nothing_outside_changed(battle):
    assert battle["before"] == battle["after"]
    assert battle["arrived"] == []
    assert (battle["canary"] / "secret").read_text() == "canary"
    assert [path.name for path in battle["canary"].iterdir()] == ["secret"]
    for path in ("/tmp/bn-attack", "/tmp/bn-attack-daemon", "/dev/shm/bn-attack", course.REPOSITORY / "bn-attack"):
        assert not Path(path).exists()


def test_nothing_escaped(battle):
    results = [json.loads(path.read_text()) for path in (battle["course"] / "results").glob("*.json")]
    assert len(results) > len(CHOSEN) / 2
    for result in results:
        for text in result["printed"].values():
            assert "ESCAPED" not in text.replace("alert('ESCAPED')", ""), (result["student"], text[:500])


def test_no_script_reaches_a_browser(battle, run):
    code = "import sys; from autograder.gradebook import Course\nCourse().call('generate_feedback', *sys.argv[1:])"
    for name, student in ((FORWARD, "scripts in the page"), (DRIFT, "scripts in a written answer")):
        done = run(sys.executable, "-c", code, name, student, env={"BN_COURSE": str(battle["course"])})
        assert done.returncode == 0, done.stdout + done.stderr
        page = (battle["course"] / "feedback" / student / name / f"{name}.html").read_text()
        body = page.split("</head>", 1)[1]
        assert "ESCAPED" in body and "<svg" not in body
        assert not re.search(r"<script>alert|<img[^>]*onerror|<iframe|href=.javascript:", body)


def test_the_corpus_is_large_and_in_order():
    assert len(CORPUS) >= 45 and len({attack.name for attack in CORPUS}) == len(CORPUS)


# -- what comes in an archive ------------------------------------------------------------------------------------------
def test_links_bombs_and_dates_in_archives(autograder, tmp_path):
    notebook = course.released(FORWARD).read_bytes()
    with zipfile.ZipFile(tmp_path / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        old = zipfile.ZipInfo(f"late/{FORWARD}/{FORWARD}.ipynb", (1999, 1, 1, 0, 0, 0))
        archive.writestr(old, notebook)
        archive.writestr(f"late/{FORWARD}/timestamp.txt", "1999-01-01 00:00:00 UTC")
        for kind, student in ((0o120777, "link"), (0o010644, "pipe"), (0o020644, "device")):
            member = zipfile.ZipInfo(f"{student}/{FORWARD}.ipynb")
            member.external_attr = kind << 16
            archive.writestr(member, "/etc/passwd")
        archive.writestr(f"../../out/{FORWARD}.ipynb", notebook)
        archive.writestr(f"/abs/{FORWARD}.ipynb", notebook)
        archive.writestr(f"bomb/{FORWARD}.ipynb", b"0" * (50 << 20))
        archive.writestr(f"evil; rm -rf ~/{FORWARD}.ipynb", notebook)
    done = autograder("collect", FORWARD, "--from", tmp_path / "class.zip", course=tmp_path / "course")
    assert done.returncode == 1, done.stdout + done.stderr
    assert [path.name for path in (tmp_path / "course" / "submitted").iterdir()] == ["late"]
    stamp = (tmp_path / "course" / "submitted" / "late" / FORWARD / "timestamp.txt").read_text()
    assert not stamp.startswith("1999")
    for words in ("link/", "pipe/", "device/", "points out of the archive", "would unpack to 50 MB", "not ';'"):
        assert words in done.stdout
    assert not (tmp_path / "out").exists() and not Path("/abs").exists()


def test_links_in_folders(autograder, tmp_path):
    """Neither `collect` nor `grade` follows a link into another student's folder."""
    folder = tmp_path / "in"
    target = folder / "honest" / f"{FORWARD}.ipynb"
    target.parent.mkdir(parents=True)
    target.write_bytes(build.honest(FORWARD))
    (folder / "thief").symlink_to(target.parent)
    (folder / "copier").mkdir()
    (folder / "copier" / f"{FORWARD}.ipynb").symlink_to(target)
    done = autograder("collect", FORWARD, "--from", folder, course=tmp_path / "course")
    assert "copier" in done.stdout and "is a link" in done.stdout
    submitted = tmp_path / "course" / "submitted"
    assert [path.name for path in submitted.iterdir()] == ["honest"]
    (submitted / "thief").symlink_to(submitted / "honest")
    (submitted / "copier" / FORWARD).mkdir(parents=True)
    (submitted / "copier" / FORWARD / f"{FORWARD}.ipynb").symlink_to(target)
    done = autograder("grade", FORWARD, "--json", tmp_path / "scores.json", course=tmp_path / "course")
    scores = {}
    for row in json.loads((tmp_path / "scores.json").read_text()):
        scores[row["student"]] = scores.get(row["student"], 0) + row["score"]
    assert scores["honest"] == 50 and scores.get("thief", 0) == 0 and scores.get("copier", 0) == 0, done.stdout
