"""The same sweep comes to the same numbers wherever its jobs run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.sweeps.launchers import LAUNCHERS, make_launcher
from tests.servers.slurm import slurm
from tests.sweeps.drill import GRID, Drill, at_work_in


def test_two_processes(peace: Drill, tmp_path: Path) -> None:
    words = [*GRID, "hydra/launcher=processes", "hydra.launcher.jobs=2", "training.workers=1"]
    drill = Drill(words, tmp_path)
    code, said = drill.run()
    assert code == 0 and "4 of 4" in said, said
    assert drill.outcome() == peace.outcome()


def test_two_nodes_of_a_ray_cluster_one_of_which_is_lost(peace: Drill, tmp_path: Path) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
    cluster = cluster_utils.Cluster(True, head_node_args={"num_cpus": 1})
    try:
        second = cluster.add_node(num_cpus=1)
        words = ["hydra/launcher=ray", f"hydra.launcher.address='{cluster.address}'",
                 "training.workers=1"]  # fmt: skip
        drill = Drill([*GRID, *words], tmp_path)
        sweep = drill.start()
        until_two_have_begun(tmp_path, sweep)
        cluster.remove_node(second, allow_graceful=False)
        said, _ = sweep.communicate(timeout=240)
    finally:
        cluster.shutdown()
    assert sweep.returncode == 0 and "process or node got lost" in said, said
    assert drill.outcome() == peace.outcome()


def until_two_have_begun(outputs: Path, sweep: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 180
    while len(list(outputs.glob("sweeps/*/*/run.log"))) < 2:
        assert sweep.poll() is None and time.monotonic() < end, sweep.communicate()[0]
        time.sleep(0.05)


def test_submitits_own_processes(peace: Drill, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    local = ["hydra/launcher=slurm", "hydra.launcher.cluster=local"]
    drill = Drill([*GRID, *local], tmp_path)
    code, said = drill.run()
    assert code == 0, said
    assert drill.outcome() == peace.outcome()


def test_a_slurm_of_one_node_whose_jobs_outlive_their_sweep(peace: Drill, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    (tmp_path / "slurm").mkdir()
    with slurm(tmp_path / "slurm"):
        drill = Drill([*GRID, "hydra/launcher=slurm", "training.workers=1"], tmp_path)
        sweep = drill.start()
        until_two_have_begun(tmp_path, sweep)
        os.killpg(sweep.pid, signal.SIGKILL)
        sweep.communicate()
        code, said = drill.run()
        assert code == 0, said
    assert drill.outcome() == peace.outcome() and not drill.repeated


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"_target_": "somebody.elses.Launcher"}, "inline, processes, ray, slurm"),
        ({"_target_": "processes.Processes", "jobs": 0, "retries": 1}, "hydra.launcher.jobs=0"),
        ({"_target_": "processes.Processes", "jobs": 1, "retries": -1}, "hydra.launcher.retries"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], told: str) -> None:
    target = str(options["_target_"])
    known = {name.rpartition("launchers.")[2]: name for name in LAUNCHERS}
    with pytest.raises(InputError) as refusal:
        make_launcher(options | {"_target_": known.get(target, target)})
    assert told in str(refusal.value)


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    drill = Drill([*GRID, "hydra/launcher=ray", "hydra.launcher.address='127.0.0.1:1'"], tmp_path)
    code, said = drill.run()
    assert code == 2 and "hydra.launcher.address=127.0.0.1:1: no Ray cluster" in said, said


def test_a_killed_process_is_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    words = [*GRID, f"outputs={tmp_path}", "tracking=none", "hydra/launcher=processes",
             "hydra.launcher.jobs=1", "training.epochs=40"]  # fmt: skip
    sweep = subprocess.Popen(
        [sys.executable, "-m", "fashion_exp", "-m", *words], stdout=subprocess.PIPE, text=True
    )
    killed = False
    while sweep.poll() is None and not killed:
        for unfinished in tmp_path.glob("sweeps/*/*/unfinished"):
            for process in at_work_in(unfinished.parent):
                os.kill(process, signal.SIGKILL)
                killed = True
    said, _ = sweep.communicate(timeout=300)
    assert killed and sweep.returncode == 0, said
    assert "killed by SIGKILL (out of memory?); trying again" in said and "4 of 4" in said
