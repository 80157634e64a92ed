"""Connecting to an MLflow store, its experiments and the runs that this package recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException

from fashion_exp.errors import InputError, suggest
from fashion_exp.tracking import compat
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from fashion_exp.tracking.queries import matching_runs
from fashion_exp.tracking.sqlite_database import artifact_root, ensure_database
from fashion_exp.tracking.store_errors import (
    STORE_ERRORS,
    disk_full_error,
    fail_fast,
    first_line,
    reason,
)
from fashion_exp.tracking.urls import (
    database_file,
    experiment_tags,
    redact_uri,
    runs_view_tag,
)

_OF_JOBS = "tags.job_hash LIKE '%'"
"""Runs of jobs, without sweeps and folds."""


def connect(uri: str, experiment_name: str, experiment_id: str | None = None) -> MlflowTracker:
    """Opens a tracker; creates the experiment if it does not exist. Raises `InputError`."""
    with _store_access(uri):
        client = _client(uri)
        if experiment_id is not None and _has_experiment(client, experiment_id, experiment_name):
            return MlflowTracker(client, experiment_id)
        experiment = client.get_experiment_by_name(experiment_name)
        experiment = experiment or _create_experiment(client, experiment_name)
    if experiment.lifecycle_stage == "deleted":
        raise InputError(
            f"tracking.experiment={experiment_name}: deleted in {redact_uri(uri)}; run `mlflow "
            f"experiments restore --experiment-id {experiment.experiment_id}` there, "
            "or choose another name"
        )
    with _store_access(uri):
        _ensure_tags(client, experiment)
    return MlflowTracker(client, experiment.experiment_id)


def _has_experiment(client: MlflowClient, experiment_id: str, name: str) -> bool:
    """Whether a local database still has the experiment; it may have been deleted meanwhile.

    A server is not asked: a job that starts while it does not answer must wait for it.
    """
    if database_file(client.tracking_uri) is None:
        return True
    experiment = client.get_experiment_by_name(name)
    return experiment is not None and experiment.experiment_id == experiment_id


def search_runs(uri: str, filter_string: str) -> list[str]:
    """Ids of matching runs of finished jobs, newest first; without sweeps and folds."""
    with _store_access(uri):
        client = _client(uri)
        experiments = _own_experiments(client)
    if not experiments:
        return []
    of_jobs = f"{filter_string} and {_OF_JOBS}"
    try:
        ids = compat.search_run_ids(client, experiments, of_jobs)
        if ids is None:
            ids = [run.info.run_id for run in matching_runs(client, experiments, of_jobs)]
    except MlflowException as error:
        raise InputError(
            f"{filter_string}: not a valid MLflow filter ({first_line(error)}); for example "
            "\"metrics.val_acc > 0.8 and params.`optim.lr` = '0.001'\""
        ) from error
    return ids


def download_run(uri: str, run_id: str, folder: Path) -> None:
    """Downloads the top-level files and the config of a run; neither figures nor models."""
    folder.mkdir(parents=True, exist_ok=True)
    with _store_access(uri):
        client = _client(uri)
        for file in client.list_artifacts(run_id):
            if file.path == "config" or not file.is_dir:
                client.download_artifacts(run_id, file.path, str(folder))


def download_artifact(uri: str, run_id: str, path: str, folder: Path) -> Path:
    """The local copy of one artifact of any run. Raises `InputError` if there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    with _store_access(uri):
        client = _client(uri)
        parent = path.rpartition("/")[0]
        names = [file.path for file in client.list_artifacts(run_id, parent or None)]
        if path not in names:
            raise InputError(f"runs:/{run_id}/{path}: no such artifact; {suggest(path, names)}")
        return Path(client.download_artifacts(run_id, path, str(folder)))


@dataclass(frozen=True)
class RunningRun:
    """A run with status RUNNING in the store, whether or not its process is alive."""

    run: str
    """Id."""
    name: str
    started: float
    """Seconds since 1970."""
    token: str
    """Value of the tag `begun_as`; empty without the tag."""


def running_runs(uri: str) -> list[RunningRun]:
    """Runs with status RUNNING, folds and sweeps included."""
    with _store_access(uri):
        client = _client(uri)
        experiments = _own_experiments(client)
        running = "attributes.status = 'RUNNING'"
        runs = list(matching_runs(client, experiments, running)) if experiments else []
    return [
        RunningRun(
            run.info.run_id,
            run.info.run_name,
            run.info.start_time / 1000,
            run.data.tags.get("begun_as", ""),
        )
        for run in runs
    ]


def mark_killed(uri: str, run_ids: Iterable[str]) -> None:
    """Ends runs with status KILLED."""
    with _store_errors(uri):
        client = _client(uri)
        for run_id in run_ids:
            client.set_terminated(run_id, "KILLED")


def experiment_id_of(uri: str, run_id: str) -> str:
    """Id of the experiment that a run belongs to."""
    with _store_access(uri):
        client = _client(uri)
        return str(client.get_run(run_id).info.experiment_id)


def latest_experiment_id(uri: str) -> str | None:
    """Id of the experiment with the latest run; None if there are no runs."""
    with _store_access(uri):
        client = _client(uri)
        experiments = _own_experiments(client)
        if not experiments:
            return None
        runs = client.search_runs(experiments, max_results=1, order_by=["start_time DESC"])
    return runs[0].info.experiment_id if runs else None


def _own_experiments(client: MlflowClient) -> list[str]:
    """Ids of the experiments that this package has recorded in."""
    tag, _ = runs_view_tag()
    return [item.experiment_id for item in client.search_experiments() if tag in item.tags]


def _client(uri: str) -> MlflowClient:
    if (database := database_file(uri)) is not None:
        # A pooled connection would continue to write to a database that was deleted.
        os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
        ensure_database(database)
    return MlflowClient(tracking_uri=uri)


def _create_experiment(client: MlflowClient, name: str) -> Experiment:
    """Creates the experiment, or returns the one that another process created meanwhile."""
    database = database_file(client.tracking_uri)
    artifacts = None if database is None else artifact_root(database)
    try:
        client.create_experiment(name, artifact_location=artifacts, tags=experiment_tags())
    except MlflowException as error:
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise InputError(f"tracking.experiment={name}: {first_line(error)}") from error
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return experiment


def _ensure_tags(client: MlflowClient, experiment: Experiment) -> None:
    """Sets the tags that an experiment of others or of older versions lacks, and the runs view."""
    view, _ = runs_view_tag()
    for tag, text in experiment_tags().items():
        if experiment.tags.get(tag) == text or (tag in experiment.tags and tag != view):
            continue
        try:
            client.set_experiment_tag(experiment.experiment_id, tag, text)
        except MlflowException:
            # Another process may have set it at the same time.
            if client.get_experiment(experiment.experiment_id).tags.get(tag) != text:
                raise


@contextmanager
def _store_access(uri: str, failure: type[Exception] = InputError) -> Iterator[None]:
    """Short timeouts, and `failure` if the store cannot be used."""
    with _store_errors(uri, failure), fail_fast():
        yield


@contextmanager
def store_client(uri: str, failure: type[Exception] = InputError) -> Iterator[MlflowClient]:
    """A client of the store for the block; raises `failure` if the store cannot be used."""
    with _store_access(uri, failure):
        yield _client(uri)


@contextmanager
def _store_errors(uri: str, failure: type[Exception] = InputError) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except STORE_ERRORS as error:
        if full := disk_full_error(error, uri):
            raise full from None
        is_server = uri.startswith("http")
        remedy = "start the server, set another URL" if is_server else "set another database"
        if is_server and re.search(r"error 40[13]", reason(error)):
            remedy = (
                "passwords are not stored: set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD in the environment"
            )
        raise failure(
            f"tracking.uri={redact_uri(uri)}: cannot be used ({reason(error)}); {remedy}, "
            "or set tracking=none"
        ) from error
