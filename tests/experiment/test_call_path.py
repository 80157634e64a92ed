"""The way from the command to the training loop is short."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
import torch

from fashion_exp import __main__ as command_line
from fashion_exp.paths import PACKAGE

pytestmark = pytest.mark.slow

MAX_FUNCTIONS = 6


def test_at_most_six_functions_from_command_to_backward(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions: list[str] = []

    def record_stack(*args: object, **kwargs: object) -> None:
        functions.extend(
            frame.name
            for frame in traceback.extract_stack()
            if Path(frame.filename).is_relative_to(PACKAGE)
        )
        raise RuntimeError("stopped at backward()")

    monkeypatch.setattr(torch.Tensor, "backward", record_stack)
    monkeypatch.setattr(command_line, "configure_process", lambda: None)
    arguments = ["fashion_exp", "dataset=folder", f"dataset.root={photos}", "tracking=none",
                 "dataset.image_size=16", f"outputs={tmp_path}"]  # fmt: skip
    monkeypatch.setattr("sys.argv", arguments)
    assert command_line.main() == 1
    assert functions == ["main", "run_job", "train_job", "run_experiment", "run_fold", "fit"]
    assert len(functions) <= MAX_FUNCTIONS
