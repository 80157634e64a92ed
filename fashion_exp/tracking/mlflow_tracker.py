"""Runs recorded in MLflow through its client alone: no current run, no global state."""

from __future__ import annotations

import json
import logging
import math
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NOTE,
)

from fashion_exp.errors import InputError
from fashion_exp.tracking.names import PARAM_LENGTH, TAG_LENGTH, clean_name, clean_texts
from fashion_exp.tracking.tracker import Status, Tracker, TrackingError
from fashion_exp.tracking.urls import redact_uri, run_url, runs_url, runs_view_tag

T = TypeVar("T")

METRICS_PER_BATCH = 1000
SECONDS_BETWEEN_WRITES = 1.0
"""Shortest time between two writes of metrics. A write takes milliseconds, whatever its size, which
is as long as several training steps of a small head."""
TEXTS_PER_BATCH = 100

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


@contextmanager
def fail_fast() -> Iterator[None]:
    """Makes MLflow give up on an unresponsive server after seconds instead of minutes."""
    settings = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "4"}
    previous = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if there is no message."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class MlflowTracker(Tracker):
    """Records runs in an MLflow store.

    A single writer thread accesses the store. Training does not wait for it, and a signal, which
    Python raises in the main thread, cannot interrupt a transaction and leave the database locked.
    """

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self._client = client
        self.experiment_id = experiment_id
        self.uri = client.tracking_uri
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="tracking")
        self._metrics: dict[str, list[Metric]] = {}
        self._last_write = -math.inf
        self._error: TrackingError | None = None

    def start(
        self,
        name: str,
        *,
        parent: str | None,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> str:
        texts = clean_texts(tags, TAG_LENGTH)
        if parent:
            texts[MLFLOW_PARENT_RUN_ID] = parent
        create = partial(self._client.create_run, self.experiment_id, tags=texts, run_name=name)
        future = self._writer.submit(create)
        try:
            with self._wrap_errors("starting a run"):
                run_id: str = future.result().info.run_id
        except KeyboardInterrupt:  # the writer thread creates the run nevertheless
            self._enqueue(
                lambda: self._client.set_terminated(future.result().info.run_id, "KILLED")
            )
            raise
        values = [Param(*item) for item in clean_texts(params, PARAM_LENGTH).items()]
        self._enqueue_batches(run_id, "params", values, TEXTS_PER_BATCH)
        return run_id

    def find_by_token(self, token: str) -> str | None:
        search = partial(
            self._client.search_runs,
            [self.experiment_id],
            f"tags.begun_as = '{token}'",
            max_results=1,
        )
        with self._wrap_errors("searching for a run"):
            runs = self._call(search)
        return runs[0].info.run_id if runs else None

    def resume(self, run_id: str) -> None:
        try:
            self._call(partial(self._client.update_run, run_id, status="RUNNING"))
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise self._tracking_error("resuming a run", error) from error
            raise InputError(
                f"resume: {redact_uri(self.uri)} has no active run {run_id} "
                f"({first_line(error)}); restore it, or start again without `resume`"
            ) from error

    def log(
        self,
        run_id: str,
        metrics: Mapping[str, float | None],
        step: int | None = None,
        when: float | None = None,
    ) -> None:
        timestamp = int(1000 * (time.time() if when is None else when))
        self._metrics.setdefault(run_id, []).extend(
            Metric(clean_name(name), float(value), timestamp, step or 0)
            for name, value in metrics.items()
            if value is not None and math.isfinite(value)
        )
        if time.monotonic() - self._last_write >= SECONDS_BETWEEN_WRITES:
            self._enqueue_metrics()

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        values = [RunTag(*item) for item in clean_texts(tags, TAG_LENGTH).items()]
        self._enqueue_batches(run_id, "tags", values, TEXTS_PER_BATCH)

    def set_runs_view(self, run_id: str, params: Sequence[str]) -> None:
        name, value = runs_view_tag(run_id, params)
        self._enqueue(lambda: self._client.set_experiment_tag(self.experiment_id, name, value))

    def set_description(self, run_id: str, markdown: str) -> None:
        self.tag(run_id, {MLFLOW_RUN_NOTE: markdown})

    def log_artifact(self, run_id: str, path: Path, folder: str = "") -> None:
        upload = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
        with self._wrap_errors(f"storing {path.name}"):
            self._call(partial(upload, run_id, str(path), folder or None))

    def log_model(self, run_id: str, model: Any, example: np.ndarray) -> None:
        import mlflow.pytorch

        with (
            tempfile.TemporaryDirectory() as folder,
            self._wrap_errors("storing the model"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", UserWarning)  # MLflow recommends type hints
            mlflow.pytorch.save_model(
                model,
                f"{folder}/model",
                input_example=example,
                pip_requirements=[f"torch=={version('torch')}"],
                serialization_format="pt2",
            )
            self._call(partial(self._client.log_artifacts, run_id, folder))

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
        dataset = Dataset(
            name=name,
            digest=digest,
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps(profile),
        )
        inputs = [DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])]
        write = partial(self._client.log_inputs, run_id, datasets=inputs)
        self._enqueue(lambda: _retry_duplicate(write))

    def end(self, run_id: str, status: Status) -> None:
        error = self._drain()
        try:
            with fail_fast() if error else nullcontext():
                self._call(partial(self._client.set_terminated, run_id, status))
        except MlflowException as failure:
            error = error or self._tracking_error("ending a run", failure)
        if error:
            raise error

    def flush(self) -> None:
        if error := self._drain():
            raise error

    def run_url(self, run_id: str) -> str | None:
        return run_url(self.uri, self.experiment_id, run_id) if self._is_server() else None

    def runs_view_url(self, run_id: str) -> str | None:
        return runs_url(self.uri, self.experiment_id, run_id) if self._is_server() else None

    def _is_server(self) -> bool:
        return self.uri.startswith("http")

    def _enqueue_metrics(self) -> None:
        for run_id, values in self._metrics.items():
            self._enqueue_batches(run_id, "metrics", values, METRICS_PER_BATCH)
        self._metrics = {}
        self._last_write = time.monotonic()

    def _enqueue_batches(self, run_id: str, kind: str, values: Sequence[object], size: int) -> None:
        for start in range(0, len(values), size):
            batch: dict[str, Any] = {kind: values[start : start + size]}
            self._enqueue(partial(self._client.log_batch, run_id, **batch))

    def _call(self, function: Callable[[], T]) -> T:
        """Runs the function in the writer thread and waits for its result."""
        return self._writer.submit(function).result()

    def _enqueue(self, write: Callable[[], object]) -> None:
        self._writer.submit(self._write, write)

    def _write(self, write: Callable[[], object]) -> None:
        if self._error is None:
            try:
                write()
            except Exception as error:
                self._error = self._tracking_error("recording", error)

    def _drain(self) -> TrackingError | None:
        """Waits for all writes; returns the first error since the last call."""
        self._enqueue_metrics()
        self._call(lambda: None)
        error, self._error = self._error, None
        return error

    @contextmanager
    def _wrap_errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except (MlflowException, OSError) as error:
            raise self._tracking_error(action, error) from error

    def _tracking_error(self, action: str, cause: Exception) -> TrackingError:
        error = TrackingError(f"{redact_uri(self.uri)}: {action} failed: {first_line(cause)}")
        error.__cause__ = cause
        return error


def _retry_duplicate(write: Callable[[], object]) -> None:
    """Repeats a write that failed because another run stored the same dataset at the same time.

    MLflow checks whether the dataset exists before it inserts it, without a lock.
    """
    try:
        write()
    except MlflowException as error:
        if not any(text in str(error) for text in ("UNIQUE constraint", "duplicate key")):
            raise
        write()
