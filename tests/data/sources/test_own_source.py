"""The photos of a user's own source do not depend on the working directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.own_source import load_own
from fashion_exp.errors import InputError


def own_config() -> DatasetConfig:
    cfg = parse_command_line(["dataset=csv", "dataset.manifest=any.csv"]).jobs[0].dataset
    return replace(cfg, name="own", manifest=None)


def listed(cfg: DatasetConfig, cache: Path) -> pd.DataFrame:
    files = sorted(Path("train").rglob("*.png"))
    return pd.DataFrame({"path": map(str, files), "label": [file.parent.name for file in files]})


def absolute(cfg: DatasetConfig, cache: Path) -> pd.DataFrame:
    table = listed(cfg, cache)
    return table.assign(path=[str(Path(path).resolve()) for path in table["path"]])


def test_relative_paths_need_a_root(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    cfg = own_config()
    with pytest.raises(InputError, match=r"gives the relative path train.*set dataset\.root"):
        load_own(cfg, listed, tmp_path)
    below_root = load_own(replace(cfg, root=str(photos)), listed, tmp_path)
    by_absolute_paths = load_own(cfg, absolute, tmp_path)
    assert len(below_root) == len(by_absolute_paths) == 48
    assert {*by_absolute_paths.rows["image_id"]} == {*below_root.rows["image_id"]}


def test_columns_are_those_of_a_list_of_files(photos: Path, tmp_path: Path) -> None:
    def with_parts(cfg: DatasetConfig, cache: Path) -> pd.DataFrame:
        files = sorted(photos.rglob("*.png"))
        table = {"path": map(str, files), "label": [file.parent.name for file in files]}
        return pd.DataFrame({**table, "part": [file.parts[-3] for file in files], "price": 5})

    table = load_own(own_config(), with_parts, tmp_path)
    assert table.part_counts == {"train": 48, "validation": 24}
    assert any("price" in note for note in table.notes)


def test_source_without_photos_is_refused(tmp_path: Path) -> None:
    cfg = own_config()
    with pytest.raises(InputError):
        load_own(cfg, lambda *_: pd.DataFrame({"path": [], "label": []}), tmp_path)
