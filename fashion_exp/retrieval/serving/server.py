"""Starts the page of an index."""

from __future__ import annotations

import logging
import sys

import uvicorn

from fashion_exp.inference.serving.app import Limits
from fashion_exp.inference.serving.predictor import MAX_DECODING_SECONDS, Decoders
from fashion_exp.inference.serving.server import is_loopback, listen
from fashion_exp.inference.trained_run import MAX_MEGAPIXELS
from fashion_exp.process import cpu_count
from fashion_exp.retrieval.search import Searcher
from fashion_exp.retrieval.serving.app import build_app

MAX_BYTES = 20_000_000
"""Of a request."""
SECONDS = 30.0
"""For receiving a request."""


def serve(searcher: Searcher, host: str, port: int) -> int:
    """Serves until SIGTERM or Ctrl-C. Raises `InputError` for a busy port, and if the networks of
    the index are not found."""
    with listen(host, port) as listener:
        if not is_loopback(host):
            print(f"--host {host}: every machine that reaches it can search and see the photos; "
                  "there is no login and no encryption", file=sys.stderr)  # fmt: skip
        decoders = Decoders(searcher.embedder, cpu_count(), MAX_MEGAPIXELS)
        app = build_app(searcher, decoders, Limits(MAX_BYTES, SECONDS))
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=5,
            timeout_graceful_shutdown=int(MAX_DECODING_SECONDS) + 10,
        )  # fmt: skip
        name, number = listener.getsockname()[:2]
        print(f"http://{f'[{name}]' if ':' in name else name}:{number}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])
    return 0
