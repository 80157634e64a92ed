"""Whether the official parts of a data set look like draws from one source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from fashion_exp.stats.multiplicity import holm
from fashion_exp.tools.curate.duplicates import Found

ALPHA = 0.05
_FOLDS = 5
_FEWEST = 4 * _FOLDS
"""Photos of a part below which the domain check is not made."""

QUANTITIES: dict[str, Callable[[Found], float]] = {
    "shorter side": lambda one: min(one.sight.width, one.sight.height),
    "aspect": lambda one: one.sight.width / one.sight.height,
    "bytes a pixel": lambda one: one.look.bytes / (one.sight.width * one.sight.height),
    "brightness": lambda one: one.sight.brightness,
    "contrast": lambda one: one.sight.spread,
    "red minus blue": lambda one: one.sight.colour[0] - one.sight.colour[2],
}
"""What is compared of two parts, photo by photo."""


@dataclass(frozen=True)
class Difference:
    """One test of two parts, or of all."""

    parts: tuple[str, ...]
    what: str
    test: str
    size: float
    """Cramér's V, the Kolmogorov-Smirnov distance, or the AUC: see `test`."""
    p: float
    """Adjusted by Holm over all tests here."""

    @property
    def differs(self) -> bool:
        return self.p < ALPHA


def find_drift(found: Sequence[Found]) -> list[Difference]:
    """Every test of every two parts, on distinct pictures; empty where there are not two parts."""
    distinct = list({one.sight.pixels: one for one in found if one.place.part}.values())
    parts: dict[str, list[Found]] = {}
    for one in distinct:
        parts.setdefault(one.place.part, []).append(one)
    names = [name for name in ("train", "validation", "test") if name in parts]
    raw = [test for pair in combinations(names, 2) for test in _of_pair(pair, parts)]
    adjusted = holm([test.p for test in raw])
    return [
        Difference(test.parts, test.what, test.test, test.size, p)
        for test, p in zip(raw, adjusted, strict=True)
        if p is not None
    ]


def _of_pair(pair: tuple[str, str], parts: Mapping[str, Sequence[Found]]) -> list[Difference]:
    one, other = (parts[name] for name in pair)
    made = [_class_shares(pair, one, other)]
    made += [_distribution(pair, what, one, other) for what in QUANTITIES]
    made.append(_domains(pair, one, other))
    return [test for test in made if test is not None]


def _class_shares(
    pair: tuple[str, str], one: Sequence[Found], other: Sequence[Found]
) -> Difference | None:
    """Pearson's chi-square of classes by parts; its size as Cramér's V."""
    classes = sorted({found.place.label for found in (*one, *other)})
    if len(classes) < 2:
        return None
    counts = np.array(
        [[sum(f.place.label == name for f in part) for name in classes] for part in (one, other)]
    )
    test = stats.chi2_contingency(counts, correction=False)
    size = float(np.sqrt(test.statistic / counts.sum()))
    return Difference(pair, "class shares", "chi-square, V", size, float(test.pvalue))


def _distribution(
    pair: tuple[str, str], what: str, one: Sequence[Found], other: Sequence[Found]
) -> Difference:
    value = QUANTITIES[what]
    first, second = ([value(found) for found in part] for part in (one, other))
    test = stats.ks_2samp(first, second, method="asymp")
    return Difference(
        pair, what, "Kolmogorov-Smirnov, D", float(test.statistic), float(test.pvalue)
    )


def _domains(
    pair: tuple[str, str], one: Sequence[Found], other: Sequence[Found]
) -> Difference | None:
    """Whether a logistic regression tells the parts apart by what is compared above and the small
    grey pictures: the AUC of its out-of-fold scores, p by Mann and Whitney."""
    if min(len(one), len(other)) < _FEWEST:
        return None
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    which = np.repeat([0, 1], [len(one), len(other)])
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    )
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    features = _features([*one, *other])
    scores = cross_val_predict(model, features, which, cv=folds, method="decision_function")
    test = stats.mannwhitneyu(scores[which == 1], scores[which == 0], alternative="greater")
    area = float(test.statistic) / (len(one) * len(other))
    return Difference(pair, "told apart", "logistic regression, AUC", area, float(test.pvalue))


def _features(found: Sequence[Found]) -> np.ndarray:
    values = [[value(one) for value in QUANTITIES.values()] for one in found]
    small = np.array([one.sight.small for one in found], np.float64)
    coarse = small.reshape(len(found), 8, 4, 8, 4).mean((2, 4)).reshape(len(found), -1)
    return np.hstack([np.array(values, np.float64), coarse])


def sentences(differences: Sequence[Difference]) -> list[str]:
    """What the tests came to, the parts in pairs."""
    if not differences:
        return ["The folder has no official parts that could differ."]
    told = []
    for parts in dict.fromkeys(one.parts for one in differences):
        of_parts = [one for one in differences if one.parts == parts]
        found = [one for one in of_parts if one.differs]
        named = ", ".join(f"{one.what} ({one.size:.2f}, {_p(one.p)})" for one in found)
        between = " and ".join(parts)
        told.append(
            f"{between} differ in {named}."
            if found
            else f"{between}: none of {len(of_parts)} tests finds a difference at {ALPHA:g}."
        )
    return told


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
