"""Runs recorded in MLflow, on its client alone: no current run, no global state."""

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
from fashion_exp.tracking.tracker import Status, TrackingError
from fashion_exp.tracking.urls import public, run_address, ui_address, view_tag

Result = TypeVar("Result")

METRICS_PER_BATCH = 1000
SECONDS_BETWEEN_WRITES = 1.0
"""Of metrics: one takes milliseconds however many there are, as long as steps of a small head."""
TEXTS_PER_BATCH = 100

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


@contextmanager
def impatient() -> Iterator[None]:
    """Makes MLflow give up on a silent server after seconds, where it would try for minutes."""
    haste = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "4"}
    before = {name: os.environ.get(name) for name in haste}
    os.environ.update(haste)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def reason(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class MlflowTracker:
    """See `Tracker`.

    One thread of its own speaks to the store: training does not wait for it, and a signal, which
    is raised in the main thread, cannot break a transaction off and leave the database locked.
    """

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self._client = client
        self.experiment_id = experiment_id
        self.uri: str = client.tracking_uri
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
        coming = self._writer.submit(create)
        try:
            with self._explained("starting a run"):
                identity: str = coming.result().info.run_id
        except KeyboardInterrupt:  # it will be there all the same
            self._later(lambda: self._client.set_terminated(coming.result().info.run_id, "KILLED"))
            raise
        values = [Param(*item) for item in clean_texts(params, PARAM_LENGTH).items()]
        self._in_batches(identity, "params", values, TEXTS_PER_BATCH)
        return identity

    def begun_as(self, token: str) -> str | None:
        wanted = f"tags.begun_as = '{token}'"
        with self._explained("looking for a run"):
            search = partial(self._client.search_runs, [self.experiment_id], wanted, max_results=1)
            found = self._now(search)
        return found[0].info.run_id if found else None

    def resume(self, run: str) -> None:
        try:
            self._now(partial(self._client.update_run, run, status="RUNNING"))
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise self._explanation("resuming a run", error) from error
            raise InputError(
                f"resume: {public(self.uri)} has no run {run} that could go on "
                f"({reason(error)}); restore it, or start anew without `resume`"
            ) from error

    def log(
        self,
        run: str,
        metrics: Mapping[str, float | None],
        step: int | None = None,
        when: float | None = None,
    ) -> None:
        now = int(1000 * (time.time() if when is None else when))
        self._metrics.setdefault(run, []).extend(
            Metric(clean_name(name), float(value), now, step or 0)
            for name, value in metrics.items()
            if value is not None and math.isfinite(value)
        )
        if time.monotonic() - self._last_write >= SECONDS_BETWEEN_WRITES:
            self._write_metrics()

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        values = [RunTag(*item) for item in clean_texts(tags, TAG_LENGTH).items()]
        self._in_batches(run, "tags", values, TEXTS_PER_BATCH)

    def view(self, run: str, params: Sequence[str]) -> None:
        name, value = view_tag(run, params)
        self._later(lambda: self._client.set_experiment_tag(self.experiment_id, name, value))

    def note(self, run: str, markdown: str) -> None:
        self.tag(run, {MLFLOW_RUN_NOTE: markdown})

    def artifact(self, run: str, path: Path, folder: str = "") -> None:
        log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
        with self._explained(f"storing {path.name}"):
            self._now(partial(log, run, str(path), folder or None))

    def model(self, run: str, model: Any, example: np.ndarray) -> None:
        import mlflow.pytorch

        with (
            tempfile.TemporaryDirectory() as folder,
            self._explained("storing the model"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", UserWarning)  # MLflow wishes for more type hints
            mlflow.pytorch.save_model(
                model,
                f"{folder}/model",
                input_example=example,
                pip_requirements=[f"torch=={version('torch')}"],
                serialization_format="pt2",
            )
            self._now(partial(self._client.log_artifacts, run, folder))

    def dataset(
        self,
        run: str,
        *,
        name: str,
        digest: str,
        source: str,
        profile: Mapping[str, object],
        context: str,
    ) -> None:
        data = Dataset(
            name=name,
            digest=digest,
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps(profile),
        )
        use = DatasetInput(data, [InputTag(MLFLOW_DATASET_CONTEXT, context)])

        def write() -> None:
            self._client.log_inputs(run, datasets=[use])

        self._later(lambda: _again_if_taken(write))

    def end(self, run: str, status: Status) -> None:
        failed = self._drained()
        try:
            with impatient() if failed else nullcontext():
                self._now(partial(self._client.set_terminated, run, status))
        except MlflowException as error:
            failed = failed or self._explanation("ending a run", error)
        if failed:
            raise failed

    def flush(self) -> None:
        if failed := self._drained():
            raise failed

    def address(self, run: str) -> str | None:
        served = self.uri.startswith("http")
        return run_address(self.uri, self.experiment_id, run) if served else None

    def view_address(self, run: str) -> str | None:
        served = self.uri.startswith("http")
        return ui_address(self.uri, self.experiment_id, run) if served else None

    def _write_metrics(self) -> None:
        for run, values in self._metrics.items():
            self._in_batches(run, "metrics", values, METRICS_PER_BATCH)
        self._metrics = {}
        self._last_write = time.monotonic()

    def _in_batches(self, run: str, kind: str, values: Sequence[object], size: int) -> None:
        for at in range(0, len(values), size):
            batch: dict[str, Any] = {kind: values[at : at + size]}
            self._later(partial(self._client.log_batch, run, **batch))

    def _now(self, call: Callable[[], Result]) -> Result:
        return self._writer.submit(call).result()

    def _later(self, write: Callable[[], object]) -> None:
        self._writer.submit(self._attempt, write)

    def _attempt(self, write: Callable[[], object]) -> None:
        if self._error is None:
            try:
                write()
            except Exception as error:
                self._error = self._explanation("recording", error)

    def _drained(self) -> TrackingError | None:
        """Has everything written and waits for it; the first error since the last time."""
        self._write_metrics()
        self._writer.submit(lambda: None).result()
        error, self._error = self._error, None
        return error

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (MlflowException, OSError) as error:
            raise self._explanation(doing, error) from error

    def _explanation(self, doing: str, error: Exception) -> TrackingError:
        explained = TrackingError(f"{public(self.uri)}: {doing} failed: {reason(error)}")
        explained.__cause__ = error
        return explained


def _again_if_taken(write: Callable[[], object]) -> None:
    """MLflow looks whether a data set is there, then makes it: of two runs at once one fails."""
    try:
        write()
    except MlflowException as error:
        if not any(words in str(error) for words in ("UNIQUE constraint", "duplicate key")):
            raise
        write()
