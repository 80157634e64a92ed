"""Fixtures of the sweep tests."""

from __future__ import annotations

import pytest

from tests.sweeps.drill import SweepCommand
from tests.sweeps.in_process import GRID, run_in_process


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> SweepCommand:
    """An uninterrupted sweep of `GRID`, four jobs."""
    sweep = SweepCommand([*GRID, "tracking=none"], tmp_path_factory.mktemp("reference"))
    code, output = run_in_process(sweep)
    assert code == 0 and "4 jobs: 4 to run" in output, output
    return sweep
