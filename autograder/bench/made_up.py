"""Made-up submissions: solutions, slips and answers in other styles, as students would have handed them in."""

import ast
import copy
import inspect
import re
from dataclasses import dataclass, field

import nbformat

EINSUM_BACKWARD = {
    "numerical-gradient": "basis_vectors",
    "backward-graph": "einsum_graph",
    "backward": "einsum_backward",
    "backward-eval": "einsum_eval_backward",
}
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
