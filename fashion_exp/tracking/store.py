"""Which store a run is recorded in, and the way to it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError, suggest
from fashion_exp.tracking.tracker import NullTracker, Tracker
from fashion_exp.tracking.urls import public

SCHEMES = ("sqlite", "http", "https")


def store_uri(uri: str | None, outputs: Path) -> str:
    """The checked, absolute URI of the store; None: the database under `outputs`.

    Raises `InputError` for what is neither a server nor a sqlite file. Touches nothing.
    """
    if uri is None:
        uri = f"sqlite:///{outputs}/mlflow.db"
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme == "file":
        raise InputError(
            f"tracking.uri={uri}: MLflow no longer writes to folders; sqlite:///{rest or uri}"
            "/mlflow.db, or the address of a server"
        )
    if scheme not in SCHEMES:
        raise InputError(f"tracking.uri={public(uri)}: unknown scheme; {_hint(scheme)}")
    if scheme == "sqlite":
        return _absolute(uri)
    if not urlsplit(uri).hostname:
        raise InputError(f"tracking.uri={uri}: names no host; for example http://host:5000")
    return uri.rstrip("/")


def _hint(scheme: str) -> str:
    return f"{suggest(scheme, SCHEMES)}; for example sqlite:///folder/mlflow.db or http://host:5000"


def _absolute(uri: str) -> str:
    path = uri.removeprefix("sqlite:///")
    if path == uri or path in ("", ":memory:"):
        raise InputError(f"tracking.uri={uri}: names no file; sqlite:///folder/mlflow.db")
    if {"?", "%"} & set(path):
        raise InputError(f"tracking.uri={uri}: MLflow cannot open a path with ? or % in it")
    return f"sqlite:///{Path(path).absolute()}"


def open_tracker(cfg: TrackingConfig, outputs: Path, experiment_id: str | None = None) -> Tracker:
    """The tracker that the config asks for, its store reached and its experiment made.

    The jobs of a sweep know the `experiment_id` that its driver found. Raises `InputError` if the
    store cannot be used; a server has a few seconds to answer.
    """
    if cfg.name == "none":
        return NullTracker()
    assert cfg.experiment is not None
    uri = store_uri(cfg.uri, outputs)
    from fashion_exp.tracking.connection import opened

    return opened(uri, cfg.experiment, experiment_id)


def matching_runs(uri: str | None, outputs: Path, wanted: str) -> list[str]:
    """Ids of the experiments' runs that a filter in MLflow's language matches, newest first.

    Raises `InputError` for a filter that MLflow cannot read, or a store that cannot be used.
    """
    from fashion_exp.tracking.connection import search

    return search(store_uri(uri, outputs), wanted)


def fetch_run(uri: str | None, outputs: Path, run: str, folder: Path) -> None:
    """Copies the files of a tracked run into `folder`; raises `InputError` as `matching_runs`."""
    from fashion_exp.tracking.connection import download

    download(store_uri(uri, outputs), run, folder)
