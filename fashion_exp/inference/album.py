"""A page of predicted photos, the most doubtful first."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_exp.data.table import UnreadableImageError
from fashion_exp.inference.predictions_table import SET_SEPARATOR
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.reporting.formats import percent, pluralize
from fashion_exp.reporting.photo_page import (
    MAX_PHOTOS,
    PhotoPage,
    Section,
    thumbnail,
    write_photo_page,
)
from fashion_exp.reporting.report_content import Photo, PhotoGroup
from fashion_exp.reporting.tables import PlainTable

_THUMBNAIL_EDGE = 160  # px of the longer side


class Album:
    """Collects predictions table by table; of any number of photos it holds the most doubtful
    `MAX_PHOTOS`, and as many that cannot be read."""

    def __init__(self, run: TrainedRun) -> None:
        self._run = run
        self.classes: Counter[str] = Counter()
        self.photos = self.unreadable = self.unfamiliar = 0
        self._doubtful = self._failed = pd.DataFrame()

    def add(self, table: pd.DataFrame) -> None:
        readable, failed = table[table["reason"] == ""], table[table["reason"] != ""]
        self.photos += len(table)
        self.unreadable += len(failed)
        self.classes.update(readable["predicted"])
        if "unfamiliar" in readable:
            self.unfamiliar += int(readable["unfamiliar"].sum())
        if "probability" not in readable:  # several classes at once: no page
            return
        doubtful = pd.concat([self._doubtful, readable])
        self._doubtful = doubtful.sort_values("probability", kind="stable").head(MAX_PHOTOS)
        self._failed = pd.concat([self._failed, failed]).head(MAX_PHOTOS)

    @property
    def summary(self) -> str:
        """How many photos were predicted as which class, and how many could not be read."""
        counts = ", ".join(f"{name} {count:,}" for name, count in self.classes.most_common())
        text = f"{pluralize(self.photos, 'photo')}: {counts or 'none predicted'}"
        text += f"; {self.unfamiliar:,} unlike the run's photos" * bool(self.unfamiliar)
        return text + f"; {self.unreadable:,} could not be read" * bool(self.unreadable)

    def write(self, path: Path) -> None:
        """Writes the page; the photos on it are read again."""
        shown = [self._photo(row) for row in self._doubtful.itertuples()]
        group = PhotoGroup("Least probable first", self.photos - self.unreadable, shown)
        sections = [Section("photos", "Predictions by doubt", photos=[group])]
        if self.unreadable:
            rows = [[str(row.path), str(row.reason)] for row in self._failed.itertuples()]
            table = PlainTable(["photo", "reason"], rows)
            title = f"Photos that could not be read: {self.unreadable:,}"
            sections.append(Section("unreadable", title, tables=[table]))
        name = self._run.result.name
        folder = shlex.quote(str(self._run.run.path))
        conclusions = [f"{self.summary}.", f"Predicted by {name}."]
        write_photo_page(
            PhotoPage("Predicted photos", conclusions, sections, f"Run: {folder}"), path
        )

    def _photo(self, row: Any) -> Photo:
        try:
            jpeg = thumbnail(self._run.decode(row.path), _THUMBNAIL_EDGE)
        except UnreadableImageError:  # removed in between
            jpeg = None
        probability = percent(row.probability)
        caption = f"{probability}, else {row.runner_up}"
        if row.agreement < 1:
            caption += f"; {percent(row.agreement, 0)} of the models agree"
        if len(names := getattr(row, "prediction_set", "").split(SET_SEPARATOR)) > 1:
            caption += f"; one of {', '.join(names)}"
        caption += "; unfamiliar" * bool(getattr(row, "unfamiliar", False))
        return Photo(jpeg, row.path, row.predicted, caption)
