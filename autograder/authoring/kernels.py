"""Tasks whose answers are kernels, and the simulated GPU that hidden solutions get for them."""

import os

GPU = "bnlab.gpu.ready"  # the library of such tasks


def same_gpu(libraries):
    """Give hidden solutions and known slips the simulated GPU that workers with these libraries have."""
    if GPU in libraries:
        os.environ.setdefault("BNLAB_GPU", "simulator")
