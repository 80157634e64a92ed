"""A data set is read with the labels that are in force, and the photos stay where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.pixels import Geometry, load_pixels
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.tools.relabel.apply import apply_decisions

Photo = Callable[..., Path]
Config = Callable[..., DatasetConfig]


@pytest.fixture
def data(photo: Photo, tmp_path: Path) -> Path:
    """dress 1 2 3, shirt 4 5, and 6 under both."""
    for name, seed in (("dress/1", 1), ("dress/2", 2), ("dress/3", 3), ("shirt/4", 4),
                       ("shirt/5", 5), ("dress/6", 6), ("shirt/copy of 6", 6)):  # fmt: skip
        photo(f"photos/{name}.png", seed)
    return tmp_path / "photos"


@pytest.fixture
def decide(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """A file of decisions by the photos' names: decide("dress/1", "shirt", …)."""
    from fashion_exp.data.image_files import identify

    def write(*words: str) -> Path:
        names = [*words[::2]]
        files = [str(data / f"{name}.png") for name in names]
        ids, _ = identify(files)
        given = ["dress|shirt" if "6" in name else name.split("/")[0] for name in names]
        rows = {"image_id": [ids[f] for f in files], "given": given, "decision": [*words[1::2]]}
        pd.DataFrame(rows).to_csv(tmp_path / "decisions.csv", index=False)
        return tmp_path / "decisions.csv"

    return write


def by_path(table: ImageTable) -> dict[str, str]:
    return {path: table.classes[label] for path, label in table.rows[["path", "label"]].to_numpy()}


def test_a_version_relabels_excludes_and_settles_conflicts(
    data: Path, config: Config, decide: Callable[..., Path]
) -> None:
    before = load_folder(config("photos", labels="current"))
    assert before.facts == {"labels_version": "none"} and len(before) == 5
    told = decide("dress/1", "shirt", "dress/2", "exclude", "shirt/4", "dress|shirt",
                  "dress/6", "shirt", "shirt/5", "keep")  # fmt: skip
    files = {path: path.read_bytes() for path in data.rglob("*.png")}
    assert apply_decisions(told, data) is not None
    after = load_folder(config("photos", labels="current"))
    assert by_path(after) == {
        "dress/1.png": "shirt",
        "dress/3.png": "dress",
        "shirt/5.png": "shirt",
        "dress/6.png": "shirt",
    }
    assert after.rows.set_index("path")["copies"]["dress/6.png"] == 2
    assert dict(after.left_out.to_numpy()) == {
        "dress/2.png": "excluded by decision (labels v1)",
        "shirt/4.png": "several labels: dress, shirt (labels v1)",
    }
    assert after.facts["labels_parent"] == "none" and len(after.facts["labels_fingerprint"]) == 16
    assert after.facts["labels_changes"] == "2 relabelled, 1 of several labels, 1 excluded, 1 kept"
    assert "Files of several labels, neither trained on nor judged: 1." in after.notes
    assert after.fingerprint != before.fingerprint
    for labels in ("none", None):
        assert load_folder(config("photos", labels=labels)).fingerprint == before.fingerprint
    assert files == {path: path.read_bytes() for path in data.rglob("*.png")}


def test_a_file_of_decisions_is_read_without_being_applied(
    data: Path, config: Config, decide: Callable[..., Path]
) -> None:
    told = str(decide("dress/1", "shirt"))
    table = load_folder(config("photos", labels=told))
    assert by_path(table)["dress/1.png"] == "shirt"
    assert table.facts["labels_version"] == "decisions.csv"
    assert not list(data.glob("*label*"))


@pytest.mark.parametrize("wanted", ["v2", "no file.csv"])
def test_labels_that_are_not_there_are_refused(wanted: str, data: Path, config: Config) -> None:
    with pytest.raises(InputError, match="neither a file of decisions nor one of none, current"):
        load_folder(config("photos", labels=wanted))


def test_classes_are_chosen_after_the_labels(
    photo: Photo, config: Config, data: Path, decide: Callable[..., Path]
) -> None:
    photo("photos/hat/7.png", 7)
    told = str(decide("dress/1", "hat", "dress/2", "dress|hat", "hat/7", "shirt", "dress/3",
                      "dress|shirt"))  # fmt: skip
    taken = load_folder(config("photos", labels=told, classes=["dress", "shirt"]))
    assert by_path(taken) == {"shirt/4.png": "shirt", "shirt/5.png": "shirt", "hat/7.png": "shirt"}
    assert sorted(taken.left_out["path"])[:2] == ["dress/2.png", "dress/3.png"]
    merged = load_folder(config("photos", labels=told, rename={"dress": "top", "shirt": "top"}))
    assert by_path(merged)["dress/3.png"] == "top"


def test_what_was_decided_is_no_sign_of_damage(
    data: Path, config: Config, decide: Callable[..., Path]
) -> None:
    told = str(decide("dress/1", "exclude", "dress/6", "exclude"))
    table = load_folder(config("photos", labels=told))
    assert len(table.left_out) == 3 and len(table.unusable) == 0
    geometry = Geometry(8, "pad", "bilinear", 3)
    readable, _ = load_pixels(table, geometry, 0.0, 1, lambda *_: None, data.parent / "cache")
    assert len(readable) == 4 and readable.facts == table.facts


def test_a_list_has_versions_beside_it(
    data: Path, config: Config, decide: Callable[..., Path], tmp_path: Path
) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,label\nphotos/dress/1.png,dress\nphotos/shirt/4.png,shirt\n")
    apply_decisions(decide("dress/1", "shirt", "shirt/4", "dress"), manifest)
    assert (tmp_path / "list.label_versions.jsonl").is_file()
    table = load_csv(config(None, name="csv", manifest=str(manifest), labels="v1"))
    assert by_path(table) == {"photos/dress/1.png": "shirt", "photos/shirt/4.png": "dress"}
