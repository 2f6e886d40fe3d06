"""The hidden kernels on a real GPU: right in every tier, layout and storage, the same bits each time, in CUDA graphs.

Needs NumPy, CuPy, PyTorch and pytest alone; `make gpu` runs it.
"""

import numpy as np
import pytest
from bnlab import gpu

from solutions.kernels import launch, plan
from solutions.kernels.reference import DIGITS, differences

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device():
    if gpu.device.simulated:
        pytest.skip("needs a GPU")
    return gpu.device


SHAPES = [(32, 64, 56, 56), (32, 2048, 7, 7), (5, 3, 7, 7), (2, 1, 3, 3), (16, 96, 28, 28)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("storage", ["float32", "float16"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_every_contender_agrees_with_float64(device, shape, storage, direction):
    contenders = pytest.importorskip("solutions.kernels.bench.contenders")
    case = contenders.Case(gpu.xp, shape, storage, direction, contenders.hidden_kernels(storage))
    calls = case.calls()
    assert {"block", "split"} <= set(calls)
    for name, (call, read) in calls.items():
        call()
        assert read is None or not case.wrong(read), name


@pytest.mark.parametrize("storage", launch.STORAGE)
@pytest.mark.parametrize("layout", launch.FILES)
@pytest.mark.parametrize("machine", [None, plan.Machine(20, 64 << 10, 28 << 10)], ids=["this GPU", "a small one"])
def test_statistics_and_all_gradients_agree_with_float64(device, layout, storage, machine):
    """In every tier that fits; planned for a small machine, the same shapes take several blocks and rounds."""
    kernels, tried = launch.Kernels(layout, storage, machine), set()
    for n, c, h, w in SHAPES[1:]:
        shape = (n, c, h, w) if layout == "images" else (n, h, w, c)
        for tier in launch.TIERS[layout]:
            if kernels.fits(shape, tier, 2):
                worst = differences(kernels, shape, tier)
                # sums of many numbers cancel: gradients of parameters keep fewer digits
                assert max(worst.values()) < 5 * DIGITS[storage], (shape, tier, worst)
                tried.add(tier)
    assert {"block", "split", "persistent"} <= tried


TIERS = [(layout, tier) for layout in launch.FILES for tier in launch.TIERS[layout]]


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("layout, tier", TIERS, ids="-".join)
def test_a_cuda_graph_repeats_a_tier(device, layout, tier, direction):
    xp, shape = gpu.xp, (16, 64, 28, 28) if layout == "images" else (16, 28, 28, 64)
    kernels, rng = launch.Kernels(layout), np.random.default_rng(0)
    x, dy = (xp.asarray(rng.normal(3, 2, shape).astype(np.float32)) for _ in range(2))
    gamma, beta, running = xp.ones(64, "f"), xp.zeros(64, "f"), (xp.zeros(64, "f"), xp.ones(64, "f"))
    _, mean, inv_std = kernels.forward(x, gamma, beta, *running, tier="block")
    out = xp.empty_like(x)

    def call():
        if direction == "forward":
            return kernels.forward(x, gamma, beta, *running, tier=tier, out=out)
        return kernels.backward(dy, x, gamma, mean, inv_std, tier=tier, out=out)

    firsts = [array.copy() for array in call()]  # compiles, takes the workspace
    stream = xp.cuda.Stream(non_blocking=True)
    xp.cuda.Device().synchronize()  # the copies are on another stream
    with stream:
        stream.begin_capture()
        kept = call()
        graph = stream.end_capture()
        for _ in range(100):
            out.fill(0)
            graph.launch(stream)
    stream.synchronize()
    assert kept[0] is out
    assert all(bool((again == first).all()) for again, first in zip(kept, firsts, strict=True))


@pytest.mark.parametrize("name", ["hidden kernels", "PyTorch"])
def test_a_recorded_training_step_does_what_the_step_does(device, name):
    torch = pytest.importorskip("torch")
    from solutions.kernels import by_hand
    from solutions.kernels.bench import training

    recording = training.Recording(gpu.xp)
    norms = {"PyTorch": lambda c: torch.nn.BatchNorm2d(c, track_running_stats=False)}
    kernels = by_hand.batchnorm_train_cuda, by_hand.batchnorm_backward_cuda
    norms["hidden kernels"] = training.kernel_norm(*kernels, gpu.xp, recording)
    plain = training.TorchNet(norms[name], "cuda")
    recorded = training.RecordedNet(norms[name], "cuda", recording=recording)
    x = torch.randn(5, 64, 1, 28, 28, device="cuda", generator=torch.Generator("cuda").manual_seed(0))
    y = torch.arange(5 * 64, device="cuda").reshape(5, 64) % 10
    for net in (plain, recorded):
        net.prepare(x[0], y[0])
        for images, labels in zip(x, y):
            net.step(images, labels, training.RATE)
            net.right(images, labels)  # calls beside the recorded ones leave their arrays alone
    begun = training.TorchNet(norms[name], "cuda").net.state_dict()
    for key, value in plain.net.state_dict().items():
        moved, apart = (value - begun[key]).norm(), (value - recorded.net.state_dict()[key]).norm()
        # cuDNN adds up in another order each time, and five steps carry that on
        assert moved > 1e-4 and apart < 0.1 * moved, (key, float(moved), float(apart))


def test_the_detection_round_trip(device):
    assert device.multiprocessors > 0 and device.l2 > 0 and device.shared_memory_block >= 48 << 10
