"""Which numbers of a channel a block has added up: remarks on sums that tell by their size how its threads walked."""

import re

import numpy as np

from bnlab.cuda_drivers import DETAIL, SIZES

THREADS = (32, 64, 128, 256, 512, 1024)  # the usual sizes, for a GPU, which does not tell those of its launches
ENDS = "Thread t starts at t, and goes on in steps of blockDim.x until the channel ends."


def walks(m, threads, channel, channels, parts):
    """(how often each of m numbers is added, a sentence) of the walks that are seen again and again.

    Parameters
    ----------
    m : int
        Numbers of the channel.
    threads : int
        Of a block.
    channel, channels : int
        Number of the block's channel, and how many there are.
    parts : int
        Blocks of the channel.
    """
    i, all_of_them = np.arange(m), threads * max(channels, parts)
    each, whole = f"with blocks of {threads} threads", "blockIdx.x * blockDim.x"
    if parts > 1:
        part = -(-m // parts)
        yield (
            i // part + 1,
            "Each block goes on to the end of the channel, and so do the blocks after it: they count "
            "the same numbers again. A part ends at min(first + ceil(m / parts), m).",
        )
        yield (
            i % part % (threads * parts) < threads,
            (
                f"Inside a part the steps are those of many blocks, {each}: numbers are left out. A block has its "
                "part to itself, and goes on in steps of blockDim.x."
            ),
        )
        yield i < parts * threads, f"Each thread adds only one number, {each}: it has to go on until its part ends."
        yield (
            np.minimum(i // threads + 1, parts),
            f"The parts overlap, {each}: go on in steps of gridDim.x * blockDim.x.",
        )
        yield (
            parts * (i % all_of_them < threads),
            f"All parts start at the same number, {each}: add {whole} to the start.",
        )
        return
    yield i < threads, f"Each thread adds only one number, {each}, and the rest of the channel is left out. {ENDS}"
    after = i >= channel * threads
    yield after, f"Threads start at {whole} + t, {each}: channels after the first lack numbers. {ENDS}"
    warps = f", or {threads} of {all_of_them} threads are added up" if all_of_them in THREADS else ""
    yield (
        i % all_of_them < threads,
        f"The steps are those of the whole grid, {each}{warps}: numbers are left out. {ENDS}",
    )
    yield (
        after & ((i - channel * threads) % all_of_them < threads),
        f"Threads start and go on as if the whole grid shared the channel, {each}: it has only one block. {ENDS}",
    )
    yield i >= m - threads, f"Each thread keeps only its last number, {each}: += adds to a sum, and = replaces it."
    yield i % threads == 0, f"Only thread 0's numbers are counted, {each}: the sums of all threads have to be added up."
    yield i % threads < 32, f"Only the first warp of a block is counted, {each}: each of its warps has a sum to add."
    yield (
        i % 2 == 0,
        "The numbers of every second thread are missing: the last step of the addition has to be the one by 1.",
    )


def walked(values, found, parts=1):
    """A sentence on sums that are those of a known walk, or "".

    Parameters
    ----------
    values : dict
        Name of a sum -> what is added up for it, shape (N, C, H, W).
    found : dict
        Name of a sum -> what came, shape (C,); DETAIL where something was remarkable; SIZES of the blocks.
    parts : int
    """
    if found.get(DETAIL):
        return ""  # a view, say: what is remarkable of the launch is the likelier reason
    rows = {name: value.swapaxes(0, 1).reshape(value.shape[1], -1).astype(float) for name, value in values.items()}
    channels, m = next(iter(rows.values())).shape
    told = [int(size) for size in re.findall(r"\b[1-9]\d{0,3}\b", str(found.get(SIZES, ""))[:40])]
    for threads in told or THREADS:
        by_channel = [list(walks(m, threads, c, channels, parts)) for c in range(channels)]
        for one in zip(*by_channel):
            counts = np.array([count for count, _ in one])
            astray = [name for name, row in rows.items() if not _fits(row, np.ones_like(counts), found[name])]
            if (counts != 1).any() and astray and all(_fits(rows[name], counts, found[name]) for name in astray):
                return one[0][1] if len(astray) == len(rows) else f"In {astray[0]}: {one[0][1]}"
    return ""


def _fits(row, counts, found):
    expected, scale = (row * counts).sum(axis=1), np.abs(row).sum(axis=1)
    return bool((np.abs(expected - found) <= 1e-5 * scale).all())
