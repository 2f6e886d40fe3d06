"""`python -m bnlab check FILE` before handing in, `python -m bnlab submit FILE` for the file to hand in.

Exit code 0: all is well; 1: something is wrong with the file or an answer; 2: wrong usage.
"""

import argparse
import ast
import datetime
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from bnlab import __version__
from bnlab.answers import raised_text
from bnlab.cells import plain_python, run_cell
from bnlab.overview import points_of, states, table
from bnlab.tasks import all_tasks

PACKAGES = {"sklearn": "scikit-learn"}  # where pip knows a module by another name
SECONDS = 300  # for a whole notebook
GOOD, BAD = 10, 11  # what the checking process ends with, unless a student's cell ends it
SAVE = "save it in Jupyter, or download it from Colab as .ipynb"
EXAMPLES = """examples, in the folder exercises:
  python -m bnlab check 03_forward.ipynb      what is right so far, and what is missing
  python -m bnlab submit 03_forward.ipynb     writes hand_in/03_forward.ipynb and a receipt
  python -m bnlab --version                   for a question about something that does not work
"""


def read(path):
    """The notebook in a file.

    Raises
    ------
    SystemExit
        With one line that says what is wrong.
    """
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        if not isinstance(notebook["cells"], list):
            raise TypeError
        points_of(Path(path).stem)
    except FileNotFoundError:
        whole = Path(f"{path}.ipynb")
        cure = f"do you mean {whole}?" if whole.exists() else "run this in the folder of the notebook"
        raise SystemExit(f"bnlab: there is no file {path}; {cure}") from None
    except OSError as error:
        raise SystemExit(f"bnlab: cannot read {path}: {error.strerror}; name a notebook, NN_topic.ipynb") from None
    except KeyError as error:
        if error.args[0] == "cells":
            raise SystemExit(f"bnlab: {path} is not a notebook; {SAVE}") from None
        raise SystemExit(f"bnlab: {path}: {error.args[0]}; keep the name of the file") from None
    except (ValueError, TypeError):
        raise SystemExit(f"bnlab: {path} is not a notebook; {SAVE}") from None
    return notebook


def text_of(cell):
    """The source of a cell as one string."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def structure(notebook, name):
    """Sentences on answer cells that are missing or there twice."""
    marks = [
        line for cell in notebook["cells"] for line in text_of(cell).split("\n")[:3] if line.startswith("# answer:")
    ]
    ids = [mark.removeprefix("# answer:").strip() for mark in marks]
    tasks = {cell.get("metadata", {}).get("nbgrader", {}).get("grade_id") for cell in notebook["cells"]}
    found = [
        f"the answer cell `{task}` is there {ids.count(task)} times: delete what is not your answer"
        for task in dict.fromkeys(ids)
        if ids.count(task) > 1
    ]
    for task in points_of(name):
        if f"{task}-test" not in tasks and task not in tasks and task not in ids:
            found.append(f"the cells of `{task}` are missing or lost their metadata (the grader will look for them)")
    return found


def id_of(cell):
    """The grade id of a cell, or None."""
    return cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")


def empty_answers(notebook, name):
    """Written answers in which nothing is written yet."""
    texts = {id_of(cell): text_of(cell) for cell in notebook["cells"]}
    return [task for task in points_of(name) if "YOUR ANSWER HERE" in texts.get(task, "")]


def still_open(node):
    """Whether a function, or a method of a class, does nothing but raise NotImplementedError."""
    if isinstance(node, ast.ClassDef):
        return any(map(still_open, node.body))
    if not isinstance(node, ast.FunctionDef):
        return False
    body = node.body[ast.get_docstring(node) is not None :]
    return len(body) == 1 and isinstance(body[0], ast.Raise) and "NotImplementedError" in ast.unparse(body[0])


def defined(notebook):
    """Names that the code cells define -> whether they are answered; without running anything."""
    found = {}
    for cell in notebook["cells"]:
        try:
            body = ast.parse(plain_python(text_of(cell))).body if cell.get("cell_type") == "code" else ()
        except (SyntaxError, ValueError):
            continue
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found[node.name] = not still_open(node)
            elif isinstance(node, ast.Assign):
                found |= {target.id: True for target in node.targets if isinstance(target, ast.Name)}
    return found


def unanswered(notebook, name):
    """Tasks without an answer: nothing is written, or no cell that can be read defines what is asked for."""
    found, tasks, empty = defined(notebook), all_tasks(), empty_answers(notebook, name)
    asked = {}  # what a task asks for -> the task; a task that times an answer asks for the same once more
    for task in points_of(name):
        asked.setdefault(tasks[task].answer if task in tasks else task, task)
    return [task for key, task in asked.items() if (not found.get(key, False) if task in tasks else task in empty)]


def called(cell, number):
    """What a cell is called in a message: its answer's or test's name, else its first line of code."""
    if id_of(cell):
        return f"the cell `{id_of(cell)}`"
    lines = [line.strip() for line in text_of(cell).split("\n")]
    first = next((line for line in lines if line and not line.startswith(("#", "import ", "from "))), "")
    return f"cell {number}" + (f" (`{first[:50]}`)" if first else "")


def run(notebook, name):
    """Run the code cells in order and check the answers; the states of all tasks, and what cells raised."""
    namespace = {"__name__": "__main__"}
    raised = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell.get("cell_type") != "code":
            continue
        try:
            run_cell(text_of(cell), namespace, str(number))
        except NotImplementedError:
            pass
        except ModuleNotFoundError as error:
            package = PACKAGES.get(error.name, error.name)
            raised.append(f"{called(cell, number)} needs the package {package}: pip install {package}")
        except (Exception, SystemExit) as error:
            if type(error).__name__ != "CheckFailed":
                text = raised_text(called(cell, number), type(error).__name__, str(error))
                raised.append(text)
    return states(name, namespace), raised


def check(path):
    """Check a notebook in a process of its own, so that an endless loop ends; the exit code."""
    read(path)
    print(f"bnlab: running {path}, for at most {SECONDS} s ...", file=sys.stderr)
    try:
        code = subprocess.run([sys.executable, "-m", "bnlab", "_check", str(path)], timeout=SECONDS).returncode
    except subprocess.TimeoutExpired:
        print(f"bnlab: {path} did not finish within {SECONDS} s; look for an endless loop", file=sys.stderr)
        return 1
    if code not in (GOOD, BAD):
        print(f"bnlab: a cell of {path} ended the Python process", file=sys.stderr)
    return 0 if code == GOOD else 1


def check_here(path):
    """The work of `check`."""
    import contextlib
    import io

    name = Path(path).stem
    notebook = read(path)
    problems = structure(notebook, name)
    with contextlib.redirect_stdout(io.StringIO()):
        found, raised = run(notebook, name)
    for task in empty_answers(notebook, name):
        found[task] = ("missing", found[task][1])
        problems.append(f"`{task}`: write below its question, and delete the line YOUR ANSWER HERE")
    print(table(found))
    for problem in problems + raised:
        print(f"  {problem}")
    good = all(state in ("passed", "undecided", "waits", "person") for state, _ in found.values())
    print(
        f"Ready: `python -m bnlab submit {path}` writes the file to hand in."
        if good and not problems
        else "Not everything is right yet."
    )
    return GOOD if good and not problems else BAD


def submit(path):
    """Write hand_in/NAME.ipynb without outputs, and a receipt; the exit code."""
    notebook = read(path)
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    data = (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
    folder = Path(path).resolve().parent / "hand_in"
    target, receipt = folder / Path(path).name, folder / f"{Path(path).stem}.receipt.txt"
    digest = hashlib.sha256(data).hexdigest()
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    try:
        folder.mkdir(exist_ok=True)
        target.write_bytes(data)
        receipt.write_text(
            f"file    {target.name}\nsha256  {digest}\nwritten {when}\nbnlab   {__version__}\n", encoding="utf-8"
        )
    except OSError as error:
        print(f"bnlab: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    name = Path(path).stem
    empty = unanswered(notebook, name)
    if empty:
        print(f"not answered yet: {', '.join(empty)}. You can write the file again after you have answered.")
    for problem in structure(notebook, name):
        print(f"  {problem}")
    print(f"hand in   {target}\nreceipt   {receipt} (sha256 {digest[:16]}...)")
    return 0


def main(arguments=None):
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bnlab",
        description="Check and hand in a notebook.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bnlab {__version__}")
    parser.add_argument("command", choices=["check", "submit"])
    parser.add_argument("file", metavar="FILE", help="the notebook, NN_topic.ipynb")
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["_check"]:  # the process of `check`
        return check_here(arguments[1])
    given = parser.parse_args(arguments)
    return {"check": check, "submit": submit}[given.command](given.file)


if __name__ == "__main__":
    sys.exit(main())
