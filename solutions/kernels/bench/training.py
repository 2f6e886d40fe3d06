"""A small network trained with different batch normalizations inside: images a second, seconds to an accuracy.

    python -m solutions.kernels.bench                           on a GPU, as a part of `make gpu`
    python -m solutions.kernels.bench.training                  on this CPU, in NumPy: writes training_cpu.json
    python -m solutions.kernels.bench.training --answers FILE   on a GPU, with a student's kernels (.ipynb or .py)

On a GPU the convolutions are PyTorch's in every case; what changes is the layer after each of them. Student's and
hidden kernels come in through one autograd function, on the same memory by DLPack. Where a step is recorded, the GPU
repeats it as a CUDA graph and hardly waits for Python, which says each launch once.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
RESULT, DATA = ROOT / "book" / "measured" / "training_cpu.json", ROOT / "_build" / "training_data.npz"
CHANNELS, TARGET, BATCH, RATE = (32, 64, 128), 0.85, 256, 0.4
ON_CPU = {"channels": (8, 16, 32), "target": 0.75, "batch": 64, "rate": 0.1}  # the network in NumPy, on one core
EPS = 1e-5
YOURS = "your kernels"


# -- data --------------------------------------------------------------------------------------------------------------
def data(train=20_000, test=4_000):
    """Images (n, 1, 28, 28) in float32 and labels; Fashion-MNIST where it is, else images that are made here.

    Returns
    -------
    str
        What they are.
    tuple
        x_train, y_train, x_test, y_test
    """
    if DATA.exists():
        with np.load(DATA) as stored:
            parts = [stored[name] for name in ("x_train", "y_train", "x_test", "y_test")]
        return "Fashion-MNIST", standardized(parts, train, test)
    sys.path.append(str(ROOT / "book" / "experiments"))
    try:
        from fashion import load_fashion

        return "Fashion-MNIST", standardized(load_fashion(), train, test)
    except FileNotFoundError:
        return "made stripes", stripes(train, test)
    finally:
        sys.path.pop()


def standardized(parts, train, test):
    x, y, x_test, y_test = parts
    x, x_test = (part[:many].reshape(-1, 1, 28, 28).astype(np.float32) for part, many in ((x, train), (x_test, test)))
    mean, std = x.mean(), x.std()
    return (x - mean) / std, y[:train].astype(np.int64), (x_test - mean) / std, y_test[:test].astype(np.int64)


def stripes(train, test, seed=0):
    """Ten classes: stripes in ten directions, of random width, place and contrast, under noise."""
    rng = np.random.default_rng(seed)
    n = train + test
    labels = rng.integers(10, size=n)
    angle = np.pi * (labels + rng.uniform(-0.3, 0.3, n)) / 10
    row, column = np.mgrid[:28, :28].astype(np.float32)
    along = np.cos(angle)[:, None, None] * row + np.sin(angle)[:, None, None] * column
    phase, width = rng.uniform(0, 2 * np.pi, n)[:, None, None], rng.uniform(0.5, 1.2, n)[:, None, None]
    images = rng.uniform(0.3, 1.0, n)[:, None, None] * np.sin(width * along + phase) + rng.normal(0, 0.7, (n, 28, 28))
    x = images[:, None].astype(np.float32)
    return x[:train], labels[:train], x[train:], labels[train:]


# -- the same network in NumPy -----------------------------------------------------------------------------------------
def windows(x):
    """Every 3 x 3 neighbourhood with a border of zeros, as rows: (N * H * W, C * 9)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    found = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return found.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 9 * x.shape[1])


class NumpyNet:
    """Convolution, normalization, ReLU, mean of 2 x 2, three times; the mean of each channel; a linear layer."""

    def __init__(self, norm, rng, channels=CHANNELS):
        self.norm, sizes = norm, (1, *channels)
        self.weights = [
            rng.normal(0, (2 / (9 * i)) ** 0.5, (o, i, 3, 3)).astype(np.float32) for i, o in zip(sizes, sizes[1:])
        ]
        self.gammas, self.betas = ([f(c, np.float32) for c in channels] for f in (np.ones, np.zeros))
        self.head = rng.normal(0, channels[-1] ** -0.5, (channels[-1], 10)).astype(np.float32)
        self.bias = np.zeros(10, np.float32)

    def parameters(self):
        return [*self.weights, *self.gammas, *self.betas, self.head, self.bias]

    def forward(self, x):
        self.kept = []
        for weight, gamma, beta in zip(self.weights, self.gammas, self.betas):
            rows = windows(x)
            y = rows @ weight.reshape(len(weight), -1).T
            y = y.reshape(len(x), *x.shape[2:], -1).transpose(0, 3, 1, 2)
            y, cache = self.norm[0](y, gamma, beta) if self.norm else (y + beta[:, None, None], None)
            active = y > 0
            n, c, h, w = y.shape
            y = (y * active)[:, :, : h // 2 * 2, : w // 2 * 2]
            pooled = y.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))
            self.kept.append((x.shape, rows, cache, active))
            x = pooled
        self.features, self.size = x.mean((2, 3)), x.shape
        return self.features @ self.head + self.bias

    def backward(self, d_logits):
        head, bias = self.features.T @ d_logits, d_logits.sum(0)
        n, c, h, w = self.size
        d = np.broadcast_to((d_logits @ self.head.T)[:, :, None, None] / np.float32(h * w), self.size)
        weights, gammas, betas = [], [], []
        for weight, (shape, rows, cache, active) in zip(self.weights[::-1], self.kept[::-1]):
            dy = np.zeros(active.shape, np.float32)
            up = np.repeat(np.repeat(d, 2, 2), 2, 3) / np.float32(4)
            dy[:, :, : up.shape[2], : up.shape[3]] = up
            dy *= active
            if self.norm:
                dy, dgamma, dbeta = self.norm[1](dy, cache)
            else:
                dgamma, dbeta = np.zeros(dy.shape[1], np.float32), dy.sum((0, 2, 3))
            flat = dy.transpose(0, 2, 3, 1).reshape(-1, dy.shape[1])
            weights.insert(0, (flat.T @ rows).reshape(weight.shape))
            gammas.insert(0, dgamma)
            betas.insert(0, dbeta)
            turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
            flat = windows(dy) @ turned.reshape(len(turned), -1).T
            d = flat.reshape(shape[0], *shape[2:], -1).transpose(0, 3, 1, 2)
        return [*weights, *gammas, *betas, head, bias]

    def prepare(self, x, y):
        """Nothing: NumPy compiles nothing."""

    def step(self, x, y, rate):
        logits = self.forward(x)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        shares[np.arange(len(y)), y] -= 1
        for parameter, gradient in zip(self.parameters(), self.backward(shares / np.float32(len(y)))):
            parameter -= np.float32(rate) * gradient

    def right(self, x, y):
        return int((self.forward(x).argmax(1) == y).sum())


def array_norm():
    """Batch normalization in array operations of NumPy: (forward, backward)."""

    def forward(x, gamma, beta):
        centred = x - x.mean((0, 2, 3), keepdims=True)
        inv_std = 1 / np.sqrt((centred * centred).mean((0, 2, 3), keepdims=True) + EPS)
        x_hat = centred * inv_std
        return gamma[:, None, None] * x_hat + beta[:, None, None], (x_hat, inv_std, gamma)

    def backward(dy, cache):
        x_hat, inv_std, gamma = cache
        dbeta, dgamma = dy.sum((0, 2, 3)), (dy * x_hat).sum((0, 2, 3))
        m = np.float32(dy.size // dy.shape[1])
        bracket = dy - (dbeta / m)[:, None, None] - x_hat * (dgamma / m)[:, None, None]
        return gamma[:, None, None] * inv_std * bracket, dgamma, dbeta

    return forward, backward


# -- the same network in PyTorch, with any kernels inside --------------------------------------------------------------
def torch_net(norm, device, sizes=CHANNELS):
    """The network with `norm(channels)` after each convolution, None for a bias alone."""
    import torch

    layers, before = [], 1
    for channels in sizes:
        layers.append(torch.nn.Conv2d(before, channels, 3, padding=1, bias=norm is None))
        torch.nn.init.kaiming_normal_(layers[-1].weight, nonlinearity="relu")
        layers += [norm(channels)] if norm else []
        layers += [torch.nn.ReLU(), torch.nn.AvgPool2d(2)]
        before = channels
    head = torch.nn.Linear(before, 10)
    torch.nn.init.normal_(head.weight, 0, before**-0.5)
    torch.nn.init.zeros_(head.bias)
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), head).to(device)


class Recording:
    """What kernels on arrays need while PyTorch records a CUDA graph: its stream, in every thread of autograd, and that
    nobody else gets the memory of their arrays afterwards, into which the graph writes.

    Parameters
    ----------
    xp : module
        Of bnlab.gpu.
    """

    def __init__(self, xp):
        self.xp, self.stream, self.kept = xp, None, []

    @contextlib.contextmanager
    def on(self, stream):
        """Calls within are launched on this stream of PyTorch, and what they return is kept."""
        self.stream = stream
        try:
            yield
        finally:
            self.stream = None

    def call(self, function, *tensors):
        """function(*tensors), on the stream if there is one."""
        if self.stream is None:
            return function(*tensors)
        with self.xp.cuda.ExternalStream(self.stream.cuda_stream):
            found = function(*tensors)
        self.kept.append(found)
        return found


def kernel_norm(forward, backward, xp, recording=None):
    """A class of layers over kernels on arrays: forward(x, gamma, beta) -> (y, cache), backward(dy, cache).

    With a Recording, a RecordedNet can hold them.
    """
    import torch

    recording = recording or Recording(xp)

    def run(x, gamma, beta):
        y, cache = forward(*(xp.from_dlpack(value.detach().contiguous()) for value in (x, gamma, beta)))
        return torch.from_dlpack(y), cache

    def run_back(dy, cache):
        return tuple(torch.from_dlpack(array) for array in backward(xp.from_dlpack(dy.contiguous()), cache))

    class Norm(torch.autograd.Function):
        @staticmethod
        def forward(context, x, gamma, beta):
            y, context.cache = recording.call(run, x, gamma, beta)
            return y

        @staticmethod
        def backward(context, dy):
            return recording.call(run_back, dy, context.cache)

    class Layer(torch.nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(channels))
            self.bias = torch.nn.Parameter(torch.zeros(channels))

        def forward(self, x):
            return Norm.apply(x, self.weight, self.bias)

    return Layer


class TorchNet:
    """The counterpart of NumpyNet; `compiled` hands it to torch.compile."""

    def __init__(self, norm, device, sizes=CHANNELS, rate=RATE, compiled=False):
        import torch

        torch.manual_seed(0)
        self.torch, self.device = torch, device
        self.net = torch_net(norm, device, sizes)
        self.run = torch.compile(self.net) if compiled else self.net
        self.optimizer = torch.optim.SGD(self.net.parameters(), rate)

    def prepare(self, x, y):
        """Compile, and take memory."""
        self.step(x, y, 0.0)

    def step(self, x, y, rate):
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        self.torch.nn.functional.cross_entropy(self.run(x), y).backward()
        self.optimizer.step()

    def right(self, x, y):
        """Right answers, with the statistics of the batch in every variant: hidden kernels know no evaluation."""
        with self.torch.no_grad():
            return int((self.net(x).argmax(1) == y).sum())


class RecordedNet(TorchNet):
    """A TorchNet whose step is recorded once, and then repeated by the GPU.

    Parameters
    ----------
    recording : Recording, optional
        That of `kernel_norm`, where its layers are inside.

    Raises
    ------
    ValueError
        By `step`, at another rate than the recorded one.
    """

    def __init__(self, norm, device, sizes=CHANNELS, rate=RATE, recording=None):
        super().__init__(norm, device, sizes, rate)
        self.recording, self.rate = recording, rate

    def prepare(self, x, y):
        """Record a step; a few steps that change nothing come first, since a recorded one may take no memory."""
        torch, stream = self.torch, self.torch.cuda.Stream()
        self.x, self.y, self.graph = x.clone(), y.clone(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with self.recording.on(stream) if self.recording else contextlib.nullcontext():
            with torch.cuda.stream(stream):
                for _ in range(3):
                    super().step(self.x, self.y, 0.0)
            stream.synchronize()
            self.optimizer.zero_grad(set_to_none=True)
            if self.recording:
                self.recording.kept.clear()
            with torch.cuda.graph(self.graph, stream=stream):
                super().step(self.x, self.y, self.rate)

    def step(self, x, y, rate):
        if rate != self.rate:
            raise ValueError(f"the step was recorded with a rate of {self.rate}, not {rate}")
        self.x.copy_(x)
        self.y.copy_(y)
        self.graph.replay()


# -- one race ----------------------------------------------------------------------------------------------------------
def train(net, parts, wait, seconds, target=TARGET, rate=RATE, batch=BATCH, epochs=30, clock=time.perf_counter):
    """Train until the accuracy is reached or the time is over; testing is not timed.

    Returns
    -------
    dict
        "images a second", "seconds to target" (None where it was not reached), "accuracy", "epochs".
    """
    x, y, x_test, y_test = parts
    batch, taken, images, reached, accuracy, epoch = min(batch, len(x) // 4), 0.0, 0, None, 0.0, 0
    rng = np.random.default_rng(0)
    net.prepare(x[:batch], y[:batch])
    wait()
    while epoch < epochs and reached is None and taken < seconds:
        epoch, order = epoch + 1, rng.permutation(len(x))
        for start in range(0, len(x) - batch + 1, batch):
            chosen = order[start : start + batch]
            begun = clock()
            net.step(x[chosen], y[chosen], rate)
            if start % (8 * batch) == 0 or start + 2 * batch > len(x):
                wait()
            taken += clock() - begun
            images += batch
        right = sum(net.right(x_test[i : i + 500], y_test[i : i + 500]) for i in range(0, len(x_test), 500))
        accuracy = right / len(x_test)
        reached = round(taken, 3) if accuracy >= target else None
    found = {"images a second": round(images / taken, 1), "seconds to target": reached}
    return found | {"accuracy": round(accuracy, 4), "epochs": epoch}


def on_gpu(seconds, say=print, answers=None):
    """All variants on the device of bnlab.gpu.

    Parameters
    ----------
    seconds : float
        For all of them together.
    say : callable
    answers : Path, optional
        A student's notebook or script; see `answers.answered`.

    Returns
    -------
    dict

    Raises
    ------
    AnswersError
    """
    import torch
    from bnlab.gpu import device, xp

    from solutions.kernels import by_hand, fused
    from solutions.kernels.bench.answers import AnswersError, answered, require_right

    words, parts = data() if not device.simulated else ("made stripes", tiny(stripes(32, 16)))
    place, sizes = ("cpu", (3, 4)) if device.simulated else ("cuda", CHANNELS)
    parts = tuple(torch.as_tensor(part, device=place) for part in parts)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    recording = Recording(xp)
    hidden = kernel_norm(by_hand.batchnorm_train_cuda, by_hand.batchnorm_backward_cuda, xp, recording)
    three = kernel_norm(fused.batchnorm_train_fused, fused.batchnorm_backward_fused, xp)
    theirs = lambda c: torch.nn.BatchNorm2d(c, track_running_stats=False)  # noqa: E731
    variants = {YOURS: lambda: TorchNet(yours, place, sizes)} if answers is not None else {}
    variants |= {
        "hidden kernels": lambda: TorchNet(hidden, place, sizes),
        "three kernels of notebook 09": lambda: TorchNet(three, place, sizes),
        "PyTorch": lambda: TorchNet(theirs, place, sizes),
        "no batch norm": lambda: TorchNet(None, place, sizes),
    }
    on_a_gpu = {
        "PyTorch, compiled": lambda: TorchNet(theirs, place, sizes, compiled=True),
        "hidden kernels, recorded": lambda: RecordedNet(hidden, place, sizes, recording=recording),
        "PyTorch, recorded": lambda: RecordedNet(theirs, place, sizes),
        "no batch norm, recorded": lambda: RecordedNet(None, place, sizes),
    }
    if answers is not None:
        yours = kernel_norm(*answered(answers, say), xp)
    wait = (lambda: None) if device.simulated else torch.cuda.synchronize
    found, epochs = {}, 1 if device.simulated else 30
    for name, net in (variants | on_a_gpu).items():
        if name in on_a_gpu and device.simulated:
            found[name] = {"left out": "there is no GPU to do it for"}
            continue
        try:
            if name == YOURS:
                require_right(yours, place)
            found[name] = train(net(), parts, wait, seconds / len(variants | on_a_gpu), epochs=epochs)
        except AnswersError as error:
            found[name] = {"failed": str(error)}
        except NotImplementedError as error:
            found[name] = {"failed": f"not answered: {error}"}
        except (Exception, SystemExit) as error:  # a variant that does not run costs no other one
            found[name] = {"failed": f"{type(error).__name__}: {error}"[:300]}
        say(f"  {name}: {found[name]}")
    return {"data": words, "target": TARGET, "batch": BATCH, "rate": RATE, "variants": found}


def tiny(parts):
    """The middle of the images alone, for the simulated GPU."""
    x, y, x_test, y_test = parts
    return x[:, :, 10:18, 10:18].copy(), y, x_test[:, :, 10:18, 10:18].copy(), y_test


def on_cpu(seconds=60.0, size=(3_000, 1_000), say=print):
    """The same network in NumPy on this machine, with batch normalization in array operations and without.

    Its seconds are CPU time of one thread, which what else runs on the machine does not change much.

    Returns
    -------
    dict
    """
    words, parts = data(*size)
    found, clock = {}, time.process_time
    for name, norm in (("batch norm in NumPy", array_norm()), ("no batch norm", None)):
        net = NumpyNet(norm, np.random.default_rng(0), ON_CPU["channels"])
        how = {name: ON_CPU[name] for name in ("target", "batch", "rate")}
        found[name] = train(net, parts, lambda: None, seconds / 2, clock=clock, **how)
        say(f"  {name}: {found[name]}")
    return {"data": words, "images": size[0], **ON_CPU, "variants": found}


def _positive(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time; expected more than 0 seconds")
    return seconds


def main():
    name = "python -m solutions.kernels.bench.training"
    given = argparse.ArgumentParser(prog=name, description=__doc__.split("\n")[0])
    told = "notebook 09 or 10, or a script, with a student's kernels: its code runs as you, without the grader's locks"
    given.add_argument("--answers", type=Path, metavar="FILE", help=told)
    given.add_argument("--prepare", action="store_true", help="write the images to _build, for a machine without them")
    given.add_argument("--seconds", type=_positive, default=120.0, help="for all variants together, by default 120")
    given.add_argument("--to", type=Path, default=RESULT, metavar="FILE", help="of the run on this CPU")
    given = given.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "exercises")]
    if given.prepare:
        return prepare()
    if given.answers:
        from solutions.kernels.bench.answers import AnswersError

        try:
            found = on_gpu(given.seconds, answers=given.answers)
        except AnswersError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        return 1 if "failed" in found["variants"][YOURS] else 0
    from threadpoolctl import threadpool_limits

    from solutions import machine

    with threadpool_limits(1):
        machine.write(given.to, on_cpu(given.seconds))
    print(f"written: {given.to}")
    return 0


def prepare():
    """Fashion-MNIST's first images in one file, which travels to a machine that has none."""
    sys.path.append(str(ROOT / "book" / "experiments"))
    from fashion import CURE, folder, load_fashion

    if folder() is None:
        print(f"{CURE}; without it the images are made by the script")
        return 0
    x, y, x_test, y_test = load_fashion()
    DATA.parent.mkdir(exist_ok=True)
    small = {"x_train": x[:20_000], "y_train": y[:20_000], "x_test": x_test[:4_000], "y_test": y_test[:4_000]}
    stored = {name: (255 * v).round().astype(np.uint8) if v.ndim == 2 else v for name, v in small.items()}
    np.savez_compressed(DATA, **stored)
    print(f"written: {DATA}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
