"""Misclassified images are shown from the dataset that the run was trained on."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from fashion_exp.comparison.misclassified import photo_groups
from fashion_exp.comparison.run_data import load_run
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import to_plain
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


def test_shows_misclassified_images_with_the_predicted_class(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    run = tiny("optim.lr=1e-7", "training.epochs=1")  # too little training to learn anything
    config = to_plain(parse_command_line(["dataset=folder", f"dataset.root={photos}"]).jobs[0])
    config["seeds"]["order"] = "${seed}"  # interpolations are saved unresolved
    (run.output / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    (group,) = photo_groups([load_run(run.output)], 0, "validation", tmp_path)
    assert group.title == "Wrong in every run" and group.count == len(group.photos) > 0
    for photo in group.photos:
        assert photo.jpeg is not None
        assert Image.open(io.BytesIO(photo.jpeg)).size == (16, 16)
        assert (photos / photo.file).is_file() and f"say {photo.label}" not in photo.caption
