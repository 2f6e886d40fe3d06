"""The referee: grades one submission.

It may know: the tests, the hidden solutions, the mutant bank, the course's secret, and what a worker answers, which is
a claim. It must never see: a student's code running in its own process, nor bytes of a worker that wire.py has not
checked. A test cell runs here with the student's names bound to proxies whose calls go to a worker; every verdict is 0
points until its test cell has run to the end.
"""

import contextlib
import dataclasses
import hashlib
import hmac
import io
import re
import time

import numpy as np
from bnlab import checking, tasks
from bnlab.answers import AnswerError
from bnlab.examiner import Report, examine_answer, share
from bnlab.oracles import Functions

from autograder.grading import attempts, gpu, gpu_race, integrity, speed
from autograder.grading.remote import RemoteAnswer, harmless
from autograder.grading.result import Verdict
from autograder.grading.session import SUBMISSION_SECONDS, Session
from autograder.grading.twin import POOL, Heat
from autograder.grading.worker import CELL_SECONDS
from autograder.grading.zygote import ZygoteEnded
from solutions.exact import exact

NO_GPU = "all that is checked without a GPU is right; the time waits for a machine with one, and no points are lost."
IMPLAUSIBLE = 0.3  # a ratio below it means that the work was done where the clock does not look


class Referee:
    """Grades one submission of one notebook.

    Parameters
    ----------
    script : autograder.authoring.script.Script
        Tests and hidden solutions.
    references : dict
        Namespace of the hidden solutions.
    bank : callable
        task id -> {slip: (function, message)}
    zygote : autograder.grading.zygote.Zygote
    twin : autograder.grading.twin.Twin
    seed : bytes
        Secret key of the course; inputs of tests are drawn from it, the student and the cell.
    student : str
    stadium : autograder.grading.gpu.Stadium, optional
        Where speed on a GPU is measured; without one it waits.
    """

    def __init__(self, script, references, bank, zygote, twin, seed, student, stadium=None):
        self.script, self.references, self.bank, self.stadium = script, references, bank, stadium
        self.zygote, self.twin, self.seed, self.student = zygote, twin, seed, student
        self.names = script.answer_names()
        self.session = self.cell = self.verdict = None
        self.past = []  # answers whose names stand for what they did when these were defined
        self.partial = None  # report of the public cases, where some leaves were right
        self.setup = {"__name__": "referee"}  # names of the read-only cells, as a test cell sees them
        with contextlib.redirect_stdout(io.StringIO()):
            for readonly in script.of_kind("readonly"):
                readonly.run(self.setup)

    def grade(self, cells, answers, only=None):
        """Run the student's cells, then every test cell.

        Parameters
        ----------
        cells : list of (id, source)
            All code cells but the tests, in order.
        answers : dict
            id of a written answer -> True where the student wrote something.
        only : set of str, optional
            The cells that are judged; by default all.

        Returns
        -------
        list of Verdict, one per graded cell
        dict of cell id -> printed text
        """
        verdicts = []
        with self.seated(cells):
            for cell in self.script.of_kind("test", "answer"):
                if only is not None and cell.id not in only:
                    continue
                verdict = Verdict(cell.id, self.script.task_of(cell.id), float(cell.points))
                verdicts.append(verdict)
                if cell.kind == "answer":
                    if answers.get(cell.id):
                        verdict.verdict, verdict.message = "needs-person", "written answer, graded by a person."
                elif self.session.is_over:
                    verdict.verdict = "timeout"
                    verdict.message = f"the notebook used up its {SUBMISSION_SECONDS:.0f} s before this question."
                else:
                    self.judge(cell, verdict)
            return verdicts, self.session.printed

    @contextlib.contextmanager
    def seated(self, cells):
        """A session with these cells, closed at the end whatever happens."""
        self.session = Session(self.zygote, cells)
        try:
            yield self
        finally:
            self.session.close()

    def judge(self, cell, verdict):
        """Run one test cell and write what it finds into the verdict.

        Where a later cell has changed what a name stands for that the answer uses, and the answer is wrong with it, or
        does not end, the test is run again with the names as they were when the answer was defined, which is what its
        check met at home.
        """
        self.past = []
        self._run_test(cell, verdict)
        answers = sorted(cell.names & set(self.names))
        if verdict.verdict in ("failed", "partial", "timeout", "crashed") and self._in_the_past(answers):
            self.past, again = answers, dataclasses.replace(verdict, score=0.0, verdict="missing", slips=[])
            self._run_test(cell, again)
            if again.score > verdict.score:
                vars(verdict).update(vars(again))
            self._in_the_past([])
        if verdict.score == 0.0:
            self._blame_cell(verdict)
        else:
            self._look_for_libraries(verdict)
        verdict.message = harmless(verdict.message)

    def _in_the_past(self, answers):
        """Whether the worker has names of other values for these answers; it takes them."""
        try:
            return self.session.ready().past(answers)
        except AnswerError:
            return False

    def _run_test(self, cell, verdict):
        self.cell, self.verdict, self.partial = cell, verdict, None
        started = time.monotonic()
        token = checking.referee.set(self)
        printed = io.StringIO()
        try:
            self.session.ready().allow(CELL_SECONDS, verdict.task)
            if self.past:
                self.session.worker().past(self.past)
            with contextlib.redirect_stdout(printed), np.errstate(all="ignore"):
                cell.run(self._namespace(cell), name=cell.id)
        except checking.CheckFailed as failed:
            report = failed.report
            verdict.verdict, verdict.message, verdict.slips = report.verdict, str(report), list(report.slips)
            earned = 0.0 if report.verdict in ("needs-person", "needs-gpu") else report.fraction
            verdict.score = round(earned * verdict.max_score, 2)
        except AnswerError as error:
            verdict.verdict = "failed" if error.kind in ("raised", "changed") else error.kind
            verdict.message = f"{verdict.task}: not yet right.\n  found    {error.text}"
        except AssertionError as error:
            verdict.verdict = "failed"
            verdict.message = f"{verdict.task}: not yet right.\n  found    {assertion_text(error)}"
        except ZygoteEnded:
            raise
        except Exception as error:  # our own test broke: a person looks, nobody else's grade suffers
            verdict.verdict, verdict.broken = "needs-person", True
            verdict.message = f"the test stopped with {type(error).__name__}: {error}. A person will look at it."[:500]
        else:
            if verdict.verdict == "missing":
                verdict.verdict = "passed"
            verdict.score, verdict.message = verdict.max_score, printed.getvalue().strip()
        finally:
            checking.referee.reset(token)
            verdict.seconds = round(time.monotonic() - started, 3)

    def _look_for_libraries(self, verdict):
        """Right numbers that a library's layer, or a replaced test drive, may have made wait for a person."""
        task, advice = tasks.all_tasks().get(verdict.task), ""
        if task is not None and task.by_hand:
            advice = integrity.advice(integrity.library_calls(self.names[task.answer], self.session.cells))
        if task is not None and task.driver and not advice:
            advice = attempts.advice(attempts.attempts(self.session.cells), self.session.noted)
        if task is not None and task.by_hand and not advice:
            advice = attempts.advice((), self.session.noted, re.compile(rf"torch normalizes for {task.answer}\b"))
        if advice:
            verdict.verdict, verdict.score = "needs-person", 0.0
            verdict.message = f"{verdict.task}: {advice}"

    def _namespace(self, cell):
        """What a test cell sees: the read-only cells' names, and proxies for the student's."""
        namespace = dict(self.setup)
        namespace.update({name: RemoteAnswer(self.session.worker, name) for name in cell.names & set(self.names)})
        return namespace

    def _blame_cell(self, verdict):
        """Where the answer's own cell failed, say so: it explains a missing name better than the missing name."""
        used = sorted(self.cell.names & set(self.names))
        cells = dict.fromkeys([verdict.task, *(self.names[name] for name in used)])
        undefined = "is not defined; expected" in verdict.message
        for cell_id in cells:
            error = self.session.errors.get(cell_id)
            if error is not None and undefined:
                kind = {"raised": "failed"}.get(error.kind, error.kind)
                verdict.verdict, verdict.message = kind, f"{verdict.task}: {error.text}"
                return
            if error is not None and cell_id == verdict.task:
                verdict.message += f"\n  besides  {error.text}"
        missing = re.search(r"NameError: name '(\w+)' is not defined", verdict.message)
        if missing and self.names.get(missing.group(1)) in self.session.errors:
            cell_id = self.names[missing.group(1)]
            reason = self.session.errors[cell_id].text
            verdict.message += f"\n  because  the cell `{cell_id}`, which defines it, did not run: {reason}"

    # -- what test cells ask through bnlab.checking -----------------------------------------------------------------
    def rng(self, *context, student=None):
        """A generator that is the same for the same student, cell and context, and that nobody can guess."""
        who = self.student if student is None else student
        text = "\0".join([self.script.name, who, self.cell.id, *map(str, context)])
        digest = hmac.new(self.seed, text.encode(), hashlib.sha256).digest()
        return np.random.default_rng(int.from_bytes(digest, "big"))

    def examine(self, task, answer, cases, kind):
        """`check` (kind "public") and `examine` (kind "hidden"), with the hidden solution as the oracle."""
        with contextlib.redirect_stdout(io.StringIO()):
            report = examine_answer(task, answer, cases, self.oracle(task), lambda i: self.rng(kind, i))
        if report.verdict == "partial" and kind == "public":
            self.partial = report  # the hidden cases have their say before points are given
            return Report(task.id, cases=len(cases))
        if self.partial is not None and report.verdict in ("passed", "partial"):
            both = self.partial.right if report.passed else [one for one in self.partial.right if one in report.right]
            report = self.partial
            share(report, task, both)
        return report

    def oracle(self, task):
        """What tells right results and those of the known slips."""
        return Functions(self.references[task.answer], self.bank(task.id), exact(task.id))

    def reference(self, task):
        """The hidden solution of a task."""
        return self.references[task.answer]

    def once(self, key, compute):
        """A value that no submission changes, kept for the next student."""
        place = (self.script.name, self.cell.id, key)
        if place not in _kept:
            _kept[place] = compute()
        return _kept[place]

    def race(self, task, answer, inputs, limit):
        """Time the answer against the twin; every timed result is checked against the twin's."""
        worker, twin = self.session.worker(), self.twin.worker()
        for racer in (worker, twin):
            racer.allow(6 * CELL_SECONDS, task.id)

        def drawn(pair):
            if self.past:  # what an answer remembers of the first race is of no use in a second one
                return inputs(self.rng("race", pair, "again"))
            everybody = pair < POOL
            rng = self.rng("race", pair, student="" if everybody else self.student)
            return self.twin.inputs(self.cell.id, pair, lambda: inputs(rng))

        heat = Heat(task, worker, twin, drawn)
        verdict, pace = speed.race(heat.answer, heat.solution, limit, np.random.default_rng())
        text = f"Your answer took {pace}; up to {limit:g} times is accepted."
        report = Report(task.id, verdict, float(verdict != "failed"), cases=pace.pairs, problem=text, link=task.link)
        if verdict == "undecided":
            report.problem += " The measurement was too noisy to decide: full points, and your instructor is told."
            self.verdict.verdict = "undecided"
        if pace.high < IMPLAUSIBLE:
            too_fast = f"`{task.id}` is too fast to be true"
            self._to_a_person(report, "That is too fast to be true: a person will look at it.", too_fast)
        if verdict == "failed":
            report.tested = "speed"
            report.likely = task.hints[0]
        return report

    def race_on_gpu(self, task, answer, event, limit, cases):
        """Examine and time the answer on a GPU, in a process of its own; without a GPU the verdict waits."""
        if self.stadium is None:
            return Report(task.id, "needs-gpu", 0.0, problem=NO_GPU)
        with self._on_the_track():
            begun = time.monotonic()
            fastest, twin, rng = event["fastest"], self.stadium.twin(), np.random.default_rng()
            event = gpu_race.event_of(event, self.stadium.gpu, self.rng("race"))
            alone = gpu_race.alone_with(event, twin, rng)
            self._give_back(begun)
            living = [cell for place, cell in enumerate(self.session.cells) if place not in self.session.dead]
            lane = self.stadium.lane(living)
            self.session.noted += [one for one in lane.worker.noted if one not in self.session.noted]
            lane.worker.noted = self.session.noted
            try:
                if self.past:
                    lane.worker.past(self.past)
                report = self.examine(task, lane.answer(task.answer), cases, "gpu") if cases else None
                if report is None or report.passed:
                    report = self._timed_on_gpu(task, gpu_race.Heat(event, lane, twin, alone, rng), limit)
                    if fastest and report.verdict == "passed":
                        report.problem += self._beside_the_fastest(event, lane, alone, limit)
            except checking.CheckFailed as failed:
                report = dataclasses.replace(failed.report, task=task.id, link=task.link)
            finally:
                lane.close()
        return report

    @contextlib.contextmanager
    def _on_the_track(self):
        """Alone on the GPU: no other grader, whose time is not this student's, and no other process of the student."""
        asked = time.monotonic()
        with gpu.alone():
            self.session.close()  # it could take the processor from the hidden solution
            self._give_back(asked)
            yield

    def _give_back(self, asked):
        """Time since then is ours, not the student's."""
        self.session.started += time.monotonic() - asked

    def _timed_on_gpu(self, task, heat, limit):
        verdict, pace, share = heat.race(limit)
        text = f"Your answer took {pace} on {self.stadium.gpu.name}; up to {limit:g} times is accepted."
        text += f" It moves what has to be moved at {share:.2f} of the pace of a plain copy."
        report = Report(task.id, verdict, float(verdict != "failed"), cases=pace.pairs, problem=text, link=task.link)
        if verdict == "undecided":
            report.problem += " The measurement was too noisy to decide: full points; run it again to know."
            self.verdict.verdict = "undecided"
        if share > 1 / gpu_race.FLOOR:
            too_fast = f"`{task.id}` is too fast to be true"
            self._to_a_person(report, "That is faster than the memory allows: a person will look at it.", too_fast)
        if verdict == "failed":
            report.tested, report.likely = "speed on a GPU", task.hints[0]
        elif advice := attempts.advice(attempts.attempts(self.session.cells), self.session.noted, attempts.RACES):
            self._to_a_person(report, f"On the way: {advice}")
        elif slowed := heat.slowed(pace, limit):
            slower = f"Beside it the hidden solution took {slowed:.2f} times as long as alone: run it again."
            why = f"`{task.id}` or something else on the GPU slows down the hidden solution"
            self._to_a_person(report, slower, why)
        return report

    def _to_a_person(self, report, why, note=""):
        """No points before a person has looked; `note` is for the instructor."""
        report.verdict, report.fraction = "needs-person", 0.0
        report.problem += f" {why}"
        self.session.noted += [note] if note else []

    def _beside_the_fastest(self, event, lane, alone, limit):
        """How far away the fastest kernels are, in words: a mark to aim at, which decides nothing."""
        lane.worker.allow(gpu.SECONDS, "the GPU")
        try:
            rng, twin = np.random.default_rng(), self.stadium.twin(fast=True)
            _, pace, _ = gpu_race.Heat(event, lane, twin, alone, rng).race(limit)
        except (checking.CheckFailed, AnswerError, RuntimeError):
            return ""  # sums in another order, or no time left: what was earned stays
        return f" Held against our fastest kernels, it took {pace.ratio:.2f} times their time."


_kept = {}  # (notebook, cell, key) -> what `Referee.once` has computed in this process


def assertion_text(error):
    """The message of an assertion of a test cell, never its source."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return "; ".join(lines)[:600] or "a property that every right answer has does not hold."
