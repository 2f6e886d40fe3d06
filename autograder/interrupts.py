"""Ctrl-C at moments at which it would leave something half done."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def later():
    """Within it Ctrl-C waits until the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
