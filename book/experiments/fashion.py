"""Fashion-MNIST, 28x28 images of clothing, for the reproduction of the founding paper's section 4.1. Never required.

The files are taken from where Debian's package dataset-fashion-mnist puts them, or from a folder of your own; with
`python book/experiments/fashion.py` they are fetched once (30 MB) and checked.
"""

import gzip
import hashlib
import os
import sys
import urllib.request
import zlib
from pathlib import Path

import numpy as np

ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FILES = {  # name: SHA-256 of what is inside, for archives of the same data differ
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
OWN = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fashion-mnist"
FOLDERS = (Path("/usr/share/datasets/fashion-mnist"), OWN)
CURE = "Fashion-MNIST is not here: `apt-get install dataset-fashion-mnist` or `python book/experiments/fashion.py`"


def folder():
    """Return the first folder that holds all four files, or None."""
    return next((place for place in FOLDERS if all((place / name).exists() for name in FILES)), None)


def digest(path) -> str:
    """Return the SHA-256 of what is inside an archive, "" for a broken one."""
    try:
        return hashlib.sha256(gzip.decompress(Path(path).read_bytes())).hexdigest()
    except (OSError, EOFError, zlib.error):
        return ""


def fetch(place=OWN, address=ADDRESS) -> None:
    """Fetch the four files into a folder; a file with another checksum is refused and removed.

    Parameters
    ----------
    place : Path
    address : str

    Raises
    ------
    ValueError
        If what arrives is not Fashion-MNIST.
    OSError
        Without network.
    """
    place = Path(place)
    place.mkdir(parents=True, exist_ok=True)
    for name, known in FILES.items():
        if (place / name).exists() and digest(place / name) == known:
            continue
        temporary = place / f"{name}.part"
        urllib.request.urlretrieve(address + name, temporary)
        if digest(temporary) != known:
            temporary.unlink()
            raise ValueError(f"{address}{name} is not the file that was expected (SHA-256 {known[:12]}...)")
        temporary.replace(place / name)


def read(path) -> np.ndarray:
    """Read one file of the MNIST format: uint8, (n, 28, 28) for images and (n,) for labels.

    Raises
    ------
    ValueError
        If it is no such file.
    """
    data = gzip.decompress(Path(path).read_bytes())
    zero, kind, dimensions = int.from_bytes(data[:2], "big"), data[2], data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    if zero or kind != 8 or len(data) != 4 + 4 * dimensions + np.prod(shape):
        raise ValueError(f"{path} is no file of images or labels in the MNIST format")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def load_fashion(where=None):
    """Load Fashion-MNIST.

    Parameters
    ----------
    where : Path, optional
        Folder with the four files; by default the first place that has them.

    Returns
    -------
    x_train : ndarray, shape (60000, 784), float32
        From 0 (background) to 1.
    y_train : ndarray, shape (60000,), int64
    x_test : ndarray, shape (10000, 784), float32
    y_test : ndarray, shape (10000,), int64

    Raises
    ------
    FileNotFoundError
        With the two ways to get the files.
    """
    where = where or folder()
    if where is None:
        raise FileNotFoundError(CURE)
    images, labels, test_images, test_labels = (read(Path(where) / name) for name in FILES)
    flat = [(part.reshape(len(part), -1) / 255).astype(np.float32) for part in (images, test_images)]
    return flat[0], labels.astype(np.int64), flat[1], test_labels.astype(np.int64)


if __name__ == "__main__":
    if folder() is None:
        fetch()
    for name, known in FILES.items():
        if digest(folder() / name) != known:
            sys.exit(f"{folder() / name} is not the published file; remove it and run this again")
    print(f"Fashion-MNIST is in {folder()}")
