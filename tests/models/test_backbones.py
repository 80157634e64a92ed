"""The file of a frozen backbone is kept once per outputs folder and found again by its hash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.errors import InputError
from fashion_exp.models import backbones
from fashion_exp.models.backbones import (
    find_backbone,
    keep_backbone,
    unused_backbones,
)
from fashion_exp.models.metadata import file_sha256


def checkpoint(file: Path, base: Path | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"base": str(base or ""), "base_sha256": file_sha256(base) if base else ""}
    save_file({"weight": torch.full((1,), float(len(file.name)))}, file, metadata)
    return file


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "downloads" / "backbone.safetensors")


def test_checkpoint_finds_its_backbone_after_a_move(backbone: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    keep_backbone(backbone, file_sha256(backbone), outputs)
    checkpoint(outputs / "runs" / "a" / "checkpoints" / "r0f0.safetensors", backbone)
    backbone.unlink()
    moved = outputs.rename(tmp_path / "moved")
    result = find_backbone(moved / "runs" / "a" / "checkpoints" / "r0f0.safetensors")
    assert result is not None and result.parent == moved / "weights"


def test_one_copy_serves_all_runs_and_is_a_hard_link(backbone: Path, tmp_path: Path) -> None:
    for _ in range(2):
        keep_backbone(backbone, file_sha256(backbone), tmp_path / "outputs")
    (stored,) = (tmp_path / "outputs" / "weights").iterdir()
    assert os.path.samefile(stored, backbone)


def test_file_is_copied_where_it_cannot_be_linked(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("other file system")

    monkeypatch.setattr(os, "link", refuse)
    keep_backbone(backbone, file_sha256(backbone), tmp_path / "outputs")
    (stored,) = (tmp_path / "outputs" / "weights").iterdir()
    assert stored.read_bytes() == backbone.read_bytes()


def test_backbone_of_a_backbone_is_kept_too(backbone: Path, tmp_path: Path) -> None:
    middle = checkpoint(tmp_path / "downloads" / "middle.safetensors", backbone)
    keep_backbone(middle, file_sha256(middle), tmp_path / "outputs")
    assert len(list((tmp_path / "outputs" / "weights").iterdir())) == 2


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_missing_backbone_is_reported_with_its_hash_and_folder(
    damage: str, backbone: Path, tmp_path: Path
) -> None:
    file = checkpoint(
        tmp_path / "outputs" / "runs" / "a" / "checkpoints" / "x.safetensors", backbone
    )
    sha256 = file_sha256(backbone)
    backbone.unlink() if damage == "missing" else backbone.write_bytes(b"other")
    with pytest.raises(InputError, match=f"backbone is missing.*weights/{sha256}.safetensors"):
        find_backbone(file)


def test_checkpoint_with_all_parts_needs_no_backbone(backbone: Path) -> None:
    assert find_backbone(backbone) is None


def test_backbone_is_unused_when_no_run_refers_to_it_anymore(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither directly nor through another backbone, and it is not of the last minutes."""
    outputs = tmp_path / "outputs"
    middle = checkpoint(tmp_path / "downloads" / "middle.safetensors", backbone)
    keep_backbone(middle, file_sha256(middle), outputs)
    assert unused_backbones(outputs) == []
    monkeypatch.setattr(backbones, "_MIN_AGE", -60)
    assert len(unused_backbones(outputs)) == 2
    run = outputs / "runs" / "a" / "checkpoints" / "r0f0.safetensors"
    checkpoint(run, middle)
    assert unused_backbones(outputs) == []
    checkpoint(run, backbone)
    assert unused_backbones(outputs) == [outputs / "weights" / f"{file_sha256(middle)}.safetensors"]
    run.write_bytes(b"damaged")
    assert unused_backbones(outputs) == []
