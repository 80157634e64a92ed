"""Reads finished runs from their folders and arranges their per-image scores as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from fashion_exp.comparison.set_sizes import set_sizes
from fashion_exp.comparison.settings_in_force import settings_in_force
from fashion_exp.configuration.overrides import rerun_command, rerun_overrides
from fashion_exp.configuration.stored_config import load_config
from fashion_exp.errors import InputError, suggest
from fashion_exp.evaluation.predictions import (
    class_names,
    labels_and_probabilities,
    read_predictions,
)
from fashion_exp.evaluation.results import RunResult, load_result
from fashion_exp.evaluation.run_dir import RunDir, require_finished
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.paths import outputs_of
from fashion_exp.stats import metrics

if TYPE_CHECKING:
    from fashion_exp.configuration.schema import Config
    from fashion_exp.evaluation.summary import EvaluationSummary


PER_IMAGE = {"accuracy": metrics.per_image_correct, "loss": metrics.per_image_loss}
"""Metrics that are a mean over images. The macro-F1 is not one; see `ScoreMatrix`."""

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


@dataclass(frozen=True)
class RunData:
    """A finished run: its result, its options by dotted name, and its overrides as typed."""

    result: RunResult
    options: Mapping[str, Any]
    overrides: Sequence[str]

    @property
    def name(self) -> str:
        return self.result.name

    def at_level(self, level: float) -> RunData:
        """The run with intervals of another confidence level."""
        if level == self.result.confidence:
            return self
        return replace(self, result=replace(self.result, confidence=level))

    @property
    def is_test_evaluated(self) -> bool:
        return self.result.test_evaluations > 0

    @property
    def evaluations(self) -> list[str]:
        """The names of its evaluations on other photos."""
        return RunDir(self.result.output).evaluation_names

    def require_evaluation(self, name: str) -> None:
        """Raises `InputError` if the run has no evaluation of this name."""
        if name not in self.evaluations:
            hint = suggest(name, self.evaluations) or "it has none"
            raise InputError(
                f"{self.name}: no evaluation {name}; {hint}; `evaluate {self.result.output.name} "
                f"PHOTOS --as {name}` makes it"
            )

    @cached_method
    def predictions(self, part: str) -> pd.DataFrame:
        """The predictions of "validation", of "test" once it was evaluated, or of an evaluation on
        other photos by its name."""
        assert part != "test" or self.is_test_evaluated, "the test predictions are held out"
        return read_predictions(RunDir(self.result.output).predictions_file(part))

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What acted: the options, with what the run resolved."""
        return settings_in_force(self.options, self.result.facts)

    def summary(self, part: str) -> EvaluationSummary:
        return self.result.summary(part)

    @cached_property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.result.output / "history.csv")

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """One row per training: images, updates, seconds, accuracy on training images."""
        return pd.read_csv(self.result.output / "trainings.csv")

    @cached_property
    def split(self) -> pd.DataFrame:
        return pd.read_csv(self.result.output / "split.csv", keep_default_na=False)

    @cached_method
    def labels(self, part: str) -> pd.Series:
        """The true class name of each image, indexed by image id."""
        rows = self.predictions(part).drop_duplicates("image_id")
        return rows.set_index("image_id")["label"]

    @property
    def label_version(self) -> str:
        """The version of its labels and their fingerprint; "none" for the original labels."""
        facts = self.result.facts
        name = facts.get("labels_version", "none")  # missing in runs of older versions
        fingerprint = facts.get("labels_fingerprint", "")
        return f"{name} ({fingerprint[:8]})" if fingerprint else name

    def scores(self, part: str, metric: str) -> pd.DataFrame:
        """One row per model (repeat, fold), one column per image id; nan: not predicted."""
        matrix = self.score_matrix(part, metric)
        index = pd.MultiIndex.from_tuples(matrix.keys, names=["repeat", "fold"])
        return pd.DataFrame(matrix.values, index, matrix.images, copy=False)

    @cached_method
    def score_matrix(self, part: str, metric: str) -> ScoreMatrix:
        frame = self.predictions(part)
        labels, probabilities = labels_and_probabilities(frame)
        is_f1 = metric == "macro_f1"
        if is_f1:
            raw: np.ndarray = metrics.predicted_labels(probabilities)
        elif metric == "set_size":
            raw = set_sizes(self.predictions("validation"), frame)
        else:
            raw = PER_IMAGE[metric](labels, probabilities)
        frame = frame.assign(raw=raw.astype(np.float64), class_index=labels)
        table = frame.pivot(index=["repeat", "fold"], columns="image_id", values="raw")
        images = frame.drop_duplicates("image_id").set_index("image_id").loc[table.columns]
        return ScoreMatrix(
            table.to_numpy(),
            table.columns,
            images["group_id"].to_numpy(),
            tuple(table.index),
            len(self.classes),
            images["class_index"].to_numpy() if is_f1 else None,
        )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return class_names(self.predictions("validation"))

    @cached_property
    def config(self) -> Config:
        """The paths in it are where the files are now.

        Raises `InputError` if this version has other options than the run.
        """
        run = RunDir(self.result.output)
        return resolve_paths(load_config(run.config_file), run)

    @property
    def command(self) -> str:
        return rerun_command(self.overrides)


def load_run(folder: Path) -> RunData:
    """Raises `InputError` if `folder` holds no finished run."""
    run = RunDir(folder)
    require_finished(run)
    overrides = rerun_overrides(run.overrides(), outputs_of(folder.absolute()))
    return RunData(load_result(folder), run.options(), overrides)


def distinct_names(runs: Sequence[RunData]) -> list[str]:
    """Short names of the runs, without the words that all of them share.

    The shared model stays unless every name keeps an option. Models and classes are named
    where they differ, whatever names the runs have. Equal names are numbered.
    """
    tokens = _name_tokens(runs)
    shared = set(tokens[0]).intersection(*tokens[1:]) if len(tokens) > 1 else set()
    names = _join_without(tokens, shared)
    if not all("=" in name for name in names):
        names = _join_without(tokens, {token for token in shared if "=" in token})
    return [
        f"{name} ({names[:index].count(name) + 1})" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


def _name_tokens(runs: Sequence[RunData]) -> list[list[str]]:
    tokens = [run.name.split() for run in runs]
    for prefix, option in (("", "model.name"), ("classes=", "dataset.classes")):
        values = [run.options.get(option) for run in runs]
        if any(value != values[0] for value in values):
            for words, value in zip(tokens, values, strict=True):
                text = f"[{','.join(map(str, value))}]" if isinstance(value, list) else value
                token = f"{prefix}{text or 'all'}"
                if token not in words and not (prefix and any(w.startswith(prefix) for w in words)):
                    words.append(token)
    return tokens


def _join_without(tokens: Sequence[Sequence[str]], excluded: set[str]) -> list[str]:
    return [" ".join(token for token in name if token not in excluded) for name in tokens]
