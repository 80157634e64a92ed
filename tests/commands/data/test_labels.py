"""From a run to decisions to a version to a second run, by the command line's own functions."""

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
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import to_plain
from fashion_exp.errors import InputError
from tests.comparison.made_runs import answers, made_run
from tests.conftest import TinyRun
from tests.tools.relabel.planted import flips, found


def keep_config(run: TinyRun, *overrides: str) -> None:
    """What Hydra keeps of a run."""
    cfg = to_plain(parse_command_line(overrides).jobs[0])
    (run.output / "config" / "config.yaml").write_text(yaml.safe_dump(cfg))


def test_planted_flips_are_found_decided_on_and_gone(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = shutil.copytree(photos, tmp_path / "photos")
    planted = flips(photos, ["dress", "pullover", "shirt"], 0.1, seed=0)
    planted.to_csv(tmp_path / "flips.csv", index=False)
    assert apply.run([str(tmp_path / "flips.csv"), "--data", str(photos)]) == 0
    knobs = ["dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "split=kfold",
             "training.epochs=12", "optim.lr=3e-3", "seed=1"]  # fmt: skip
    run = tiny(*knobs, tracking="mlflow")
    keep_config(run, *knobs)
    assert run.facts["labels_version"] == "v1"
    assert run.facts["labels_changes"] == f"{len(planted)} relabelled"
    mlflow.set_tracking_uri(uri := f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}")
    tracked = [one for one in MlflowClient(uri).search_runs(["1"]) if one.inputs.dataset_inputs]
    tags = tracked[0].data.tags
    assert (tags["labels_version"], tags["labels_parent"]) == ("v1", "none")
    assert tracked[0].inputs.dataset_inputs[0].dataset.digest == run.facts["data_fingerprint"]

    # the flips themselves are decisions, so that nothing is asked of them again
    capsys.readouterr()
    words = [str(run.output), "--outputs", str(tmp_path / "outputs"), "--json"]
    assert labels.run(words) == 0
    told = json.loads(capsys.readouterr().out)
    from fashion_exp.comparison.run_data import load_run

    hits, called, there = found(load_run(run.output), list(planted["image_id"]))
    assert there >= 4 and hits / there >= 0.7 and hits / called >= 0.7
    assert told["decided_already"] >= hits and told["wrong"] == called

    # taken back they stand in the list, and its own words mend them
    assert apply.run([str(photos), "--undo"]) == 0
    capsys.readouterr()
    assert labels.run([*words[:-1], "--into", str(tmp_path / "again")]) == 0
    assert "labels look wrong" in capsys.readouterr().out
    listed = pd.read_csv(tmp_path / "again" / "suggestions.csv", keep_default_na=False)
    assert set(listed["data"]) == {str(photos.resolve())}
    assert len(set(listed["image_id"]) & set(planted["image_id"])) >= hits
    page = (tmp_path / "again" / "review.html").read_text()
    embedded = re.search(r'<script type="application/json" id="told">(.*?)</script>', page, re.S)
    assert embedded is not None
    assert set(listed["image_id"]) <= set(json.loads(embedded[1])["pictures"])
    assert "the current ones are v2" in page


@pytest.mark.parametrize("gone", ["*/dress/*", "train/dress/00.png"])
def test_photos_that_are_gone_since_are_no_hindrance(
    gone: str, tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    photos = shutil.copytree(photos, tmp_path / "photos")
    knobs = ["dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "split=kfold"]
    run = tiny(*knobs)
    keep_config(run, *knobs)
    for file in list(photos.glob(gone)):
        file.unlink()
    assert labels.run([str(run.output), "--outputs", str(tmp_path / "outputs")]) == 0
    assert "labels look wrong" in capsys.readouterr().out
    assert "neighbours by predicted probabilities" in caplog.text


def test_several_runs_and_useless_words_are_refused(tmp_path: Path) -> None:
    for name in "ab":
        scores = answers(0, 1, 40, 0.9)
        made_run(tmp_path / "runs" / name, name, scores, scores)
    with pytest.raises(InputError, match="means 2 runs"):
        labels.run([str(tmp_path / "runs")])
    with pytest.raises(InputError, match="--most 0: at least one"):
        labels.run(["--most", "0"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["FOLDER"], "a folder; name a file of decisions"),
        (["FOLDER", "--undo", "--data", "x"], "acts when decisions are applied"),
        (["FOLDER", "--list", "--new-class", "x"], "--new-class: acts when"),
        (["FOLDER/none.csv"], "no such file"),
        (["FOLDER/empty.csv"], "does not say which photos it is about; add --data"),
        (["FOLDER/elsewhere", "--list"], "there is no folder"),
    ],
)
def test_apply_refuses_what_it_cannot_do(words: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("image_id,given,decision\n")
    with pytest.raises(InputError, match=told):
        apply.run([word.replace("FOLDER", str(tmp_path)) for word in words])


def test_a_data_set_without_versions_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply.run([str(tmp_path), "--list"]) == 0
    assert "the original ones" in capsys.readouterr().out
