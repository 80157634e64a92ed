"""Simulations of estimates on new data, of slices and of the gate on classes.

`claims.py` states the nominal rates.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from fashion_exp.api.judging import flips
from fashion_exp.comparison.gate import Gate
from fashion_exp.stats.prediction_powered import prediction_powered
from fashion_exp.stats.slices import compare_slices
from tests.stats.synthetic import Rng

CONFIDENCES: dict[str, Callable[[Rng, np.ndarray], np.ndarray]] = {
    "calibrated": lambda rng, p: p,
    "overconfident": lambda rng, p: p**0.3,
    "uninformative": lambda rng, p: rng.beta(8, 2, len(p)),
    "misleading": lambda rng, p: 1 - p,
    "of two values": lambda rng, p: np.where(p > 0.5, 0.99, 0.4),
}
"""Confidences of items that are right with probability p."""
ACCURACIES = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def simulate_few_labels(rng: Rng) -> Iterator[tuple[str, float]]:
    """20 to 200 labels of a random sample of 1,000 to 10,000 items; the truth is the accuracy on
    items like these."""
    for labels in (20, 50, 100, 200):
        accuracy = float(rng.choice(ACCURACIES))
        items = int(rng.choice([1000, 3000, 10_000]))
        kind = str(rng.choice([*CONFIDENCES]))
        yield (
            f"prediction_powered {labels} labels",
            covers_powered(rng, labels, items, accuracy, kind),
        )


def simulate_grouped_labels(rng: Rng) -> Iterator[tuple[str, float]]:
    """The same with items in groups, such as photos of one product: 20 to 400 groups of 2 to 20
    items on average, of equal or lognormal sizes, alike by chance or nearly copies."""
    for labels, counts in itertools.product((50, 200), ([20], [60, 400])):
        accuracy, count = float(rng.choice(ACCURACIES)), int(rng.choice(counts))
        enough = [size for size in (2, 5, 20) if count * size >= 2 * labels]
        sizes = np.full(count, rng.choice(enough))
        if rng.random() < 0.5:
            sizes = np.ceil(sizes * rng.lognormal(0, 0.7, count)).astype(int)
        groups = np.repeat(np.arange(count), sizes)
        if groups.size < labels:
            continue
        p = rng.beta(2 * accuracy, 2 * (1 - accuracy), count)[groups]
        alike = rng.random(groups.size) < rng.choice([0.0, 0.5, 0.9])
        draw = np.where(alike, rng.random(count)[groups], rng.random(groups.size))
        correct = (draw < p).astype(np.float64)
        confidence = CONFIDENCES[str(rng.choice([*CONFIDENCES]))](rng, p)
        sample = rng.choice(groups.size, labels, replace=False)
        result = prediction_powered(
            correct[sample], confidence[sample], confidence,
            groups=groups[sample], all_groups=groups,
        ).interval  # fmt: skip
        assert result.low is not None and result.high is not None
        covers = float(result.low <= accuracy <= result.high)
        few = " (few groups)" if count < 60 else ""
        yield f"prediction_powered {labels} labels in groups{few}", covers


def covers_powered(rng: Rng, labels: int, items: int, accuracy: float, kind: str) -> float:
    p = rng.beta(2 * accuracy, 2 * (1 - accuracy), items)
    correct = (rng.random(items) < p).astype(np.float64)
    confidence = CONFIDENCES[kind](rng, p)
    sample = rng.choice(items, labels, replace=False)
    result = prediction_powered(correct[sample], confidence[sample], confidence).interval
    assert result.low is not None and result.high is not None
    return float(result.low <= accuracy <= result.high)


def simulate_slices(rng: Rng) -> Iterator[tuple[str, float]]:
    """No slice differs; 5 to 30 slices of three columns, of one model and of the mean of five."""
    images, accuracy = int(rng.integers(200, 2000)), rng.uniform(0.7, 0.98)
    members: dict[str, np.ndarray] = {}
    for column, values in enumerate((int(rng.integers(2, 11)), 4, 4)):
        value = rng.integers(0, values, images)
        members |= {f"{column} {v}": value == v for v in range(values)}
    ease = rng.normal(size=images)
    for models in (1, 5):
        score = ease + rng.normal(size=(models, images))
        correct = (score < np.quantile(score, accuracy)).mean(axis=0)
        results = compare_slices(correct, np.arange(images), members, models=models)
        wrong = any(result.verdict in ("better", "worse") for result in results.values())
        yield f"slices, any verdict, J={models}", float(wrong)


def simulate_class_gate(rng: Rng) -> Iterator[tuple[str, float]]:
    """Ten classes of 60 items and a margin of 10 points: all classes lose just that, which may be
    kept or discarded wrongly; or one does and the others gain 5."""
    margin, classes = 0.1, 10
    decision = class_decision(rng, np.full(classes, margin), margin)
    yield "gate on classes, all at the margin: discarded", float(decision == "discard")
    yield "gate on classes, all at the margin: kept", float(decision == "keep")
    decision = class_decision(rng, np.array([margin, *[-0.05] * (classes - 1)]), margin)
    yield "gate on classes, one at the margin: kept", float(decision == "keep")


def class_decision(rng: Rng, lost: np.ndarray, margin: float, items: int = 60) -> str:
    """`lost` (classes,) is the expected loss of each class; 5 % of the items are gained."""
    codes, draw = np.repeat(np.arange(len(lost)), items), rng.random(len(lost) * items)
    is_lost = draw < 0.05 + lost[codes]
    is_gained = (draw > 0.9) & (draw < 0.95)
    names = np.array([f"c{code}" for code in range(len(lost))], dtype=object)
    frames = [
        pd.DataFrame({
            "id": np.arange(len(codes)), "label": names[codes],
            "predicted": names[np.where((draw > 0.95) | wrong, codes - 1, codes)],
        })
        for wrong in (is_gained, is_lost)
    ]  # fmt: skip
    before, after = frames
    gate = Gate("not-worse", 100 * margin)
    return flips(before, after).decide_classes(gate).decision
