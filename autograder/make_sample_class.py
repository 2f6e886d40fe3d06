"""Write autograder/sample_class: a class of made-up submissions to try the grading on, with the scores they must get.

Each submission is the released notebook with answers from the solutions, the styles or the mutant bank put in, and
then perhaps damaged. `expected.json` says what each question must give; it is declared here, never measured.
"""

import argparse
import ast
import copy
import inspect
import json
import re
from dataclasses import dataclass, field

import nbformat

from autograder import course
from autograder.script import Script

FOLDER = course.REPOSITORY / "autograder" / "sample_class"
FULL, NONE = 1.0, 0.0


@dataclass
class Submission:
    """One made-up submission.

    student : str
        Named after what the submission is like.
    notebook : str
    wrong : dict
        task -> (share of the points, verdict) where it is not full marks.
    answers : dict
        task -> source of the answer, where it is not the hidden solution; None leaves the stub.
    damage : callable
        Changes the notebook in place, or returns other bytes for the file.
    """

    student: str
    notebook: str
    wrong: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    damage: object = None


def written_by(function, name):
    """A style or mutant as a student's source: under the name asked for, with the helpers that it uses."""
    module = ast.parse(inspect.getsource(inspect.getmodule(function)))
    defined = {node.name: node for node in module.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    defined |= {node.targets[0].id: node for node in module.body if isinstance(node, ast.Assign)}
    needed, waiting = [], [function.__name__]
    while waiting:
        definition = defined[waiting.pop()]
        if definition not in needed:
            needed.insert(0, definition)
            if not isinstance(definition, ast.Assign):
                definition.decorator_list = []
            used = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)}
            waiting += [other for other in defined if other in used]
    answer = defined[function.__name__]
    needed = [node for node in needed if node is not answer] + [answer]
    for node in needed:
        if not isinstance(node, ast.Assign) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    for node in ast.walk(answer):
        if isinstance(node, ast.Name) and node.id == function.__name__:
            node.id = name
    answer.name = name
    imports = [ast.unparse(node) for node in module.body if isinstance(node, ast.Import)]
    used = "\n\n\n".join(ast.unparse(node) for node in needed)
    lines = [line for line in imports if re.search(rf"\b{re.split(' ', line)[-1]}\.", used)]
    return "\n".join(lines) + "\n\n\n" + used


def slip(task, name):
    """A known slip as an answer: {task: source}."""
    from bnlab import tasks

    from solutions import mutants

    return {task: written_by(mutants.bank(task)[name][0], tasks.find(task).answer)}


def style(chosen):
    """Right answers in other styles than the hidden solution: {task: name of the style} -> {task: source}."""
    from bnlab import tasks

    from solutions import styles

    return {task: written_by(styles.styles(task)[name], tasks.find(task).answer) for task, name in chosen.items()}


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
EINSUM_BACKWARD = {
    "numerical-gradient": "basis_vectors",
    "backward-graph": "einsum_graph",
    "backward": "einsum_backward",
    "backward-eval": "einsum_eval_backward",
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
        Submission("empty", forward, {task: untouched for task in every_forward}, dict.fromkeys(every_forward)),
        Submission(
            "half-done", forward, {task: untouched for task in every_forward[2:]}, dict.fromkeys(every_forward[2:])
        ),
        Submission("slip-unbiased", forward, {"forward-train": zero}, slip("forward-train", "unbiased_variance")),
        Submission("slip-momentum", forward, {"forward-running": zero}, slip("forward-running", "momentum_flipped")),
        Submission("slip-batch-stats", forward, {"forward-eval": zero}, slip("forward-eval", "batch_statistics_used")),
        Submission("warns-on-stderr", forward, damage=noisy),
        Submission("endless-loop", forward, {"forward-running": (NONE, "timeout")}, {"forward-running": LOOP}),
        Submission("ends-the-process", forward, {"forward-eval": (NONE, "crashed")}, {"forward-eval": EXIT}),
        Submission("duplicated-test", forward, damage=duplicate_test),
        Submission("lost-metadata", forward, damage=lose_metadata),
        Submission("not-a-notebook", forward, {task: untouched for task in every_forward}, damage=no_notebook),
        Submission("perfect", backward, written),
        Submission("other-style", backward, written, style(EINSUM_BACKWARD)),
        Submission("empty", backward, {task: untouched for task in graded_backward}, dict.fromkeys(every_backward)),
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


SLOW = """
import numpy as np


def batchnorm_backward(dy, cache):
    x_hat, inv_std, gamma = cache
    dx = np.empty_like(dy)
    dgamma, dbeta = np.empty_like(gamma), np.empty_like(gamma)
    for j in range(dy.shape[1]):
        dgamma[j], dbeta[j] = np.sum(dy[:, j] * x_hat[:, j]), np.sum(dy[:, j])
        dx_hat = dy[:, j] * gamma[j]
        centred = dx_hat - dx_hat.mean() - x_hat[:, j] * (dx_hat * x_hat[:, j]).mean()
        dx[:, j] = inv_std[j] * centred
    return dx, dgamma, dbeta
""".lstrip()


def build(made, script, release):
    """The bytes of one submission."""
    solutions = {cell.id: cell for cell in script.of_kind("solution", "answer")}
    notebook = copy.deepcopy(release)
    for cell in notebook.cells:
        if cell.id not in solutions or made.answers.get(cell.id, "") is None:
            continue
        source = made.answers.get(cell.id) or solved(solutions[cell.id].source)
        cell.source = f"# answer: {cell.id}\n{source}" if cell.cell_type == "code" else source
    other = made.damage(notebook) if made.damage else None
    return other or (nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n").encode()


def solved(source):
    """A solution cell as a student would have written it: without the markers, rubric dropped."""
    lines, keep = [], True
    for line in source.split("\n"):
        if "BEGIN MARK SCHEME" in line:
            keep = False
        elif "END MARK SCHEME" in line:
            keep = True
        elif keep and "BEGIN SOLUTION" not in line and "END SOLUTION" not in line:
            lines.append(line)
    return "\n".join(lines)


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
    argparse.ArgumentParser(prog="python -m autograder.make_sample_class", description=about).parse_args()
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
