"""A series of decisions that shares one error rate, kept in a log of decisions."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import append_json_line, file_lock, read_json_lines, timestamp
from fashion_exp.comparison.family import PairwiseComparison
from fashion_exp.comparison.gate import Decision, Gate, decide
from fashion_exp.errors import InputError
from fashion_exp.paths import check_writable
from fashion_exp.stats.series import next_level

FOLDER = "budgets"
_NAME = re.compile(r"[\w.-]+")


def decide_in_budget(
    comparison: PairwiseComparison,
    gate: Gate,
    name: str,
    outputs: Path,
    *,
    same_recipe: bool = False,
) -> Decision:
    """The next decision of the series `name`, at the level that its log of decisions leaves.

    The chance that any decision of the series keeps a candidate wrongly is at most the alpha of the
    first one (`next_level`). The same predictions under the same gate and settings are the same
    decision, which is not counted again. Raises `InputError` if the log was begun with another
    alpha.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"budget={name}: letters, digits, _, . and - only")
    check_writable(outputs)
    alpha, identity = comparison.settings.alpha, _identity(comparison, gate, same_recipe)
    log = outputs / FOLDER / f"{name}.jsonl"
    with file_lock(log.with_name(f".{name}.lock")):
        entries = read_json_lines(log)
        if entries and entries[0]["alpha"] != alpha:
            raise InputError(
                f"budget={name}: its alpha is {entries[0]['alpha']:g}, not {alpha:g}; keep it, or "
                "begin another budget"
            )
        known = [index for index, entry in enumerate(entries) if entry["identity"] == identity]
        number = known[0] if known else len(entries)
        level = next_level([entry["decision"] == "keep" for entry in entries[:number]], alpha)
        settings = replace(comparison.settings, alpha=level, looks=1, share=None)
        decision = decide(replace(comparison, settings=settings), gate, same_recipe=same_recipe)
        budget: dict[str, Any] = {"name": name, "number": number + 1, "alpha": alpha}
        if not known:
            now = timestamp()
            names = {"candidate": decision.candidate, "baseline": decision.baseline}
            entry = {"time": now, "alpha": alpha, "level": level, "decision": decision.decision}
            append_json_line(log, entry | names | {"identity": identity})
    reason = f"{decision.reason} (decision {number + 1} of {name}, at alpha = {level:.2g})"
    return replace(decision, budget=budget, reason=reason)


def _identity(comparison: PairwiseComparison, gate: Gate, same_recipe: bool) -> str:
    """A hash of what the decision is made of: scores, items, gate and settings."""
    settings = comparison.settings
    made_of = (
        gate, same_recipe, settings.metric, settings.described.lower_is_better, settings.baseline,
        settings.rope, settings.exact,
    )  # fmt: skip
    digest = hashlib.sha256(repr(made_of).encode())
    for run in comparison.runs:
        matrix = run.score_matrix(comparison.part, settings.metric)
        digest.update(matrix.raw.tobytes())
        digest.update("\0".join(map(str, matrix.images)).encode())
    return digest.hexdigest()[:16]
