"""Fixtures shared by the tests: the repository, a throw-away course, a built website, a browser that looks at it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import browse
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_finish(session):
    """Stop where groups of tests are torn apart: each process would build the website and grade the classes anew."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    torn = [item for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
    if torn:
        raise pytest.UsageError("this pytest hides groups from pytest-xdist: install those of constraints.txt")


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def on_ci():
    """Whether a missing program is a failure instead of a reason to skip."""
    return bool(os.environ.get("CI"))


@pytest.fixture(scope="session")
def browser(on_ci):
    """Headless Chromium, driven by Playwright; each test opens a context of its own with `browser.new_context()`."""
    if browse.program() is None:
        assert not on_ci, "Chromium is missing"
        pytest.skip("needs Chromium: apt-get install chromium")
    with browse.chromium() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def run():
    """Run a command of this environment; stdout, stderr and the exit code."""

    def run(*command, cwd=REPOSITORY, env=None, timeout=300, input=None):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "exercises", **(env or {})}
        environment["PATH"] = str(Path(sys.executable).parent) + os.pathsep + environment["PATH"]
        command = [str(part) for part in command]
        return subprocess.run(
            command, cwd=cwd, env=environment, timeout=timeout, capture_output=True, text=True, input=input
        )

    return run


@pytest.fixture
def jupyter(tmp_path):
    """Start a real Jupyter: `jupyter("lab", folder)` is its address, whose token is "secret"."""
    servers = []

    def jupyter(program, folder, settings=None, **environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": settings or {}}))
        own = {"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "HOME": str(tmp_path)}
        environment = os.environ | own | environment
        environment["PATH"] = str(Path(sys.executable).parent) + os.pathsep + environment["PATH"]
        options = [
            "--no-browser",
            "--allow-root",
            f"--port={port}",
            "--ip=127.0.0.1",
            "--IdentityProvider.token=secret",
        ]
        command = [sys.executable, "-m", "jupyter", program, *options, f"--ServerApp.root_dir={folder}"]
        with open(tmp_path / "log", "w") as log:
            servers.append(
                subprocess.Popen(command, cwd=REPOSITORY / "autograder", env=environment, stdout=log, stderr=log)
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=20).read()
                return f"http://127.0.0.1:{port}"
            except OSError:
                running = time.monotonic() < deadline and servers[0].poll() is None
                assert running, (tmp_path / "log").read_text()[-2000:]
                time.sleep(0.3)

    yield jupyter
    for server in servers:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="session")
def autograder(run):
    """`python -m autograder ...` on a course folder."""

    def autograder(*arguments, course, **options):
        return run(sys.executable, "-m", "autograder", *arguments, env={"BN_COURSE": str(course)}, **options)

    return autograder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The small course, with a few students and results, as the course of this test."""
    from small_course import build

    monkeypatch.setenv("BN_COURSE", str(tmp_path / "course"))
    build(tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture(scope="session")
def website(run, tmp_path_factory):
    """The website, built strictly as `make book` does; once for all test processes."""
    from filelock import FileLock

    folder = REPOSITORY / "_build" / "html"
    shared = (
        tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else tmp_path_factory.getbasetemp()
    )
    with FileLock(shared / "website.lock"):
        done = shared / "website.done"
        if not done.exists():
            built = run("make", "book", timeout=900)
            done.write_text(f"{built.returncode}\n{built.stdout}{built.stderr}")
    code, _, log = done.read_text().partition("\n")
    assert code == "0", log[-4000:]
    return folder


class SiteHandler(browse.Quiet):
    """The website below the path at which it is published, with its own page for addresses that do not exist."""

    prefix = "/"

    def translate_path(self, path):
        if not path.startswith(self.prefix):
            return str(Path(self.directory) / "no such file")
        return super().translate_path("/" + path.removeprefix(self.prefix))

    def send_error(self, code, message=None, explain=None):
        lost = Path(self.directory) / "404.html"
        if code != 404 or not lost.exists():
            return super().send_error(code, message, explain)
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(lost.read_bytes())


@pytest.fixture(scope="session")
def site(website):
    """The address of the built website on a local server, without a slash at its end."""
    import yaml

    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8"))
    SiteHandler.prefix = urlsplit(config["html"]["baseurl"]).path
    with browse.served(website, SiteHandler) as address:
        yield address + SiteHandler.prefix.rstrip("/")


@pytest.fixture(scope="session")
def site_pages(website):
    """All pages, as paths from the site's root, whose own index.html only leads on to the front page."""
    found = [path.relative_to(website).as_posix() for path in sorted(website.rglob("*.html"))]
    return [name for name in found if name != "index.html" and not name.startswith("_static")]


@pytest.fixture(scope="session")
def keep():
    """Keep what went wrong on a page, words and picture, in _build/browser, which CI hands out when a test fails."""
    folder = REPOSITORY / "_build" / "browser"

    def keep(page, name, words):
        folder.mkdir(parents=True, exist_ok=True)
        stem = name.replace("/", "_").removesuffix(".html")
        (folder / f"{stem}.txt").write_text("\n".join([name, *words]) + "\n", encoding="utf-8")
        page.screenshot(path=folder / f"{stem}.png", full_page=True)
        return folder / f"{stem}.png"

    return keep
