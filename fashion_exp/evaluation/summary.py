"""Summarizes per-image predictions: accuracy, loss and F1, each with a confidence interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion_exp.evaluation.predictions import (
    class_names,
    labels_and_probabilities,
    wrong_by_image,
)
from fashion_exp.reporting.formats import pluralize
from fashion_exp.stats import metrics
from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES, Interval
from fashion_exp.stats.proportions import wilson, wilson_grouped
from fashion_exp.stats.t_intervals import corrected_t_interval

PerImage = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From labels (n,) and probabilities (n, classes) to a score (n,) of each image."""


@dataclass(frozen=True)
class EvaluationSummary:
    """Evaluation of a run's predictions on one part. Losses and F1 are means over the J models."""

    part: str
    classes: tuple[str, ...]
    images: int
    """Number of distinct images."""
    wrong_images: int
    """By the mean over the trainings of each image (`predictions.wrong_by_image`)."""
    accuracy: Interval
    """Wilson interval at the mean over the images of each image's mean accuracy. n is the number of
    distinct images, divided by the design effect if some images share a group."""
    accuracy_t: Interval
    """t-interval for the design of the run."""
    loss: Interval
    """Cross-entropy in nats, with the same kind of t-interval."""
    macro_f1: Interval
    """With the same kind of t-interval."""
    f1: tuple[float, ...]
    """Per class, mean over the models, so that its mean over the classes is the macro-F1; nan where
    undefined."""
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    confusion: np.ndarray
    """(classes, classes) counts pooled over all models; rows are true classes."""
    single_class_models: tuple[str, ...]
    """The models, by fold name, that predicted one class for every image."""

    @property
    def predictions(self) -> int:
        """One for each image and training that judged it."""
        return int(self.confusion.sum())

    @property
    def wrong_predictions(self) -> int:
        return self.predictions - int(np.trace(self.confusion))

    @property
    def trainings(self) -> int:
        return self.accuracy.scores

    @property
    def counts(self) -> str:
        """ "275 predictions: 55 photos, 5 trainings; 19 photos wrong"."""
        trainings = f", {self.trainings} trainings" if self.trainings > 1 else ""
        return (
            f"{pluralize(self.predictions, 'prediction')}: {pluralize(self.images, 'photo')}"
            f"{trainings}; {pluralize(self.wrong_images, 'photo')} wrong"
        )

    @property
    def t_interval_omitted(self) -> str:
        """Why the t-interval is not shown; empty if it is."""
        if self.accuracy_t.status != "ok":
            return self.accuracy_t.note
        if self.accuracy_t.scores < MIN_RELIABLE_SCORES:
            return (
                f"{self.accuracy_t.scores} scores: too few for a t-interval, "
                f"which needs {MIN_RELIABLE_SCORES}"
            )
        return ""

    def metrics(self) -> dict[str, float]:
        """The tracked metrics: val_acc val_lo val_hi val_n val_t_lo val_t_hi val_f1 val_loss, or
        the same names with test_."""
        prefix = {"validation": "val"}.get(self.part, self.part)
        values = {
            "acc": self.accuracy.estimate,
            "lo": self.accuracy.low,
            "hi": self.accuracy.high,
            "n": self.images,
            "f1": self.macro_f1.estimate,
            "loss": self.loss.estimate,
        }
        if not self.t_interval_omitted:
            values |= {"t_lo": self.accuracy_t.low, "t_hi": self.accuracy_t.high}
        return {f"{prefix}_{name}": float(v) for name, v in values.items() if v is not None}


def summarize_predictions(
    frame: pd.DataFrame, train_sizes: Mapping[str, int], redrawn: bool, level: float
) -> EvaluationSummary:
    """Summarizes the predictions of one part ("validation" or "test").

    `train_sizes` maps fold names (r0f0) to numbers of training images. `redrawn` says whether
    each repeat has its own random split; `level` is the confidence level.

    The t-interval follows the design. Models that share their evaluation images (the test part,
    or repeats of one split) are crossed with the images; repeats with their own splits take
    Nadeau and Bengio's correction (2003).
    """
    models = {f"r{r}f{f}": rows for (r, f), rows in frame.groupby(["repeat", "fold"], sort=True)}
    inputs = {name: labels_and_probabilities(rows) for name, rows in models.items()}
    images = frame["image_id"].nunique()
    part = str(frame["part"].iloc[0])
    correct = _model_by_image(frame, metrics.per_image_correct, inputs)
    groups = _groups(frame, correct)
    crossed = part == "test" or (not redrawn and frame["repeat"].nunique() > 1)

    def t_interval(per_image: PerImage, bounded: bool) -> Interval:
        if not crossed:
            means = [float(per_image(*pair).mean()) for pair in inputs.values()]
            n_test = [len(rows) for rows in models.values()]
            n_train = [train_sizes[name] for name in models]
            return corrected_t_interval(means, n_train, n_test, level, bounded=bounded)
        table = _model_by_image(frame, per_image, inputs)
        if part != "test":  # the folds of a repeat together predict each image once: one model
            table = table.groupby(level="repeat").mean()
        return crossed_t_interval(table.to_numpy(), level, bounded=bounded, groups=groups)

    confusions = [_confusion(*pair) for pair in inputs.values()]
    weights = [len(rows) if crossed and part != "test" else 1 for rows in models.values()]
    class_scores = _mean_class_scores(confusions, weights)
    return EvaluationSummary(
        part=part,
        classes=class_names(frame),
        images=images,
        wrong_images=int(wrong_by_image(frame).sum()),
        accuracy=_accuracy_interval(correct.mean().to_numpy(), groups, level, len(models)),
        accuracy_t=t_interval(metrics.per_image_correct, bounded=True),
        loss=t_interval(metrics.per_image_loss, bounded=False),
        macro_f1=t_interval(_per_image_macro_f1, bounded=False),
        f1=tuple(class_scores.f1),
        precision=tuple(class_scores.precision),
        recall=tuple(class_scores.recall),
        confusion=np.sum(confusions, axis=0),
        single_class_models=tuple(
            name for name, (_, p) in inputs.items() if len(np.unique(p.argmax(1))) == 1
        ),
    )


def _accuracy_interval(
    by_image: np.ndarray, groups: np.ndarray | None, level: float, models: int
) -> Interval:
    """Wilson at the mean over the images of each image's mean over the models.

    Repeats with their own splits judge some images more often than others. The mean over all
    predictions would weight images by chance, and n images say less about it: its interval covers
    .90 to .93 instead of .95 for five to ten repeats of a stable learner.
    """
    if groups is not None:
        return wilson_grouped(by_image, groups, level, models=models)
    n = by_image.size
    return wilson(float(by_image.mean()) * n, n, level, fractional=True, models=models)


def _mean_class_scores(
    confusions: Sequence[np.ndarray], weights: Sequence[float]
) -> metrics.ClassScores:
    """Means over the models, as the macro-F1 is one; models without a class are left out of it."""
    by_model = [metrics.precision_recall_f1(confusion) for confusion in confusions]
    means = []
    for scores in zip(*by_model, strict=True):
        values = np.ma.masked_invalid(np.stack(scores))
        means.append(np.ma.filled(np.ma.average(values, axis=0, weights=weights), np.nan))
    return metrics.ClassScores(*means)


def _per_image_macro_f1(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    predicted = metrics.predicted_labels(probabilities)
    return metrics.per_image_macro_f1(labels, predicted, probabilities.shape[1])


def _confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    predicted = metrics.predicted_labels(probabilities)
    return metrics.confusion_matrix(labels, predicted, probabilities.shape[1])


def _groups(frame: pd.DataFrame, table: pd.DataFrame) -> np.ndarray | None:
    """The group of each column of `table`; None if no two images share a group."""
    rows = frame.drop_duplicates("image_id").set_index("image_id")["group_id"]
    groups = rows[table.columns].to_numpy()
    return groups if len(set(groups)) < len(groups) else None


def _model_by_image(
    frame: pd.DataFrame, per_image: PerImage, inputs: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> pd.DataFrame:
    """Scores with a row per model (repeat, fold) and a column per image; nan: not predicted."""
    scores = np.concatenate([per_image(*pair) for pair in inputs.values()])
    ordered = frame.sort_values(["repeat", "fold"], kind="stable")
    table = ordered[["repeat", "fold", "image_id"]].assign(score=scores.astype(np.float64))
    return table.pivot(index=["repeat", "fold"], columns="image_id", values="score")
