"""Runs recorded in MLflow through its client alone: no current run, no global state."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NOTE,
)

from fashion_exp.errors import InputError
from fashion_exp.paths import PACKAGE
from fashion_exp.tracking.names import (
    PARAM_LENGTH,
    TAG_LENGTH,
    clean_name,
    clean_texts,
    round_metric,
)
from fashion_exp.tracking.queries import child_runs
from fashion_exp.tracking.store_errors import (
    REQUEST_SECONDS,
    NotStoredError,
    first_line,
    is_missing,
)
from fashion_exp.tracking.tracker import Status, Tracker
from fashion_exp.tracking.urls import run_url, runs_url, runs_view_tag
from fashion_exp.tracking.writer import StoreWriter

BATCH_SIZES = {"metrics": 900, "params": 100, "tags": 100}
"""Of a request. MLflow takes 1,000 values at a time."""
SECONDS_BETWEEN_WRITES = 1.0
"""Shortest time between two writes of metrics and tags. A write takes milliseconds, whatever its
size, which is as long as several training steps of a small head."""
UPLOAD_BYTES_PER_SECOND = 1e6
"""A server has as many more seconds to answer an upload."""

_MODEL_REQUIREMENTS = ("torch", "numpy", "pandas", "pillow", "filelock", "pydantic")
"""What a logged model needs where it is loaded."""

log = logging.getLogger(__name__)
logging.getLogger("alembic").setLevel(logging.WARNING)
for name in ("mlflow.store.db.utils", "mlflow.utils.rest_utils", "urllib3.connectionpool"):
    logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are reported in our words


class MlflowTracker(Tracker):
    """Records runs in an MLflow store through a `StoreWriter`."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self._client = client
        self.experiment_id = experiment_id
        self.uri = client.tracking_uri
        self._writer = StoreWriter(self.uri)
        self._metrics: dict[str, list[Metric]] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._logged: dict[str, set[str]] = {}
        """Names of the metrics of each run that has not ended."""
        self._last_write = -math.inf
        self._active: dict[str, None] = {}
        """Ids of the runs that were started or resumed and have not ended."""

    @property
    def failure(self) -> str:
        return self._writer.failure

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
        token, attempts = tags.get("begun_as"), 0

        def create() -> str:
            nonlocal attempts
            attempts += 1
            run_id = None
            if attempts > 1 and token:  # an attempt without an answer may have created the run
                run_id = self._search_token(token)
            if run_id is None:
                run = self._client.create_run(self.experiment_id, tags=texts, run_name=name)
                run_id = run.info.run_id
            if not run_id:
                raise ValueError("the answer has no run id")
            self._active[run_id] = None
            return run_id

        run_id = self._writer.call(create, "")
        values = [Param(*item) for item in clean_texts(params, PARAM_LENGTH).items()]
        self._enqueue_batches(run_id, params=values)
        return run_id

    def find_by_token(self, token: str) -> str | None:
        self._enqueue_pending()
        return self._writer.call(partial(self._search_token, token), None)

    def _search_token(self, token: str) -> str | None:
        runs = self._client.search_runs(
            [self.experiment_id], f"tags.begun_as = '{token}'", max_results=1
        )
        return runs[0].info.run_id if runs else None

    def children(self, run_id: str, tag: str) -> dict[str, str]:
        def search() -> dict[str, str]:
            runs = child_runs(self._client, self.experiment_id, run_id)
            return {r.data.tags[tag]: r.info.run_id for r in runs if tag in r.data.tags}

        self._enqueue_pending()
        return self._writer.call(search, {})

    def exists(self, run_id: str) -> bool:
        return self._writer.call(
            partial(self._unless_missing, lambda: self._client.get_run(run_id), active=True), True
        )

    def resume(self, run_id: str) -> bool:
        update = partial(self._client.update_run, run_id, status="RUNNING")
        is_resumed = self._writer.call(partial(self._unless_missing, update), False)
        if is_resumed:
            self._active[run_id] = None
        return is_resumed

    def _unless_missing(self, access: Callable[[], Any], active: bool = False) -> bool:
        """Whether the access succeeds; False if the store does not have the run."""
        try:
            run = access()
        except MlflowException as error:
            if not is_missing(error, self.uri):
                raise
            return False
        return not active or run.info.lifecycle_stage == "active"

    def log(
        self,
        run_id: str,
        metrics: Mapping[str, float | None],
        step: int | None = None,
        when: float | None = None,
    ) -> None:
        timestamp = int(1000 * (time.time() if when is None else when))
        values = [
            Metric(clean_name(name), round_metric(value), timestamp, step or 0)
            for name, value in metrics.items()
            if value is not None and math.isfinite(value)
        ]
        self._metrics.setdefault(run_id, []).extend(values)
        self._logged.setdefault(run_id, set()).update(metric.key for metric in values)
        self._enqueue_if_due()

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._tags.setdefault(run_id, {}).update(clean_texts(tags, TAG_LENGTH))
        self._enqueue_if_due()

    def set_parent(self, run_id: str, parent: str) -> None:
        self.tag(run_id, {MLFLOW_PARENT_RUN_ID: parent})

    def set_runs_view(self, run_id: str, params: Sequence[str]) -> None:
        name, value = runs_view_tag(run_id, params)
        self._writer.enqueue(
            lambda: self._client.set_experiment_tag(self.experiment_id, name, value)
        )

    def set_description(self, run_id: str, markdown: str) -> None:
        self.tag(run_id, {MLFLOW_RUN_NOTE: markdown})

    def log_artifact(self, run_id: str, path: Path, folder: str = "") -> None:
        if not path.exists():
            raise InputError(f"{path}: gone; it was deleted while it was used; run again")
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        names = {file.name for file in (path.iterdir() if path.is_dir() else [path])}
        upload = self._client.log_artifacts if path.is_dir() else self._client.log_artifact

        def store() -> None:
            upload(run_id, str(path), folder or None)
            if self._is_server():  # a login page accepts every upload
                stored = self._client.list_artifacts(run_id, folder or None)
                if missing := names - {Path(item.path).name for item in stored}:
                    raise ValueError(f"the server did not store the file {min(missing)}")

        size = sum(file.stat().st_size for file in files)
        self._writer.call(store, None, REQUEST_SECONDS + size / UPLOAD_BYTES_PER_SECOND)

    def log_model(
        self, run_id: str, script: Path, program: Path, about: Mapping[str, Any], folder: str = ""
    ) -> None:  # fmt: skip
        with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow recommends type hints, also to itself
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            import mlflow.pyfunc
            import pandas as pd
            from mlflow.models import ModelSignature
            from mlflow.types import ColSpec, Schema

            classes = [ColSpec("double", f"p_{name}") for name in about["classes"]]
            outputs = Schema([ColSpec("string", "predicted"), *classes])
            logging.getLogger("mlflow").setLevel(logging.WARNING)
            description = Path(scratch) / "about.json"
            description.write_text(json.dumps(dict(about)), encoding="utf-8")
            try:
                mlflow.pyfunc.save_model(
                    f"{scratch}/saved/model",
                    python_model=str(script),
                    artifacts={"program": str(program), "about": str(description)},
                    code_paths=[str(PACKAGE)],
                    signature=ModelSignature(Schema([ColSpec("binary", "photo")]), outputs),
                    input_example=pd.DataFrame({"photo": [_example_photo()]}),
                    pip_requirements=[f"{name}=={version(name)}" for name in _MODEL_REQUIREMENTS],
                )
            except MlflowException as error:
                log.warning("tracking: the model was not stored (%s)", first_line(error))
                return
            self.log_artifact(run_id, Path(scratch) / "saved", folder)

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
        self._writer.enqueue(lambda: _retry_duplicate(write))

    def end(self, run_id: str, status: Status) -> None:
        self._enqueue_pending()
        if status != "FINISHED":  # an interrupted process must not wait for a server
            self._writer.stop_waiting()
        logged = self._logged.pop(run_id, set())

        def terminate() -> None:
            self._client.set_terminated(run_id, status)
            if self._is_server():  # a proxy may have confirmed the writes
                stored = self._client.get_run(run_id)
                if stored.info.status != status:
                    raise ValueError("the server did not store the status")
                if missing := logged - stored.data.metrics.keys():
                    raise NotStoredError(f"the server did not store {min(missing)}")

        self._writer.call_even_after_failure(terminate)
        self._active.pop(run_id, None)

    def end_active(self, status: Status) -> None:
        self._writer.stop_waiting()
        self._writer.submit(lambda: None, None).result()  # a run may be in creation
        for run_id in reversed(list(self._active)):
            self.end(run_id, status)

    def flush(self) -> None:
        self._enqueue_pending()
        self._writer.call(lambda: None, None)

    def run_url(self, run_id: str) -> str | None:
        if not (self._is_server() and run_id):
            return None
        return run_url(self.uri, self.experiment_id, run_id)

    def runs_view_url(self, run_id: str) -> str | None:
        if not (self._is_server() and run_id):
            return None
        return runs_url(self.uri, self.experiment_id, run_id)

    def _is_server(self) -> bool:
        return self.uri.startswith("http")

    def _enqueue_if_due(self) -> None:
        if time.monotonic() - self._last_write >= SECONDS_BETWEEN_WRITES:
            self._enqueue_pending()

    def _enqueue_pending(self) -> None:
        """Metrics and tags go in one request, as its length hardly changes its time."""
        for run_id in [*dict.fromkeys([*self._metrics, *self._tags])]:
            tags = [RunTag(*item) for item in self._tags.get(run_id, {}).items()]
            self._enqueue_batches(run_id, metrics=self._metrics.get(run_id, ()), tags=tags)
        self._metrics, self._tags = {}, {}
        self._last_write = time.monotonic()

    def _enqueue_batches(self, run_id: str, **values: Sequence[object]) -> None:
        """`values` are metrics, params and tags; each request has as many as it may have."""
        while any(values.values()):
            batch = {kind: of_kind[: BATCH_SIZES[kind]] for kind, of_kind in values.items()}
            values = {kind: of_kind[BATCH_SIZES[kind] :] for kind, of_kind in values.items()}
            self._writer.enqueue(partial(self._client.log_batch, run_id, **batch))


def _example_photo() -> bytes:
    """A PNG file of a gray photo."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "gray").save(buffer, "PNG")
    return buffer.getvalue()


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
