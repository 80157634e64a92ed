from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from fashion_exp.reporting.progress import Progress


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    yield


def _lines(text: str) -> list[str]:
    """What a terminal that keeps every line would have shown."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


def _train(progress: Progress, now: Clock, folds: int = 2, epochs: int = 3) -> None:
    """Epochs of ten steps and one second each."""
    for fold in range(1, folds + 1):
        for epoch in range(1, epochs + 1):
            step = progress.epoch(epoch, epochs, 10, fold=fold, folds=folds)
            for done in range(1, 11):
                now.time += 0.1
                step(done, 32 * done, 0.5, lambda: 0.75)
            progress.epoch_done((0.5, 0.75), (0.625, 0.7))


def test_in_a_file_every_epoch_is_one_line_without_escape_codes() -> None:
    file, now = io.StringIO(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        _train(progress, now)
    assert "\x1b" not in file.getvalue() and "\r" not in file.getvalue()
    lines = file.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[0] == (
        "fold 1/2  epoch 1/3  loss 0.500  accuracy 75.0 %  validation loss 0.625  "
        "validation accuracy 70.0 %  320 images/s  0:05 left"
    )
    assert not lines[-1].endswith("left")


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_pipe_gets_plain_lines_even_where_colour_is_forced(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    file, now = io.StringIO(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        _train(progress, now)
    assert len(file.getvalue().splitlines()) == 6
    assert "\r" not in file.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file, now = Terminal(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        _train(progress, now)
    assert "\x1b" not in file.getvalue()
    assert len(file.getvalue().splitlines()) == 6


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_on_a_terminal_no_line_reaches_the_last_column(width: int) -> None:
    file, now = Terminal(), Clock()
    with Progress(Console(file=file, width=width), now) as progress:
        progress.stage("a stage with a rather long name", 5)(2)
        _train(progress, now)
    assert max(map(len, _lines(file.getvalue()))) < width


def test_at_80_columns_the_live_line_has_everything() -> None:
    file, now = Terminal(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        _train(progress, now, folds=5, epochs=8)
    full = [line for line in _lines(file.getvalue()) if "/10  " in line]
    heavy = "\N{BOX DRAWINGS HEAVY HORIZONTAL}"
    wanted = r"fold 3/5  epoch 4/8  \S+  \d+/10  loss 0.500  acc\w* 75.0 %  320/s  \S+ left"
    assert any(re.fullmatch(wanted, line) and heavy in line for line in full), full[:3]


def test_on_a_terminal_only_the_last_epoch_of_each_training_stays() -> None:
    file, now = Terminal(), Clock()
    with Progress(Console(file=file, width=120), now) as progress:
        _train(progress, now)
    kept = [line for line in _lines(file.getvalue()) if "val" in line]
    assert [line[:19] for line in kept] == ["fold 1/2  epoch 3/3", "fold 2/2  epoch 3/3"]


def test_the_last_epoch_of_a_training_that_stopped_early_stays_too() -> None:
    file, now = Terminal(), Clock()
    with Progress(Console(file=file, width=120), now) as progress:
        for fold in (1, 2):
            progress.epoch(1, 9, 10, fold=fold, folds=2)
            progress.epoch_done((0.5, 0.75))
    kept = [line for line in _lines(file.getvalue()) if "loss 0.500" in line]
    assert [line[:19] for line in kept] == ["fold 1/2  epoch 1/9", "fold 2/2  epoch 1/9"]


def test_readings_are_read_at_most_five_times_a_second() -> None:
    reads: list[float] = []
    now = Clock()

    def loss() -> float:
        reads.append(now.time)
        return 0.5

    with Progress(Console(file=Terminal(), width=80), now) as progress:
        step = progress.epoch(1, 1, 10_000)
        for done in range(10_000):
            now.time += 0.001
            step(done, done, loss, 0.5)
    assert 40 <= len(reads) <= 50


def test_in_a_file_no_reading_is_ever_read() -> None:
    def loss() -> float:
        raise AssertionError("a step waited for its loss")

    now = Clock()
    with Progress(Console(file=io.StringIO(), width=80), now) as progress:
        step = progress.epoch(1, 1, 10)
        for done in range(10):
            now.time += 1.0
            step(done, done, loss, loss)


def test_a_short_stage_is_one_line_in_a_file() -> None:
    file, now = io.StringIO(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        tick = progress.stage("decoding", 1200)
        for done in (400, 800, 1200, 1200):
            now.time += 0.25
            tick(done)
    assert file.getvalue() == "decoding  1,200/1,200  1,600/s  0.8 s\n"


def test_a_long_stage_speaks_at_most_once_a_second_and_ever_less() -> None:
    file, now = io.StringIO(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        tick = progress.stage("decoding", 1)
        counts = []
        for done in range(36_000):
            now.time += 0.1
            tick(done + 1, 36_000)
            counts.append(file.getvalue().count("\n") if done in (99, 35_999) else 0)
    early, late = (count for count in counts if count)
    assert early <= 10
    assert late <= 80


def test_time_left_counts_every_training_to_come() -> None:
    file, now = io.StringIO(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        _train(progress, now, folds=3, epochs=2)
    left = [re.findall(r"0:\d\d", line) for line in file.getvalue().splitlines()]
    assert left == [["0:05"], ["0:04"], ["0:03"], ["0:02"], ["0:01"], []]


def test_time_left_of_a_resumed_run_is_judged_by_what_it_did_itself() -> None:
    file, now = io.StringIO(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        progress.epoch(8, 10, 10)
        now.time += 60.0
        progress.epoch_done((0.5, 0.75))
    assert file.getvalue().strip().endswith("2:00 left")


def test_a_single_training_is_not_numbered_and_a_lost_loss_is_told() -> None:
    file, now = io.StringIO(), Clock()
    with Progress(Console(file=file, width=80), now) as progress:
        progress.epoch(1, 10, 10)
        progress.epoch_done((float("nan"), 0.75))
    assert file.getvalue().startswith("epoch 1/10  loss nan  accuracy 75.0 %")


def test_without_colour_the_line_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = "\x1b[36m"
    outputs = []
    for setting in ("", "1"):
        monkeypatch.setenv("NO_COLOR", setting)
        file, now = Terminal(), Clock()
        with Progress(Console(file=file, width=80), now) as progress:
            _train(progress, now)
        outputs.append(coloured in file.getvalue())
    assert outputs == [True, False]


def test_an_exception_gives_the_terminal_its_cursor_back() -> None:
    file, now = Terminal(), Clock()
    with (
        pytest.raises(KeyboardInterrupt),
        Progress(Console(file=file, width=80), now) as progress,
    ):
        progress.epoch(1, 2, 10)
        raise KeyboardInterrupt
    assert file.getvalue().rfind("\x1b[?25h") > file.getvalue().rfind("\x1b[?25l") >= 0
