"""Whatever is typed, the command line ends without a traceback and with a readable message."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.configuration.command_lines import fault, random_experiment, random_subcommand


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths of the lines are in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.slow
def test_random_experiments_have_no_fault(seed: int) -> None:
    rng = random.Random(seed)
    lines = [random_experiment(rng) for _ in range(60)]
    faults = [(line, message) for line in lines if (message := fault(line))]
    assert not faults


@pytest.mark.slow
def test_random_subcommands_have_no_fault() -> None:
    """Some of them import MLflow, which takes seconds."""
    rng = random.Random(0)
    lines = [random_subcommand(rng) for _ in range(100)]
    faults = [(line, message) for line in lines if (message := fault(line))]
    assert not faults
