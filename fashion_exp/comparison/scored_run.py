"""What a comparison needs of a run: per-image scores as arrays, and the design of its trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from fashion_exp.stats import metrics

if TYPE_CHECKING:
    import pandas as pd

    from fashion_exp.comparison.metrics import Metric

Self = TypeVar("Self")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def cached_method(
    method: Callable[Concatenate[Self, Parameters], Result],
) -> Callable[Concatenate[Self, Parameters], Result]:
    """Caches results on the instance: `functools.cached_property` for methods with arguments.

    `functools.lru_cache` would keep the instances alive.
    """

    @wraps(method)
    def wrapper(self: Self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        cache = vars(self).setdefault(f"_{method.__name__}_cache", {})
        key = (args, tuple(kwargs.items()))
        if key not in cache:
            cache[key] = method(self, *args, **kwargs)
        result: Result = cache[key]
        return result

    return wrapper


@dataclass(frozen=True)
class ScoreMatrix:
    """The per-image scores of a run on one part, with a row per model and a column per image.

    The mean of a row is the metric of that model. For the macro-F1 the columns are the images'
    contributions (`metrics.per_image_macro_f1`), to that of all folds of a repeat if these have
    different images. These depend on the other images in the matrix, so `values` is computed from
    the predicted classes after each selection.
    """

    raw: np.ndarray
    """(models, images) scores, or predicted class indices for the macro-F1; nan: not predicted."""
    images: pd.Index
    """Image ids, sorted."""
    groups: np.ndarray
    """Group id of each image."""
    keys: tuple[tuple[int, int], ...]
    """Repeat and fold of each model."""
    n_classes: int
    metric: Metric
    labels: np.ndarray | None = None
    """(images,) true class indices, for the macro-F1 only."""

    @cached_property
    def values(self) -> np.ndarray:
        """(models, images) scores; nan where a model did not predict an image."""
        if self.labels is None:
            return self.raw
        values, valid = np.full(self.raw.shape, np.nan), ~np.isnan(self.raw)
        repeats = np.array([repeat for repeat, _ in self.keys])
        rows = [repeats == repeat for repeat in np.unique(repeats)]
        if self.models_per_image > len(rows):  # folds that share images are models of their own
            rows = list(np.eye(len(repeats), dtype=bool))
        for row in rows:  # the folds of a repeat together: one macro-F1
            model, image = np.nonzero(valid & row[:, None])
            if image.size:
                predicted = self.raw[model, image].astype(int)
                values[model, image] = metrics.per_image_macro_f1(
                    self.labels[image], predicted, self.n_classes
                )
        return values

    @cached_property
    def folds(self) -> int:
        return len({fold for _, fold in self.keys})

    @cached_property
    def repeats(self) -> int:
        return len({repeat for repeat, _ in self.keys})

    @cached_property
    def is_complete(self) -> bool:
        """Whether every model predicted every image."""
        return not np.isnan(self.raw).any()

    @cached_property
    def has_shared_groups(self) -> bool:
        """Whether some images belong to the same group."""
        return len(set(self.groups)) < len(self.groups)

    def select_images(self, images: pd.Index) -> ScoreMatrix:
        if images is self.images or self.images.equals(images):
            return self
        columns = self.images.get_indexer(images)
        return replace(
            self,
            raw=self.raw[:, columns],
            images=images,
            groups=self.groups[columns],
            labels=None if self.labels is None else self.labels[columns],
        )

    def select_models(self, keys: Sequence[tuple[int, int]]) -> ScoreMatrix:
        if tuple(keys) == self.keys:
            return self
        rows = [self.keys.index(key) for key in keys]
        return replace(self, raw=self.raw[rows], keys=tuple(keys))

    def mask(self, valid: np.ndarray) -> ScoreMatrix:
        """Without the predictions where `valid` (models, images) is false."""
        return replace(self, raw=np.where(valid, self.raw, np.nan))

    @property
    def models_per_image(self) -> int:
        """The largest number of models that predicted an image."""
        return int((~np.isnan(self.raw)).sum(axis=0).max(initial=0))

    @property
    def is_partition(self) -> bool:
        """Whether the folds of each repeat together predict each image once."""
        return bool(((~np.isnan(self.raw)).sum(axis=0) == self.repeats).all())

    def pool_folds(self) -> ScoreMatrix:
        """One model per repeat: its folds together predict each image once."""
        assert self.models_per_image <= self.repeats, "folds that share images cannot be pooled"
        repeats = sorted({repeat for repeat, _ in self.keys})
        rows = [[repeat == key[0] for key in self.keys] for repeat in repeats]
        pooled = np.array([np.fmax.reduce(self.raw[row], axis=0) for row in rows])
        return replace(self, raw=pooled, keys=tuple((repeat, 0) for repeat in repeats))


class ScoredRun(Protocol):
    """A run of this project, or the predictions of another tool."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def redrawn(self) -> bool:
        """Whether each repeat has its own random split."""
        ...

    @property
    def train_sizes(self) -> Mapping[str, int]:
        """Training images of each model, by its name (r0f0)."""
        ...

    @property
    def data_fingerprint(self) -> str | None:
        """Runs with the same one have the same labels."""
        ...

    def labels(self, part: str) -> pd.Series:
        """The true class name of each image, indexed by image id."""
        ...

    def score_matrix(self, part: str, metric: str) -> ScoreMatrix: ...
