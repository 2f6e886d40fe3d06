"""Killed or interrupted at any moment, a second run ends with the gradebook of an undisturbed one."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from autograder import course
from autograder.grading import processes

NAME = "03_forward"
STUDENTS = ("perfect", "other-style", "slip-unbiased", "empty", "half-done", "ends-the-process")
pytestmark = pytest.mark.xdist_group("grading")


def collected(autograder, folder):
    """A course with a few submissions of the sample class."""
    sample = folder / "class"
    sample.mkdir(parents=True)
    for student in STUDENTS:
        (sample / student).symlink_to(course.REPOSITORY / "autograder" / "sample_class" / student)
    real = folder / "real"
    subprocess.run(["cp", "-rL", sample, real], check=True)
    done = autograder("collect", NAME, "--from", real, course=folder / "course")
    assert "collected 6 new" in done.stdout, done.stdout + done.stderr
    return folder / "course"


def results(folder):
    return len(list((folder / "results").glob("[!.]*.json")))


def committed(folder):
    """Number of students that nbgrader is done with."""
    return len(list((folder / "autograded").glob(f"*/{NAME}/{NAME}.ipynb")))


MOMENTS = {
    "before the first result": lambda folder: (folder / "results").exists() or (folder / "secret").exists(),
    "with some results": lambda folder: results(folder) >= 2,
    "while nbgrader knows half of the assignment": lambda folder: (folder / "source" / NAME).exists(),
    "with a student in the gradebook": lambda folder: committed(folder) >= 1,
}


def start(folder, *arguments, **options):
    environment = {
        **os.environ,
        "BN_COURSE": str(folder),
        "PYTHONPATH": "exercises",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    # a shell's background job, and what it starts, ignores Ctrl-C; whoever sits at a terminal does not
    heard = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    heard += "runpy.run_module('autograder', run_name='__main__')"
    command = [sys.executable, "-c", heard, "grade", NAME, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=course.REPOSITORY, env=environment, **pipes, **options)


def interrupt(folder, moment, sign):
    """Send a signal to a run as soon as a moment has come; its exit code and stderr."""
    run = start(folder)
    assert run.stdout.readline().startswith("isolation"), run.communicate()
    deadline = time.monotonic() + 300
    while not MOMENTS[moment](folder):
        assert run.poll() is None, f"the run ended before {moment!r}: {run.communicate()}"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    run.send_signal(sign)
    _, errors = run.communicate(timeout=120)
    return run.returncode, errors


def grades(folder):
    """What a gradebook says about every graded cell."""
    with sqlite3.connect(folder / "gradebook.db") as book:
        rows = book.execute(
            "select s.student_id, b.name, g.auto_score, g.manual_score, g.needs_manual_grade"
            " from grade g join submitted_notebook n on g.notebook_id = n.id"
            " join submitted_assignment s on n.assignment_id = s.id join base_cell b on g.cell_id = b.id"
        )
        return sorted(tuple(row) for row in rows)


@pytest.fixture(scope="module")
def undisturbed(autograder, tmp_path_factory):
    folder = collected(autograder, tmp_path_factory.mktemp("undisturbed"))
    assert autograder("grade", NAME, course=folder).returncode == 0
    found = grades(folder)
    assert len(found) == len(STUDENTS) * 5
    return found


def test_kill_and_interrupt_at_many_moments(autograder, undisturbed, tmp_path):
    """One run after another is ended, each a little further, by kill -9 and Ctrl-C in turn; the last one is not."""
    folder = collected(autograder, tmp_path)
    before = 0
    for number, moment in enumerate(MOMENTS):
        sign = signal.SIGINT if number % 2 else signal.SIGKILL
        code, errors = interrupt(folder, moment, sign)
        assert code == (-signal.SIGKILL if sign == signal.SIGKILL else 130), f"{moment}: {code}\n{errors}"
        if sign == signal.SIGINT:
            assert "run the same command to go on" in errors and "Traceback" not in errors
        assert results(folder) >= before, "finished results are kept"
        before = results(folder)
    run = start(folder)
    output, errors = run.communicate(timeout=300)
    assert run.returncode == 0, errors
    assert grades(folder) == undisturbed
    assert results(folder) == len(STUDENTS) and committed(folder) == len(STUDENTS)


def test_ctrl_c_waits_until_a_new_process_knows_what_to_do():
    """Blocked in one thread it comes to another, as to that of the progress bar; Python raises it in the first."""
    before, over, told = signal.signal(signal.SIGINT, signal.default_int_handler), threading.Event(), []
    bystander = threading.Thread(target=over.wait)
    bystander.start()

    class Pool:
        def submit(self, function):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            told.append(function)

    try:
        with pytest.raises(KeyboardInterrupt):
            processes.submit(Pool(), print)
    finally:
        over.set()
        bystander.join()
        signal.signal(signal.SIGINT, before)
    assert told == [print]


def grading_processes(run):
    """The processes of a run that grade, as far as they have been started."""
    told = subprocess.run(["pgrep", "-f", "-P", str(run.pid), "spawn_main"], capture_output=True, text=True)
    return told.stdout.split()


@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.6])
def test_ctrl_c_at_the_start_leaves_no_tracebacks(autograder, tmp_path, seconds):
    """A terminal sends it to all processes of the command, those that are still importing too."""
    run = start(collected(autograder, tmp_path), start_new_session=True)
    deadline = time.monotonic() + 60
    while not grading_processes(run):
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130 and "Traceback" not in errors, errors
