"""A mistake in a source, a tag or a known slip is named with its place and the cure, before it costs a grade."""

import re
import shutil
import sys

import pytest

from autograder import course, cures
from autograder.__main__ import main
from autograder.authoring import release
from autograder.authoring.script import Script

NAME = "03_forward"
TAG = 'test="forward-train-test" points=14'


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Another repository, whose sources may be spoilt."""
    root = tmp_path_factory.mktemp("copy")
    for part in ("solutions", "autograder", "exercises"):
        ignore = shutil.ignore_patterns("__pycache__", "course", "sample_class")
        shutil.copytree(course.REPOSITORY / part, root / part, ignore=ignore)
    sample = "autograder/sample_class/slip-unbiased"
    shutil.copytree(course.REPOSITORY / sample, root / sample)
    shutil.copy(course.REPOSITORY / "_config.yml", root)
    return root


@pytest.fixture
def spoilt(copy, run):
    """Change a file of the copy and run a command there; its exit code and the lines on stderr, or stdout."""
    kept = {}

    def spoilt(name, old, new, *arguments, stream="stderr"):
        path = copy / "solutions" / name
        text = kept.setdefault(path, path.read_text(encoding="utf-8"))
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        environment = {"BN_COURSE": str(copy / "course"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = run(sys.executable, "-m", "autograder", *arguments, cwd=copy, env=environment)
        return done.returncode, getattr(done, stream).strip().splitlines()

    yield spoilt
    for path, text in kept.items():
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ('test="a-test" points=ten', 'the tag `# %% test="a-test" points=ten` cannot be read; write it as'),
        ('test="a-test" points=-3', "a-test has points=-3; write a number above 0"),
        ('test="a-test" points="14"', "a-test has points='14'; write"),
        ('test="a-test" points=NaN', "a-test has points=nan; write"),
        ('test="a-test" points=1e400', "a-test has points=inf; write"),
        ('test="a-test" points=True', "a-test has points=True; write"),
        ('test="a-test" points=0', "a-test has no points; write"),
        ('test="a-test"', "a-test has no points; write a number above 0 in its tag: points=5"),
        ('test="" points=5', "the id '' of a test cell is empty or used twice"),
    ],
)
def test_tags_that_cannot_be(tmp_path, tag, words):
    path = tmp_path / "solutions" / "03_x.py"
    path.parent.mkdir()
    path.write_text(f"# %% {tag}\nx = 1\n")
    with pytest.raises(course.CourseError) as raised:
        Script(path)
    assert str(raised.value).startswith("solutions/03_x.py: ") and words in str(raised.value)


MISTAKES = {
    "points": (f"{NAME}.py", TAG, 'test="forward-train-test" points=ten', f"solutions/{NAME}.py: the tag `# %% test="),
    "source": (f"{NAME}.py", "def batchnorm_train(", "def batchnorm_train((", "the cell forward-train of a notebook's"),
    "mutant": ("mutants/batch_statistics.py", "@mutant(", "def broken(:\n\n\n@mutant(", "batch_statistics.py, line "),
}


@pytest.mark.parametrize("command", ["release", "certify", "grade"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_command_names_the_place(spoilt, copy, mistake, command):
    name, old, new, words = MISTAKES[mistake]
    more = {"certify": ["--quick"], "grade": ["--submissions", copy / "autograder" / "sample_class"]}.get(command, [])
    before = (copy / "exercises" / f"{NAME}.ipynb").read_bytes()
    code, lines = spoilt(name, old, new, command, NAME, *more)
    assert code == 1 and len(lines) == 1 and lines[0].startswith("autograder: "), lines
    assert words in lines[0] and ("SyntaxError" in lines[0]) == (mistake != "points")
    assert (copy / "exercises" / f"{NAME}.ipynb").read_bytes() == before


TASKS = "../exercises/bnlab/tasks/forward.py"


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (TASKS, "TASKS = [", "TASKS = [(", "exercises/bnlab/tasks/forward.py, line "),
        (TASKS, 'returns=("mu", "var")', 'returns=("mu",)', "the task batch-statistics: a single result is named by a"),
        (
            f"{NAME}.py",
            'test="forward-train-test"',
            'test="centre-test"',
            "tests `centre`, which is no task yet; add it",
        ),
    ],
    ids=["syntax", "returns", "no-task"],
)
def test_a_mistake_in_a_task_is_named(spoilt, name, old, new, words):
    code, lines = spoilt(name, old, new, "release", NAME)
    assert code == 1 and len(lines) == 1 and words in lines[0], lines


def test_points_that_students_do_not_see_yet_are_told(spoilt, copy):
    code, lines = spoilt(
        f"{NAME}.py", TAG, TAG.replace("14", "15"), *("grade", NAME, "--submissions", copy / "autograder/sample_class")
    )
    assert code == 0 and len(lines) == 1
    assert f"forward-train-test: 14 points in exercises/{NAME}.ipynb, which students have, and 15 points in" in lines[0]
    assert f"run `python -m autograder release {NAME}`" in lines[0]


def test_points_that_are_the_same_are_not_told():
    assert [line for name in course.notebook_names() for line in release.changed_since(name)] == []


def test_errors_elsewhere_are_no_mistake_of_a_source(capsys):
    try:
        compile("def broken(:", "elsewhere.py", "exec")
    except SyntaxError as error:
        assert cures.told(error) == ""
    assert cures.told(ValueError("never raised")) == ""
    assert main(["release", "nothing"]) == 2 and "there is no notebook" in capsys.readouterr().err


def test_a_damaged_time_costs_one_student_and_is_named(spoilt, copy):
    for command in (["collect", NAME, "--from", str(copy / "autograder/sample_class")], ["grade", NAME]):
        spoilt(f"{NAME}.py", TAG, TAG, *command)
    path = copy / "course" / "submitted" / "slip-unbiased" / NAME / "timestamp.txt"
    for text in ("soon", "\0"):
        path.write_text(text)
        (copy / "course" / "committed" / f"{NAME}.json").unlink()
        code, lines = spoilt(f"{NAME}.py", TAG, TAG, "grade", NAME, stream="stdout")
        assert code == 1 and any(f"{path} holds no time; write when" in line for line in lines), (text, lines)
    path.write_text("2026-10-05 21:59:00 UTC")
    assert spoilt(f"{NAME}.py", TAG, TAG, "grade", NAME)[0] == 0


def test_a_cell_that_comes_after_grading_is_refused_and_the_cure_works(spoilt, copy, run):
    for command in (["collect", NAME, "--from", str(copy / "autograder/sample_class")], ["grade", NAME]):
        assert spoilt(f"{NAME}.py", TAG, TAG, *command)[0] == 0
    more = f'readonly="extra"\nEXTRA = 1\n\n# %% {TAG}'
    for command in ("release", "grade"):
        code, lines = spoilt(f"{NAME}.py", TAG, more, command, NAME)
        assert code == 1 and f"{NAME} has been graded" in lines[-1] and "(new: extra)" in lines[-1], lines
    cure = re.search(r"`cd autograder && PATH=\S+ (nbgrader [^`]+)`", lines[-1])[1]
    environment = {"BN_COURSE": str(copy / "course")}
    gone = run(*cure.split(), cwd=copy / "autograder", env=environment)
    assert gone.returncode == 0, gone.stderr
    assert spoilt(f"{NAME}.py", TAG, more, "release", NAME) == (0, [])
    assert spoilt(f"{NAME}.py", TAG, more, "grade", NAME)[0] == 0
    code, lines = spoilt(f"{NAME}.py", TAG, more, "export", NAME, "--format", "csv", stream="stdout")
    assert code == 0 and any(line.startswith("1 scores in") for line in lines), lines
