"""Every knob acts, seen at the far end: what a tiny whole run leaves changes with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from PIL import Image

from fashion_exp.configuration.composition import option_names, parse_command_line
from fashion_exp.data.sources import load
from fashion_exp.experiment.job import MISTAKE, run_job
from fashion_exp.training.device import choose_compute
from tests.conftest import TinyRun


class Acts(NamedTuple):
    """Two command lines that differ in one knob, and what differs between their runs."""

    there: str
    """Overrides of both, separated by blanks."""
    knob: str
    """The override that only the second has."""
    seen_in: str
    """What changes: "history", "validation", "split", a fact, or a file."""


NEW = "model.head=new"
SGD = "optim=sgd"
SCALED = "dataset.mean=[.5,.5,.5] dataset.std=[.5,.5,.5]"
GARMENTS = "dataset=garments dataset.per_class=20 dataset.drawn_size=16"

TABLE: dict[str, Acts | str] = {
    "dataset.name": Acts("", "dataset=garments", "data_fingerprint"),
    "dataset.image_size": Acts("", "dataset.image_size=20", "input"),
    "dataset.channels": Acts("", "dataset.channels=1", "parameters"),
    "dataset.fit": "test_the_fit_of_photos_that_are_not_square_reaches_the_network",
    "dataset.interpolation": Acts(
        "dataset.image_size=12", "dataset.interpolation=nearest", "history"
    ),
    "dataset.mean": Acts(SCALED, "dataset.mean=[0,0,0]", "history"),
    "dataset.std": Acts(SCALED, "dataset.std=[1,1,1]", "history"),
    "dataset.classes": Acts("", "dataset.classes=[shirt,dress]", "images"),
    "dataset.rename": Acts("", "dataset.rename={shirt:Shirt}", "images"),
    "dataset.root": "test_the_data_lie_where_root_says",
    "dataset.manifest": "test_the_manifest_says_what_is_what",
    "dataset.quarantine": "test_photos_in_quarantine_are_left_out",
    "dataset.groups": "test_photos_of_one_group_stand_on_one_side",
    "dataset.download": "test_a_download_is_tried_only_where_it_is_allowed",
    "dataset.labels": "test_labels_of_a_file_reach_the_run",
    "dataset.max_left_out": "test_files_left_out_above_the_limit_end_the_run",
    "dataset.max_megapixels": "test_files_of_too_many_pixels_are_left_out",
    "dataset.per_class": Acts(GARMENTS, "dataset.per_class=25", "images"),
    "dataset.drawn_size": Acts(GARMENTS, "dataset.drawn_size=20", "input"),
    "dataset.mislabelled": Acts(GARMENTS, "dataset.mislabelled=0.5", "data_fingerprint"),
    "dataset.ambiguous": Acts(GARMENTS, "dataset.ambiguous=1", "history"),
    "dataset.seed": Acts(GARMENTS, "dataset.seed=1", "data_fingerprint"),
    "augmentation.operations": Acts("", "augmentation=strong", "history"),
    "augmentation.evaluation": Acts(
        "augmentation=none", "augmentation.evaluation=[{name:InvertImg,p:1.0}]", "validation"
    ),
    "augmentation.per_class": Acts("", "augmentation.per_class=40", "history"),
    "augmentation.on_frozen": Acts(
        "model.weights=none model.freeze=backbone", "augmentation.on_frozen=apply", "augmentation"
    ),
    "augmentation.views": Acts(
        "model.weights=none model.freeze=backbone augmentation.on_frozen=views",
        "augmentation.views=1",
        "history",
    ),
    "model.name": Acts("", "model=timm model.name=test_resnet", "parameters"),
    "model.weights": "test_weights_of_an_earlier_run_are_where_training_begins",
    "model.head": Acts("", NEW, "parameters"),
    "model.dropout": Acts("", "model.dropout=0.9", "history"),
    "model.freeze": Acts("", "model.freeze=backbone", "parameters"),
    "model.preprocessing": "test_preprocessing_against_the_weights_needs_a_word",
    "model.pool": Acts(NEW, "model.pool=flatten", "parameters"),
    "model.hidden": Acts(NEW, "model.hidden=[7]", "parameters"),
    "model.depth": Acts("", "model.depth=2", "parameters"),
    "model.width": Acts("", "model.width=4", "parameters"),
    "optim.name": Acts("", "optim.name=Adagrad", "history"),
    "optim.lr": Acts("", "optim.lr=1e-5", "history"),
    "optim.weight_decay": Acts("optim=adamw", "optim.weight_decay=10", "history"),
    "optim.backbone_lr_factor": Acts("", "optim.backbone_lr_factor=1e-3", "history"),
    "optim.momentum": Acts(SGD, "optim.momentum=0", "history"),
    "optim.options": Acts("", "optim.options={betas:[0.1,0.2]}", "history"),
    "schedule.name": Acts("", "schedule=cosine", "history"),
    "schedule.warmup_epochs": Acts("", "schedule.warmup_epochs=2", "history"),
    "schedule.final_factor": Acts("schedule=cosine", "schedule.final_factor=1", "history"),
    "schedule.step_epochs": Acts("schedule=step", "schedule.step_epochs=1", "history"),
    "schedule.gamma": Acts("schedule=exponential", "schedule.gamma=0.01", "history"),
    "split.name": Acts("", "split=official repeats=1", "split"),
    "split.seed": Acts("", "split.seed=1", "split"),
    "split.test_share": Acts("", "split.test_share=0.4", "split"),
    "split.redraw": Acts("repeats=2", "split.redraw=false", "split"),
    "split.train_ratio": Acts("", "split.train_ratio=0.5", "split"),
    "split.folds": Acts("split=kfold", "split.folds=2", "split"),
    "training.epochs": Acts("", "training.epochs=3", "history"),
    "training.batch_size": Acts("", "training.batch_size=5", "history"),
    "training.accumulate": Acts("", "training.accumulate=2", "history"),
    "training.label_smoothing": Acts("", "training.label_smoothing=0.5", "history"),
    "training.class_weights": Acts(
        "dataset.rename={shirt:pullover}", "training.class_weights=balanced", "history"
    ),
    "training.clip_norm": Acts(SGD, "training.clip_norm=1e-6", "history"),
    "training.early_stopping": Acts(
        "training.epochs=9 optim.lr=1", "training.early_stopping=1", "history"
    ),
    "training.keep": Acts("training.epochs=4 optim.lr=0.3", "training.keep=best", "history"),
    "training.precision": Acts("training.precision=fp32", "training.precision=bf16", "precision"),
    "training.device": "test_a_device_that_is_not_there_is_refused",
    "training.threads": Acts("", "training.threads=2", "threads"),
    "training.processes": "test_processes_train_what_one_does",
    "training.compile": "test_a_compiled_model_is_what_is_trained",
    "training.workers": "test_workers_change_nothing_but_who_does_the_work",
    "seeds.initialisation": Acts("", "seeds.initialisation=1", "history"),
    "seeds.order": Acts("", "seeds.order=1", "history"),
    "seeds.augmentation": Acts("", "seeds.augmentation=1", "history"),
    "seeds.dropout": Acts("model.dropout=0.5", "seeds.dropout=1", "history"),
    "seed": Acts("", "seed=1", "history"),
    "repeats": Acts("", "repeats=2", "split"),
    "confidence": "test_the_confidence_level_is_that_of_the_intervals",
    "tracking.name": "test_without_tracking_nothing_is_recorded",
    "tracking.uri": "test_the_runs_stand_in_the_store_that_uri_names",
    "tracking.experiment": "test_the_runs_stand_in_the_experiment_named",
    "tracking.log_model": "test_a_logged_model_gives_the_predictions_of_its_run",
    "cache.trainings": "test_without_the_knob_a_training_is_done_again",
    "cache.gigabytes": "test_the_store_unused_the_longest_makes_room",
    "sweep.open_test": "test_open_test_opens_the_test_of_every_job",
    "sweep.name": "test_a_sweep_goes_on_under_its_name",
    "sweep.zip": "test_zipped_values_go_side_by_side",
    "sweep.cells": "test_cells_one_by_one_are_jobs_too",
    "sweep.fresh": "test_a_fresh_sweep_sets_the_earlier_one_aside",
    "sweep.dry_run": "test_a_dry_run_tells_the_jobs_and_makes_nothing",
    "sweep.parent": "test_jobs_of_a_sweep_stand_below_one_parent",
    "sweep.swept": "test_jobs_of_a_sweep_stand_below_one_parent",
    "sweep.weights": "test_what_the_driver_decided_of_the_weights_holds",
    "sweep.experiment": "test_jobs_of_a_sweep_stand_below_one_parent",
    "sweep.study": "test_hyperband_spends_few_epochs_on_bad_cells",
    "sweep.trial": "test_hyperband_spends_few_epochs_on_bad_cells",
    "sweep.storage": "test_hyperband_spends_few_epochs_on_bad_cells",
    "outputs": "test_everything_is_written_below_outputs",
    "resume": "test_a_killed_run_resumed_equals_one_that_was_not",
}


def test_the_table_has_every_knob_of_the_schema_and_no_other() -> None:
    assert sorted(TABLE) == sorted(option_names())
    assert len(TABLE) > 70


def test_every_knob_with_a_test_of_its_own_has_one() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.rglob("test_*.py"))
    own = [entry for entry in TABLE.values() if isinstance(entry, str)]
    assert [name for name in own if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("knob", [name for name, entry in TABLE.items() if isinstance(entry, Acts)])
def test_a_knob_acts(knob: str, tiny: Callable[..., TinyRun]) -> None:
    entry = TABLE[knob]
    assert isinstance(entry, Acts)
    there = entry.there.split()
    without, with_it = tiny(*there), tiny(*there, *entry.knob.split())
    assert _seen(without, entry.seen_in) != _seen(with_it, entry.seen_in)


def _seen(run: TinyRun, where: str) -> str:
    if where in ("history", "split"):
        return run.text(f"{where}.csv")
    if where == "validation":
        return run.frame("validation").to_csv()
    return run.facts[where]


def test_a_tiny_run_repeats_bit_for_bit(tiny: Callable[..., TinyRun]) -> None:
    """Else the changes above would prove nothing."""
    first, second = tiny(), tiny()
    assert first.text("history.csv") == second.text("history.csv")
    assert first.frame("test").equals(second.frame("test"))


def test_workers_change_nothing_but_who_does_the_work(tiny: Callable[..., TinyRun]) -> None:
    alone, helped = (tiny("model.dropout=0.5", f"training.workers={n}") for n in (0, 2))
    assert alone.text("history.csv") == helped.text("history.csv")


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # PyTorch's own look at it
def test_a_compiled_model_is_what_is_trained(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a compiler that gives each graph back as it is: PyTorch's takes a minute."""
    graphs: list[torch.fx.GraphModule] = []

    def unchanged(graph: torch.fx.GraphModule, inputs: object) -> object:
        graphs.append(graph)
        return graph.forward

    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda m, **told: compile(m, backend=unchanged, **told))
    monkeypatch.setattr("fashion_exp.experiment.setup.missing_compiler", lambda device: "")
    told = ("model.dropout=0.3", "training.precision=fp32")
    plain = tiny(*told)
    assert not graphs
    losses = [
        run.history["loss"].to_numpy() for run in (plain, tiny(*told, "training.compile=true"))
    ]
    assert graphs and losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_machine_without_a_compiler_says_so(
    monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., TinyRun], capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(AssertionError):
        tiny("training.compile=true")
    assert "this machine lacks a C++ compiler (no-such-compiler)" in capsys.readouterr().err


def test_the_fit_of_photos_that_are_not_square_reaches_the_network(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for name in ("dress", "shirt"):
        (tmp_path / "tall" / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 256, (30, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "tall" / name / f"{number}.png")
    data = ("dataset=folder", f"dataset.root={tmp_path / 'tall'}", "dataset.image_size=16")
    runs = [
        tiny(*data, f"dataset.fit={fit}").text("history.csv") for fit in ("crop", "pad", "stretch")
    ]
    assert len(set(runs)) == 3


def test_the_confidence_level_is_that_of_the_intervals(tiny: Callable[..., TinyRun]) -> None:
    run, wider = tiny(), tiny("confidence=0.99")
    from fashion_exp.evaluation.results import load_result

    narrow, wide = (load_result(r.output).summary("test").accuracy for r in (run, wider))
    assert wide.level == 0.99 and wide.high - wide.low > narrow.high - narrow.low


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="cuda:77: not on this machine; here are cpu"):
        choose_compute("cuda:77", "auto", 1)


def test_what_the_driver_decided_of_the_weights_holds(tiny: Callable[..., TinyRun]) -> None:
    auto = ("model=timm", "model.name=test_resnet", "dataset.image_size=null")
    run = tiny(*auto, "sweep.weights={test_resnet:none}")
    assert run.facts["weights"] == "none: random initialisation"


def test_the_data_lie_where_root_says(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    data = ("dataset=folder", "dataset.image_size=16")
    elsewhere = shutil.copytree(photos / "train", tmp_path / "elsewhere")
    runs = [tiny(*data, f"dataset.root={root}") for root in (photos, elsewhere)]
    assert [sum(json.loads(run.facts["images"]).values()) for run in runs] == [72, 48]


def test_the_manifest_says_what_is_what(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    files = sorted((photos / "train").rglob("*.png"))
    lines = [f"{file},{'even' if i % 2 else 'odd'}" for i, file in enumerate(files)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    run = tiny("dataset=csv", f"dataset.manifest={tmp_path / 'list.csv'}", "dataset.image_size=16")
    assert json.loads(run.facts["images"]) == {"even": 24, "odd": 24}


@pytest.fixture
def spoilt(photos: Path, tmp_path: Path) -> Path:
    """The photos, two of them no longer pictures and one of many pixels."""
    root = shutil.copytree(photos / "train", tmp_path / "spoilt")
    for name in ("dress/00.png", "shirt/01.png"):
        (root / name).write_bytes(b"no picture")
    Image.new("RGB", (100, 100), "red").save(root / "dress" / "large.png")
    return root


def test_files_left_out_above_the_limit_end_the_run(
    tiny: Callable[..., TinyRun], spoilt: Path
) -> None:
    data = ("dataset=folder", f"dataset.root={spoilt}", "dataset.image_size=16")
    run = tiny(*data, "dataset.max_left_out=0.05")
    assert run.facts["left_out"] == "2" and "shirt/01.png" in run.text("left_out.csv")
    with pytest.raises(AssertionError):
        tiny(*data, "dataset.max_left_out=0.01")


def test_files_of_too_many_pixels_are_left_out(tiny: Callable[..., TinyRun], spoilt: Path) -> None:
    data = ("dataset=folder", f"dataset.root={spoilt}", "dataset.image_size=16")
    run = tiny(*data, "dataset.max_megapixels=0.009", "dataset.max_left_out=0.1")
    assert "dress/large.png" in run.text("left_out.csv")


def test_labels_of_a_file_reach_the_run(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    ids = tiny().frame("validation").query("label == 'dress'")["image_id"].unique()[:2]
    lines = [f"{ids[0]},dress,shirt", f"{ids[1]},dress,dress|pullover"]
    (tmp_path / "d.csv").write_text("\n".join(["image_id,given,decision", *lines]))
    run = tiny(f"dataset.labels={tmp_path / 'd.csv'}")
    assert json.loads(run.facts["images"]) == {"dress": 22, "pullover": 24, "shirt": 25}
    assert "several labels: dress, pullover (labels d.csv)" in run.text("left_out.csv")
    assert (run.facts["set_aside"], run.facts["labels_version"]) == ("1", "d.csv")


def test_photos_in_quarantine_are_left_out(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "away.csv").write_text("path,reason\ntrain/dress/00.png,ugly\n")
    plain, curated = tiny(), tiny(f"dataset.quarantine={tmp_path / 'away.csv'}")
    assert "train/dress/00.png,quarantined: ugly" in curated.text("left_out.csv")
    assert plain.facts["data_fingerprint"] != curated.facts["data_fingerprint"]


def test_photos_of_one_group_stand_on_one_side(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    paths = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("dress/*.png"))
    lines = [f"{path},{place // 2}" for place, path in enumerate(paths)]
    (tmp_path / "pairs.csv").write_text("\n".join(["path,group", *lines]))
    run = tiny(f"dataset.groups={tmp_path / 'pairs.csv'}")
    split = pd.read_csv(run.output / "split.csv")
    assert sorted(split["group_id"].value_counts().head(12)) == [2] * 12
    assert (split.groupby("group_id")["r0f0"].nunique() == 1).all()


def test_a_run_does_not_go_on_with_other_groups(
    tiny: Callable[..., TinyRun],
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["dataset=folder", f"dataset.root={shutil.copytree(photos, tmp_path / 'own')}"]
    words += ["dataset.image_size=16", "training.epochs=1", "tracking=none", "repeats=1"]
    run = tiny(*words)
    paths = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("dress/*.png"))
    lines = [f"{path},both" for path in paths[:2]]
    (tmp_path / "own" / "groups.csv").write_text("\n".join(["path,group", *lines]))
    (run.output / "unfinished").mkdir()
    load._last.clear()  # another process would not know them
    cfg = parse_command_line([*words, f"outputs={tmp_path / 'outputs'}"]).jobs[0]
    assert run_job(cfg, run.output, words, sealed=True) == MISTAKE
    assert "groups.csv have changed since it began" in capsys.readouterr().err


def test_a_download_is_tried_only_where_it_is_allowed(
    tiny: Callable[..., TinyRun], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        tiny("dataset=fashion_mnist", "dataset.download=false", f"dataset.root={tmp_path}")
    assert "dataset.download=true" in capsys.readouterr().err


def test_weights_of_an_earlier_run_are_where_training_begins(
    tiny: Callable[..., TinyRun], photos: Path
) -> None:
    """Trained on other photos: dresses and pullovers, then judged by shirts against nothing new."""
    first = tiny("dataset.classes=[dress,pullover]", "split.redraw=false")
    again = ("dataset.classes=[dress,pullover]", "split.redraw=false", "optim.lr=1e-9")
    scratch = tiny(*again)
    later = tiny(*again, f"model.weights={first.output}", "model.freeze=none")
    assert later.facts["weights_sha256"] != "random"
    assert later.history["loss"].iloc[0] != scratch.history["loss"].iloc[0]


def test_weights_that_have_seen_the_images_to_judge_by_are_refused(
    tiny: Callable[..., TinyRun], capsys: pytest.CaptureFixture[str]
) -> None:
    first = tiny()
    with pytest.raises(AssertionError):
        tiny(f"model.weights={first.output}", "repeats=2")
    assert (
        "images that this run would be judged by trained those weights" in capsys.readouterr().err
    )


def test_without_tracking_nothing_is_recorded(tiny: Callable[..., TinyRun], tmp_path: Path) -> None:
    tiny()
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    tiny(tracking="mlflow")
    assert (tmp_path / "outputs" / "mlflow.db").exists()


def _runs(uri: str, experiment: str) -> list[Run]:
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def test_the_runs_stand_in_the_store_that_uri_names(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'own.db'}"
    tiny(f"tracking.uri={uri}", tracking="mlflow")
    assert len(_runs(uri, "fashion_exp")) == 1


def test_the_runs_stand_in_the_experiment_named(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    tiny("tracking.experiment=mine", tracking="mlflow")
    assert len(_runs(f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}", "mine")) == 1


def test_a_logged_model_gives_the_predictions_of_its_run(
    tiny: Callable[..., TinyRun], tmp_path: Path, photos: Path
) -> None:
    run = tiny("tracking.log_model=true", "training.precision=fp32", tracking="mlflow")
    uri = f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    (recorded,) = _runs(uri, "fashion_exp")
    model = mlflow.pytorch.load_model(f"runs:/{recorded.info.run_id}/model")
    frame = run.frame("test")
    pixels = np.stack([np.array(Image.open(photos / path)) for path in frame["path"]])
    with torch.inference_mode():
        probabilities = model(torch.from_numpy(pixels).permute(0, 3, 1, 2)).softmax(1)
    expected = frame[["p_dress", "p_pullover", "p_shirt"]].to_numpy()
    assert np.allclose(probabilities.numpy(), expected, atol=1e-5)
