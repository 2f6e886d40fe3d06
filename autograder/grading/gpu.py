"""What answers race on: the GPU of this machine, and processes on it for students and for the hidden solutions.

Where there is no GPU the verdict is `needs-gpu`. BN_GPU_STAND_IN=simulator, for tests alone, puts the simulated GPU in
its place: the same steps, small shapes, and the CPU time of the workers as the clock. It says nothing about speed.
"""

import contextlib
import fcntl
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autograder.authoring.kernels import GPU
from autograder.grading import isolation, speed
from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import Worker, cpu_clock, our_fault
from autograder.grading.zygote import ZygoteEnded

CALLS, SMALL_CALLS = 24, 3  # in a lap, on a GPU and on the stand-in
SECONDS = 120.0  # for all that a race asks of a worker
TIRED = 300.0  # CPU seconds after which the hidden solution gets a new process, long before the end of RLIMIT_CPU
ASK = """
import json
from bnlab.gpu import backend
cupy, why = backend.find_cupy()
found = backend._real(cupy).device if cupy else None
about = found and {"name": found.name, "version": cupy.__version__}
print(json.dumps([about, why]))
"""
IDLE = """
def nothing(*arguments):
    return ()


def copied(first, *others):
    return first.copy()
"""


@dataclass(frozen=True)
class Gpu:
    """The device that answers race on.

    Attributes
    ----------
    name : str
    libraries : tuple of str
        Of the zygotes of its workers.
    stand_in : bool
        The simulator, for tests.
    """

    name: str
    libraries: tuple
    stand_in: bool = False

    @property
    def calls(self):
        return SMALL_CALLS if self.stand_in else CALLS

    def clock(self, worker):
        """Seconds: wall time on a GPU; on the stand-in the CPU time of the worker, read from outside."""
        return cpu_clock(worker.pid) if self.stand_in else time.perf_counter()


@functools.cache
def find():
    """The GPU of this machine, found by a process of its own, so that this one never touches it.

    Returns
    -------
    Gpu or None
    str
        Why there is none.
    """
    if os.environ.get("BN_GPU_STAND_IN") == "simulator":
        return Gpu("simulated GPU, for tests: no speed", (GPU,), True), ""
    environment = {name: value for name, value in os.environ.items() if name != "BNLAB_GPU"}
    environment["PYTHONPATH"] = str(isolation.EXERCISES)
    ask = [sys.executable, "-c", ASK]
    try:
        done = subprocess.run(ask, env=environment, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return None, "the GPU's driver does not answer"
    try:
        about, why = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return None, (done.stderr.strip().splitlines() or ["Python does not start"])[-1]
    if about is None:
        return None, why
    return Gpu(f"{about['name']}, CuPy {about['version']}", (isolation.DEVICE,)), ""


@contextlib.contextmanager
def alone():
    """One race at a time on this machine, whoever grades."""
    with open(Path(tempfile.gettempdir(), f"bn-gpu-{os.geteuid()}.lock"), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Lane:
    """A worker on the device, with the cells of a notebook run in it.

    Parameters
    ----------
    gpu : Gpu
    zygote : autograder.grading.zygote.Zygote
        With the GPU's libraries.
    cells : list of (id, source)
        A cell that raises is passed over, as in a notebook.

    Raises
    ------
    AnswerError
        Where a cell ends the process or does not end.
    ZygoteEnded
        Where the device cannot be used in a worker.
    """

    def __init__(self, gpu, zygote, cells):
        self.gpu, self.worker = gpu, Worker(zygote)
        try:
            self.worker.allow(SECONDS, "the GPU")
            self.about = self._open()
            problems = [self.worker.run_cell(name, source) for name, source in cells]
            self.problems = list(filter(None, problems))
        except BaseException:
            self.close()
            raise

    def _open(self):
        try:
            about = self.step("about", {})
        except Exception as error:
            raise ZygoteEnded(f"a worker cannot use the GPU: {error}") from None
        if about["simulated"] != self.gpu.stand_in:
            raise ZygoteEnded(f"a worker finds no GPU behind its locks: {about['line']}")
        return about

    def answer(self, name):
        """A function of its notebook, for an examination on the device."""
        return RemoteAnswer(lambda: self.worker, name)

    def step(self, step, given, name=""):
        """One step of bnlab.gpu.timing.Track in the worker."""
        return self.worker.value(name or step, {"op": "track", "step": step, "name": name}, {"given": given})

    def lap(self, name, fresh, early, late, positions):
        """Stage, run, keep and fetch.

        Returns
        -------
        autograder.grading.speed.Lap
            Seconds of one call, its first argument and the flush included, and of keeping and fetching; the value is
            what `fetch` gave.
        """

        def clock():
            return self.gpu.clock(self.worker)

        self.step("stage", {"fresh": fresh, "recipes": early}, name)
        times = [clock()]
        self.step("run", {"recipes": late}, name)
        times.append(clock())
        self.step("keep", {}, name)
        value = self.step("fetch", {"positions": positions}, name)
        times.append(clock())
        run, after = np.diff(times) / len(late)
        return speed.Lap(run, after, value)

    def close(self):
        self.worker.close()


class OwnLane(Lane):
    """The lane of the hidden solution."""

    def step(self, step, given, name=""):
        """As in any lane; errors as of `our_fault`."""
        with our_fault(self.worker):
            return super().step(step, given, name)


class Stadium:
    """Where answers race against the hidden solutions of one notebook; these stay warm from one race to the next.

    Parameters
    ----------
    gpu : Gpu
    cells : list of (id, source)
        Set-up and hidden solutions.
    zygote : callable
        "students" or "twin" -> autograder.grading.zygote.Zygote with the GPU's libraries; the two never share one.
    """

    def __init__(self, gpu, cells, zygote):
        self.gpu, self.cells, self.zygote, self._twins = gpu, [*cells, ("idle", IDLE)], zygote, {}

    def lane(self, cells):
        """A fresh process for one student."""
        return Lane(self.gpu, self.zygote("students"), cells)

    def twin(self, fast=False):
        """The lane of the hidden solutions, or of the fastest kernels under their names (kernels/fastest.py)."""
        from solutions.kernels import fastest

        lane = self._twins.get(fast)
        if lane is not None and lane.worker.alive and cpu_clock(lane.worker.pid) > TIRED:
            lane.close()
        if lane is None or not lane.worker.alive:
            more = fastest.cells() if fast else []
            lane = self._twins[fast] = OwnLane(self.gpu, self.zygote("twin"), [*self.cells, *more])
        if lane.problems:
            raise RuntimeError("; ".join(lane.problems))
        lane.worker.allow(SECONDS, "the hidden solution")
        return lane

    def close(self):
        for lane in self._twins.values():
            lane.close()
        self._twins.clear()
