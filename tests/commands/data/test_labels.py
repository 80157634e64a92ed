"""`data labels` and `data apply`: from a run to decisions to a new version of the labels."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient

from fashion_exp.commands.data import apply, labels
from fashion_exp.comparison.run_data import load_run
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import to_plain
from fashion_exp.errors import InputError
from tests.comparison.synthetic_runs import make_run, random_correctness
from tests.conftest import TinyRun
from tests.tools.relabel.planted import count_detections, random_flips

pytestmark = pytest.mark.slow


def _write_config(run: TinyRun, overrides: list[str], outputs: Path) -> None:
    """Writes the config.yaml that Hydra would write."""
    cfg = to_plain(parse_command_line([*overrides, f"outputs={outputs}"]).jobs[0])
    (run.output / "config" / "config.yaml").write_text(yaml.safe_dump(cfg))


def test_planted_flips_are_found_and_decided(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = shutil.copytree(photos, tmp_path / "photos")
    flips = random_flips(photos, ["dress", "pullover", "shirt"], 0.1, seed=0)
    flips.to_csv(tmp_path / "flips.csv", index=False)
    assert apply.run([str(tmp_path / "flips.csv"), "--data", str(photos)]) == 0
    overrides = ["dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "split=kfold",
                 "training.epochs=12", "optim.lr=3e-3", "seed=1"]  # fmt: skip
    run = tiny(*overrides, tracking="mlflow")
    _write_config(run, overrides, tmp_path / "outputs")
    assert run.facts["labels_version"] == "v1"
    assert run.facts["labels_changes"] == f"{len(flips)} relabelled"
    mlflow.set_tracking_uri(uri := f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}")
    (tracked,) = (r for r in MlflowClient(uri).search_runs(["1"]) if r.inputs.dataset_inputs)
    tags = tracked.data.tags
    assert (tags["labels_version"], tags["labels_parent"]) == ("v1", "none")
    assert tracked.inputs.dataset_inputs[0].dataset.digest == run.facts["data_fingerprint"]

    # The flips themselves are decisions, so they are not suggested again.
    capsys.readouterr()
    arguments = [str(run.output), "--outputs", str(tmp_path / "outputs")]
    assert labels.run([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    counts = count_detections(load_run(run.output), list(flips["image_id"]))
    assert counts.planted >= 4
    assert counts.hits / counts.planted >= 0.7 and counts.hits / counts.flagged >= 0.7
    assert result["decided_already"] >= counts.hits and result["wrong"] == counts.flagged

    # After undoing them, they are suggested.
    assert apply.run([str(photos), "--undo"]) == 0
    capsys.readouterr()
    assert labels.run([*arguments, "--into", str(tmp_path / "labels")]) == 0
    assert "labels look wrong" in capsys.readouterr().out
    listed = pd.read_csv(tmp_path / "labels" / "suggestions.csv", keep_default_na=False)
    assert set(listed["data"]) == {str(photos.resolve())}
    assert len(set(listed["image_id"]) & set(flips["image_id"])) >= counts.hits
    page = (tmp_path / "labels" / "review.html").read_text()
    script = re.search(r'<script type="application/json" id="review-data">(.*?)</script>', page)
    assert script is not None
    assert set(listed["image_id"]) <= set(json.loads(script[1])["thumbnails"])
    assert "the current version is v2" in page


def test_deleted_photos_are_tolerated(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    photos = shutil.copytree(photos, tmp_path / "photos")
    overrides = ["dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "split=kfold"]
    run = tiny(*overrides)
    _write_config(run, overrides, tmp_path / "outputs")
    for pattern in ("train/dress/00.png", "*/dress/*"):
        for file in list(photos.glob(pattern)):
            file.unlink()
        caplog.clear()
        assert labels.run([str(run.output), "--outputs", str(tmp_path / "outputs")]) == 0
        assert "labels look wrong" in capsys.readouterr().out
        assert "neighbors by predicted probabilities" in caplog.text


def test_rejects_several_runs_and_an_empty_page(tmp_path: Path) -> None:
    for name in "ab":
        scores = random_correctness(0, 1, 40, 0.9)
        make_run(tmp_path / "runs" / name, name, scores, scores)
    with pytest.raises(InputError, match="matches 2 runs"):
        labels.run([str(tmp_path / "runs")])
    with pytest.raises(InputError, match="--most 0: must be at least 1"):
        labels.run(["--most", "0"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["FOLDER"], "is a folder; name a file of decisions"),
        (["FOLDER", "--undo", "--data", "x"], "--data: only applies to a file of decisions"),
        (["FOLDER", "--list", "--new-class", "x"], "--new-class: only applies"),
        (["FOLDER/none.csv"], "no such file"),
        (["FOLDER/empty.csv"], "does not name the photos that it is about; add --data"),
        (["FOLDER/elsewhere", "--list"], "there is no folder"),
    ],
)
def test_apply_rejects_invalid_arguments(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.csv").write_text("image_id,given,decision\n")
    with pytest.raises(InputError, match=message):
        apply.run([argument.replace("FOLDER", str(tmp_path)) for argument in arguments])


def test_list_without_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply.run([str(tmp_path), "--list"]) == 0
    assert "the original ones" in capsys.readouterr().out
