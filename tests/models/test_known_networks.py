"""What is remembered of a network is what timm says, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm

from fashion_exp.models import known_networks
from fashion_exp.models.known_networks import is_known, published_weights, remembered


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fashion_exp" / "networks"


@pytest.mark.parametrize("name", ["mobilenetv1_100", "tf_efficientnet_lite2", "resnet50.a1_in1k"])
def test_remembered_description_is_that_of_timm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = published_weights(name)
    monkeypatch.setattr(timm, "is_model", None)  # asking again would fail
    again, expected = published_weights(name), timm.get_pretrained_cfg(name)
    assert first == again and again is not None and is_known(name) and expected is not None
    assert (again.mean, again.std) == (expected.mean, expected.std)
    assert (again.repository, again.size) == (expected.hf_hub_id, expected.input_size[-1])
    assert again.interpolation == expected.interpolation


def test_unknown_name_is_not_remembered(folder: Path) -> None:
    assert not is_known("resnet51") and published_weights("resnet51") is None
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["", "[]", '{"value": 7}'])
def test_damaged_or_outdated_file_is_written_again(
    folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remembered("size", "a", lambda: 1) == remembered("size", "a", lambda: 2) == 1
    (file,) = folder.iterdir()
    file.write_text(damage)
    assert remembered("size", "a", lambda: 3) == 3 == json.loads(file.read_text())["value"]
    monkeypatch.setattr(known_networks, "library_versions", lambda *names: {"timm": "2"})
    assert remembered("size", "a", lambda: 4) == 4


def test_folder_that_cannot_be_written_is_no_error(folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a file")
    assert remembered("size", "a", lambda: 1) == 1
