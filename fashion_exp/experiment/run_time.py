"""Warns of a run that takes longer than anybody can mean."""

from __future__ import annotations

from fashion_exp.configuration.schema import Config

LONG_RUN_SECONDS = 7 * 24 * 3600


def long_run_warning(cfg: Config, epoch_seconds: float, trainings: int) -> str:
    """What to say about a run that would take more than a week; empty about a shorter one."""
    seconds = epoch_seconds * cfg.training.epochs * trainings
    if seconds < LONG_RUN_SECONDS:
        return ""
    limit = "at most " if cfg.training.early_stopping is not None else ""
    return (
        f"this run will take {limit}about {seconds / 86400:,.0f} days: {trainings:,} trainings of "
        f"{cfg.training.epochs:,} epochs, {epoch_seconds:.2g} s each; Ctrl-C stops it, and "
        "training.epochs and repeats shorten it"
    )
