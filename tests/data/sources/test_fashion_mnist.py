"""Fashion-MNIST, read from small files in its format."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.fashion_mnist import CLASSES, load_fashion_mnist
from fashion_exp.errors import InputError

pytestmark = pytest.mark.slow

MakeConfig = Callable[..., DatasetConfig]


def write_idx(path: Path, values: np.ndarray) -> None:
    """The IDX format: a magic number with type (8: bytes) and rank, the shape, the data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
    path.write_bytes(header + values.astype(np.uint8).tobytes())


@pytest.fixture
def images() -> np.ndarray:
    """20 training and 10 test images of random pixels, two of them copies."""
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    images[10] = images[0]  # within T-shirt/top, in the training part
    images[21] = images[1]  # Trouser, in both parts
    return images


@pytest.fixture
def raw(tmp_path: Path, images: np.ndarray) -> Path:
    """The folder of the data files; the classes alternate."""
    labels = np.arange(30) % 10
    folder = tmp_path / "FashionMNIST/raw"
    for name, part in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        write_idx(folder / f"{name}-images-idx3-ubyte", images[part])
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels[part])
    return folder


@pytest.fixture
def mnist_config(make_config: MakeConfig) -> MakeConfig:
    def make(root: str | None = "", **options: object) -> DatasetConfig:
        return make_config(root, name="fashion_mnist", **options)

    return make


@pytest.mark.usefixtures("raw")
def test_rows_have_parts_and_grayscale_images(
    mnist_config: MakeConfig, images: np.ndarray, tmp_path: Path
) -> None:
    table = load_fashion_mnist(mnist_config(), tmp_path / "cache")
    assert table.classes == tuple(sorted(CLASSES)) and table.native_size == 28
    rows = table.rows.set_index("path")
    assert table.classes[rows["label"]["train/000003"]] == "Dress"
    assert rows["part"].value_counts().to_dict() == {"train": 18, "test": 10}
    row = int(table.rows.index[table.rows["path"] == "train/000003"][0])
    assert np.array_equal(table.read(row), images[3]) and table.read(row).dtype == np.uint8


@pytest.mark.usefixtures("raw")
def test_copies_are_found_by_pixels(mnist_config: MakeConfig, tmp_path: Path) -> None:
    rows = load_fashion_mnist(mnist_config(), tmp_path / "cache").rows.set_index("path")
    assert rows["copies"]["train/000000"] == 2 and "train/000010" not in rows.index
    assert rows["copies"]["test/000001"] == 2 and "train/000001" not in rows.index


def test_class_names_are_those_of_torchvision() -> None:
    from torchvision.datasets import FashionMNIST

    assert list(CLASSES) == FashionMNIST.classes


def test_missing_files_are_named_with_remedies(mnist_config: MakeConfig, raw: Path) -> None:
    (raw / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"lacks t10k-labels-idx1-ubyte; .*download=true$"):
        load_fashion_mnist(mnist_config(), raw)


def test_error_without_root_and_download_offers_both(
    mnist_config: MakeConfig, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"dataset\.root: not given.*dataset\.download=true"):
        load_fashion_mnist(mnist_config(None), tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x03", b"another format"])
def test_damaged_file_is_reported(mnist_config: MakeConfig, raw: Path, content: bytes) -> None:
    (raw / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(InputError, match=r"are not those of Fashion-MNIST .* download them again"):
        load_fashion_mnist(mnist_config(), raw)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_truncated_file_is_reported(mnist_config: MakeConfig, raw: Path, name: str) -> None:
    (raw / name).write_bytes((raw / name).read_bytes()[:-3])
    with pytest.raises(InputError, match="are not those of Fashion-MNIST"):
        load_fashion_mnist(mnist_config(), raw)


def test_failed_download_leaves_no_files(
    mnist_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(InputError, match=r"dataset\.download: .*refused.*dataset\.root") as error:
        load_fashion_mnist(mnist_config(None, download=True), tmp_path)
    assert "\n" not in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_download_is_stored_in_cache(
    mnist_config: MakeConfig, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import FashionMNIST

    def copy_files(self: FashionMNIST) -> None:
        target = Path(self.raw_folder)
        target.mkdir(parents=True)
        for file in raw.iterdir():
            (target / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(FashionMNIST, "download", copy_files)
    cache = raw.parents[1] / "cache"
    assert len(load_fashion_mnist(mnist_config(None, download=True), cache)) == 28
    monkeypatch.undo()
    assert len(load_fashion_mnist(mnist_config(None), cache)) == 28
    assert [path.name for path in (cache / "fashion_mnist").iterdir()] == ["FashionMNIST"]
