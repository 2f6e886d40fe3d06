"""The grading package: nbgrader notebooks, with student code and tests in different processes.

commands      what is typed, and what it prints             course       where things are, and errors for people
logs          one file for each run of a command            cures        what a disk or database that fails means
terminal      progress bars and wide tables                 sheets       tables as people and platforms save them
interrupts    Ctrl-C at a bad moment

Written for students
script        solutions/NN_topic.py, cell by cell           release      exercises/NN_topic.ipynb by nbgrader
fingerprints  numbers that `check` compares with            student_zip  exercises/ as one file
certify       is the grader fit for a release?              made_up      answers as students would have typed them

Handed in
collect       a folder or an archive into the course        layouts      whose a file is, by the platform's names
choose        one file a student                            people       which student a platform's number means
submitted     what lies in the course folder                reading      bytes as cells, however damaged
rebuild       the cells on those of the release             cells        what nbgrader's metadata says of a cell

Graded (phase 1)
grade         a class, in `processes` or on a `cluster`     execute      one submission in, a result out
referee       the tests, and a verdict for each             result       verdicts, and the file that keeps them
session       a student's notebook in a worker              remote       stand-ins for what lives in a worker
worker        the grader's side of sandbox/worker.py        zygote       the grader's side of sandbox/zygote.py
isolation     what stands around student code               canaries     whether it holds
speed         a race, judged by an interval                 twin         the hidden solution in a race
gpu           processes on a GPU                            gpu_race     a race on it
attempts      what code tries beside its task               integrity    a library's layer in place of an answer

In the gradebook (phase 2)
commit        results into nbgrader's gradebook             plugins      what plugs into nbgrader for that
ledger        which results are in it                       changes      what another version of the grader changes
gradebook     nbgrader as a library                         table        what `grade` and `certify` print

`desk` is what happens around grading, `sandbox` what runs in a student's process. bench_speed, bench_grading and
bench_scale measure the grader, figures writes what they found into README.md, make_sample_class writes a class to try.
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
