"""The hidden kernels, in the best tier for each shape, under the names of notebook 10's tasks."""

from bnlab.gpu import device, xp

from solutions.kernels.launch import Kernels

kernels = Kernels("images", "float32", threads=64 if device.simulated else 512)
unused = {}


def running(channels):
    """Running statistics, which the kernels move and the tasks do not ask for."""
    if channels not in unused:
        unused[channels] = xp.zeros(channels, xp.float32), xp.ones(channels, xp.float32)
    return unused[channels]


def batchnorm_train_cuda(x, gamma, beta, eps=1e-5):
    """As the task of notebook 10."""
    y, mean, inv_std = kernels.forward(x, gamma, beta, *running(x.shape[1]), eps=eps)
    return y, (x, mean, inv_std, gamma)


def batchnorm_backward_cuda(dy, cache):
    """As the task of notebook 10."""
    x, mean, inv_std, gamma = cache
    return kernels.backward(dy, x, gamma, mean, inv_std)
