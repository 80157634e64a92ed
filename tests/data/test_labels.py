"""Data sets are read with the labels in force; image files are not changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.geometry import Geometry
from fashion_exp.data.image_files import content_ids
from fashion_exp.data.pixels import load_pixels
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.tools.relabel.apply import apply_decisions

WriteImage = Callable[..., Path]
MakeConfig = Callable[..., DatasetConfig]
WriteDecisions = Callable[..., Path]


@pytest.fixture
def data(write_image: WriteImage, tmp_path: Path) -> Path:
    """Images 1 2 3 of dress, 4 5 of shirt, and 6 in both."""
    for name, seed in (("dress/1", 1), ("dress/2", 2), ("dress/3", 3), ("shirt/4", 4),
                       ("shirt/5", 5), ("dress/6", 6), ("shirt/copy of 6", 6)):  # fmt: skip
        write_image(f"photos/{name}.png", seed)
    return tmp_path / "photos"


@pytest.fixture
def write_decisions(data: Path, tmp_path: Path) -> WriteDecisions:
    """Writes a file of decisions by file name: write_decisions({"dress/1": "shirt"})."""

    def write(decisions: dict[str, str]) -> Path:
        files = [str(data / f"{name}.png") for name in decisions]
        ids, _ = content_ids(files)
        given = ["dress|shirt" if "6" in name else name.split("/")[0] for name in decisions]
        columns = {"image_id": [ids[file] for file in files], "given": given}
        table = pd.DataFrame(columns | {"decision": list(decisions.values())})
        table.to_csv(tmp_path / "decisions.csv", index=False)
        return tmp_path / "decisions.csv"

    return write


def labels_by_path(table: ImageTable) -> dict[str, str]:
    return {path: table.classes[label] for path, label in table.rows[["path", "label"]].to_numpy()}


def test_version_relabels_excludes_and_resolves_conflicts(
    data: Path, make_config: MakeConfig, write_decisions: WriteDecisions
) -> None:
    before = load_folder(make_config("photos", labels="current"))
    assert before.facts == {"labels_version": "none"} and len(before) == 5
    decisions = {"dress/1": "shirt", "dress/2": "exclude", "shirt/4": "dress|shirt",
                 "dress/6": "shirt", "shirt/5": "keep"}  # fmt: skip
    contents = {path: path.read_bytes() for path in data.rglob("*.png")}
    assert apply_decisions(write_decisions(decisions), data) is not None
    after = load_folder(make_config("photos", labels="current"))
    assert labels_by_path(after) == {
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
    assert "Files with several labels, excluded: 1." in after.notes
    assert after.fingerprint != before.fingerprint
    for labels in ("none", None):
        table = load_folder(make_config("photos", labels=labels))
        assert table.fingerprint == before.fingerprint
    assert contents == {path: path.read_bytes() for path in data.rglob("*.png")}


def test_decision_file_is_read_without_being_applied(
    data: Path, make_config: MakeConfig, write_decisions: WriteDecisions
) -> None:
    file = write_decisions({"dress/1": "shirt"})
    table = load_folder(make_config("photos", labels=str(file)))
    assert labels_by_path(table)["dress/1.png"] == "shirt"
    assert table.facts["labels_version"] == "decisions.csv"
    assert not list(data.glob("*label*"))


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("labels", ["v2", "no file.csv"])
def test_rejects_unknown_labels(labels: str, make_config: MakeConfig) -> None:
    with pytest.raises(InputError, match="neither a file of decisions nor one of none, current"):
        load_folder(make_config("photos", labels=labels))


@pytest.mark.usefixtures("data")
def test_classes_are_selected_after_relabeling(
    write_image: WriteImage, make_config: MakeConfig, write_decisions: WriteDecisions
) -> None:
    write_image("photos/hat/7.png", 7)
    decisions = {"dress/1": "hat", "dress/2": "dress|hat", "hat/7": "shirt",
                 "dress/3": "dress|shirt"}  # fmt: skip
    labels = str(write_decisions(decisions))
    selected = load_folder(make_config("photos", labels=labels, classes=["dress", "shirt"]))
    assert labels_by_path(selected) == dict.fromkeys(
        ("shirt/4.png", "shirt/5.png", "hat/7.png"), "shirt"
    )
    assert sorted(selected.left_out["path"])[:2] == ["dress/2.png", "dress/3.png"]
    rename = {"dress": "top", "shirt": "top"}
    merged = load_folder(make_config("photos", labels=labels, rename=rename))
    assert labels_by_path(merged)["dress/3.png"] == "top"


def test_excluded_files_do_not_count_as_unusable(
    data: Path, make_config: MakeConfig, write_decisions: WriteDecisions
) -> None:
    file = write_decisions({"dress/1": "exclude", "dress/6": "exclude"})
    table = load_folder(make_config("photos", labels=str(file)))
    assert len(table.left_out) == 3 and len(table.unusable) == 0
    geometry = Geometry(8, "pad", "bilinear", 3)
    readable, _ = load_pixels(table, [geometry], 0.0, 1, lambda *_: None, data.parent / "cache")
    assert len(readable) == 4 and readable.facts == table.facts


def test_manifest_has_its_own_versions(
    make_config: MakeConfig, write_decisions: WriteDecisions, tmp_path: Path
) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,label\nphotos/dress/1.png,dress\nphotos/shirt/4.png,shirt\n")
    apply_decisions(write_decisions({"dress/1": "shirt", "shirt/4": "dress"}), manifest)
    assert (tmp_path / "list.label_versions.jsonl").is_file()
    table = load_csv(make_config(None, name="csv", manifest=str(manifest), labels="v1"))
    assert labels_by_path(table) == {"photos/dress/1.png": "shirt", "photos/shirt/4.png": "dress"}
