"""`calibrate`: numbers of a tiny run, classes left out, the printed tables and the figure."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_exp.commands import calibrate
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import write_predictions
from fashion_exp.inference import calibration_report, calibration_tables
from fashion_exp.inference.calibration import ValidationRows
from fashion_exp.inference.calibration_report import by_model, measure_calibration
from fashion_exp.inference.calibration_tables import sentences, stored_report
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.progress import Progress
from tests.command_line import documented_keys

pytestmark = pytest.mark.slow


def test_test_part_is_the_calibrated_ensemble(trained: TrainedRun) -> None:
    report = measure_calibration(trained, Progress(plain_console()), coverage=0.8, target=0.3)
    validation, test = report.parts
    frame, labels, probabilities = by_model(trained.predictions("test"), trained.model_names)
    ensemble = report.calibration.apply(probabilities)
    loss = -np.log(ensemble[np.arange(len(labels)), labels]).mean()
    assert test.after["NLL"].estimate == pytest.approx(loss)
    members = report.calibration.set_members(probabilities, 0.8)
    assert test.set_size.estimate == pytest.approx(members.sum(axis=1).mean())
    assert test.predictions == test.images == len(frame)
    assert validation.predictions == len(trained.predictions("validation")) > validation.images
    assert sum(validation.sizes) == validation.predictions
    assert "no common features" in report.notes[0] and not report.strangers


@pytest.mark.parametrize("apart", [True, False])
def test_strange_class_is_told_from_known_ones_if_features_differ(
    trained: TrainedRun, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    rng, labels = np.random.default_rng(0), np.arange(600) % 3
    features = rng.normal(size=(600, 6)).astype(np.float32)
    features[:, :3] += 9 * apart * np.eye(3)[labels]
    rows = ValidationRows(
        np.arange(600), labels, np.arange(600), np.zeros(600), rng.integers(0, 5, 600),
        np.empty(0), np.empty(0),
    )  # fmt: skip
    monkeypatch.setattr(calibration_report, "own_features", lambda run, ids, _: features[ids])
    result = calibration_report._leave_each_class_out(trained, rows, Progress(plain_console()))
    assert [stranger.name for stranger in result] == list(trained.classes)
    areas = [stranger.auroc.estimate or 0.0 for stranger in result]
    detected = [stranger.detected.estimate or 0.0 for stranger in result]
    if apart:
        assert min(areas) > 0.97 and min(detected) > 0.9
    else:
        assert min(areas) > 0.4 and max(areas) < 0.6 and max(detected) < 0.15


def test_scaling_that_does_not_help_is_left_out_and_said(
    trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def harmful(labels: np.ndarray, raw: np.ndarray, *_: np.ndarray) -> np.ndarray:
        wrong = np.full_like(raw, 1.0)
        wrong[np.arange(len(labels)), labels] = 1e-6
        return np.asarray(wrong / wrong.sum(axis=1, keepdims=True))

    folder = tmp_path / "outputs" / "runs" / "tiny"
    shutil.copytree(trained.run.path, folder)
    (folder / "calibration.json").unlink(missing_ok=True)
    run, progress = load_run(folder, folder.parents[1]), Progress(plain_console())
    monkeypatch.setattr("fashion_exp.stats.calibration.cross_fitted", harmful)
    report = measure_calibration(run, progress, left_out=False)
    assert set(report.calibration.temperature.values()) == {1.0}
    _, _, probabilities = by_model(run.predictions("test"), run.model_names)
    assert report.calibration.apply(probabilities) == pytest.approx(probabilities.mean(axis=0))
    assert "Temperature scaling does not help here" in " ".join(sentences(report))


def test_sentences_say_what_calibration_made_worse(trained: TrainedRun) -> None:
    report = measure_calibration(trained, Progress(plain_console()), left_out=False)
    test = report.parts[1]
    swapped = replace(test, before=test.after, after=test.before)
    texts = [
        " ".join(sentences(replace(report, parts=[part]))) for part in (test, swapped)
    ]  # fmt: skip
    assert all("Calibrated probabilities on test photos are off by" in text for text in texts)
    assert sum("calibration made worse" in text for text in texts) >= 1


def test_command_prints_tables_and_json_and_draws(
    trained_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "outputs" / "runs" / "tiny"
    shutil.copytree(trained_folder, folder)
    options = [str(folder), "--outputs", str(tmp_path / "outputs")]
    assert calibrate.run([*options, "--at-least", "0.3", "--per-class"]) == 0
    text = capsys.readouterr().out
    assert (
        "ECE, calibrated" in text and "coverage, pullover" in text and "temperature: r0f0" in text
    )
    assert (folder / "figures" / "calibration.png").stat().st_size > 10_000
    assert calibrate.run([*options, "--json", "--quick"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers.keys() == documented_keys("calibrate")
    assert set(numbers["parts"]) == {"validation", "test"} and numbers["threshold"] is None
    estimate, low, high = numbers["parts"]["test"]["after"]["NLL"]
    assert low <= estimate <= high


@pytest.mark.parametrize("option", [["--coverage", "95"], ["--at-least", "0"]])
def test_share_outside_0_to_1_is_refused(option: list[str]) -> None:
    with pytest.raises(InputError, match="must be between 0 and 1"):
        calibrate.run(["run", *option])


def test_report_is_measured_once_for_the_same_predictions(
    trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = shutil.copytree(trained_folder, tmp_path / "outputs" / "runs" / "copy")
    (copied / calibration_tables.FILE).unlink(missing_ok=True)  # of other tests
    run, progress, calls = load_run(copied, tmp_path / "outputs"), Progress(plain_console()), [0]

    def measure(*args: object, **options: object) -> object:
        calls[0] += 1
        return measure_calibration(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(calibration_tables, "measure_calibration", measure)
    result, tables = stored_report(run, progress)
    again, stored = stored_report(run, progress)
    assert calls == [1] and again == result
    assert [list(map(list, table.rows)) for table in tables] == [table.rows for table in stored]
    frame = run.predictions("validation")
    write_predictions(frame.iloc[:-1], run.run.predictions_file("validation"))
    assert stored_report(run, progress)[1] != stored and calls == [2]
    (copied / calibration_tables.FILE).write_text("{")
    stored_report(run, progress)
    assert calls == [3]
