"""The grading package: nbgrader notebooks, with student code and tests in different processes."""

import sys
from pathlib import Path

__version__ = "0.1.0"

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
