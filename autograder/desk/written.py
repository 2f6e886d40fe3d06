"""Written answers on a sheet without names: to be graded by several people, in any spreadsheet, and taken back.

`python -m autograder written NAME` writes one line for each answer that a person has to grade, under an identifier that
says nothing about the student and is the same in every sheet of the course. `--take FILE` puts points and comments into
nbgrader's gradebook, where the formgrader and later runs of `grade` find them. Who comes first on a sheet is drawn by
the identifier, not by name or by time.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path

from nbgrader import api

from autograder import course, writing
from autograder.authoring.cells import grade_id
from autograder.authoring.script import Script
from autograder.collecting import sheets, submitted
from autograder.desk import pages
from autograder.desk.export import points
from autograder.grading import execute

HEADER = ["id", "task", "answer", "rubric", "max_score", "score", "comment"]
NEEDED = {"id", "task", "score", "comment"}
LONGEST = 32_000  # characters of an answer on a sheet: Excel keeps 32,767 of a cell, and csv reads no 131,073
LETTERS = 8  # of an identifier: 40 bits, so that 3,000 students have different ones


def anonymous(student):
    """The identifier of a student: without the course's secret nobody can tell whose it is.

    Returns
    -------
    str
        Eight letters and digits such as "K7QX-2MPA".
    """
    digest = hmac.new(course.secret(), f"written {student}".encode(), hashlib.sha256).digest()
    code = base64.b32encode(digest).decode()[:LETTERS]
    return f"{code[:4]}-{code[4:]}"


def answers(name, student):
    """The written answers in a student's submission: task -> text."""
    rebuilt, _ = execute.read_submission(name, submitted.read(student, name))
    return {grade_id(cell): cell.source for cell in rebuilt.notebook.cells if cell.cell_type == "markdown"}


def tasks(name):
    """The tasks of a notebook that a person grades: task -> points."""
    return {cell.id: cell.points for cell in Script.of(name).of_kind("answer")}


@dataclass(frozen=True)
class Scheme:
    """What a grader has to know of a task: Markdown out of the notebook's source."""

    question: str
    solution: str
    rubric: str


def schemes(name):
    """What graders have to know of each task: task -> Scheme."""
    cells = Script.of(name).of_kind("answer")
    return {cell.id: scheme_of(cell.source) for cell in cells}


def scheme_of(source):
    """The parts of an answer cell: the question, and between nbgrader's marks a solution and how points are given."""
    question, _, rest = source.partition("### BEGIN SOLUTION")
    rest, _, _ = rest.partition("### END SOLUTION")
    solution, _, rubric = rest.partition("=== BEGIN MARK SCHEME ===")
    rubric, _, _ = rubric.partition("=== END MARK SCHEME ===")
    return Scheme(question.strip(), solution.strip(), rubric.strip())


def write_rubric(name, path):
    """Write a page with the question, a solution and the rubric of each task, formulas as formulas."""
    rows = [(task, points(tasks(name)[task]), scheme) for task, scheme in schemes(name).items()]
    writing.write_text(path, pages.render("rubric.html", name=name, rows=rows))


def graded(name):
    """What is in the gradebook: (student, task) -> (score or "", comment, whether `grade` found the answer blank).

    Raises
    ------
    CourseError
        Where nothing is graded yet.
    """
    from autograder.gradebook import Course

    wanted, found = tasks(name), {}
    if not wanted:
        raise course.CourseError(f"{name} has no written answers; there are some in {', '.join(with_answers())}")
    with Course().gradebook() as book:
        for submission in book.assignment_submissions(name):
            for task in wanted:
                try:
                    grade = book.find_grade(task, name, name, submission.student_id)
                    comment = book.find_comment(task, name, name, submission.student_id).manual_comment
                except api.MissingEntry:  # the task came after this submission was graded
                    continue
                given = grade.manual_score is not None and not grade.needs_manual_grade
                blank = grade.manual_score is None and not grade.needs_manual_grade and grade.auto_score is not None
                found[submission.student_id, task] = points(grade.manual_score) if given else "", comment or "", blank
    if not found:
        raise course.CourseError(f"nothing of {name} is graded yet; run `python -m autograder grade {name}`")
    return found


def with_answers():
    """The notebooks that have written answers."""
    return [name for name in course.notebook_names() if tasks(name)]


def sheet(name, to=None, total=lambda rows: None, advance=lambda: None, say=lambda line: None):
    """Write the sheet and a page with the rubric; what was typed on an earlier sheet and not taken yet stays on it.

    Parameters
    ----------
    name : str
    to : str or Path, optional
        By default written/NAME.csv in the course folder; the page is NAME.rubric.html beside it.
    total, advance : callable
        Called with the number of answers, and after each.
    say : callable
        Called with a line on blank answers, which have 0 points already and are left out.

    Returns
    -------
    path : Path
    count : int
        Number of answers on it.
    waiting : int
        Number of those that have no points yet.

    Raises
    ------
    CourseError
    """
    found, most, texts, rows = graded(name), tasks(name), {}, []
    rubrics = {task: re.sub(r"(?m)^- ", "• ", scheme.rubric) for task, scheme in schemes(name).items()}
    path = Path(to) if to else course.course_folder() / "written" / f"{name}.csv"
    typed = read(name, path) if path.exists() else {}
    total(len(found))
    blank = {pair for pair, (*_, empty) in found.items() if empty and typed.get(pair, (None, "")) == (None, "")}
    for (student, task), (score, comment, _) in found.items():
        advance()
        if (student, task) in blank:
            continue
        if student not in texts:
            texts[student] = answers(name, student)
        answer = pages.cut(texts[student].get(task, ""), LONGEST)
        typed_score, typed_comment = typed.get((student, task), (None, ""))
        score = score or ("" if typed_score is None else points(typed_score))
        row = [anonymous(student), task, answer, rubrics[task], points(most[task]), score, comment or typed_comment]
        rows.append(row)
    if blank:
        count = "1 blank answer has" if len(blank) == 1 else f"{len(blank)} blank answers have"
        say(f"{count} 0 points and no line on the sheet")
    count = sheets.write_rows(path, HEADER, sorted(rows, key=lambda row: (row[1], row[0])))
    write_rubric(name, path.with_name(f"{path.stem}.rubric.html"))
    return path, count, sum(row[-2] == "" for row in rows)


def read(name, path):
    """What a person has written on a sheet: (student, task) -> (score or None, comment).

    Raises
    ------
    CourseError
        With the line, where an identifier, a task or a score cannot be; nothing has been changed then.
    """
    pairs, most = graded(name), tasks(name)
    known = {anonymous(student): student for student, _ in pairs}
    header, rows = sheets.records(path, "name a sheet that `written` made")
    if not NEEDED <= set(header):
        columns = ", ".join(header)[:200] or "(none)"
        raise course.CourseError(f"{path} has the columns {columns}; expected {', '.join(HEADER)}")
    found = {}
    for number, (_, row) in enumerate(rows, 1):
        where, who, task = f"{path}, answer {number}", row["id"].strip(), row["task"].strip()
        if who not in known:
            raise course.CourseError(f"{where}: {who!r} is nobody's identifier in this course; take it from the sheet")
        if task not in most:
            raise course.CourseError(f"{where}: {task!r} is no written answer of {name}; expected {', '.join(most)}")
        if (known[who], task) not in pairs:
            raise course.CourseError(f"{where}: {task} of {who} is not in the gradebook; grade {name} again")
        if (known[who], task) in found:
            raise course.CourseError(f"{where}: {who} and {task} occur twice; remove one")
        found[known[who], task] = _score(row["score"], most[task], where), sheets.unsafe(row["comment"].strip())
    return found


def _score(text, most, where):
    text = (text or "").strip().replace(",", ".")
    if not text:
        return None
    try:
        score = float(text)
    except ValueError:
        raise course.CourseError(
            f"{where}: the score {text!r} is not a number; expected 0 to {most:g}, or nothing"
        ) from None
    if not 0 <= score <= most:
        raise course.CourseError(f"{where}: the score is {score:g}; expected 0 to {most:g}")
    return score


def take(name, path, say=lambda line: None):
    """Put the points and comments of a sheet into the gradebook; lines without a score change nothing.

    Parameters
    ----------
    name : str
    path : str or Path
    say : callable
        Called with a line on each answer that had other points: two people may have graded it, or the sheet is old.

    Returns
    -------
    given : int
        Number of answers that have points now.
    open_ : int
        Number of lines without.
    """
    from autograder.gradebook import Course

    found = read(name, path)
    given = {key: value for key, value in found.items() if value[0] is not None}
    before = graded(name)
    for key, (score, comment) in given.items():
        had, said, _ = before[key]
        if had not in ("", points(score)):
            also = f"; the comment there was: {said}" if said and said != comment else ""
            say(f"{anonymous(key[0])} {key[1]}: {had} points before, {points(score)} now{also}")
    with Course().gradebook() as book:
        for (student, task), (score, comment) in given.items():
            grade = book.find_grade(task, name, name, student)
            grade.manual_score, grade.needs_manual_grade = score, False
            book.find_comment(task, name, name, student).manual_comment = comment or None
        book.db.commit()
    return len(given), len(found) - len(given)
