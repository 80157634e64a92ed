"""One model with the mean of the weights of a run's models ("model soup": Wortsman et al. 2022,
arXiv:2203.05482)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from fashion_exp.atomic_io import read_json, write_json
from fashion_exp.configuration.schema import Head
from fashion_exp.configuration.stored_config import save_config
from fashion_exp.data.batches import ordered_batches
from fashion_exp.data.split import Fold
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import (
    labels_and_probabilities,
    require_single_labels,
    wrong_by_image,
)
from fashion_exp.evaluation.run_dir import REFIT_FILE
from fashion_exp.evaluation.test_usage import mark_test_evaluated, record_test_evaluation
from fashion_exp.experiment.checkpoints import TrainingState, checkpoint_file
from fashion_exp.experiment.context import ExperimentContext, training_phases
from fashion_exp.experiment.fingerprints import short_hash
from fashion_exp.experiment.fold import copy_state, predict_rows
from fashion_exp.experiment.inputs import Inputs, fold_inputs
from fashion_exp.inference.refit import save_model, set_up_again, unfinished_folder
from fashion_exp.inference.trained_run import REFITS, TrainedRun, load_run, numbers_of
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.compat import StateDict
from fashion_exp.models.weight_soup import average_states, recompute_norms
from fashion_exp.paths import outputs_dir, unique_name
from fashion_exp.reporting.formats import (
    difference_range,
    difference_text,
    percent,
    pluralize,
    with_limits,
)
from fashion_exp.reporting.progress import Progress
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.metrics import per_image_correct
from fashion_exp.stats.proportions import wilson_grouped
from fashion_exp.stats.redrawn import interval_of_models

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Soup:
    """A model of averaged weights, and how it does on the run's test photos."""

    trained: TrainedRun
    """What predicts with it."""
    averaged: tuple[str, ...]
    """The models whose weights were averaged, best first in a greedy soup."""
    norms: int
    """Batch-norm layers whose statistics were computed anew."""
    accuracy: Interval | None = None
    """On the run's test photos; None if they are held out."""
    models: float = 0.0
    """Mean accuracy of all models of the run on them."""
    ensemble: float = 0.0
    """Accuracy of the mean of their probabilities."""
    difference: Interval | None = None
    """Accuracy of the soup minus `models`."""
    evaluations: int = 0
    """Runs that were evaluated on these photos so far, with this one."""


def make_soup(
    run: TrainedRun, progress: Progress, greedy: bool = False, evaluate_test: bool = False
) -> Soup:
    """Averages the weights of a run's models, and judges the average on the run's test photos.

    A uniform soup has all models. A greedy one takes them in the order of their accuracy on the
    validation photos that no model was trained on, and keeps each that does not lower it. The
    statistics of batch-norm layers are computed anew on the training photos. The new folder,
    `outputs/refits/<time-soup-id>`, is used like a refit. Each soup counts as an evaluation of the
    test; it is not judged while the test of the run is held out, unless `evaluate_test`.

    Raises `InputError` for models that do not have the same start, for a greedy soup without
    validation photos.
    """
    _refuse_other_starts(run)
    outputs = outputs_dir(run.config.outputs)
    cfg, context = set_up_again(run, outputs, progress)
    require_single_labels(run.predictions("validation"), "soup")
    if evaluate_test:
        mark_test_evaluated(run.run.path, outputs)
    averager = _Averager(run, context)
    names = averager.greedy() if greedy else run.model_names
    state, norms = averager.average(names)
    trained = averager.rows_of(names)
    target = outputs / REFITS / unique_name("soup")
    content = {
        "study": run.run.path.name, "models": [run.model_names[0]], "photos": len(trained),
        "epochs": cfg.training.epochs, "with_test": False, "soup": list(names),
    }  # fmt: skip
    with unfinished_folder(run.run, target, short_hash([run.identity["checkpoints"], content])) as (
        folder
    ):
        save_model(context, run.model_names[0], trained, TrainingState(1, state), folder)
        save_config(cfg, folder.config_file)
        write_json(folder.path / REFIT_FILE, content)
    made = Soup(load_run(target, outputs), tuple(names), norms)
    if not run.result.test_evaluations:
        return made
    judged = _judge(run, made, averager)
    ids = sorted(context.table.rows["image_id"].to_numpy()[context.split.test])
    count = record_test_evaluation(outputs, run.result.facts["test_hash"], str(target), images=ids)
    judged = replace(judged, evaluations=count)
    write_json(target / REFIT_FILE, content | {"test": _as_json(judged)})
    return judged


def _refuse_other_starts(run: TrainedRun) -> None:
    """Raises `InputError` for models whose mean is no model of the same kind."""
    cfg, where = run.config, run.run.path
    if run.is_refit:
        raise InputError(f"{where}: a refit or soup; average the models of the run it was made of")
    if len(run.model_names) < 2:
        raise InputError(f"{where}: has one model; a soup needs two or more (repeats, or folds)")
    if cfg.model.head is Head.knn:
        raise InputError(f"{where}: model.head=knn stores photos and has no weights to average")
    if any(source.startswith("none") for source in run.result.facts["weights"].split(" + ")):
        raise InputError(
            f"{where}: its models start from different random weights, so the mean of their "
            "weights is no sensible model; average models that are trained from the same "
            "pretrained weights (model.weights)"
        )
    if cfg.model.head is Head.new and (cfg.model.hidden is None or cfg.model.hidden):
        raise InputError(
            f"{where}: the hidden layers of model.head=new start from different random weights, so "
            "the mean of their weights is no sensible model; train with model.head=own"
        )


class _Averager:
    """Averages models of a run and predicts with the average."""

    def __init__(self, run: TrainedRun, context: ExperimentContext) -> None:
        self._run, self.context = run, context
        files = {
            name: checkpoint_file(run.config, run.run.checkpoints, *numbers_of(name))
            for name in run.model_names
        }
        self._states: dict[str, StateDict] = {name: load_file(f) for name, f in files.items()}
        first = run.model(run.model_names[0])
        self._model: Classifier = copy.deepcopy(first).to(context.compute.device)
        self._plan = training_phases(context.plan, context.cfg.training.epochs)[-1].plan

    def rows_of(self, names: Sequence[str]) -> np.ndarray:
        """The photos that any of these models was trained on."""
        folds = {fold.name: fold for fold in self.context.split.folds}
        return np.unique(np.concatenate([folds[name].train for name in names]))

    def average(self, names: Sequence[str]) -> tuple[StateDict, int]:
        """The weights of the mean of these models, and how many batch-norm layers it has."""
        state = average_states([self._states[name] for name in names])
        self._model.load_state_dict(state, strict=False)
        norms = recompute_norms(self._model, self._training_images(names))
        return copy_state(self._model), norms

    def _training_images(self, names: Sequence[str]) -> Iterator[torch.Tensor]:
        """Plain, in a random order, so that each batch has photos of several classes."""
        context = self.context
        rows = np.random.default_rng(0).permutation(self.rows_of(names))
        size = max(2, context.cfg.training.batch_size)
        rows = rows[: len(rows) // size * size] if len(rows) >= size else rows
        for images in ordered_batches(rows, context.views.plain, size, 0):
            yield context.compute.move(images)

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """(rows, classes) of the last average."""
        return predict_rows(self.context, self._inputs(), "test", rows, 0)

    def _inputs(self) -> Inputs:
        everything = np.arange(len(self.context.table))
        fold = Fold(*numbers_of(self._run.model_names[0]), everything, everything[:0])
        return fold_inputs(self.context, self._model, fold, self._plan)

    def greedy(self) -> list[str]:
        """The greedy soup of Wortsman et al., by photos that no model was trained on."""
        context = self.context
        development = np.unique(
            np.concatenate([rows for f in context.split.folds for rows in (f.train, f.validation)])
        )
        rows = np.setdiff1d(development, self.rows_of(self._run.model_names))
        if not len(rows):
            raise InputError(
                f"{self._run.run.path}: each validation photo was trained on by some of the "
                "models, so none can choose among them; make a uniform soup, or train with "
                "split.redraw=false (split=official)"
            )

        def accuracy(names: Sequence[str]) -> float:
            self.average(names)
            return float(
                per_image_correct(context.table.labels[rows], self.probabilities(rows)).mean()
            )

        single = {name: accuracy([name]) for name in self._run.model_names}
        first, *others = sorted(single, key=lambda name: -single[name])
        chosen, best = [first], single[first]
        for name in others:
            if (score := accuracy([*chosen, name])) >= best:
                chosen, best = [*chosen, name], score
        log.info(
            "greedy soup of %s: %s on %s that no model was trained on; the best model %s",
            ", ".join(chosen), percent(best), pluralize(len(rows), "validation photo"),
            percent(single[first]),
        )  # fmt: skip
        return chosen


def _judge(run: TrainedRun, made: Soup, averager: _Averager) -> Soup:
    """The accuracies on the run's test photos, which no model has seen."""
    table = averager.context.table
    rows = averager.context.split.test
    labels, groups = table.labels[rows], table.rows["group_id"].to_numpy()[rows]
    correct = per_image_correct(labels, averager.probabilities(rows)).astype(np.float64)
    frame = run.predictions("test")
    hits = per_image_correct(*labels_and_probabilities(frame)).astype(np.float64)
    by_image = pd.Series(hits).groupby(frame["image_id"].to_numpy()).mean()
    mean = by_image.loc[table.rows["image_id"].to_numpy()[rows]].to_numpy()
    level = run.result.confidence
    return replace(
        made,
        accuracy=wilson_grouped(correct, groups, level),
        models=float(mean.mean()),
        ensemble=float(1 - wrong_by_image(frame).mean()),
        difference=interval_of_models(correct - mean, level, shape="t", groups=groups),
    )


def _as_json(soup: Soup) -> dict[str, object]:
    assert soup.accuracy is not None and soup.difference is not None
    return {
        "accuracy": [soup.accuracy.estimate, soup.accuracy.low, soup.accuracy.high],
        "mean_of_models": soup.models,
        "ensemble": soup.ensemble,
        "difference": [soup.difference.estimate, soup.difference.low, soup.difference.high],
        "evaluations": soup.evaluations,
    }


def soup_facts(soup: Soup) -> dict[str, object]:
    """As JSON."""
    return {"path": str(soup.trained.run.path), **read_json(soup.trained.run.path / REFIT_FILE),
            "norms": soup.norms, "sentences": list(sentences(soup))}  # fmt: skip


def sentences(soup: Soup) -> Iterator[str]:
    """What is known of a soup."""
    config, plan = soup.trained.config, soup.trained.plan
    yield f"The mean of the weights of {', '.join(soup.averaged)}."
    if plan.freeze == "backbone" and not config.model.unfreeze:
        yield (
            "The models differ in their linear heads only, so the soup gives the mean of their "
            "logits, much as their ensemble does."
        )
    if soup.norms:
        yield f"Batch-norm statistics of {pluralize(soup.norms, 'layer')} were computed anew."
    yield (
        "The validation does not judge it: other models of the average were trained on these "
        "photos, or chose its models by them."
    )
    if soup.accuracy is None or soup.difference is None:
        yield "It was not judged: the test of the run is held out (--evaluate-test evaluates it)."
        return
    assert soup.accuracy.estimate is not None and soup.difference.estimate is not None
    accuracy = with_limits(soup.accuracy.estimate, soup.accuracy.low, soup.accuracy.high)
    yield (
        f"Test accuracy {accuracy}; mean of the run's models {percent(soup.models)}, their "
        f"ensemble {percent(soup.ensemble)}."
    )
    shown = soup.difference.or_fallback
    if shown.low is None or shown.high is None or shown.estimate is None:
        yield f"No interval of the difference from the mean of the models: {shown.note}."
    else:
        verdict = "no difference is shown"
        if shown.low > 0 or shown.high < 0:
            verdict = "better" if shown.low > 0 else "worse"
        yield (
            f"{difference_text(shown.estimate)} points against the mean of the models "
            f"({difference_range(shown.low, shown.high)}, for these models): {verdict}."
        )
    yield f"Runs that were evaluated on these test photos so far: {soup.evaluations}."
