"""Re-run a page when something that its cells import or read has changed.

jupyter-cache compares code cells only: after a change in exercises/bnlab it would
serve the old output. Here the cache lives in a folder whose name is a hash of those
files and of the versions of the numerical packages, so that a change of either
starts from an empty cache.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

FILES = ("exercises/bnlab/**/*.py", "exercises/bnlab/**/*.npz", "book/results/*.json", "book/experiments/*.py")
PACKAGES = ("numpy", "torch", "matplotlib", "scikit-learn")


def cache_key(root: Path) -> str:
    """Return 12 hexadecimal digits that change with what the pages depend on."""
    digest = hashlib.sha256()
    for name in PACKAGES:
        digest.update(f"{name}=={version(name)}\n".encode())
    for path in sorted(p for pattern in FILES for p in root.glob(pattern)):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def set_cache_path(app, config) -> None:
    """Point MyST-NB at the folder of the current key, before it reads its settings."""
    root = Path(app.srcdir)
    base = root / (config.nb_execution_cache_path or "_build/.jupyter_cache")
    config.nb_execution_cache_path = str(base / cache_key(root))


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", set_cache_path)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
