"""Progress for a waiting user: one live line on a terminal, plain lines in a file or a pipe."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, SupportsFloat

import rich.progress
from rich.console import Console
from rich.table import Column

from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.formats import clock, duration, number, percent

Reading = SupportsFloat | Callable[[], SupportsFloat]
"""A number or a function that returns it. It is called only when the line is drawn, so that most
steps do not wait for the device."""

_REDRAW_SECONDS = 0.2


class Tick(Protocol):
    def __call__(self, done: int, total: int | None = None, /) -> None:
        """Reports how many units are done, of the stage's total or of a new one."""


class Step(Protocol):
    def __call__(self, done: int, images: int, loss: Reading, accuracy: Reading) -> None:
        """Reports the steps and images of the epoch done so far, with their mean loss and
        accuracy."""


class Progress:
    """A context manager that shows stages and training epochs.

    On a terminal, one line is redrawn at most five times a second, below everything that is printed
    through the same console; the last epoch of each training stays. Elsewhere every epoch is a
    line, and a stage is one line, or several if it takes long: one per second at first, then ever
    fewer.
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._console = console
        # FORCE_COLOR makes a console treat any file as a terminal.
        self.is_live = console.is_interactive and console.file.isatty()
        self.next_redraw = 0.0 if self.is_live else math.inf
        """Time from which the live line is redrawn."""
        self._display = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(None, table_column=Column(ratio=1)),
            console=console,
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        self._task = self._display.add_task("", total=1.0)
        self._epoch: _Epoch | None = None
        self._last_line = ""
        self.measure = "accuracy"
        """What the accuracy of an epoch is called."""
        self._first_epoch: tuple[float, float] | None = None
        """Its start time and the share of all trainings that was done before."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._print_last_line()
        if self.is_live:
            self._display.stop()

    def stage(self, name: str, total: int) -> Tick:
        """Starts a stage of so many units other than training, such as "decoding"."""
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
        """Starts an epoch of training number `fold` of `folds`; all numbers count from 1.

        `unit` is what a training is called: "fold" or "repeat".
        """
        position = _Position(epoch, epochs, fold, folds, unit)
        if self._epoch and self._epoch.position.fold != fold:
            self._print_last_line()
        if self._first_epoch is None:
            self._first_epoch = (self.now(), position.share_done(0.0))
        self._epoch = _Epoch(self, position, steps)
        return self._epoch

    def epoch_done(
        self, training: tuple[float, float], validation: tuple[float, float] | None = None
    ) -> None:
        """Ends the epoch with the mean loss and accuracy of each part."""
        assert self._epoch is not None, "epoch_done() without epoch()"
        epoch = self._epoch
        parts = [str(epoch.position), *self.scores(*training)]
        parts += [f"validation {score}" for score in self.scores(*validation)] if validation else []
        parts.append(_rate(epoch.images, epoch.latest - epoch.start, " images"))
        parts.append(_time_left(self.seconds_left(epoch.position.share_done(1.0))))
        self._last_line = _join(parts)
        if not self.is_live or epoch.position.epoch == epoch.position.epochs:
            self._print_last_line()

    def scores(self, loss: float, accuracy: float) -> list[str]:
        return [f"loss {number(loss)}", f"{self.measure} {percent(accuracy)}"]

    def seconds_left(self, share: float) -> float | None:
        """Estimated time for all trainings when this share is done; None at the start."""
        start, share_then = self._first_epoch or (0.0, 1.0)
        if share <= share_then:
            return None
        return (self.now() - start) * (1 - share) / (share - share_then)

    def draw(self, share: float, *parts: str) -> None:
        """Redraws the live line with a bar of this share."""
        self._display.update(self._task, description=_join(parts), completed=share)
        self._display.start()
        self._display.refresh()
        self.next_redraw = self.now() + _REDRAW_SECONDS

    def print(self, line: str) -> None:
        """Prints a line that stays."""
        self._console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)

    def _print_last_line(self) -> None:
        if self._last_line:
            self.print(self._last_line)
        self._last_line = ""


@dataclass(frozen=True)
class _Position:
    """An epoch within all trainings; all numbers count from 1."""

    epoch: int
    epochs: int
    fold: int
    folds: int
    unit: str

    def share_done(self, of_epoch: float) -> float:
        """Share of all trainings that is done together with this share of the epoch."""
        of_training = (self.epoch - 1 + of_epoch) / self.epochs
        return (self.fold - 1 + of_training) / self.folds

    def __str__(self) -> str:
        training = f"{self.unit} {self.fold}/{self.folds}" if self.folds > 1 else ""
        return _join([training, f"epoch {self.epoch}/{self.epochs}"])


class _Epoch:
    def __init__(self, progress: Progress, position: _Position, steps: int) -> None:
        self.position = position
        self.images = 0
        self.start = self.latest = progress.now()
        self._progress = progress
        self._steps = steps
        if self.start >= progress.next_redraw:
            self._draw(0, [])

    def __call__(self, done: int, images: int, loss: Reading, accuracy: Reading) -> None:
        self.images = images
        self.latest = self._progress.now()
        if self.latest >= self._progress.next_redraw:
            self._draw(done, self._progress.scores(_read(loss), _read(accuracy)))

    def _draw(self, done: int, scores: Sequence[str]) -> None:
        share = done / max(self._steps, 1)
        left = self._progress.seconds_left(self.position.share_done(share))
        rate = _rate(self.images, self.latest - self.start)
        steps = f"{done}/{self._steps}"
        self._progress.draw(share, str(self.position), steps, *scores, _time_left(left), rate)


class _Stage:
    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress = progress
        self._name = name
        self._total = total
        self._start = progress.now()
        self._next_line = self._start + 1.0
        self._is_open = True

    def __call__(self, done: int, total: int | None = None, /) -> None:
        self._total = self._total if total is None else total
        now = self._progress.now()
        seconds = now - self._start
        count = f"{done:,}/{self._total:,}"
        left = _time_left(seconds * (self._total - done) / done if done else None)
        if self._progress.is_live:
            if now >= self._progress.next_redraw:
                share = done / max(self._total, 1)
                self._progress.draw(share, self._name, count, left, _rate(done, seconds))
        elif self._is_open and (now >= self._next_line or done >= self._total):
            self._is_open = done < self._total
            # One line per second at first, then ever fewer: an hour gives dozens, not 3,600.
            self._next_line = now + max(1.0, 0.1 * seconds)
            time_text = left if self._is_open else duration(seconds)
            self._progress.print(_join([self._name, count, _rate(done, seconds), time_text]))


def _read(value: Reading) -> float:
    return float(value() if callable(value) else value)


def _join(parts: Sequence[str]) -> str:
    return "  ".join(filter(None, parts))


def _rate(units: int, seconds: float, name: str = "") -> str:
    if units == 0 or seconds <= 0:
        return ""
    rate = units / seconds
    return f"{rate:,.0f}{name}/s" if rate >= 10 else f"{rate:.2g}{name}/s"


def _time_left(seconds: float | None) -> str:
    return f"{clock(math.ceil(seconds))} left" if seconds else ""


def quiet_progress() -> Progress:
    """Shows nothing."""
    return Progress(plain_console(quiet=True))
