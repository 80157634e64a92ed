"""Two runs on the same images: which test their design allows, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
import pandas as pd

from fashion_exp.comparison.label_changes import contested
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.run_data import RunData, ScoreMatrix
from fashion_exp.stats.bootstrap import paired_bootstrap
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.multiplicity import OmnibusTest, cochrans_q, holm
from fashion_exp.stats.paired import PairedTest, mcnemar
from fashion_exp.stats.paired_crossed import paired_crossed, unpaired_crossed
from fashion_exp.stats.paired_t import five_by_two, paired_corrected_t, paired_grouped

Design = Literal["one model", "pooled folds", "crossed", "unpaired", "redrawn", "5x2"]
Verdict = Literal["better", "worse", "equivalent", "undecided", "not comparable"]


@dataclass(frozen=True)
class Differences:
    """Scores of a minus b, arranged as the design asks.

    `values`: (n,) per image for one model and for pooled folds, (S, n) models × images where they
    are crossed, (J,) per cut where redrawn, (5, 2) for 5x2.
    """

    design: Design
    values: np.ndarray
    images: int
    """Distinct images that both runs predicted."""
    metric: str
    groups: np.ndarray | None = None
    """(n,) group labels of the images, where some share one."""
    n_train: float = 0
    n_test: float = 0
    """Mean training and shared test images of one redrawn cut."""
    models: int = 1
    others: np.ndarray | None = None
    """unpaired: the scores of b (Sb, n); `values` are then those of a."""
    averaged: bool = False
    """Whether they are means over several pairs of runs, so that no counts stand behind them."""

    @property
    def identical(self) -> bool:
        """Whether there is no difference on any image."""
        by_image = self.design in ("one model", "pooled folds", "crossed")
        return by_image and self.metric == "accuracy" and not self.values.any()

    def test(self, level: float, exact: bool = False) -> PairedTest:
        """The test of this design, with the interval of the difference at `level`."""
        bounded = self.metric == "accuracy"
        share = METRICS[self.metric].share
        if self.design == "crossed":
            return paired_crossed(self.values, level, bounded=bounded, groups=self.groups)
        if self.design == "unpaired":
            assert self.others is not None
            return unpaired_crossed(
                self.values, self.others, level, bounded=bounded, groups=self.groups
            )
        if self.design == "redrawn":
            return paired_corrected_t(self.values, self.n_train, self.n_test, level, bounded=share)
        if self.design == "5x2" and share:
            return five_by_two(self.values, level)
        if self.design == "5x2":
            return paired_corrected_t(
                self.values.ravel(), self.n_train, self.n_test, level, bounded=bounded
            )
        if self.groups is None and bounded and not self.averaged:
            better, worse = (int((self.values == sign).sum()) for sign in (1, -1))
            same = len(self.values) - better - worse
            return mcnemar(
                same, better, worse, 0, level, models=self.models,
                variant="exact" if exact else "midp",
            )  # fmt: skip
        groups = np.arange(len(self.values)) if self.groups is None else self.groups
        return paired_grouped(self.values, groups, level, bounded=bounded, models=self.models)

    def bootstrap(self, level: float) -> Interval | None:
        """The paired bootstrap's interval, where each image has one right or wrong answer."""
        single = self.design in ("one model", "pooled folds")
        if not single or self.averaged or self.metric != "accuracy":
            return None
        none = np.zeros_like(self.values)
        return paired_bootstrap(self.values, none, level, groups=self.groups).interval


@dataclass(frozen=True)
class Pair:
    """A comparison of run `a` with run `b`, by their places in the study."""

    a: int
    b: int
    verdict: Verdict
    test: PairedTest | None
    """None where the runs cannot be compared."""
    p_holm: float | None
    note: str = ""
    bootstrap: Interval | None = None
    """Of the difference, beside McNemar's test."""
    same: bool = False
    """Whether all their models are right on the same images."""


def why_not(a: RunData, b: RunData, part: str, metric: str) -> str:
    """Why two runs cannot be compared; empty where they can."""
    if a.classes != b.classes and set(a.classes) != set(b.classes):
        return f"other classes: {', '.join(a.classes)} and {', '.join(b.classes)}"
    if _shared(a, b, part, metric).empty:
        return f"no {part} image in common"
    return ""


def shared_note(a: RunData, b: RunData, part: str, metric: str) -> str:
    """What is said where only a part of the images is shared; empty where all are."""
    shared = len(_shared(a, b, part, metric))
    asked = [len(run.answers(part, metric).images) for run in (a, b)]
    if asked == [shared, shared]:
        return ""
    told = f"on the {shared} shared of {asked[0]} and {asked[1]} {part} images"
    relabelled = len(contested([a, b], part))
    return f"{told}, without {relabelled} that they label differently" if relabelled else told


def _shared(a: RunData, b: RunData, part: str, metric: str) -> pd.Index:
    """The images that both predicted and were judged on by the same label."""
    ours, theirs = (run.answers(part, metric).images for run in (a, b))
    shared = ours if ours.equals(theirs) else ours.intersection(theirs).sort_values()
    return shared.difference(relabelled) if len(relabelled := contested([a, b], part)) else shared


def differences(a: RunData, b: RunData, part: str, metric: str) -> Differences:
    """The differences of two comparable runs, joined by image id, never by position."""
    images = _shared(a, b, part, metric)
    ours, theirs = (run.answers(part, metric).of(images) for run in (a, b))
    if part == "test":
        return _on_shared_images(ours, theirs, metric)
    keys = [key for key in ours.keys if key in set(theirs.keys)]
    if not (a.result.redrawn or b.result.redrawn) or len(keys) < 2:
        if ours.folds == theirs.folds > 1:
            return _on_shared_images(ours.pooled(), theirs.pooled(), metric)
        return _on_shared_images(ours, theirs, metric)
    ours, theirs = ours.by(keys), theirs.by(keys)
    if ours.folds > 1 and ours.repeats == 1:
        return _on_shared_images(ours.pooled(), theirs.pooled(), metric, "pooled folds")
    return _redrawn(a, b, ours, theirs, metric)


def _on_shared_images(
    ours: ScoreMatrix, theirs: ScoreMatrix, metric: str, design: Design | None = None
) -> Differences:
    if not (ours.complete and theirs.complete):
        whole = ~(np.isnan(ours.values).any(axis=0) | np.isnan(theirs.values).any(axis=0))
        ours, theirs = (one.of(one.images[whole]) for one in (ours, theirs))
    left, right, own = ours.values, theirs.values, ours.groups if ours.grouped else None
    models, count = min(len(left), len(right)), len(ours.images)
    if len(left) == len(right) == 1:
        return Differences(design or "one model", left[0] - right[0], count, metric, own)
    if len(left) == len(right):
        return Differences("crossed", left - right, count, metric, own, models=models)
    return Differences("unpaired", left, count, metric, own, models=models, others=right)


def _redrawn(
    a: RunData, b: RunData, ours: ScoreMatrix, theirs: ScoreMatrix, metric: str
) -> Differences:
    """Per cut, on the images that both validated on in this very cut."""
    both = ~(np.isnan(ours.values) | np.isnan(theirs.values))
    apart = ours.only(both).values - theirs.only(both).values
    sizes = (~np.isnan(apart)).sum(axis=1)
    values: np.ndarray = np.nanmean(apart, axis=1)
    names = [f"r{repeat}f{fold}" for repeat, fold in ours.keys]
    trained = [min(a.result.train_sizes[name], b.result.train_sizes[name]) for name in names]
    design: Design = "redrawn"
    if ours.folds == 2 and ours.repeats == 5:
        design, values = "5x2", values.reshape(5, 2)
    return Differences(
        design, values, apart.shape[1], metric, n_train=float(np.mean(trained)),
        n_test=float(sizes.mean()), models=len(names),
    )  # fmt: skip


def mean_differences(parts: Sequence[Differences]) -> Differences | None:
    """The differences of several pairs of runs of one design, averaged; None if they differ."""
    first = parts[0]
    if any(p.design != first.design or p.values.shape != first.values.shape for p in parts):
        return None
    if first.design == "unpaired":
        return None
    values = np.mean([part.values for part in parts], axis=0)
    return Differences(
        first.design, values, first.images, first.metric, first.groups, first.n_train,
        first.n_test, first.models, averaged=len(parts) > 1,
    )  # fmt: skip


def compare(
    members: Sequence[RunData],
    asked: Sequence[tuple[int, int]],
    part: str,
    metric: str,
    alpha: float,
    rope: float,
    lost: int = 0,
    exact: bool = False,
    gate: OmnibusTest | None = None,
) -> list[Pair]:
    """The verdicts of all pairs that are asked for, which are one family for Holm.

    `lost` comparisons with runs that failed belong to it too. No pair's p is below that of the
    `gate`: where nothing shows that any run differs, nothing shows which.
    """
    reasons = {(a, b): why_not(members[a], members[b], part, metric) for a, b in asked}
    found = {
        (a, b): differences(members[a], members[b], part, metric)
        for (a, b), reason in reasons.items()
        if not reason
    }
    tests = {pair: apart.test(1 - alpha, exact) for pair, apart in found.items()}
    known = [tests[pair].trusted_p if pair in tests else None for pair in asked]
    least = 0.0 if gate is None or gate.p is None else gate.p
    adjusted = [None if p is None else max(p, least) for p in holm([*known, *[None] * lost])]
    pairs = []
    for (a, b), p in zip(asked, adjusted, strict=False):
        if (a, b) not in tests:
            pairs.append(Pair(a, b, "not comparable", None, None, reasons[a, b]))
            continue
        test, apart = tests[a, b], found[a, b]
        note = shared_note(members[a], members[b], part, metric)
        verdict = _verdict(test, p, alpha, rope, apart)
        told = "; ".join(filter(None, (note, test.note)))
        pairs.append(
            Pair(a, b, verdict, test, p, told, apart.bootstrap(1 - alpha), apart.identical)
        )
    return pairs


def omnibus(members: Sequence[RunData], part: str) -> OmnibusTest | None:
    """Cochran's Q over the images that all runs answered once; None where that is no design of it.

    It takes independent images and one right or wrong answer of each run.
    """
    if any(why_not(members[0], other, part, "accuracy") for other in members[1:]):
        return None
    answers = [member.answers(part, "accuracy") for member in members]
    if any(own.repeats > 1 for own in answers):
        return None
    asked = [own.pooled() for own in answers]
    images = reduce(lambda a, b: a.intersection(b), (own.images for own in asked)).sort_values()
    images = images.difference(contested(members, part))
    rows = [own.of(images) for own in asked]
    if images.empty or any(row.grouped or not row.complete for row in rows):
        return None
    return cochrans_q(np.concatenate([row.values for row in rows]))


def _verdict(
    test: PairedTest, p: float | None, alpha: float, rope: float, apart: Differences
) -> Verdict:
    lower_is_better = METRICS[apart.metric].lower_is_better
    if p is not None and p < alpha and test.difference:
        return "better" if (test.difference > 0) != lower_is_better else "worse"
    if test.difference is None or abs(test.difference) >= rope:
        return "undecided"  # the narrower interval holds the difference too
    narrow = apart.test(1 - 2 * alpha).interval.shown
    if narrow.low is None or narrow.high is None:
        return "undecided"
    return "equivalent" if -rope < narrow.low and narrow.high < rope else "undecided"


OPPOSITE: Mapping[Verdict, Verdict] = {
    "better": "worse",
    "worse": "better",
    "equivalent": "equivalent",
    "undecided": "undecided",
    "not comparable": "not comparable",
}
