"""The same sweep comes to the same numbers wherever its jobs run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import LAUNCHERS, make_launcher
from fashion_exp.sweeps.launchers.slurm import _Queue, _Queued
from tests.servers.processes import running, until
from tests.servers.slurm import slurm
from tests.sweeps.drill import TINY, Drill, at_work_in

PAIR = [*TINY, "optim.lr=1e-3", "model.dropout=0,0.5"]
"""Two of the jobs that were left in peace."""


def same(drill: Drill, peace: Drill) -> bool:
    return len(drill.outcome()) == 2 and drill.outcome().items() <= peace.outcome().items()


def test_two_processes(peace: Drill, tmp_path: Path) -> None:
    words = [*PAIR, "hydra/launcher=processes", "hydra.launcher.jobs=2", "training.workers=1"]
    drill = Drill(words, tmp_path)
    code, said = drill.run()
    assert code == 0 and "2 of 2" in said, said
    assert same(drill, peace)


def test_two_nodes_of_a_ray_cluster_one_of_which_is_lost(peace: Drill, tmp_path: Path) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
    cluster = cluster_utils.Cluster(True, head_node_args={"num_cpus": 1})
    try:
        second = cluster.add_node(num_cpus=1)
        words = ["hydra/launcher=ray", f"hydra.launcher.address='{cluster.address}'",
                 "training.workers=1"]  # fmt: skip
        drill = Drill([*PAIR, *words], tmp_path)
        sweep = drill.start()
        until_two_have_begun(tmp_path, sweep)
        cluster.remove_node(second, allow_graceful=False)
        said, _ = sweep.communicate(timeout=240)
    finally:
        cluster.shutdown()
    assert sweep.returncode == 0 and "process or node got lost" in said, said
    assert same(drill, peace)


def test_a_node_without_the_sweeps_disk_sends_its_results_back(
    peace: Drill, tmp_path: Path
) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    hidden = f"mount -t tmpfs tmpfs {outputs}"
    if subprocess.run(["unshare", "-m", "sh", "-c", hidden], capture_output=True).returncode:
        pytest.skip("no folder can be hidden from a process here")
    cluster = cluster_utils.Cluster(True, head_node_args={"num_cpus": 0})
    join = f"{sys.executable} -m ray.scripts.scripts start --address={cluster.address}"
    node = ["unshare", "-m", "sh", "-c", f"{hidden} && exec {join} --num-cpus=2 --block"]
    words = [*PAIR, "hydra/launcher=ray", f"hydra.launcher.address='{cluster.address}'"]
    try:
        with running(node, tmp_path / "node.log"):
            until(lambda: "Ray runtime started" in (tmp_path / "node.log").read_text(),
                  tmp_path / "node.log")  # fmt: skip
            code, said = Drill(words, outputs).run()
            assert code == 3 and "does not share the sweep's disk" in said, said
            drill = Drill([*words, "tracking=none"], outputs)
            code, said = drill.run()
            assert code == 0, said
    finally:
        cluster.shutdown()
    assert same(drill, peace)
    assert len(list(outputs.glob("sweeps/*/*/test_opened.json"))) == 1


def until_two_have_begun(outputs: Path, sweep: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 180
    while len(list(outputs.glob("sweeps/*/*/run.log"))) < 2:
        assert sweep.poll() is None and time.monotonic() < end, sweep.communicate()[0]
        time.sleep(0.05)


def test_submitits_own_processes(peace: Drill, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    local = ["hydra/launcher=slurm", "hydra.launcher.cluster=local"]
    drill = Drill([*PAIR, *local], tmp_path)
    code, said = drill.run()
    assert code == 0, said
    assert same(drill, peace)


def test_a_slurm_of_one_node_whose_jobs_outlive_their_sweep(peace: Drill, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    (tmp_path / "slurm").mkdir()
    with slurm(tmp_path / "slurm"):
        drill = Drill([*PAIR, "hydra/launcher=slurm", "training.workers=1"], tmp_path)
        sweep = drill.start()
        until_two_have_begun(tmp_path, sweep)
        os.killpg(sweep.pid, signal.SIGKILL)
        sweep.communicate()
        code, said = drill.run()
        assert code == 0, said
    assert same(drill, peace) and not drill.repeated


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


def test_what_slurm_refuses_is_told_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    refusing = tmp_path / "sbatch"
    refusing.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition: x' >&2\nexit 1\n")
    refusing.chmod(0o755)
    (tmp_path / "squeue").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    launcher = make_launcher(
        parse_command_line(["-m", "hydra/launcher=slurm", "optim.lr=1e-3,1e-4"]).launcher
    )
    with launcher.pool(tmp_path) as pool:
        pool.submit(cast(SweepJob, SimpleNamespace(folder=tmp_path / "job")), ())
        with pytest.raises(InputError, match="slurm: sbatch: error: invalid partition: x; mend"):
            pool.wait()


def test_jobs_that_are_said_to_go_on_are_not_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    for name, body in (("squeue", "echo away >&2; exit 1"), ("scancel", f"touch {tmp_path}/gone")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    queue = _Queue(executor=None, cluster="slurm")
    queue._queued.append(_Queued(cast(SweepJob, SimpleNamespace(folder=tmp_path)), "7"))
    with pytest.raises(InputError, match="squeue: away; the jobs go on"):
        queue.wait()
    queue.stop()
    assert not (tmp_path / "gone").exists()


def test_what_the_jobs_are_forked_from_is_deaf_to_ctrl_c(tmp_path: Path) -> None:
    """While it imports, too, when it has not yet said so itself."""
    (tmp_path / "slow.py").write_text("import time; time.sleep(1)")
    script = (
        "import os, signal\n"
        "from multiprocessing import forkserver\n"
        "from fashion_exp.sweeps.launchers import processes\n"
        "processes.LOADED_BEFORE = ('slow',)\n"
        "context = processes._context()\n"
        "os.kill(forkserver._forkserver._forkserver_pid, signal.SIGINT)\n"
        "child = context.Process(target=print, args=('alive',))\n"
        "child.start()\n"
        "child.join()\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert (done.stdout, done.stderr) == ("alive\n", "")


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    drill = Drill([*PAIR, "hydra/launcher=ray", "hydra.launcher.address='127.0.0.1:1'"], tmp_path)
    code, said = drill.run()
    assert code == 2 and "hydra.launcher.address=127.0.0.1:1: no Ray cluster" in said, said


def test_a_killed_process_is_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    words = [*PAIR, f"outputs={tmp_path}", "tracking=none", "hydra/launcher=processes",
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
    assert "killed by SIGKILL (out of memory?); trying again" in said and "2 of 2" in said
