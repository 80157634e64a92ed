"""Sweeps from the command line to the summary: killed, resumed, widened, restarted."""

from __future__ import annotations

import json
import re
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.sweeps.run import run_sweep
from fashion_exp.sweeps.state import (
    SweepState,
    archive_sweep,
    is_sweep_running,
    lock_sweep,
    read_state,
)
from tests.sweeps.drill import TINY, SweepCommand
from tests.sweeps.in_process import GRID, PAIR, run_in_process

pytestmark = pytest.mark.slow


def test_killed_and_resumed_sweep_equals_uninterrupted_one(
    reference: SweepCommand, tmp_path: Path
) -> None:
    killed = SweepCommand(GRID, tmp_path)
    for finished, number in ((1, signal.SIGKILL), (2, signal.SIGTERM)):
        assert killed.kill_when(partial(killed.has_begun_after, finished), number)
        assert len(killed.results) < 4
    code, output = run_in_process(killed)
    assert code == 0, output
    assert killed.outcome() == reference.outcome() and not killed.rewritten
    statuses = {status for run in killed.statuses().values() for status in run}
    assert "RUNNING" not in statuses


def test_same_command_skips_finished_jobs_and_wider_grid_adds_jobs(tmp_path: Path) -> None:
    sweep = SweepCommand([*PAIR, "tracking=none"], tmp_path)
    assert run_in_process(sweep)[0] == 0
    code, output = run_in_process(sweep)
    assert code == 0 and "2 jobs: 2 finished; in" in output, output
    sweep.overrides = [*TINY, "optim.lr=1e-3", "model.dropout=0,0.5,0.9", "tracking=none"]
    code, output = run_in_process(sweep)
    assert code == 0 and "3 jobs: 2 finished, 1 to run" in output, output
    assert len(sweep.results) == 3 and not sweep.rewritten
    assert len(list(tmp_path.glob("sweeps/*"))) == 1


def test_winner_command_repeats_the_winner_alone(reference: SweepCommand) -> None:
    _, output = run_in_process(reference)
    (command,) = re.findall("to train the winner again: (.*)", output)
    assert command.startswith("scripts/run ") and "optim.lr=" in command
    assert "-m" not in command.split()


def test_failed_job_is_reported_with_its_command_and_run_again(tmp_path: Path) -> None:
    sweep = SweepCommand([*TINY, "tracking=none", "optim.lr=1e-3,1e30"], tmp_path)
    code, output = run_in_process(sweep)
    assert code == 3 and "the training loss became" in output
    assert "optim.lr=1e+30 outputs=" in output.partition("to run one job alone:")[2]
    code, output = run_in_process(sweep)
    assert code == 3 and "1 finished, 1 to run again (failed)" in output


def test_fresh_sweep_archives_the_earlier_one(tmp_path: Path) -> None:
    overrides = [*TINY, "tracking=none", "optim.lr=1e-3,1e-4", "repeats=1"]
    assert run_in_process(SweepCommand(overrides, tmp_path))[0] == 0
    code, output = run_in_process(SweepCommand([*overrides, "sweep.fresh=true"], tmp_path))
    assert code == 0 and "moved the earlier sweep to" in output and "2 to run" in output
    assert len(list(tmp_path.glob("sweeps/*-until-*/*/result.json"))) == 2
    assert len(list(tmp_path.glob("sweeps/*/*/result.json"))) == 4


def test_dry_run_prints_the_jobs_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = parse_command_line(["-m", *GRID, f"outputs={tmp_path}", "sweep.dry_run=true"])
    assert run_sweep(line, evaluate_all=False) == 0
    assert capsys.readouterr().out.count("queued    scripts/run ") == 4
    assert not list(tmp_path.glob("sweeps/*")) and not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.workers=0,1"], "same experiment as"),
        (["optim.lr=1,2", "hydra/launcher=processes", "hydra.launcher.jobs=0"], "launcher.jobs=0"),
        (["optim.lr=1,2", "resume=x"], "for single runs only"),
        (["optim.lr=1,2", "sweep.name=a/b"], "at most 100 letters, digits"),
    ],
)
def test_rejects_mistakes_before_the_first_job(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    line = parse_command_line(["-m", *TINY, *overrides, f"outputs={tmp_path}"])
    with pytest.raises(InputError, match=message):
        run_sweep(line, evaluate_all=False)
    assert not list(tmp_path.glob("sweeps/*/*"))


def test_sweep_has_one_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fashion_exp.atomic_io.LOCK_TIMEOUT", 0.01)
    with lock_sweep(tmp_path):
        start = time.monotonic()
        with pytest.raises(InputError, match="another process is running"), lock_sweep(tmp_path):
            pass
        assert time.monotonic() - start < 5


def test_archiving_keeps_the_lock_and_refuses_running_jobs(tmp_path: Path) -> None:
    sweep = tmp_path / "mine"
    with lock_sweep(sweep):
        SweepState(["-m"]).write(sweep)
        archive = archive_sweep(sweep)
        assert archive is not None and [file.name for file in archive.iterdir()] == ["sweep.json"]
        assert is_sweep_running(sweep) and archive_sweep(sweep) is None
        (sweep / "aaaa").mkdir()
        with lock_sweep(sweep / "aaaa"), pytest.raises(InputError, match="is running this job"):
            archive_sweep(sweep)


def test_unknown_keys_of_the_state_are_ignored(tmp_path: Path) -> None:
    content = {"line": ["-m"], "key of a newer version": 1}
    (tmp_path / "sweep.json").write_text(json.dumps(content))
    assert read_state(tmp_path) == SweepState(["-m"])


def test_sweep_says_once_how_the_data_were_read(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "tracking=none"]
    line = [*data, f"outputs={tmp_path}", "optim.lr=1e-3,1e-4", "sweep.dry_run=true", "--multirun"]
    assert run_sweep(parse_command_line(line), evaluate_all=False) == 0
    output = capsys.readouterr().out
    assert output.count("data: Official parts: train/ (train), validation/ (validation)") == 1
    assert output.count("split=official keeps them for validation") == 1
