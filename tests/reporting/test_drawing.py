from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_exp.reporting.drawing import default_settings, optional_figure


def test_figure_that_fails_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "curves.png"
    file.write_text("of an earlier run")
    with caplog.at_level(logging.INFO, "fashion_exp"), optional_figure(file):
        raise ValueError("two\nlines")
    assert not file.exists()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "figures/curves.png is missing: it cannot be drawn (ValueError: two lines)"
    )


def test_interruption_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), optional_figure(tmp_path / "a.png"):
        raise KeyboardInterrupt


def test_settings_of_the_user_do_not_matter_and_stay() -> None:
    import matplotlib

    with matplotlib.rc_context({"text.usetex": True}):
        with default_settings():
            assert not matplotlib.rcParams["text.usetex"]
        assert matplotlib.rcParams["text.usetex"]


PROGRAM = """
import sys
from pathlib import Path
from fashion_exp.reporting import figures, style
from fashion_exp.reporting.drawing import optional_figure

with optional_figure(Path(sys.argv[1])) as file:
    style.save(figures.confusion_matrix([[1, 0], [0, 1]], ["a", "b"]), file)
import os, matplotlib
assert "matplotlib.pyplot" not in sys.modules
assert os.environ["MPLBACKEND"] == sys.argv[2]
if sys.argv[3]:
    assert matplotlib.rcParams["backend"] == sys.argv[3]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "shown"),
    [
        ("module://matplotlib_inline.backend_inline", ""),
        ("module://no_such_module", "module://no_such_module"),
        ("svg", "svg"),
    ],
)
def test_backend_of_the_environment_is_not_used_and_stays(
    tmp_path: Path, backend: str, shown: str
) -> None:
    file = tmp_path / "a.png"
    command = [sys.executable, "-c", PROGRAM, str(file), backend, shown]
    subprocess.run(command, check=True, env={**os.environ, "MPLBACKEND": backend})
    assert file.read_bytes().startswith(b"\x89PNG")
