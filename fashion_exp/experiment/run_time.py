"""Warns of a run that will take more than a week."""

from __future__ import annotations

from fashion_exp.configuration.schema import Config

LONG_RUN_SECONDS = 7 * 24 * 3600


def is_timed(epoch: int, phase: range) -> bool:
    """Whether the duration of this epoch represents its phase: the second epoch does, since the
    first includes one-time work."""
    return epoch == min(phase.start + 1, phase.stop - 1)


def long_run_warning(
    cfg: Config, epoch_seconds: float, trainings: int, phase: range, seconds_before: float
) -> str:
    """What to say about a run that would take more than a week; empty about a shorter one.

    The epochs of `phase` take `epoch_seconds` each, and those of a training before them took
    `seconds_before`. Epochs of later phases train more of the network: they count as no shorter.
    """
    epochs = cfg.training.epochs
    seconds = (seconds_before + epoch_seconds * (epochs - phase.start)) * trainings
    if seconds < LONG_RUN_SECONDS:
        return ""
    is_first, is_last = phase.start == 0, phase.stop == epochs
    at_most = cfg.training.early_stopping is not None
    limit = "" if at_most != is_last else "at most " if at_most else "at least "
    begin = "" if is_first else f" from epoch {phase.start + 1} on"
    return (
        f"this run will take {limit}about {seconds / 86400:,.0f} days: {trainings:,} trainings of "
        f"{epochs:,} epochs, {epoch_seconds:.2g} s each{begin}; Ctrl-C stops it, and "
        "training.epochs and repeats shorten it"
    )
