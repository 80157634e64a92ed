from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.stored_config import load_config
from fashion_exp.evaluation import results
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.job import job_name, save_exception, save_job_config, unfinished_run
from tests.conftest import TinyRun

TYPED = ("dataset=folder", "dataset.root=photos", "dataset.classes=[hat,shoe]", "repeats=2")


def name_of(*overrides: str, swept: tuple[str, ...] = ()) -> str:
    (cfg,) = parse_command_line([*TYPED, *overrides]).jobs
    cfg = replace(cfg, sweep=replace(cfg.sweep, swept=list(swept)))
    return job_name(cfg, [*TYPED, *overrides])


def test_name_of_a_job_begins_with_the_swept_values_and_has_model_and_classes() -> None:
    name = name_of("optim.lr=1e-3", "training.threads=2", swept=("optim.lr",))
    assert name == "lr=1e-3 basic_cnn repeats=2 dataset=folder classes=[hat,shoe]"


def test_swept_model_is_named_once() -> None:
    name = name_of("model=vgg16", "optim.lr=1e-3", swept=("model", "optim.lr"))
    assert name.startswith("vgg16 lr=1e-3 repeats=2") and name.count("vgg16") == 1


def test_name_of_a_single_run_begins_with_the_model_and_ends_with_the_data() -> None:
    name = name_of("optim.lr=1e-3")
    assert name == "basic_cnn repeats=2 lr=1e-3 dataset=folder classes=[hat,shoe]"


def test_an_unfinished_run_with_the_same_options_is_found(tmp_path: Path) -> None:
    (cfg,) = parse_command_line([*TYPED, "optim.lr=1e-3"]).jobs
    earlier, new = RunDir(tmp_path / "1"), RunDir(tmp_path / "2")
    save_job_config(cfg, earlier, [])
    assert unfinished_run(cfg, new) is None  # it has nothing to continue
    earlier.unfinished.mkdir()
    assert unfinished_run(cfg, new) == earlier
    (same,) = parse_command_line([*TYPED, "optim.lr=1e-3", "tracking=none"]).jobs
    assert unfinished_run(same, new) == earlier
    (other,) = parse_command_line([*TYPED, "optim.lr=2e-3"]).jobs
    assert unfinished_run(other, new) is None
    with earlier.lock():
        assert unfinished_run(cfg, new) is None  # it is running


@pytest.mark.slow
def test_figures_that_fail_leave_the_run_finished(
    tiny: Callable[..., TinyRun],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no font")

    monkeypatch.undo()
    for name in ("learning_curves", "confusion_matrix"):
        monkeypatch.setattr(f"fashion_exp.reporting.figures.{name}", fail)
    run = tiny("tracking=none")
    assert {file.name for file in (run.output / "figures").iterdir()} == {
        "classes_test.csv", "classes_validation.csv", "data.png", "gallery_test.png",
        "gallery_validation.png",
    }  # fmt: skip
    missing = results.missing_figures(results.load_result(run.output))
    assert [file.name for file in missing] == [
        "curves.png", "confusion_validation.png", "confusion_test.png",
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert "figures/curves.png is missing: it cannot be drawn (RuntimeError: no font)" in printed
    assert "accuracy (95 % Wilson)" in printed


@pytest.mark.slow
def test_sheet_of_many_classes_shows_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Callable[..., TinyRun]
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(results, "MAX_CLASSES", 2)
    titles = []

    def record(images: object, captions: list[str], columns: int, title: str) -> None:
        titles.append((set(captions), title))
        raise RuntimeError("stop")

    monkeypatch.setattr("fashion_exp.reporting.contact_sheets.contact_sheet", record)
    tiny()
    ((captions, title),) = titles
    assert captions == {"dress", "pullover"}
    assert title.endswith("3 classes, of which the first 2 are shown")


def test_passwords_are_in_no_file_of_a_run(tmp_path: Path) -> None:
    overrides = ["tracking.uri='http://me:s3@cret@host:5000'"]
    cfg = parse_command_line(overrides).jobs[0]
    cfg.sweep.storage = "postgresql://me:s3@cret@host/optuna"
    run = RunDir(tmp_path)
    save_job_config(cfg, run, overrides)
    save_exception(run, RuntimeError(f"no answer from {cfg.sweep.storage}"))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 5
    assert not [file for file in files if "cret" in file.read_text()]
    assert load_config(run.config_file).tracking.uri == "http://host:5000"
    assert run.overrides() == ["tracking.uri='http://host:5000'"]
