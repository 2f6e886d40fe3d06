"""A class is graded as declared; `python -m autograder grade` and plain nbgrader give the same scores."""

import csv
import json
import re
import sys
import urllib.request

import pytest
import small_course
from rich.console import Console

from autograder import course, table
from autograder.grading import execute

SAMPLE = course.REPOSITORY / "autograder" / "sample_class"
EXPECTED = json.loads((SAMPLE / "expected.json").read_text())
pytestmark = pytest.mark.xdist_group("grading")


@pytest.fixture(scope="module")
def graded(autograder, tmp_path_factory):
    """The sample class in a gradebook of its own: (course folder, records of each notebook)."""
    folder = tmp_path_factory.mktemp("course")
    records = {}
    for name in EXPECTED:
        done = autograder("collect", name, "--from", SAMPLE, course=folder)
        assert done.returncode == 0, done.stderr
        target = folder / f"{name}.json"
        done = autograder("grade", name, "--json", target, course=folder)
        unreadable = [student for student in EXPECTED[name] if student == "not-a-notebook"]
        assert done.returncode == (1 if unreadable else 0), done.stdout + done.stderr
        for student in unreadable:
            assert f"not graded: {student}" in done.stdout
        records[name] = json.loads(target.read_text())
    return folder, records


@pytest.mark.parametrize("name", EXPECTED)
def test_every_submission_gets_its_declared_scores(graded, name):
    _, records = graded
    got = {}
    for row in records[name]:
        got.setdefault(row["student"], {})[row["task"]] = {key: row[key] for key in ("score", "max_score", "verdict")}
    assert got == EXPECTED[name]


def test_the_class_is_large_enough():
    assert sum(len(students) for students in EXPECTED.values()) >= 12


def test_records_have_their_fields(graded):
    for rows in graded[1].values():
        for row in rows:
            assert set(row) == {
                "student",
                "assignment",
                "cell",
                "task",
                "score",
                "max_score",
                "verdict",
                "message",
                "seconds",
                "slips",
                "isolation",
                "repairs",
                "flags",
            }


def message(graded, name, student, task):
    return next(row["message"] for row in graded[1][name] if (row["student"], row["task"]) == (student, task))


def test_messages_name_the_slip_and_what_happened(graded):
    assert "N - 1" in message(graded, "03_forward", "slip-unbiased", "forward-train")
    assert "expected" in message(graded, "03_forward", "slip-unbiased", "forward-train")
    assert "ended the Python process in `forward-eval`" in message(
        graded, "03_forward", "ends-the-process", "forward-eval"
    )
    assert "did not finish within" in message(graded, "03_forward", "endless-loop", "forward-running")
    assert "not a notebook" in message(graded, "03_forward", "not-a-notebook", "forward-train")
    assert "times the hidden solution's time" in message(graded, "04_backward", "slow", "backward-speed")


def test_repairs_are_told(graded):
    told = {row["student"]: " ".join(row["repairs"]) for row in graded[1]["03_forward"]}
    assert "`forward-train-test` was there 2 times" in told["duplicated-test"]
    assert "lost their metadata" in told["lost-metadata"]
    assert told["perfect"] == ""


def scores_in(folder, name, run):
    code = (
        "import json, sys; from autograder.gradebook import Course\n"
        "with Course().gradebook() as book:\n"
        "    grades = {s.student.id: [g for n in s.notebooks for g in n.grades]"
        " for s in book.assignment_submissions(sys.argv[1])}\n"
        "    show = lambda grades: {g.name: [g.auto_score, g.needs_manual_grade] for g in grades}\n"
        "    print(json.dumps({student: show(all) for student, all in grades.items()}))"
    )
    done = run(sys.executable, "-c", code, name, env={"BN_COURSE": str(folder)})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", EXPECTED)
def test_plain_nbgrader_gives_the_same_scores(graded, run, name):
    folder, records = graded
    wanted = {}
    for row in records[name]:
        waiting = row["verdict"] == "needs-person"
        wanted.setdefault(row["student"], {})[row["cell"]] = [None if waiting else row["score"], waiting]
    assert scores_in(folder, name, run) == wanted
    for result in (folder / "results").glob("*.json"):
        result.unlink()  # plain nbgrader computes everything itself
    (folder / "gradebook.db").rename(folder / "gradebook.db.before")
    environment = {"BN_COURSE": str(folder)}
    done = run("nbgrader", "generate_assignment", name, "--force", cwd=course.CONFIG.parent, env=environment)
    assert done.returncode == 0, done.stderr
    done = run("nbgrader", "autograde", name, "--force", cwd=course.CONFIG.parent, env=environment)
    assert done.returncode == 0, done.stderr
    try:
        assert scores_in(folder, name, run) == wanted
    finally:
        (folder / "gradebook.db.before").replace(folder / "gradebook.db")


def test_feedback_and_export(graded, autograder):
    folder, _ = graded
    done = autograder("feedback", "03_forward", course=folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "feedback" / "slip-unbiased" / "03_forward" / "03_forward.html").read_text()
    assert "N - 1" in page
    pages = [path.read_text() for path in (folder / "feedback").rglob("03_forward.html")]
    assert len(pages) == len(EXPECTED["03_forward"])
    for page in pages:
        assert "HIDDEN TESTS" not in page and "examine(" not in re.sub("<[^>]+>", "", page)
    done = autograder("export", "03_forward", "--format", "csv", course=folder)
    assert done.returncode == 0, done.stderr
    with open(folder / "03_forward.csv", newline="") as file:
        rows = {row["student"]: float(row["score"]) for row in csv.DictReader(file) if row["timestamp"]}
    assert rows == {
        who: pytest.approx(sum(task["score"] for task in tasks.values()))
        for who, tasks in EXPECTED["03_forward"].items()
    }
    done_by_nbgrader = folder / "grades.csv"
    assert not done_by_nbgrader.exists()


def test_nbgrader_exports_too(graded, run):
    folder, _ = graded
    done = run(
        "nbgrader", "export", "--to", folder / "all.csv", cwd=course.CONFIG.parent, env={"BN_COURSE": str(folder)}
    )
    assert done.returncode == 0, done.stderr
    assert "slip-unbiased" in (folder / "all.csv").read_text()


def test_a_second_run_computes_nothing_again(graded, autograder):
    folder, _ = graded
    taken = []
    for target in (folder / "once.json", folder / "again.json"):
        autograder("grade", "03_forward", "--submissions", SAMPLE, "--json", target, course=folder)
        taken.append({(row["student"], row["task"]): row["seconds"] for row in json.loads(target.read_text())})
    assert len(taken[0]) > 40 and taken[0] == taken[1], "a cell that is judged anew takes other seconds"


def test_resubmitting_without_tests_keeps_no_stale_grade(graded, autograder, tmp_path):
    """A perfect notebook, then an empty one with the tests deleted: the second one's score counts."""
    folder, _ = graded
    notebook = json.loads((SAMPLE / "empty" / "03_forward.ipynb").read_text())
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["metadata"].get("nbgrader", {}).get("grade")]
    target = tmp_path / "perfect" / "03_forward.ipynb"
    target.parent.mkdir()
    target.write_text(json.dumps(notebook))
    autograder("collect", "03_forward", "--from", tmp_path, course=folder)
    done = autograder("grade", "03_forward", "--student", "perfect", "--json", tmp_path / "s.json", course=folder)
    assert done.returncode == 0, done.stderr
    assert sum(row["score"] for row in json.loads((tmp_path / "s.json").read_text())) == 0
    assert list((folder / "replaced").rglob("03_forward.ipynb")), "the first submission is kept"
    autograder("collect", "03_forward", "--from", SAMPLE, course=folder)
    autograder("grade", "03_forward", "--student", "perfect", course=folder)


@pytest.fixture
def formgrader(graded, jupyter):
    """The real Jupyter server with nbgrader's formgrader on the graded course; its address."""
    folder, _ = graded
    extensions = {"nbgrader.server_extensions.formgrader": True}
    return jupyter("server", folder, {"jpserver_extensions": extensions}, BN_COURSE=str(folder)) + "/formgrader"


def fetch(address):
    request = urllib.request.Request(address, headers={"Authorization": "token secret"})
    return urllib.request.urlopen(request, timeout=20).read().decode()


def test_formgrader_shows_the_class(formgrader):
    assert "formgrader" in fetch(formgrader).lower()
    submissions = json.loads(fetch(f"{formgrader}/api/submitted_notebooks/04_backward/04_backward"))
    assert len(submissions) == len(EXPECTED["04_backward"])
    by_student = {item["student"]: item for item in submissions}
    assert by_student["perfect"]["needs_manual_grade"] is True
    page = fetch(f"{formgrader}/submissions/{by_student['slip-stop-gradient']['id']}")
    assert "derive-dx" in page


def test_a_person_grades_a_written_answer_in_a_browser(graded, formgrader, browser, autograder):
    """List without names, page, points, comment; then the export and the student's page show them."""
    folder, _ = graded
    context = browser.new_context(extra_http_headers={"Authorization": "token secret"})
    context.route(lambda url: not url.startswith("http://127.0.0.1"), lambda route: route.abort())
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    tab.goto(f"{formgrader}/gradebook/04_backward/04_backward", wait_until="domcontentloaded")
    tab.get_by_text("Submission #1", exact=True).wait_for()
    assert not tab.get_by_text("other-style").is_visible(), "names stay hidden until they are asked for"
    items = json.loads(fetch(f"{formgrader}/api/submitted_notebooks/04_backward/04_backward"))
    one = next(item["id"] for item in items if item["student"] == "other-style")
    tab.goto(f"{formgrader}/submissions/{one}", wait_until="domcontentloaded")
    points = tab.locator("input#derive-dx")
    points.wait_for()
    tab.wait_for_function("formgrader.grades && formgrader.grades.loaded && formgrader.comments.loaded")
    assert not tab.get_by_text("other-style").first.is_visible()
    with tab.expect_response(lambda answer: "/api/grade/" in answer.url and answer.request.method == "PUT") as saved:
        points.press("Control+a")
        points.press_sequentially("7")
        points.press("Tab")
    assert saved.value.ok
    comment = tab.locator("textarea.comment").last
    with tab.expect_response(lambda answer: "/api/comment/" in answer.url and answer.request.method == "PUT") as saved:
        comment.press_sequentially("Say why the middle path is 0.")
        comment.press("Tab")
    assert saved.value.ok
    context.close()
    assert autograder("export", "04_backward", "--to", folder / "seen.csv", course=folder).returncode == 0
    with open(folder / "seen.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["student"] == "other-style")
    assert (float(row["score"]), row["needs_manual_grade"]) == (49.0, "False")
    assert autograder("feedback", "04_backward", course=folder).returncode == 0
    page = (folder / "feedback" / "other-style" / "04_backward" / "04_backward.html").read_text()
    assert "graded by a person" in page and "Say why the middle path is 0." in page and "49 of 50 points" in page


def test_points_given_by_hand_stay(graded, autograder, run):
    """A person grades a written answer; grading again changes nothing, the table and the export show the points."""
    folder, _ = graded
    code = (
        "from autograder.gradebook import Course\n"
        "with Course().gradebook() as book:\n"
        "    grade = book.find_grade('derive-dx', '04_backward', '04_backward', 'perfect')\n"
        "    grade.manual_score, grade.needs_manual_grade = 6.0, False\n"
        "    book.db.commit()\n"
    )
    assert run(sys.executable, "-c", code, env={"BN_COURSE": str(folder)}).returncode == 0
    done = autograder("grade", "04_backward", course=folder)
    assert done.returncode == 0 and "6 by hand" in done.stdout and "48 / 50" in done.stdout
    autograder("export", "04_backward", "--to", folder / "hand.csv", course=folder)
    with open(folder / "hand.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["student"] == "perfect")
    assert (float(row["score"]), row["needs_manual_grade"]) == (48.0, "False")


@pytest.mark.parametrize("columns", [160, 80])
def test_no_heading_and_no_slip_of_the_table_is_cut(capsys, monkeypatch, columns):
    """Several tasks of notebook 10 begin alike."""
    monkeypatch.setattr(table, "wide_console", lambda: Console(width=columns))
    tasks = [cell.id.removesuffix("-test") for cell in execute.material("10_cuda").script.of_kind("test")]
    rows = [small_course.verdict(f"{task}-test", 0, 2, "failed", slips=["mean_path_missing"]) for task in tasks]
    table.show("10_cuda", {"ann": {"verdicts": rows, "repairs": [], "flags": []}})
    head, _, body = capsys.readouterr().out.partition("┡")
    columns = zip(*(re.split("[┃│]", line)[2:-2] for line in head.splitlines() if line.startswith("┃")))
    assert ["".join(parts).replace(" ", "") for parts in columns] == tasks and "…" not in body
