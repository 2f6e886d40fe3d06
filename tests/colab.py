"""What a student on Colab does first, truly: the set-up cell in a clean environment with Colab's versions.

    python tests/colab.py [PYTHON ...]      by default every python3.12 and python3.13 that is found

The public repository is written and becomes a git repository; git is told to use it in place of the address on the web.
Then each notebook runs alone in an empty folder, in an environment that has NumPy and Jupyter's kernel and no bnlab:
its set-up cell installs bnlab from that repository, as it would on Colab, and the first check refuses an empty answer
by name. Those of the GPU run on the simulated one, with the compiler that this machine and Colab have.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
NUMPY = "2.0.2"  # what Colab's Python 3.12 comes with
WITH_TORCH = "08_pytorch"  # left out here: PyTorch is a large download, which Colab brings and no set-up cell makes
RUN = """
import sys, nbformat
from nbclient import NotebookClient
from pathlib import Path
for path in sorted(Path(".").glob("*.ipynb")):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, allow_errors=True, kernel_name="python3").execute()
    outputs = [(cell.id, output) for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for _, output in outputs if output.output_type == "stream")
    wrong = [f"{cell}: {o.ename}: {o.evalue}" for cell, o in outputs if o.output_type == "error"
             and o.ename != "NotImplementedError" and "not answered yet" not in o.evalue]
    checked = sum(o.output_type == "error" and "not answered yet" in o.evalue for _, o in outputs)
    first = next((line for line in said.splitlines() if line.startswith("bnlab ")), "no set-up")
    print(f"{path.name}: {first}", *wrong)
    if wrong or "NumPy VERSION" not in said or not checked:
        sys.exit(1)
    subprocess = __import__("subprocess")
    subprocess.run([sys.executable, "-m", "pip", "uninstall", "-q", "-y", "bnlab"], check=True)
"""


def pythons():
    """Interpreters of Colab's versions on this machine: in PATH, or under pyenv."""
    names = ("python3.12", "python3.13")
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [path for name in names for path in sorted(versions.glob(f"{name.removeprefix('python')}*/bin/python"))]
    paths = [path for path in map(shutil.which, names) if path and "shims" not in path]
    return [str(path) for path in [*found, *paths]]


def command(words, **options):
    """Run a command that must end well."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words[:4]))} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def as_on_the_web(folder):
    """The public repository as a git repository; the environment in which git finds it at its address."""
    sys.path.insert(0, str(REPOSITORY))
    from autograder import course
    from autograder.desk import publish

    target = folder / "public"
    publish.publish(target)
    who = ["-c", "user.name=course", "-c", "user.email=course@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "published"]):
        command(["git", "-C", target, *words])
    setting = {"KEY_0": f"url.file://{target}.insteadOf", "VALUE_0": course.public_repository()}
    return {"GIT_CONFIG_COUNT": "1", **{f"GIT_CONFIG_{name}": value for name, value in setting.items()}}


def main(interpreters):
    """Try each interpreter; 0 if all is well."""
    if not interpreters:
        raise SystemExit(
            "there is no python3.12 or python3.13 here: name one, python tests/colab.py /usr/bin/python3.12"
        )
    with tempfile.TemporaryDirectory(prefix="bn-colab-") as folder:
        folder = Path(folder)
        git = as_on_the_web(folder)
        names = [path.stem for path in sorted((REPOSITORY / "exercises").glob("*.ipynb")) if path.stem != WITH_TORCH]
        for number, python in enumerate(interpreters):
            venv, work = folder / f"venv{number}", folder / f"work{number}"
            command([python, "-m", "venv", venv])
            packages = [f"numpy=={NUMPY}" if "3.12" in python else "numpy", "matplotlib", "scikit-learn"]
            command([venv / "bin" / "python", "-m", "pip", "install", "-q", *packages, "nbclient", "ipykernel"])
            version = command([venv / "bin" / "python", "-c", "import numpy; print(numpy.__version__)"]).strip()
            work.mkdir()
            for name in names:
                shutil.copy(REPOSITORY / "exercises" / f"{name}.ipynb", work)
            clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
            clean |= {**git, "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "IPYTHONDIR": str(folder)}
            print(
                command([venv / "bin" / "python", "-c", RUN.replace("VERSION", version)], cwd=work, env=clean), end=""
            )
            print(f"{python}: {len(names)} notebooks with NumPy {version}, bnlab installed by their set-up cells")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or pythons()))
