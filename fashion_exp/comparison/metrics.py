"""The metrics that runs can be compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fashion_exp.reporting.formats import DASH

if TYPE_CHECKING:  # scipy, which --help need not wait for
    from fashion_exp.stats.interval import Interval


@dataclass(frozen=True)
class Metric:
    label: str
    is_share: bool = True
    """Whether it lies in [0, 1] and is shown in percent; otherwise it is in nats."""
    lower_is_better: bool = False

    @property
    def unit(self) -> str:
        """The unit in which differences are shown."""
        return "points" if self.is_share else "nats"

    @property
    def scale(self) -> float:
        """The factor from the metric to `unit`."""
        return 100.0 if self.is_share else 1.0

    def format_difference(self, difference: float | None) -> str:
        """ "+1.2 points", or a dash for None."""
        return DASH if difference is None else f"{self._signed(difference)} {self.unit}"

    def format_limits(self, interval: Interval | None) -> str:
        """ "-1.2 to +3.4", or a dash if there are no limits to show."""
        if interval is None:
            return DASH
        shown = interval.or_fallback
        if shown.low is None or shown.high is None:
            return DASH
        return f"{self._signed(shown.low)} to {self._signed(shown.high)}"

    def _signed(self, difference: float) -> str:
        return f"{self.scale * difference:+.{1 if self.is_share else 3}f}"


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("accuracy"),
    "loss": Metric("cross-entropy loss", is_share=False, lower_is_better=True),
    "macro_f1": Metric("macro-F1"),
}
