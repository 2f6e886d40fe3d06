"""The commands that release notebooks, certify the grader, collect and grade; those around grading are the desk's."""

import argparse
import datetime
import functools
import os

from autograder import course, logs, writing
from autograder.desk import commands as desk
from autograder.desk.commands import add

EXAMPLES = """\
  python -m autograder release                              write all exercise notebooks
  python -m autograder release --check                      fail if one is stale or was edited
  python -m autograder certify --quick                      is the grader fit for a release?
  python -m autograder collect 03_forward --from class.zip  take what the platform hands over
  python -m autograder collect 03_forward --from class.zip --at 2026-10-05T23:59+02:00
  python -m autograder grade 03_forward                     grade, into nbgrader's gradebook
  python -m autograder grade 03_forward --submissions FOLDER --json scores.json
  python -m autograder grade 03_forward --scheduler tcp://HOST:8786
  python -m autograder grade 09_cupy --only needs-gpu       on a machine with a GPU: what waits for one
"""


def add_to(group):
    """Add these commands to an argparse group."""
    release = add(group, "release", "write exercises/*.ipynb and fingerprints from solutions/*.py")
    release.add_argument("names", nargs="*", metavar="NAME", help="notebooks such as 03_forward, by default all")
    release.add_argument(
        "--check", action="store_true", help="write nothing; fail if anything is stale or edited by hand"
    )

    certify = add(group, "certify", "show that the grader accepts right answers and names wrong ones")
    certify.add_argument("names", nargs="*", metavar="NAME", help="notebooks such as 03_forward, by default all")
    certify.add_argument(
        "--quick",
        action="store_true",
        help="few seeds and races instead of 50 and 200, and a third of the wrong kernels",
    )

    collect = add(group, "collect", "take submissions from a folder or archive into the course folder")
    collect.add_argument("name", metavar="NAME", help="the notebook, such as 03_forward")
    collect.add_argument(
        "--from", dest="source", required=True, metavar="ZIP_OR_FOLDER", help="what the platform gave you to download"
    )
    collect.add_argument(
        "--at",
        type=_moment,
        metavar="WHEN",
        help="when the platform closed, as 2026-10-05T23:59+02:00 (without +02:00 in this machine's time), or now",
    )
    collect.add_argument(
        "--again", action="store_true", help="with --at: give this time also to files that were here before it"
    )

    grade = add(group, "grade", "grade what was collected, into nbgrader's gradebook")
    grade.add_argument("name", metavar="NAME", help="the notebook, such as 03_forward")
    grade.add_argument("--student", action="append", default=[], metavar="ID", help="only this one; may be repeated")
    grade.add_argument("--again", action="store_true", help="grade again what already has a result (so does --student)")
    grade.add_argument(
        "--only",
        choices=["needs-gpu"],
        default="",
        help="on a machine with a GPU: judge what waits for one and nothing else; autograder/README.md says how",
    )
    where = grade.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_positive, metavar="N", help="number of processes, by default one per core")
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="grade on the workers of a Dask cluster, such as tcp://HOST:8786"
    )
    grade.add_argument("--allow-unsafe", action="store_true", help="grade even where student code cannot be locked in")
    grade.add_argument("--json", metavar="FILE", help="also write a record for each graded cell to FILE")
    grade.add_argument(
        "--submissions", metavar="FOLDER", help="grade FOLDER/STUDENT/NAME.ipynb and leave the gradebook alone"
    )


def _positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a number, at least 1")
    return int(text)


def _moment(text):
    try:
        moment = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("must be a time such as 2026-10-05T23:59 or 2026-10-05T23:59+02:00") from None
    if moment > datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5):
        raise argparse.ArgumentTypeError(
            f"{moment:%Y-%m-%d %H:%M} UTC has not come yet; if this machine is in another time zone than you, write "
            "the offset, as in 2026-10-05T23:59+02:00"
        )
    return moment


def run_release(given):
    from autograder.authoring import release

    names = [course.require_notebook(name) for name in given.names] or course.notebook_names()
    if given.check:
        found = release.stale(names)
        for line in found:
            print(f"stale: {line}")
        print("run `make release`" if found else f"{len(names)} notebooks are up to date")
        return 1 if found else 0
    release.release(names, print)
    return 0


def run_certify(given):
    from autograder import table
    from autograder.bench import certify
    from autograder.terminal import progress

    names = [course.require_notebook(name) for name in given.names] or course.notebook_names()
    amounts = certify.QUICK if given.quick else certify.FULL
    broken = []
    for name in names:  # each table when it is there: an hour's work is not lost with the last notebook
        with progress() as bar:
            line = bar.add_task(f"certifying {name}", total=len(certify.execute.material(name).script.of_kind("test")))
            rows = certify.certify(name, amounts, functools.partial(bar.advance, line))
        table.certificate(rows)
        broken += [name] if any(row.problems for row in rows) else []
    if len(names) > 1:
        print(f"broken: {', '.join(broken)}" if broken else f"the certificates of {len(names)} notebooks hold")
    return 1 if broken else 0


def run_collect(given):
    from autograder.collecting import collect
    from autograder.desk import late

    name = course.require_notebook(given.name)
    if given.again and given.at is None:
        raise course.UsageError("--again goes with --at WHEN")
    late.check()
    taken, problems = collect.collect(given.source, name, given.at, given.again, logs.say)
    for student in taken:
        logs.line(f"{student}: new or changed")
    for problem in problems:
        logs.say(f"left out: {problem}")
    if taken and (line := late.told(name, given.at or datetime.datetime.now(datetime.UTC))):
        logs.say(line)
    logs.say(f"collected {len(taken)} new or changed submissions of {name}")
    return 1 if problems else 0


def run_grade(given):
    from autograder.authoring import release
    from autograder.desk import late
    from autograder.grading import execute, grade
    from autograder.recording import commit

    name, in_course = course.require_notebook(given.name), given.submissions is None
    for line in release.changed_since(name):
        logs.warn(line)
    if given.only:
        require_gpu(given)
    submissions, problems = grade.find(name, given.submissions, given.student)
    if given.json:
        writing.require_writable(given.json)
    if given.allow_unsafe:
        os.environ["BN_ALLOW_UNSAFE"] = "1"
    gradebook = commit.IntoGradebook(name, same_files=bool(given.only)) if in_course else commit.Nowhere()

    def look(isolation):
        """What has to be right before anything is graded."""
        if in_course:
            late.check()
        gradebook.prepare()
        execute.material(name).load_slips()
        if isolation is not None:
            logs.say(str(isolation()))
        logs.line(f"grader version {execute.grader_version(name)}, {len(submissions)} submissions of {name}")

    def write(student, result):
        if not (given.only and result["problem"]):
            gradebook.write(student, result)

    folder, again = course.course_folder() / "results", given.again or bool(given.student)
    how = grade.How(folder, again, given.only, given.jobs, given.scheduler)
    with gradebook:
        results = grade.execute_all(name, submissions, how, write, look)
    return tell_grades(given, name, results, gradebook, problems)


def tell_grades(given, name, results, gradebook, problems):
    """Print the table, write the records that were asked for, and say what else there is.

    Parameters
    ----------
    given : argparse.Namespace
    name : str
    results : dict
        student -> result of `execute.execute`
    gradebook : commit.IntoGradebook or commit.Nowhere
    problems : list of str
        What was left out of the folder that was graded.

    Returns
    -------
    int
        The exit code.
    """
    from autograder import table
    from autograder.grading import execute, gpu, grade

    in_course = given.submissions is None
    unfinished = [student for student, result in results.items() if execute.UNFINISHED in result["problem"]]
    results = {student: result for student, result in results.items() if student not in unfinished}
    said = gradebook.what_changed(results)
    if given.json:
        grade.write_json(given.json, results)
    table.show(name, results, gradebook.hand_scores())
    said += [filled_in(results, gpu.find()[0].name)] if given.only else []
    said += desk.not_finished(name, unfinished, in_course)
    said += [f"left out: {problem}" for problem in problems]
    missing = ungraded(results, gradebook.refused)
    for line in [*said, *(f"not graded: {who}: {why}" for who, why in missing.items())]:
        logs.say(line)
    if in_course:
        desk.tell_doubts()
    if logs.where():
        print(logs.where())
    return 1 if missing or unfinished or problems else 0


def require_gpu(given):
    """Refuse `--only needs-gpu` beside what it does not go with, and where there is no GPU.

    Raises
    ------
    CourseError
    """
    from autograder.grading import gpu

    if given.scheduler:
        raise course.UsageError("what waits for a GPU is graded on this machine: leave --scheduler out")
    if given.again:
        raise course.UsageError("--only fills in what is open; to race again leave it out, with --again or --student")
    found, why = gpu.find()
    if found is None:
        why = why.removeprefix("no GPU that CuPy can use: ")
        raise course.CourseError(
            f"there is no GPU here that CuPy can use ({why}); nothing was changed and the points stay open. Run this "
            'where one is: "A GPU elsewhere" in autograder/README.md says what to copy there and back'
        )


def ungraded(results, refused):
    """Who, or whose answer to what, has no grade -> why: the file, nbgrader's refusal, or a test of ours that broke."""
    found = {who: result["problem"] for who, result in results.items() if result["problem"]} | refused
    for student, result in results.items():
        broken = (verdict for verdict in result["verdicts"] if verdict["broken"])
        found |= {f"{student}, {verdict['task']}": verdict["message"] for verdict in broken}
    return found


def filled_in(results, device):
    """How many answers this run has judged on a GPU."""
    run = os.environ.get("BN_RUN", "")
    count = sum(list(result.get("on_gpu", {}).values()).count(run) for result in results.values())
    return f"{count} answer{'' if count == 1 else 's'} judged on {device}; nothing else was changed"
