"""The tracker interface, and a tracker that records nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np


Status = Literal["FINISHED", "FAILED", "KILLED"]


class TrackingError(RuntimeError):
    """A write to an open store failed. The message is one line."""


class Tracker:
    """Interface for recording runs, each addressed by its id; there is no current run.

    Texts and metrics are written in the background, in the order of the calls. The next `flush` or
    `end` raises the first error of these writes as a `TrackingError`. Writes after an error are
    dropped until then, so that an unreachable server costs its retries once.

    The methods of this base class record nothing, and every id is empty.
    """

    uri: str = ""
    """URI of the store; other processes can open the same store with it."""
    experiment_id: str = ""

    def start(
        self,
        name: str,
        *,
        parent: str | None,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> str:
        """Creates a run with status RUNNING below `parent`; returns its id.

        A `KeyboardInterrupt` during the call ends the new run as KILLED.
        """
        return ""

    def find_by_token(self, token: str) -> str | None:
        """Returns the id of the run that was started with this value of the tag `begun_as`."""
        return None

    def resume(self, run_id: str) -> None:
        """Sets an ended run to RUNNING; raises `InputError` if the store does not have it."""

    def log(
        self,
        run_id: str,
        metrics: Mapping[str, float | None],
        step: int | None = None,
        when: float | None = None,
    ) -> None:
        """Logs metrics, possibly with a delay; None, nan and infinity are left out.

        `when` is in seconds since 1970 and defaults to now; logging the same values with the same
        time twice stores them once. `step` defaults to 0. The runs table of the UI shows the value
        with the highest step, so log a metric either per step or once as a final value.
        """

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Sets tags of the run."""

    def set_runs_view(self, run_id: str, params: Sequence[str]) -> None:
        """Prepares the UI's table of the child runs of `run_id` with columns for `params`.

        `runs_view_url` returns its URL.
        """

    def set_description(self, run_id: str, markdown: str) -> None:
        """Sets the description on the run's page in the UI."""

    def log_artifact(self, run_id: str, path: Path, folder: str = "") -> None:
        """Copies a file, or the content of a directory, into the run's `folder`; blocks."""

    def log_model(self, run_id: str, model: Any, example: np.ndarray) -> None:
        """Stores a torch model as the artifact `model`, loadable without this package.

        `example` is a batch of two inputs.
        """

    def log_dataset(
        self,
        run_id: str,
        *,
        name: str,
        digest: str,
        source: str,
        profile: Mapping[str, object],
        context: str,
    ) -> None:
        """Records which data the run read, without storing them.

        `digest` is their fingerprint of at most 36 characters, `profile` a few summary numbers,
        `context` their use ("training", "test").
        """

    def end(self, run_id: str, status: Status) -> None:
        """Flushes, then ends the run, even if the flush raises."""

    def flush(self) -> None:
        """Blocks until everything is written."""

    def run_url(self, run_id: str) -> str | None:
        """Returns the URL of the run in the UI; None without a server."""
        return None

    def runs_view_url(self, run_id: str) -> str | None:
        """Returns the URL of the table that `set_runs_view` prepared; None without a server."""
        return None


class NullTracker(Tracker):
    """Records nothing."""
