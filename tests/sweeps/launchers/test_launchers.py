"""What all launchers share: their options, and running a job in a process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.sweeps.job_spec import JobSpec
from fashion_exp.sweeps.launchers import LAUNCHERS, make_launcher
from fashion_exp.sweeps.launchers.job_process import run_spec

TARGETS = {name: target for target, name in LAUNCHERS.items()}


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("somebody.elses.Launcher", {}, "inline, processes, ray, slurm"),
        (TARGETS["processes"], {"jobs": 0, "retries": 1}, "hydra.launcher.jobs=0"),
        (TARGETS["processes"], {"jobs": 1, "retries": -1}, "hydra.launcher.retries"),
    ],
)
def test_rejects_invalid_options(target: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError) as error:
        make_launcher({"_target_": target, **options})
    assert message in str(error.value)


def test_job_that_cannot_start_records_its_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no such device")

    monkeypatch.setattr("fashion_exp.sweeps.launchers.job_process.run_job", fail)
    spec = JobSpec(tmp_path / "job", parse_command_line([]).jobs[0], ())
    assert run_spec(spec) == 1
    failure = json.loads((tmp_path / "job" / "failure.json").read_text())
    assert failure["reason"] == "no such device" and failure["traceback"]
