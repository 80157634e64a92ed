"""Processes of the command line that start with everything imported.

A command spends most of its processor time on imports. Here a server that has imported what
commands need forks a process for each command. It is like one that a shell started: a child of the
test's process, with its own process id, streams, environment and working directory, that runs the
package as `__main__`. But it draws no figures, and its trainings fork their processes.

`multiprocessing`'s fork server would do the same, but there is one per process, and the tests and
the sweeps have theirs. This one needs a part of `subprocess` that is not public, and Linux; where
a trial shows that it does not work, commands are started as usual.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.cheap_runs import create_once, leave_out_figures

MODULES = (
    "albumentations", "matplotlib.figure", "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking", "sklearn.metrics", "timm", "torch.distributed.launcher.api",
    "torchvision.transforms.v2", "fashion_exp.comparison.audit", "fashion_exp.comparison.run_data",
    "fashion_exp.experiment.distributed", "fashion_exp.experiment.experiment",
    "fashion_exp.experiment.train_heads", "fashion_exp.reporting.contact_sheets",
    "fashion_exp.reporting.figures", "fashion_exp.sweeps.run", "fashion_exp.sweeps.summary",
    "fashion_exp.tracking.mlflow_tracker",
)  # fmt: skip
"""What commands import while they run."""
MAX_REQUEST = 2**17
REPOSITORY = Path(__file__).resolve().parents[1]
_PR_SET_CHILD_SUBREAPER = 36


def start(
    arguments: Sequence[str], cwd: Path | None = None, stderr: int = subprocess.PIPE,
    new_session: bool = False,
) -> subprocess.Popen[str]:  # fmt: skip
    """As `Popen([sys.executable, "-m", "fashion_exp", *arguments], …)`; the output is piped."""
    with _forking_from_server() if is_available() else nullcontext():
        return _open(arguments, cwd, stderr, new_session)


def kill_started() -> None:
    """Kills the processes that still run, with their process groups; for after a test."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            has_group = os.getpgid(process.pid) == process.pid
            (os.killpg if has_group else os.kill)(process.pid, signal.SIGKILL)
            process.communicate(timeout=60)


_started: list[subprocess.Popen[str]] = []


@functools.cache
def is_available() -> bool:
    """Whether a command from the server has the streams and the exit code of any other."""
    if sys.platform != "linux":
        return False
    try:
        with _forking_from_server():
            process = _open(["unknown"], None, subprocess.PIPE, False)
        output, errors = process.communicate(timeout=240)
    except Exception:  # whatever another version of Python raises
        return False
    return process.returncode == 2 and not output and errors.startswith("fashion_exp: unknown:")


def _open(
    arguments: Sequence[str], cwd: Path | None, stderr: int, new_session: bool
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_exp", *arguments], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=cwd, start_new_session=new_session,
    )  # fmt: skip
    _started.append(process)
    return process


@contextmanager
def _forking_from_server() -> Iterator[None]:
    """Lets `Popen` take its process from the server."""
    server, libc = _server(), ctypes.CDLL(None)
    # The command is a grandchild of the server; its new parent is the nearest such reaper.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "_fork_exec", functools.partial(_fork, server))
            yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _fork(server: socket.socket, args: Sequence[str], *options: Any) -> int:
    """In place of `subprocess._fork_exec`, with its arguments; returns the process id."""
    cwd, stdin, stdout, stderr, new_session = (options[i] for i in (3, 5, 8, 10, 14))
    request = json.dumps([list(args[3:]), str(cwd or Path.cwd()), dict(os.environ), new_session])
    socket.send_fds(server, [request.encode()], [stdin, stdout, stderr])
    return int(server.recv(100))


@functools.cache
def _server() -> socket.socket:
    """The connection to this process's server, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_process", str(theirs.fileno())],
            stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=REPOSITORY,
        )  # fmt: skip
    process.returncode = 0  # nobody waits for it
    atexit.register(ours.close)
    return ours


def serve(connection: socket.socket) -> None:
    """Forks a process for each request, until the test's process has ended."""
    while True:
        request, streams, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
        if not request:
            return
        pid_read, pid_write = os.pipe()
        if (intermediate := os.fork()) == 0:
            # The test's process adopts the command when this one, its parent, ends.
            if (pid := os.fork()) == 0:
                for descriptor in (pid_read, pid_write, connection.detach()):
                    os.close(descriptor)
                run(streams, *json.loads(request))
            os.write(pid_write, str(pid).encode())
            os._exit(0)
        os.waitpid(intermediate, 0)
        connection.send(os.read(pid_read, 100))
        for descriptor in (pid_read, pid_write, *streams):
            os.close(descriptor)


def run(
    streams: list[int], arguments: list[str], cwd: str, environment: dict[str, str],
    new_session: bool,
) -> None:  # fmt: skip
    """The command, in its own process."""
    if new_session:
        os.setsid()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    sys.argv = ["fashion_exp", *arguments]
    sys.modules.pop("fashion_exp.__main__", None)
    runpy.run_module("fashion_exp", run_name="__main__", alter_sys=True)


def prepare() -> None:
    """Imports modules, and leaves out what takes long and other tests have."""
    for module in MODULES:
        importlib.import_module(module)
    from torch.distributed.launcher import api

    from fashion_exp.configuration.composition import parse_command_line
    from fashion_exp.tracking import compat

    parse_command_line([])  # reads conf/
    create_schema = create_once(compat.create_schema)
    with tempfile.TemporaryDirectory() as folder:
        create_schema(f"sqlite:///{folder}/mlflow.db", folder)
    patch = pytest.MonkeyPatch()
    patch.setattr(compat, "create_schema", create_schema)
    leave_out_figures(patch)
    # The processes of a training need no imports of their own either.
    patch.setattr(api, "LaunchConfig", functools.partial(api.LaunchConfig, start_method="fork"))
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    prepare()
    serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)
