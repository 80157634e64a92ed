"""Makes a run's models the ones in use, if the evidence does not speak against it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import read_json
from fashion_exp.comparison.find_runs import find_runs
from fashion_exp.comparison.pairs import compare_pairs
from fashion_exp.comparison.run_data import load_run as load_run_data
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.errors import FailedError, InputError
from fashion_exp.evaluation.run_dir import REFIT_FILE
from fashion_exp.experiment.logged_model import log_ensemble
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.formats import difference_range, difference_text, with_limits
from fashion_exp.reporting.progress import Progress
from fashion_exp.tracking.store import open_tracker, store_uri
from fashion_exp.tracking.urls import redact_uri

if TYPE_CHECKING:
    from fashion_exp.tracking.registry import ModelVersion


@dataclass(frozen=True)
class Promotion:
    name: str
    version: str
    evidence: tuple[str, ...]
    """Sentences: the run's own test accuracy, and the comparison with the earlier champion."""
    serve: str
    """The shell command that serves it, without passwords of the store."""


def promote(run: TrainedRun, name: str, progress: Progress, force: bool = False) -> Promotion:
    """Registers the calibrated ensemble of a tracked run as `name` with the alias champion.

    Raises `InputError`, unless `force`, if the run was not evaluated on its test set, or if there
    is a champion that it was not compared with on the same test, or that is better. The accuracy
    of a refit is not measured: it replaces only its own study without `force`. Raises `FailedError`
    if the store fails.
    """
    from fashion_exp.inference.calibration import load_calibration
    from fashion_exp.tracking.registry import find_champion, register

    check_name(name)
    outputs, run_id = outputs_dir(run.config.outputs), run.result.run
    if not run_id:
        raise InputError(
            f"{run.run.path}: not tracked (tracking=none), so it has no place in a registry; train "
            "it with tracking=mlflow"
        )
    uri = store_uri(run.config.tracking.uri, outputs)
    champion = find_champion(uri, name)
    evidence = [_own_test(run, force)]
    if champion is not None:
        evidence.append(_against_champion(run, champion, uri, outputs, force))
    temperature = load_calibration(run, progress).temperature
    tick = progress.stage("logging the model", 1)
    refit = run.run.path.name if run.is_refit else ""
    folder = f"refits/{refit}" if refit else ""  # `model` is the study's
    tracker = open_tracker(run.config.tracking, outputs)
    log_ensemble(
        tracker, run_id, [run.model(model) for model in run.model_names],
        [temperature[model] for model in run.model_names], run.config, run.geometry, run.classes,
        artifacts=folder,
    )  # fmt: skip
    tracker.flush()
    if tracker.failure:
        raise FailedError(f"{redact_uri(uri)}: the model was not stored ({tracker.failure})")
    tick(1)
    version = register(uri, name, run_id, " ".join(evidence), f"{folder}/model".lstrip("/"), refit)
    return Promotion(name, version.version, tuple(evidence), serve_command(uri, name))


def check_name(name: str) -> None:
    """Raises `InputError` for a name that MLflow does not register."""
    if not name.strip() or {"/", ":"} & {*name} or name in (".", ".."):
        raise InputError(
            f"{name!r}: no name for a model; it must have other characters than / and :"
        )


def serve_command(uri: str, name: str) -> str:
    mlflow = Path(sys.executable).with_name("mlflow")
    command = [str(mlflow), "models", "serve", "-m", f"models:/{name}@champion"]
    return (
        f"MLFLOW_TRACKING_URI={shlex.quote(redact_uri(uri))} {shlex.join(command)} "
        "--env-manager local"
    )


def _own_test(run: TrainedRun, force: bool) -> str:
    data = load_run_data(run.run.path)
    if not data.is_test_evaluated:
        if force:
            return "Not evaluated on a test set (--force)."
        raise InputError(
            f"{run.run.path}: never evaluated on its test set, so nothing supports its use; "
            "promote the winner of its sweep, or add --force"
        )
    metrics = data.summary("test").metrics()
    accuracy = with_limits(metrics["test_acc"], metrics["test_lo"], metrics["test_hi"])
    test = f"{accuracy}, the mean of the single models, {metrics['test_n']:.0f} photos."
    if not run.is_refit:
        return f"Test accuracy {test}"
    facts = read_json(run.run.path / REFIT_FILE)
    kind = "soup" if "soup" in facts else "refit"
    measured = "does not count here" if kind == "soup" else "is not measured"
    return (
        f"A {kind} of {facts['study']}; its own accuracy {measured}. The recipe's test accuracy is "
        f"{test}"
    )


def _against_champion(
    run: TrainedRun, champion: ModelVersion, uri: str, outputs: Path, force: bool
) -> str:
    """The comparison on the test; raises `InputError` unless it allows the promotion."""
    title = f"the champion (version {champion.version})"
    refit = run.run.path.name if run.is_refit else ""
    if (champion.run, champion.refit) == (run.result.run, refit):
        return f"It is the run of {title} already."
    if refit and champion.run == run.result.run and not champion.refit:
        return f"It replaces {title}, the run that it was made from; they are not compared."
    try:
        if refit or champion.refit:
            raise InputError(f"the accuracy of {'a' if refit else 'that'} refit is not measured")
        (folder,) = find_runs([champion.run], outputs, uri)
        pair = [load_run_data(run.run.path), load_run_data(folder)]
        (result,) = compare_pairs(pair, [(0, 1)], "test", ComparisonSettings())
    except (InputError, ValueError) as error:
        reason = f"{title} cannot be compared with it ({error})"
    else:
        if result.verdict == "not comparable" or result.test is None:
            reason = f"{title} cannot be compared with it on the same test ({result.note})"
        else:
            interval = result.test.interval.or_fallback
            shown = difference_text(result.test.difference)
            if interval.low is not None and interval.high is not None:
                shown += f" ({difference_range(interval.low, interval.high)} at 95 %)"
            sentence = f"Against {title} on the same test: {result.verdict}, {shown}."
            if result.verdict != "worse" or force:
                return sentence
            reason = f"it is worse than {title}: {shown}"
    if force:
        return f"Promoted with --force although {reason}."
    raise InputError(f"{run.run.path.name}: {reason}; add --force to promote it nevertheless")
