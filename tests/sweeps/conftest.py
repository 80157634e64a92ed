"""What the tests of sweeps share."""

from __future__ import annotations

import pytest

from tests.sweeps.drill import GRID, Drill


@pytest.fixture(scope="session")
def peace(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """A sweep of four jobs that was left in peace."""
    drill = Drill(GRID, tmp_path_factory.mktemp("peace"))
    code, said = drill.run()
    assert code == 0 and "4 jobs: 4 to run" in said, said
    again = said.partition("to train the winner again: ")[2].splitlines()[0]
    assert again.startswith("scripts/run ") and "optim.lr=" in again and "-m" not in again.split()
    return drill
