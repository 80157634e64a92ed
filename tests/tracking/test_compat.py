"""Fails when MLflow's private API changes; see `fashion_exp/tracking/compat.py`."""

from __future__ import annotations

import inspect
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow.store.db import utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine

from fashion_exp.tracking import compat
from fashion_exp.tracking.schema_revision import installed_revision

pytestmark = pytest.mark.slow


def test_installed_mlflow_is_not_newer_than_the_checked_version() -> None:
    installed = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
    assert installed <= compat.CHECKED_MLFLOW, "check tracking/compat.py, then raise CHECKED_MLFLOW"


def test_private_functions_have_the_expected_parameters() -> None:
    assert list(inspect.signature(utils._upgrade_db).parameters) == ["engine"]
    parameters = list(inspect.signature(SqlAlchemyStore.__init__).parameters)
    assert parameters[:3] == ["self", "db_uri", "default_artifact_root"]


def test_created_schema_has_the_latest_revision_and_upgrading_it_changes_nothing(
    tmp_path: Path,
) -> None:
    database = tmp_path / "mlflow.db"
    compat.create_schema(f"sqlite:///{database}", (tmp_path / "artifacts").as_uri())
    engine = create_engine(f"sqlite:///{database}")
    compat.upgrade_schema(engine)
    engine.dispose()
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        experiments = connection.execute("SELECT name FROM experiments").fetchall()
    assert rows == [(installed_revision(),)]
    assert experiments == [("Default",)]
