"""The accuracy of a run by the labels that a review has decided, and what the others leave open.

A review looks at suspicious labels, which are no random sample, so it gives no rate of wrong labels
for all photos. It gives the accuracy with the decided labels, and a limit that holds whatever the
labels are that nobody reviewed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from fashion_exp.configuration.schema import Targets
from fashion_exp.data.label_versions import Labels, journal_path, read_history
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.errors import InputError
from fashion_exp.evaluation.intervals import accuracy_interval
from fashion_exp.evaluation.predictions import predicted_names
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.formats import percent, photo_count, pluralize, with_limits
from fashion_exp.stats.interval import Interval

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReviewedAccuracy:
    """Of the photos of one part; copies are photos of their own, as in the recorded accuracy."""

    accuracy: Interval
    """By the decided label of a reviewed photo and the recorded label of another one; the interval
    is made as that of the recorded accuracy."""
    highest: float
    """The accuracy if each photo that was not reviewed had the class that most trainings predict.
    If the decisions are right, the accuracy by the true labels is not higher."""
    images: int
    """Photos that count: without those left out."""
    reviewed: int
    """Of these."""
    corrected: int
    """Reviewed photos with another label than the recorded one."""
    left_out: int
    """Reviewed photos that were excluded, or have several classes or one that is not the run's."""

    def sentences(self, part: str, recorded: Interval) -> Iterator[str]:
        left_out = f"; {self.left_out:,} more left out" * bool(self.left_out)
        yield (
            f"With the labels decided in a review the {part} accuracy is {_text(self.accuracy)}, "
            f"as recorded {_text(recorded)}: of {photo_count(self.images, part)} "
            f"{self.reviewed:,} were reviewed ({self.corrected:,} labeled otherwise than in this "
            f"run{left_out})."
        )
        if open_ := self.images - self.reviewed:
            yield (
                f"The other {pluralize(open_, 'label')} may be wrong. Reviewing where the model "
                "disagreed favors it: a wrong label that it agrees with stays. Whatever these "
                f"labels are, the accuracy on these photos is at most {percent(self.highest)} if "
                "the decisions are right; a lower limit would need a review of a random sample."
            )


def _text(accuracy: Interval) -> str:
    assert accuracy.estimate is not None
    return with_limits(accuracy.estimate, accuracy.low, accuracy.high)


def reviewed_accuracy(
    predictions: pd.DataFrame, decided: Mapping[str, str | None], level: float
) -> ReviewedAccuracy | None:
    """`decided` has the class of reviewed images, None if the image is left out; other images are
    ignored. None if no image of `predictions` was reviewed, or none is left."""
    frame = predictions.assign(predicted=predicted_names(predictions))
    is_reviewed = frame["image_id"].isin(decided)
    classes = frame["image_id"].map(decided)
    count = frame["image_id"][is_reviewed & classes.isna()].nunique()
    frame = frame.assign(decided=classes.where(is_reviewed, frame["label"]), reviewed=is_reviewed)
    frame = frame[frame["decided"].notna()]
    if frame.empty or not is_reviewed.any():
        return None
    right = frame["decided"] == frame["predicted"]
    images = frame.assign(right=right.astype(float)).groupby("image_id", sort=True)
    table = images[["group_id", "label", "decided", "reviewed"]].first()
    by_image = images["right"].mean()
    votes = frame.groupby(["image_id", "predicted"]).size().groupby("image_id").max()
    highest = by_image.where(table["reviewed"], votes / images.size())
    groups = table["group_id"].to_numpy()
    return ReviewedAccuracy(
        accuracy_interval(
            by_image.to_numpy(),
            groups if len(set(groups)) < len(groups) else None,
            level,
            len(frame[["repeat", "fold"]].drop_duplicates()),
        ),
        float(highest.mean()),
        len(table),
        int(table["reviewed"].sum()),
        int((table["decided"] != table["label"]).sum()),
        count,
    )


def review_sentences(run: RunData, parts: Sequence[str]) -> Iterator[str]:
    """Of each part on which a review has decided."""
    for part in parts:
        if reviewed := reviewed_accuracy_of(run, part):
            yield from reviewed.sentences(part, run.summary(part).accuracy)


def reviewed_accuracy_of(run: RunData, part: str) -> ReviewedAccuracy | None:
    """By the current labels of the run's data set. None if these decide on no photo of the part,
    if labels of the run have several classes, and if its data set is not one that is found."""
    decided = _decided_labels(run)
    if not decided:
        return None
    names: dict[str, str] = dict(run.options.get("dataset.rename") or {})
    rename = {normalize_name(old): normalize_name(new) for old, new in names.items()}

    def own_class(labels: Labels) -> str | None:
        (name, *others) = {rename.get(label, label) for label in labels} or {""}
        return name if name in run.classes and not others else None

    by_image = {image: own_class(labels) for image, labels in decided.items()}
    return reviewed_accuracy(run.predictions(part), by_image, run.result.confidence)


def _decided_labels(run: RunData) -> dict[str, Labels]:
    from fashion_exp.data.sources.load import labeled_data

    try:
        config = run.config
    except InputError:  # imported, or of a version with other options
        return {}
    data = labeled_data(config.dataset, outputs_dir(config.outputs) / "cache")
    if data is None or config.training.targets is not Targets.single:
        return {}
    try:
        history = read_history(journal_path(data))
    except InputError as error:
        log.warning("reviewed labels are not counted: %s", error)
        return {}
    return history.overrides_at(history.current)
