"""Everything in this package that relies on MLflow's private API.

A test compares these functions with the installed MLflow. When it fails after an upgrade, check
each function here against the new version, then raise `CHECKED_MLFLOW`.
"""

from __future__ import annotations

from mlflow.store.db import utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine

CHECKED_MLFLOW = (3, 17)
"""Highest minor version of MLflow that this module was checked with."""


def create_schema(database_uri: str, artifact_root: str) -> None:
    """Creates MLflow's tables and its default experiment in an empty database."""
    SqlAlchemyStore(database_uri, artifact_root).engine.dispose()


def latest_schema_revision() -> str:
    """Schema revision of the installed MLflow. Slow: MLflow reads all of its migrations."""
    return str(utils._get_latest_schema_revision())


def upgrade_schema(engine: Engine) -> None:
    """Applies MLflow's migrations; raises whatever a migration raises."""
    utils._upgrade_db(engine)
