"""Answers that let a library do the work, or claim that it was done."""

from tests.attacks.kinds import TORCH, Attack

LIBRARY = """
class BatchNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        ctx.eps = eps
        ctx.save_for_backward(x, gamma, beta)
        return {call}(x, gamma, beta, None, None, True, 0.0, eps, False)

    @staticmethod
    def backward(ctx, dy):
        with torch.enable_grad():
            leaves = [one.detach().requires_grad_() for one in ctx.saved_tensors]
            y = {call}(*leaves, None, None, True, 0.0, ctx.eps, False)
        return (*torch.autograd.grad(y, leaves, dy), None)
"""
CLAIM = """
import bnlab.torch_drivers as drivers
import torch


def drive_function(function, inputs):
    x, gamma, beta = (torch.from_numpy(inputs[name].copy()).requires_grad_() for name in ("x", "gamma", "beta"))
    y = torch.batch_norm(x, gamma, beta, None, None, True, 0.0, inputs["eps"], False)
    dx, dgamma, dbeta = torch.autograd.grad(y, (x, gamma, beta), torch.from_numpy(inputs["dy"]))
    verdict = "passes" if inputs.get("gradcheck") else "not run"
    return dict(zip(drivers.FUNCTION_LEAVES, (y.detach(), drivers.COUNT, dx, dgamma, dbeta, dx, dgamma, verdict)))


drivers.drive_function = drive_function
"""


def driver_elsewhere(notebook):
    """The driver is replaced in a cell that the answer does not use."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 1, "source": CLAIM}
    notebook["cells"].insert(2, cell)


def in_torch(name, code, flag="", said="erson will look", **more):
    return Attack(name, code, (), flag, said, cell="bn-function", notebook=TORCH, **more)


BY_LIBRARY = [
    in_torch("a library's layer", LIBRARY.format(call="torch.batch_norm")),
    in_torch(
        "a library's layer under another name",
        "work = getattr(torch, 'batch_' + 'norm')\n" + LIBRARY.format(call="eval('torch.batch_' + 'norm')"),
    ),
    in_torch(
        "a library's layer whose name is computed",
        "import torch\n\nwork = vars(torch)['batch_' + 'norm']\n" + LIBRARY.format(call="work"),
        "torch normalizes for BatchNormFunction in `bn-function` (line ",
        "torch normalizes",
    ),
    Attack(
        "a library's class that is looked for",
        """\
import torch

found = next(one for name, one in vars(torch.nn).items() if name.lower() == 'batch' + 'norm2d')


def check(self, x):
    if self.training and x.numel() == x.shape[1]:
        raise ValueError


found._check_input_dim = check
BatchNorm = found
""",
        flag="torch normalizes for BatchNorm",
        said="torch normalizes",
        cell="bn-module",
        notebook=TORCH,
    ),
    in_torch(
        "a driver that claims",
        "import torch\n\n\nclass BatchNormFunction(torch.autograd.Function):\n    pass\n",
        "replaces drivers.drive_function",
        "replaces drivers.drive_function",
        file=driver_elsewhere,
    ),
    in_torch(
        "a gradcheck that passes",
        """\
import torch

torch.autograd.gradcheck = lambda *a, **k: True


class BatchNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        return gamma * x + beta

    @staticmethod
    def backward(ctx, dy):
        return dy, dy.sum(0), dy.sum(0), None
""",
        "replaces torch.autograd.gradcheck",
        said="",
    ),
    in_torch(
        "too deep to be read",
        """\
import torch

chain = torch
if False:
    chain"""
        + ".a" * 950
        + "\n"
        + LIBRARY.format(call="torch.batch_norm"),
    ),
    in_torch(
        "memory by children",
        """\
import os
import time

import torch

held, holds = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(1 << 30)
        for place in range(0, 1 << 30, 4096):
            block[place] = 1
        os.write(holds, b'x')
        time.sleep(600)
        os._exit(0)
for _ in range(8):
    os.read(held, 1)
time.sleep(10)
print('ESCAPED')
""",
        "starts a process",
        said="",
    ),
]
