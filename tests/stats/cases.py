"""The shared known-answer cases, and how an interval is held against one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fashion_exp.stats.interval import Interval
from tests.conftest import SHARED
from tests.stats.given import width

Case = dict[str, Any]
CASES_FILE = SHARED / "facts" / "stat_cases.json"


def all_cases() -> list[Case]:
    if not CASES_FILE.exists():
        return []
    cases: list[Case] = json.loads(CASES_FILE.read_text())["cases"]
    return cases


def scale(interval: Interval, df: int) -> float:
    """The standard error that a 95 % t-interval was made with."""
    return width(interval) / 2 / float(stats.t.ppf(0.975, df))


def scores_with(mean: float, sd: float, count: int) -> np.ndarray:
    """Scores of exactly this mean and standard deviation."""
    raw: np.ndarray = np.linspace(-1, 1, count)
    scores: np.ndarray = mean + sd * raw / raw.std(ddof=1)
    return scores


def expect(interval: Interval, expected: Any, tolerance: float) -> None:
    """Holds an interval against a case's limits and status, whichever of them it gives."""
    if isinstance(expected, list):
        expected = {"low": expected[0], "high": expected[1]}
    for ours, theirs in {
        "estimate": "mean",
        "low": "low",
        "high": "high",
        "raw_low": "raw_low",
        "raw_high": "raw_high",
    }.items():
        if theirs in expected:
            wanted = expected[theirs]
            got = getattr(interval, ours)
            assert got == (wanted if wanted is None else pytest.approx(wanted, abs=tolerance))
    if expected.get("status") in ("ok", "degenerate", "undefined"):
        assert interval.status == expected["status"]
    if "warning" in expected:
        assert expected["warning"] in interval.note


def expect_error(case: Case, call: Callable[[], object]) -> None:
    words = case["expected"].get("error", "").removeprefix("ValueError").removeprefix(": ")
    with pytest.raises(ValueError) as raised:
        call()
    assert words.split(";")[0] in str(raised.value)
