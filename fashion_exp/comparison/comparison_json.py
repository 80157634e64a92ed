"""A comparison as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashion_exp.comparison.family import PairwiseComparison

JSON_SCHEMA = 1
"""The version of `comparison_json`; docs/judge.md documents it. A field may be added without a new
version; one that is removed or changes its meaning makes a new one."""


def comparison_json(
    comparison: PairwiseComparison,
    runs: Sequence[dict[str, Any]],
    conclusions: Sequence[str],
    plans: Sequence[str],
    gate: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Shares and their differences are in [-1, 1], other metrics in their own unit."""
    settings, metric = comparison.settings, comparison.settings.described
    return {
        "schema": JSON_SCHEMA,
        "metric": settings.metric,
        "lower_is_better": metric.lower_is_better,
        "part": comparison.part,
        "alpha": settings.pair_alpha,
        "look": settings.looks,
        "rope": settings.rope,
        "correction": comparison.correction if len(comparison.runs) > 1 else "",
        "runs": list(runs),
        "pairs": [pair.as_json(comparison.names) for pair in comparison.pairs],
        "conclusions": list(conclusions),
        "what_would_decide": list(plans),
        "gate": gate,
    }
