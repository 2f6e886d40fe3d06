"""How a shape is divided among the blocks of a GPU: plain arithmetic, tested without one."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Machine:
    """What a plan needs to know of a GPU.

    Parameters
    ----------
    processors : int
        Streaming multiprocessors.
    shared_per_processor, shared_per_block : int
        Bytes of shared memory; the latter is what one block may ask for.
    """

    processors: int
    shared_per_processor: int
    shared_per_block: int


#: A toy for the simulator, so small that little arrays take every path.
TOY = Machine(processors=4, shared_per_processor=64 << 10, shared_per_block=28 << 10)


def split(groups: int, length: int, machine: Machine, least: int, per_processor: int = 4) -> tuple[int, int]:
    """Divide each of `groups` channels (or slabs) among blocks, at most `per_processor` for each processor of the GPU.

    Parameters
    ----------
    groups : int
    length : int
        Packs of a channel, or rows.
    least : int
        Packs, or rows, that are worth a block.

    Returns
    -------
    parts : int
        Blocks a group.
    chunk : int
        Packs, or rows, of each but the last, which may have fewer.
    """
    parts = max(1, min(machine.processors * per_processor // groups, length // least))
    chunk = ceil(length / parts)
    return ceil(length / chunk), chunk


def held(taken: int, machine: Machine, static: int, together: int, least: int, most: int) -> int | None:
    """Threads of a block that holds `taken` bytes: as many as let all blocks that fit on a processor share `together`.

    Parameters
    ----------
    taken, static : int
        Bytes of shared memory, and what the kernel and the driver take themselves.
    together : int
        More threads would take longer to find their way than they save.
    least, most : int
        Bounds of the answer; powers of two times 32.

    Returns
    -------
    int or None
        None where a block does not fit.
    """
    if taken + static > machine.shared_per_block:
        return None
    beside = machine.shared_per_processor // (taken + static)
    threads = most
    while threads > least and threads * beside > together:
        threads //= 2
    return max(threads, least)


def persistent(
    groups: int, length: int, bytes_each: int, threads: int, machine: Machine, static: int, per_processor: int = 2
) -> tuple[int, int, int, int] | None:
    """Divide each group among resident blocks that hold their chunk in shared memory, three rounds at a time.

    Parameters
    ----------
    bytes_each : int
        Shared memory for one pack of a group in one round: three times as much is taken.
    threads : int
        Packs that a block handles at once.
    static : int
        Bytes of shared memory that the kernel and the driver take themselves.

    Returns
    -------
    parts, chunk, blocks, shared_bytes : int
        The plan with the least work for the slowest block; None where a group does not fit on the chip.
    """
    budget = min(machine.shared_per_block, machine.shared_per_processor // per_processor) - static
    most = budget // (3 * bytes_each)
    blocks = machine.processors * per_processor
    if most < 1:
        return None
    best = None
    for parts in range(ceil(length / most), blocks + 1):
        chunk = ceil(length / parts)
        rounds = ceil(groups / (blocks // parts))
        cost = rounds * (chunk + threads // 2)  # a round costs its chunk and half a visit of all threads
        if best is None or cost < best[0]:
            best = cost, chunk
        if chunk <= threads:
            break
    if best is None:
        return None
    chunk = best[1]
    return ceil(length / chunk), chunk, blocks, 3 * chunk * bytes_each


def kept(
    groups: int, visits: int, bytes_each: int, least: int, machine: Machine, static: int, per_processor: int = 2
) -> tuple[int, int] | None:
    """Deal the visits of each group to resident blocks, which keep the last ones in shared memory as far as they fit.

    Parameters
    ----------
    visits : int
        Of all threads of a block, to read a group.
    bytes_each : int
        Shared memory for what one visit reads.
    least : int
        Visits that are worth a block.

    Returns
    -------
    parts, kept : int
        Blocks a group, and how many visits of each are kept; None where there are more groups than blocks.
    """
    if groups > machine.processors * per_processor:
        return None
    parts = max(1, min(machine.processors * per_processor // groups, visits // least))
    budget = min(machine.shared_per_block, machine.shared_per_processor // per_processor) - static
    return parts, max(0, min(ceil(visits / parts), budget // bytes_each))
