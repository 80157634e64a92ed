"""The learning rate over time, as a share of the full one. Time is in epochs, from 0."""

from __future__ import annotations

import math
from collections.abc import Callable

from fashion_exp.errors import InputError, suggest

Factor = Callable[[float], float]


def build_schedule(
    name: str,
    epochs: int,
    *,
    warmup_epochs: int,
    final_factor: float | None,
    step_epochs: int | None,
    gamma: float | None,
) -> Factor:
    """The factor of the learning rate at a time in [0, epochs).

    Warm-up rises linearly over the first `warmup_epochs`; the schedule proper begins after it.
    Raises `InputError` for an unknown name.
    """
    if name not in SCHEDULES:
        raise InputError(f"schedule.name={name}: no such schedule; {suggest(name, SCHEDULES)}")
    arguments = {"final_factor": final_factor, "step_epochs": step_epochs, "gamma": gamma}
    own = {key: value for key, value in arguments.items() if value is not None}
    proper = SCHEDULES[name](max(epochs - warmup_epochs, 1), **own)

    def factor(time: float) -> float:
        if time < warmup_epochs:
            # not from zero: the first step would be lost
            return (time + 1 / 2) / (warmup_epochs + 1 / 2)
        return proper(time - warmup_epochs)

    return factor


def _constant(length: int) -> Factor:
    return lambda time: 1.0


def _cosine(length: int, final_factor: float) -> Factor:
    rest = 1 - final_factor
    return lambda time: final_factor + rest * (1 + math.cos(math.pi * time / length)) / 2


def _step(length: int, step_epochs: int, gamma: float) -> Factor:
    return lambda time: gamma ** (int(time) // step_epochs)


def _exponential(length: int, gamma: float) -> Factor:
    return lambda time: gamma ** int(time)


SCHEDULES: dict[str, Callable[..., Factor]] = {
    "constant": _constant,
    "cosine": _cosine,
    "step": _step,
    "exponential": _exponential,
}
