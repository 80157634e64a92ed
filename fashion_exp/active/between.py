"""Two runs on unlabeled photos: their accuracies differ only where their predictions do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion_exp.data.label_versions import Labels
from fashion_exp.reporting.formats import difference_range, difference_text, pluralize
from fashion_exp.seeding import derive_seed
from fashion_exp.stats.disagreement import DisagreementEstimate, disagreement_difference
from fashion_exp.stats.interval import Interval

MIN_LABELS = 2


@dataclass(frozen=True)
class Disagreements:
    """Photos on which two runs differ, in the random order in which they are labeled."""

    image_ids: Sequence[str]
    answers: Mapping[str, tuple[str, str]]
    """{image id: classes by the first and by the second run}."""
    photos: int
    """All photos that both runs predicted; copies count once."""


@dataclass(frozen=True)
class BetweenResult:
    names: tuple[str, str]
    disagreements: Disagreements
    labeled: int
    estimate: DisagreementEstimate | None
    """None without labels."""
    skipped: int
    """Photos without a decision that stand between decided ones."""

    def sentences(self) -> list[str]:
        first, second = self.names
        disagreements = self.disagreements
        lines = [
            f"{first} and {second} differ on {len(disagreements.image_ids):,} of "
            f"{pluralize(disagreements.photos, 'photo')}, {self.labeled:,} of them labeled."
        ]
        if self.estimate is not None:
            here, general = (_text(interval) for interval in self.estimate)
            lines += [
                f"{first} less {second}: {here} points of accuracy on these photos, {general} on "
                "photos like these.",
                _verdict(self.estimate.in_general, first, second),
            ]
        if self.skipped:
            lines.append(
                f"Between the decided ones, {pluralize(self.skipped, 'photo')} without a decision: "
                "if left out for being difficult, the estimate is biased."
            )
        return lines

    def as_json(self) -> dict[str, Any]:
        estimate = self.estimate
        return {
            "schema": 1,
            "runs": self.names,
            "photos": self.disagreements.photos,
            "differ": len(self.disagreements.image_ids),
            "labelled": self.labeled,
            "difference": None if estimate is None else {
                name: {"estimate": i.estimate, "low": i.low, "high": i.high, "level": i.level}
                for name, i in estimate._asdict().items()
            },
            "sentences": self.sentences(),
        }  # fmt: skip


def find_disagreements(answers: Mapping[str, tuple[str, str]], seed: int) -> Disagreements:
    """`answers` are {image id: classes by both runs}. The order depends on the ids and the seed."""
    differing = sorted(image for image, (first, second) in answers.items() if first != second)
    order = np.random.default_rng(derive_seed("between", seed)).permutation(len(differing))
    return Disagreements([differing[position] for position in order], answers, len(answers))


def judge_disagreements(
    names: tuple[str, str],
    disagreements: Disagreements,
    decided: Mapping[str, Labels],
    level: float = 0.95,
) -> BetweenResult:
    """The difference of the two runs' accuracies from the decided photos among those that differ.

    A run is right if its class is one of the labels; on an excluded photo neither is.
    """
    known = [image in decided for image in disagreements.image_ids]
    wins = [
        int(first in decided[image]) - int(second in decided[image])
        for image in disagreements.image_ids
        if image in decided
        for first, second in [disagreements.answers[image]]
    ]
    last = max((position for position, is_known in enumerate(known) if is_known), default=-1)
    differ = len(disagreements.image_ids)
    estimate = None
    if len(wins) >= MIN_LABELS:
        estimate = disagreement_difference(wins, differ, disagreements.photos, level)
    return BetweenResult(names, disagreements, len(wins), estimate, last + 1 - len(wins))


def _text(interval: Interval) -> str:
    assert interval.low is not None and interval.high is not None
    text = difference_text(interval.estimate)
    if interval.low == interval.high:
        return f"{text} (all labels known)"
    return f"{text} ({difference_range(interval.low, interval.high)})"


def _verdict(interval: Interval, first: str, second: str) -> str:
    assert interval.low is not None and interval.high is not None
    if interval.low > 0:
        return f"{first} is better."
    if interval.high < 0:
        return f"{second} is better."
    return "It is not shown which one is better."
