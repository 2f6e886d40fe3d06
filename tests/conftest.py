"""Fixtures shared by the tests: the repository, a throw-away course, a built website."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


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
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        assert not on_ci, "Chromium is missing"
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    quiet = ("background-networking", "component-update", "sync", "quic", "gpu", "dev-shm-usage")
    arguments = ["--no-first-run", *(f"--disable-{part}" for part in quiet)]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=arguments, chromium_sandbox=False)
        yield chromium
        chromium.close()


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


@pytest.fixture(scope="session")
def autograder(run):
    """`python -m autograder ...` on a course folder."""

    def autograder(*arguments, course, **options):
        return run(sys.executable, "-m", "autograder", *arguments, env={"BN_COURSE": str(course)}, **options)

    return autograder


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
