"""Learning-rate schedules: factors of the full rate over time, in epochs from 0."""

from __future__ import annotations

import math
from collections.abc import Callable

from fashion_exp.errors import InputError, suggest
from fashion_exp.extensions.registry import own_pieces

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

    The rate rises linearly over the first `warmup_epochs`; the named schedule starts after them.
    Raises `InputError` for an unknown name.
    """
    check_schedule(name)
    options = {"final_factor": final_factor, "step_epochs": step_epochs, "gamma": gamma}
    options = {key: value for key, value in options.items() if value is not None}
    schedule = (own_pieces("schedule") | SCHEDULES)[name](max(epochs - warmup_epochs, 1), **options)

    def factor(time: float) -> float:
        if time < warmup_epochs:
            # Starting at zero would waste the first step.
            return (time + 1 / 2) / (warmup_epochs + 1 / 2)
        return schedule(time - warmup_epochs)

    return factor


def check_schedule(name: str) -> None:
    """Raises `InputError` for an unknown name."""
    schedules = own_pieces("schedule") | SCHEDULES
    if name not in schedules:
        raise InputError(f"schedule.name={name}: no such schedule; {suggest(name, schedules)}")


def _constant(epochs: int) -> Factor:
    return lambda time: 1.0


def _cosine(epochs: int, final_factor: float) -> Factor:
    span = 1 - final_factor
    return lambda time: final_factor + span * (1 + math.cos(math.pi * time / epochs)) / 2


def _step(epochs: int, step_epochs: int, gamma: float) -> Factor:
    return lambda time: gamma ** (int(time) // step_epochs)


def _exponential(epochs: int, gamma: float) -> Factor:
    return lambda time: gamma ** int(time)


SCHEDULES: dict[str, Callable[..., Factor]] = {
    "constant": _constant,
    "cosine": _cosine,
    "step": _step,
    "exponential": _exponential,
}
