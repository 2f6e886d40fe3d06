"""Phase 1 on a Dask cluster: `grade NAME --scheduler tcp://HOST:8786`.

The tasks are those of the local pool: a submission in, a result out. What a cluster adds is distrust between machines.
A worker gets work only if its files are those of this grader and its isolation holds; who does not fit is refused by
name. It stores nothing: submissions and the course's secret come with the task, and the result goes back to the folder
`results` of the course, so that a run that loses workers, or is interrupted, goes on where it was.

Dask marks a fit worker with a resource that bears the grader's version, and gives tasks to such workers alone:
newcomers and workers that a nanny has started again are looked at before they get any. What is sent is pickled by
value, so that a scheduler needs Dask alone, and a machine without this repository is a finding instead of an error.
"""

import contextlib
import logging
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from autograder import course
from autograder.grading import execute
from autograder.grading.result import keep_what_a_gpu_found, store_result

AHEAD = 3  # tasks for each worker that the scheduler holds; the rest of the class stays on this machine's disk
LOOK_EVERY = 2.0  # seconds of silence after which we look whether there are still workers
PATIENCE = 60  # seconds without a fit worker before the run ends; a nanny needs a few to start one again
ANSWER = 15  # seconds for a scheduler to answer
START = "start one with `dask scheduler`, and workers in this repository with `PYTHONPATH=. dask worker ADDRESS`"


# -- on a worker -------------------------------------------------------------------------------------------------------
_thread = ThreadPoolExecutor(1)  # a process forks its workers from one thread, and they live as long as that thread


def fitness(name, wanted):
    """The grader's version on this machine; where it is the wanted one, its isolation is known to hold.

    Raises
    ------
    CourseError
        With a sentence that says why this machine must not grade.
    """
    version = execute.grader_version(name)
    if version != execute.grader_version.__wrapped__(name):
        raise course.CourseError("its files have changed since it was started; start it again")
    if version == wanted:
        _thread.submit(lambda: execute.isolation_of(execute.material(name).libraries)).result()
    return version


def grade_one(name, student, data, secret, run):
    """Grade one submission here; returns the result, or a sentence on what kept this machine from it.

    Dask writes the arguments of a task that raises into its log. Nothing raises here, and no student is logged.
    """
    work = _thread.submit(execute.execute, name, student, data, None, True, secret)
    try:
        return {**work.result(), "run": run, "host": f"{socket.gethostname()} {os.getpid()}"}
    except Exception as error:
        return f"{socket.gethostname()}: the grader failed with {type(error).__name__}: {error}"


# -- what is sent ------------------------------------------------------------------------------------------------------
def task():
    """`grade_one` as a function that is pickled by value."""

    def grade(*arguments):
        from autograder.grading import cluster

        return cluster.grade_one(*arguments)

    return grade


def gate(name, version):
    """The Dask plugin that lets a worker take part: it looks at the machine and marks it as fit or not."""
    from distributed import WorkerPlugin

    resource = mark(name, version)

    class Gate(WorkerPlugin):
        async def setup(self, worker):
            import asyncio

            def look():
                try:
                    from autograder.grading import cluster

                    return cluster.fitness(name, version)
                except Exception as error:
                    words = f"{type(error).__name__}: {error}"
                    return words.removeprefix("CourseError: ")

            found = await asyncio.to_thread(look)
            worker.grader_found = {**getattr(worker, "grader_found", {}), resource: found}
            await worker.set_resources(**{resource: 1 if found == version else 0})

    return Gate()


def mark(name, version):
    """The name of the resource of workers that may grade a notebook."""
    return f"grader {name} {version}"


def finding(resource):
    """A function that tells what the gate has found on a worker."""
    return lambda dask_worker: getattr(dask_worker, "grader_found", {}).get(resource)


# -- on this machine ---------------------------------------------------------------------------------------------------
def reachable(address):
    """The address of a scheduler, once something answers there; Dask's own client would try for half a minute.

    Raises
    ------
    CourseError
    """
    known = re.fullmatch(r"(?:(tcp|tls)://)?(\[[^\]]+\]|[^:/\s]+):(\d+)/?", address)
    if known is None:
        raise course.CourseError(f"{address!r} is no address of a Dask scheduler; expected tcp://HOST:8786; {START}")
    try:
        socket.create_connection((known[2].strip("[]"), int(known[3])), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise silent(address, error) from None
    return f"{known[1] or 'tcp'}://{known[2]}:{known[3]}"


def silent(address, error):
    """The error where no scheduler answers."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return course.CourseError(f"no Dask scheduler answers at {address} ({reason}); {START}")


class Cluster:
    """A connection to a cluster, and its workers that may grade one notebook.

    Parameters
    ----------
    address : str
        Of the scheduler: tcp://HOST:8786, or tls:// where the cluster is set up for it.
    name : str
        The notebook.
    say : callable
        Called with lines on workers that are refused.

    Raises
    ------
    CourseError
        Where nothing answers, or no worker fits.
    """

    def __init__(self, address, name, say=lambda line: None):
        try:
            from distributed import Client
        except ImportError:
            raise course.CourseError("--scheduler needs Dask: pip install 'distributed>=2024.8'") from None
        for logger in ("distributed.client", "distributed.core", "distributed.comm", "distributed.batched"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        self.address, self.name, self.say, self.refused = reachable(address), name, say, {}
        self.version = execute.grader_version(name)
        self.resource = mark(name, self.version)
        try:
            self.client = Client(self.address, timeout=ANSWER, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise silent(address, error) from None
        self.client.register_plugin(gate(name, self.version), name=self.resource)
        if not self.fit():
            reasons = "; ".join(f"{worker}: {why}" for worker, why in self.refused.items())
            self.close()
            raise course.CourseError(f"no worker at {address} can grade {name}: {reasons or f'there is none; {START}'}")

    def fit(self):
        """Addresses of the workers that may grade; who may not is named once."""
        found = self.client.run(finding(self.resource), on_error="return")
        for worker, what in found.items():
            if what in (self.version, None) or isinstance(what, Exception) or worker in self.refused:
                continue  # None: it has come just now and is being looked at
            other = len(what) == len(self.version) and " " not in what
            self.refused[worker] = f"has grader version {what}, not {self.version}; update it" if other else what
            self.say(f"refused: worker {worker}: {self.refused[worker]}")
        self.workers, self.looked = [one for one, what in found.items() if what == self.version], time.monotonic()
        return self.workers

    def room(self):
        """How many submissions the scheduler may hold: by the workers that fitted a moment ago."""
        if time.monotonic() - self.looked > LOOK_EVERY:
            self.alive()
        return AHEAD * max(1, len(self.workers))

    def submit(self, student, data, key, run):
        """Hand over one submission."""
        arguments = (self.name, student, data, course.secret(), run)
        # the key is what dashboards and logs show: a hash, no name
        return self.client.submit(task(), *arguments, key=f"grade-{key}-{run}", resources={self.resource: 1})

    def finished(self, futures):
        """Wait for some of the futures.

        Raises
        ------
        CourseError
            Where no worker is left, or no scheduler.
        """
        from distributed import CancelledError, wait

        silence = 0.0
        while True:
            try:
                with self.client.as_current():
                    return wait(futures, timeout=LOOK_EVERY, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                pass
            except CancelledError:  # of all futures, when the connection is lost
                self.lost()
            silence = 0.0 if self.alive() else silence + LOOK_EVERY
            if silence >= PATIENCE:
                raise course.CourseError(
                    f"no worker at {self.address} is left to grade {self.name}; finished results are kept: "
                    "start workers and run the same command again"
                )

    def alive(self):
        """Whether there is a worker that may grade."""
        try:
            return bool(self.fit())
        except (OSError, TimeoutError):
            self.lost()

    def lost(self):
        raise course.CourseError(
            f"the Dask scheduler at {self.address} is gone; finished results are kept: run the same command again"
        ) from None

    def close(self):
        """Leave the cluster; what it still holds of this run is forgotten there."""
        with contextlib.suppress(Exception):
            self.client.unregister_worker_plugin(self.resource)
        with contextlib.suppress(Exception):
            self.client.close(timeout=5)


def outcomes(name, submissions, how, say):
    """Grade a class on a cluster.

    Parameters
    ----------
    name, submissions, how :
        As for `grade.execute_all`; a submission is read when its turn comes.
    say : callable
        Called with lines on workers that are refused.

    Yields
    ------
    student : str
    result : dict or str
        A result of `execute.execute`, or a sentence on why there is none.

    Raises
    ------
    CourseError
    """
    from distributed import CancelledError

    cluster, waiting = Cluster(how.scheduler, name, say), {}
    line, run = iter(submissions), os.environ.get("BN_RUN", "")
    try:
        while True:
            while len(waiting) < cluster.room() and (student := next(line, None)) is not None:
                data = submissions[student]
                stored, key = execute.stored(name, student, data, how.results)
                if stored is not None and not how.again and not execute.is_broken(stored):
                    yield student, stored
                else:
                    waiting[cluster.submit(student, data, key, run)] = student, key, stored
            if not waiting:
                break
            for future in cluster.finished(list(waiting)):
                student, key, known = waiting.pop(future)
                try:
                    result = future.result()
                except CancelledError:
                    cluster.lost()
                except Exception as error:  # KilledWorker: several workers ended over this submission
                    result = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}; run the command again"
                if isinstance(result, dict) and result["key"] != key:
                    result = "a worker has sent another submission's result; run the command again"
                if isinstance(result, dict) and not result["problem"]:
                    result = keep_what_a_gpu_found(result, known)
                    store_result(how.results, result)
                yield student, result
        with contextlib.suppress(OSError, TimeoutError):
            cluster.fit()  # names who came during the run and was refused
    finally:
        cluster.close()
