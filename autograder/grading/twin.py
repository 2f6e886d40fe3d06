"""The twin: the hidden solution in a worker of its own, against which timed answers race.

It may know: the hidden solutions of one notebook, and the inputs of its races. It must never see: a line of a
student's, or a test. Its zygote is its own, with namespaces (and, started by root, a user) that no student's worker
shares. It is started once for a grading process and stays warm from one submission to the next.
"""

import numpy as np
from bnlab.checking import CheckFailed
from bnlab.compare import FLOAT64, difference, flatten
from bnlab.examiner import Report

from autograder.grading import speed
from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import CELL_SECONDS, Worker, our_fault

POOL = 12  # pairs of inputs that are drawn once for a class
RENEWED = 300  # races after which a twin is replaced, long before its CPU limit


class Twin:
    """The hidden solutions of a notebook, ready to run.

    Parameters
    ----------
    script : autograder.authoring.script.Script
    zygote : callable
        -> autograder.grading.zygote.Zygote, of no student's
    """

    def __init__(self, script, zygote):
        self.script, self.zygote = script, zygote
        self.races, self._worker, self._pool = 0, None, {}

    def worker(self):
        """The running worker, started or replaced where needed.

        Raises
        ------
        RuntimeError
            Where a hidden solution does not run.
        """
        self.races += 1
        if self._worker is not None and (self._worker.zygote is not self.zygote() or self.races % RENEWED == 0):
            self._worker.close()
        if self._worker is None or not self._worker.alive:
            self._worker = Worker(self.zygote())
            self._worker.allow(4 * CELL_SECONDS, "the hidden solution")
            for cell in self.script.of_kind("readonly", "solution"):
                problem = self._worker.run_cell(cell.id, cell.python)
                if problem:
                    self.close()
                    raise RuntimeError(problem)
        return self._worker

    def inputs(self, cell, pair, draw):
        """The inputs of a pair; those of the first pairs are drawn once for all students, who never see them.

        Within a race no inputs come twice, so that nothing is gained by remembering a result.

        draw : callable
            () -> inputs
        """
        if pair >= POOL:
            return draw()
        if (cell, pair) not in self._pool:
            self._pool[cell, pair] = draw()
        return self._pool[cell, pair]

    def close(self):
        if self._worker is not None:
            self._worker.close()


class Heat:
    """A race of an answer against the twin on the same inputs; every timed result is checked.

    Parameters
    ----------
    task : bnlab.tasks.Task
    worker, twin : autograder.grading.worker.Worker
    inputs : callable
        Number of the pair -> inputs
    """

    def __init__(self, task, worker, twin, inputs):
        self.task, self.worker, self.twin, self.inputs = task, worker, twin, inputs
        self.names = [*task.parameters, *task.options]
        self.values = {}  # pair -> {worker: result}, until both are there

    def answer(self, pair):
        """A lap of the answer."""
        return self._lap(self.worker, pair)

    def solution(self, pair):
        """A lap of the hidden solution; errors as of `our_fault`."""
        with our_fault(self.twin):
            return self._lap(self.twin, pair)

    def _lap(self, who, pair):
        values = self.inputs(pair)
        if self.task.prepare:
            values = self.task.prepare(RemoteAnswer(lambda: who, self.task.answer), values)
        lap = speed.lap(who, self.task.answer, [values[name] for name in self.names if name in values])
        both = self.values.setdefault(pair, {})
        both[who] = lap.value
        if len(both) == 2:
            self._compare(both[self.worker], both[self.twin])
            del self.values[pair]
        return lap

    def _compare(self, got, expected):
        """Raises CheckFailed where the answer's result is not the hidden solution's."""
        task = self.task
        if task.tidy:
            got, expected = task.tidy(got), task.tidy(expected)
        expected, problem = flatten(expected, task.returns)
        if problem:
            raise RuntimeError(problem.text)
        leaves, gap = flatten(got, task.returns, task.answer)
        for leaf, value in expected.items():
            gap = gap or (not plainly_same(leaves[leaf], value) and difference(leaf, leaves[leaf], value))
        if gap:
            found = {"tested": "a timed call", "problem": gap.text, "expected": gap.expected, "got": gap.got}
            raise CheckFailed(Report(task.id, "failed", 0.0, **found))


def plainly_same(got, expected):
    """Whether two results agree so well that nothing else need be asked; False says nothing.

    It is `bnlab.compare.difference` for the common case at a tenth of its time: a bound below the tolerance there,
    which no entry that is not finite can keep.
    """
    if not (type(got) is type(expected) is np.ndarray and got.dtype == expected.dtype == np.float64):
        return False
    if got.shape != expected.shape or not expected.size:
        return False
    gap = np.subtract(got, expected)
    scale = np.abs(expected.ravel()[:: max(1, expected.size // 1000)]).max()  # at most the largest entry
    return bool(np.isfinite(scale) and np.abs(gap, out=gap).max() <= FLOAT64[1] * scale)
