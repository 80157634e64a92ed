"""Fashion-MNIST from small files of its own format."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.fashion_mnist import CLASSES, load_fashion_mnist
from fashion_exp.errors import InputError

Config = Callable[..., DatasetConfig]
NAME = {"name": "fashion_mnist"}


def write_idx(path: Path, values: np.ndarray) -> None:
    """The IDX format: a magic number with the type (8: bytes) and the rank, the shape, the data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """20 training and 10 test pictures: each class in turn, noise but for two copies."""
    pictures = np.random.default_rng(0).integers(0, 256, (30, 28, 28))
    pictures[10] = pictures[0]  # within T-shirt/top, in training
    pictures[21] = pictures[1]  # Trouser, from training into test
    labels = np.arange(30) % 10
    folder = tmp_path / "FashionMNIST/raw"
    for name, part in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        write_idx(folder / f"{name}-images-idx3-ubyte", pictures[part])
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels[part])
    return folder


@pytest.mark.usefixtures("raw")
def test_pictures_come_grey_with_their_parts_and_names(config: Config, tmp_path: Path) -> None:
    table = load_fashion_mnist(config(**NAME), tmp_path / "cache")
    assert table.classes == tuple(sorted(CLASSES)) and table.native_size == 28
    rows = table.rows.set_index("path")
    assert table.classes[rows["label"]["train/000003"]] == "Dress"
    assert rows["part"].value_counts().to_dict() == {"train": 18, "test": 10}
    pictures = np.random.default_rng(0).integers(0, 256, (30, 28, 28))
    row = table.rows.index[table.rows["path"] == "train/000003"][0]
    assert np.array_equal(table.read(row), pictures[3]) and table.read(row).dtype == np.uint8


@pytest.mark.usefixtures("raw")
def test_copies_are_found_by_their_pixels(config: Config, tmp_path: Path) -> None:
    rows = load_fashion_mnist(config(**NAME), tmp_path / "cache").rows.set_index("path")
    assert rows["copies"]["train/000000"] == 2 and "train/000010" not in rows.index
    assert rows["copies"]["test/000001"] == 2 and "train/000001" not in rows.index


@pytest.mark.usefixtures("raw")
def test_classes_are_chosen_by_name(config: Config, tmp_path: Path) -> None:
    cfg = config(classes=["Shirt", "Dress"], rename={"Shirt": "Top"}, **NAME)
    table = load_fashion_mnist(cfg, tmp_path / "cache")
    assert table.classes == ("Top", "Dress")
    assert table.rows.groupby("label")["path"].apply(sorted).tolist() == [
        ["test/000006", "train/000006", "train/000016"],
        ["test/000003", "train/000003", "train/000013"],
    ]


def test_the_names_are_torchvision_s() -> None:
    from torchvision.datasets import FashionMNIST

    assert list(CLASSES) == FashionMNIST.classes


def test_missing_files_are_named_with_both_ways_out(config: Config, raw: Path) -> None:
    (raw / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"lacks t10k-labels-idx1-ubyte; .*download=true$"):
        load_fashion_mnist(config(**NAME), raw)


def test_without_a_root_or_a_download_both_are_offered(config: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.root: not given.*dataset\.download=true"):
        load_fashion_mnist(config(None, **NAME), tmp_path)


def test_a_fetched_copy_is_found_again_without_a_download(config: Config, raw: Path) -> None:
    cache = raw.parents[1] / "cache"
    (cache / "fashion_mnist").mkdir(parents=True)
    raw.parent.rename(cache / "fashion_mnist/FashionMNIST")
    assert len(load_fashion_mnist(config(None, **NAME), cache)) == 28


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08\x03", b"no such format at all"])
def test_a_damaged_file_is_told_with_a_remedy(config: Config, raw: Path, damage: bytes) -> None:
    (raw / "train-images-idx3-ubyte").write_bytes(damage)
    with pytest.raises(InputError, match=r"are not those of Fashion-MNIST .* fetch them anew"):
        load_fashion_mnist(config(**NAME), raw)


@pytest.mark.parametrize("cut", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_file_cut_short_is_told_with_a_remedy(config: Config, raw: Path, cut: str) -> None:
    (raw / cut).write_bytes((raw / cut).read_bytes()[:-3])
    with pytest.raises(InputError, match="are not those of Fashion-MNIST"):
        load_fashion_mnist(config(**NAME), raw)


def test_a_failed_download_is_one_line_and_leaves_nothing(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(InputError, match=r"dataset\.download: .*refused.*dataset\.root") as error:
        load_fashion_mnist(config(None, download=True, **NAME), tmp_path)
    assert "\n" not in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_download_is_kept_below_the_cache(
    config: Config, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import FashionMNIST

    def fetch(self: FashionMNIST) -> None:
        target = Path(self.raw_folder)
        target.mkdir(parents=True)
        for file in raw.iterdir():
            (target / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(FashionMNIST, "download", fetch)
    cache = raw.parents[1] / "cache"
    assert len(load_fashion_mnist(config(None, download=True, **NAME), cache)) == 28
    monkeypatch.undo()
    assert len(load_fashion_mnist(config(None, **NAME), cache)) == 28
    assert [path.name for path in (cache / "fashion_mnist").iterdir()] == ["FashionMNIST"]
