"""The grading package: nbgrader notebooks, with student code and tests in different processes.

A course goes through its packages in this order, and none of them loads one behind it:

authoring     what students get, made of the solutions
collecting    what they handed in, cell by cell
grading       verdicts (phase 1), with student code in processes that run `sandbox` alone
recording     scores in nbgrader's gradebook (phase 2)
desk          what an instructor does around it: feedback, report, export, roster, publish, ...

bench         is the grader fit? certificate, benchmarks, a class to try
commands      what is typed, and what it prints             course       where things are, and errors for people
logs          one file for each run of a command            cures        what a disk or database that fails means
terminal      progress bars and wide tables                 table        what `grade` and `certify` print
gradebook     nbgrader as a library                         writing      files whole or not at all
interrupts    Ctrl-C at a bad moment
"""

import sys
from pathlib import Path

__version__ = "0.2.0"

# The student library is used as it is released, and the solutions beside it, whatever is installed.
_REPOSITORY = Path(__file__).resolve().parent.parent
for _folder in (str(_REPOSITORY), str(_REPOSITORY / "exercises")):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)

# jsonschema, which nbformat loads, builds a grammar of URIs as soon as it finds this package: seconds for each process,
# for a format that notebooks do not use. It does without when the import fails.
sys.modules.setdefault("rfc3987_syntax", None)

# jupytext, which reads the scripts, loads Jupyter's server for a part that only that server uses: a third of the time
# in which a grading process starts. It does without when the import fails; inside a server it stays as it is.
if "jupyter_server" not in sys.modules:
    sys.modules.setdefault("jupytext.sync_contentsmanager", None)
    sys.modules.setdefault("jupytext.async_contentsmanager", None)
