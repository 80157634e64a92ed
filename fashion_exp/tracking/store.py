"""Access to the tracking store without importing MLflow until it is needed."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError, close_matches, suggest
from fashion_exp.tracking.deferred_tracker import DeferredTracker, ready_experiment
from fashion_exp.tracking.tracker import NullTracker, Tracker, UnavailableTracker
from fashion_exp.tracking.urls import SQLITE_PREFIX, database_file, redact_uri

USERNAME_VARIABLE, PASSWORD_VARIABLE = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
SCHEMES = ("sqlite", "http", "https")


def store_uri(uri: str | None, outputs: Path) -> str:
    """Checks the URI of a store and makes it absolute; None is the database below `outputs`.

    A user and a password are moved to the environment, so that they are not stored anywhere.

    Raises `InputError` unless it is a server or a sqlite file. Does not access the store.
    """
    if uri is None:
        uri = f"{SQLITE_PREFIX}{outputs}/mlflow.db"
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme == "file":
        raise InputError(
            f"tracking.uri={uri}: MLflow does not support folders; use sqlite:///{rest or uri}"
            "/mlflow.db or the URL of a server"
        )
    if scheme not in SCHEMES:
        close = close_matches(scheme, SCHEMES) or close_matches(scheme[:4], SCHEMES)  # sqlite3
        hint = suggest(close[0] if close else scheme, SCHEMES)
        raise InputError(
            f"tracking.uri={redact_uri(uri)}: unknown scheme; {hint}; "
            "for example sqlite:///folder/mlflow.db or http://host:5000"
        )
    if scheme == "sqlite":
        return _absolute_sqlite_uri(uri)
    if not urlsplit(uri).hostname:
        raise InputError(f"tracking.uri={uri}: the host is missing; for example http://host:5000")
    return _without_credentials(uri)


def _without_credentials(uri: str) -> str:
    """The URI to store and print; MLflow takes user and password from the environment."""
    parts = urlsplit(uri)
    if parts.username or parts.password:
        os.environ[USERNAME_VARIABLE] = unquote(parts.username or "")
        os.environ[PASSWORD_VARIABLE] = unquote(parts.password or "")
    return redact_uri(uri)


def _absolute_sqlite_uri(uri: str) -> str:
    path = uri.removeprefix(SQLITE_PREFIX)
    if path == uri or path in ("", ":memory:"):
        raise InputError(
            f"tracking.uri={uri}: the file is missing; for example sqlite:///folder/mlflow.db"
        )
    if {"?", "%"} & set(path):
        raise InputError(f"tracking.uri={uri}: MLflow cannot open a path that contains ? or %")
    return f"{SQLITE_PREFIX}{Path(path).absolute()}"


def present_store(uri: str, outputs: Path) -> str:
    """The store of a run; the database in `outputs` if both were moved since."""
    database = database_file(uri)
    if database is None or database.exists():
        return uri
    moved = outputs / database.name
    return f"{SQLITE_PREFIX}{moved}" if moved.exists() else uri


def open_tracker(
    cfg: TrackingConfig, outputs: Path, experiment_id: str | None = None, *, deferred: bool = False
) -> Tracker:
    """Connects to the configured store and creates the experiment if it does not exist.

    The jobs of a sweep pass the `experiment_id` that the sweep determined. Raises `InputError` if
    the store cannot be used; a server must answer within a few seconds. With an `experiment_id`,
    the work has begun: a store that cannot be used then records nothing. With `deferred`, a local
    database that can be used is opened when the tracker's `connect` is called.
    """
    if cfg.name == "none":
        return NullTracker()
    assert cfg.experiment is not None
    uri = store_uri(cfg.uri, outputs)
    if deferred and (ready := ready_experiment(uri, cfg.experiment)):
        return DeferredTracker(uri, ready, partial(open_tracker, cfg, outputs, experiment_id))
    from fashion_exp.tracking.connection import connect

    try:
        return connect(uri, cfg.experiment, experiment_id)
    except InputError as error:
        if experiment_id is None:
            raise
        return UnavailableTracker(uri, str(error))


def matching_runs(uri: str | None, outputs: Path, filter_string: str) -> list[str]:
    """Ids of the experiments' runs that match a filter in MLflow's syntax, newest first.

    Raises `InputError` for an invalid filter or a store that cannot be used.
    """
    from fashion_exp.tracking.connection import search_runs

    return search_runs(store_uri(uri, outputs), filter_string)


def fetch_run(uri: str | None, outputs: Path, run_id: str, folder: Path) -> None:
    """Downloads the tables and config of a run into `folder`; raises like `matching_runs`."""
    from fashion_exp.tracking.connection import download_run

    download_run(store_uri(uri, outputs), run_id, folder)


def fetch_artifact(uri: str | None, outputs: Path, run_id: str, path: str, folder: Path) -> Path:
    """Downloads one artifact of any run into `folder`; raises `InputError` if there is none."""
    from fashion_exp.tracking.connection import download_artifact

    return download_artifact(store_uri(uri, outputs), run_id, path, folder)
