"""Files that services read: workflows, updates, containers."""

import json
import re
import subprocess

import yaml
from bnlab import tasks
from rename import rename

from autograder import course

ROOT = course.REPOSITORY
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_a_renamed_course_is_renamed_everywhere(tmp_path):
    """Title, address, site and the folder that `git clone` makes."""
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "-q", course.REPOSITORY, copy], check=True)
    config = copy / "_config.yml"
    text = config.read_text(encoding="utf-8")
    title, url = re.search(r"(?m)^title: (.*)$", text)[1], re.search(r"(?m)^  url: (\S+)", text)[1]
    config.write_text(text.replace(title, "Norms").replace(f"  url: {url}", "  url: https://github.com/uni/norms"))
    assert {"README.md", "book/index.md", "CITATION.cff", "exercises/bnlab/tasks/__init__.py"} <= set(rename(copy))
    for word in (title, url, "cd bn-course/", "bn-course.github.io"):
        left = subprocess.run(["git", "grep", "-lF", word, "--", ":!*.ipynb"], cwd=copy, capture_output=True, text=True)
        assert left.stdout.split() in ([], ["tests/test_repository.py"]), word
    assert "https://uni.github.io/norms/" in (copy / "CITATION.cff").read_text(encoding="utf-8")
    assert rename(copy) == []


def test_actions_are_pinned_and_have_few_rights():
    assert {path.stem for path in WORKFLOWS} == {"test", "site", "weekly"}
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        flow = yaml.safe_load(text)
        assert flow["permissions"] == {"contents": "read"}, path.name
        for name, job in flow["jobs"].items():
            assert job["timeout-minutes"] <= 90, f"{path.name}: {name}"
        for action in re.findall(r"uses: (\S+)", text):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), f"{path.name}: {action}"


def test_what_the_workflows_call_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            for step in job["steps"]:
                for target in re.findall(r"\bmake ([\w-]+)", step.get("run", "")):
                    assert re.search(rf"(?m)^{target}:", makefile), f"{path.name}: make {target}"
                for script in re.findall(r"(?:python|bash) ([\w./]+)", step.get("run", "")):
                    assert (ROOT / script).exists(), f"{path.name}: {script}"


def test_updates_leave_jupyter_book_2_alone():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    pip = next(update for update in updates if update["package-ecosystem"] == "pip")
    assert {"dependency-name": "jupyter-book", "versions": [">=2"]} in pip["ignore"]


def test_the_containers_install_what_the_course_needs():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    for package in ("make", "g++", "bubblewrap", "libseccomp2"):
        assert package in container["onCreateCommand"].split()
    assert container["postCreateCommand"] == "make .venv/installed"
    wanted = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for line in (ROOT / ".binder" / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name = re.match(r"[\w-]+", line)
        assert name is None or name[0] in wanted or name[0] == "jupyterlab"


def test_one_setting_says_where_the_public_repository_is():
    """What names it elsewhere follows _config.yml; `make address` sees to that."""
    address = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    owner, name = re.fullmatch(r"https://github\.com/([\w-]+)/([\w.-]+)", address).groups()
    site = f"https://{owner}.github.io/{name}"
    assert tasks.BOOK == f"{site}/book"
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["repository-code"] == address
    for path in sorted(course.EXERCISES.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        assert set(re.findall(r"bnlab @ git\+([^\"\s]+)", text)) == {address}, path.name
        pages = re.findall(r"(https://[^)\s]+?)/(?:book|exercises)/\w+\.html", text)
        assert pages and set(pages) == {site}, path.name
    for path in (ROOT / "book").glob("*.md"):
        files = re.findall(
            r"(https://github\.com/[\w-]+/[\w.-]+)/blob/main/\w+/README", path.read_text(encoding="utf-8")
        )
        assert set(files) <= {address}, path.name


def test_a_gpu_is_asked_for_only_where_one_is_used():
    for path in sorted(course.EXERCISES.glob("*.ipynb")):
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
        asks = metadata.get("accelerator") == "GPU" or "gpuType" in metadata.get("colab", {})
        assert asks == path.stem.startswith(("09", "10")), path.name
