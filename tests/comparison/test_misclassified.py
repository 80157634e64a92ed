"""The photos that runs get wrong, from the data set that they were trained on."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import yaml
from PIL import Image

from fashion_exp.comparison.misclassified import photo_groups
from fashion_exp.comparison.run_data import load_run
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import to_plain
from tests.conftest import TinyRun


def test_wrong_photos_are_shown_with_what_was_said(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    run = tiny("optim.lr=1e-7", "training.epochs=1")  # too little to learn anything
    kept = to_plain(parse_command_line(["dataset=folder", f"dataset.root={photos}"]).jobs[0])
    kept["seeds"]["order"] = "${seed}"  # as it is kept, unresolved
    (run.output / "config" / "config.yaml").write_text(yaml.safe_dump(kept))
    member = load_run(run.output)
    (group,) = photo_groups([member], 0, "validation", tmp_path)
    assert group.title == "Wrong in every run" and group.count == len(group.photos) > 0
    for photo in group.photos:
        assert photo.picture is not None
        assert Image.open(io.BytesIO(photo.picture)).size == (16, 16)
        assert (photos / photo.file).is_file() and f"say {photo.label}" not in photo.caption
