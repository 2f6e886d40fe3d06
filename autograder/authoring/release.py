"""From `solutions/NN_topic.py` to `exercises/NN_topic.ipynb`, by the real nbgrader, byte-identical when repeated."""

import json
import tempfile
from pathlib import Path

import nbformat
from bnlab import tasks

from autograder import course, writing
from autograder.authoring import fingerprints
from autograder.authoring.cells import grade_id
from autograder.authoring.kernels import GPU, same_gpu
from autograder.authoring.script import Script
from solutions import mutants

# The tags of a percent script as nbgrader's metadata: (grade, solution, locked).
ROLES = {
    "solution": (False, True, False),
    "test": (True, False, True),
    "answer": (True, True, False),
    "readonly": (False, False, True),
}


def source_notebook(script):
    """The instructor's notebook of a percent script: full solutions, hidden tests, nbgrader's metadata.

    Returns
    -------
    NotebookNode
        Cell ids are the grade ids; `metadata.id` repeats them, since Colab drops the former and keeps the latter.
    """
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    if GPU in tasks.libraries(script.name):
        notebook.metadata.update(accelerator="GPU", colab={"gpuType": "T4"})  # what Colab starts it with
    for number, cell in enumerate(script.cells):
        source = cell.source
        if cell.kind == "solution":
            source = f"# answer: {cell.id}\n{source}"
        make = nbformat.v4.new_code_cell if cell.is_code else nbformat.v4.new_markdown_cell
        name = cell.id or f"cell-{number:02d}"
        made = make(source, id=name)
        made.metadata["id"] = name
        if cell.kind in ROLES:
            grade, solution, locked = ROLES[cell.kind]
            tag = dict(grade=grade, grade_id=cell.id, locked=locked, schema_version=3, solution=solution, task=False)
            made.metadata["nbgrader"] = {**tag, "points": cell.points} if grade else tag
        notebook.cells.append(made)
    return notebook


def write_source(script, root):
    """Put the instructor's notebook where nbgrader looks for it."""
    folder = Path(root) / "source" / script.name
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(source_notebook(script), folder / f"{script.name}.ipynb")


def release_notebook(name, nbgrader):
    """Run `nbgrader generate_assignment`; returns the text of the released notebook."""
    script = Script.of(name)
    write_source(script, nbgrader.root)
    nbgrader.call("generate_assignment", name, force=True)
    return (nbgrader.root / "release" / name / f"{name}.ipynb").read_text(encoding="utf-8")


def release(names, say):
    """Write notebooks and fingerprints.

    Parameters
    ----------
    names : list of str
    say : callable
        Told one line for each notebook.
    """
    from autograder.gradebook import Course

    load(names)
    nbgrader = Course()
    for name in names:
        refuse_other_cells(name, nbgrader)
    for file, text in shipped().items():
        _write(course.EXERCISES / "bnlab" / file, text)
    for name in names:
        text = release_notebook(name, nbgrader)
        target = course.EXERCISES / f"{name}.ipynb"
        changed = _write(target, text)
        count = len(_fingerprints(name, fingerprints.FOLDER))
        say(f"exercises/{name}.ipynb {'written' if changed else 'is up to date'}, fingerprints of {count} tasks")


def refuse_other_cells(name, nbgrader):
    """nbgrader adds no cell to a notebook that has been graded, and removes none: said before anything else is done.

    Raises
    ------
    CourseError
    """
    with nbgrader.gradebook() as book:
        known = {notebook.name: notebook for one in book.assignments if one.name == name for notebook in one.notebooks}
        if name not in known or not known[name].submissions:
            return
        graded = {cell.name for cell in known[name].source_cells}
    now = {cell.id for cell in Script.of(name).cells if cell.kind in ROLES}
    if graded == now:
        return
    parts = (("new", now - graded), ("gone", graded - now))
    what = "; ".join(f"{word}: {', '.join(sorted(cells))}" for word, cells in parts if cells)
    raise course.CourseError(
        f"{name} has been graded, and nbgrader adds or removes no cell after that ({what}); put new tasks into a "
        f"notebook of their own, or take the change back. To begin {name} anew: copy the course folder, keep points "
        f"given by hand (`python -m autograder written {name}`), take the grades out with `cd autograder && "
        f"PATH=../.venv/bin:$PATH nbgrader db assignment remove {name} --force`, and run this again"
    )


def load(names):
    """Run the solutions and load the known slips: done before anything is written, a mistake leaves no half release.

    Raises
    ------
    CourseError
        Where a test cell is of no task.
    """
    for name in names:
        script = Script.of(name)
        same_gpu(tasks.libraries(name))
        script.references()
        for cell in script.of_kind("test"):
            if script.task_of(cell.id) not in tasks.all_tasks():
                raise course.CourseError(
                    f"solutions/{name}.py tests `{script.task_of(cell.id)}`, which is no task yet; add it to TASKS in "
                    "the notebook's module of exercises/bnlab/tasks, or correct the name"
                )
            mutants.bank(script.task_of(cell.id))


def stale(names):
    """What differs from what `release` would write.

    Returns
    -------
    list of str
        One line for each stale or edited file.
    """
    from autograder.gradebook import Course

    found = []
    for file, text in shipped().items():
        stored = course.EXERCISES / "bnlab" / file
        if not stored.exists() or stored.read_text(encoding="utf-8") != text:
            found.append(f"exercises/bnlab/{file} is older than what solutions/ says")
    with tempfile.TemporaryDirectory() as folder:
        nbgrader = Course(Path(folder))
        for name in names:
            target = course.EXERCISES / f"{name}.ipynb"
            text = release_notebook(name, nbgrader)
            if not target.exists():
                found.append(f"exercises/{name}.ipynb is missing")
            elif target.read_text(encoding="utf-8") != text:
                found.append(f"exercises/{name}.ipynb was edited by hand or is older than solutions/{name}.py")
            for path in _fingerprints(name, Path(folder) / "fingerprints"):
                if not fingerprints.same(path, fingerprints.FOLDER / path.name):
                    found.append(f"exercises/bnlab/fingerprints/{path.name} is older than the solutions or mutants")
    return found


def changed_since(name):
    """Graded cells whose points are not those of the notebook that students have.

    Returns
    -------
    list of str
        What to say of each before it is graded by the new points.
    """
    release = nbformat.read(course.released(name), as_version=4)
    tags = [cell.metadata["nbgrader"] for cell in release.cells if grade_id(cell)]
    before = {tag["grade_id"]: tag["points"] for tag in tags if tag["grade"]}
    now = {cell.id: cell.points for cell in Script.of(name).of_kind("test", "answer")}
    found = []
    for cell in sorted(before.keys() | now.keys()):
        if before.get(cell) != now.get(cell):
            old, new = (f"{points[cell]:g} points" if cell in points else "not there" for points in (before, now))
            found.append(
                f"{cell}: {old} in exercises/{name}.ipynb, which students have, and {new} in solutions/{name}.py, by "
                f"which it is graded; run `python -m autograder release {name}`, or take the change back"
            )
    return found


def shipped():
    """What bnlab knows of the notebooks: name of a file -> its text.

    points.json: notebook -> task -> points, for the table that students see. questions.json: written answer -> its
    question, so that what a student wrote below it can be told from it.
    """
    scripts = [Script.of(name) for name in course.notebook_names()]
    points = {
        script.name: {script.task_of(cell.id): cell.points for cell in script.of_kind("test", "answer")}
        for script in scripts
    }
    questions = {
        cell.id: cell.source.split("### BEGIN SOLUTION")[0].strip()
        for script in scripts
        for cell in script.of_kind("answer")
    }
    return {
        "points.json": json.dumps(points, indent=1) + "\n",
        "questions.json": json.dumps(questions, indent=1, ensure_ascii=False) + "\n",
    }


def _write(target, text):
    """Write a file if its content changes; whether it did."""
    if target.exists() and target.read_text(encoding="utf-8") == text:
        return False
    writing.replace_text(target, text)
    return True


def _fingerprints(name, folder):
    """Write the fingerprints of a notebook's tasks; the paths."""
    same_gpu(tasks.libraries(name))
    script = Script.of(name)
    references = script.references()
    known = tasks.all_tasks()
    ids = dict.fromkeys(script.task_of(cell.id) for cell in script.of_kind("test"))
    folder.mkdir(parents=True, exist_ok=True)
    return [fingerprints.write(known[task], references, folder) for task in ids if task in known]
