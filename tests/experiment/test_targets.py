"""Labels of several classes: trained on, judged, and refused where they have no meaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fashion_exp.active.features import frozen_setup
from fashion_exp.api.comparison import compare
from fashion_exp.api.runs import Run
from fashion_exp.commands import evaluate as evaluate_command
from fashion_exp.commands import predict as predict_command
from fashion_exp.commands.evaluate import tables_of
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import (
    SCHEMA_VERSION,
    has_several_classes,
    per_image_correct,
    per_image_loss,
    present_and_predicted,
    wrong_by_image,
)
from fashion_exp.evaluation.results import load_result, result_table
from fashion_exp.evaluation.summary import EvaluationSummary
from fashion_exp.inference.calibration_report import measure_calibration
from fashion_exp.inference.evaluate import _classes, as_json, sentences
from fashion_exp.inference.several import thresholds_of
from fashion_exp.inference.trained_run import load_run
from fashion_exp.judging.columns import ColumnOptions, read_columns
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.progress import Progress
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow
Tiny = Callable[..., TinyRun]
SOLVED = (
    "model.head=logistic", "model.weights=none", "model.freeze=backbone", "model.c=1e-6",
    "training.threads=1",
    "training.epochs=8", "training.batch_size=32",
)  # fmt: skip


@pytest.fixture
def manifest(photos: Path, tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """The options of a manifest whose labels a function gives, from class and number."""

    def write(label: Callable[[str, int], str]) -> tuple[str, ...]:
        files = sorted(photos.rglob("*.png"))
        rows = [(str(f), label(f.parent.name, number)) for number, f in enumerate(files)]
        file = tmp_path / f"labels{len(list(tmp_path.glob('labels*')))}.csv"
        pd.DataFrame(rows, columns=["path", "label"]).to_csv(file, index=False)
        return "dataset=csv", f"dataset.manifest={file}", "dataset.root=null"

    return write


def both(name: str, number: int) -> str:
    return f"{name}|shirt" if name == "dress" and number % 2 else name


def shares(name: str, number: int) -> str:
    return f"{name}:0.6|shirt:0.4" if name == "dress" and number % 2 else name


@pytest.mark.parametrize("head", [(), SOLVED])
def test_prediction_of_any_accepted_class_is_right(
    head: tuple[str, ...], tiny: Tiny, manifest: Callable[..., tuple[str, ...]]
) -> None:
    run = tiny(*manifest(shares), "training.targets=soft", "training.class_weights=balanced", *head)
    frame = run.predictions("validation")
    assert set(frame["label"]) == {"dress", "dress|shirt", "pullover", "shirt"}
    names = np.array(["dress", "pullover", "shirt"])
    predicted = names[frame[[f"p_{name}" for name in names]].to_numpy().argmax(1)]
    right = [p in label.split("|") for p, label in zip(predicted, frame["label"], strict=True)]
    assert per_image_correct(frame).tolist() == right
    summary = load_result(run.output).summary("validation")
    assert summary.wrong_predictions == len(right) - sum(right)
    assert np.trace(summary.confusion) == sum(right)
    judged = read_columns(frame, "run", ColumnOptions())
    assert judged.shares is not None and not any("y_" in note for note in judged.notes)


@pytest.mark.parametrize(
    ("label", "targets"), [(both, "several"), (shares, "soft"), (lambda n, _: n, "single")]
)
def test_last_epoch_is_judged_as_the_predictions_are(
    label: Callable[[str, int], str], targets: str, tiny: Tiny,
    manifest: Callable[..., tuple[str, ...]],
) -> None:  # fmt: skip
    run = tiny(*manifest(label), f"training.targets={targets}", "training.keep=last")
    frame, history = run.predictions("validation"), run.history
    last = history[history["part"] == "validation"].iloc[-1]
    assert last["loss"] == pytest.approx(per_image_loss(frame).mean())
    if targets != "several":  # there, classes are predicted from thresholds that are chosen later
        assert last["accuracy"] == pytest.approx(per_image_correct(frame).mean())


def test_soft_targets_of_single_labels_are_those_of_single_targets(
    tiny: Tiny, manifest: Callable[..., tuple[str, ...]]
) -> None:
    plain = manifest(lambda name, number: name)
    single = tiny(*plain, "training.precision=fp32")
    soft = tiny(*plain, "training.precision=fp32", "training.targets=soft")
    names = ["p_dress", "p_pullover", "p_shirt"]
    np.testing.assert_allclose(
        single.predictions("test")[names], soft.predictions("test")[names], atol=1e-4
    )
    assert "y_dress" not in single.predictions("test")
    for run, version in ((single, b'{"schema": 1}'), (soft, b'{"schema": %d}' % SCHEMA_VERSION)):
        schema = pq.read_schema(run.output / "test_predictions.parquet")
        assert schema.metadata[b"fashion_exp"] == version


def test_all_classes_of_a_label_are_trained_judged_and_predicted(
    tiny: Tiny, manifest: Callable[..., tuple[str, ...]], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = tiny(*manifest(both), "training.targets=several", "repeats=2")
    frame = run.predictions("test")
    assert has_several_classes(frame)
    sums = frame[["p_dress", "p_pullover", "p_shirt"]].sum(axis=1)
    assert (sums - 1).abs().max() > 0.01  # each class has a probability of its own
    present, _ = present_and_predicted(frame)
    assert set(present.sum(axis=1)) == {1, 2}
    assert "exact match" in capsys.readouterr().out
    summary = load_result(run.output).summary("validation")
    assert {"hamming", "mAP"} == set(summary.own) and summary.own["mAP"].low is not None
    metrics = summary.metrics()
    assert {"val_acc", "val_mAP", "val_mAP_lo", "val_hamming_hi", "val_f1"} <= set(metrics)
    validation = run.predictions("validation")
    assert summary.wrong_images == wrong_by_image(validation).sum()
    rows = result_table(load_result(run.output), []).rows
    assert [row[0] for row in rows][:2] == ["exact match (95 % Wilson)", rows[1][0]]
    with pytest.raises(InputError, match=r"training.targets=several; predict, evaluate, compare"):
        load_run(run.output, run.output.parent)
    _check_use(run, summary, tmp_path, capsys)


def _check_use(
    run: TinyRun, validation: EvaluationSummary, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used = Run(run.output)
    trained = load_run(run.output, folder, several=True)
    thresholds = thresholds_of(trained)
    assert thresholds is not None
    frame, columns = run.predictions("test"), [f"t_{name}" for name in used.classes]
    stored = frame.groupby("repeat")[columns].first().to_numpy()
    np.testing.assert_allclose(thresholds, stored, atol=1e-6)  # those of its own test

    table = used.predict(list(frame["path"].unique()))
    wanted = frame.groupby("path")[[f"p_{name}" for name in used.classes]].mean()
    got = table.set_index("path")[wanted.columns].loc[wanted.index]
    np.testing.assert_allclose(got, wanted, atol=5e-3)
    assert list(table)[-2:] == ["agreement", "reason"] and "prediction_set" not in table
    above = table[wanted.columns].to_numpy() >= thresholds.mean(axis=0)
    names = np.array(used.classes)
    assert list(table["predicted"]) == ["|".join(names[row]) or "none" for row in above]
    decoded = used.predict([Image.open(table["path"][0])])
    assert decoded["predicted"][0] == table["predicted"][0]
    broken = folder / "broken.png"
    broken.write_text("no photo")
    unread = used.predict([broken])
    assert unread["predicted"][0] == "" and unread["reason"][0]

    labeled = folder / "new.csv"
    rng, rows = np.random.default_rng(3), []
    for number in range(12):
        label = ("dress|shirt", "pullover", "shirt")[number % 3]
        path = folder / f"new{number}.png"
        Image.fromarray(rng.integers(0, 256, (28, 28, 3), np.uint8)).save(path)
        rows.append((path, label))
    pd.DataFrame(rows, columns=["path", "label"]).to_csv(labeled, index=False)
    result = used.evaluate(labeled)
    new = pd.read_parquet(result.file)
    assert set(new["label"]) == {"dress|shirt", "pullover", "shirt"}
    assert set(result.summary.own) == set(validation.own) and result.calibration is None
    assert result.summary.accuracy.estimate == pytest.approx(per_image_correct(new).mean())
    recalls = {row.name: row.images for row in result.classes}
    assert recalls == {"dress": 4, "pullover": 4, "shirt": 8}
    assert "exact match, mean of 2 models" in str(next(iter(tables_of(result))).rows)
    assert json.loads(json.dumps(as_json(result)))["ece"] is None
    assert any("Calibration" in sentence for sentence in sentences(result))
    command = [str(run.output), str(folder / "new0.png"), "--outputs", str(folder)]
    capsys.readouterr()
    assert predict_command.run([*command, "--into", str(folder / "new.parquet")]) == 0
    assert list(pd.read_parquet(folder / "new.parquet")) == list(table)
    assert predict_command.run(command) == 0
    assert "pullover" in capsys.readouterr().out
    with pytest.raises(InputError, match="--page: is for runs of one class"):
        predict_command.run([*command, "--page", str(folder / "new.html")])
    arguments = [str(run.output), str(labeled), "--as", "again", "--outputs", str(folder)]
    assert evaluate_command.run(arguments) == 0
    printed = capsys.readouterr().out
    assert "mAP" in printed and "hamming" in printed and "ECE" not in printed
    with pytest.raises(InputError, match="predict, evaluate, compare and report"):
        used.export("onnx", str(folder / "model"))


def test_class_that_is_always_beside_another_is_trained_and_judged(
    tiny: Tiny, manifest: Callable[..., tuple[str, ...]]
) -> None:
    options = manifest(lambda name, number: f"{name}|striped" if number % 2 else name)
    run = tiny(*options, "training.targets=several", "split=kfold", "split.folds=3")
    frame = run.predictions("validation")
    assert frame["label"].str.endswith("|striped").sum() > 20


def test_runs_of_several_classes_are_compared_with_each_other_alone(
    tiny: Tiny, manifest: Callable[..., tuple[str, ...]]
) -> None:
    options = manifest(both)
    first = tiny(*options, "training.targets=several")
    second = tiny(*options, "training.targets=several", "seed=1")
    comparison = compare([first.output, second.output], metric="hamming")
    assert comparison.conclusions and len(comparison.pairs) == 1
    texts = " ".join(compare([first.output, second.output], target=0.5).conclusions)
    assert "exact match" in texts and "validation accuracy" not in texts
    assert compare([first.output], metric="loss").settings.described.label == (
        "binary cross-entropy loss"
    )
    soft = tiny(*options, "training.targets=soft")
    assert compare([soft.output]).conclusions
    with pytest.raises(InputError, match="compare runs of one kind"):
        compare([first.output, soft.output])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("dataset=garments training.targets=soft", "have one class each"),
        ("dataset=folder dataset.root=x training.targets=soft model.head=knn", "model.head=knn"),
        ("dataset=folder dataset.root=x training.targets=several model.head=logistic",
         "model.head=logistic"),
        ("dataset=folder dataset.root=x training.targets=several training.loss=focal",
         "training.loss=focal"),
        ("dataset=folder dataset.root=x training.targets=several training.label_smoothing=0.1",
         "training.label_smoothing=0.1"),
    ],
)  # fmt: skip
def test_meaningless_combination_is_refused(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_command_line(options.split())


def test_annotator_rows_are_votes(tiny: Tiny, photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.rglob("*.png"))
    rows = [
        (str(file), "shirt" if name == "c" and number % 3 == 0 else file.parent.name, name)
        for number, file in enumerate(files)
        for name in "abc"
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "annotator"])
    table.to_csv(tmp_path / "votes.csv", index=False)
    source = "dataset=csv", f"dataset.manifest={tmp_path / 'votes.csv'}", "dataset.root=null"
    run = tiny(*source, "training.targets=soft")
    frame = run.predictions("test")
    assert set(frame["y_dress"].round(3)) == {0.0, 0.667, 1.0}
    assert set(frame["label"]) == {"dress", "pullover", "shirt"}  # the majority is right


def test_soft_run_is_not_judged_beyond_its_measure(
    tiny: Tiny, manifest: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    first = tiny(*manifest(shares), "training.targets=soft", *SOLVED)
    other = manifest(lambda name, number: shares(name, number).replace("0.6", "0.7"))
    second = tiny(*other, "training.targets=soft", *SOLVED)
    # Photos whose shares differ are not compared, and this is said.
    texts = " ".join(compare([first.output, second.output], metric="loss").confounds)
    assert "with different labels are excluded" in texts, texts
    trained = load_run(str(first.output), tmp_path)
    with pytest.raises(InputError, match="calibrate needs one class for each photo"):
        measure_calibration(trained, Progress(plain_console()))
    frame = first.predictions("validation")
    counts = {row.name: row.images for row in _classes(trained, frame, frame)}
    images = frame.drop_duplicates("image_id")["label"]
    assert counts["dress"] == images.str.contains("dress").sum()
    line = [*manifest(shares), "training.targets=soft", "model.weights=none",
            "model.freeze=backbone", "model.head=logistic"]  # fmt: skip
    (cfg,) = parse_command_line(line).jobs
    with pytest.raises(InputError, match=r"active: training.targets=soft"):
        frozen_setup(cfg, None, Progress(plain_console()), "active")  # type: ignore[arg-type]
