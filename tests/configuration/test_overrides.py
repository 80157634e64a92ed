"""The commands that repeat a run: they reproduce it wherever they are typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.overrides import (
    repeat_command,
    rerun_command,
    rerun_overrides,
    resume_command,
)
from fashion_exp.paths import outputs_dir

TYPED = [
    "optim.lr=1e-2", "sweep.name=x", "sweep=lr", "hydra/launcher=processes", "outputs=o",
    "tracking=none", "tracking.uri=http://me:secret@host", "dataset.root=photos",
]  # fmt: skip


def test_command_keeps_experiment_outputs_and_tracking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert rerun_overrides(TYPED, tmp_path / "o") == [
        "optim.lr=1e-2", "tracking=none", f"dataset.root={tmp_path}/photos",
        f"outputs={tmp_path}/o",
    ]  # fmt: skip
    assert not any("outputs" in text for text in rerun_overrides(TYPED, outputs_dir(None)))


@pytest.mark.parametrize("name", ["o", "a b", "it's", "(copy), 1", "ü"])
def test_typed_command_has_the_outputs_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    outputs = tmp_path / name
    command = rerun_command(rerun_overrides(["optim.lr=1e-2"], outputs))
    (cfg,) = parse_command_line(shlex.split(command)[1:]).jobs
    assert (cfg.outputs, cfg.optim.lr) == (str(outputs), 1e-2)
    (cfg,) = parse_command_line(shlex.split(resume_command(outputs))[1:]).jobs
    assert cfg.resume == str(outputs)
    line = repeat_command(["-m", "optim.lr=1,2", "outputs=elsewhere"], outputs)
    assert [job.outputs for job in parse_command_line(shlex.split(line)[1:]).jobs] == [
        str(outputs)
    ] * 2


def test_files_in_a_command_are_absolute_and_keywords_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("net.pth", "decisions.csv", "none"):
        (tmp_path / name).touch()
    typed = ["model.weights=net.pth", "dataset.labels=decisions.csv"]
    assert rerun_overrides(typed, None) == [
        f"model.weights={tmp_path}/net.pth",
        f"dataset.labels={tmp_path}/decisions.csv",
    ]
    keywords = ["model.weights=none", "dataset.labels=none"]
    assert rerun_overrides(keywords, None) == keywords
