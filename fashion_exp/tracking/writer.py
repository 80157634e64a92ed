"""The thread that accesses a tracking store: it waits for a store that does not answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from fashion_exp.atomic_io import DiskFullError
from fashion_exp.tracking.store_errors import (
    REQUEST_SECONDS,
    STORE_ERRORS,
    NotStoredError,
    disk_full_error,
    fail_fast,
    is_refusal,
    reason,
)
from fashion_exp.tracking.urls import redact_uri

T = TypeVar("T")

log = logging.getLogger(__name__)

RETRY_SECONDS = 240.0
"""Seconds for which an access is repeated while the store does not answer."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
"""Seconds between two attempts. Each pause is twice as long as the one before."""


class StoreWriter:
    """Accesses a store in the order of the calls, in a thread of its own.

    Training does not wait for it, and a signal, which Python raises in the main thread, cannot
    interrupt a transaction and leave the database locked.

    An access that gets no proper answer is repeated for `RETRY_SECONDS`. After that, or if the
    store refuses a request, `failure` is set and all further accesses are dropped: the results are
    in files, from which they can be recorded again. Only a full disk is raised.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tracking")
        self._stopped = threading.Event()
        self._disk_full: DiskFullError | None = None
        self.failure = ""
        """Why accesses were dropped; empty if none was."""

    def enqueue(self, access: Callable[[], object]) -> None:
        self._thread.submit(self._access, access, None, REQUEST_SECONDS)

    def submit(
        self, access: Callable[[], T], default: T, seconds: float = REQUEST_SECONDS
    ) -> Future[T]:
        """`default` is the result of a dropped access; a server has `seconds` to answer."""
        return self._thread.submit(self._access, access, default, seconds)

    def call(self, access: Callable[[], T], default: T, seconds: float = REQUEST_SECONDS) -> T:
        """Waits for the access and all before it. Raises `DiskFullError`."""
        result = self.submit(access, default, seconds).result()
        if self._disk_full is not None:
            raise self._disk_full
        return result

    def call_even_after_failure(self, access: Callable[[], object]) -> None:
        """As `call`; after a failure, of this access or before, it is tried once more."""

        def attempt() -> None:
            self._access(access, None, REQUEST_SECONDS)
            if self.failure and self._disk_full is None:
                with suppress(*STORE_ERRORS, NotStoredError), fail_fast():
                    access()

        self._thread.submit(attempt).result()
        if self._disk_full is not None:
            raise self._disk_full

    def stop_waiting(self) -> None:
        """From now on, an access is tried only once."""
        self._stopped.set()

    def _access(self, access: Callable[[], T], default: T, seconds: float) -> T:
        pause, deadline, is_out = FIRST_PAUSE, time.monotonic() + RETRY_SECONDS, False
        while not self.failure:
            try:
                with fail_fast(seconds):
                    result = access()
            except Exception as error:
                if full := disk_full_error(error, self._uri):
                    self._disk_full = full
                    self.failure = str(full)
                elif is_refusal(error, self._uri):
                    self._fail(error)
                else:
                    if not is_out:
                        self._announce(error)
                    is_out = True
                    if time.monotonic() > deadline or self._stopped.wait(pause):
                        self._fail(error)
                    pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if is_out:
                    log.info("tracking: %s works again", redact_uri(self._uri))
                return result
        return default

    def _announce(self, error: Exception) -> None:
        log.warning(
            "tracking: %s cannot be used at the moment (%s); the run continues, and what is missed "
            "is recorded later",
            redact_uri(self._uri),
            reason(error),
        )

    def _fail(self, error: Exception) -> None:
        self.failure = f"{redact_uri(self._uri)}: {reason(error)}"
        log.debug("tracking failed", exc_info=error)
