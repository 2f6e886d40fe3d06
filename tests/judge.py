"""Whole test cells, hidden tests included, run in this process: no worker, and no grade is kept."""

import contextlib
import functools
import io

import numpy as np
from bnlab import checking, tasks
from bnlab.answers import LocalAnswer
from bnlab.examiner import examine_answer
from bnlab.oracles import Functions

from autograder import course
from autograder.authoring.script import Script
from solutions.exact import exact

SCRIPTS = [Script.of(name) for name in course.notebook_names()]
CELLS = {script.task_of(cell.id): (script, cell) for script in SCRIPTS for cell in script.of_kind("test")}


@functools.cache
def references(notebook):
    """What the hidden solutions of a notebook define."""
    with contextlib.redirect_stdout(io.StringIO()):
        return next(script for script in SCRIPTS if script.name == notebook).references()


def reference(task_id):
    """The hidden solution of a task."""
    script, _ = CELLS[task_id]
    return references(script.name)[tasks.find(task_id).answer]


class Judge:
    """Stands where the autograder's referee stands: hidden solutions as the oracle, inputs from a seed."""

    kept = {}  # (task, key) -> what depends on our own solutions alone

    def __init__(self, seed, task_id):
        self.seed, self.task_id = seed, task_id

    def examine(self, task, answer, cases, kind):
        def rng(position):
            return np.random.default_rng([self.seed, position, kind == "hidden"])

        oracle = Functions(reference(task.id), exact=exact(task.id))  # without the mutants: whether it is right
        return examine_answer(task, LocalAnswer(answer, task.answer), cases, oracle, rng)

    def reference(self, task):
        return reference(task.id)

    def once(self, key, compute):
        if (self.task_id, key) not in self.kept:
            self.kept[self.task_id, key] = compute()
        return self.kept[self.task_id, key]

    def race(self, task, answer, inputs, limit):
        return self.examine(task, answer, [tasks.Case("the racing track", inputs)], "race")

    def race_on_gpu(self, task, answer, event, limit, cases):
        return self.examine(task, answer, cases, "gpu")


def grade(task_id, answer, seed):
    """Run the task's whole test cell, hidden tests included; raises AssertionError where it fails."""
    script, cell = CELLS[task_id]
    token = checking.referee.set(Judge(seed, task_id))
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            cell.run(references(script.name) | {tasks.find(task_id).answer: answer})
    finally:
        checking.referee.reset(token)
