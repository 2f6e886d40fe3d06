"""Fashion-MNIST: read where it is, fetched with a checksum where it is not, and never required."""

import gzip

import fashion
import numpy as np
import pytest


def archive(path, array):
    """Write an array of uint8 as a file of the MNIST format."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A folder with four small files, whose checksums are the known ones."""
    rng = np.random.default_rng(0)
    shapes = [(6, 28, 28), (6,), (3, 28, 28), (3,)]
    arrays = [rng.integers(0, 256 if len(shape) == 3 else 10, shape, dtype=np.uint8) for shape in shapes]
    folder = tmp_path / "source"
    folder.mkdir()
    for name, array in zip(fashion.FILES, arrays):
        archive(folder / name, array)
    monkeypatch.setattr(fashion, "FILES", {name: fashion.digest(folder / name) for name in fashion.FILES})
    return folder, arrays


def test_images_and_labels(small):
    folder, arrays = small
    x, y, x_test, y_test = fashion.load_fashion(folder)
    np.testing.assert_allclose(x.reshape(6, 28, 28), arrays[0] / 255, rtol=1e-6)
    np.testing.assert_array_equal(y, arrays[1])
    assert x_test.shape == (3, 784) and x_test.dtype == np.float32 and y_test.dtype == np.int64


def test_fetching_checks_what_arrives(small, tmp_path):
    folder, _ = small
    fashion.fetch(tmp_path / "own", f"{folder.as_uri()}/")
    assert fashion.load_fashion(tmp_path / "own")[0].shape == (6, 784)
    archive(folder / list(fashion.FILES)[1], np.arange(6, dtype=np.uint8))  # other labels
    with pytest.raises(ValueError, match="not the file that was expected"):
        fashion.fetch(tmp_path / "other", f"{folder.as_uri()}/")
    assert len(list((tmp_path / "other").iterdir())) == 1  # the images; nothing of the refused file is left


def test_without_the_files_the_error_names_the_cure(monkeypatch, tmp_path):
    monkeypatch.setattr(fashion, "FOLDERS", (tmp_path,))
    with pytest.raises(FileNotFoundError, match="dataset-fashion-mnist"):
        fashion.load_fashion()


def test_a_broken_file_is_named(tmp_path):
    broken = tmp_path / "images.gz"
    broken.write_bytes(gzip.compress(b"no images"))
    with pytest.raises(ValueError, match="images.gz"):
        fashion.read(broken)
    broken.write_bytes(b"no archive")
    assert fashion.digest(broken) == ""


def test_the_published_files_if_they_are_here():
    if fashion.folder() is None:
        pytest.skip("Fashion-MNIST is not on this machine; nothing in the course requires it")
    x, y, x_test, y_test = fashion.load_fashion()
    assert all(fashion.digest(fashion.folder() / name) == known for name, known in fashion.FILES.items())
    assert x.shape == (60_000, 784) and x_test.shape == (10_000, 784) and 0 <= x.min() and x.max() == 1
    assert (np.bincount(y) == 6000).all() and (np.bincount(y_test) == 1000).all()
