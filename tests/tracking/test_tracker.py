from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.tracking import Tracker, open_tracker
from fashion_exp.tracking.deferred_tracker import DeferredTracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker

pytestmark = pytest.mark.slow


def test_trackers_override_every_method_with_the_same_signature() -> None:
    methods = dict(inspect.getmembers(Tracker, inspect.isfunction))
    assert len(methods) == 21
    for name, method in methods.items():
        for kind in (MlflowTracker, DeferredTracker):
            override = getattr(kind, name)
            is_own = kind is DeferredTracker or name not in ("connect", "run_id", "when_started")
            assert (override is not method) == is_own
            assert inspect.signature(override) == inspect.signature(method)


def test_null_tracker_writes_nothing_and_its_ids_are_empty(tmp_path: Path) -> None:
    tracker = open_tracker(TrackingConfig(name="none"), tmp_path)
    run = tracker.start("a", parent=None, params={"lr": 1}, tags={})
    tracker.log(run, {"val_acc": 0.5})
    tracker.end(run, "FINISHED")
    assert (run, tracker.uri, tracker.experiment_id, tracker.run_url(run)) == ("", "", "", None)
    assert list(tmp_path.iterdir()) == []


def test_opening_the_null_tracker_does_not_import_mlflow() -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from fashion_exp.configuration.schema import TrackingConfig
        from fashion_exp.tracking import open_tracker
        open_tracker(TrackingConfig(name="none"), Path("nowhere"))
        sys.exit("mlflow" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
