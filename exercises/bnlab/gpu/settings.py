"""How the simulator runs kernels, and the log of what ran."""

import contextlib
import copy
import os
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Machine:
    """The GPU that is simulated: small, so that small arrays take every path of a launch plan.

    Attributes
    ----------
    multiprocessors : int
    threads : int
        Resident threads of a multiprocessor.
    shared_memory : int
        Bytes of a multiprocessor.
    shared_memory_block : int
        Bytes that a block may have after it asked for more than 48 KB.
    l2 : int
        Bytes of the second-level cache.
    """

    multiprocessors: int = 4
    threads: int = 1024
    shared_memory: int = 64 << 10
    shared_memory_block: int = 64 << 10
    l2: int = 1 << 20
    default_shared_memory_block = 48 << 10
    max_threads = 1024

    def resident_blocks(self, threads, shared):
        """How many blocks run at the same time on the whole machine."""
        by_threads = self.threads // (-(-threads // 32) * 32)
        by_memory = self.shared_memory // shared if shared else by_threads
        return self.multiprocessors * min(by_threads, by_memory, 16)


@dataclass
class Log:
    """What ran while `simulate` was in force.

    Attributes
    ----------
    launches : list of bnlab.gpu.report.Launch
    transfers : int
        Copies from device to host: `xp.asnumpy`, `get`, `item`, `float` and whatever else CuPy copies for.
    """

    launches: list = field(default_factory=list)
    transfers: int = 0

    def add(self, launch):
        """Enter a launch, as a copy: who changes one log changes no other."""
        self.launches.append(copy.deepcopy(launch))

    def loaded(self, array):
        """How often the kernels loaded an array, in multiples of its size."""
        return self._times(array, "loaded")

    def stored(self, array):
        """How often the kernels stored an array, in multiples of its size."""
        return self._times(array, "stored")

    def _times(self, array, what):
        if not self.launches:
            return 0.0  # on a GPU nothing is counted, and its arrays have no address for the host
        address = array.__array_interface__["data"][0]
        moved = sum(
            getattr(traffic, what)
            for launch in self.launches
            for traffic in launch.arrays
            if traffic.address == address and traffic.nbytes == array.nbytes
        )
        return moved / max(1, array.nbytes)

    def total(self, name):
        """The sum of a count over all launches: a key of Launch.totals or Launch.counters."""
        return sum(launch.totals.get(name, 0) + launch.counters.get(name, 0) for launch in self.launches)

    @property
    def bytes(self):
        """Bytes of global memory that all launches loaded and stored."""
        return self.total("load_bytes") + self.total("store_bytes")

    @property
    def efficiency(self):
        """Bytes asked for over bytes moved, over all launches."""
        sectors = self.total("load_sectors") + self.total("store_sectors")
        return self.bytes / (32 * sectors) if sectors else 1.0

    def __str__(self):
        return "\n".join(str(launch) for launch in self.launches) or "no kernel ran on the simulated GPU"


@dataclass(frozen=True)
class Settings:
    checked: bool = True
    schedule: int = 0
    machine: Machine = Machine()
    logs: tuple = ()
    firm: bool = False
    dry: bool = False


def _first():
    return Settings(checked=os.environ.get("BNLAB_GPU_CHECK", "1") != "0")


_in_force = []  # the innermost last; those of all threads, since there is one device


def current():
    """The settings in force."""
    return _in_force[-1] if _in_force else _first()


def schedule_number(schedule):
    """0 for "forward", 1 for "reverse", 2 and up for a shuffled order with that seed."""
    names = {"forward": 0, "reverse": 1, "random": 2}
    if isinstance(schedule, str):
        if schedule not in names:
            raise ValueError(f'schedule is {schedule!r}; expected "forward", "reverse", "random" or a seed from 2')
        return names[schedule]
    if schedule < 0:
        raise ValueError(f"schedule is {schedule}; expected 0 (forward), 1 (reverse), or a seed from 2")
    return int(schedule)


@contextlib.contextmanager
def simulate(checked=None, schedule=None, machine=None, firm=False, dry=False):
    """Run the kernels in this block in a certain way, and keep a log of them. On a GPU, nothing changes.

    Parameters
    ----------
    checked : bool, optional
        Look at every access: find races and other mistakes, and count traffic. About 20 times slower than without.
        The default, unless the environment has BNLAB_GPU_CHECK=0.
    schedule : "forward", "reverse", "random" or int, optional
        The order in which blocks and threads take their turns: 0 forward, 1 reverse, from 2 the seed of a shuffle. The
        result of a right kernel depends on it no more than by rounding.
    machine : Machine, optional
        The GPU to imitate.
    firm : bool
        Whether a `simulate` inside of this block changes nothing and keeps a log alone: so the test drives run.
    dry : bool
        Whether a RawKernel is looked at, launched, and does nothing.

    Yields
    ------
    Log

    Examples
    --------
    >>> with simulate(schedule="reverse") as log:
    ...     pass
    >>> print(log)
    no kernel ran on the simulated GPU
    """
    now, log = current(), Log()
    chosen = {"checked": checked, "machine": machine}
    if schedule is not None:
        chosen["schedule"] = schedule_number(schedule)
    chosen = {name: value for name, value in chosen.items() if value is not None and not now.firm}
    new = replace(now, logs=(*now.logs, log), firm=now.firm or firm, dry=now.dry or dry, **chosen)
    _in_force.append(new)
    try:
        yield log
    finally:
        _in_force.remove(new)
