"""A run as an HTTP service: `fashion_exp.Run.serve`."""

from __future__ import annotations

import sys
from os import PathLike, fspath

from fashion_exp.errors import InputError
from fashion_exp.paths import expand_user, outputs_dir

PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "prometheus_client", "python_multipart")


def serve(
    run: str | PathLike[str], *, port: int = 8000, host: str = "127.0.0.1",
    file: str | PathLike[str] | None = None, coverage: float = 0.95, max_megabytes: float = 20.0,
    seconds: float = 30.0, uri: str | None = None, outputs: str | PathLike[str] | None = None,
) -> None:  # fmt: skip
    """Serves a run until it is stopped, by Ctrl-C or SIGTERM.

    `coverage`, a share, is that of the prediction sets; `max_megabytes` and `seconds` limit a
    request. Raises `InputError`, and `ExportError` if the exported models answer differently.
    """
    if not 0 < coverage < 1:
        raise InputError(f"--coverage {coverage:g}: must be between 0 and 1")
    if min(max_megabytes, seconds) <= 0:
        raise InputError("--max-megabytes and --seconds must be above 0")
    from fashion_exp.inference.export import require_package

    for package in PACKAGES:
        require_package(package, "serve")
    from fashion_exp.inference.serving.server import is_loopback, listen
    from fashion_exp.inference.serving.server import serve as serve_trained
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    with listen(host, port) as listener:
        if not is_loopback(host):
            print(f"--host {host}: every machine that reaches it can send photos; there is no "
                  "login and no encryption", file=sys.stderr)  # fmt: skip
        outputs_root = outputs_dir(None if outputs is None else fspath(outputs))
        trained = load_run(fspath(run), outputs_root, uri)
        onnx = None if file is None else expand_user(fspath(file), "--file")
        with Progress(plain_console(stderr=True)) as progress:
            serve_trained(
                trained, listener, progress, file=onnx, coverage=coverage,
                max_megabytes=max_megabytes, seconds=seconds,
            )  # fmt: skip
