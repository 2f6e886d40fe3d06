"""The worker: runs one student's cells and calls the student's functions when asked.

It may know: the student's code, and the arguments of each call. It must never see: tests, expected values, solutions.
It is killed at its deadline from outside; nothing it says is trusted.

Requests (frames of wire.py, field "op"): layers, cell, past, inspect, library, drive, call, get, set; stage, run, fetch
for timed calls; track for those on a GPU. Field "drop" of any: numbers of handles that the referee no longer holds.
"""

import builtins
import importlib
import inspect
import sys
import traceback
import types

import numpy as np
import watch
import wire
from bnlab.answers import (
    ChangedArguments,
    begun,
    changed_arguments,
    copy_arguments,
    is_foreign,
    message_of,
    own_line,
    parameters_of,
)
from bnlab.cells import run_cell
from bnlab.past import Past

LOOKED_AFTER = ("cell", "drive", "track")  # requests after which it counts what became of our modules
TIMED = ("run", "keep")  # steps of a race that a clock is held against
MAX_MESSAGE = 500  # characters of a student's exception that go back


class Link:
    """Frames over a socket."""

    def __init__(self, connection):
        self.connection = connection
        self.receive = wire.Inbox(self._receive_into).frame

    def send(self, header, arrays=()):
        for part in wire.pack(header, list(arrays)):
            self.connection.sendall(part)

    def _receive_into(self, view):
        received = self.connection.recv_into(view)
        if not received:
            raise SystemExit  # the referee is gone
        return received


class Worker:
    """The student's namespace and the objects that the referee holds handles of."""

    def __init__(self, link):
        self.link = link
        self.module = types.ModuleType("__main__")
        self.module.__dict__.update(__builtins__=builtins, display=print)
        sys.modules["__main__"] = self.module
        self.objects, self.kept = {}, 0
        self.meant = {}  # name -> the last thing of that name that can be called
        self.past = Past(self.module.__dict__)
        self.staged = self.result = self.track = self.watched = None

    # -- values ----------------------------------------------------------------------------------------------------
    def keep(self, value):
        self.kept += 1
        self.objects[self.kept] = value
        kind = type(value).__name__
        if isinstance(value, np.ndarray):
            kind += f" of {value.dtype}"
        return ["h", self.kept, kind[:100]]

    def encode(self, value):
        encoder = wire.Encoder(self.keep)
        return encoder.encode(value), encoder.arrays

    def decoder(self, payload):
        return wire.Decoder(payload, handle=lambda number, name: self.objects[number], callback=self.callback)

    def callback(self, number):
        """A stand-in for a function of the referee: each call crosses the wire and waits for the answer."""

        def f(*args):
            value, arrays = self.encode(list(args))
            self.link.send({"op": "callback", "number": number, "args": value}, arrays)
            header, payload = self.link.receive()
            if "error" in header:
                raise ValueError(header["error"])
            result = self.decoder(payload).decode(header["value"])
            if header.get("view") is not None:
                return np.lib.stride_tricks.as_strided(args[0], result.shape, header["view"])
            return result

        return f

    # -- requests --------------------------------------------------------------------------------------------------
    def op_cell(self, header, payload):
        try:
            with self.past.cell():
                run_cell(header["source"], self.module.__dict__, header["name"])
        finally:
            self.meant.update((name, one) for name, one in list(self.module.__dict__.items()) if callable(one))
        return {}, []

    def op_past(self, header, payload):
        """See Past.visit."""
        encoded, arrays = self.encode(self.past.visit(header["answers"]))
        return {"value": encoded}, arrays

    def op_layers(self, header, payload):
        """The locks that hold, told before the first student cell runs."""
        encoded, arrays = self.encode(self.layers)
        return {"value": encoded}, arrays

    def op_inspect(self, header, payload):
        try:
            found = self.target(header)
        except KeyError:
            return {"kind": "missing", "parameters": None}, []
        kind = "class" if inspect.isclass(found) else "function" if callable(found) else type(found).__name__
        return {"kind": kind, "parameters": parameters_of(found)}, []

    def target(self, header):
        """What a request is about. An answer whose name stands for a number or an array by now, as after
        `train, test = ...` in a later cell, is the function that was tested below it at home."""
        if "handle" in header:
            return self.objects[header["handle"]]
        name, names = header["name"], self.module.__dict__
        return self.meant[name] if name in self.meant and not callable(names.get(name)) else names[name]

    def arguments(self, header, payload):
        decoder = self.decoder(payload)
        return decoder.decode(header["args"]), decoder.decode(header["kwargs"])

    def op_call(self, header, payload):
        function = self.target(header)
        args, kwargs = self.arguments(header, payload)
        before = copy_arguments(args), copy_arguments(kwargs)
        value = function(*args, **kwargs)
        changed = changed_arguments(function, before, (args, kwargs))
        encoded, arrays = self.encode(value)
        return {"value": encoded, "changed": changed}, arrays

    def op_drive(self, header, payload):
        """A driver of bnlab: it uses the student's answer here, where objects such as gradients' graphs live."""
        driver = getattr(importlib.import_module(header["module"]), header["driver"])
        try:
            with self.watched.torch(header["name"]):
                value = driver(self.target(header), self.decoder(payload).decode(header["inputs"]))
        except ChangedArguments as changed:
            return {"changed": changed.names}, []
        encoded, arrays = self.encode(value)
        return {"value": encoded}, arrays

    def op_library(self, header, payload):
        """Something of bnlab, fresh from its module whatever the student's names stand for."""
        module = importlib.import_module(f"bnlab.{header['module']}")
        return {"value": self.keep(getattr(module, header["name"]))}, []

    def op_get(self, header, payload):
        encoded, arrays = self.encode(getattr(self.target(header), header["attribute"]))
        return {"value": encoded}, arrays

    def op_set(self, header, payload):
        setattr(self.target(header), header["attribute"], self.decoder(payload).decode(header["value"]))
        return {}, []

    def op_stage(self, header, payload):
        """Receive the arguments of a timed call; the clock is not running yet."""
        self.staged, self.result = (self.target(header), *self.arguments(header, payload)), None
        return {}, []

    def op_run(self, header, payload):
        """The timed part: the call and nothing else."""
        function, args, kwargs = self.staged
        self.result = function(*args, **kwargs)
        return {}, []

    def op_fetch(self, header, payload):
        """Send what the timed call returned."""
        encoded, arrays = self.encode(self.result)
        self.staged = self.result = None
        return {"value": encoded}, arrays

    def op_track(self, header, payload):
        """A step of a race on a GPU; the first one takes place before a student's cell runs."""
        if self.track is None:  # its steps are those of this moment, whatever the class becomes
            track = importlib.import_module("bnlab.gpu.timing").Track()
            self.track = {name: getattr(track, name) for name in ("about", "load", "stage", "run", "keep", "fetch")}
        given = self.decoder(payload).decode(header["given"])
        encoded, arrays = self.encode(self.track[header["step"]](self.meant.get(header["name"]), given))
        return {"value": encoded}, arrays

    def answer(self, header, payload):
        """Serve one request; whatever a student's code raises becomes the answer."""
        for number in header.get("drop", ()):
            self.objects.pop(number, None)
        try:
            return getattr(self, f"op_{header['op']}")(header, payload)
        except BaseException as error:  # SystemExit and KeyboardInterrupt of student code end the call, not the worker
            return {"error": self.describe(error)}, []

    def describe(self, error):
        """Type, message and the deepest of the student's own lines."""
        frames = traceback.walk_tb(error.__traceback__)
        line, source, helper = own_line(frames, lambda filename: filename.startswith("<cell "))
        if isinstance(error, SyntaxError) and str(error.filename).startswith("<cell "):  # not of a string in one
            line, source, helper = error.lineno or "", (error.text or "").strip(), ""
        shown = [type(error).__name__, message_of(error), source, helper]
        name, message, source, helper = (text.encode("utf-8", "replace").decode()[:MAX_MESSAGE] for text in shown)
        found = {"type": name, "message": message, "line": line, "source": source, "helper": helper}
        if isinstance(error, NotImplementedError) and not is_foreign(error):
            return found | {"missing": True, "begun": begun(error)}
        return found | {"kind": str(getattr(error, "answer_kind", "raised"))[:20]}


def serve(connection, layers, readable=()):
    """Answer requests until the referee closes the socket.

    layers : dict
        What jail.lock could do.
    readable : list of str
        What a student may read.
    """
    link = Link(connection)
    worker = Worker(link)
    worker.layers = layers
    np.seterr(all="warn")
    watched = worker.watched = watch.Watch(readable)
    while True:
        header, payload = link.receive()
        reply, arrays = worker.answer(header, payload)
        if header["op"] in LOOKED_AFTER and header.get("step") not in TIMED:
            watched.look()
        noted = watched.new()
        if noted:
            reply["noted"] = noted
        sys.stdout.flush()
        sys.stderr.flush()
        link.send(reply, arrays)
