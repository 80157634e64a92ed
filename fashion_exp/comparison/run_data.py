"""Reads finished runs from their folders, for comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.metrics import METRICS, Metric
from fashion_exp.comparison.scored_run import ScoreMatrix, cached_method
from fashion_exp.comparison.set_sizes import set_sizes
from fashion_exp.comparison.settings_in_force import settings_in_force
from fashion_exp.configuration.overrides import rerun_command, rerun_overrides
from fashion_exp.configuration.stored_config import load_config
from fashion_exp.data.label_shares import format_shares
from fashion_exp.errors import InputError, suggest
from fashion_exp.evaluation.own_metrics import (
    NO_SCORES_OF_IMAGES,
    PER_TRAINING,
    own_metric_names,
)
from fashion_exp.evaluation.predictions import (
    class_names,
    labels_and_probabilities,
    per_image_correct,
    per_image_loss,
    read_predictions,
    require_single_labels,
    shares_of,
)
from fashion_exp.evaluation.results import RunResult, load_result, own_metrics
from fashion_exp.evaluation.run_dir import RunDir, require_config, require_finished
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.paths import outputs_of
from fashion_exp.stats import metrics

if TYPE_CHECKING:
    from fashion_exp.configuration.schema import Config
    from fashion_exp.evaluation.summary import EvaluationSummary

PER_IMAGE = {"accuracy": per_image_correct, "loss": per_image_loss}
"""Metrics that are a mean over images. The macro-F1 is not one; see `ScoreMatrix`."""


@dataclass(frozen=True)
class RunData:
    """A finished run: its result, its options by dotted name, and its overrides as typed."""

    result: RunResult
    options: Mapping[str, Any]
    overrides: Sequence[str]

    @property
    def name(self) -> str:
        return f"{self.result.name} refit" if self.is_refit else self.result.name

    @property
    def is_refit(self) -> bool:
        """Whether its results but for `evaluations` are those of the run that it repeats."""
        return RunDir(self.result.output).is_refit

    @property
    def redrawn(self) -> bool:
        """Whether each repeat has its own random split."""
        return self.result.redrawn

    @property
    def train_sizes(self) -> Mapping[str, int]:
        """Training images of each model, by its name (r0f0)."""
        return self.result.train_sizes

    @property
    def data_fingerprint(self) -> str | None:
        """Runs with the same one have the same labels; None in runs of older versions."""
        return self.result.facts.get("data_fingerprint")

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
        """The true class of each image, with the shares of several: "dress:0.7|shirt:0.3"; indexed
        by image id."""
        rows = self.predictions(part).drop_duplicates("image_id").set_index("image_id")
        if (shares := shares_of(rows)) is None:
            return rows["label"]
        names = class_names(rows)
        texts = [
            format_shares({names[i]: float(row[i]) for i in np.flatnonzero(row)}) for row in shares
        ]
        return pd.Series(texts, index=rows.index, name="label")

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

    def metric(self, name: str) -> Metric:
        """One of `METRICS`, or a metric of the run's `extensions`. Raises `InputError`."""
        if name in METRICS:
            return METRICS[name]
        frame = self.predictions("validation")
        known, columns = own_metrics(self.result.facts), own_metric_names(frame)
        if name not in known or name not in columns:
            hint = suggest(name, [*METRICS, *(known.keys() & columns.keys())])
            raise InputError(f"metric={name}: {self.name} has no such metric; {hint}")
        if columns[name].startswith(PER_TRAINING):
            raise InputError(
                f"metric={name}: gives {NO_SCORES_OF_IMAGES}, so no paired test applies; the table "
                "of runs shows it"
            )
        described = known[name]
        values = frame[columns[name]]
        return Metric(
            name, described["is_share"], described["lower_is_better"], plain_unit="",
            is_binary=bool(values.isin([0.0, 1.0]).all()),
        )  # fmt: skip

    @cached_method
    def score_matrix(self, part: str, metric: str) -> ScoreMatrix:
        frame = self.predictions(part)
        is_f1, labels = metric == "macro_f1", np.zeros(len(frame), dtype=np.int64)
        if is_f1:
            require_single_labels(frame, "metric=macro_f1")
            labels, probabilities = labels_and_probabilities(frame)
            raw: np.ndarray = metrics.predicted_labels(probabilities)
        elif metric == "set_size":
            raw = set_sizes(self.predictions("validation"), frame)
        elif metric in METRICS:
            raw = PER_IMAGE[metric](frame)
        else:
            raw = frame[own_metric_names(frame)[metric]].to_numpy()
        frame = frame.assign(raw=raw.astype(np.float64), class_index=labels)
        table = frame.pivot(index=["repeat", "fold"], columns="image_id", values="raw")
        images = frame.drop_duplicates("image_id").set_index("image_id").loc[table.columns]
        return ScoreMatrix(
            table.to_numpy(),
            table.columns,
            images["group_id"].to_numpy(),
            tuple(table.index),
            len(self.classes),
            self.metric(metric),
            images["class_index"].to_numpy() if is_f1 else None,
        )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return class_names(self.predictions("validation"))

    @cached_property
    def config(self) -> Config:
        """The paths in it are where the files are now. It extends no run, which may be gone.

        Raises `InputError` if this version has other options than the run.
        """
        run = RunDir(self.result.output)
        require_config(run)
        return replace(resolve_paths(load_config(run.config_file), run), extend=None)

    @property
    def command(self) -> str:
        """What trains it again, or imports it."""
        run = RunDir(self.result.output)
        if run.is_imported:
            return run.import_command
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
        own = [index for index, run in enumerate(runs) if option in run.options]
        values = [runs[index].options[option] for index in own]
        if any(value != values[0] for value in values):
            for words, value in zip([tokens[index] for index in own], values, strict=True):
                text = f"[{','.join(map(str, value))}]" if isinstance(value, list) else value
                token = f"{prefix}{text or 'all'}"
                if token not in words and not (prefix and any(w.startswith(prefix) for w in words)):
                    words.append(token)
    return tokens


def _join_without(tokens: Sequence[Sequence[str]], excluded: set[str]) -> list[str]:
    return [" ".join(token for token in name if token not in excluded) for name in tokens]
