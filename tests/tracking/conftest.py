"""One store and one tracker for all tests of this folder, because creating a store is slow."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs of é")


@pytest.fixture(scope="session")
def tracker(outputs: Path) -> MlflowTracker:
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), outputs)
    assert isinstance(tracker, MlflowTracker)
    return tracker


@pytest.fixture(scope="session")
def client(tracker: MlflowTracker) -> MlflowClient:
    return MlflowClient(tracking_uri=tracker.uri)


@pytest.fixture
def own_tracker(tracker: MlflowTracker, outputs: Path) -> MlflowTracker:
    """A tracker of the test's own, which may fail."""
    own = open_tracker(TrackingConfig("mlflow", experiment="tests"), outputs)
    assert isinstance(own, MlflowTracker)
    return own


@pytest.fixture
def run(tracker: MlflowTracker) -> str:
    return tracker.start("a run", parent=None, params={}, tags={})
