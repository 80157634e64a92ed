"""A run finds the files that it read from any working directory, also after a move."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import Config
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import resolve_paths, save_paths


def config(root: str) -> Config:
    return parse_command_line(["dataset=folder", f"dataset.root={root}"]).jobs[0]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos, in which a run was started with a relative path."""
    project = tmp_path / "project"
    (project / "photos").mkdir(parents=True)
    monkeypatch.chdir(project)
    save_paths(config("photos"), RunDir(project / "outputs" / "runs" / "a"))
    return project


def test_weights_of_single_backbones_are_paths_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    for name in ("a", "b"):
        Path(name).write_text("")
    options = ["model=timm", "model.backbones=[a,b.c]", "model.backbone_weights={a: a, b.c: b}"]
    cfg, run = parse_command_line(options).jobs[0], tmp_path / "project" / "outputs" / "runs" / "1"
    save_paths(cfg, RunDir(run))
    monkeypatch.chdir("/")
    project = Path(shutil.move(tmp_path / "project", tmp_path / "moved"))
    resolved = resolve_paths(cfg, RunDir(project / "outputs" / "runs" / "1"))
    assert resolved.model.backbone_weights == {
        "a": str(project / "a"), "b.c": str(project / "b"),
    }  # fmt: skip


def test_path_stays_as_typed_where_it_was_typed(project: Path) -> None:
    cfg = resolve_paths(config("photos"), RunDir(project / "outputs" / "runs" / "a"))
    assert cfg.dataset.root == "photos" and cfg.outputs == str(project / "outputs")


def test_path_is_absolute_from_another_folder_even_if_the_name_exists_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    cfg = resolve_paths(config("photos"), RunDir(project / "outputs" / "runs" / "a"))
    assert cfg.dataset.root == str(project / "photos")


@pytest.mark.parametrize("typed", ["photos", "/nowhere/photos"])
def test_path_is_found_beside_moved_outputs(
    typed: str, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir("/")
    moved = shutil.move(project, tmp_path / "moved")
    cfg = resolve_paths(config(typed), RunDir(Path(moved) / "outputs" / "runs" / "a"))
    assert cfg.dataset.root == str(tmp_path / "moved" / "photos")
    assert cfg.outputs == str(tmp_path / "moved" / "outputs")


def test_path_stays_as_typed_if_nothing_is_left(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (project / "photos").rmdir()
    run = RunDir(project / "outputs" / "runs" / "a")
    assert resolve_paths(config("photos"), run).dataset.root == "photos"


def test_run_of_an_earlier_version_keeps_its_paths(tmp_path: Path) -> None:
    assert resolve_paths(config("x"), RunDir(tmp_path)).dataset.root == "x"


def test_words_that_are_no_paths_are_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "auto").mkdir()
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path)
    run = RunDir(tmp_path / "runs" / "a")
    save_paths(config("nowhere"), run)
    assert run.paths_file.read_text(encoding="utf-8") == "{}"
