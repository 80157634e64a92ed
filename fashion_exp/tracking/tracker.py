"""The verbs of tracking, and the tracker that does nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

Status = Literal["FINISHED", "FAILED", "KILLED"]


class TrackingError(RuntimeError):
    """Something could not be recorded although the store had opened; one line."""


class Tracker(Protocol):
    """Records runs, each named by its id; there is no current run.

    Text and metrics are written in the background, in the order of the calls. What goes wrong
    there is raised, as a `TrackingError`, by the next `flush` or `end`; until then further
    writes are dropped, so that a dead server costs its retries once.
    """

    @property
    def uri(self) -> str:
        """Of the store; other processes open the same one by it."""
        ...

    @property
    def experiment_id(self) -> str: ...

    def start(
        self,
        name: str,
        *,
        parent: str | None,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> str:
        """Id of a new run, RUNNING, below `parent`.

        Interrupted, it leaves none that is RUNNING.
        """
        ...

    def begun_as(self, token: str) -> str | None:
        """Id of the run that was started with this as its tag `begun_as`, if there is one."""
        ...

    def resume(self, run: str) -> None:
        """Sets an ended run RUNNING again.

        Raises `InputError` if the store has no such run.
        """
        ...

    def log(
        self,
        run: str,
        metrics: Mapping[str, float | None],
        step: int | None = None,
        when: float | None = None,
    ) -> None:
        """One batch of metrics; None, nan and infinity are left out. A store may have it later.

        `when` is in seconds since 1970, now by default; the same values logged again with the same
        time are there once. Without a step it is 0. The UI's table shows the value of the highest
        step, so one key should have either steps or a single final value.
        """
        ...

    def tag(self, run: str, tags: Mapping[str, str]) -> None: ...

    def view(self, run: str, params: Sequence[str]) -> None:
        """Prepares the UI's table of the runs right below `run`, with these parameters' columns.

        `view_address` leads to it.
        """
        ...

    def note(self, run: str, markdown: str) -> None:
        """Sets the description that the UI shows on the run's page."""
        ...

    def artifact(self, run: str, path: Path, folder: str = "") -> None:
        """Copies a file, or what is in a directory, into the run's `folder`; done on return."""
        ...

    def model(self, run: str, model: Any, example: np.ndarray) -> None:
        """Stores a torch model as MLflow's `model`, loadable without this package.

        `example` is a batch of two of its inputs.
        """
        ...

    def dataset(
        self,
        run: str,
        *,
        name: str,
        digest: str,
        source: str,
        profile: Mapping[str, object],
        context: str,
    ) -> None:
        """Names the data that the run read, without storing them.

        `digest` is their fingerprint, of at most 36 characters; `profile` a few numbers about
        them; `context` what they were for ("training", "test").
        """
        ...

    def end(self, run: str, status: Status) -> None:
        """Flushes, then ends the run, even where the flush had an error to raise."""
        ...

    def flush(self) -> None:
        """Returns when everything is written."""
        ...

    def address(self, run: str) -> str | None:
        """Where the UI shows the run; None if no server is known."""
        ...

    def view_address(self, run: str) -> str | None:
        """Where the UI shows the table that `view` has prepared; None if no server is known."""
        ...


class NullTracker:
    """Records nothing; every id is empty."""

    uri = ""
    experiment_id = ""

    def start(
        self,
        name: str,
        *,
        parent: str | None,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> str:
        return ""

    def begun_as(self, token: str) -> str | None:
        return None

    def resume(self, run: str) -> None:
        pass

    def log(
        self,
        run: str,
        metrics: Mapping[str, float | None],
        step: int | None = None,
        when: float | None = None,
    ) -> None:
        pass

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        pass

    def view(self, run: str, params: Sequence[str]) -> None:
        pass

    def note(self, run: str, markdown: str) -> None:
        pass

    def artifact(self, run: str, path: Path, folder: str = "") -> None:
        pass

    def model(self, run: str, model: Any, example: np.ndarray) -> None:
        pass

    def dataset(
        self,
        run: str,
        *,
        name: str,
        digest: str,
        source: str,
        profile: Mapping[str, object],
        context: str,
    ) -> None:
        pass

    def end(self, run: str, status: Status) -> None:
        pass

    def flush(self) -> None:
        pass

    def address(self, run: str) -> str | None:
        return None

    def view_address(self, run: str) -> str | None:
        return None
