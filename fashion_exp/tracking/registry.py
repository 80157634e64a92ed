"""MLflow's model registry: versions of a model, and the alias of the one in use."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.exceptions import MlflowException

from fashion_exp.errors import FailedError, InputError
from fashion_exp.tracking.connection import store_client
from fashion_exp.tracking.store_errors import first_line

CHAMPION = "champion"


@dataclass(frozen=True)
class ModelVersion:
    version: str
    run: str
    """Id of the tracked run that it was made of; empty if it was registered by others."""
    refit: str = ""
    """Name of the folder of a refit of that run; empty for the run itself."""


def find_champion(uri: str, name: str) -> ModelVersion | None:
    """The version with the alias; None if there is none, or no such model.

    Raises `FailedError` if the store cannot be used.
    """
    with store_client(uri, FailedError) as client:
        try:
            version = client.get_model_version_by_alias(name, CHAMPION)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
    return ModelVersion(str(version.version), version.run_id or "", version.tags.get("refit", ""))


def register(
    uri: str, name: str, run_id: str, description: str, artifact: str = "model", refit: str = ""
) -> ModelVersion:
    """Registers an artifact of a run as the next version and makes it the champion.

    Raises `InputError` for a name that the registry does not accept, and `FailedError` if it cannot
    be used.
    """
    with store_client(uri, FailedError) as client:
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code == "INVALID_PARAMETER_VALUE":
                raise InputError(f"{name}: no name for a model ({first_line(error)})") from None
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{client.get_run(run_id).info.artifact_uri}/{artifact}"
        version = client.create_model_version(
            name, source, run_id, {"refit": refit} if refit else None, description=description
        )
        client.set_registered_model_alias(name, CHAMPION, version.version)
    return ModelVersion(str(version.version), run_id, refit)
