"""A series of decisions that shares one error rate, kept in a ledger."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from fashion_exp.atomic_io import append_json_line, file_lock, read_json_lines
from fashion_exp.comparison.family import PairwiseComparison
from fashion_exp.comparison.gate import Decision, Gate
from fashion_exp.errors import InputError
from fashion_exp.paths import check_writable
from fashion_exp.stats.series import next_level

FOLDER = "budgets"
_NAME = re.compile(r"[\w.-]+")

C = TypeVar("C", bound=PairwiseComparison)


def decide_in_budget(
    comparison: C, gate: Gate, name: str, outputs: Path, decide: Callable[[C, Gate], Decision]
) -> Decision:
    """The next decision of the series `name`, at the level that its ledger leaves for it.

    The chance that any decision of the series keeps a candidate wrongly is at most the alpha of the
    first one (`next_level`). The same predictions under the same gate are the same decision, which
    is not counted again. Raises `InputError` if the ledger was begun with another alpha.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"budget={name}: letters, digits, _, . and - only")
    check_writable(outputs)
    alpha, identity = comparison.settings.alpha, _identity(comparison, gate)
    ledger = outputs / FOLDER / f"{name}.jsonl"
    with file_lock(ledger.with_name(f".{name}.lock")):
        entries = read_json_lines(ledger)
        if entries and entries[0]["alpha"] != alpha:
            raise InputError(
                f"budget={name}: its alpha is {entries[0]['alpha']:g}, not {alpha:g}; keep it, or "
                "begin another budget"
            )
        known = [index for index, entry in enumerate(entries) if entry["identity"] == identity]
        number = known[0] if known else len(entries)
        level = next_level([entry["decision"] == "keep" for entry in entries[:number]], alpha)
        settings = replace(comparison.settings, alpha=level, looks=1)
        decision = decide(replace(comparison, settings=settings), gate)
        budget: dict[str, Any] = {"name": name, "number": number + 1, "alpha": alpha}
        if not known:
            now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            names = {"candidate": decision.candidate, "baseline": decision.baseline}
            entry = {"time": now, "alpha": alpha, "level": level, "decision": decision.decision}
            append_json_line(ledger, entry | names | {"identity": identity})
    reason = f"{decision.reason} (decision {number + 1} of {name}, at alpha = {level:.2g})"
    return replace(decision, budget=budget, reason=reason)


def _identity(comparison: PairwiseComparison, gate: Gate) -> str:
    """A hash of what the decision is made of: scores, items, metric and gate."""
    settings = comparison.settings
    digest = hashlib.sha256(repr((gate, settings.metric, settings.baseline)).encode())
    for run in comparison.runs:
        matrix = run.score_matrix(comparison.part, settings.metric)
        digest.update(matrix.raw.tobytes())
        digest.update("\0".join(map(str, matrix.images)).encode())
    return digest.hexdigest()[:16]
