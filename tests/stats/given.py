"""What the tests of the statistics share: limits that are there, and answers to test with."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from fashion_exp.stats.interval import Interval

LAW = settings(deadline=None, max_examples=30)  # other work on the machine is no failure of a law
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


def answers(models: int, images: int, seed: int = 0) -> np.ndarray:
    """Right and wrong answers of models of unlike quality to images of unlike difficulty."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 1, images) + rng.normal(0, 0.3, (models, 1))
    return (1.5 + ease + rng.normal(size=(models, images)) > 0).astype(float)
