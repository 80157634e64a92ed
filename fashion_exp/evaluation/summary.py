"""From per-image predictions to what may be said: scores, intervals, and of what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion_exp.evaluation.predictions import class_names, labels_and_probabilities
from fashion_exp.stats import metrics
from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.proportions import wilson, wilson_grouped
from fashion_exp.stats.scores import MIN_SCORES_SHOWN, corrected_t_interval

PerImage = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From labels and probabilities to a score of each image."""


@dataclass(frozen=True)
class EvaluationSummary:
    """What a run's predictions on one part say. Means are over the J trained models."""

    part: str
    classes: tuple[str, ...]
    images: int
    """Distinct images."""
    accuracy: Interval
    """Wilson at the mean accuracy, n = distinct images, or these divided by their design effect
    where some share a source."""
    accuracy_t: Interval
    """Beside it a t-interval, by the design of the run."""
    loss: Interval
    """Cross-entropy, nats; the t-interval of the same design."""
    macro_f1: Interval
    """The t-interval of the same design."""
    f1: tuple[float, ...]
    """Per class, from the confusion matrix of all models; nan where undefined."""
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    confusion: np.ndarray
    """(C, C) counts over all models, rows true."""
    single_class_models: tuple[str, ...]
    """The models, by fold name, that predicted a single class."""

    @property
    def t_interval_omitted(self) -> str:
        """Why the t-interval is not shown; empty where it is."""
        if self.accuracy_t.status != "ok":
            return self.accuracy_t.note
        if self.accuracy_t.scores < MIN_SCORES_SHOWN:
            return (
                f"{self.accuracy_t.scores} scores: too few for a t-interval, "
                f"which needs {MIN_SCORES_SHOWN}"
            )
        return ""

    def metrics(self) -> dict[str, float]:
        """The tracked numbers: val_acc val_lo val_hi val_n val_t_lo val_t_hi val_f1 val_loss,
        or the same with test_."""
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
    """The evidence of one part's predictions.

    `train_sizes` has the training images of each fold by its name (r0f0). `redrawn` says whether
    the repeats had cuts of their own. Which t-interval: models that share their test images
    (the test part, or repeats of one cut) are crossed with the images; redrawn cuts take Nadeau
    and Bengio's correction.
    """
    models = {f"r{r}f{f}": own for (r, f), own in frame.groupby(["repeat", "fold"], sort=True)}
    scored = {name: labels_and_probabilities(own) for name, own in models.items()}
    accuracies = np.array([metrics.accuracy(*both) for both in scored.values()])
    images = frame["image_id"].nunique()
    part = str(frame["part"].iloc[0])
    right = [metrics.per_image_correct(*both) for both in scored.values()]
    table = _by_image(frame, np.concatenate(right))
    groups = _groups(frame, table)
    crossed = part == "test" or (not redrawn and frame["repeat"].nunique() > 1)

    def t_interval(per_image: PerImage, bounded: bool) -> Interval:
        """By the design of the run, of a metric that is a mean over images."""
        scores = {name: per_image(*both) for name, both in scored.items()}
        if not crossed:
            means = [float(own.mean()) for own in scores.values()]
            sizes = [len(own) for own in models.values()]
            trained = [train_sizes[name] for name in models]
            return corrected_t_interval(means, trained, sizes, level, bounded=bounded)
        table = _by_image(frame, np.concatenate(list(scores.values())))
        # A model is a fold where all folds share the images, else a repeat, whose folds together
        # predict every image once.
        by_model = table if part == "test" else table.groupby(level="repeat").mean()
        return crossed_t_interval(by_model.to_numpy(), level, bounded=bounded, groups=groups)

    confusion = np.sum([_confusion(*both) for both in scored.values()], axis=0)
    scores = metrics.precision_recall_f1(confusion)
    return EvaluationSummary(
        part,
        class_names(frame),
        images,
        wilson(
            float(accuracies.mean()) * images, images, level, fractional=True, models=len(models)
        )
        if groups is None
        else wilson_grouped(table.mean().to_numpy(), groups, level, models=len(models)),
        t_interval(metrics.per_image_correct, bounded=True),
        t_interval(metrics.per_image_loss, bounded=False),
        t_interval(_per_image_macro_f1, bounded=False),
        tuple(scores.f1),
        tuple(scores.precision),
        tuple(scores.recall),
        confusion,
        tuple(n for n, (_, p) in scored.items() if len(np.unique(p.argmax(1))) == 1),
    )


def _per_image_macro_f1(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    predicted = metrics.predicted_labels(probabilities)
    return metrics.per_image_macro_f1(labels, predicted, probabilities.shape[1])


def _confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    predicted = metrics.predicted_labels(probabilities)
    return metrics.confusion_matrix(labels, predicted, probabilities.shape[1])


def _groups(frame: pd.DataFrame, table: pd.DataFrame) -> np.ndarray | None:
    """The group of each column of `table`; None where no images share one."""
    rows = frame.drop_duplicates("image_id").set_index("image_id")["group_id"]
    groups = rows[table.columns].to_numpy()
    return groups if len(set(groups)) < len(groups) else None


def _by_image(frame: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """A row a model (repeat, fold), a column an image; nan: not asked.

    `scores` has the models one after the other.
    """
    ordered = frame.sort_values(["repeat", "fold"], kind="stable")
    table = ordered[["repeat", "fold", "image_id"]].assign(score=scores.astype(np.float64))
    return table.pivot(index=["repeat", "fold"], columns="image_id", values="score")
