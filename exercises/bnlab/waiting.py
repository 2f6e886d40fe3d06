"""What is told at home of an answer that takes long, and of one that was stopped. The grader has limits of its own."""

import contextlib
import itertools
import sys
import threading
import time
import traceback

from bnlab.answers import line_text, own_line

PATIENCE = 10  # seconds until something is said
GRADED = 5  # seconds of computing that the grader allows, as autograder.grading.worker.CELL_SECONDS
CURE = f"Is there a loop that never ends? When graded, an answer has {GRADED} s of computing time."
STOP = "Stop it with the square button above the notebook, or with Ctrl-C in a terminal."


@contextlib.contextmanager
def noticed(line):
    """Print a line, a text or a function that makes one, if what is done inside takes longer than PATIENCE."""

    def tell():
        with contextlib.suppress(Exception):  # what is done inside may have closed sys.stderr, or replaced it
            text = line() if callable(line) else line
            if not timer.finished.is_set():  # it ended at this very moment
                say(text)

    timer = threading.Timer(PATIENCE, tell)
    timer.daemon = True
    with contextlib.suppress(RuntimeError):  # the Python of the book's pages has no threads
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def say(line):
    """Print a line from a thread, in one piece, also where what an answer prints is not shown."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def patiently(task, name, stopped):
    """Around the check of an answer: after a while say where it is; what interrupts it is told by `stopped`.

    Parameters
    ----------
    task, name : str
        Of the task, of the answer.
    stopped : callable
        Sentence -> the exception to raise in place of KeyboardInterrupt.
    """
    ours, start, outside = threading.get_ident(), time.monotonic(), sys._getframe(2)

    def line():
        frames = traceback.walk_stack(sys._current_frames()[ours])
        inside = list(itertools.takewhile(lambda pair: pair[0] is not outside, frames))
        where = line_text(*own_line(reversed(inside)))
        return f"{task}: {name} has not ended after {PATIENCE} s{where}. {CURE} {STOP}"

    try:
        with noticed(line):
            yield
    except KeyboardInterrupt as error:
        where = line_text(*own_line(traceback.walk_tb(error.__traceback__)))
        seconds = time.monotonic() - start
        raise stopped(f"you stopped {name} after {seconds:.0f} s{where}. {CURE}") from None
