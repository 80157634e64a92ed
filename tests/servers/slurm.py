"""A Slurm cluster with one node, from the distribution's packages."""

from __future__ import annotations

import os
import platform
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.processes import free_port, require_programs, start_process, wait_until

CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={control}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=30
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=one Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Points this process's Slurm commands to a cluster of this machine alone."""
    require_programs("slurmctld", "slurmd", "munged", "sbatch", "sinfo")
    if os.getuid() != 0:
        pytest.skip("starting Slurm requires root")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    conf = folder / "slurm.conf"
    conf.write_text(
        CONF.format(folder=folder, host=platform.node(), control=free_port(), node=free_port())
    )
    munged = ["munged", "--foreground", "--force", f"--key-file={key}",
              f"--socket={folder}/munge.socket", f"--pid-file={folder}/munge.pid",
              f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"]  # fmt: skip
    log = folder / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(conf))
        with start_process(munged, log):
            wait_until((folder / "munge.socket").exists, log)
            with (
                start_process(["slurmctld", "-D", "-f", str(conf)], log),
                start_process(["slurmd", "-D", "-f", str(conf), "-N", "one"], log),
            ):
                wait_until(_is_idle, log)
                yield


def _is_idle() -> bool:
    command = ["sinfo", "--noheader", "--format", "%t"]
    state = subprocess.run(command, capture_output=True, text=True, check=False)
    return state.stdout.strip() == "idle"
