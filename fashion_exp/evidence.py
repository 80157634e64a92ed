"""From per-image predictions to what may be said: scores, intervals, and of what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion_exp.predictions import class_names, labels_and_probabilities
from fashion_exp.stats import metrics
from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.proportions import wilson, wilson_grouped
from fashion_exp.stats.scores import MIN_SCORES_SHOWN, corrected_t_interval


@dataclass(frozen=True)
class Evidence:
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
    loss: float
    """Cross-entropy, nats."""
    macro_f1: float
    f1: tuple[float, ...]
    """Per class, from the confusion matrix of all models; nan where undefined."""
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    confusion: np.ndarray
    """(C, C) counts over all models, rows true."""
    one_class_only: tuple[str, ...]
    """The models, by fold name, that predicted a single class."""

    @property
    def why_no_t(self) -> str:
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
            "f1": self.macro_f1,
            "loss": self.loss,
        }
        if not self.why_no_t:
            values |= {"t_lo": self.accuracy_t.low, "t_hi": self.accuracy_t.high}
        return {f"{prefix}_{name}": float(v) for name, v in values.items() if v is not None}


def evidence(
    frame: pd.DataFrame, train_sizes: Mapping[str, int], redrawn: bool, level: float
) -> Evidence:
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
    table = _by_image(frame)
    groups = _groups(frame, table)
    if part == "test" or (not redrawn and frame["repeat"].nunique() > 1):
        # A model is a fold where all folds share the images, else a repeat, whose folds together
        # predict every image once.
        models_by_image = table if part == "test" else table.groupby(level="repeat").mean()
        accuracy_t = crossed_t_interval(models_by_image.to_numpy(), level, groups=groups)
    else:
        sizes = [len(own) for own in models.values()]
        trained = [train_sizes[name] for name in models]
        accuracy_t = corrected_t_interval(accuracies, trained, sizes, level)
    confusion = np.sum([_confusion(*both) for both in scored.values()], axis=0)
    scores = metrics.precision_recall_f1(confusion)
    f1s = [metrics.macro_f1(_confusion(*both)).value for both in scored.values()]
    return Evidence(
        part,
        class_names(frame),
        images,
        wilson(
            float(accuracies.mean()) * images, images, level, fractional=True, models=len(models)
        )
        if groups is None
        else wilson_grouped(table.mean().to_numpy(), groups, level, models=len(models)),
        accuracy_t,
        float(np.mean([metrics.cross_entropy(*both) for both in scored.values()])),
        float(np.mean(f1s)),
        tuple(scores.f1),
        tuple(scores.precision),
        tuple(scores.recall),
        confusion,
        tuple(n for n, (_, p) in scored.items() if len(np.unique(p.argmax(1))) == 1),
    )


def _confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    predicted = metrics.predicted_labels(probabilities)
    return metrics.confusion_matrix(labels, predicted, probabilities.shape[1])


def _groups(frame: pd.DataFrame, table: pd.DataFrame) -> np.ndarray | None:
    """The group of each column of `table`; None where no images share one."""
    rows = frame.drop_duplicates("image_id").set_index("image_id")["group_id"]
    groups = rows[table.columns].to_numpy()
    return groups if len(set(groups)) < len(groups) else None


def _by_image(frame: pd.DataFrame) -> pd.DataFrame:
    """Right (1) or wrong (0), a row a model (repeat, fold), a column an image; nan: not asked."""
    correct = metrics.per_image_correct(*labels_and_probabilities(frame))
    table = frame.assign(correct=correct.astype(float))
    return table.pivot(index=["repeat", "fold"], columns="image_id", values="correct")
