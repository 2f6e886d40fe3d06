"""A gradebook in a real PostgreSQL server: the same scores as in SQLite, copied over, and emptied of a student."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import small_course
from sqlalchemy import create_engine, inspect, text

from autograder import course
from autograder.__main__ import main
from autograder.desk import doctor, export, forget, report, transfer
from autograder.gradebook import Course, configuration

NAME = "03_forward"
STUDENTS = ("perfect", "slip-momentum", "not-a-notebook")
pytestmark = pytest.mark.xdist_group("postgresql")


def programs():
    """The folder of initdb and pg_ctl; Debian keeps it out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else Path(shutil.which("initdb") or "/nowhere/initdb").parent


@pytest.fixture(scope="module")
def server(on_ci):
    """A server of our own in a folder of its own, reached through a socket there; the address of a database."""
    place = programs()
    if not (place / "initdb").exists():
        assert not on_ci, "PostgreSQL is missing"
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="bn-pg-"))
    drop = []
    if os.geteuid() == 0:  # root may not run a server
        shutil.chown(folder, "nobody")
        drop = ["setpriv", "--reuid=nobody", "--clear-groups"]

    def run(program, *words):
        command = [*drop, str(place / program), *map(str, words)]
        environment = {**os.environ, "HOME": str(folder), "LC_ALL": "C"}
        done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout.decode()

    run("initdb", "-D", folder / "data", "-U", "grader", "--auth=trust", "--encoding=UTF8", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "-D", folder / "data", "-l", folder / "server.log", "-w", "-o", options, "start")
    yield f"postgresql://grader@/{{}}?host={folder}"
    run("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def database(server):
    """Make a new database; its URL."""
    number = iter(range(100))

    def make():
        name = f"grades{next(number)}"
        engine = create_engine(course.driven(server.format("postgres")), isolation_level="AUTOCOMMIT")
        with engine.connect() as line:
            line.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return server.format(name)

    return make


@pytest.fixture
def into(monkeypatch):
    """Let commands of this process work on a course folder and a database."""

    def into(folder, url=""):
        monkeypatch.setenv("BN_COURSE", str(folder))
        monkeypatch.setenv("BN_DATABASE", url)

    return into


def test_the_same_scores_as_in_sqlite(into, database, run, tmp_path, capsys):
    """Graded into SQLite; the same results into PostgreSQL, by `grade` and by plain nbgrader."""
    sample, found = tmp_path / "class", {}
    for student in STUDENTS:
        shutil.copytree(course.REPOSITORY / "autograder" / "sample_class" / student, sample / student)
    for kind, url in (("sqlite", ""), ("postgresql", database())):
        folder = tmp_path / kind
        into(folder, url)
        if kind == "postgresql":  # what is finished is not graded again: only the gradebook differs
            shutil.copytree(tmp_path / "sqlite" / "results", folder / "results")
            shutil.copy(tmp_path / "sqlite" / "secret", folder / "secret")
        assert main(["collect", NAME, "--from", str(sample)]) == 0
        assert main(["grade", NAME, "--jobs", "1"]) == 1
        assert "not graded: not-a-notebook" in capsys.readouterr().out
        found[kind] = scores_of(folder)
    assert found["sqlite"] == found["postgresql"] and len(found["sqlite"]) == len(STUDENTS) + 1
    assert not (folder / "gradebook.db").exists()
    words = ["nbgrader", "autograde", NAME, "--student=perfect", "--force"]
    done = run(*words, cwd=course.CONFIG.parent, env={"BN_COURSE": str(folder), "BN_DATABASE": url})
    assert done.returncode == 0, done.stderr
    assert scores_of(folder) == found["sqlite"] and not (folder / "gradebook.db").exists()


def scores_of(folder):
    """The exported table without the time of collection."""
    lines = export.export(NAME, to=folder / "scores.csv")[0].read_text().splitlines()
    return [line.rsplit(",", 1)[0] for line in lines]


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    small_course.build(tmp_path / "course")
    return tmp_path / "course"


def everything(url):
    """All rows of all tables."""
    engine = create_engine(course.driven(url))
    with engine.connect() as line:
        found = {table.name: {str(tuple(row)) for row in line.execute(table.select())} for table in transfer.tables()}
    engine.dispose()
    return found


def test_a_gradebook_is_copied_over_row_by_row(small, database, monkeypatch, capsys):
    url, here = database().replace("grader@", "grader:hidden@"), small_course.NAME
    before = export.export(here, to=small / "before.csv")[0].read_text()
    assert main(["copy-gradebook", "--to", url]) == 0
    said = capsys.readouterr().out
    old, new = everything(course.in_folder()), everything(url)
    assert old == new and "3 rows in submitted_assignment" in said
    assert f"{sum(map(len, new.values()))} rows copied and counted" in said
    plain = configuration().CourseDirectory.db_url
    assert "hidden" not in plain and everything(plain) == new, "plain nbgrader: the new one, its password in ~/.pgpass"
    monkeypatch.setenv("BN_DATABASE", url)
    assert export.export(here, to=small / "after.csv")[0].read_text() == before
    assert len(report.gather(here)) == 3
    assert main(["copy-gradebook", "--from", f"sqlite:///{small}/gradebook.db", "--to", url]) == 1
    assert "holds a gradebook already" in capsys.readouterr().err
    assert everything(url)["submitted_assignment"] == new["submitted_assignment"]


def test_a_copy_that_fails_leaves_nothing(small, database):
    url = database()

    def stop(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer.copy(course.database_url(), url, advance=stop)
    assert not any(everything(url).values())
    transfer.copy(course.database_url(), url)  # and it can be tried again


def test_a_student_is_forgotten_down_to_the_files_of_the_server(small, database, server, monkeypatch):
    url, who = database(), "bob@example.org"
    transfer.copy(course.database_url(), url)
    monkeypatch.setenv("BN_DATABASE", url)
    (small / "gradebook.db").unlink()
    assert [row for row in everything(url)["student"] if who in row]
    done, left = forget.forget(who)
    assert "gradebook" in done and left == []
    assert not [row for table in everything(url).values() for row in table if who in row]
    engine = create_engine(course.driven(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as line:
        line.execute(text("CHECKPOINT"))
        number = line.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    engine.dispose()
    files = [path for path in (Path(server.split("host=")[1]) / "data" / "base" / str(number)).iterdir()]
    assert files and not [path for path in files if who.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("postgresql://me:hidden@127.0.0.1:1/none", "cannot use postgresql+psycopg://me:***@127.0.0.1:1/none"),
        ("sqlite:///{}/gradebook.db", "onto itself"),
        ("nonsense", "is no database URL"),
    ],
)
def test_wrong_targets_are_named(small, capsys, to, words):
    assert main(["copy-gradebook", "--to", to.format(small)]) == 1
    said = capsys.readouterr().err
    assert words in said and "hidden" not in said
    assert "hidden" not in "".join(path.read_text() for path in (small / "logs").glob("*.log"))


def test_no_gradebook_to_copy(into, tmp_path, capsys):
    into(tmp_path / "course")
    assert main(["copy-gradebook", "--to", f"sqlite:///{tmp_path}/new.db"]) == 1
    assert "there is no gradebook" in capsys.readouterr().err


@pytest.fixture(scope="module")
def locked(server, database):
    """The URL of a database for somebody who needs a password, with a wrong one."""
    folder = Path(server.split("host=")[1])
    rules = folder / "data" / "pg_hba.conf"
    rules.write_text("local all locked scram-sha-256\n" + rules.read_text())
    url = database()
    engine = create_engine(course.driven(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as line:
        line.execute(text("CREATE ROLE locked LOGIN PASSWORD 'right'"))
        line.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    return url.replace("grader@", "locked:hidden@")


@pytest.mark.parametrize("command", ["grade", "export", "feedback", "report", "written"])
@pytest.mark.parametrize("trouble", ["down", "locked", "missing"])
def test_a_server_that_cannot_be_used_is_told_in_a_line(small, request, server, monkeypatch, capsys, trouble, command):
    urls = {"down": "postgresql://me:hidden@127.0.0.1:1/none", "missing": server.format("nowhere")}
    monkeypatch.setenv("BN_DATABASE", urls.get(trouble) or request.getfixturevalue("locked"))
    assert main([command, small_course.NAME]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert {
        "down": "is the server running and BN_DATABASE right?",
        "locked": "the password belongs into ~/.pgpass",
        "missing": "make it first (createdb, createuser), or correct BN_DATABASE",
    }[trouble] in line
    assert "hidden" not in line and "Traceback" not in line
    finding = doctor.database()
    assert finding.level == "wrong" and finding.cure and "hidden" not in finding.found + finding.cure


def test_doctor_finds_the_server(small, database, monkeypatch):
    monkeypatch.setenv("BN_DATABASE", database())
    finding = doctor.database()
    assert finding.level == "note" and "does not exist yet" in finding.found, finding
    engine = create_engine(course.database_url())
    assert inspect(engine).get_table_names() == [], "doctor makes no tables"
    engine.dispose()
    with Course().gradebook():
        finding = doctor.database()
    assert finding.level == "ok" and "0 students" in finding.found, finding
