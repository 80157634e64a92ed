"""`ui` listens at the given address only."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.commands import ui
from fashion_exp.errors import InputError


@pytest.mark.parametrize("host", ["", " "])
def test_empty_host_is_refused_instead_of_listening_everywhere(host: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--host is empty"):
        ui.run(["--host", host, "--outputs", str(tmp_path)])
