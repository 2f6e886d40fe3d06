"""Stand-ins for what lives in a worker, a student's functions, classes and objects; and its errors as sentences.

Each use is a request to the worker (worker.py), whose reply is a claim of the student's code.
"""

import re

from bnlab.answers import missing_text, raised_text

CONTROLS = re.compile("[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")


class RemoteAnswer:
    """A student's function or class in a worker; the counterpart of bnlab.answers.LocalAnswer.

    worker : callable
        -> Worker; asked anew for each use, since a worker may have died in between.
    """

    def __init__(self, worker, name):
        self.worker = worker
        self.name = self.__name__ = name
        self._inspected = None

    def _inspect(self):
        if self._inspected is None:
            reply, _ = self.worker().request({"op": "inspect", "name": self.name})
            kind, parameters = reply.get("kind"), reply.get("parameters")
            names = type(parameters) is list and [str(item)[:60] for item in parameters[:50]]
            self._inspected = (str(kind)[:60], names if type(parameters) is list else None)
        return self._inspected

    def kind(self):
        return self._inspect()[0]

    def parameters(self):
        return self._inspect()[1]

    def __call__(self, *args, **kwargs):
        return self.worker().value(self.name, {"op": "call", "name": self.name}, {"args": list(args), "kwargs": kwargs})

    def drive(self, driver, inputs):
        """Run a driver of bnlab beside the answer, in the worker; what it returns is a claim like any other."""
        where = {"op": "drive", "name": self.name, "module": driver.__module__, "driver": driver.__name__}
        return self.worker().value(self.name, where, {"inputs": inputs})

    def library(self, module, name):
        """A function or class of bnlab in the worker: `library("network", "ReLU")`."""
        return self.worker().value(f"bnlab.{module}", {"op": "library", "module": module, "name": name})


class RemoteObject:
    """An object that stayed in the worker: attributes are read and set there, calls happen there.

    The worker keeps it until nobody holds it here: what it takes in a race of training must not add up.
    """

    def __init__(self, worker, number, type_name, owner):
        object.__setattr__(self, "_bn", (worker, number, owner))
        object.__setattr__(self, "type_name", type_name)

    def __del__(self):
        worker, number, _ = self._bn
        worker.dropped.append(number)

    def __getattr__(self, attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        worker, number, owner = self._bn
        return worker.value(owner, {"op": "get", "handle": number, "attribute": attribute})

    def __setattr__(self, attribute, value):
        worker, number, owner = self._bn
        worker.value(owner, {"op": "set", "handle": number, "attribute": attribute}, {"value": value})

    def __call__(self, *args, **kwargs):
        worker, number, owner = self._bn
        return worker.value(owner, {"op": "call", "handle": number}, {"args": list(args), "kwargs": kwargs})

    def __repr__(self):
        return f"<{self.type_name} of the student>"


def harmless(text):
    """A text of a student's whose characters move no cursor, end no title and turn no writing around."""
    return CONTROLS.sub("?", text)


def error_kind(error):
    """The kind of AnswerError for a worker's account of an exception."""
    if type(error) is dict and error.get("missing") is True:
        return "missing"
    claimed = error.get("kind") if type(error) is dict else None
    return claimed if claimed in ("timeout", "needs-person") else "raised"


def error_text(name, error):
    """A worker's account of an exception as one sentence; only short strings are taken from it."""
    if type(error) is not dict:
        return f"{name} raised an error."
    kind, message, source, helper = (str(error.get(one, ""))[:500] for one in ("type", "message", "source", "helper"))
    if error.get("missing") is True:
        return missing_text(name, message, error.get("begun") is True)
    line = error.get("line") if type(error.get("line")) is int else ""
    return raised_text(name, kind, message, line, source, helper)
