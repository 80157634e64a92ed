"""Shared helpers of the statistics tests: hypothesis settings, limits, simulated answers."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from fashion_exp.stats.checks import Floats
from fashion_exp.stats.interval import Interval

PROPERTY = settings(deadline=None, max_examples=30)  # no deadline: the machine may be busy
LEVELS = st.floats(0.5, 0.999)


def limits(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None and interval.high is not None
    return interval.low, interval.high


def raw_limits(interval: Interval) -> tuple[float, float]:
    assert interval.raw_low is not None and interval.raw_high is not None
    return interval.raw_low, interval.raw_high


def width(interval: Interval) -> float:
    low, high = raw_limits(interval)
    return high - low


def mean(values: Floats) -> float:
    return float(values.mean())


def simulated_answers(models: int, images: int, seed: int = 0) -> Floats:
    """Right (1) and wrong (0) answers (models, images) of unequal models to unequal images."""
    rng = np.random.default_rng(seed)
    ability = rng.normal(0, 1, images) + rng.normal(0, 0.3, (models, 1))
    return (1.5 + ability + rng.normal(size=(models, images)) > 0).astype(float)
