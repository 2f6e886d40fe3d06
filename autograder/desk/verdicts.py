"""What the referee's messages say, row by row, for pages that show more than text."""

import re

WORDS = {
    "passed": "right",
    "partial": "partly right",
    "failed": "not yet right",
    "missing": "not answered",
    "timeout": "took too long",
    "crashed": "ended Python",
    "undecided": "right; speed not decided",
    "needs-person": "waits for a person",
    "needs-gpu": "waits for a GPU",
    "graded": "graded by a person",
}
ROWS = ("tested", "found", "likely", "read on", "besides", "because")
LINE = re.compile(rf"^  ({'|'.join(ROWS)}) +(.*)$")
FOUND = re.compile(
    r"^(?P<where>.{0,200}?): expected (?P<expected>.{1,300}?), got (?P<got>.{1,300}?)\.(?: (?P<rest>.*))?$", re.DOTALL
)
PACE = re.compile(r"took (\d+(?:\.\d+)?) times the hidden solution's time")


def rows_of(message):
    """The rows of a message.

    Parameters
    ----------
    message : str
        As `bnlab.examiner.Report` prints it: a head, then lines such as "  likely   You divided by N - 1."

    Returns
    -------
    dict
        "head" and, where they are there, "tested", "found", "likely", "read on", "besides", "because"; where the
        finding is a comparison also "where", "expected" and "got", and "rest" with what was said after them.

    Examples
    --------
    >>> rows_of("a: not yet right.\\n  found    y[0]: expected 1, got 2.")["got"]
    '2'
    """
    head, *lines = message.split("\n")
    rows, last = {"head": head}, "head"
    for line in lines:
        found = LINE.match(line)
        if found:
            last = found.group(1)
            rows[last] = found.group(2)
        else:
            rows[last] += f"\n{line.removeprefix(' ' * 11)}"  # as Report indents the lines of one row
    compared = FOUND.match(rows.get("found", ""))
    if compared:
        rows.update({key: text for key, text in compared.groupdict().items() if text})
    return rows


def pace_of(message):
    """How many times the hidden solution's time an answer took, or None where nothing was timed."""
    found = PACE.search(message)
    return float(found.group(1)) if found else None
