"""The photos that all runs, most runs, or all but the winner get wrong."""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from fashion_exp.comparison.label_changes import contested
from fashion_exp.comparison.run_data import RunData
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import labels_and_probabilities
from fashion_exp.reporting.report_content import Photo, PhotoGroup

if TYPE_CHECKING:
    from fashion_exp.data.table import ImageTable

log = logging.getLogger(__name__)

SHOWN = 24
EDGE = 160  # px of the longer side
MOST = 2 / 3


def photo_groups(
    members: Sequence[RunData], winner: int, part: str, cache: Path
) -> list[PhotoGroup]:
    """Of the images that every run predicted, one per group of copies."""
    rights = pd.DataFrame(
        {place: member.scores(part, "accuracy").mean() for place, member in enumerate(members)}
    ).dropna()
    rights = rights.drop(contested(members, part), errors="ignore")
    facts = members[winner].frame(part).drop_duplicates("image_id").set_index("image_id")
    rights = rights[~facts.loc[rights.index, "group_id"].duplicated()]
    wrong = (rights < 0.5).sum(axis=1)
    others = rights.drop(columns=winner)
    chosen = {"Wrong in every run": rights[wrong == len(members)]}
    if len(members) > 2:
        most = (wrong >= MOST * len(members)) & (wrong < len(members))
        chosen["Wrong in most runs"] = rights[most]
    if len(members) > 1:
        alone = (rights[winner] > 0.5) & (others < 0.5).all(axis=1)
        chosen["Right in the winner alone"] = rights[alone]
    read = Pictures(images_of(members[winner], cache))
    said = _Said(members, part)
    return [
        PhotoGroup(
            title,
            len(found),
            [
                Photo(
                    read(image), str(facts["path"][image]), str(facts["label"][image]), said(image)
                )
                for image in found.mean(axis=1).sort_values().index[:SHOWN]
            ],
        )
        for title, found in chosen.items()
        if len(found)
    ]


class _Said:
    """ "14 of 15 say shirt", over all models of all runs."""

    def __init__(self, members: Sequence[RunData], part: str) -> None:
        frames = []
        for member in members:
            frame = member.frame(part)
            _, probabilities = labels_and_probabilities(frame)
            names = np.array(member.classes, dtype=object)[probabilities.argmax(axis=1)]
            frames.append(pd.DataFrame({"image_id": frame["image_id"], "said": names}))
        said = pd.concat(frames)
        self._said = said.groupby("image_id")["said"].agg(Counter).to_dict()

    def __call__(self, image: str) -> str:
        counts = self._said[image]
        ((name, most),) = counts.most_common(1)
        return f"{most} of {counts.total()} say {name}"


class Pictures:
    """Small JPEGs of a table's photos, of `edge` px on the longer side."""

    def __init__(self, table: ImageTable | None, edge: int = EDGE) -> None:
        self._table, self._edge = table, edge
        images = [] if table is None else table.rows["image_id"].to_list()
        self._rows = {image: row for row, image in enumerate(images)}

    def __call__(self, image: str) -> bytes | None:
        """None where the photo is not at hand or cannot be read."""
        from fashion_exp.data.table import UnreadableImage

        if self._table is None or image not in self._rows:
            return None
        try:
            picture = Image.fromarray(self._table.read(self._rows[image]))
        except (UnreadableImage, OSError):
            return None
        picture.thumbnail((self._edge, self._edge))
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "jpeg", quality=80)
        return buffer.getvalue()


def images_of(member: RunData, cache: Path, **knobs: Any) -> ImageTable | None:
    """The photos that a run read, under the labels that it read, with other `knobs` of the data.

    None, and a warning, where they were moved or removed since.
    """
    from fashion_exp.data.sources.load import load_images

    try:
        cfg = member.config.dataset
        if cfg.labels == "current":  # of then, which may have become another since
            knobs = {"labels": member.result.facts["labels_version"]} | knobs
        return load_images(replace(cfg, **knobs), cache)
    except InputError as error:
        log.warning("no photos: %s", error)
        return None
