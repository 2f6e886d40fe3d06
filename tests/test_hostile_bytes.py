"""Whatever bytes a worker sends, its referee gets a value or an AnswerError, before the deadline."""

import json
import os
import socket
import time
from types import SimpleNamespace

import numpy as np
import pytest
from bnlab.answers import AnswerError
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.grading.remote import RemoteAnswer
from autograder.grading.worker import Worker
from autograder.sandbox import wire
from tests.test_wire import tagged

if not hasattr(socket, "SO_PASSCRED"):
    pytest.skip("workers need Linux", allow_module_level=True)
SECONDS = 0.05  # of CPU time, which is at most 1 s of wall time on a busy machine


class Peer:
    """Stands for a zygote whose worker says what it is told to, and then hangs up or waits."""

    def __init__(self, said, printed=b"", stays=False):
        self.said, self.printed, self.stays = said, printed, stays
        self.process = SimpleNamespace(pid=os.getpid())
        self.open = []

    def fork(self, link, output):
        self.end = socket.socket(fileno=os.dup(link.fileno()))
        self.end.sendall(b"!" + self.said)
        os.write(output, self.printed)
        if not self.stays:
            self.end.close()
        return 1

    def reap(self, number):
        self.end.close()


def frame(header, payload=b"", lengths=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return wire.PREFIX.pack(wire.MAGIC, *(lengths or (len(text), len(payload)))) + text + payload


def ask(said, printed=b"", stays=False, op="call"):
    """What a referee makes of it: values, or the kinds of AnswerError; anything else is raised."""
    worker, found, started = Worker(Peer(said, printed, stays)), [], time.monotonic()
    answer = RemoteAnswer(lambda: worker, "f")
    worker.allow(SECONDS, "a test")
    try:
        for _ in range(3):
            try:
                if op == "call":
                    found.append(answer(np.ones(2), np.sum))
                elif op == "inspect":
                    found.append((answer.kind(), answer.parameters()))
                else:
                    found.append(worker.run_cell("cell", "x = 1"))
            except AnswerError as error:
                assert isinstance(error.text, str) and error.text
                found.append(error.kind)
        assert isinstance(worker.text(), str)
    finally:
        worker.close()
    assert time.monotonic() - started < 10, "it waited past the deadline"
    return found


fields = st.fixed_dictionaries(
    {},
    optional={
        "value": tagged,
        "args": tagged,
        "op": st.sampled_from(["callback", "call", None, 3]),
        "number": st.integers(-2, 3) | st.none() | st.text(max_size=3),
        "error": tagged
        | st.fixed_dictionaries({"type": tagged, "message": tagged, "line": tagged, "missing": st.booleans()}),
        "changed": tagged,
        "noted": tagged,
        "kind": tagged,
        "parameters": tagged,
    },
)
frames = st.one_of(
    st.binary(max_size=80),
    st.builds(frame, fields, st.binary(max_size=64)),
    st.builds(frame, st.binary(max_size=40), st.binary(max_size=8)),
    st.builds(frame, fields, st.binary(max_size=8), st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))),
)


@settings(max_examples=250, deadline=None)
@given(st.lists(frames, max_size=3).map(b"".join), st.binary(max_size=30), st.sampled_from(["call", "inspect", "cell"]))
def test_no_bytes_crash_a_referee(said, printed, op):
    ask(said, printed, op=op)


@settings(max_examples=8, deadline=None)
@given(st.lists(frames, max_size=2).map(b"".join))
def test_no_bytes_make_a_referee_wait(said):
    ask(said, stays=True)


CALLBACK = {"op": "callback", "number": 0, "args": ["l", [["a", "float64", [1], "C"]]]}
NASTY = {
    "nothing": b"",
    "half a prefix": frame({})[:7],
    "another protocol": b"HTTP/1.1 200 OK\r\n\r\n",
    "a petabyte": frame(b"", lengths=(10, 1 << 50)),
    "a header of 4 GB": frame(b"", lengths=(2**32 - 1, 0)),
    "no JSON": frame(b"\xff\xfe{"),
    "no object": frame(b"[1, 2]"),
    "nested deeply": frame(b'{"value":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "a number of 100,000 digits": frame(b'{"value": ' + b"9" * 100_000 + b"}"),
    "NaN as a number": frame(b'{"op": "callback", "number": NaN}'),
    "a callback of nothing": frame({"op": "callback", "number": 99, "args": ["l", []]}),
    "a callback with too little": frame(CALLBACK, b"1234"),
    "callbacks and no end": frame(CALLBACK, bytes(8)) * 400,
    "an array that says it is larger": frame({"value": ["a", "float64", [1 << 30], "C"]}, bytes(8)),
    "an unknown dtype": frame({"value": ["a", "object", [1], "C"]}, bytes(8)),
    "a generator": frame({"value": ["r", "1", "1", "0", "0"]}),
    "a function of ours": frame({"value": ["c", 0]}),
    "an error that is none": frame({"error": [[], {}, None]}),
    "an error without words": frame({"error": {"type": None, "message": [1] * 9, "line": "x", "kind": {"a": 1}}}),
    "notes without end": frame({"noted": ["x" * 1000] * 100, "value": ["n"]}),
    "replies in advance": frame({"value": ["i", "1"]}) * 50,
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("op", ["call", "inspect", "cell"])
def test_nasty_bytes(name, op):
    ask(NASTY[name], b"\xff" * 50, op=op)


def test_what_is_well_formed_arrives():
    """The stand-in is one: a right frame is a value, a callback is answered."""
    right = frame({"value": ["a", "float64", [2], "C"]}, np.array([3.0, 4.0]).tobytes())
    got, *_ = ask(frame(CALLBACK, bytes(8)) + right, stays=True)
    assert got.tolist() == [3.0, 4.0]
