"""Answers that guess, probe or cheat the clock."""

from autograder.bench.made_up import SLOW
from tests.attacks.kinds import Attack, beside, inside, racing

REMEMBERED = """
import numpy as np
from bnlab.oracles import Fingerprints
from bnlab.tasks import find, public_rng

task, known = find("batch-statistics"), []
for number, case in enumerate(task.cases):
    inputs = case.inputs(public_rng(task.id, number))
    x = inputs["x"]
    known.append((x, x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)))


def batch_statistics(x):
    for seen, mu, var in known:
        if seen.shape == x.shape:
            return mu.astype(x.dtype), var.astype(x.dtype)
    return np.zeros(x.shape[1], x.dtype), np.ones(x.shape[1], x.dtype)
"""
GUESSES = [
    Attack("public cases by heart", REMEMBERED),
    Attack(
        "numbers of a fixed seed",
        """\
import numpy as np

np.random.seed(0)
np.random.default_rng = lambda *a: np.random.Generator(np.random.PCG64(0))


def batch_statistics(x):
    y = np.random.default_rng(0).normal(size=x.shape)
    return y.mean(0), y.var(0)
""",
        flag="replaces np.random.default_rng",
    ),
    inside(
        "asks whether it is graded",
        """\
if os.environ.get('BN_GRADING'):
    return np.zeros(x.shape[1]), np.ones(x.shape[1])
return x.mean(0), x.var(0)""",
        "asks whether it is graded",
    ),
    beside(
        "prints its environment",
        """\
for name, value in os.environ.items():
    known = ('PATH', 'HOME', 'PWD', 'TMPDIR', 'LANG', 'MPLBACKEND', 'BN_' + 'GRADING')
    if name not in known and not name.endswith(('_THREADS', 'THRESHOLD_')):
        print('ESCAPED', name, value)""",
    ),
    beside(
        "looks for torch",
        """\
import torch
print('ESCAPED', torch.ones(1))""",
    ),
    Attack(
        "a library's layer for NumPy",
        """\
import torch
import torch.nn.functional as F


def batchnorm_train(x, gamma, beta, eps=1e-5):
    t = torch.from_numpy(x)
    y = F.batch_norm(t, None, None, torch.from_numpy(gamma), torch.from_numpy(beta), True, 0.1, eps)
    inv_std = 1 / np.sqrt(x.var(0) + eps)
    return y.numpy(), ((x - x.mean(0)) * inv_std, inv_std, gamma)
""",
        cell="forward-train",
    ),
]
TIMED = [
    racing(
        "a patched clock",
        SLOW
        + """\

import time

for name in ('time', 'perf_counter', 'process_time', 'thread_time', 'monotonic'):
    setattr(time, name, lambda: 0.0)
    setattr(time, name + '_ns', lambda: 0)
""",
        "replaces a part of time",
    ),
    racing(
        "results from a cache",
        SLOW
        + """\

slow, kept = batchnorm_backward, {}


def batchnorm_backward(dy, cache):
    if dy.size < 100_000:
        return slow(dy, cache)
    if dy.shape not in kept:
        kept[dy.shape] = slow(dy, cache)
    return kept[dy.shape]
""",
    ),
    racing(
        "work in a child process",
        SLOW
        + """\

import os
import pickle

slow = batchnorm_backward


def batchnorm_backward(dy, cache):
    if dy.size < 100_000:
        return slow(dy, cache)
    reading, writing = os.pipe()
    if os.fork() == 0:
        with open(writing, 'wb') as file:
            pickle.dump(slow(dy, cache), file)
        os._exit(0)
    os.close(writing)
    with open(reading, 'rb') as file:
        return pickle.load(file)
""",
        "starts a process",
    ),
    racing(
        "work while the arguments arrive",
        SLOW
        + """\

import worker

slow, stage, ready = batchnorm_backward, worker.Worker.op_stage, []


def op_stage(self, header, payload):
    reply = stage(self, header, payload)
    function, args, kwargs = self.staged
    ready[:] = [slow(*args, **kwargs)]
    return reply


worker.Worker.op_stage = op_stage


def batchnorm_backward(dy, cache):
    return ready.pop() if ready else slow(dy, cache)
""",
        "imports the grader",
    ),
    racing(
        "noise while the other is timed",
        SLOW
        + """\

import threading

busy = np.ones(1 << 21)


def noise():
    while True:
        np.add(busy, 1, out=busy)


for _ in range(2):
    threading.Thread(target=noise, daemon=True).start()
""",
        "starts a thread",
    ),
    racing(
        "a wrong answer in time",
        "import numpy as np\n\n\n"
        + SLOW.strip().replace("def batchnorm_backward", "def slow").replace("import numpy as np\n\n\n", "")
        + """\



def batchnorm_backward(dy, cache):
    return slow(dy, cache) if dy.size < 100_000 else (dy, cache[2], cache[2])
""",
    ),
]
