"""Starts the service of a run."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import uvicorn

from fashion_exp.errors import InputError, os_error_reason
from fashion_exp.inference.trained_run import MAX_MEGAPIXELS, TrainedRun
from fashion_exp.process import cpu_count, release_freed_memory
from fashion_exp.reporting.progress import Progress

log = logging.getLogger(__name__)

FILE = "serving-{key}.onnx"
"""In the folder of the run, by what it depends on."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 means any free one. Raises `InputError` if the address is not free."""
    if not 0 <= port < 65536:
        raise InputError(f"--port {port}: must be between 1 and 65535, or 0 for any free port")
    with ExitStack() as stack:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(512)  # only now is the port known to be free
        except OSError as error:
            raise InputError(
                f"--port {port}: cannot listen on {host} ({os_error_reason(error)}); choose "
                "another --port or --host"
            ) from None
        stack.pop_all()
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def serving_file(run: TrainedRun, temperatures: dict[str, float], progress: Progress) -> Path:
    """The run's models as an onnx file in its folder, exported when it is first served, and again
    if the file is damaged."""
    from fashion_exp.inference.export import export
    from fashion_exp.inference.serving.predictor import open_session

    checkpoints = sorted(run.run.checkpoints.glob("*.safetensors"))
    identity = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in checkpoints]
    content = json.dumps([identity, run.plan.weights_sha256, temperatures])
    file = run.run.path / FILE.format(key=hashlib.sha256(content.encode()).hexdigest()[:12])
    if file.exists():
        try:
            open_session(file)
        except InputError as error:
            log.info("%s; it is written anew", str(error).partition(";")[0])
            file.unlink()
    if not file.exists():
        for earlier in run.run.path.glob(FILE.format(key="*")):
            earlier.unlink()
        done = export(run, "onnx", file, progress, temperatures=temperatures, any_size=False)
        log.info("%s: %s", file.name, done.proof)
    return file


def serve(
    run: TrainedRun, listener: socket.socket, progress: Progress, *, file: Path | None = None,
    coverage: float = 0.95, max_megabytes: float = 20.0, seconds: float = 30.0,
) -> None:  # fmt: skip
    """Serves until SIGTERM or Ctrl-C, after which requests in flight are finished.

    `file` is an onnx file of this run; default: one in its folder, exported if it is not there.
    Raises `InputError` for a file that cannot be served.
    """
    from fashion_exp.inference.calibration import load_calibration
    from fashion_exp.inference.serving.app import Limits, build_app
    from fashion_exp.inference.serving.predictor import MAX_DECODING_SECONDS, Decoders, Predictor

    calibration = load_calibration(run, progress)
    file = file or serving_file(run, calibration.temperature, progress)
    predictor = Predictor(run, file, calibration, coverage)
    predictor.prepare(progress)
    release_freed_memory()
    megapixels = run.config.dataset.max_megapixels or MAX_MEGAPIXELS
    decoders = Decoders(run, cpu_count(), megapixels)
    app = build_app(predictor, decoders, Limits(int(max_megabytes * 1e6), seconds))
    logging.getLogger("python_multipart").setLevel(
        logging.CRITICAL
    )  # the answer says what is wrong
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=5,
        timeout_graceful_shutdown=int(MAX_DECODING_SECONDS) + 10,
    )  # fmt: skip
    host, port = listener.getsockname()[:2]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])
