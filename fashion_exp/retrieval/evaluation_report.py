"""What `index evaluate` says: tables with intervals, and which of two indexes finds better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fashion_exp.reporting.formats import percent, with_limits
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from fashion_exp.retrieval.evaluation import SearchEvaluation

_HEADLINE = ("average_precision", "precision_1", "precision_10", "precision_24", "recall_24")
_TITLES = {
    "average_precision": "mean average precision", "precision_1": "precision at 1",
    "precision_10": "at 10", "precision_24": "at 24", "recall_24": "recall at 24",
}  # fmt: skip


@dataclass(frozen=True)
class EvaluationReport:
    evaluations: Sequence[SearchEvaluation]
    """Of the first index: by similarity, by predicted class alone, by words; then of the others."""
    by: str
    notes: Sequence[str]
    verdicts: Sequence[str]

    @property
    def parts(self) -> list[PlainTable | str]:
        """Tables and sentences, in the order in which they are read."""
        intro = [
            f"Each photo searches for the others of the same {self.by}; copies count once. "
            "In parentheses: 95 % intervals, bootstrap over the queries; the photos that are "
            "searched, and the networks, are taken as given."
        ]
        first = self.evaluations[0]
        rows = [[x.name, f"{len(x.queries):,}", *(_text(x, m) for m in _HEADLINE)]
                for x in self.evaluations]  # fmt: skip
        rows.append(["chance", "", percent(first.chance), *[percent(first.chance)] * 3, ""])
        header = ["search by", "queries", *_TITLES.values()]
        parts: list[PlainTable | str] = [PlainTable(header, rows, intro=intro, notes=self.notes)]
        by_label = [
            [label, f"{(first.queries['label'] == label).sum():,}",
             *(_text(first, metric, label) for metric in _HEADLINE)]
            for label in first.labels
        ]  # fmt: skip
        parts.append(PlainTable([self.by, *header[1:]], by_label, intro=["By similarity:"]))
        return [*parts, *self.verdicts]

    def as_json(self, metrics: Sequence[str]) -> dict[str, Any]:
        """Shares with their limits."""
        return {
            "schema": 1, "by": self.by, "notes": list(self.notes), "verdicts": list(self.verdicts),
            "evaluations": [
                {
                    "name": x.name, "queries": len(x.queries), "chance": x.chance,
                    **{m: _limits(x, m) for m in metrics},
                    "labels": {
                        label: {m: _limits(x, m, label) for m in metrics} for label in x.labels
                    },
                }
                for x in self.evaluations
            ],
        }  # fmt: skip


def _text(evaluation: SearchEvaluation, metric: str, label: str | None = None) -> str:
    interval = evaluation.interval(metric, label)
    assert interval.estimate is not None
    return with_limits(interval.estimate, interval.low, interval.high, True)


def _limits(
    evaluation: SearchEvaluation, metric: str, label: str | None = None
) -> dict[str, float | None]:
    interval = evaluation.interval(metric, label)
    return {"value": interval.estimate, "low": interval.low, "high": interval.high}
