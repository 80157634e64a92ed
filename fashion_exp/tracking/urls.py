"""Where MLflow's UI shows what, and how its table of runs looks there.

The UI takes columns neither from an address nor from a default. It takes them from a shared view:
a tag of the experiment, in JSON, that an address names. One with a filter of its own in the
address would be ignored, so that filter and order stand in the view too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

ALL_RUNS = "all"
METRICS = ("val_acc", "val_lo", "val_hi", "val_t_lo", "val_t_hi", "val_n", "test_acc")

# Without it the UI opens an experiment as one of language models, with neither runs nor metrics.
_KIND = "workflowType=machine_learning"


def public(uri: str) -> str:
    """The URI as it may be printed: without user and password, and without a slash at its end."""
    return without_passwords(uri).rstrip("/")


def without_passwords(text: str) -> str:
    """A text without the users and passwords of the URIs in it."""
    return re.sub(r"://[^/\s]*@", "://", text)


def run_address(base: str, experiment_id: str, run: str) -> str:
    return f"{public(base)}/#/experiments/{experiment_id}/runs/{run}?{_KIND}"


def ui_address(base: str, experiment_id: str, parent_run: str | None = None) -> str:
    """The experiment's table of runs, best validation accuracy first.

    With a parent only the runs right below it, as `Tracker.view` has prepared them.
    """
    key = parent_run or ALL_RUNS
    return f"{public(base)}/#/experiments/{experiment_id}/runs?viewStateShareKey={key}&{_KIND}"


def view_tag(parent_run: str | None = None, params: Sequence[str] = ()) -> tuple[str, str]:
    """Name and value of the experiment's tag that `ui_address` refers to.

    Only runs with a final result are listed: no sweeps, no folds.
    """
    columns = [f"params.`{name}`" for name in params] + [f"metrics.`{name}`" for name in METRICS]
    below = f"tags.`mlflow.parentRunId` = '{parent_run}' AND " if parent_run else ""
    view = {
        "searchFilter": f"{below}metrics.`val_acc` >= 0",
        "orderByKey": "metrics.`val_acc`",
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": columns,
    }
    return f"mlflow.sharedViewState.{parent_run or ALL_RUNS}", json.dumps(view)
