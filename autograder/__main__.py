"""`python -m autograder COMMAND`: what an instructor types. Exit code 0: done; 1: something failed; 2: wrong usage."""

import argparse
import contextlib
import datetime
import functools
import os
import platform
import sys
import threading
import traceback

from autograder import __version__, course, logs
from autograder.desk import commands as desk

EXAMPLES = """examples:
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
EXAMPLES += desk.EXAMPLES


def version():
    """What `--version` says, for a report of something that does not work."""
    import bnlab

    return f"autograder {__version__} (bnlab {bnlab.__version__}, Python {platform.python_version()})"


class Version(argparse.Action):
    """Say the version; what it needs is loaded only then, so that `--help` stays quick."""

    def __init__(self, option_strings, dest):
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser, *_):
        print(version())
        parser.exit()


def parser():
    """The command line."""
    main = argparse.ArgumentParser(
        prog="python -m autograder",
        description="Release notebooks, collect and grade submissions, hand back pages and scores. The running course "
        "is in autograder/course, or where BN_COURSE says.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action=Version)
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    release = desk.add(commands, "release", "write exercises/*.ipynb and fingerprints from solutions/*.py")
    release.add_argument("names", nargs="*", metavar="NAME", help="notebooks such as 03_forward, by default all")
    release.add_argument(
        "--check", action="store_true", help="write nothing; fail if anything is stale or edited by hand"
    )

    certify = desk.add(commands, "certify", "show that the grader accepts right answers and names wrong ones")
    certify.add_argument("names", nargs="*", metavar="NAME", help="notebooks such as 03_forward, by default all")
    certify.add_argument("--quick", action="store_true", help="few seeds and races instead of 50 and 200")

    collect = desk.add(commands, "collect", "take submissions from a folder or archive into the course folder")
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

    grade = desk.add(commands, "grade", "grade what was collected, into nbgrader's gradebook")
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

    desk.add_to(commands)
    for name, command in commands.choices.items():
        lines = [line for line in EXAMPLES.splitlines() if f" autograder {name}" in line]
        command.epilog = "\n".join(["examples:", *lines])
        command.formatter_class = argparse.RawDescriptionHelpFormatter
    return main


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


NEED_A_COURSE = {"export", "feedback", "forget", "report", "written"}
USE_THE_GRADEBOOK = NEED_A_COURSE | {"collect", "grade", "roster"}


def main(arguments=None):
    """Run one command; returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = parser().parse_args(words)
    name = f"run_{given.command.replace('-', '_')}"
    try:
        if given.command in NEED_A_COURSE:
            course.require_folder()
        if given.command in USE_THE_GRADEBOOK and not getattr(given, "submissions", None):
            course.database_url()  # before anything is done where that says no
        with logs.Run(given.command, words) as run:
            run.code = (globals().get(name) or getattr(desk, name))(given)
            return run.code
    except course.CourseError as error:
        print(f"autograder: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("\nautograder: interrupted; finished results are kept, run the same command to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from autograder import cures

        line = cures.told(error)
        if not line:
            traceback.print_exc()
            where = f"{course.public_repository()}/issues"
            line = f"this is a fault of the grader; finished results are kept. Report the lines above: {where}"
        print(f"autograder: {line}", file=sys.stderr)
        return 1


def run_release(given):
    from autograder import release

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
    from autograder import certify, grade, table

    names = [course.require_notebook(name) for name in given.names] or course.notebook_names()
    amounts = certify.QUICK if given.quick else certify.FULL
    broken = []
    for name in names:  # each table when it is there: an hour's work is not lost with the last notebook
        with grade.progress() as bar:
            line = bar.add_task(f"certifying {name}", total=len(certify.execute.material(name).script.of_kind("test")))
            rows = certify.certify(name, amounts, functools.partial(bar.advance, line))
        table.certificate(rows)
        broken += [name] if any(row.problems for row in rows) else []
    if len(names) > 1:
        print(f"broken: {', '.join(broken)}" if broken else f"the certificates of {len(names)} notebooks hold")
    return 1 if broken else 0


def run_collect(given):
    from autograder import collect
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
    from autograder import changes, execute, gpu, grade, release, table

    name, in_course, problems = course.require_notebook(given.name), given.submissions is None, []
    for line in release.changed_since(name):
        logs.warn(line)
    if given.only:
        require_gpu(given)
    if in_course:
        submissions = grade.submitted(name, given.student)
    else:
        submissions, problems = grade.in_folder(given.submissions, name, given.student)
    if given.json:
        grade.require_writable(given.json)
    if given.allow_unsafe:
        os.environ["BN_ALLOW_UNSAFE"] = "1"
    before = {}

    def look(isolation):
        """What has to be right before anything is graded."""
        if in_course:
            grade.ready(name)
            for line in changes.put_aside(name):
                logs.warn(line)
            before.update(changes.committed(name))
        execute.material(name).load_slips()
        if isolation is not None:
            logs.say(str(isolation()))
        logs.line(f"grader version {execute.grader_version(name)}, {len(submissions)} submissions of {name}")

    folder, again = course.course_folder() / "results", given.again or bool(given.student)
    with grade.IntoGradebook(name, same_files=bool(given.only)) as gradebook:

        def write(student, result):
            if in_course and not (given.only and result["problem"]):
                gradebook.write(student, result)

        how = {"again": again, "scheduler": given.scheduler, "only": given.only, "then": write, "meanwhile": look}
        results = grade.execute_all(name, submissions, given.jobs, folder, **how)
    unfinished = [who for who, result in results.items() if execute.UNFINISHED in result["problem"]]
    results = {who: result for who, result in results.items() if who not in unfinished}
    said = changes.report(results, before) if in_course else []
    if given.json:
        grade.write_json(given.json, results)
    table.show(name, results, grade.hand_scores(name) if in_course else {})
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
    from autograder import gpu

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
    for who, result in results.items():
        broken = (verdict for verdict in result["verdicts"] if verdict["broken"])
        found |= {f"{who}, {verdict['task']}": verdict["message"] for verdict in broken}
    return found


def filled_in(results, device):
    """How many answers this run has judged on a GPU."""
    run = os.environ.get("BN_RUN", "")
    count = sum(list(result.get("on_gpu", {}).values()).count(run) for result in results.values())
    return f"{count} answer{'' if count == 1 else 's'} judged on {device}; nothing else was changed"


if __name__ == "__main__":
    code = main()
    with contextlib.suppress(KeyboardInterrupt):
        for thread in threading.enumerate():  # Python's own end, up to 3.11, can meet the last step of a pool's thread
            if type(thread).__module__ == "concurrent.futures.process":
                thread.join()
    sys.exit(code)
