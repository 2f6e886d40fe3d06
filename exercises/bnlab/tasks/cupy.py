"""Tasks of notebook 09: batch normalization on the device, in array operations and in fused kernels; counting bytes."""

from dataclasses import replace

import numpy as np

from bnlab import gpu_drivers as drivers
from bnlab.tasks import Case, Task
from bnlab.tasks.convolution import image_cache_inputs, image_inputs, images
from bnlab.tasks.forward import ONE_PASS

NOTEBOOK = "09_cupy"
LIBRARIES = ("bnlab.gpu.ready",)


def quiet(inputs):
    """The same inputs with x a hundredth as large, so that eps counts."""

    def drawn(rng):
        values = inputs(rng)
        return values | {"x": (values["x"] * 0.01).astype(values["x"].dtype)}

    return drawn


def fused_cache_inputs(shape, *, eps=0.5, mean=1.0, dtype=np.float64, layout="C"):
    """Inputs of `batchnorm_backward_fused`: rng -> {"dy", "cache"} with cache = (x, mu, inv_std, gamma)."""

    def inputs(rng):
        x = images(rng, shape, mean=mean, dtype=dtype, layout=layout)
        exact = np.array(x, dtype="f8")
        mu, inv_std = exact.mean(axis=(0, 2, 3)), 1 / np.sqrt(exact.var(axis=(0, 2, 3)) + eps)
        gamma = rng.uniform(0.5, 2, size=shape[1]) * rng.choice([-1.0, 1.0], size=shape[1])
        x_hat = (exact - mu[:, None, None]) * inv_std[:, None, None]
        per_channel = rng.normal(size=(2, shape[1], 1, 1))
        dy = (rng.normal(size=shape) + per_channel[0] + per_channel[1] * x_hat).astype(dtype)
        return {"dy": dy, "cache": (x, *(values.astype(dtype) for values in (mu, inv_std, gamma)))}

    return inputs


def bytes_inputs(shape, dtype, direction):
    """Inputs of `bytes_moved`, which are no matter of chance."""
    return lambda rng: {"shape": shape, "dtype": dtype, "direction": direction}


def timing_inputs(size, seconds):
    """Inputs of `achieved_bandwidth`: rng -> {"num_bytes", "seconds"}, both near the given ones."""
    return lambda rng: {
        "num_bytes": int(size * rng.uniform(0.5, 2)),
        "seconds": float(seconds * rng.uniform(0.5, 2)),
    }


def whole_number(value):
    """A count may come as any kind of integer."""
    return int(value) if isinstance(value, np.integer) else value


TRAIN = Task(
    id="cupy-train",
    answer="batchnorm_train",
    parameters=("x", "gamma", "beta"),
    options=("eps",),
    returns=drivers.leaves(drivers.TRAIN),
    driver=drivers.drive_train,
    cases=(
        Case(
            "5 images with 3 channels of 4 x 6 in float32, eps = 0.5",
            image_inputs((5, 3, 4, 6), eps=0.5, dtype=np.float32),
        ),
        Case("2 images with 4 channels of 3 x 4 in float64, eps = 0.1", image_inputs((2, 4, 3, 4), eps=0.1)),
        Case(
            "4 images with 3 channels that hardly vary",
            quiet(image_inputs((4, 3, 3, 5), mean=0.0, dtype=np.float32)),
        ),
        Case(
            "3 images around 10,000 in float32", image_inputs((3, 2, 4, 5), mean=1e4, dtype=np.float32), 1e-2, ONE_PASS
        ),
    ),
    hints=(
        "It is the transform for images that you know, with `xp` in place of `np`. What must no line do on a GPU?",
        "What Python itself looks at (float, item, an `if`) has to leave the device. Keep single numbers as arrays.",
        "Chapter 15, section `Counting passes`: its first count lists the array operations in order.",
    ),
    page="15_gpu.html#counting-passes",
)

BACKWARD = Task(
    id="cupy-backward",
    answer="batchnorm_backward",
    parameters=("dy", "cache"),
    returns=drivers.leaves(drivers.BACKWARD),
    driver=drivers.drive_backward,
    cases=(
        Case("5 images with 3 channels of 4 x 6 in float32", image_cache_inputs((5, 3, 4, 6), dtype=np.float32), 1e-3),
        Case("3 images with 4 channels of 5 x 4 in float64", image_cache_inputs((3, 4, 5, 4), eps=1e-5)),
    ),
    hints=(
        "Two sums for each channel, then one expression as large as dy. What shape lets the sums meet dy?",
        "m comes from the shape, so it is a Python number, known on the host. The sums are not, and need not be.",
        "Chapter 15, section `Counting passes`: the two sums of the gradient; chapter 8 has the closed form.",
    ),
    page="15_gpu.html#counting-passes",
)

BYTES = Task(
    id="bytes-moved",
    answer="bytes_moved",
    parameters=("shape", "dtype", "direction"),
    returns="bytes",
    tidy=whole_number,
    cases=(
        Case("forward, (8, 3, 5, 7) in float32", bytes_inputs((8, 3, 5, 7), "float32", "forward")),
        Case("backward, (8, 3, 5, 7) in float32", bytes_inputs((8, 3, 5, 7), "float32", "backward")),
        Case("forward, (2, 4, 6, 5) in float16", bytes_inputs((2, 4, 6, 5), "float16", "forward")),
        Case("backward, (4, 3, 2, 9) in float64", bytes_inputs((4, 3, 2, 9), "float64", "backward")),
    ),
    hints=(
        "Start with the bytes of x alone: how many numbers are there, and how many bytes does each take?",
        "The sums over a whole channel have to be ready before the first result is written. So what is read twice?",
        "Chapter 15, section `Counting passes`: B is the size of x in bytes. Take the count for fused kernels.",
    ),
    page="15_gpu.html#counting-passes",
)

BANDWIDTH = Task(
    id="achieved-bandwidth",
    answer="achieved_bandwidth",
    parameters=("num_bytes", "seconds"),
    returns="gigabytes a second",
    cases=(
        Case("about 100 MB in some tenths of a millisecond", timing_inputs(1e8, 3e-4)),
        Case("about 2 MB in some microseconds", timing_inputs(2e6, 4e-6)),
        Case("about 300 MB in some tenths of a second", timing_inputs(3e8, 0.2)),
        Case("about 20 kB in some minutes", timing_inputs(2e4, 200)),
    ),
    hints=(
        "First compute bytes a second; then ask how many bytes a data sheet calls a gigabyte.",
        "On a data sheet a gigabyte is 10**9 bytes; 2**30 bytes are a gibibyte, which is 7 percent more.",
        "Chapter 15, section `A few operations for each number`: the bandwidth R of the roofline equation.",
    ),
    page="15_gpu.html#a-few-operations-for-each-number",
)

TRAIN_FUSED = Task(
    id="fused-train",
    answer="batchnorm_train_fused",
    parameters=("x", "gamma", "beta"),
    options=("eps",),
    returns=drivers.leaves(drivers.TRAIN_FUSED, fused=True),
    driver=drivers.drive_train_fused,
    cases=(
        Case("5 images with 3 channels of 4 x 6, eps = 0.5", image_inputs((5, 3, 4, 6), eps=0.5, dtype=np.float32)),
        Case("2 images with 4 channels of 3 x 5, eps = 0.1", image_inputs((2, 4, 3, 5), eps=0.1, dtype=np.float32)),
        Case("3 images with 2 channels of 5 x 3 in float64", image_inputs((3, 2, 5, 3), eps=0.1)),
        Case(
            "4 images with 3 channels that hardly vary",
            quiet(image_inputs((4, 3, 3, 5), mean=0.0, dtype=np.float32)),
        ),
        Case("3 images around 10,000", image_inputs((3, 2, 4, 5), mean=1e4, dtype=np.float32), 1e-2, ONE_PASS),
    ),
    hints=(
        "Three kernels: a reduction to the mean, a reduction to the variance, an elementwise kernel to y.",
        "C numbers meet x in a kernel by broadcasting, too: give them the shape (C, 1, 1). Map, add, then divide.",
        "Chapter 15, section `Counting passes`: each fused kernel reads x once, and only the last one writes as much.",
    ),
    page="15_gpu.html#counting-passes",
)

BACKWARD_FUSED = Task(
    id="fused-backward",
    answer="batchnorm_backward_fused",
    parameters=("dy", "cache"),
    returns=drivers.leaves(drivers.BACKWARD, fused=True),
    driver=drivers.drive_backward_fused,
    cases=(
        Case("5 images with 3 channels of 4 x 6", fused_cache_inputs((5, 3, 4, 6), dtype=np.float32), 1e-3),
        Case(
            "3 images with 4 channels of 5 x 4, small eps",
            fused_cache_inputs((3, 4, 5, 4), eps=1e-5, dtype=np.float32),
            1e-3,
        ),
        Case("3 images with 2 channels of 5 x 3 in float64", fused_cache_inputs((3, 2, 5, 3), eps=0.1)),
    ),
    hints=(
        "x_hat is not in the cache. Which kernels can compute it on the way, from numbers that they read anyway?",
        "One reduction maps to dy, the other to dy * x_hat, with x_hat written out in x, mu and inv_std.",
        "Chapter 15, section `Counting passes`: why the gradient needs two sums before the first dx.",
    ),
    page="15_gpu.html#counting-passes",
)

WAITS = "Only the values were checked: the points depend on the time, which is compared on a GPU."

TRAIN_SPEED = replace(
    TRAIN_FUSED,
    id="fused-train-speed",
    observe=None,
    hints=(
        "Count the kernels and the passes of each: `x` should be read by two reductions and by the kernel that writes.",
        "Make the kernels once, above the function, and leave nothing of the size of x to array operations.",
        "Chapter 15, section `Counting passes`: what is moved decides, and three kernels move 4 B.",
    ),
    note=WAITS,
)

BACKWARD_SPEED = replace(
    BACKWARD_FUSED,
    id="fused-backward-speed",
    observe=None,
    hints=(
        "Count the kernels and the passes of each: two reductions and the kernel that writes dx make 6 passes.",
        "Make the kernels once, above the function; what has shape (C,) may be computed with array operations.",
        "Chapter 15, section `Counting passes`: the two sums of the gradient, and what they read.",
    ),
    note=WAITS,
)

TASKS = [TRAIN, BACKWARD, BYTES, BANDWIDTH, TRAIN_FUSED, BACKWARD_FUSED, TRAIN_SPEED, BACKWARD_SPEED]
