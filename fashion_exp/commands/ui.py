"""Show the recorded runs in MLflow's web UI."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

from fashion_exp.commands.parser import Parser
from fashion_exp.comparison.find_runs import find_run, is_run, tracked_id
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.paths import outputs_dir
from fashion_exp.sweeps.find_sweeps import find_sweep, list_sweeps
from fashion_exp.sweeps.state import SweepState, read_state
from fashion_exp.tracking import runs_url, store_uri
from fashion_exp.tracking.store import present_store
from fashion_exp.tracking.urls import SQLITE_PREFIX, database_file, run_url


def run(arguments: list[str]) -> int:
    """Prints the URL of the latest experiment, or of a sweep.

    For a sqlite store, the process then becomes the MLflow server. Raises `InputError` if there is
    nothing to show.
    """
    args = _parser().parse_args(arguments)
    if not args.host.strip():
        raise InputError("--host is empty: name an address; 127.0.0.1 is reached from here only")
    outputs = outputs_dir(args.outputs)
    uri, page = _page(args.sweep, outputs)
    uri = store_uri(args.uri or (uri and present_store(uri, outputs)) or None, outputs)
    if (database := database_file(uri)) is None:
        print(page(uri, uri), flush=True)
        return 0
    if not database.exists():
        raise InputError(f"{database}: no runs are recorded there yet; run an experiment first")
    port = _free_port(args.host, args.port)
    if args.port not in (0, port):
        print(f"Port {args.port} is in use; using {port}.")
    url = page(uri, f"http://{args.host}:{port}")
    print(f"Ready in a few seconds: {url}", "Press Ctrl-C to stop.", sep="\n", flush=True)
    # MLflow's job executor serves language models and takes 2 GB of memory.
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}
    command = _server_command(database, args.host, port)
    os.execve(sys.executable, command, {**os.environ, **settings})


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="fashion_exp ui", description=__doc__)
    parser.add_argument(
        "sweep", nargs="?", metavar="SWEEP|RUN",
        help="show the jobs of this sweep only, best first, or this run",
    )  # fmt: skip
    parser.add_argument(
        "--uri",
        help="store to show: sqlite:///… or the URL of a server; "
        "default: the store of the sweep or of the outputs folder",
    )
    parser.add_argument("--outputs", help="outputs folder; default: the same as for experiments")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=5000, help="first port to try; 0: any")
    return parser


def _page(reference: str | None, outputs: Path) -> tuple[str, Callable[[str, str], str]]:
    """The store of what is to be shown (empty: of the outputs), and the URL of its page there."""
    if reference is None:
        return "", partial(_page_url, state=None)
    folder = Path(reference).expanduser()
    if folder.is_dir() and is_run(RunDir(folder.resolve())):
        run, uri = tracked_id(find_run(reference, outputs))
        if not run:
            raise InputError(f"{reference}: this run was not tracked (tracking=none)")
        return uri, partial(_run_page_url, run)
    state = read_state(find_sweep(list_sweeps(outputs), reference))
    return (state and state.uri) or "", partial(_page_url, state=state)


def _run_page_url(run: str, uri: str, base: str) -> str:
    from fashion_exp.tracking.connection import experiment_id_of

    return run_url(base, experiment_id_of(uri, run), run)


def _page_url(uri: str, base: str, state: SweepState | None) -> str:
    from fashion_exp.tracking.connection import experiment_id_of, latest_experiment_id

    if state is not None and state.parent:
        return runs_url(base, experiment_id_of(uri, state.parent), state.parent)
    experiment_id = latest_experiment_id(uri)
    return base if experiment_id is None else runs_url(base, experiment_id)


def _free_port(host: str, first: int) -> int:
    if not 0 <= first < 65536:
        raise InputError(f"--port {first}: must be between 1 and 65535, or 0 for any free port")
    for port in (0,) if first == 0 else range(first, min(first + 100, 65536)):
        with socket.socket() as listener:
            # Also try a port that a server has just released, as uvicorn does.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise InputError(f"--port {first}: cannot listen on {host}; choose another --port or --host")


def _server_command(database: Path, host: str, port: int) -> list[str]:
    options = {
        "--backend-store-uri": f"{SQLITE_PREFIX}{database}",
        "--artifacts-destination": str(database.parent / "artifacts"),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        "--uvicorn-opts": "--log-level warning",
    }
    return [sys.executable, "-m", "mlflow", "server", *chain.from_iterable(options.items())]
