"""What in a run makes its result doubtful or wrong, looked for in every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from fashion_exp.comparison.out_of_fold import by_image
from fashion_exp.comparison.run_data import RunData
from fashion_exp.evaluation.predictions import class_names, labels_and_probabilities
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.report_content import Finding, Severity

SURE = 0.9
"""Probability of another class from which on a label looks wrong, where its own is below 1 - SURE
in the mean over the models that predicted the image."""
MANY_MISLABELLED = 0.05
GOOD = 0.8
"""Validation accuracy from which on a sure contradiction tells of the label, not of the model."""
MANY_LEFT_OUT = 0.01


class Problem(NamedTuple):
    severity: Severity
    told: str
    """In words that fit every run with it."""
    own: str = ""
    """This run's figures."""


Check = Callable[[RunData], Problem | None]


def audit(members: Sequence[RunData], names: Sequence[str]) -> list[Finding]:
    """A finding for each check: of the runs that fail it, or that all pass."""
    return [
        found for title, check in CHECKS.items() for found in _found(title, check, members, names)
    ]


def problems(member: RunData) -> list[str]:
    """What is wrong or doubtful in one run, a sentence each."""
    said = ((title, check(member)) for title, check in CHECKS.items())
    return [
        f"{title}: {problem.told}{f' ({problem.own})' if problem.own else ''}."
        for title, problem in said
        if problem
    ]


def _found(
    title: str, check: Check, members: Sequence[RunData], names: Sequence[str]
) -> Iterator[Finding]:
    failing: dict[tuple[Severity, str], list[str]] = {}
    for member, name in zip(members, names, strict=True):
        if problem := check(member):
            run = f"{name}: {problem.own}" if problem.own else name
            failing.setdefault((problem.severity, problem.told), []).append(run)
    for (severity, detail), runs in failing.items():
        yield Finding(severity, title, detail, runs)
    if not failing:
        yield Finding("fine", title, "none" if len(members) == 1 else "in no run")


def _leak(member: RunData) -> Problem | None:
    split = member.split
    folds = [name for name in split.columns if name not in ("image_id", "group_id", "label")]
    leaking: set[str] = set()
    for fold in folds:
        parts = split[fold]
        trained = set(split.loc[parts == "train", "group_id"])
        judged = split.loc[parts.isin(["validation", "test"])]
        leaking |= set(judged.loc[judged["group_id"].isin(trained), "image_id"])
    if not leaking:
        return None
    told = "validation or test images were trained on"
    return Problem("wrong", told, f"{len(leaking)} of them")


def _one_class(member: RunData) -> Problem | None:
    models = member.summary("validation").single_class_models
    if not models:
        return None
    own = f"{len(models)} of {len(member.result.train_sizes)}"
    return Problem("wrong", "models that predict one class only", own)


def _chance(member: RunData) -> Problem | None:
    found = member.summary("validation")
    labels = member.frame("validation").drop_duplicates("image_id")["label"]
    majority = float(labels.value_counts(normalize=True).max())
    if found.accuracy.low is None or found.accuracy.low > majority:
        return None
    own = f"{percent(found.accuracy.estimate)}, commonest class {percent(majority)}"
    told = "validation accuracy is no better than that of always saying the commonest class"
    return Problem("doubtful", told, own)


def _validation_above_training(member: RunData) -> Problem | None:
    trained = member.trainings
    training = float(trained["plain_accuracy"].mean())
    validation = member.summary("validation").accuracy
    assert validation.estimate is not None and validation.n is not None
    n = min(float(trained["plain_images"].mean()), validation.n)
    noise = stats.norm.ppf(0.975) * np.sqrt(2 * training * (1 - training) / n)
    if validation.estimate - training <= noise:
        return None
    told = (
        "validation accuracy is above training accuracy, both in evaluation mode, by more than "
        "noise: are copies of validation images trained on, or do the parts differ?"
    )
    return Problem("doubtful", told, f"{percent(validation.estimate)}, {percent(training)}")


def _still_learning(member: RunData) -> Problem | None:
    history = member.history
    losses = history[history["part"] == "validation"]
    trainings = [own["loss"].to_numpy() for _, own in losses.groupby(["repeat", "fold"])]
    last = sum(own.argmin() == len(own) - 1 for own in trainings)
    if last <= len(trainings) / 2:
        return None
    told = "the last epoch had the best validation loss in most trainings: train longer"
    return Problem("doubtful", told)


def _left_out(member: RunData) -> Problem | None:
    facts = member.result.facts
    aside = int(facts.get("set_aside", 0))  # runs of earlier times had nothing set aside
    left = int(facts["left_out"]) - aside
    found = left + aside + len(member.split)
    if left <= MANY_LEFT_OUT * found:
        return None
    told = "many files were left out (left_out.csv has the reasons)"
    return Problem("doubtful", told, f"{left} of {found}")


def mislabelled_looking(frame: pd.DataFrame) -> pd.Series:
    """Image ids whose out-of-fold predictions are sure of another class, with that class."""
    table = by_image(frame)
    labels, rows = labels_and_probabilities(table)
    own = rows[np.arange(len(rows)), labels]
    sure = (rows.max(axis=1) > SURE) & (own < 1 - SURE)
    said = np.array(class_names(table))[rows.argmax(axis=1)]
    return pd.Series(said[sure], index=table.index[sure])


def _mislabelled(member: RunData) -> Problem | None:
    frame = member.frame("validation")
    share = len(mislabelled_looking(frame)) / frame["image_id"].nunique()
    good = (member.summary("validation").accuracy.estimate or 0) >= GOOD
    if share <= MANY_MISLABELLED or not good:
        return None
    told = (
        "many validation images look mislabelled: models that have not seen them are sure of "
        "another class (data labels lists the doubtful ones)"
    )
    return Problem("doubtful", told, percent(share))


def _random_weights(member: RunData) -> Problem | None:
    if (
        not member.result.facts["weights"].startswith("none")
        or member.knobs["model.weights"] == "none"
    ):
        return None
    if member.knobs["model.name"] == "basic_cnn":
        return None
    return Problem("doubtful", "random weights instead of ImageNet's, which could not be had")


def _selected(member: RunData) -> Problem | None:
    if member.result.facts["val_selected"] == "no":
        return None
    told = "the validation images chose the epoch: their accuracy is too good"
    return Problem("doubtful", told)


CHECKS: dict[str, Check] = {
    "Test or validation images seen in training": _leak,
    "Constant prediction": _one_class,
    "Chance level": _chance,
    "Validation better than training": _validation_above_training,
    "Still learning at the last epoch": _still_learning,
    "Epoch chosen by validation": _selected,
    "Unreadable or conflicting files": _left_out,
    "Labels that look wrong": _mislabelled,
    "Random instead of pretrained weights": _random_weights,
}
