"""Tampered metadata of a weights file give one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.errors import InputError
from fashion_exp.models.weights import Weights, find_weights

INTACT = {
    "fashion_exp": "1", "mean": "0.5 0.5 0.5", "std": "0.5 0.5 0.5", "size": "32",
    "interpolation": "bilinear", "trained_on": '["a"]', "base": "", "base_sha256": "",
}  # fmt: skip


def find(folder: Path, **tampered: str) -> Weights:
    file = folder / "weights.safetensors"
    save_file({"weight": torch.ones(1)}, file, INTACT | tampered)
    return find_weights("basic_cnn", str(file))


def test_intact_metadata_are_read(tmp_path: Path) -> None:
    weights = find(tmp_path)
    assert weights.trained_on == {"a"}
    assert weights.input is not None and weights.input.size == 32


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("trained_on", value) for value in ("", "{", "3", "[1]", "[" * 100_000, "null")),
        *(("size", value) for value in ("", "-1", "0", "1e3", "999999999999", "\u0663\u0662", "x")),
        *(("mean", value) for value in ("", "a", "nan nan nan", "1 2", "inf")),
        *(("std", value) for value in ("0 0 0", "-1", "0.5 nan 0.5")),
        ("interpolation", "__import__"),
    ],
)
def test_tampered_metadata_are_one_clear_line(field: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"metadata are damaged: {field} must be") as refused:
        find(tmp_path, **{field: value})
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400
