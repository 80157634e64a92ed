"""Experiment tracking with MLflow, or with a null tracker that records nothing.

Importing this package does not import MLflow; opening a tracker does.
"""

from __future__ import annotations

import os

from fashion_exp.tracking.provenance import provenance, source_tags
from fashion_exp.tracking.store import (
    fetch_artifact,
    fetch_run,
    matching_runs,
    open_tracker,
    store_uri,
)
from fashion_exp.tracking.tracker import NullTracker, Status, Tracker
from fashion_exp.tracking.urls import runs_url

# MLflow reads these when it is imported, which happens later.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

__all__ = [
    "NullTracker",
    "Status",
    "Tracker",
    "fetch_artifact",
    "fetch_run",
    "matching_runs",
    "open_tracker",
    "provenance",
    "runs_url",
    "source_tags",
    "store_uri",
]
