"""Build the website strictly into _build/html, or another kind of output, as the command jupyter-book does.

    python book/tools/build.py                        # what `make book` runs
    python book/tools/build.py --builder linkcheck --path-output _build/linkcheck

Pages whose cells, or what these use, have changed run first, side by side (book/_ext/course_cache.py). A page that is
as it was is not read again; a build that fails forgets what it read, so that the next one shows all warnings.
Two libraries lose time when left alone, which is mended here: a grammar of addresses that nothing needs is read in five
seconds by rfc3987_syntax, and pybtex looks through all installed packages once for each citation.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STRICT = ("--toc", "book/_toc.yml", "-W", "-n", "--keep-going", "--quiet")


def main(arguments: list[str]) -> int:
    """Run jupyter-book on the repository.

    Parameters
    ----------
    arguments : list of str
        Further options of ``jupyter-book build``.

    Returns
    -------
    int
        0 when there is a website without a single warning.
    """
    sys.modules.setdefault("rfc3987_syntax", None)
    import pybtex.plugin
    from jupyter_book.cli.main import main as jupyter_book

    pybtex.plugin._load_entry_point = functools.cache(pybtex.plugin._load_entry_point)
    os.chdir(ROOT)
    memory = ROOT / "_build" / ".doctrees"
    if "--path-output" in arguments:
        memory = Path(arguments[arguments.index("--path-output") + 1]) / "_build" / ".doctrees"
    if not (memory.parent / "html" / "searchindex.js").exists():  # the last build was cut off: half of it is no start
        shutil.rmtree(memory, ignore_errors=True)
    code = 1
    try:
        jupyter_book(["build", ".", *STRICT, *arguments])
    except SystemExit as end:
        code = end.code or 0
    except RuntimeError as error:  # jupyter-book's way to say that Sphinx has failed, which has said why
        print(str(error).strip(), file=sys.stderr)
    if code:
        shutil.rmtree(memory, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
