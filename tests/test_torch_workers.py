"""Torch answers: workers with torch where it is asked for, drivers beside the answer, two real processes."""

import contextlib
import hashlib
import io
import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
import torch.distributed as dist
from bnlab import answers, distributed, tasks
from bnlab.answers import AnswerError, LocalAnswer
from bnlab.compare import difference, flatten
from bnlab.tasks import pytorch

from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote

LOADED = """
import os, sys
def loaded(x):
    return ["torch" in sys.modules, os.environ["OMP_NUM_THREADS"]]
"""
TENSORS = """
import torch
def double(x, **options):
    return {"twice": 2 * x, "threads": torch.get_num_threads(), "parameter": torch.nn.Parameter(x.detach())}
def writes(x):
    x[0] = 7
def gives_back(x):
    return x
"""


@contextlib.contextmanager
def worker(zygote, source):
    """A worker that has run a cell."""
    started = Worker(zygote)
    try:
        started.allow(20, "a test")
        assert started.run_cell("cell", source) is None
        yield started
    finally:
        started.close()


@pytest.fixture(scope="module")
def plain():
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture(scope="module")
def torchs():
    zygote = Zygote(tasks.libraries("08_pytorch"))
    yield zygote
    zygote.close()


def remote(worker, name):
    return RemoteAnswer(lambda: worker, name)


def test_only_declared_libraries_are_loaded(plain, torchs):
    assert tasks.libraries("03_forward") == () and tasks.libraries("08_pytorch")[0] == "torch"
    assert tasks.libraries("there is none") == ()
    for zygote, loaded in ((plain, False), (torchs, True)):
        with worker(zygote, LOADED) as started:
            assert remote(started, "loaded")(0) == [loaded, "1"]
            assert len(os.listdir(f"/proc/{started.pid}/task")) == 1, "threads do not survive a fork"


def test_the_referee_of_a_numpy_notebook_does_without_torch(run):
    code = "import sys; from autograder.grading import execute; execute.material('03_forward').bank('forward-train')"
    done = run(os.sys.executable, "-c", f"{code}; print('torch' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_tensors_come_and_go(torchs):
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    with worker(torchs, TENSORS) as started:
        got = remote(started, "double")(x)
        assert type(got["twice"]) is torch.Tensor and got["twice"].tolist() == [2.0, 4.0]
        assert got["threads"] == 1 and got["parameter"].type_name == "Parameter"
        with pytest.raises(AnswerError, match="changed its argument x in place"):
            remote(started, "writes")(torch.ones(3))
        assert torch.equal(remote(started, "gives_back")(torch.ones(3, 2)[::2]), torch.ones(2, 2))


def test_a_tensor_from_a_numpy_notebook_is_named(run):
    code = f"""
from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import Worker
from autograder.grading.zygote import Zygote
from bnlab.compare import difference
import numpy as np, sys
zygote = Zygote(('torch',))
worker = Worker(zygote)
worker.allow(60, "a test")
worker.run_cell("cell", {TENSORS!r} + "def mean(x): return torch.ones(3)")
print(difference("mu", RemoteAnswer(lambda: worker, "mean")(np.ones(3)), np.ones(3)).text, "torch" in sys.modules)
worker.close(); zygote.close()
"""
    done = run(os.sys.executable, "-c", code)
    assert done.stdout.strip() == "mu is a torch tensor; expected a NumPy array of shape (3,). False", done.stderr


# -- drivers ----------------------------------------------------------------------------------------------------------
FUNCTION = """
import torch
class BatchNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        {forward}
    @staticmethod
    def backward(ctx, dy):
        {backward}
"""


def driven(zygote, forward="return x * 2", backward="return 2 * dy, None, None, None"):
    inputs = pytorch.function_inputs(5, 3)(np.random.default_rng(0))
    with worker(zygote, FUNCTION.format(forward=forward, backward=backward)) as started:
        return inputs, tasks.find("bn-function").observe(remote(started, "BatchNormFunction"), inputs)


def test_a_driver_follows_the_gradient_in_the_worker(torchs):
    inputs, seen = driven(torchs)
    np.testing.assert_array_equal(seen["y"], 2 * inputs["x"])
    np.testing.assert_array_equal(seen["dx"], 2 * inputs["dy"])
    assert seen["dgamma"] is None and seen["gradcheck"] == "not run" and seen["y"].grad_fn is None


def test_a_test_drive_finds_torch_loaded(torchs):
    """What torch loads when it first runs takes longer than the drive: each worker would wait for it anew."""
    source = FUNCTION.format(forward="return x * 2", backward="return 2 * dy, None, None, None")
    inputs = pytorch.function_inputs(5, 3, gradcheck=True)(np.random.default_rng(0))
    source += "import os, sys\ndef state(): return sorted(sys.modules), dict(os.environ)"
    with worker(torchs, source) as started:
        before, _ = remote(started, "state")()
        assert tasks.find("bn-function").observe(remote(started, "BatchNormFunction"), inputs)["gradcheck"] == "passes"
        after, environment = remote(started, "state")()
    assert {name.partition(".")[0] for name in set(after) - set(before)} <= {"bnlab"}
    assert "TORCHINDUCTOR_CACHE_DIR" not in environment, "a folder of the zygote"


@pytest.mark.parametrize(
    ("forward", "backward", "kind", "words"),
    [
        ("x -= 1; return x * 2", "return dy, None, None, None", "changed", "argument x in place"),
        ("return x * 2", "dy *= 2; return dy, None, None, None", "changed", "argument dy in place"),
        ("raise NotImplementedError('bn-function')", "pass", "missing", "not written yet"),
        ("return x * 2", "raise NotImplementedError('bn-function')", "missing", "not written yet"),
        ("return x * 2", "return dy / undefined, None, None, None", "raised", "dy / undefined"),
        ("return 1 // 0", "pass", "raised", "ZeroDivisionError"),
    ],
)
def test_what_goes_amiss_under_a_driver_is_told(torchs, forward, backward, kind, words):
    with pytest.raises(AnswerError, match=words) as caught:
        driven(torchs, forward, backward)
    assert caught.value.kind == kind
    space = {}
    exec(FUNCTION.format(forward=forward, backward=backward), space)
    with pytest.raises(AnswerError) as at_home:
        inputs = pytorch.function_inputs(5, 3)(np.random.default_rng(0))
        tasks.find("bn-function").observe(LocalAnswer(space["BatchNormFunction"]), inputs)
    assert at_home.value.kind == kind


@pytest.mark.parametrize("forward", ["return x.sum()", "return x.detach().numpy()", "return None", "return x, x"])
def test_results_of_the_wrong_kind_are_no_crash(torchs, forward):
    try:
        _, seen = driven(torchs, forward)
    except AnswerError as error:
        assert error.kind == "raised"
    else:
        assert difference("y", seen["y"], torch.ones(5, 3, dtype=torch.float64))


def test_copies_of_tensors():
    dense, gaps = torch.arange(6.0).reshape(2, 3).T, torch.zeros(8, 3)[::2]
    for tensor in (dense, gaps, dense.clone().requires_grad_(), torch.tensor(3)):
        copy = answers.copy_arguments([tensor])[0]
        assert torch.equal(copy, tensor) and copy.stride() == tensor.stride()
        assert copy.requires_grad == tensor.requires_grad and copy.data_ptr() != tensor.data_ptr()
    assert answers.same([torch.tensor([1.0, float("nan")])], [torch.tensor([1.0, float("nan")])])
    assert not answers.same(torch.ones(2), torch.zeros(2)) and not answers.same(torch.ones(2), np.ones(2))


def test_tensors_are_compared_like_arrays():
    expected = torch.ones(3, dtype=torch.float64)
    assert difference("y", torch.ones(3, dtype=torch.float64, requires_grad=True), expected) is None
    for got, kind, words in [
        (None, "type", "Is a `return` missing?"),
        (np.ones(3), "type", "an array of shape"),
        (torch.ones(2), "shape", "expected"),
        (torch.ones(3), "dtype", "y is float32; expected float64"),
        (expected * float("nan"), "finite", "y[0] is nan"),
        (expected + torch.tensor([0, 1, 0]), "value", "y[1]: expected 1, got 2"),
    ]:
        gap = difference("y", got, expected)
        assert gap.kind == kind and words in gap.text
    assert difference("mu", torch.ones(3), np.ones(3)).kind == "type"


# -- several processes ------------------------------------------------------------------------------------------------
def add_up(x, group=None):
    x = x.clone()
    dist.all_reduce(x, group=group)
    return x


def test_two_processes_talk():
    first, second = distributed.run(add_up, [torch.ones(2), torch.full((2,), 3.0)])
    assert first.tolist() == second.tolist() == [4.0, 4.0]
    everywhere = distributed.run(add_up, [torch.tensor([float(i)]) for i in range(3)], groups=[[0, 2], [1]])
    assert [one.item() for one in everywhere] == [2.0, 1.0, 2.0]
    assert not dist.is_initialized(), "nothing stays behind in this process"


def test_they_are_real_processes():
    pids = distributed.run(lambda x, group=None: os.getpid(), [0, 0])
    assert len({*pids, os.getpid()}) == 3


def lonely(x, group=None):
    return add_up(x) if dist.get_rank() == 0 else x


def fails_on_one(x, group=None):
    if dist.get_rank() == 1:
        raise KeyError("one of two")
    return add_up(x)


def leaves(x, group=None):
    os._exit(1)


def unwritten(x, group=None):
    raise NotImplementedError("sync-statistics")


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lonely, distributed.Deadlock, "wait for one another"),
        (fails_on_one, distributed.ProcessFailed, "process 1 raised KeyError: 'one of two'"),
        (leaves, distributed.ProcessFailed, "ended without a result"),
        (unwritten, NotImplementedError, "sync-statistics"),
    ],
)
def test_failures_in_a_process_are_told(function, error, words):
    started = time.monotonic()
    with pytest.raises(error, match=words):
        distributed.run(function, [torch.ones(2), torch.ones(2)], timeout=2)
    assert time.monotonic() - started < 10


def crossed(x, group=None):
    if dist.get_rank() == 0:
        dist.all_reduce(x)
    dist.broadcast(x, 0)
    dist.all_reduce(x)
    return x


@pytest.mark.parametrize("function", [lonely, crossed])
def test_a_deadlock_is_found_by_its_stillness(function):
    """Long before the limit of 40 s, also where the machine has much to do."""
    started = time.monotonic()
    with pytest.raises(distributed.Deadlock, match="nothing moves"):
        distributed.run(function, [torch.ones(2), torch.ones(2)])
    assert time.monotonic() - started < 20


def late(x, group=None):
    """The first process waits, longer than stillness lasts: the second works, and is kept from running for a while."""
    if dist.get_rank() == 1:
        ends = time.process_time() + distributed.STILL
        if os.fork() == 0:
            parent = os.getppid()
            time.sleep(0.5)
            os.kill(parent, signal.SIGSTOP)
            time.sleep(2 * (distributed.STILL + distributed.SURE))
            os.kill(parent, signal.SIGCONT)
            os._exit(0)
        while time.process_time() < ends:
            pass
        os.wait()
    dist.all_reduce(x)
    return x


def test_a_process_that_has_to_wait_for_the_machine_is_not_stuck():
    got = distributed.run(late, [torch.ones(2), torch.ones(2)])
    assert [value.tolist() for value in got] == [[2.0, 2.0]] * 2


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs Linux's /proc")
def test_a_thread_that_needs_a_processor_does_not_sleep():
    computing = threading.Thread(target=hashlib.sha256, args=(bytes(500_000_000),))  # without the interpreter's lock
    computing.start()
    assert not distributed._all_sleep()
    computing.join()
    assert any(distributed._all_sleep() or time.sleep(0.05) for _ in range(100))


def forever(x, group=None):
    while True:
        pass


def test_a_process_that_computes_for_ever_is_ended():
    with pytest.raises(distributed.Deadlock, match="was not done after 1 s|were not done after 5 s"):
        distributed.run(forever, [torch.ones(2), torch.ones(2)], timeout=1)


def test_without_a_loopback_a_person_looks(monkeypatch):
    class Closed:
        AF_INET = 2

        def socket(self, family):
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(distributed, "socket", Closed())
    inputs = pytorch.sync_inputs((2, 3), 2)(np.random.default_rng(0))
    with pytest.raises(AnswerError, match="loopback") as caught:
        tasks.find("sync-statistics").observe(LocalAnswer(add_up), inputs)
    assert caught.value.kind == "needs-person"


def test_two_processes_in_a_worker(torchs):
    task = tasks.find("sync-statistics")
    inputs = pytorch.sync_inputs((4, 7), 3)(np.random.default_rng(1))
    full = np.concatenate(inputs["shards"])
    source = """
import torch, torch.distributed as dist
def sync_batch_statistics(x, group=None):
    every = [None, None]
    dist.all_gather_object(every, x)
    return torch.cat(every).mean(0), torch.cat(every).var(0, correction=0)
"""
    with worker(torchs, source) as started:
        leaves, problem = flatten(task.observe(remote(started, "sync_batch_statistics"), inputs), task.returns)
        assert problem is None
        np.testing.assert_allclose(leaves["process 0, mean"], full.mean(0), rtol=1e-12)
        np.testing.assert_allclose(leaves["last process, var"], full.var(0), rtol=1e-12)
        pid = started.pid
    assert not os.path.exists(f"/proc/{pid}")


def test_a_deadlock_in_a_worker_times_out_once(torchs):
    source = "import torch.distributed as dist\ndef sync_batch_statistics(x, group=None):\n"
    source += "    dist.all_reduce(x.clone()) if dist.get_rank() else None\n    return x.mean(0), x.var(0)\n"
    from bnlab.examiner import examine_answer
    from bnlab.oracles import Functions

    task = tasks.find("sync-statistics")
    with worker(torchs, source) as started, contextlib.redirect_stdout(io.StringIO()):
        started.allow(60, "sync-statistics")
        oracle = Functions(add_up)
        report = examine_answer(
            task, remote(started, "sync_batch_statistics"), task.cases, oracle, lambda i: tasks.public_rng(task.id, i)
        )
    assert report.verdict == "timeout" and "wait for one another" in report.problem
