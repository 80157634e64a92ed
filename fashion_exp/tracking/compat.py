"""Everything in this package that relies on MLflow's private API.

A test compares these functions with the installed MLflow. When it fails after an upgrade, check
each function here against the new version, then raise `CHECKED_MLFLOW`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.models import SqlRun
from mlflow.store.tracking.sqlalchemy_store import (
    SqlAlchemyStore,
    _get_sqlalchemy_filter_clauses,
)
from mlflow.utils.search_utils import SearchUtils
from sqlalchemy import Engine, select

CHECKED_MLFLOW = (3, 17)
"""Highest minor version of MLflow that this module was checked with."""


def create_schema(database_uri: str, artifact_root: str) -> None:
    """Creates MLflow's tables and its default experiment in an empty database."""
    SqlAlchemyStore(database_uri, artifact_root).engine.dispose()


def upgrade_schema(engine: Engine) -> None:
    """Applies MLflow's migrations; raises whatever a migration raises."""
    utils._upgrade_db(engine)


def search_run_ids(
    client: MlflowClient, experiment_ids: Sequence[str], filter_string: str
) -> list[str] | None:
    """Ids of matching active runs of a local database, newest first; None for a server.

    `MlflowClient.search_runs` loads each run with all its values, which takes 3 ms per run.
    """
    store = client._tracking_client.store
    if not isinstance(store, SqlAlchemyStore):
        return None
    with store.ManagedSessionMaker() as session:
        parsed = SearchUtils.parse_search_filter(filter_string)
        of_runs, of_values, of_datasets = _get_sqlalchemy_filter_clauses(
            parsed, session, store._get_dialect()
        )
        query = select(SqlRun.run_uuid)
        for values in of_values:
            query = query.join(values)
        for datasets in of_datasets:
            query = query.join(datasets, SqlRun.run_uuid == datasets.c.destination_id)
        query = query.distinct().filter(
            SqlRun.experiment_id.in_([int(item) for item in experiment_ids]),
            SqlRun.lifecycle_stage == "active",
            *of_runs,
        )
        return list(session.scalars(query.order_by(SqlRun.start_time.desc())))
