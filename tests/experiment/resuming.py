"""Interrupts a tiny run after an epoch, resumes it, and compares it with an uninterrupted one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fashion_exp.configuration.stored_config import load_config
from fashion_exp.evaluation.run_dir import PART_FILES, RunDir
from fashion_exp.experiment import fold
from fashion_exp.experiment.job import run_job
from tests.conftest import TinyRun


def interrupt_and_resume(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch, *options: str, epochs: int = 2
) -> TinyRun:
    """The uninterrupted run, which equals one that is interrupted after `epochs`, bit for bit."""
    whole = tiny(*options)
    calls = iter(range(epochs + 1))

    def interrupt() -> None:
        if next(calls) == epochs:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fold, "raise_if_interrupted", interrupt)
        tiny(*options)
    folder = whole.output.with_name(str(int(whole.output.name) + 1))
    assert list(folder.glob("unfinished/*.pt")) and not (folder / "result.json").exists()
    assert run_job(load_config(folder / "config" / "config.yaml"), RunDir(folder), options) == 0
    resumed = TinyRun(folder)
    assert resumed.text("history.csv") == whole.text("history.csv")
    for part in PART_FILES:
        assert resumed.predictions(part).equals(whole.predictions(part))
    return whole
