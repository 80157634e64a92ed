"""Accuracy on slices of the images, of one run or of several that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.scored_run import ScoreMatrix
from fashion_exp.errors import InputError, suggest
from fashion_exp.stats.multiplicity import agree_with_decision, bonferroni_level, holm
from fashion_exp.stats.paired import PairedTest
from fashion_exp.stats.slices import (
    MIN_SLICE,
    SliceResult,
    bin_of,
    compare_slices,
    interval_texts,
    paired_on_images,
    quantile_edges,
)

if TYPE_CHECKING:
    from fashion_exp.comparison.family import PairwiseComparison
    from fashion_exp.stats.interval import Interval

CLASS = "class"
"""The column with the true class of each image."""
MAX_VALUES = 30
"""Slices of a column that is not cut into bins."""
FEW_NUMBERS = 10
"""A column of numbers with at most as many different ones is not cut into bins."""


@dataclass(frozen=True)
class SlicePair:
    """The first run minus the second on the images of a slice."""

    first: int
    second: int
    test: PairedTest
    joint: Interval
    """For all slices and pairs jointly; excludes 0 exactly if Holm's method decides."""
    p_holm: float | None

    def verdict(self, alpha: float) -> str:
        if self.p_holm is None or self.p_holm > alpha:
            return "undecided"
        return "better" if (self.test.difference or 0) > 0 else "worse"


@dataclass(frozen=True)
class Slice:
    column: str
    value: str
    results: Sequence[SliceResult]
    """Of each run."""
    pairs: Sequence[SlicePair]
    """None of them if the slice has too few images."""


@dataclass(frozen=True)
class SliceAnalysis:
    """`compared` on slices of its images by `columns`, (images,) values indexed by image id."""

    compared: PairwiseComparison
    columns: pd.DataFrame
    bins: int = 4

    @cached_property
    def matrices(self) -> list[ScoreMatrix]:
        return [run.score_matrix(self.compared.part, "accuracy") for run in self.compared.runs]

    @cached_property
    def _members(self) -> dict[tuple[str, str], pd.Index]:
        """The image ids of each slice, by column and value."""
        members: dict[tuple[str, str], pd.Index] = {}
        for name in self.columns.columns:
            for value, rows in _cut(self.columns[name], self.bins).items():
                members[str(name), value] = rows
        return members

    @cached_property
    def slices(self) -> list[Slice]:
        """In the order of the columns and of their values."""
        results = [self._results(matrix) for matrix in self.matrices]
        pairs = self._pairs()
        return [
            Slice(*key, [own[key] for own in results], pairs.get(key, []))
            for key in self._members
            if any(own[key].images for own in results)
        ]

    def _results(self, matrix: ScoreMatrix) -> dict[tuple[str, str], SliceResult]:
        masks = {key: np.asarray(matrix.images.isin(ids)) for key, ids in self._members.items()}
        names = {f"{index}": key for index, key in enumerate(masks)}
        by_name = {name: masks[key] for name, key in names.items()}
        correct = np.nanmean(matrix.values, axis=0)
        level, models = self.compared.settings.level, len(matrix.raw)
        results = compare_slices(correct, matrix.groups, by_name, level, models)
        return {key: results[name] for name, key in names.items()}

    def _pairs(self) -> dict[tuple[str, str], list[SlicePair]]:
        """The tests of the requested pairs, for all slices and pairs together (Holm)."""
        tested: list[tuple[tuple[str, str], int, int, pd.Index]] = []
        for a, b in self.compared.requested_pairs:
            shared = self.matrices[a].images.intersection(self.matrices[b].images)
            groups = pd.Series(self.matrices[a].groups, index=self.matrices[a].images)
            for key, ids in self._members.items():
                images = shared.intersection(ids)
                if groups.loc[images].nunique() >= MIN_SLICE:
                    tested.append((key, a, b, images))
        alpha = self.compared.settings.pair_alpha  # smaller at a later look
        joint = bonferroni_level(alpha, len(tested))
        tests = [self._test(a, b, images, joint) for _, a, b, images in tested]
        adjusted = holm([test.trusted_p for test in tests])
        pairs: dict[tuple[str, str], list[SlicePair]] = {}
        for (key, a, b, _), test, p in zip(tested, tests, adjusted, strict=True):
            is_decided = p is not None and p <= alpha
            interval = agree_with_decision(test.interval.or_fallback, is_decided)
            pairs.setdefault(key, []).append(SlicePair(a, b, test, interval, p))
        return pairs

    def _test(self, a: int, b: int, images: pd.Index, level: float) -> PairedTest:
        """A claim about the models at hand: McNemar's test, or t over the images of the mean of
        the trainings."""
        first, second = (self.matrices[index].select_images(images) for index in (a, b))
        own, other = (np.nanmean(matrix.values, axis=0) for matrix in (first, second))
        models = max(len(first.raw), len(second.raw))
        return paired_on_images(own, other, first.groups, level, models)

    @property
    def table(self) -> pd.DataFrame:
        """One row per slice and run; shares and differences in [-1, 1]."""
        rows: list[dict[str, Any]] = []
        for part in self.slices:
            for name, result in zip(self.compared.names, part.results, strict=True):
                difference = result.difference
                rows.append({
                    "column": part.column, "value": part.value, "run": name,
                    "items": result.images, "accuracy": result.accuracy.estimate,
                    "low": result.accuracy.low, "high": result.accuracy.high,
                    "difference": difference and difference.estimate,
                    "difference_low": difference and difference.low,
                    "difference_high": difference and difference.high,
                    "verdict": result.verdict,
                })  # fmt: skip
        return pd.DataFrame(rows)

    @property
    def pair_table(self) -> pd.DataFrame:
        """One row per slice and pair of runs, a minus b."""
        names, alpha = self.compared.names, self.compared.settings.pair_alpha
        rows = [
            {"column": part.column, "value": part.value, "a": names[pair.first],
             "b": names[pair.second], "difference": pair.test.difference, "low": pair.joint.low,
             "high": pair.joint.high, "p": pair.test.p, "p_holm": pair.p_holm,
             "verdict": pair.verdict(alpha)}
            for part in self.slices
            for pair in part.pairs
        ]  # fmt: skip
        return pd.DataFrame(rows)

    @property
    def sentences(self) -> list[str]:
        """Which slices differ from the rest, and where the runs differ."""
        sentences = []
        for index, name in enumerate(self.compared.names):
            by_verdict: dict[str, list[str]] = {}
            for part in self.slices:
                title = f"{part.column} {part.value}"
                by_verdict.setdefault(part.results[index].verdict, []).append(title)
            judged = sum(len(titles) for v, titles in by_verdict.items() if "few" not in v)
            parts = [f"{verdict} than on the rest: {', '.join(by_verdict[verdict])}"
                     for verdict in ("worse", "better") if verdict in by_verdict]  # fmt: skip
            text = "; ".join(parts) or "no slice is shown to differ from the rest"
            sentences.append(f"{name}: {text} ({judged} slices of the run judged jointly).")
        decided = [
            row for row in self.pair_table.to_dict("records") if row["verdict"] != "undecided"
        ]
        sentences += [
            f"{row['column']} {row['value']}: {row['a']} is {row['verdict']} than {row['b']}."
            for row in decided
        ]
        return sentences

    def as_json(self) -> dict[str, Any]:
        tables = {"slices": self.table, "pairs": self.pair_table}
        content = {
            name: table.astype(object).where(table.notna(), None).to_dict("records")
            for name, table in tables.items()
        }
        return {"schema": 1, "min_images": MIN_SLICE} | content | {"sentences": self.sentences}


def _cut(values: pd.Series, bins: int) -> Mapping[str, pd.Index]:
    """The ids of each value, or of each range of many numbers; those without a value at the end."""
    known, missing = values[values.notna()], values.index[values.isna()]
    cut: dict[str, pd.Index] = {}
    is_number = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
    if is_number and known.nunique() > FEW_NUMBERS:
        edges = quantile_edges(known.to_numpy(), bins)
        codes = bin_of(known.to_numpy(), edges)
        for code, text in enumerate(interval_texts(edges)):
            cut[text] = known.index[codes == code]
    else:
        counts = known.astype(str).value_counts()
        common = counts.index[: MAX_VALUES if len(counts) > MAX_VALUES else None]
        for value in sorted(common):
            cut[value] = known.index[known.astype(str) == value]
        if len(counts) > MAX_VALUES:
            cut[f"{len(counts) - MAX_VALUES:,} other values"] = known.index[
                ~known.astype(str).isin(common)
            ]
    return cut | ({"no value": missing} if len(missing) else {})


def select_columns(available: pd.DataFrame, by: Sequence[str] | None) -> pd.DataFrame:
    """The columns to slice by; all if none are named. Raises `InputError` for a missing one."""
    if not by:
        return available
    for name in by:
        if name not in available:
            raise InputError(
                f"by={name}: no such column of the images; {suggest(name, map(str, available))}"
            )
    return available[list(by)]
