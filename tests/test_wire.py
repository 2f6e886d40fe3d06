"""No byte sequence of a worker crashes a referee, and what is sent arrives as it was."""

import json
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.sandbox import wire


def refuse(value):
    raise TypeError(type(value).__name__)


def send(value):
    encoder = wire.Encoder(refuse)
    node = encoder.encode(value)
    frame = b"".join(bytes(part) for part in wire.pack({"value": node}, encoder.arrays))
    header, payload = wire.read_prefix(frame[: wire.PREFIX.size])
    body = frame[wire.PREFIX.size :]
    assert len(body) == header + payload
    return wire.Decoder(body[header:]).decode(wire.read_header(body[:header])["value"])


arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
)
plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=30)
values = st.recursive(
    plain | arrays,
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def equal(a, b):
    if isinstance(a, np.ndarray):
        return (
            type(b) is np.ndarray
            and a.dtype == b.dtype
            and a.shape == b.shape
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@settings(max_examples=150, deadline=None)
@given(values)
def test_a_value_arrives_as_it_was_sent(value):
    assert equal(value, send(value))


@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_memory_layout_survives(layout):
    x = np.arange(12.0).reshape(4, 3)
    x = {"C": x, "F": np.asfortranarray(x), "strided": np.repeat(x, 2, axis=0)[::2]}[layout]
    got = send(x)
    assert np.array_equal(got, x)
    assert (got.flags.c_contiguous, got.flags.f_contiguous) == (x.flags.c_contiguous, x.flags.f_contiguous)


def test_objects_do_not_cross():
    for value in [object(), np.matrix([[1.0]]), np.array([object()]), {1: 2}, lambda: 0, 1j, np.ma.masked_array([1.0])]:
        with pytest.raises(TypeError):
            send(value)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
tagged = st.recursive(
    json_like,
    lambda inner: (
        st.tuples(st.sampled_from([*wire.TAGS, "take", "_class__", "_init__", ""]), inner).map(list)
        | st.tuples(st.sampled_from("adg"), inner, inner, inner).map(list)
        | st.tuples(st.just("T"), inner, inner, inner, inner).map(list)
        | st.tuples(
            st.just("T"),
            st.sampled_from(wire.DTYPES),
            st.lists(st.integers(-3, 2**62), max_size=4),
            st.sampled_from(wire.LAYOUTS),
            st.booleans(),
        ).map(list)
        | st.tuples(
            st.just("a"),
            st.sampled_from(wire.DTYPES),
            st.lists(st.integers(-3, 2**62), max_size=4),
            st.sampled_from(wire.LAYOUTS),
        ).map(list)
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(tagged, st.binary(max_size=64))
def test_a_forged_value_is_refused_or_plain(node, payload):
    decoder = wire.Decoder(payload, handle=lambda number, name: ("handle", number), callback=lambda number: abs)
    try:
        decoder.decode(node)
    except wire.WireError:
        pass


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_forged_headers_are_refused(data):
    for read in (
        lambda: wire.read_prefix(data.ljust(wire.PREFIX.size, b"\0")[: wire.PREFIX.size]),
        lambda: wire.read_header(data),
    ):
        try:
            read()
        except wire.WireError:
            pass


def test_a_bomb_takes_no_memory():
    for node in [
        ["a", "float64", [2**30, 2**30], "C"],
        ["a", "float64", [0, 2**62], "F"],
        ["i", "f" * 5000],
        ["g", "float64", "00"],
    ]:
        with pytest.raises(wire.WireError):
            wire.Decoder(b"").decode(node)
    deep = ["l", []]
    for _ in range(200):
        deep = ["l", [deep]]
    with pytest.raises(wire.WireError):
        wire.Decoder(b"").decode(json.loads(json.dumps(deep)))


# -- torch tensors ----------------------------------------------------------------------------------------------------
def tensors():
    """Tensors of all dtypes that cross, with and without a gradient, in all layouts."""
    names = st.sampled_from(wire.TENSOR_DTYPES)
    shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)

    def build(drawn):
        array, grad, turned = drawn
        tensor = torch.from_numpy(array.T.copy().T if turned else array.copy())
        return tensor.requires_grad_(grad and tensor.is_floating_point())

    arrays = names.flatmap(lambda name: hnp.arrays(name, shapes))
    return st.tuples(arrays, st.booleans(), st.booleans()).map(build)


@settings(max_examples=150, deadline=None)
@given(tensors())
def test_a_tensor_arrives_as_it_was_sent(tensor):
    got = send([tensor])[0]
    assert type(got) is torch.Tensor and got.is_leaf and got.grad is None
    assert (got.dtype, got.shape, got.requires_grad) == (tensor.dtype, tensor.shape, tensor.requires_grad)
    assert equal(got.detach().numpy(), tensor.detach().numpy())


def test_layouts_of_tensors_survive():
    x = torch.arange(12.0).reshape(4, 3)
    strided = torch.zeros(8, 3)[::2]
    for tensor in (x, x.T, strided, torch.ones(3, 1).expand(3, 4)):
        got = send(tensor)
        assert torch.equal(got, tensor) and got.is_contiguous() == tensor.is_contiguous()
    assert send(x.T).stride() == x.T.stride() and send(strided).stride() == strided.stride()


def test_a_graph_does_not_cross():
    x = torch.ones(3, requires_grad=True)
    got = send(2 * x)
    assert got.requires_grad and got.grad_fn is None and torch.equal(got.detach(), torch.full((3,), 2.0))


class Marked(torch.Tensor):
    """A tensor with something of its own."""


def test_other_tensors_do_not_cross():
    for value in [
        torch.nn.Parameter(torch.ones(2)),
        torch.ones(2).as_subclass(Marked),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.complex64),
        torch.eye(2).to_sparse(),
        torch.empty(2, device="meta"),
        torch.ones(2).float,
        torch.float32,
        torch.nn.Linear(2, 1),
    ]:
        with pytest.raises(TypeError):
            send(value)


def test_a_conjugate_view_is_no_trap():
    value = torch.tensor([1 + 2j]).conj().imag  # real numbers with a sign that is not applied yet
    assert value.is_neg() and send(value).tolist() == [-2.0]


@pytest.mark.parametrize(
    "node",
    [
        ["T"],
        ["T", True],
        ["T", "float32", [2], "C"],
        ["T", "float32", [2], "C", 1],
        ["T", "float32", [2], "C", None],
        ["T", "float32", [3], "C", False],
        ["T", "float32", [-1], "C", False],
        ["T", "float32", [2**40, 0, 2**40], "C", False],
        ["T", "float32", "2", "C", False],
        ["T", "float32", [1] * 9, "C", False],
        ["T", "float32", [2], "D", False],
        ["T", "bfloat16", [2], "C", False],
        ["T", "complex64", [2], "C", False],
        ["T", "uint16", [2], "C", False],
        ["T", "object", [1], "C", False],
        ["T", ["float32"], [2], "C", False],
        ["T", "int64", [1], "C", True],
        ["T", "bool", [2], "C", True],
        ["_class__", []],
        ["take", 8],
        ["unknown"],
        [["T"], "float32", [2], "C", False],
    ],
)
def test_a_forged_tensor_is_refused(node):
    with pytest.raises(wire.WireError):
        wire.Decoder(bytes(8)).decode(node)


def test_without_torch_a_tensor_is_a_stand_in(monkeypatch):
    node = ["T", "float32", [2], "C", False]
    monkeypatch.setitem(sys.modules, "torch", None)
    got = wire.Decoder(bytes(8)).decode(node)
    assert type(got) is wire.ForeignTensor and got.type_name == "torch tensor"
    with pytest.raises(wire.WireError):
        wire.Decoder(bytes(4)).decode(node)


def test_the_wire_does_not_import_torch(run):
    code = """
import sys
sys.path.insert(0, "autograder/sandbox")
import numpy as np, wire
encoder = wire.Encoder(None)
node = encoder.encode([np.ones(2), 1.5, "text", None])
wire.Decoder(bytes(16)).decode(node)
wire.Decoder(bytes(16)).decode(["T", "float64", [2], "C", False])
print("torch" in sys.modules)
"""
    assert run(sys.executable, "-c", code).stdout.strip() == "False"


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 40_000, wire.SMALL, 200_000]), st.sampled_from([0, 8, 65_528, 300_000]))),
    st.integers(1, 100_000),
)
@settings(max_examples=40, deadline=None)
def test_an_inbox_gives_the_frames_of_a_stream_however_it_arrives(sizes, most):
    """Headers and payloads on both sides of the size up to which frames are taken as one."""
    frames = [({"text": "x" * text}, np.arange(count, dtype=np.uint8)) for text, count in sizes]
    stream = memoryview(b"".join(bytes(part) for header, body in frames for part in wire.pack(header, [body])))

    def receive(view):
        nonlocal stream
        assert len(view) and len(stream), "nobody is asked for more than was sent"
        piece = stream[: min(len(view), most)]
        view[: len(piece)], stream = piece, stream[len(piece) :]
        return len(piece)

    inbox = wire.Inbox(receive)
    for header, body in frames:
        got, payload = inbox.frame()
        assert got == header and bytes(payload) == body.tobytes()
    assert inbox.empty and not len(stream)
