"""MLflow's database in a file of our own: made whole, once, however many ask for it at a time."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow.store.db.utils import _get_latest_schema_revision, _upgrade_db
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, create_engine, event

from fashion_exp.atomic_io import atomic_write
from fashion_exp.errors import InputError

PREFIX = "sqlite:///"


def ensure_database(database: Path) -> None:
    """Makes the database if there is none, else sees that this MLflow can work with it.

    MLflow's own way of making one breaks when several processes come at once or one is killed in
    it, and on finding an older database it may migrate it unasked.
    """
    try:
        if not database.exists():
            _make_once(database)
    except OSError as error:
        raise InputError(
            f"{database}: cannot be written ({error.strerror}); "
            "set outputs or tracking.uri to another place, or tracking=none"
        ) from None
    _check(database)


def _make_once(database: Path) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        if not database.exists():
            _make(database)


def _make(database: Path) -> None:
    with atomic_write(database) as draft, _unsynced():
        SqlAlchemyStore(PREFIX + str(draft), artifacts_beside(database)).engine.dispose()


def artifacts_beside(database: Path) -> str:
    return (database.parent / "artifacts").as_uri()


@contextmanager
def _unsynced() -> Iterator[None]:
    """Database connections that do not wait for the disk: for a draft that a crash may take."""

    def hurry(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)


def _check(database: Path) -> None:
    ours = _our_schema()
    try:
        theirs = _schema(database)
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{database}: not a database of MLflow ({error}); "
            "move it away, or set tracking.uri to another"
        ) from None
    if theirs != ours:
        raise InputError(
            f"{database}: written by another version of MLflow (schema {theirs}; "
            f"MLflow {mlflow.__version__} has {ours}); `scripts/run doctor --fix` copies the file "
            "and brings it up to date, or set tracking.uri to another"
        )


def needs_migration(database: Path) -> bool:
    """Whether the database is an older one of MLflow, which this one can bring up to date."""
    try:
        schema = _schema(database)
    except sqlite3.DatabaseError:
        return False
    return schema != _our_schema()


def migrate(database: Path) -> Path:
    """Brings an older database up to date; gives the copy that was made before.

    Raises `InputError` where MLflow cannot: then the file is as it was.
    """
    copy = database.with_name(f"{database.name}.schema-{_schema(database)}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    engine = create_engine(PREFIX + str(database))
    try:
        _upgrade_db(engine)
    except Exception as error:  # alembic raises whatever a step stumbles over
        engine.dispose()
        shutil.copyfile(copy, database)
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{database}: MLflow {mlflow.__version__} cannot bring it up to date ({reason}); use "
            "the version that wrote it, or set tracking.uri to another"
        ) from None
    engine.dispose()
    return copy


@cache
def _our_schema() -> str:
    """That of this MLflow, which it finds by reading all of its migrations."""
    return str(_get_latest_schema_revision())


def _schema(database: Path) -> str:
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else "none"
