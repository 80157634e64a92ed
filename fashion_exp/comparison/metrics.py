"""What runs can be compared on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """Told as `words`, in percent and points where it is a `share`, else in nats."""

    words: str
    share: bool = True
    lower_is_better: bool = False

    @property
    def unit(self) -> str:
        """Of a difference."""
        return "points" if self.share else "nats"

    @property
    def scale(self) -> float:
        """From its own scale to `unit`."""
        return 100.0 if self.share else 1.0


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("accuracy"),
    "loss": Metric("cross-entropy loss", share=False, lower_is_better=True),
    "macro_f1": Metric("macro-F1"),
}
