"""The training share: a factor to report, no setting to choose by validation.

A smaller share means less data to train on and other validation images, so its validation accuracy
may be higher or lower for reasons that no later use of the model shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHARE_OPTIONS = ("split.train_ratio", "split.folds", "split.test_share")
"""The options that determine the training share."""


def training_share(options: Mapping[str, Any]) -> float | None:
    """The share of all images that one training uses; None if the data define it."""
    ratio, folds = options.get("split.train_ratio"), options.get("split.folds")
    share = ratio if folds is None else 1 - 1 / folds
    return None if share is None else share * (1 - (options.get("split.test_share") or 0))


def largest_share(runs: Sequence[Mapping[str, Any]]) -> float:
    """Of the runs with these options; 0 if the data define all."""
    shares = (training_share(options) for options in runs)
    return max((share for share in shares if share is not None), default=0.0)


def competes(options: Mapping[str, Any], largest: float) -> bool:
    """Whether a run may win beside runs whose largest training share is `largest`."""
    share = training_share(options)
    return share is None or share > largest - 1e-9


def winner_candidates(runs: Sequence[Mapping[str, Any]]) -> list[int]:
    """Positions of the runs, given by their options, that the winner is chosen from."""
    largest = largest_share(runs)
    return [position for position, options in enumerate(runs) if competes(options, largest)]


def candidates_note(runs: Sequence[Mapping[str, Any]]) -> str:
    """Which runs compete for the best one; empty if all do."""
    candidates = winner_candidates(runs)
    others = len(runs) - len(candidates)
    if not others:
        return ""
    best = runs[candidates[0]]
    values = ", ".join(
        f"{option}={best[option]:g}"
        for option in SHARE_OPTIONS
        if best.get(option) is not None and len({run.get(option) for run in runs}) > 1
    )
    rest = (
        "1 run with a smaller share has"
        if others == 1
        else (f"{others} runs with a smaller share have")
    )
    return (
        f"The best run is chosen among those with the largest training share ({values}). {rest} "
        "other training and validation photos: reported, not ranked."
    )
