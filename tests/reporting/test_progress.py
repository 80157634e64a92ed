from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TextIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from fashion_exp.reporting.progress import Progress


class FakeClock:
    """Time that passes only when `time` is set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def make_progress(file: TextIO, width: int = 80) -> tuple[Progress, FakeClock]:
    clock = FakeClock()
    return Progress(Console(file=file, width=width), clock), clock


@pytest.fixture(autouse=True)
def _default_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    yield


def all_lines(text: str) -> list[str]:
    """Every line that a terminal ever showed, without control sequences."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


def train(progress: Progress, clock: FakeClock, folds: int = 2, epochs: int = 3) -> None:
    """Epochs of ten steps that take one second each."""
    for fold in range(1, folds + 1):
        for epoch in range(1, epochs + 1):
            step = progress.epoch(epoch, epochs, 10, fold=fold, folds=folds)
            for done in range(1, 11):
                clock.time += 0.1
                step(done, 32 * done, 0.5, lambda: 0.75)
            progress.epoch_done((0.5, 0.75), (0.625, 0.7))


def run_training(file: TextIO, width: int = 80, folds: int = 2, epochs: int = 3) -> None:
    progress, clock = make_progress(file, width)
    with progress:
        train(progress, clock, folds, epochs)


def test_file_gets_one_plain_line_per_epoch() -> None:
    file = io.StringIO()
    run_training(file)
    assert "\x1b" not in file.getvalue() and "\r" not in file.getvalue()
    lines = file.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[0] == (
        "fold 1/2  epoch 1/3  loss 0.500  accuracy 75.0 %  validation loss 0.625  "
        "validation accuracy 70.0 %  320 images/s  0:05 left"
    )
    assert not lines[-1].endswith("left")


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_pipe_gets_plain_lines_even_if_color_is_forced(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    file = io.StringIO()
    run_training(file)
    assert len(file.getvalue().splitlines()) == 6
    assert "\r" not in file.getvalue()


def test_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file = Terminal()
    run_training(file)
    assert "\x1b" not in file.getvalue()
    assert len(file.getvalue().splitlines()) == 6


@pytest.mark.parametrize("width", [20, 40, 80])
def test_live_line_is_never_wrapped(width: int) -> None:
    file = Terminal()
    progress, clock = make_progress(file, width)
    with progress:
        progress.stage("a stage [with] a rather long name", 5)(2)
        clock.time += 1.0
        progress.epoch(2, 2, 10)(5, 160, 0.5, 0.75)
    lines = all_lines(file.getvalue())
    starts = list(dict.fromkeys(line[:7] for line in lines))
    assert starts == ["a stage", "epoch 2"] and max(map(cell_len, lines)) <= width


def test_live_line_at_80_columns_is_complete() -> None:
    file = Terminal()
    run_training(file, 80, folds=5, epochs=8)
    bar = "\N{BOX DRAWINGS HEAVY HORIZONTAL}+"
    pattern = rf"fold 3/5  epoch 4/8  \d/10  loss 0.500  accuracy 75.0 %  \S+ left  320/s {bar}.*"
    assert any(re.fullmatch(pattern, line) for line in all_lines(file.getvalue()))


def test_terminal_preserves_only_the_last_epoch_of_each_training() -> None:
    file = Terminal()
    run_training(file, 120)
    lines = [line for line in all_lines(file.getvalue()) if "validation" in line]
    assert [line[:19] for line in lines] == ["fold 1/2  epoch 3/3", "fold 2/2  epoch 3/3"]


def test_last_epoch_of_a_training_that_stopped_early_is_preserved() -> None:
    file = Terminal()
    progress, _ = make_progress(file, 120)
    with progress:
        for fold in (1, 2):
            progress.epoch(1, 9, 10, fold=fold, folds=2)
            progress.epoch_done((0.5, 0.75))
    lines = [line for line in all_lines(file.getvalue()) if "loss 0.500" in line]
    assert [line[:19] for line in lines] == ["fold 1/2  epoch 1/9", "fold 2/2  epoch 1/9"]


def test_readings_are_read_at_most_five_times_a_second() -> None:
    reads = []
    progress, clock = make_progress(Terminal())

    def loss() -> float:
        reads.append(clock.time)
        return 0.5

    with progress:
        step = progress.epoch(1, 1, 2_000)
        for done in range(2_000):
            clock.time += 0.001
            step(done, done, loss, 0.5)
    assert 8 <= len(reads) <= 10


def test_file_output_reads_no_reading() -> None:
    def loss() -> float:
        raise AssertionError("a step waited for its loss")

    progress, clock = make_progress(io.StringIO())
    with progress:
        step = progress.epoch(1, 1, 10)
        for done in range(10):
            clock.time += 1.0
            step(done, done, loss, loss)


def test_short_stage_is_one_line_in_a_file() -> None:
    file = io.StringIO()
    progress, clock = make_progress(file)
    with progress:
        tick = progress.stage("decoding", 1200)
        for done in (400, 800, 1200, 1200):
            clock.time += 0.25
            tick(done)
    assert file.getvalue() == "decoding  1,200/1,200  1,600/s  0.8 s\n"


def test_long_stage_prints_ever_fewer_lines() -> None:
    file = io.StringIO()
    progress, clock = make_progress(file)
    with progress:
        tick = progress.stage("decoding", 1)
        counts = {}
        for done in range(1, 3601):
            clock.time += 1.0
            tick(done, 3600)
            counts[done] = file.getvalue().count("\n")
    assert counts[10] <= 10 and counts[3600] <= 80
    assert re.match(r"decoding  1/3,600  1/s  59:59 left\n", file.getvalue())


def test_time_left_covers_all_trainings() -> None:
    file = io.StringIO()
    run_training(file, folds=3, epochs=2)
    left = [re.findall(r"0:\d\d", line) for line in file.getvalue().splitlines()]
    assert left == [["0:05"], ["0:04"], ["0:03"], ["0:02"], ["0:01"], []]


def test_time_left_of_a_resumed_run_ignores_earlier_epochs() -> None:
    file = io.StringIO()
    progress, clock = make_progress(file)
    with progress:
        progress.epoch(8, 10, 10)
        clock.time += 60.0
        progress.epoch_done((0.5, 0.75))
    assert file.getvalue().strip().endswith("2:00 left")


def test_single_training_has_no_number_and_nan_loss_is_shown() -> None:
    file = io.StringIO()
    progress, _ = make_progress(file)
    with progress:
        progress.epoch(1, 10, 10)
        progress.epoch_done((float("nan"), 0.75))
    assert file.getvalue().startswith("epoch 1/10  loss nan  accuracy 75.0 %")


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_is_respected(no_color: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    file = Terminal()
    run_training(file)
    assert bool(re.search(r"\x1b\[[\d;]*3\d", file.getvalue())) == (not no_color)


def test_exception_restores_the_cursor() -> None:
    file = Terminal()
    progress, _ = make_progress(file)
    with pytest.raises(KeyboardInterrupt), progress:
        progress.epoch(1, 2, 10)
        raise KeyboardInterrupt
    assert file.getvalue().rfind("\x1b[?25h") > file.getvalue().rfind("\x1b[?25l") >= 0
