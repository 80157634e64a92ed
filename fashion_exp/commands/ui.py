"""Show the recorded runs in MLflow's web UI."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from itertools import chain
from pathlib import Path

from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir
from fashion_exp.sweeps.find_sweeps import find_sweep, list_sweeps
from fashion_exp.sweeps.state import SweepState, read_state
from fashion_exp.tracking import runs_url, store_uri


def run(arguments: list[str]) -> int:
    """Prints the URL of the latest experiment, or of a sweep.

    For a sqlite store, the process then becomes the MLflow server. Raises `InputError` if there is
    nothing to show.
    """
    args = _parser().parse_args(arguments)
    outputs = outputs_dir(args.outputs)
    sweep = find_sweep(list_sweeps(outputs), args.sweep) if args.sweep else None
    state = read_state(sweep) if sweep else None
    uri = store_uri(args.uri or (state and state.uri) or None, outputs)
    if uri.startswith("http"):
        print(_page_url(uri, uri, state), flush=True)
        return 0
    database = Path(uri.removeprefix("sqlite:///"))
    if not database.exists():
        raise InputError(f"{database}: no runs are recorded there yet; run an experiment first")
    port = _free_port(args.host, args.port)
    if args.port not in (0, port):
        print(f"Port {args.port} is in use; using {port}.")
    url = _page_url(uri, f"http://{args.host}:{port}", state)
    print(f"Ready in a few seconds: {url}", "Press Ctrl-C to stop.", sep="\n", flush=True)
    # MLflow's job executor serves language models and takes 2 GB of memory.
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}
    command = _server_command(database, args.host, port)
    os.execve(sys.executable, command, {**os.environ, **settings})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fashion_exp ui", description=__doc__)
    parser.add_argument("sweep", nargs="?", help="show the jobs of this sweep only, best first")
    parser.add_argument(
        "--uri",
        help="store to show: sqlite:///… or the URL of a server; "
        "default: the store of the sweep or of the outputs folder",
    )
    parser.add_argument("--outputs", help="outputs folder; default: the same as for experiments")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=5000, help="first port to try; 0: any")
    return parser


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
        "--backend-store-uri": f"sqlite:///{database}",
        "--artifacts-destination": str(database.parent / "artifacts"),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        "--uvicorn-opts": "--log-level warning",
    }
    return [sys.executable, "-m", "mlflow", "server", *chain.from_iterable(options.items())]
