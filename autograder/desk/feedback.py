"""The page that a student gets back: nbgrader's `generate_feedback` with a page of our own.

A table of the tasks on top; then the notebook, with the referee's finding in place of each test's source.
"""

import functools

import nbformat
from nbconvert.exporters import Exporter
from nbgrader.preprocessors import GetGrades

from autograder import course
from autograder.authoring.cells import grade_id
from autograder.collecting import submitted
from autograder.desk import late, pages
from autograder.desk.verdicts import WORDS, rows_of
from autograder.desk.waiting import settled


class FeedbackGrades(GetGrades):
    """GetGrades, and for each cell whether a person still has to look at it, why points are taken off, and which of
    several files was taken."""

    def preprocess(self, nb, resources):
        nb, resources = super().preprocess(nb, resources)
        tags = resources["nbgrader"]
        with self.gradebook as book:
            submission = book.find_submission(tags["assignment"], tags["student"])
            tags["late"] = late.lateness(submission) if submission.total_seconds_late > 0 else ""
            tags["beside"] = submitted.told_beside(tags["student"], tags["assignment"])
        return nb, resources

    def _get_score(self, cell, resources):
        super()._get_score(cell, resources)
        name = cell.metadata.nbgrader["grade_id"]
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        cell.metadata.nbgrader["waiting"] = bool(grade.needs_manual_grade)
        cell.metadata.nbgrader["by_hand"] = grade.manual_score is not None


class FeedbackExporter(Exporter):
    """Writes an autograded notebook as one page without scripts."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(self, nb, resources=None, **kwargs):
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)
        return page(nb, resources["nbgrader"]), resources


def page(notebook, tags):
    """The page of one student.

    Parameters
    ----------
    notebook : NotebookNode
        Autograded, with the referee's verdicts in its cells' metadata and the gradebook's scores.
    tags : dict
        "notebook", "score", "max_score", "late_penalty", "late", "beside".

    Returns
    -------
    str
        HTML.
    """
    ours = released_texts(tags["notebook"])
    title = title_of(ours)
    parts = [part_of(cell, ours, title) for cell in notebook.cells if cell.get("id") != "repairs"]
    graded = [part["task"] for part in parts if part["task"]]
    return pages.render(
        "feedback.html",
        notebook=tags["notebook"],
        title=title or tags["notebook"],
        score=tags["score"],
        most=tags["max_score"],
        penalty=tags["late_penalty"],
        late=tags.get("late", ""),
        waiting=sum(task["waiting"] and task["verdict"] != "needs-gpu" for task in graded),
        pending=sum(task["open"] for task in graded),
        open_points=sum(task["most"] for task in graded if task["open"]),
        repairs=[*filter(None, [tags.get("beside")]), *notebook.metadata.get("autograder", {}).get("repairs", [])],
        tasks=graded,
        parts=parts,
    )


@functools.cache
def released_texts(name):
    """The texts of the release: these are ours, so that their HTML (folded answers) is kept."""
    release = nbformat.read(course.released(name), as_version=4)
    return tuple(cell.source.strip() for cell in release.cells if cell.cell_type == "markdown")


def title_of(texts):
    """The first heading."""
    lines = (line for text in texts for line in text.split("\n"))
    return next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")


def part_of(cell, ours, title=""):
    """What the page shows of one cell; the texts in `ours` are trusted, and the title is there already."""
    tag = cell.metadata.get("nbgrader", {})
    part = {"kind": "", "source": cell.source, "task": None, "comment": "", "printed": "", "html": ""}
    written = bool(tag.get("solution"))
    if cell.cell_type == "markdown":
        part["kind"] = "written" if written else "text"
        trusted = cell.source.strip() in ours
        part["html"] = pages.markdown(
            cell.source.removeprefix(f"# {title}"), trusted=trusted, attachments=cell.get("attachments")
        )
    elif cell.cell_type == "code" and not (tag.get("grade") and not written):
        part["kind"] = "code"  # a test's source is not shown
        part["printed"] = "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")
    if tag.get("grade"):
        part["task"] = task_of(cell, tag)
    if tag.get("comment"):
        part["comment"] = pages.markdown(tag["comment"])
    return part


def task_of(cell, tag):
    """The finding of one graded cell, as the page shows it."""
    score, most, waiting = float(tag.get("score") or 0.0), float(tag.get("points") or 0.0), bool(tag.get("waiting"))
    found = {"verdict": "", "max_score": most, **cell.metadata.get("autograder", {})}
    found = settled(found, None if tag.get("waiting", True) or tag.get("by_hand") else score)
    verdict = found["verdict"]
    if tag.get("by_hand") or (verdict == "needs-person" and not waiting):
        verdict = "graded"
    rows = rows_of(found.get("message", ""))
    link = rows.get("read on", "")
    name = found.get("task") or grade_id(cell).removesuffix("-test")
    if not verdict:
        verdict = "passed" if score == most else "failed"
    return {
        "cell": grade_id(cell),
        "name": name,
        "verdict": verdict,
        "words": WORDS[verdict],
        "score": score,
        "most": most,
        "waiting": waiting,
        "open": verdict == "needs-gpu",
        "rows": rows,
        "say": said(rows, name, verdict),
        "link": link if pages.in_the_book(link) else "",
        "link_text": link_text(link),
    }


def said(rows, name, verdict):
    """The head of a message, where it says more than the verdict does."""
    head = rows["head"].removeprefix(f"{name}: ")
    if verdict == "graded" or head.rstrip(".") in ("not yet right", "not answered", "not answered yet"):
        return ""
    return head[:1].upper() + head[1:]


def link_text(link):
    """ "Chapter 6, the transform in four lines" for ".../06_transform.html#the-transform-in-four-lines"."""
    chapter, _, anchor = link.rpartition("/")[2].partition("#")
    number, _, _ = chapter.partition("_")
    words = anchor.replace("-", " ") or chapter.removesuffix(".html").replace("_", " ")
    return f"Chapter {int(number)}: {words}" if number.isdigit() else words
