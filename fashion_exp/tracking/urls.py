"""URIs of stores, URLs of MLflow's UI, and the columns, filter and order of its runs table.

The UI reads columns neither from the URL nor from a default, only from a shared view: an
experiment tag with JSON content that the URL names. The UI then ignores a filter in the URL, so
filter and order are part of the view too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fashion_exp.errors import redact_credentials
from fashion_exp.tracking.metric_names import meanings_table

SQLITE_PREFIX = "sqlite:///"
ALL_RUNS = "all"
METRICS = ("val_acc", "val_lo", "val_hi", "val_t_lo", "val_t_hi", "val_n", "test_acc")

# Without it, the UI opens an experiment in its view for language models: no runs, no metrics.
_WORKFLOW = "workflowType=machine_learning"


def redact_uri(uri: str) -> str:
    """Removes user, password and trailing slashes, so that the URI can be printed."""
    return redact_credentials(uri).rstrip("/")


def database_file(uri: str) -> Path | None:
    """The file of a local store; None for a server."""
    return Path(uri.removeprefix(SQLITE_PREFIX)) if uri.startswith(SQLITE_PREFIX) else None


def run_url(base: str, experiment_id: str, run_id: str) -> str:
    """URL of a run's page."""
    return f"{redact_uri(base)}/#/experiments/{experiment_id}/runs/{run_id}?{_WORKFLOW}"


def runs_url(base: str, experiment_id: str, parent_id: str | None = None) -> str:
    """URL of the experiment's runs table, best validation accuracy first.

    With a parent, the table has its child runs only (see `Tracker.set_runs_view`).
    """
    key = parent_id or ALL_RUNS
    return (
        f"{redact_uri(base)}/#/experiments/{experiment_id}/runs?viewStateShareKey={key}&{_WORKFLOW}"
    )


def experiment_tags() -> dict[str, str]:
    """The tags of an experiment: its kind, for which the UI shows runs with metrics and not its
    pages for language models; the view of its runs table; and a note on the metrics."""
    note = f"Runs of fashion_exp.\n\n{meanings_table()}"
    kind = "custom_model_development"
    return dict([runs_view_tag()]) | {"mlflow.experimentKind": kind, "mlflow.note.content": note}


def runs_view_tag(parent_id: str | None = None, params: Sequence[str] = ()) -> tuple[str, str]:
    """Name and value of the experiment tag that `runs_url` refers to.

    The view lists runs with a final result only, so neither sweeps nor folds.
    """
    columns = [f"params.`{name}`" for name in params] + [f"metrics.`{name}`" for name in METRICS]
    parent_filter = f"tags.`mlflow.parentRunId` = '{parent_id}' AND " if parent_id else ""
    view = {
        "searchFilter": f"{parent_filter}metrics.`val_acc` >= 0",
        "orderByKey": "metrics.`val_acc`",
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": columns,
    }
    return f"mlflow.sharedViewState.{parent_id or ALL_RUNS}", json.dumps(view)
