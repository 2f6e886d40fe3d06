"""`python -m autograder COMMAND`: what an instructor types. Exit code 0: done; 1: something failed; 2: wrong usage."""

import argparse
import contextlib
import os
import platform
import sys
import threading
import traceback

from autograder import __version__, commands, course, logs
from autograder.desk import commands as desk

EXAMPLES = f"examples:\n{commands.EXAMPLES}{desk.EXAMPLES}"


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
    group = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_to(group)
    desk.add_to(group)
    for name, command in group.choices.items():
        lines = [line for line in EXAMPLES.splitlines() if f" autograder {name}" in line]
        command.epilog = "\n".join(["examples:", *lines])
        command.formatter_class = argparse.RawDescriptionHelpFormatter
    return main


def told(error):
    """The line for an error that a person here can mend; "" for a fault of the grader."""
    try:
        from autograder import cures

        line = cures.told(error)
    except ModuleNotFoundError as missing:  # `cures` needs a package, too
        line, error = "", missing
    package = (getattr(error, "name", None) or "").split(".")[0]
    if line or not isinstance(error, ModuleNotFoundError) or package in OURS:
        return line
    install = f"{sys.executable} -m pip install -r requirements.txt -c constraints.txt"
    return f"the package {package} is missing; in {course.REPOSITORY}, run {install}"


OURS = {"autograder", "bnlab", "solutions"}
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
            run.code = (getattr(commands, name, None) or getattr(desk, name))(given)
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
        line = told(error)
        if not line:
            traceback.print_exc()
            where = f"{course.public_repository()}/issues"
            line = f"this is a fault of the grader; finished results are kept. Report the lines above: {where}"
        print(f"autograder: {line}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    code = main()
    with contextlib.suppress(KeyboardInterrupt):
        for thread in threading.enumerate():  # Python's own end, up to 3.11, can meet the last step of a pool's thread
            if type(thread).__module__ == "concurrent.futures.process":
                thread.join()
    sys.exit(code)
