"""The `slurm` launcher: with a real Slurm, with submitit's local processes, and with fakes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fashion_exp.errors import InputError
from fashion_exp.sweeps.job_spec import JobSpec
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers.slurm import (
    Slurm,
    _QueuedJob,
    _SlurmExecutor,
    check_nothing_queued,
)
from tests.servers.slurm import slurm
from tests.sweeps.drill import SweepCommand
from tests.sweeps.in_process import PAIR, SINGLE, run_in_process

pytestmark = pytest.mark.slow

pytest.importorskip("submitit", reason="submitit is not installed")

FakePrograms = Callable[..., None]


@pytest.fixture
def fake_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """Puts shell scripts into the PATH: `fake_programs(squeue="exit 1")`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("fashion_exp.sweeps.launchers.slurm.QUERY_DELAYS", (0, 0))

    def add(**scripts: str) -> None:
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    return add


def fake_job(folder: Path) -> SweepJob:
    return cast(SweepJob, SimpleNamespace(folder=folder, cfg=None))


@pytest.mark.slow
def test_local_process_equals_the_reference(reference: SweepCommand, tmp_path: Path) -> None:
    local = ["tracking=none", "hydra/launcher=slurm", "hydra.launcher.cluster=local"]
    sweep = SweepCommand([*SINGLE, *local], tmp_path)
    code, output = run_in_process(sweep)
    assert code == 0, output
    assert len(sweep.outcome()) == 1 and sweep.outcome().items() <= reference.outcome().items()


@pytest.mark.slow
def test_jobs_in_the_queue_outlive_their_sweep(reference: SweepCommand, tmp_path: Path) -> None:
    (tmp_path / "slurm").mkdir()
    with slurm(tmp_path / "slurm"):
        sweep = SweepCommand([*PAIR, "hydra/launcher=slurm", "training.workers=1"], tmp_path)
        jobs_started = "sweeps/*/*/run.log"
        assert sweep.kill_when(lambda: len(list(tmp_path.glob(jobs_started))) == 2, signal.SIGKILL)
        code, output = run_in_process(sweep)
        assert code == 0, output
    assert len(sweep.outcome()) == 2 and sweep.outcome().items() <= reference.outcome().items()
    assert not sweep.rewritten


def test_refusal_of_sbatch_is_an_input_error(tmp_path: Path, fake_programs: FakePrograms) -> None:
    error = "sbatch: error: invalid partition: x"
    fake_programs(sbatch=f"echo '{error}' >&2; exit 1", squeue="exit 0", srun="exit 0")
    launcher = Slurm("slurm", None, 1, 0, None, 4, None, {}, [], 2)
    with launcher.start(tmp_path) as executor:
        job = fake_job(tmp_path / "job")
        executor.submit(job, JobSpec(job.folder, job.cfg, ()))
        with pytest.raises(InputError, match=f"hydra/launcher=slurm: {error}; fix this"):
            executor.wait()


def test_missing_sbatch_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    launcher = Slurm("slurm", None, 1, 0, None, 4, None, {}, [], 2)
    with pytest.raises(InputError, match="sbatch not found"), launcher.start(tmp_path):
        pass


def test_jobs_are_not_canceled_when_the_queue_is_unreachable(
    tmp_path: Path, fake_programs: FakePrograms
) -> None:
    fake_programs(squeue="echo unreachable >&2; exit 1", scancel=f"touch {tmp_path}/canceled")
    executor = _SlurmExecutor(None, "slurm")
    executor._queued.append(_QueuedJob(fake_job(tmp_path), "7"))
    with pytest.raises(InputError, match="squeue: unreachable; the jobs keep running"):
        executor.wait()
    executor.stop()
    assert not (tmp_path / "canceled").exists()


def test_queued_jobs_prevent_a_fresh_sweep(tmp_path: Path, fake_programs: FakePrograms) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "slurm.json").write_text('{"number": "7_0"}')
    fake_programs(squeue="echo 8_0")
    check_nothing_queued(tmp_path)
    fake_programs(squeue="echo 7_0")
    with pytest.raises(InputError, match="jobs 7_0 are in Slurm's queue"):
        check_nothing_queued(tmp_path)
