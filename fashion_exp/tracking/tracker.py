"""The tracker interface, and a tracker that records nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

Status = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker:
    """Interface for recording runs, each addressed by its id; there is no current run.

    Texts and metrics are written in the background, in the order of the calls. A store that does
    not answer is waited for; if it does not answer for minutes, or refuses a write, `failure` is
    set, all further calls record nothing, and new runs have an empty id. Tracking thus never
    changes a result, which is in files. Only a full disk is raised, as a `DiskFullError`, by
    the methods that wait for the store.

    The methods of this base class record nothing, and every id is empty.
    """

    uri: str = ""
    """URI of the store; other processes can open the same store with it."""
    experiment_id: str = ""

    @property
    def failure(self) -> str:
        """Why calls were not recorded, in one line; empty if all were."""
        return ""

    def connect(self) -> None:
        """Opens the store, if that was put off until the first training step was done."""

    def start(
        self,
        name: str,
        *,
        parent: str | None,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> str:
        """Creates a run with status RUNNING below `parent`; returns its id, maybe a provisional
        one that only this tracker knows."""
        return ""

    def run_id(self, run: str) -> str:
        """The id that the store gave to a run which was started here; waits for it."""
        return run

    def when_started(self, run: str, save: Callable[[str], None]) -> None:
        """Calls `save` with the run's id, as soon as the store has given it."""
        save(run)

    def find_by_token(self, token: str) -> str | None:
        """Returns the id of the run that was started with this value of the tag `begun_as`."""
        return None

    def children(self, run_id: str, tag: str) -> dict[str, str]:
        """The ids of the active child runs that have this tag, by its value."""
        return {}

    def exists(self, run_id: str) -> bool:
        """Whether the store has this run and it was not deleted."""
        return True

    def resume(self, run_id: str) -> bool:
        """Sets an ended run to RUNNING; False if the store does not have it anymore."""
        return True

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

    def set_parent(self, run_id: str, parent: str) -> None:
        """Moves the run below another parent run."""

    def set_runs_view(self, run_id: str, params: Sequence[str]) -> None:
        """Prepares the UI's table of the child runs of `run_id` with columns for `params`.

        `runs_view_url` returns its URL.
        """

    def set_description(self, run_id: str, markdown: str) -> None:
        """Sets the description on the run's page in the UI."""

    def log_artifact(self, run_id: str, path: Path, folder: str = "") -> None:
        """Copies a file, or the content of a directory, into the run's `folder`; blocks."""

    def log_model(
        self, run_id: str, script: Path, program: Path, about: Mapping[str, Any], folder: str = ""
    ) -> None:  # fmt: skip
        """Stores the model of a `script` for MLflow as the artifact `model` in `folder`; blocks.

        The script finds `program`, a file of torch.export, and `about` with the key `classes` as
        artifacts. The model takes the bytes of photos.
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
        """Writes everything, then ends the run; a run that failed without waiting for a server."""

    def end_active(self, status: Status) -> None:
        """Ends all runs that were started or resumed and have not ended."""

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


class UnavailableTracker(Tracker):
    """Records nothing, because the store could not be opened in the middle of the work."""

    def __init__(self, uri: str, failure: str) -> None:
        self.uri, self._failure = uri, failure

    @property
    def failure(self) -> str:
        return self._failure

    def exists(self, run_id: str) -> bool:
        return False

    def resume(self, run_id: str) -> bool:
        return False
