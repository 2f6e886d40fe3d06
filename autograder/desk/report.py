"""What a notebook did with the class: one HTML page and a table for the spreadsheet.

All of it is read from finished results and nbgrader's gradebook; nothing is graded here.
"""

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from autograder import course, logs, writing
from autograder.authoring.script import Script
from autograder.collecting import sheets, submitted
from autograder.desk import charts, late, pages, stale
from autograder.desk.verdicts import WORDS, pace_of, rows_of
from autograder.desk.waiting import settled
from autograder.grading import execute
from autograder.grading.result import load_result, without_grading
from autograder.recording import ledger

RIGHT = ("passed", "undecided")
DOUBTS = ("edited and was restored", "was missing and was put back")  # repairs that a person may want to see


@dataclass
class Line:
    """One student.

    score, most, penalty : float, points, manual ones included
    waiting : bool, whether a person still has to grade something
    result : dict, of `execute.execute`
    """

    student: str
    score: float
    most: float
    penalty: float
    waiting: bool
    result: dict
    by_hand: dict = field(default_factory=dict)  # cell -> points

    @property
    def open(self):
        """Points that wait for a GPU and are no zero: cell -> points."""
        verdicts = (one for one in self.result["verdicts"] if one["cell"] not in self.by_hand)
        return {one["cell"]: one["max_score"] for one in verdicts if one["verdict"] == "needs-gpu"}


def gather(name, total=lambda students: None, advance=lambda: None, left=None):
    """The class, in the order of the gradebook.

    Parameters
    ----------
    name : str
    total, advance : callable
        Called with the number of students, and after each.
    left : list, optional
        Gets the students of whose grade no result tells more.

    Returns
    -------
    list of Line

    Raises
    ------
    CourseError
        Where nothing is graded yet.
    """
    from autograder.gradebook import Course

    late.apply(name)
    lines, committed = [], ledger.read(name)
    with Course().gradebook() as book:
        submissions = sorted(book.assignment_submissions(name), key=lambda one: one.student_id)
        total(len(submissions))
        for submission in submissions:
            result = result_of(name, submission.student_id, committed.get(submission.student_id, ""))
            advance()
            if result is None:
                (left if left is not None else []).append(submission.student_id)
                continue
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            hands = {grade.name: grade.score for grade in grades if grade.manual_score is not None}
            earned = {grade.name: grade.auto_score for grade in grades}
            verdicts = [settled(one, earned.get(one["cell"])) for one in result["verdicts"]]
            result = {**result, "verdicts": verdicts}
            waiting, penalty = bool(submission.needs_manual_grade), submission.late_submission_penalty or 0.0
            who = submission.student.id
            lines.append(Line(who, submission.score, submission.max_score, penalty, waiting, result, hands))
    if not lines:
        raise course.CourseError(f"nothing of {name} is graded yet; run `python -m autograder grade {name}`")
    return lines


def result_of(name, student, entry=""):
    """The finished result of a student's current submission, or else the one that the gradebook holds, or None.

    entry : str
        The student's in the ledger: of another grader's result perhaps, or of one of an earlier submission.
    """
    data = submitted.read(student, name)
    if data is None:
        return None
    rebuilt, problem = execute.read_submission(name, data)
    current = load_result(course.course_folder() / "results", execute.result_key(name, student, rebuilt))
    stored = current or ledger.result_of(entry)
    if problem:
        stored = without_grading(Script.of(name), student, problem, "not run")
    return {**stored, "repairs": rebuilt.repairs, "problem": problem} if stored else None


@dataclass
class TaskRow:
    """One task over the class; `slips` is a list of (name, message, students), the most frequent first."""

    task: str
    most: float
    verdicts: Counter
    slips: list
    paces: list  # (student, times the hidden solution's time)
    points: float  # mean share of the points

    @property
    def count(self):
        return sum(self.verdicts.values())

    @property
    def open(self):
        """How many answers wait for a GPU: until then there is no share of right ones."""
        return self.verdicts["needs-gpu"]

    @property
    def right(self):
        return sum(self.verdicts[verdict] for verdict in RIGHT)

    @property
    def by_hand(self):
        """Whether a person grades all of it, so that there is no share of right answers."""
        return not self.right and bool(self.verdicts["graded"] + self.verdicts["needs-person"])


def by_task(lines):
    """A TaskRow for each graded cell, in the order of the notebook."""
    found = {}
    for line in lines:
        for verdict in line.result["verdicts"]:
            found.setdefault(verdict["cell"], []).append((line, verdict))
    rows = []
    for cell, pairs in found.items():
        slips, said, shares = defaultdict(list), {}, []
        for line, verdict in pairs:
            score = line.by_hand.get(cell, verdict["score"])
            shares.append(score / verdict["max_score"] if verdict["max_score"] else 0.0)
            for slip in verdict["slips"][:1]:
                slips[slip].append(line.student)
                said.setdefault(slip, rows_of(verdict["message"]).get("likely", ""))
        clusters = sorted(((slip, said[slip], who) for slip, who in slips.items()), key=lambda one: -len(one[2]))
        verdicts = Counter("graded" if cell in line.by_hand else verdict["verdict"] for line, verdict in pairs)
        paces = [(line.student, pace) for line, verdict in pairs if (pace := pace_of(verdict["message"])) is not None]
        most = pairs[0][1]["max_score"]
        rows.append(
            TaskRow(
                pairs[0][1]["task"], most, verdicts, clusters, sorted(paces, key=lambda pair: pair[1]), _mean(shares)
            )
        )
    return rows


def _mean(values):
    return statistics.fmean(values) if values else 0.0


def flags(lines):
    """What a person should look at: (student, task, why)."""
    found = []
    for line in lines:
        if line.result["problem"]:
            found.append((line.student, "", f"could not be read: {line.result['problem']}"))
        for verdict in line.result["verdicts"]:
            written = verdict["message"].startswith("written answer")
            if verdict["broken"]:
                found.append((line.student, verdict["task"], "our own test broke; nobody lost points by it"))
            elif verdict["verdict"] in ("needs-person", "undecided", "crashed") and not written:
                rows = rows_of(verdict["message"])
                why = rows.get("found") or rows["head"].removeprefix(f"{verdict['task']}: ")
                found.append((line.student, verdict["task"], why))
        for repair in line.result["repairs"]:
            if any(doubt in repair for doubt in DOUBTS) and not line.result["problem"]:
                found.append((line.student, "", repair))
        found += [(line.student, "", str(flag)) for flag in line.result.get("flags", [])]
    return found


def write(name, target=None, table=None, total=lambda students: None, advance=lambda: None):
    """Write the page, and the table where one is asked for.

    Parameters
    ----------
    name : str
    target : Path, optional
        By default reports/NAME.html in the course folder.
    table : Path, optional
        A CSV file: one line for each student and task.
    total, advance : callable
        As for `gather`.

    Returns
    -------
    Path
        The page.
    """
    left, old = [], stale.find(name)
    lines = gather(name, total, advance, left)
    lost = sorted(set(left).difference(*old.values()))
    old |= {"lost": lost} if lost else {}
    for line in stale.lines(name, old):
        logs.warn(line)
    target = target or course.course_folder() / "reports" / f"{name}.html"
    writing.write_text(target, html(name, lines, stale.lines(name, old), *submitted.missing(name)))
    if table:
        sheets.write_rows(table, HEADER, rows(name, lines))
    return target


HEADER = ["student", "assignment", "task", "score", "max_score", "verdict", "slip", "found", "likely", "seconds"]
HEADER += ["times_the_solution", "isolation", "repairs"]


def rows(name, lines):
    """The table's rows, one for each student and task."""
    for line in lines:
        for verdict in line.result["verdicts"]:
            said = rows_of(verdict["message"])
            hand = line.by_hand.get(verdict["cell"])
            pace = pace_of(verdict["message"])
            score = "" if verdict["cell"] in line.open else verdict["score"]
            yield [
                *(line.student, name, verdict["task"], score if hand is None else hand),
                *(verdict["max_score"], verdict["verdict"] if hand is None else "graded"),
                *(" ".join(verdict["slips"]), said.get("found", said["head"]), said.get("likely", "")),
                *(verdict["seconds"], "" if pace is None else pace),
                *(line.result["isolation"], "; ".join(line.result["repairs"])),
            ]


def html(name, lines, old=(), missing=(), known=0):
    """The page.

    old : list of str
        What to say of grades that are not those of what was handed in last.
    missing, known : list of str, int
        Who of how many has handed in nothing, from `submitted.missing`.
    """
    totals = [max(0.0, line.score - line.penalty) for line in lines]
    most = lines[0].most
    tasks = by_task(lines)
    return pages.render(
        "report.html",
        name=name,
        lines=lines,
        old=old,
        missing=missing,
        known=known,
        totals=totals,
        most=most,
        mean=_mean(totals),
        median=statistics.median(totals),
        histogram=charts.histogram(totals, most),
        bins=charts.binned(totals, most),
        tasks=tasks,
        words=WORDS,
        speeds=[(task, charts.strip([pace for _, pace in task.paces])) for task in tasks if task.paces],
        flags=flags(lines),
        repaired=[line for line in lines if line.result["repairs"]],
        tiers=Counter(line.result["isolation"] for line in lines),
        runs=Counter(line.result.get("run") or "without one" for line in lines),
        late=[line for line in lines if line.penalty],
        waiting=sum(map(waits_for_a_person, lines)),
        pending=sum(row.open for row in tasks),
    )


def waits_for_a_person(line):
    """Whether a person still has to look at a cell of a line, as opposed to a GPU."""
    left = [verdict["verdict"] for verdict in line.result["verdicts"] if verdict["cell"] not in line.by_hand]
    return bool(line.waiting and ("needs-person" in left or "needs-gpu" not in left))
