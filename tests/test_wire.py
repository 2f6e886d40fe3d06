"""No byte sequence of a worker crashes a referee, and what is sent arrives as it was."""

import json

import numpy as np
import pytest
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
        st.tuples(st.sampled_from("nbifstldaghc"), inner).map(list)
        | st.tuples(st.sampled_from("adg"), inner, inner, inner).map(list)
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
