"""What plugs into nbgrader: read damaged notebooks, replay the referee's results, save its scores.

`nbgrader_config.py` names these classes; `nbgrader autograde` and `python -m autograder grade` both run through them.
"""

import re
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor, SaveAutoGrades

from autograder import course
from autograder.authoring.cells import grade_id, name_of
from autograder.collecting import reading
from autograder.collecting.rebuild import Rebuilt
from autograder.grading import execute

MAX_MARKDOWN = 20_000  # characters of a student's texts: the time that mistune takes grows with their square


class NamedStub(ClearSolutions):
    """ClearSolutions whose stub names the task: `raise NotImplementedError("forward-train")`."""

    def preprocess_cell(self, cell, resources, cell_index):
        name = grade_id(cell)
        self.code_stub = {"python": f'# YOUR CODE HERE\nraise NotImplementedError("{name}")'}
        return super().preprocess_cell(cell, resources, cell_index)


class RebuildingExporter(NotebookExporter):
    """Reads a submission however damaged, on the cells of the release; what was mended is said in a first cell."""

    def from_filename(self, filename, resources=None, **kwargs):
        if not getattr(self.parent, "_sanitizing", False):
            return super().from_filename(filename, resources=resources, **kwargs)
        data = reading.file_bytes(Path(filename), course.course_folder() / "submitted")
        rebuilt, problem = execute.read_submission(resources["nbgrader"]["notebook"], data)
        notebook = rebuilt.notebook
        about = {"repairs": rebuilt.repairs, "problem": problem, "file": reading.digest(data)}
        notebook.metadata["autograder"] = about
        show_safely(notebook, execute.material(resources["nbgrader"]["notebook"]).release)
        if rebuilt.repairs:
            text = "**About your file:**\n\n" + "\n".join(f"- {repair}" for repair in rebuilt.repairs)
            notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text, id="repairs"))
        resources["metadata"] = {"name": Path(filename).stem, "path": str(Path(filename).parent)}
        return self.from_notebook_node(notebook, resources=resources, **kwargs)


def show_safely(notebook, release):
    """Turn a student's texts that cannot be shown as Markdown, or only slowly, into plain text.

    One text that names a picture which is not there would otherwise keep the whole page from being written.
    """
    known, room = {cell.source.strip() for cell in release.cells}, MAX_MARKDOWN
    for cell in notebook.cells:
        if cell.cell_type != "markdown" or cell.source.strip() in known:
            continue
        room -= len(cell.source)
        try:
            if room < 0:
                raise ValueError("too long")
            renderer = IPythonRenderer(escape=False, attachments=cell.get("attachments", {}))
            MarkdownWithMath(renderer=renderer).render(cell.source)
        except Exception:
            cell.pop("attachments", None)
            fence = "~" * (3 + max(map(len, re.findall("~+", cell.source)), default=0))
            cell.source = f"{fence}text\n{cell.source}\n{fence}"


class RefereeExecute(NbGraderPreprocessor):
    """In place of nbgrader's Execute: the referee's result, computed now unless it is there already."""

    def preprocess(self, nb, resources):
        about = nb.metadata.get("autograder", {})
        rebuilt = Rebuilt(nb, list(about.get("repairs", [])))
        tags = resources["nbgrader"]
        result = execute.execute_rebuilt(
            tags["notebook"], tags["student"], rebuilt, about.get("problem", ""), course.course_folder() / "results"
        )
        about |= {key: result[key] for key in ("submission", "version") if key in result}  # for desk/stale.py
        nb.metadata["autograder"] = about
        resources["autograder"] = {verdict["cell"]: verdict for verdict in result["verdicts"]}
        for cell in nb.cells:
            verdict = resources["autograder"].get(grade_id(cell))
            if verdict:  # for the feedback page
                cell.metadata["autograder"] = {key: verdict[key] for key in ("task", "verdict", "message")}
            if cell.cell_type == "code":
                cell.execution_count = None
                printed = result["printed"].get(name_of(cell), "")
                cell.outputs = outputs_of(verdict, printed)
        return nb, resources


def outputs_of(verdict, printed):
    """The outputs of a cell: what the student's code printed, or what the referee found."""
    if verdict is None:
        return [nbformat.v4.new_output("stream", name="stdout", text=printed)] if printed else []
    if verdict["verdict"] in ("passed", "undecided"):
        return [nbformat.v4.new_output("stream", name="stdout", text=verdict["message"] + "\n")]
    head = verdict["message"].split("\n")[0]
    return [nbformat.v4.new_output("error", ename=verdict["verdict"], evalue=head, traceback=[verdict["message"]])]


class RefereeGrades(SaveAutoGrades):
    """Saves the referee's scores. A cell that this run did not judge has 0 points, whatever it had before."""

    def _add_score(self, cell, resources):
        grade = self.gradebook.find_grade(grade_id(cell), self.notebook_id, self.assignment_id, self.student_id)
        verdict = resources.get("autograder", {}).get(grade_id(cell))
        waiting = verdict is not None and verdict["verdict"] in ("needs-person", "needs-gpu")
        grade.auto_score = None if waiting else (verdict["score"] if verdict else 0.0)
        grade.needs_manual_grade = waiting or grade.manual_score is not None
        self.gradebook.db.commit()
