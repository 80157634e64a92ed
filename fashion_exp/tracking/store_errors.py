"""What went wrong with a tracking store: in one line, and whether it may pass."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]
from mlflow.exceptions import MlflowException, RestException
from sqlalchemy.exc import SQLAlchemyError

from fashion_exp.atomic_io import MIN_FREE_BYTES, DiskFullError, is_disk_full
from fashion_exp.tracking.urls import database_file

STORE_ERRORS = (MlflowException, SQLAlchemyError, ParseError, OSError, ValueError)
"""What MLflow's client raises. Answers that are not JSON are a ValueError or a ParseError, and
errors of the HTTP library are an OSError."""

REQUEST_SECONDS = 4.0
"""Time in which a server has to answer, unless MLFLOW_HTTP_REQUEST_TIMEOUT is set."""

_REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}
_SETTINGS = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"


@contextmanager
def fail_fast(seconds: float = REQUEST_SECONDS) -> Iterator[None]:
    """Makes MLflow give up on an unresponsive server after seconds instead of minutes."""
    previous = {name: os.environ.get(name) for name in _SETTINGS}
    retries, timeout = _SETTINGS
    os.environ[retries] = "0"
    os.environ.setdefault(timeout, str(max(1, round(seconds))))
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def is_refusal(error: Exception, uri: str) -> bool:
    """Whether the store itself rejected a request, so that repeating it is of no use.

    An error page of a proxy or a login page is no such answer, whatever its status is.
    """
    if database_file(uri) is not None:
        return "locked" not in str(error)
    if isinstance(error, NotStoredError):
        return True
    return isinstance(error, RestException) and error.error_code in _REFUSALS


def is_missing(error: Exception, uri: str) -> bool:
    """Whether the store answered that a run does not exist or was deleted."""
    codes = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
    return (
        isinstance(error, MlflowException) and error.error_code in codes and is_refusal(error, uri)
    )


def disk_full_error(error: BaseException | None, uri: str) -> DiskFullError | None:
    """The error to report if there was no room for the database or an artifact beside it."""
    if (database := database_file(uri)) is None:
        return None
    while error is not None:
        if isinstance(error, DiskFullError):
            return error
        is_full = is_disk_full(error) or "database or disk is full" in str(error)
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            is_full = True
        if "disk I/O error" in str(error) and database.parent.is_dir():
            is_full = shutil.disk_usage(database.parent).free < MIN_FREE_BYTES
        if is_full:
            return DiskFullError(database)
        error = error.__cause__ or error.__context__
    return None


class NotStoredError(Exception):
    """The store confirmed a write, but does not have it."""


def reason(error: Exception) -> str:
    """One line without the messages of the libraries that wrap the cause, and without pages."""
    text = first_line(error).partition(" Response body:")[0].rstrip(".")
    if "timed out" in text:
        return "no answer in time"
    if status := re.search(r"too many (\d+) error responses|failed with error code (\d+)", text):
        return f"error {status[1] or status[2]}"
    if "not in a valid JSON format" in text or isinstance(error, json.JSONDecodeError):
        return "the answer is not from MLflow"
    if "Caused by" in text:
        text = text.rpartition(": ")[2].strip("()\"'")
    return text if len(text) <= 200 else text[:199] + "…"


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if there is no message."""
    return (str(error).splitlines() or [type(error).__name__])[0]
