"""Serve a run over HTTP, with a page to drop a photo on."""

from __future__ import annotations

import argparse

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import ExitCode

EPILOG = """\
POST /predict   photos as multipart/form-data, as {"photos": ["base64", …]}, or one as image/…
POST /explain   the heat map of one photo as PNG;  POST /similar  the most similar training photos
GET /model      what is served, and its card;  /health;  /metrics in Prometheus' format;  / the page
SIGTERM ends the service after the requests in flight.
"""


def run(arguments: list[str]) -> int:
    """Serves until it is stopped. Raises `InputError` and `ExportError`."""
    args = _parser().parse_args(arguments)
    from fashion_exp.api.serving import serve

    serve(
        args.run, port=args.port, host=args.host, file=args.file, coverage=args.coverage,
        max_megabytes=args.max_megabytes, seconds=args.seconds, uri=args.uri, outputs=args.outputs,
    )  # fmt: skip
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fashion_exp serve", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "run", metavar="RUN", help="folder or name of a run, a sweep (its winner), a tracked id"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address; default: %(default)s")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s; 0: any")
    parser.add_argument(
        "--file", metavar="ONNX", help="a file that export --size run or --int8 wrote of this run"
    )
    parser.add_argument(
        "--coverage", type=float, default=0.95, help="of prediction sets; default: %(default)s"
    )
    parser.add_argument(
        "--max-megabytes", type=float, default=20.0, help="of a request; default: %(default)g"
    )
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="to receive a request; default: %(default)g"
    )
    parser.add_argument("--outputs", help="outputs folder; default: the same as for experiments")
    parser.add_argument("--uri", help="tracking store of a run given by its id")
    return parser
