"""A grader without a GPU leaves the points for speed open; a grader with one fills in these alone.

The second grader here is the first one with the simulated GPU as the device (BN_GPU_STAND_IN, for tests alone).
"""

import csv
import json
import shutil
import sys

import nbformat
import pytest
from attacks import build

from autograder import course
from autograder.__main__ import main
from autograder.authoring.script import Script
from autograder.gradebook import Course
from autograder.grading import execute, gpu
from autograder.recording import changes

NAME = "09_cupy"
SPEED = ("fused-train-speed", "fused-backward-speed")
pytestmark = pytest.mark.xdist_group("needs-gpu")
SLOW = """\
from bnlab.gpu import ReductionKernel, ElementwiseKernel, xp

SUM = ReductionKernel("T x", "T s", "x", "a + b", "s = a", "0", "sum_of")
SQUARED = ReductionKernel("T x, T k", "T s", "(x - k) * (x - k)", "a + b", "s = a", "0", "squared_of")
LINE = ElementwiseKernel("T x, T k, T a, T b", "T y", "y = a * (x - k) + b", "line_of")


def once(x, gamma, beta, eps):
    m = x.size // x.shape[1]
    mu = SUM(x, axis=(0, 2, 3)) / m
    inv_std = (SQUARED(x, mu[:, None, None], axis=(0, 2, 3)) / m + eps) ** -0.5
    return LINE(x, mu[:, None, None], (gamma * inv_std)[:, None, None], beta[:, None, None]), (x, mu, inv_std, gamma)


def batchnorm_train_fused(x, gamma, beta, eps=1e-5):
    for _ in range(9 if x.size > 4000 else 0):
        once(x, gamma, beta, eps)
    return once(x, gamma, beta, eps)
"""


def submission(answer=None, name=NAME, task="fused-train"):
    """The released notebook with an answer to one task: the solution's, or another one."""
    notebook = nbformat.read(course.released(name), as_version=4)
    solved = {cell.id: cell.source for cell in nbformat.reads(build.honest(name).decode(), as_version=4).cells}
    for cell in notebook.cells:
        if cell.id == task and answer != "":
            cell.source = f"# answer: {task}\n{answer}" if answer else solved[cell.id]
    return nbformat.writes(notebook)


LOOK = f"""
import json, sys
from autograder.desk import report
from autograder.gradebook import Course
course = Course()
course.call("generate_feedback", {NAME!r}, "quick", force=True)
page = course.root / "feedback" / "quick" / {NAME!r} / "{NAME}.html"
with course.gradebook() as book:
    rows = {{one.student.id: [one.score, one.needs_manual_grade] for one in book.assignment_submissions({NAME!r})}}
json.dump([page.read_text(), report.write({NAME!r}).read_text(), rows], sys.stdout)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("needs-gpu")


@pytest.fixture(scope="module")
def graded(autograder, run, root):
    """Before and after the GPU came: records, what was printed, the feedback page, the report, the gradebook's rows."""
    return graded_twice(autograder, run, root, {"BN_GPU_STAND_IN": "simulator", "CUDA_VISIBLE_DEVICES": ""})


def graded_twice(autograder, run, root, device):
    """A class graded without a GPU, then `--only needs-gpu` with the one that the environment `device` shows."""
    for student, text in {"quick": submission(), "slow": submission(SLOW), "open": submission("")}.items():
        (root / "in" / student).mkdir(parents=True)
        (root / "in" / student / f"{NAME}.ipynb").write_text(text)
    folder = root / "course"
    done = autograder("collect", NAME, "--from", root / "in", course=folder)
    assert done.returncode == 0, done.stderr
    found = []
    hidden = device | {"BN_GPU_STAND_IN": "", "CUDA_VISIBLE_DEVICES": ""}
    for step, (more, seen) in enumerate((((), hidden), (("--only", "needs-gpu"), device))):
        target = root / f"{step}.json"
        environment = {"BN_COURSE": str(folder), **seen}
        command = ("-m", "autograder", "grade", NAME, "--jobs", "1", "--json", target, *more)
        done = run(sys.executable, *command, env=environment, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        records = {(row["student"], row["task"]): row for row in json.loads(target.read_text())}
        look = run(sys.executable, "-c", LOOK, env=environment)
        assert look.returncode == 0, look.stderr
        found.append((records, done.stdout, *json.loads(look.stdout)))
        shutil.copytree(folder, root / ("waiting", "filled in")[step])
    return found


@pytest.mark.gpu
def test_a_real_gpu_fills_in_these_alone(autograder, run, tmp_path):
    if gpu.find()[0] is None:
        pytest.skip("needs a GPU")
    # `make gpu` opens the locks, for our own code; where a container has fewer of them, this class is ours, too
    real = {"BN_GPU_STAND_IN": "", "BN_GPU_UNLOCKED": "", "BN_ALLOW_UNSAFE": "1"}
    before, after = (step[0] for step in graded_twice(autograder, run, tmp_path, real))
    waited = {key for key, row in before.items() if row["verdict"] == "needs-gpu"}
    assert ("quick", SPEED[0]) in waited and ("slow", SPEED[0]) in waited
    assert {key for key in after if after[key]["verdict"] != before[key]["verdict"]} <= waited
    assert after["quick", SPEED[0]]["verdict"] == "passed" and after["slow", SPEED[0]]["verdict"] == "failed"


@pytest.fixture
def copied(graded, run, root, tmp_path):
    """Commands on a copy of the course as it was before or after the GPU came."""

    def copied(state):
        return Copy(shutil.copytree(root / state, tmp_path / "course"), run)

    return copied


class Copy:
    """A course folder, and the programs that are started on it."""

    def __init__(self, folder, run):
        self.folder, self.run = folder, run

    def type(self, *words, gpu=False):
        """A command of the autograder; what it printed, and its exit code."""
        environment = {"BN_COURSE": str(self.folder), "BN_GPU_STAND_IN": "simulator" if gpu else ""}
        done = self.run(
            sys.executable, "-m", "autograder", *words, env=environment | {"CUDA_VISIBLE_DEVICES": ""}, timeout=600
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr, done.returncode

    def rows(self):
        """student -> [score, whether it waits] in the gradebook."""
        with Course(self.folder).gradebook() as book:
            return {one.student.id: [one.score, one.needs_manual_grade] for one in book.assignment_submissions(NAME)}

    def gradebook(self, code):
        """Change something in the gradebook, as `book`."""
        with Course(self.folder).gradebook() as book:
            exec(code, {"book": book})
            book.db.commit()

    def hand_in_again(self, student):
        path = self.folder / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.write_text(
            path.read_text().replace("return y, cache", "return (y, cache)").replace("eps=1e-5", "eps=1e-05")
        )


def test_the_points_wait_and_are_no_zero(graded):
    records, printed, feedback, report, rows = graded[0]
    for student in ("quick", "slow"):
        row = records[student, SPEED[0]]
        assert (row["verdict"], row["score"]) == ("needs-gpu", 0) and "no points are lost" in row["message"]
        assert rows[student] == [10, True], "the gradebook has it open"
    assert records["open", SPEED[0]]["verdict"] == "missing", "who answers nothing waits for nothing"
    assert rows["open"] == [0, False]
    assert "2 answers wait for a GPU" in printed and f"grade {NAME} --only needs-gpu" in printed
    assert "waits for a GPU" in feedback and "1 of the answers below waits for a GPU" in feedback
    assert "2 answers wait for a GPU" in report
    assert "for a person;" not in feedback and "of them wait for a person" not in report


def test_a_grader_with_a_gpu_fills_in_these_alone(graded):
    before, (after, printed, feedback, report, rows) = graded[0][0], graded[1]
    assert {key for key in before if before[key] != after[key]} == {("quick", SPEED[0]), ("slow", SPEED[0])}
    assert after["quick", SPEED[0]]["score"] == 5 and after["slow", SPEED[0]]["verdict"] == "failed"
    assert "times the hidden solution's time" in after["slow", SPEED[0]]["message"]
    assert "simulated GPU" in after["quick", SPEED[0]]["message"], "it says what it was measured on"
    assert "Only the values were checked" not in after["quick", SPEED[0]]["message"]
    assert rows == {"quick": [15, False], "slow": [10, False], "open": [0, False]}
    for text in (printed, feedback, report):
        assert "wait for a GPU" not in text and "waits for a GPU" not in text


def test_the_fastest_kernels_are_a_mark_to_aim_at(run, tmp_path):
    """Notebook 10 holds an answer that passed against them too: it is told, and decides nothing."""
    name, target = "10_cuda", tmp_path / "scores.json"
    (tmp_path / "in" / "quick").mkdir(parents=True)
    (tmp_path / "in" / "quick" / f"{name}.ipynb").write_text(submission(None, name, "cuda-train"))
    command = ("-m", "autograder", "grade", name, "--submissions", tmp_path / "in", "--json", target)
    environment = {"BN_COURSE": str(tmp_path / "course"), "BN_GPU_STAND_IN": "simulator", "CUDA_VISIBLE_DEVICES": ""}
    done = run(sys.executable, *command, env=environment, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = [row for row in json.loads(target.read_text()) if row["task"] == "cuda-train-speed"]
    assert row["verdict"] == "passed" and row["score"] == 5
    assert "held against our fastest kernels, it took" in row["message"].lower()


def test_without_a_gpu_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    monkeypatch.setattr(gpu, "find", lambda: (None, "no driver"))
    assert main(["grade", NAME, "--only", "needs-gpu"]) == 1
    assert "there is no GPU here that CuPy can use (no driver); nothing was changed" in capsys.readouterr().err
    assert main(["grade", NAME, "--only", "needs-gpu", "--again"]) == 2
    assert "to race again leave it out" in capsys.readouterr().err


def test_who_was_not_graded_yet_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    with pytest.raises(course.CourseError, match="new has no finished result .*; run `python -m autograder grade"):
        execute.execute(NAME, "new", submission("").encode(), tmp_path / "results", only="needs-gpu")


def test_cells_that_need_a_gpu_can_be_told():
    cells = [cell.id for cell in Script.of(NAME).cells if cell.is_timed_on_gpu]
    assert cells == [f"{task}-test" for task in SPEED]


FILLED_IN = {"quick": [15, False], "slow": [10, False], "open": [0, False]}
WAITING = {"quick": [10, True], "slow": [10, True], "open": [0, False]}


def test_grading_again_without_a_gpu_takes_no_points_away(copied):
    copy = copied("filled in")
    for more in (["--student", "quick"], ["--again"]):
        said, wrong = copy.type("grade", NAME, "--jobs", "1", *more)
        assert not wrong and "for a GPU" not in said
        assert copy.rows() == FILLED_IN


def test_a_part_now_and_the_rest_later(copied):
    """Interrupted, or typed for one student: what is done stays done."""
    copy = copied("waiting")
    said, _ = copy.type("grade", NAME, "--only", "needs-gpu", "--student", "quick", gpu=True)
    assert "1 answer judged on simulated GPU" in said
    assert copy.rows() == WAITING | {"quick": [15, False]}
    said, _ = copy.type("grade", NAME, "--only", "needs-gpu", gpu=True)
    assert "1 answer judged on simulated GPU" in said and copy.rows() == FILLED_IN
    assert "0 answers judged" in copy.type("grade", NAME, "--only", "needs-gpu", gpu=True)[0]


def test_results_alone_travel_back(copied, tmp_path):
    """What was graded by hand meanwhile stays: the gradebook never left."""
    copy = copied("waiting")
    copy.gradebook(f"book.find_grade('fused-train-test', {NAME!r}, {NAME!r}, 'slow').manual_score = 7.0")
    other = Copy(tmp_path / "elsewhere", copy.run)
    for name in ("submitted", "results"):
        shutil.copytree(copy.folder / name, other.folder / name)
    shutil.copy(copy.folder / "secret", other.folder)
    said, wrong = other.type("grade", NAME, "--only", "needs-gpu", gpu=True)
    assert not wrong and "2 answers judged" in said
    shutil.copytree(other.folder / "results", copy.folder / "results", dirs_exist_ok=True)
    said, wrong = copy.type("grade", NAME)
    assert not wrong and "for a GPU" not in said
    assert copy.rows() == FILLED_IN | {"slow": [7, False]}


def test_points_of_a_gpu_outlive_a_lost_results_folder(copied):
    """The results are gone, and this machine can only say that answers wait: what the gradebook has is worth more."""
    copy = copied("filled in")
    for name in ("results", "committed"):
        shutil.rmtree(copy.folder / name)
    copy.hand_in_again("slow")
    said, wrong = copy.type("grade", NAME)
    assert wrong and "what a GPU measured for these answers (5 points)" in said and "copy `results` here" in said
    assert copy.rows() == FILLED_IN | {"slow": WAITING["slow"]}, "other answers wait for a race of their own"
    said, wrong = copy.type("grade", NAME, "--only", "needs-gpu", gpu=True)
    assert not wrong and copy.rows() == FILLED_IN, said
    for name in ("results", "committed", "autograded"):
        shutil.rmtree(copy.folder / name)
    said, wrong = copy.type("grade", NAME, "--student", "quick")
    assert wrong and "(5 points)" in said and copy.rows() == FILLED_IN, "a gradebook alone, on another machine"


def test_an_old_copy_does_not_write_over_a_newer_submission(copied):
    """Two machines and one gradebook: a later submission was graded into it since the copy was made."""
    copy = copied("waiting")
    copy.gradebook(f"import datetime; book.find_submission({NAME!r}, 'quick').timestamp += datetime.timedelta(days=1)")
    said, wrong = copy.type("grade", NAME, "--only", "needs-gpu", gpu=True)
    assert wrong and "not graded: quick: the gradebook has the submission of" in said
    assert copy.rows() == WAITING | {"slow": [10, False]}


def test_who_has_no_finished_result_is_left_out_and_named(copied, tmp_path):
    copy = copied("waiting")
    copy.hand_in_again("slow")
    shutil.copytree(copy.folder / "submitted" / "open", copy.folder / "submitted" / "new")
    said, wrong = copy.type("grade", NAME, "--only", "needs-gpu", "--json", tmp_path / "scores.json", gpu=True)
    assert wrong and f"slow: handed in again after grading; run `python -m autograder grade {NAME}` first" in said
    assert f"new: never graded; run `python -m autograder grade {NAME}` first" in said
    assert {row["student"] for row in json.loads((tmp_path / "scores.json").read_text())} == {"quick", "open"}
    assert copy.rows() == WAITING | {"quick": [15, False]}


def test_another_version_of_the_grader_is_told(copied):
    copy = copied("waiting")
    for path in (copy.folder / "results").glob("*.json"):
        path.rename(path.with_name(f"older-{path.name}"))
    for path in (copy.folder / "autograded").rglob("*.ipynb"):
        notebook = json.loads(path.read_text())
        notebook["metadata"]["autograder"]["version"] = "an older one"
        path.write_text(json.dumps(notebook))
    said, wrong = copy.type("grade", NAME, "--only", "needs-gpu", gpu=True)
    assert wrong and "open, quick, slow: graded by another version of the grader" in said
    assert "use the same version as where you grade" in said and copy.rows() == WAITING


def test_a_race_that_ends_otherwise_reaches_the_gradebook(copied):
    """The same answers by the same grader: the name of the result is the same, its points are not."""
    copy = copied("filled in")
    for path in (copy.folder / "results").glob("*.json"):
        result = json.loads(path.read_text())
        for verdict in result["verdicts"]:
            if result["student"] == "slow" and verdict["task"] == SPEED[0]:
                verdict |= {"verdict": "passed", "score": 5.0, "message": f"{SPEED[0]}: correct."}
        path.write_text(json.dumps(result))
    copy.type("grade", NAME)
    assert copy.rows() == FILLED_IN | {"slow": [15, False]}


def test_points_by_hand_stand_beside_open_ones(copied):
    copy = copied("waiting")
    grade = f"grade = book.find_grade('{SPEED[0]}-test', {NAME!r}, {NAME!r}, 'quick')"
    copy.gradebook(f"{grade}; grade.manual_score, grade.needs_manual_grade = 4.0, False")
    said, _ = copy.type("grade", NAME)
    assert "4 by hand" in said and "1 answer waits for a GPU" in said
    said, _ = copy.type("grade", NAME, "--only", "needs-gpu", gpu=True)
    assert "4 by hand" in said and copy.rows()["quick"] == [14, False]


def test_exports_the_report_and_doctor_say_what_is_open(copied, tmp_path):
    copy = copied("waiting")
    for form in ("csv", "canvas", "moodle"):
        said, wrong = copy.type("export", NAME, "--format", form, "--to", tmp_path / form)
        assert not wrong and "for a person" not in said
        assert (
            "2 of these scores wait for a GPU, with 10 points that are still open: in no score yet, and not lost: quick"
            in said
        )
    rows = {row["student"]: row for row in csv.DictReader((tmp_path / "csv").open())}
    found = {student: (row["waits_for_gpu"], row["needs_manual_grade"]) for student, row in rows.items()}
    assert found == {"quick": ("5.0", "True"), "slow": ("5.0", "True"), "open": ("0.0", "False")}
    said, _ = copy.type("report", NAME, "--csv", tmp_path / "report.csv")
    scores = {(row["student"], row["task"]): row["score"] for row in csv.DictReader((tmp_path / "report.csv").open())}
    assert scores["quick", SPEED[0]] == "" and scores["quick", SPEED[1]] == "0.0"
    page = (copy.folder / "reports" / f"{NAME}.html").read_text()
    assert "10, 5 open" in page and '<td class="number">open / 5</td>' in page
    said, _ = copy.type("doctor")
    assert f"answers that wait for a GPU: 2 of {NAME}" in said


def test_open_points_are_no_zero_for_a_student(graded):
    feedback, printed = graded[0][2], graded[0][1]
    assert "open / 5" in feedback and "5 points, still open." in feedback
    assert "5 points are open until then, and not lost" in feedback and "5 open" in printed


def test_a_grader_that_changed_shows_no_points_lost():
    verdict = {"task": SPEED[0], "score": 5.0, "max_score": 5.0, "verdict": "passed", "message": "a: correct."}
    change = changes.Change("ann", SPEED[0], verdict, verdict | {"score": 0.0, "verdict": "needs-gpu"})
    assert "5 -> open of 5 points (passed -> needs-gpu)" in str(change)


def test_points_from_another_machine_are_shown_and_its_results_asked_for(copied, root):
    """One gradebook, or a gradebook copied back without its results: nothing says that these points still wait."""
    copy = copied("waiting")
    shutil.copy(root / "filled in" / "gradebook.db", copy.folder)
    said, wrong = copy.type("report", NAME, "--csv", copy.folder / "report.csv")
    assert (
        not wrong and f"2 students have points of {NAME} from a GPU whose results are not here (quick, slow); " in said
    )
    assert "copy `results` from the machine that has it into this course folder, then run `python -m autograder" in said
    rows = {(row["student"], row["task"]): row for row in csv.DictReader((copy.folder / "report.csv").open())}
    assert [rows[who, SPEED[0]]["verdict"] for who in ("quick", "slow")] == ["passed", "failed"]
    assert rows["quick", SPEED[0]]["score"] == "5.0"
    copy.type("feedback", NAME)
    page = (copy.folder / "feedback" / "quick" / NAME / f"{NAME}.html").read_text()
    assert "for a GPU" not in page and "5 / 5" in page and "Measured on another machine." in page
    said, _ = copy.type("grade", NAME, "--student", "open")
    assert copy.rows() == FILLED_IN
