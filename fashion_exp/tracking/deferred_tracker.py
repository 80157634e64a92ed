"""A tracker whose store is opened in the background, because importing MLflow takes a second."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fashion_exp.errors import InputError
from fashion_exp.tracking.schema_revision import installed_revision
from fashion_exp.tracking.tracker import Status, Tracker, UnavailableTracker
from fashion_exp.tracking.urls import database_file


def ready_experiment(uri: str, name: str) -> str | None:
    """Id of the experiment if opening the store can only succeed; found without MLflow.

    That is a local database of the installed version that has the experiment. None for all others.
    """
    database = database_file(uri)
    if database is None or not database.is_file():
        return None
    experiment = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = ?"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as rows:
            revisions = rows.execute("SELECT version_num FROM alembic_version").fetchall()
            row = rows.execute(experiment, (name, "active")).fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row and revisions == [(installed_revision(),)] else None


class DeferredTracker(Tracker):
    """Keeps what is to be recorded until `connect` is called or an answer is needed.

    `start` then returns a provisional id, which all methods take; `run_id` returns the real one.
    Once the store is open, every call goes to its tracker at once.
    """

    def __init__(self, uri: str, experiment_id: str, open_store: Callable[[], Tracker]) -> None:
        self.uri, self.experiment_id = uri, experiment_id
        self._open_store = open_store
        self._tracker: Tracker | None = None
        self._pending: list[Callable[[Tracker], object]] = []
        self._ids: dict[str, str] = {}
        """The ids of the runs by their provisional ids."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_done = threading.Event()
        self._error: BaseException | None = None

    def connect(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._open, name="tracking")
            self._thread.start()

    def _open(self) -> None:
        """Opens the store and makes the calls that wait for it."""
        try:
            gc.disable()  # as with the other imports: looking for garbage takes longer than these
            try:
                tracker = self._open_store()
            except InputError as error:  # it could be used a moment ago
                tracker = UnavailableTracker(self.uri, str(error))
            finally:
                gc.enable()
            while True:
                with self._lock:
                    if not self._pending:
                        self._tracker = tracker
                        return
                    call = self._pending.pop(0)
                call(tracker)
        except BaseException as error:  # raised where the main thread waits for the store
            self._error = error
        finally:
            self._is_done.set()

    def _opened(self) -> Tracker:
        """The tracker of the open store; waits for it. Raises what went wrong, as a full disk."""
        self.connect()
        self._is_done.wait()
        if self._tracker is None:
            assert self._error is not None
            raise self._error
        return self._tracker

    def _call(self, call: Callable[[Tracker], object]) -> None:
        """Now if the store is open, else when it is."""
        with self._lock:
            if self._tracker is None:
                self._pending.append(call)
                return
        call(self._tracker)

    def _id(self, run_id: str) -> str:
        return self._ids.get(run_id, run_id)

    @property
    def failure(self) -> str:
        return self._tracker.failure if self._tracker is not None else ""

    def start(
        self,
        name: str,
        *,
        parent: str | None,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> str:
        provisional = f"provisional {len(self._ids)}"
        self._ids[provisional] = ""

        def create(tracker: Tracker) -> None:
            below = self._id(parent) if parent else None
            self._ids[provisional] = tracker.start(name, parent=below, params=params, tags=tags)

        self._call(create)
        return provisional

    def run_id(self, run: str) -> str:
        self._opened()
        return self._id(run)

    def when_started(self, run: str, save: Callable[[str], None]) -> None:
        self._call(lambda _: save(self._id(run)))

    def find_by_token(self, token: str) -> str | None:
        return self._opened().find_by_token(token)

    def children(self, run_id: str, tag: str) -> dict[str, str]:
        return self._opened().children(self._id(run_id), tag)

    def exists(self, run_id: str) -> bool:
        return self._opened().exists(self._id(run_id))

    def resume(self, run_id: str) -> bool:
        return self._opened().resume(self._id(run_id))

    def log(
        self,
        run_id: str,
        metrics: Mapping[str, float | None],
        step: int | None = None,
        when: float | None = None,
    ) -> None:
        now = time.time() if when is None else when
        self._call(lambda tracker: tracker.log(self._id(run_id), metrics, step, now))

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._call(lambda tracker: tracker.tag(self._id(run_id), tags))

    def set_parent(self, run_id: str, parent: str) -> None:
        self._call(lambda tracker: tracker.set_parent(self._id(run_id), self._id(parent)))

    def set_runs_view(self, run_id: str, params: Sequence[str]) -> None:
        self._call(lambda tracker: tracker.set_runs_view(self._id(run_id), params))

    def set_description(self, run_id: str, markdown: str) -> None:
        self._call(lambda tracker: tracker.set_description(self._id(run_id), markdown))

    def log_artifact(self, run_id: str, path: Path, folder: str = "") -> None:
        self._opened().log_artifact(self._id(run_id), path, folder)

    def log_model(
        self, run_id: str, script: Path, program: Path, about: Mapping[str, Any], folder: str = ""
    ) -> None:  # fmt: skip
        self._opened().log_model(self._id(run_id), script, program, about, folder)

    def log_dataset(
        self,
        run_id: str,
        *,
        name: str,
        digest: str,
        source: str,
        profile: Mapping[str, object],
        context: str,
    ) -> None:
        self._call(
            lambda tracker: tracker.log_dataset(
                self._id(run_id), name=name, digest=digest, source=source, profile=profile,
                context=context,
            )
        )  # fmt: skip

    def end(self, run_id: str, status: Status) -> None:
        self._opened().end(self._id(run_id), status)

    def end_active(self, status: Status) -> None:
        if self._ids or self._thread is not None:
            self._opened().end_active(status)

    def flush(self) -> None:
        self._opened().flush()

    def run_url(self, run_id: str) -> str | None:
        return None  # a local database

    def runs_view_url(self, run_id: str) -> str | None:
        return None
