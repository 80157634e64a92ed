"""Commands that the tests fork are like those of a shell, and do not outlive their test."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import warm_process
from tests.judging.tables import table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are not forked here"),
]
STUCK = (
    "dataset=folder", "dataset.image_size=16", "training.epochs=100000", "training.threads=1",
    "tracking=none",
)  # fmt: skip


def test_commands_are_forked() -> None:
    """Fails on a Python whose `subprocess` is another; the tests are slow there, and right."""
    assert warm_process.is_available()


def test_command_has_the_folder_and_the_environment_of_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        table(np.ones(30, dtype=int)).to_csv(tmp_path / f"{name}.csv", index=False)
    process = warm_process.start(("judge", "a.csv", "b.csv", "--page", "page"), cwd=tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and not errors and (tmp_path / "page").is_dir(), errors
    monkeypatch.setenv("HOME", str(tmp_path))
    process = warm_process.start(("judge", "~/a.csv", "~/b.csv"))
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("new_session", [True, False])
def test_running_command_is_killed_after_its_test(
    new_session: bool, photos: Path, tmp_path: Path
) -> None:
    arguments = (*STUCK, f"dataset.root={photos}", f"outputs={tmp_path}")
    process = warm_process.start(arguments, new_session=new_session)
    assert (os.getsid(process.pid) == process.pid) is new_session
    warm_process.kill_started()
    assert process.returncode == -signal.SIGKILL
    assert not Path(f"/proc/{process.pid}").exists()


def test_commands_are_started_where_none_can_be_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    warm_process.is_available.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(warm_process, "_fork", lambda *arguments: 1 / 0)
        assert not warm_process.is_available()
        process = warm_process.start(["unknown"])
        _, errors = process.communicate(timeout=60)
    warm_process.is_available.cache_clear()
    assert process.returncode == 2 and errors.startswith("fashion_exp: unknown:")
