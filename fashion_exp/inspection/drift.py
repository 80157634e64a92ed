"""Tests whether the official parts of a data set follow the same distribution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from fashion_exp.inspection.duplicates import InspectedImage
from fashion_exp.reporting.formats import p_text
from fashion_exp.stats.multiplicity import holm

ALPHA = 0.05
_FOLDS = 5
_MIN_PART_SIZE = 4 * _FOLDS
"""Images per part that the classifier test needs."""


@dataclass(frozen=True)
class DriftTest:
    """Result of one test of two parts."""

    parts: tuple[str, str]
    quantity: str
    test: str
    """Test and effect size: Cramér's V, the Kolmogorov-Smirnov distance D, or the AUC."""
    effect_size: float
    p: float
    """Holm-adjusted over all tests of the folder."""

    @property
    def is_significant(self) -> bool:
        return self.p < ALPHA


def find_drift(images: Sequence[InspectedImage]) -> list[DriftTest]:
    """All tests of all pairs of parts, on distinct images; empty for fewer than two parts."""
    distinct = {image.stats.pixel_hash: image for image in images if image.file.part}
    parts = {
        name: [image for image in distinct.values() if image.file.part == name]
        for name in ("train", "validation", "test")
    }
    present = [name for name, members in parts.items() if members]
    results = [
        (pair, *result)
        for pair in combinations(present, 2)
        for result in _test_pair(parts[pair[0]], parts[pair[1]])
    ]
    adjusted = holm([float(p) for *_, p in results])
    return [
        DriftTest(pair, quantity, test, float(effect_size), p)
        for (pair, quantity, test, effect_size, _), p in zip(results, adjusted, strict=True)
        if p is not None
    ]


def _test_pair(
    a: Sequence[InspectedImage], b: Sequence[InspectedImage]
) -> Iterator[tuple[str, str, float, float]]:
    """(quantity, test, effect size, unadjusted p-value) of each test of two parts."""
    images, part = [*a, *b], np.repeat([0, 1], [len(a), len(b)])
    counts = pd.crosstab(part, [image.file.label for image in images])
    if counts.shape[1] > 1:
        chi2, chi2_p, *_ = stats.chi2_contingency(counts, correction=False)
        yield "class shares", "chi-square, V", np.sqrt(chi2 / len(images)), chi2_p
    quantities = _quantities(images)
    for name, values in quantities.items():
        ks = stats.ks_2samp(values[part == 0], values[part == 1], method="asymp")
        yield str(name), "Kolmogorov-Smirnov, D", ks.statistic, ks.pvalue
    if min(len(a), len(b)) >= _MIN_PART_SIZE:
        gray = np.array([image.stats.gray for image in images], np.float64)
        coarse = gray.reshape(-1, 8, 4, 8, 4).mean((2, 4)).reshape(len(images), -1)
        auc, p = _classifier_test(np.hstack([quantities.to_numpy(np.float64), coarse]), part)
        yield "all features", "logistic regression, AUC", auc, p


def _quantities(images: Sequence[InspectedImage]) -> pd.DataFrame:
    """One row per image; the distribution of each column is compared between parts."""
    width, height = (
        np.array([getattr(image.stats, side) for image in images]) for side in ("width", "height")
    )
    return pd.DataFrame(
        {
            "shorter side": np.minimum(width, height),
            "aspect ratio": width / height,
            "bytes per pixel": [image.size_bytes for image in images] / (width * height),
            "brightness": [image.stats.brightness for image in images],
            "contrast": [image.stats.max_std for image in images],
            "red minus blue": [i.stats.mean_rgb[0] - i.stats.mean_rgb[2] for i in images],
        }
    )


def _classifier_test(features: np.ndarray, part: np.ndarray) -> tuple[float, float]:
    """Classifier two-sample test: AUC of the out-of-fold scores of a logistic regression that
    predicts the part, and the p-value of the Mann-Whitney U test."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    )
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    scores = cross_val_predict(model, features, part, cv=folds, method="decision_function")
    first, second = scores[part == 0], scores[part == 1]
    test = stats.mannwhitneyu(second, first, alternative="greater")
    return float(test.statistic) / (len(first) * len(second)), float(test.pvalue)


def drift_sentences(tests: Sequence[DriftTest]) -> list[str]:
    """One sentence per pair of parts."""
    if not tests:
        return ["The folder has no two official parts to compare."]
    sentences = []
    for parts in dict.fromkeys(test.parts for test in tests):
        of_pair = [test for test in tests if test.parts == parts]
        significant = [
            f"{test.quantity} ({test.effect_size:.2f}, {p_text(test.p)})"
            for test in of_pair
            if test.is_significant
        ]
        names = " and ".join(parts)
        sentences.append(
            f"{names} differ in {', '.join(significant)}."
            if significant
            else f"{names}: none of {len(of_pair)} tests finds a difference at {ALPHA:g}."
        )
    return sentences
