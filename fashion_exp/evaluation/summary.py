"""Summarizes per-image predictions: accuracy, loss and F1, each with a confidence interval."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from fashion_exp.evaluation.intervals import accuracy_interval, recipe_interval
from fashion_exp.evaluation.own_metrics import (
    MEAN_AVERAGE_PRECISION,
    NO_SCORES_OF_IMAGES,
    PER_TRAINING,
    own_metric_names,
)
from fashion_exp.evaluation.predictions import (
    class_names,
    has_several_classes,
    labels_and_probabilities,
    per_image_correct,
    per_image_loss,
    present_and_predicted,
    probabilities_of,
    wrong_by_image,
)
from fashion_exp.reporting.formats import pluralize
from fashion_exp.stats import metrics, multilabel
from fashion_exp.stats.interval import (
    MIN_RELIABLE_SCORES,
    Estimand,
    Interval,
    point_estimate,
)
from fashion_exp.stats.limits import Shape, why_no_f1_interval, why_no_loss_interval
from fashion_exp.stats.proportions import f1_interval
from fashion_exp.stats.redrawn import interval_of_models


@dataclass(frozen=True)
class EvaluationSummary:
    """Evaluation of a run's predictions on one part.

    Right is what `predictions.per_image_correct` says: of several classes at once, the accuracy is
    the share of exact matches, and F1, precision and recall are those at the thresholds.

    Losses and F1 are means over the J models. On validation images the folds of a repeat count as
    one model, so the F1 of k folds is that of their predictions together: a mean of the folds' F1
    would depend on k and be biased where a class has few images (Forman & Scholz 2010, SIGKDD
    Explorations 12:49-57).
    """

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
    """Cross-entropy in nats: for the recipe as `accuracy_t`; with fewer than 4 trainings for the
    models tested. No limits if no interval can be trusted (`why_no_loss_interval`)."""
    macro_f1: Interval
    """Likewise (`why_no_f1_interval`)."""
    f1: tuple[float, ...]
    """Per class, mean over the models, so that its mean over the classes is the macro-F1; nan where
    undefined."""
    f1_limits: tuple[Interval, ...]
    """Per class, for the models tested, at Bonferroni's level: jointly for all classes. None if a
    model predicted one class only: its F1 and the other models' have no common Wilson interval.
    None for a class without images, which has no F1."""
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    confusion: np.ndarray
    """(classes, classes) counts pooled over all models; rows are true classes. Of several classes
    at once it counts images that have the class of the row and the predicted one of the column."""
    class_counts: np.ndarray
    """(classes,) predictions of images of each class."""
    predictions: int
    """One for each image and training that judged it."""
    wrong_predictions: int
    own: Mapping[str, Interval]
    """The user's metrics, by name: those with a score of each image as `loss`, the others as the
    mean over the trainings without limits."""
    single_class_models: tuple[str, ...]
    """The models, by fold name, that predicted one class for every image."""

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
        for name, score in self.own.items():
            values |= {name: score.estimate, f"{name}_lo": score.low, f"{name}_hi": score.high}
        if not self.t_interval_omitted:
            values |= {"t_lo": self.accuracy_t.low, "t_hi": self.accuracy_t.high}
        return {f"{prefix}_{name}": float(v) for name, v in values.items() if v is not None}


def summarize_predictions(
    frame: pd.DataFrame, train_sizes: Mapping[str, int], redrawn: bool, level: float,
    own_shares: Collection[str] = (),
) -> EvaluationSummary:  # fmt: skip
    """Summarizes the predictions of one part: "validation", "test" or other photos, which all
    models judged like those of the test.

    `train_sizes` maps fold names (r0f0) to numbers of training images. `redrawn` says whether
    each repeat has its own random split; `level` is the confidence level; `own_shares` are the
    user's metrics that are registered as shares in [0, 1].

    The t-interval follows the design. Models that share their evaluation images (the test part,
    or repeats of one split) are crossed with the images; repeats with their own splits take
    `redrawn_interval`.
    """
    part = _Part.of(frame, train_sizes, redrawn, level)
    right = per_image_correct(part.frame)
    correct = part.scores(right)
    by_image = correct.mean().to_numpy()
    errors = float((1 - by_image).sum())
    losses = part.scores(per_image_loss(part.frame))
    no_loss = why_no_loss_interval(errors, losses.mean().to_numpy())
    f1 = part.scores(np.concatenate([_macro_f1_contributions(*unit) for unit in part.units()]))
    no_f1 = why_no_f1_interval(errors, part.rarest_class())
    class_scores = _mean_class_scores([multilabel.class_scores(*unit) for unit in part.units()])
    accuracy = accuracy_interval(by_image, part.groups, level, len(correct))
    collapsed = part.single_class_models()
    return EvaluationSummary(
        part=part.name,
        classes=class_names(frame),
        images=by_image.size,
        wrong_images=int(wrong_by_image(frame).sum()),
        accuracy=accuracy,
        accuracy_t=part.recipe_interval(correct, "wilson"),
        loss=part.interval(losses, "hall", no_loss),
        macro_f1=part.interval(f1, "wilson", no_f1),
        f1=tuple(class_scores.f1),
        precision=tuple(class_scores.precision),
        recall=tuple(class_scores.recall),
        f1_limits=tuple(
            interval.withheld("a training predicted one class only" if collapsed else "")
            for interval in _f1_limits(part, class_scores.f1, accuracy)
        ),
        confusion=part.confusion(),
        class_counts=part.is_label.sum(axis=0),
        predictions=right.size,
        wrong_predictions=int((~right).sum()),
        own={
            name: part.own_metric(column, name in own_shares)
            for name, column in own_metric_names(part.frame).items()
        },
        single_class_models=collapsed,
    )


@dataclass(frozen=True)
class _Part:
    """The predictions of one part, sorted by repeat and fold, and the design of the run."""

    frame: pd.DataFrame
    is_label: np.ndarray
    """(n, classes) bool: the classes of each image. Of accepted classes it is the one that the
    prediction is judged by."""
    is_prediction: np.ndarray
    """(n, classes) bool: the predicted classes."""
    starts: np.ndarray
    """The first row of each model whose F1 is computed: on validation images, a repeat."""
    crossed: bool
    groups: np.ndarray | None
    """The group of each image; None if no two images share one."""
    train_sizes: Mapping[str, int]
    level: float

    @staticmethod
    def of(
        frame: pd.DataFrame, train_sizes: Mapping[str, int], redrawn: bool, level: float
    ) -> _Part:
        frame = frame.sort_values(["repeat", "fold"], kind="stable")
        is_test = frame["part"].iloc[0] != "validation"
        # The folds of a repeat together predict each validation image once: one model.
        keys = frame[["repeat", "fold"] if is_test else ["repeat"]]
        crossed = is_test or (not redrawn and frame["repeat"].nunique() > 1)
        images = frame.drop_duplicates("image_id").sort_values("image_id")
        groups = images["group_id"].to_numpy()
        return _Part(
            frame,
            *_labels_and_predictions(frame),
            np.flatnonzero((keys != keys.shift()).any(axis=1)),
            crossed,
            groups if len(set(groups)) < len(groups) else None,
            train_sizes,
            level,
        )

    @property
    def name(self) -> str:
        return str(self.frame["part"].iloc[0])

    def units(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The classes and the predictions of each model whose F1 is computed."""
        rows = np.split(np.arange(len(self.frame)), self.starts[1:])
        return ((self.is_label[unit], self.is_prediction[unit]) for unit in rows)

    def confusion(self) -> np.ndarray:
        if has_several_classes(self.frame):
            together = self.is_label.T.astype(np.float64) @ self.is_prediction
            return together.astype(np.int64)
        labels, predicted = self.is_label.argmax(axis=1), self.is_prediction.argmax(axis=1)
        return metrics.confusion_matrix(labels, predicted, self.is_label.shape[1])

    def rarest_class(self) -> int:
        """Groups of images that have the rarest class."""
        codes = pd.factorize(self.frame["group_id"])[0]
        has_class = [len(np.unique(codes[rows])) for rows in self.is_label.T if rows.any()]
        return min(has_class)

    def scores(self, by_prediction: np.ndarray) -> pd.DataFrame:
        """The score of each prediction (n,), with a row per model (repeat, fold) and a column per
        image; nan: not predicted."""
        models, row, images, column = self._cells
        table = np.full((len(models), len(images)), np.nan)
        table[row, column] = by_prediction
        return pd.DataFrame(table, models, images)

    @cached_property
    def _cells(self) -> tuple[pd.MultiIndex, np.ndarray, pd.Index, np.ndarray]:
        """The models and the row of each prediction, the images and its column."""
        keys = self.frame[["repeat", "fold"]]
        row = (keys != keys.shift()).any(axis=1).cumsum().to_numpy() - 1
        column, images = pd.factorize(self.frame["image_id"], sort=True)
        models = pd.MultiIndex.from_frame(keys.drop_duplicates())
        return models, row, pd.Index(images, name="image_id"), column

    def recipe_interval(self, scores: pd.DataFrame, shape: Shape) -> Interval:
        repeats = scores.index.get_level_values("repeat").to_numpy()
        n_train = None
        if not self.crossed:
            n_train = [self.train_sizes[f"r{repeat}f{fold}"] for repeat, fold in scores.index]
        elif self.name == "validation":
            scores = scores.groupby(level="repeat").mean()
        return recipe_interval(scores.to_numpy(), repeats, n_train, self.level, shape, self.groups)

    def interval(self, scores: pd.DataFrame, shape: Shape, reason: str) -> Interval:
        """For the recipe, with few models for these models, or without limits for a `reason`."""
        interval = self.recipe_interval(scores, shape)
        if interval.scores < MIN_RELIABLE_SCORES:
            interval = interval_of_models(
                scores.mean().to_numpy(), self.level, shape=shape, groups=self.groups,
                models=len(scores), estimate=interval.estimate,
            )  # fmt: skip
        return interval.withheld(reason)

    def own_metric(self, column: str, is_share: bool) -> Interval:
        values = self.frame[column].to_numpy(np.float64)
        if column == MEAN_AVERAGE_PRECISION:
            return self.mean_average_precision()
        if column.startswith(PER_TRAINING):
            by_model = self.frame.groupby(["repeat", "fold"])[column].first()
            target = Estimand.MODEL if len(by_model) == 1 else Estimand.MEAN_OF_MODELS
            return point_estimate(
                float(by_model.mean()), self.level, "images", target, "trainings",
                scores=len(by_model), reason=NO_SCORES_OF_IMAGES,
            )  # fmt: skip
        shape: Shape = "wilson" if is_share else "t"
        return self.interval(self.scores(values), shape, "").or_fallback

    def mean_average_precision(self) -> Interval:
        from fashion_exp.stats.mean_average_precision import mean_average_precision

        images = self.frame.drop_duplicates("image_id").sort_values("image_id")
        positions = pd.Index(images["image_id"]).get_indexer(self.frame["image_id"])
        probabilities = probabilities_of(self.frame)
        rows = self.frame.groupby(["repeat", "fold"]).indices.values()
        units = [(self.is_label[u], probabilities[u], positions[u]) for u in rows]
        return mean_average_precision(units, images["group_id"], self.level)

    def single_class_models(self) -> tuple[str, ...]:
        if has_several_classes(self.frame):
            return ()
        predicted = self.frame[["repeat", "fold"]].assign(c=self.is_prediction.argmax(axis=1))
        counts = predicted.groupby(["repeat", "fold"])["c"].nunique()
        return tuple(f"r{repeat}f{fold}" for repeat, fold in counts.index[counts == 1])


def _labels_and_predictions(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """`_Part.is_label` and `_Part.is_prediction`."""
    if has_several_classes(frame):
        return present_and_predicted(frame)
    labels, probabilities = labels_and_probabilities(frame)
    classes = np.arange(probabilities.shape[1])
    predicted = metrics.predicted_labels(probabilities)
    return labels[:, None] == classes, predicted[:, None] == classes


def _f1_limits(part: _Part, f1: np.ndarray, accuracy: Interval) -> tuple[Interval, ...]:
    """Each image has a weight of 1 in total, divided by the design effect of the accuracy."""
    classes = part.is_label.shape[1]
    times = part.frame.groupby("image_id")["image_id"].transform("size").to_numpy()
    images = len(part.frame.drop_duplicates("image_id"))
    weights = (accuracy.n or images) / images / times
    label, predicted = part.is_label, part.is_prediction
    hits, missed, added = (
        np.bincount(np.nonzero(those)[1], weights[np.nonzero(those)[0]], classes)
        for those in (label & predicted, label & ~predicted, predicted & ~label)
    )
    union = hits + (missed + added)
    level = 1 - (1 - part.level) / classes
    absent = np.isnan(f1)  # has no image; predictions of it alone give no F1
    union[absent] = 0
    return tuple(
        f1_interval(min(k, n), n, level, models=accuracy.scores, estimate=estimate)
        for k, n, estimate in zip(hits.tolist(), union.tolist(), f1.tolist(), strict=True)
    )


def _mean_class_scores(by_model: Sequence[metrics.ClassScores]) -> metrics.ClassScores:
    """Means over the models, as the macro-F1 is one; models without a class are left out of it."""
    means = []
    for scores in zip(*by_model, strict=True):
        values = np.ma.masked_invalid(np.stack(scores))
        means.append(np.ma.filled(values.mean(axis=0), np.nan))
    return metrics.ClassScores(*means)


def _macro_f1_contributions(is_label: np.ndarray, is_prediction: np.ndarray) -> np.ndarray:
    present = is_label.any(axis=0)
    return metrics.macro_f1_contributions(is_label[:, present], is_prediction[:, present])
