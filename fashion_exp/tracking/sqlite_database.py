"""MLflow's sqlite database: safe creation by concurrent processes, version check, migration."""

from __future__ import annotations

import glob
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import mlflow
from filelock import FileLock
from sqlalchemy import Engine, create_engine, event

from fashion_exp.atomic_io import atomic_write
from fashion_exp.errors import InputError
from fashion_exp.tracking import compat
from fashion_exp.tracking.schema_revision import installed_revision
from fashion_exp.tracking.store_errors import STORE_ERRORS, disk_full_error, reason
from fashion_exp.tracking.urls import SQLITE_PREFIX


def ensure_database(database: Path) -> None:
    """Creates the database if there is none, else checks its schema version.

    MLflow itself leaves a broken database if several processes create it at once or one is killed
    while creating it, and may migrate an older one without asking. Raises `InputError`, and
    `DiskFullError`.
    """
    try:
        if _is_absent(database):
            database.parent.mkdir(parents=True, exist_ok=True)
            _draft(database).touch()  # raises where no file can be written; a lock would wait
            with FileLock(f"{database}.lock"):
                if _is_absent(database):
                    _create(database)
            _draft(database).unlink(missing_ok=True)
    except OSError as error:
        if full := disk_full_error(error, SQLITE_PREFIX + str(database)):
            raise full from None
        raise InputError(
            f"{database}: cannot be written ({error.strerror}); "
            "set outputs or tracking.uri to another location, or tracking=none"
        ) from None
    _check_schema(database)
    _follow_move(database)


def artifact_root(database: Path) -> str:
    """URI of the artifact folder that belongs to a database."""
    return (database.parent / "artifacts").as_uri()


def _follow_move(database: Path) -> None:
    """Corrects the paths of artifacts if the database was moved or copied together with them.

    MLflow saves absolute paths, but the artifacts of our databases are always beside them.
    """
    if not (database.parent / "artifacts").is_dir():
        return
    root = artifact_root(database)
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        rows = connection.execute("SELECT artifact_location FROM experiments").fetchall()
        earlier = {re.sub(r"/artifacts(/0)?$", "/artifacts", row[0]) for row in rows if row[0]}
        moved = {path for path in earlier - {root} if re.match(r"file://.*/artifacts$", path)}
        with suppress(sqlite3.OperationalError), connection:  # a copy may be read-only
            for path in moved:
                for table, column in _ARTIFACT_PATHS:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (root, len(path) + 1, path, len(path) + 1, f"{path}/"),
                    )


_ARTIFACT_PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


def _is_absent(database: Path) -> bool:
    """An empty file is what sqlite makes of a database that was deleted while it was in use."""
    return not database.exists() or database.stat().st_size == 0


def _draft(database: Path) -> Path:
    """The file that `atomic_write` fills in this process."""
    return database.with_name(f".{database.name}.{os.getpid()}")


def _create(database: Path) -> None:
    """The caller holds the lock, so all other drafts are of processes that were killed."""
    for draft in database.parent.glob(f".{glob.escape(database.name)}.*"):
        if re.fullmatch(r"\d+(-journal|-wal|-shm)?", draft.name.rpartition(".")[2]):
            draft.unlink(missing_ok=True)
    uri = SQLITE_PREFIX + str(database)
    try:
        with atomic_write(database) as draft, _without_fsync():
            compat.create_schema(SQLITE_PREFIX + str(draft), artifact_root(database))
    except STORE_ERRORS as error:
        if full := disk_full_error(error, uri):
            raise full from None
        if isinstance(error, OSError):
            raise
        raise InputError(
            f"{database}: cannot be created ({reason(error)}); "
            "set outputs or tracking.uri to another location, or tracking=none"
        ) from None


@contextmanager
def _without_fsync() -> Iterator[None]:
    """Turns off waiting for the disk. A draft needs no durability: a crash discards it."""

    def set_pragmas(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

    event.listen(Engine, "connect", set_pragmas)
    try:
        yield
    finally:
        event.remove(Engine, "connect", set_pragmas)


def _check_schema(database: Path) -> None:
    try:
        schema = _schema(database)
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{database}: not an MLflow database ({error}); "
            "move the file, or set tracking.uri to another one"
        ) from None
    if schema != installed_revision():
        raise InputError(
            f"{database}: written by another version of MLflow (schema {schema}; "
            f"MLflow {mlflow.__version__} has {installed_revision()}); `scripts/run doctor --fix` "
            "copies the file and migrates it, or set tracking.uri to another one"
        )


def needs_migration(database: Path) -> bool:
    """Whether the file is an MLflow database with another schema version."""
    try:
        return _schema(database) != installed_revision()
    except sqlite3.DatabaseError:
        return False


def migrate(database: Path) -> Path:
    """Migrates an older database; returns the backup that is made first.

    Raises `InputError` if MLflow cannot migrate it; the file is then restored.
    """
    backup = database.with_name(f"{database.name}.schema-{_schema(database)}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    engine = create_engine(SQLITE_PREFIX + str(database))
    try:
        compat.upgrade_schema(engine)
    except Exception as error:  # a migration can raise anything
        engine.dispose()
        shutil.copyfile(backup, database)
        raise InputError(
            f"{database}: MLflow {mlflow.__version__} cannot migrate it "
            f"({str(error).splitlines()[0]}); use the version that wrote it, "
            "or set tracking.uri to another one"
        ) from None
    engine.dispose()
    return backup


def _schema(database: Path) -> str:
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else "none"
