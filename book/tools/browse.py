"""A folder on a web server of this machine, and Chromium to look at it: for print, pictures and tests."""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import sys
import threading
from pathlib import Path


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A web server that does not talk."""

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def served(folder: Path, handler: type[Quiet] = Quiet):
    """The address of a folder, without a slash at its end."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def program() -> str | None:
    """Where Chromium is; None where it is not."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def chromium():
    """The browser without a window, as Playwright drives it; no host but this one can be reached.

    Raises
    ------
    SystemExit
        Where there is none, with the cure.
    """
    if program() is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    quiet = ("background-networking", "component-update", "sync", "quic", "gpu", "dev-shm-usage")
    flags = ["--no-first-run", *(f"--disable-{part}" for part in quiet)]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(), args=flags, chromium_sandbox=False, timeout=120_000
        )
        yield browser
        browser.close()
