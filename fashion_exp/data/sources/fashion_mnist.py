"""The source `fashion_mnist`: 70,000 grayscale images of 28 × 28 px by Zalando, by torchvision."""

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
from fashion_exp.data.sources.build_table import build_table
from fashion_exp.data.sources.classes import choose_classes, class_names
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
SIZE = 28
_PER_CLASS = 7000
_TIMEOUT_S = 15
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class ArrayReader:
    images: np.ndarray
    """(n, height, width) uint8"""

    def __call__(self, row: int) -> np.ndarray:
        return np.asarray(self.images[row])


def load_fashion_mnist(cfg: DatasetConfig, cache: Path) -> ImageTable:
    """The images of the official train and test parts; the image id is a hash of the pixels.

    They are read from `cfg.root`, or else from below `cache`. With `cfg.download`, missing files
    are downloaded there. Raises `InputError` for missing or damaged files.
    """
    names = choose_classes(dict.fromkeys(CLASSES, _PER_CLASS), cfg.classes, cfg.rename)
    root = Path(cfg.root).expanduser() if cfg.root else cache / "fashion_mnist"
    if missing := [name for name in _FILES if not (_raw(root) / name).is_file()]:
        if not cfg.download:
            problem = (
                f"'{_raw(root)}' lacks {', '.join(missing)}"
                if cfg.root
                else "not given, and the data set has not been downloaded"
            )
            raise InputError(
                f"dataset.root: {problem}; give the folder whose FashionMNIST/raw has these files, "
                f"unpacked: {', '.join(_FILES)}; or set dataset.download=true"
            )
        _download(root)
    parts = [_read(root, part) for part in ("train", "test")]
    rows = pd.concat([rows for rows, _ in parts], ignore_index=True)
    images = np.concatenate([images for _, images in parts])
    is_selected = rows["label"].isin(list(names)).to_numpy()
    rows = rows[is_selected].assign(label=rows["label"][is_selected].map(names))
    return build_table(cfg.name, rows, class_names(names), ArrayReader(images[is_selected]), SIZE)


def _raw(root: Path) -> Path:
    return root / "FashionMNIST" / "raw"


def _download(root: Path) -> None:
    """Download to a temporary folder, then move the complete files: torchvision checks none."""
    from torchvision.datasets import FashionMNIST

    default_timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        _raw(root).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=root) as temporary:
            FashionMNIST(temporary, download=True)
            for name in _FILES:
                os.replace(_raw(Path(temporary)) / name, _raw(root) / name)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"dataset.download: Fashion-MNIST cannot be downloaded: {_message(error)}; without "
            "internet access, set dataset.root to a folder whose FashionMNIST/raw has "
            f"{', '.join(_FILES)}"
        ) from error
    finally:
        socket.setdefaulttimeout(default_timeout)


def _read(root: Path, part: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The items (`ITEM_COLUMNS`) and images of an official part."""
    from torchvision.datasets import FashionMNIST

    try:
        data = FashionMNIST(str(root), train=part == "train")
        images = data.data.numpy()
        labels = [CLASSES[target] for target in data.targets]
        paths = [f"{part}/{index:06d}" for index in range(len(images))]
        ids = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images]
        columns = {"path": paths, "file": paths, "label": labels, "image_id": ids, "group_id": ids}
        return pd.DataFrame(columns).assign(part=part), images
    # torchvision does not document what it raises for a damaged file.
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, AssertionError) as error:
        raise InputError(
            f"dataset.root: the files in '{_raw(root)}' are not those of Fashion-MNIST "
            f"({_message(error)}); delete them and download them again"
        ) from error


def _message(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
