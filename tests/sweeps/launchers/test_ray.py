"""The `ray` launcher."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fashion_exp.errors import InputError
from fashion_exp.sweeps.launchers.ray_cluster import RayCluster
from tests.servers.processes import start_process, wait_until
from tests.sweeps.drill import SweepCommand
from tests.sweeps.in_process import PAIR, SINGLE, run_in_process, wait_for

pytestmark = pytest.mark.slow

cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster whose head runs no jobs."""
    cluster = cluster_utils.Cluster(True, head_node_args={"num_cpus": 0})
    yield cluster
    cluster.shutdown()


def ray_overrides(cluster: Any, resource: str) -> list[str]:
    """Jobs run on the nodes with this resource."""
    return ["tracking=none", "hydra/launcher=ray",
            f"hydra.launcher.address='{cluster.address}'",
            f"+hydra.launcher.resources.{resource}=1"]  # fmt: skip


@pytest.mark.slow
def test_jobs_of_a_lost_node_run_on_another(
    cluster: Any, reference: SweepCommand, tmp_path: Path
) -> None:
    nodes = [cluster.add_node(num_cpus=1, resources={"two_nodes": 1}) for _ in range(2)]
    overrides = [*PAIR, *ray_overrides(cluster, "two_nodes"), "training.workers=1"]
    sweep = SweepCommand(overrides, tmp_path)

    def remove_node_when_both_jobs_run() -> None:
        wait_for(lambda: len(list(tmp_path.glob("sweeps/*/*/run.log"))) == 2)
        cluster.remove_node(nodes[1], allow_graceful=False)

    thread = threading.Thread(target=remove_node_when_both_jobs_run, daemon=True)
    thread.start()
    code, output = run_in_process(sweep)
    thread.join()
    assert code == 0 and "process or node was lost" in output, output
    assert len(sweep.outcome()) == 2 and sweep.outcome().items() <= reference.outcome().items()


@pytest.mark.slow
def test_node_without_the_disk_returns_its_results(
    cluster: Any, reference: SweepCommand, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    hide = f"mount -t tmpfs tmpfs {outputs}"
    if subprocess.run(["unshare", "-m", "sh", "-c", hide], capture_output=True).returncode:
        pytest.skip("folders cannot be hidden from a process here")
    log = tmp_path / "node.log"
    start = (
        f"{sys.executable} -m ray.scripts.scripts start --address={cluster.address} --num-cpus=2 "
        "--resources='{\"no_disk\": 2}' --block"
    )
    with start_process(["unshare", "-m", "sh", "-c", f"{hide} && exec {start}"], log):
        wait_until(lambda: "Ray runtime started" in log.read_text(), log)
        sweep = SweepCommand([*SINGLE, *ray_overrides(cluster, "no_disk")], outputs)
        code, output = run_in_process(sweep)
    assert code == 0, output
    assert len(sweep.outcome()) == 1 and sweep.outcome().items() <= reference.outcome().items()
    assert len(list(outputs.glob("sweeps/*/*/test_evaluated.json"))) == 1


def test_unreachable_cluster_is_an_input_error(tmp_path: Path) -> None:
    launcher = RayCluster("127.0.0.1:1", None, 1, 0, None, {}, 0)
    message = r"hydra\.launcher\.address=127\.0\.0\.1:1: cannot connect to a Ray cluster"
    with pytest.raises(InputError, match=message), launcher.start(tmp_path):
        pass
