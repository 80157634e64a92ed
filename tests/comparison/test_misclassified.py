"""Misclassified images are shown from the dataset that the run was trained on."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from fashion_exp.comparison import misclassified
from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.misclassified import photo_groups
from fashion_exp.comparison.report_data import build_report
from fashion_exp.comparison.run_data import load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import to_plain
from fashion_exp.evaluation.predictions import write_predictions, wrong_by_image
from fashion_exp.evaluation.results import result_table
from fashion_exp.evaluation.run_dir import PART_FILES
from fashion_exp.reporting import contact_sheets
from tests.comparison.synthetic_runs import make_run, random_correctness
from tests.conftest import TinyRun


def test_every_place_counts_the_same_wrong_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings disagree with different confidence, and two photos share a group."""
    monkeypatch.setattr(misclassified, "load_run_images", lambda run, cache: None)
    scores = random_correctness(0, 4, 60, 0.6)
    run = make_run(tmp_path, "run", scores, scores, groups=["g0", "g0", *map(str, range(58))])
    frame = run.predictions("test")
    shirt = np.random.default_rng(0).random(len(frame))
    write_predictions(frame.assign(p_Dress=1 - shirt, p_Shirt=shirt), tmp_path / PART_FILES["test"])
    run = load_run(tmp_path)
    count = int(wrong_by_image(run.predictions("test")).sum())
    table = {row[0]: row[2] for row in result_table(run.result, []).rows}
    assert table["photos wrong"] == f"{count} of 60"
    assert table["predictions wrong"].endswith(" of 240")
    report = build_report(Comparison([run], ComparisonSettings()), "", tmp_path)
    assert [(group.title, group.count) for group in report.photos] == [("Wrong", count)]
    assert report.confusions[0].counted == (
        f"240 predictions: 60 photos, 4 trainings; {count} photos wrong"
    )
    headings: list[str] = []

    def heading(text: str, columns: int) -> list[Image.Image]:
        headings.append(text)
        return []

    monkeypatch.setattr(contact_sheets, "_heading", heading)
    black = np.zeros((8, 8, 3), np.uint8)
    contact_sheets.prediction_gallery(run.predictions("test"), lambda image: black, "test")
    assert headings[0].startswith(
        f"Test: {count} of 60 photos wrong by the mean of their trainings"
    )


@pytest.mark.slow
def test_shows_misclassified_images_with_the_predicted_class(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    run = tiny("optim.lr=1e-7", "training.epochs=1")  # too little training to learn anything
    config = to_plain(parse_command_line(["dataset=folder", f"dataset.root={photos}"]).jobs[0])
    config["seeds"]["order"] = "${seed}"  # interpolations are saved unresolved
    (run.output / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    (group,) = photo_groups([load_run(run.output)], 0, "validation", tmp_path)
    assert group.title == "Wrong" and group.count == len(group.photos) > 0
    for photo in group.photos:
        assert photo.jpeg is not None
        assert Image.open(io.BytesIO(photo.jpeg)).size == (16, 16)
        assert (photos / photo.file).is_file() and photo.label not in photo.caption
