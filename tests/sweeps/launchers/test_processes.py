"""The `processes` launcher."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from fashion_exp.sweeps.launchers import processes
from fashion_exp.sweeps.launchers.processes import visible_gpus
from tests.sweeps.drill import SweepCommand, job_processes
from tests.sweeps.in_process import PAIR, run_in_process, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def fork_server() -> Iterator[Any]:
    """The fork server of this process, stopped before and after the test."""
    server: Any = forkserver._forkserver
    server._stop()
    yield server
    server._stop()


def test_fork_server_ignores_ctrl_c_during_its_imports(
    fork_server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "slow_module.py").write_text("import time; time.sleep(0.5)")
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.setattr(processes, "PRELOADED_MODULES", ("slow_module",))
    context = processes._start_context()
    os.kill(fork_server._forkserver_pid, signal.SIGINT)
    child = context.Process(target=os.write, args=(1, b"alive\n"))
    child.start()
    child.join()
    assert capfd.readouterr() == ("alive\n", "")


def test_two_processes_equal_the_reference(reference: SweepCommand, tmp_path: Path) -> None:
    overrides = ["hydra/launcher=processes", "hydra.launcher.jobs=2", "training.workers=1"]
    sweep = SweepCommand([*PAIR, *overrides], tmp_path)
    code, output = run_in_process(sweep)
    assert code == 0 and "2 of 2" in output, output
    assert len(sweep.outcome()) == 2 and sweep.outcome().items() <= reference.outcome().items()


def test_killed_process_is_retried_and_others_continue(tmp_path: Path) -> None:
    overrides = ["tracking=none", "training.epochs=40", "repeats=1", "hydra/launcher=processes",
                 "hydra.launcher.jobs=1"]  # fmt: skip
    sweep = SweepCommand([*PAIR, *overrides], tmp_path)

    def kill_first_job() -> None:
        wait_for(lambda: any(tmp_path.glob("sweeps/*/*/unfinished")))
        (unfinished,) = tmp_path.glob("sweeps/*/*/unfinished")
        for process in job_processes(unfinished.parent):
            os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill_first_job, daemon=True)
    killer.start()
    code, output = run_in_process(sweep)
    killer.join()
    assert code == 0 and "2 of 2" in output, output
    assert output.count("killed by SIGKILL (out of memory?); trying again") == 1


@pytest.mark.parametrize(
    ("slot", "processes", "expected"), [(3, 1, "3"), (0, 2, "0,1"), (1, 2, "2,3"), (2, 2, "0,1")]
)
def test_each_process_of_a_job_has_its_own_gpu(
    slot: int, processes: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert visible_gpus(slot, processes) == expected
