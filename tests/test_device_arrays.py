"""The simulated GPU's arrays know what CuPy would copy to the host, and what operations of whole arrays move."""

import numpy as np
import pytest
from bnlab import check, gpu_drivers
from bnlab.answers import LocalAnswer
from bnlab.checking import CheckFailed
from bnlab.gpu import simulate
from bnlab.gpu.arrays import xp
from bnlab.gpu.elementwise import ElementwiseKernel
from bnlab.gpu.reduction import ReductionKernel

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
TO_HOST = {
    "float": lambda x: float(x.mean()),
    "int": lambda x: int(x.sum()),
    "item": lambda x: x[0, 0, 0].item(),
    "tolist": lambda x: x.tolist(),
    "get": lambda x: x.get(),
    "asnumpy": lambda x: xp.asnumpy(x),
    "if": lambda x: 1 if x.max() > 0 else 0,
    "index": lambda x: [1, 2][x.argmin()],
}
STAYS = {
    "statistics": lambda x: (x - x.mean(axis=0)) / xp.sqrt(x.var(axis=0) + 1),
    "numbers": lambda x: x[0, 1, 2] * x.sum() + x.size // x.shape[0],
    "fill": lambda x: xp.stack([x[0], x[1]]),
    "assign": lambda x: xp.zeros_like(x).__setitem__((0, 0, 0), x.mean()),
    "views": lambda x: xp.ascontiguousarray(x.reshape(-1).astype(xp.float64)[::2]),
    "einsum": lambda x: xp.einsum("abc->b", x),
    "loop": lambda x: [row * 2 for row in x],
}


@pytest.mark.parametrize("name", TO_HOST)
def test_what_goes_to_the_host_is_counted(name):
    with simulate() as log:
        TO_HOST[name](xp.asarray(X))
    assert log.transfers >= 1


@pytest.mark.parametrize("name", STAYS)
def test_what_stays_is_not_counted_and_is_of_the_device(name):
    with simulate() as log:
        found = STAYS[name](xp.asarray(X))
    assert log.transfers == 0
    for part in found if isinstance(found, list) else [found]:
        assert part is None or isinstance(part, xp.ndarray)


def test_the_host_copy_is_plain():
    for copy in (xp.asnumpy(xp.asarray(X)), xp.asarray(X).get()):
        assert type(copy) is np.ndarray and (copy == X).all()


def test_array_operations_enter_their_bytes():
    """x - x.mean(axis=0): the sum reads x once, the difference reads it again and writes as much."""
    x = xp.asarray(X)
    with simulate() as log:
        x - x.mean(axis=0)
    assert gpu_drivers.passes(log, x) == 3


def test_an_einsum_is_no_way_around_the_count():
    x = xp.asarray(X)
    with simulate() as log:
        xp.einsum("abc,abc->b", x, x)
    assert gpu_drivers.passes(log, x) == 2


def test_kernels_give_device_arrays():
    x = xp.asarray(X)
    twice = ElementwiseKernel("T x", "T y", "y = 2 * x", "twice")(x)
    total = ReductionKernel("T x", "T y", "x", "a + b", "y = a", "0", "total")(x, axis=(0, 2))
    assert isinstance(twice, xp.ndarray) and isinstance(total, xp.ndarray)
    np.testing.assert_allclose(xp.asnumpy(total), X.sum(axis=(0, 2)))


def inputs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 2, 4, 5)).astype(np.float32)
    return {"x": x, "gamma": np.ones(2, np.float32), "beta": np.zeros(2, np.float32), "eps": 0.5}


def answer(change):
    def batchnorm_train(x, gamma, beta, eps=1e-5):
        centred = x - x.mean(axis=(0, 2, 3), keepdims=True)
        inv_std = 1 / xp.sqrt((centred**2).mean(axis=(0, 2, 3)) + eps)
        x_hat = centred * inv_std[:, None, None]
        return change(gamma[:, None, None] * x_hat + beta[:, None, None]), (x_hat, inv_std, gamma)

    return LocalAnswer(batchnorm_train)


@pytest.mark.parametrize(
    ("change", "where", "dtype"),
    [
        (lambda y: y, gpu_drivers.DEVICE, gpu_drivers.KEPT),
        (lambda y: y * (float(y.max()) > 0), gpu_drivers.COPIED, gpu_drivers.KEPT),
        (lambda y: np.asarray(y), gpu_drivers.HOST, gpu_drivers.KEPT),
        (lambda y: y.astype(np.float64), gpu_drivers.DEVICE, "float64"),
    ],
    ids=["right", "float", "NumPy", "float64"],
)
def test_the_driver_says_where_and_in_which_dtype(change, where, dtype):
    found = answer(change).drive(gpu_drivers.drive_train, inputs())
    assert (found[gpu_drivers.WHERE], found[gpu_drivers.DTYPE]) == (where, dtype)
    assert type(found["y"]) is np.ndarray and found["y"].dtype == np.float32


def test_colab_is_asked_for_a_gpu_where_kernels_are_written():
    import nbformat
    from bnlab import tasks

    from autograder import course

    for name in course.notebook_names():
        metadata = nbformat.read(course.released(name), as_version=4).metadata
        assert (metadata.get("accelerator") == "GPU") == (tasks.libraries(name) == ("bnlab.gpu.ready",))


@pytest.mark.parametrize(
    "operation, passes",
    [
        (lambda x: x.copy(), 2),
        (lambda x: x.astype(np.float64), 3),
        (lambda x: x.astype(np.float32, copy=False), 0),
        (lambda x: xp.empty_like(x).__setitem__(..., x), 2),
        (lambda x: xp.empty_like(x).__setitem__(0, x[1]), 1),
    ],
    ids=["copy", "astype", "no astype", "assign", "assign a half"],
)
def test_copies_are_reads_and_writes(operation, passes):
    x = xp.asarray(X)
    with simulate() as log:
        operation(x)
    assert log.bytes == passes * x.nbytes


def said_of(task, function):
    """What `check` says of a wrong answer."""
    with pytest.raises(CheckFailed) as caught:
        check(task, function)
    return str(caught.value)


def test_messages_speak_of_the_device():
    def batchnorm_train(x, gamma, beta, eps=1e-5):
        mu, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        print(mu)
        inv_std = 1 / xp.sqrt(var + eps)
        x_hat = (x - mu[:, None, None]) * inv_std[:, None, None]
        return gamma[:, None, None] * x_hat + beta[:, None, None], (x_hat, inv_std, gamma)

    def batchnorm_backward(dy, cache):
        return xp.empty_like(dy), dy.sum(axis=(0, 2, 3)), (dy,)

    assert "`print` of an array copy it to the host" in said_of("cupy-train", batchnorm_train)
    said = said_of("cupy-backward", batchnorm_backward)
    assert "`xp.empty` is nan until something is written" in said

    def batchnorm_backward(dy, cache):
        return 1.0, dy.sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))

    assert "expected a device array of shape" in said_of("cupy-backward", batchnorm_backward)


def test_an_argument_that_is_shifted_in_place_is_found_out():
    def variances(x):
        x -= x[:, :1].copy()
        return dict.fromkeys(("naive", "welford", "shifted"), x.var(axis=1))

    assert "changed its argument x in place" in said_of("variance-formulas", variances)


def test_a_float_where_an_int_is_asked_for_is_told_as_that():
    def bytes_moved(shape, dtype, direction):
        return np.prod(shape) * np.dtype(dtype).itemsize * {"forward": 3, "backward": 5}[direction] / 1

    assert "a single float64 number; expected the int" in said_of("bytes-moved", bytes_moved)


@pytest.mark.parametrize(
    "copied",
    [
        lambda x: xp.ascontiguousarray(x.T),
        lambda x: x.T.reshape(-1),
        lambda x: x.T.ravel(),
        lambda x: x.flatten(),
        lambda x: xp.reshape(x.T, -1),
        lambda x: xp.array(x),
        lambda x: xp.tile(x, 1),
    ],
)
def test_a_copy_by_any_name_is_counted(copied):
    x = xp.ones((30, 20), np.float32)
    with simulate() as log:
        copied(x)
    assert log.bytes == 2 * x.nbytes and len(log.launches) == 1, log


def test_a_view_by_any_name_is_free():
    x = xp.ones((30, 20), np.float32)
    with simulate() as log:
        (
            xp.asarray(x),
            xp.ascontiguousarray(x),
            x.reshape(-1),
            x.ravel(),
            xp.transpose(x),
            xp.broadcast_to(x, (2, 30, 20)),
        )
        xp.empty_like(x), xp.zeros_like(x)
    assert log.launches == []
