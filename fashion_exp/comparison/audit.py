"""Checks runs for problems that make their results doubtful or wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special  # scipy.stats takes half a second to import

from fashion_exp.comparison.out_of_fold import average_by_image
from fashion_exp.data.split import fold_columns
from fashion_exp.evaluation.predictions import (
    chance_accuracy,
    chance_loss,
    has_several_classes,
    labels_and_probabilities,
)
from fashion_exp.reporting.formats import number, percent, pluralize
from fashion_exp.reporting.report_content import Finding, Severity

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData

CONFIDENT = 0.9
"""A label is suspicious if the models' mean probability of another class is above this and that of
the label is below 1 - CONFIDENT."""
MAX_SUSPICIOUS_LABELS = 0.05
"""Share of validation images."""
GOOD_ACCURACY = 0.8
"""Below this validation accuracy, a confident contradiction of a label is likely an error of the
model."""
MAX_EXCLUDED_FILES = 0.01
"""Share of all files."""
MAX_CHANCE_LOSSES = 2
"""A validation loss above this many times that of a model which knows only the class shares is not
a matter of more epochs."""


@dataclass(frozen=True)
class Check:
    title: str
    severity: Severity
    fails: Callable[[RunData], str | None]
    """Returns the numbers behind the problem, which may be empty; None if the run passes."""
    message: str
    """States the problem of the runs that fail."""


def audit(runs: Sequence[RunData], names: Sequence[str]) -> list[Finding]:
    """One finding per check, with the runs that fail it."""
    findings = []
    for check in CHECKS:
        failing = []
        for run, name in zip(runs, names, strict=True):
            if (numbers := check.fails(run)) is not None:
                failing.append(f"{name}: {numbers}" if numbers else name)
        if failing:
            findings.append(Finding(check.severity, check.title, check.message, failing))
        else:
            detail = "passed" if len(runs) == 1 else "passed by all runs"
            findings.append(Finding("fine", check.title, detail))
    return findings


def find_problems(run: RunData) -> list[str]:
    """The problems of one run, one sentence each."""
    sentences = []
    for check in CHECKS:
        if (numbers := check.fails(run)) is not None:
            suffix = f" ({numbers})" if numbers else ""
            sentences.append(f"{check.title}: {check.message}{suffix}.")
    return sentences


def _leaking_images(run: RunData) -> str | None:
    split = run.split
    leaking: set[str] = set()
    for fold in fold_columns(split):
        trained = set(split.loc[split[fold] == "train", "group_id"])
        evaluated = split[split[fold].isin(["validation", "test"])]
        leaking |= set(evaluated.loc[evaluated["group_id"].isin(trained), "image_id"])
    return pluralize(len(leaking), "image") if leaking else None


def _constant_prediction(run: RunData) -> str | None:
    models = run.summary("validation").single_class_models
    return _of_trainings(len(models), len(run.result.train_sizes)) if models else None


def _of_trainings(count: int, total: int) -> str:
    """ "3 of 5 trainings"; empty for a single training."""
    return f"{count} of {total} trainings" if total > 1 else ""


def _chance_level(run: RunData) -> str | None:
    accuracy = run.summary("validation").accuracy
    majority = chance_accuracy(run.predictions("validation"))
    if accuracy.low is None or accuracy.low > majority:
        return None
    return f"{percent(accuracy.estimate)}, most frequent class {percent(majority)}"


def _chance_loss(run: RunData) -> float:
    return chance_loss(run.predictions("validation"))


def _is_far_above_chance_loss(run: RunData) -> bool:
    loss = run.summary("validation").loss.estimate
    return loss is not None and loss > MAX_CHANCE_LOSSES * _chance_loss(run)


def _learning_rate_too_high(run: RunData) -> str | None:
    """A high validation loss with a low training loss is overfitting instead."""
    training = run.history[run.history["part"] == "train"]
    last = training.sort_values("epoch").groupby(["repeat", "fold"])["loss"].last()
    chance = _chance_loss(run)
    if not (_is_far_above_chance_loss(run) and last.median() > chance):
        return None
    summary, lr = run.summary("validation"), run.options.get("optim.lr")
    rate = "" if lr is None else f"; optim.lr={lr:g}, try {lr / 10:g}"
    return (
        f"loss {number(summary.loss.estimate)}, chance {number(chance)}; accuracy "
        f"{percent(summary.accuracy.estimate)}{rate}"
    )


def _validation_above_training(run: RunData) -> str | None:
    training = float(run.trainings["plain_accuracy"].mean())
    if np.isnan(training):  # imported predictions say nothing of it
        return None
    validation = run.summary("validation").accuracy
    assert validation.estimate is not None and validation.n is not None
    n = min(float(run.trainings["plain_images"].mean()), validation.n)
    noise = special.ndtri(0.975) * np.sqrt(2 * training * (1 - training) / n)
    if validation.estimate - training <= noise:
        return None
    return f"{percent(validation.estimate)}, {percent(training)}"


def _still_learning(run: RunData) -> str | None:
    if "head" in run.result.facts:  # solved, not trained by epochs
        return None
    validation = run.history[run.history["part"] == "validation"]
    losses = [rows["loss"].to_numpy() for _, rows in validation.groupby(["repeat", "fold"])]
    count = sum(loss.argmin() == len(loss) - 1 for loss in losses)
    is_learning = count > len(losses) / 2 and not _is_far_above_chance_loss(run)
    return _of_trainings(count, len(losses)) if is_learning else None


def _epoch_selected(run: RunData) -> str | None:
    return None if run.result.facts["val_selected"] == "no" else ""


def _excluded_files(run: RunData) -> str | None:
    facts = run.result.facts
    all_excluded = int(facts["left_out"])
    curated = int(facts.get("set_aside", 0))  # missing in runs of older versions
    # Runs of older versions did not record the number of files, which includes copies.
    files = int(facts.get("files", all_excluded + len(run.split)))
    excluded, total = all_excluded - curated, files - curated
    return f"{excluded} of {total}" if excluded > MAX_EXCLUDED_FILES * total else None


def _suspicious_labels(run: RunData) -> str | None:
    predictions = run.predictions("validation")
    if has_several_classes(predictions):
        return None
    labels, probabilities = labels_and_probabilities(average_by_image(predictions))
    given = probabilities[np.arange(len(labels)), labels]
    suspicious = (probabilities.max(axis=1) > CONFIDENT) & (given < 1 - CONFIDENT)
    share = float(suspicious.mean())
    accuracy = run.summary("validation").accuracy.estimate or 0
    is_suspicious = share > MAX_SUSPICIOUS_LABELS and accuracy >= GOOD_ACCURACY
    return percent(share) if is_suspicious else None


def _random_weights(run: RunData) -> str | None:
    is_random = run.result.facts["weights"].startswith("none")
    is_intended = run.options["model.weights"] == "none" or run.options["model.name"] == "basic_cnn"
    return "" if is_random and not is_intended else None


CHECKS = (
    Check("Test or validation images seen in training", "wrong", _leaking_images,
          "validation or test images, or images of their groups, are in the training images"),
    Check("Constant prediction", "wrong", _constant_prediction,
          "the model predicts the same class for every image"),
    Check("Chance level", "doubtful", _chance_level,
          "validation accuracy is not significantly above that of always predicting the most "
          "frequent class"),
    Check("Learning rate too high", "doubtful", _learning_rate_too_high,
          "the loss is far above that of a model which knows only the class shares, on training "
          "images too; lower the learning rate"),
    Check("Validation better than training", "doubtful", _validation_above_training,
          "validation accuracy is above training accuracy, both in evaluation mode, by more than "
          "noise: check for copies of validation images in the training images, and for different "
          "sources of the two"),
    Check("Still learning at the last epoch", "doubtful", _still_learning,
          "the last epoch has the lowest validation loss; train longer"),
    Check("Epoch selected on validation", "doubtful", _epoch_selected,
          "the epoch was selected on the validation images: their accuracy is optimistic"),
    Check("Many unreadable or conflicting files", "doubtful", _excluded_files,
          "more than 1 % of the files were left out; left_out.csv has the reasons"),
    Check("Many labels that look wrong", "doubtful", _suspicious_labels,
          "models that were not trained on the image are confident of another class; `data labels` "
          "lists the images"),
    Check("Random instead of pretrained weights", "doubtful", _random_weights,
          "the ImageNet weights were unavailable; the weights are random"),
)  # fmt: skip
