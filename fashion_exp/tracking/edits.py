"""Changes to runs that are recorded already: their name, note and tags, and their deletion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from fashion_exp.errors import InputError
from fashion_exp.tracking.connection import store_client
from fashion_exp.tracking.names import TAG_LENGTH, clean_name, shorten
from fashion_exp.tracking.queries import child_runs
from fashion_exp.tracking.urls import database_file, redact_uri

NOTE_TAG = "note"
"""The user's note alone; the description of the run begins with it."""
_RULE = "\n\n---\n\n"
"""Between the user's note and what the program has written."""
_MISSING_OR_DELETED = ("RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "INVALID_PARAMETER_VALUE")


def edit_run(
    uri: str, run_id: str, *, name: str, note: str, tags: Mapping[str, str], removed: Iterable[str]
) -> None:
    """Writes a user's name (unless empty), note and tags to a run, and removes tags.

    Raises `InputError` if the store cannot be used or does not have the run.
    """
    _check_database(uri)
    with store_client(uri) as client:
        recorded = client.get_run(run_id)
        if name and name != recorded.info.run_name:
            client.update_run(run_id, name=name)
        known = recorded.data.tags
        if note or NOTE_TAG in known:
            own = known.get(MLFLOW_RUN_NOTE, "")
            own = own.partition(_RULE)[2] if NOTE_TAG in known else own
            text = _RULE.join(part for part in (note, own) if part)
            client.set_tag(run_id, MLFLOW_RUN_NOTE, shorten(text, TAG_LENGTH))
            client.set_tag(run_id, NOTE_TAG, shorten(note, TAG_LENGTH))
        for tag, value in tags.items():
            client.set_tag(run_id, clean_name(tag), shorten(value, TAG_LENGTH))
        for tag in removed:
            if clean_name(tag) in known:
                client.delete_tag(run_id, clean_name(tag))


def upload_folder(uri: str, run_id: str, folder: Path, name: str) -> None:
    """Copies the content of a folder into the artifact folder `name`; raises as `edit_run`."""
    _check_database(uri)
    with store_client(uri) as client:
        client.log_artifacts(run_id, str(folder), name)


def delete_runs(uri: str, run_ids: Iterable[str]) -> None:
    """Marks runs and all runs below them as deleted; the store can restore them.

    Runs that are deleted or unknown already are skipped. Raises `InputError` if the store cannot
    be used.
    """
    _check_database(uri)
    with store_client(uri) as client:
        for run_id in run_ids:
            try:
                experiment = client.get_run(run_id).info.experiment_id
                for child in _descendants(client, experiment, run_id):
                    client.delete_run(child)
                client.delete_run(run_id)
            except MlflowException as error:
                if error.error_code not in _MISSING_OR_DELETED:
                    raise


def _descendants(client: MlflowClient, experiment: str, parent: str) -> Iterator[str]:
    for child in child_runs(client, experiment, parent):
        yield from _descendants(client, experiment, child.info.run_id)
        yield child.info.run_id


def _check_database(uri: str) -> None:
    """Raises `InputError` if a local database is gone, instead of making a new one."""
    if (database := database_file(uri)) is not None and not database.exists():
        raise InputError(f"{redact_uri(uri)}: there is no such database")
