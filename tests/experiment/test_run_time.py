"""A run that takes weeks says so when its epochs have been timed."""

from __future__ import annotations

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.experiment.run_time import is_timed, long_run_warning

DAY = 86400.0


def test_run_of_more_than_a_week_is_warned_about() -> None:
    (cfg,) = parse_command_line(["training.epochs=100000", "repeats=1000"]).jobs
    warning = long_run_warning(cfg, 0.05, 1000, range(100_000), 0.0)
    assert "take about 58 days: 1,000 trainings of 100,000 epochs, 0.05 s each;" in warning
    assert not long_run_warning(cfg, 0.05, 100, range(100_000), 0.0)


def test_epochs_of_each_phase_are_timed() -> None:
    """With model.unfreeze, later epochs take longer than those of a head on stored features."""
    (cfg,) = parse_command_line(["training.epochs=12"]).jobs
    assert not long_run_warning(cfg, 1.0, 1, range(2), 0.0)
    middle = long_run_warning(cfg, 0.5 * DAY, 3, range(2, 5), 0.5 * DAY)
    assert "at least about 16 days: 3 trainings of 12 epochs, 4.3e+04 s each from epoch 3" in middle
    last = long_run_warning(cfg, DAY, 1, range(5, 12), 3 * DAY)
    assert "take about 10 days" in last and "each from epoch 6 on" in last
    cfg.training.early_stopping = 2
    assert "take about 16 days" in long_run_warning(cfg, 0.5 * DAY, 3, range(2, 5), 0.5 * DAY)
    assert "at most about 10 days" in long_run_warning(cfg, DAY, 1, range(5, 12), 3 * DAY)


def test_second_epoch_of_a_phase_is_timed_or_its_only_one() -> None:
    assert [epoch for epoch in range(3, 9) if is_timed(epoch, range(3, 9))] == [4]
    assert is_timed(3, range(3, 4)) and is_timed(0, range(1))
