"""Jobs on nodes that do not share the sweep's disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.sweeps.job_spec import JobSpec
from fashion_exp.sweeps.launchers.remote import DiskMarker, run_remote, unpack
from tests.sweeps.drill import TINY

pytestmark = pytest.mark.slow


def make_spec(folder: Path, *overrides: str) -> JobSpec:
    arguments = [*TINY, "repeats=1", *overrides]
    return JobSpec(folder, parse_command_line(arguments).jobs[0], tuple(arguments))


@pytest.fixture
def hidden_disk(tmp_path: Path) -> DiskMarker:
    return DiskMarker(tmp_path / "hidden" / ".disk-0", tmp_path / "hidden")


def test_marker_exists_while_the_sweep_runs(tmp_path: Path) -> None:
    with DiskMarker.create(tmp_path) as marker:
        assert marker.file.exists()
    assert not list(tmp_path.iterdir())


def test_job_on_the_shared_disk_writes_to_its_folder(tmp_path: Path) -> None:
    with DiskMarker.create(tmp_path) as marker:
        assert run_remote(make_spec(tmp_path / "job", "tracking=none"), marker) is None
    assert (tmp_path / "job" / "result.json").exists()


def test_files_of_a_job_without_the_disk_are_returned(
    hidden_disk: DiskMarker, tmp_path: Path
) -> None:
    archive = run_remote(make_spec(tmp_path / "job", "tracking=none"), hidden_disk)
    assert archive is not None and not (tmp_path / "job").exists()
    unpack(archive, tmp_path / "job")
    files = {file.name for file in (tmp_path / "job").iterdir()}
    assert {"result.json", "validation_predictions.parquet", "console.log"} <= files
    assert not files & {"checkpoints", "unfinished"}


def test_job_without_the_disk_needs_a_tracking_server(
    hidden_disk: DiskMarker, tmp_path: Path
) -> None:
    unpack(run_remote(make_spec(tmp_path / "job"), hidden_disk), tmp_path / "job")
    failure = json.loads((tmp_path / "job" / "failure.json").read_text())
    assert failure["kind"] == "InputError" and "tracking.uri=http" in failure["reason"]
