"""The accuracy on each source of photos when the head is trained without that source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import per_image_correct, require_single_labels
from fashion_exp.inference.own_features import own_features
from fashion_exp.judging.shortcuts import fit_and_predict
from fashion_exp.reporting.formats import duration
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.multiplicity import bonferroni_level
from fashion_exp.stats.proportions import wilson_grouped
from fashion_exp.stats.slices import MIN_SLICE, paired_on_images

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun
    from fashion_exp.reporting.progress import Progress

MAX_SOURCES = 50


@dataclass(frozen=True)
class SourceResult:
    source: str
    images: int
    accuracy: Interval | None
    """Of a head trained on the other sources; None with too few images."""
    difference: Interval | None
    """Minus the accuracy of the run's models on the same photos, which were trained on photos of
    all sources; for all sources jointly. None if these predicted too few of the photos."""
    missing_classes: Sequence[str] = ()
    """Classes that no other source has: their photos cannot be right."""
    has_more_training: bool = False
    """Whether the head was trained on more photos than any of the run's models."""

    @property
    def verdict(self) -> str:
        if self.difference is None:
            return "too few images"
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return "undecided"
        return "worse" if high < 0 else "better" if low > 0 else "undecided"

    def as_json(self) -> dict[str, Any]:
        def triple(interval: Interval | None) -> list[float | None] | None:
            return None if interval is None else [interval.estimate, interval.low, interval.high]

        return {
            "source": self.source, "images": self.images, "accuracy": triple(self.accuracy),
            "difference": triple(self.difference), "verdict": self.verdict,
            "missing_classes": list(self.missing_classes),
            "has_more_training": self.has_more_training,
        }  # fmt: skip


def leave_one_source_out(
    run: TrainedRun, sources: pd.Series, progress: Progress
) -> list[SourceResult]:
    """`sources` has the source of each image by image id; images without one are only trained on.

    Only development images have a part in it, not the test. The head is logistic, with the median
    C of the run's trainings, on stored features. Raises `InputError` for a run with another head,
    which would have to be trained once per source, with what that takes.
    """
    trainings = pd.read_csv(run.run.trainings_file)
    known = sources.dropna().astype(str)
    names = sorted(known.unique())
    if not 2 <= len(names) <= MAX_SOURCES:
        raise InputError(f"leave-out: {len(names)} sources; it takes 2 to {MAX_SOURCES}")
    if "c" not in trainings or not run.shares_backbone:
        seconds = float(trainings["seconds"].sum()) / len(trainings) * len(names)
        raise InputError(
            f"{run.run.path.name}: leave-out takes a run with a logistic head on a frozen "
            f"backbone (model=probe); leaving out each of {len(names)} sources would train it "
            f"{len(names)} times, about {duration(seconds)}"
        )
    require_single_labels(run.predictions("validation"), "--leave-out")
    split = pd.read_csv(run.run.split_file, dtype=str, keep_default_na=False)
    split = split[split.iloc[:, -1] != "test"].reset_index(drop=True)
    features = own_features(run, split["image_id"].to_list(), progress).astype(np.float64)
    labels, groups = split["label"].to_numpy(np.int64), split["group_id"].to_numpy()
    source = split["image_id"].map(known).to_numpy(object)
    own = split["image_id"].map(_out_of_fold(run)).to_numpy(np.float64)
    predicted = ~np.isnan(own)  # the others have no part in the paired test
    tested = [s for s in names if len(set(groups[(source == s) & predicted])) >= MIN_SLICE]
    judged = [s for s in names if len(set(groups[source == s])) >= MIN_SLICE]
    level, c = bonferroni_level(0.05, len(tested)), float(trainings["c"].median())
    most = max(run.result.train_sizes.values())
    tick = progress.stage("leaving out sources", len(judged))
    results = []
    for name in names:
        inside = source == name
        if name not in judged:
            results.append(SourceResult(name, int(inside.sum()), None, None))
            continue
        others = ~inside
        missing = sorted(set(labels[inside]) - set(labels[others]))
        p = fit_and_predict(
            features[others], labels[others], features[inside], len(run.classes), c, squares=False
        )
        right = (p.argmax(axis=1) == labels[inside]).astype(np.float64)
        difference = None
        if name in tested:
            seen = predicted[inside]
            test = paired_on_images(right[seen], own[inside][seen], groups[inside][seen], level)
            difference = test.interval.or_fallback
        accuracy, absent = wilson_grouped(right, groups[inside]), [run.classes[i] for i in missing]
        larger = int(others.sum()) > most
        results.append(SourceResult(name, int(inside.sum()), accuracy, difference, absent, larger))
        tick(len(results))
    return results


def _out_of_fold(run: TrainedRun) -> pd.Series:
    """The share of the run's trainings that are right on each validation photo, by image id."""
    frame = run.predictions("validation")
    correct = per_image_correct(frame)
    return pd.Series(correct.astype(np.float64)).groupby(frame["image_id"].to_numpy()).mean()
