"""A new version of the grader grades again and says what changed, per student and why."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from autograder import course
from autograder.grading import execute
from autograder.grading.result import Verdict
from autograder.recording import changes

NAME = "03_forward"
STUDENTS = ("perfect", "slip-unbiased")
pytestmark = pytest.mark.xdist_group("grading")


@pytest.fixture(scope="module")
def graded(autograder, tmp_path_factory):
    """Two submissions in a gradebook."""
    folder = tmp_path_factory.mktemp("course")
    autograder("collect", NAME, "--from", course.REPOSITORY / "autograder" / "sample_class", course=folder)
    chosen = [part for student in STUDENTS for part in ("--student", student)]
    assert autograder("grade", NAME, *chosen, course=folder).returncode == 0
    return folder


def as_if_by_an_older_grader(folder, edit):
    """Rewrite what is stored and committed as another version would have left it."""
    record = folder / "committed" / f"{NAME}.json"
    committed = json.loads(record.read_text())
    for student, key in committed.items():
        path = folder / "results" / f"{key.partition(',')[0]}.json"
        old = json.loads(path.read_text())
        old["key"], old["version"] = f"{student}-old", "an older one"
        edit(student, {verdict["task"]: verdict for verdict in old["verdicts"]})
        (folder / "results" / f"{student}-old.json").write_text(json.dumps(old))
        path.unlink()
        committed[student] = old["key"]
    record.write_text(json.dumps(committed))


def grade_by_hand(folder, run, score):
    code = (
        "from autograder.gradebook import Course\n"
        "with Course().gradebook() as book:\n"
        f"    grade = book.find_grade('forward-eval-test', '{NAME}', '{NAME}', 'perfect')\n"
        f"    grade.manual_score, grade.needs_manual_grade = {score}, False\n"
        "    book.db.commit()\n"
    )
    assert run(sys.executable, "-c", code, env={"BN_COURSE": str(folder)}).returncode == 0


def test_what_changed_is_printed(graded, autograder, run):
    def edit(student, verdicts):
        if student == "slip-unbiased":
            verdicts["forward-train"].update(
                score=5.0, verdict="partial", message="forward-train:\n  found    half of it"
            )

    as_if_by_an_older_grader(graded, edit)
    grade_by_hand(graded, run, 3.5)
    done = autograder("grade", NAME, *(p for s in STUDENTS for p in ("--student", s)), course=graded)
    assert done.returncode == 0, done.stderr
    assert "2 submissions were graded again, 1 of them with other points or another verdict" in done.stdout
    head, before, now = done.stdout[done.stdout.index("slip-unbiased, forward-train:") :].splitlines()[:3]
    assert "5 -> 0 of" in head and "partial -> failed" in head
    assert "half of it" in before and "N - 1" in now
    assert "3.5 by hand" in done.stdout, "the answer is the same: nobody has to look again"


def test_the_same_scores_are_said_in_a_line(graded, autograder):
    as_if_by_an_older_grader(graded, lambda student, verdicts: None)
    done = autograder("grade", NAME, *(p for s in STUDENTS for p in ("--student", s)), course=graded)
    assert "2 submissions were graded again, no score is another one" in done.stdout
    done = autograder("grade", NAME, *(p for s in STUDENTS for p in ("--student", s)), course=graded)
    assert "the grader has changed" not in done.stdout


def test_a_new_submission_is_no_change_of_the_grader(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    verdict = asdict(Verdict("a", "t", 2.0, 1.0, "partial"))
    old = {"key": "old", "student": "ann", "version": "1", "submission": "s", "isolation": "S3", "verdicts": [verdict]}
    old["printed"] = {}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "old.json").write_text(json.dumps(old))
    known = {"ann": "old"}
    better = {**old, "key": "new", "problem": "", "verdicts": [{**verdict, "score": 2.0, "verdict": "passed"}]}
    assert changes.since({"ann": better}, known) == ([], 0), "the same version"
    assert changes.since({"ann": {**better, "version": "2", "submission": "other"}}, known) == ([], 0)
    found, again = changes.since({"ann": {**better, "version": "2"}}, known)
    assert again == 1 and [(change.before["score"], change.after["score"]) for change in found] == [(1.0, 2.0)]


def test_the_version_covers_what_scores_depend_on():
    """All modules of the package that grading loads are in the version; those that only show results are not."""
    code = "import sys; from autograder.grading import execute; print(*[m for m in sys.modules if 'autograder.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=course.REPOSITORY)
    loaded = {name.removeprefix("autograder.") for name in done.stdout.split()}
    loaded = {name for name in loaded if "." in name and not name.startswith("sandbox.")}
    assert loaded == {f"{part}.{name}" for part, names in execute.SCORING.items() for name in names.split()}


def test_words_for_people_grade_nobody_again(monkeypatch, tmp_path):
    """Another sentence between the cells of a notebook leaves its version; another test or solution does not."""

    def version(old, new):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for path in (course.REPOSITORY / "solutions").iterdir():
            if path.name != f"{NAME}.py":
                (folder / path.name).symlink_to(path)
        text = (course.REPOSITORY / "solutions" / f"{NAME}.py").read_text()
        assert old in text
        (folder / f"{NAME}.py").write_text(text.replace(old, new, 1))
        monkeypatch.setattr(course, "SOLUTIONS", folder)
        execute.grader_version.cache_clear()
        return execute.grader_version(NAME)

    try:
        same = version("# - Time: about", "# - Time: about")
        assert version("# - Time: about", "# - It takes about") == same
        assert version("    ### BEGIN SOLUTION\n", "    ### BEGIN SOLUTION\n    # another line\n") != same
        assert version("### BEGIN HIDDEN TESTS\n", "### BEGIN HIDDEN TESTS\nanother = 1\n") != same
    finally:
        execute.grader_version.cache_clear()
