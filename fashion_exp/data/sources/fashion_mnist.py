"""Zalando's Fashion-MNIST: 70,000 grey pictures of 28 by 28 pixels, by way of torchvision."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.assemble import assemble
from fashion_exp.data.sources.classes import choose_classes, labels
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIZE = 28
_PATIENCE_S = 15
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class ArrayReader:
    pictures: np.ndarray
    """(n, height, width) uint8"""

    def __call__(self, row: int) -> np.ndarray:
        return np.asarray(self.pictures[row])


def load_fashion_mnist(cfg: DatasetConfig, cache: Path) -> ImageTable:
    """The pictures in their official train and test parts, grey, named by a hash of their pixels.

    They are read from `cfg.root`, else from below `cache`, and fetched there with `cfg.download`.
    """
    names = choose_classes(CLASSES, cfg.classes, cfg.rename)
    root = Path(cfg.root).expanduser() if cfg.root else cache / "fashion_mnist"
    if missing := [name for name in _FILES if not (_raw(root) / name).is_file()]:
        if not cfg.download:
            raise InputError(_missing(root, missing, cfg.root is not None))
        _fetch(root)
    parts = [_read(root, part) for part in ("train", "test")]
    found = pd.concat([rows for rows, _ in parts], ignore_index=True)
    pictures = np.concatenate([pictures for _, pictures in parts])
    taken = found["label"].isin(list(names)).to_numpy()
    found = found[taken].assign(label=found["label"][taken].map(names))
    return assemble(cfg.name, found, labels(names), ArrayReader(pictures[taken]), SIZE)


def _raw(root: Path) -> Path:
    return root / "FashionMNIST" / "raw"


def _missing(root: Path, missing: list[str], given: bool) -> str:
    there = f"'{_raw(root)}' lacks {', '.join(missing)}"
    return (
        f"dataset.root: {there if given else 'not given, and nothing was fetched before'}; "
        "give the folder in which FashionMNIST/raw holds these files, unpacked: "
        f"{', '.join(_FILES)}; or set dataset.download=true"
    )


def _fetch(root: Path) -> None:
    """Fetch elsewhere and move the files when they are whole: torchvision trusts what it finds."""
    from torchvision.datasets import FashionMNIST

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_S)
    try:
        _raw(root).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=root) as fresh:
            FashionMNIST(fresh, download=True)
            for name in _FILES:
                os.replace(_raw(Path(fresh)) / name, _raw(root) / name)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"dataset.download: Fashion-MNIST cannot be fetched: {_said(error)}; without internet "
            f"give dataset.root, with {', '.join(_FILES)} in its FashionMNIST/raw"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _read(root: Path, part: str) -> tuple[pd.DataFrame, np.ndarray]:
    """(path, file, label, image_id, group_id, part) of each picture, and the pictures."""
    from torchvision.datasets import FashionMNIST

    try:
        data = FashionMNIST(str(root), train=part == "train")
        pictures = data.data.numpy()
        label = [CLASSES[target] for target in data.targets]
        paths = [f"{part}/{index:06d}" for index in range(len(pictures))]
        ids = [hashlib.sha256(picture.tobytes()).hexdigest()[:16] for picture in pictures]
        columns = {"path": paths, "file": paths, "label": label, "image_id": ids, "group_id": ids}
        return pd.DataFrame(columns).assign(part=part), pictures
    # What torchvision raises for a file of another length or format is not documented.
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, AssertionError) as error:
        raise InputError(
            f"dataset.root: the files in '{_raw(root)}' are not those of Fashion-MNIST "
            f"({_said(error)}); delete them and fetch them anew"
        ) from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
