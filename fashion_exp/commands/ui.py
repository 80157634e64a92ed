"""`ui`: MLflow's web pages on what this checkout has recorded."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from itertools import chain
from pathlib import Path

from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir
from fashion_exp.sweeps.find_sweeps import chosen, sweeps_in
from fashion_exp.sweeps.state import Ledger, read_ledger
from fashion_exp.tracking import store_uri, ui_address


def run(arguments: list[str]) -> int:
    """Prints where the newest experiment, or a sweep, can be seen; becomes the server where none
    runs yet.

    Raises `InputError` if there is nothing to show.
    """
    options = _parser().parse_args(arguments)
    outputs = outputs_dir(options.outputs)
    sweep = chosen(sweeps_in(outputs), options.sweep) if options.sweep else None
    ledger = read_ledger(sweep) if sweep else None
    uri = store_uri(options.uri or (ledger and ledger.uri) or None, outputs)
    if uri.startswith("http"):
        print(_address(uri, uri, ledger), flush=True)
        return 0
    database = Path(uri.removeprefix("sqlite:///"))
    if not database.exists():
        raise InputError(f"{database}: no runs are recorded there yet; run an experiment first")
    port = _free_port(options.host, options.port)
    if options.port not in (0, port):
        print(f"Port {options.port} is taken, using {port}.")
    base = f"http://{options.host}:{port}"
    where = f"In a few seconds at {_address(uri, base, ledger)}"
    print(where, "Ctrl-C ends it.", sep="\n", flush=True)
    os.execve(sys.executable, _server(database, options.host, port), _environment())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fashion_exp ui", description=__doc__)
    parser.add_argument("sweep", nargs="?", help="its jobs alone, best first")
    parser.add_argument(
        "--uri",
        help="of another store than the outputs' or the sweep's: sqlite:///… or a server's address",
    )
    parser.add_argument("--outputs", help="where the runs are; default: as for experiments")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=5000, help="the first port to try; 0: any")
    return parser


def _address(uri: str, base: str, ledger: Ledger | None) -> str:
    from fashion_exp.tracking.connection import experiment_of, newest_experiment

    if ledger is not None and ledger.parent:
        return ui_address(base, experiment_of(uri, ledger.parent), ledger.parent)
    newest = newest_experiment(uri)
    return base if newest is None else ui_address(base, newest)


def _free_port(host: str, wanted: int) -> int:
    if not 0 <= wanted < 65536:
        raise InputError(f"--port {wanted}: ports go from 1 to 65535; 0 takes any that is free")
    for port in (0,) if wanted == 0 else range(wanted, min(wanted + 100, 65536)):
        with socket.socket() as listener:
            # A port that a server has just left can be taken, as uvicorn does.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise InputError(f"--port {wanted}: cannot listen on {host} there; another --port or --host")


def _server(database: Path, host: str, port: int) -> list[str]:
    options = {
        "--backend-store-uri": f"sqlite:///{database}",
        "--artifacts-destination": str(database.parent / "artifacts"),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        "--uvicorn-opts": "--log-level warning",
    }
    return [sys.executable, "-m", "mlflow", "server", *chain.from_iterable(options.items())]


def _environment() -> dict[str, str]:
    # The job executor serves language models and takes 2 GB.
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **quiet}
