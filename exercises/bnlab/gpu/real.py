"""Import this before forking, for children that use a real GPU: nothing here touches it.

A context of a GPU does not survive a fork, so each child imports CuPy itself and makes its own.
"""

import os

os.environ["BN_GRADING"] = "1"
os.environ.pop("BNLAB_GPU", None)
os.environ.setdefault("CUPY_CACHE_SAVE_CUDA_SOURCE", "0")

from bnlab import cuda_drivers, gpu_drivers  # noqa: E402, F401
from bnlab.gpu import settings, timing  # noqa: E402, F401
