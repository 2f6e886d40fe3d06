"""Tasks of notebook 10: batch normalization in CUDA, from sums of a channel to one read and one write."""

from dataclasses import replace

import numpy as np

from bnlab import cuda_drivers as drivers
from bnlab.compare import constant_ratio
from bnlab.tasks import Case, Task
from bnlab.tasks.convolution import image_inputs, images
from bnlab.tasks.cupy import WAITS, fused_cache_inputs, quiet
from bnlab.walks import walked

NOTEBOOK = "10_cuda"
LIBRARIES = ("bnlab.gpu.ready",)
F4 = np.float32
# slips of rounding, whose digits differ from machine to machine
LATE_SHIFT, NAIVE, FOLDED = "subtracted_after_the_sum", "naive_formula", "folded_offset"


def sums_inputs(shape, *, mean=1.0, parts=None):
    """Inputs of the sums: rng -> {"x", "shift"}, with "parts" where it is given; shift lies near the means."""

    def inputs(rng):
        x = images(rng, shape, mean=mean, dtype=F4)
        shift = x.mean(axis=(0, 2, 3), dtype=float) + rng.uniform(0.5, 1.5, shape[1]) * rng.choice([-1, 1], shape[1])
        return {"x": x, "shift": shift.astype(F4)} | ({} if parts is None else {"parts": parts})

    return inputs


def apply_inputs(shape, *, mean=1.0):
    """Inputs of `batchnorm_apply`: rng -> {"x", "mu", "inv_std", "gamma", "beta"}."""

    def inputs(rng):
        drawn = image_inputs(shape, mean=mean, dtype=F4)(rng)
        wide = drawn["x"].astype(float)
        mu, inv_std = wide.mean(axis=(0, 2, 3)), 1 / np.sqrt(wide.var(axis=(0, 2, 3)) + 0.5)
        return drawn | {"mu": mu.astype(F4), "inv_std": inv_std.astype(F4)}

    return inputs


def rows_inputs(channels, m, *, mean=1.0):
    """Inputs of `variances`: rng -> {"x"}, one row a channel."""
    return lambda rng: {"x": (mean + rng.uniform(1, 2, (channels, 1)) * rng.normal(size=(channels, m))).astype(F4)}


def far_from_zero(shape):
    """Inputs of the forward pass, channels around 10,000, -10,000, 20,000 and so on: no shift does for two of them."""
    n, c, *_ = shape
    channel = np.arange(c)
    return image_inputs(shape, mean=np.tile(1e4 * (-1.0) ** channel * (1 + channel // 2), n), dtype=F4)


def train_cases(*shapes, eps=0.5):
    """Cases of the forward pass with these shapes."""
    return tuple(Case(f"{in_words(shape)}, eps = {eps}", image_inputs(shape, eps=eps, dtype=F4)) for shape in shapes)


def in_words(shape):
    n, c, h, w = shape
    images, channels = f"{n} image{'s' * (n > 1)}", f"{c} channel{'s' * (c > 1)}"
    return f"{images} with {channels} of {h} x {w}"


def added_by_many(inputs, expected, got):
    """A remark on sums that are as many times too large as a block has threads, or ""."""
    for name in ("s1", "s2"):
        ratio = constant_ratio(got[name], expected[name])
        if ratio and np.isclose(ratio, [32, 64, 128, 256, 512, 1024], rtol=1e-3).any():
            times = f"{ratio:.0f}"
            return (
                f"{name} is {times} times too large, as if {times} threads of a block added the same sum to it. Let "
                "only one thread add it, the one that has the sum in the end."
            )
    return ""


def walk_of_the_sums(inputs, expected, got):
    """A remark on sums that tell which numbers were added, or ""."""
    d = inputs["x"].astype(float) - inputs["shift"][:, None, None]
    return walked({"s1": d, "s2": d * d}, got, inputs.get("parts", 1))


def walk_of_the_gradients(inputs, expected, got):
    """The same of the sums of the gradient."""
    x, mu, inv_std, _ = (value.astype(float) for value in inputs["cache"])
    x_hat = (x - mu[:, None, None]) * inv_std[:, None, None]
    return walked({"dbeta": inputs["dy"], "dgamma": inputs["dy"] * x_hat}, got)


def walk_of_the_mean(inputs, expected, got):
    """The same of the mean, for sums of x - K with the first number of a channel, or with 0, as K."""
    x = inputs["x"].astype(float)
    m = x.size // x.shape[1]
    shifts = (x[0, :, 0, 0], np.zeros(x.shape[1]))
    texts = (walked({"mu": x - k[:, None, None]}, got | {"mu": (got["mu"] - k) * m}) for k in shifts)
    return next(filter(None, texts), "")


CHANNEL_SUMS = Task(
    id="channel-sums",
    answer="channel_sums",
    parameters=("x", "shift"),
    returns=drivers.CHANNEL_SUMS.returns,
    driver_of_many=drivers.CHANNEL_SUMS.run_many,
    driver=drivers.drive_channel_sums,
    detail=drivers.DETAIL,
    cases=(
        Case("8 images with 2 channels of 16 x 16", sums_inputs((8, 2, 16, 16))),
        Case("5 images with 2 channels of 7 x 7", sums_inputs((5, 2, 7, 7))),
        Case("1 image with 1 channel of 3 x 5", sums_inputs((1, 1, 3, 5))),
        Case("3 images around 10,000", sums_inputs((3, 2, 4, 5), mean=1e4), 1e-3, LATE_SHIFT),
    ),
    hints=(
        "Copy the kernel of the example. What does a thread start from, and what does it do with each number?",
        "Take two arrays in shared memory, one for each sum. The barrier stands inside the loop over rounds, outside "
        "of every `if`.",
        "Chapter 15, section `A sum that forgets to wait`: adding up in rounds; section `Digits` has the shifted sums.",
    ),
    page="15_gpu.html#a-sum-that-forgets-to-wait",
    remarks=(added_by_many, walk_of_the_sums),
)

WARP_SUMS = Task(
    id="warp-sums",
    answer="channel_sums_by_warps",
    parameters=("x", "shift"),
    returns=drivers.WARP_SUMS.returns,
    driver_of_many=drivers.WARP_SUMS.run_many,
    driver=drivers.drive_warp_sums,
    detail=drivers.DETAIL,
    cases=CHANNEL_SUMS.cases,
    hints=(
        "A sum over 32 lanes needs five steps and no barrier. Who adds up the sums of the warps?",
        "Lane 0 of each warp writes its sum to shared memory, one barrier, then the first warp reads them.",
        "Chapter 15, section `What a thread should read`: its second kernel adds up a row with one warp.",
    ),
    page="15_gpu.html#what-a-thread-should-read",
    remarks=(added_by_many, walk_of_the_sums),
)

VARIANCES = Task(
    id="variance-formulas",
    answer="variances",
    parameters=("x",),
    returns=drivers.VARIANCES,
    driver=drivers.drive_variances,
    partial=True,
    cases=(
        Case("3 channels of 40 numbers around 1", rows_inputs(3, 40), 1e-3),
        Case("2 channels of 7 numbers around 0", rows_inputs(2, 7, mean=0.0), 1e-3),
        Case(
            "4 channels of 300 numbers around 10,000 and -10,000",
            rows_inputs(4, 300, mean=np.array([[1e4], [-1e4], [1e4], [-1e4]])),
            1e-3,
        ),
    ),
    hints=(
        "The task gives the naive formula in words. The shifted formula is the naive one, applied to x - K.",
        "Welford: step = x - mean; the mean moves by step / i; then the sum grows by step times the new distance.",
        "Chapter 15, section `Digits`: the equation with S_1 and S_2; chapter 6 shows how the naive formula fails.",
    ),
    page="15_gpu.html#digits",
)

TRAIN = Task(
    id="cuda-train",
    answer="batchnorm_train_cuda",
    parameters=("x", "gamma", "beta"),
    options=("eps",),
    returns=drivers.FORWARD.returns,
    driver_of_many=drivers.FORWARD.run_many,
    driver=drivers.drive_forward,
    detail=drivers.DETAIL,
    cases=(
        *train_cases((8, 2, 16, 16), (5, 2, 7, 7), (1, 1, 3, 5)),
        Case("4 images with 3 channels that hardly vary", quiet(image_inputs((4, 3, 3, 5), mean=0.0, dtype=F4))),
        Case("4 images around 10,000 and -10,000", far_from_zero((4, 2, 4, 5)), 1e-2, NAIVE),
    ),
    hints=(
        "First the sums, as in task 1 or 2, with a shift that the kernel takes from x; then a second loop, for y.",
        "All threads need the statistics, and one thread has the sums: shared memory, and a barrier between.",
        "Chapter 15, section `Four plans for a channel`: the first plan; section `Digits` has the shifted sums.",
    ),
    page="15_gpu.html#four-plans-for-a-channel",
    remarks=(walk_of_the_mean,),
)

APPLY = Task(
    id="vector-loads",
    answer="batchnorm_apply",
    parameters=("x", "mu", "inv_std", "gamma", "beta"),
    returns=drivers.APPLY.returns,
    driver_of_many=drivers.APPLY.run_many,
    driver=drivers.drive_apply,
    detail=drivers.DETAIL,
    cases=(
        Case("2 images with 5 channels of 16 x 16", apply_inputs((2, 5, 16, 16))),
        Case("4 images with 3 channels of 7 x 7", apply_inputs((4, 3, 7, 7))),
        Case("1 image with 1 channel of 3 x 5", apply_inputs((1, 1, 3, 5))),
        Case("3 images with 2 channels of 4 x 6 around 100,000", apply_inputs((3, 2, 4, 6), mean=1e5), 5e-4, FOLDED),
        Case("3 images with 2 channels of 64 x 6", apply_inputs((3, 2, 64, 6))),
    ),
    hints=(
        "Write two kernels and let Python choose: for which shapes may a thread read four numbers at once?",
        "Every row of H * W numbers starts at a multiple of 16 bytes only if 4 divides H * W: then (const float4*)x.",
        "Chapter 15, section `What a thread should read`; section `Digits` says what to subtract first.",
    ),
    page="15_gpu.html#what-a-thread-should-read",
)

SPLIT = Task(
    id="split-sums",
    answer="channel_sums_split",
    parameters=("x", "shift", "parts"),
    returns=drivers.SPLIT_SUMS.returns,
    driver_of_many=drivers.SPLIT_SUMS.run_many,
    driver=drivers.drive_split_sums,
    detail=drivers.DETAIL,
    cases=(
        Case("8 images with 2 channels of 16 x 16 in 3 parts", sums_inputs((8, 2, 16, 16), parts=3)),
        Case("5 images with 2 channels of 7 x 7 in 2 parts", sums_inputs((5, 2, 7, 7), parts=2)),
        Case("1 image with 1 channel of 3 x 5 in 4 parts", sums_inputs((1, 1, 3, 5), parts=4)),
        Case("3 images around 10,000 in 2 parts", sums_inputs((3, 2, 4, 5), mean=1e4, parts=2), 1e-3, LATE_SHIFT),
    ),
    hints=(
        "grid = (parts, C): blockIdx.x is the part, blockIdx.y the channel. Where does a part begin and end?",
        "Blocks meet only in global memory: atomicAdd to results that start at 0, or partial sums and a second kernel.",
        "Chapter 15, section `Four plans for a channel`: the second plan.",
    ),
    page="15_gpu.html#four-plans-for-a-channel",
    remarks=(added_by_many, walk_of_the_sums),
)

BACKWARD = Task(
    id="cuda-backward",
    answer="batchnorm_backward_cuda",
    parameters=("dy", "cache"),
    returns=drivers.BACKWARDS.returns,
    driver_of_many=drivers.BACKWARDS.run_many,
    driver=drivers.drive_backward,
    detail=drivers.DETAIL,
    cases=(
        Case("8 images with 2 channels of 16 x 16", fused_cache_inputs((8, 2, 16, 16), dtype=F4), 1e-3),
        Case(
            "5 images with 2 channels of 7 x 7, small eps", fused_cache_inputs((5, 2, 7, 7), eps=1e-5, dtype=F4), 1e-3
        ),
        Case("1 image with 1 channel of 3 x 5", fused_cache_inputs((1, 1, 3, 5), dtype=F4), 1e-3),
    ),
    hints=(
        "The kernel of the forward pass with two arrays to read. Which two sums does the gradient need?",
        "Sums of dy and of dy * x_hat, with x_hat computed from x, mu and inv_std; then a second loop for dx.",
        "Chapter 15, section `Counting passes`: why two sums come before the first dx; chapter 8 has the closed form.",
    ),
    page="15_gpu.html#counting-passes",
    remarks=(walk_of_the_gradients,),
)

ONE_READ = Task(
    id="one-read",
    answer="batchnorm_train_once",
    parameters=("x", "gamma", "beta"),
    options=("eps",),
    returns=drivers.ONCE.returns,
    driver_of_many=drivers.ONCE.run_many,
    driver=drivers.drive_once,
    detail=drivers.DETAIL,
    cases=(
        *train_cases((8, 2, 16, 16), (8, 6, 7, 7), (1, 1, 3, 5), (50, 1, 14, 14)),
        Case("4 images with 3 channels that hardly vary", quiet(image_inputs((4, 3, 3, 5), mean=0.0, dtype=F4))),
        Case("3 images with 6 channels far from zero", far_from_zero((3, 6, 4, 5)), 1e-2, NAIVE),
    ),
    hints=(
        "extern __shared__ float held[]; the launch says how many bytes it has: shared_mem=4 * N * H * W.",
        "A block takes channel after channel. Before it writes any of the next one, no thread may still read the last.",
        "Chapter 15, section `Four plans for a channel`: the third plan, for a channel that fits into one block.",
    ),
    page="15_gpu.html#four-plans-for-a-channel",
    remarks=(walk_of_the_mean,),
)

TRAIN_SPEED = replace(
    TRAIN,
    id="cuda-train-speed",
    observe=None,
    hints=(
        "Which bytes does your kernel move? `x` should be read twice and `y` written once, in whole sectors.",
        "Make the kernel once, above the function: RawKernel compiles at its first call. Then use all threads.",
        "Chapter 15, section `Four plans for a channel`: the first plan, which ours follows.",
    ),
    note=WAITS,
)

BACKWARD_SPEED = replace(
    BACKWARD,
    id="cuda-backward-speed",
    observe=None,
    hints=(
        "Which bytes does your kernel move? `x` and `dy` should be read twice and `dx` written once.",
        "Make the kernel once, above the function: RawKernel compiles at its first call. Then use all threads.",
        "Chapter 15, section `Counting passes`: the two sums of the gradient, and what they read.",
    ),
    note=WAITS,
)

TASKS = [CHANNEL_SUMS, WARP_SUMS, VARIANCES, TRAIN, APPLY, SPLIT, BACKWARD, ONE_READ, TRAIN_SPEED, BACKWARD_SPEED]
