"""Write autograder/sample_class: a class of made-up submissions to try the grading on, with the scores they must get.

Each submission is the released notebook with answers from the solutions, the styles or the mutant bank put in, and
then perhaps damaged. `expected.json` says what each question must give; it is declared here, never measured.
"""

import argparse
import copy
import json

import nbformat

from autograder import course
from autograder.authoring.script import Script
from autograder.bench.made_up import EINSUM_BACKWARD, SLOW, Submission, build, slip, style

FOLDER = course.REPOSITORY / "autograder" / "sample_class"
FULL, NONE = 1.0, 0.0


EINSUM = {
    "batch-statistics": "einsum_statistics",
    "forward-train": "einsum_train",
    "forward-running": "einsum_running",
    "forward-eval": "einsum_eval",
    "forward-layer": "BranchInCall",
}
OTHERS = {
    "batch-statistics": "welford",
    "forward-train": "welford_train",
    "forward-running": "interpolated",
    "forward-eval": "straight_line",
    "forward-layer": "WithProperties",
}
LOOP = "def update_running(running_mean, running_var, x, momentum=0.1):\n    while True:\n        x = x + 0\n"
EXIT = "import os\n\n\ndef batchnorm_eval(x, gamma, beta, running_mean, running_var, eps=1e-5):\n    os._exit(0)\n"
NOISY = "import numpy as np\n\nnp.log(np.zeros(1))  # a RuntimeWarning on stderr\n"


def noisy(notebook):
    """A cell that makes NumPy warn on stderr."""
    notebook.cells.insert(2, nbformat.v4.new_code_cell(NOISY, id="noisy"))


def duplicate_test(notebook):
    """An honest copy and paste of a test cell, metadata and all."""
    position = next(i for i, cell in enumerate(notebook.cells) if cell.id == "forward-train-test")
    twin = copy.deepcopy(notebook.cells[position])
    twin["id"] = "pasted"
    notebook.cells.insert(position + 1, twin)


def lose_metadata(notebook):
    """What a detour through another editor leaves: no cell metadata, new cell ids."""
    for number, cell in enumerate(notebook.cells):
        cell.metadata.clear()
        cell["id"] = f"c{number}"


def no_notebook(notebook):
    """The wrong file under the right name."""
    return b"%PDF-1.7\n% the student handed in the reading instead of the notebook\n"


def sample():
    """The class."""
    forward, backward = "03_forward", "04_backward"
    zero = (NONE, "failed")
    every_forward = [cell.id for cell in Script.of(forward).of_kind("solution")]
    backward_script = Script.of(backward)
    every_backward = [cell.id for cell in backward_script.of_kind("solution", "answer")]
    graded_backward = [backward_script.task_of(cell.id) for cell in backward_script.of_kind("test", "answer")]
    untouched = (NONE, "missing")
    written = {"derive-dx": (NONE, "needs-person")}
    no_text = {"derive-dx": None}
    return [
        Submission("perfect", forward),
        Submission("other-style", forward, answers=style(EINSUM)),
        Submission("third-style", forward, answers=style(OTHERS)),
        Submission("empty", forward, dict.fromkeys(every_forward, untouched), dict.fromkeys(every_forward)),
        Submission("half-done", forward, dict.fromkeys(every_forward[2:], untouched), dict.fromkeys(every_forward[2:])),
        Submission("slip-unbiased", forward, {"forward-train": zero}, slip("forward-train", "unbiased_variance")),
        Submission("slip-momentum", forward, {"forward-running": zero}, slip("forward-running", "momentum_flipped")),
        Submission("slip-batch-stats", forward, {"forward-eval": zero}, slip("forward-eval", "batch_statistics_used")),
        Submission("warns-on-stderr", forward, damage=noisy),
        Submission("endless-loop", forward, {"forward-running": (NONE, "timeout")}, {"forward-running": LOOP}),
        Submission("ends-the-process", forward, {"forward-eval": (NONE, "crashed")}, {"forward-eval": EXIT}),
        Submission("duplicated-test", forward, damage=duplicate_test),
        Submission("lost-metadata", forward, damage=lose_metadata),
        Submission("not-a-notebook", forward, dict.fromkeys(every_forward, untouched), damage=no_notebook),
        Submission("perfect", backward, written),
        Submission("other-style", backward, written, style(EINSUM_BACKWARD)),
        Submission("empty", backward, dict.fromkeys(graded_backward, untouched), dict.fromkeys(every_backward)),
        Submission(
            "slip-stop-gradient",
            backward,
            {"backward": zero, "backward-speed": zero, "derive-dx": untouched},
            slip("backward", "mean_and_variance_paths_missing") | no_text,
        ),
        Submission(
            "slip-one-node",
            backward,
            {"backward-graph": (5 / 6, "partial")} | written,
            slip("backward-graph", "dgamma_averaged"),
        ),
        Submission("slow", backward, {"backward-speed": zero} | written, {"backward": SLOW}),
    ]


def expected(made, script):
    """task -> {"score", "max_score", "verdict"} that a submission must get."""
    scores = {}
    for cell in script.of_kind("test", "answer"):
        task = script.task_of(cell.id)
        share, verdict = made.wrong.get(task, (FULL, "passed"))
        scores[task] = {"score": round(share * cell.points, 2), "max_score": cell.points, "verdict": verdict}
    return scores


def files():
    """Relative path -> bytes of everything in the sample class."""
    written, scores = {}, {}
    scripts, releases = {}, {}
    for made in sample():
        name = made.notebook
        if name not in scripts:
            scripts[name] = Script.of(name)
            releases[name] = nbformat.read(course.released(name), as_version=4)
        written[f"{made.student}/{name}.ipynb"] = build(made, scripts[name], releases[name])
        scores.setdefault(name, {})[made.student] = expected(made, scripts[name])
    written["expected.json"] = (json.dumps(scores, indent=1) + "\n").encode()
    return written


def main():
    """Write the folder; files that no longer belong to it are removed."""
    about = __doc__.split("\n")[0]
    argparse.ArgumentParser(prog="python -m autograder.bench.sample_class", description=about).parse_args()
    wanted = files()
    for path in [path for path in FOLDER.rglob("*") if path.is_file()] if FOLDER.exists() else []:
        if path.relative_to(FOLDER).as_posix() not in wanted:
            path.unlink()
    for name, data in wanted.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(wanted) - 1} submissions in {FOLDER.relative_to(course.REPOSITORY)}")


if __name__ == "__main__":
    main()
