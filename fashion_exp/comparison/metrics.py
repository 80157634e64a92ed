"""The metrics that runs can be compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fashion_exp.reporting.formats import DASH, MINUS, number, percent

if TYPE_CHECKING:  # scipy, which --help need not wait for
    from fashion_exp.stats.interval import Interval


@dataclass(frozen=True)
class Metric:
    label: str
    is_share: bool = True
    """Whether it lies in [0, 1] and is shown in percent; otherwise it is in `plain_unit`."""
    lower_is_better: bool = False
    plain_unit: str = "nats"
    is_binary: bool = False
    """Whether each image has the score 0 or 1."""

    @property
    def unit(self) -> str:
        """The unit in which differences are shown."""
        return "points" if self.is_share else self.plain_unit

    @property
    def scale(self) -> float:
        """The factor from the metric to `unit`."""
        return 100.0 if self.is_share else 1.0

    def favors_first(self, difference: float) -> bool:
        """Whether the first run is better if its metric minus that of the second is this."""
        return difference < 0 if self.lower_is_better else difference > 0

    def format_value(self, value: float) -> str:
        """ "84.2 %" or "0.412"."""
        return percent(value) if self.is_share else number(value)

    def format_difference(self, difference: float | None, unit: bool = True) -> str:
        """ "+1.2 points", or a dash for None."""
        if difference is None:
            return DASH
        return (
            f"{self._signed(difference)} {self.unit}".rstrip() if unit else self._signed(difference)
        )

    def format_margin(self, margin: float) -> str:
        """ "±1 point" or "±0.02 nats"."""
        size = self.scale * margin
        unit = "point" if self.is_share and size == 1 else self.unit
        return f"±{size:g} {unit}".rstrip()

    def format_limits(self, interval: Interval | None) -> str:
        """ "−1.2 to +3.4", "above 0 to +3.4" if the lower limit is positive but rounds to 0, or a
        dash if there are no limits to show."""
        if interval is None:
            return DASH
        shown = interval.or_fallback
        if shown.low is None or shown.high is None:
            return DASH
        low, high, zero = map(self._signed, (shown.low, shown.high, 0.0))
        if shown.low > 0 and low == zero:
            low = "above 0"
        if shown.high < 0 and high == zero:
            high = "below 0"
        return f"{low} to {high}"

    def _signed(self, difference: float) -> str:
        decimals = 1 if self.is_share else 3
        # + 0.0 avoids "-0.0"
        text = f"{round(self.scale * difference, decimals) + 0.0:+.{decimals}f}"
        return text.replace("-", MINUS)


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("accuracy", is_binary=True),
    "loss": Metric("cross-entropy loss", is_share=False, lower_is_better=True),
    "macro_f1": Metric("macro-F1"),
    "set_size": Metric(
        "mean number of classes in a 95 % prediction set",
        is_share=False,
        lower_is_better=True,
        plain_unit="classes",
    ),
}
