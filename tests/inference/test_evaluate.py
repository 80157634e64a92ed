"""`evaluate`: new photos in, copies of the run's photos out, the difference to its own test."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fashion_exp.api.comparison import compare
from fashion_exp.api.runs import load
from fashion_exp.atomic_io import write_json
from fashion_exp.commands import evaluate as command
from fashion_exp.comparison.report_data import build_report
from fashion_exp.comparison.report_tables import pairs_table, runs_table
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import labels_and_probabilities, read_predictions
from fashion_exp.evaluation.run_dir import REFIT_FILE
from fashion_exp.inference.calibration_report import by_model
from fashion_exp.inference.evaluate import PhotoEvaluation, as_json, evaluate, sentences
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.progress import Progress
from fashion_exp.stats.proportions import independent_difference, wilson
from fashion_exp.tools.doctor.files import findings
from tests.command_line import documented_keys

pytestmark = pytest.mark.slow

CLASSES = ("dress", "pullover", "shirt")


@pytest.fixture
def run(trained_folder: Path, tmp_path: Path) -> TrainedRun:
    """A copy of the trained run that may be changed."""
    outputs = tmp_path / "outputs"
    shutil.copytree(trained_folder, outputs / "runs" / "tiny")
    shutil.copy(trained_folder.parents[1] / "test_evaluations.jsonl", outputs)
    return load_run(outputs / "runs" / "tiny", outputs)


@pytest.fixture
def new_photos(tmp_path: Path) -> Path:
    """8 photos of each class, as those of the run but from another seed; their sizes differ."""
    root, rng = tmp_path / "shop", np.random.default_rng(7)
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.normal(100, 50, (40, 40, 3))
            pixels[..., label] += 60
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(root / name / f"{number}.png")
    return root


def evaluated(run: TrainedRun, source: Path, **options: object) -> PhotoEvaluation:
    outputs = run.run.path.parents[1]
    return evaluate(run, str(source), outputs, Progress(plain_console()), **options)  # type: ignore[arg-type]


def test_new_photos_are_predicted_as_the_run_predicts(run: TrainedRun, new_photos: Path) -> None:
    result = evaluated(run, new_photos)
    frame = read_predictions(result.file)
    assert result.file == run.run.path / "evaluations" / "shop.parquet"
    assert len(frame) == 48 and set(frame["part"]) == {"shop"} and not len(result.left_out)
    rows, _, probabilities = by_model(frame, run.model_names)
    images = np.stack([run.preprocess(run.read(new_photos / path)) for path in rows["path"]])
    expected = run.predict_batch(torch.from_numpy(images).permute(0, 3, 1, 2)).probabilities
    assert probabilities == pytest.approx(expected, abs=1e-6)
    labels, predicted = labels_and_probabilities(frame)
    assert result.summary.accuracy.estimate == pytest.approx(
        (predicted.argmax(axis=1) == labels).mean()
    )
    right = (
        probabilities.mean(axis=0).argmax(axis=1) == by_model(frame, run.model_names)[1]
    ).mean()
    assert result.ensemble.estimate == pytest.approx(right)
    assert result.ensemble.estimate == pytest.approx(1 - result.summary.wrong_images / 24)
    own = run.result.summary("test").accuracy
    accuracies = [interval.estimate or 0.0 for interval in (result.summary.accuracy, own)]
    assert result.difference.estimate == pytest.approx(accuracies[0] - accuracies[1])
    assert [row.images for row in result.classes] == [8, 8, 8]


def test_copies_of_the_runs_photos_are_left_out_and_named(
    run: TrainedRun, new_photos: Path, photos: Path
) -> None:
    """A copied file, one in another format, and a mirrored one at twice the size."""
    sources = [photos / "train" / "dress" / f"{n:02}.png" for n in range(3)]
    shutil.copy(sources[0], new_photos / "dress" / "same.png")
    Image.open(sources[1]).save(new_photos / "dress" / "same.bmp")
    mirrored = Image.open(sources[2]).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.resize((32, 32), Image.Resampling.LANCZOS).save(new_photos / "dress" / "mirror.png")
    result = evaluated(run, new_photos)
    reasons = dict(zip(result.left_out["path"], result.left_out["reason"], strict=True))
    assert set(reasons) == {"dress/same.png", "dress/same.bmp", "dress/mirror.png"}
    assert reasons["dress/mirror.png"] == "mirrored copy of train/dress/02.png"
    assert result.summary.images == 24
    assert "3 photos left out" in " ".join(sentences(result))


def test_drift_is_named(run: TrainedRun, new_photos: Path) -> None:
    for file in new_photos.glob("*/*.png"):
        pixels = np.asarray(Image.open(file)).astype(int) + 60
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file)
    text = " ".join(sentences(evaluated(run, new_photos)))
    assert "The photos differ from those of the test in" in text and "brightness" in text


def test_worse_accuracy_names_the_class(run: TrainedRun, new_photos: Path) -> None:
    result = evaluated(run, new_photos)
    worse = independent_difference(wilson(50, 100), wilson(90, 100))
    classes = [replace(row, difference=worse) for row in result.classes[:1]]
    text = " ".join(sentences(replace(result, difference=worse, classes=classes)))
    assert "−40.0 points" in text and "worse by more than chance" in text
    assert "Worse in dress." in text
    better = replace(result, difference=worse.negated, classes=[])
    assert "better by more than chance" in " ".join(sentences(better))


def test_runs_on_the_same_photos_are_counted_once_each(run: TrainedRun, new_photos: Path) -> None:
    assert evaluated(run, new_photos).evaluations == 1
    assert evaluated(run, new_photos, name="again").evaluations == 1
    other = run.run.path.with_name("other")
    shutil.copytree(run.run.path, other)
    copied = load_run(other, other.parents[1])
    assert evaluated(copied, new_photos, overwrite=True).evaluations == 2
    assert run.result.test_evaluations == 1


def test_compare_and_report_use_the_evaluation(run: TrainedRun, new_photos: Path) -> None:
    evaluated(run, new_photos)
    other = run.run.path.with_name("other")
    shutil.copytree(run.run.path, other)
    comparison = compare([run.run.path, other], on="shop", outputs=other.parents[1])
    assert comparison.part == "shop"
    test = comparison.pairs[0].test
    assert test is not None and test.difference == 0
    report = build_report(comparison, "report", other.parents[1] / "cache")
    assert (
        report.accuracy[0].title.startswith("Shop accuracy") and len(report.accuracy[0].rows) == 2
    )
    table, accuracy = runs_table(comparison), comparison.runs[0].summary("shop").accuracy
    assert table.header[:2] == ["run", "on shop"] and "24 photos" in table.notes[0]
    assert all(percent(accuracy.estimate)[:4] in row[1] for row in table.rows)
    assert "whatever it reaches on shop" in pairs_table(comparison).notes[0]
    text = " ".join(comparison.conclusions)
    assert f"Accuracy on shop: {comparison.names[0]} {percent(accuracy.estimate)}" in text
    assert comparison.table["shop_acc"].tolist() == [accuracy.estimate] * 2
    with pytest.raises(InputError, match="did you mean shop"):
        compare([run.run.path], on="shopp", outputs=other.parents[1])


def test_refit_is_compared_on_other_photos_only_and_named(
    run: TrainedRun, new_photos: Path
) -> None:
    outputs = run.run.path.parents[1]
    evaluated(run, new_photos)
    refit = outputs / "refits" / "mine"
    shutil.copytree(run.run.path, refit)
    write_json(refit / REFIT_FILE, {"study": "tiny", "models": ["r0f0", "r1f0"]})
    comparison = compare([run.run.path, refit], on="shop", outputs=outputs)
    assert comparison.names[1] == f"{comparison.names[0]} refit"
    assert f"Refits: {comparison.names[1]}. " in " ".join(comparison.conclusions)
    with pytest.raises(InputError, match="mine: a refit has no results of its own"):
        compare([run.run.path, refit], outputs=outputs)


def test_sweep_is_compared_by_its_evaluated_jobs(run: TrainedRun, new_photos: Path) -> None:
    evaluated(run, new_photos)
    outputs = run.run.path.parents[1]
    sweep = outputs / "sweeps" / "mine"
    for name in ("aaaa", "bbbb", "cccc"):
        shutil.copytree(run.run.path, sweep / name)
    shutil.rmtree(sweep / "bbbb" / "evaluations")
    comparison = compare("mine", on="shop", outputs=outputs)
    assert [r.result.output.name for r in comparison.runs] == ["aaaa", "cccc"]
    assert "1 run has no evaluation shop: left out." in comparison.conclusions
    with pytest.raises(InputError, match="no evaluation shop"):
        compare(["mine", str(sweep / "bbbb")], on="shop", outputs=outputs)


def test_python_gives_the_same_as_the_command(run: TrainedRun, new_photos: Path) -> None:
    loaded = load(run.run.path, outputs=run.run.path.parents[1])
    result = loaded.evaluate(new_photos, "python")
    assert as_json(result) == as_json(evaluated(run, new_photos, name="python", overwrite=True))
    with pytest.raises(InputError, match="has an evaluation of this name"):
        loaded.evaluate(new_photos, "python")
    report = loaded.calibrate(0.9, left_out=False)
    assert report.coverage == 0.9 and [part.part for part in report.parts] == [
        "validation", "test",
    ]  # fmt: skip


def test_command_renames_classes_and_prints_json(
    run: TrainedRun, new_photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (new_photos / "shirt").rename(new_photos / "blouse")
    options = ["tiny", str(new_photos), "--outputs", str(run.run.path.parents[1])]
    with pytest.raises(InputError, match=r"blouse: no class of the run.*--rename blouse=CLASS"):
        command.run(options)
    assert not run.run.evaluations.exists()
    options += ["--rename", "blouse=shirt", "--as", "blouses"]
    broken = new_photos / "dress" / "broken.png"
    broken.write_bytes((new_photos / "dress" / "0.png").read_bytes()[:900])
    assert command.run(options) == 3
    assert "dress/broken.png" in capsys.readouterr().out
    broken.unlink()
    stored = (run.run.evaluations / "blouses.parquet").read_bytes()
    with pytest.raises(InputError, match=r"--as blouses: .* replace it with --overwrite"):
        command.run(options)
    assert (run.run.evaluations / "blouses.parquet").read_bytes() == stored
    options.append("--overwrite")
    assert command.run(options) == 0
    text = capsys.readouterr().out
    assert "own test" in text and "pullover" in text and "accuracy of their ensemble" in text
    assert (run.run.figures / "confusion_blouses.png").exists()
    assert command.run([*options, "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers.keys() == documented_keys("evaluate")
    assert numbers["images"] == 24 and set(numbers["classes"]) == set(CLASSES)
    assert json.loads((run.run.evaluations / "blouses.json").read_text()) == numbers


@pytest.mark.parametrize("name", ["test", "../out", ".hidden"])
def test_unsuitable_name_is_refused(run: TrainedRun, new_photos: Path, name: str) -> None:
    with pytest.raises(InputError, match="no name for an evaluation"):
        evaluated(run, new_photos, name=name)


def test_own_photos_alone_are_refused(run: TrainedRun, photos: Path) -> None:
    with pytest.raises(InputError, match="all 72 photos are photos of the run"):
        evaluated(run, photos)
    with pytest.raises(InputError, match="with split=official, which never trains on validation/"):
        evaluated(run, photos / "validation")


def test_folder_without_photos_is_named_as_it_was_given(run: TrainedRun, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as raised:
        evaluated(run, tmp_path / "empty")
    assert str(tmp_path / "empty") in str(raised.value) and "dataset." not in str(raised.value)


def test_class_without_photos_has_no_scores(run: TrainedRun, new_photos: Path) -> None:
    """Models predict it, but no photo has it."""
    shutil.rmtree(new_photos / "pullover")
    result = evaluated(run, new_photos)
    summary = result.summary
    assert np.isnan(summary.f1[1]) and np.isnan(summary.recall[1])
    assert summary.f1_limits[1].estimate is None and summary.f1_limits[1].low is None
    assert summary.macro_f1.estimate == pytest.approx(np.mean([summary.f1[0], summary.f1[2]]))
    assert "No photo of pullover: no recall and no F1" in " ".join(sentences(result))
    assert [row.name for row in result.classes] == ["dress", "shirt"]
    assert command.run([
        "tiny", str(new_photos), "--overwrite", "--outputs", str(run.run.path.parents[1])
    ]) == 0  # fmt: skip
    build_report(compare([run.run.path], outputs=run.run.path.parents[1]), "report", new_photos)


def test_failed_evaluation_leaves_nothing(
    run: TrainedRun, new_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = run.run.path.parents[1]
    counted = (outputs / "test_evaluations.jsonl").read_text()
    with monkeypatch.context() as patch:
        patch.setattr("fashion_exp.inference.evaluate._confident_errors", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluated(run, new_photos)
    assert not run.run.evaluations.exists()
    assert (outputs / "test_evaluations.jsonl").read_text() == counted
    result = evaluated(run, new_photos)
    result.file.with_suffix(".json").unlink()  # as earlier versions left it
    with pytest.raises(InputError, match="no evaluation shop"):
        compare([run.run.path], on="shop", outputs=outputs)
    os.utime(result.file, (0, 0))
    (finding,) = [f for f in findings(outputs) if f.what == "an incomplete evaluation"]
    assert finding.fix is not None
    finding.fix()
    assert not result.file.exists()
