"""Files that are traps: scripts for a browser, texts that take for ever to read."""

from tests.attacks.kinds import DRIFT, RIGHT, STATISTICS, Attack

SCRIPT = (
    "<script>alert('ESCAPED')</script><img src=x onerror=alert('ESCAPED')><iframe src='javascript:alert(1)'></iframe>"
)


def scripts(notebook):
    """Scripts in every place that a page shows."""
    extra = [
        {"cell_type": kind, "metadata": {}, "id": f"evil-{kind}", "source": SCRIPT} for kind in ("markdown", "raw")
    ]
    extra[1]["metadata"] = {"raw_mimetype": "text/html", "format": "text/html"}
    picture = {"image/svg+xml": "PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+"}
    extra.append(
        {
            "cell_type": "markdown",
            "metadata": {},
            "id": "svg",
            "source": "![x](attachment:x.svg)",
            "attachments": {"x.svg": picture},
        }
    )
    notebook["cells"][3:3] = extra


def written_script(notebook):
    cell = next(one for one in notebook["cells"] if one["id"] == "ics-verdict")
    cell["source"] = f"My verdict: {SCRIPT} [click](javascript:alert('ESCAPED'))"


def blank_lines(notebook):
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 1, "source": "\n" * 90_000 + "x = 1"}
    notebook["cells"].insert(2, cell)


def long_line(notebook):
    source = "#" * 40_000 + "x" * 40_000 + "### BEGIN HIDDEN TESTS"
    notebook["cells"].insert(
        2, {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 1, "source": source}
    )
    notebook["cells"].insert(2, {"cell_type": "markdown", "metadata": {}, "source": "\\begin{a}" * 9000})


def many_cells(notebook):
    notebook["cells"] += [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": f"x{i} = {i}"} for i in range(4000)
    ]


def deep_code(notebook):
    sources = ("x = " + "(" * 90_000, "x = 1" + "+1" * 45_000, "x = a" + ".b" * 45_000, "x = 1" + "<1" * 20_000)
    notebook["cells"] += [{"cell_type": "code", "metadata": {}, "outputs": [], "source": one} for one in sources]


TRAPS = [
    Attack(
        "scripts in the page",
        f"print({SCRIPT!r})\nraise ValueError({SCRIPT!r})",
        (),
        "has a script in a text",
        file=scripts,
    ),
    Attack(
        "scripts in a written answer", (), file=written_script, flag="has a script in a text", cell="", notebook=DRIFT
    ),
    Attack("90,000 blank lines", RIGHT, STATISTICS, file=blank_lines),
    Attack("lines that take long to read", RIGHT, STATISTICS, file=long_line),
    Attack("4,000 cells", RIGHT, STATISTICS, file=many_cells),
    Attack("code nested too deeply", RIGHT, STATISTICS, file=deep_code),
]
