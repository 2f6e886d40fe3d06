"""Write the damaged submissions: `python -m tests.damaged.make FOLDER`.

Each is the same notebook (a class of one student, so to speak) after something happened to the file. In 03_forward the
student has a known slip in `forward-running` and everything else right; in 02 everything is right and a text is
written. What a person who looks at the damaged file would give is declared beside each damage, never measured.
"""

import copy
import functools
import gzip
import io
import json
import random
import re
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from autograder import course
from autograder.authoring.script import Script
from autograder.bench.made_up import Submission, build, slip

FORWARD, DRIFT = "03_forward", "02_internal_covariate_shift"
WHOLE = {
    FORWARD: {
        "batch-statistics": "passed",
        "forward-train": "passed",
        "forward-running": "failed",
        "forward-eval": "passed",
        "forward-layer": "passed",
    },
    DRIFT: {
        "percentile-drift": "passed",
        "wasserstein-drift": "passed",
        "gradient-shift": "passed",
        "ics-verdict": "needs-person",
    },
}
TEXT = "## 4. Your verdict\n\nThe drift is smaller and the gradient moves more, so the sentence does not hold."
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@dataclass
class Damaged:
    """One damaged submission.

    student : str
        Named after what happened.
    damage : callable
        Changes the notebook (a dict) in place, or returns the bytes of the file.
    lost : dict
        task -> verdict, where it is another one than for the undamaged file.
    told : str
        Words that the student reads about it; "" where there is nothing to tell.
    refused : str
        Words of the reason, where nothing can be graded.
    notebook : str
    """

    student: str
    damage: object
    lost: dict = field(default_factory=dict)
    told: str = ""
    refused: str = ""
    notebook: str = FORWARD

    @property
    def verdicts(self):
        """task -> the verdict that it must get."""
        whole = WHOLE[self.notebook]
        return dict.fromkeys(whole, "missing") if self.refused else whole | self.lost


@functools.cache
def _source(name):
    script = Script.of(name)
    answers = slip("forward-running", "momentum_flipped") if name == FORWARD else {"ics-verdict": TEXT}
    release = nbformat.read(course.released(name), as_version=4)
    return build(Submission("student", name, answers=answers), script, release)


def undamaged(name=FORWARD):
    """The notebook as a dict, as a student would save it."""
    return json.loads(_source(name))


def tag(cell):
    """The grade_id of a cell, "" without one."""
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def find(notebook, name):
    """(position, cell) of a grade_id."""
    return next((i, cell) for i, cell in enumerate(notebook["cells"]) if tag(cell) == name)


def text(cell, new=None):
    """The source of a cell as one string; or set it."""
    if new is not None:
        cell["source"] = new
    return "".join(cell["source"])


def dump(notebook):
    """The notebook's bytes, as Jupyter writes them."""
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def answers(notebook):
    """Cells of code answers."""
    return [cell for cell in notebook["cells"] if tag(cell) in WHOLE[FORWARD]]


def names_used_again(notebook):
    """Below everything the student tries the functions out, and calls a result as the function that made it."""
    lines = (
        "batch_statistics, var = batch_statistics(np.eye(3))",
        "batchnorm_train = batchnorm_train(np.eye(3), np.ones(3), np.zeros(3))",
        "del batchnorm_eval",
    )
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 9, "source": "\n".join(lines)}
    notebook["cells"].append(cell)


def brackets(notebook):
    """Much text in the outputs looks like lists, and is none."""
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": '["[1, 2]", [3]]\n' * 500_000}]


# -- the file ---------------------------------------------------------------------------------------------------------
def cut(where, before=0):
    """The file ends inside the cell `where`, or `before` bytes before its end."""

    def damage(notebook):
        data = dump(notebook)
        return data[:-before] if before else data[: data.index(f"# answer: {where}".encode()) + 40]

    return damage


def reencoded(codec, mark=b"", change=str):
    return lambda notebook: mark + change(dump(notebook).decode()).encode(codec, "replace")


def flipped(notebook):
    """A quotation mark in the middle became a zero byte."""
    data = bytearray(dump(notebook))
    data[data.index(b'"# answer: forward-eval')] = 0
    return bytes(data)


def conflict(notebook):
    """Two versions of one answer with the marks that git leaves."""
    lines = dump(notebook).decode().split("\n")
    start = next(i for i, line in enumerate(lines) if "# answer: forward-eval" in line)
    first = max(i for i in range(start) if lines[i] == "  {")
    last = min(i for i in range(start, len(lines)) if lines[i] == "  },")
    cell = lines[first : last + 1]
    return "\n".join(
        [*lines[:first], "<<<<<<< HEAD", *cell, "=======", *cell, ">>>>>>> other", *lines[last + 1 :]]
    ).encode()


def other_file(data):
    return lambda notebook: data


def zipped(notebook):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("03_forward.ipynb"), dump(notebook))
    return file.getvalue()


def script(notebook):
    return "\n\n".join(text(cell) for cell in notebook["cells"] if cell["cell_type"] == "code").encode()


# -- the format -------------------------------------------------------------------------------------------------------
def minor(number):
    """nbformat 4 with another minor version: cells have ids from 4.5 on."""

    def damage(notebook):
        notebook["nbformat_minor"] = number
        for cell in notebook["cells"]:
            if number < 5:
                del cell["id"]

    return damage


def old_format(number):
    """nbformat 2 and 3: worksheets, `input`, heading cells."""

    def damage(notebook):
        cells = []
        for cell in notebook["cells"]:
            code = cell["cell_type"] == "code"
            old = {"cell_type": cell["cell_type"], "input" if code else "source": text(cell)}
            old |= {"metadata": cell["metadata"]} if number == 3 else {}
            old |= {"language": "python", "outputs": [], "prompt_number": 1, "collapsed": False} if code else {}
            if text(cell).startswith("# 03 Forward"):
                old = {"cell_type": "heading", "level": 1, "source": "03 Forward", "metadata": {}}
            cells.append(old)
        about = {"name": "03_forward"}
        return dump({"metadata": about, "nbformat": number, "nbformat_minor": 0, "worksheets": [{"cells": cells}]})

    return damage


def bare(notebook):
    """Nothing at the top but the cells."""
    for key in ("metadata", "nbformat", "nbformat_minor"):
        del notebook[key]


def no_metadata(notebook):
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"], cell["id"] = {}, f"c{number}"


def half_metadata(notebook):
    for cell in notebook["cells"][::2]:
        cell["metadata"] = {}


def ids_only(notebook):
    for cell in notebook["cells"]:
        del cell["metadata"]


def strange_metadata(notebook):
    values = ("nbgrader", ["nbgrader"], {"nbgrader": "forward-train"}, {"nbgrader": {"grade_id": 7}}, None)
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"] = values[number % len(values)]


def no_marker(notebook):
    """No metadata, no ids, no marker comment: the functions' names are left."""
    no_metadata(notebook)
    for cell in notebook["cells"]:
        text(cell, re.sub(r"# answer: [\w-]+\n", "", text(cell)))


def strange_types(notebook):
    """Fields with values of other types than the schema wants."""
    notebook["cells"][0]["source"] = None
    notebook["cells"][2]["source"] = 7
    notebook["cells"][3].update(source=[1, None, "# x\n"], outputs="none", execution_count="3")
    notebook["cells"] += [None, 3, [], {}, {"cell_type": "chart"}, {"cell_type": ["code"], "source": "x = 1"}]
    notebook["nbformat"], notebook["metadata"] = "four", []


def surrogates(notebook):
    notebook["cells"].insert(3, {"cell_type": "code", "metadata": {}, "outputs": [], "source": "s = '\ud83d'"})
    notebook["cells"].insert(3, {"cell_type": "markdown", "metadata": {"\ud83d": 1}, "source": "half a smile \ud83d"})
    return json.dumps(notebook).encode()


# -- the cells --------------------------------------------------------------------------------------------------------
def duplicate(name, change=None):
    """A cell twice, metadata and all; the copy below is changed."""

    def damage(notebook):
        position, cell = find(notebook, name)
        twin = copy.deepcopy(cell)
        twin["id"] = "pasted"
        if change:
            text(twin, change(text(twin)))
        notebook["cells"].insert(position + 1, twin)

    return damage


def draft_above(notebook):
    """An answer twice: a wrong draft above the right one."""
    position, cell = find(notebook, "forward-eval")
    draft = copy.deepcopy(cell) | {"id": "draft"}
    text(draft, text(draft).replace("eps)", "2 * eps)"))
    notebook["cells"].insert(position, draft)


def delete(*names):
    def damage(notebook):
        notebook["cells"] = [cell for cell in notebook["cells"] if tag(cell) not in names]

    return damage


def backwards(notebook):
    notebook["cells"].reverse()


def shuffled(notebook):
    random.Random(3).shuffle(notebook["cells"])


def split(name, at, keep=True):
    """A cell cut in two before the line that holds `at`, as the editor's command does it."""

    def damage(notebook):
        position, cell = find(notebook, name)
        lines = text(cell).split("\n")
        line = next(i for i, one in enumerate(lines) if at in one)
        rest = copy.deepcopy(cell) | {"id": "rest"}
        if not keep:
            rest["metadata"] = {}
        text(cell, "\n".join(lines[:line]))
        text(rest, "\n".join(lines[line:]))
        notebook["cells"].insert(position + 1, rest)

    return damage


def helper_in_front(notebook):
    """The answer calls a helper that stands in a cell of its own, which has the metadata too."""
    position, cell = find(notebook, "forward-eval")
    helper = copy.deepcopy(cell) | {"id": "helper"}
    text(helper, "def root(a):\n    return np.sqrt(a)")
    text(cell, text(cell).replace("np.sqrt(", "root("))
    notebook["cells"].insert(position, helper)


def merge(first, second):
    """Two cells merged: the upper one's metadata stays."""

    def damage(notebook):
        _, upper = find(notebook, first)
        position, lower = find(notebook, second)
        text(upper, text(upper) + "\n\n" + text(lower))
        del notebook["cells"][position]

    return damage


def one_cell(notebook):
    """All code in one cell."""
    code = "\n\n".join(text(cell) for cell in notebook["cells"] if cell["cell_type"] == "code")
    notebook["cells"] = [{"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 1, "source": code}]


def retype(name, kind, fence=False):
    def damage(notebook):
        _, cell = find(notebook, name)
        cell["cell_type"] = kind
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
        if fence:
            text(cell, f"```python\n{text(cell)}\n```")

    return damage


def wrong_place(notebook):
    """Two answers pasted into each other's cells; the markers went with them."""
    (_, one), (_, other) = find(notebook, "forward-train"), find(notebook, "forward-eval")
    one["source"], other["source"] = other["source"], one["source"]


def edited_test(notebook):
    _, cell = find(notebook, "forward-eval-test")
    text(cell, "assert True\n" + text(cell))


# -- other editors ----------------------------------------------------------------------------------------------------
def kernel(name, language):
    def damage(notebook):
        about = {"kernelspec": {"name": name, "display_name": name, "language": language}}
        notebook["metadata"] = about | {"language_info": {"name": language, "file_extension": f".{language}"}}

    return damage


def colab(notebook):
    """What Colab writes: nbformat 4.0, ids in the metadata, outputs with ids, forms, its own top level fields."""
    notebook["nbformat_minor"] = 0
    notebook["metadata"] = {"colab": {"provenance": [], "toc_visible": True}, "accelerator": "GPU"}
    for number, cell in enumerate(notebook["cells"]):
        about = {"id": f"aB{number}_xY", "colab": {"base_uri": "https://localhost:8080/"}, "cellView": "form"}
        cell["metadata"] = about | {"executionInfo": {"status": "ok", "elapsed": 3}, "outputId": "5d6f"}
        del cell["id"]


def vscode(notebook):
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"#VSC-{number:08x}"
        cell["metadata"] = {"vscode": {"languageId": "python"}, "language": "python"}
    notebook["metadata"]["vscode"] = {"interpreter": {"hash": "31f2"}}


def output(notebook, outputs):
    find(notebook, "forward-train")[1]["outputs"] = outputs


def one_line(notebook):
    output(notebook, [{"output_type": "stream", "name": "stdout", "text": "0" * (20 << 20)}])


def many_outputs(notebook):
    line = {"output_type": "stream", "name": "stdout", "text": ["1234567 " * 25 + "\n"]}
    output(notebook, [line] * (20 * 5000))


def plots(notebook):
    data = {"image/png": PIXEL * 20_000, "text/html": "<b>a table</b>", "application/vnd.plotly.v1+json": {"data": []}}
    output(notebook, [{"output_type": "display_data", "data": data, "metadata": {}}])


def picture_in_text(notebook):
    text(notebook["cells"][2], f"![mine](data:image/png;base64,{PIXEL * 10_000})")


def attachment(value):
    def damage(notebook):
        _, cell = find(notebook, "ics-verdict")
        cell["attachments"] = value
        text(cell, TEXT + "\n\n![my derivation](attachment:page.png)")

    return damage


def on_the_release(name, new):
    """The written answer changed: with other metadata, type or text."""

    def damage(notebook):
        find(notebook, name)[1].update(new)

    return damage


def two_texts(notebook):
    position, cell = find(notebook, "ics-verdict")
    more = {"cell_type": "markdown", "metadata": {}, "id": "more", "source": "One more thought: a control is missing."}
    text(cell, undamaged_text())
    notebook["cells"].insert(position + 1, more)


def undamaged_text():
    """The question of the written answer as released."""
    release = json.loads(course.released(DRIFT).read_bytes())
    return text(find(release, "ics-verdict")[1])


GONE = {"forward-eval": "missing"}
AFTER = GONE | {"forward-layer": "missing"}
PYTHON = b"import numpy as np\n\n\ndef batch_statistics(x):\n    return x.mean(0), x.var(0)\n"
DEEP = b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LOST, MOVED = "lost their metadata", "had been moved"

CORPUS = [
    Damaged("undamaged", lambda notebook: None),
    # the file
    Damaged("cut in the fourth answer", cut("forward-eval"), AFTER, "cut off or damaged"),
    Damaged("cut at the very end", cut("", 5), {}, "cut off or damaged"),
    Damaged("cut before the first cell ends", lambda notebook: dump(notebook)[:60], refused="no cell in it is whole"),
    Damaged("one byte lost", flipped, GONE, "cut off or damaged"),
    Damaged("conflict marks of git", conflict, {}, "was there 2 times"),
    Damaged("utf-8 with a mark", reencoded("utf-8", b"\xef\xbb\xbf"), {}, "byte order mark"),
    Damaged("utf-16", reencoded("utf-16"), {}, "UTF-16"),
    Damaged("utf-16 without a mark", reencoded("utf-16-le"), {}, "UTF-16"),
    Damaged("utf-32", reencoded("utf-32"), {}, "UTF-32"),
    Damaged(
        "windows-1252",
        reencoded("cp1252", change=lambda t: t.replace("# Play", "# Spiel für “mich”")),
        {},
        "Windows-1252",
    ),
    Damaged("latin-1", reencoded("latin-1", change=lambda t: t.replace("# Play", "# J\x81 \xfcbe")), {}, "Latin-1"),
    Damaged("names used again", names_used_again),
    Damaged("crlf", lambda notebook: dump(notebook).replace(b"\n", b"\r\n")),
    Damaged("crlf in the sources", reencoded("utf-8", change=lambda t: t.replace("\\n", "\\r\\n"))),
    Damaged("cr in the sources", reencoded("utf-8", change=lambda t: t.replace("\\n", "\\r"))),
    Damaged("line ends inside strings", reencoded("utf-8", change=lambda t: t.replace("\\n", "\n"))),
    Damaged("zeros at the end", lambda notebook: dump(notebook) + b"\0" * 4096),
    Damaged("the end of a longer file", lambda notebook: dump(notebook) + b' "nbformat": 4\n}\n'),
    Damaged(
        "lists without end", other_file(b'{"cells": [' + b"[]," * 9_000_000 + b"[]]}"), refused="clear the outputs"
    ),
    Damaged("a million brackets printed", brackets),
    Damaged("an empty file", other_file(b""), refused="the file is empty"),
    Damaged("blank lines alone", other_file(b"\n \r\n\t\n"), refused="the file is empty"),
    Damaged("zeros alone", other_file(b"\0" * 4096), refused="not a notebook"),
    Damaged("a pdf", other_file(b"%PDF-1.7\n% the reading\n"), refused="not a notebook"),
    Damaged("a web page", other_file(b"<!DOCTYPE html><html></html>"), refused="not a notebook"),
    Damaged("a python file", script, refused="not a notebook"),
    Damaged("a zip archive", zipped, refused="not a notebook"),
    Damaged("gzipped", lambda notebook: gzip.compress(dump(notebook), mtime=0), refused="not a notebook"),
    Damaged("json of something else", other_file(b'{"type": "FeatureCollection"}'), refused="no notebook"),
    Damaged("a list of numbers", other_file(b"[1, 2, 3]"), refused="no notebook"),
    Damaged("cells as a dict", other_file(b'{"cells": {"0": {}}}'), refused="no notebook"),
    Damaged("nested too deeply", other_file(DEEP), refused="nested too deeply"),
    # the format
    *(Damaged(f"nbformat 4.{number}", minor(number)) for number in range(6)),
    Damaged("nbformat 3", old_format(3), {}, "old format"),
    Damaged("nbformat 2", old_format(2), {}, "old format"),
    Damaged("cells alone", bare),
    Damaged("a list of cells", lambda notebook: dump(notebook["cells"])),
    Damaged("no metadata", no_metadata, {}, LOST),
    Damaged("half of the metadata", half_metadata, {}, LOST),
    Damaged("ids alone", ids_only, {}, LOST),
    Damaged("strange metadata", strange_metadata, {}, LOST),
    Damaged("no metadata and no marker", no_marker, {}, LOST),
    Damaged("strange types", strange_types),
    Damaged("half characters", surrogates),
    # the cells
    Damaged("a test twice", duplicate("forward-eval-test"), {}, "was there 2 times"),
    Damaged("an answer twice", duplicate("forward-eval"), {}, "was there 2 times"),
    Damaged("a draft above the answer", draft_above, {}, "all that was written in it was kept"),
    Damaged("a note below the answer", duplicate("forward-eval", lambda t: "# checked"), {}, "was there 2 times"),
    Damaged("no tests", delete(*(f"{task}-test" for task in WHOLE[FORWARD])), {}, "was missing and was put back"),
    Damaged("no set-up", delete("setup"), {}, "`setup` was missing"),
    Damaged("an answer deleted", delete("forward-eval"), GONE, "answer cell `forward-eval` was missing"),
    Damaged("answers alone", lambda notebook: notebook.update(cells=answers(notebook)), {}, "put back"),
    Damaged(
        "all cells deleted",
        lambda notebook: notebook.update(cells=[]),
        dict.fromkeys(WHOLE[FORWARD], "missing"),
        "missing",
    ),
    Damaged("backwards", backwards, {}, MOVED),
    Damaged("shuffled", shuffled, {}, MOVED),
    Damaged("split in the function", split("forward-train", "centred = "), {}, "put together again"),
    Damaged("split without metadata", split("forward-train", "x_hat = ", keep=False), {}, "put together again"),
    Damaged("split in the docstring", split("forward-eval", "Parameters"), {}, "put together again"),
    Damaged("a helper in front", helper_in_front, {}, "was there 2 times"),
    Damaged("two answers merged", merge("forward-train", "forward-eval"), {}, "stood in another cell"),
    Damaged("answer and test merged", merge("forward-eval", "forward-eval-test"), {}, "put back"),
    Damaged("all code in one cell", one_cell, {}, "stood in another cell"),
    Damaged("an answer as text", retype("forward-eval", "markdown"), {}, "had become a markdown cell"),
    Damaged("an answer in a fence", retype("forward-eval", "markdown", True), {}, "had become a markdown cell"),
    Damaged("an answer as raw", retype("forward-eval", "raw"), {}, "had become a raw cell"),
    Damaged("a test as text", retype("forward-eval-test", "markdown")),
    Damaged("answers in each other's cells", wrong_place, {}, MOVED),
    Damaged("a test edited", edited_test, {}, "had been edited and was restored"),
    # other editors
    Damaged("kernel of R", kernel("ir", "R")),
    Damaged("kernel of Julia", kernel("julia-1.10", "julia")),
    Damaged("no such kernel", kernel("conda-env-bn-py", "python")),
    Damaged("colab", colab, {}, LOST),
    Damaged("vs code", vscode, {}, LOST),
    Damaged("20 MB on one line", one_line),
    Damaged("20 MB of lines", many_outputs),
    Damaged("plots and tables", plots),
    Damaged("a picture in a text", picture_in_text),
    # names
    Damaged("Mary Ann  O'Neill-Smith (2)", lambda notebook: None),
    Damaged("José Ñandú", no_metadata, {}, LOST),
    Damaged("李小龙", lambda notebook: None),
    Damaged("Оля", lambda notebook: None),
    # written answers
    Damaged("text undamaged", lambda notebook: None, notebook=DRIFT),
    Damaged(
        "text untouched",
        on_the_release("ics-verdict", {"source": undamaged_text()}),
        {"ics-verdict": "missing"},
        notebook=DRIFT,
    ),
    Damaged("text without metadata", no_metadata, {}, LOST, notebook=DRIFT),
    Damaged(
        "text without its question",
        on_the_release("ics-verdict", {"metadata": {}, "id": "x", "source": "I do not agree."}),
        {},
        LOST,
        notebook=DRIFT,
    ),
    Damaged("text in a code cell", retype("ics-verdict", "code"), {}, "had become a code cell", notebook=DRIFT),
    Damaged("text in a raw cell", retype("ics-verdict", "raw"), {}, "had become a raw cell", notebook=DRIFT),
    Damaged("text below the question", two_texts, notebook=DRIFT),
    Damaged("text deleted", delete("ics-verdict"), {"ics-verdict": "missing"}, "was missing", notebook=DRIFT),
    Damaged("attachment", attachment({"page.png": {"image/png": PIXEL}}), notebook=DRIFT),
    Damaged("attachment in pieces", attachment({"page.png": {"image/png": [PIXEL[:40], PIXEL[40:]]}}), notebook=DRIFT),
    Damaged("strange attachments", attachment({"page.png": PIXEL, "\ud83d": {"text/html": 3}, "": []}), notebook=DRIFT),
]


def file_of(one):
    """The bytes of a damaged submission; the same ones each time."""
    notebook = undamaged(one.notebook)
    data = one.damage(notebook)
    if data is None:
        try:
            data = dump(notebook)
        except UnicodeEncodeError:
            data = json.dumps(notebook).encode()
    return data


def write(folder):
    """Write the corpus as a folder of submissions: STUDENT/NAME.ipynb.

    Beside the files of CORPUS there are a directory where a file should be, and a second file of one student.
    """
    for one in CORPUS:
        path = Path(folder, one.student, f"{one.notebook}.ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_of(one))
    Path(folder, "a directory", f"{FORWARD}.ipynb").mkdir(parents=True)
    Path(folder, "undamaged", f"{FORWARD} (1).ipynb").write_bytes(b"{}")


if __name__ == "__main__":
    write(sys.argv[1])
