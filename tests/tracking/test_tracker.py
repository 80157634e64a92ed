from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.tracking import NullTracker, Tracker, open_tracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker


def verbs(kind: type) -> dict[str, inspect.Signature]:
    methods = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.signature(m) for name, m in methods if not name.startswith("_")}


@pytest.mark.parametrize("kind", [NullTracker, MlflowTracker])
def test_every_tracker_has_the_same_verbs(kind: type) -> None:
    assert len(verbs(Tracker)) == 14
    assert verbs(kind) == verbs(Tracker)


def test_without_tracking_nothing_is_written_and_every_id_is_empty(tmp_path: Path) -> None:
    tracker = open_tracker(TrackingConfig(name="none"), tmp_path)
    run = tracker.start("a", parent=None, params={"lr": 1}, tags={})
    tracker.log(run, {"val_acc": 0.5})
    tracker.end(run, "FINISHED")
    assert (run, tracker.uri, tracker.experiment_id, tracker.address(run)) == ("", "", "", None)
    assert list(tmp_path.iterdir()) == []


def test_importing_tracking_and_opening_none_does_not_import_mlflow() -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from fashion_exp.configuration.schema import TrackingConfig
        from fashion_exp.tracking import open_tracker
        open_tracker(TrackingConfig(name="none"), Path("nowhere"))
        sys.exit("mlflow" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
