"""Phase 1 on this machine: a pool of processes, each with zygotes of its own.

Little but `execute` is imported here: what a new process has to import is the better part of what it costs.
"""

import concurrent.futures
import functools
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures.process import BrokenProcessPool

from autograder import course, interrupts
from autograder.grading import execute

AHEAD = 4  # submissions for each process that are read before their turn
BROKEN = "the grading process ended; run the command again"


def outcomes(name, submissions, how, meanwhile):
    """Execute submissions in as many processes as there are cores.

    Parameters
    ----------
    name, submissions, how, meanwhile :
        As for `grade.execute_all`; `meanwhile` is given a callable that waits for the isolation of these processes.

    Yields
    ------
    (str, dict or str)
        A student and the result, or a sentence on why there is none, in the order in which they are finished.
    """
    jobs = max(1, min(how.jobs or os.cpu_count() or 1, len(submissions)))
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context, initializer=begin, initargs=(os.getpid(),))
    line, waiting = iter(submissions), {}
    with pool:
        try:
            isolation, *_ = [submit(pool, isolation_for, name) for _ in range(jobs)]  # starts them all
            meanwhile(functools.partial(_isolation, isolation))
            while True:
                while len(waiting) < AHEAD * jobs and (student := next(line, None)) is not None:
                    work = name, student, submissions[student], how.results, how.again, None, how.only
                    try:
                        waiting[submit(pool, execute.execute, *work)] = student
                    except BrokenProcessPool:
                        yield student, BROKEN
                if not waiting:
                    return
                for future in concurrent.futures.wait(waiting, return_when="FIRST_COMPLETED").done:
                    yield waiting.pop(future), _outcome(future)
        except BaseException:  # Ctrl-C, the caller has enough, or `meanwhile` refuses
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def submit(pool, function, *arguments):
    """Give work to a pool; a process that it starts for it does not hear Ctrl-C, which is the command's to answer.

    Nor does the command hear it before the process has been told what to do: blocked in this thread, it may come to
    another one, such as that of a progress bar.
    """
    with interrupts.later():
        if not hasattr(signal, "pthread_sigmask"):
            return pool.submit(function, *arguments)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return pool.submit(function, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def isolation_for(name):
    """In a grading process: what holds student code there, see `execute.isolation_of`."""
    return execute.isolation_of(execute.material(name).libraries)


def begin(parent):
    """In a grading process: keep to one core with all its workers, and end when the command ends, however it ends.

    A referee and its worker take turns thousands of times a second: on one core neither has to wake up another.
    """
    if hasattr(os, "sched_setaffinity"):
        cores, number = sorted(os.sched_getaffinity(0)), multiprocessing.current_process().name.rpartition("-")[2]
        os.sched_setaffinity(0, {cores[int(number) % len(cores)]})

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _isolation(future):
    """What `isolation_for` found.

    Raises
    ------
    CourseError
    """
    try:
        return future.result()
    except BrokenProcessPool:
        raise course.CourseError(BROKEN) from None


def _outcome(future):
    """The result of a submission, or a sentence where our own process failed, which costs nobody else's grade."""
    try:
        return future.result()
    except BrokenProcessPool:
        return BROKEN
    except course.CourseError as error:
        return str(error)
    except Exception as error:
        return f"the grader failed with {type(error).__name__}: {error}"
