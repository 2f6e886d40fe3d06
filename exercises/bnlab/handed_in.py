"""What a notebook file holds, told without running it: what is missing, there twice, damaged or not answered yet."""

import ast
import json
import re
from collections import Counter
from pathlib import Path

from bnlab import seal
from bnlab.cells import plain_python
from bnlab.tasks import all_tasks, notebooks, points_of, questions

SAVE = "save it in Jupyter, or download it from Colab as .ipynb"
PLACEHOLDER = "YOUR ANSWER HERE"
FEW = 8  # words: what is shorter gives no reason
COPIES = r"(?: - Copy| copy|(?: ?\(|-Copy|[-_ ])(?P<copy>\d+)\)?)*"  # what systems add to the name of a second file
COPY_OF = r"(?:copy[ _+-]of[ _+-])*"  # and Colab puts before it
RELEASED = re.compile(r"cell-\d+|setup")  # ids of cells that are nobody's answer


def named_like(name, text):
    """The match of a notebook's name, or of what systems make of it for a copy, with a whole text; or None."""
    return re.fullmatch(f"{COPY_OF}{re.escape(name)}{COPIES}", text, re.IGNORECASE)


def name_of(path):
    """The notebook's name: "03_forward" also for "03_forward (1).ipynb"."""
    stem = Path(path).stem
    return next((name for name in notebooks() if named_like(name, stem)), stem)


def read(path):
    """The notebook in a file.

    Raises
    ------
    SystemExit
        With one line that says what is wrong.
    """
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        notebook = json.loads(text)
        if not isinstance(notebook["cells"], list) or not all(map(is_cell, notebook["cells"])):
            raise TypeError
        points_of(name_of(path))
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
    except (ValueError, TypeError, RecursionError):
        if conflict(text):
            raise SystemExit(
                f"bnlab: {path} holds conflict markers of git, the first in line {conflict(text)}; take one of the two "
                f"versions (git checkout --ours {path}, or --theirs), or delete the markers and the "
                "lines of the other"
            ) from None
        raise SystemExit(f"bnlab: {path} is not a notebook; {SAVE}") from None
    return notebook


def is_cell(cell):
    """Whether what stands among the cells has the form of one."""
    if not isinstance(cell, dict):
        return False
    source, metadata = cell.get("source", ""), cell.get("metadata", {})
    lines = source if isinstance(source, list) else [source]
    tagged = isinstance(metadata, dict) and isinstance(metadata.get("nbgrader", {}), dict)
    return tagged and all(isinstance(line, str) for line in lines)


def conflict(text):
    """The number of the line with the first conflict marker of git, 0 where there is none."""
    found = re.search(r"^(<<<<<<<|>>>>>>>)( |$)", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def text_of(cell):
    """The source of a cell as one string."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def id_of(cell):
    """The grade id of a cell, or None."""
    return cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")


def any_id(cell):
    """The grade id of a cell, or what other editors leave of it, or ""."""
    return id_of(cell) or cell.get("metadata", {}).get("id") or cell.get("id") or ""


def is_code(cell):
    return cell.get("cell_type") == "code"


def structure(notebook, name):
    """Sentences on cells that are missing, there twice, or damaged, each with its cure."""
    cells = notebook["cells"]
    ids = [
        line.removeprefix("# answer:").strip()
        for cell in cells
        for line in text_of(cell).split("\n")[:3]
        if line.startswith("# answer:")
    ]
    found = [
        f"the answer cell `{task}` occurs {count} times: delete what is not your answer"
        for task, count in Counter(ids).items()
        if count > 1
    ]
    for number, cell in enumerate(cells, start=1):
        if conflict(text_of(cell)):
            where = called(cell, number)
            found.append(f"{where} holds conflict markers of git: keep one version's lines, and delete the markers")
    if not any(is_code(cell) and (any_id(cell) == "setup" or "@title Set-up" in text_of(cell)) for cell in cells):
        found.append("the set-up cell is missing: copy it from a fresh notebook; the other cells need what it imports")
    known, tasks = {any_id(cell) for cell in cells}, all_tasks()
    for task in points_of(name):
        tested = f"{task}-test" in known or any(f'check("{task}"' in text_of(cell) for cell in cells)
        if not tested and task not in known and task not in ids:
            found.append(f"the cells of `{task}` are missing or lost their metadata (the grader will look for them)")
        elif not tested and task in tasks:
            found.append(
                f"the test cell of `{task}` is missing: copy it from a fresh notebook (the grader has its own)"
            )
    return found + texts(notebook, name)


def written(notebook, name):
    """Written answer -> (its cell, the student's own words): in the cell, and in cells of text right below it."""
    found, current = {}, None
    for cell in notebook["cells"]:
        task = any_id(cell)
        if task in points_of(name) and task not in all_tasks():
            asked = {line.strip() for line in questions().get(task, "").split("\n")}
            lines = [line for line in text_of(cell).split("\n") if line.strip() not in asked]
            found[task], current = (cell, "\n".join(lines).replace(PLACEHOLDER, "").split()), task
        elif is_code(cell) or RELEASED.fullmatch(task):
            current = None
        elif current:
            found[current][1].extend(text_of(cell).split())
    return found


def texts(notebook, name):
    """Sentences on written answers that are no text, short, or still hold the line that stands for them."""
    found = []
    for task, (cell, words) in written(notebook, name).items():
        if is_code(cell):
            found.append(f"`{task}` has become a code cell: to make it text again, select it and press Esc, then M")
        if PLACEHOLDER in text_of(cell):
            first = "" if words else "write your answer below its question, and "
            found.append(f"`{task}`: {first}delete the line {PLACEHOLDER}")
        elif not words:
            found.append(f"`{task}`: write your answer below its question; so far there is nothing")
        if 0 < len(words) < FEW:
            short = " ".join(words)
            found.append(f"`{task}` says no more than {short[:40]!r}: a person gives points for reasons, so write some")
    return found


def empty_answers(notebook, name):
    """Written answers in which nothing is written yet."""
    return [task for task, (_, words) in written(notebook, name).items() if not words]


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


def no_python(notebook):
    """Sentences on code cells that Python cannot read; their answers count as missing."""
    found = []
    for number, cell in enumerate(notebook["cells"], 1):
        try:
            ast.parse(plain_python(text_of(cell)) if is_code(cell) else "")
        except SyntaxError as error:
            where = f"line {error.lineno}: " if error.lineno else ""
            found.append(
                f"{called(cell, number)} is not valid Python ({where}{error.msg}); what it defines counts as missing"
            )
        except ValueError as error:  # a null character
            found.append(f"{called(cell, number)} is not valid Python ({error}); what it defines counts as missing")
    return found


def unanswered(notebook, name):
    """Tasks without an answer: nothing is written, or no cell that can be read defines what is asked for."""
    found, tasks, empty = defined(notebook), all_tasks(), empty_answers(notebook, name)
    asked = {}  # what a task asks for -> the task; a task that times an answer asks for the same once more
    for task in points_of(name):
        asked.setdefault(tasks[task].answer if task in tasks else task, task)
    return [task for key, task in asked.items() if (not found.get(key, False) if task in tasks else task in empty)]


def checks_shown(notebook, name):
    """What the notebook shows of its checks as it was saved, without running anything: words -> their tasks.

    Tasks without an answer are left out.
    """
    cells = [cell for cell in notebook["cells"] if is_code(cell)]
    by_id, tasks = {any_id(cell): cell for cell in cells}, all_tasks()
    empty = {tasks[task].answer for task in unanswered(notebook, name) if task in tasks}
    found = {
        "not right when last checked": [],
        "run again since it was last checked": [],
        "edited since it was last checked": [],
        "not checked, as far as the file shows": [],
    }
    for task in points_of(name):
        if task not in tasks or tasks[task].answer in empty:
            continue
        calls = (cell for cell in cells if f'check("{task}"' in text_of(cell))
        test, answer = by_id.get(f"{task}-test") or next(calls, {}), by_id.get(task, {})
        said = test.get("outputs")
        text = "".join(map(_text_of_output, said if isinstance(said, list) else []))
        if not said or not isinstance(said, list):
            found["not checked, as far as the file shows"].append(task)
        elif f"{task}: correct" not in text:
            found["not right when last checked"].append(task)
        elif _later(answer, test):
            found["run again since it was last checked"].append(task)
        elif _edited(seal.read(task, text), tasks[task].answer, cells):
            found["edited since it was last checked"].append(task)
    return found


def _edited(checked, answer, cells):
    """Whether the code that was checked is in no cell any more, as far as the numbers of both tell."""
    there = [one for cell in cells for one in seal.seals(text_of(cell), answer)]
    return bool(checked and there) and checked not in there


def _text_of_output(output):
    """What a cell printed, "" for anything else."""
    text = output.get("text", "") if isinstance(output, dict) else ""
    return "".join(map(str, text)) if isinstance(text, (list, str)) else ""


def _later(one, other):
    """Whether a cell ran after another one, as far as their numbers tell."""
    counts = [cell.get("execution_count") for cell in (one, other)]
    return all(type(count) is int for count in counts) and counts[0] > counts[1]


def called(cell, number):
    """What a cell is called in a message: its answer's or test's name, else its first line of code."""
    if id_of(cell):
        return f"the cell `{id_of(cell)}`"
    lines = [line.strip() for line in text_of(cell).split("\n")]
    first = next((line for line in lines if line and not line.startswith(("#", "import ", "from "))), "")
    return f"cell {number}" + (f" (`{first[:50]}`)" if first else "")
