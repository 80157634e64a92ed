"""Loads the shared known-answer cases and compares intervals with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fashion_exp.stats.checks import Floats
from fashion_exp.stats.interval import Interval
from tests.conftest import SHARED
from tests.stats.helpers import width

Case = dict[str, Any]
CASES_FILE = SHARED / "facts" / "stat_cases.json"
EXPECTED_KEYS = {
    "estimate": "mean",
    "low": "low",
    "high": "high",
    "raw_low": "raw_low",
    "raw_high": "raw_high",
}
"""The key of a case for each field of an interval."""


def all_cases() -> list[Case]:
    if not CASES_FILE.exists():
        return []
    cases: list[Case] = json.loads(CASES_FILE.read_text())["cases"]
    return cases


def standard_error(interval: Interval, df: int) -> float:
    """The standard error behind a 95 % t-interval."""
    return width(interval) / 2 / float(stats.t.ppf(0.975, df))


def scores_with(mean: float, sd: float, count: int) -> Floats:
    """Scores with exactly this mean and standard deviation."""
    raw: Floats = np.linspace(-1, 1, count)
    scores: Floats = mean + sd * raw / raw.std(ddof=1)
    return scores


def assert_interval(interval: Interval, expected: Any, tolerance: float) -> None:
    """Compares an interval with the limits, status and warning that a case gives."""
    if isinstance(expected, list):
        expected = {"low": expected[0], "high": expected[1]}
    for field, key in EXPECTED_KEYS.items():
        if key in expected:
            value = expected[key]
            reference = value if value is None else pytest.approx(value, abs=tolerance)
            assert getattr(interval, field) == reference
    if expected.get("status") in ("ok", "degenerate", "undefined"):
        assert interval.status == expected["status"]
    assert expected.get("warning", "") in interval.note


def assert_error(case: Case, call: Callable[[], object]) -> None:
    message = case["expected"].get("error", "").removeprefix("ValueError").removeprefix(": ")
    with pytest.raises(ValueError) as raised:
        call()
    assert message.split(";")[0] in str(raised.value)
