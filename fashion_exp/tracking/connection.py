"""Reaching a store, and the experiment in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException

from fashion_exp.errors import InputError
from fashion_exp.tracking.mlflow_tracker import MlflowTracker, impatient, reason
from fashion_exp.tracking.sqlite_database import PREFIX, artifacts_beside, ensure_database
from fashion_exp.tracking.urls import public, view_tag


def opened(uri: str, experiment: str, experiment_id: str | None = None) -> MlflowTracker:
    """A tracker on the store, its experiment made if need be. Raises `InputError`."""
    client = _client(uri)
    if experiment_id is not None:
        return MlflowTracker(client, experiment_id)
    with _usable(uri), impatient():
        found = client.get_experiment_by_name(experiment) or _made(client, experiment)
    if found.lifecycle_stage == "deleted":
        raise InputError(
            f"tracking.experiment={experiment}: deleted in {public(uri)}; `mlflow experiments "
            f"restore --experiment-id {found.experiment_id}` there, or choose another name"
        )
    with _usable(uri), impatient():
        _show(client, found)
    return MlflowTracker(client, found.experiment_id)


def search(uri: str, wanted: str) -> list[str]:
    """Ids of the finished runs of our experiments that match, newest first; no sweeps, no folds."""
    client = _client(uri)
    with _usable(uri), impatient():
        ours = _ours(client)
    try:
        found = client.search_runs(ours, wanted, order_by=["start_time DESC"]) if ours else []
    except MlflowException as error:
        raise InputError(
            f"{wanted}: no filter that MLflow can read ({reason(error)}); for example "
            "\"metrics.val_acc > 0.8 and params.`optim.lr` = '0.001'\""
        ) from error
    return [run.info.run_id for run in found if "job_hash" in run.data.tags]


def download(uri: str, run: str, folder: Path) -> None:
    """The run's tables and config; not its pictures and models."""
    client = _client(uri)
    folder.mkdir(parents=True, exist_ok=True)
    with _usable(uri), impatient():
        for file in client.list_artifacts(run):
            if file.path == "config" or not file.is_dir:
                client.download_artifacts(run, file.path, str(folder))


@dataclass(frozen=True)
class LeftRunning:
    """A run whose end the store has not been told."""

    run: str
    name: str
    began: float
    """Seconds since 1970."""
    begun_as: str
    """By the tag of that name; empty where it has none."""


def running(uri: str) -> list[LeftRunning]:
    """Our runs that the store has as RUNNING, folds and sweeps included."""
    client = _client(uri)
    with _usable(uri), impatient():
        ours = _ours(client)
        found = client.search_runs(ours, "attributes.status = 'RUNNING'") if ours else []
    return [
        LeftRunning(
            run.info.run_id,
            run.info.run_name,
            run.info.start_time / 1000,
            run.data.tags.get("begun_as", ""),
        )
        for run in found
    ]


def end_as_killed(uri: str, runs: Iterable[str]) -> None:
    client = _client(uri)
    with _usable(uri):
        for run in runs:
            client.set_terminated(run, "KILLED")


def _ours(client: MlflowClient) -> list[str]:
    name, _ = view_tag()
    return [found.experiment_id for found in client.search_experiments() if name in found.tags]


def experiment_of(uri: str, run: str) -> str:
    """Id of the experiment that a run stands in."""
    client = _client(uri)
    with _usable(uri), impatient():
        return str(client.get_run(run).info.experiment_id)


def newest_experiment(uri: str) -> str | None:
    """Id of the one of our experiments that has the latest run; None if there is no run."""
    client = _client(uri)
    with _usable(uri), impatient():
        ours = _ours(client)
        runs = client.search_runs(ours, max_results=1, order_by=["start_time DESC"]) if ours else []
    return runs[0].info.experiment_id if runs else None


def _client(uri: str) -> MlflowClient:
    if uri.startswith(PREFIX):
        ensure_database(_database(uri))
    return MlflowClient(tracking_uri=uri)


def _database(uri: str) -> Path:
    return Path(uri.removeprefix(PREFIX))


def _made(client: MlflowClient, name: str) -> Experiment:
    """The new experiment, or the one that another process has made meanwhile."""
    uri = client.tracking_uri
    artifacts = artifacts_beside(_database(uri)) if uri.startswith(PREFIX) else None
    try:
        client.create_experiment(name, artifact_location=artifacts, tags=dict([view_tag()]))
    except MlflowException as error:
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise InputError(f"tracking.experiment={name}: {reason(error)}") from error
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    found = client.get_experiment_by_name(name)
    assert found is not None
    return found


def _show(client: MlflowClient, experiment: Experiment) -> None:
    """Gives an experiment that others made, or an older version of ours, today's table of runs."""
    name, view = view_tag()
    if experiment.tags.get(name) == view:
        return
    try:
        client.set_experiment_tag(experiment.experiment_id, name, view)
    except MlflowException:
        # Another process may have been first.
        if client.get_experiment(experiment.experiment_id).tags.get(name) != view:
            raise


@contextmanager
def _usable(uri: str) -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        served = uri.startswith("http")
        remedy = "start the server, give another address" if served else "give another database"
        raise InputError(
            f"tracking.uri={public(uri)}: cannot be used ({_told(error)}); {remedy}, "
            "or set tracking=none"
        ) from error


def _told(error: MlflowException) -> str:
    """What went wrong, without the layers of HTTP libraries around it."""
    text = reason(error)
    return text.rpartition(": ")[2].strip("()\"'") if "Caused by" in text else text
