"""`python -m bnlab check FILE` before handing in, `python -m bnlab submit FILE` for the file to hand in.

Exit code 0: all is well; 1: something is wrong with the file or an answer; 2: wrong usage.
"""

import argparse
import contextlib
import datetime
import hashlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import traceback
from pathlib import Path

from bnlab import __version__
from bnlab.answers import message_of, own_line, raised_text
from bnlab.cells import run_cell
from bnlab.handed_in import (
    any_id,
    called,
    checks_shown,
    empty_answers,
    name_of,
    no_python,
    read,
    structure,
    text_of,
    unanswered,
    written,
)
from bnlab.overview import state, states, table
from bnlab.past import Past
from bnlab.tasks import all_tasks
from bnlab.waiting import PATIENCE, noticed

PACKAGES = {"sklearn": "scikit-learn"}  # where pip knows a module by another name
SECONDS = 300  # for a whole notebook
GOOD, BAD = 10, 11  # what the checking process ends with, unless a student's cell ends it
EXAMPLES = """examples, in the folder exercises:
  python -m bnlab check 03_forward.ipynb      what is right so far, and what is missing
  python -m bnlab submit 03_forward.ipynb     writes hand_in/03_forward.ipynb and a receipt
  python -m bnlab --version                   to quote when you report a problem
"""


def run(notebook, name):
    """Run the code cells in order and check the answers; the states of all tasks, and what cells raised.

    An error that follows from another one, a name that a stopped cell would have defined, is not told.
    """
    namespace, meant, stopped = {"__name__": "__main__"}, {}, {}
    tasks = all_tasks()
    wanted = {task.answer for task in tasks.values()}
    past, raised, texts = Past(namespace), [], [id(cell) for cell, _ in written(notebook, name).values()]
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell.get("cell_type") != "code" or id(cell) in texts:
            continue
        try:
            with past.cell(), noticed(f"bnlab: {called(cell, number)} has not ended after {PATIENCE} s"):
                run_cell(text_of(cell), namespace, str(number))
        except NotImplementedError:
            pass
        except (Exception, SystemExit) as error:
            follows = isinstance(error, NameError) and error.name in stopped
            if isinstance(error, ModuleNotFoundError) and error.name:
                package = PACKAGES.get(error.name, error.name)
                raised.append(f"{called(cell, number)} needs the package {package}: pip install {package}")
            elif type(error).__name__ != "CheckFailed" and not follows:
                place = own_line(traceback.walk_tb(error.__traceback__))
                raised.append(raised_text(called(cell, number), type(error).__name__, message_of(error), *place))
            if any_id(cell) in tasks:
                stopped[tasks[any_id(cell)].answer] = any_id(cell)
        # a later `train, test = ...` takes nothing away: the tests below an answer have had their say
        meant |= {one: namespace[one] for one in wanted & namespace.keys() if callable(namespace[one])}
    found = states(name, namespace | meant)
    for task, (verdict, points) in found.items():
        answer = task in tasks and tasks[task].answer
        if verdict in ("failed", "partial") and past.visit([answer]):  # as in the check below the answer
            again = state(task, (namespace | meant)[answer])
            found[task] = (again if again in ("passed", "waits", "partial") else verdict, points)
            past.visit([])
    for task in stopped.values():
        if found.get(task, ("",))[0] == "missing":
            found[task] = ("stopped", found[task][1])
    return found, raised


def check(path):
    """Check a notebook in a process of its own, so that an endless loop ends; the exit code."""
    read(path)
    print(f"bnlab: running {path}, for at most {SECONDS} s; Ctrl-C stops it ...", file=sys.stderr)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the process below, from its first moment on
    try:
        process = subprocess.Popen([sys.executable, "-m", "bnlab", "_check", str(path)])
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        print(f"bnlab: {path} did not finish within {SECONDS} s; look for an endless loop there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nbnlab: stopped; nothing is known about {path}", file=sys.stderr)
        return 1
    finally:
        process.kill()
        process.wait()
    if code not in (GOOD, BAD):
        print(f"bnlab: a cell of {path} ended the Python process", file=sys.stderr)
    return 0 if code == GOOD else 1


def check_here(path):
    """The work of `check`."""
    name = name_of(path)
    notebook = read(path)
    problems = structure(notebook, name)
    with contextlib.redirect_stdout(io.StringIO()):
        found, raised = run(notebook, name)
    for task in empty_answers(notebook, name):
        found[task] = ("missing", found[task][1])
    print(table(found))
    for problem in problems + raised:
        print("  " + problem.replace("\n", "\n    "))
    left = {state for state, _ in found.values()} - {"passed", "undecided", "waits", "person"}
    if not left and not problems:
        print(f"Ready: `python -m bnlab submit {shlex.quote(str(path))}` writes the file to hand in.", flush=True)
        return GOOD
    if left == {"missing"} and not problems:
        print("Not everything is answered yet.", flush=True)
    else:
        where = " In the notebook, the cell below an answer says what is off." if left - {"missing"} else ""
        print(f"Not everything is right yet.{where}", flush=True)
    return BAD


def submit(path):
    """Write hand_in/NAME.ipynb without outputs, and a receipt; the exit code."""
    notebook = read(path)
    shown = checks_shown(notebook, name_of(path))
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    data = (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
    folder = Path(path).resolve().parent / "hand_in"
    name = name_of(path)
    target, receipt = folder / f"{name}.ipynb", folder / f"{name}.receipt.txt"
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
    empty = unanswered(notebook, name)
    if empty:
        print(f"not answered yet: {', '.join(empty)}. You can write the file again after you have answered.")
    for words, tasks in shown.items():
        if tasks:
            print(f"{words}: {', '.join(tasks)} (`python -m bnlab check {shlex.quote(str(path))}` looks again)")
    for problem in no_python(notebook) + structure(notebook, name):
        print(f"  {problem}")
    print(f"hand in   {target}\nreceipt   {receipt} (sha256 {digest[:16]}...): keep it, it is not handed in")
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
    parser.add_argument(
        "command", choices=["check", "submit"], help="what is right so far; or write the file to hand in"
    )
    parser.add_argument("file", metavar="FILE", help="the notebook, NN_topic.ipynb")
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["_check"]:  # the process of `check`, which ends it after a Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows hands nothing down
        os._exit(check_here(arguments[1]))  # a thread that a cell started may never end
    given = parser.parse_args(arguments)
    return {"check": check, "submit": submit}[given.command](given.file)


if __name__ == "__main__":
    sys.exit(main())
