"""A run that takes weeks says so when its epochs have been timed."""

from __future__ import annotations

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.experiment.run_time import long_run_warning


def test_run_of_more_than_a_week_is_warned_about() -> None:
    (cfg,) = parse_command_line(["training.epochs=100000", "repeats=1000"]).jobs
    warning = long_run_warning(cfg, epoch_seconds=0.05, trainings=1000)
    assert "about 58 days: 1,000 trainings of 100,000 epochs, 0.05 s each" in warning
    assert not long_run_warning(cfg, epoch_seconds=0.05, trainings=100)
