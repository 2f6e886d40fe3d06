"""A grader without a GPU leaves the points for speed open; a grader with one fills in these alone.

The second grader here is the first one with the simulated GPU as the device (BN_GPU_STAND_IN, for tests alone).
"""

import json
import sys

import nbformat
import pytest
from attacks import build

from autograder import course, execute, gpu
from autograder.__main__ import main
from autograder.script import Script

NAME = "09_cupy"
SPEED = ("fused-train-speed", "fused-backward-speed")
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
def graded(autograder, run, tmp_path_factory):
    """Before and after the GPU came: records, what was printed, the feedback page, the report, the gradebook's rows."""
    root = tmp_path_factory.mktemp("needs-gpu")
    for student, text in {"quick": submission(), "slow": submission(SLOW), "open": submission("")}.items():
        (root / "in" / student).mkdir(parents=True)
        (root / "in" / student / f"{NAME}.ipynb").write_text(text)
    folder = root / "course"
    done = autograder("collect", NAME, "--from", root / "in", course=folder)
    assert done.returncode == 0, done.stderr
    found = []
    for step, (more, stand_in) in enumerate((((), ""), (("--only", "needs-gpu"), "simulator"))):
        target = root / f"{step}.json"
        environment = {"BN_COURSE": str(folder), "BN_GPU_STAND_IN": stand_in, "CUDA_VISIBLE_DEVICES": ""}
        command = ("-m", "autograder", "grade", NAME, "--jobs", "1", "--json", target, *more)
        done = run(sys.executable, *command, env=environment, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        records = {(row["student"], row["task"]): row for row in json.loads(target.read_text())}
        look = run(sys.executable, "-c", LOOK, env=environment)
        assert look.returncode == 0, look.stderr
        found.append((records, done.stdout, *json.loads(look.stdout)))
    return found


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
    assert "there is no GPU here that CuPy can use (no driver)" in capsys.readouterr().err


def test_who_was_not_graded_yet_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    with pytest.raises(course.CourseError, match="new has no finished result; run `python -m autograder grade"):
        execute.execute(NAME, "new", submission("").encode(), tmp_path / "results", only="needs-gpu")


def test_cells_that_need_a_gpu_can_be_told():
    from autograder.referee import is_timed_on_gpu

    cells = [cell.id for cell in Script(course.SOLUTIONS / f"{NAME}.py").cells if is_timed_on_gpu(cell)]
    assert cells == [f"{task}-test" for task in SPEED]
