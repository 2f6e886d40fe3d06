"""Test drives of answers that are CUDA kernels: three orders of threads, every access checked, traffic counted.

Arrays go to the device in float32, plain arrays and words come back. What the checker finds is a word too, so that it
can be compared like any other result; its own sentence, with the line of the kernel, comes along as DETAIL. Where it
found nothing, DETAIL holds what is remarkable about the launches, for the case that a number is not right.
On a real GPU the kernels run once, nothing is counted, and the words say what they say of a right answer.
"""

import collections
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bnlab.answers import ChangedArguments, Misshapen, same
from bnlab.compare import alike, close, flatten, leaves_of
from bnlab.gpu_drivers import COPIED, DEVICE, FREE, PASSES, WHERE, place, to_device, to_host

CHECKER, DETAIL, NOTHING = "what the checker found", "in its words", "nothing"
SIZES = "threads of a block"  # of the launches, as words, for remarks; "" where nothing tells
MADE_BY, KERNELS, ARRAYS = "what processed the images", "a kernel", "array operations"
BOTH, NO_ONE = f"{KERNELS} and {ARRAYS}", "nothing"
WASTE, FEW, MANY = "wasted memory traffic", "low", "high"
OUTSIDE, RACE, NOT_SHARED = "out of bounds", "race", "barriers without shared memory"
DEPENDS = "a result that depends on the order of threads"
CHANGED = "a given array was written to"
MISNAMED = f"{OUTSIDE}: an array that the kernel gives another one's name"
IDLE = f"{OUTSIDE}: a block that has no channel"
GONE = "names lanes that have returned"  # part of a note of the simulator
COUNTED = 2000  # numbers of images whose traffic is looked at: of smaller ones a few numbers are a pass
ORDERS = ("forward", "reverse", "random")
BEFORE = {"launch", "limit", "read-only"}  # mistakes that no order of threads has a part in


class Mistake(Exception):
    """What the checker found, as a word and in its words: there are no numbers to compare."""

    def __init__(self, word, text):
        super().__init__(text)
        self.word, self.text = word, text


@dataclass(frozen=True)
class Call:
    """A call of the answer that came to its end.

    values : dict, leaf -> NumPy array
    log : bnlab.gpu.Log
    where : str
        Where the results were.
    """

    values: dict
    log: object
    where: str

    @property
    def notes(self):
        """What is remarkable about the launches, each note once."""
        return list(dict.fromkeys(note for launch in self.log.launches for note in launch.notes))


@dataclass(frozen=True)
class Mark:
    """Something else that is counted.

    name, right, wrong : str
        The word's name and its two values.
    holds : callable
        (log, inputs) -> bool; the inputs as NumPy arrays in float32
    """

    name: str
    right: str
    wrong: str
    holds: Callable


@dataclass(frozen=True)
class Drive:
    """A kind of test drive.

    names : tuple of str
        Of the arguments by position.
    template : str or tuple
        Of the result.
    reads, writes : int
        Passes over arrays as large as the first argument that are allowed.
    marks : tuple of Mark
    looks : int
        Numbers of the images that each thread may load beside these passes, to choose a shift.
    a_block_each : bool
        Whether each channel has one block.
    """

    names: tuple
    template: object
    reads: int
    writes: int
    marks: tuple = ()
    looks: int = 0
    a_block_each: bool = False

    @property
    def returns(self):
        """The `returns` of a task."""
        words = list(self.right_words())
        first = words.index(PASSES)  # what an answer costs comes after what it gives
        return {name: name for name in (*words[:first], DETAIL, SIZES, *leaves_of(self.template), *words[first:])}

    def right_words(self):
        """What the words say of a right answer."""
        words = {CHECKER: NOTHING, WHERE: DEVICE, MADE_BY: KERNELS, PASSES: self.allowed(), WASTE: FEW}
        return words | {mark.name: mark.right for mark in self.marks}

    def allowed(self):
        """The words for the passes that are allowed."""
        reads = "1 read" if self.reads == 1 else f"{self.reads} reads"
        return f"at most {reads}" + (f" and {self.writes} write" if self.writes else "")

    def run(self, function, inputs, orders=ORDERS):
        """Call the answer in several orders of threads.

        Parameters
        ----------
        function : callable
        inputs : dict
            With NumPy arrays; "eps" is passed by keyword where it is there.
        orders : sequence of str
            The first of them is enough where nothing is wrong; after a mistake in it the second one is tried as well,
            since what the checker meets first depends on the order.

        Returns
        -------
        dict
            As `returns` says; arrays are None where a kernel failed.

        Raises
        ------
        Misshapen
            Where the result does not have the template's structure.
        """
        from bnlab.gpu import device

        orders = orders if device.simulated else ORDERS[:1]
        try:
            calls = self.launch(function, inputs, orders)
            compare(calls, orders)
        except Mistake as mistake:
            return self.failed(mistake.word, mistake.text)
        return self.tell(function, inputs, calls)

    def launch(self, function, inputs, orders):
        """The calls in these orders of threads, or a Mistake."""
        from bnlab.gpu import KernelError

        calls, errors = [], {}
        for order in ORDERS:
            wanted = order == ORDERS[1] and not BEFORE & errors.keys() if errors else order in orders
            if not wanted:
                continue
            try:
                calls.append(self.once(function, inputs, order))
            except KernelError as error:
                errors[error.word] = told(error, order)
                if error.kind == "spin":
                    break  # seconds each time
            else:
                refuse_barriers_alone(calls[-1].log)
        if errors:
            raise Mistake(" or ".join(errors), next(iter(errors.values())))
        return calls

    def once(self, function, inputs, order, dry=False):
        """One call in an order of threads; a mistake of a kernel comes with the checker's word and advice."""
        from bnlab.gpu import KernelError, simulate

        given = {name: in_float32(inputs[name]) for name in self.names}
        arguments = {name: value if isinstance(value, int) else to_device(value) for name, value in given.items()}
        options = {"eps": inputs["eps"]} if "eps" in inputs else {}
        try:
            with simulate(schedule=order, checked=True, firm=True, dry=dry) as log:
                result = function(*arguments.values(), **options)
        except KernelError as error:
            surplus = self.a_block_each and on_the_grid(error, arguments[self.names[0]].shape[1])
            error.advice = surplus or on_the_order(error, arguments)
            error.word = IDLE if surplus else MISNAMED if error.advice else word_of(error, arguments)
            raise
        refuse_changes(given, arguments, log)
        found, problem = flatten(result, self.template, "the result")
        if problem:
            raise Misshapen(problem.text)
        return Call({name: to_host(value) for name, value in found.items()}, log, place(found.values(), log))

    def tell(self, function, inputs, calls):
        """The result of calls that agree."""
        from bnlab.gpu import device

        log, notes = calls[-1].log, calls[-1].notes
        words = self.words(calls[0].log, inputs, calls[0].where, device.simulated)
        whole = len(calls) > 1 and words == self.right_words()
        if names := self.elsewhere(function, inputs) if whole else []:
            words[WHERE] = COPIED
            text = f"{' and '.join(names)} came out the same where the kernels did nothing, so something else computed"
            them = "them" if len(names) > 1 else "it"
            notes.insert(0, f"{text} {them}: NumPy on the host, say. CuPy refuses np.asarray of a device array.")
        if words.get(ATOMICS.name) == ATOMICS.wrong:
            notes.insert(0, on_the_atomics(log))
        detail = " ".join([*on_the_makers(words[MADE_BY], log), *notes])
        return {CHECKER: NOTHING, DETAIL: detail, SIZES: sizes(log), **words, **calls[0].values}

    def elsewhere(self, function, inputs):
        """Names of the results that are the same where the kernels do nothing: something else has worked them out.

        That is NumPy on the host, by `np.asarray(x)`, which the simulator cannot see and CuPy refuses. The images are
        others than before, so that what an answer keeps in a memory of its own is not the same by chance.
        """
        x = inputs[self.names[0]]
        if x.size < COUNTED:
            return []
        inputs = {**inputs, self.names[0]: (x[::-1, :, ::-1, ::-1] * 1.5).astype(x.dtype)}
        given = [part for name in self.names for part in arrays_of(in_float32(inputs[name]))]
        try:
            dry, found = (self.once(function, inputs, ORDERS[0], dry).values for dry in (True, False))
        except Exception:  # without its kernels an answer may stumble over anything
            return []
        arrays = ((name, value) for name, value in found.items() if isinstance(value, np.ndarray) and value.any())
        own = [(name, value) for name, value in arrays if not any(alike(value, part, None) for part in given)]
        return [name for name, value in own if np.isfinite(value).all() and alike(dry[name], value, None)]

    def run_many(self, functions, inputs):
        """The results of known slips, in one order of threads where that is enough; None for one that raises.

        The same slips on the same inputs are asked for again and again while a class is graded or the course tested.
        """
        key = (self, tuple(functions), digest(inputs))
        if key not in _known:
            _known[key] = [self._quietly(function, inputs) for function in functions]
            while len(_known) > 100:
                _known.popitem(last=False)
        return [result and dict(result) for result in _known[key]]

    def _quietly(self, function, inputs):
        try:
            return self.run(function, inputs, ORDERS[:1])
        except Exception:
            return None

    def words(self, log, inputs, where, counted):
        """What was seen of a call that came to its end."""
        words = self.right_words() | {WHERE: where}
        x = in_float32(inputs[self.names[0]])
        if not counted or x.size < COUNTED:
            return words
        words[MADE_BY], words[PASSES] = makers_of(large(log, x)), self.spent(log, x)
        if whole_sectors(x) and log.efficiency < 0.7:
            words[WASTE] = MANY
        given = {name: in_float32(inputs[name]) for name in self.names}
        return words | {mark.name: mark.right if mark.holds(log, given) else mark.wrong for mark in self.marks}

    def spent(self, log, x):
        """The words for the passes that were made over the images x."""
        reads, writes = (sum(passes(launch, x, what) for launch in large(log, x)) for what in ("loaded", "stored"))
        if reads > self.reads + FREE + self.looks * threads(log, x) / x.size:
            return f"more than {self.reads} read{'s' if self.reads > 1 else ''}"
        if writes > self.writes + FREE:
            return f"more than {self.writes} write{'s' if self.writes > 1 else ''}"
        return self.allowed()

    def failed(self, kind, text):
        """The result where there are no numbers to compare."""
        unseen = dict.fromkeys(self.right_words(), "not looked at")
        return unseen | {CHECKER: kind, DETAIL: text[:2000], SIZES: ""} | dict.fromkeys(leaves_of(self.template))


def refuse_barriers_alone(log):
    """A Mistake where threads wait for each other and have nothing in common; a GPU does not tell."""
    from bnlab.gpu import device

    lonely = next((one.kernel for one in log.launches if one.counters.get("barriers") and not one.shared), None)
    if lonely and device.simulated:
        raise Mistake(
            NOT_SHARED,
            f"{lonely}: the threads wait for each other at a barrier, but their block has no shared memory. An array "
            "declared without __shared__ belongs to a single thread.",
        )


def refuse_changes(given, arguments, log):
    """A Mistake where a kernel wrote to an argument, ChangedArguments where something else did."""
    changed = [name for name, value in arguments.items() if not same(to_host(value), given[name])]
    by_python = [name for name in changed if any(written_by_operations(log, a) for a in arrays_of(arguments[name]))]
    if by_python:
        raise ChangedArguments(by_python)
    if changed:
        raise Mistake(
            CHANGED,
            f"The kernel wrote to {' and '.join(changed)}, which your function is given and may only read. A kernel "
            "gets its arguments by position: does the launch pass them in the order in which the kernel declares them?",
        )


def compare(calls, orders):
    """A Mistake where the calls do not agree, or hold what no lane has given."""
    notes, found = calls[-1].notes, [call.values for call in calls]
    if text := on_the_order_of_threads(orders, found):
        raise Mistake(DEPENDS, " ".join([text, *notes]))
    gone = [note for note in notes if GONE in note]
    if gone and any(np.isnan(value).any() for value in found[0].values() if isinstance(value, np.ndarray)):
        raise Mistake(f"a mask that {GONE}", " ".join(gone))


def makers_of(launches):
    """The words for what made these launches."""
    makers = {KERNELS if launch.grid else ARRAYS for launch in launches}
    return BOTH if len(makers) > 1 else next(iter(makers), NO_ONE)


def word_of(error, given):
    """The checker's word for a mistake: of a race, who meets whom and where; out of bounds, which way, which array."""
    if error.kind not in (OUTSIDE, RACE) or not error.issues:
        return error.kind
    issue = error.issues[0]
    in_a_block = {"shared": "shared memory", "dynamic": "dynamic shared memory"}
    if error.kind == RACE:
        both = re.search(r" writes [^,]*, which .*? wrote ", issue.message)
        where = "shared" if issue.place in in_a_block else "global"
        return f"{RACE} of {'two writes' if both else 'a read and a write'} in {where} memory"
    names = {array.__array_interface__["data"][0]: name for name, array in named_arrays(given)}
    array = in_a_block.get(issue.place) or names.get(issue.place, "another array")
    return f"{OUTSIDE}: {'a write to' if issue.write else 'a read of'} {array}"


def on_the_order(error, given):
    """A sentence on an access out of bounds of an array that the kernel gives another one's name, or ""."""
    if error.kind != OUTSIDE or not error.issues or not isinstance(error.issues[0].place, int):
        return ""
    addresses = {name: array.__array_interface__["data"][0] for name, array in named_arrays(given)}
    own = re.search(r", outside of (\w+), which has", error.issues[0].message)
    if not own or addresses.get(own[1], error.issues[0].place) == error.issues[0].place:
        return ""
    return (
        f"\nWhat the kernel calls {own[1]} is a different array: pass the arguments in the order in which the kernel "
        "declares them."
    )


def on_the_grid(error, channels):
    """A sentence on an access out of bounds by a block that has no channel to work on, or ""."""
    block = re.search(r" of block (\d+) ", error.issues[0].message) if error.kind == OUTSIDE and error.issues else None
    if not block or int(block[1]) < channels or error.launch.grid[1:] != (1, 1):
        return ""
    return (
        f"\nThe grid has {error.launch.grid[0]} blocks for {channels} channel{'s' if channels != 1 else ''}, so block "
        f"{block[1]} has none to work on. For one block per channel the grid is (C,); the size of a block, (threads,), "
        "comes after it."
    )


def on_the_order_of_threads(orders, found):
    """A sentence on a result that is not the same in all orders, or ""."""
    for order, values in zip(orders[1:], found[1:]):
        for name, value in values.items():
            if not agree(value, found[0][name]):
                return (
                    f"{name} is not the same when the threads run in forward and in {order} order. Does every thread "
                    "wait for what it reads, and does every sum have a first value, as in float a = 0.f?"
                )
    return ""


def on_the_makers(made_by, log):
    """Sentences on what went through the images, where that was not kernels alone."""
    if made_by in (ARRAYS, BOTH):
        names = dict.fromkeys(launch.kernel for launch in log.launches if not launch.grid)
        yield f"Operations on whole arrays: {', '.join(names)}."
    elif made_by == NO_ONE:
        kernels = ", ".join(dict.fromkeys(launch.kernel for launch in log.launches if launch.grid))
        yield f"{kernels} neither read nor wrote them." if kernels else "No kernel was launched."


def on_the_atomics(log):
    """A sentence on how many atomics met in global memory."""
    count, warps = log.total("global_atomics"), sum(warps_of(launch) for launch in log.launches if launch.grid)
    return f"{count} atomics in global memory from {warps} warps: atomics on the same number wait for each other."


def told(error, order):
    """What the checker found, in its words, with all that may explain it."""
    when = "" if error.kind in BEFORE else f" (with the threads in {order} order)"
    first, *more = f"{error}{error.advice}".split("\n")
    return "\n".join([f"{first}{when}", *more, *getattr(error, "__notes__", ())])


def written_by_operations(log, array):
    """Whether an operation on whole arrays, and no kernel, wrote to a given array."""
    if not log.launches:
        return False  # a GPU tells nothing
    address = array.__array_interface__["data"][0]
    writers = [launch for launch in log.launches if any(a.address == address and a.stored for a in launch.arrays)]
    return bool(writers) and not any(launch.grid for launch in writers)


def arrays_of(value):
    return value if isinstance(value, tuple) else () if isinstance(value, int) else (value,)


def named_arrays(given):
    """(name, array) of the given arrays; those of a tuple are cache[0], cache[1], ..."""
    for name, value in given.items():
        if isinstance(value, tuple):
            yield from ((f"{name}[{position}]", part) for position, part in enumerate(value))
        elif not isinstance(value, int):
            yield name, value


_known = collections.OrderedDict()  # (drive, functions, digest of the inputs) -> results


def digest(value):
    """A hash of nested inputs."""
    found = hashlib.sha256()

    def feed(part):
        if isinstance(part, np.ndarray):
            found.update(f"{part.shape}{part.dtype}".encode() + part.tobytes())
        elif isinstance(part, (tuple, list, dict)):
            for item in sorted(part.items()) if isinstance(part, dict) else part:
                feed(item)
        else:
            found.update(repr(part).encode())

    feed(value)
    return found.hexdigest()


def in_float32(value):
    """Arrays of floats as float32, tuples kept: the dtype of these kernels."""
    if isinstance(value, tuple):
        return tuple(in_float32(part) for part in value)
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def agree(value, other):
    """Whether two results are the same but for rounding."""
    if not isinstance(value, np.ndarray) or not isinstance(other, np.ndarray) or value.shape != other.shape:
        return type(value) is type(other)
    return value.dtype.kind != "f" or bool(close(value, other, 1e-2).all())


def large(log, x):
    """The launches that went through arrays as large as the images, or a part of them; a few numbers are no part."""
    return [launch for launch in log.launches if any(passes(launch, x, what) > 0.01 for what in ("loaded", "stored"))]


def threads(log, x):
    """How many threads there were in these launches."""
    return sum(int(np.prod(launch.grid)) * int(np.prod(launch.block)) for launch in large(log, x) if launch.grid)


def passes(launch, x, what):
    """How often arrays as large as the images, or views of such, were "loaded" or "stored" by a launch."""
    return sum(getattr(array, what) for array in launch.arrays if array.whole >= x.nbytes) / x.nbytes


def whole_sectors(x):
    """Whether a warp that reads along the positions of an image can use all of what is moved for it."""
    return x.shape[2] * x.shape[3] % 32 == 0


def warps_of(launch):
    return int(np.prod(launch.grid)) * -(-int(np.prod(launch.block)) // 32)


def sizes(log):
    """How many threads the blocks of the launches had, each number once: "128", "64, 256"."""
    return ", ".join(dict.fromkeys(str(int(np.prod(launch.block))) for launch in log.launches if launch.grid))


def few_barriers(log, given):
    return all(
        launch.counters["barriers"] <= 4 * int(np.prod(launch.grid or (1,))) for launch in large(log, given["x"])
    )


def few_atomics(log, given):
    """A warp may add its two sums to the results; each thread by itself may not."""
    launches = (launch for launch in large(log, given["x"]) if launch.grid)
    return all(launch.totals["global_atomics"] <= 2 * warps_of(launch) for launch in launches)


def on_the_chip(log, given):
    """Not in arrays of single threads that are larger than registers."""
    return not any(launch.frame for launch in large(log, given["x"]))


def wide_stores(log, given):
    """Four numbers at once, where rows are so long that a whole warp has work."""
    x = given["x"]
    if x.shape[2] * x.shape[3] % 128:
        return True
    return log.total("store_requests") <= 1.5 * x.size / 128


def many_blocks(log, given):
    x, parts = given["x"], given["parts"]
    return all(int(np.prod(launch.grid or (1,))) >= parts * x.shape[1] for launch in large(log, x))


def few_blocks(log, given):
    return all(int(np.prod(launch.grid or (1,))) <= 4 for launch in large(log, given["x"]))


SUMS, TRAIN, BACKWARD = ("s1", "s2"), ("y", ("x", "mu", "inv_std", "gamma")), ("dx", "dgamma", "dbeta")
FEW_BARRIERS = Mark("the number of barriers in a block", "at most 4", "more than 4", few_barriers)
ATOMICS = Mark("the number of atomics in global memory", "at most 2 per warp", "more than 2 per warp", few_atomics)
CHANNEL_SUMS = Drive(("x", "shift"), SUMS, 1, 0, (ATOMICS,), a_block_each=True)
WARP_SUMS = Drive(("x", "shift"), SUMS, 1, 0, (FEW_BARRIERS, ATOMICS), a_block_each=True)
SPLIT_SUMS = Drive(
    ("x", "shift", "parts"),
    SUMS,
    1,
    0,
    (Mark("the number of blocks for a channel", "as many as parts", "fewer than parts", many_blocks),),
)
APPLY = Drive(
    ("x", "mu", "inv_std", "gamma", "beta"),
    "y",
    1,
    1,
    (Mark("how many numbers a thread stores at once", "4", "1", wide_stores),),
)
FORWARD = Drive(("x", "gamma", "beta"), TRAIN, 2, 1, looks=2, a_block_each=True)
FEW_BLOCKS = Mark("the number of blocks", "at most 4", "more than 4", few_blocks)
KEPT = Mark("where the numbers are kept", "on the chip", "in device memory", on_the_chip)
ONCE = Drive(("x", "gamma", "beta"), TRAIN, 1, 1, (FEW_BLOCKS, KEPT), looks=2)
BACKWARDS = Drive(("dy", "cache"), BACKWARD, 4, 1, a_block_each=True)


def drive_channel_sums(function, inputs):
    """Sums of a channel by one block."""
    return CHANNEL_SUMS.run(function, inputs)


def drive_warp_sums(function, inputs):
    """Sums of a channel with few barriers."""
    return WARP_SUMS.run(function, inputs)


def drive_split_sums(function, inputs):
    """Sums of a channel by several blocks."""
    return SPLIT_SUMS.run(function, inputs)


def drive_apply(function, inputs):
    """The transform with given statistics."""
    return APPLY.run(function, inputs)


def drive_forward(function, inputs):
    """The forward pass in one kernel."""
    return FORWARD.run(function, inputs)


def drive_once(function, inputs):
    """The forward pass with one read and one write."""
    return ONCE.run(function, inputs)


def drive_backward(function, inputs):
    """The backward pass in one kernel."""
    return BACKWARDS.run(function, inputs)


NAIVE, WELFORD, SHIFTED = "naive", "welford", "shifted"
FAR = "far from zero"  # mean 10,000 and more, in float32
TWO_DIGITS, TOO_FEW = "right to two digits or more", "not right to two digits"


def drive_variances(function, inputs):
    """Three formulas for the variance: numbers where all agree, words where float32 decides."""
    x = inputs["x"].astype(np.float32)
    given = x.copy()
    found, problem = flatten(function(given), {name: name for name in (NAIVE, WELFORD, SHIFTED)}, "the result")
    if not same(given, x):
        raise ChangedArguments(["x"])
    if problem:
        raise Misshapen(problem.text)
    if np.abs(x).mean() < 1000:
        return found | {f"{name} {FAR}": "not asked" for name in found}
    truth = x.astype(float).var(axis=1)
    words = {}
    for name, value in found.items():
        if not isinstance(value, np.ndarray) or value.shape != truth.shape:
            raise Misshapen(f"{name} has shape {np.shape(value)}; expected {truth.shape}")
        error = np.nan_to_num(np.abs(value / truth - 1), nan=np.inf).max()
        words[f"{name} {FAR}"] = TWO_DIGITS if error < 0.01 else TOO_FEW
    return {name: np.zeros(len(x), np.float32) for name in found} | words


VARIANCES = {name: name for name in (NAIVE, WELFORD, SHIFTED, *(f"{one} {FAR}" for one in (NAIVE, WELFORD, SHIFTED)))}
