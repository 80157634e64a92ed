"""What a waiting user sees: one live line on a terminal, plain lines in a file or a pipe."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, SupportsFloat

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fashion_exp.reporting.formats import clock, duration, number, percent
from fashion_exp.reporting.progress_line import Bar, Part, fitted

Reading = SupportsFloat | Callable[[], SupportsFloat]
"""A number, or what gives it: read only when it is drawn, so that no step waits for a device."""

_REDRAW = 0.2
"""Seconds between two drawings of the live line."""


class Tick(Protocol):
    def __call__(self, done: int, total: int | None = None, /) -> None:
        """So many units are done, of the stage's total or of a new one."""


class Step(Protocol):
    def __call__(self, done: int, images: int, loss: Reading, accuracy: Reading) -> None:
        """So many steps and images of the epoch are done, at this mean loss and accuracy."""


class Progress:
    """A context manager, within which `stage` and `epoch` tell what is being done.

    On a terminal one line is redrawn at most five times a second; a call between two drawings
    reads the clock and returns. What is printed through the same console stands above it, and the
    last epoch of each training stays. Elsewhere every epoch is a line, and a stage is one line, or
    more if it takes long: at first one a second, then ever fewer.
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._console = console
        # FORCE_COLOR makes a console call any file a terminal; a bar belongs on a real one alone.
        self.live = console.is_interactive and console.file.isatty()
        self._display = Live(console=console, auto_refresh=False, transient=True)
        self.due = 0.0 if self.live else math.inf
        self._epoch: _Epoch | None = None
        self._last_line: Text | None = None
        self._began: tuple[float, float] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave_last_line()
        self._display.stop()

    def stage(self, name: str, total: int) -> Tick:
        """Begin something of so many units that is no training: "decoding", "features"."""
        return _Stage(self, name, total)

    def epoch(
        self,
        epoch: int,
        epochs: int,
        steps: int,
        *,
        fold: int = 1,
        folds: int = 1,
        unit: str = "fold",
    ) -> Step:
        """Begin an epoch of the `fold`th training of `folds`, all counted from 1.

        `unit` is what a training is called: "fold", "repeat".
        """
        place = _Place(epoch, epochs, fold, folds, unit)
        if self._epoch and self._epoch.place.fold != fold:
            self._leave_last_line()
        self._epoch = _Epoch(self, place, steps)
        if self._began is None:
            self._began = (self.now(), place.share(0.0))
        return self._epoch

    def epoch_done(
        self, training: tuple[float, float], validation: tuple[float, float] | None = None
    ) -> None:
        """End the epoch with its mean loss and accuracy on either part."""
        assert self._epoch is not None, "an epoch ends that has not begun"
        parts = [
            *self._epoch.place.parts(),
            *_scores("", "", *training),
            *(_scores("validation ", "val ", *validation) if validation else []),
            _rate(self._epoch.images, self._epoch.seconds, "image"),
            _left(self.seconds_left(self._epoch.place.share(1.0))),
        ]
        self._last_line = self._fit(parts)
        if not self.live or self._epoch.place.epoch == self._epoch.place.epochs:
            self._leave_last_line()

    def seconds_left(self, share: float) -> float | None:
        """Of all trainings, when this share of them is done; None while it cannot be told."""
        began, share_then = self._began or (0.0, 1.0)
        if share <= share_then:
            return None
        return (self.now() - began) * (1 - share) / (share - share_then)

    def draw(self, parts: Sequence[Part | Bar]) -> None:
        """Show the line on the terminal."""
        self._display.start()
        self._display.update(self._fit(parts), refresh=True)
        self.due = self.now() + _REDRAW

    def write(self, parts: Sequence[Part | Bar]) -> None:
        """Print a plain line, as long as it is."""
        self._console.print(self._fit(parts), soft_wrap=True)

    def _fit(self, parts: Sequence[Part | Bar]) -> Text:
        if not self.live:
            return fitted(parts, 1000)
        # A character in the last column makes some terminals wrap.
        return fitted(parts, self._console.width - 1, self._console.options.ascii_only)

    def _leave_last_line(self) -> None:
        if self._last_line:
            self._console.print(self._last_line, soft_wrap=True)
        self._last_line = None


@dataclass(frozen=True)
class _Place:
    epoch: int
    epochs: int
    fold: int
    folds: int
    unit: str

    def share(self, of_epoch: float) -> float:
        """Of all trainings, that is done with this share of the epoch."""
        of_training = (self.epoch - 1 + of_epoch) / self.epochs
        return (self.fold - 1 + of_training) / self.folds

    def parts(self) -> list[Part]:
        training = f"{self.unit} {self.fold}/{self.folds}" if self.folds > 1 else ""
        return [Part(training, 6), Part(f"epoch {self.epoch}/{self.epochs}", 9)]


class _Epoch:
    def __init__(self, progress: Progress, place: _Place, steps: int) -> None:
        self.progress = progress
        self.place = place
        self.steps = steps
        self.images = 0
        self.began = self.latest = progress.now()
        if self.began >= progress.due:
            self._draw(0, [])

    @property
    def seconds(self) -> float:
        return self.latest - self.began

    def __call__(self, done: int, images: int, loss: Reading, accuracy: Reading) -> None:
        self.images = images
        self.latest = self.progress.now()
        if self.latest >= self.progress.due:
            self._draw(done, _scores("", "", _read(loss), _read(accuracy)))

    def _draw(self, done: int, scores: list[Part]) -> None:
        share = done / max(self.steps, 1)
        self.progress.draw(
            [
                *self.place.parts(),
                Bar(share, 3),
                Part(f"step {done}/{self.steps}", 2, f"{done}/{self.steps}"),
                *scores,
                _rate(self.images, self.seconds, "image"),
                _left(self.progress.seconds_left(self.place.share(share))),
            ]
        )


class _Stage:
    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self.progress = progress
        self.name = name
        self.total = total
        self.done = 0
        self.began = progress.now()
        self.next_line = self.began + 1.0
        self.open = True

    def __call__(self, done: int, total: int | None = None, /) -> None:
        self.done = done
        self.total = self.total if total is None else total
        now = self.progress.now()
        if self.progress.live:
            if now >= self.progress.due:
                self.progress.draw(self._parts(now))
        elif self.open and (now >= self.next_line or done >= self.total):
            self.open = done < self.total
            # One line a second at first; of a stage that takes an hour nobody reads 3,600.
            self.next_line = now + max(1.0, 0.1 * (now - self.began))
            self.progress.write(self._plain_parts(now))

    def _parts(self, now: float) -> list[Part | Bar]:
        count = Part(f"{self.done:,}/{self.total:,}", 5)
        share = self.done / max(self.total, 1)
        rate = _rate(self.done, now - self.began, "")
        return [Part(self.name, 9), Bar(share, 3), count, rate, _left(self._left(now))]

    def _plain_parts(self, now: float) -> list[Part | Bar]:
        parts = [part for part in self._parts(now) if isinstance(part, Part)]
        if self.open:
            return [*parts]
        return [*parts[:-1], Part(duration(now - self.began), 4)]

    def _left(self, now: float) -> float | None:
        rest = self.total - self.done
        return (now - self.began) * rest / self.done if self.done else None


def _read(value: Reading) -> float:
    return float(value() if callable(value) else value)


def _scores(prefix: str, short: str, loss: float, accuracy: float) -> list[Part]:
    return [
        Part(f"{prefix}loss {number(loss)}", 7, f"{short}loss {number(loss)}"),
        Part(f"{prefix}accuracy {percent(accuracy)}", 8, f"{short}acc {percent(accuracy)}"),
    ]


def _rate(units: int, seconds: float, name: str) -> Part:
    if units == 0 or seconds <= 0:
        return Part("", 1)
    rate = units / seconds
    per_second = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
    return Part(f"{per_second} {name}s/s" if name else f"{per_second}/s", 1, f"{per_second}/s")


def _left(seconds: float | None) -> Part:
    if not seconds:
        return Part("", 4)
    text = clock(math.ceil(seconds))
    return Part(f"{text} left", 4, f"-{text}")
