"""Queries for all runs that match; MLflow answers them page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID


def matching_runs(
    client: MlflowClient, experiment_ids: Sequence[str], filter_string: str
) -> Iterator[Run]:
    """Active runs, newest first."""
    token: str | None = None
    while token != "":
        page = client.search_runs(
            list(experiment_ids), filter_string, order_by=["start_time DESC"], page_token=token
        )
        yield from page
        token = page.token or ""


def child_runs(client: MlflowClient, experiment_id: str, parent: str) -> list[Run]:
    """The active runs directly below a run."""
    below = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'"
    return list(matching_runs(client, [experiment_id], below))
