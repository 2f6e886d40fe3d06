"""Who is measured: the hidden kernels in every tier and layout, notebook 09's kernels, PyTorch in both layouts, a copy.

Each contender is a call without arguments on arrays that are made once; PyTorch sees the same memory by DLPack.
"""

from __future__ import annotations

import numpy as np
import torch

from solutions.kernels import fused
from solutions.kernels.launch import FILES, TIERS, Kernels
from solutions.kernels.reference import batchnorm

EPS, MOMENTUM = 1e-5, 0.1
LATE = "persistent, running statistics read late"
APART = "persistent, channels last, numbers loaded one by one"
DIGITS = {"float32": 2e-4, "float16": 4e-3}  # allowed error, relative to the largest value


class Case:
    """Arrays of one shape, for one direction.

    Parameters
    ----------
    xp : module
        Of bnlab.gpu.
    shape : tuple of int
        (N, C, H, W), in both layouts.
    storage : "float32" | "float16"
    direction : "forward" | "backward"
    kernels : dict
        Layout -> Kernels, whose modules are compiled once.
    seed : int
        Of the numbers.
    """

    def __init__(self, xp, shape, storage, direction, kernels, seed=7):
        self.xp, self.shape, self.storage, self.direction, self.kernels = xp, shape, storage, direction, kernels
        rng = np.random.default_rng(seed)
        n, c, h, w = shape
        host = {name: rng.standard_normal(shape, np.float32) for name in ("x", "dy")}
        host["x"] = 2 * host["x"] + 1
        self.host = {name: values.astype(storage) for name, values in host.items()}
        self.arrays = {"images": self.place(lambda values: values)}
        self.arrays["rows"] = self.place(lambda values: values.transpose(0, 2, 3, 1))
        self.gamma = xp.asarray(rng.uniform(0.5, 1.5, c).astype(np.float32))
        self.beta = xp.asarray(rng.standard_normal(c).astype(np.float32))
        self.running = xp.zeros(c, np.float32), xp.ones(c, np.float32)
        self.nbytes = self.host["x"].nbytes

    def place(self, order):
        return {name: self.xp.asarray(np.ascontiguousarray(order(values))) for name, values in self.host.items()}

    @property
    def least(self):
        """Bytes that have to be moved at least: 2 B forward, 3 B backward."""
        return self.nbytes * {"forward": 2, "backward": 3}[self.direction]

    def calls(self):
        """Name -> (call, function to get its y or dx in the layout (N, C, H, W))."""
        found = {"copy": self.copy()}
        for layout in FILES:
            for tier in TIERS[layout] if layout == "images" else TIERS[layout][1:]:
                call = self.hidden(layout, tier)
                if call:
                    name = {"images": tier, "rows": f"{tier}, channels last"}[layout]
                    found[name] = call
        for name, layout in ((LATE, "images"), (APART, "rows")):
            if name in self.kernels and (name != LATE or self.direction == "forward"):
                call = self.hidden(layout, "persistent", self.kernels[name])
                found |= {name: call} if call else {}
        if self.storage == "float32":
            found["three kernels"] = self.three("fused")
            found["three kernels, sums in two steps"] = self.three("staged")
        found["PyTorch"] = self.pytorch("images")
        found["PyTorch, channels last"] = self.pytorch("rows")
        return found

    def copy(self):
        out, x = self.xp.empty_like(self.arrays["images"]["x"]), self.arrays["images"]["x"]
        return lambda: self.xp.copyto(out, x), None

    def hidden(self, layout, tier, kernels=None):
        """A tier of the hidden kernels, or None where the shape does not fit it."""
        kernels, x, dy = kernels or self.kernels[layout], *self.arrays[layout].values()
        if not kernels.fits(x.shape, tier, {"forward": 1, "backward": 2}[self.direction]):
            return None
        out = self.xp.empty_like(x)

        def forward():
            return kernels.forward(x, self.gamma, self.beta, *self.running, EPS, MOMENTUM, tier=tier, out=out)

        if self.direction == "forward":
            return forward, lambda: self.to_host(out, layout)
        _, mean, inv_std = kernels.forward(x, self.gamma, self.beta, *self.running, EPS, MOMENTUM, tier="split")
        backward = lambda: kernels.backward(dy, x, self.gamma, mean, inv_std, tier=tier, out=out)  # noqa: E731
        return backward, lambda: self.to_host(out, layout)

    def three(self, name):
        """Elementwise and reduction kernels; the sums over all axes at once ("fused") or in two steps ("staged")."""
        x, dy = self.arrays["images"].values()
        train, backward = (getattr(fused, f"batchnorm_{way}_{name}") for way in ("train", "backward"))
        if self.direction == "forward":
            call = lambda: train(x, self.gamma, self.beta)  # noqa: E731
        else:
            _, cache = train(x, self.gamma, self.beta)
            call = lambda: backward(dy, cache)  # noqa: E731
        return call, lambda: self.to_host(call()[0], "images")

    def pytorch(self, layout):
        x, dy = (self.tensor(array, layout) for array in self.arrays[layout].values())
        weight, bias, *running = (torch.from_dlpack(array) for array in (self.gamma, self.beta, *self.running))
        inputs = [value.detach().requires_grad_() for value in (x, weight, bias)]

        def forward():
            return torch.nn.functional.batch_norm(inputs[0], *running, *inputs[1:], True, MOMENTUM, EPS)

        if self.direction == "forward":

            def call():
                with torch.no_grad():
                    return forward()

            return call, lambda: call().float().cpu().numpy()
        y = forward()
        call = lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)  # noqa: E731
        return call, lambda: call()[0].float().cpu().numpy()

    def tensor(self, array, layout):
        """The same memory as a tensor of shape (N, C, H, W)."""
        tensor = torch.from_dlpack(array)
        return tensor.permute(0, 3, 1, 2) if layout == "rows" else tensor

    def to_host(self, array, layout):
        host = self.xp.asnumpy(array)
        return host.transpose(0, 3, 1, 2) if layout == "rows" else host

    def wrong(self, read):
        """In words, how a result differs from float64 on three channels; "" where it does not."""
        channels = sorted({0, self.shape[1] // 2, self.shape[1] - 1})
        got, expected = np.asarray(read(), np.float64)[:, channels], self.expected(channels)
        error = np.abs(got - expected).max() / np.abs(expected).max()
        return "" if error <= DIGITS[self.storage] else f"off by {error:.1e} of the largest value"

    def expected(self, channels):
        """y or dx in float64, of some channels."""
        x, dy = (self.host[name][:, channels].astype(np.float64) for name in ("x", "dy"))
        gamma, beta = (self.xp.asnumpy(values)[channels].astype(np.float64) for values in (self.gamma, self.beta))
        y, _, _, _, dx, *_ = batchnorm(x, dy, gamma, beta, 1, EPS)
        return y if self.direction == "forward" else dx


def hidden_kernels(storage):
    """Layout -> Kernels; APART -> those that load the numbers of a pack one by one; in float32 also LATE -> those that
    read the running statistics when they move them."""
    from bnlab import gpu

    threads = 64 if gpu.device.simulated else 512
    found = {layout: Kernels(layout, storage, threads=threads) for layout in FILES}
    found[APART] = Kernels("rows", storage, threads=threads, edit=apart)
    return found | ({LATE: Kernels("images", storage, threads=threads, edit=late)} if storage == "float32" else {})


def late(text):
    """The source of the images' kernels with one line changed: who moves the running statistics waits for memory."""
    given = "running_mean[channel], running_var[channel]"
    return replaced(text, "momentum, its, channel,", f"momentum, weights{{0.f, 0.f, {given}}}, channel,")


def apart(text):
    """The source with one line more: a pack is used where it lies, and the compiler loads its numbers one by one."""
    behind = "template <int N> __device__ __forceinline__ bundle<N> load_once"
    return replaced(text, behind, f"#define load(from) (*(from))\n{behind}")


def replaced(text, old, new):
    """A source with a piece of it replaced; ValueError where it is not there any more."""
    if old not in text:
        raise ValueError(f"the kernels do not say {old!r} any more: there is nothing to change")
    return text.replace(old, new)
