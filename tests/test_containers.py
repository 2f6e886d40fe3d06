"""Where students work besides a laptop: a devcontainer, Binder, and Colab's set-up cell."""

import json
import re
import sys
import types
from pathlib import Path

import jsonschema
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from autograder import course

ROOT = course.REPOSITORY
COMMAND = {"oneOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}}]}
DEVCONTAINER = {  # the properties of https://containers.dev/implementors/json_reference that a file like ours may have
    "type": "object",
    "required": ["name", "image"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "image": {"type": "string", "pattern": r"^[\w./-]+:[\w.-]+$"},
        "features": {"type": "object", "additionalProperties": {"type": ["object", "string", "boolean"]}},
        "forwardPorts": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
        "portsAttributes": {
            "type": "object",
            "propertyNames": {"pattern": r"^\d+$"},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "label": {"type": "string"},
                    "protocol": {"enum": ["http", "https"]},
                    "onAutoForward": {"enum": ["notify", "openBrowser", "openPreview", "silent", "ignore"]},
                },
            },
        },
        **dict.fromkeys(("onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand"), COMMAND),
        "containerEnv": {"type": "object", "additionalProperties": {"type": "string"}},
        "remoteEnv": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        "remoteUser": {"type": "string"},
        "customizations": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "vscode": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "extensions": {"type": "array", "items": {"type": "string", "pattern": r"^[\w-]+\.[\w-]+$"}},
                        "settings": {"type": "object"},
                    },
                }
            },
        },
    },
}


def test_the_devcontainer_is_what_its_readers_expect():
    content = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, DEVCONTAINER)
    assert set(content.get("portsAttributes", {})) <= {str(port) for port in content["forwardPorts"]}
    version = re.search(r"python:(\d+\.\d+)", content["image"])[1]
    assert version in ("3.11", "3.12", "3.13", "3.14")
    target = re.search(r"make (\S+)", content["postCreateCommand"])[1]
    assert re.search(rf"(?m)^{re.escape(target)}:", (ROOT / "Makefile").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "change", [{"image": None}, {"forwardPorts": ["8000"]}, {"postCreateComand": "make"}, {"image": "python"}], ids=str
)
def test_the_schema_finds_mistakes(change):
    content = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, **change}, DEVCONTAINER)


def test_binder_gets_a_version_and_packages_that_exist():
    """repo2docker's files: one line `python-3.N`, and requirements of the notebooks that need no torch."""
    folder = ROOT / ".binder"
    assert {path.name for path in folder.iterdir()} == {"requirements.txt", "runtime.txt"}
    assert re.fullmatch(r"python-3\.1[1-3]\n?", (folder / "runtime.txt").read_text())
    lines = [line for line in (folder / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z][\w-]*(>=[\d.]+)?(,<[\d.]+)?", line) for line in lines), lines
    names = {re.match(r"[\w-]+", line)[0] for line in lines}
    assert {"numpy", "jupyterlab", "matplotlib", "scikit-learn"} <= names


def setup_of(name):
    """The set-up cell of a notebook."""
    notebook = nbformat.read(course.released(name), as_version=4)
    return next(cell for cell in notebook.cells if cell.id == "setup").source


class Colab:
    """What a cell finds on Colab: a `%pip` that installs what it is asked for."""

    def __init__(self, packages):
        self.asked, self.packages = [], packages

    def run_line_magic(self, magic, words):
        self.asked.append((magic, words))
        self.packages.append("installed")
        sys.path.insert(0, str(course.EXERCISES))


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """An interpreter that has no bnlab, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    away = [path for path in sys.path if not (Path(path or ".") / "bnlab").exists()]
    monkeypatch.setattr(sys, "path", away)
    for name in [name for name in sys.modules if name.split(".")[0] == "bnlab"]:
        monkeypatch.delitem(sys.modules, name)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "bnlab"]:
        del sys.modules[name]


def run(source, colab):
    code = TransformerManager().transform_cell(source)
    space = {"__name__": "__main__", "get_ipython": lambda: types.SimpleNamespace(run_line_magic=colab.run_line_magic)}
    exec(compile(code, "<set-up>", "exec"), space)
    return space


def test_on_colab_the_set_up_cell_installs_bnlab_from_the_public_repository(alone, capsys):
    colab = Colab([])
    space = run(setup_of("03_forward"), colab)
    address = course.public_repository()
    assert colab.asked == [("pip", f'install -q --no-deps "bnlab @ git+{address}"')]
    assert space["check"].__module__ == "bnlab.checking" and "bnlab " in capsys.readouterr().out


@pytest.mark.parametrize("name", course.notebook_names())
def test_where_bnlab_cannot_be_had_the_cure_is_the_last_line(alone, name):
    """A notebook that was downloaded alone, on a machine without git or without the network."""
    offline = types.SimpleNamespace(run_line_magic=lambda magic, words: print("ERROR: Cannot find command 'git'"))
    with pytest.raises(ModuleNotFoundError) as told:
        run(setup_of(name), offline)
    assert told.value.__context__ is None, "one error, not two"
    address = course.public_repository()
    assert str(told.value).startswith(f"bnlab is missing: unpack {address} (Code, Download ZIP), open this notebook in")


@pytest.mark.parametrize("where", ["beside", "above"])
def test_with_bnlab_beside_the_notebook_nothing_is_installed(alone, where):
    place = alone if where == "beside" else alone / "exercises"
    place.mkdir(exist_ok=True)
    (place / "bnlab").symlink_to(course.EXERCISES / "bnlab")
    colab = Colab([])
    run(setup_of("03_forward"), colab)
    assert colab.asked == []


@pytest.mark.parametrize("name", course.notebook_names())
def test_every_notebook_sets_up_in_the_same_way(name):
    """What is tried for one notebook holds for all: `make colab` runs them in clean environments."""
    source = setup_of(name)
    assert source.startswith("# @title ") and 'if not find_spec("bnlab"):' in source
    assert f'%pip install -q --no-deps "bnlab @ git+{course.public_repository()}"' in source
