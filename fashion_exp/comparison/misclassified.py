"""Collects the images that the runs misclassify, with thumbnails."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.label_changes import conflicting_images
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import use_run_code
from fashion_exp.evaluation.predictions import predicted_names, wrong_by_image
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.reporting.photo_page import thumbnail
from fashion_exp.reporting.report_content import Photo, PhotoGroup

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData
    from fashion_exp.data.table import ImageTable

log = logging.getLogger(__name__)

MAX_SHOWN = 24
THUMBNAIL_SIZE = 160
"""Longer side in px."""
MOST_RUNS = 2 / 3
THUMBNAILS = "thumbnails"
"""The folder in an outputs folder with small pictures that came with a study, by image id."""


Draw = Callable[[str, np.ndarray], bytes]
"""From an image's id and pixels to a JPEG."""


def photo_groups(
    runs: Sequence[RunData], winner: int, part: str, cache: Path, draw: Draw | None = None
) -> list[PhotoGroup]:
    """Images that all runs predicted and most, all or all but the winner misclassify; of two runs
    also those that the winner alone does.

    All are counted; of images in one group, only the first is shown. The images on which the fewest
    trainings are right come first. `draw` makes wide pictures of them; default: thumbnails.
    """
    predictions = [run.predictions(part) for run in runs]
    wrong = pd.concat([wrong_by_image(frame) for frame in predictions], axis=1, join="inner")
    wrong.columns = pd.RangeIndex(len(runs))
    wrong = wrong.drop(conflicting_images(runs, part), errors="ignore")
    count = wrong.sum(axis=1)
    groups = {"Wrong in every run" if len(runs) > 1 else "Wrong": count == len(runs)}
    if len(runs) > 2:
        groups["Wrong in most runs"] = (count >= MOST_RUNS * len(runs)) & (count < len(runs))
    if len(runs) > 1:
        groups["Right in the winner alone"] = ~wrong[winner] & (count == len(runs) - 1)
    if len(runs) == 2:  # what choosing the winner loses, beside what it gains
        groups["Wrong in the winner alone"] = wrong[winner] & (count == 1)
    accuracy = pd.concat([run.scores(part, "accuracy").mean() for run in runs], axis=1).mean(axis=1)
    rows = predictions[winner].drop_duplicates("image_id").set_index("image_id")
    came_with_study = cache.parent / THUMBNAILS
    thumbnails = Thumbnails(load_run_images(runs[winner], cache), came_with_study, draw=draw)
    votes = _votes(runs, part)
    return [
        PhotoGroup(
            title,
            int(selected.sum()),
            [
                Photo(
                    thumbnails(image),
                    str(rows["path"][image]),
                    str(rows["label"][image]),
                    _caption(votes[image]),
                )
                for image in _first_of_groups(accuracy[selected[selected].index], rows["group_id"])
            ],
            wide=draw is not None,
        )
        for title, selected in groups.items()
        if selected.any()
    ]


def _first_of_groups(accuracy: pd.Series, groups: pd.Series) -> list[str]:
    """The images to show: the lowest accuracy first, one per group."""
    images = accuracy.sort_values(kind="stable").index
    return list(images[~groups.loc[images].duplicated()][:MAX_SHOWN])


def _votes(runs: Sequence[RunData], part: str) -> dict[str, Counter[str]]:
    """How many models of all runs predict each class, by image id."""
    frames = []
    for run in runs:
        predictions = run.predictions(part)
        predicted = predicted_names(predictions)
        frames.append(pd.DataFrame({"image_id": predictions["image_id"], "predicted": predicted}))
    votes = pd.concat(frames).groupby("image_id")["predicted"].agg(Counter)
    return {str(image): counts for image, counts in votes.items()}


def _caption(votes: Counter[str]) -> str:
    ((name, count),) = votes.most_common(1)
    total = votes.total()
    return f"predicted: {name}" if total == 1 else f"{count} of {total} trainings say {name}"


class Thumbnails:
    """Small JPEGs of the images of a table, with `size` px on the longer side.

    `stored` is a folder that has those of images that the table lacks; `draw` makes other pictures.
    """

    def __init__(
        self, table: ImageTable | None, stored: Path | None = None, size: int = THUMBNAIL_SIZE,
        draw: Draw | None = None,
    ) -> None:  # fmt: skip
        self._table, self._stored = table, stored
        self._draw = draw or (lambda _, pixels: thumbnail(pixels, size))
        images = [] if table is None else table.rows["image_id"].to_list()
        self._rows = {image: row for row, image in enumerate(images)}

    def __call__(self, image: str) -> bytes | None:
        """None if the image is missing or cannot be read."""
        from fashion_exp.data.table import UnreadableImageError

        if self._table is not None and image in self._rows:
            try:
                return self._draw(image, self._table.read(self._rows[image]))
            except (UnreadableImageError, OSError):
                return None
        file = None if self._stored is None else self._stored / f"{image}.jpg"
        try:
            return file.read_bytes() if file is not None and "/" not in image else None
        except OSError:
            return None


def load_run_images(run: RunData, cache: Path, **options: Any) -> ImageTable | None:
    """The images of a run with the labels that it used; `options` replace options of its dataset.

    None for imported predictions, which name no photos of this machine. Logs a warning and returns
    None if they were moved or removed since.
    """
    if RunDir(run.result.output).is_imported:
        return None
    from fashion_exp.data.sources.load import load_images

    try:
        dataset = run.config.dataset
        use_run_code(RunDir(run.result.output))
        if dataset.labels == "current":  # the current version may be another one by now
            options = {"labels": run.result.facts["labels_version"]} | options
        return load_images(replace(dataset, **options), cache, run.config.training.targets)
    except InputError as error:
        log.warning("images of the run cannot be shown: %s", error)
        return None
