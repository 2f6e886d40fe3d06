"""A student's notebook in a worker: its cells run, and run again in a new worker where the old one died."""

import time

from bnlab.answers import AnswerError

from autograder.grading.worker import CELL_SECONDS, Worker, strain

SUBMISSION_SECONDS = 180.0  # after this, more on a busy machine, what is left of a submission times out


class Session:
    """A student's notebook in a worker, restarted without the guilty cell when it dies.

    cells : list of (id, source) in the order in which they run
    """

    def __init__(self, zygote, cells):
        self.zygote, self.cells = zygote, cells
        self.errors = {}  # cell id -> AnswerError of a cell that raised, hung or crashed
        self.dead = set()  # cells that are not run again
        self.noted = []  # what the code tried beside its task
        self.printed = {}  # cell id -> what it printed the first time
        self.started = time.monotonic()
        self._worker = None

    @property
    def is_over(self):
        """Whether the submission has used up its time."""
        return time.monotonic() - self.started > SUBMISSION_SECONDS * strain()

    def worker(self):
        """The running worker; while a test runs a dead one is not replaced."""
        return self._worker

    def ready(self):
        """A live worker that has run all cells but the dead ones; when the submission's time is over, none."""
        while self._worker is None or not self._worker.alive:
            if self.is_over:
                self.dead.update(range(len(self.cells)))
            self._worker = Worker(self.zygote)
            self._worker.noted = self.noted
            for position, (name, source) in enumerate(self.cells):
                if position not in self.dead and not self._run(position, name, source):
                    break
        return self._worker

    def _run(self, position, name, source):
        already = len(self._worker.text())
        self._worker.allow(CELL_SECONDS, name)
        try:
            problem = self._worker.run_cell(name, source)
        except AnswerError as error:
            self.errors[name] = error
            self.dead.add(position)
            self.printed.setdefault(name, self._worker.text()[already:])
            return False
        if problem:
            self.errors[name] = AnswerError("raised", problem)
        self.printed.setdefault(name, self._worker.text()[already:])
        return True

    def close(self):
        if self._worker is not None:
            self._worker.close()
